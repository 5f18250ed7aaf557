//! Where the automation's items come from.

use serde::{Deserialize, Serialize};

use crate::item::Item;

/// An answer of [`NextTrack`].
#[derive(Clone, Debug, PartialEq)]
pub enum NextItem {
    /// Play this.
    Item(Box<Item>),
    /// Nothing now; ask again.
    Later,
    /// Nothing ever again.
    End,
}

/// A supply of items: a playlist, or a manager that is asked for each.
///
/// The director calls all of it between blocks, so no call may wait. Of each item given, it says what became of it:
/// that it was never heard ([`unused`](Self::unused)) or cannot be played ([`failed`](Self::failed)); of all others
/// it says nothing here, they air.
pub trait NextTrack: Send {
    /// The next item. Asked once for each item that is to air.
    fn next_track(&mut self) -> NextItem;

    /// How long before an item is needed it is asked for, in seconds. `None` is as soon as there is room for it.
    fn lead_s(&self) -> Option<f64> {
        None
    }

    /// An item that was given will never air: it was skipped, or the station stops.
    fn unused(&mut self, _item: &Item) {}

    /// An item that was given cannot be opened, and will never air.
    fn failed(&mut self, _item: &Item, _error: &str) {}

    /// What went wrong with the supply itself since last asked: the item as it was given, as far as it was, and why it
    /// cannot be meant.
    fn poll_failure(&mut self) -> Option<(Item, String)> {
        None
    }
}

/// The order of a playlist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As listed.
    #[default]
    Sequential,
    /// In a random order, each item once per pass.
    Shuffle,
}

/// A fixed list of items.
#[derive(Clone, Debug)]
pub struct Playlist {
    items: Vec<Item>,
    order: Order,
    looped: bool,
    random: SplitMix,
    /// Indices of this pass still to come, the next one last.
    pass: Vec<usize>,
    last: Option<usize>,
}

impl Playlist {
    /// A playlist; `seed` decides every shuffle, so the same seed gives the same programme.
    pub fn new(items: Vec<Item>, order: Order, looped: bool, seed: u64) -> Self {
        let mut playlist =
            Self { items, order, looped, random: SplitMix(seed), pass: Vec::new(), last: None };
        playlist.begin_pass();
        playlist
    }

    fn begin_pass(&mut self) {
        self.pass = (0..self.items.len()).rev().collect();
        if self.order == Order::Shuffle {
            for i in (1..self.pass.len()).rev() {
                self.pass.swap(i, self.random.below(i + 1));
            }
            // Never the same item twice in a row over the seam of two passes.
            if self.pass.len() > 1 && self.pass.last() == self.last.as_ref() {
                let (first, end) = (self.random.below(self.pass.len() - 1), self.pass.len() - 1);
                self.pass.swap(first, end);
            }
        }
    }
}

impl NextTrack for Playlist {
    fn next_track(&mut self) -> NextItem {
        if self.pass.is_empty() && self.looped {
            self.begin_pass();
        }
        match self.pass.pop().and_then(|index| Some((index, self.items.get(index)?.clone()))) {
            Some((index, item)) => {
                self.last = Some(index);
                NextItem::Item(Box::new(item))
            }
            None => NextItem::End,
        }
    }
}

/// Sebastiano Vigna's SplitMix64: a few lines, and the same numbers on every machine.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The high half of a product is unbiased enough for playlists and needs no loop.
        ((u128::from(z) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(order: Order, looped: bool, seed: u64) -> Playlist {
        let items = (0..5).map(|i| Item::file(i.to_string())).collect();
        Playlist::new(items, order, looped, seed)
    }

    fn take(playlist: &mut Playlist, count: usize) -> String {
        let path = |next| match next {
            NextItem::Item(item) => item.path,
            _ => "-".to_owned(),
        };
        (0..count).map(|_| path(playlist.next_track())).collect()
    }

    #[test]
    fn sequential_ends_or_loops() {
        assert_eq!(take(&mut list(Order::Sequential, false, 0), 7), "01234--");
        assert_eq!(take(&mut list(Order::Sequential, true, 0), 7), "0123401");
        assert_eq!(take(&mut Playlist::new(Vec::new(), Order::Shuffle, true, 0), 1), "-");
    }

    #[test]
    fn a_shuffle_is_fair_repeatable_and_never_repeats_at_the_seam() {
        for seed in 0..50 {
            let heard = take(&mut list(Order::Shuffle, true, seed), 50);
            assert_eq!(heard, take(&mut list(Order::Shuffle, true, seed), 50));
            assert!(heard.as_bytes().windows(2).all(|pair| pair[0] != pair[1]), "{heard}");
            for pass in heard.as_bytes().chunks(5) {
                let mut sorted = pass.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, b"01234");
            }
        }
    }
}
