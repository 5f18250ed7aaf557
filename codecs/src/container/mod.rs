//! Containers: packets to the bytes that players and files hold.

use airchain_core::item::Metadata;

use crate::format::Codec;
use crate::packet::{Packet, SharedInfo};

pub mod adts;
mod comments;
mod flac;
mod id3;
pub mod mp3;
mod ogg;
mod ogg_page;
pub mod segment;
mod text;
pub mod ts;
mod wav;

pub(crate) use ogg_page::crc as ogg_crc;

/// Puts packets into a byte stream: a file, an Icecast mount or an HTTP response.
pub trait Muxer: Send {
    /// MIME type of the result.
    fn mime(&self) -> &'static str;

    /// Usual file extension, without the dot.
    fn extension(&self) -> &'static str;

    /// The audio is to begin at this frame rather than at frame 0, as in a file that takes over from another. Packets
    /// before it only warm the decoder up: give those of the last 400 ms, and the container keeps what it can use
    /// (ADTS, which cannot say what to skip, none). Called before [`start`](Self::start), if at all; the opening bytes
    /// may then come with the first packet.
    fn begin_at(&mut self, frame: i64) {
        let _ = frame;
    }

    /// Bytes that open the stream. Called once, first; `metadata` goes into it where the container has tags.
    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>);

    /// Appends a packet.
    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>);

    /// From the next packet on the audio belongs to `metadata`. Containers that carry titles in band (Ogg) begin
    /// a new chained stream without a gap; others do nothing and answer `false`.
    fn retitle(&mut self, metadata: &Metadata, out: &mut Vec<u8>) -> bool;

    /// Patches that make a complete file of what has been appended so far, where its length stands at its start. For
    /// files that must play as they grow, and after whoever wrote them was killed.
    fn checkpoint(&self) -> Vec<Patch> {
        Vec::new()
    }

    /// Bytes that close the stream, and those at its start that are only known now.
    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch>;
}

/// Bytes to overwrite in a file once it is complete (sizes in a WAV header, a LAME tag, `STREAMINFO`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Offset from the start of the stream.
    pub offset: u64,
    /// What belongs there.
    pub data: Vec<u8>,
}

/// The container in which a codec is streamed: MP3 and ADTS frames, Ogg, WAV without a length.
pub fn for_stream(info: &SharedInfo) -> Box<dyn Muxer> {
    match info.format.codec {
        Codec::Mp3 => Box::new(mp3::Mp3Stream),
        Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => Box::new(adts::Adts::new(info)),
        Codec::Opus | Codec::Vorbis | Codec::Flac | Codec::Flac24 => Box::new(ogg::Ogg::stream(info)),
        Codec::PcmS16 | Codec::PcmS24 | Codec::PcmF32 => Box::new(wav::Wav::new(info, false)),
    }
}

/// The container of a file by its extension (without the dot; `""` is the codec's usual one).
pub fn for_file(info: &SharedInfo, extension: &str) -> Result<Box<dyn Muxer>, ContainerError> {
    let codec = info.format.codec;
    let accepted = extensions(codec);
    let extension = extension.to_ascii_lowercase();
    let found = accepted.iter().copied().find(|known| extension.is_empty() || *known == extension);
    let Some(found) = found else { return Err(ContainerError { codec, extension, accepted }) };
    Ok(match codec {
        Codec::Mp3 => Box::new(mp3::Mp3File::new(info)),
        Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => Box::new(adts::Adts::new(info)),
        Codec::Flac | Codec::Flac24 if found == "flac" => Box::new(flac::FlacFile::new(info)),
        Codec::Opus | Codec::Vorbis | Codec::Flac | Codec::Flac24 => Box::new(ogg::Ogg::file(info, found)),
        Codec::PcmS16 | Codec::PcmS24 | Codec::PcmF32 => Box::new(wav::Wav::new(info, true)),
    })
}

/// Extensions of the files that hold a codec; the first is the usual one.
pub fn extensions(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Mp3 => &["mp3"],
        Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => &["aac", "adts"],
        Codec::Opus => &["opus", "ogg", "oga"],
        Codec::Vorbis => &["ogg", "oga"],
        Codec::Flac | Codec::Flac24 => &["flac", "oga", "ogg"],
        Codec::PcmS16 | Codec::PcmS24 | Codec::PcmF32 => &["wav"],
    }
}

/// A file that cannot hold a codec. The caller picks another extension or format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a .{extension} file cannot hold {codec}, give one of .{}", accepted.join(", ."))]
pub struct ContainerError {
    /// The codec.
    pub codec: Codec,
    /// The extension that was asked for.
    pub extension: String,
    /// Extensions that would do.
    pub accepted: &'static [&'static str],
}
