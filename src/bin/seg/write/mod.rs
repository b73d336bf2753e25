//! `seg write`: records, appended as Kafka would have stored them.
//!
//! ```text
//!   args -> place: directories, locked, opened
//!        -> input -> pipeline: partition, batch -> lane: compress, append
//!        -> report
//! ```

mod args;
mod clock;
mod compare;
mod lane;
mod pipeline;
mod place;
mod report;
mod tail;

use crate::advice;
use crate::cli::UsageError;
use crate::output::{Outcome, Output};
use crate::progress_bar::Bar;
use crate::signals::Interrupted;
use crate::stdin::{self, Stdin, file_length};
use crate::values::plural;
pub use args::{Args, HELP};
use args::{CleanupPolicy, InputArgs, TimestampTypeName};
use lane::{Failure, Making, Timestamps};
use pipeline::{Finished, Send, Settings, Stop, Terms};
use place::Places;
use report::Report;
use segkit::format::encode::Compressor;
use segkit::format::{Codec, TimestampType};
use segkit::log::writer::PartitionWriter;
use segkit::produce::accumulator::Batching;
use segkit::produce::input::{
    Generate, Generator, InputError, JsonLines, Lines, STANDARD_LINE_BYTES,
};
use segkit::produce::partitioner::Partitioner;
use std::num::NonZeroU32;
use std::time::Instant;

/// Writes what comes in.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    check(args)?;
    if args.input.compare_compression {
        return compare(args, out);
    }
    let started = Instant::now();
    let places = Places::find(args)?;
    let writers = places.open(args, out).inspect_err(|_| places.tidy_up());
    let writers = writers?;
    let unit = if args.input.generate.is_some() { "record" } else { "line" };
    if args.input.generate.is_none() && !args.common.quiet {
        stdin::say_if_terminal(out)?;
    }
    let Done { finished, findings, passed } = send(args, unit, &places, writers);
    places.tidy_up();
    if !args.common.quiet {
        say_what_was_not_kept(&finished, out)?;
    }
    let report = Report::new(&finished, started.elapsed().as_secs_f64());
    report.print(args, out)?;
    for closed in finished.closed.values() {
        if let Err(error) = &closed.result {
            let directory = closed.directory.display();
            let why = "what was written may not be on the disk; next: seg verify";
            match closed.written.batches {
                0 => out.error(error)?,
                _ => out.error(&format!("{error}; {why} {directory}"))?,
            }
        }
    }
    if passed > 0 && report.is_empty() && finished.stopped.is_none() {
        let why = "and no record among them; seg dump -r prints records";
        out.error(&format!("{} {why}", plural(passed, "line")))?;
    }
    if findings > 0 {
        let why = "that something is wrong where the records come from: they may not be all";
        out.error(&format!("the input says {} {why}", times(findings)))?;
    }
    match &finished.stopped {
        None => {}
        Some(Stop::Interrupted) => return Err(Interrupted(report.how_far("")).into()),
        Some(stop @ Stop::Failed(_)) => {
            let next = next(stop, args, report.is_empty());
            out.error(&format!("{stop}; {}{next}", report.how_far_of_each()))?;
        }
        Some(stop) => {
            let next = next(stop, args, report.is_empty());
            out.error(&format!("{stop}; {}{next}", report.how_far(" before it")))?;
        }
    }
    Ok(Outcome::default())
}

/// What to do about the end that came too early.
fn next(stop: &Stop, args: &Args, is_empty: bool) -> String {
    match stop {
        Stop::Input(InputError::Line { line: 1, .. }) if is_empty && !args.input.lines => {
            "; where each line is a value: --lines".to_owned()
        }
        Stop::Input(InputError::Line { line, .. }) if !is_empty => {
            format!("; mend it, and go on with: tail -n +{line}")
        }
        Stop::Failed(Failure::Disk(error)) if advice::is_full(&error.source) && !is_empty => {
            "; make room on this disk, and go on behind them".to_owned()
        }
        Stop::Failed(Failure::Disk(error)) => {
            advice::of(error).map_or_else(String::new, |advice| format!("; {advice}"))
        }
        _ => String::new(),
    }
}

/// Compares what would be written, and writes nothing.
fn compare(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    if let Some(generated) = generated(&args.input) {
        return compare::run(args, &mut Generator::new(generated), out);
    }
    if args.input.lines {
        let separator = args.input.key_separator.as_deref().map(str::as_bytes);
        let mut input = Lines::new(Stdin { bar: None }, STANDARD_LINE_BYTES, separator);
        return compare::run(args, &mut input, out);
    }
    compare::run(args, &mut JsonLines::new(Stdin { bar: None }, STANDARD_LINE_BYTES), out)
}

fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { plural(number, "time") }
}

/// What records came with is easily thought to be kept.
fn say_what_was_not_kept(finished: &Finished, out: &mut Output) -> std::io::Result<()> {
    let dropped = finished.dropped;
    let (what, flags) = match (dropped.offsets, dropped.timestamps) {
        (true, true) => ("offsets and timestamps", "--keep-offsets --keep-timestamps"),
        (true, false) => ("offsets", "--keep-offsets"),
        (false, true) => ("timestamps", "--keep-timestamps"),
        (false, false) => return Ok(()),
    };
    let line = format!("seg: the records have new {what}; to keep those they came with: {flags}\n");
    out.say(line.as_bytes())
}

/// Refuses what makes no sense before anything is looked at.
fn check(args: &Args) -> Result<(), UsageError> {
    let batches = &args.batches;
    let codec = batches.compression_type.codec();
    for (flag, level, of) in [
        ("--compression-gzip-level", batches.compression_gzip_level, Codec::Gzip),
        ("--compression-lz4-level", batches.compression_lz4_level, Codec::Lz4),
        ("--compression-zstd-level", batches.compression_zstd_level, Codec::Zstd),
    ] {
        if level.is_some() && of != codec {
            let name = of.name();
            return Err(UsageError(format!("{flag} needs --compression-type {name}")));
        }
    }
    if let Err(error) = Compressor::new(codec, batches.level()) {
        return Err(UsageError(error.to_string()));
    }
    if codec == Codec::Zstd && batches.magic < 2 {
        return Err(UsageError(format!("magic {} has no zstd", batches.magic)));
    }
    let (size, most) = (args.input.record_size as u64, batches.max_request_size);
    if args.input.generate.is_some() && size > most {
        let why = "is more than --max-request-size, which is";
        return Err(UsageError(format!("--record-size {size} {why} {most}")));
    }
    if args.input.key_separator.as_deref() == Some("") {
        return Err(UsageError("--key-separator is empty".to_owned()));
    }
    Ok(())
}

struct Done {
    finished: Finished,
    /// Lines that told of damage where the records come from.
    findings: u64,
    /// Lines that are no records.
    passed: u64,
}

fn send(
    args: &Args,
    unit: &'static str,
    places: &Places,
    writers: Vec<PartitionWriter<'static>>,
) -> Done {
    let settings = settings(args, places.is_compacted);
    let terms = terms(args, places);
    let count = u32::try_from(places.directories.len()).unwrap_or(u32::MAX);
    let partitioner = Partitioner::new(
        args.partitions.partitioner.strategy(),
        NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
        usize::try_from(args.batches.batch_size).unwrap_or(usize::MAX),
        args.input.seed,
    );
    let send = Send { unit, settings: &settings, terms: &terms };
    if let Some(generated) = generated(&args.input) {
        let bytes = generated.records.end.saturating_mul(generated.record_size as u64);
        let bar = Bar::new(&args.common, bytes);
        let mut input = Generator::new(generated);
        let finished = send.all(&mut input, writers, partitioner, Some(&bar));
        return Done { finished, findings: 0, passed: 0 };
    }
    let bar = file_length().map(|bytes| Bar::new(&args.common, bytes));
    let reader = Stdin { bar: bar.as_ref() };
    if args.input.lines {
        let separator = args.input.key_separator.as_deref().map(str::as_bytes);
        let mut input = Lines::new(reader, STANDARD_LINE_BYTES, separator);
        let finished = send.all(&mut input, writers, partitioner, None);
        return Done { finished, findings: 0, passed: 0 };
    }
    let mut input = JsonLines::new(reader, STANDARD_LINE_BYTES);
    let finished = send.all(&mut input, writers, partitioner, None);
    Done { finished, findings: input.findings(), passed: input.passed() }
}

/// The timestamp of the first record that is made up: the same data on every day.
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

fn generated(input: &InputArgs) -> Option<Generate> {
    Some(Generate {
        records: 0..input.generate?,
        record_size: input.record_size,
        seed: input.seed,
        keys: input.keys,
        payload: input.payload.payload(),
        first_timestamp: FIRST_TIMESTAMP,
    })
}

fn settings(args: &Args, is_compacted: bool) -> Settings {
    let batches = &args.batches;
    let making = Making {
        codec: batches.compression_type.codec(),
        level: batches.level(),
        magic: batches.magic,
        timestamps: match (args.log.message_timestamp_type, args.input.keep_timestamps) {
            (TimestampTypeName::CreateTime, _) => Timestamps::Records,
            (TimestampTypeName::LogAppendTime, false) => Timestamps::Append,
            (TimestampTypeName::LogAppendTime, true) => Timestamps::EarlierAppend,
        },
    };
    let segment_bytes = u64::from(args.log.segment_bytes);
    let batching = Batching {
        // No batch may be larger than a segment, nor than a broker takes. What one is compressed to
        // is an estimate; it hardly is more than what it was.
        batch_size: batches.batch_size.min(segment_bytes),
        uncompressed_size: batches.max_request_size.min(segment_bytes - segment_bytes / 16),
        linger_ms: batches.linger_ms,
        max_request_size: match making.codec {
            Codec::None => batches.max_request_size.min(segment_bytes),
            _ => batches.max_request_size,
        },
        magic: batches.magic,
        is_compressed: making.codec != Codec::None,
        timestamp_type: match making.timestamps {
            Timestamps::EarlierAppend => TimestampType::LogAppendTime,
            Timestamps::Records | Timestamps::Append => TimestampType::CreateTime,
        },
        partition_leader_epoch: None,
        is_compacted: is_compacted && args.log.cleanup_policy != Some(CleanupPolicy::Delete),
    };
    let leader_epoch = args.partitions.leader_epoch;
    Settings { batching, making, leader_epoch, threads: args.common.threads() }
}

fn terms(args: &Args, places: &Places) -> Terms {
    let is_generated = args.input.generate.is_some();
    Terms {
        keeps_offsets: args.input.keep_offsets,
        keeps_timestamps: args.input.keep_timestamps || is_generated,
        only_partition: places.only_partition,
        before_max_ms: args.log.message_timestamp_before_max_ms,
        after_max_ms: args.log.message_timestamp_after_max_ms,
        segment_bytes: args.log.segment_bytes.into(),
        has_no_timestamps: args.batches.magic == 0,
    }
}
