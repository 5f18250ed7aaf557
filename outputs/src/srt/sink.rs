//! A receiver being fed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain_codecs::container::ts::{PACKET_BYTES, TsMuxer};
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use srt_tokio::SrtSocket;

use crate::sink::{Retry, Sink, SinkError};
use crate::upcoming::Upcoming;

/// Bytes of a message: as many transport packets as fit into a datagram everywhere.
const MESSAGE: usize = 7 * PACKET_BYTES;
/// How far ahead audio may be due at most: what has waited for the receiver comes at once, and would stay late for ever.
const AHEAD: Duration = Duration::from_millis(500);

/// How long the receiver is given to pass on what it keeps, at the end.
const LONGEST_END: Duration = Duration::from_secs(5);
/// Beyond its latency, in which the last message gets there.
const THERE: Duration = Duration::from_millis(200);

/// A connection that the receiver has agreed to.
pub(crate) struct SrtSink {
    what: String,
    socket: SrtSocket,
    muxer: TsMuxer,
    pace: Pace,
    /// How long the receiver keeps what it gets.
    latency: Duration,
    /// Transport packets that do not fill a message yet.
    bytes: Vec<u8>,
    /// From which frame on the tables are due again.
    tables_at: Option<i64>,
    upcoming: Upcoming,
    /// What is true of the first packet.
    title: Option<Arc<Metadata>>,
}

impl SrtSink {
    pub(crate) fn new(
        what: String,
        socket: SrtSocket,
        muxer: TsMuxer,
        rate_hz: u32,
        latency: Duration,
        title: Option<Arc<Metadata>>,
    ) -> Self {
        let pace = Pace { rate_hz: i64::from(rate_hz.max(1)), begun: None, last: Instant::now() };
        let (bytes, upcoming) = (Vec::new(), Upcoming::default());
        Self { what, socket, muxer, pace, latency, bytes, tables_at: None, upcoming, title }
    }

    /// Sends messages, also one that is not full if it is the last.
    async fn send(&mut self, due: Instant, last: bool) -> Result<(), SinkError> {
        let whole = self.bytes.len() / MESSAGE * MESSAGE;
        let rest = self.bytes.split_off(if last { self.bytes.len() } else { whole });
        let mut ready: Bytes = BytesMut::from(std::mem::replace(&mut self.bytes, rest).as_slice()).freeze();
        while !ready.is_empty() {
            let message = ready.split_to(ready.len().min(MESSAGE));
            self.socket.send((due, message)).await.map_err(|_| self.gone())?;
        }
        Ok(())
    }

    fn gone(&self) -> SinkError {
        let message = format!("{}: the receiver is gone; check it and the way there", self.what);
        SinkError { message, retry: Retry::Soon }
    }
}

/// When audio is due: evenly, though it comes in pieces; never in the past, which receivers drop; never before what went
/// before it.
struct Pace {
    rate_hz: i64,
    /// A moment, and the frame that is due then.
    begun: Option<(Instant, i64)>,
    last: Instant,
}

impl Pace {
    /// The moment at which a frame is due.
    fn due(&mut self, pts: i64, now: Instant) -> Instant {
        let reckoned = self.begun.and_then(|(begun, first)| {
            let ns = i128::from(pts - first) * 1_000_000_000 / i128::from(self.rate_hz);
            begun.checked_add(Duration::from_nanos(u64::try_from(ns).ok()?))
        });
        self.last = match reckoned.filter(|due| (now..=now + AHEAD).contains(due)) {
            Some(due) => due.max(self.last),
            None => {
                let due = now.max(self.last);
                self.begun = Some((due, pts));
                due
            }
        };
        self.last
    }
}

#[async_trait]
impl Sink for SrtSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let (out, tenth) = (&mut self.bytes, self.pace.rate_hz / 10);
        if self.tables_at.is_none_or(|at| packet.pts >= at || packet.pts < at - tenth) {
            self.muxer.tables(out);
            self.tables_at = Some(packet.pts + tenth);
        }
        if let Some(metadata) = self.upcoming.due(packet.end()).or(self.title.take()) {
            self.muxer.title(&metadata, packet.pts, out);
        }
        let taken = self.muxer.packet(packet, out);
        taken
            .map_err(|error| SinkError { message: format!("{}: {error}", self.what), retry: Retry::Soon })?;
        let due = self.pace.due(packet.pts, Instant::now());
        self.send(due, false).await
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.upcoming.push(at, metadata);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.muxer.flush(&mut self.bytes);
        self.send(self.pace.last, true).await?;
        // A receiver forgets what it still keeps when it is told of the end.
        tokio::time::sleep_until((self.pace.last + (self.latency + THERE).min(LONGEST_END)).into()).await;
        self.socket.close_and_finish().await.map_err(|_| self.gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_due_evenly_however_it_comes() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut pace = Pace { rate_hz: 48_000, begun: None, last: start };
        let mut due = |n: i64, now| pace.due(n * 960, start + ms(now)) - start;
        // Ten packets of 20 ms each 200 ms, the second time late: that is made up for once, and nothing is due in the past.
        for n in 0..10 {
            assert_eq!(due(n, 0), ms(20 * n as u64));
        }
        for n in 10..20 {
            assert_eq!(due(n, 260), ms(20 * n as u64 + 60));
        }
        for n in 20..30 {
            assert_eq!(due(n, 400), ms(20 * n as u64 + 60));
        }
        // Two seconds that have waited are due within half a second, and what follows is no later than that.
        for n in 30..130 {
            assert_eq!(due(n, 5000), ms((20 * (n - 30) as u64 + 5000).min(5500)));
        }
        assert_eq!(due(130, 5000), ms(5500));
        assert_eq!(due(131, 5040), ms(5520));
        // The machine has slept; the encoder has begun anew.
        assert_eq!(due(132, 9000), ms(9000));
        assert_eq!(due(0, 9100), ms(9100));
    }
}
