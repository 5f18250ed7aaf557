//! The built-in HTTP listeners of a host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use airchain_outputs::http::{AccessLog, ListenError, Listener, MakeText, Options};
use tokio::runtime::Handle;

use crate::error::Error;

/// Listeners by address.
pub(crate) struct Listeners {
    options: Options,
    runtime: Handle,
    metrics: MakeText,
    bound: Mutex<HashMap<SocketAddr, Listener>>,
    logs: Mutex<HashMap<PathBuf, AccessLog>>,
}

impl Listeners {
    /// `metrics` makes the text of `/metrics`.
    pub(crate) fn new(options: Options, runtime: Handle, metrics: MakeText) -> Self {
        Self { options, runtime, metrics, bound: Mutex::default(), logs: Mutex::default() }
    }

    /// The listener at `address`, bound at the first call.
    pub(crate) fn get(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = bound.get(&address) {
            return Ok(listener.clone());
        }
        let listener = Listener::bind(address, self.options.clone())?;
        listener.metrics(Arc::clone(&self.metrics));
        self.runtime.spawn(listener.clone().serve());
        // One that was bound to any free port is asked for by the port it got, too.
        bound.insert(listener.local_addr(), listener.clone());
        bound.insert(address, listener.clone());
        Ok(listener)
    }

    /// The access log in a file, started at the first call: listeners and stations may share one.
    pub(crate) fn log(&self, path: &Path) -> Result<AccessLog, Error> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(path) {
            return Ok(log.clone());
        }
        let failed = |error| Error::Output(format!("access_log: no thread for {}: {error}", path.display()));
        let log = AccessLog::open(path).map_err(failed)?;
        logs.insert(path.to_owned(), log.clone());
        Ok(log)
    }

    /// The access logs there are.
    pub(crate) fn logs(&self) -> Vec<AccessLog> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Begins to end them all.
    pub(crate) fn shutdown(&self) {
        for listener in self.bound.lock().unwrap_or_else(PoisonError::into_inner).values() {
            listener.shutdown();
        }
    }
}
