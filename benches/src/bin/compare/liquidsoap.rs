//! How quick Liquidsoap is: an emergency pushed to a queue that is heard before all else, and a skip into a crossfade of
//! 5 s, both by its telnet server, as its documentation has it, to a listener of icecast2.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use airchain_benches::emergency::{AUDIBLE, QUIET, alarm, free_address, quiet, write_wav};
use airchain_benches::listen::{Recorder, delays_ms, wait_for};
use airchain_benches::process::Process;
use testkit::icecast::Icecast;
use testkit::signal::Random;

use crate::tools::{liquidsoap_head, liquidsoap_icecast};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// A session with its telnet server.
struct Telnet(BufReader<TcpStream>);

impl Telnet {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// When the command was sent; waits for its answer.
    fn ask(&mut self, command: &str) -> Result<Instant> {
        let sent = Instant::now();
        self.0.get_mut().write_all(format!("{command}\n").as_bytes())?;
        let mut line = String::new();
        while line.trim_end() != "END" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(Error::other("liquidsoap hung up"));
            }
        }
        Ok(sent)
    }
}

/// Milliseconds from each of `count` emergencies to the bytes that hold their first sample at a listener.
pub(crate) fn emergencies(folder: &Path, icecast: &Icecast, count: usize) -> Result<Vec<f64>> {
    let quiet = write_wav(&folder.join("quiet.wav"), &quiet())?.path;
    let alarm = write_wav(&folder.join("alarm.wav"), &alarm())?.path;
    let port = free_address()?.port();
    let script = liquidsoap_head(Some(port))
        + &format!(
            "q = request.queue(id=\"q\")\ns = single(\"{quiet}\")\ns = fallback(track_sensitive=false, [q, s])\n"
        )
        + &liquidsoap_icecast(icecast.address(), "/quick.mp3", "mksafe(limit(threshold=-1., s))");
    let mut random = Random::new(5);
    let push = format!("q.push {alarm}");
    run(folder, icecast, &script, port, |telnet| {
        let mut sent = Vec::new();
        for _ in 0..count {
            std::thread::sleep(Duration::from_secs_f64(0.6 + 0.05 * random.next()));
            sent.push(telnet.ask(&push)?);
        }
        Ok(sent)
    })
}

fn run(
    folder: &Path,
    icecast: &Icecast,
    script: &str,
    port: u16,
    act: impl FnOnce(&mut Telnet) -> Result<Vec<Instant>>,
) -> Result<Vec<f64>> {
    let file = folder.join("quick.liq");
    std::fs::write(&file, script)?;
    let _process = Process::start(Command::new("liquidsoap").arg(&file))?;
    let recorder = Recorder::start(wait_for(icecast.address(), "/quick.mp3", PATIENCE)?)?;
    std::thread::sleep(Duration::from_secs(3));
    let sent = act(&mut Telnet::connect(port)?)?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(delays_ms(&sent, &recorder.finish()?.onsets(AUDIBLE, QUIET)))
}
