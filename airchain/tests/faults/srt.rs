//! SRT receivers, ffmpeg with its libsrt, and the way to them: the outputs of one station, each of which gets into a trouble of its own
//! at the same time.

use std::net::SocketAddr;
use std::time::Duration;

use airchain::output::{OutputSpec, Target};
use airchain::outputs::srt::SrtConfig;
use testkit::lossy::Lossy;
use testkit::srt::{Receiver, audio};

use super::air::{self, Air, Places};

pub(crate) fn output(id: &str, to: SocketAddr) -> OutputSpec {
    let config = SrtConfig { latency: Duration::from_secs(1), ..SrtConfig::new(format!("srt://{to}")) };
    air::output(id, air::for_ears(), Target::Srt(config))
}

#[test]
fn receivers_in_trouble() {
    let mut receivers: [Receiver; 4] = std::array::from_fn(|_| Receiver::start(""));
    let ways = [2, 3].map(|index: usize| Lossy::start(receivers[index].address(), 0));
    let air = Air::new(|folder| {
        let [killed, absent, ..] = receivers.each_ref().map(Receiver::address);
        let further = vec![
            output("srt-killed", killed),
            output("srt-refused", absent),
            output("srt-black-hole", ways[0].address()),
            output("srt-lossy", ways[1].address()),
        ];
        Places { further, ..Places::below(folder) }
    });
    air.play(2);
    let [killed, absent, unreached, _] = &mut receivers;
    let (air_, [hole, lossy]) = (&air, &ways);
    // This one gets all the same what is due.
    lossy.lose(100);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            killed.kill();
            air_.tells("srt-killed", "the receiver is gone");
            killed.restart();
            air_.back("srt-killed");
        });
        scope.spawn(move || {
            absent.kill();
            air_.tells("srt-refused", "nobody answers");
            absent.restart();
            air_.back("srt-refused");
        });
        scope.spawn(move || {
            hole.lose(1000);
            air_.tells("srt-black-hole", "the receiver is gone");
            // ffmpeg ends with its connection.
            unreached.restart();
            hole.lose(0);
            air_.back("srt-black-hole");
        });
    });
    let delivered = air.verify(&["srt-killed", "srt-refused", "srt-black-hole"]);
    assert!(lossy.lost() > 20, "{} datagrams lost", lossy.lost());
    let [killed, absent, unreached, all] = receivers.map(|receiver| audio(&receiver.bytes()).0);
    // Listeners get the same of the same encoder.
    let begin = &delivered.heard[..1_000];
    let at = all.windows(begin.len()).position(|bytes| bytes == begin).expect("what listeners hear");
    let both = delivered.heard.len().min(all.len() - at);
    assert!(
        all[at..at + both] == delivered.heard[..both],
        "what came over the lossy way is not what was sent"
    );
    for (what, got) in [("killed", killed), ("refused", absent), ("black hole", unreached)] {
        assert!(testkit::ts::adts(&got).len() > 40, "{what}: {} bytes since", got.len());
        assert!(all.windows(got.len()).any(|bytes| bytes == got), "{what}: not what was sent since");
    }
}
