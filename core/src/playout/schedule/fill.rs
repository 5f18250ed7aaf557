//! Filling a given time: which items of a pool, one after the other, come closest to it.
//!
//! Small pools are searched whole. Of larger ones a first choice is made on a grid of at most 65 536 steps (subset sums by bit
//! sets), and then any two items of it are exchanged for the two of the whole pool that come closest: with thousands
//! of items, to a frame or so. The time taken is bounded by the size of the pool times 1024 words, some milliseconds for
//! thousands, and usually far less: the grid is full after a few dozen items.

use crate::Frames;

/// The largest pool that is searched whole: the sums of its halves are 4096 each.
const SMALL: usize = 24;
/// Steps of the grid on which sums are formed.
const STEPS: u64 = 1 << 16;
/// Items of a choice that are tried in pairs.
const EXCHANGED: usize = 12;
const NONE: u32 = u32::MAX;

/// Of the items that take `costs` frames each, those that together come closest to `room` without exceeding it, by
/// index. Earlier ones are preferred where the grid sees no difference. An item that takes no time is never chosen.
pub(super) fn choose(costs: &[Frames], room: Frames) -> Vec<usize> {
    let fits = |(_, cost): &(usize, &Frames)| (1..=room).contains(*cost);
    let fitting: Vec<usize> = costs.iter().enumerate().filter(fits).map(|(index, _)| index).collect();
    let cost_of: Vec<Frames> = fitting.iter().filter_map(|index| costs.get(*index).copied()).collect();
    let mut chosen = if fitting.len() <= SMALL {
        search(&cost_of, room)
    } else {
        let mut chosen = on_grid(&cost_of, room);
        exchange(&cost_of, room, &mut chosen);
        chosen
    };
    chosen.sort_unstable();
    chosen.into_iter().filter_map(|place| fitting.get(place).copied()).collect()
}

/// The frames that `chosen` take.
pub(super) fn total(costs: &[Frames], chosen: &[usize]) -> Frames {
    chosen.iter().filter_map(|index| costs.get(*index)).sum()
}

/// The best choice: every sum of one half with the largest sum of the other that fits beside it.
fn search(costs: &[Frames], room: Frames) -> Vec<usize> {
    let sums = |half: &[Frames]| {
        let mut sums = vec![(0, 0u32)];
        for (index, cost) in half.iter().enumerate() {
            let with: Vec<_> = sums.iter().map(|(sum, set)| (sum + cost, set | 1 << index)).collect();
            sums.extend(with);
        }
        sums.sort_unstable();
        sums
    };
    let (low, high) = costs.split_at(costs.len() / 2);
    let (lows, highs) = (sums(low), sums(high));
    let beside = |(sum, set): &(Frames, u32)| {
        let left = room.checked_sub(*sum)?;
        let above = highs.partition_point(|(other, _)| *other <= left);
        let (other, other_set) = highs.get(above.checked_sub(1)?)?;
        Some((sum + other, set | other_set << low.len()))
    };
    // Of equals the one whose last item is the earliest.
    let best = lows.iter().filter_map(beside).max_by_key(|(sum, set)| (*sum, std::cmp::Reverse(*set)));
    let set = best.map_or(0, |(_, set)| set);
    (0..costs.len()).filter(|index| set >> index & 1 == 1).collect()
}

fn on_grid(costs: &[Frames], room: Frames) -> Vec<usize> {
    let step = room.div_ceil(STEPS).max(1);
    let top = (room / step) as usize;
    // Costs are rounded up, so that what fits on the grid fits.
    let steps = |cost: Frames| usize::try_from(cost.div_ceil(step)).unwrap_or(usize::MAX);
    let mut reached = vec![0u64; top / 64 + 1];
    // For each sum, the item by which it was first reached; what is left without it was reached by earlier ones.
    let mut by = vec![NONE; top + 1];
    if let Some(word) = reached.first_mut() {
        *word = 1;
    }
    for (index, cost) in costs.iter().enumerate() {
        let fresh = shifted(&reached, steps(*cost));
        for (word, (old, new)) in reached.iter_mut().zip(&fresh).enumerate() {
            let mut added = new & !*old;
            *old |= new;
            while added != 0 {
                let sum = word * 64 + added.trailing_zeros() as usize;
                added &= added - 1;
                if let Some(by) = by.get_mut(sum) {
                    *by = index as u32;
                }
            }
        }
        if by.get(top).is_some_and(|by| *by != NONE) {
            break;
        }
    }
    let mut sum = by.iter().rposition(|by| *by != NONE).unwrap_or(0);
    let mut chosen = Vec::new();
    while let Some(index) = by.get(sum).filter(|by| **by != NONE && sum > 0).map(|by| *by as usize) {
        chosen.push(index);
        sum = sum.saturating_sub(costs.get(index).map_or(sum, |cost| steps(*cost)));
    }
    chosen
}

/// `bits`, moved up by `by`; what leaves at the top is lost.
fn shifted(bits: &[u64], by: usize) -> Vec<u64> {
    let (words, rest) = (by / 64, by % 64);
    let word = |index: Option<usize>| index.and_then(|index| bits.get(index)).copied().unwrap_or(0);
    let moved = |index: usize| {
        let low = word(index.checked_sub(words)) << rest;
        if rest == 0 { low } else { low | word(index.checked_sub(words + 1)) >> (64 - rest) }
    };
    (0..bits.len()).map(moved).collect()
}

/// Exchanges two items for those two that bring the sum closest; either may be none.
fn exchange(costs: &[Frames], room: Frames, chosen: &mut Vec<usize>) {
    let mut others: Vec<(Frames, Option<usize>)> = vec![(0, None)];
    others.extend(
        costs.iter().copied().zip((0..).map(Some)).filter(|(_, at)| at.is_none_or(|i| !chosen.contains(&i))),
    );
    others.sort_unstable();
    let slack = room.saturating_sub(total(costs, chosen));
    let mut tried: Vec<Option<usize>> = chosen.iter().rev().take(EXCHANGED).copied().map(Some).collect();
    tried.push(None);
    let cost_of = |index: Option<usize>| index.and_then(|index| costs.get(index)).copied().unwrap_or(0);
    let mut best = (0, [None; 2], [None; 2]);
    for (place, first) in tried.iter().enumerate() {
        for second in tried.iter().skip(place + 1) {
            let out = cost_of(*first) + cost_of(*second);
            if let Some((sum, pair)) = closest_pair(&others, out + slack)
                && sum > out + best.0
            {
                best = (sum - out, [*first, *second], pair);
            }
        }
    }
    let (_, gone, come) = best;
    chosen.retain(|index| !gone.contains(&Some(*index)));
    chosen.extend(come.into_iter().flatten());
}

/// The two of `sorted` whose sum is the largest up to `most`.
fn closest_pair(sorted: &[(Frames, Option<usize>)], most: Frames) -> Option<(Frames, [Option<usize>; 2])> {
    let (mut low, mut high) = (0, sorted.len().checked_sub(1)?);
    let mut best = None;
    while low < high
        && let (Some((a, first)), Some((b, second))) = (sorted.get(low), sorted.get(high))
    {
        let sum = a.saturating_add(*b);
        if sum > most {
            high -= 1;
            continue;
        }
        if best.is_none_or(|(known, _)| sum > known) {
            best = Some((sum, [*first, *second]));
        }
        low += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closest sum by trying them all.
    fn closest(costs: &[Frames], room: Frames) -> Frames {
        let sum = |set: u32| -> Frames {
            costs.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, cost)| cost).sum()
        };
        (0..1u32 << costs.len()).map(sum).filter(|sum| *sum <= room).max().unwrap_or(0)
    }

    struct Random(u64);

    impl Random {
        fn next(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    #[test]
    fn small_pools_are_filled_as_well_as_can_be() {
        let mut random = Random(1);
        for _ in 0..200 {
            let costs: Vec<Frames> = (0..12).map(|_| 1 + random.next(2_000)).collect();
            let room = random.next(12_000);
            let chosen = choose(&costs, room);
            assert_eq!(total(&costs, &chosen), closest(&costs, room), "{costs:?} into {room}");
        }
    }

    #[test]
    fn pools_of_real_lengths_are_filled_as_well_as_can_be() {
        let mut random = Random(2);
        for _ in 0..50 {
            let costs: Vec<Frames> = (0..14).map(|_| 48_000 + random.next(48_000 * 240)).collect();
            let room = 48_000 * (300 + random.next(900));
            assert_eq!(total(&costs, &choose(&costs, room)), closest(&costs, room));
        }
    }

    #[test]
    fn the_larger_the_pool_the_closer_the_fit() {
        let mut random = Random(3);
        for (size, rest_s) in [(30, 0.5), (100, 0.05), (5_000, 0.001)] {
            let costs: Vec<Frames> = (0..size).map(|_| 48_000 * 120 + random.next(48_000 * 180)).collect();
            for room_s in [900, 3_600, 10_800] {
                let room = 48_000 * room_s;
                let chosen = choose(&costs, room);
                let rest = room.checked_sub(total(&costs, &chosen)).unwrap();
                let sum_of_all: Frames = costs.iter().sum();
                let rest = rest.min(sum_of_all.abs_diff(total(&costs, &chosen)));
                assert!(
                    (rest as f64) < rest_s * 48_000.0,
                    "{rest} frames are left of {room_s} s with {size} items"
                );
                let mut once = chosen.clone();
                once.dedup();
                assert_eq!(once, chosen, "an item is chosen twice");
            }
        }
    }

    #[test]
    fn nothing_fits_into_nothing() {
        assert_eq!(choose(&[5, 6], 4), Vec::<usize>::new());
        assert_eq!(choose(&[], 100), Vec::<usize>::new());
        assert_eq!(choose(&[0, 5], 0), Vec::<usize>::new());
        assert_eq!(choose(&[0, 5], 5), [1]);
        assert_eq!(choose(&[Frames::MAX, 7], 9), [1]);
    }
}
