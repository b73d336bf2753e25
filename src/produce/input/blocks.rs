//! Lines out of a reader, taken in large blocks.
//!
//! ```text
//!   given out   | lines not given out yet | the beginning of a line | free
//!   ------------'at------------------------------------------------'end---
//! ```
//!
//! A line that does not fit makes the buffer grow by what has come in, never by more; what is left
//! of the last line moves to the front before more is read.

use super::{InputError, LineError, Span};
use std::io::{ErrorKind, Read};

/// How much is asked for at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// A reader, cut into lines.
pub(super) struct Blocks<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// From here on no line end has been looked for.
    searched: usize,
    line: u64,
    line_bytes: usize,
    has_ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Of `reader`, whose lines have at most `line_bytes` bytes.
    pub(super) fn new(reader: R, line_bytes: usize) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            at: 0,
            end: 0,
            searched: 0,
            line: 0,
            line_bytes,
            has_ended: false,
        }
    }

    /// The number of the line that was given out last.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Goes on to the next line, without its line end. `None`: there is none. An error is the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Span>, InputError> {
        loop {
            let new = self.buffer.get(self.searched..self.end).unwrap_or_default();
            if let Some(length) = find(new, b'\n') {
                let line = Span { start: self.at, end: self.searched + length };
                self.at = line.end + 1;
                self.searched = self.at;
                return self.checked(line).map(Some);
            }
            self.searched = self.end;
            if self.has_ended {
                let line = Span { start: self.at, end: self.end };
                self.at = self.end;
                return if line.start == line.end {
                    Ok(None)
                } else {
                    self.checked(line).map(Some)
                };
            }
            // One more than is allowed tells that there is more than is allowed.
            if self.end - self.at > self.line_bytes {
                return self.checked(Span { start: self.at, end: self.end }).map(Some);
            }
            self.fill()?;
        }
    }

    /// The bytes that [`next`](Self::next) found.
    #[inline]
    pub(super) fn bytes(&mut self, line: Span) -> &mut [u8] {
        self.buffer.get_mut(line.start..line.end).unwrap_or_default()
    }

    #[inline]
    fn checked(&mut self, line: Span) -> Result<Span, InputError> {
        self.line += 1;
        if line.end - line.start > self.line_bytes {
            return Err(self.refuse(LineError::TooLong { allowed: self.line_bytes }));
        }
        Ok(line)
    }

    /// What to say of the line that was given out last. It is the end.
    #[cold]
    pub(super) fn refuse(&mut self, why: LineError) -> InputError {
        self.stop();
        InputError::Line { line: self.line, why }
    }

    fn stop(&mut self) {
        self.has_ended = true;
        (self.at, self.end, self.searched) = (0, 0, 0);
    }

    fn fill(&mut self) -> Result<(), InputError> {
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.end, 0);
            self.end -= self.at;
            self.searched -= self.at;
            self.at = 0;
        }
        if self.buffer.len() - self.end < BLOCK_BYTES / 2 {
            // Doubled at most: what is in it has come in.
            self.buffer.resize(self.buffer.len() + self.buffer.len().max(BLOCK_BYTES), 0);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.reader.read(free) {
                Ok(0) => self.has_ended = true,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => {
                    self.stop();
                    return Err(InputError::Read { line: self.line, source });
                }
            }
            return Ok(());
        }
    }
}

/// Where `wanted` occurs first.
#[inline]
pub(super) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    // No early end inside of a chunk: the compiler turns it into vector instructions.
    let (chunks, rest) = bytes.as_chunks::<64>();
    for (index, chunk) in chunks.iter().enumerate() {
        if chunk.iter().fold(false, |found, &byte| found | (byte == wanted)) {
            return Some(index * 64 + find_in_few(chunk, wanted)?);
        }
    }
    Some(chunks.len() * 64 + find_in_few(rest, wanted)?)
}

/// The same by eights.
#[inline]
fn find_in_few(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let word = u64::from_be_bytes(*eight) ^ (ONES * u64::from(wanted));
        // The top bit of each byte that is zero.
        let zeros = !(((word & LOW) + LOW) | word) & !LOW;
        if zeros != 0 {
            return Some(index * 8 + (zeros.leading_zeros() / 8) as usize);
        }
    }
    Some(eights.len() * 8 + rest.iter().position(|&byte| byte == wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives at most so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(self.1).min(into.len());
            let (now, later) = self.0.split_at(length);
            into[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn lines_of(reader: impl Read, line_bytes: usize) -> (Vec<Vec<u8>>, Option<String>) {
        let mut blocks = Blocks::new(reader, line_bytes);
        let mut lines = Vec::new();
        loop {
            match blocks.next() {
                Ok(Some(span)) => lines.push(blocks.bytes(span).to_vec()),
                Ok(None) => return (lines, None),
                Err(error) => {
                    assert!(matches!(blocks.next(), Ok(None)), "goes on after an error");
                    return (lines, Some(error.to_string()));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_split(
            text in proptest::collection::vec(prop_oneof![b'a'..b'd', Just(b'\n')], 0..300),
            piece in 1_usize..40,
        ) {
            let split = text.split(|&byte| byte == b'\n');
            let mut expected: Vec<_> = split.map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(lines_of(Pieces(&text, piece), 1000), (expected, None));
        }

        #[test]
        fn finding_is_the_plain_search(
            bytes in proptest::collection::vec(prop_oneof![0_u8..3, 127_u8..132], 0..300),
            wanted in prop_oneof![0_u8..3, 127_u8..132],
        ) {
            prop_assert_eq!(find(&bytes, wanted), bytes.iter().position(|&byte| byte == wanted));
        }
    }

    #[test]
    fn long_lines_fit_up_to_the_limit() {
        let long = vec![b'x'; 3 * BLOCK_BYTES];
        let text = [b"first\n", &long[..], b"\nlast"].concat();
        let expected = vec![b"first".to_vec(), long.clone(), b"last".to_vec()];
        assert_eq!(lines_of(&text[..], long.len()), (expected.clone(), None));
        assert_eq!(lines_of(Pieces(&text, 70_000), long.len()), (expected, None));
        let why = format!("line 2: longer than the limit of {} bytes for a line", long.len() - 1);
        let refused = (vec![b"first".to_vec()], Some(why));
        assert_eq!(lines_of(&text[..], long.len() - 1), refused);
        // Without a line end, and without an end.
        assert_eq!(lines_of(&text[..6 + long.len()], long.len() - 1), refused);
        let endless = (&b"first\n"[..]).chain(std::io::repeat(b'x'));
        assert_eq!(lines_of(endless, long.len() - 1), refused);
    }

    #[test]
    fn an_error_says_how_far_it_came() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _into: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the pipe broke"))
            }
        }
        let (lines, error) = lines_of((&b"a\nb\nhalf"[..]).chain(Broken), 100);
        assert_eq!(lines, [b"a", b"b"]);
        assert_eq!(error.unwrap(), "after line 2: the pipe broke");
    }
}
