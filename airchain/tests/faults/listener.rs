//! The built-in listener, among whose listeners are some that do not take what they are sent.

use std::io::Read;

use super::air::{Air, Places};

#[test]
fn listeners_that_do_not_read_or_read_slowly_are_their_own_trouble() {
    let air = Air::new(Places::below);
    // A black hole, one that leaves at once, and one that takes a tenth of what is sent.
    let _hole = air.listen();
    drop(air.listen());
    let mut slow = air.listen();
    for _ in 0..8 {
        let mut some = [0; 1_200];
        slow.read_exact(&mut some).unwrap();
        air.play(1);
    }
    air.verify(&[]);
}
