//! Low-latency HLS as a server answers it (RFC 8216bis, 6.2.5): it holds a request until what it asks for is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::playlist::{self, Answer, Report};
use crate::segments::name::parse_part;
use crate::segments::{Presentation, Shown};

/// What low-latency players of an HLS output are answered. Clones are of the same output.
#[derive(Clone)]
pub struct Live(Arc<Presentation>);

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Live")
    }
}

/// Why there is no playlist for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It asks for what is too far ahead, or for a part of nothing.
    Bad,
    /// What it asks for did not come in time.
    Late,
}

/// Segments by which a request may be ahead of what is there.
const AHEAD: u64 = 2;

impl Live {
    pub(super) fn new(presentation: Arc<Presentation>) -> Self {
        Self(presentation)
    }

    /// A media playlist, named relative to the multivariant one, as `query` asks for it: now, or when the segment or part
    /// that it names is there. `None` where there is nothing of that name yet, or but what is of before and is not taken up.
    pub(crate) async fn playlist(&self, name: &str, query: &str) -> Option<Result<String, Refused>> {
        let (_, mut shown) = self.0.shown().find(|(uri, _)| *uri == name)?;
        // What lies there of before is about to be taken up, and has promises then that a file has not.
        let patience = Duration::from_secs(self.0.layout.target_s);
        let now = timeout(patience, shown.wait_for(Option::is_some)).await.ok()?.ok()?.clone()?;
        let asked = match asked(query) {
            Ok(asked) => asked,
            Err(refused) => return Some(Err(refused)),
        };
        let Some((number, part)) = asked else { return Some(Ok(self.answer(name, &now, query))) };
        if now.is_far(number, part) {
            return Some(Err(Refused::Bad));
        }
        let is_there =
            |shown: &Option<Arc<Shown>>| shown.as_ref().is_some_and(|shown| shown.has(number, part));
        let patience = Duration::from_secs(3 * now.window.target_s);
        let found = match timeout(patience, shown.wait_for(is_there)).await {
            Ok(Ok(shown)) => shown.clone(),
            _ => None,
        };
        Some(found.map(|shown| self.answer(name, &shown, query)).ok_or(Refused::Late))
    }

    fn answer(&self, name: &str, shown: &Shown, query: &str) -> String {
        let up = if name.contains('/') { "../" } else { "" };
        let others = self.0.shown().filter(|(uri, _)| *uri != name);
        let report = |(uri, shown): (&str, tokio::sync::watch::Receiver<Option<Arc<Shown>>>)| {
            let shown = shown.borrow();
            let window = &shown.as_ref()?.window;
            let (number, part) = match &window.open {
                Some(open) => (open.number, open.parts.len().checked_sub(1)),
                None => {
                    let last = window.entries.back()?;
                    (last.number, last.parts.len().checked_sub(1))
                }
            };
            Some(Report { uri: format!("{up}{uri}"), number, part })
        };
        let skip = argument(query, "_HLS_skip").is_some_and(|value| matches!(value, "YES" | "v2"));
        let answer = Answer { run: shown.run, skip, reports: others.filter_map(report).collect() };
        playlist::render(&shown.window, &shown.style, Some(&answer))
    }

    /// Waits for a part that players have been told will come, where a request is for that.
    pub(crate) async fn appear(&self, name: &str) {
        let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
        let Some((run, number, index)) = parse_part(file) else { return };
        let is_in = |uri: &str| uri.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        let Some((_, mut shown)) = self.0.shown().find(|(uri, _)| is_in(uri)) else { return };
        let Some(now) = shown.borrow().clone() else { return };
        let (next, part) =
            now.window.open.as_ref().map_or((now.window.next, 0), |open| (open.number, open.parts.len()));
        if (run, number, index) == (now.run, next, part) {
            let is_there = |shown: &Option<Arc<Shown>>| {
                shown.as_ref().is_some_and(|shown| shown.has(number, Some(index)))
            };
            let _ = timeout(Duration::from_secs(3 * now.window.target_s), shown.wait_for(is_there)).await;
        }
    }
}

impl Shown {
    /// Whether a request is too far ahead (6.2.5.2): by more than [`AHEAD`] segments, or more parts than there are in three
    /// seconds, or three where they are longer than one.
    fn is_far(&self, number: u64, part: Option<usize>) -> bool {
        let window = &self.window;
        let last = window.open.as_ref().or(window.entries.back());
        let there = last.filter(|last| last.number == number).map_or(0, |last| last.parts.len());
        let part_us = self.style.part_us.unwrap_or(1).clamp(1, 1_000_000);
        let most = there + (3_000_000 / part_us) as usize;
        let last = last.map_or(0, |last| last.number);
        let is_far = number > last + AHEAD || number >= last && part.is_some_and(|part| part > most);
        is_far && !window.ended
    }

    /// Whether a segment is there, or a part of it; or nothing more will come.
    fn has(&self, number: u64, part: Option<usize>) -> bool {
        let window = &self.window;
        let in_open = window.open.as_ref().zip(part);
        let open = in_open.is_some_and(|(open, part)| open.number == number && open.parts.len() > part);
        // The part behind the last of a segment is the first of the next (6.2.5.2).
        let whole = number < window.next;
        let behind = |last: &crate::segments::window::Entry| {
            last.number == number && part.is_some_and(|part| part >= last.parts.len().max(1))
        };
        let is_behind = window.entries.back().is_some_and(behind);
        window.ended || open || (whole && !is_behind) || (is_behind && window.open.is_some())
    }
}

/// The segment and part that a query asks for.
fn asked(query: &str) -> Result<Option<(u64, Option<usize>)>, Refused> {
    let number = |name| argument(query, name).map(str::parse::<u64>).transpose().map_err(|_| Refused::Bad);
    match (number("_HLS_msn")?, number("_HLS_part")?) {
        (Some(segment), part) => Ok(Some((segment, part.and_then(|part| usize::try_from(part).ok())))),
        (None, Some(_)) => Err(Refused::Bad),
        (None, None) => Ok(None),
    }
}

/// The value of a query's first argument of a name.
fn argument<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_understood_or_refused() {
        assert_eq!(asked(""), Ok(None));
        assert_eq!(asked("s=1&_HLS_msn=7&_HLS_part=2"), Ok(Some((7, Some(2)))));
        assert_eq!(asked("_HLS_msn=7&_HLS_skip=YES"), Ok(Some((7, None))));
        for bad in [
            "_HLS_part=2",
            "_HLS_msn=x",
            "_HLS_msn=-1",
            "_HLS_msn=7&_HLS_part=",
            "_HLS_msn=99999999999999999999",
        ] {
            assert_eq!(asked(bad), Err(Refused::Bad), "{bad}");
        }
    }
}
