//! MPEG-TS to the audio in it (ISO/IEC 13818-1): the first elementary stream of ADTS or MPEG audio. No I/O.

/// Length of a packet.
const PACKET: usize = 188;
const SYNC: u8 = 0x47;

/// Takes the audio out of a transport stream, over all its segments.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    /// The start of a packet whose rest has not come yet.
    partial: Vec<u8>,
    /// Where the table of the programme is.
    pmt: Option<u16>,
    audio: Option<Audio>,
    /// Bytes of a PES header that lie in packets to come.
    header_left: usize,
    /// Whether the start of a PES packet of audio was seen.
    started: bool,
}

/// An elementary stream of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Audio {
    pid: u16,
    content_type: &'static str,
}

impl Demux {
    /// What the audio is, once known.
    pub(crate) fn content_type(&self) -> Option<&'static str> {
        self.audio.map(|audio| audio.content_type)
    }

    /// Appends the audio in `raw`; what is no transport stream is passed over.
    pub(crate) fn push(&mut self, raw: &[u8], audio: &mut Vec<u8>) {
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.extend_from_slice(raw);
        let mut rest = bytes.as_slice();
        loop {
            let skip = rest.iter().position(|&byte| byte == SYNC).unwrap_or(rest.len());
            rest = rest.get(skip..).unwrap_or_default();
            let Some((packet, after)) = rest.split_at_checked(PACKET) else { break };
            // A sync byte within a packet is not followed by another where the next should be.
            if after.first().is_some_and(|&next| next != SYNC) {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            // A damaged packet gives nothing.
            let _ = self.packet(packet, audio);
            rest = after;
        }
        self.partial = rest.to_vec();
    }

    /// A new segment begins: what was not whole in the last never will be.
    pub(crate) fn cut(&mut self) {
        self.partial.clear();
        (self.header_left, self.started) = (0, false);
    }

    fn packet(&mut self, packet: &[u8], audio: &mut Vec<u8>) -> Option<()> {
        let (head, mut payload) = packet.split_at_checked(4)?;
        let &[_, flags, low, control] = head else { return None };
        let (start, pid) = (flags & 0x40 != 0, u16::from(flags & 0x1F) << 8 | u16::from(low));
        if flags & 0x80 != 0 || control & 0x10 == 0 {
            return None;
        }
        if control & 0x20 != 0 {
            payload = payload.get(1 + usize::from(*payload.first()?)..)?;
        }
        if pid == 0 && start {
            self.pmt = Some(programme(section(payload, 0x00)?)?);
        } else if Some(pid) == self.pmt && start {
            // A table that is cut off is taken as far as it goes.
            self.audio = streams(section(payload, 0x02)?).or(self.audio);
        } else if self.audio.is_some_and(|audio| audio.pid == pid) {
            if start {
                let header = payload.get(..9).filter(|header| header.starts_with(&[0, 0, 1]))?;
                self.header_left = 9 + usize::from(*header.get(8)?);
                self.started = true;
            }
            if self.started {
                let skip = self.header_left.min(payload.len());
                self.header_left -= skip;
                audio.extend_from_slice(payload.get(skip..)?);
            }
        }
        Some(())
    }
}

/// The body of a section of tables, without its check sum, as far as it lies in this packet.
fn section(payload: &[u8], table: u8) -> Option<&[u8]> {
    let section = payload.get(1 + usize::from(*payload.first()?)..)?;
    let &[id, high, low, ..] = section else { return None };
    let length = usize::from(high & 0x0F) << 8 | usize::from(low);
    let end = (3 + length.checked_sub(4)?).min(section.len());
    (id == table).then(|| section.get(8..end)).flatten()
}

/// Where the first programme's table is.
fn programme(body: &[u8]) -> Option<u16> {
    body.chunks_exact(4).find_map(|entry| match *entry {
        // Programme 0 is the network.
        [0, 0, ..] => None,
        [_, _, high, low] => Some(u16::from(high & 0x1F) << 8 | u16::from(low)),
        _ => None,
    })
}

/// The first stream of audio in the table of a programme.
fn streams(body: &[u8]) -> Option<Audio> {
    let &[_, _, high, low, ..] = body else { return None };
    let mut rest = body.get(4 + (usize::from(high & 0x0F) << 8 | usize::from(low))..)?;
    while let &[kind, pid_high, pid_low, high, low, ..] = rest {
        let content_type = match kind {
            0x0F => Some("audio/aac"),
            0x03 | 0x04 => Some("audio/mpeg"),
            _ => None,
        };
        if let Some(content_type) = content_type {
            return Some(Audio { pid: u16::from(pid_high & 0x1F) << 8 | u16::from(pid_low), content_type });
        }
        rest = rest.get(5 + (usize::from(high & 0x0F) << 8 | usize::from(low))..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, start: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![SYNC, u8::from(start) << 6 | (pid >> 8) as u8, pid as u8, 0x10];
        let stuffing = 184 - payload.len();
        if stuffing > 0 {
            packet[3] = 0x30;
            packet.push((stuffing - 1) as u8);
            packet.extend(std::iter::repeat_n(0xFF, stuffing - 1));
        }
        packet.extend_from_slice(payload);
        packet
    }

    fn tables(kind: u8) -> Vec<u8> {
        let pat = [0, 0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0x00, 0, 0, 0, 0];
        let pmt = [
            0, 0x02, 0xB0, 23, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 1, 0xF0, 0, kind, 0xE1, 0,
            0xF0, 0,
        ];
        let mut all = packet(0, true, &pat);
        all.extend(packet(0x1000, true, &[&pmt[..], &[0; 4]].concat()));
        all
    }

    fn pes(data: &[u8]) -> Vec<u8> {
        [&[0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5, 1, 2, 3, 4, 5][..], data].concat()
    }

    #[test]
    fn audio_comes_out_whatever_the_cuts() {
        let data: Vec<u8> = (0..400).map(|n| n as u8).collect();
        let whole = pes(&data);
        let mut stream = tables(0x0F);
        stream.extend(packet(0x101, true, &pes(b"video")));
        stream.extend(packet(0x100, false, b"before the start"));
        for (n, part) in whole.chunks(184).enumerate() {
            stream.extend(packet(0x100, n == 0, part));
        }
        for piece in [1, 7, 188, 189, 10_000] {
            let (mut demux, mut audio) = (Demux::default(), Vec::new());
            for part in stream.chunks(piece) {
                demux.push(part, &mut audio);
            }
            assert_eq!((audio == data, demux.content_type()), (true, Some("audio/aac")), "{piece}");
        }
    }

    #[test]
    fn noise_is_passed_over_without_end_or_panic() {
        let mut seed = 1_u64;
        let mut noise: Vec<u8> = (0..100_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for at in (0..noise.len()).step_by(PACKET) {
            noise[at] = SYNC;
        }
        let mut audio = Vec::new();
        let mut demux = Demux::default();
        demux.push(&tables(0x03), &mut audio);
        demux.push(&noise, &mut audio);
        assert!(demux.partial.len() < PACKET && audio.len() < noise.len());
        // It finds its place again.
        let mut audio = Vec::new();
        demux.cut();
        demux.push(
            &[&b"\x47garbage"[..], &tables(0x03), &packet(0x100, true, &pes(b"back"))].concat(),
            &mut audio,
        );
        assert_eq!((audio.as_slice(), demux.content_type()), (&b"back"[..], Some("audio/mpeg")));
    }
}
