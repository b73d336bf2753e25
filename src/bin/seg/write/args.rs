//! The command line of `seg write`.

use crate::cli::{Common, Format};
use crate::help::{self, Example};
use clap::ValueEnum;
use segkit::format::Codec;
use segkit::produce::accumulator::{BATCH_SIZE, MAX_REQUEST_SIZE};
use segkit::produce::input::Payload;
use segkit::produce::partitioner::Strategy;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// What `seg write --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Kafka's producer and Kafka's broker in one process: the partitioner, batches by size \
         and time, the codecs in the framings of the Java client, offsets, leader epochs, \
         segments that roll, and every file beside the log, with Kafka's names and defaults for \
         all settings. Records come from stdin as JSON lines, as seg dump -r --format json \
         prints them, as plain lines, or are made up.",
        "Appending takes the broker's own lock, reads the last segment whole, and refuses to \
         write behind damage. A record that cannot be written is refused with the number of its \
         line; what came before it is written, said, and sound.",
    ],
    examples: &[
        Example::new(
            "\
seg dump -r testdata/kafka-4.3.1/txn-0 --format json |
  seg write /tmp/copy/txn-0 --keep-offsets --keep-timestamps",
            "a copy: same offsets, same records",
        ),
        Example::new(
            "\
seg dump -r testdata/kafka-4.3.1/lookup-0 --format json |
  seg write /tmp/new --topic events --partitions 6 --compression-type zstd",
            "six partitions, by murmur2 of the key",
        ),
        Example::new(
            "seg write /tmp/new --topic load --generate 10000 --record-size 100",
            "made-up data, the same for the same --seed",
        ),
        Example::new("seq 100 | seg write /tmp/new/lines-0 --lines", "one value a line"),
        Example::new(
            "\
seg dump -r testdata/kafka-4.3.1/lookup-0 --format json |
  seg write --compare-compression",
            "what every codec makes of your data; writes nothing",
        ),
    ],
    status: WRITE_STATUS,
    files: &[("LOGDIR/.lock", "the broker's lock, held while records are appended")],
};

/// What was written, in the words of this command.
const WRITE_STATUS: &[(&str, &str)] = &[
    ("0", "everything was written"),
    ("2", "it was not: what was written before is said, stays, and is sound"),
    help::USAGE,
    help::INTERRUPTED,
];

/// The arguments of `seg write`.
#[derive(clap::Args)]
pub struct Args {
    /// A partition directory, such as orders-0; with --topic: a log dir
    ///
    /// What is not there is made.
    #[arg(value_name = "DIR", required_unless_present = "compare_compression")]
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub partitions: PartitionArgs,
    #[command(flatten)]
    pub batches: BatchArgs,
    #[command(flatten)]
    pub log: LogArgs,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    pub format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// What is written. Without any of these: JSON lines on stdin, as `seg dump -r` prints them.
#[derive(clap::Args)]
#[command(
    next_help_heading = "Input (stdin: JSON lines, as seg dump -r --format json prints them)"
)]
pub struct InputArgs {
    /// Each line of stdin is a value
    ///
    /// Without its end: a line feed, or that behind a carriage return.
    #[arg(long, conflicts_with_all = ["keep_offsets", "keep_timestamps"])]
    pub lines: bool,
    /// With --lines: what stands between key and value
    #[arg(long, value_name = "TEXT", requires = "lines", conflicts_with = "generate")]
    #[arg(hide_short_help = true)]
    pub key_separator: Option<String>,
    /// Make up N records instead
    ///
    /// The first is of 2023-11-14T22:13:20Z.
    #[arg(long, value_name = "N", conflicts_with = "lines")]
    pub generate: Option<u64>,
    /// With --generate: the bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 100, requires = "generate")]
    #[arg(hide_short_help = true)]
    #[arg(conflicts_with = "lines")]
    pub record_size: usize,
    /// With --generate: another number, other records; also for what is chosen at random
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(hide_short_help = true)]
    pub seed: u64,
    /// With --generate: how many different keys; 0: null keys
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "generate")]
    #[arg(conflicts_with = "lines")]
    #[arg(hide_short_help = true)]
    pub keys: u64,
    /// With --generate: what values are made of
    #[arg(long, value_enum, value_name = "KIND", default_value = "json", requires = "generate")]
    #[arg(conflicts_with = "lines")]
    #[arg(hide_short_help = true)]
    pub payload: PayloadName,
    /// Records keep the offsets that they come with
    #[arg(long, conflicts_with = "generate")]
    pub keep_offsets: bool,
    /// Records keep their timestamps
    ///
    /// Else theirs is the time of writing.
    #[arg(long, conflicts_with = "generate")]
    pub keep_timestamps: bool,
    /// Write nothing: try every codec and level
    #[arg(long)]
    pub compare_compression: bool,
}

/// Where it goes.
#[derive(clap::Args)]
#[command(next_help_heading = "Partitions")]
pub struct PartitionArgs {
    /// The topic; its partitions are in DIR
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// How many it has [default: those there, or 1]
    #[arg(long, value_name = "N", requires = "topic")]
    pub partitions: Option<NonZeroU32>,
    /// How records find their partition, unless they have a field 'partition'
    #[arg(long, value_enum, value_name = "NAME", default_value = "murmur2")]
    #[arg(hide_short_help = true)]
    pub partitioner: PartitionerName,
    /// For partitions that are new [default: that of the topic's other partitions, or a new one]
    #[arg(long, value_name = "UUID")]
    #[arg(hide_short_help = true)]
    pub topic_id: Option<String>,
    /// The leader epoch of what is written [default: the partition's latest, or 0]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    #[arg(hide_short_help = true)]
    pub leader_epoch: Option<i32>,
}

/// Which records share a batch, and what it looks like: Kafka's producer.
#[derive(clap::Args)]
#[command(next_help_heading = "Batches")]
pub struct BatchArgs {
    /// When a batch is full
    #[arg(long, value_name = "BYTES", default_value_t = BATCH_SIZE)]
    pub batch_size: u64,
    /// A batch takes no record that is later than its first by more, which is looked at when that
    /// record comes [default: any]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
    #[arg(hide_short_help = true)]
    pub linger_ms: Option<i64>,
    /// A larger record is refused
    #[arg(long, value_name = "BYTES", default_value_t = MAX_REQUEST_SIZE)]
    #[arg(hide_short_help = true)]
    pub max_request_size: u64,
    /// The codec
    #[arg(long, value_enum, value_name = "CODEC", default_value = "none")]
    pub compression_type: CodecName,
    /// 1 to 9 [default: 6]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(hide_short_help = true)]
    pub compression_gzip_level: Option<i32>,
    /// 9, Kafka's fast one, is the only one
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(hide_short_help = true)]
    pub compression_lz4_level: Option<i32>,
    /// -131072 to 22 [default: 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(hide_short_help = true)]
    pub compression_zstd_level: Option<i32>,
    /// The format of batches: 0 and 1 are of brokers before 0.11
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(i8).range(0..=2))]
    #[arg(hide_short_help = true)]
    pub magic: i8,
}

/// How batches are appended: Kafka's broker.
#[derive(clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Whether timestamps are those of records or the time of the append; with --keep-timestamps
    /// LogAppendTime is the time that the records come with
    #[arg(long, value_enum, value_name = "TYPE", default_value = "CreateTime")]
    #[arg(hide_short_help = true)]
    pub message_timestamp_type: TimestampTypeName,
    /// A record is refused whose timestamp lies further in the future [default: none; Kafka's: 1 h]
    #[arg(long, value_name = "MS", default_value_t = i64::MAX, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    #[arg(hide_short_help = true)]
    pub message_timestamp_after_max_ms: i64,
    /// A record is refused whose timestamp lies further in the past [default: none]
    #[arg(long, value_name = "MS", default_value_t = i64::MAX, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    #[arg(hide_short_help = true)]
    pub message_timestamp_before_max_ms: i64,
    /// How many bytes of the log an index entry stands for
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    #[arg(hide_short_help = true)]
    pub index_interval_bytes: u64,
    /// The largest segment
    #[arg(long, value_name = "BYTES", default_value_t = 1_073_741_824)]
    #[arg(value_parser = clap::value_parser!(u32).range(14..=2_147_483_647))]
    pub segment_bytes: u32,
    /// The longest time between a segment's first batch and its last
    #[arg(long, value_name = "MS", default_value_t = 604_800_000)]
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    #[arg(hide_short_help = true)]
    pub segment_ms: i64,
    /// The largest index
    #[arg(long, value_name = "BYTES", default_value_t = 10_485_760)]
    #[arg(value_parser = clap::value_parser!(u32).range(24..=2_147_483_647))]
    #[arg(hide_short_help = true)]
    pub segment_index_bytes: u32,
    /// After how many records the log is on the disk [default: at the end, and where segments end]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(hide_short_help = true)]
    pub flush_interval_messages: Option<u64>,
    /// 'compact': records without a key are refused [default: as the log dir knows]
    #[arg(long, value_enum, value_name = "POLICY")]
    #[arg(hide_short_help = true)]
    pub cleanup_policy: Option<CleanupPolicy>,
}

/// What made-up values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PayloadName {
    /// JSON objects, as applications write them
    Json,
    /// Bytes that do not compress
    Random,
    /// Zeros
    Zero,
}

/// How records find their partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartitionerName {
    /// As Kafka's producers do: by the key; without one, batch by batch
    Murmur2,
    /// One after the other
    RoundRobin,
    /// Any
    Random,
    /// Batch by batch, whatever the key
    Sticky,
}

/// Kafka's codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodecName {
    /// Not at all
    None,
    /// gzip
    Gzip,
    /// Snappy, in Java's framing
    Snappy,
    /// LZ4
    Lz4,
    /// Zstandard
    Zstd,
}

/// Kafka's two kinds of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimestampTypeName {
    /// Those of the records
    #[value(name = "CreateTime")]
    CreateTime,
    /// When a batch was appended
    #[value(name = "LogAppendTime")]
    LogAppendTime,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CleanupPolicy {
    /// They are deleted some day
    Delete,
    /// The last of each key is kept
    Compact,
}

impl PayloadName {
    /// As the library has it.
    pub fn payload(self) -> Payload {
        match self {
            Self::Json => Payload::Json,
            Self::Random => Payload::Random,
            Self::Zero => Payload::Zero,
        }
    }
}

impl PartitionerName {
    /// As the library has it.
    pub fn strategy(self) -> Strategy {
        match self {
            Self::Murmur2 => Strategy::Murmur2,
            Self::RoundRobin => Strategy::RoundRobin,
            Self::Random => Strategy::Random,
            Self::Sticky => Strategy::Sticky,
        }
    }
}

impl CodecName {
    /// As the library has it.
    pub fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        }
    }
}

impl BatchArgs {
    /// The level that was asked for of the codec that was asked for.
    pub fn level(&self) -> Option<i32> {
        match self.compression_type {
            CodecName::Gzip => self.compression_gzip_level,
            CodecName::Lz4 => self.compression_lz4_level,
            CodecName::Zstd => self.compression_zstd_level,
            CodecName::None | CodecName::Snappy => None,
        }
    }
}
