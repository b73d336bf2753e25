//! `seg verify`: is it sound? Every file, every byte, every cross-check.

use crate::cli::{Common, Format, Input};
use crate::findings;
use crate::help::{self, Example};
use crate::output::{Outcome, Output};
use crate::progress_bar::Bar;
use crate::render::{JsonLines, Sink};
use crate::row;
use crate::scope::scope;
use crate::signals::{self, Interrupted};
use crate::time;
use crate::values::{plural, size};
use segkit::check::report::{Counts, PartitionReport, Totals};
use segkit::check::{Depth, Listener, Scope, VerifyOptions, verify};
use segkit::log::Access;
use segkit::progress::Progress;
use std::io;
use std::time::{Duration, Instant};

/// What `seg verify --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Reads every byte of every file on all cores and judges it: checksums, every record, \
         order and leader epochs, and indexes, transactions, producer snapshots and checkpoints \
         against the log. What a healthy broker leaves is no finding: gaps of compaction, \
         preallocated tails, indexes that are coarser than they could be.",
        "A finding says what is damaged, what a broker would do with it here, and the command to \
         run next; seg explain CODE says more. Beside a live broker what changed meanwhile is \
         looked at again before anything is said of it. Nothing is written, and no lock is \
         taken.",
    ],
    examples: &[
        Example::new("seg verify testdata", "every log dir below, on all cores"),
        Example::new(
            "seg verify -v testdata/kafka-4.3.1/txn-0",
            "a partition, with notes on what is legal but worth knowing",
        ),
        Example::new(
            "seg verify --headers testdata/kafka-4.3.1",
            "a quick look at framing and order",
        ),
        Example::new(
            "seg verify --max-duration 10m testdata",
            "as far as it gets in ten minutes, and what it did not reach",
        ),
        Example::new(
            "\
seg verify -v --format json testdata/kafka-4.3.1 |
  jq -r 'select(.type == \"finding\") | .code' | sort | uniq -c",
            "how often each code was found",
        ),
        Example::new(
            "\
cat testdata/kafka-4.3.1/txn-0/*00.log | seg verify -",
            "from a pipe, such as that of ssh broker cat FILE",
        ),
    ],
    status: help::STATUS,
    files: &[],
};

/// The arguments of `seg verify`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Look at batch headers only: framing and order
    ///
    /// No checksums, no records.
    #[arg(long)]
    headers: bool,
    /// Stop after so long: 90s, 10m, 2h
    ///
    /// What was not reached is said, and sets exit bit 2.
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    max_duration: Option<Duration>,
    /// Map files instead of reading them: faster, for healthy disks only
    #[arg(long)]
    mmap: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Judges every path.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let scope = scope(&args.input.paths, args.input.kind, out)?;
    let options = VerifyOptions {
        depth: if args.headers { Depth::Headers } else { Depth::Records },
        access: if args.mmap { Access::Map } else { Access::Read },
        threads: args.common.threads(),
        limits: args.common.limits(),
        max_duration: args.max_duration,
        rebuild_with_interval: None,
        collects_stretches: false,
    };
    let watch = Watch {
        bar: Bar::new(&args.common, log_bytes(&scope)),
        deadline: args.max_duration.and_then(|duration| started.checked_add(duration)),
    };
    let mut told = Told {
        out,
        as_json: args.format == Format::Json,
        totals: Totals::default(),
        counts: Counts::default(),
        failed: None,
    };
    verify(&scope, &options, &watch, &mut told);
    drop(watch);
    let Told { totals, counts, failed, .. } = told;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if signals::is_interrupted() {
        let how_far = format!("verified {} of logs", size(totals.coverage.bytes()));
        return Err(Interrupted(how_far).into());
    }
    let summary = Summary { totals, counts, seconds: started.elapsed().as_secs_f64() };
    match args.format {
        Format::Json => {
            let mut sink = JsonLines::default();
            row::summary(&mut sink, &summary.totals, &summary.counts, summary.seconds);
            out.write(sink.buffer())?;
        }
        // When nothing was looked at, there is nothing to sum up.
        Format::Text if scope.partitions.is_empty() && scope.log_dirs.is_empty() => {}
        Format::Text => out.write(summary.text(args.headers).as_bytes())?,
    }
    Ok(Outcome::default())
}

fn log_bytes(scope: &Scope) -> u64 {
    scope.partitions.iter().map(|partition| partition.dir.log_bytes()).sum()
}

/// Shows how far the look is, and ends it.
struct Watch {
    bar: Bar,
    deadline: Option<Instant>,
}

impl Progress for Watch {
    fn advance(&self, bytes: u64) {
        self.bar.advance(bytes);
    }

    fn should_stop(&self) -> bool {
        self.bar.should_stop() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Prints each partition's findings as it is complete.
struct Told<'a> {
    out: &'a mut Output,
    as_json: bool,
    totals: Totals,
    counts: Counts,
    failed: Option<io::Error>,
}

impl Listener for Told<'_> {
    fn partition(&mut self, report: PartitionReport) -> bool {
        self.totals.add(&report.totals);
        if signals::is_interrupted() {
            // What was not reached is said in one sentence.
            return false;
        }
        for finding in &report.findings {
            self.counts.add(finding);
            let told = findings::answer(finding, self.as_json, self.out);
            self.failed = self.failed.take().or(told.err());
        }
        self.failed.is_none()
    }
}

struct Summary {
    totals: Totals,
    counts: Counts,
    seconds: f64,
}

impl Summary {
    /// `2 partitions, 14 segments, 1.7 GiB, 1,620,000 records in 0.31 s: 1 error, 1 warning`
    fn text(&self, headers_only: bool) -> String {
        let Totals { partitions, segments, records, coverage, .. } = self.totals;
        let Counts { errors, warnings, notes } = self.counts;
        let mut found = Vec::new();
        for (number, name) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
            if number > 0 {
                found.push(plural(number, name));
            }
        }
        if errors == 0 && warnings == 0 {
            let sound = if headers_only { "headers are sound" } else { "sound" };
            found.insert(0, sound.to_owned());
        }
        let unread = match coverage.unread {
            0 => String::new(),
            bytes => format!(", {} not read", size(bytes)),
        };
        format!(
            "{}, {}, {}, {} in {:.2} s: {}{unread}\n",
            plural(partitions, "partition"),
            plural(segments, "segment"),
            size(coverage.bytes()),
            plural(records, "record"),
            self.seconds,
            found.join(", "),
        )
    }
}
