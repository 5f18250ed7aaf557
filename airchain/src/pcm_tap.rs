//! The programme as PCM, for a program of one's own: a recogniser, a meter, an encoder that airchain does not have.

use airchain_core::bus::TapId;
use airchain_core::tap::TapReader;
use airchain_core::{Frames, Stereo};

use crate::station::{Order, Station};

/// What leaves a station's bus, from [`Station::tap`]. Dropping it takes it off again.
pub struct PcmTap {
    reader: TapReader,
    id: TapId,
    station: Station,
}

impl PcmTap {
    pub(crate) fn new(reader: TapReader, id: TapId, station: Station) -> Self {
        Self { reader, id, station }
    }

    /// Reads up to `out.len()` frames, full scale 1.0, without waiting. Says how many, and which frame of the bus the
    /// first one is: the station's [latency](Station::latency) later than the same frame of the programme.
    pub fn read(&mut self, out: &mut [Stereo]) -> (Frames, usize) {
        let Some(start) = self.reader.start() else { return (0, 0) };
        let (mut first, mut done) = (None, 0);
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            // A read stops at a change of title, which is of no concern here.
            while self.reader.next_mark().is_some() {}
            let (position, frames) = self.reader.read(rest);
            if frames == 0 {
                break;
            }
            first = first.or(Some(position));
            done += frames;
        }
        (start + first.unwrap_or_default(), done)
    }

    /// Frames ready to be read.
    pub fn available(&self) -> usize {
        self.reader.available()
    }

    /// Whether the station is off the air and everything has been read.
    pub fn is_finished(&self) -> bool {
        self.reader.is_finished() || self.station.is_off() && self.reader.available() == 0
    }
}

impl Drop for PcmTap {
    fn drop(&mut self) {
        self.station.order(Order::RemoveTap(self.id));
    }
}
