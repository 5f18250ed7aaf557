//! Containers: packets to the bytes that players and files hold.

use airchain_core::item::Metadata;

use crate::packet::Packet;

pub mod ts;

/// Puts packets into a byte stream: a file, an Icecast mount or an HTTP response.
pub trait Muxer: Send {
    /// MIME type of the result.
    fn mime(&self) -> &'static str;

    /// Usual file extension, without the dot.
    fn extension(&self) -> &'static str;

    /// Bytes that open the stream. Called once, first; `metadata` goes into it where the container has tags.
    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>);

    /// Appends a packet.
    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>);

    /// From the next packet on the audio belongs to `metadata`. Containers that carry titles in band (Ogg) begin
    /// a new chained stream without a gap; others do nothing and answer `false`.
    fn retitle(&mut self, metadata: &Metadata, out: &mut Vec<u8>) -> bool;

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
