//! The peer of the stations: lets every source in, as an Icecast server does, and throws away what it sends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::Failed;

/// Runs until it is killed, or the command is gone. Says first where it listens.
pub(super) fn run() -> Result<(), Failed> {
    super::end_with_parent(|| std::process::exit(0));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    super::say(&listener.local_addr()?.to_string());
    for source in listener.incoming() {
        let source = source?;
        std::thread::Builder::new().stack_size(64 * 1024).spawn(move || serve(source))?;
    }
    Ok(())
}

fn serve(mut source: TcpStream) {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match source.read(&mut bytes) {
            Ok(count @ 1..) => head.extend_from_slice(&bytes[..count]),
            _ => return,
        }
    }
    // Titles come as requests of their own, and are answered like everything else.
    let asks = head.windows(12).any(|word| word.eq_ignore_ascii_case(b"100-continue"));
    let answer = if asks { "HTTP/1.1 100 Continue\r\n\r\n" } else { "HTTP/1.0 200 OK\r\n\r\n" };
    if source.write_all(answer.as_bytes()).is_err() || head.starts_with(b"GET") {
        return;
    }
    while matches!(source.read(&mut bytes), Ok(1..)) {}
}
