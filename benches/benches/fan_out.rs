//! One encoder, many outputs: 100 ms of audio encoded and handed to the queues of 1, 3 and 100 outputs, whose workers take
//! it from there on other threads.

use std::sync::Arc;

use airchain_benches::{RATE, programme};
use airchain_codecs::encode;
use airchain_codecs::packet::Packet;
use airchain_codecs::{Codec, Format};
use airchain_core::item::Metadata;
use airchain_outputs::sink::{Opening, Output, Parcel, Sink, SinkError};
use airchain_outputs::worker::{self, WorkerOptions};
use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tokio::runtime::Runtime;

/// An output that is always there and keeps nothing.
struct Nowhere;

#[async_trait]
impl Output for Nowhere {
    fn describe(&self) -> String {
        "nowhere".into()
    }

    async fn open(&mut self, _: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Nowhere))
    }
}

#[async_trait]
impl Sink for Nowhere {
    async fn packet(&mut self, _: &Packet) -> Result<(), SinkError> {
        Ok(())
    }

    async fn title(&mut self, _: i64, _: &Arc<Metadata>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let audio = programme(10);
    let mut group = criterion.benchmark_group("encoder fan-out, 100 ms of MP3 128k");
    group.sample_size(40);
    for outputs in [1, 3, 100] {
        let format = Format { sample_rate_hz: RATE, ..Format::of(Codec::Mp3) };
        let mut encoder = encode::open(&format, RATE).expect("an encoder");
        let info = Arc::clone(encoder.info());
        let start = || {
            let opening = Opening {
                info: info.clone(),
                epoch: Timestamp::UNIX_EPOCH,
                position: 0,
                leaps: Default::default(),
                metadata: None,
            };
            worker::spawn(runtime.handle(), "out", Box::new(Nowhere), opening, WorkerOptions::live())
        };
        let running: Vec<_> = (0..outputs).map(|_| start()).collect();
        let (mut pieces, mut packets) = (audio.chunks(RATE as usize / 10).cycle(), Vec::new());
        let mut parcels = Vec::new();
        group.bench_function(format!("{outputs} outputs"), |bencher| {
            bencher.iter(|| {
                encoder.encode(pieces.next().unwrap_or_default(), &mut packets).expect("encoded");
                // All packets of a turn at once, as a rendition does.
                parcels.extend(packets.drain(..).map(Parcel::Packet));
                running.iter().for_each(|(sender, _)| sender.send_all(&parcels));
                parcels.clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
