//! Listeners: bytes with the time at which each came, and what of them is heard.

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use airchain_codecs::decode::stream::{Step, StreamDecoder};
use testkit::icecast::Icecast;

/// How long a listener waits for bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listener of `path` that has been admitted; `None` while it is refused.
pub fn admitted(address: SocketAddr, path: &str) -> Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.extend_from_slice(&byte);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(line.ends_with(b"200 OK").then_some(stream))
}

/// Asks every 2 ms until it is admitted.
pub fn wait_for(address: SocketAddr, path: &str, within: Duration) -> Result<TcpStream> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Ok(Some(stream)) = admitted(address, path) {
            return Ok(stream);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(Error::other(format!("no audio at http://{address}{path} within {within:?}")))
}

/// Waits until an Icecast server has no mount of this path any more, so that the next source finds it free.
pub fn wait_until_gone(icecast: &Icecast, mount: &str, within: Duration) -> Result<()> {
    let (deadline, named) = (Instant::now() + within, format!("{mount}\""));
    while icecast.status().contains(&named) {
        if Instant::now() >= deadline {
            return Err(Error::other(format!("the mount {mount} is still there after {within:?}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    /// When, and how many bytes there were then.
    times: Vec<(Instant, usize)>,
}

/// A listener on a thread of its own, until the connection ends or the half that is kept here is shut down.
pub struct Recorder {
    stream: TcpStream,
    arrived: Arc<Mutex<Arrived>>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Begins to listen.
    pub fn start(stream: TcpStream) -> Result<Self> {
        let arrived = Arc::<Mutex<Arrived>>::default();
        let (mut reader, to) = (stream.try_clone()?, Arc::clone(&arrived));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let now = Instant::now();
                let mut arrived = to.lock().unwrap_or_else(PoisonError::into_inner);
                arrived.bytes.extend(buffer.iter().take(count));
                let total = arrived.bytes.len();
                arrived.times.push((now, total));
            }
        });
        Ok(Self { stream, arrived, thread })
    }

    /// Hangs up; what was heard.
    pub fn finish(self) -> Result<Heard> {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.thread.join();
        let arrived = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        Heard::decode(&arrived)
    }
}

/// An MP3 stream as it was heard.
pub struct Heard {
    /// For each frame of the stream: when its last byte had come, and the peaks of its samples, 1.0 at full scale.
    frames: Vec<(Instant, Vec<f32>)>,
}

impl Heard {
    /// A frame's samples can be had once its last byte is there: that is the time that counts.
    fn decode(arrived: &Arrived) -> Result<Self> {
        let Arrived { bytes, times } = arrived;
        let mut ends = Vec::new();
        let mut at =
            bytes.windows(2).position(|w| w[0] == 0xff && w[1] & 0xe6 == 0xe2).unwrap_or(bytes.len());
        let begin = at;
        while let Some(length) = bytes.get(at..at + 4).and_then(frame_bytes)
            && at + length <= bytes.len()
        {
            at += length;
            ends.push(at);
        }
        let mut decoder = StreamDecoder::new(Some("audio/mpeg"));
        let mut samples = Vec::new();
        let mut drain = |decoder: &mut StreamDecoder| -> Result<()> {
            loop {
                match decoder.decode(&mut samples).map_err(Error::other)? {
                    Step::Hungry | Step::End => return Ok(()),
                    Step::Audio { .. } | Step::Title(_) => {}
                }
            }
        };
        for piece in bytes.get(begin..at).unwrap_or_default().chunks(4096) {
            decoder.push(piece);
            drain(&mut decoder)?;
        }
        decoder.finish();
        drain(&mut decoder)?;
        let frame = 1152;
        // The first ones of a stream that is joined in its middle cannot be decoded.
        let unheard = ends.len().saturating_sub(samples.len() / frame);
        let peaks: Vec<f32> = samples.iter().map(|[l, r]| l.abs().max(r.abs())).collect();
        let came =
            |end: &usize| times.get(times.partition_point(|(_, total)| total < end)).map(|(at, _)| *at);
        let frames = ends.iter().skip(unheard).zip(peaks.chunks(frame));
        Ok(Self { frames: frames.filter_map(|(end, peaks)| Some((came(end)?, peaks.to_vec()))).collect() })
    }

    /// When the listener could hear something louder than `peak` for the first time after at least `quiet` frames of the
    /// stream without it: every such time.
    pub fn onsets(&self, peak: f32, quiet: usize) -> Vec<Instant> {
        let (mut since, mut onsets) = (0, Vec::new());
        for (at, peaks) in &self.frames {
            if peaks.iter().any(|sample| *sample > peak) {
                if since >= quiet {
                    onsets.push(*at);
                }
                since = 0;
            } else {
                since += 1;
            }
        }
        onsets
    }
}

/// Bytes of a frame of MPEG-1 layer III with this header; `None` when it is none.
fn frame_bytes(head: &[u8]) -> Option<usize> {
    const KBPS: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let [0xff, second, third, _] = *head else { return None };
    if second & 0xfe != 0xfa {
        return None;
    }
    let kbps = KBPS.get(usize::from(third >> 4).checked_sub(1)?)?;
    let hz = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    Some(144_000 * kbps / hz + usize::from(third >> 1 & 1))
}

/// For each command, how many milliseconds later the first onset came that lies before the next command; those without
/// one are left out.
pub fn delays_ms(commands: &[Instant], onsets: &[Instant]) -> Vec<f64> {
    let until = commands.iter().skip(1).map(Some).chain([None]);
    let first = |(command, until): (&Instant, Option<&Instant>)| {
        let onset = onsets.iter().find(|onset| *onset > command)?;
        let before = until.is_none_or(|until| onset < until);
        before.then(|| (*onset - *command).as_secs_f64() * 1000.0)
    };
    commands.iter().zip(until).filter_map(first).collect()
}
