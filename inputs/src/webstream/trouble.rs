//! What goes wrong with a web stream, in words for whoever looks at it at 3 a.m. They hold no secrets.

use std::io;
use std::time::Duration;

use airchain_net::DialError;

/// Why a URL gives no audio, or no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("not connected within {0:?}; check host, port and firewall")]
    Slow(Duration),
    #[error("no answer to the request within {0:?}; check that it is a streaming server, and its load")]
    NoAnswer(Duration),
    #[error(
        "the server closed the connection without an answer; check the port, and whether it wants https://"
    )]
    Unanswered,
    #[error("not a streaming server: it said {0:?}; check the host and port, and whether it wants https://")]
    NotHttp(String),
    #[error("the server's answer is damaged ({0}); check that it is a streaming server")]
    Head(&'static str),
    #[error("{}", status(*code, said, *asked))]
    Status {
        code: u16,
        /// The server's own words.
        said: String,
        /// Whether the URL held a user and password.
        asked: bool,
    },
    #[error("redirected without saying where to; the server is set up wrongly")]
    Nowhere,
    #[error("redirected to {0}, which is neither http nor https; give the URL of a web stream")]
    Elsewhere(String),
    #[error("redirected in a loop: {}; correct the url, or the server", .0.join(" to "))]
    Loop(Vec<String>),
    #[error("redirected more than {0} times, last to {1}; give the URL that this ends at")]
    TooFar(usize, String),
    #[error("a web page (text/html), not audio; give the URL of the stream itself")]
    WebPage,
    #[error("not audio but {0:?}; give the URL of the stream itself")]
    NotAudio(String),
    #[error("a playlist with nothing in it to listen to; check what it names")]
    EmptyList,
    #[error("a playlist longer than {0} KiB; give the URL of a stream")]
    LongList(usize),
    #[error("a playlist that does not arrive within {0:?}; check the server's load")]
    SlowList(Duration),
    #[error("playlists that name playlists, more than {0} deep or in a loop; give the URL of a stream")]
    DeepList(usize),
    #[error("an HLS playlist with {0}, which is not listened to; give another form of this stream")]
    Hls(&'static str),
    #[error(
        "nothing to listen to came within {0:?}: the server is connected but silent; check the station's encoder"
    )]
    Stalled(Duration),
    #[error(
        "too little came, {bytes} bytes in {within:?}: no audio is as small; check the station's encoder"
    )]
    Drips { bytes: usize, within: Duration },
    #[error(
        "titles that are no text came: the stream is out of step with its icy-metaint of {0}; check the server or the relay"
    )]
    OutOfStep(usize),
    #[error("damaged chunks in the answer ({0}); check the server or the proxy before it")]
    Chunks(&'static str),
    #[error("the server ended the stream; check that the station is on air")]
    Over,
    #[error("the connection broke before the end ({0}); check the network")]
    Broke(io::Error),
    #[error("the connection ended before the answer was whole; check the network and the server")]
    Cut,
    #[error("given up: nothing usable came from it")]
    GivenUp,
}

fn status(code: u16, said: &str, asked: bool) -> String {
    let hint = match code {
        // Shoutcast says so when the station's encoder is gone.
        401 if said.to_ascii_lowercase().contains("unavailable") => {
            "no source feeds it; check that the station is on air"
        }
        401 if asked => "wrong user or password; correct them in the url",
        401 => "it wants a user and password; give http://user:password@host/path",
        403 => "it admits no listener from here; ask its operator, or check user and address rules",
        404 | 410 => "no such mount; check the path of the url, and that the station is on air",
        400 | 405 => "it does not understand; check the url",
        407 | 511 => "a proxy or portal stands between; check the network",
        426 => "it wants TLS; give https://",
        429 => "it is asked too often; see that not everything here listens to it at once",
        503 => "it is busy or the station is off air; try later, or see its log",
        500..=599 => "the server has trouble; see its log",
        204 | 205 => "it has nothing to send; check the path of the url",
        _ => "an unexpected answer; check that the url is a stream's",
    };
    match said {
        "" => format!("{hint} ({code})"),
        said => format!("{hint} ({code}: {said})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        for (code, said, asked, words) in [
            (
                401,
                "Unauthorized",
                true,
                "wrong user or password; correct them in the url (401: Unauthorized)",
            ),
            (401, "", false, "wants a user and password"),
            (401, "Service Unavailable", false, "no source feeds it"),
            (403, "Forbidden", false, "admits no listener"),
            (404, "File Not Found", false, "no such mount; check the path"),
            (500, "Internal Server Error", false, "trouble"),
            (503, "Service Unavailable", false, "off air"),
            (418, "Teapot", false, "unexpected answer"),
        ] {
            let message = Trouble::Status { code, said: said.into(), asked }.to_string();
            assert!(message.contains(words) && message.contains(&code.to_string()), "{message}");
        }
    }
}
