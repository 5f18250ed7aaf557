//! Where a presentation is fetched from: a folder, or a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::http;

/// A file as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes.
    pub data: Vec<u8>,
    /// What the server says it is; nothing where files are read.
    pub mime: Option<String>,
}

/// Where a presentation is fetched from.
pub trait Origin {
    /// The time there.
    fn now(&self) -> Timestamp;

    /// A file, by its path relative to the presentation and a query, if there is one; nothing when it is not there.
    fn get(&mut self, path: &str) -> Option<Fetched>;

    /// With which HTTP status a request is answered.
    fn status(&mut self, path: &str) -> u16 {
        if self.get(path).is_some() { 200 } else { 404 }
    }
}

/// A folder.
pub struct Folder(pub PathBuf);

impl Origin for Folder {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let path = path.split('?').next().unwrap_or_default();
        std::fs::read(self.0.join(path)).ok().map(|data| Fetched { data, mime: None })
    }
}

/// A path of an HTTP server.
pub struct Served {
    /// The server.
    pub address: SocketAddr,
    /// What comes before each path, with a `/` at both ends.
    pub base: String,
}

impl Origin for Served {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let answer = http::get(self.address, &format!("{}{path}", self.base)).ok()?;
        let mime = Some(answer.header("content-type").to_owned());
        (answer.status == 200).then_some(Fetched { data: answer.body, mime })
    }

    fn status(&mut self, path: &str) -> u16 {
        http::get(self.address, &format!("{}{path}", self.base)).map_or(0, |answer| answer.status)
    }
}
