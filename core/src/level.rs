//! How loud an item is as a whole, and the gain that brings it to the loudness that the chain aims for before its first
//! frame is heard.

use serde::{Deserialize, Serialize};

use crate::Frames;
use crate::chain::NodeSpec;
use crate::deck::ItemId;
use crate::dsp::{self, loudness_normalize};

/// What is known of an item's loudness before it airs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// Integrated loudness of its file (ITU-R BS.1770-5, gated) in LUFS; the one channel of a mono file counts once.
    pub integrated_lufs: f64,
    /// Greatest true peak in dBTP, where it is known.
    pub true_peak_dbtp: Option<f64>,
    /// The file is mono.
    pub mono: bool,
}

impl Loudness {
    /// How loud it airs, in LUFS: a mono file comes from two loudspeakers.
    pub fn aired_lufs(&self) -> f64 {
        self.integrated_lufs + if self.mono { 20.0 * std::f64::consts::SQRT_2.log10() } else { 0.0 }
    }
}

/// What a chain wants of the items that come to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levelling {
    /// Loudness in LUFS.
    pub target_lufs: f64,
    /// True peaks in dBTP that an item may come with: the chain's ceiling, and what its limiter takes unnoticed.
    pub most_peak_dbtp: f64,
    /// The most that an item is turned up, in dB.
    pub max_gain_db: f64,
}

impl Levelling {
    /// What `chain` wants; `None` of one that does not normalise loudness.
    pub fn of(chain: &[NodeSpec]) -> Option<Self> {
        let info = loudness_normalize::ENTRY.info;
        let spec =
            chain.iter().find(|spec| dsp::find(&spec.node).is_some_and(|e| e.info.name == info.name))?;
        let value = |name: &str| {
            let param = info.params.get(info.param(name)?)?;
            let set = spec.config.iter().find(|(set, _)| info.param(set) == info.param(name));
            Some(f64::from(set.and_then(|(_, value)| value.resolve(param)).unwrap_or(param.default)))
        };
        Some(Self {
            target_lufs: value("target_lufs")?,
            most_peak_dbtp: value("true_peak_limit_dbtp")? + value("max_limiting_db")?,
            max_gain_db: value("max_item_gain_db")?,
        })
    }

    /// The gain in dB for an item. One whose peak is not known may have it at full scale. An item is never turned down
    /// for its peaks: it would be no louder with them left out.
    pub fn gain_db(&self, loudness: Loudness) -> f64 {
        let room_db = (self.most_peak_dbtp - loudness.true_peak_dbtp.unwrap_or(0.0)).max(0.0);
        (self.target_lufs - loudness.aired_lufs()).min(self.max_gain_db.min(room_db))
    }
}

/// What is on the bus, for the nodes that go by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Programme {
    /// The item; `None` before the first.
    pub item: Option<ItemId>,
    /// The loudness in LUFS to which its own gain brings the item as a whole; `None` where its loudness is not known
    /// beforehand, as with live sources.
    pub levelled_lufs: Option<f32>,
    /// Frames in which it rises over what was there before.
    pub rise: Frames,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ParamValue;

    fn levelling(config: &[(&str, f64)]) -> Option<Levelling> {
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)));
        let nodes =
            ["gain", "loudness_normalize"].map(|node| NodeSpec { node: node.into(), ..Default::default() });
        let [gain, normalize] = nodes;
        Levelling::of(&[gain, NodeSpec { config: config.collect(), ..normalize }])
    }

    #[test]
    fn an_item_is_brought_to_the_target_as_far_as_its_peaks_allow() {
        let levelling = levelling(&[("target", -18.0), ("max_limiting_db", 4.0)]).unwrap();
        assert_eq!(levelling.target_lufs, -18.0);
        let loudness =
            |integrated_lufs, true_peak_dbtp| Loudness { integrated_lufs, true_peak_dbtp, mono: false };
        let gain =
            |integrated_lufs, true_peak_dbtp| levelling.gain_db(loudness(integrated_lufs, true_peak_dbtp));
        assert_eq!(gain(-8.0, Some(0.5)), -10.0);
        assert_eq!(gain(-24.0, Some(-10.0)), 6.0);
        // Turned up by 6 dB its peaks would be 5 dB above the ceiling of -1.
        assert_eq!(gain(-24.0, Some(-2.0)), 5.0);
        assert_eq!(gain(-24.0, None), 3.0);
        assert_eq!(gain(-60.0, Some(-50.0)), 20.0);
        // One that is too hot already is left as it is, not turned down.
        assert_eq!(gain(-19.0, Some(5.0)), 0.0);
        let mono = levelling.gain_db(Loudness { mono: true, ..loudness(-18.0, Some(-9.0)) });
        assert!((mono + 3.01).abs() < 0.01, "{mono}");
    }

    #[test]
    fn a_chain_without_a_normaliser_wants_nothing() {
        assert_eq!(Levelling::of(&[NodeSpec { node: "limiter".into(), ..Default::default() }]), None);
    }
}
