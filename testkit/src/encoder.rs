//! A station's own encoder: `ffmpeg` of Debian, feeding a tone to a mount of Icecast in real time.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::icecast::Icecast;

/// Longest time that a mount may take to come; reached only when it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// An encoder that feeds MP3 of 128 kbit/s and 44.1 kHz until it is dropped.
pub struct Encoder(Child);

impl Encoder {
    /// Starts one with a sine, and returns when listeners are admitted. `name` is the station's.
    ///
    /// # Panics
    /// When `ffmpeg` is not installed, or the mount does not come.
    pub fn start(icecast: &Icecast, mount: &str, frequency_hz: u32, name: &str) -> Self {
        let tone = format!("sine=frequency={frequency_hz}:sample_rate=44100");
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", &tone, "-ac", "2"])
            .args(["-c:a", "libmp3lame", "-b:a", "128k", "-id3v2_version", "0", "-write_xing", "0"])
            .args(["-content_type", "audio/mpeg", "-ice_name", name, "-f", "mp3", &icecast.url(mount)])
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg (Debian package ffmpeg) runs");
        let encoder = Self(child);
        let since = Instant::now();
        while !icecast.is_on_air(mount) {
            assert!(since.elapsed() < PATIENCE, "{mount} does not come on air");
            std::thread::sleep(Duration::from_millis(5));
        }
        encoder
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
