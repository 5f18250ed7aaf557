//! What fuzzing reaches of the source client. Not part of the API.

use airchain_codecs::Format;

use super::config::{IcecastConfig, Protocol, Target};
use super::request::{self, Answer};

/// Everything that is said of a server's answer; `None` if it is none.
pub fn answer(bytes: &[u8]) -> Option<Vec<String>> {
    let answer = Answer::parse(bytes)?;
    let judged = [
        answer.accept("icecast", Protocol::Put),
        answer.accept("icecast", Protocol::Source),
        answer.take_title("icecast"),
    ];
    let mut said = vec![answer.text];
    said.extend(judged.into_iter().filter_map(|result| result.err()).map(|error| error.to_string()));
    Some(said)
}

/// The heads of the requests that ask for a mount and set its title; `None` for a URL that is refused.
pub fn requests(config: &IcecastConfig, format: &Format, title: &str) -> Option<[String; 2]> {
    let target = Target::parse(&config.url).ok()?;
    let mime = format.codec.mime();
    Some([request::source(config, &target, mime, format), request::title(&target, title)])
}
