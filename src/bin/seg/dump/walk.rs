//! Walking a run of a `.log`: what becomes of each piece.

use super::filter::Verdict;
use super::log::{Dump, Open, Walked};
use super::rows::Rows;
use super::{DumpFormat, Plan};
use crate::row::{BatchContext, BatchExtent};
use segkit::check::batches::{control_finding, damage_finding, offset_finding, records_finding};
use segkit::check::{Finding, Problem};
use segkit::format::control::ControlRecord;
use segkit::format::{Batch, Offset, Record, Scratch};
use segkit::log::feed::{Run, WalkEnd};
use segkit::log::runs::{Bounds, Damage, DamageKind, Piece, Scanner};
use segkit::ordered::Turn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Walks a run and writes its rows.
pub fn walk<R: Rows>(
    run: Run<Open>,
    plan: &Plan,
    left: Option<&AtomicU64>,
    rows: &mut R,
    scratch: &mut Scratch,
    turn: &mut Turn<'_, Dump<'_>>,
) -> Walked {
    let file = Arc::clone(&run.file);
    if run.is_first {
        rows.file(&file.target);
    }
    let mut scanner = Scanner::new(&file.bytes, run.cut.range.clone(), run.bounds, plan.limits);
    let (bounds, last, findings) = (run.bounds, run.cut.previous, Vec::new());
    let mut walk =
        Walk { file: &file, plan, left, rows, scratch, findings, bounds, last, behind: 0 };
    let (mut error, mut is_stopped) = (None, false);
    loop {
        let flow = match scanner.next() {
            Ok(None) => break,
            Ok(Some(piece)) if end(&piece) > plan.kafka.max_bytes => Flow::Stop,
            Ok(Some(Piece::Proved(batch))) => {
                walk.offsets(&batch);
                walk.batch(&batch, batch.crc())
            }
            Ok(Some(Piece::Damaged(damage))) => walk.damage(&damage),
            Err(failed) => {
                error = Some(failed);
                break;
            }
        };
        is_stopped = flow == Flow::Stop || !turn.offer(walk.rows.out());
        if is_stopped {
            break;
        }
    }
    let (findings, last) = (walk.findings, walk.last);
    let is_stopped = is_stopped || error.is_some();
    let end = WalkEnd { end: scanner.position(), bounds: scanner.bounds(), last, is_stopped };
    Walked { run, end, findings, error }
}

/// Where a piece ends in the file.
fn end(piece: &Piece<'_>) -> u64 {
    match piece {
        Piece::Proved(batch) => batch.position().plus(batch.size() as u64).0,
        Piece::Damaged(damage) => damage.range.end.0,
    }
}

/// Whether to go on with the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

struct Walk<'a, R> {
    file: &'a Open,
    plan: &'a Plan,
    left: Option<&'a AtomicU64>,
    rows: &'a mut R,
    scratch: &'a mut Scratch,
    /// What was found, and whether it stands among the rows.
    findings: Vec<(Finding, bool)>,
    /// What the names of the files say about offsets; dropped once it is contradicted.
    bounds: Bounds,
    /// The last offset of the batch before.
    last: Option<Offset>,
    /// How many batches in a row are behind all that is wanted.
    behind: u32,
}

/// In so few bytes `kafka-dump-log` looks for no batch; more zeros than that it dies of.
const NO_HEADER_BYTES: u64 = 17;

/// After this many batches in a row behind all that is wanted, no more are looked at.
const BEHIND_IS_ENOUGH: u32 = 16;

impl<R: Rows> Walk<'_, R> {
    fn batch(&mut self, batch: &Batch<'_>, crc: u32) -> Flow {
        let verdict = self.file.filter.batch(batch);
        self.behind = if verdict == Verdict::Behind { self.behind + 1 } else { 0 };
        match verdict {
            Verdict::Look => {}
            Verdict::Behind if self.behind >= BEHIND_IS_ENOUGH => return Flow::Stop,
            Verdict::Skip | Verdict::Behind => return Flow::GoOn,
        }
        if self.plan.records {
            return self.records(batch, crc);
        }
        if self.file.filter.has_wanted_record(batch, self.scratch) {
            let extent = self.extent(batch);
            self.rows.batch(&self.file.shown, batch, &extent, crc);
            return take_one(self.left);
        }
        Flow::GoOn
    }

    /// Says when the offsets of a batch cannot be. What the names of files say is dropped once it
    /// is contradicted: a file of the wrong name is said once, not with every batch.
    fn offsets(&mut self, batch: &Batch<'_>) {
        let found = offset_finding(&self.file.context, &self.bounds, self.last, batch);
        let problem = found.as_ref().map(|finding| &finding.problem);
        match problem {
            Some(Problem::OffsetBelowSegment { .. }) => self.bounds.segment_base = None,
            Some(Problem::OffsetBeyondNextSegment { .. }) => self.bounds.next_segment_base = None,
            _ => {}
        }
        if !matches!(problem, Some(Problem::OffsetOverflow { .. })) {
            self.last = Some(batch.last_offset());
        }
        if let Some(finding) = found {
            self.find(finding);
        }
    }

    /// First offset and count, which a wrapper message tells only when it is decompressed.
    fn extent(&mut self, batch: &Batch<'_>) -> BatchExtent {
        let known = BatchExtent {
            base_offset: batch.known_base_offset(),
            count: batch.records_count().map(i64::from),
        };
        if known.count.is_some() || !self.rows.shows_extent() {
            return known;
        }
        let Ok(records) = batch.records(self.scratch) else { return known };
        let mut found = BatchExtent { base_offset: None, count: Some(0) };
        for record in records {
            let Ok(record) = record else { return known };
            found.base_offset = found.base_offset.or(Some(record.offset));
            found.count = found.count.map(|count| count + 1);
        }
        found
    }

    fn records(&mut self, batch: &Batch<'_>, crc: u32) -> Flow {
        self.rows.open_batch(batch, crc);
        let mut context = BatchContext::new(&self.file.shown, *batch);
        let is_control = batch.attributes().is_control();
        let mut error = None;
        match batch.records(self.scratch) {
            Err(failed) => error = Some(failed),
            Ok(mut records) => loop {
                // Borrowed: to move a record costs as much as to print two of its numbers.
                let next = records.next();
                let record = match &next {
                    None => break,
                    Some(Ok(record)) => record,
                    Some(Err(failed)) => {
                        error = Some(*failed);
                        break;
                    }
                };
                if !self.file.filter.record(record) {
                    continue;
                }
                let control = is_control.then(|| control_record(record, batch));
                let control = match control.transpose() {
                    Ok(control) => control,
                    Err(failed) => {
                        let finding = control_finding(&self.file.context, batch, failed);
                        let is_written = self.rows.finding(&finding);
                        self.findings.push((finding, is_written));
                        None
                    }
                };
                let topic = self.file.topic;
                self.rows.record(&mut context, record, control.as_ref(), topic);
                if take_one(self.left) == Flow::Stop {
                    return Flow::Stop;
                }
            },
        }
        if let Some(error) = error {
            self.find(records_finding(&self.file.context, batch, error));
        }
        Flow::GoOn
    }

    fn find(&mut self, finding: Finding) {
        let is_written = self.rows.finding(&finding);
        self.findings.push((finding, is_written));
    }

    fn damage(&mut self, damage: &Damage<'_>) -> Flow {
        self.find(damage_finding(&self.file.context, damage, &self.file.bytes));
        match (&damage.kind, &damage.batch) {
            (&DamageKind::Checksum { computed, .. }, Some(batch))
                if !self.plan.records || self.plan.format == DumpFormat::Kafka =>
            {
                self.batch(batch, computed)
            }
            (DamageKind::CutOff { .. } | DamageKind::Zeros, _) => {
                let bytes = damage.range.end.0 - damage.range.start.0;
                let is_tail = damage.kind != DamageKind::Zeros || bytes <= NO_HEADER_BYTES;
                if is_tail && self.plan.kafka.max_bytes == u64::MAX {
                    self.rows.bytes_left(&self.file.target, bytes);
                }
                Flow::GoOn
            }
            _ => Flow::GoOn,
        }
    }
}

fn control_record<'a>(
    record: &Record<'a>,
    batch: &Batch<'_>,
) -> segkit::format::Result<ControlRecord<'a>> {
    ControlRecord::parse(record.key, record.value, batch.position())
}

/// One row of the limit is used up. Without a limit nothing is counted: atomic subtractions show.
#[inline]
fn take_one(left: Option<&AtomicU64>) -> Flow {
    match left.map(|left| left.fetch_sub(1, Ordering::Relaxed)) {
        Some(1) => Flow::Stop,
        _ => Flow::GoOn,
    }
}
