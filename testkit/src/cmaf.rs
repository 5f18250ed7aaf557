//! A reader of CMAF audio tracks that shares nothing with the muxer: it walks the boxes of ISO/IEC 14496-12 and holds them
//! to ISO/IEC 23000-19. Whatever is not as it must be panics.

/// A box: its type and what is in it.
pub type Found<'a> = (String, &'a [u8]);

/// The boxes that some bytes are made of.
pub fn boxes(mut data: &[u8]) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let mut head = Reader(data);
        let (size, kind) = (head.u32() as usize, head.text(4));
        assert!((8..=data.len()).contains(&size), "{kind} of {size} bytes where there are {}", data.len());
        let (this, rest) = data.split_at(size);
        found.push((kind, &this[8..]));
        data = rest;
    }
    found
}

/// The boxes of some bytes, which must be of these types in this order.
fn exactly<'a, const N: usize>(data: &'a [u8], kinds: [&str; N]) -> [&'a [u8]; N] {
    let found = boxes(data);
    assert_eq!(found.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), kinds);
    std::array::from_fn(|n| found[n].1)
}

/// What a header says of its track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Units of its times in a second.
    pub timescale: u32,
    /// Type of its sample entry.
    pub kind: String,
    /// Channels, as the sample entry has them.
    pub channels: u16,
    /// Bits of a sample, there.
    pub bits: u16,
    /// Rate in Hz, there.
    pub rate_hz: u32,
    /// Type of the box with the decoder's set-up data, and what is in it.
    pub setup: (String, Vec<u8>),
    /// Samples before each that decoders need.
    pub roll: Option<i16>,
    id: u32,
}

impl Track {
    /// Reads a CMAF header (23000-19, 7.3.1).
    pub fn read(header: &[u8]) -> Self {
        let [brands, movie] = exactly(header, ["ftyp", "moov"]);
        assert!(brands.chunks(4).skip(2).any(|brand| brand == b"cmfc"), "a CMAF track");
        let [movie, track, fragments] = exactly(movie, ["mvhd", "trak", "mvex"]);
        let (mut movie, movie_bytes) = (Reader::full(movie, 0).1, movie.len());
        movie.skip(8);
        let movie_timescale = movie.u32();
        assert_eq!((movie.u32(), movie_bytes), (0, 100), "samples come in fragments alone");
        let [head, media] = exactly(track, ["tkhd", "mdia"]);
        let (flags, mut track) = Reader::full(head, 0);
        assert_eq!((flags & 3, head.len()), (3, 84), "enabled, in the movie");
        track.skip(8);
        let id = track.u32();
        let [head, handler, information] = exactly(media, ["mdhd", "hdlr", "minf"]);
        let mut head = Reader::full(head, 0).1;
        head.skip(8);
        let timescale = head.u32();
        assert_eq!((head.u32(), movie_timescale), (0, timescale));
        let mut handler = Reader::full(handler, 0).1;
        handler.skip(4);
        assert_eq!(handler.text(4), "soun");
        let [_, data, table] = exactly(information, ["smhd", "dinf", "stbl"]);
        let [data] = exactly(data, ["dref"]);
        let mut data = Reader::full(data, 0).1;
        assert_eq!(data.u32(), 1);
        assert_eq!(Reader::full(exactly(data.0, ["url "])[0], 0).0, 1, "samples are in the same file");
        let [default] = exactly(fragments, ["trex"]);
        let mut default = Reader::full(default, 0).1;
        assert_eq!((default.u32(), default.u32()), (id, 1), "the sample entry of the track");
        let (entry, roll) = table_of(table);
        let (kind, channels, bits, rate_hz, setup) = entry;
        Self { timescale, kind, channels, bits, rate_hz, setup, roll, id }
    }
}

type Entry = (String, u16, u16, u32, (String, Vec<u8>));

/// The sample entry of a table without samples, and the distance of its pre-roll group.
fn table_of(table: &[u8]) -> (Entry, Option<i16>) {
    let (mut entry, mut roll) = (None, None);
    for (kind, body) in boxes(table) {
        match kind.as_str() {
            "stsd" => {
                let mut entries = Reader::full(body, 0).1;
                assert_eq!(entries.u32(), 1);
                let [(kind, body)] = <[Found<'_>; 1]>::try_from(boxes(entries.0)).expect("one sample entry");
                let mut body = Reader(body);
                body.skip(6);
                assert_eq!(body.u16(), 1, "the first data reference");
                body.skip(8);
                let (channels, bits) = (body.u16(), body.u16());
                body.skip(4);
                let rate = body.u32();
                assert_eq!(rate & 0xFFFF, 0);
                let [(setup, data)] = <[Found<'_>; 1]>::try_from(boxes(body.0)).expect("set-up data alone");
                entry = Some((kind, channels, bits, rate >> 16, (setup, data.to_vec())));
            }
            "stts" | "stsc" | "stsz" | "stco" => {
                assert!(body.iter().all(|byte| *byte == 0), "{kind} of no samples")
            }
            "sgpd" => {
                let mut group = Reader::full(body, 1).1;
                assert_eq!((group.text(4).as_str(), group.u32(), group.u32()), ("roll", 2, 1));
                roll = Some(group.u16() as i16);
                group.done();
            }
            other => panic!("{other} in a sample table"),
        }
    }
    (entry.expect("a sample entry"), roll)
}

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded, and for audio heard, in units of the track.
    pub time: u64,
    /// How long it is.
    pub duration: u32,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// An event message with an ID3 tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it is, in units of the track.
    pub time: u64,
    /// Its id.
    pub id: u32,
    /// The tag.
    pub tag: Vec<u8>,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub struct Segment {
    /// Its samples.
    pub samples: Vec<Sample>,
    /// Its event messages, before the fragment that they are in front of.
    pub events: Vec<Event>,
    /// Fragments in it.
    pub fragments: usize,
}

/// Follows one track over its segments.
pub struct Checker {
    /// What its header says.
    pub track: Track,
    number: Option<u32>,
    end: Option<u64>,
}

impl Checker {
    /// Of a track with this header.
    pub fn new(header: &[u8]) -> Self {
        Self { track: Track::read(header), number: None, end: None }
    }

    /// What comes next need not continue what was before, as behind a gap.
    pub fn leap(&mut self) {
        (self.number, self.end) = (None, None);
    }

    /// Checks a segment by itself, and that it continues the one before: by numbers of fragments and to the unit of time.
    pub fn segment(&mut self, data: &[u8]) -> Segment {
        let found = boxes(data);
        let (first, brands) = &found[0];
        assert!(first == "styp" && brands.chunks(4).skip(2).any(|brand| brand == b"msdh"), "a segment");
        self.fragments(&found[1..], 8 + brands.len())
    }

    /// The same for a part of a segment (low-latency HLS), of which the first alone says that it is one.
    pub fn part(&mut self, data: &[u8]) -> Segment {
        let found = boxes(data);
        match &found[0] {
            (first, brands) if first == "styp" => self.fragments(&found[1..], 8 + brands.len()),
            _ => self.fragments(&found, 0),
        }
    }

    /// Checks the fragments that begin at a byte.
    fn fragments(&mut self, found: &[Found<'_>], mut at: usize) -> Segment {
        let (mut segment, mut pending) = (Segment::default(), None);
        for (kind, body) in found {
            match (kind.as_str(), pending.take()) {
                ("emsg", None) => segment.events.push(self.event(body)),
                ("moof", None) => pending = Some((at, self.fragment(body))),
                ("mdat", Some((moof, (offset, sizes)))) => {
                    assert_eq!(moof + offset, at + 8, "samples begin where the media data does");
                    let mut media = Reader(body);
                    for (time, duration, size) in sizes {
                        let data = media.take(size).to_vec();
                        segment.samples.push(Sample { time, duration, data });
                    }
                    media.done();
                    segment.fragments += 1;
                }
                (other, _) => panic!("{other} where it may not be"),
            }
            at += 8 + body.len();
        }
        assert!(pending.is_none() && segment.fragments > 0, "a fragment is whole");
        let within = segment.samples[0].time..self.end.unwrap_or_default();
        assert!(segment.events.iter().all(|event| within.contains(&event.time)), "an event lies elsewhere");
        segment
    }

    /// Where a fragment's samples begin, counted from its `moof`, and the time, length and bytes of each.
    fn fragment(&mut self, body: &[u8]) -> (usize, Vec<(u64, u32, usize)>) {
        let [number, track] = exactly(body, ["mfhd", "traf"]);
        let number = Reader::full(number, 0).1.u32();
        assert!(
            self.number.is_none_or(|last| number == last + 1),
            "fragment {number} after {:?}",
            self.number
        );
        self.number = Some(number);
        let [head, time, run] = match self.track.roll {
            Some(_) => {
                let [head, time, run, group] = exactly(track, ["tfhd", "tfdt", "trun", "sbgp"]);
                let mut group = Reader::full(group, 0).1;
                assert_eq!((group.text(4).as_str(), group.u32()), ("roll", 1));
                assert_eq!((group.u32(), group.u32()), (Reader::full(run, 0).1.u32(), 1), "all samples");
                [head, time, run]
            }
            None => exactly(track, ["tfhd", "tfdt", "trun"]),
        };
        let (flags, mut head) = Reader::full(head, 0);
        assert_eq!(flags, 0x02_0028, "from the moof on, with length and flags of samples");
        assert_eq!(head.u32(), self.track.id);
        let usual = head.u32();
        assert_eq!(head.u32(), 0x0200_0000, "decoding can begin with any sample");
        head.done();
        let mut time = Reader::full(time, 1).1.u64();
        assert!(self.end.is_none_or(|end| end == time), "at {time}, where {:?} was the end", self.end);
        let (flags, mut run) = Reader::full(run, 0);
        assert!(flags == 0x0201 || flags == 0x0301, "flags {flags:#x} of a run");
        let (count, offset) = (run.u32(), run.u32() as usize);
        let mut samples = Vec::new();
        for _ in 0..count {
            let duration = if flags & 0x0100 == 0 { usual } else { run.u32() };
            samples.push((time, duration, run.u32() as usize));
            time += u64::from(duration);
        }
        run.done();
        self.end = Some(time);
        (offset, samples)
    }

    fn event(&self, body: &[u8]) -> Event {
        let mut body = Reader::full(body, 1).1;
        assert_eq!(body.u32(), self.track.timescale);
        let time = body.u64();
        assert_eq!(body.u32(), u32::MAX, "how long is not known");
        let id = body.u32();
        let scheme = b"https://aomedia.org/emsg/ID3\0\0";
        assert_eq!(body.take(scheme.len()), scheme);
        Event { time, id, tag: body.0.to_vec() }
    }
}

/// Takes big-endian values off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Flags and body of a full box, which must be of this version.
    fn full(data: &'a [u8], version: u32) -> (u32, Self) {
        let mut reader = Self(data);
        let head = reader.u32();
        assert_eq!(head >> 24, version, "version of a box");
        (head & 0xFF_FFFF, reader)
    }

    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at_checked(bytes).expect("a box is cut off");
        self.0 = later;
        now
    }

    fn skip(&mut self, bytes: usize) {
        self.take(bytes);
    }

    fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn u16(&mut self) -> u16 {
        self.number(2) as u16
    }

    fn u32(&mut self) -> u32 {
        self.number(4) as u32
    }

    fn u64(&mut self) -> u64 {
        self.number(8)
    }

    fn text(&mut self, bytes: usize) -> String {
        String::from_utf8(self.take(bytes).to_vec()).expect("ASCII")
    }

    fn done(&self) {
        assert!(self.0.is_empty(), "{} bytes too many in a box", self.0.len());
    }
}
