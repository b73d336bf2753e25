//! One partition, joined: the facts of its runs in their order, against each other and against the
//! derived files.

use super::coverage::{Account, Class};
use super::order::Order;
use super::problem::IndexKind;
use super::report::{PartitionReport, SegmentReport, Totals};
use super::run::{Depth, Fact, OpenLog, Walked};
use super::scope::{PartitionScope, VerifyOptions};
use super::{FileFindings, Finding, Problem};
use crate::error::Error;
use crate::format::Position;
use crate::format::batch::PREFIX_BYTES;
use crate::format::replay::BatchFacts;
use crate::log::feed::LogFile;
use crate::log::names::{FileKind, FileName, OffsetCheckpoint};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Joins the runs of one partition.
pub(super) struct Join<'s> {
    scope: &'s PartitionScope,
    options: &'s VerifyOptions,
    order: Order,
    log: Option<LogJoin>,
    findings: Vec<FileFindings>,
    totals: Totals,
    /// False once a segment, or a part of one, was not read.
    is_complete: bool,
}

/// Joins the runs of one `.log`.
struct LogJoin {
    file: Arc<OpenLog>,
    account: Account,
    findings: FileFindings,
    batches: u64,
    records: u64,
    /// Where the zeros or the unfinished batch begin that the file ends in.
    tail: Option<Position>,
    is_damaged: bool,
}

impl<'s> Join<'s> {
    /// Begins a partition.
    pub(super) fn new(scope: &'s PartitionScope, options: &'s VerifyOptions) -> Self {
        let is_cleaned = scope.checkpoint(OffsetCheckpoint::Cleaner).is_some();
        Self {
            scope,
            options,
            order: Order::new(is_cleaned),
            log: None,
            findings: Vec::new(),
            totals: Totals { partitions: 1, ..Totals::default() },
            is_complete: true,
        }
    }

    /// Takes the next run. The report of the segment before it, when this one begins another.
    pub(super) fn take(&mut self, walked: Walked) -> Option<SegmentReport> {
        let is_same = |log: &LogJoin| Arc::ptr_eq(&log.file, &walked.run.file);
        let mut ended = None;
        if !self.log.as_ref().is_some_and(is_same) {
            ended = self.end_log();
            self.begin_log(&walked.run.file);
        }
        let depth = self.options.depth;
        let Some(log) = &mut self.log else { return ended };
        log.findings.append(walked.findings);
        log.records = log.records.saturating_add(walked.records);
        for fact in &walked.facts {
            match fact {
                Fact::Batch(batch) => {
                    log.batch(batch, depth);
                    self.order.batch(batch, &mut log.findings);
                }
                Fact::Damage { range, class, offsets } => {
                    log.damage(range.clone(), *class);
                    self.order.damaged(*offsets);
                }
            }
        }
        if let Some(error) = &walked.error {
            let why = error.reason();
            self.leave_unread(Problem::UnreadableRange { why });
        }
        ended
    }

    /// A `.log` that could not be opened.
    pub(super) fn not_opened(&mut self, path: &Path, error: &Error) -> Option<SegmentReport> {
        let ended = self.end_log();
        self.is_complete = false;
        self.order.unread();
        let problem = match error.source.kind() {
            ErrorKind::NotFound => Problem::Vanished { settled: false },
            _ => Problem::NotReadable { why: error.reason() },
        };
        self.add(path, Position(0)..Position(0), problem);
        ended
    }

    /// The look ends here. What is not read of the log that is being read, and of those behind it,
    /// is said.
    pub(super) fn stop(&mut self, unread: &[(PathBuf, u64)], problem: &Problem) {
        self.leave_unread(problem.clone());
        for (path, length) in unread {
            self.is_complete = false;
            self.totals.coverage.unread += length;
            self.add(path, Position(0)..Position(*length), problem.clone());
        }
    }

    fn leave_unread(&mut self, problem: Problem) {
        let Some(log) = &mut self.log else { return };
        let (from, to) = (log.account.position(), Position(log.file.bytes().len()));
        if from < to && !log.file.bytes().is_stream() {
            self.is_complete = false;
            log.account.other(from..to, Class::Unread);
            log.findings.add(from..to, None, problem);
            self.order.unread();
        }
    }

    fn add(&mut self, path: &Path, range: Range<Position>, problem: Problem) {
        let mut findings = FileFindings::new(path.into());
        findings.add(range, None, problem);
        self.findings.push(findings);
    }

    fn begin_log(&mut self, file: &Arc<OpenLog>) {
        if file.segment.is_none() {
            // A file of batches that is no segment has an order of its own.
            self.end_order();
        }
        self.order.segment(Arc::clone(&file.context.file), file.bounds);
        self.log = Some(LogJoin {
            file: Arc::clone(file),
            account: Account::default(),
            findings: FileFindings::new(Arc::clone(&file.context.file)),
            batches: 0,
            records: 0,
            tail: None,
            is_damaged: false,
        });
    }

    fn end_order(&mut self) {
        let order = std::mem::take(&mut self.order);
        self.findings.extend(order.into_gaps());
    }

    fn end_log(&mut self) -> Option<SegmentReport> {
        let log = self.log.take()?;
        let file = Arc::clone(&log.file);
        let is_sealed = file.context.is_sealed;
        let mut findings = log.findings;
        let length = match file.bytes.is_stream() {
            true => log.account.position().0,
            false => file.bytes.len(),
        };
        if log.batches == 0 && length == 0 && file.segment.is_some() {
            findings.add(Position(0)..Position(0), None, Problem::SegmentEmpty);
            if is_sealed {
                self.order.empty_sealed_segment();
            }
        }
        let coverage = log.account.close(length);
        self.totals.add_log(&coverage, log.batches, log.records, file.segment.is_some());
        self.findings.push(findings);
        let segment = file.segment.and_then(|index| self.scope.dir.segments.get(index))?;
        for (kind, derived) in
            [(IndexKind::Offset, &file.index), (IndexKind::Time, &file.time_index)]
        {
            if let Some(problem) = derived.problem(Problem::IndexMissing { index: kind }) {
                let kind = match kind {
                    IndexKind::Offset => FileKind::OffsetIndex,
                    _ => FileKind::TimeIndex,
                };
                let name = FileName::of_segment(segment.base_offset, kind).to_string();
                let path = self.scope.dir.path().join(name);
                self.add(&path, Position(0)..Position(0), problem);
            }
        }
        Some(SegmentReport { is_sound: !log.is_damaged && coverage.unread == 0 })
    }

    /// Ends the partition.
    pub(super) fn finish(mut self) -> (Option<SegmentReport>, PartitionReport) {
        let ended = self.end_log();
        self.end_order();
        let mut findings: Vec<Finding> =
            self.findings.into_iter().flat_map(FileFindings::into_rows).collect();
        findings.retain(|finding| self.scope.wants_file(&finding.file));
        if findings.len() > 1 {
            let ranks = FileRanks::of(self.scope);
            let place = |f: &Finding| (ranks.of_file(&f.file), f.range.start);
            findings.sort_by_cached_key(place);
        }
        let path = self.scope.dir.path().to_owned();
        (ended, PartitionReport { path, findings, totals: self.totals })
    }
}

impl LogJoin {
    fn batch(&mut self, batch: &BatchFacts, depth: Depth) {
        let range = batch.position..batch.end();
        self.batches += 1;
        self.tail = None;
        match depth {
            Depth::Headers => {
                let header = if batch.magic == 2 { 61 } else { PREFIX_BYTES as u64 };
                self.account.header(range, header);
            }
            Depth::Checksums | Depth::Records => self.account.proved(range),
        }
    }

    fn damage(&mut self, range: Range<Position>, class: Class) {
        self.is_damaged |= class == Class::Damaged || self.file.context.is_sealed;
        self.tail = (class == Class::Tail).then_some(range.start);
        self.account.other(range, class);
    }
}

/// In which order the files of a partition are reported.
struct FileRanks(HashMap<PathBuf, usize>);

impl FileRanks {
    /// Segment by segment, then everything else in the order of names.
    fn of(scope: &PartitionScope) -> Self {
        let dir = &scope.dir;
        let names = [
            FileKind::Log,
            FileKind::OffsetIndex,
            FileKind::TimeIndex,
            FileKind::TxnIndex,
            FileKind::ProducerSnapshot,
        ];
        let segments = dir.segments.iter().map(|files| (files.base_offset, &files.log.path));
        let others = dir.unreadable.iter();
        let others = others.map(|log| (log.name.offset.unwrap_or_default(), &log.file.path));
        let mut logs: Vec<_> = segments.chain(others).collect();
        logs.sort();
        let mut ranks = HashMap::new();
        for (base, log) in logs {
            let next = ranks.len();
            ranks.entry(log.clone()).or_insert(next);
            for kind in names {
                let path = dir.path().join(FileName::of_segment(base, kind).to_string());
                let next = ranks.len();
                ranks.entry(path).or_insert(next);
            }
        }
        Self(ranks)
    }

    fn of_file(&self, path: &Path) -> (usize, PathBuf) {
        match self.0.get(path) {
            Some(rank) => (*rank, PathBuf::new()),
            None => (usize::MAX, path.to_owned()),
        }
    }
}
