//! Checksums of any range of a window, without reading the range.
//!
//! The checksum of everything from the first range on is kept at every 512th byte (a 128th of the
//! window in memory). That of a prefix then costs less than 512 bytes, once while it is remembered,
//! and that of a range is two prefixes and a multiplication.

use super::memo::Memo;
use crate::format::crc_math::Checksum;
use std::ops::Range;

const STEP: usize = 512;

pub(super) struct Prefixes<'a> {
    checksum: Checksum,
    bytes: &'a [u8],
    /// Where the prefixes begin.
    start: usize,
    /// The checksum of the first `index * STEP` bytes from `start` on.
    marks: Vec<u32>,
    /// The checksum from `start` up to single positions.
    known: Memo<u32>,
    checksummed: u64,
}

/// The front of ranges that begin at one position, carried along from end to end: what lies before
/// the position, as the checksum of its end has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    from: usize,
    at: usize,
    /// Which prefixes it belongs to, by where they begin.
    start: Option<usize>,
    crc: u32,
}

impl Front {
    /// That of the ranges from `from` on.
    pub(super) fn new(from: usize) -> Self {
        Self { from, at: from, start: None, crc: 0 }
    }
}

impl<'a> Prefixes<'a> {
    pub(super) fn new(checksum: Checksum, bytes: &'a [u8]) -> Self {
        let known = Memo::for_window(bytes.len());
        Self { checksum, bytes, start: 0, marks: Vec::new(), known, checksummed: 0 }
    }

    /// The bytes that were run through a checksum so far.
    pub(super) fn checksummed(&self) -> u64 {
        self.checksummed
    }

    /// The checksum of `range`, which must lie inside the window.
    pub(super) fn of(&mut self, range: Range<usize>) -> u32 {
        self.begin(range.start);
        let (front, whole) = (self.up_to(range.start), self.up_to(range.end));
        self.checksum.of_end(front, whole, range.len() as u64)
    }

    /// The checksum from where `front` begins to `end`: cheaper than [`Prefixes::of`] as long as
    /// the ends go forward.
    pub(super) fn behind(&mut self, front: &mut Front, end: usize) -> u32 {
        self.begin(front.from);
        if front.start != Some(self.start) || end < front.at {
            let (start, crc) = (Some(self.start), self.up_to(front.from));
            *front = Front { at: front.from, start, crc, ..*front };
        }
        front.crc = self.checksum.shift(front.crc, end.saturating_sub(front.at) as u64);
        front.at = end.max(front.at);
        front.crc ^ self.up_to(end)
    }

    /// Lets the prefixes begin at `from` at the latest.
    fn begin(&mut self, from: usize) {
        if self.marks.is_empty() || from < self.start {
            self.start = from;
            self.marks.clear();
            self.known.clear();
            self.marks.push(0);
        }
    }

    fn up_to(&mut self, end: usize) -> u32 {
        if let Some(crc) = self.known.get(end) {
            return crc;
        }
        let length = end.saturating_sub(self.start);
        let (mark, rest) = (length / STEP, length % STEP);
        while self.marks.len() <= mark {
            let index = self.marks.len() - 1;
            let crc = self.run(index, STEP);
            self.marks.push(crc);
        }
        let crc = self.run(mark, rest);
        self.known.put(end, crc);
        crc
    }

    /// From mark `index` over `length` more bytes.
    fn run(&mut self, index: usize, length: usize) -> u32 {
        let at = self.start + index * STEP;
        let bytes = self.bytes.get(at..at + length).unwrap_or_default();
        self.checksummed += bytes.len() as u64;
        self.checksum.append(self.marks.get(index).copied().unwrap_or_default(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_reading_the_range() {
        let bytes: Vec<u8> = (0..5_000_u32).map(|i| (i * i).to_be_bytes()[3]).collect();
        for checksum in [Checksum::Crc32c, Checksum::Crc32] {
            let mut prefixes = Prefixes::new(checksum, &bytes);
            for (start, end) in [(700, 700), (700, 5_000), (1_211, 1_212), (900, 4_000), (3, 9)] {
                assert_eq!(prefixes.of(start..end), checksum.of(&bytes[start..end]));
            }
            let (mut early, mut late) = (Front::new(1), Front::new(600));
            for end in [600, 601, 1_300, 1_300, 5_000, 700, 4_999] {
                // The second begins before the prefixes do, which starts them anew.
                assert_eq!(prefixes.behind(&mut late, end), checksum.of(&bytes[600..end]));
                assert_eq!(prefixes.behind(&mut early, end), checksum.of(&bytes[1..end]));
            }
        }
    }

    #[test]
    fn a_range_is_not_read_twice() {
        let bytes = vec![7; 1 << 20];
        let mut prefixes = Prefixes::new(Checksum::Crc32c, &bytes);
        prefixes.of(0..1 << 20);
        let once = prefixes.checksummed();
        assert!(once <= 1 << 20);
        for start in 0..100 {
            prefixes.of(start..(1 << 20) - start);
        }
        assert!(prefixes.checksummed() - once <= 100 * 2 * STEP as u64);
    }
}
