//! Checksums of any range of a window, without reading the range.
//!
//! The checksum of everything from the first range on is kept at every 512th byte (a 128th of the
//! window in memory). That of a prefix then costs less than 512 bytes, and that of a range is two
//! prefixes and a multiplication.

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
    checksummed: u64,
}

impl<'a> Prefixes<'a> {
    pub(super) fn new(checksum: Checksum, bytes: &'a [u8]) -> Self {
        Self { checksum, bytes, start: 0, marks: Vec::new(), checksummed: 0 }
    }

    /// The bytes that were run through a checksum so far.
    pub(super) fn checksummed(&self) -> u64 {
        self.checksummed
    }

    /// The checksum of `range`, which must lie inside the window.
    pub(super) fn of(&mut self, range: Range<usize>) -> u32 {
        if self.marks.is_empty() || range.start < self.start {
            self.start = range.start;
            self.marks.clear();
            self.marks.push(0);
        }
        let (front, whole) = (self.up_to(range.start), self.up_to(range.end));
        self.checksum.of_end(front, whole, range.len() as u64)
    }

    fn up_to(&mut self, end: usize) -> u32 {
        let length = end.saturating_sub(self.start);
        let (mark, rest) = (length / STEP, length % STEP);
        while self.marks.len() <= mark {
            let index = self.marks.len() - 1;
            let crc = self.run(index, STEP);
            self.marks.push(crc);
        }
        self.run(mark, rest)
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
