//! What every DSP node promises, as one test.
//!
//! The test binary must install [`CountingAllocator`](crate::alloc::CountingAllocator).

use airchain_core::Stereo;
use airchain_core::dsp::{Format, Node, NodeEntry, ParamKind};

use crate::alloc::assert_no_alloc;
use crate::node::{BLOCK, run};
use crate::{measure, signal};

/// Checks everything that [`Node`] promises of a line of `NODES`; panics, naming the node, where it does not hold.
pub fn node_contract(entry: &NodeEntry) {
    describes_itself(entry);
    for rate in [8_000, 44_100, 48_000, 96_000, 192_000] {
        stays_finite_and_falls_silent(entry, rate);
        resets_to_fresh(entry, rate);
        is_invariant_to_blocks(entry, rate);
        is_as_late_as_it_says(entry, rate);
        never_allocates(entry, rate);
    }
    does_not_click(entry);
    ignores_what_it_does_not_know(entry);
}

/// Parameters set before a node is prepared: all at their least, all at their greatest, and as they are.
const SETTINGS: [usize; 3] = [0, 1, 2];

/// A node with default parameters, prepared for `rate`.
fn prepared(entry: &NodeEntry, rate: u32) -> Box<dyn Node> {
    with(entry, rate, &[])
}

/// The same with some parameters set.
fn with(entry: &NodeEntry, rate: u32, settings: &[(usize, f32)]) -> Box<dyn Node> {
    let mut node = (entry.make)();
    settings.iter().for_each(|&(id, value)| node.set(id, value));
    node.prepare(Format { sample_rate_hz: rate, max_block: BLOCK });
    node
}

/// The same with all parameters set to one of [`SETTINGS`].
fn at_extreme(entry: &NodeEntry, rate: u32, setting: usize) -> Box<dyn Node> {
    let settings: Vec<_> = extremes(entry).iter().map(|(id, values)| (*id, values[setting])).collect();
    with(entry, rate, &settings)
}

/// `input` after `node` in blocks as long as `block(n)` says, with `before(node, frame)` called before each, and with
/// a side chain if there is one.
fn run_in(
    node: &mut dyn Node,
    input: &[Stereo],
    sidechain: Option<&[Stereo]>,
    mut block: impl FnMut(usize) -> usize,
    mut before: impl FnMut(&mut dyn Node, usize),
) -> Vec<Stereo> {
    let mut output = input.to_vec();
    let (mut at, mut n) = (0, 0);
    while at < output.len() {
        before(node, at);
        let end = (at + block(n).clamp(1, BLOCK)).min(output.len());
        node.process(&mut output[at..end], sidechain.map(|key| &key[at..end]));
        (at, n) = (end, n + 1);
    }
    output
}

/// The values at the ends of each parameter's range, and its default.
fn extremes(entry: &NodeEntry) -> Vec<(usize, [f32; 3])> {
    let ends = |kind: ParamKind| match kind {
        ParamKind::Number { min, max, .. } => (min, max),
        ParamKind::Switch => (0.0, 1.0),
        ParamKind::Choice(words) => (0.0, words.len() as f32 - 1.0),
    };
    let values = |p: &airchain_core::dsp::ParamInfo| [ends(p.kind).0, ends(p.kind).1, p.default];
    entry.info.params.iter().map(values).enumerate().collect()
}

fn describes_itself(entry: &NodeEntry) {
    let info = entry.info;
    assert!(
        std::ptr::eq((entry.make)().info(), info) || *(entry.make)().info() == *info,
        "{}: two infos",
        info.name
    );
    let word = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    assert!(word(info.name) && info.summary.ends_with('.'), "{}: name or summary", info.name);
    for (id, param) in info.params.iter().enumerate() {
        assert!(word(param.name) && param.help.ends_with('.'), "{}.{}: name or help", info.name, param.name);
        assert_eq!(
            param.kind.clamp(param.default),
            Some(param.default),
            "{}.{}: default",
            info.name,
            param.name
        );
        for name in std::iter::once(&param.name).chain(param.aliases) {
            assert_eq!(info.param(name), Some(id), "{}: two parameters called {name}", info.name);
        }
    }
}

/// What no programme should hold, in every pairing.
fn hostile(frames: usize) -> Vec<Stereo> {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-42,
        -1e-40,
        f32::MAX,
        f32::MIN,
        1e20,
        f32::MIN_POSITIVE,
    ];
    (0..frames).map(|n| [odd[n % odd.len()], odd[(n / odd.len()) % odd.len()]]).collect()
}

fn stays_finite_and_falls_silent(entry: &NodeEntry, rate: u32) {
    let name = entry.info.name;
    let frames = rate as usize / 10;
    let programmes = [
        ("full-scale square", signal::square(rate, 100.0, 0.0, frames)),
        ("hostile numbers", hostile(frames)),
        ("dc", signal::dc(1.0, frames)),
        ("noise", signal::noise(7, 0.0, frames)),
        ("denormals", signal::dc(1e-40, frames)),
        ("silence", signal::silence(frames)),
    ];
    for setting in SETTINGS {
        let mut node = at_extreme(entry, rate, setting);
        let quiet = run(&mut *node, &signal::silence(frames));
        assert!(quiet == signal::silence(frames), "{name} at {rate} Hz makes something of silence");
        for (what, programme) in &programmes {
            for sidechain in [None, Some(hostile(frames))] {
                let output = run_in(&mut *node, programme, sidechain.as_deref(), |_| BLOCK, |_, _| ());
                let samples = output.as_flattened();
                assert!(samples.iter().all(|s| s.is_finite()), "{name} at {rate} Hz: {what} is not finite");
                assert!(!samples.iter().any(|s| s.is_subnormal()), "{name} at {rate} Hz: {what} is denormal");
            }
        }
        let silence = signal::silence(node.latency() + 2 * rate as usize);
        let tail = run(&mut *node, &silence);
        let left = measure::peak(&tail[tail.len() - frames..]);
        assert!(
            left < 1e-7,
            "{name} at {rate} Hz, setting {setting}: still {left:e} two seconds after the last sound"
        );
    }
}

fn resets_to_fresh(entry: &NodeEntry, rate: u32) {
    let programme = signal::speech(rate, 0.0, 3, 12_000);
    for setting in SETTINGS {
        let mut node = at_extreme(entry, rate, setting);
        let expected = (run(&mut *node, &programme), node.status());
        run(&mut *node, &hostile(1_000));
        node.reset();
        let again = (run(&mut *node, &programme), node.status());
        assert!(expected == again, "{} at {rate} Hz, setting {setting}: not fresh", entry.info.name);
    }
}

/// Length of the nth block.
type Partition = Box<dyn FnMut(usize) -> usize>;

fn is_invariant_to_blocks(entry: &NodeEntry, rate: u32) {
    let name = entry.info.name;
    let mut programme = signal::speech(rate, 6.0, 5, 12_000);
    programme.extend(signal::silence(3_000));
    programme.extend(signal::noise(5, 0.0, 9_000));
    let sidechain = signal::speech(rate, 0.0, 6, programme.len());
    // Every parameter jumps, each at its own frame, and back.
    let changes: Vec<(usize, usize, f32)> = extremes(entry)
        .into_iter()
        .flat_map(|(id, values)| (0..6).map(move |i| (997 * (id + 1) + 3_571 * i, id, values[i % 3])))
        .collect();
    let process = |mut block: Partition| {
        let mut node = prepared(entry, rate);
        let mut output = Vec::new();
        let mut times: Vec<usize> = changes.iter().map(|c| c.0).chain([programme.len()]).collect();
        times.sort_unstable();
        let mut from = 0;
        for (n, until) in times.into_iter().filter(|&t| t <= programme.len()).enumerate() {
            // Every second stretch with a side chain.
            let sidechain = (n % 2 == 1).then_some(&sidechain[from..until]);
            output.extend(run_in(&mut *node, &programme[from..until], sidechain, &mut block, |_, _| ()));
            changes.iter().filter(|c| c.0 == until).for_each(|&(_, id, value)| node.set(id, value));
            from = until;
        }
        (output, node.status())
    };
    let (whole, status) = process(Box::new(|_| BLOCK));
    let mut random = signal::Random::new(9);
    let partitions: [(&str, Partition); 4] = [
        ("1 frame", Box::new(|_| 1)),
        ("480 frames", Box::new(|_| 480)),
        ("1, 2, 3 ... frames", Box::new(|n| 1 + n % 97)),
        ("random blocks", Box::new(move |_| (random.next().abs() * 700.0) as usize)),
    ];
    for (what, block) in partitions {
        let (output, end) = process(block);
        let first = whole.iter().zip(&output).position(|(a, b)| a.map(f32::to_bits) != b.map(f32::to_bits));
        assert_eq!(first, None, "{name} at {rate} Hz: blocks of {what} differ first at this frame");
        assert_eq!(end, status, "{name} at {rate} Hz: blocks of {what} end in another status");
    }
}

fn does_not_click(entry: &NodeEntry) {
    let sine = signal::sine(48_000, 200.0, -12.0, 48_000);
    for (id, values) in extremes(entry) {
        for (from, to) in [(values[2], values[0]), (values[0], values[1]), (values[1], values[0])] {
            let mut node = with(entry, 48_000, &[(id, from)]);
            let jump = |node: &mut dyn Node, frame: usize| {
                if frame == 24 * BLOCK {
                    node.set(id, to);
                }
            };
            // The first frames are the node's own onset.
            let output = run_in(&mut *node, &sine, None, |_| BLOCK, jump);
            let click = measure::click_db(&measure::channel(&output[20 * BLOCK..], 0), 48_000);
            let param = entry.info.params[id].name;
            assert!(click < -75.0, "{}.{param} clicks at {click:.1} dB from {from} to {to}", entry.info.name);
        }
    }
}

fn is_as_late_as_it_says(entry: &NodeEntry, rate: u32) {
    let usual = prepared(entry, rate);
    let late =
        |&(_, setting): &(&str, (usize, f32))| with(entry, rate, &[setting]).latency() != usual.latency();
    let ends = extremes(entry).into_iter().flat_map(|(id, values)| {
        let name = entry.info.params[id].name;
        [(name, (id, values[0])), (name, (id, values[1]))]
    });
    // As it is, and with each end of a parameter that decides about it.
    let mut nodes = vec![("its defaults", prepared(entry, rate))];
    nodes.extend(ends.filter(late).map(|(name, setting)| (name, with(entry, rate, &[setting]))));
    for (what, mut node) in nodes {
        let declared = node.latency();
        let noise = signal::noise(11, -40.0, 2_048);
        let mut programme = noise.clone();
        programme.extend(signal::silence(declared + 512));
        let output = run(&mut *node, &programme);
        let likeness = |lag: usize| -> f64 {
            noise.iter().zip(&output[lag..]).map(|(a, b)| f64::from(a[0] * b[0])).sum::<f64>().abs()
        };
        let measured = (0..declared + 512).max_by(|&a, &b| likeness(a).total_cmp(&likeness(b)));
        // A filter near the top of what is heard turns the phase by up to 21 us; that is not lateness.
        let measured = measured.unwrap_or(usize::MAX);
        assert!(
            measured.abs_diff(declared) <= rate.div_ceil(48_000) as usize,
            "{} at {rate} Hz with {what}: {measured} late, not {declared}",
            entry.info.name
        );
        assert_eq!(node.latency(), declared, "{}: the latency changed", entry.info.name);
    }
}

fn never_allocates(entry: &NodeEntry, rate: u32) {
    let mut node = prepared(entry, rate);
    let mut programme = signal::speech(rate, 6.0, 13, 24_000);
    let sidechain = signal::speech(rate, 0.0, 14, 480);
    assert_no_alloc(|| {
        for (n, block) in programme.chunks_mut(480).enumerate() {
            for id in 0..entry.info.params.len() {
                node.set(id, n as f32 - 25.0);
            }
            match n % 3 {
                0 => node.process(block, None),
                1 => node.process(block, Some(&sidechain)),
                _ => block.chunks_mut(1).for_each(|frame| node.process(frame, None)),
            }
            let _ = (node.status(), node.latency(), node.info());
            if n == 30 {
                node.reset();
            }
        }
    });
}

fn ignores_what_it_does_not_know(entry: &NodeEntry) {
    let programme = signal::speech(48_000, -6.0, 17, 9_600);
    let expected = run(&mut *prepared(entry, 48_000), &programme);
    let mut node = prepared(entry, 48_000);
    node.set(usize::MAX, 1.0);
    node.set(entry.info.params.len(), 1.0);
    for id in 0..entry.info.params.len() {
        node.set(id, f32::NAN);
        node.set(id, f32::INFINITY);
    }
    assert!(run(&mut *node, &programme) == expected, "{}: an unknown parameter changed it", entry.info.name);
    node.process(&mut [], None);
}
