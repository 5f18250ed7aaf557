//! A DSP node by itself: made by name, fed with a programme, and its gain read frame by frame.

use airchain_core::Stereo;
use airchain_core::dsp::{Format, Node, NodeStatus, find};

use crate::{measure, signal};

/// The longest block given to a node.
pub const BLOCK: usize = 1024;

/// The node called `name` with `settings` by the names of a station file, prepared for `rate`.
pub fn node(name: &str, rate: u32, settings: &[(&str, f32)]) -> Box<dyn Node> {
    let mut node = (find(name).unwrap_or_else(|| panic!("there is no node {name}")).make)();
    set(&mut *node, settings);
    node.prepare(Format { sample_rate_hz: rate, max_block: BLOCK });
    node
}

/// Sets parameters by name.
pub fn set(node: &mut dyn Node, settings: &[(&str, f32)]) {
    for (name, value) in settings {
        let param = node.info().param(name).unwrap_or_else(|| panic!("there is no {name}"));
        node.set(param, *value);
    }
}

/// `input` after `node`, in blocks of at most [`BLOCK`] frames.
pub fn run(node: &mut dyn Node, input: &[Stereo]) -> Vec<Stereo> {
    let mut output = input.to_vec();
    output.chunks_mut(BLOCK).for_each(|block| node.process(block, None));
    output
}

/// Level that a sine of `hz` at `level_db` comes out at, measured over the last quarter of `seconds` of it.
pub fn level_out(node: &mut dyn Node, rate: u32, hz: f64, level_db: f64, seconds: f64) -> f64 {
    let frames = (seconds * f64::from(rate)) as usize;
    let output = run(node, &signal::sine(rate, hz, level_db, frames));
    measure::tone(&measure::channel(&output[frames * 3 / 4..], 0), rate, hz).level_db()
}

/// The gain that a node says it applies, in dB.
pub fn gain_db(node: &dyn Node) -> f32 {
    match node.status() {
        Some(NodeStatus::Gain { db }) => db,
        other => panic!("{other:?} is not a gain"),
    }
}

/// The gain that a node gives a tone at each frame, while its level goes up at one frame and down at another.
pub struct Step {
    /// In dB; three parts of equal length.
    pub gains_db: Vec<f64>,
    rate: u32,
}

impl Step {
    /// A [`signal::vector`] of `hz`, for `seconds` each at `low_db`, `high_db` and `low_db`, through `node`. The gain is
    /// the level against what comes out of `rest`: a node whose filters do the same to the steps and which leaves
    /// levels alone; the programme itself when `None`.
    pub fn through(
        node: &mut dyn Node,
        rest: Option<&mut dyn Node>,
        (rate, hz): (u32, f64),
        [low_db, high_db]: [f64; 2],
        seconds: f64,
    ) -> Self {
        let part = (seconds * f64::from(rate)) as usize;
        let programme: Vec<Stereo> = [low_db, high_db, low_db]
            .into_iter()
            .enumerate()
            .flat_map(|(n, level_db)| signal::vector(rate, hz, level_db, (n * part) as u64, part))
            .collect();
        let output = measure::envelope(&run(node, &programme));
        let reference = measure::envelope(&rest.map_or(programme.clone(), |rest| run(rest, &programme)));
        let gains_db = output.iter().zip(&reference).map(|(out, of)| measure::db(out / of)).collect();
        Self { gains_db, rate }
    }

    /// The gains at which the three parts end.
    pub fn settled_db(&self) -> [f64; 3] {
        let part = self.gains_db.len() / 3;
        [1, 2, 3].map(|n| self.gains_db[n * part - 1])
    }

    /// Milliseconds from the rise and from the fall of the level until 63 % (`1 - 1/e`) of the change in dB is done.
    pub fn times_ms(&self) -> [f64; 2] {
        let part = self.gains_db.len() / 3;
        let settled = self.settled_db();
        [1, 2].map(|n| {
            let (start, end) = (settled[n - 1], settled[n]);
            let crossing = start + (1.0 - (-1.0_f64).exp()) * (end - start);
            let gains = &self.gains_db[n * part..(n + 1) * part];
            let last = gains.iter().rposition(|gain| (gain - crossing) * (end - start) < 0.0);
            last.map_or(0, |frame| frame + 1) as f64 * 1e3 / f64::from(self.rate)
        })
    }
}
