//! One `.log`, joined: the account of its bytes, and its batches against the indexes beside it.

use super::coverage::{Account, Class, Coverage};
use super::derived::{Derived, DerivedFile};
use super::indexes::{IndexContext, LogRead, OffsetIndexCheck, TimeIndexCheck};
use super::problem::IndexKind;
use super::report::{Rebuilt, SegmentReport};
use super::run::{Depth, OpenLog};
use super::scope::VerifyOptions;
use super::stretches::{DamageStretch, Stretches};
use super::{FileFindings, Finding, Problem};
use crate::format::batch::PREFIX_BYTES;
use crate::format::replay::{BatchFacts, IndexBuilder, RebuiltIndexes};
use crate::format::{Offset, Position};
use crate::log::feed::LogFile;
use crate::log::names::{FileKind, FileName};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the header of magic 2.
const MAGIC_2_HEADER_BYTES: u64 = 61;

/// A broker keeps positions in 31 bits.
const MAX_LOG_BYTES: u64 = 2_147_483_647;

/// The last segment has no index before its first entry, which is due after 4 KiB; but each start
/// of a broker counts them anew.
const SMALL_LOG_BYTES: u64 = 64 << 10;

/// Joins the runs of one `.log`.
pub(super) struct LogJoin {
    pub(super) file: Arc<OpenLog>,
    /// About the `.log`.
    pub(super) findings: FileFindings,
    account: Account,
    batches: u64,
    records: u64,
    /// Where the zeros or the unfinished batch begin that the file ends in.
    tail: Option<Position>,
    is_damaged: bool,
    /// True once a part of it was not read that was to be.
    is_left: bool,
    index: Option<OffsetIndexCheck<Arc<[u8]>>>,
    time_index: Option<TimeIndexCheck<Arc<[u8]>>>,
    /// True once the log is so large that an index entry must have been due.
    is_entry_due: bool,
    has_timestamp: bool,
    builder: Option<IndexBuilder>,
    stretches: Option<Stretches>,
}

/// What the join of a `.log` came to.
pub(super) struct EndedLog {
    pub(super) coverage: Coverage,
    pub(super) batches: u64,
    pub(super) records: u64,
    /// About the `.log` and the indexes.
    pub(super) findings: Vec<FileFindings>,
    pub(super) report: Option<SegmentReport>,
}

impl LogJoin {
    /// Begins a file.
    pub(super) fn new(file: &Arc<OpenLog>, options: &VerifyOptions) -> Self {
        let base = file.bounds.segment_base.filter(|_| file.segment.is_some());
        let context = |derived: &DerivedFile| IndexContext {
            file: Arc::clone(&derived.path),
            length: derived.length,
            read: derived.read,
            base_offset: base.unwrap_or_default(),
            is_sealed: file.context.is_sealed,
            is_live: file.context.is_live,
        };
        let read =
            |derived: &Derived| derived.file().map(|file| (context(file), Arc::clone(&file.bytes)));
        let (index, time_index) = (read(&file.index), read(&file.time_index));
        let mut findings = FileFindings::new(Arc::clone(&file.context.file));
        let bytes = file.bytes().len();
        let is_too_large = base.is_some() && bytes > MAX_LOG_BYTES;
        if is_too_large {
            findings.add(Position(0)..Position(bytes), None, Problem::LogTooLarge { bytes });
        }
        Self {
            file: Arc::clone(file),
            findings,
            account: Account::default(),
            batches: 0,
            records: 0,
            tail: None,
            // Positions behind the greatest cannot be indexed.
            is_damaged: is_too_large,
            is_left: false,
            index: index.map(|(context, bytes)| OffsetIndexCheck::new(context, bytes)),
            time_index: time_index.map(|(context, bytes)| TimeIndexCheck::new(context, bytes)),
            is_entry_due: false,
            has_timestamp: false,
            stretches: options.collects_stretches.then(Stretches::default),
            builder: base
                .zip(options.rebuild_with_interval)
                .map(|(base, interval)| IndexBuilder::new(base, interval)),
        }
    }

    /// The next batch.
    pub(super) fn batch(&mut self, batch: &BatchFacts, depth: Depth) {
        let range = batch.position..batch.end();
        self.batches += 1;
        self.tail = None;
        match depth {
            Depth::Headers => {
                let is_newest = batch.magic == 2;
                let header = if is_newest { MAGIC_2_HEADER_BYTES } else { PREFIX_BYTES as u64 };
                self.account.header(range, header);
            }
            Depth::Checksums | Depth::Records => self.account.proved(range),
        }
        if let Some(index) = &mut self.index {
            index.take(batch);
        }
        if let Some(time_index) = &mut self.time_index {
            time_index.take(batch);
        }
        if let Some(builder) = &mut self.builder {
            builder.take(batch);
        }
        if let Some(stretches) = &mut self.stretches {
            stretches.batch(batch);
        }
        self.is_entry_due |= batch.position.0 > SMALL_LOG_BYTES;
        self.has_timestamp |= batch.max_timestamp >= 0;
    }

    /// The next bytes that no batch proves, and what was found in them.
    pub(super) fn damage(
        &mut self,
        range: &Range<Position>,
        class: Class,
        offsets: Option<(Offset, Offset)>,
        problem: &Problem,
    ) {
        if let Some(stretches) = &mut self.stretches {
            let (range, problem) = (range.clone(), problem.clone());
            stretches.damage(DamageStretch { range, class, offsets, problem });
        }
        self.other(range, class);
    }

    /// The next bytes that no batch proves, or that were not read.
    pub(super) fn other(&mut self, range: &Range<Position>, class: Class) {
        self.is_damaged |= class == Class::Damaged || self.file.context.is_sealed;
        self.is_left |= class == Class::Unread;
        self.tail = (class == Class::Tail).then_some(range.start);
        self.account.other(range.clone(), class);
        if class != Class::Tail {
            if let Some(index) = &mut self.index {
                index.damaged(range.clone());
            }
            if let Some(time_index) = &mut self.time_index {
                time_index.damaged(range.clone());
            }
        }
    }

    /// A batch stands where its offsets cannot be: what is built from such a log is wrong.
    pub(super) fn out_of_order(&mut self) {
        self.is_damaged = true;
    }

    /// Records that a run holds.
    pub(super) fn add_records(&mut self, records: u64) {
        self.records = self.records.saturating_add(records);
    }

    /// True when there is not a byte in it.
    pub(super) fn is_empty(&self) -> bool {
        self.account.position() == Position(0) && self.file.bytes.is_empty()
    }

    /// Leaves the rest of the file unread. False when nothing was left.
    pub(super) fn leave(&mut self, problem: Problem) -> bool {
        let (from, to) = (self.account.position(), Position(self.file.bytes().len()));
        if from >= to || self.file.bytes().is_stream() {
            return false;
        }
        self.findings.add(from..to, None, problem.clone());
        self.damage(&(from..to), Class::Unread, None, &problem);
        true
    }

    /// Ends the file.
    pub(super) fn end(self) -> EndedLog {
        let file = Arc::clone(&self.file);
        let is_stream = file.bytes.is_stream();
        let length = if is_stream { self.account.position().0 } else { file.bytes.len() };
        let is_empty = self.is_empty();
        let was_replaced = file.was_replaced();
        let coverage = self.account.close(length);
        let read = LogRead {
            length: self.tail.unwrap_or(Position(length)),
            is_complete: coverage.unread == 0 || coverage.headers > 0,
        };
        let mut findings = vec![self.findings];
        if let Some(log) = findings.last_mut().filter(|_| is_empty && file.segment.is_some()) {
            log.add(Position(0)..Position(0), None, Problem::SegmentEmpty);
        }
        if let Some(log) = findings.last_mut().filter(|_| was_replaced) {
            let problem = Problem::Replaced { settled: false };
            log.add(Position(0)..Position(length), None, problem);
        }
        for derived in [&file.index, &file.time_index].into_iter().filter_map(Derived::file) {
            let mut unread = FileFindings::new(Arc::clone(&derived.path));
            derived.unread().into_iter().for_each(|finding| unread.add_finding(finding));
            findings.push(unread);
        }
        findings.extend(self.index.map(|index| index.finish(read)));
        findings.extend(self.time_index.map(|index| index.finish(read)));
        let Some(base) = file.bounds.segment_base.filter(|_| file.segment.is_some()) else {
            let (batches, records, report) = (self.batches, self.records, None);
            return EndedLog { coverage, batches, records, findings, report };
        };
        let is_sealed = file.context.is_sealed;
        // A broker fills the time index when it seals a segment, and both when an entry is due.
        let needs_index = is_sealed && length > 0 || self.is_entry_due;
        let needs_time_index = (is_sealed || self.is_entry_due) && self.has_timestamp;
        let missing = [
            (IndexKind::Offset, FileKind::OffsetIndex, &file.index, !needs_index),
            (IndexKind::Time, FileKind::TimeIndex, &file.time_index, !needs_time_index),
        ];
        for (index, kind, derived, is_usual) in missing {
            findings.extend(absent(
                &file,
                base,
                kind,
                derived,
                Problem::IndexMissing { index, is_usual },
            ));
        }
        let report = SegmentReport {
            log: Arc::clone(&file.context.file),
            base_offset: base,
            is_sound: !self.is_damaged && !self.is_left,
            rebuilt: self.builder.map(|builder| rebuilt(&file, base, builder)).unwrap_or_default(),
            identity: file.identity,
            stretches: self.stretches.map(Stretches::into_inner).unwrap_or_default(),
            findings: Vec::new(),
        };
        let (batches, records, report) = (self.batches, self.records, Some(report));
        EndedLog { coverage, batches, records, findings, report }
    }
}

/// Both indexes as they should be.
fn rebuilt(file: &OpenLog, base: Offset, builder: IndexBuilder) -> Vec<Rebuilt> {
    let RebuiltIndexes { index, time_index } = builder.finish();
    let rebuilt = |kind, derived: &Derived, after: Vec<u8>| {
        let is_partly_read = derived.file().is_some_and(|file| file.unread().is_some());
        if is_partly_read || matches!(derived, Derived::Failed(_)) {
            // Nothing replaces what could not be looked at.
            return None;
        }
        let name = FileName::of_segment(base, kind).to_string();
        let path = file.context.file.with_file_name(name).as_path().into();
        let before = derived.file().cloned();
        let is_equal = before.as_ref().is_some_and(|before| before.is(&after));
        Some(Rebuilt { path, kind, before, after: (!is_equal).then_some(after), is_due: true })
    };
    let both = [
        rebuilt(FileKind::OffsetIndex, &file.index, index),
        rebuilt(FileKind::TimeIndex, &file.time_index, time_index),
    ];
    both.into_iter().flatten().collect()
}

/// What is wrong with an index that is not there, or cannot be read.
fn absent(
    file: &OpenLog,
    base: Offset,
    kind: FileKind,
    derived: &Derived,
    missing: Problem,
) -> Option<FileFindings> {
    let problem = match derived {
        Derived::Bytes(..) => return None,
        Derived::Missing => missing,
        Derived::Failed(error) => Problem::not_opened(error),
    };
    let name = FileName::of_segment(base, kind).to_string();
    let path = file.context.file.with_file_name(name);
    let mut findings = FileFindings::new(path.as_path().into());
    findings.add_finding(Finding::new(path.into(), Position(0)..Position(0), problem));
    Some(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::batches::LogContext;
    use crate::limits::Limits;
    use crate::log::runs::Bounds;
    use crate::log::{Access, FileBytes};

    fn options() -> VerifyOptions {
        VerifyOptions {
            depth: Depth::Headers,
            access: Access::Read,
            threads: 1,
            limits: Limits::STANDARD,
            max_duration: None,
            rebuild_with_interval: None,
            collects_stretches: false,
        }
    }

    #[test]
    fn a_log_that_no_broker_opens() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let codes = |file: &mut tempfile::NamedTempFile, bytes: u64, segment: Option<usize>| {
            file.as_file_mut().set_len(bytes).unwrap();
            let open = OpenLog {
                partition: 0,
                segment,
                bytes: FileBytes::open(file.path(), Access::Read).unwrap(),
                context: LogContext {
                    file: file.path().into(),
                    is_sealed: true,
                    is_live: false,
                    modified: None,
                },
                bounds: Bounds { segment_base: Some(Offset(0)), ..Bounds::default() },
                index: Derived::Missing,
                time_index: Derived::Missing,
                is_end_trusted: false,
                identity: None,
            };
            let join = LogJoin::new(&Arc::new(open), &options());
            assert_eq!(join.is_damaged, !join.findings.is_empty());
            let rows = join.findings.into_rows();
            let row = |row: &Finding| (row.problem.code(), row.range.end.0);
            rows.iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(codes(&mut file, 2_147_483_647, Some(0)), []);
        let expected = [("offset-overflow", 2_147_483_648)];
        assert_eq!(codes(&mut file, 2_147_483_648, Some(0)), expected);
        // A file of batches that is no segment.
        assert_eq!(codes(&mut file, 2_147_483_648, None), []);
    }
}
