//! HLS as an upstream: a live playlist is followed, and its segments come out as one stream of ADTS or MP3. Packed audio is
//! passed on without its leading ID3 tag, MPEG-TS is demultiplexed; what else there is, is refused.
//!
//! Of a live playlist the third segment from its end is first. One that is missed, gone or without audio is left out; where
//! the list has moved past, it is gone on with from there.

pub(super) mod playlist;
pub(super) mod ts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use url::Url;

pub(crate) use self::playlist::is_hls;
use self::playlist::{Media, Playlist, parse};
use super::http::{Answer, Body, Client};
use super::pace::Pace;
use super::queue::Arrival;
use super::trouble::Trouble;
use super::upstream::{LIST, read, read_list};
use crate::text;

/// Longest playlist: a day of segments.
pub(crate) const LONGEST: usize = 1 << 20;
/// Segments from the end of a live playlist that are played first.
const BEHIND: usize = 3;
/// Segments in a row that may be missing, and playlists.
const MOST_MISSES: u32 = 3;
/// Playlists that may lead to the one with segments.
const DEEPEST: usize = 2;

/// A live playlist that is followed.
pub(crate) struct Hls {
    client: Arc<Client>,
    patience: Duration,
    /// Where the playlist of segments is.
    url: Url,
    target: Duration,
    /// Segments to fetch.
    waiting: VecDeque<Url>,
    /// Number of the segment behind those.
    next: Option<u64>,
    ended: bool,
    reload: Instant,
    /// When the playlist last named anything new, or audio came.
    fresh: Instant,
    /// Since when nothing is asked of it.
    paused: Option<Instant>,
    misses: u32,
    segment: Option<Segment>,
    demux: ts::Demux,
    packed: Option<&'static str>,
    raw: Vec<u8>,
}

/// A segment being fetched.
struct Segment {
    body: Body,
    pace: Pace,
    form: Form,
    /// Whether it gave audio.
    gave: bool,
}

/// What comes next in a segment.
enum Form {
    /// Its start is not all here yet.
    Unknown(Vec<u8>),
    /// So much of an ID3 tag.
    Tag(usize),
    Ts,
    /// Audio as it is.
    Packed,
}

impl Hls {
    /// Follows the playlist `text`, which was found at `url`, or the best that it names.
    pub(crate) async fn open(
        client: &Arc<Client>,
        mut url: Url,
        mut text: String,
        patience: Duration,
    ) -> Result<Self, Trouble> {
        for _ in 0..DEEPEST {
            match parse(&text, &url).map_err(Trouble::Hls)? {
                Playlist::Media(media) => {
                    let now = Instant::now();
                    let mut hls = Self {
                        client: client.clone(),
                        patience,
                        url,
                        target: media.target,
                        waiting: VecDeque::new(),
                        next: None,
                        ended: false,
                        reload: now,
                        fresh: now,
                        paused: None,
                        misses: 0,
                        segment: None,
                        demux: ts::Demux::default(),
                        packed: None,
                        raw: Vec::new(),
                    };
                    hls.update(media);
                    return Ok(hls);
                }
                Playlist::Variant(variant) => (url, text) = fetch(client, &variant, patience).await?,
            }
        }
        Err(Trouble::Hls("playlists that name playlists"))
    }

    /// What the audio is, once known.
    pub(crate) fn content_type(&self) -> Option<&'static str> {
        self.packed.or(self.demux.content_type())
    }

    /// Appends what comes next; `false` when it is over. Cancel safe.
    pub(crate) async fn next(&mut self, out: &mut Vec<Arrival>) -> Result<bool, Trouble> {
        if let Some(paused) = self.paused.take() {
            self.fresh += paused.elapsed();
        }
        loop {
            let longest = self.target * BEHIND as u32 + self.patience;
            let step = timeout_at(self.fresh + longest, self.step(out)).await;
            if let Some(more) = step.map_err(|_| Trouble::Stalled(longest))?? {
                self.paused = Some(Instant::now());
                return Ok(more);
            }
        }
    }

    /// One step towards what comes next; whether there is more, once something came.
    async fn step(&mut self, out: &mut Vec<Arrival>) -> Result<Option<bool>, Trouble> {
        if let Some(segment) = &mut self.segment {
            self.raw.clear();
            match read(&mut segment.body, &mut self.raw, &mut segment.pace).await {
                Ok(more) => {
                    let audio = segment.form.take(&self.raw, &mut self.demux, &mut self.packed)?;
                    segment.gave |= !audio.is_empty();
                    let gave = segment.gave;
                    if !more {
                        self.segment = None;
                    }
                    if !audio.is_empty() {
                        (self.misses, self.fresh) = (0, Instant::now());
                        out.push(Arrival::Bytes(Bytes::from(audio)));
                        return Ok(Some(true));
                    }
                    if !more && !gave {
                        self.missed(Trouble::Hls("segments without AAC or MP3 audio"))?;
                    }
                }
                Err(trouble) => {
                    self.segment = None;
                    self.missed(trouble)?;
                }
            }
        } else if let Some(url) = self.waiting.front() {
            let answer = get(&self.client, url, self.patience).await;
            // Not before, as nobody may wait for the answer to its end.
            self.waiting.pop_front();
            match answer {
                Ok(Answer { body, .. }) => {
                    self.demux.cut();
                    let pace = Pace::new(self.patience, Instant::now());
                    self.segment = Some(Segment { body, pace, form: Form::Unknown(Vec::new()), gave: false });
                }
                Err(trouble) => self.missed(trouble)?,
            }
        } else if self.ended {
            return Ok(Some(false));
        } else {
            self.follow().await?;
        }
        Ok(None)
    }

    fn missed(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        self.misses += 1;
        if self.misses >= MOST_MISSES { Err(trouble) } else { Ok(()) }
    }

    /// Reads the playlist again, when it is time to.
    async fn follow(&mut self) -> Result<(), Trouble> {
        sleep_until(self.reload).await;
        // Overwritten when it names anything new.
        self.reload = Instant::now() + self.target / 2;
        match fetch(&self.client, &self.url, self.patience).await {
            Ok((_, text)) => match parse(&text, &self.url).map_err(Trouble::Hls)? {
                Playlist::Media(media) => self.update(media),
                Playlist::Variant(_) => return Err(Trouble::Hls("playlists that name playlists")),
            },
            Err(trouble) => self.missed(trouble)?,
        }
        Ok(())
    }

    /// Takes what is new in a playlist.
    fn update(&mut self, media: Media) {
        let (skip, next) = new_from(self.next, &media);
        (self.target, self.ended) = (media.target, media.ended);
        let new = media.segments.into_iter().skip(skip);
        let before = self.waiting.len();
        self.waiting.extend(new);
        if self.waiting.len() > before || self.next.is_none() {
            self.fresh = Instant::now();
            self.reload = self.fresh + self.target;
        }
        self.next = Some(next);
    }
}

/// How many segments of a list are known, and the number behind it, when all before `next` are.
fn new_from(next: Option<u64>, media: &Media) -> (usize, u64) {
    let count = media.segments.len();
    let end = media.sequence.saturating_add(count as u64);
    let edge = if media.ended { 0 } else { count.saturating_sub(BEHIND) };
    match next {
        Some(next) if (media.sequence..=end).contains(&next) => ((next - media.sequence) as usize, end),
        // A cache gave an older list than the last.
        Some(next) if end < next && next - end <= count as u64 => (count, next),
        // The list has moved past, or begins anew.
        Some(_) | None => (edge, end),
    }
}

/// Asks for `url`; a server that does not answer within `patience` has failed, for what comes next waits behind it.
async fn get(client: &Client, url: &Url, patience: Duration) -> Result<Answer, Trouble> {
    timeout(patience, client.get(url)).await.map_err(|_| Trouble::NoAnswer(patience))?
}

async fn fetch(client: &Client, url: &Url, patience: Duration) -> Result<(Url, String), Trouble> {
    let Answer { url, mut body, .. } = get(client, url, patience).await?;
    let mut bytes = Vec::new();
    let whole = timeout(LIST, read_list(&mut body, &mut bytes, LONGEST)).await;
    whole.map_err(|_| Trouble::SlowList(LIST))??;
    let text = text::decode(&bytes);
    if is_hls(&text) { Ok((url, text)) } else { Err(Trouble::Hls("a playlist without segments")) }
}

impl Form {
    /// The audio in the next bytes of a segment.
    fn take(
        &mut self,
        raw: &[u8],
        demux: &mut ts::Demux,
        packed: &mut Option<&'static str>,
    ) -> Result<Vec<u8>, Trouble> {
        let mut audio = Vec::new();
        let mut rest = raw;
        while !rest.is_empty() {
            match self {
                Self::Ts => demux.push(std::mem::take(&mut rest), &mut audio),
                Self::Packed => audio.extend_from_slice(std::mem::take(&mut rest)),
                Self::Tag(left) => {
                    let (tag, after) = rest.split_at(rest.len().min(*left));
                    *left -= tag.len();
                    rest = after;
                    if *left == 0 {
                        *self = Self::Unknown(Vec::new());
                    }
                }
                Self::Unknown(start) => {
                    let (&byte, after) = rest.split_first().unwrap_or((&0, &[]));
                    start.push(byte);
                    rest = after;
                    *self = match start.as_slice() {
                        [0x47] => {
                            demux.push(start, &mut audio);
                            Self::Ts
                        }
                        [0xFF, second] => {
                            // ADTS is layer 0.
                            *packed = Some(if second & 0xF6 == 0xF0 { "audio/aac" } else { "audio/mpeg" });
                            audio.extend_from_slice(start);
                            Self::Packed
                        }
                        [b'I', b'D', b'3', _, _, _, size @ ..] if size.len() == 4 => {
                            Self::Tag(synchsafe(size))
                        }
                        [0xFF] => continue,
                        tag if b"ID3".starts_with(tag) || tag.starts_with(b"ID3") => continue,
                        _ => return Err(Trouble::Hls("segments that are neither MPEG-TS, AAC nor MP3")),
                    };
                }
            }
        }
        Ok(audio)
    }
}

/// Four bytes of seven bits, as ID3 counts.
fn synchsafe(bytes: &[u8]) -> usize {
    bytes.iter().take(4).fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_is_fetched_once_whatever_the_list_does() {
        let media = |sequence, count: usize| Media {
            sequence,
            segments: vec![Url::parse("http://h/").unwrap(); count],
            ..Media::default()
        };
        assert_eq!(new_from(None, &media(100, 5)), (2, 105), "the third from the end");
        assert_eq!(new_from(None, &media(100, 2)), (0, 102));
        assert_eq!(new_from(None, &Media { ended: true, ..media(0, 50) }), (0, 50), "a file from its start");
        assert_eq!(new_from(Some(105), &media(102, 5)), (3, 107));
        assert_eq!(new_from(Some(105), &media(100, 5)), (5, 105), "nothing new");
        assert_eq!(new_from(Some(105), &media(98, 5)), (5, 105), "an older list");
        assert_eq!(new_from(Some(105), &media(200, 5)), (2, 205), "it moved past");
        assert_eq!(new_from(Some(105), &media(0, 5)), (2, 5), "it begins anew");
        assert_eq!(new_from(Some(105), &media(u64::MAX, 5)).0, 2);
    }

    #[test]
    fn packed_audio_comes_without_its_tags_whatever_the_cuts() {
        for (audio, is) in [(&b"\xFF\xF1audio"[..], "audio/aac"), (b"\xFF\xFBaudio", "audio/mpeg")] {
            let tag = [&b"ID3\x04\0\0\0\0\x01\x02"[..], &[0xFF; 130]].concat();
            let tagged = [&tag[..], &tag, audio].concat();
            for segment in [&tagged[..], audio] {
                for piece in 1..segment.len() {
                    let (mut form, mut packed) = (Form::Unknown(Vec::new()), None);
                    let mut demux = ts::Demux::default();
                    let parts =
                        segment.chunks(piece).map(|part| form.take(part, &mut demux, &mut packed).unwrap());
                    assert_eq!(parts.collect::<Vec<_>>().concat(), audio, "{piece}");
                    assert_eq!(packed, Some(is), "{piece}");
                }
            }
        }
        let mut form = Form::Unknown(Vec::new());
        assert!(form.take(b"\0\0\0\x18ftypmp42", &mut ts::Demux::default(), &mut None).is_err());
    }
}
