//! The account of every byte of a `.log`.
//!
//! ```text
//!   | proved | damaged | proved | unread | proved | tail |
//!   0                                                    length
//! ```
//!
//! Ranges are entered in their order and must touch: what is not accounted for is a defect of this
//! program, and ends it.

use crate::format::Position;
use std::ops::Range;

/// How many bytes of a `.log` are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Batches that prove themselves by their checksum.
    pub proved: u64,
    /// Batches by their headers alone, where nothing more was asked for: the headers.
    pub headers: u64,
    /// What no batch proves.
    pub damaged: u64,
    /// The unfinished or preallocated end of a file.
    pub tail: u64,
    /// What was not looked at, or could not be.
    pub unread: u64,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// See [`Coverage::damaged`].
    Damaged,
    /// See [`Coverage::tail`].
    Tail,
    /// See [`Coverage::unread`].
    Unread,
}

/// Sums up the ranges of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    at: u64,
    coverage: Coverage,
}

impl Account {
    /// A proved batch.
    pub(super) fn proved(&mut self, range: Range<Position>) {
        self.coverage.proved += self.enter(&range);
    }

    /// A batch of which only `header` bytes were looked at.
    pub(super) fn header(&mut self, range: Range<Position>, header: u64) {
        let bytes = self.enter(&range);
        let header = header.min(bytes);
        self.coverage.headers += header;
        self.coverage.unread += bytes - header;
    }

    /// Anything else.
    pub(super) fn other(&mut self, range: Range<Position>, class: Class) {
        let bytes = self.enter(&range);
        match class {
            Class::Damaged => self.coverage.damaged += bytes,
            Class::Tail => self.coverage.tail += bytes,
            Class::Unread => self.coverage.unread += bytes,
        }
    }

    /// Where the next range has to begin.
    pub(super) fn position(&self) -> Position {
        Position(self.at)
    }

    /// The sums of a file of `length` bytes.
    pub(super) fn close(self, length: u64) -> Coverage {
        assert_eq!(self.at, length, "bytes of a file that are in no range");
        assert_eq!(self.coverage.bytes(), length, "ranges that do not add up to the file");
        self.coverage
    }

    fn enter(&mut self, range: &Range<Position>) -> u64 {
        assert_eq!(range.start.0, self.at, "a range that does not begin where the last one ended");
        assert!(range.start <= range.end, "a range that ends before it begins");
        self.at = range.end.0;
        range.end.0 - range.start.0
    }
}

impl Coverage {
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.proved + self.headers + self.damaged + self.tail + self.unread
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.proved += other.proved;
        self.headers += other.headers;
        self.damaged += other.damaged;
        self.tail += other.tail;
        self.unread += other.unread;
    }
}
