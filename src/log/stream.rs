//! Bytes that come in once, from front to back, behind the same questions as those of a file.
//!
//! ```text
//!   given up   | kept: what was asked for last |   not come in yet
//!   -----------'at-----------------------------'-------------------
//! ```
//!
//! A question gives up everything before its position, so that memory is bounded by what is asked
//! for, whatever comes in.

use std::io::{Error, ErrorKind, Read, Result};

/// A reader, and what was read of it and may be asked for again.
pub(super) struct Stream {
    reader: Box<dyn Read + Send>,
    at: u64,
    kept: Vec<u8>,
    has_ended: bool,
    /// What ended it, if that was no end.
    failed: Option<Error>,
}

impl Stream {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, at: 0, kept: Vec::new(), has_ended: false, failed: None }
    }

    /// Puts at most `length` bytes from `position` on into `buffer`; fewer at the end. What was
    /// given up is gone: then there are none.
    pub(super) fn read(
        &mut self,
        position: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        buffer.clear();
        if position < self.at {
            return Ok(());
        }
        self.give_up_before(position)?;
        self.take_in(length)?;
        let end = self.at.saturating_add(self.kept.len() as u64);
        if let Some(error) = self.failed.as_ref().filter(|_| position == end && length > 0) {
            return Err(match error.raw_os_error() {
                Some(code) => Error::from_raw_os_error(code),
                None => Error::new(error.kind(), error.to_string()),
            });
        }
        buffer.extend_from_slice(self.kept.get(..length).unwrap_or(&self.kept));
        Ok(())
    }

    fn give_up_before(&mut self, position: u64) -> Result<()> {
        const STEP: usize = 1 << 20;
        while self.at < position {
            let behind = usize::try_from(position - self.at).unwrap_or(usize::MAX);
            let gone = behind.min(self.kept.len());
            self.kept.drain(..gone);
            self.at += gone as u64;
            if gone < behind {
                self.take_in(behind.saturating_sub(gone).min(STEP))?;
                if self.kept.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads until `length` bytes are kept or the stream ends. What cannot be read is the end: the
    /// place that fails says so, and whoever looks behind it is not kept looking for ever.
    fn take_in(&mut self, length: usize) -> Result<()> {
        while self.kept.len() < length && !self.has_ended {
            let missing = (length - self.kept.len()) as u64;
            match self.reader.by_ref().take(missing).read_to_end(&mut self.kept) {
                Ok(0) => self.has_ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.has_ended = true;
                    self.failed = Some(error);
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one to three bytes at a time.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let count = buffer.len().min(self.0.len()).min(1 + self.1 % 3);
            self.1 += 1;
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    #[test]
    fn a_stream_that_fails_ends_there_and_says_so() {
        struct Failing(usize);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
                let count = buffer.len().min(self.0);
                self.0 -= count;
                if count == 0 { Err(Error::from_raw_os_error(5)) } else { Ok(count) }
            }
        }
        let mut stream = Stream::new(Box::new(Failing(10)));
        let mut buffer = Vec::new();
        stream.read(0, 100, &mut buffer).unwrap();
        assert_eq!(buffer.len(), 10);
        for _ in 0..2 {
            let error = stream.read(10, 1, &mut buffer).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(5));
        }
        stream.read(1 << 40, 1, &mut buffer).unwrap();
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_stream_answers_as_a_file_would() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut stream = Stream::new(Box::new(Trickle(bytes.clone(), 0)));
        let mut buffer = Vec::new();
        for (position, length) in
            [(0_u16, 10), (0, 30), (5, 1), (5, 0), (40, 100), (200, 100), (300, 5)]
        {
            stream.read(position.into(), length, &mut buffer).unwrap();
            let from = usize::from(position).min(bytes.len());
            let to = (from + length).min(bytes.len());
            assert_eq!(buffer, &bytes[from..to], "{length} at {position}");
        }
        stream.read(3, 5, &mut buffer).unwrap();
        assert!(buffer.is_empty(), "what was given up does not come back");
    }
}
