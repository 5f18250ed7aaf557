//! The desk: one thread that thinks for every station. It ticks the directors, carries out orders, and tells the
//! world what happened.

mod measuring;
mod outputs;
mod serving;
mod station;
mod telling;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::air::AirStation;
use crate::decode_pool::Workers;
pub(crate) use station::DeskStation;

/// How often the desk looks at its stations.
const PERIOD: Duration = Duration::from_millis(10);

/// Lets the desk look at once, and not only at its next round. Cheap; never waits.
#[derive(Clone)]
pub(crate) struct Waker(Sender<()>);

impl Waker {
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (sender, woken) = crossbeam_channel::bounded(1);
        (Self(sender), woken)
    }

    pub(crate) fn wake(&self) {
        // A full channel says the same.
        let _ = self.0.try_send(());
    }
}

/// The desk's thread.
pub(crate) struct Desk {
    woken: Receiver<()>,
    arrivals: Receiver<DeskStation>,
    departures: Receiver<Box<AirStation>>,
    decode: Workers,
    stations: Vec<DeskStation>,
}

impl Desk {
    /// A desk, and how stations come to it. `departures` are the engines that air threads are done with, `decode` the
    /// workers that it keeps an eye on.
    pub(crate) fn new(
        departures: Receiver<Box<AirStation>>,
        decode: Workers,
    ) -> (Sender<DeskStation>, Waker, Self) {
        let (sender, arrivals) = crossbeam_channel::unbounded();
        let (waker, woken) = Waker::new();
        (sender, waker, Self { woken, arrivals, departures, decode, stations: Vec::new() })
    }

    /// Runs until nobody can add a station and all are gone.
    pub(crate) fn run(&mut self) {
        loop {
            let open = loop {
                match self.arrivals.recv_timeout(if self.stations.is_empty() {
                    10 * PERIOD
                } else {
                    Duration::ZERO
                }) {
                    Ok(station) => self.stations.push(station),
                    Err(error) => break error.is_timeout(),
                }
            };
            while let Ok(station) = self.departures.try_recv() {
                // Dropping the engine drops its taps; the renditions at their other ends finish.
                drop(station);
            }
            self.decode.watch();
            self.stations.retain_mut(|station| {
                if open && station.is_resting() {
                    return true;
                }
                // What breaks there is its own station's, whose engine plays on.
                catch_unwind(AssertUnwindSafe(|| station.tick())).unwrap_or_else(|_| station.falter())
            });
            if !open && self.stations.is_empty() {
                return;
            }
            let _ = self.woken.recv_timeout(PERIOD);
        }
    }
}
