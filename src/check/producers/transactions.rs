//! The `.txnindex` of one segment.

use super::{ProducerSegment, batch_offsets};
use crate::check::problem::{IndexKind, TxnIndexField};
use crate::check::{FileFindings, Problem};
use crate::format::replay::{AbortedIndex, BatchFacts, Step, Verdict};
use crate::format::txn_index::{AbortedTxn, ENTRY_BYTES};
use crate::format::{Offset, Position};
use std::sync::Arc;

/// What is found in one segment.
#[derive(Debug, Default)]
pub(super) struct Transactions(Option<Segment>);

/// The findings of one segment.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) always: Vec<FileFindings>,
    /// Those that say nothing in a compacted partition.
    pub(super) unless_compacted: Vec<FileFindings>,
    /// Those that say nothing in another one.
    pub(super) if_compacted: Vec<FileFindings>,
}

#[derive(Debug)]
struct Segment {
    index: AbortedIndex,
    next_base: Option<Offset>,
    in_log: FileFindings,
    in_index: FileFindings,
    unless_compacted: FileFindings,
    if_compacted: [FileFindings; 2],
}

impl Transactions {
    pub(super) fn new(segment: &ProducerSegment<'_>, is_live: bool) -> Self {
        let is_growing = is_live && segment.next_base.is_none();
        let bytes = segment.txn_index_bytes;
        let mut in_index = FileFindings::new(Arc::clone(&segment.txn_index));
        let length = bytes.map_or(0, <[u8]>::len);
        let bytes_left = (length % ENTRY_BYTES) as u64;
        // A broker that is at work may be in the middle of an entry.
        if bytes_left > 0 && !is_growing {
            let end = length as u64;
            let problem = Problem::IndexLength { index: IndexKind::Transaction, bytes_left };
            in_index.add(Position(end - bytes_left)..Position(end), None, problem);
        }
        let mut this = Segment {
            index: AbortedIndex::new(segment.base_offset, bytes, is_growing),
            next_base: segment.next_base,
            in_log: FileFindings::new(Arc::clone(&segment.log)),
            unless_compacted: FileFindings::new(Arc::clone(&segment.txn_index)),
            if_compacted: [&segment.log, &segment.txn_index]
                .map(|file| FileFindings::new(Arc::clone(file))),
            in_index,
        };
        this.collect(None);
        Self(Some(this))
    }

    #[inline]
    pub(super) fn batch(&mut self, batch: &BatchFacts, step: &Step) {
        let Some(segment) = &mut self.0 else { return };
        segment.index.batch(batch, step);
        segment.collect(Some(batch));
    }

    pub(super) fn damaged(&mut self) {
        if let Some(segment) = &mut self.0 {
            segment.index.damaged();
        }
    }

    /// The findings.
    pub(super) fn end(self) -> Found {
        let Some(mut segment) = self.0 else { return Found::default() };
        segment.index.end(segment.next_base);
        segment.collect(None);
        Found {
            always: vec![segment.in_log, segment.in_index],
            unless_compacted: vec![segment.unless_compacted],
            if_compacted: segment.if_compacted.into(),
        }
    }
}

impl Segment {
    #[inline]
    fn collect(&mut self, batch: Option<&BatchFacts>) {
        let Self { index, in_log, in_index, unless_compacted, if_compacted, .. } = self;
        let [in_log_if_compacted, in_index_if_compacted] = if_compacted;
        for verdict in index.found() {
            match verdict {
                Verdict::Missing { entry, across_gap } => {
                    let findings =
                        if across_gap { &mut *in_log_if_compacted } else { &mut *in_log };
                    missing(findings, entry, batch);
                }
                Verdict::Unreadable(error) => {
                    let end = error.position.plus(ENTRY_BYTES as u64);
                    let problem = Problem::TxnIndexEntry { error: error.kind };
                    in_index.add(error.position..end, None, problem);
                }
                Verdict::Order { entry, previous } => {
                    let last = entry.last_offset;
                    differs(in_index, entry, TxnIndexField::Order, last, Some(previous));
                }
                Verdict::NoMarker(entry) => {
                    let last = entry.last_offset;
                    differs(in_index, entry, TxnIndexField::LastOffset, last, None);
                }
                Verdict::FirstOffset { entry, computed, across_gap } => {
                    let first = entry.first_offset;
                    let findings =
                        if across_gap { &mut *in_index_if_compacted } else { &mut *in_index };
                    differs(findings, entry, TxnIndexField::FirstOffset, first, computed);
                }
                Verdict::LastStableOffset { entry, computed } => {
                    let (what, stored) =
                        (TxnIndexField::LastStableOffset, entry.last_stable_offset);
                    differs(unless_compacted, entry, what, stored, Some(computed));
                }
            }
        }
    }
}

/// The finding is where the marker is: the file that should name it may not be there.
fn missing(findings: &mut FileFindings, entry: AbortedTxn, batch: Option<&BatchFacts>) {
    let range = batch.map_or(Position(0)..Position(0), |b| b.position..b.end());
    let last = batch.map_or(entry.last_offset, |batch| batch_offsets(batch).1);
    let AbortedTxn { producer_id, first_offset, last_offset, .. } = entry;
    let problem = Problem::TxnIndexMissing { producer_id, first_offset, last_offset };
    findings.add(range, Some((first_offset, last)), problem);
}

fn differs(
    findings: &mut FileFindings,
    entry: AbortedTxn,
    what: TxnIndexField,
    stored: Offset,
    computed: Option<Offset>,
) {
    let start = entry.entry_position();
    let offsets = (entry.first_offset <= entry.last_offset && entry.first_offset.0 >= 0)
        .then_some((entry.first_offset, entry.last_offset));
    let problem =
        Problem::TxnIndexDiffers { producer_id: entry.producer_id, what, stored, computed };
    findings.add(start..start.plus(ENTRY_BYTES as u64), offsets, problem);
}
