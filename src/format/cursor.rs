//! A reader over bytes that cannot panic and knows where in the *file* it stands.
//!
//! ```text
//!            origin                 |                     |
//!   file ... |======================|=====================| ...
//!             already read           rest()
//! ```
//!
//! Inside a decompressed payload bytes have no position in the file: such a cursor reports the
//! position of the compressed payload for all of them.

use super::{FormatError, FormatErrorKind, Position, Result};
use crate::limits::{VARINT_MAX_BYTES, VARLONG_MAX_BYTES};

/// Reads big-endian numbers and varints off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    /// Bytes that there were to read.
    length: usize,
    origin: Position,
    inside_file: bool,
    is_padded: bool,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes`, which stand at `origin` in their file.
    #[must_use]
    pub fn new(bytes: &'a [u8], origin: Position) -> Self {
        Self { rest: bytes, length: bytes.len(), origin, inside_file: true, is_padded: false }
    }

    /// Reads `bytes` that were decompressed from a payload at `origin`.
    #[must_use]
    pub fn decompressed(bytes: &'a [u8], origin: Position) -> Self {
        Self { rest: bytes, length: bytes.len(), origin, inside_file: false, is_padded: false }
    }

    /// Where the next byte stands in the file.
    #[must_use]
    pub fn position(&self) -> Position {
        if self.inside_file { self.origin.plus(self.consumed() as u64) } else { self.origin }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// The bytes that have not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// True when everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes note of what a cursor that was [split](Self::split) off came upon.
    #[inline]
    pub(super) fn note_padding(&mut self, part: &Self) {
        self.is_padded |= part.is_padded;
    }

    /// Goes on at `rest`, which is the end of what has not been read.
    #[inline]
    pub(super) fn go_on_at(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// An error of `kind` at the next byte.
    #[must_use]
    #[cold]
    pub fn error(self, kind: FormatErrorKind) -> FormatError {
        FormatError::new(self.position(), kind)
    }

    #[cold]
    fn truncated(self, needed: usize) -> FormatError {
        let have = self.remaining() as u64;
        self.error(FormatErrorKind::Truncated { needed: needed as u64, have })
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(count)),
        }
    }

    /// A cursor over the next `count` bytes, which this one steps over.
    #[inline]
    pub fn split(&mut self, count: usize) -> Result<Self> {
        let origin = self.position();
        let bytes = self.take(count)?;
        Ok(Self {
            rest: bytes,
            length: count,
            origin,
            inside_file: self.inside_file,
            is_padded: false,
        })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// One unsigned byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    /// One signed byte.
    #[inline]
    pub fn i8(&mut self) -> Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    /// A big-endian `i16`.
    #[inline]
    pub fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    /// A big-endian `u16`.
    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A big-endian `i32`.
    #[inline]
    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A big-endian `i64`.
    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A UUID's 16 bytes.
    #[inline]
    pub fn uuid(&mut self) -> Result<[u8; 16]> {
        self.array()
    }

    /// Kafka's unsigned varint: LEB128, at most 5 bytes, the bits past 32 dropped.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32> {
        // Deltas and lengths have one byte or two nearly always.
        let (value, rest) = match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => (u32::from(byte), rest),
            // A second byte of 0 says nothing, and is left to the slow way, which takes note.
            [low, high, ref rest @ ..] if high.cast_signed() > 0 => {
                (u32::from(low & 0x7f) | u32::from(high) << 7, rest)
            }
            _ => {
                let (value, rest, is_padded) = self.long_varint()?;
                self.is_padded |= is_padded;
                (value, rest)
            }
        };
        self.rest = rest;
        Ok(value)
    }

    /// True when a varint was read that is longer than it need be.
    #[inline]
    #[must_use]
    pub fn is_padded(&self) -> bool {
        self.is_padded
    }

    /// The value, what is behind it, and whether it is longer than need be. Takes a copy: a cursor
    /// whose address is not known to anyone can live in registers.
    #[inline(never)]
    fn long_varint(self) -> Result<(u32, &'a [u8], bool)> {
        let mut value = 0u32;
        for index in 0..VARINT_MAX_BYTES {
            let Some(&byte) = self.rest.get(index) else {
                return Err(self.truncated(index + 1));
            };
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                let rest = self.rest.get(index + 1..).unwrap_or_default();
                // Of the fifth byte four bits are left.
                return Ok((value, rest, byte == 0 && index > 0 || index == 4 && byte > 0x0f));
            }
        }
        Err(self.error(FormatErrorKind::Varint { maximum: VARINT_MAX_BYTES }))
    }

    /// Kafka's `varint`: a zigzag `i32`.
    #[inline]
    pub fn varint(&mut self) -> Result<i32> {
        self.unsigned_varint().map(|raw| (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// Kafka's `varlong`: a zigzag `i64`, at most 10 bytes.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64> {
        let (raw, rest) = match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => (u64::from(byte), rest),
            // A second byte of 0 says nothing, and is left to the slow way, which takes note.
            [low, high, ref rest @ ..] if high.cast_signed() > 0 => {
                (u64::from(low & 0x7f) | u64::from(high) << 7, rest)
            }
            _ => {
                let (raw, rest, is_padded) = self.long_varlong()?;
                self.is_padded |= is_padded;
                (raw, rest)
            }
        };
        self.rest = rest;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    #[inline(never)]
    fn long_varlong(self) -> Result<(u64, &'a [u8], bool)> {
        let mut raw = 0u64;
        for index in 0..VARLONG_MAX_BYTES {
            let Some(&byte) = self.rest.get(index) else {
                return Err(self.truncated(index + 1));
            };
            raw |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                let rest = self.rest.get(index + 1..).unwrap_or_default();
                // Of the tenth byte one bit is left.
                return Ok((raw, rest, byte == 0 && index > 0 || index == 9 && byte > 1));
            }
        }
        Err(self.error(FormatErrorKind::Varint { maximum: VARLONG_MAX_BYTES }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &[u8]) -> Cursor<'_> {
        Cursor::new(bytes, Position(100))
    }

    #[test]
    fn varints_that_are_longer_than_need_be() {
        let padded = |bytes: &[u8], long: bool| {
            let mut cursor = cursor(bytes);
            let read = if long { cursor.varlong() } else { cursor.varint().map(i64::from) };
            read.map(|_| cursor.is_padded()).unwrap()
        };
        for long in [false, true] {
            for bytes in [&[0x00][..], &[0x7f], &[0x80, 0x01], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
                assert!(!padded(bytes, long), "{bytes:x?}");
            }
            for bytes in [&[0x80, 0x00][..], &[0xff, 0x00], &[0x80, 0x80, 0x80, 0x00]] {
                assert!(padded(bytes, long), "{bytes:x?}");
            }
        }
        assert!(padded(&[0xff, 0xff, 0xff, 0xff, 0x1f], false));
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(!padded(&longest, true));
        assert!(padded(&[&longest[..9], &[0x03]].concat(), true));
    }

    #[test]
    fn varints_of_the_format_notes() {
        let vectors: [(&[u8], i32); 9] = [
            (&[0x00], 0),
            (&[0x01], -1),
            (&[0x02], 1),
            (&[0x03], -2),
            (&[0x7e], 63),
            (&[0x80, 0x01], 64),
            (&[0x81, 0x01], -65),
            (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i32::MAX),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], i32::MIN),
        ];
        for (bytes, expected) in vectors {
            let mut cursor = cursor(bytes);
            assert_eq!(cursor.varint(), Ok(expected));
            assert!(cursor.is_empty());
            assert_eq!(Cursor::new(bytes, Position(0)).varlong(), Ok(i64::from(expected)));
        }
        let longest = [0xff; 9].into_iter().chain([0x01]).collect::<Vec<u8>>();
        assert_eq!(cursor(&longest).varlong(), Ok(i64::MIN));
    }

    #[test]
    fn a_varint_may_be_longer_than_needed_but_not_than_five_bytes() {
        assert_eq!(cursor(&[0x80, 0x00]).varint(), Ok(0));
        assert_eq!(cursor(&[0xff, 0xff, 0xff, 0xff, 0x7f]).unsigned_varint(), Ok(u32::MAX));
        let error = cursor(&[0x80; 6]).varint().unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Varint { maximum: 5 });
        let error = cursor(&[0x80; 11]).varlong().unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Varint { maximum: 10 });
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        let mut cursor = cursor(&[0, 0, 0, 7, 1, 2]);
        assert_eq!(cursor.i32(), Ok(7));
        let error = cursor.i64().unwrap_err();
        assert_eq!(error.position, Position(104));
        assert_eq!(error.kind, FormatErrorKind::Truncated { needed: 8, have: 2 });
        assert_eq!(cursor.take(usize::MAX).unwrap_err().position, Position(104));
        assert_eq!(cursor.rest(), &[1, 2]);
    }
}
