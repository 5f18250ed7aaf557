//! Whatever is logged for a station is logged in its span, whichever thread does the work.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::control::When;
use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{LiveConfig, Playlist, Request};
use airchain::core::tier::Tier;
use airchain::inputs::webstream::WebstreamConfig;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::recording::RecordingConfig;
use airchain::{Host, HostConfig, InputSource, InputSpec, StationSpec};
use testkit::file::tone;
use tracing_subscriber::fmt::MakeWriter;

const PATIENCE: Duration = Duration::from_secs(60);

/// The lines that were logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn read(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    /// The lines with `words` in them, once there are so many.
    fn with(&self, words: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines: Vec<_> = self.read().into_iter().filter(|line| line.contains(words)).collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < deadline, "not {count} of {words:?} in {:#?}", self.read());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn recording(id: &str, folder: &Path) -> OutputSpec {
    let target =
        Target::Recording(RecordingConfig { extension: "wav".into(), ..RecordingConfig::new(folder) });
    OutputSpec { id: id.into(), format: Format::of(Codec::PcmS16), target, passthrough: false }
}

/// A web stream of a server that is not there.
fn input() -> InputSpec {
    let url = "http://127.0.0.1:9/live.mp3".into();
    let config = WebstreamConfig { id: "relay".into(), url, ..WebstreamConfig::default() };
    let source = InputSource::Webstream { config, buffer_s: 1.0, titles: true };
    let live = LiveConfig::default();
    InputSpec { id: "relay".into(), tier: Some(Tier::LiveScheduled), fade_in_s: None, live, source }
}

#[test]
fn the_lines_of_a_station_can_be_told_from_all_others() {
    let lines = Lines::default();
    tracing_subscriber::fmt().with_ansi(false).with_thread_names(true).with_writer(lines.clone()).init();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let item = tone(folder.path(), 1_000.0, 30);
    // A file where a folder has to be: it cannot be written to.
    let blocked = folder.path().join("1000.wav");
    for id in ["one", "two"] {
        let programme = Box::new(Playlist::new(vec![item.clone()], Order::Sequential, true, 0));
        let spec = StationSpec { id: id.into(), programme, inputs: vec![input()], ..StationSpec::default() };
        let into = folder.path().join(id);
        let outputs =
            vec![recording(&format!("good-{id}"), &into), recording(&format!("bad-{id}"), &blocked)];
        let station = host.add_station(spec, outputs).unwrap();
        let missing = Item::file(format!("/nowhere/{id}.wav"));
        let queue = Request::Queue(airchain::core::playout::QueueRequest::add(missing));
        station.request(When::Now, queue).unwrap();
    }
    lines.with("now playing", 2);
    lines.with("output is up", 2);
    lines.with("left out", 2);
    lines.with("input=relay", 2);
    lines.with("bad-", 2);
    host.shutdown(Duration::from_secs(5));
    let mut lines = lines.read();
    // What the host says of its threads is of no station.
    lines.retain(|line| !line.contains(" airchain::os: "));
    for line in &lines {
        let named: Vec<_> =
            ["one", "two"].into_iter().filter(|id| line.contains(&format!("station{{id={id}}}: "))).collect();
        assert_eq!(named.len(), 1, "in the span of one station: {line}");
        let other = if named == ["one"] { "two" } else { "one" };
        for part in [format!("-{other}"), format!("/{other}.wav")] {
            assert!(!line.contains(&part), "of the other station: {line}");
        }
        assert!(!line.contains(" air-"), "the air thread logs nothing: {line}");
    }
    for thread in [" control ", " io-"] {
        assert!(lines.iter().any(|line| line.contains(thread)), "{thread} in {lines:#?}");
    }
}
