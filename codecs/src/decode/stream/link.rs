//! What opens a logical Ogg stream: the headers of Vorbis, Opus (RFC 7845, 5) and FLAC (RFC 9639, 10.1).

use airchain_core::item::Metadata;
use symphonia::core::codecs::audio::well_known as id;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::io::BufReader;
use symphonia::core::meta::MetadataBuilder;
use symphonia::default::meta::embedded::vorbis::{VORBIS_COMMENT_METADATA_INFO, read_vorbis_comment};

use super::super::downmix::wave_layout;
use super::super::reader::guarded;
use super::super::tags::Tags;

/// Where FLAC's `STREAMINFO` lies in the first packet.
const STREAM_INFO: std::ops::Range<usize> = 17..51;
/// The type of a FLAC metadata block that holds comments.
const FLAC_COMMENTS: u8 = 4;

/// A logical stream, as far as its headers have come.
pub(super) struct Link {
    pub(super) codec: AudioCodecId,
    /// What its decoder wants of the headers.
    setup: Vec<u8>,
    channels: usize,
    pub(super) metadata: Metadata,
}

/// What a packet of a stream that is being opened is.
pub(super) enum Header {
    /// A header; more of them follow.
    More,
    /// The last header.
    Last,
    /// Audio: the headers are complete.
    Audio,
    /// Nothing that belongs here.
    Wrong,
}

impl Link {
    /// The stream that `packet` opens; `None` when it is of no kind that is known.
    pub(super) fn open(packet: &[u8]) -> Option<Self> {
        let (codec, setup, channels) = if packet.starts_with(b"\x01vorbis") {
            (id::CODEC_ID_VORBIS, packet.get(..30)?, *packet.get(11)?)
        } else if packet.starts_with(b"OpusHead") {
            (id::CODEC_ID_OPUS, packet.get(..19)?, *packet.get(9)?)
        } else if packet.starts_with(b"\x7FFLAC\x01") && packet.get(9..13) == Some(b"fLaC") {
            (id::CODEC_ID_FLAC, packet.get(STREAM_INFO)?, 0)
        } else {
            return None;
        };
        Some(Self { codec, setup: setup.to_vec(), channels: channels.into(), metadata: Metadata::default() })
    }

    /// Takes in the next packet.
    pub(super) fn header(&mut self, packet: &[u8]) -> Header {
        match (self.codec, packet) {
            (id::CODEC_ID_VORBIS, [3, b'v', b'o', b'r', b'b', b'i', b's', comments @ ..]) => {
                self.metadata = metadata(comments);
                Header::More
            }
            (id::CODEC_ID_VORBIS, [5, b'v', b'o', b'r', b'b', b'i', b's', ..]) => {
                self.setup.truncate(30);
                self.setup.extend_from_slice(packet);
                Header::Last
            }
            (id::CODEC_ID_OPUS, [b'O', b'p', b'u', b's', b'T', b'a', b'g', b's', comments @ ..]) => {
                self.metadata = metadata(comments);
                Header::Last
            }
            (id::CODEC_ID_FLAC, [0xFF, ..]) => Header::Audio,
            (id::CODEC_ID_FLAC, [kind, _, _, _, block @ ..]) => {
                if kind & 0x7F == FLAC_COMMENTS {
                    self.metadata = metadata(block);
                }
                Header::More
            }
            _ => Header::Wrong,
        }
    }

    /// What its decoder has to know.
    pub(super) fn params(&self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params.for_codec(self.codec).with_extra_data(self.setup.clone().into_boxed_slice());
        if self.codec == id::CODEC_ID_OPUS {
            params.with_sample_rate(48_000).with_channels(wave_layout(self.channels));
        }
        params
    }
}

/// What Vorbis comments say; of damaged ones what comes before the damage.
fn metadata(comments: &[u8]) -> Metadata {
    let mut builder = MetadataBuilder::new(VORBIS_COMMENT_METADATA_INFO);
    let (mut reader, mut pictures) = (BufReader::new(comments), Vec::new());
    // What was read before an error stands.
    let _ = guarded(|| read_vorbis_comment(&mut reader, &mut builder, &mut pictures));
    let mut tags = Tags::default();
    tags.add(&builder.build());
    tags.metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_as_far_as_they_go() {
        let comment = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let vendor = comment("someone");
        let whole = [&vendor[..], &2_u32.to_le_bytes(), &comment("TITLE=Ä"), &comment("artist=B")].concat();
        let read = metadata(&whole);
        assert_eq!((read.title.as_deref(), read.artist.as_deref()), (Some("Ä"), Some("B")));
        let read = metadata(&whole[..whole.len() - 3]);
        assert_eq!((read.title.as_deref(), read.artist), (Some("Ä"), None));
        for hostile in [&[0xFF; 100][..], &[], &[0; 3], &[&[0; 4][..], &[0xFF; 8]].concat()] {
            assert_eq!(metadata(hostile), Metadata::default());
        }
    }
}
