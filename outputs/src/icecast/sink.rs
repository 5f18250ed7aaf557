//! A mount being fed.

use std::sync::Arc;
use std::time::Duration;

use airchain_codecs::container::Muxer;
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use airchain_net::Connection;
use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::answer::readable;
use super::link::Link;
use super::titles::Titles;
use crate::sink::{Retry, Sink, SinkError};
use crate::upcoming::Upcoming;

/// How long the server may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);
/// What is kept of what the server says while it is fed.
const LONGEST_SAYING: usize = 1024;

/// An open mount.
pub(crate) struct IcecastSink {
    link: Arc<Link>,
    read: ReadHalf<Box<dyn Connection>>,
    write: WriteHalf<Box<dyn Connection>>,
    muxer: Box<dyn Muxer>,
    /// Bytes that are still to be sent.
    buffer: Vec<u8>,
    /// What the server said since it let us in.
    said: Vec<u8>,
    upcoming: Upcoming,
    /// For titles beside the audio; without it they go in band.
    titles: Option<Titles>,
    /// The title to send beside the audio, once enough audio is out for the server to show it.
    song: Option<String>,
    /// Frames to send before the first title.
    lead: u64,
}

impl IcecastSink {
    /// Starts feeding `peer`, which has let us in.
    pub(crate) fn new(
        link: Arc<Link>,
        peer: Box<dyn Connection>,
        mut muxer: Box<dyn Muxer>,
        metadata: Option<&Arc<Metadata>>,
        in_band: bool,
        lead: u64,
    ) -> Self {
        let (read, write) = tokio::io::split(peer);
        let mut buffer = Vec::new();
        muxer.start(metadata.unwrap_or(&Arc::default()), &mut buffer);
        let titles = (!in_band).then(|| Titles::start(link.clone()));
        let song = metadata.map(|metadata| metadata.one_line());
        let (said, upcoming) = (Vec::new(), Upcoming::default());
        Self { link, read, write, muxer, buffer, said, upcoming, titles, song, lead }
    }

    /// Sends what is in the buffer. Notices at once when the server closes, also while it takes nothing.
    async fn send(&mut self) -> Result<(), SinkError> {
        let Self { link, read, write, buffer, said, .. } = self;
        let sent = async {
            write.write_all(buffer).await?;
            write.flush().await
        };
        tokio::pin!(sent);
        let mut chunk = [0; 256];
        let broken = loop {
            tokio::select! {
                biased;
                heard = read.read(&mut chunk) => match heard {
                    Ok(0) => break None,
                    Ok(count) if said.len() < LONGEST_SAYING => said.extend(chunk.iter().take(count)),
                    Ok(_) => {}
                    Err(error) => break Some(error),
                },
                sent = &mut sent => match sent {
                    Ok(()) => {
                        buffer.clear();
                        return Ok(());
                    }
                    Err(error) => break Some(error),
                },
            }
        };
        let mut why = match broken {
            None => "the server closed the connection".to_owned(),
            Some(error) => format!("the connection broke ({error})"),
        };
        if !said.is_empty() {
            why.push_str(&format!(", saying {:?}", readable(&String::from_utf8_lossy(said))));
        }
        Err(link.failed(&format!("{why}; see the server's log"), Retry::Soon))
    }
}

#[async_trait]
impl Sink for IcecastSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        if let Some(metadata) = self.upcoming.due(packet.end()) {
            if self.titles.is_some() {
                self.song = Some(metadata.one_line());
            } else {
                self.muxer.retitle(&metadata, &mut self.buffer);
            }
        }
        self.muxer.packet(packet, &mut self.buffer);
        self.lead = self.lead.saturating_sub(u64::from(packet.duration));
        Ok(())
    }

    fn holds(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.send().await?;
        if self.lead == 0
            && let (Some(titles), Some(song)) = (&self.titles, self.song.take())
        {
            titles.set(song);
        }
        Ok(())
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.upcoming.push(at, metadata);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        // What a file would get patched is of no use to a listener.
        let _ = self.muxer.finish(&mut self.buffer);
        self.send().await?;
        // The audio is out; whether the server says goodbye properly changes nothing.
        let goodbye = async {
            self.write.shutdown().await?;
            tokio::io::copy(&mut self.read, &mut tokio::io::sink()).await
        };
        let _ = timeout(GOODBYE, goodbye).await;
        Ok(())
    }
}
