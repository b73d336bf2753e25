//! One partition, joined: the facts of its runs in their order, against each other and against the
//! derived files.

use super::broker::{self, BrokerView, SegmentView};
use super::directory::{PartitionEnds, partition_findings};
use super::log_join::{EndedLog, LogJoin};
use super::order::Order;
use super::replay::Replay;
use super::report::{PartitionReport, SegmentReport, Totals};
use super::run::{Fact, OpenLog, Walked};
use super::scope::{PartitionScope, VerifyOptions};
use super::{FileFindings, Finding, Problem};
use crate::error::Error;
use crate::format::{Offset, Position};
use crate::log::SegmentFiles;
use crate::log::names::{FileKind, FileName, OffsetCheckpoint};
use crate::log::partition::NamedFile;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log dir, and where the log of a partition in it begins and ends.
pub(super) type Ends = Option<(PathBuf, PartitionEnds)>;

/// Joins the runs of one partition.
pub(super) struct Join<'s> {
    scope: &'s PartitionScope,
    options: &'s VerifyOptions,
    order: Order,
    /// Of a file of batches that is no segment.
    other_order: Order,
    replay: Replay,
    log: Option<LogJoin>,
    findings: Vec<FileFindings>,
    totals: Totals,
    /// Where the segments end, as far as it is known.
    segments: Vec<SegmentView>,
    /// False once a segment, or a part of one, was not read.
    is_complete: bool,
    /// False once bytes were found that no batch proves.
    is_sound: bool,
    /// Segments that no one can read and that stand before what was joined.
    passed: usize,
}

impl<'s> Join<'s> {
    /// Begins a partition.
    pub(super) fn new(scope: &'s PartitionScope, options: &'s VerifyOptions) -> Self {
        let rebuilds = options.rebuild_with_interval.is_some();
        let is_cleaned = scope.checkpoint(OffsetCheckpoint::Cleaner).is_some();
        let segments = &scope.dir.segments;
        let view = |(number, files): (usize, &SegmentFiles)| SegmentView {
            base_offset: files.base_offset,
            next_offset: segments.get(number + 1).unwrap_or(files).base_offset,
            has_index: files.index.is_some(),
        };
        Self {
            scope,
            options,
            order: Order::new(is_cleaned),
            other_order: Order::default(),
            replay: Replay::new(scope, rebuilds, options.limits.index_bytes),
            log: None,
            findings: Vec::new(),
            totals: Totals { partitions: 1, ..Totals::default() },
            segments: segments.iter().enumerate().map(view).collect(),
            is_complete: scope.dir.unreadable.is_empty(),
            is_sound: true,
            passed: 0,
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
        let Some(log) = &mut self.log else { return ended };
        let is_segment = log.file.segment.is_some();
        let order = if is_segment { &mut self.order } else { &mut self.other_order };
        log.findings.append(walked.findings);
        log.add_records(walked.records);
        for fact in &walked.facts {
            match fact {
                Fact::Batch(batch) => {
                    log.batch(batch, self.options.depth);
                    let is_in_order = order.batch(batch, &mut log.findings);
                    if !is_in_order {
                        log.out_of_order();
                    }
                    if is_segment {
                        self.replay.batch(batch);
                    }
                    if is_segment && !is_in_order {
                        // What is behind it is not known to follow.
                        self.replay.damaged();
                    }
                }
                Fact::Damage { range, class, offsets, problem, is_empty } => {
                    log.damage(range, *class, *offsets, problem);
                    order.damaged(*offsets);
                    if is_segment && !is_empty {
                        self.replay.damaged();
                    }
                }
            }
        }
        if let Some(error) = &walked.error {
            self.leave_unread(Problem::UnreadableRange { why: error.reason() });
        }
        ended
    }

    /// A `.log` that could not be opened.
    pub(super) fn not_opened(&mut self, path: &Path, error: &Error) -> Option<SegmentReport> {
        let ended = self.end_log();
        self.is_complete = false;
        self.order.unread();
        self.replay.damaged();
        self.add(path, Position(0)..Position(0), Problem::not_opened(error));
        ended
    }

    /// The look ends here. What is not read of the log that is being read, and of those behind it,
    /// is said.
    pub(super) fn stop(&mut self, unread: &[(PathBuf, u64)], problem: &Problem) {
        self.leave_unread(problem.clone());
        if !unread.is_empty() {
            self.is_complete = false;
            self.order.unread();
            self.replay.damaged();
        }
        for (path, length) in unread {
            self.totals.coverage.unread += length;
            self.add(path, Position(0)..Position(*length), problem.clone());
        }
    }

    fn leave_unread(&mut self, problem: Problem) {
        if self.log.as_mut().is_some_and(|log| log.leave(problem)) {
            self.is_complete = false;
            self.order.unread();
            self.replay.damaged();
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
            self.other_order = Order::default();
        }
        let order = if file.segment.is_some() { &mut self.order } else { &mut self.other_order };
        order.segment(Arc::clone(&file.context.file), file.bounds);
        if let Some(files) = file.segment.and_then(|index| self.scope.dir.segments.get(index)) {
            self.replay.segment(file, files.txn_index.as_ref());
            if self.passes_unreadable(Some(files.base_offset)) {
                self.order.unread();
                self.replay.damaged();
            }
        }
        self.log = Some(LogJoin::new(file, self.options));
    }

    /// True when a `.log` that is not read stands before the segment that begins at `next`, or at
    /// the end, and behind all that were looked at for this before.
    fn passes_unreadable(&mut self, next: Option<Offset>) -> bool {
        let unreadable = self.scope.dir.unreadable.get(self.passed..).unwrap_or_default();
        let is_before = |log: &NamedFile| next.is_none_or(|next| log.name.offset < Some(next));
        let passed = unreadable.iter().take_while(|log| is_before(log)).count();
        self.passed += passed;
        passed > 0
    }

    fn end_log(&mut self) -> Option<SegmentReport> {
        let log = self.log.take()?;
        if log.is_empty() && log.file.context.is_sealed {
            self.order.empty_sealed_segment();
        }
        let is_segment = log.file.segment.is_some();
        if !is_segment {
            self.findings.extend(std::mem::take(&mut self.other_order).into_gaps());
        }
        if let Some(segment) = log.file.segment.and_then(|index| self.segments.get_mut(index)) {
            segment.next_offset = self.order.log_end().unwrap_or(segment.base_offset);
        }
        let EndedLog { coverage, batches, records, findings, mut report } = log.end();
        self.totals.add_log(&coverage, batches, records, is_segment);
        if let Some(report) = &mut report {
            self.is_sound &= report.is_sound;
            let rows = findings.iter().cloned().flat_map(FileFindings::into_rows);
            report.findings = rows.collect();
        }
        self.findings.extend(findings);
        report
    }

    /// How many files there are besides those of batches, which are counted as they are read.
    fn derived_files(&self) -> u64 {
        let dir = &self.scope.dir;
        let of_segments = dir.segments.iter().flat_map(|files| {
            [files.index.as_ref(), files.time_index.as_ref(), files.txn_index.as_ref()]
        });
        let alone = [
            dir.leader_epoch_checkpoint.as_ref(),
            dir.partition_metadata.as_ref(),
            dir.quorum_state.as_ref(),
        ];
        let named = dir.snapshots.iter().chain(&dir.orphans).chain(&dir.leftovers);
        let files = of_segments.chain(alone).flatten().chain(named.map(|named| &named.file));
        files.filter(|file| self.scope.wants_file(&file.path)).count() as u64
    }

    /// Where the log of a partition that is in service begins and ends, and in which log dir.
    fn ends(&self, log_end: Option<Offset>) -> Ends {
        let name = self.scope.dir.name.as_ref().filter(|name| name.suffix.is_none())?;
        let log_dir = self.scope.log_dir.as_ref().filter(|_| self.is_complete)?;
        let checkpoint = self.scope.checkpoint(OffsetCheckpoint::LogStart);
        let log_end = log_end?;
        // A checkpoint beyond the end says nothing about where the log begins.
        let checkpoint = checkpoint.filter(|checkpoint| *checkpoint <= log_end);
        let log_start = self.scope.dir.log_start_offset(checkpoint)?;
        let topic_partition = name.topic_partition.clone();
        let ends = PartitionEnds { topic_partition, log_start, log_end };
        Some((log_dir.path().to_owned(), ends))
    }

    /// Ends the partition.
    pub(super) fn finish(mut self) -> (Option<SegmentReport>, PartitionReport, Ends) {
        let ended = self.end_log();
        if self.passes_unreadable(None) {
            self.replay.damaged();
        }
        let log_end = self.order.log_end().max(self.segments.last().map(|last| last.base_offset));
        let compacted = self.order.is_compacted();
        let ends = self.ends(log_end);
        self.totals.files += self.derived_files();
        self.findings.extend(self.order.into_gaps());
        let (found, rebuilt) = self.replay.finish(compacted, log_end.unwrap_or_default());
        self.findings.extend(found);
        let mut findings: Vec<Finding> =
            self.findings.into_iter().flat_map(FileFindings::into_rows).collect();
        let in_directory = partition_findings(&self.scope.dir, self.scope.is_live());
        // An index that only cannot be read is not missing.
        let unreadable = in_directory.iter().filter(|f| is_not_readable(f));
        let unreadable: HashSet<Arc<Path>> = unreadable.map(|f| Arc::clone(&f.file)).collect();
        let is_missing = |f: &Finding| matches!(f.problem, Problem::IndexMissing { .. });
        findings.retain(|finding| !(is_missing(finding) && unreadable.contains(&finding.file)));
        // A segment that was written to when its writer was killed has neither: a broker that has
        // to build the .index builds the .txnindex with it.
        let last = self.scope.dir.segments.last().filter(|files| files.index.is_none());
        findings.retain(|finding| {
            let is_missing = matches!(finding.problem, Problem::TxnIndexMissing { .. });
            !(is_missing && last.is_some_and(|last| last.log.path == *finding.file))
        });
        findings.extend(in_directory);
        findings.retain(|finding| self.scope.wants_file(&finding.file));
        let log_dir = self.scope.log_dir.as_deref();
        let name = self.scope.dir.name.as_ref().map(|name| &name.topic_partition);
        let view = BrokerView::new(log_dir, name, &self.segments);
        for finding in findings.iter_mut().filter(|finding| finding.broker.is_none()) {
            finding.broker = broker::sentence(finding, &view);
        }
        if findings.len() > 1 {
            let ranks = FileRanks::of(self.scope);
            let place = |f: &Finding| (ranks.of_file(&f.file), f.range.start);
            findings.sort_by_cached_key(place);
        }
        let path = self.scope.dir.path().to_owned();
        let is_sound = self.is_sound && self.is_complete;
        let totals = self.totals;
        (ended, PartitionReport { path, findings, totals, is_sound, rebuilt }, ends)
    }
}

fn is_not_readable(finding: &Finding) -> bool {
    matches!(finding.problem, Problem::NotReadable { .. })
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
