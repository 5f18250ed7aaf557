//! What fuzzing reaches of the source client. Not part of the API.

use airchain_codecs::Format;

use super::answer::Answer;
use super::config::{IcecastConfig, Protocol, Target};
use super::dialect::About;
use super::http::Http;

/// Everything that is said of a server's answer; `None` if it is none.
pub fn answer(bytes: &[u8]) -> Option<Vec<String>> {
    let answer = Answer::parse(bytes)?;
    let judged = [
        answer.accept("icecast", Http { legacy: false }.elsewhere()),
        answer.accept("icecast", Http { legacy: true }.elsewhere()),
        answer.take_title("icecast"),
    ];
    let mut said = vec![answer.text];
    said.extend(judged.into_iter().filter_map(|result| result.err()).map(|error| error.to_string()));
    Some(said)
}

/// The heads of the requests that ask for a mount and set its title; `None` for a URL that is refused.
pub fn requests(config: &IcecastConfig, format: &Format, title: &str) -> Option<Vec<String>> {
    let target = Target::parse(&config.url, config.protocol).ok()?;
    let about = About { config, format, mime: format.codec.mime() };
    let title = config.protocol.dialect().title(&target, title);
    Some(match config.protocol {
        // What it says to be let in is no request.
        Protocol::Shoutcast => vec![title],
        protocol => vec![Http { legacy: protocol == Protocol::Source }.source(&target, &about), title],
    })
}
