//! The entries of an index file one after another, and what is wrong with them among themselves.

use super::IndexContext;
use super::leftovers::Leftovers;
use super::so_far::SoFar;
use crate::check::problem::{IndexEntry, IndexKind, Problem};
use crate::check::{FileFindings, Finding};
use crate::format::offset_index::{OffsetPosition, OffsetSlot};
use crate::format::sparse_index::Slot;
use crate::format::time_index::{TimeSlot, TimestampOffset};
use crate::format::{Offset, Position};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

/// What sets the two kinds apart.
pub(super) trait Kind: Slot {
    const KIND: IndexKind;

    fn index_entry(entry: Self::Entry) -> IndexEntry;

    /// What entries are merged with the log by: the position of the one, the offset of the other.
    fn place(entry: &IndexEntry) -> i64;

    /// True when `entry` may follow `previous`.
    fn may_follow(entry: &IndexEntry, previous: &IndexEntry) -> bool;
}

impl Kind for OffsetSlot {
    const KIND: IndexKind = IndexKind::Offset;

    fn index_entry(entry: OffsetPosition) -> IndexEntry {
        let OffsetPosition { index, offset, position } = entry;
        IndexEntry { number: index as u64, key: position.into(), offset }
    }

    fn place(entry: &IndexEntry) -> i64 {
        entry.key
    }

    fn may_follow(entry: &IndexEntry, previous: &IndexEntry) -> bool {
        entry.key > previous.key && entry.offset > previous.offset
    }
}

impl Kind for TimeSlot {
    const KIND: IndexKind = IndexKind::Time;

    fn index_entry(entry: TimestampOffset) -> IndexEntry {
        let TimestampOffset { index, timestamp, offset } = entry;
        IndexEntry { number: index as u64, key: timestamp, offset }
    }

    fn place(entry: &IndexEntry) -> i64 {
        entry.offset.0
    }

    fn may_follow(entry: &IndexEntry, previous: &IndexEntry) -> bool {
        entry.key > previous.key && entry.offset >= previous.offset
    }
}

/// An index file on its way through the log.
#[derive(Debug)]
pub(super) struct Entries<B, S> {
    bytes: B,
    pub(super) context: IndexContext,
    pub(super) findings: FileFindings,
    /// Up to and with the last slot that is in use. Slots of zeros among them are no entries.
    slots: usize,
    /// Where the index was not trimmed: what may stand behind its entries.
    leftovers: Option<Leftovers>,
    /// How many of them are not zeros.
    in_use: u64,
    /// The slot that is looked at next.
    next_slot: usize,
    /// The entry that is judged next.
    next: Option<IndexEntry>,
    slot: PhantomData<S>,
}

/// Kafka's own default of `segment.index.bytes`: so long an index is preallocated.
const PREALLOCATED_BYTES: usize = 10 << 20;

impl<B: AsRef<[u8]>, S: Kind> Entries<B, S> {
    /// Takes the bytes of a whole file, and judges its entries among themselves.
    pub(super) fn new(context: IndexContext, bytes: B) -> Self {
        let slots = slots_in_use::<S>(bytes.as_ref(), context.length);
        let findings = FileFindings::new(Arc::clone(&context.file));
        let (in_use, next_slot, next, slot) = (0, 0, None, PhantomData);
        let size = size_of::<S>();
        let read = usize::try_from(context.read).unwrap_or(usize::MAX);
        let length = usize::try_from(context.length).unwrap_or(usize::MAX);
        let has_room = slots < read / size || length == PREALLOCATED_BYTES / size * size;
        let leftovers = (has_room && !context.is_sealed)
            .then(|| Leftovers::new(FileFindings::new(Arc::clone(&context.file))));
        let mut entries =
            Self { bytes, context, findings, slots, leftovers, in_use, next_slot, next, slot };
        if entries.leftovers.is_none() {
            entries.judge_length(false);
            entries.judge_order();
        }
        let end = entries.next_gap(1);
        if let Some(leftovers) = &mut entries.leftovers {
            leftovers.end = end;
        }
        entries.advance();
        entries
    }

    /// `entry` leads to where it should. So all before it are entries, and none is a leftover.
    pub(super) fn agrees(&mut self, entry: &IndexEntry) {
        let Some(leftovers) = &mut self.leftovers else { return };
        let follows = |last: IndexEntry| entry.number > last.number && S::may_follow(entry, &last);
        if !leftovers.last.is_none_or(follows) {
            return;
        }
        self.findings.append(leftovers.agrees(*entry));
        let slot = usize::try_from(entry.number).unwrap_or(usize::MAX);
        if slot >= leftovers.end {
            let end = self.next_gap(slot.saturating_add(1));
            if let Some(leftovers) = &mut self.leftovers {
                leftovers.end = end;
            }
        }
    }

    /// What can be said only once it is known where the entries of an index end that was not
    /// trimmed. Nothing is said of what is behind them, unless the log `is_known` to its end.
    pub(super) fn settle(&mut self, is_known: bool) {
        if self.leftovers.is_some() {
            self.judge_length(is_known && !self.is_growing());
            self.judge_order();
        }
    }

    /// The first slot of zeros from `slot` on.
    fn next_gap(&self, slot: usize) -> usize {
        (slot..self.slots).find(|&slot| self.is_gap(slot)).unwrap_or(self.slots)
    }

    fn is_leftover(&self, slot: usize) -> bool {
        self.leftovers.as_ref().is_some_and(|leftovers| leftovers.contains(slot as u64))
    }

    /// The entry that is judged next.
    pub(super) fn next(&self) -> Option<IndexEntry> {
        self.next
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> u64 {
        self.in_use
    }

    /// The last entry of the file; of one that was not trimmed the last that agrees with the log.
    pub(super) fn last(&self) -> Option<IndexEntry> {
        if let Some(leftovers) = &self.leftovers {
            return leftovers.last;
        }
        self.entry(self.slots.checked_sub(1)?)
    }

    /// Goes on to the next entry that can be judged against the log. One that lies further on than
    /// the entry behind it does not count where the entries around it agree: it would keep all
    /// that follow waiting.
    pub(super) fn advance(&mut self) {
        let before = self.next.as_ref().map(S::place);
        self.next = None;
        while self.next_slot < self.slots {
            let slot = self.next_slot;
            self.next_slot += 1;
            if self.is_gap(slot) {
                continue;
            }
            let Some(entry) = self.entry(slot) else { return };
            let behind = (slot + 1..self.slots).find(|&slot| !self.is_gap(slot));
            let behind = behind.and_then(|slot| self.entry(slot)).as_ref().map(S::place);
            let is_too_far = behind.is_some_and(|behind| {
                S::place(&entry) > behind && before.is_none_or(|before| before <= behind)
            });
            if !is_too_far {
                self.next = Some(entry);
                return;
            }
        }
    }

    /// Every entry that is not above the end of the log, once that is known.
    pub(super) fn judge_end(&mut self, log: &SoFar, is_beyond: impl Fn(&IndexEntry) -> bool) {
        let base_offset = self.context.base_offset;
        let log_end = log.log_end(base_offset);
        for slot in 0..self.slots {
            let is_entry = !self.is_gap(slot) && !self.is_leftover(slot);
            let Some(entry) = self.entry(slot).filter(|_| is_entry) else { continue };
            let is_behind = log.is_behind(entry.offset, base_offset);
            if is_behind && is_beyond(&entry) && !self.is_being_written(&entry) {
                self.add(&entry, Problem::IndexStale { index: S::KIND, entry, log_end });
            }
        }
    }

    /// A finding about one entry.
    pub(super) fn add(&mut self, entry: &IndexEntry, problem: Problem) {
        let offsets = (entry.offset, entry.offset);
        self.add_with(entry, problem, Affected { offsets, timestamps: None });
    }

    /// A finding about one entry, more of which is known.
    pub(super) fn add_with(&mut self, entry: &IndexEntry, problem: Problem, more: Affected) {
        let finding = Finding::new(Arc::clone(&self.context.file), self.range(entry), problem);
        let mut finding = finding.at_offsets(Some(more.offsets));
        finding.timestamps = more.timestamps;
        match &mut self.leftovers {
            Some(leftovers) if leftovers.contains(entry.number) => {
                leftovers.findings.add_finding(finding);
            }
            _ => self.findings.add_finding(finding),
        }
    }

    /// True for the last entry of an index that a broker is writing: half of it may be missing.
    pub(super) fn is_being_written(&self, entry: &IndexEntry) -> bool {
        self.is_growing() && entry.number + 1 == self.slots as u64
    }

    /// True when a broker may be writing the index.
    pub(super) fn is_growing(&self) -> bool {
        self.context.is_live && !self.context.is_sealed
    }

    /// All bytes of the file.
    pub(super) fn whole(&self) -> Range<Position> {
        Position(0)..Position(self.context.length)
    }

    /// True when all of the file was looked at.
    pub(super) fn is_whole(&self) -> bool {
        self.context.read == self.context.length
    }

    /// The bytes of one entry.
    pub(super) fn range(&self, entry: &IndexEntry) -> Range<Position> {
        let size = size_of::<S>() as u64;
        let start = Position(entry.number.saturating_mul(size));
        start..start.plus(size)
    }

    fn slot(&self, slot: usize) -> Option<S> {
        let bytes = self.bytes.as_ref().get(slot.checked_mul(size_of::<S>())?..)?;
        S::read_from_prefix(bytes).ok().map(|(slot, _)| slot)
    }

    fn entry(&self, slot: usize) -> Option<IndexEntry> {
        let entry = self.slot(slot)?.entry(self.context.base_offset, slot);
        Some(S::index_entry(entry))
    }

    /// True for a slot of zeros that is no entry. Only the first may be one.
    fn is_gap(&self, slot: usize) -> bool {
        slot > 0 && self.slot(slot).is_none_or(|slot| slot.is_zero())
    }

    /// The zeros at the end, with the leftovers before them where those are told of.
    fn judge_length(&mut self, with_leftovers: bool) {
        let size = size_of::<S>() as u64;
        let length = self.context.length;
        let whole = length - length % size;
        let leftovers = self.leftovers.as_ref().filter(|_| with_leftovers);
        let end = match leftovers.filter(|leftovers| leftovers.end == self.slots) {
            Some(leftovers) => leftovers.start(),
            None => self.slots,
        };
        let start = size.saturating_mul(end as u64);
        if start < whole && self.is_whole() {
            let sealed = self.context.is_sealed;
            let problem = Problem::IndexZeroTail { index: S::KIND, sealed };
            self.findings.add(Position(start)..Position(whole), None, problem);
        }
        if whole < length {
            let bytes_left = length - whole;
            let problem = Problem::IndexLength { index: S::KIND, bytes_left };
            self.findings.add(Position(whole)..Position(length), None, problem);
        }
    }

    /// Entries rise. A run of zeros among them is one finding.
    fn judge_order(&mut self) {
        let mut previous: Option<IndexEntry> = None;
        let mut slot = 0;
        while let Some(entry) = self.entry(slot).filter(|_| slot < self.slots) {
            if self.is_leftover(slot) {
                slot += 1;
                continue;
            }
            let first = slot;
            let is_gap = self.is_gap(first);
            slot += 1;
            while is_gap && slot < self.slots && self.is_gap(slot) {
                slot += 1;
            }
            let follows = |previous: &IndexEntry| !is_gap && S::may_follow(&entry, previous);
            if let Some(previous) = previous.filter(|previous| !follows(previous))
                && !self.is_being_written(&entry)
            {
                let start = self.range(&entry).start;
                let range = start..start.plus(((slot - first) * size_of::<S>()) as u64);
                let problem = Problem::IndexOrder { index: S::KIND, entry, previous };
                self.findings.add(range, Some((entry.offset, entry.offset)), problem);
            }
            if !is_gap {
                self.in_use += 1;
                previous = Some(entry);
            }
        }
    }
}

/// What a finding affects beside the bytes of its entry.
pub(super) struct Affected {
    pub(super) offsets: (Offset, Offset),
    pub(super) timestamps: Option<(i64, i64)>,
}

/// How many slots there are up to the last that is not zeros. One slot of zeros alone may be an
/// entry.
fn slots_in_use<S: Slot>(bytes: &[u8], length: u64) -> usize {
    let slots = bytes.chunks_exact(size_of::<S>());
    let only = length / (size_of::<S>() as u64) == 1 && S::ZEROS_MAY_BE_AN_ENTRY;
    let in_use = |slot: &[u8]| only || slot.iter().any(|&byte| byte != 0);
    slots.enumerate().rev().find(|(_, slot)| in_use(slot)).map_or(0, |(last, _)| last + 1)
}
