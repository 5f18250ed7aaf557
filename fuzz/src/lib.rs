//! What holds whatever comes in: the bodies of the fuzz targets, and the seeds that they begin with.
//!
//! A body takes any bytes and panics when something does not hold. libFuzzer calls it through a file of three lines in
//! `fuzz_targets/`, and the tests of this crate with every file in `regressions/`, so what was found once stays found.
//! docs/fuzzing.md says what each target holds true.

mod config;
mod containers;
mod decode;
mod engine;
mod http;
mod material;
mod muxers;
mod panics;
mod playlist;
mod script;
mod stream;
mod webstream;

/// So that bodies see whether the air path allocates.
#[global_allocator]
static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;

pub use muxers::made;

/// Everything that is fuzzed.
pub const TARGETS: &[Target] = &[
    Target { name: "decode", body: decode::body, seeds: decode::seeds, longest: 64 << 10 },
    Target { name: "containers", body: containers::body, seeds: decode::seeds, longest: 64 << 10 },
    Target { name: "stream", body: stream::body, seeds: stream::seeds, longest: 32 << 10 },
    Target { name: "webstream", body: webstream::body, seeds: webstream::seeds, longest: 8 << 10 },
    Target { name: "playlist", body: playlist::body, seeds: playlist::seeds, longest: 4 << 10 },
    Target { name: "config", body: config::body, seeds: config::seeds, longest: 8 << 10 },
    Target { name: "script", body: script::body, seeds: script::seeds, longest: 4 << 10 },
    Target { name: "engine", body: engine::body, seeds: engine::seeds, longest: 512 },
    Target { name: "http", body: http::body, seeds: http::seeds, longest: 2 << 10 },
    Target { name: "muxers", body: muxers::body, seeds: muxers::seeds, longest: 4 << 10 },
];

/// One thing that is fuzzed.
pub struct Target {
    /// Its name, and that of its folders in `corpus/` and `regressions/`.
    pub name: &'static str,
    /// Does with bytes whatever may be done with them; panics when something does not hold.
    pub body: fn(&[u8]),
    /// What fuzzing begins with: a name and bytes each.
    pub seeds: fn() -> Vec<Seed>,
    /// Bytes of an input at most.
    pub longest: usize,
}

/// An input that means something.
pub struct Seed {
    /// A file name that says what it is.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// Runs the body of the target called `name`. Panics also where airchain panicked within something that catches panics: a
/// fence is for what others wrote.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let Some(target) = target else { panic!("no target is called {name}") };
    panics::none_of_ours(|| (target.body)(data));
}

/// Whether a text can stand on a line of a log.
fn one_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_control())
}
