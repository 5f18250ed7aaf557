//! Which URL comes next, and when. No I/O and no clock.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use url::Url;

use super::trouble::Trouble;

/// Playlists within playlists.
const DEEPEST: usize = 3;
/// What the playlists of one URL may name, all together.
const MOST_ENTRIES: usize = 64;
/// Entries of one URL's playlists that are tried before the next URL has its turn.
const MOST_IN_TURN: usize = 8;
/// First pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A connection that held this long is worth making again, and pauses start small.
pub(crate) const STEADY: Duration = Duration::from_secs(10);
/// The first URL is believed to be well when it holds this long.
const WELL: Duration = Duration::from_secs(60);
/// Longest time on a fallback before a first URL that keeps breaking is tried again, unless more is asked for.
const LONGEST_RETURN: Duration = Duration::from_secs(600);

/// A URL to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) url: Url,
    /// Which of the configured URLs it is, or is named by.
    pub(crate) index: usize,
    /// How many playlists it is within.
    depth: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Now(Candidate),
    /// All have failed.
    After(Duration, Candidate),
}

/// Goes round the configured URLs, and into the playlists that they turn out to be.
#[derive(Debug)]
pub(crate) struct Route {
    urls: Vec<Url>,
    at: usize,
    /// What playlists of the present URL name and was not tried yet.
    entries: VecDeque<Candidate>,
    /// Entries of the present URL that were tried.
    tried: usize,
    /// Entries beyond that, which come when all URLs had their turn.
    later: VecDeque<Candidate>,
    /// The present URL and all that its playlists name.
    named: HashSet<Url>,
    /// URLs to try before the next pause, the present one reckoned in.
    left: usize,
    pause: Duration,
    longest_pause: Duration,
    return_after: Duration,
    /// How often in a row the first URL did not hold.
    breaks: u32,
}

impl Route {
    /// `urls` are the configured ones, best first; at least one.
    pub(crate) fn new(urls: Vec<Url>, longest_pause: Duration, return_after: Duration) -> Self {
        Self {
            at: 0,
            entries: VecDeque::new(),
            tried: 0,
            later: VecDeque::new(),
            named: HashSet::new(),
            left: urls.len(),
            pause: FIRST_PAUSE,
            longest_pause,
            return_after,
            breaks: 0,
            urls,
        }
    }

    /// Goes by other URLs from now on.
    pub(crate) fn replace(&mut self, urls: Vec<Url>) {
        *self = Self::new(urls, self.longest_pause, self.return_after);
    }

    /// Where it begins.
    pub(crate) fn first(&mut self) -> Option<Candidate> {
        self.begin_at(0)
    }

    /// Goes on from one of the URLs, as it is listened to now; gives it.
    pub(crate) fn begin_at(&mut self, index: usize) -> Option<Candidate> {
        (self.at, self.left) = (index, self.urls.len());
        self.later.clear();
        self.present()
    }

    /// The first `count` URLs alone, for a trial beside what is listened to.
    pub(crate) fn trial(&self, count: usize) -> Self {
        Self::new(self.urls.iter().take(count).cloned().collect(), self.longest_pause, self.return_after)
    }

    /// How long to stay on a fallback before the first URL is tried.
    pub(crate) fn return_pause(&self) -> Duration {
        let doubled = 1 << self.breaks.saturating_sub(1).min(16);
        (self.return_after * doubled).min(LONGEST_RETURN.max(self.return_after))
    }

    /// A playlist was found at `from`: its entries come next, in their order.
    pub(crate) fn list(&mut self, from: &Candidate, entries: Vec<Url>) -> Result<(), Trouble> {
        let depth = from.depth + 1;
        if entries.is_empty() {
            return Err(Trouble::EmptyList);
        }
        if depth > DEEPEST {
            return Err(Trouble::DeepList(DEEPEST));
        }
        let mut new = Vec::new();
        for url in entries {
            if self.named.len() <= MOST_ENTRIES && self.named.insert(url.clone()) {
                new.push(Candidate { url, index: from.index, depth });
            }
        }
        if new.is_empty() {
            return Err(Trouble::DeepList(DEEPEST));
        }
        for candidate in new.into_iter().rev() {
            self.entries.push_front(candidate);
        }
        Ok(())
    }

    /// What comes after a playlist, or after a candidate that gave no audio.
    pub(crate) fn next(&mut self) -> Option<Step> {
        if self.tried < MOST_IN_TURN
            && let Some(entry) = self.entries.pop_front()
        {
            self.tried += 1;
            return Some(Step::Now(entry));
        }
        self.later.append(&mut self.entries);
        if self.left <= 1
            && let Some(entry) = self.later.pop_front()
        {
            return Some(Step::Now(entry));
        }
        self.at = (self.at + 1) % self.urls.len().max(1);
        let candidate = self.present()?;
        if self.left > 1 {
            self.left -= 1;
            return Some(Step::Now(candidate));
        }
        self.left = self.urls.len();
        // Not all at once, when many lost the same server.
        let pause = self.pause.mul_f64(0.75 + 0.25 * fastrand::f64());
        self.pause = (self.pause * 2).min(self.longest_pause);
        Some(Step::After(pause.min(self.longest_pause), candidate))
    }

    /// What comes after a connection that gave audio for so long. One that was `given_up` is not what is tried next.
    pub(crate) fn lost(&mut self, candidate: Candidate, streamed: Duration, given_up: bool) -> Option<Step> {
        if candidate.index == 0 {
            let holds = !given_up && streamed >= WELL;
            self.breaks = if holds { 0 } else { self.breaks + 1 };
        }
        if streamed >= STEADY {
            (self.pause, self.left) = (FIRST_PAUSE, self.urls.len());
            if !given_up {
                return Some(Step::Now(candidate));
            }
        }
        self.next()
    }

    fn present(&mut self) -> Option<Candidate> {
        let url = self.urls.get(self.at)?.clone();
        self.entries.clear();
        self.tried = 0;
        self.named = HashSet::from([url.clone()]);
        Some(Candidate { url, index: self.at, depth: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_secs(4);

    fn url(name: &str) -> Url {
        Url::parse("http://h/").unwrap().join(name).unwrap()
    }

    fn route(names: &[&str]) -> Route {
        let urls = names.iter().map(|name| url(name)).collect();
        Route::new(urls, Duration::from_secs(15), Duration::from_secs(30))
    }

    /// The name that comes next, and the pause in seconds before it.
    fn told(step: Option<Step>) -> (String, f64) {
        match step.unwrap() {
            Step::Now(candidate) => (candidate.url.path()[1..].to_owned(), 0.0),
            Step::After(pause, candidate) => (candidate.url.path()[1..].to_owned(), pause.as_secs_f64()),
        }
    }

    #[test]
    fn all_are_tried_before_a_pause_and_pauses_double() {
        let mut route = route(&["a", "b", "c"]);
        assert_eq!(route.first().unwrap().url, url("a"));
        let mut pause = 0.5_f64;
        for _ in 0..10 {
            assert_eq!(told(route.next()), ("b".into(), 0.0));
            assert_eq!(told(route.next()), ("c".into(), 0.0));
            let (name, waits) = told(route.next());
            assert_eq!(name, "a");
            assert!((pause * 0.75..=pause).contains(&waits), "{waits} of {pause}");
            pause = (pause * 2.0).min(15.0);
        }
    }

    #[test]
    fn what_held_is_tried_again_at_once_and_then_the_others() {
        let mut route = route(&["a", "b"]);
        let first = route.first().unwrap();
        for _ in 0..4 {
            route.next();
        }
        assert_eq!(told(route.lost(first.clone(), LONG, false)).1, 0.0);
        assert_eq!(told(route.next()), ("b".into(), 0.0));
        let (name, pause) = told(route.next());
        assert!(name == "a" && (0.375..=0.5).contains(&pause), "pauses start small: {pause}");
        assert_eq!(told(route.lost(first.clone(), SHORT, false)), ("b".into(), 0.0), "it did not hold");
        assert_eq!(told(route.lost(first, LONG, true)).0, "a", "given up, so the next: the first again");
    }

    #[test]
    fn one_that_keeps_breaking_is_not_hammered() {
        let mut route = route(&["a"]);
        let first = route.first().unwrap();
        let pauses: Vec<f64> = (0..7).map(|_| told(route.lost(first.clone(), SHORT, false)).1).collect();
        assert!(pauses[0] <= 0.5 && pauses[6] >= 0.75 * 15.0 && pauses[6] <= 15.0, "{pauses:?}");
        assert_eq!(told(route.lost(first, LONG, false)).1, 0.0);
        assert!(told(route.next()).1 <= 0.5);
    }

    #[test]
    fn a_long_playlist_does_not_keep_the_next_url_waiting() {
        let mut route = route(&["list", "b", "c"]);
        for _ in 0..2 {
            let list = route.first().unwrap();
            let names: Vec<String> = (0..100).map(|n| format!("e{n}")).collect();
            route.list(&list, names.iter().map(|name| url(name)).collect()).unwrap();
            let in_turn = names.iter().take(8).map(String::as_str);
            let later = names.iter().take(64).skip(8).map(String::as_str);
            for name in in_turn.chain(["b", "c"]).chain(later) {
                assert_eq!(told(route.next()), (name.into(), 0.0));
            }
            assert!(matches!(route.next(), Some(Step::After(_, again)) if again == list));
        }
    }

    #[test]
    fn playlists_come_in_their_order_and_within_bounds() {
        let mut route = route(&["list", "other"]);
        let list = route.first().unwrap();
        route.list(&list, vec![url("a"), url("sub"), url("a"), url("list"), url("d")]).unwrap();
        assert_eq!(told(route.next()).0, "a");
        let Some(Step::Now(sub)) = route.next() else { panic!("no entry") };
        route.list(&sub, vec![url("b"), url("c")]).unwrap();
        for name in ["b", "c", "d", "other", "list"] {
            assert_eq!(told(route.next()).0, name);
        }
        assert!(matches!(route.list(&list, vec![]), Err(Trouble::EmptyList)));
        assert!(matches!(route.list(&list, vec![url("list")]), Err(Trouble::DeepList(_))), "itself");
        let mut from = list.clone();
        for depth in 0..3 {
            route.list(&from, vec![url(&depth.to_string())]).unwrap();
            let Some(Step::Now(entry)) = route.next() else { panic!("no entry") };
            from = entry;
        }
        assert!(matches!(route.list(&from, vec![url("deep")]), Err(Trouble::DeepList(3))));
    }

    #[test]
    fn endless_playlists_end() {
        let mut route = route(&["list"]);
        let list = route.first().unwrap();
        route.list(&list, (0..10_000).map(|n| url(&n.to_string())).collect()).unwrap();
        let count = (0..).take_while(|_| matches!(route.next(), Some(Step::Now(_)))).count();
        assert_eq!(count, MOST_ENTRIES);
    }

    #[test]
    fn a_first_url_that_keeps_breaking_is_returned_to_ever_later() {
        let mut route = route(&["a", "b"]);
        let first = route.first().unwrap();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            route.lost(first.clone(), SHORT, false);
            pauses.push(route.return_pause().as_secs());
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600]);
        route.lost(first.clone(), LONG, false);
        assert_eq!(route.return_pause().as_secs(), 30);
        route.lost(first.clone(), LONG, true);
        route.lost(first, LONG, true);
        assert_eq!(route.return_pause().as_secs(), 60, "given up counts as broken");
    }
}
