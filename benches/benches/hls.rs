//! HLS segmenting: a minute of AAC-LC packets to segments of 4 s and their playlist, in a folder of the system's temporary
//! directory.

use std::sync::Arc;

use airchain_benches::{RATE, programme};
use airchain_codecs::encode;
use airchain_codecs::{Codec, Format};
use airchain_outputs::hls::{self, HlsConfig};
use airchain_outputs::sink::Opening;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tokio::runtime::Runtime;

const SECONDS: usize = 60;

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let format = Format { sample_rate_hz: RATE, ..Format::of(Codec::AacLc) };
    let mut encoder = encode::open(&format, RATE).expect("an encoder");
    let (info, mut packets) = (Arc::clone(encoder.info()), Vec::new());
    encoder.encode(&programme(SECONDS), &mut packets).expect("encoded");
    let mut group = criterion.benchmark_group("HLS segmenting");
    group.sample_size(20);
    group.bench_function("a minute of AAC-LC 128k, segments of 4 s", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |folder| {
                runtime.block_on(async {
                    let config = HlsConfig { segment_duration_s: 4.0, ..HlsConfig::new(folder.path()) };
                    let mut output = hls::outputs(&config).expect("an output").tracks.remove(0);
                    let (info, epoch) = (Arc::clone(&info), Timestamp::UNIX_EPOCH);
                    let opening =
                        Opening { info, epoch, position: 0, leaps: Default::default(), metadata: None };
                    let mut sink = output.open(&opening).await.expect("opened");
                    for packet in &packets {
                        sink.packet(packet).await.expect("taken");
                    }
                    sink.close().await.expect("closed");
                });
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
