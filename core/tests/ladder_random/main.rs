//! The ladder under random scripts: what holds whatever is asked of it.
//!
//! An engine without a chain is linear. Played once for every two items, with ones in a channel of their own while all
//! others are silent, a script shows the gain of each item at every frame.

mod judge;
mod script;
mod stage;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::judge::Heard;
use crate::script::script;
use crate::stage::play;

/// The same scripts every time, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` ask for others.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(3);
    }
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 200;
    }
    config
}

#[test]
fn whatever_is_asked_of_it_the_ladder_keeps_its_promises() {
    let judged = TestRunner::new(config())
        .run(&script(), |script| Heard::of(&script).judge().map_err(TestCaseError::fail));
    if let Err(error) = judged {
        panic!("{error}");
    }
}

#[test]
fn blocks_of_any_size_give_the_same_bits_and_events() {
    let level = |item: usize| [0.1 + item as f32 / 16.0, -0.3];
    let judged = TestRunner::new(config()).run(&script(), |script| {
        let reference = play(&script, &[480], level);
        for blocks in [&[7, 200, 33][..], &[479], &[64]] {
            let other = play(&script, blocks, level);
            let differs = reference.out.iter().zip(&other.out).position(|(one, other)| one != other);
            prop_assert_eq!(differs, None, "audio in blocks of {:?}", blocks);
            let said = |n: usize| [&reference, &other].map(|played| format!("{:?}", played.events.get(n)));
            let differs = (0..reference.events.len()).map(said).find(|[one, other]| one != other);
            prop_assert_eq!(differs, None, "events in blocks of {:?}", blocks);
        }
        Ok(())
    });
    if let Err(error) = judged {
        panic!("{error}");
    }
}
