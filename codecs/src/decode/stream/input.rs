//! The bytes of a stream that have come and are not used up, and what became of those that were of no use.

use super::super::DecodeError;
use super::unknown;

/// Bytes that are held at most: a minute of 128 kbit/s, or eight of the largest Ogg pages and more.
pub(super) const CAPACITY_BYTES: usize = 1 << 20;
/// Bytes in a row without any audio after which a stream is given up.
const MOST_FRUITLESS_BYTES: usize = 128 << 10;
/// Bytes kept of what was of no use, to say what it is.
const SAMPLE_BYTES: usize = 1024;

/// Bytes in, bytes taken off the front.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
    /// Bytes still to come that are to be left out.
    debt: usize,
    /// Bytes without which there is no getting on.
    needed: usize,
    ended: bool,
    flooded: bool,
    /// Bytes that led to nothing since there was audio.
    fruitless: usize,
    /// The first of them.
    sample: Vec<u8>,
    /// Bytes left out that may have been audio, for the log.
    skipped: u64,
    /// Whether there was audio at all.
    fruitful: bool,
    /// What there was instead of audio, where it can be told.
    pub(super) trouble: Option<String>,
    /// What the server calls it.
    content_type: Option<String>,
}

impl Input {
    pub(super) fn new(content_type: Option<&str>) -> Self {
        let short = content_type.map(|kind| kind.chars().filter(|c| !c.is_control()).take(80).collect());
        Self { needed: 1, content_type: short, ..Self::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let left_out = self.debt.min(bytes.len());
        let bytes = bytes.get(left_out..).unwrap_or_default();
        self.debt -= left_out;
        if self.len() + bytes.len() > CAPACITY_BYTES || self.ended {
            self.flooded |= !self.ended;
            return;
        }
        // Moved down once half of it is used up: each byte is moved once or twice, however they come.
        if self.start > 0 && self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// What there is.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// There is no getting on before there are `bytes` bytes.
    pub(super) fn need(&mut self, bytes: usize) {
        self.needed = bytes;
    }

    /// Whether that is so, and more can come.
    pub(super) fn hungry(&self) -> bool {
        !self.ended && !self.flooded && self.len() < self.needed
    }

    /// Takes `count` bytes off the front, be they there or still to come.
    pub(super) fn skip(&mut self, count: usize) {
        let here = count.min(self.len());
        self.start += here;
        self.debt += count - here;
        self.needed = 1;
    }

    /// Takes `count` bytes off that are no audio.
    pub(super) fn discard(&mut self, count: usize) {
        let room = SAMPLE_BYTES.saturating_sub(self.sample.len());
        let from = self.start;
        self.sample.extend(self.bytes.iter().skip(from).take(count.min(room)));
        self.skipped += count as u64;
        self.in_vain(count);
        self.skip(count);
    }

    /// Takes off a tag, which may be large, but not come without end.
    pub(super) fn skip_tag(&mut self, count: usize) {
        self.in_vain(count / 32);
        self.trouble.get_or_insert_with(|| "tags and no audio".into());
        self.skip(count);
    }

    /// So many bytes have led to nothing.
    pub(super) fn in_vain(&mut self, count: usize) {
        self.fruitless = self.fruitless.saturating_add(count);
    }

    /// There was audio.
    pub(super) fn bears_fruit(&mut self) {
        if !self.fruitful {
            // What came before the first whole frame is the tail of one.
            self.skipped = 0;
        }
        self.fruitful = true;
        self.fruitless = 0;
        self.sample.clear();
        self.trouble = None;
    }

    /// Whether it is worth going on.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if self.flooded {
            return Err(DecodeError::Flooded { capacity_bytes: CAPACITY_BYTES });
        }
        let over = self.ended && self.bytes().is_empty() && !self.fruitful && self.fruitless > 0;
        // Text is no audio, however much of it comes.
        let text =
            !self.fruitful && (over || self.sample.len() == SAMPLE_BYTES) && unknown::is_text(&self.sample);
        if self.fruitless <= MOST_FRUITLESS_BYTES && !over && !text {
            return Ok(());
        }
        let mut found = self.trouble.clone().unwrap_or_else(|| unknown::describe(&self.sample));
        if let Some(kind) = &self.content_type {
            found.push_str(&format!(" (the server calls it {kind})"));
        }
        Err(DecodeError::Stream { found })
    }

    /// Bytes left out since last asked.
    pub(super) fn take_skipped(&mut self) -> u64 {
        if self.fruitful { std::mem::take(&mut self.skipped) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_before_it_comes_never_comes() {
        let mut input = Input::new(None);
        input.push(&[1, 2, 3]);
        input.skip(5);
        assert!(input.hungry());
        for byte in 4..10 {
            input.push(&[byte]);
        }
        assert_eq!(input.bytes(), [6, 7, 8, 9]);
        assert!(!input.hungry());
    }

    #[test]
    fn it_holds_so_much_and_no_more() {
        let mut input = Input::new(None);
        for _ in 0..3 {
            input.push(&vec![0; CAPACITY_BYTES]);
            assert!(input.check().is_ok());
            input.skip(CAPACITY_BYTES);
        }
        input.push(&vec![0; CAPACITY_BYTES + 1]);
        assert!(matches!(input.check(), Err(DecodeError::Flooded { .. })));
    }
}
