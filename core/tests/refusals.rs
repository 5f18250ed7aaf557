//! What a chain cannot have is refused by field, value and what would do, before it is built and while it is on air; the
//! chain on air stays.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use airchain_core::chain::{Chain, ChainError, NodeSpec, ParamValue};
use airchain_core::control::{Command, EventKind, Failure};
use airchain_core::dsp::{Format, NODES, ParamKind, find};
use airchain_core::refusal::{Refusal, check};
use airchain_core::tier::Tier;
use testkit::rig::{BLOCK, RATE, Rig, constant, item, ladder, node};

fn with(name: &str, param: &str, value: ParamValue) -> NodeSpec {
    NodeSpec { node: name.into(), config: BTreeMap::from([(param.to_owned(), value)]) }
}

fn refused(specs: &[NodeSpec]) -> Refusal {
    let refusal = check(specs).remove(0);
    // It is the same one that building meets.
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    assert_eq!(Chain::build(specs, format, 4_800).err(), Some(ChainError::Refused(refusal.clone())));
    refusal
}

#[test]
fn every_parameter_of_every_node_refuses_what_is_out_of_its_range() {
    for entry in NODES {
        for param in entry.info.params {
            let name = entry.info.name;
            let number = ParamValue::Number;
            let mut values = vec![number(f64::NAN), number(f64::INFINITY), ParamValue::Word("loud".into())];
            match param.kind {
                ParamKind::Number { min, max, .. } => {
                    let (min, max) = (f64::from(min), f64::from(max));
                    let beyond = |edge: f64| f64::max(1e-3, 1e-5 * edge.abs());
                    values.extend([min - beyond(min), max + beyond(max), -1e300, 1e300].map(number));
                    values.push(ParamValue::Switch(true));
                    for edge in [min, max] {
                        // Beside the node's other settings it may be another matter.
                        let fits = check(&[with(name, param.name, number(edge))]);
                        let other = fits.iter().any(|refusal| !refusal.problem.contains("other settings"));
                        assert!(!other, "{name}.{}: {edge} is refused", param.name);
                    }
                }
                ParamKind::Switch | ParamKind::Choice(_) => values.push(number(0.5)),
            }
            for value in values {
                let refusal = refused(&[node("gain", &[]), with(name, param.name, value.clone())]);
                assert_eq!((refusal.node, refusal.field), (1, format!("config.{}", param.name)));
                assert_eq!((refusal.value, refusal.accepted), (value.to_string(), param.kind.to_string()));
            }
        }
    }
}

#[test]
fn a_refusal_says_where_what_and_what_would_do() {
    let said = |specs: &[NodeSpec]| refused(specs).to_string();
    assert_eq!(
        said(&[node("compressor", &[("ratio", 0.5)])]),
        r#"nodes[0].config.ratio: "0.5": out of range; give 1 to 100 :1"#
    );
    assert_eq!(
        said(&[node("limiter", &[]), node("limiter", &[("treshold", -1.0)])]),
        r#"nodes[1].config.treshold: "-1": limiter has no such parameter; give threshold_db, lookahead_ms, release_ms"#
    );
    // One thing of each node is said at once.
    let all = check(&[node("gain", &[("gain_db", 99.0)]), node("gain", &[]), node("agc", &[("gate", 0.0)])]);
    assert_eq!(all.iter().map(|refusal| refusal.node).collect::<Vec<_>>(), [0, 2]);
    let unknown = said(&[node("reverb", &[])]);
    assert!(unknown.starts_with(r#"nodes[0].type: "reverb": not a known node; give gain,"#), "{unknown}");
}

#[test]
fn two_nodes_where_one_is_allowed_are_refused() {
    for name in ["silence_detector", "loudness_normalize"] {
        let refusal = refused(&[node(name, &[]), node("gain", &[]), node(name, &[])]);
        let said = format!(r#"nodes[2].type: "{name}": the chain has one already; give it once"#);
        assert_eq!(refusal.to_string(), said);
    }
    // Others may come twice: an equalizer before the compressor, and one behind it.
    assert_eq!(check(&[node("equalizer", &[]), node("compressor", &[]), node("equalizer", &[])]), []);
    let refusal = refused(&[node("ducking", &[]), node("ducking", &[])]);
    assert_eq!((refusal.node, refusal.field.as_str()), (1, "config.sidechain"));
    assert_eq!(refusal.value, "live_override");
}

#[test]
fn crossovers_out_of_order_are_refused() {
    let multiband = |settings: &[(&str, f64)]| check(&[node("multiband_compressor", settings)]);
    let said = |settings: &[(&str, f64)]| multiband(settings)[0].to_string();
    assert_eq!(
        said(&[("crossover1_hz", 2_000.0), ("crossover2_hz", 300.0)]),
        r#"nodes[0].config.crossover1_hz: "2000": not beside the node's other settings; give 20 to 240 Hz"#
    );
    // Beside the default of the next one.
    assert!(said(&[("crossover1_hz", 1_000.0)]).ends_with("give 20 to 560 Hz"));
    assert!(said(&[("crossover2_hz", 140.0)]).ends_with("give 150 to 3200 Hz"));
    assert!(said(&[("bands", 5.0), ("crossover3", 9_000.0)]).ends_with("give 875 to 8000 Hz"));
    // With three bands the third crossover is none; exactly 1.25 times is enough.
    assert_eq!(multiband(&[("bands", 3.0), ("crossover2_hz", 9_000.0)]), []);
    assert_eq!(multiband(&[("crossover1_hz", 400.0), ("crossover2_hz", 500.0)]), []);
}

#[test]
fn on_air_a_parameter_that_does_not_fit_changes_nothing() {
    let chain = [node("gain", &[("gain_db", -6.0)]), node("multiband_compressor", &[])];
    let mut rig = Rig::with_chain(ladder(), &chain);
    rig.load(0, Tier::Automation, item(1, constant([0.1, 0.1], 96_000)));
    let param = |node: usize, name: &str| find(&chain[node].node).unwrap().info.param(name).unwrap();
    let crossover = |n: usize| param(1, &format!("crossover{n}_hz"));
    let orders = [
        (0, param(0, "gain_db"), f32::NAN, Err(Failure::NoSuchParam)),
        (0, param(0, "gain_db"), 24.5, Err(Failure::NoSuchParam)),
        (0, 99, 0.0, Err(Failure::NoSuchParam)),
        (9, 0, 0.0, Err(Failure::NoSuchParam)),
        (1, crossover(1), 600.0, Err(Failure::Unfit { least: 20.0, most: 560.0 })),
        // The fourth is not in use, and so is free.
        (1, crossover(4), 1_000.0, Ok(())),
        (1, param(1, "bands"), 5.0, Err(Failure::Unfit { least: 3.0, most: 4.0 })),
        // Once there is room, it fits.
        (1, crossover(2), 800.0, Ok(())),
        (1, crossover(1), 600.0, Ok(())),
        (1, crossover(2), 700.0, Err(Failure::Unfit { least: 750.0, most: 3_200.0 })),
    ];
    let orders = orders.map(|(node, param, value, answer)| {
        (rig.send(24_000, Command::SetParam { node, param, value }), answer)
    });
    rig.run(48_000, &[BLOCK]);
    for (id, expected) in orders {
        let answer = rig.events.iter().find_map(|event| match event.kind {
            EventKind::CommandDone(done) if done == id => Some(Ok(())),
            EventKind::CommandFailed(failed, failure) if failed == id => Some(Err(failure)),
            _ => None,
        });
        assert_eq!(answer, Some(expected), "{id:?}");
    }
    // The gain is what it was.
    let (before, after) = (rig.out[20_000], rig.out[40_000]);
    assert!((before[0] - after[0]).abs() < 1e-3 && before[0] > 0.04, "{before:?} became {after:?}");
}
