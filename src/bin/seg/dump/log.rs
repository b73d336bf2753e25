//! Dumping `.log` files: cut into runs, walked by all threads, written in order.

use super::filter::{Filter, Verdict};
use super::rows::{JsonRows, KafkaRows, Rows, TextRows, Topic};
use super::{DumpFormat, Plan};
use crate::cli::Common;
use crate::findings;
use crate::input::{Partition, Target};
use crate::ordered::{self, Job, Turn};
use crate::output::Output;
use crate::progress_bar::Bar;
use crate::row::{BatchContext, BatchExtent};
use segkit::check::Finding;
use segkit::check::batches::{LogContext, control_finding, damage_finding, records_finding};
use segkit::error::Error;
use segkit::format::control::ControlRecord;
use segkit::format::replay::Transactions;
use segkit::format::{Batch, Offset, Scratch};
use segkit::log::lookup::{Outcome as Answer, Place};
use segkit::log::runs::{Bounds, Cut, Cutter, Damage, DamageKind, Piece, Scanner};
use segkit::log::{FileBytes, FileKind, Workspace};
use segkit::progress::Progress;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is being dumped.
struct Open {
    index: usize,
    target: Target,
    shown: String,
    bytes: FileBytes,
    filter: Filter,
    topic: Option<Topic>,
    context: LogContext,
    bounds: Bounds,
}

/// A run of a file: whole batches, as far as can be told without looking at them.
struct Run {
    file: Arc<Open>,
    cut: Cut,
    is_first: bool,
}

/// What is handed out: a run, or a file that cannot be opened, so that it is said in its place.
enum Part {
    Run(Run),
    Unopened(Error),
}

/// What a run came to.
struct Walked {
    run: Run,
    /// Where the walk ended, which is where the next run has to begin.
    end: u64,
    findings: Vec<Finding>,
    error: Option<Error>,
    /// Nothing more is wanted of this file.
    is_stopped: bool,
}

enum Done {
    Walked(Walked),
    Unopened(Error),
}

/// Dumps `targets`, all of them logs.
pub fn run(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    out: &mut Output,
) -> anyhow::Result<()> {
    let color = out.color;
    match plan.format {
        DumpFormat::Json => dump(targets, plan, common, out, || JsonRows::new(plan)),
        DumpFormat::Text => dump(targets, plan, common, out, || TextRows::new(plan, color)),
        DumpFormat::Kafka => dump(targets, plan, common, out, || KafkaRows::new(plan)),
    }
}

fn dump<R: Rows>(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    out: &mut Output,
    new_rows: impl Fn() -> R + Sync,
) -> anyhow::Result<()> {
    let left = AtomicU64::new(plan.select.limit.unwrap_or(u64::MAX));
    // With a limit, what is printed depends on what was printed before; a pipe is read once.
    let one_thread = plan.select.limit.is_some() || targets.iter().any(Target::is_stdin);
    let threads = if one_thread { 1 } else { common.threads() };
    let bar = Bar::new(common, targets.iter().map(Target::size).sum());
    let job = Dump { targets, plan, out, bar: &bar, left: &left, next: Next::File(0), facts: None };
    let new_worker = || (new_rows(), Scratch::new(plan.limits.decompressed_bytes));
    ordered::run(job, threads, new_worker, |(rows, scratch), part, turn| {
        let done = match part {
            Part::Unopened(error) => Done::Unopened(error),
            Part::Run(run) => Done::Walked(walk(run, plan, &left, rows, scratch, turn)),
        };
        Ok((std::mem::take(rows.out()), done))
    })?;
    Ok(())
}

/// Where the next run comes from.
enum Next {
    /// The beginning of this file.
    File(usize),
    /// The rest of one.
    Rest { file: Arc<Open>, cutter: Cutter, is_first: bool },
    /// Not known until the run that was handed out last has been walked.
    Unknown,
}

struct Dump<'a> {
    targets: &'a [Target],
    plan: &'a Plan,
    out: &'a mut Output,
    bar: &'a Bar,
    left: &'a AtomicU64,
    next: Next,
    /// What was found out about the partition of the file that was opened last.
    facts: Option<(Arc<Partition>, Facts)>,
}

impl Job for Dump<'_> {
    type Piece = Part;
    type Done = Done;

    fn next(&mut self) -> anyhow::Result<Option<Part>> {
        loop {
            match std::mem::replace(&mut self.next, Next::Unknown) {
                Next::Unknown => return Ok(None),
                Next::File(index) => {
                    let Some(target) = self.targets.get(index) else {
                        self.next = Next::File(index);
                        return Ok(None);
                    };
                    self.next = Next::File(index + 1);
                    match self.open(index, target) {
                        Ok(Some(rest)) => self.next = rest,
                        Ok(None) => {}
                        Err(error) => return Ok(Some(Part::Unopened(error))),
                    }
                }
                Next::Rest { file, mut cutter, is_first } => {
                    let Some(cut) = cutter.next(&file.bytes, is_first) else {
                        self.next = Next::File(file.index + 1);
                        continue;
                    };
                    if cut.is_end_known {
                        self.next = Next::Rest { file: Arc::clone(&file), cutter, is_first: false };
                    }
                    return Ok(Some(Part::Run(Run { file, cut, is_first })));
                }
            }
        }
    }

    fn write(&mut self, output: &mut Vec<u8>) -> anyhow::Result<bool> {
        self.out.write(output)?;
        Ok(true)
    }

    fn finish(&mut self, done: Done) -> anyhow::Result<bool> {
        let walked = match done {
            Done::Walked(walked) => walked,
            Done::Unopened(error) => {
                self.out.error(&error)?;
                return Ok(true);
            }
        };
        let Run { file, cut, .. } = walked.run;
        self.bar.advance(walked.end.saturating_sub(cut.range.start));
        for finding in &walked.findings {
            let in_stream = self.plan.format == DumpFormat::Json;
            findings::report(finding, in_stream, self.out)?;
        }
        if let Some(error) = &walked.error {
            self.out.error(error)?;
        }
        if self.left.load(Ordering::Relaxed) == 0 {
            self.next = Next::File(self.targets.len());
            return Ok(false);
        }
        if walked.is_stopped || walked.error.is_some() {
            self.next = Next::File(file.index + 1);
            return Ok(false);
        }
        if cut.is_end_known && walked.end == cut.range.end {
            return Ok(true);
        }
        // Damage: what was handed out since begins in the wrong place.
        self.next = Next::Rest { file, cutter: Cutter::new(walked.end), is_first: false };
        Ok(false)
    }
}

impl Dump<'_> {
    /// Opens a file and finds out where to start. `None`: nothing in it is wanted.
    fn open(&mut self, index: usize, target: &Target) -> Result<Option<Next>, Error> {
        let facts = self.facts(target)?;
        let filter = Filter::new(self.plan, facts.log_end, facts.transactions.clone());
        let base = target.base_offset().filter(|_| target.kind == FileKind::Log);
        let next_base = match (&target.partition, base) {
            (Some(partition), Some(base)) => partition.next_base(base),
            _ => None,
        };
        let first = Offset(filter.first_offset());
        if next_base.is_some_and(|next| next <= first)
            || base.is_some_and(|base| base.0 >= filter.end_offset())
        {
            return Ok(None);
        }
        let bytes = target.open()?;
        let Some(from) = self.start(target, &filter, &facts)? else { return Ok(None) };
        let is_live = target.partition.as_ref().is_some_and(|partition| partition.is_live());
        let context =
            LogContext { file: target.path.clone(), is_sealed: next_base.is_some(), is_live };
        let file = Arc::new(Open {
            index,
            shown: target.shown(),
            topic: Topic::of(target, self.plan),
            bounds: Bounds { segment_base: base, next_segment_base: next_base, last_proved: None },
            target: target.clone(),
            bytes,
            filter,
            context,
        });
        Ok(Some(Next::Rest { file, cutter: Cutter::new(from), is_first: true }))
    }

    /// Where the first batch that may be wanted begins; the indexes make finding it fast. `None`:
    /// there is none in this file.
    fn start(&self, target: &Target, filter: &Filter, facts: &Facts) -> Result<Option<u64>, Error> {
        let Some(partition) = &target.partition else { return Ok(Some(0)) };
        let segments = &partition.dir.segments;
        let Some(index) = segments.iter().position(|files| files.log.path == target.path) else {
            return Ok(Some(0));
        };
        let mut start = match facts.first_in_time {
            Some(Some(place)) if place.segment == index => place.position.0,
            Some(Some(place)) if place.segment < index => 0,
            Some(_) => return Ok(None),
            None => 0,
        };
        if filter.first_offset() > target.base_offset().map_or(i64::MAX, |base| base.0) {
            let open = partition.open(self.plan.limits);
            let mut workspace = Workspace::new(&self.plan.limits);
            let edge = open.position_of(index, Offset(filter.first_offset()), &mut workspace)?;
            start = start.max(edge.position.0);
        }
        Ok(Some(start))
    }

    /// What the selection needs to know about the target's partition; asked once for each.
    fn facts(&mut self, target: &Target) -> Result<Facts, Error> {
        let select = &self.plan.select;
        let Some(partition) = &target.partition else { return Ok(Facts::default()) };
        if let Some((known, facts)) = &self.facts
            && Arc::ptr_eq(known, partition)
        {
            return Ok(facts.clone());
        }
        let mut facts = Facts::default();
        if select.offsets.is_some_and(|range| range.is_relative()) {
            let mut workspace = Workspace::new(&self.plan.limits);
            let open = partition.open(self.plan.limits);
            facts.log_end = open.log_end(&mut workspace)?.offset.0;
        }
        if let Some(from) = select.time.and_then(|range| range.from) {
            facts.first_in_time = first_in_time(partition, from, self.plan)?;
        }
        if select.committed {
            facts.transactions = Some(Arc::new(transactions(partition, self.plan)?));
        }
        self.facts = Some((Arc::clone(partition), facts.clone()));
        Ok(facts)
    }
}

/// What a selection needs to know about a partition.
#[derive(Clone, Default)]
struct Facts {
    log_end: i64,
    /// Where the first record stands that is young enough; `Some(None)`: there is none, `None`: it
    /// was not looked for, or damage kept it from being found.
    first_in_time: Option<Option<Place>>,
    transactions: Option<Arc<Transactions>>,
}

fn first_in_time(
    partition: &Partition,
    from: i64,
    plan: &Plan,
) -> Result<Option<Option<Place>>, Error> {
    let mut workspace = Workspace::new(&plan.limits);
    let found = partition.open(plan.limits).time(from, &mut workspace)?;
    Ok(match found.outcome {
        Answer::Hit(hit) => Some(Some(hit.place)),
        Answer::Miss(_) => Some(None),
        Answer::Damaged(_) => None,
    })
}

/// Replays the transactions of a whole partition: one may begin segments before it is aborted.
fn transactions(partition: &Partition, plan: &Plan) -> Result<Transactions, Error> {
    let mut transactions = Transactions::default();
    let mut scratch = Scratch::new(plan.limits.decompressed_bytes);
    for files in &partition.dir.segments {
        let bytes = FileBytes::open(&files.log.path, partition.access())?;
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(files.base_offset),
            next_segment_base: partition.next_base(files.base_offset),
        };
        let mut scanner = Scanner::new(&bytes, 0..u64::MAX, bounds, plan.limits);
        while let Some(piece) = scanner.next()? {
            if let Piece::Proved(batch) = piece {
                transactions.replay(&batch, &mut scratch);
            }
        }
    }
    Ok(transactions)
}

/// Walks a run and writes its rows.
fn walk<R: Rows>(
    run: Run,
    plan: &Plan,
    left: &AtomicU64,
    rows: &mut R,
    scratch: &mut Scratch,
    turn: &mut Turn<'_, Dump<'_>>,
) -> Walked {
    let file = Arc::clone(&run.file);
    if run.is_first {
        rows.file(&file.target);
    }
    let mut scanner = Scanner::new(&file.bytes, run.cut.range.clone(), file.bounds, plan.limits);
    let mut walk = Walk { file: &file, plan, left, rows, scratch, findings: Vec::new() };
    let (mut error, mut is_stopped) = (None, false);
    loop {
        let flow = match scanner.next() {
            Ok(None) => break,
            Ok(Some(Piece::Proved(batch))) => walk.batch(&batch, batch.crc()),
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
    let findings = walk.findings;
    Walked { end: scanner.position(), run, findings, error, is_stopped }
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
    left: &'a AtomicU64,
    rows: &'a mut R,
    scratch: &'a mut Scratch,
    findings: Vec<Finding>,
}

impl<R: Rows> Walk<'_, R> {
    fn batch(&mut self, batch: &Batch<'_>, crc: u32) -> Flow {
        match self.file.filter.batch(batch) {
            Verdict::Look => {}
            Verdict::Skip => return Flow::GoOn,
            Verdict::Stop => return Flow::Stop,
        }
        if self.plan.records {
            return self.records(batch, crc);
        }
        if self.file.filter.has_wanted_record(batch, self.scratch) {
            let extent = self.extent(batch);
            self.rows.batch(&self.file.shown, batch, &extent, crc);
            return self.take_one();
        }
        Flow::GoOn
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
        let records = match batch.records(self.scratch) {
            Ok(records) => records,
            Err(error) => {
                self.findings.push(records_finding(&self.file.context, batch, error));
                return Flow::GoOn;
            }
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.findings.push(records_finding(&self.file.context, batch, error));
                    return Flow::GoOn;
                }
            };
            if !self.file.filter.record(&record) {
                continue;
            }
            let control = match is_control {
                false => None,
                true => match ControlRecord::parse(record.key, record.value, batch.position()) {
                    Ok(control) => Some(control),
                    Err(error) => {
                        let finding = control_finding(&self.file.context, batch, error);
                        self.findings.push(finding);
                        None
                    }
                },
            };
            self.rows.record(&mut context, &record, control.as_ref(), self.file.topic);
            // `take_one`, but without borrowing what the records borrow.
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }

    fn damage(&mut self, damage: &Damage<'_>) -> Flow {
        self.findings.push(damage_finding(&self.file.context, damage));
        match (damage.kind, &damage.batch) {
            (DamageKind::Checksum { computed, .. }, Some(batch))
                if !self.plan.records || self.plan.format == DumpFormat::Kafka =>
            {
                self.batch(batch, computed)
            }
            (DamageKind::CutOff { .. }, _) => {
                let bytes = damage.range.end.0 - damage.range.start.0;
                self.rows.bytes_left(&self.file.target, bytes);
                Flow::GoOn
            }
            _ => Flow::GoOn,
        }
    }

    /// One row of the limit is used up.
    fn take_one(&mut self) -> Flow {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            1 => Flow::Stop,
            _ => Flow::GoOn,
        }
    }
}
