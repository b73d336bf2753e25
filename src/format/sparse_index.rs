//! What the offset index and the time index have in common: sorted entries of one size, followed by
//! room for more.
//!
//! ```text
//!   | entry 0 | entry 1 | ... | entry n-1 | zeros: room for more entries | less than one |
//!   '--------- entries() -----------------'------------- tail() -------------------------'
//!   '--------- entries_as_kafka() ---------------------------------------'- bytes_left() -'
//! ```
//!
//! # Where the entries end
//!
//! A broker makes the index of its active segment 10 MiB long, all zeros, and cuts it to its
//! entries only when the segment is rolled or closed. After a crash the file does not say how many
//! entries it has. No entry but the first can be all zeros, so in a sound file "all zeros" is false
//! for every entry and true behind them, and where it turns is found by bisection: a search touches
//! some twenty pages, and a file whose last slot is in use only that one.
//!
//! In a damaged file bisection finds *one* place where an entry is followed by a zero slot, not
//! always the first. Nothing may lean on the answer alone: a reader confirms every position against
//! the log, and a check looks whether [`SparseIndex::tail`] is nothing but zeros and whether the
//! entries rise. All searches end after at most 64 steps on any bytes.

use super::Offset;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// An entry as it stands in the file.
pub trait Slot: FromBytes + Immutable + KnownLayout + Unaligned + Copy + std::fmt::Debug {
    /// What it says.
    type Entry: Copy;

    /// True when a file of this one slot, all zeros, holds an entry rather than room for one.
    const ZEROS_MAY_BE_AN_ENTRY: bool;

    /// True when all its bytes are zero.
    fn is_zero(&self) -> bool;

    /// What it says as entry number `index` of a segment that begins with `base_offset`.
    fn entry(&self, base_offset: Offset, index: usize) -> Self::Entry;
}

/// What a binary search for the greatest entry at or below a target found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor<Entry> {
    /// The entry; `None` when all entries lie above the target.
    pub entry: Option<Entry>,
    /// How many entries were looked at.
    pub steps: u32,
}

/// The bytes of a whole index file.
#[derive(Clone, Copy, Debug)]
pub struct SparseIndex<'a, S> {
    slots: &'a [S],
    entries: usize,
    tail: &'a [u8],
    bytes_left: usize,
    base_offset: Offset,
}

impl<'a, S: Slot> SparseIndex<'a, S> {
    /// Views `bytes`, a whole file of the segment that begins with `base_offset`, and finds the
    /// end of its entries.
    #[must_use]
    pub fn new(bytes: &'a [u8], base_offset: Offset) -> Self {
        let bytes_left = bytes.len() % size_of::<S>();
        let whole = bytes.get(..bytes.len() - bytes_left).unwrap_or_default();
        let slots = <[S]>::ref_from_bytes(whole).unwrap_or_default();
        let entries = match slots {
            [_] if S::ZEROS_MAY_BE_AN_ENTRY => 1,
            _ => entries_before_zeros(slots),
        };
        let tail = bytes.get(entries * size_of::<S>()..).unwrap_or_default();
        Self { slots, entries, tail, bytes_left, base_offset }
    }

    /// How many entries there are before the zeros. See the head of this module.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many entries Kafka counts when it opens the file: all that fit its length, zeros too.
    #[must_use]
    pub fn entries_as_kafka(&self) -> usize {
        self.slots.len()
    }

    /// Everything behind the entries: zeros, and the bytes that are no whole entry.
    #[must_use]
    pub fn tail(&self) -> &'a [u8] {
        self.tail
    }

    /// Bytes at the end of the file that are no whole entry. Kafka does not look at them.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// The entry number `index` of [`SparseIndex::entries_as_kafka`], in the zeros too.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<S::Entry> {
        self.slots.get(index).map(|slot| slot.entry(self.base_offset, index))
    }

    /// The last entry before the zeros: in the time index of a closed segment, its greatest
    /// timestamp.
    #[must_use]
    pub fn last(&self) -> Option<S::Entry> {
        self.get(self.entries.checked_sub(1)?)
    }

    /// The entries before the zeros, in the order of the file.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = S::Entry> + ExactSizeIterator + Clone + use<'a, S> {
        let base_offset = self.base_offset;
        let slots = self.slots.get(..self.entries).unwrap_or_default();
        slots.iter().enumerate().map(move |(index, slot)| slot.entry(base_offset, index))
    }

    /// The greatest entry that is `at_or_below` the target, in entries that rise; of equal ones
    /// the last.
    pub(super) fn greatest(&self, at_or_below: impl Fn(&S::Entry) -> bool) -> Floor<S::Entry> {
        let (above, steps) =
            first_not(0, self.entries, |index| self.get(index).is_some_and(|e| at_or_below(&e)));
        Floor { entry: above.checked_sub(1).and_then(|index| self.get(index)), steps }
    }
}

/// How many of `slots` are entries, if those are followed by zeros only. The first slot may be all
/// zeros and yet an entry, when an entry follows.
fn entries_before_zeros<S: Slot>(slots: &[S]) -> usize {
    let in_use = |index: usize| slots.get(index).is_some_and(|slot| !slot.is_zero());
    match slots.len() {
        0 => 0,
        count if in_use(count - 1) => count,
        count => match first_not(1, count, in_use) {
            (1, _) => usize::from(in_use(0)),
            (entries, _) => entries,
        },
    }
}

/// Bisects `low..high` for the first index that `holds` is false for, `high` if there is none;
/// with the number of indexes that were looked at. On unsorted input it is some such index, or
/// `high`.
fn first_not(mut low: usize, mut high: usize, holds: impl Fn(usize) -> bool) -> (usize, u32) {
    let mut steps = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        steps += 1;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low, steps)
}
