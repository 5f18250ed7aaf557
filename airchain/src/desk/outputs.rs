//! The outputs of a station: started on the encoder of their format, taken off, tried again when a port was in use.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain_codecs::Format;
use airchain_core::Frames;
use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, When};
use airchain_core::tap::{TapWriter, tap};
use airchain_outputs::health::HealthEvent;
use airchain_outputs::http::{AccessLog, Audience, Listener, MountHandle};
use airchain_outputs::joint;
use airchain_outputs::sink::{Health, Output};
use airchain_outputs::tenure::{self, Gone};
use airchain_outputs::worker::{OutputHandle, WorkerOptions};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::DeskStation;
use crate::encode_pool::Kind;
use crate::error::Error;
use crate::output::{Opened, OutputSpec, Target};
use crate::passthrough;
use crate::rendition::{Door, Encoding, Rendition, Waiting};
use crate::station::{OutputEntry, lock};

/// How often a listener that could not be bound is tried again.
const REBIND: Duration = Duration::from_secs(5);
/// Audio a tap can hold, in seconds: what an encode worker may be late by before listeners hear it. Where machines are
/// shared, they stand still for longer than a second now and then. What is not used takes hardly any memory.
const TAP_S: u32 = 3;

/// An encoder that runs, and how many outputs share it.
pub(super) struct Running {
    encoding: Encoding,
    pub(super) tap: TapId,
    pub(super) door: Arc<Door>,
    /// Their serials.
    pub(super) outputs: Vec<u64>,
}

/// The listener of an output.
struct Page {
    /// By which address it was asked for.
    listen: SocketAddr,
    listener: Listener,
    /// Where the output's mount is.
    path: String,
    log: Option<AccessLog>,
    /// Where it serves HLS, whether players are given session ids.
    sessions: Option<bool>,
}

/// What one that takes the place of an output knows of it.
pub(super) struct Successor {
    /// The frame of the bus at which it does.
    pub(super) at: Frames,
    pub(super) serial: u64,
    pub(super) mount: Option<MountHandle>,
    /// Its kind and where it goes.
    pub(super) place: (&'static str, String),
    pub(super) gone: Vec<Gone>,
}

impl DeskStation {
    /// Starts an output of a station that begins: when the system refuses it a port it is down, and tried again.
    pub(crate) fn begin_output(
        &mut self,
        spec: OutputSpec,
        declared: Option<Map<String, Value>>,
    ) -> Result<(), Error> {
        let Some(error) = self.bind_error(&spec) else { return self.add_output(When::Now, spec, declared) };
        self.check_id(&spec.id)?;
        let (id, kind, failed) = (spec.id.clone(), spec.target.kind(), Some(error.clone()));
        let target = match &spec.target {
            Target::Http { listen, path, .. } => format!("http://{listen}{path}"),
            _ => String::new(),
        };
        let serial = self.fresh_serial();
        lock(&self.shared.outputs).push(OutputEntry {
            id: id.clone(),
            serial,
            kind,
            target,
            declared,
            mount: None,
            handles: Vec::new(),
            gone: Vec::new(),
            failed,
        });
        tracing::warn!(output = %id, "{error}");
        let event =
            HealthEvent { output: id, health: Health::Down, reason: Some(error), at: Timestamp::now() };
        let _ = self.health.0.send(event);
        self.unbound.push(spec);
        self.retry_due = Instant::now() + REBIND;
        Ok(())
    }

    /// Tries the outputs again whose listener could not be bound.
    pub(super) fn bind_again(&mut self) {
        if self.unbound.is_empty() || Instant::now() < self.retry_due || self.leaving {
            return;
        }
        self.retry_due = Instant::now() + REBIND;
        for spec in std::mem::take(&mut self.unbound) {
            if self.bind_error(&spec).is_some() {
                self.unbound.push(spec);
                continue;
            }
            let id = spec.id.clone();
            let mut outputs = lock(&self.shared.outputs);
            let index = outputs.iter().position(|entry| entry.id == id);
            let declared = index.and_then(|index| outputs.remove(index).declared);
            drop(outputs);
            if let Err(error) = self.add_output(When::Now, spec, declared) {
                tracing::error!(output = %id, "{error}");
            }
        }
    }

    /// Why the listener that an output needs cannot be bound.
    fn bind_error(&self, spec: &OutputSpec) -> Option<String> {
        let Target::Http { listen, .. } = &spec.target else { return None };
        self.engines.listeners.get(*listen).err().map(|error| error.to_string())
    }

    pub(super) fn check_id(&self, id: &str) -> Result<(), Error> {
        if lock(&self.shared.outputs).iter().any(|entry| entry.id == id) {
            return Err(Error::Output(format!("there is already an output called {id}")));
        }
        Ok(())
    }

    fn fresh_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Forgets the renditions that are over, so that an output that wants such a format starts a new one.
    pub(super) fn let_go(&mut self) {
        let director = &mut self.director;
        self.renditions.retain(|running| {
            let over = running.door.is_closed();
            if over {
                director.send(When::Now, Command::RemoveTap(running.tap));
            }
            !over
        });
    }

    /// Starts an output: at this frame where it needs an encoder of its own, else at once, on the encoder that already
    /// makes its format.
    pub(crate) fn add_output(
        &mut self,
        when: When,
        spec: OutputSpec,
        declared: Option<Map<String, Value>>,
    ) -> Result<(), Error> {
        self.check_id(&spec.id)?;
        self.start_output(when, spec, declared, None).map(drop)
    }

    /// Starts an output, in the place of another of its id where `before` says so. Gives that one; when it cannot be
    /// started, all is as it was.
    pub(super) fn start_output(
        &mut self,
        when: When,
        spec: OutputSpec,
        declared: Option<Map<String, Value>>,
        before: Option<&Successor>,
    ) -> Result<Option<OutputEntry>, Error> {
        let OutputSpec { id, format, target, passthrough } = spec;
        self.let_go();
        let (kind, is_segmented) = (target.kind(), target.is_segmented());
        let page = self.page(&target)?;
        let folder = match &target {
            Target::Hls(config) | Target::Dash(config) => config.store.local().map(Path::to_owned),
            _ => None,
        };
        if passthrough {
            passthrough::check(&format, self.shared.rate).map_err(|not| Error::Output(not.to_string()))?;
        }
        let held = before.and_then(|before| before.mount.as_ref());
        let Opened { parts, options, live } = target.open(format, &self.engines.listeners, held)?;
        let target = parts.first().map(|(_, output)| output.describe()).unwrap_or_default();
        let serial = self.fresh_serial();
        let from = before.map(|before| before.at);
        let encoding = |format: Format| Encoding {
            format,
            passthrough: passthrough && passthrough::check(&format, self.shared.rate).is_ok(),
            // Of two encoders one is enough where nobody can tell the difference.
            on_grid: is_segmented || !format.codec.says_where_it_begins(),
        };
        let encodings: Vec<_> = parts.iter().map(|(format, _)| encoding(*format)).collect();
        let doors = encodings.into_iter().map(|encoding| self.rendition(when, encoding, serial, from));
        let doors: Result<Vec<_>, Error> = doors.collect();
        let doors = doors.inspect_err(|_| self.leave_renditions(serial))?;
        // What both of them want is the other's until it is gone.
        let is_held = |before: &&Successor| before.place.0 == kind && before.place.1 == target;
        let after = before.filter(is_held).map(|before| before.gone.clone()).unwrap_or_default();
        let lodge = |(_, output)| tenure::lodge(output, after.clone());
        let (parts, gone): (Vec<_>, Vec<_>) = parts.into_iter().map(lodge).unzip();
        let mount = page.as_ref().and_then(|page| page.listener.mounted(&page.path));
        let (handles, failed) = (Vec::new(), None);
        let entry =
            OutputEntry { id: id.clone(), serial, kind, target, declared, mount, handles, gone, failed };
        let old = self.enter(entry, before.map(|before| before.serial));
        if !self.hand_over(&id, serial, parts.into_iter().zip(doors), &options) {
            // What has started is stopped with the entry; what has not finds none.
            self.withdraw(serial, old);
            return Err(Error::Output("the encoder has just failed, try again".into()));
        }
        self.serving.remove(&id);
        if let Some(page) = page {
            self.open_page(&id, page);
        }
        if let Some(folder) = folder {
            self.serving.add_folder(&self.shared.id, &id, folder, live);
        }
        self.engines.encode.set_prompt(&self.shared.cost, self.serving.has_live());
        Ok(old)
    }

    /// The listener that an output needs, bound and told whom to trust, whatever becomes of the output.
    fn page(&self, target: &Target) -> Result<Option<Page>, Error> {
        let Target::Http { listen, path, options, .. } = target else { return Ok(None) };
        let listeners = &self.engines.listeners;
        let log = options.access_log.as_deref().map(|path| listeners.log(path)).transpose()?;
        let listener = listeners.get(*listen)?;
        listener.trust(&options.trusted_proxies);
        if !options.metrics {
            listener.admit_to_metrics(Audience::Nobody);
        }
        let (listen, path) = (*listen, path.clone());
        let sessions = options.serves_hls.then_some(options.hls_sessions);
        Ok(Some(Page { listen, listener, path, log, sessions }))
    }

    /// Has the listener of an output that has started serve what the station has for it.
    fn open_page(&mut self, id: &str, page: Page) {
        let Page { listen, listener, log, sessions, .. } = page;
        lock(&self.shared.pages).insert(listen, listener.state());
        log.iter().for_each(|log| listener.log_to(log));
        if let Some(sessions) = sessions {
            self.serving.add_page(id, listener, sessions);
        }
    }

    /// Hands the parts of an output to the encoders that they are for, behind their doors. Whether all of those are there.
    fn hand_over(
        &self,
        id: &str,
        serial: u64,
        parts: impl ExactSizeIterator<Item = (Box<dyn Output>, (Arc<Door>, Option<Frames>))>,
        options: &WorkerOptions,
    ) -> bool {
        let health = self.health.0.clone();
        let tellers = joint::joined(parts.len(), Arc::new(move |event| drop(health.send(event))));
        parts.zip(tellers).all(|((output, (door, from)), teller)| {
            let shared = Arc::clone(&self.shared);
            let started = Box::new(move |handle: OutputHandle| {
                match lock(&shared.outputs).iter_mut().find(|entry| entry.serial == serial) {
                    Some(entry) => {
                        // It may have been given another id meanwhile.
                        handle.rename(&entry.id);
                        entry.handles.push(handle);
                    }
                    // It was removed before it could start.
                    None => handle.stop(true),
                }
            });
            let options = options.clone().telling(teller);
            door.add(Waiting { id: id.to_owned(), serial, from, output, options, started })
        })
    }

    /// Adds the entry of an output, in the place of that of another, which it gives.
    fn enter(&self, entry: OutputEntry, before: Option<u64>) -> Option<OutputEntry> {
        let mut outputs = lock(&self.shared.outputs);
        match outputs.iter_mut().find(|other| Some(other.serial) == before) {
            Some(other) => Some(std::mem::replace(other, entry)),
            None => {
                outputs.push(entry);
                None
            }
        }
    }

    /// Takes back an output that could not be started, in whose place the one before goes on.
    fn withdraw(&mut self, serial: u64, before: Option<OutputEntry>) {
        let mut outputs = lock(&self.shared.outputs);
        if let Some(index) = outputs.iter().position(|entry| entry.serial == serial) {
            let entry = outputs.remove(index);
            entry.handles.iter().for_each(|handle| handle.stop(true));
            before.into_iter().for_each(|before| outputs.insert(index, before));
        }
        drop(outputs);
        self.leave_renditions(serial);
    }

    /// The door of the rendition that encodes so, started if it is not running, for the output of this serial; and the frame
    /// from which on that is given audio, where it is to begin with `from` and others are given audio before.
    fn rendition(
        &mut self,
        when: When,
        encoding: Encoding,
        output: u64,
        from: Option<Frames>,
    ) -> Result<(Arc<Door>, Option<Frames>), Error> {
        if let Some(running) = self.renditions.iter_mut().find(|running| running.encoding == encoding) {
            running.outputs.push(output);
            return Ok((Arc::clone(&running.door), from));
        }
        let (writer, reader) = tap((self.shared.rate * TAP_S) as usize);
        let metadata = self.shared.on_air().map(|on_air| Arc::new(on_air.item.metadata));
        let runtime = self.engines.runtime.clone();
        let workers = encoding.passthrough.then(|| self.engines.decode.clone());
        let shared = Arc::clone(&self.shared);
        let (rendition, door) = Rendition::new(encoding, reader, shared, metadata, runtime, workers)?;
        let id = self.add_tap(when, writer);
        self.engines.encode.add(Box::new(rendition), Kind::Encoder, &self.shared.cost);
        let outputs = vec![output];
        self.renditions.push(Running { encoding, tap: id, door: Arc::clone(&door), outputs });
        Ok((door, None))
    }

    /// Puts a tap on the bus.
    pub(super) fn add_tap(&mut self, when: When, writer: TapWriter) -> TapId {
        let id = TapId(self.next_tap);
        self.next_tap += 1;
        self.director.send(when, Command::AddTap(Tap { id, writer }));
        id
    }

    pub(super) fn remove_output(&mut self, id: &str) -> Result<(), Error> {
        let mut outputs = lock(&self.shared.outputs);
        let index = outputs.iter().position(|entry| entry.id == id);
        let entry =
            outputs.remove(index.ok_or_else(|| Error::Output(format!("there is no output called {id}")))?);
        drop(outputs);
        self.unbound.retain(|spec| spec.id != id);
        self.serving.remove(id);
        self.engines.encode.set_prompt(&self.shared.cost, self.serving.has_live());
        entry.handles.iter().for_each(|handle| handle.stop(true));
        self.leave_renditions(entry.serial);
        Ok(())
    }

    /// Takes an output off the encoders that it uses; those that nobody else does end.
    fn leave_renditions(&mut self, output: u64) {
        for running in &mut self.renditions {
            running.outputs.retain(|serial| *serial != output);
            if running.outputs.is_empty() {
                self.director.send(When::Now, Command::RemoveTap(running.tap));
            }
        }
        self.renditions.retain(|running| !running.outputs.is_empty());
    }
}
