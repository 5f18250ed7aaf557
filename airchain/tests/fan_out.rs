//! One encoder for each distinct format, however many outputs there are: by count, by the bytes that come out, and by
//! the packets' very memory.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain::codecs::packet::Packet;
use airchain::codecs::{Bitrate, Codec, Format};
use airchain::core::item::Metadata;
use airchain::outputs::sink::{Opening, Output, Sink, SinkError};
use airchain::outputs::worker::WorkerOptions;
use airchain::{Host, HostConfig, OutputSpec, Station, StationSpec, Target};

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// What outputs were given, in order.
type Taken = Arc<Mutex<Vec<Packet>>>;

struct Keep(Taken);

#[async_trait::async_trait]
impl Output for Keep {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn open(&mut self, _: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Keep(Arc::clone(&self.0))))
    }
}

#[async_trait::async_trait]
impl Sink for Keep {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(packet.clone());
        Ok(())
    }

    async fn title(&mut self, _: i64, _: &Arc<Metadata>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn output(id: &str, kbps: u32, taken: &Taken) -> OutputSpec {
    let format =
        Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(kbps), sample_rate_hz: 48_000, channels: 2 };
    let output = Box::new(Keep(Arc::clone(taken)));
    let target = Target::Custom { kind: "memory", output, options: WorkerOptions::archive() };
    OutputSpec { id: id.into(), format, target, passthrough: false }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(taken: &Taken) -> usize {
    taken.lock().unwrap().len()
}

fn encoders(station: &Station, wanted: u64) {
    until(&format!("{wanted} encoders"), || station.telemetry().encoders == wanted);
}

#[test]
fn outputs_of_one_format_share_its_encoder_and_its_packets() {
    let taken: Vec<Taken> = (0..4).map(|_| Taken::default()).collect();
    let host = Host::new(HostConfig::default()).unwrap();
    let outputs = vec![output("a", 128, &taken[0]), output("b", 128, &taken[1]), output("c", 128, &taken[2])];
    let station =
        host.add_station(StationSpec { id: "fan".into(), ..StationSpec::default() }, outputs).unwrap();
    until("audio", || taken[..3].iter().all(|taken| count(taken) > 20));
    encoders(&station, 1);
    station.add_output(output("d", 64, &taken[3])).unwrap();
    until("the other's audio", || count(&taken[3]) > 5);
    encoders(&station, 2);
    station.remove_output("d").unwrap();
    encoders(&station, 1);
    for id in ["a", "b"] {
        station.remove_output(id).unwrap();
    }
    // What the last one has left goes on, on the encoder that was there before.
    let before = count(&taken[2]);
    until("more for the last", || count(&taken[2]) > before + 20);
    encoders(&station, 1);
    station.remove_output("c").unwrap();
    encoders(&station, 0);
    host.shutdown(Duration::from_secs(5));

    let [a, b, c] = [0, 1, 2].map(|index| taken[index].lock().unwrap().clone());
    for (a, c) in a.iter().zip(&c) {
        assert_eq!((a.pts, a.data.as_ptr()), (c.pts, c.data.as_ptr()), "a copy, or another encoder's");
    }
    assert!(b.len() > 20 && b[..20] == c[..20]);
    assert!(c.windows(2).all(|pair| pair[0].end() == pair[1].pts), "a gap, or a new encoder");
}
