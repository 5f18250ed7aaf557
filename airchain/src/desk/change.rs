//! Outputs that change while on air: one takes the place of another, or goes on under another id.
//!
//! The frame at which the new one begins is where the old one ends, of audio neither loses anything. What only one can have
//! at a time, a mount or a folder, is the old one's until it is gone; the queue of the new one holds its audio meanwhile.

use airchain_core::Frames;
use airchain_core::control::{Command, When};
use airchain_outputs::sink::Health;
use airchain_outputs::worker::OutputHandle;
use serde_json::{Map, Value};

use super::DeskStation;
use super::outputs::Successor;
use crate::error::Error;
use crate::from_config;
use crate::output::OutputSpec;
use crate::station::{OutputEntry, lock};

/// How far ahead of the air the frame is at which outputs change places: for the engine to know of it before, in blocks
/// and as a part of a second.
const AHEAD_BLOCKS: Frames = 3;
const AHEAD_PER_S: Frames = 20;

impl DeskStation {
    /// Changes an output by the fields of its declaration. Gives the whole of the new one.
    pub(super) fn change_output(
        &mut self,
        when: When,
        id: &str,
        changes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let before = self.entry(id, |entry| entry.declared.clone())?;
        let declared = from_config::changed(id, before.as_ref(), changes)?;
        let spec = from_config::output(&self.shared.home(), &declared)?;
        self.replace_output(when, spec, Some(declared.clone()))?;
        Ok(declared)
    }

    /// Has an output take the place of the one of the same id. When it cannot be made, nothing has changed.
    pub(super) fn replace_output(
        &mut self,
        when: When,
        spec: OutputSpec,
        declared: Option<Map<String, Value>>,
    ) -> Result<(), Error> {
        let soon = self.shared.position()
            + (AHEAD_BLOCKS * self.block).max(Frames::from(self.shared.rate) / AHEAD_PER_S);
        let at = match when {
            When::Now => soon,
            When::At(frame) => frame.max(soon),
        };
        let id = spec.id.clone();
        let before = self.entry(&id, |entry| Successor {
            at,
            serial: entry.serial,
            mount: entry.mount.clone(),
            place: (entry.kind, entry.target.clone()),
            gone: entry.gone.clone(),
        })?;
        let old = self.start_output(When::At(at), spec, declared, Some(&before))?;
        self.unbound.retain(|unbound| unbound.id != id);
        if let Some(entry) = old {
            self.retire(&entry, at);
        }
        Ok(())
    }

    /// Has an output that another follows end at a frame.
    fn retire(&mut self, entry: &OutputEntry, at: Frames) {
        for running in self.renditions.iter_mut().filter(|running| running.outputs.contains(&entry.serial)) {
            if running.outputs.len() > 1 {
                running.door.leave(entry.serial, at);
            } else {
                self.director.send(When::At(at), Command::RemoveTap(running.tap));
            }
            running.outputs.retain(|serial| *serial != entry.serial);
        }
        self.renditions.retain(|running| !running.outputs.is_empty());
        // One that fails has nothing to say goodbye to, and is not waited for.
        let fails =
            |handle: &&OutputHandle| handle.health() == Health::Down && handle.stats().last_error.is_some();
        entry.handles.iter().filter(fails).for_each(|handle| handle.stop(false));
    }

    /// Gives an output another id, and its mount another name. Gives its declaration, where it has one.
    pub(super) fn rename_output(
        &mut self,
        id: &str,
        new_id: &str,
        name: Option<&str>,
    ) -> Result<Option<Map<String, Value>>, Error> {
        self.entry(id, |_| ())?;
        if id != new_id {
            self.check_id(new_id)?;
        }
        let mut outputs = lock(&self.shared.outputs);
        let Some(entry) = outputs.iter_mut().find(|entry| entry.id == id) else { return Ok(None) };
        new_id.clone_into(&mut entry.id);
        entry.handles.iter().for_each(|handle| handle.rename(new_id));
        if let (Some(mount), Some(name)) = (&entry.mount, name) {
            mount.set_name(name);
        }
        if let Some(declared) = &mut entry.declared {
            declared.insert("id".into(), new_id.into());
            if let Some(name) = name {
                // An output's own name goes before its mount's; that of a recording is one of files.
                let kind = declared.get("type").and_then(Value::as_str).unwrap_or_default();
                let has_own =
                    matches!(kind, "http" | "icecast") && declared.get("name").is_some_and(Value::is_string);
                let field = if has_own { "name" } else { "mount_name" };
                declared.insert(field.into(), name.into());
            }
        }
        let declared = entry.declared.clone();
        drop(outputs);
        self.unbound.iter_mut().filter(|spec| spec.id == id).for_each(|spec| new_id.clone_into(&mut spec.id));
        self.serving.rename(id, new_id);
        Ok(declared)
    }

    /// What `read` finds in the entry of an output.
    fn entry<T>(&self, id: &str, read: impl FnOnce(&OutputEntry) -> T) -> Result<T, Error> {
        let outputs = lock(&self.shared.outputs);
        let entry = outputs.iter().find(|entry| entry.id == id);
        entry.map(read).ok_or_else(|| Error::Output(format!("there is no output called {id}")))
    }
}
