//! Outputs as a program declares them.

use std::net::SocketAddr;
use std::path::PathBuf;

use airchain_codecs::{Codec, Format};
use airchain_outputs::hls::{self, HlsConfig, Live};
use airchain_outputs::http::{MountHandle, MountMeta, MountOptions, NetworkOfProxies};
use airchain_outputs::icecast::{IcecastConfig, IcecastOutput};
use airchain_outputs::recording::{RecordingConfig, RecordingOutput};
use airchain_outputs::sink::Output;
use airchain_outputs::worker::WorkerOptions;

use crate::error::Error;
use crate::listeners::Listeners;

/// An output of a station.
pub struct OutputSpec {
    /// Its id, unique in the station.
    pub id: String,
    /// How the audio is encoded, but for further renditions of its target. Outputs of an equal format share one encoder.
    pub format: Format,
    /// Where it goes.
    pub target: Target,
    /// Whether packets of items in `format` are copied instead of being encoded again; for MP3 and AAC-LC at the station's
    /// rate. Further renditions of the target that cannot be copied are encoded all the same.
    pub passthrough: bool,
}

/// Where an output goes.
pub enum Target {
    /// An Icecast server.
    Icecast(IcecastConfig),
    /// A folder of HLS segments and playlists.
    Hls(HlsConfig),
    /// The same for players of MPEG-DASH ([`HlsConfig::dash`]).
    Dash(HlsConfig),
    /// A folder of timestamped files.
    Recording(RecordingConfig),
    /// A mount of a built-in listener.
    Http {
        /// The listener's address.
        listen: SocketAddr,
        /// The mount's path.
        path: String,
        /// What listeners are told about it.
        meta: MountMeta,
        /// What else the listener does.
        options: HttpOptions,
    },
    /// An SRT receiver.
    #[cfg(feature = "srt")]
    Srt(airchain_outputs::srt::SrtConfig),
    /// An output of the embedding program's own.
    Custom {
        /// Its kind, for status and logs.
        kind: &'static str,
        /// The output.
        output: Box<dyn Output>,
        /// How its worker treats it.
        options: WorkerOptions,
    },
}

/// What a listener does beside a station's mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Whether it serves the station's HLS outputs: the first at `/hls/ID/`, by the station's id, a second at `/hls-2/ID/`
    /// and so on.
    pub serves_hls: bool,
    /// Whether it gives those who play them session ids, `?s=`.
    pub hls_sessions: bool,
    /// File that every request to the listener is logged in.
    pub access_log: Option<PathBuf>,
    /// Whether `/metrics` tells peers of this machine and of private networks about all stations of the host. Where one of
    /// the outputs of a listener says no, it tells nobody.
    pub metrics: bool,
    /// How listeners of the mount are treated.
    pub mount: MountOptions,
    /// Reverse proxies that are believed what they say of their clients.
    pub trusted_proxies: Vec<NetworkOfProxies>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            serves_hls: false,
            hls_sessions: false,
            access_log: None,
            metrics: true,
            mount: MountOptions::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// An output that is made, but not begun.
pub(crate) struct Opened {
    /// Its parts, each to be given audio in a format of its own.
    pub(crate) parts: Vec<(Format, Box<dyn Output>)>,
    /// How their workers are to treat them.
    pub(crate) options: WorkerOptions,
    /// What answers low-latency players of it.
    pub(crate) live: Option<Live>,
}

/// The path of a listener's mount that is given none: `/live.mp3` and the like. FLAC has its own name there, as
/// listeners know it, though it is streamed in Ogg.
pub fn mount_path(codec: Codec) -> String {
    let extension = if matches!(codec, Codec::Flac | Codec::Flac24) { "flac" } else { codec.extension() };
    format!("/live.{extension}")
}

impl Target {
    /// The word station files use for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Icecast(_) => "icecast",
            Self::Hls(_) => "hls",
            Self::Dash(_) => "dash",
            Self::Recording(_) => "recording",
            Self::Http { .. } => "http",
            #[cfg(feature = "srt")]
            Self::Srt(_) => "srt",
            Self::Custom { kind, .. } => kind,
        }
    }

    /// Whether it is cut into segments, at the same frames whenever its encoders were started.
    pub(crate) fn is_segmented(&self) -> bool {
        matches!(self, Self::Hls(_) | Self::Dash(_))
    }

    /// Makes the output, of audio in `format`. `held` is the mount of the one whose place it takes.
    pub(crate) fn open(
        self,
        format: Format,
        listeners: &Listeners,
        held: Option<&MountHandle>,
    ) -> Result<Opened, Error> {
        let invalid = |error: String| Error::Output(error);
        let (output, options): (Box<dyn Output>, _) = match self {
            Self::Icecast(config) => {
                let output = IcecastOutput::new(config).map_err(|error| invalid(error.to_string()))?;
                (Box::new(output), WorkerOptions::live())
            }
            Self::Hls(config) | Self::Dash(config) => {
                let further = config.renditions.iter().map(|rendition| rendition.format);
                let formats: Vec<_> = std::iter::once(format).chain(further).collect();
                let made = hls::outputs(&config).map_err(|error| invalid(error.to_string()))?;
                let parts = formats.into_iter().zip(made.tracks).collect();
                return Ok(Opened { parts, options: WorkerOptions::archive(), live: made.live });
            }
            Self::Recording(config) => {
                let output = RecordingOutput::new(config).map_err(|error| invalid(error.to_string()))?;
                (Box::new(output), WorkerOptions::archive())
            }
            Self::Http { listen, path, meta, options } => {
                let listener = listeners.get(listen)?;
                let held = held.filter(|held| listener.mounted(&path).is_some_and(|mount| mount.is(held)));
                let output = match held {
                    Some(held) => listener.follow(held, meta, options.mount),
                    None => listener
                        .mount_with(&path, meta, options.mount)
                        .map_err(|error| invalid(error.to_string()))?,
                };
                (Box::new(output), WorkerOptions::live())
            }
            #[cfg(feature = "srt")]
            Self::Srt(config) => {
                let output = airchain_outputs::srt::SrtOutput::new(config);
                (Box::new(output.map_err(|error| invalid(error.to_string()))?), WorkerOptions::live())
            }
            Self::Custom { output, options, .. } => (output, options),
        };
        Ok(Opened { parts: vec![(format, output)], options, live: None })
    }
}
