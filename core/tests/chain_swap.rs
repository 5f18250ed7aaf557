//! A chain takes over from another under a tone: no click, no gap, and not a frame earlier or later.

use airchain_core::Frames;
use airchain_core::chain::NodeSpec;
use airchain_core::control::{Command, EventKind};
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use testkit::rig::{BLOCK, RATE, Rig, chain, item, ladder, node};
use testkit::{measure, signal};

/// What the station reserves: 20 ms.
const LATENCY: usize = 960;
/// Length of a crossfade.
const SWAP: usize = 2_400;
const LEVEL_DB: f64 = -12.0;
const HZ: f64 = 1_000.0;
const LENGTH: usize = 96_000;

/// The tone through `first`, with each of `swaps` on its way in from its frame on.
fn swapped(first: &[NodeSpec], swaps: &[(Frames, Vec<NodeSpec>)], blocks: &[usize]) -> Rig {
    let mut rig = Rig::with_chain_late(ladder(), first, LATENCY);
    let tone = signal::vector(RATE, HZ, LEVEL_DB, 0, LENGTH);
    rig.load(0, Tier::Automation, item(1, Box::new(MemorySource::new(tone.into(), false))));
    for (at, nodes) in swaps {
        rig.send(*at, Command::SetChain(Box::new(chain(nodes, LATENCY))));
    }
    rig.run(LENGTH as Frames, blocks);
    let failed = rig.events.iter().any(|event| matches!(event.kind, EventKind::CommandFailed(..)));
    assert!(!failed, "a chain was refused: {:?}", rig.events);
    rig
}

/// Asserts that from its first sound on (and what the ladder fades in) nothing in it is steeper than the tone, nor above
/// where a tone is.
fn assert_smooth(rig: &Rig, what: &str) {
    for side in 0..2 {
        let samples = &measure::channel(&rig.out, side)[2 * LATENCY..];
        let tone = std::f64::consts::TAU * HZ / f64::from(RATE) * signal::amplitude(LEVEL_DB);
        let step = measure::max_step(samples);
        assert!(step < tone * 1.002, "{what}: a step of {step:.5}, the tone has {tone:.5}");
        let click = measure::click_db(samples, RATE);
        assert!(click < -95.0, "{what}: a click of {click:.1} dB");
    }
}

/// Chains that leave the tone as it is, from 0 to 20 ms late by themselves.
fn transparent() -> Vec<Vec<NodeSpec>> {
    let limiter = |lookahead_ms| node("limiter", &[("lookahead_ms", lookahead_ms)]);
    let compressor = node("compressor", &[("threshold_db", 0.0)]);
    vec![
        vec![],
        vec![limiter(5.0)],
        vec![compressor.clone(), limiter(20.0)],
        vec![limiter(10.0), limiter(3.0)],
        vec![node("equalizer", &[]), compressor],
    ]
}

#[test]
fn chains_of_different_latency_are_aligned() {
    let tone = signal::vector(RATE, HZ, LEVEL_DB, 0, LENGTH);
    let chains = transparent();
    for (from, first) in chains.iter().enumerate() {
        let others = chains.iter().enumerate().filter(|(to, _)| *to != from);
        let swaps: Vec<_> = others.map(|(n, chain)| (10_007 + 15_001 * n as Frames, chain.clone())).collect();
        let rig = swapped(first, &swaps, &[BLOCK]);
        assert_smooth(&rig, "transparent chains");
        // In time to the frame, whichever chain it came through: the tone, late.
        let (out, tone) = (&rig.out[2 * LATENCY..], &tone[LATENCY..LENGTH - LATENCY]);
        let difference = measure::max_difference(out, tone);
        assert!(difference < 1e-6, "from chain {from}: {difference:e} off the tone");
        let turn = measure::turn_hz(out, RATE);
        assert!(turn.iter().all(|hz| (hz - HZ).abs() < 0.01), "the phase is not continuous");
    }
}

#[test]
fn a_change_of_level_is_a_crossfade_of_50_ms() {
    let at = 20_011;
    for (gain_db, nodes) in [
        (-6.0, vec![node("gain", &[("gain_db", -6.0)])]),
        (-6.0, vec![node("limiter", &[("lookahead_ms", 5.0)]), node("gain", &[("gain_db", -6.0)])]),
        (-100.0, vec![node("gain", &[("gain_db", -100.0)])]),
    ] {
        let rig = swapped(&[], &[(at, nodes)], &[BLOCK]);
        assert_smooth(&rig, "a change of level");
        let levels = measure::envelope(&rig.out);
        let amplitude = signal::amplitude(LEVEL_DB);
        // The new chain has had its look-ahead filled before it is heard.
        let begin = at as usize + LATENCY;
        assert!(levels[2 * LATENCY..begin].iter().all(|level| (level - amplitude).abs() < 1e-6));
        assert!(levels[begin..=begin + SWAP].windows(2).all(|pair| pair[1] <= pair[0] + 1e-6));
        let end = if gain_db > -100.0 { signal::amplitude(LEVEL_DB + gain_db) } else { 0.0 };
        assert!(levels[begin + SWAP..].iter().all(|level| (level - end).abs() < 1e-6), "{gain_db} dB");
        assert!(levels[begin + SWAP / 2] > end + 0.4 * (amplitude - end));
    }
}

#[test]
fn chains_that_turn_the_phase_or_shape_the_level_do_not_click() {
    let processed = vec![
        node("loudness_normalize", &[]),
        node("multiband_compressor", &[]),
        node("agc", &[]),
        node("compressor", &[("threshold_db", -30.0), ("makeup_gain_db", -3.0)]),
        node("limiter", &[("threshold_db", -18.0)]),
    ];
    let turned = vec![node("high_pass", &[("frequency_hz", 800.0)]), node("limiter", &[])];
    let quiet = |mut nodes: Vec<NodeSpec>| {
        nodes.push(node("gain", &[("gain_db", -9.0)]));
        nodes
    };
    let swaps = [(10_000, quiet(processed)), (30_000, vec![]), (50_000, turned), (70_000, vec![])];
    assert_smooth(&swapped(&[], &swaps, &[BLOCK]), "a broadcast chain");
}

#[test]
fn chains_that_come_faster_than_they_fade_end_with_the_last() {
    let gain = |gain_db: f64| vec![node("gain", &[("gain_db", gain_db)])];
    // Ten within one crossfade: the first is faded to, and after it the last.
    let swaps: Vec<_> = (1..=10).map(|n| (20_000 + 113 * n, gain(-(n as f64)))).collect();
    let rig = swapped(&[], &swaps, &[BLOCK]);
    assert_smooth(&rig, "ten chains");
    let level = measure::envelope(&rig.out)[LENGTH - 1];
    assert!((level - signal::amplitude(LEVEL_DB - 10.0)).abs() < 1e-6, "{:.2} dB", measure::db(level));
}

#[test]
fn a_swap_is_the_same_in_blocks_of_any_size() {
    let chains = transparent();
    let swaps = [(10_007, chains[2].clone()), (20_011, vec![node("agc", &[])]), (21_000, chains[1].clone())];
    let whole = swapped(&chains[3], &swaps, &[BLOCK]).out;
    for blocks in [&[1][..], &[7, 480, 33], &[479]] {
        assert!(swapped(&chains[3], &swaps, blocks).out == whole, "blocks of {blocks:?} differ");
    }
}
