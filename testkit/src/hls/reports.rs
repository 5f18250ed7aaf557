//! What media playlists say of each other (8216bis, 4.4.5.4), held to what those show.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::watched::Watched;
use super::{Notes, resolve};

/// How far a playlist is: its last part, as [`Media::last_part`](super::Media::last_part).
type Place = (u64, usize);

/// Reports that were read.
#[derive(Default)]
pub(super) struct Reports {
    /// By the playlist that says it and the one that it is of: the newest.
    said: BTreeMap<(String, String), Place>,
}

/// How far the playlists are that are live and answered by a server that holds requests.
pub(super) fn places(watched: &BTreeMap<String, Watched>) -> BTreeMap<String, Place> {
    let live = watched.values().filter_map(|watched| Some((&watched.path, watched.live()?)));
    live.filter_map(|(path, media)| Some((path.clone(), media.last_part()?))).collect()
}

impl Reports {
    /// Checks the reports in all texts that came since `since`, when those before were as far as `before`: they are true, by what
    /// was seen before and what is seen with the next call.
    pub(super) fn check(
        &mut self,
        watched: &BTreeMap<String, Watched>,
        (since, before): (Timestamp, &BTreeMap<String, Place>),
        found: &mut Vec<super::Finding>,
    ) {
        let now = places(watched);
        for ((by, of), said) in &self.said {
            if let Some(is) = now.get(of).filter(|is| *is < said) {
                let what = format!("it reports {said:?} of {of}, which is at {is:?}");
                Notes { playlist: by, found }.note("bis 4.4.5.4", 0, what);
            }
        }
        for (path, one) in watched.iter().filter(|(_, one)| one.asked().is_some_and(|asked| asked >= since)) {
            let Some(media) = one.live() else { continue };
            let mut notes = Notes { playlist: path, found };
            let mut missing: Vec<&String> = before.keys().filter(|of| *of != path).collect();
            for report in &media.reports {
                let of = resolve(path, report.uri.split('?').next().unwrap_or_default());
                missing.retain(|missing| **missing != of);
                let is_other = watched.contains_key(&of) && of != *path;
                if !is_other || report.uri.contains("://") || report.uri.starts_with('/') {
                    let what = format!("{} is not the way to another playlist", report.uri);
                    notes.note("bis 4.4.5.4", report.line, what);
                    continue;
                }
                let said = report.last_part();
                let known = before.get(&of).max(self.said.get(&(path.clone(), of.clone())));
                if let Some(known) = known.filter(|known| **known > said) {
                    let what = format!("it reports {said:?} of {of}, which was at {known:?}");
                    notes.note("bis 4.4.5.4", report.line, what);
                }
                let has_parts = watched.get(&of).and_then(Watched::live).is_some_and(|media| {
                    media.find(report.number).is_some_and(|segment| !segment.parts.is_empty())
                });
                if report.part.is_none() && has_parts {
                    notes.note("bis 4.4.5.4", report.line, format!("no LAST-PART of {of}"));
                }
                self.said.insert((path.clone(), of), said);
            }
            for of in missing {
                notes.note("bis 4.4.5.4", 0, format!("there is no report of {of}"));
            }
        }
    }

    /// The server was away: what it says now is another's.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }
}
