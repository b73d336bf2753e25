//! One run of a `.log`, judged by itself: findings about single batches, and the facts that its
//! neighbours need. Runs are judged at the same time and know nothing of each other.

use super::batches::{LogContext, judge_header};
use super::coverage::Class;
use super::damage::damage_finding;
use super::derived::Derived;
use super::records::judge_records;
use super::{FileFindings, Problem};
use crate::error::Error;
use crate::format::batch::PREFIX_BYTES;
use crate::format::replay::BatchFacts;
use crate::format::{Batch, Batches, Offset, Position, Scratch};
use crate::limits::Limits;
use crate::log::FileBytes;
use crate::log::feed::{LogFile, Run, WalkEnd};
use crate::log::file_facts::FileIdentity;
use crate::log::runs::{Bounds, Damage, DamageKind, Piece, Scanner};
use std::ops::Range;
use std::sync::Arc;

/// How deep a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Batch headers, as far as one leads to the next.
    Headers,
    /// Every batch's checksum.
    Checksums,
    /// Every record of every batch.
    Records,
}

/// A `.log` that is judged.
pub(super) struct OpenLog {
    /// Which partition of the scope it belongs to.
    pub(super) partition: usize,
    /// Which segment of the partition it is; `None` for any other file of batches.
    pub(super) segment: Option<usize>,
    pub(super) bytes: FileBytes,
    pub(super) context: LogContext,
    pub(super) bounds: Bounds,
    /// The bytes of the `.index`, read before the length of the log was taken.
    pub(super) index: Derived,
    /// The bytes of the `.timeindex`, the same.
    pub(super) time_index: Derived,
    /// True when a broker that starts takes its end as it is, after a clean stop.
    pub(super) is_end_trusted: bool,
    /// Which file it was, before it was opened, where that was asked for.
    pub(super) identity: Option<FileIdentity>,
}

impl OpenLog {
    /// True when its name is that of another file by now, as after compaction.
    pub(super) fn was_replaced(&self) -> bool {
        let Some(then) = self.identity.filter(|_| self.context.is_live) else { return false };
        let now = FileIdentity::of(&self.context.file).ok().flatten();
        now.is_some_and(|now| (now.device, now.inode) != (then.device, then.inode))
    }
}

impl LogFile for OpenLog {
    fn bytes(&self) -> &FileBytes {
        &self.bytes
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }
}

/// What the judgement of a run came to.
pub(super) struct Walked {
    pub(super) run: Run<OpenLog>,
    pub(super) end: WalkEnd,
    pub(super) facts: Vec<Fact>,
    pub(super) findings: FileFindings,
    /// Records that the batches hold; those of a wrapper message only where it was unpacked.
    pub(super) records: u64,
    pub(super) error: Option<Error>,
}

/// What stands in a run.
pub(super) enum Fact {
    /// A batch.
    Batch(BatchFacts),
    /// Bytes that no batch proves.
    Damage {
        range: Range<Position>,
        class: Class,
        offsets: Option<(Offset, Offset)>,
        /// What was found.
        problem: Problem,
        /// Zeros up to the end of the last file: they held nothing.
        is_empty: bool,
    },
}

/// What a thread keeps from run to run.
pub(super) struct Worker {
    scratch: Scratch,
    window: Vec<u8>,
    limits: Limits,
    depth: Depth,
}

impl Worker {
    pub(super) fn new(depth: Depth, limits: Limits) -> Self {
        let scratch = Scratch::new(limits.decompressed_bytes);
        Self { scratch, window: Vec::new(), limits, depth }
    }

    /// Judges a run.
    pub(super) fn judge(&mut self, run: Run<OpenLog>) -> Walked {
        let file = Arc::clone(&run.file);
        let mut judge = Judge {
            context: &file.context,
            file: &file.bytes,
            is_end_trusted: file.is_end_trusted,
            depth: self.depth,
            scratch: &mut self.scratch,
            facts: Vec::new(),
            findings: FileFindings::new(Arc::clone(&file.context.file)),
            records: 0,
            last: run.cut.previous,
        };
        let mut range = run.cut.range.clone();
        let mut bounds = run.bounds;
        if self.depth == Depth::Headers {
            range.start = judge.hop(&range, &mut bounds);
        }
        let buffer = std::mem::take(&mut self.window);
        let mut scanner = Scanner::with_buffer(&file.bytes, range, bounds, self.limits, buffer);
        let error = loop {
            match scanner.next() {
                Ok(Some(Piece::Proved(batch))) => judge.batch(&batch),
                Ok(Some(Piece::Damaged(damage))) => judge.damage(&damage),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let Judge { facts, findings, records, last, .. } = judge;
        let is_stopped = error.is_some();
        let end = WalkEnd { end: scanner.position(), bounds: scanner.bounds(), last, is_stopped };
        self.window = scanner.into_buffer();
        Walked { run, end, facts, findings, records, error }
    }
}

struct Judge<'j> {
    context: &'j LogContext,
    file: &'j FileBytes,
    is_end_trusted: bool,
    depth: Depth,
    scratch: &'j mut Scratch,
    facts: Vec<Fact>,
    findings: FileFindings,
    records: u64,
    last: Option<Offset>,
}

impl Judge<'_> {
    /// Goes from header to header where the file is mapped, and ends where one leads nowhere.
    fn hop(&mut self, range: &Range<u64>, bounds: &mut Bounds) -> u64 {
        let Some(whole) = self.file.whole() else { return range.start };
        let rest = usize::try_from(range.start).ok().and_then(|at| whole.get(at..));
        let mut batches = Batches::new(rest.unwrap_or_default(), Position(range.start));
        while batches.position().0 < range.end {
            let Some(Ok(batch)) = batches.next() else { break };
            self.batch(&batch);
            bounds.last_proved = Some(batch.last_offset());
        }
        batches.position().0
    }

    fn batch(&mut self, batch: &Batch<'_>) {
        judge_header(self.context, batch, &mut self.findings);
        let mut facts = BatchFacts::of(batch, self.scratch);
        let mut count = batch.records_count().and_then(|count| u64::try_from(count).ok());
        if count.is_none() && batch.known_base_offset().is_some() {
            count = Some(1);
        }
        if self.depth == Depth::Records && batch.records_count() != Some(0) {
            let records = judge_records(batch, self.scratch, &mut self.findings);
            facts.base_offset = facts.base_offset.or(records.first);
            count = count.or(Some(records.count));
            // An index that is right is not to be accused of what a header says.
            facts.max_timestamp = records.max_timestamp.unwrap_or(facts.max_timestamp);
        }
        self.records = self.records.saturating_add(count.unwrap_or(0));
        self.last = Some(batch.last_offset());
        self.facts.push(Fact::Batch(facts));
    }

    fn damage(&mut self, damage: &Damage<'_>) {
        let mut finding = damage_finding(self.context, damage, self.file);
        if let Problem::PreallocatedTail { stops_broker, .. } = &mut finding.problem {
            // A broker takes fewer bytes for an unfinished batch, which is nothing to it.
            let bytes = damage.range.end.0.saturating_sub(damage.range.start.0);
            *stops_broker = self.is_end_trusted && bytes > PREFIX_BYTES as u64;
        }
        let class = match &damage.kind {
            kind if kind.is_end_of_file() => Class::Tail,
            DamageKind::Unreadable { .. } | DamageKind::Gone | DamageKind::Limit { .. } => {
                Class::Unread
            }
            _ => Class::Damaged,
        };
        let (range, offsets) = (damage.range.clone(), finding.offsets);
        let problem = finding.problem.clone();
        self.findings.add_finding(finding);
        let is_empty = damage.kind == DamageKind::Zeros && !self.context.is_sealed;
        self.facts.push(Fact::Damage { range, class, offsets, problem, is_empty });
    }
}
