//! Presets: complete chains under a name, for `--chain`, station files and `set_chain`.
//!
//! The order is that of a broadcast processor: a slow, gated AGC brings whatever comes to one level, an equaliser
//! gives the tone, a compressor the density; the loudness is measured after all that, so that what leaves is at the
//! target whatever the others did; and a look-ahead limiter has the last word on true peaks.
//!
//! -16 LUFS is what streams and podcasts are delivered at (AES TD1008 of 2021 asks for -18 to -16 for music in streams,
//! EBU R 128 for -23 on air), and -1 dBTP leaves a lossy encoder some room, as R 128 does. No AGC or loudness stage here moves
//! faster than a few dB a second, and in pauses they all wait: that is what keeps a chain from pumping.

use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer};

use crate::chain::{NodeSpec, ParamValue};

/// A chain under a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
    /// Its nodes in order, each with the parameters that are not at their defaults.
    chain: &'static [Entry],
}

/// A node and its parameters.
type Entry = (&'static str, &'static [(&'static str, f64)]);

impl Preset {
    /// Its nodes, as in a station file.
    pub fn nodes(&self) -> Vec<NodeSpec> {
        let node = |(name, params): &Entry| NodeSpec {
            node: (*name).to_owned(),
            config: params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)))
                .collect(),
        };
        self.chain.iter().map(node).collect()
    }
}

/// The preset called `name`.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The names of all presets, in the order of [`PRESETS`].
pub const NAMES: &[&str] = &{
    let mut names = [""; PRESETS.len()];
    let mut n = 0;
    while n < names.len() {
        names[n] = PRESETS[n].name;
        n += 1;
    }
    names
};

/// Nodes as a request gives them: the list, or the name of a preset.
pub(crate) fn nodes_or_name<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NodeSpec>, D::Error> {
    struct Nodes;

    impl<'de> Visitor<'de> for Nodes {
        type Value = Vec<NodeSpec>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of nodes, or the name of a preset")
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
            let unknown =
                || E::custom(format!("preset: {name:?} is not accepted, give one of {}", NAMES.join(", ")));
            find(name).map(Preset::nodes).ok_or_else(unknown)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            serde::Deserialize::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    from.deserialize_any(Nodes)
}

/// A voice needs no more than this of the low end, and microphones and desks give more.
const VOICE_LOW_HZ: f64 = 80.0;

/// What programme at -16 LUFS reads by an AGC's meter, the root mean square of the louder channel as AES17 has it.
const AT_TARGET_DB: f64 = -13.5;

/// The limiter behind a loudness stage, which has a wall of its own: whatever is changed before it, this holds. With the
/// other's 5 ms it stays within the 10 ms that a station reserves, so that presets can be changed on air.
const LAST: Entry = ("limiter", &[("threshold_db", -1.0), ("lookahead_ms", 4.0)]);

/// Every preset there is.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "safe",
        summary: "A true-peak limiter at -1 dBTP and nothing else: the sound as it is.",
        chain: &[("limiter", &[])],
    },
    Preset {
        name: "broadcast",
        summary: "Music and speech for general listening, levelled, lightly compressed, at -16 LUFS.",
        chain: &[
            // Up to 10 dB either way within some ten seconds. Its target is what programme at -16 LUFS has by this
            // node's meter, so such programme is left alone. The gate is high: below it is not programme.
            (
                "agc",
                &[
                    ("target_level_db", AT_TARGET_DB),
                    ("max_gain_db", 10.0),
                    ("max_reduction_db", 12.0),
                    ("attack_ms", 1_500.0),
                    ("release_ms", 8_000.0),
                    ("gate_db", -42.0),
                ],
            ),
            // Some of the bottom and the air that small speakers and low bit rates take.
            (
                "equalizer",
                &[("low_hz", 90.0), ("low_gain_db", 1.5), ("high_hz", 9_000.0), ("high_gain_db", 1.5)],
            ),
            // 2 to 4 dB on programme at the target; the make-up is what that takes.
            (
                "compressor",
                &[
                    ("threshold_db", -17.0),
                    ("ratio", 2.5),
                    ("knee_db", 10.0),
                    ("attack_ms", 15.0),
                    ("release_ms", 250.0),
                    ("makeup_gain_db", 4.0),
                ],
            ),
            ("loudness_normalize", &[("target_lufs", -16.0), ("true_peak_limit_dbtp", -1.0)]),
            LAST,
            ("silence_detector", &[]),
        ],
    },
    Preset {
        name: "gentle",
        summary: "Classical, jazz, radio plays: loudness at -16 LUFS, dynamics nearly as they were.",
        chain: &[
            // No AGC: what is soft was meant to be. A low ratio far down takes little from everywhere.
            (
                "compressor",
                &[
                    ("threshold_db", -26.0),
                    ("ratio", 1.4),
                    ("knee_db", 16.0),
                    ("attack_ms", 30.0),
                    ("release_ms", 500.0),
                    ("makeup_gain_db", 3.5),
                ],
            ),
            // Over a long window it follows a work, not its phrases.
            (
                "loudness_normalize",
                &[("target_lufs", -16.0), ("true_peak_limit_dbtp", -1.0), ("integrated_window_sec", 10.0)],
            ),
            LAST,
            ("silence_detector", &[("threshold_db", -60.0), ("duration_sec", 15.0)]),
        ],
    },
    Preset {
        name: "speech",
        summary: "Talk: rumble and room out, voices even, sibilants softened, at -16 LUFS.",
        chain: &[
            ("high_pass", &[("frequency_hz", VOICE_LOW_HZ)]),
            // 10 dB less of the room between sentences: a gate would chop breaths.
            ("expander", &[("threshold_db", -48.0), ("ratio", 1.6), ("range_db", 10.0), ("hold_ms", 80.0)]),
            // Voices differ from each other more than songs do, and from one sentence to the next.
            (
                "agc",
                &[
                    ("target_level_db", AT_TARGET_DB),
                    ("max_gain_db", 15.0),
                    ("attack_ms", 500.0),
                    ("release_ms", 4_000.0),
                    ("gate_db", -42.0),
                ],
            ),
            // Less of the chest near a microphone, more of the consonants.
            (
                "equalizer",
                &[
                    ("band1_hz", 250.0),
                    ("band1_gain_db", -2.0),
                    ("band3_hz", 3_500.0),
                    ("band3_gain_db", 2.0),
                    ("band3_q", 0.8),
                ],
            ),
            ("de_esser", &[]),
            (
                "compressor",
                &[
                    ("threshold_db", -19.0),
                    ("ratio", 3.0),
                    ("knee_db", 8.0),
                    ("attack_ms", 8.0),
                    ("release_ms", 150.0),
                    ("makeup_gain_db", 4.5),
                ],
            ),
            ("loudness_normalize", &[("target_lufs", -16.0), ("true_peak_limit_dbtp", -1.0)]),
            LAST,
            ("silence_detector", &[]),
        ],
    },
    Preset {
        name: "loud",
        summary: "Pop and dance against the noise of cars and shops: dense, in four bands, at -12 LUFS.",
        chain: &[
            (
                "agc",
                &[
                    ("target_level_db", AT_TARGET_DB),
                    ("max_gain_db", 12.0),
                    ("max_reduction_db", 12.0),
                    ("attack_ms", 800.0),
                    ("release_ms", 4_000.0),
                    ("gate_db", -42.0),
                ],
            ),
            // The bass cannot turn down the rest, and each band recovers as fast as it may without being heard. The gains are
            // what the bands lose and the 4 LU up to this target.
            (
                "multiband_compressor",
                &[
                    ("bands", 4.0),
                    ("band1_gain_db", 9.0),
                    ("band2_gain_db", 8.0),
                    ("band3_gain_db", 8.0),
                    ("band4_gain_db", 8.5),
                ],
            ),
            ("loudness_normalize", &[("target_lufs", -12.0), ("true_peak_limit_dbtp", -1.0)]),
            LAST,
            ("silence_detector", &[]),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;
    use crate::dsp::Format;

    #[test]
    fn every_preset_builds_at_every_rate() {
        for preset in PRESETS {
            for sample_rate_hz in [8_000, 44_100, 48_000, 192_000] {
                let built = Chain::latency_of(&preset.nodes(), Format { sample_rate_hz, max_block: 480 });
                assert!(built.is_ok(), "{} at {sample_rate_hz} Hz: {built:?}", preset.name);
            }
            for sample_rate_hz in [44_100, 48_000, 96_000] {
                let late = Chain::latency_of(&preset.nodes(), Format { sample_rate_hz, max_block: 480 });
                let reserved = sample_rate_hz as usize / 100;
                assert!(late.is_ok_and(|late| late <= reserved), "{} at {sample_rate_hz} Hz", preset.name);
            }
            assert!(preset.summary.ends_with('.'), "{}", preset.name);
        }
        assert_eq!(NAMES, ["safe", "broadcast", "gentle", "speech", "loud"]);
        assert_eq!(find("broadcast").map(|preset| preset.nodes().len()), Some(6));
    }
}
