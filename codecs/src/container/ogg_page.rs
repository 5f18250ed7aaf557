//! Ogg pages (RFC 3533): packets in, pages out.

/// Writes the pages of one logical stream.
pub(super) struct Pages {
    serial: u32,
    sequence: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    /// Position after the last packet that ends on the page; none if none does.
    granule: Option<u64>,
    /// The page begins within a packet.
    continued: bool,
}

/// Where a page stands in its stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Somewhere.
    Middle,
    /// It is the last.
    Last,
}

impl Pages {
    /// A new logical stream.
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, sequence: 0, lacing: Vec::new(), body: Vec::new(), granule: None, continued: false }
    }

    /// Adds a packet that ends at `granule`. Pages that fill up are written to `out`; the last one stays open.
    pub(super) fn packet(&mut self, data: &[u8], granule: u64, out: &mut Vec<u8>) {
        let mut rest = data;
        loop {
            if self.lacing.len() == 255 {
                self.flush(Place::Middle, out);
                self.continued = rest.len() < data.len();
            }
            let (now, later) = rest.split_at(rest.len().min(255));
            self.lacing.push(now.len() as u8);
            self.body.extend_from_slice(now);
            rest = later;
            // A segment of less than 255 bytes ends its packet, if need be an empty one.
            if now.len() < 255 {
                break;
            }
        }
        self.granule = Some(granule);
    }

    /// Writes what there is as a page, even if it is empty.
    pub(super) fn flush(&mut self, place: Place, out: &mut Vec<u8>) {
        let start = out.len();
        let first = self.sequence == 0;
        let flags = u8::from(self.continued) | u8::from(first) << 1 | u8::from(place == Place::Last) << 2;
        out.extend(b"OggS\0");
        out.push(flags);
        out.extend(self.granule.unwrap_or(u64::MAX).to_le_bytes());
        out.extend(self.serial.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend([0; 4]);
        out.push(self.lacing.len() as u8);
        out.append(&mut self.lacing);
        out.append(&mut self.body);
        let crc = crc(0, out.get(start..).unwrap_or_default());
        if let Some(place) = out.get_mut(start + 22..start + 26) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.granule = None;
        self.continued = false;
    }
}

/// CRC-32 of a page: polynomial 0x04C11DB7, neither reflected nor inverted. It goes on from `crc`, which is 0 at first.
pub(crate) fn crc(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                value = if value >> 31 == 1 { value << 1 ^ 0x04C1_1DB7 } else { value << 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(crc, |crc, byte| crc << 8 ^ TABLE[((crc >> 24) as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ogg::PacketReader;

    #[test]
    fn another_reader_gets_every_packet() {
        let sizes = [0, 1, 254, 255, 256, 510, 20_000, 65_025, 70_000, 200_000, 3];
        let packets: Vec<Vec<u8>> = sizes.iter().map(|size| (0..*size).map(|i| i as u8).collect()).collect();
        let (mut pages, mut out) = (Pages::new(7), Vec::new());
        for (index, packet) in packets.iter().enumerate() {
            pages.packet(packet, index as u64, &mut out);
            if index == 3 {
                pages.flush(Place::Middle, &mut out);
            }
        }
        pages.flush(Place::Last, &mut out);
        let mut reader = PacketReader::new(std::io::Cursor::new(out));
        for (index, packet) in packets.iter().enumerate() {
            let read = reader.read_packet().unwrap().unwrap();
            assert!(read.data == *packet, "packet {index}");
            assert_eq!((read.first_in_stream(), read.stream_serial()), (index == 0, 7));
            assert_eq!(read.last_in_stream(), index == packets.len() - 1);
        }
        assert!(reader.read_packet().unwrap().is_none());
    }
}
