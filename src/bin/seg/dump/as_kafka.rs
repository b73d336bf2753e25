//! What `kafka-dump-log` can be told about its text, and a dump in that form of one file.

use super::rows::Topic;
use super::{DumpFormat, Plan, dump};
use crate::cli::{Common, Select, Values};
use crate::input::Target;
use crate::kafka_text;
use crate::output::Output;
use crate::row::ValueStyles;
use crate::values::ValueStyle;
use segkit::format::{Offset, Record, cluster_metadata};
use segkit::log::FileKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a key or a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// Not at all.
    Nothing,
    /// UTF-8 as Java reads it.
    String,
    /// The first four bytes.
    Integer,
    /// The first eight bytes.
    Long,
}

/// What is printed of a log in the form of `kafka-dump-log`.
pub struct KafkaText {
    /// Offset, time and sizes of each record; and what control records say.
    pub prints_metadata: bool,
    /// Key and value of each record.
    pub prints_contents: bool,
    /// What records are decoded as.
    pub topic: Option<Topic>,
    /// How keys are printed that no topic's decoder prints.
    pub key: Decoder,
    /// How values are.
    pub value: Decoder,
    /// Batches that end behind this byte are not looked at.
    pub max_bytes: u64,
    /// Keys and values that were left out because the decoder cannot read them.
    pub undecoded: AtomicU64,
}

impl KafkaText {
    /// All there is, as strings.
    pub fn all() -> Self {
        Self {
            prints_metadata: true,
            prints_contents: true,
            topic: None,
            key: Decoder::String,
            value: Decoder::String,
            max_bytes: u64::MAX,
            undecoded: AtomicU64::new(0),
        }
    }

    /// Of `seg dump`, where keys and values can be left out.
    pub fn of_values(values: &Values) -> Self {
        let decoder = |style| match style {
            ValueStyle::None => Decoder::Nothing,
            _ => Decoder::String,
        };
        Self { key: decoder(values.key_as), value: decoder(values.value_as), ..Self::all() }
    }

    /// Appends what is printed of a record behind its metadata.
    pub fn contents(&self, out: &mut Vec<u8>, record: &Record<'_>, topic: Option<Topic>) {
        let start = out.len();
        if !self.prints_metadata {
            out.push(b'|');
        }
        match (topic, topic.and_then(|topic| topic.decode(record))) {
            (_, Some(decoded)) => kafka_text::decoded(out, &decoded, record.offset),
            (Some(Topic::ClusterMetadata), None) => {
                kafka_text::label(out, " payload: ");
                cluster_metadata::write_kafka_text(record.value, record.offset, out);
            }
            (_, None) => {
                self.part(out, " key: ", self.key, record.key);
                self.part(out, " payload: ", self.value, record.value);
            }
        }
        if out.len() == start + 1 {
            // Neither was printed, and so is nothing before them.
            out.truncate(start);
        }
    }

    fn part(&self, out: &mut Vec<u8>, label: &str, decoder: Decoder, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return };
        let number = match decoder {
            Decoder::Nothing => return,
            Decoder::String => return kafka_text::text(out, label, bytes),
            Decoder::Integer => bytes.first_chunk().map(|four| i32::from_be_bytes(*four).into()),
            Decoder::Long => bytes.first_chunk().map(|eight| i64::from_be_bytes(*eight)),
        };
        match number {
            Some(number) => kafka_text::number(out, label, number),
            None => drop(self.undecoded.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Dumps one file in this form: its batches, or its records too.
pub fn as_kafka(
    target: Target,
    kafka: KafkaText,
    records: bool,
    common: &Common,
    out: &mut Output,
) -> anyhow::Result<()> {
    let plan = Plan {
        format: DumpFormat::Kafka,
        records,
        styles: ValueStyles::NONE,
        decode: None,
        select: Select::default(),
        kafka,
        verbose: common.verbose,
        limits: common.limits(),
    };
    let shown = target.shown();
    dump(&[target], &plan, common, out)?;
    let undecoded = plan.kafka.undecoded.into_inner();
    if undecoded > 0 {
        let why = "keys or values are too short for the decoder, and left out";
        out.error(&format!("decoding {shown}: {undecoded} {why}"))?;
    }
    Ok(())
}

/// Appends what stands before the batches of a file.
pub fn kafka_head(out: &mut Vec<u8>, target: &Target) {
    kafka_text::dumping(out, &target.shown());
    match (target.kind, target.name) {
        (FileKind::BootstrapCheckpoint, _) => kafka_text::bootstrap_snapshot(out),
        (FileKind::MetadataCheckpoint, Some(name)) => kafka_text::snapshot_end(
            out,
            name.offset.unwrap_or_default(),
            name.epoch.unwrap_or_default().into(),
        ),
        (FileKind::Log | FileKind::MetadataCheckpoint, name) => {
            let base = name.and_then(|name| name.offset).unwrap_or(Offset(0));
            kafka_text::log_start(out, base);
        }
        _ => {}
    }
}
