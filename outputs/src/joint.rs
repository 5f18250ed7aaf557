//! Several workers that are one output to everyone else: one id, one health, one set of figures.

use std::sync::{Arc, Mutex, PoisonError};

use crate::health::{HealthEvent, OnHealth, Stats};
use crate::sink::Health;

/// How a part is, and why.
type Told = (Health, Option<String>);

/// What the workers of an output that has so many parts tell their health to, so that `on_health` hears of the output as
/// a whole: it is up while all are, down when all are, else degraded, for the reason of the one that is worst.
pub fn joined(parts: usize, on_health: OnHealth) -> Vec<OnHealth> {
    let board = Arc::new(Mutex::new(JointBoard { parts: vec![None; parts], told: None }));
    let part = |index| {
        let (board, on_health) = (Arc::clone(&board), Arc::clone(&on_health));
        Arc::new(move |event: HealthEvent| {
            // Held while it is told, so that events come in the order of what they say.
            let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((health, reason)) = board.note(index, (event.health, event.reason.clone())) {
                on_health(HealthEvent { health, reason, ..event });
            }
        }) as OnHealth
    };
    (0..parts).map(part).collect()
}

struct JointBoard {
    parts: Vec<Option<Told>>,
    told: Option<Told>,
}

impl JointBoard {
    /// Notes how a part is. Gives how the whole is, if that is new.
    fn note(&mut self, index: usize, told: Told) -> Option<Told> {
        if let Some(part) = self.parts.get_mut(index) {
            *part = Some(told);
        }
        let known: Vec<&Told> = self.parts.iter().flatten().collect();
        let health = whole(known.iter().map(|(health, _)| *health));
        let reason = worst_first(known, |told| told.0).into_iter().find_map(|told| told.1.clone());
        let now = Some((health, reason));
        (self.told != now).then(|| self.told = now.clone()).and(now)
    }
}

/// The figures of an output that is several workers; nothing where there are none.
pub fn total(parts: impl IntoIterator<Item = Stats>) -> Option<Stats> {
    let parts: Vec<Stats> = parts.into_iter().collect();
    let health = whole(parts.iter().map(|part| part.health));
    let worst_first = worst_first(parts.iter(), |part| part.health);
    let last_error = worst_first.into_iter().find_map(|part| part.last_error.clone());
    let sum = |of: fn(&Stats) -> u64| parts.iter().map(of).sum();
    parts.first()?;
    Some(Stats {
        health,
        bytes: sum(|part| part.bytes),
        packets: sum(|part| part.packets),
        dropped_frames: sum(|part| part.dropped_frames),
        reconnects: sum(|part| part.reconnects),
        queued_s: parts.iter().map(|part| part.queued_s).fold(0.0, f64::max),
        last_error,
    })
}

fn whole(mut parts: impl Iterator<Item = Health> + Clone) -> Health {
    if parts.clone().all(|health| health == Health::Up) {
        Health::Up
    } else if parts.all(|health| health == Health::Down) {
        Health::Down
    } else {
        Health::Degraded
    }
}

fn worst_first<T>(parts: impl IntoIterator<Item = T>, health: impl Fn(&T) -> Health) -> Vec<T> {
    let mut parts: Vec<T> = parts.into_iter().collect();
    parts.sort_by_key(|part| match health(part) {
        Health::Down => 0,
        Health::Degraded => 1,
        Health::Up => 2,
    });
    parts
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_whole_is_degraded_while_a_part_is_not_up() {
        let heard: Arc<Mutex<Vec<Told>>> = Arc::default();
        let hears = Arc::clone(&heard);
        let on_health: OnHealth =
            Arc::new(move |event| hears.lock().unwrap().push((event.health, event.reason)));
        let parts = joined(2, on_health);
        let tell = |part: usize, health, reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            parts[part](HealthEvent { output: "hls".into(), health, reason, at: Timestamp::UNIX_EPOCH });
        };
        tell(0, Health::Up, None);
        tell(1, Health::Up, None);
        tell(1, Health::Down, Some("full"));
        tell(0, Health::Down, Some("too"));
        tell(1, Health::Up, None);
        tell(0, Health::Up, None);
        let full = || Some("full".to_owned());
        let too = || Some("too".to_owned());
        let expected = [
            (Health::Up, None),
            (Health::Degraded, full()),
            (Health::Down, too()),
            (Health::Degraded, too()),
            (Health::Up, None),
        ];
        assert_eq!(*heard.lock().unwrap(), expected);
    }
}
