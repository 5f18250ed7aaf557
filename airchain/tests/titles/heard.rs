//! What listeners get, taken apart: their audio as other people's decoders give it, and each title with the frame of that
//! audio from which it is shown.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use testkit::icecast::read_head;

use crate::PATIENCE;
use crate::programme;

/// An answer: its head, and all that follows.
pub struct Body {
    pub head: String,
    pub data: Vec<u8>,
}

/// Audio and titles of a listener.
pub struct Heard {
    pub rate_hz: u32,
    audio: Vec<f64>,
    /// From which frame of the audio on a title is shown.
    pub titles: Vec<(f64, String)>,
}

impl Heard {
    /// The frame at which an item begins, where `likely` would be its beginning: an item that is a quarter of a second
    /// elsewhere is not found.
    pub fn begin_of(&self, what: &str, item: usize, likely: f64) -> f64 {
        let quarter = f64::from(self.rate_hz) / 4.0;
        self.find(what, item, (likely - quarter).max(0.0), likely + quarter)
    }

    /// The frame at which the first item begins, which is within the first second.
    pub fn begin(&self, what: &str) -> f64 {
        self.find(what, 0, 0.0, f64::from(self.rate_hz))
    }

    fn find(&self, what: &str, item: usize, from: f64, to: f64) -> f64 {
        let (at, likeness) = programme::begin(&self.audio, self.rate_hz, item, from as usize..to as usize);
        assert!(likeness > 0.9, "{what}: item {item} is not to be recognised ({likeness:.2})");
        at
    }
}

/// Listens to a mount from its beginning to its end.
pub fn listen(address: SocketAddr, path: &'static str) -> JoinHandle<Body> {
    std::thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{path} is not on air");
            let Ok(mut stream) = TcpStream::connect(address) else { continue };
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nIcy-MetaData: 1\r\n\r\n").unwrap();
            let head = read_head(&mut stream);
            if head.split(' ').nth(1) == Some("200") {
                let mut data = Vec::new();
                stream.read_to_end(&mut data).unwrap();
                return Body { head, data };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

/// Runs a tool on `input`, which it must have nothing to say about, and returns what it makes of it.
fn through(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let (mut pipe, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{program} {args:?}: {complaints}");
    output.stdout
}

/// The left channel as ffmpeg decodes it.
fn decoded(container: &str, input: &[u8]) -> Vec<f64> {
    let args = ["-v", "error", "-f", container, "-i", "-", "-map", "0:a", "-f", "f32le", "-ac", "2", "-"];
    let left = |frame: &[u8]| f64::from(f32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]));
    through("ffmpeg", &args, input).chunks_exact(8).map(left).collect()
}

/// Repeats of a title that is shown already are no news.
fn news(titles: impl IntoIterator<Item = (f64, String)>) -> Vec<(f64, String)> {
    let mut titles: Vec<_> = titles.into_iter().filter(|(_, line)| !line.is_empty()).collect();
    titles.dedup_by(|next, last| next.1 == last.1);
    titles
}

/// An MP3 or ADTS frame at the start of `data`: its bytes, frames and rate.
fn frame(data: &[u8]) -> (usize, usize, u32) {
    assert_eq!(data[0], 0xFF, "sync");
    if data[1] & 0xF6 == 0xF0 {
        let rate = [96_000, 88_200, 64_000, 48_000, 44_100][usize::from(data[2] >> 2 & 15)];
        let bytes = usize::from(data[3] & 3) << 11 | usize::from(data[4]) << 3 | usize::from(data[5] >> 5);
        return (bytes, 1024, rate);
    }
    assert_eq!((data[1], data[2] & 0xFC), (0xFB, 0x90), "128 kbit/s at 44.1 kHz");
    (144 * 128_000 / 44_100 + usize::from(data[2] >> 1 & 1), 1152, 44_100)
}

/// MP3 or AAC with ICY titles. A title is shown from the frame on in which its block stands.
pub fn icy(body: &Body) -> Heard {
    let interval = body.head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("icy-metaint:")
            .map(|value| value.trim().parse::<usize>().unwrap())
    });
    let interval = interval.expect("an interval");
    let (mut audio, mut blocks, mut rest) = (Vec::new(), Vec::new(), &body.data[..]);
    while rest.len() > interval {
        audio.extend_from_slice(&rest[..interval]);
        let (block, behind) = rest[interval + 1..].split_at(usize::from(rest[interval]) * 16);
        if !block.is_empty() {
            let block = String::from_utf8(block.to_vec()).unwrap();
            let line = block.trim_end_matches('\0').strip_prefix("StreamTitle='").unwrap().strip_suffix("';");
            blocks.push((audio.len(), line.unwrap().to_owned()));
        }
        rest = behind;
    }
    audio.extend_from_slice(rest);
    let (mut starts, mut at, mut last) = (Vec::new(), 0, (0, 0, 0));
    while at < audio.len() {
        last = frame(&audio[at..]);
        starts.push(at);
        at += last.0;
    }
    let (_, frames, rate_hz) = last;
    // The server may end in the middle of a packet.
    audio.truncate(if at > audio.len() { starts.pop().unwrap() } else { at });
    let samples = decoded(if frames == 1024 { "aac" } else { "mp3" }, &audio);
    assert_eq!(samples.len(), starts.len() * frames, "every packet is decoded");
    let number = |byte: usize| starts.partition_point(|start| *start <= byte) - 1;
    let titles = news(blocks.into_iter().map(|(byte, line)| ((number(byte) * frames) as f64, line)));
    Heard { rate_hz, audio: samples, titles }
}

/// A logical stream of Ogg.
struct Link {
    line: String,
    /// Frames that Opus skips at its start; they count in the granule position.
    skipped: u64,
    granule: u64,
}

/// Ogg. A title is shown from the first frame of its logical stream on.
pub fn ogg(body: &Body, rate_hz: u32) -> Heard {
    let (mut links, mut vorbis, mut rest) = (Vec::<Link>::new(), false, &body.data[..]);
    while !rest.is_empty() {
        assert_eq!(&rest[..4], b"OggS");
        let lacing = &rest[27..27 + usize::from(rest[26])];
        let size = 27 + lacing.len() + lacing.iter().map(|size| usize::from(*size)).sum::<usize>();
        let (page, behind) = rest.split_at(size);
        let content = &page[27 + lacing.len()..];
        if page[5] & 2 != 0 {
            vorbis = content.starts_with(b"\x01vorbis");
            let opus = content.starts_with(b"OpusHead").then(|| [content[10], content[11]]);
            let skipped = opus.map_or(0, u16::from_le_bytes).into();
            links.push(Link { line: String::new(), skipped, granule: 0 });
        }
        let link = links.last_mut().unwrap();
        if let (Some(artist), Some(title)) = (comment(content, "ARTIST="), comment(content, "TITLE=")) {
            link.line = format!("{artist} - {title}");
        }
        // -1 where no packet ends.
        if let Ok(granule) = u64::try_from(i64::from_le_bytes(page[6..14].try_into().unwrap())) {
            link.granule = granule;
        }
        rest = behind;
    }
    let audio = if vorbis {
        // ffmpeg 5 does not begin afresh where a new Vorbis stream does.
        let raw = through("oggdec", &["-Q", "-R", "-b", "16", "-o", "-", "-"], &body.data);
        let left = |frame: &[u8]| f64::from(i16::from_le_bytes([frame[0], frame[1]])) / 32_768.0;
        raw.chunks_exact(4).map(left).collect()
    } else {
        decoded("ogg", &body.data)
    };
    // Counted from the end, as a listener may have joined within the first one.
    let mut begin = audio.len() as f64;
    let mut titles = Vec::new();
    for link in links.into_iter().rev() {
        begin -= (link.granule - link.skipped) as f64;
        titles.push((begin, link.line));
    }
    titles.reverse();
    Heard { rate_hz, audio, titles: news(titles) }
}

/// The value of a Vorbis comment, which its length stands before.
fn comment(page: &[u8], key: &str) -> Option<String> {
    let at = page.windows(key.len()).position(|window| window == key.as_bytes())?;
    let length = u32::from_le_bytes(page[at - 4..at].try_into().unwrap()) as usize;
    Some(String::from_utf8(page[at + key.len()..at + length].to_vec()).unwrap())
}

/// The segments of a folder, joined. A title is shown from its time stamp on.
pub fn hls(folder: &Path) -> Heard {
    let playlist = std::fs::read_to_string(folder.join("live.m3u8")).unwrap();
    let segments = playlist.lines().filter(|line| line.ends_with(".ts"));
    let joined: Vec<u8> = segments.flat_map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let path = folder.join("joined.ts");
    std::fs::write(&path, &joined).unwrap();
    // Time stamp and size of every packet.
    let packets = |stream: &str| -> Vec<(f64, usize)> {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-of",
                "csv=p=0",
                "-show_entries",
                "packet=pts,size",
                "-select_streams",
                stream,
            ])
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers = |line: &str| -> Vec<f64> { line.split(',').filter_map(|n| n.parse().ok()).collect() };
        let lines = text.lines().map(numbers).filter(|numbers| !numbers.is_empty());
        lines.map(|numbers| (numbers[0], numbers[1] as usize)).collect()
    };
    let (rate_hz, first) = (48_000, packets("a")[0].0);
    // The tags one after the other, as ffmpeg finds them.
    let args = ["-v", "error", "-f", "mpegts", "-i", "-", "-map", "0:d", "-c", "copy", "-f", "data", "-"];
    let tags = through("ffmpeg", &args, &joined);
    let mut rest = &tags[..];
    let mut titles = Vec::new();
    for (stamp, size) in packets("d") {
        let (tag, behind) = rest.split_at(size);
        let frame = (stamp - first) * f64::from(rate_hz) / 90_000.0;
        // ffmpeg 5 takes the first five bytes for the header of an access unit, which private streams have none of.
        titles.push((frame, line(tag.strip_prefix(b"ID3\x04\0").unwrap_or(tag))));
        rest = behind;
    }
    assert!(rest.is_empty());
    Heard { rate_hz, audio: decoded("mpegts", &joined), titles: news(titles) }
}

/// The title in a tag, of which the first five bytes (`ID3`, version) are missing.
fn line(tag: &[u8]) -> String {
    assert_eq!((tag[0], synchsafe(&tag[1..5])), (0, tag.len() - 5), "flags and size");
    match (text_frame(&tag[5..], "TPE1"), text_frame(&tag[5..], "TIT2")) {
        (Some(artist), Some(title)) => format!("{artist} - {title}"),
        (_, title) => title.unwrap_or_default(),
    }
}

fn synchsafe(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F))
}

fn text_frame(mut rest: &[u8], id: &str) -> Option<String> {
    while !rest.is_empty() {
        let (head, behind) = rest.split_at(10);
        let (body, behind) = behind.split_at(synchsafe(&head[4..8]));
        if head.starts_with(id.as_bytes()) {
            return Some(String::from_utf8(body[1..].to_vec()).unwrap());
        }
        rest = behind;
    }
    None
}
