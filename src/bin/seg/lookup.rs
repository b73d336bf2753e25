//! `seg lookup`: where the record of an offset or a time is, and how it was found.

use crate::cli::{Common, Format, UsageError, Values};
use crate::findings;
use crate::help::{self, Example};
use crate::input::{self, Partition, Surroundings};
use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink, TextLines};
use crate::row::{self, ValueStyles};
use crate::time;
use crate::values::{count, size, terminal_text, timestamp};
use segkit::check::batches::{LogContext, damage_finding, offset_finding};
use segkit::check::remedy::shell_word;
use segkit::error::Error;
use segkit::format::offset_index::OffsetPosition;
use segkit::format::time_index::TimestampOffset;
use segkit::format::{Batch, Offset, Position, Scratch};
use segkit::log::lookup::{
    Damage, Distrusted, Hit, Lookup, Miss, MissReason, Outcome as Answer, Place, Searched, Steps,
};
use segkit::log::runs::{Bounds, Piece, Scanner};
use segkit::log::{OpenPartition, Workspace, log_dir};
use std::path::{Path, PathBuf};

/// What `seg lookup --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Answers with the first record at or after an offset, or with the first that is at least \
         as young as a time, as a broker would: the segment by its name, the place by the index, \
         the batch by its header.",
        "The indexes make an answer fast, the log makes it right: an entry that does not agree \
         with the log is passed over, and that is said. With a directory above partitions, every \
         partition answers.",
    ],
    examples: &[
        Example::new(
            "seg lookup testdata/kafka-4.3.1/lookup-0 --offset 3000",
            "the record at an offset",
        ),
        Example::new(
            "seg lookup testdata/kafka-4.3.1/lookup-0 --offset 3000 --explain",
            "and every step of the search",
        ),
        Example::new(
            "seg lookup testdata/kafka-4.3.1/lookup-0 --time 2026-11-22T16:55:00Z",
            "the first record from a time on",
        ),
        Example::no(
            "seg lookup testdata/kafka-4.3.1 --time 2026-11-22T17:35:30Z",
            "in every partition; some have none so young",
        ),
        Example::no("seg lookup testdata/kafka-4.3.1/trimmed-0 --offset 5", "why there is none"),
    ],
    status: help::STATUS,
    files: &[],
};

/// The arguments of `seg lookup`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("wanted").required(true).args(["offset", "time"])))]
pub struct Args {
    /// Partition directories, or directories above them
    #[arg(value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    dirs: Vec<PathBuf>,
    /// The record at this offset
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    offset: Option<i64>,
    /// The first from then on: ms, RFC 3339, or '2h ago'
    ///
    /// Epoch milliseconds, or RFC 3339, in UTC where it names no zone.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    time: Option<String>,
    /// Show every step of the search and what it cost
    #[arg(long)]
    explain: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    format: Format,
    #[command(flatten)]
    values: Values,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Wanted {
    Offset(Offset),
    Time(i64),
}

/// Answers for every partition.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let wanted = match (&args.time, args.offset) {
        (Some(text), _) => Wanted::Time(time::parse(text, time::now()).map_err(UsageError)?),
        (None, offset) => Wanted::Offset(Offset(offset.unwrap_or_default())),
    };
    if let Wanted::Time(millis) = wanted
        && let Some(doubt) = time::doubt(millis)
    {
        out.say(format!("seg: {doubt}\n").as_bytes())?;
    }
    let mut surroundings = Surroundings::default();
    for dir in &args.dirs {
        match partitions(dir, args, out) {
            Ok(paths) => {
                for path in paths {
                    match surroundings.partition(&path) {
                        Ok(partition) => {
                            let mut search = Search::new(args, &partition, wanted);
                            if let Err(error) = search.run(out)? {
                                out.error(&error)?;
                            }
                        }
                        Err(error) => out.error(&error)?,
                    }
                }
            }
            Err(error) => out.error(&error)?,
        }
    }
    Ok(Outcome::default())
}

fn partitions(dir: &Path, args: &Args, out: &mut Output) -> Result<Vec<PathBuf>, Error> {
    let found = log_dir::find(dir)?;
    if matches!(found.kind, log_dir::PathKind::File(_)) {
        let word = input::parent_word(dir);
        let wanted = match (&args.time, args.offset) {
            (Some(time), _) => match time.strip_prefix('-') {
                Some(rest) => format!("--time -{}", shell_word(rest)),
                None => format!("--time {}", shell_word(time)),
            },
            (None, offset) => format!("--offset {}", offset.unwrap_or_default()),
        };
        let why = format!("it is a file; use: seg lookup {word} {wanted}");
        return Err(Error::other("looking into", dir, why));
    }
    for error in &found.errors {
        let _ = out.error(error);
    }
    if found.partitions.is_empty() { Err(input::nothing_here(dir)) } else { Ok(found.partitions) }
}

/// One partition's search.
struct Search<'a> {
    args: &'a Args,
    partition: &'a Partition,
    open: OpenPartition,
    wanted: Wanted,
    workspace: Workspace,
}

impl<'a> Search<'a> {
    fn new(args: &'a Args, partition: &'a Partition, wanted: Wanted) -> Self {
        let limits = args.common.limits();
        Self {
            args,
            partition,
            open: partition.open(limits),
            wanted,
            workspace: Workspace::new(&limits),
        }
    }

    /// The outer error is one of writing, the inner one of looking.
    fn run(&mut self, out: &mut Output) -> anyhow::Result<Result<(), Error>> {
        let workspace = &mut self.workspace;
        let mut lookup = match self.wanted {
            Wanted::Offset(offset) => self.open.offset(offset, workspace),
            Wanted::Time(time) => self.open.time(time, workspace),
        };
        let mut is_damaged = false;
        loop {
            let found = match lookup {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            let Answer::Damaged(damage) = found.outcome else {
                return self.answer(&found, is_damaged, out);
            };
            is_damaged = true;
            let behind = match self.step_over(damage, out)? {
                Ok(behind) => behind,
                Err(error) => return Ok(Err(error)),
            };
            lookup = match self.wanted {
                Wanted::Offset(offset) => {
                    self.open.offset_from(offset, behind, &mut self.workspace)
                }
                Wanted::Time(time) => self.open.time_from(time, behind, &mut self.workspace),
            };
        }
    }

    /// Says what is damaged, and goes on to the next batch that may hold what is wanted. One search
    /// serves all damages on the way.
    fn step_over(&self, damage: Damage, out: &mut Output) -> anyhow::Result<Result<Place, Error>> {
        let segment = match self.open.segment(damage.place.segment) {
            Ok(segment) => segment,
            Err(error) => return Ok(Err(error)),
        };
        let next_base = self.partition.next_base(segment.base_offset);
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(segment.base_offset),
            next_segment_base: next_base,
        };
        let context = LogContext {
            file: segment.log.path().into(),
            is_sealed: next_base.is_some(),
            is_live: self.partition.is_live(),
            modified: None,
        };
        let range = damage.place.position.0..u64::MAX;
        let mut scanner = Scanner::new(&segment.log, range, bounds, self.args.common.limits());
        let mut position = Position(segment.log.len());
        let mut is_first = true;
        loop {
            match scanner.next() {
                Err(error) => return Ok(Err(error)),
                Ok(None) => break,
                Ok(Some(Piece::Damaged(found))) => {
                    let finding = damage_finding(&context, &found, &segment.log);
                    findings::report(&finding, self.args.format == Format::Json, out)?;
                }
                // The first one is what the search ended at: its offsets are what is damaged.
                Ok(Some(Piece::Proved(batch))) if !is_first && self.may_hold(&batch) => {
                    position = batch.position();
                    break;
                }
                Ok(Some(Piece::Proved(batch))) if is_first && damage.is_out_of_order() => {
                    match offset_finding(&context, &bounds, None, &batch) {
                        Some(found) => {
                            findings::report(&found, self.args.format == Format::Json, out)?;
                        }
                        None => {
                            let why = damage.error.to_string();
                            out.error(&Error::other("reading", segment.log.path(), why))?;
                        }
                    }
                }
                Ok(Some(Piece::Proved(_))) => {}
            }
            is_first = false;
        }
        Ok(Ok(Place { segment: damage.place.segment, position }))
    }

    fn may_hold(&self, batch: &Batch<'_>) -> bool {
        match self.wanted {
            Wanted::Offset(offset) => batch.last_offset() >= offset,
            Wanted::Time(time) => batch.max_timestamp() >= time,
        }
    }

    fn answer(
        &self,
        found: &Lookup,
        is_damaged: bool,
        out: &mut Output,
    ) -> anyhow::Result<Result<(), Error>> {
        match found.outcome {
            Answer::Hit(hit) => self.hit(&hit, &found.steps, out),
            Answer::Miss(miss) => {
                out.outcome.add(Outcome::NO);
                self.miss(&miss, &found.steps, is_damaged, out)?;
                Ok(Ok(()))
            }
            Answer::Damaged(_) => Ok(Ok(())),
        }
    }

    fn hit(&self, hit: &Hit, steps: &Steps, out: &mut Output) -> anyhow::Result<Result<(), Error>> {
        let mut scratch = Scratch::new(self.args.common.limits().decompressed_bytes);
        let mut buffer = Vec::new();
        let file = self.log_path(hit.place.segment);
        let read = self.open.batch_at(hit.place, &mut buffer);
        let batch = match read {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => return Ok(Err(Error::other("reading", &file, error.to_string()))),
            Err(error) => return Ok(Err(error)),
        };
        let record = batch.records(&mut scratch).ok().and_then(|mut records| {
            records.find_map(|r| r.ok().filter(|r| r.offset == hit.offset))
        });
        let styles = ValueStyles { key: self.args.values.key_as, value: self.args.values.value_as };
        let place = row::HitPlace {
            partition: self.partition.dir.name.as_ref().map(|name| &name.topic_partition),
            file: &file.to_string_lossy(),
            segment_base_offset: self.base_offset(hit.place.segment),
            steps,
            hit,
        };
        match self.args.format {
            Format::Json => {
                let mut sink = JsonLines::default();
                row::hit(&mut sink, &place, record.as_ref(), styles);
                out.write(sink.buffer())?;
            }
            Format::Text => {
                if self.args.explain {
                    out.write(self.explain(hit.place.segment, steps).as_bytes())?;
                    out.write(b"record       ")?;
                } else {
                    let label = input::partition_label(&self.partition.dir);
                    out.write(format!("{}  ", terminal_text(&label)).as_bytes())?;
                }
                let mut sink = TextLines::default();
                row::hit_text(&mut sink, &place, record.as_ref(), styles, self.args.explain);
                out.write(sink.buffer())?;
            }
        }
        Ok(Ok(()))
    }

    fn miss(
        &self,
        miss: &Miss,
        steps: &Steps,
        is_damaged: bool,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        let reason = if is_damaged { "damaged" } else { reason(&miss.reason) };
        if self.args.format == Format::Json {
            let mut sink = JsonLines::default();
            let partition = self.partition.dir.name.as_ref().map(|name| &name.topic_partition);
            row::miss(&mut sink, partition, reason, miss);
            return Ok(out.write(sink.buffer())?);
        }
        if self.args.explain && steps.segments > 0 {
            let floor = self.floor_segment();
            out.write(self.explain(floor, steps).as_bytes())?;
        }
        let label = terminal_text(&input::partition_label(&self.partition.dir));
        let sentence = self.sentence(miss, is_damaged);
        out.write(format!("{label}  {sentence}\n").as_bytes())?;
        Ok(())
    }

    /// One sentence for people.
    fn sentence(&self, miss: &Miss, is_damaged: bool) -> String {
        let (start, end) = (miss.log_start_offset, miss.log_end.offset);
        let wanted = match self.wanted {
            Wanted::Offset(offset) => format!("offset {offset}"),
            Wanted::Time(time) => timestamp(time),
        };
        match miss.reason {
            _ if is_damaged => format!("{wanted} may be in bytes that are damaged: see stderr"),
            MissReason::BelowLogStart if matches!(self.wanted, Wanted::Offset(Offset(..0))) => {
                format!("{wanted} cannot be: offsets begin at 0")
            }
            MissReason::BelowLogStart => {
                format!("{wanted} is below the log start offset {start}: it was deleted")
            }
            MissReason::PastLogEnd => format!("{wanted} is not written yet: the log ends at {end}"),
            MissReason::Gap { next_offset: Some(next), .. } => {
                format!(
                    "{wanted} is in a gap, as compaction leaves them; the next record is {next}"
                )
            }
            MissReason::Gap { next_offset: None, .. } => {
                format!("{wanted} is in a gap, and no record follows it")
            }
            MissReason::NoSuchTime => format!("no record is from {wanted} or later"),
        }
    }

    fn explain(&self, segment: usize, steps: &Steps) -> String {
        let name = self.log_path(segment);
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut text = format!(
            "segment      {name:<42} binary search over {} names, {} steps\n",
            count(steps.segments as u64),
            steps.segment_steps
        );
        if let Some(search) = &steps.time_index {
            let entry = |entry: &TimestampOffset| {
                format!("{} at offset {}", timestamp(entry.timestamp), entry.offset)
            };
            text.push_str(&search_lines("time index", search, entry));
        }
        if let Some(search) = &steps.index {
            let entry =
                |entry: &OffsetPosition| format!("offset {} at {}", entry.offset, entry.position);
            text.push_str(&search_lines("index entry", search, entry));
        }
        text.push_str(&format!(
            "scan         {} batches, {} from {}\n",
            count(steps.scan.batches),
            size(steps.scan.bytes),
            steps.scan_from
        ));
        text
    }

    fn floor_segment(&self) -> usize {
        let Wanted::Offset(offset) = self.wanted else { return 0 };
        let segments = &self.partition.dir.segments;
        segments.partition_point(|files| files.base_offset <= offset).saturating_sub(1)
    }

    fn base_offset(&self, segment: usize) -> Offset {
        self.partition.dir.segments.get(segment).map(|files| files.base_offset).unwrap_or_default()
    }

    fn log_path(&self, segment: usize) -> PathBuf {
        let files = self.partition.dir.segments.get(segment);
        files.map(|files| files.log.path.clone()).unwrap_or_default()
    }
}

/// What the search of an index has to tell.
fn search_lines<E>(label: &str, search: &Searched<E>, shown: impl Fn(&E) -> String) -> String {
    let mut text = match &search.unavailable {
        Some(why) => format!("{label:<12} none: {why}\n"),
        None => {
            let entry = search.entry.as_ref().map(shown);
            let entry = entry.unwrap_or_else(|| "none, so from the front".to_owned());
            let (entries, steps) = (count(search.entries as u64), search.steps);
            format!("{label:<12} {entry:<42} binary search over {entries} entries, {steps} steps\n")
        }
    };
    for Distrusted { index, why } in &search.distrusted {
        text.push_str(&format!("{:<12} entry {index} is not used: {why}\n", ""));
    }
    text
}

fn reason(reason: &MissReason) -> &'static str {
    match reason {
        MissReason::BelowLogStart => "below-log-start",
        MissReason::PastLogEnd => "past-log-end",
        MissReason::Gap { .. } => "gap",
        MissReason::NoSuchTime => "no-such-time",
    }
}
