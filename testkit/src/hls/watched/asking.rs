//! What a server promises that holds requests until there is something new (8216bis, 6.2.5.2, 6.2.6).

use super::{Seen, Watched};
use crate::hls::{Notes, Origin, resolve};

/// What was asked of a server so far.
#[derive(Default)]
pub(super) struct Asking {
    /// What it must refuse.
    wrongly: bool,
    /// Which of playlist and part is waited for next.
    turn: bool,
}

impl Watched {
    /// Asks for what is promised, beyond the text that was seen: a delta update, and the next part.
    pub(super) fn ask(&mut self, origin: &mut dyn Origin, late_s: f64, notes: &mut Notes<'_>) {
        let Some(Seen { media, .. }) = self.last.as_ref().filter(|last| !last.media.ended) else { return };
        let control = media.control.clone().unwrap_or_default();
        if control.skip_until_us.is_some() {
            self.ask_delta(origin, late_s, notes);
        }
        if control.can_block {
            if !std::mem::replace(&mut self.asking.wrongly, true) {
                self.ask_wrongly(origin, notes);
            }
            self.asking.turn = !self.asking.turn;
            match self.asking.turn {
                true => self.wait(origin, late_s, notes),
                false => self.wait_for_hint(origin, late_s, notes),
            }
        }
    }

    /// What is far ahead, and a part of no segment, is refused at once.
    fn ask_wrongly(&self, origin: &mut dyn Origin, notes: &mut Notes<'_>) {
        let Some(Seen { media, .. }) = &self.last else { return };
        let (next, far) = (media.next(), media.next() + 100);
        for query in [
            format!("_HLS_msn={far}"),
            format!("_HLS_msn={far}&_HLS_part=0"),
            format!("_HLS_msn={next}&_HLS_part=1000"),
            "_HLS_part=0".into(),
        ] {
            let status = origin.status(&format!("{}?{query}", self.path));
            if status != 400 {
                notes.note("bis 6.2.5.2", 0, format!("?{query} is answered with {status}, not 400"));
            }
        }
    }

    /// A request for the next part is answered when that is there.
    fn wait(&mut self, origin: &mut dyn Origin, late_s: f64, notes: &mut Notes<'_>) {
        let Some((number, part)) = self.last.as_ref().map(|last| last.media.next_part()) else { return };
        if !self.look(origin, &format!("?_HLS_msn={number}&_HLS_part={part}"), late_s, notes) {
            return;
        }
        let Some(Seen { media, .. }) = &self.last else { return };
        if !media.ended && media.next_part() <= (number, part) {
            let what = format!("a request for part {part} of {number} is answered without it");
            notes.note("bis 6.2.5.2", 0, what);
        }
    }

    /// A request for a part that was hinted is answered with it, unless it is given up meanwhile.
    fn wait_for_hint(&mut self, origin: &mut dyn Origin, late_s: f64, notes: &mut Notes<'_>) {
        let Some(hint) = self.last.as_ref().and_then(|last| last.media.hint.clone()) else { return };
        let fetched = origin.get(&resolve(&self.path, &hint));
        let (is_there, data) = (fetched.is_some(), fetched.map(|fetched| fetched.data));
        data.map(|data| self.parts.held.insert(hint.clone(), data));
        if self.look(origin, "", late_s, notes) && !is_there {
            let is_hinted = self.last.as_ref().is_some_and(|last| last.media.hint.as_ref() == Some(&hint));
            if is_hinted || self.parts.has(&hint) {
                notes.note("bis 6.2.6", 0, format!("{hint} is hinted, and not there when asked for"));
            }
        }
    }
}
