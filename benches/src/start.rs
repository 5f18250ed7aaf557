//! From the start of a process to the first audio that somebody has of it, in milliseconds.

use std::io::{Error, Read, Result, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use testkit::icecast::{FakeServer, Icecast};

use crate::emergency::free_address;
use crate::listen::{wait_for, wait_until_gone};
use crate::process::Process;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// A station of one file, playing.
fn play(airchain: &str, music: &Path) -> Result<(Command, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(airchain);
    command.arg("play").arg(music).args(["--loop", "--listen", &address.to_string()]);
    Ok((command, address))
}

/// To the first byte behind the head of a WAV stream, on air, at a listener of the HTTP output.
///
/// # Errors
///
/// When nothing comes.
pub fn pcm(airchain: &str, music: &Path) -> Result<f64> {
    let (mut command, address) = play(airchain, music)?;
    let start = Instant::now();
    let _process = Process::start(command.args(["--format", "wav"]))?;
    wait_for(address, "/live.wav", PATIENCE)?.read_exact(&mut [0; 45])?;
    Ok(ms(start))
}

/// To the first byte of MP3 at a listener of the HTTP output.
///
/// # Errors
///
/// When nothing comes.
pub fn http(airchain: &str, music: &Path) -> Result<f64> {
    let (mut command, address) = play(airchain, music)?;
    let start = Instant::now();
    let _process = Process::start(&mut command)?;
    wait_for(address, "/live.mp3", PATIENCE)?.read_exact(&mut [0])?;
    Ok(ms(start))
}

/// To the first byte that a process writes to its standard output.
///
/// # Errors
///
/// When nothing comes.
pub fn output(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let mut child: Child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let read = child.stdout.take().map(|mut out| out.read_exact(&mut [0]));
    let took = ms(start);
    let _ = child.kill();
    let _ = child.wait();
    read.unwrap_or_else(|| Err(Error::other("no output"))).map(|()| took)
}

/// To the first byte of audio at an Icecast server that takes every source at once. `make` is given where it is; the
/// password is that of [`testkit::icecast`].
///
/// # Errors
///
/// When nothing comes.
pub fn icecast_server(make: impl FnOnce(SocketAddr) -> Result<Command>) -> Result<f64> {
    let (came_in, came) = mpsc::channel();
    let server = FakeServer::start(move |_, head, mut stream| {
        let head = head.to_ascii_lowercase();
        let is_source = head.starts_with("put ") || head.starts_with("source ");
        let answer = if !head.contains("authorization:") {
            // Some look first at what is asked of them.
            "HTTP/1.0 401 Authentication Required\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
        } else if head.contains("100-continue") {
            "HTTP/1.1 100 Continue\r\n\r\n"
        } else {
            "HTTP/1.0 200 OK\r\n\r\n"
        };
        let let_in = !answer.contains("401") && is_source;
        if stream.write_all(answer.as_bytes()).is_ok() && let_in && stream.read_exact(&mut [0]).is_ok() {
            let _ = came_in.send(Instant::now());
            // Until the other side goes.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let mut command = make(server.address())?;
    let start = Instant::now();
    let _process = Process::start(&mut command)?;
    let at = came.recv_timeout(PATIENCE).map_err(|_| Error::other("no audio at the server"))?;
    Ok((at - start).as_secs_f64() * 1000.0)
}

/// To the first byte of audio at a listener of a real icecast2, whose mount `/live.mp3` the process feeds. Icecast gives
/// audio on in pieces of 1400 bytes.
///
/// # Errors
///
/// When nothing comes.
pub fn icecast_listener(icecast: &Icecast, command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let process = Process::start(command)?;
    wait_for(icecast.address(), "/live.mp3", PATIENCE)?.read_exact(&mut [0])?;
    let took = ms(start);
    drop(process);
    wait_until_gone(icecast, "/live.mp3", PATIENCE)?;
    Ok(took)
}

/// `airchain play` into a mount of an Icecast server.
///
/// # Errors
///
/// When there is no port for its own listener.
pub fn into_icecast(airchain: &str, music: &Path, url: &str) -> Result<Command> {
    let (mut command, _) = play(airchain, music)?;
    command.args(["--icecast", url]);
    Ok(command)
}
