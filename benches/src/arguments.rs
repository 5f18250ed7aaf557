//! What a benchmark is asked on its command line: the command to measure, numbers, and where to write.

use std::io::{Error, Result};
use std::path::PathBuf;
use std::str::FromStr;

/// The arguments, `[AIRCHAIN] [NUMBER]... [--write DIR]`.
pub struct Arguments {
    usage: &'static str,
    plain: Vec<String>,
    /// The folder of the document that the figures go into, where they are to be written.
    pub write: Option<PathBuf>,
}

impl Arguments {
    /// Those of the process; `usage` is what is said of numbers that are none.
    pub fn of_process(usage: &'static str) -> Self {
        let mut arguments = std::env::args().skip(1);
        let (mut plain, mut write) = (Vec::new(), None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--write" => write = arguments.next().map(PathBuf::from),
                _ => plain.push(argument),
            }
        }
        Self { usage, plain, write }
    }

    /// The command to measure.
    pub fn airchain(&self) -> &str {
        self.plain.first().map_or("target/release/airchain", String::as_str)
    }

    /// The number at a place behind it, from 1 on; `default` where there is none.
    pub fn number<T: FromStr>(&self, index: usize, default: T) -> Result<T> {
        match self.plain.get(index) {
            Some(text) => text.parse().map_err(|_| Error::other(self.usage)),
            None => Ok(default),
        }
    }
}
