//! Ended songs as players read them (`EXT-X-DATERANGE`; RFC 8216, 4.3.2.7). Pure, no clock and no files.
//!
//! A song is listed when it has ended, for as long as its end is in the window; what is said of it never changes. One that was
//! on air when its run of the output ended is not listed: nobody knows where it would have ended. One that was on air when the clock
//! was set is listed as two, each by the clock of its own segments.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_core::item::Metadata;
use jiff::Timestamp;

/// A song that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Song {
    end: Timestamp,
    /// Its tag, without a line's end.
    tag: String,
}

impl Song {
    /// Its `ID`, by which players tell it from others.
    fn id(&self) -> Option<&str> {
        self.tag.split(',').next()
    }
}

/// The songs of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Songs {
    ended: VecDeque<Song>,
    /// What is on air, and since when.
    current: Option<(Timestamp, Arc<Metadata>)>,
}

/// Songs that are listed; of more, as someone's titles may change every second, the oldest are left out.
const MOST: usize = 500;
/// Characters of a value.
const LONGEST: usize = 200;

impl Songs {
    /// From a time on the audio belongs to `metadata`; what was on air has ended. `run` is that of the output.
    pub(crate) fn begin(&mut self, run: i64, at: Timestamp, metadata: &Arc<Metadata>) {
        if let Some((since, metadata)) = self.current.replace((at, Arc::clone(metadata))) {
            let song = song(run, (since, at), &metadata);
            // By a clock that was set back another may have begun at the very millisecond.
            self.ended.extend(song.filter(|new| self.ended.iter().all(|song| song.id() != new.id())));
        }
        while self.ended.len() > MOST {
            self.ended.pop_front();
        }
    }

    /// The dates leap: what is on air ends at a time by the old ones, and goes on from another by the new ones.
    pub(crate) fn leap(&mut self, run: i64, end: Timestamp, begin: Timestamp) {
        if let Some((_, metadata)) = self.current.clone() {
            self.begin(run, end, &metadata);
            self.current = Some((begin, metadata));
        }
    }

    /// Forgets those that ended between two times.
    pub(crate) fn forget_within(&mut self, from: Timestamp, to: Timestamp) {
        self.ended.retain(|song| song.end < from || song.end > to);
    }

    /// Forgets those that ended before a time.
    pub(crate) fn forget_before(&mut self, time: Timestamp) {
        self.ended.retain(|song| song.end >= time);
    }

    /// The tags, each with its line's end.
    pub(crate) fn render(&self, out: &mut String) {
        for Song { tag, .. } in &self.ended {
            out.push_str(tag);
            out.push('\n');
        }
    }

    /// Takes up a line of a playlist that [`render`](Self::render) made. Whether it is one.
    pub(crate) fn parse(&mut self, line: &str) -> bool {
        if !line.starts_with(TAG) {
            return false;
        }
        let end = line.split_once(",END-DATE=\"").and_then(|(_, rest)| rest.split_once('"'));
        if let Some(end) = end.and_then(|(end, _)| end.parse().ok()) {
            self.ended.push_back(Song { end, tag: line.to_owned() });
        }
        true
    }
}

const TAG: &str = "#EXT-X-DATERANGE:";

/// The song between two times; nothing where there is nothing to say of it.
fn song(run: i64, (since, end): (Timestamp, Timestamp), metadata: &Metadata) -> Option<Song> {
    let known = [("TITLE", &metadata.title), ("ARTIST", &metadata.artist), ("ALBUM", &metadata.album)];
    let known: Vec<_> =
        known.into_iter().filter_map(|(name, value)| Some((name, quoted(value.as_ref()?)))).collect();
    let said = known.iter().any(|(_, value)| !value.is_empty());
    let duration_ms = end.as_millisecond() - since.as_millisecond();
    if !said || duration_ms <= 0 {
        return None;
    }
    let mut tag = format!(
        "{TAG}ID=\"{run}-{}\",CLASS=\"airchain.song\",START-DATE=\"{since:.3}\",END-DATE=\"{end:.3}\",DURATION={}.{:03}",
        since.as_millisecond(),
        duration_ms / 1000,
        duration_ms % 1000,
    );
    for (name, value) in known.into_iter().filter(|(_, value)| !value.is_empty()) {
        tag.push_str(&format!(",X-{name}=\"{value}\""));
    }
    Some(Song { end, tag })
}

/// A value as a quoted string may hold it (RFC 8216, 4.2): neither quotes nor anything that ends a line or is not seen.
fn quoted(value: &str) -> String {
    let plain = |c: char| match c {
        '"' => '\u{201D}',
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        c => c,
    };
    value.chars().map(plain).take(LONGEST).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn titled(title: &str, artist: Option<&str>) -> Arc<Metadata> {
        let artist = artist.map(str::to_owned);
        Arc::new(Metadata { title: Some(title.to_owned()), artist, ..Metadata::default() })
    }

    fn text(songs: &Songs) -> String {
        let mut out = String::new();
        songs.render(&mut out);
        out
    }

    #[test]
    fn only_what_has_ended_is_told_and_comes_back() {
        let mut songs = Songs::default();
        songs.begin(7, at(0), &titled("one\"\r\n#EXT-X-ENDLIST", Some("someone")));
        assert_eq!(text(&songs), "");
        songs.begin(7, at(180), &titled("", None));
        songs.begin(7, at(200), &titled("two", None));
        let told = text(&songs);
        assert_eq!(
            told,
            "#EXT-X-DATERANGE:ID=\"7-1700000000000\",CLASS=\"airchain.song\",START-DATE=\"2023-11-14T22:13:20.000Z\",\
             END-DATE=\"2023-11-14T22:16:20.000Z\",DURATION=180.000,X-TITLE=\"one\u{201D}  #EXT-X-ENDLIST\",X-ARTIST=\"someone\"\n"
        );
        let mut again = Songs::default();
        assert!(told.lines().all(|line| again.parse(line)) && !again.parse("#EXTM3U"));
        assert_eq!(text(&again), told);
        again.forget_before(at(180));
        again.forget_within(at(0), at(179));
        again.forget_within(at(181), at(190));
        assert_eq!(text(&again), told);
        again.forget_before(at(181));
        assert_eq!(text(&again), "");
    }

    #[test]
    fn what_is_on_air_where_the_dates_leap_is_two() {
        let mut songs = Songs::default();
        songs.leap(7, at(0), at(100));
        songs.begin(7, at(0), &titled("one", None));
        songs.leap(7, at(10), at(-90));
        songs.begin(7, at(-85), &titled("two", None));
        // To the very moment at which the other one began: players could not tell them apart.
        songs.leap(7, at(-80), at(0));
        songs.begin(7, at(5), &titled("three", None));
        let told = text(&songs);
        let lasts = |line: &str| line.split_once(",DURATION=").unwrap().1.to_owned();
        let told: Vec<_> = told.lines().map(lasts).collect();
        assert_eq!(told, ["10.000,X-TITLE=\"one\"", "5.000,X-TITLE=\"one\"", "5.000,X-TITLE=\"two\""]);
        songs.forget_within(at(5), at(10));
        assert_eq!(text(&songs).lines().count(), 2);
    }
}
