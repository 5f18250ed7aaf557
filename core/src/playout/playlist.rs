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

    /// Where it stands, for a station that starts again; `None` when that is for somebody else to know.
    fn bookmark(&self) -> Option<Bookmark> {
        None
    }

    /// Goes on where another run stood.
    fn resume(&mut self, _bookmark: &Bookmark) {}

    /// Whether what it gives follows from the time of day, so that after a restart it knows better than the journal what
    /// is to be on air.
    fn is_by_clock(&self) -> bool {
        false
    }

    /// The station leaves the air: nothing more will be asked.
    fn close(&mut self) {}

    /// Whether all that was said has been heard. A station that leaves the air waits for it for a moment.
    fn is_told(&self) -> bool {
        true
    }

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
    /// `random` and `last` as they were before this pass: all that its order comes from.
    begun: (SplitMix, Option<usize>),
    /// Tells this list in this order from another.
    list: u64,
}

/// Where a [`Playlist`] stands: enough to take it up again with the same items, and the nearest to that with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bookmark {
    /// Tells one list in one order from another.
    list: u64,
    /// What the order of this pass comes from.
    seed: u64,
    /// The last item of the pass before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<usize>,
    /// Items of this pass that have been given.
    given: usize,
    /// The path of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    /// Nothing more will come.
    ended: bool,
}

impl Bookmark {
    /// Whether the list had been given to its end and would not begin again.
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}

impl Playlist {
    /// A playlist; `seed` decides every shuffle, so the same seed gives the same programme.
    pub fn new(items: Vec<Item>, order: Order, looped: bool, seed: u64) -> Self {
        let (begun, list) = ((SplitMix(seed), None), fingerprint(&items, order));
        let mut playlist =
            Self { items, order, looped, random: SplitMix(seed), pass: Vec::new(), last: None, begun, list };
        playlist.begin_pass();
        playlist
    }

    fn begin_pass(&mut self) {
        self.begun = (self.random.clone(), self.last);
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

    fn bookmark(&self) -> Option<Bookmark> {
        let (SplitMix(seed), before) = self.begun;
        let given = self.items.len() - self.pass.len();
        let last = self.last.and_then(|last| self.items.get(last)).map(|item| item.path.clone());
        let ended = self.pass.is_empty() && !self.looped;
        Some(Bookmark { list: self.list, seed, before, given, last, ended })
    }

    /// With other items than then, a list in sequence goes on after the one that was given last; a shuffle, and a list
    /// that no longer has that one, begin anew.
    fn resume(&mut self, bookmark: &Bookmark) {
        if bookmark.list == self.list {
            self.random = SplitMix(bookmark.seed);
            self.last = bookmark.before;
            self.begin_pass();
            for _ in 0..bookmark.given.min(self.items.len()) {
                self.last = self.pass.pop().or(self.last);
            }
        } else if self.order == Order::Sequential {
            let is_last = |item: &Item| Some(&item.path) == bookmark.last.as_ref();
            self.last = self.items.iter().position(is_last);
            self.pass.truncate(self.last.map_or(self.items.len(), |last| self.items.len() - 1 - last));
        }
    }
}

/// Tells one list in one order from another: FNV-1a, the same on every machine and in every version.
fn fingerprint(items: &[Item], order: Order) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    let order = if order == Order::Shuffle { b"s" } else { b"l" };
    let hash = order.iter().fold(0xCBF2_9CE4_8422_2325, step);
    // After each path a byte that none holds.
    items.iter().fold(hash, |hash, item| step(item.path.as_bytes().iter().fold(hash, step), &0))
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

    #[test]
    fn it_goes_on_where_another_stood() {
        let orders = [Order::Sequential, Order::Shuffle];
        let cases = orders.map(|order| [false, true].map(|looped| (order, looped))).concat();
        for ((order, looped), given) in cases.iter().flat_map(|case| (0..23).map(|given| (*case, given))) {
            let mut before = list(order, looped, 3);
            take(&mut before, given);
            let bookmark = before.bookmark().unwrap();
            assert_eq!(bookmark.is_ended(), !looped && given >= 5);
            // Another seed: the order is that of the bookmark.
            let mut after = list(order, looped, 4);
            after.resume(&bookmark);
            assert_eq!(after.bookmark(), Some(bookmark));
            assert_eq!(take(&mut after, 20), take(&mut before, 20), "{order:?} {looped} {given}");
        }
    }

    #[test]
    fn with_other_items_it_goes_on_after_the_last_or_begins_anew() {
        let other =
            |order, names: &str| Playlist::new(names.chars().map(Item::file).collect(), order, true, 0);
        let mut before = list(Order::Sequential, true, 0);
        take(&mut before, 3);
        let bookmark = before.bookmark().unwrap();
        for (names, wanted) in [("0x1234", "340x"), ("012", "0120"), ("ab", "abab"), ("", "----")] {
            let mut after = other(Order::Sequential, names);
            after.resume(&bookmark);
            assert_eq!(take(&mut after, 4), wanted, "{names}");
        }
        let mut after = other(Order::Shuffle, "01234");
        after.resume(&bookmark);
        let mut pass = take(&mut after, 5).into_bytes();
        pass.sort_unstable();
        assert_eq!(pass, b"01234");
        // What no list ever said.
        let nonsense = Bookmark {
            given: usize::MAX,
            before: Some(9),
            ..list(Order::Shuffle, true, 0).bookmark().unwrap()
        };
        let mut after = list(Order::Shuffle, true, 0);
        after.resume(&nonsense);
        assert_eq!(take(&mut after, 5).len(), 5);
    }
}
