//! Titles beside the audio, as MP3 and AAC mounts take them: a request for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::link::Link;
use crate::sink::SinkError;

/// Longest time that one request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Pauses before trying again; the server may not have opened the mount yet.
const PAUSES_MS: [u64; 4] = [250, 500, 1000, 2000];

/// Sends titles on a task of its own, so that audio never waits for them. The newest wins.
pub(crate) struct Titles {
    song: watch::Sender<Option<String>>,
    task: JoinHandle<()>,
}

impl Titles {
    pub(crate) fn start(link: Arc<Link>) -> Self {
        let (song, songs) = watch::channel(None);
        Self { song, task: tokio::spawn(run(link, songs).in_current_span()) }
    }

    /// From now on the mount's title is `song`.
    pub(crate) fn set(&self, song: String) {
        self.song.send_replace(Some(song));
    }
}

impl Drop for Titles {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(link: Arc<Link>, mut songs: watch::Receiver<Option<String>>) {
    'titles: while songs.changed().await.is_ok() {
        let Some(mut song) = songs.borrow_and_update().clone() else { continue };
        let mut pauses = PAUSES_MS.into_iter();
        loop {
            let problem = match timeout(REQUEST, send(&link, &song)).await {
                Ok(Ok(())) => continue 'titles,
                Ok(Err(error)) => error.message,
                Err(_) => format!("{}: the title was not taken within {REQUEST:?}", link.what()),
            };
            let Some(pause) = pauses.next() else {
                tracing::warn!("{problem}; listeners do not see this title");
                continue 'titles;
            };
            tokio::select! {
                () = sleep(Duration::from_millis(pause)) => {}
                newer = songs.changed() => match (newer, songs.borrow_and_update().clone()) {
                    (Ok(()), Some(newer)) => (song, pauses) = (newer, PAUSES_MS.into_iter()),
                    _ => return,
                },
            }
        }
    }
}

async fn send(link: &Link, song: &str) -> Result<(), SinkError> {
    let mut peer = link.connect_for_title().await?;
    let answer = link.ask(peer.as_mut(), &link.dialect.title(&link.target, song)).await?;
    answer.take_title(link.what())
}
