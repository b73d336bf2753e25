//! Judges what depends on producers: sequences, transactions, `.txnindex` and `.snapshot` of one
//! partition, against a replay of its batches.
//!
//! ```text
//!   segment()                       the next segment, with the bytes of its .txnindex
//!   loop: snapshot_due(), snapshot()   every snapshot at or below the next batch
//!         batch() or damaged()
//!   finish()                        what is known only then: is the partition compacted
//! ```
//!
//! Nothing is said that a lost batch in damaged bytes could explain.

mod snapshots;
#[cfg(test)]
mod tests;
mod transactions;

use super::problem::Producer;
use super::{FileFindings, Finding, Problem};
use crate::format::replay::{BatchFacts, FirstRecords, Producer as Known, Producers, Step};
use crate::format::{Offset, Position};
use snapshots::Snapshots;
use std::path::Path;
use std::sync::Arc;
use transactions::Transactions;

/// A segment, as far as its producers are judged.
#[derive(Clone, Debug)]
pub struct ProducerSegment<'a> {
    /// The offset in its name.
    pub base_offset: Offset,
    /// Its `.log`, as findings name it.
    pub log: Arc<Path>,
    /// Its `.txnindex`, as findings name it, there or not.
    pub txn_index: Arc<Path>,
    /// The bytes of that; `None` when there is none.
    pub txn_index_bytes: Option<&'a [u8]>,
    /// The offset in the next segment's name.
    pub next_base: Option<Offset>,
}

/// Judges the producers of one partition while its batches are replayed.
#[derive(Debug)]
pub struct ProducerJudge {
    is_live: bool,
    producers: Producers,
    transactions: Transactions,
    snapshots: Snapshots,
    /// The base offset and `.log` of every segment until now.
    logs: Vec<(Offset, Arc<Path>)>,
    /// Of the segment that is being replayed: what holds unless the partition is compacted.
    sequences: Option<FileFindings>,
    findings: Vec<FileFindings>,
    unless_compacted: Vec<FileFindings>,
    if_compacted: Vec<FileFindings>,
}

impl ProducerJudge {
    /// Of a partition with these snapshots, by their offsets. `is_live` when a broker is at work
    /// in its log dir.
    #[must_use]
    pub fn new(is_live: bool, snapshots: Vec<(Offset, Arc<Path>)>) -> Self {
        Self {
            is_live,
            producers: Producers::default(),
            transactions: Transactions::default(),
            snapshots: Snapshots::new(snapshots),
            logs: Vec::new(),
            sequences: None,
            findings: Vec::new(),
            unless_compacted: Vec::new(),
            if_compacted: Vec::new(),
        }
    }

    /// The batches that follow are those of `segment`.
    pub fn segment(&mut self, segment: &ProducerSegment<'_>) {
        self.end_segment();
        if self.logs.is_empty() {
            self.producers = Producers::new(segment.base_offset);
            self.snapshots.start = segment.base_offset;
        }
        self.snapshots.log_end = self.snapshots.log_end.max(segment.base_offset);
        self.logs.push((segment.base_offset, Arc::clone(&segment.log)));
        self.transactions = Transactions::new(segment, self.is_live);
        self.sequences = Some(FileFindings::new(Arc::clone(&segment.log)));
    }

    /// The next snapshot that is to be judged before a batch at `next` is taken; the greatest
    /// offset there is asks for those that are left before [`ProducerJudge::finish`]. Its bytes go
    /// to [`ProducerJudge::snapshot`].
    #[inline]
    #[must_use]
    pub fn snapshot_due(&self, next: Offset) -> Option<&Arc<Path>> {
        self.snapshots.due(next)
    }

    /// The bytes of the snapshot that was due; `None` when they cannot be read.
    pub fn snapshot(&mut self, bytes: Option<&[u8]>) {
        self.snapshots.judge(bytes, &mut self.producers);
    }

    /// Takes the next batch.
    #[inline]
    pub fn batch(&mut self, batch: &BatchFacts) {
        let step = self.producers.take(batch);
        self.transactions.batch(batch, &step);
        self.snapshots.last_offset = batch.last_offset;
        self.snapshots.log_end = batch.last_offset.plus(1);
        if step.sequence_break.is_some() {
            self.sequence_break(batch, &step);
        }
    }

    /// Bytes that no batch proves stand behind the last batch. Zeros up to the end of the last
    /// file are none: they held nothing.
    pub fn damaged(&mut self) {
        self.producers.damaged();
        self.transactions.damaged();
    }

    /// The findings of every file that has some. `compacted` when the partition shows any sign of
    /// compaction.
    #[must_use]
    pub fn finish(mut self, compacted: bool) -> Vec<FileFindings> {
        self.end_segment();
        let mut findings = std::mem::take(&mut self.findings);
        findings.append(if compacted {
            &mut self.if_compacted
        } else {
            &mut self.unless_compacted
        });
        self.open_transactions(compacted, &mut findings);
        findings.extend(self.snapshots.finish(compacted));
        findings.retain(|file| !file.is_empty());
        findings
    }

    fn end_segment(&mut self) {
        let found = std::mem::take(&mut self.transactions).end();
        let is_some = |file: &FileFindings| !file.is_empty();
        self.findings.extend(found.always.into_iter().filter(is_some));
        let unless_compacted = found.unless_compacted.into_iter().chain(self.sequences.take());
        self.unless_compacted.extend(unless_compacted.filter(is_some));
        self.if_compacted.extend(found.if_compacted.into_iter().filter(is_some));
    }

    fn sequence_break(&mut self, batch: &BatchFacts, step: &Step) {
        let (Some(found), Some(findings)) = (step.sequence_break, &mut self.sequences) else {
            return;
        };
        let producer = Producer { id: batch.producer_id, epoch: batch.producer_epoch };
        let problem = if found.repeats {
            Problem::SequenceRepeats { producer, expected: found.expected, found: found.found }
        } else {
            Problem::SequenceGap { producer, expected: found.expected, found: found.found }
        };
        findings.add(batch.position..batch.end(), Some(batch_offsets(batch)), problem);
    }

    /// Transactions whose end was not in the log. Those of which no records are left say nothing,
    /// and neither do those whose end may have been damaged.
    fn open_transactions(&self, compacted: bool, findings: &mut Vec<FileFindings>) {
        let mut rows: Vec<FileFindings> = Vec::new();
        let open = self.producers.open_transactions();
        for known in open.filter(|known| known.is_sure(&self.producers, compacted)) {
            let Some(first) = first_of(known, &self.producers) else { continue };
            let Some(log) = self.log_of(first.offset) else { continue };
            let entry = known.entry;
            let began = entry.current_txn_first_offset.unwrap_or(first.offset);
            let first_offset = if self.producers.is_damaged() { first.offset } else { began };
            let last = known.updated_at.unwrap_or(first.offset);
            let problem = Problem::OpenTransaction {
                producer: Producer { id: entry.producer_id, epoch: entry.producer_epoch },
                first_offset,
                last_timestamp: entry.timestamp,
            };
            let finding = Finding::new(Arc::clone(log), first.range(), problem);
            let finding = finding.at_offsets(Some((first_offset, last)));
            match rows.last_mut().filter(|file| file.file() == log) {
                Some(file) => file.add_finding(finding),
                None => {
                    let mut file = FileFindings::new(Arc::clone(log));
                    file.add_finding(finding);
                    rows.push(file);
                }
            }
        }
        findings.append(&mut rows);
    }

    fn log_of(&self, offset: Offset) -> Option<&Arc<Path>> {
        let above = self.logs.partition_point(|(base, _)| *base <= offset);
        self.logs.get(above.saturating_sub(1)).map(|(_, log)| log)
    }
}

/// The first batch with records of an open transaction. One that only the snapshot at the start of
/// the log tells of has none.
fn first_of(known: &Known, producers: &Producers) -> Option<FirstRecords> {
    let is_before_start = known.updated_at.is_none() && !producers.is_damaged();
    known.first_records.or_else(|| {
        let offset = known.entry.current_txn_first_offset.filter(|_| is_before_start)?;
        Some(FirstRecords { offset, start: Position(0), end: Position(0) })
    })
}

fn batch_offsets(batch: &BatchFacts) -> (Offset, Offset) {
    (batch.first_known_offset(), batch.last_offset)
}

/// The bytes of a whole small file.
fn whole(bytes: &[u8]) -> std::ops::Range<Position> {
    Position(0)..Position(bytes.len() as u64)
}
