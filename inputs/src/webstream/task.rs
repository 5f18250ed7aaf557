//! The task of a web stream: connects, passes on what comes, and sees to it that something does.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use airchain_codecs::decode::stream::{Step as Decoded, StreamDecoder};
use airchain_core::Stereo;
use airchain_net::mask_url;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::http::Client;
use super::queue::{Arrival, Intake};
use super::route::{Candidate, Route, Step};
use super::status::{Board, LinkState};
use super::trouble::Trouble;
use super::upstream::{Found, Upstream, open};
use crate::text;

/// In so many bytes of another URL there must be audio, or what is listened to is not left for it.
const LONGEST_PROOF: usize = 256 * 1024;
/// Longest time that may take, beside the patience with a silent server.
const PROOF: Duration = Duration::from_secs(15);
/// Characters of an error that are kept.
const LONGEST_WORDS: usize = 1000;

/// All that the task needs.
pub(crate) struct Task {
    /// What the log calls it.
    pub(crate) id: String,
    pub(crate) client: Arc<Client>,
    pub(crate) route: Route,
    pub(crate) patience: Duration,
    pub(crate) finite: bool,
    pub(crate) intake: Arc<Intake>,
    pub(crate) board: Arc<Board>,
    /// The latest connection that is to be left.
    pub(crate) moves: watch::Receiver<u64>,
    /// Changes when there are other URLs to listen to.
    pub(crate) urls: watch::Receiver<Vec<Url>>,
    pub(crate) outage: Option<Outage>,
    /// Connections so far that brought anything: the number of the latest.
    pub(crate) connection: u64,
}

/// A time without audio, told once when it begins and once when it is over.
pub(crate) struct Outage {
    since: Instant,
    tries: u32,
}

/// A connection that was lost.
struct Lost {
    candidate: Candidate,
    /// It was of URLs that have been replaced since.
    stale: bool,
    why: Trouble,
    /// How long it brought audio; `None` if it never did.
    streamed: Option<Duration>,
}

/// What is to be listened to instead: the first URL, or one of those told anew. Found well while the other was listened to.
struct Better {
    upstream: Box<Upstream>,
    candidate: Candidate,
    /// What has come of it already.
    early: Vec<Arrival>,
}

impl Task {
    /// Runs until the programme is over or nobody listens any more.
    pub(crate) async fn run(mut self) {
        let (intake, board, mut moves) = (self.intake.clone(), self.board.clone(), self.moves.clone());
        let dropped = async { while moves.changed().await.is_ok() {} };
        tokio::select! {
            () = intake.abandoned() => {}
            () = dropped => {}
            () = self.listen() => {}
        }
        board.enter(LinkState::Ended);
    }

    async fn listen(&mut self) {
        let mut step = self.route.first().map(Step::Now);
        while let Some(next) = step {
            let candidate = match next {
                Step::Now(candidate) => candidate,
                Step::After(pause, candidate) => {
                    self.board.enter(LinkState::Waiting);
                    tokio::select! {
                        () = sleep(pause) => candidate,
                        Ok(()) = self.urls.changed() => match self.replaced() {
                            Some(candidate) => candidate,
                            None => return,
                        },
                    }
                }
            };
            let Some(found) = self.connect(&candidate).await else {
                step = self.replaced().map(Step::Now);
                continue;
            };
            step = match found {
                Ok(Found::Upstream(upstream)) => match self.stream(upstream, candidate).await {
                    Some(lost) => self.after(lost),
                    None => return,
                },
                Ok(Found::List(entries)) => {
                    if let Err(trouble) = self.route.list(&candidate, entries) {
                        self.failed(&candidate, &trouble);
                    }
                    self.route.next()
                }
                Err(trouble) => {
                    self.failed(&candidate, &trouble);
                    self.route.next()
                }
            };
        }
    }

    /// What there is at a URL; `None` once other URLs are told.
    async fn connect(&mut self, candidate: &Candidate) -> Option<Result<Found, Trouble>> {
        self.board.enter(LinkState::Connecting);
        self.board.note(|status| {
            (status.url, status.url_index) = (mask_url(candidate.url.as_str()), candidate.index);
        });
        tokio::select! {
            biased;
            Ok(()) = self.urls.changed() => None,
            found = open(&self.client, &candidate.url, self.patience) => Some(found),
        }
    }

    /// Other URLs are told: the first of them.
    fn replaced(&mut self) -> Option<Candidate> {
        let urls = self.urls.borrow_and_update().clone();
        self.route.replace(urls);
        self.route.first()
    }

    /// Passes on what `upstream` brings, or something better; `None` at the end of the programme.
    async fn stream(&mut self, mut upstream: Box<Upstream>, mut candidate: Candidate) -> Option<Lost> {
        let mut better = self.better_than(&candidate);
        let mut stale = false;
        let (mut out, mut begun) = (Vec::new(), None);
        loop {
            let flow = tokio::select! {
                biased;
                Ok(()) = self.moves.changed() => {
                    let given_up = *self.moves.borrow_and_update();
                    if begun.is_some() && given_up == self.connection { Err(Trouble::GivenUp) } else { Ok(true) }
                }
                Ok(()) = self.urls.changed() => {
                    self.replaced();
                    (better, stale) = (self.better(Duration::ZERO, usize::MAX), true);
                    Ok(true)
                }
                found = &mut better => {
                    if begun.take().is_some() {
                        let what = if stale { "is taken instead, as asked" } else { "is back" };
                        let why = format!("{} {what}", mask_url(found.candidate.url.as_str()));
                        self.intake.push(Arrival::Breaks { why });
                    }
                    (upstream, candidate, out) = (found.upstream, found.candidate, found.early);
                    self.route.begin_at(candidate.index);
                    (better, stale) = (self.better_than(&candidate), false);
                    Ok(true)
                }
                flow = wait_for(&self.intake, &self.board, &mut upstream, &mut out) => flow,
            };
            if !out.is_empty() && begun.is_none() {
                begun = Some(Instant::now());
                self.begins(&upstream, &candidate);
            }
            self.pass_on(&mut out);
            let why = match flow {
                Ok(true) => continue,
                Ok(false) if self.finite && begun.is_some() => return None,
                Ok(false) => Trouble::Over,
                Err(trouble) => trouble,
            };
            return Some(Lost { candidate, stale, why, streamed: begun.map(|begun| begun.elapsed()) });
        }
    }

    /// The first URL, once it is well, while a fallback is listened to.
    fn better_than(&self, candidate: &Candidate) -> Pin<Box<dyn Future<Output = Better> + Send>> {
        match candidate.index {
            0 => Box::pin(pending()),
            _ => self.better(self.route.return_pause(), 1),
        }
    }

    /// The best of the first `count` URLs, once one is well: they are tried after `first_pause`, and then every so often.
    fn better(&self, first_pause: Duration, count: usize) -> Pin<Box<dyn Future<Output = Better> + Send>> {
        let (client, patience) = (self.client.clone(), self.patience);
        let (mut pause, again) = (first_pause, self.route.return_pause());
        let mut route = self.route.trial(count);
        Box::pin(async move {
            loop {
                sleep(pause).await;
                pause = again;
                if let Some(found) = try_all(&client, &mut route, patience).await {
                    return found;
                }
            }
        })
    }

    fn begins(&mut self, upstream: &Upstream, candidate: &Candidate) {
        let (content_type, station) = (upstream.content_type.clone(), upstream.station.clone());
        let (id, url) = (&self.id, mask_url(candidate.url.as_str()));
        match self.outage.take() {
            Some(Outage { since, tries }) => {
                let after = since.elapsed().as_secs_f64();
                tracing::info!(input = %id, tries, "{url} plays, after {after:.1} s without");
            }
            None => tracing::info!(input = %id, "{url} plays"),
        }
        self.board.enter(LinkState::Streaming);
        self.board.note(|status| {
            status.connects += 1;
            (status.url, status.url_index, status.title) = (url, candidate.index, None);
            (status.content_type, status.station) = (content_type.clone(), station.clone());
        });
        self.connection += 1;
        let (connection, url_index) = (self.connection, candidate.index);
        self.intake.push(Arrival::Begins { connection, content_type, station, url_index });
    }

    fn pass_on(&self, out: &mut Vec<Arrival>) {
        for arrival in out.drain(..) {
            self.board.note(|status| match &arrival {
                Arrival::Bytes(bytes) => status.bytes += bytes.len() as u64,
                Arrival::Title(metadata) => {
                    status.title = Some(metadata.one_line()).filter(|title| !title.is_empty());
                }
                _ => {}
            });
            self.intake.push(arrival);
        }
    }

    fn after(&mut self, lost: Lost) -> Option<Step> {
        let Lost { candidate, stale, why, streamed } = lost;
        let words = self.failed(&candidate, &why);
        if streamed.is_some() {
            self.intake.push(Arrival::Breaks { why: words });
        }
        if stale {
            return self.route.first().map(Step::Now);
        }
        let Some(streamed) = streamed else { return self.route.next() };
        self.route.lost(candidate, streamed, matches!(why, Trouble::GivenUp))
    }

    /// Writes it down, and says so once an outage. Returns the words.
    fn failed(&mut self, candidate: &Candidate, trouble: &Trouble) -> String {
        let words = format!("{}: {trouble}", mask_url(candidate.url.as_str()));
        // Redirects may be of any length.
        let words = text::line(&words, LONGEST_WORDS).unwrap_or_default();
        let id = &self.id;
        match &mut self.outage {
            Some(outage) => {
                outage.tries += 1;
                tracing::debug!(input = %id, "{words}");
            }
            None => {
                self.outage = Some(Outage { since: Instant::now(), tries: 1 });
                tracing::warn!(input = %id, "{words}; it is tried again, and what else there is");
            }
        }
        self.board.note(|status| {
            status.failures += 1;
            status.last_error = Some(words.clone());
        });
        words
    }
}

/// Waits for what comes next; not while there is no room for it.
async fn wait_for(
    intake: &Intake,
    board: &Board,
    upstream: &mut Upstream,
    out: &mut Vec<Arrival>,
) -> Result<bool, Trouble> {
    intake.room().await;
    board.wait(!upstream.pauses());
    let flow = upstream.next(out).await;
    board.wait(false);
    flow
}

/// Tries the URLs of a route and what their playlists name, without a pause.
async fn try_all(client: &Arc<Client>, route: &mut Route, patience: Duration) -> Option<Better> {
    let mut next = route.first();
    while let Some(candidate) = next {
        match open(client, &candidate.url, patience).await {
            Ok(Found::Upstream(mut upstream)) => {
                if let Ok(Some(early)) = timeout(PROOF + patience, prove(&mut upstream)).await {
                    return Some(Better { upstream, candidate, early });
                }
            }
            // One that is wrong has no entries, so whatever comes next is tried.
            Ok(Found::List(entries)) => drop(route.list(&candidate, entries)),
            Err(_) => {}
        }
        next = match route.next() {
            Some(Step::Now(candidate)) => Some(candidate),
            _ => None,
        };
    }
    None
}

/// What comes of a connection until there is audio in it that can be decoded, if there is.
async fn prove(upstream: &mut Upstream) -> Option<Vec<Arrival>> {
    let (mut early, mut bytes, mut decoder) = (Vec::new(), 0, StreamDecoder::new(None));
    while bytes < LONGEST_PROOF {
        let known = early.len();
        if !upstream.next(&mut early).await.ok()? {
            return None;
        }
        let new = early.get(known..).unwrap_or_default();
        bytes += new.iter().map(Arrival::bytes).sum::<usize>();
        if is_heard(&mut decoder, new)? {
            return Some(early);
        }
    }
    None
}

/// Whether there is audio up to here; `None` if there never will be.
fn is_heard(decoder: &mut StreamDecoder, arrivals: &[Arrival]) -> Option<bool> {
    let mut frames: Vec<Stereo> = Vec::new();
    for arrival in arrivals {
        let Arrival::Bytes(bytes) = arrival else { continue };
        decoder.push(bytes);
        loop {
            match decoder.decode(&mut frames).ok()? {
                Decoded::Audio { .. } => return Some(true),
                Decoded::Title(_) => {}
                Decoded::Hungry | Decoded::End => break,
            }
        }
    }
    Some(false)
}
