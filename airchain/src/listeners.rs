//! The built-in HTTP listeners of a host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use airchain_outputs::http::{ListenError, Listener, Options};
use tokio::runtime::Handle;

/// Listeners by address.
pub(crate) struct Listeners {
    options: Options,
    runtime: Handle,
    bound: Mutex<HashMap<SocketAddr, Listener>>,
}

impl Listeners {
    pub(crate) fn new(options: Options, runtime: Handle) -> Self {
        Self { options, runtime, bound: Mutex::default() }
    }

    /// The listener at `address`, bound at the first call.
    pub(crate) fn get(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = bound.get(&address) {
            return Ok(listener.clone());
        }
        let listener = Listener::bind(address, self.options.clone())?;
        self.runtime.spawn(listener.clone().serve());
        // One that was bound to any free port is asked for by the port it got, too.
        bound.insert(listener.local_addr(), listener.clone());
        bound.insert(address, listener.clone());
        Ok(listener)
    }

    /// Begins to end them all.
    pub(crate) fn shutdown(&self) {
        for listener in self.bound.lock().unwrap_or_else(PoisonError::into_inner).values() {
            listener.shutdown();
        }
    }
}
