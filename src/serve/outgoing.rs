//! An answer on its way: pieces of memory and ranges of files.
//!
//! ```text
//!   | length, envelope | batches of orders-0 | envelope | batches of orders-1 | envelope |
//!     memory             .log [at, end)        memory     .log [at, end)        memory
//!                         ^ sent   ^ warm_to: from here on, sending would wait for the disk
//! ```

use crate::serve::files::OpenSegment;
use crate::serve::mover::{Mover, Sink, Socket};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A response, the length of its frame first.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// None is empty, and no two of memory are neighbours.
    chunks: VecDeque<Chunk>,
    left: u64,
}

/// One piece of it.
#[derive(Debug)]
pub enum Chunk {
    /// Memory, from `at` on.
    Bytes {
        /// All of it.
        bytes: Vec<u8>,
        /// How much of it was sent.
        at: usize,
    },
    /// A range of a file.
    File(FileChunk),
}

/// A range of an open `.log`, whose descriptor is held until the range is sent.
#[derive(Clone, Debug)]
pub struct FileChunk {
    /// The file.
    pub file: Arc<OpenSegment>,
    /// Where the range begins, in bytes from the beginning of the file; moves on with sending.
    pub at: u64,
    /// Where it ends.
    pub end: u64,
    /// Up to where it is known to be in the page cache.
    pub warm_to: u64,
}

/// How far sending got.
#[derive(Debug)]
pub enum Sent {
    /// To the end.
    All,
    /// To what the socket takes now.
    Blocked,
    /// To what one turn may send.
    Budget,
    /// To where this range is not in the page cache, as far as is known. Sending goes on after
    /// [`Outgoing::warmed`].
    Cold(FileChunk),
}

impl Outgoing {
    /// One without bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds memory.
    pub fn push_bytes(&mut self, bytes: Vec<u8>) {
        self.left += bytes.len() as u64;
        match self.chunks.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Chunk::Bytes { bytes: before, .. }) => before.extend_from_slice(&bytes),
            _ => self.chunks.push_back(Chunk::Bytes { bytes, at: 0 }),
        }
    }

    /// Adds a range of a file.
    pub fn push_file(&mut self, chunk: FileChunk) {
        if chunk.at < chunk.end {
            self.left += chunk.end - chunk.at;
            self.chunks.push_back(Chunk::File(chunk));
        }
    }

    /// What is not sent yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// What is not sent yet, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// What it takes in memory. Goes down when a piece of memory is sent to its end.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let of = |chunk: &Chunk| match chunk {
            Chunk::Bytes { bytes, .. } => bytes.capacity() as u64,
            Chunk::File(_) => 0,
        };
        self.chunks.iter().map(of).sum()
    }

    /// Sends as much as the socket takes and `budget` allows, and takes what it sent off both.
    /// The socket does not block.
    ///
    /// # Errors
    /// The connection is of no use any more: its peer is gone, or the answer cannot be sent to its
    /// end. See [`FileTrouble::of`](crate::serve::mover::FileTrouble::of).
    pub fn write_to(
        &mut self,
        socket: &impl AsFd,
        mover: &mut Mover,
        budget: &mut u64,
    ) -> io::Result<Sent> {
        self.write_into(&mut Socket(socket.as_fd()), mover, budget)
    }

    pub(super) fn write_into(
        &mut self,
        sink: &mut impl Sink,
        mover: &mut Mover,
        budget: &mut u64,
    ) -> io::Result<Sent> {
        let sent = self.write_chunks(sink, mover, budget);
        mover.count();
        sent
    }

    fn write_chunks(
        &mut self,
        sink: &mut impl Sink,
        mover: &mut Mover,
        budget: &mut u64,
    ) -> io::Result<Sent> {
        loop {
            // The envelope leaves in one packet with the first bytes of the file behind it.
            let has_more = self.chunks.len() > 1;
            let Some(chunk) = self.chunks.front_mut() else { return Ok(Sent::All) };
            let sent = match chunk {
                Chunk::File(range) if range.at >= range.warm_to => {
                    return Ok(Sent::Cold(range.clone()));
                }
                _ if *budget == 0 => return Ok(Sent::Budget),
                Chunk::File(range) => {
                    let count = range.end.min(range.warm_to) - range.at;
                    let is_last = !has_more && range.at + count == range.end;
                    mover.send_range(sink, range, count.min(*budget), !is_last)?
                }
                Chunk::Bytes { bytes, at } => {
                    let most = usize::try_from(*budget).unwrap_or(usize::MAX);
                    let rest = bytes.get(*at..).unwrap_or_default();
                    let rest = rest.get(..most).unwrap_or(rest);
                    mover.send_memory(sink, rest, has_more)?
                }
            };
            let Some(sent) = sent else { return Ok(Sent::Blocked) };
            *budget = budget.saturating_sub(sent);
            self.left = self.left.saturating_sub(sent);
            if chunk.is_sent_after(sent) {
                self.chunks.pop_front();
            }
        }
    }

    /// Lets the range that was [`Sent::Cold`] be sent up to `to`. Where it got no further, for it
    /// cannot be known what is in the page cache, the rest of the range is sent as it is.
    pub fn warmed(&mut self, to: u64) {
        if let Some(Chunk::File(range)) = self.chunks.front_mut() {
            range.warm_to = if to > range.at { to } else { range.end };
        }
    }
}

impl Chunk {
    /// Moves on by what was sent; true at the end.
    fn is_sent_after(&mut self, sent: u64) -> bool {
        match self {
            Self::Bytes { bytes, at } => {
                *at = at.saturating_add(usize::try_from(sent).unwrap_or(usize::MAX));
                *at >= bytes.len()
            }
            Self::File(range) => {
                range.at = range.at.saturating_add(sent);
                range.at >= range.end
            }
        }
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
