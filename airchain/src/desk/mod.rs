//! The desk: one thread that thinks for every station. It ticks the directors, carries out orders, and tells the
//! world what happened.

mod change;
mod measuring;
mod outputs;
mod serving;
mod station;
mod telling;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::air::AirStation;
use crate::decode_pool::Workers;
pub(crate) use station::DeskStation;

/// How often the desk looks at its stations.
const PERIOD: Duration = Duration::from_millis(10);

/// Lets the desk look at once, and not only at its next round. Cheap; never waits.
#[derive(Clone, Default)]
pub(crate) struct Waker(Arc<OnceLock<Thread>>);

impl Waker {
    pub(crate) fn wake(&self) {
        // One that has not begun looks at everything first.
        if let Some(desk) = self.0.get() {
            desk.unpark();
        }
    }
}

/// The desk's thread.
pub(crate) struct Desk {
    waker: Waker,
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
        let waker = Waker::default();
        (sender, waker.clone(), Self { waker, arrivals, departures, decode, stations: Vec::new() })
    }

    /// Runs until nobody can add a station and all are gone.
    pub(crate) fn run(&mut self) {
        // It runs once.
        let _ = self.waker.0.set(std::thread::current());
        loop {
            if self.stations.is_empty() {
                self.stations.extend(self.arrivals.recv_timeout(10 * PERIOD).ok());
            }
            let open = loop {
                match self.arrivals.try_recv() {
                    Ok(station) => self.stations.push(station),
                    Err(error) => break error == TryRecvError::Empty,
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
            // Not by a channel: those yield the processor many times before they sleep.
            std::thread::park_timeout(PERIOD);
        }
    }
}
