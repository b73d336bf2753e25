//! `seg dump`: the batches, and with `-r` the records, of files or whole partitions.

mod as_kafka;
mod facts;
mod filter;
mod log;
mod rows;
mod small;
mod walk;

use crate::cli::{Common, Decode, Input, Select, UsageError, Values};
use crate::help::{self, Example};
use crate::input::{self, Target};
use crate::output::{Outcome, Output};
use crate::row::ValueStyles;
use crate::time;
pub use as_kafka::{Decoder, KafkaText, as_kafka, kafka_head};
use clap::ValueEnum;
pub use rows::Topic;
use segkit::limits::Limits;
use segkit::log::FileKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// What `seg dump --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Prints one line for each batch, or with -r for each record, in the order of the file. \
         Every other file that Kafka keeps is printed by its entries: indexes, transaction \
         indexes, producer snapshots, checkpoints, meta.properties. The kind of a file is told \
         by its name.",
        "Ranges of offsets and times are found by the indexes, so that the end of a large \
         segment costs no more than its end. Damage is said on stderr and sets exit bit 1; the \
         dump goes on at the next batch that proves itself.",
        "--format json is a stable contract, one object a line. --format kafka is the text of \
         kafka-dump-log, for scripts that were built on it.",
    ],
    examples: &[
        Example::new("seg dump testdata/kafka-4.3.1/txn-0", "the batches of a partition"),
        Example::new(
            "seg dump -r testdata/kafka-4.3.1/lookup-0 --offsets 1000..1010",
            "ten records",
        ),
        Example::new(
            "seg dump -r testdata/kafka-4.3.1/lookup-0 --offsets -100.. --format json",
            "the last hundred, as JSON lines",
        ),
        Example::new(
            "seg dump -r testdata/kafka-4.3.1/txn-0 --committed --limit 5",
            "what a consumer with read_committed sees",
        ),
        Example::new(
            "seg dump -r testdata --time '2026-11-22T17:01:03Z..' --limit 3",
            "from a time on, in every partition",
        ),
        Example::new(
            "seg dump testdata/kafka-4.3.1/lookup-0/00000000000000000000.index",
            "the entries of an index",
        ),
        Example::new(
            "seg dump testdata/kafka-4.3.1/meta.properties",
            "every kind of file has its rows",
        ),
        Example::new(
            "seg dump -r --format kafka testdata/kafka-4.3.1/epochs-0",
            "the text of kafka-dump-log",
        ),
        Example::new(
            "\
cat testdata/kafka-4.3.1/epochs-0/*00.log | seg dump -r -",
            "from a pipe, such as that of ssh broker cat FILE",
        ),
    ],
    status: help::STATUS,
    files: &[],
};

/// The arguments of `seg dump`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Print the records, not the batches
    #[arg(short, long, help_heading = "Output")]
    records: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    format: DumpFormat,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    values: Values,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// The form of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DumpFormat {
    /// For people; may change
    Text,
    /// JSON lines; a stable contract
    Json,
    /// The text that kafka-dump-log 4.3.1 prints on stdout
    Kafka,
}

/// What a dump is to look like, and what it shows.
struct Plan {
    format: DumpFormat,
    records: bool,
    styles: ValueStyles,
    decode: Option<Decode>,
    select: Select,
    /// What is printed in the form of `kafka-dump-log`.
    kafka: KafkaText,
    verbose: bool,
    limits: Limits,
}

/// Prints the batches or records of every path.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let plan = Plan {
        format: args.format,
        records: args.records,
        styles: ValueStyles { key: args.values.key_as, value: args.values.value_as },
        decode: args.values.decode,
        select: args.select.clone(),
        kafka: KafkaText::of_values(&args.values),
        verbose: args.common.verbose,
        limits: args.common.limits(),
    };
    let targets = input::targets(&args.input.paths, args.input.kind, out)?;
    check_stdin(&plan, &targets)?;
    let times = plan.select.time.iter().flat_map(|range| [range.from, range.to]).flatten();
    if let Some(doubt) = times.filter_map(time::doubt).next() {
        out.say(format!("seg: {doubt}\n").as_bytes())?;
    }
    dump(&targets, &plan, &args.common, out)?;
    Ok(Outcome::default())
}

/// Dumps `targets`; logs that follow one another by all threads at once.
fn dump(targets: &[Target], plan: &Plan, common: &Common, out: &mut Output) -> anyhow::Result<()> {
    let left = plan.select.limit.map(AtomicU64::new);
    for group in targets.chunk_by(|a, b| is_log(a) && is_log(b)) {
        if left.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) == 0) {
            break;
        }
        match group {
            [one] if !is_log(one) => small::run(one, plan, out)?,
            logs => log::run(logs, plan, common, left.as_ref(), out)?,
        }
    }
    Ok(())
}

/// What comes in through a pipe can be read once, from front to back.
fn check_stdin(plan: &Plan, targets: &[Target]) -> Result<(), UsageError> {
    match targets.iter().filter(|target| target.is_stdin()).count() {
        0 => return Ok(()),
        1 => {}
        _ => return Err(UsageError("stdin can be read only once".to_owned())),
    }
    if plan.select.committed {
        return Err(UsageError("--committed needs a file: stdin can be read only once".to_owned()));
    }
    if plan.select.offsets.is_some_and(|range| range.is_relative()) {
        let why = "--offsets that count from the end need a file: stdin can be read only once";
        return Err(UsageError(why.to_owned()));
    }
    Ok(())
}

fn is_log(target: &Target) -> bool {
    matches!(
        target.kind,
        FileKind::Log | FileKind::MetadataCheckpoint | FileKind::BootstrapCheckpoint
    )
}
