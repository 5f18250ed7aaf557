//! Texts of ours made fit for what is said to servers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Icecast reads at most 4 KiB of a request: a longer title cannot be sent.
const LONGEST_SONG: usize = 3000;
/// Longest value of a header.
const LONGEST_VALUE: usize = 500;

/// Who asks.
pub(crate) const USER_AGENT: &str = concat!("airchain/", env!("CARGO_PKG_VERSION"));
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A value of a query.
pub(crate) fn encode(value: &str) -> String {
    utf8_percent_encode(value, QUERY).to_string()
}

/// A title made safe for a query and for the `StreamTitle='...';` that listeners get.
pub(crate) fn encode_song(song: &str) -> String {
    let song = tidy(song).replace("';", "' ;");
    let mut encoded = String::new();
    for char in song.chars() {
        let char = encode(char.encode_utf8(&mut [0; 4]));
        if encoded.len() + char.len() > LONGEST_SONG {
            break;
        }
        encoded.push_str(&char);
    }
    encoded
}

/// Text on one line: controls and line breaks become spaces.
fn tidy(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

/// A header value on one line. UTF-8 passes: Icecast takes it in Ogg mounts and where `<charset>` says so.
pub(crate) fn header_value(text: &str) -> String {
    let text = tidy(text);
    let mut end = text.len().min(LONGEST_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
