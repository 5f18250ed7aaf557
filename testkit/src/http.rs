//! A plain HTTP/1.1 client: one request, its answer whole, nothing hidden.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::icecast::read_head;

/// How long an answer may take; ends what hangs, and is no measure of speed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers as they came.
    pub head: String,
    /// What follows them.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let named = |line: &&str| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        let line = self.head.lines().skip(1).find(named);
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Fetches `path`. Not for streams, which have no end.
pub fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    request(address, "GET", path, None)
}

/// The same with one more header.
pub fn get_with(address: SocketAddr, path: &str, header: &str) -> io::Result<Answer> {
    send(address, "GET", path, &format!("{header}\r\n"), None)
}

/// Sends one request, with a body of JSON if there is one, on a connection of its own.
pub fn request(address: SocketAddr, method: &str, path: &str, json: Option<&str>) -> io::Result<Answer> {
    send(address, method, path, "", json)
}

fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    json: Option<&str>,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut message =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}");
    if let Some(json) = json {
        message += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", json.len());
    }
    message += "\r\n";
    message += json.unwrap_or_default();
    stream.write_all(message.as_bytes())?;
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream);
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not an answer: {head:?}")))?;
    let mut answer = Answer { status, head, body: Vec::new() };
    match answer.header("content-length").parse() {
        Ok(length) => stream.take(length).read_to_end(&mut answer.body)?,
        Err(_) => stream.read_to_end(&mut answer.body)?,
    };
    if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        answer.body = unchunk(&answer.body).ok_or_else(|| io::Error::other("damaged chunks"))?;
    }
    Ok(answer)
}

/// Joins the chunks of RFC 9112, section 7.1.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..line)?).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}
