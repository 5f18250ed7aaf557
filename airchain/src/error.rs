//! What can go wrong before audio starts.

use airchain_codecs::encode::EncodeError;
use airchain_core::chain::ChainError;
use airchain_core::playout::live::LiveError;
use airchain_outputs::http::ListenError;

/// Why a host, station or output could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gave no thread or runtime.
    #[error("cannot start a thread: {0}")]
    Threads(#[from] std::io::Error),
    /// A listener cannot be bound; the caller picks another address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The chain cannot be built; the caller corrects it.
    #[error("chain: {0}")]
    Chain(#[from] ChainError),
    /// There is a station of that id; the caller gives another.
    #[error("there is already a station called {0}, give each station an id of its own")]
    Duplicate(String),
    /// The encoder cannot do what the output asks; the caller picks another format.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The live source is refused; the caller corrects what the message names.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The output's declaration is wrong.
    #[error("{0}")]
    Output(String),
    /// The input's declaration is wrong; the caller corrects what the message names.
    #[error("{0}")]
    Input(String),
    /// A tap of that length cannot be had; the caller picks another.
    #[error("buffer_s: {0}: a tap holds seconds from 0.1 to 60")]
    TapBuffer(f64),
    /// The station or the host has been stopped.
    #[error("the station has been stopped")]
    Stopped,
}
