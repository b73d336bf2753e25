//! Behind damage: where the next batch begins that proves itself, and how the damage ends.
//!
//! ```text
//!   proved   damaged: no proof at `from`            proved
//!   ========|---------------------------------------|=========|=========|== ... end of file
//!           from          ^^^^^ ^^^^^               the log's own batches form a chain
//!                         whole batches inside a record's value also prove themselves
//! ```
//!
//! A batch *proves itself* when its checksum agrees. That is not enough: topics that store archived
//! segments hold whole batches inside values. What belongs to the damaged batch is found by, in
//! this order:
//!
//! 1. Its own checksum agrees with an end other than its length says, at the beginning of something
//!    that resembles a batch, at the end of the file, or where its records end: only fields outside
//!    the checksum are damaged.
//! 2. Its length leads to a chain of batches that holds, and everything in between is its own. Not
//!    so when bytes are missing or too many and the length leads to a batch by chance: where it is
//!    read across a gap, batches fill most of what it claims, with offsets from the last proved one
//!    on; where bytes of the batch are gone, one begins in front of its end and goes on behind it.
//! 3. Batches that prove themselves, from front to back. A chain holds when it reaches the end of
//!    the file, a damaged batch that leads on by its length, or [`LOOKAHEAD`] bytes. One that
//!    breaks is suspect, and what comes behind it decides: it is inside a value when records stand
//!    around it, when the bytes behind it are the rest of a record and lead to a batch, or when its
//!    offsets do not fit between what is before and behind. It is in none when there is no room for
//!    one before it, or when records lead exactly to where it begins.
//!
//! What no bytes can tell: a batch in a value whose offsets fit exactly, when the header of the
//! batch around it, the lengths of the record around it and what follows in it are all gone, or
//! compressed. Then it looks like one of the log's own.
//!
//! # Cost
//!
//! Checksums come from prefixes that are combined, so a candidate costs at most a kilobyte of
//! checksum however many bytes it claims. Every byte is looked at once on the way to the answer.
//! What is looked at behind the answer, links of chains and records walked are paid from a supply
//! that is proportional to the window and never refilled: once it is spent, the first chain that
//! nothing contradicts is believed. A [`Resync`] is kept for all damages of one window, and what it
//! found out about a position is not found out again for the next damage.
//! Memory: a 128th of the window for each kind of checksum that occurs, and at most a megabyte for
//! each kind of answer that is kept.

mod candidate;
mod chain;
mod inside;
mod memo;
mod prefix;
mod records;
mod search;
#[cfg(test)]
mod tests;

pub use candidate::Bounds;
pub use inside::WholeBatch;

use super::Position;
use super::crc_math::Checksum;
use candidate::{Candidate, Seal};
use memo::Memo;
use prefix::{Front, Prefixes};
use std::ops::Range;

/// How far behind a doubtful answer better proof is looked for, unless the damaged batch claims
/// more; and how long a chain must be to be believed without its end.
pub const LOOKAHEAD: usize = 1 << 20;

/// How a damage ends, and what it is as far as the bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// From where the search began to where the next batch begins, or the window ends.
    pub damaged: Range<Position>,
    /// What stands at the end of the range.
    pub next: Next,
    /// What is known about the range.
    pub kind: DamageKind,
}

/// What stands behind a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A batch that proves itself.
    Proved,
    /// A batch should begin here and does not prove itself, or has a right checksum over what no
    /// Kafka writes: look here yourself, and search again from here if nothing is proved.
    Unproved,
    /// Nothing: the file ends.
    EndOfFile,
    /// The window ended before the file did, and nothing could be decided inside: search again in a
    /// window that holds the damage and goes on for longer, twice as long at least.
    NeedMore,
}

/// What the bytes say about a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The length field leads to the end of the range: one batch, whose checksum differs.
    Checksum,
    /// The batch's own checksum agrees at the end of the range: one batch, of which only fields
    /// outside the checksum are damaged, such as the length.
    Framing {
        /// The magic under which the checksum agrees.
        magic: i8,
    },
    /// Nothing but zeros to the end of the file.
    Zeros,
    /// The beginning of a batch that goes on behind the end of the file, with no batch of the log's
    /// own behind it.
    CutOff,
    /// Bytes that no batch claims in a way that could be confirmed.
    Unclaimed,
}

/// What a [`Resync`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Positions that were looked at as the beginning of a batch.
    pub positions: u64,
    /// Checksums of ranges that were computed from prefixes.
    pub checksums: u64,
    /// Bytes that were run through a checksum, those of prefixes included.
    pub bytes_checksummed: u64,
    /// Of the supply for looking further than the answer, how much is used up.
    pub supply_used: u64,
}

/// Searches behind the damages of one window of a file.
pub struct Resync<'a> {
    bytes: &'a [u8],
    position: Position,
    reaches_end: bool,
    zeros_from: usize,
    crc32c: Prefixes<'a>,
    crc32: Prefixes<'a>,
    /// Whether the candidate at a position proves itself.
    proved: Memo<bool>,
    /// The end of the value around the first batch of a chain, by the batch's beginning.
    values: Memo<Option<usize>>,
    spare: Spare,
    work: Work,
}

impl<'a> Resync<'a> {
    /// Searches in `bytes`, which stand at `position` in their file; `reaches_end` says that the
    /// file ends with them.
    #[must_use]
    pub fn new(bytes: &'a [u8], position: Position, reaches_end: bool) -> Self {
        let zeros = if reaches_end { trailing_zeros(bytes) } else { 0 };
        Self {
            bytes,
            position,
            reaches_end,
            zeros_from: bytes.len().saturating_sub(zeros),
            crc32c: Prefixes::new(Checksum::Crc32c, bytes),
            crc32: Prefixes::new(Checksum::Crc32, bytes),
            proved: Memo::for_window(bytes.len()),
            values: Memo::for_window(bytes.len()),
            spare: Spare::for_window(bytes.len()),
            work: Work::default(),
        }
    }

    /// How the damage ends that begins at `from`, where a batch should begin and does not prove
    /// itself. Linear in the window over all calls as long as `from` goes forward.
    #[must_use]
    pub fn damage_at(&mut self, from: Position, bounds: &Bounds) -> Damage {
        let from = from.0.saturating_sub(self.position.0);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.bytes.len());
        search::Search::new(self, bounds, from).run()
    }

    /// What was done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        let bytes_checksummed = self.crc32c.checksummed() + self.crc32.checksummed();
        Work { bytes_checksummed, supply_used: self.spare.used, ..self.work }
    }

    /// True when the checksum agrees for a batch that ends at `end`.
    fn agrees(&mut self, seal: &Seal, end: usize) -> bool {
        let prefixes = self.prefixes_up_to(seal, end);
        prefixes.is_some_and(|prefixes| prefixes.of(seal.covered_from..end) == seal.stored)
    }

    /// The same with the front of what the seal covers, for one end after the other.
    fn agrees_behind(&mut self, seal: &Seal, front: &mut Front, end: usize) -> bool {
        let prefixes = self.prefixes_up_to(seal, end);
        prefixes.is_some_and(|prefixes| prefixes.behind(front, end) == seal.stored)
    }

    /// The prefixes for a seal, if a batch that ends at `end` can have it.
    fn prefixes_up_to(&mut self, seal: &Seal, end: usize) -> Option<&mut Prefixes<'a>> {
        if end < seal.covered_from || end > self.bytes.len() {
            return None;
        }
        self.work.checksums += 1;
        Some(match seal.checksum {
            Checksum::Crc32c => &mut self.crc32c,
            Checksum::Crc32 => &mut self.crc32,
        })
    }

    /// True when the checksum agrees for the candidate, which is the one at its beginning.
    fn proves(&mut self, candidate: &Candidate) -> bool {
        if let Some(proved) = self.proved.get(candidate.start) {
            return proved;
        }
        let proved = self.agrees(&candidate.seal, candidate.end);
        self.proved.put(candidate.start, proved);
        proved
    }

    /// The end of the value that holds all of `batch`, a batch that proves itself, and begins
    /// where it does.
    fn value_at(&mut self, batch: &Range<usize>) -> Option<usize> {
        if let Some(value_end) = self.values.get(batch.start) {
            return value_end;
        }
        let value_end = records::value_at(self.bytes, batch);
        self.values.put(batch.start, value_end);
        value_end
    }

    fn position_of(&self, index: usize) -> Position {
        self.position.plus(index as u64)
    }
}

fn trailing_zeros(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|&&byte| byte == 0).count()
}

/// The supply from which everything is paid that does not lead straight to an answer.
struct Spare {
    left: u64,
    used: u64,
}

impl Spare {
    /// A position looked at behind a doubtful answer.
    const POSITION: u64 = 1;
    /// A link of a chain.
    const LINK: u64 = 8;
    /// A record's frame.
    const RECORD: u64 = 2;

    fn for_window(length: usize) -> Self {
        let window = (length as u64).saturating_mul(2);
        Self { left: window.saturating_add(8 * LOOKAHEAD as u64), used: 0 }
    }

    /// False when there is not as much left.
    fn spend(&mut self, amount: u64) -> bool {
        let Some(left) = self.left.checked_sub(amount) else { return false };
        self.left = left;
        self.used += amount;
        true
    }
}
