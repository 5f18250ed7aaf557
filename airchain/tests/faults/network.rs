//! Icecast, behind a network that fails: the real server, and a proxy before it.

use testkit::icecast::{Icecast, PASSWORD};
use testkit::proxy::{Proxy, Way};

use super::air::{self, Air, Places, until};

fn air(proxy: &Proxy) -> Air {
    let url = format!("icecast://source:{PASSWORD}@{}/a.mp3", proxy.address());
    Air::new(|folder| Places { further: vec![air::icecast(url)], ..Places::below(folder) })
}

/// The way to the server is so until the output has noticed, and then as before.
fn trouble(way: Way) {
    let icecast = Icecast::start(10);
    let proxy = Proxy::start(icecast.address());
    let air = air(&proxy);
    air.play(2);
    proxy.set(way);
    air.troubled("icecast");
    proxy.set(Way::Pass);
    air.back("icecast");
    air.verify(&["icecast"]);
}

#[test]
fn a_server_that_is_killed() {
    let mut icecast = Icecast::start(10);
    let proxy = Proxy::start(icecast.address());
    let air = air(&proxy);
    air.play(2);
    icecast.kill();
    air.troubled("icecast");
    // The source may come while it starts, which some versions do not survive.
    until("icecast runs again", || icecast.restart());
    air.back("icecast");
    air.verify(&["icecast"]);
}

#[test]
fn a_black_hole() {
    trouble(Way::BlackHole);
}

#[test]
fn a_way_that_is_too_slow() {
    trouble(Way::Slow(2_000));
}

#[test]
fn connections_that_are_refused() {
    trouble(Way::Refuse);
}
