//! A studio: a live source for tests. It has no thread and no clock; it is asked what has arrived by a position.

use std::collections::VecDeque;

use airchain_core::{Frames, Stereo};

use crate::signal;

/// Gain of a closed fader.
pub const MUTED: f64 = 0.002;

/// A studio that sends one tone ([`signal::vector`]) in chunks over a line that can fail, lag and run fast.
///
/// The tone goes on from the last frame that was sent, however long the line was down: what arrives never clicks by
/// itself, and its phase tells which frame it is.
pub struct Studio {
    rate: u32,
    hz: f64,
    level_db: f64,
    chunk: Frames,
    /// How many of the studio's frames go into one of the station's.
    speed: f64,
    online: bool,
    muted: bool,
    /// Gain of the last frame sent: it is muted over 10 ms.
    gain: f64,
    delay: Frames,
    /// Position at which the next chunk is complete.
    next_at: f64,
    /// Frames sent.
    sent: Frames,
    line: VecDeque<(Frames, Vec<Stereo>)>,
}

impl Studio {
    /// A studio that is on line from frame `from` and sends a tone of `hz` at `level_db` in chunks of `chunk` frames.
    pub fn new(rate: u32, hz: f64, level_db: f64, chunk: Frames, from: Frames) -> Self {
        Self {
            rate,
            hz,
            level_db,
            chunk,
            speed: 1.0,
            online: true,
            muted: false,
            gain: 1.0,
            delay: 0,
            next_at: (from + chunk) as f64,
            sent: 0,
            line: VecDeque::new(),
        }
    }

    /// Connects or cuts the line; what is made while it is cut is lost.
    pub fn set_online(&mut self, online: bool) {
        self.online = online;
    }

    /// Closes or opens the fader, in 10 ms. Closed it leaves the tone 54 dB down, so that digital silence is never the
    /// studio's.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Lets chunks arrive so many frames late. They never overtake one another.
    pub fn set_delay(&mut self, delay: Frames) {
        self.delay = delay;
    }

    /// Lets its clock run at `speed` times the station's.
    pub fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// Frames sent so far, those on the line among them.
    pub fn sent(&self) -> Frames {
        self.sent
    }

    /// What has arrived by `position` and was not asked for before.
    pub fn due(&mut self, position: Frames) -> Vec<Stereo> {
        while self.next_at <= position as f64 {
            if self.online {
                let at = (self.next_at as Frames + self.delay).max(self.line.back().map_or(0, |(at, _)| *at));
                let chunk = self.make();
                self.line.push_back((at, chunk));
            }
            self.next_at += self.chunk as f64 / self.speed;
        }
        let mut arrived = Vec::new();
        while let Some((_, chunk)) = self.line.pop_front_if(|(at, _)| *at <= position) {
            arrived.extend(chunk);
        }
        arrived
    }

    fn make(&mut self) -> Vec<Stereo> {
        let mut chunk = signal::vector(self.rate, self.hz, self.level_db, self.sent, self.chunk as usize);
        self.sent += self.chunk;
        let step = 100.0 / f64::from(self.rate);
        for frame in &mut chunk {
            self.gain = (self.gain + if self.muted { -step } else { step }).clamp(MUTED, 1.0);
            *frame = frame.map(|sample| sample * self.gain as f32);
        }
        chunk
    }
}
