//! The three forms of a dump: rows for people, JSON lines, and the text of `kafka-dump-log`.

use super::{KafkaText, Plan, kafka_head};
use crate::cli::Decode;
use crate::findings;
use crate::input::Target;
use crate::kafka_text;
use crate::render::{JsonLines, Sink, TextLines};
use crate::row::{self, BatchContext, BatchExtent, ValueStyles};
use segkit::check::Finding;
use segkit::format::control::ControlRecord;
use segkit::format::coordinator::Decoded;
use segkit::format::{Batch, Record};
use segkit::format::{consumer_offsets, share_group_state, transaction_state};

/// The internal topic that the records of a file belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `__consumer_offsets`
    ConsumerOffsets,
    /// `__transaction_state`
    TransactionState,
    /// `__share_group_state`
    ShareGroupState,
    /// `__cluster_metadata`
    ClusterMetadata,
}

impl Topic {
    /// What to decode records of `target` as: what was asked for, else what its directory's name
    /// says. `kafka-dump-log` decodes nothing unless it is asked to.
    pub(super) fn of(target: &Target, plan: &Plan) -> Option<Self> {
        match plan.decode {
            Some(Decode::ConsumerOffsets) => Some(Self::ConsumerOffsets),
            Some(Decode::TransactionState) => Some(Self::TransactionState),
            Some(Decode::None) => None,
            None if plan.format == super::DumpFormat::Kafka => plan.kafka.topic,
            None => match target.partition.as_ref().and_then(|partition| partition.topic()) {
                Some("__consumer_offsets") => Some(Self::ConsumerOffsets),
                Some("__transaction_state") => Some(Self::TransactionState),
                _ => None,
            },
        }
    }

    /// What a record of the topic says; nothing without a key. Those of the cluster's metadata,
    /// which have none, are decoded where they are printed.
    pub fn decode<'a>(self, record: &Record<'a>) -> Option<Decoded<'a>> {
        let key = record.key?;
        Some(match self {
            Self::ConsumerOffsets => consumer_offsets::decode(key, record.value),
            Self::TransactionState => transaction_state::decode(key, record.value),
            Self::ShareGroupState => share_group_state::decode(key, record.value),
            Self::ClusterMetadata => return None,
        })
    }
}

/// Takes the parts of a dump in the order in which they stand in the file.
pub trait Rows {
    /// What was written and not taken yet.
    fn out(&mut self) -> &mut Vec<u8>;
    /// A file begins.
    fn file(&mut self, target: &Target);
    /// A batch, whose checksum is `crc`.
    fn batch(&mut self, file: &str, batch: &Batch<'_>, extent: &BatchExtent, crc: u32);
    /// Records of a batch follow.
    fn open_batch(&mut self, batch: &Batch<'_>, crc: u32);
    /// A record; `control` where its batch holds control records.
    fn record(
        &mut self,
        context: &mut BatchContext<'_>,
        record: &Record<'_>,
        control: Option<&ControlRecord<'_>>,
        topic: Option<Topic>,
    );
    /// The file ended with this many bytes that are no whole batch.
    fn bytes_left(&mut self, _target: &Target, _bytes: u64) {}
    /// Something is wrong here. False: this form has no place for it, so it goes to stderr.
    fn finding(&mut self, _finding: &Finding) -> bool {
        false
    }
    /// True when a header alone is all that is printed of a batch.
    fn shows_extent(&self) -> bool {
        true
    }
}

/// JSON lines.
pub struct JsonRows {
    sink: JsonLines,
    styles: ValueStyles,
    verbose: bool,
}

/// For people.
pub struct TextRows {
    sink: TextLines,
    styles: ValueStyles,
    color: bool,
}

/// As `kafka-dump-log`.
pub struct KafkaRows<'a> {
    out: Vec<u8>,
    text: &'a KafkaText,
}

impl JsonRows {
    /// Values look as `plan` says.
    pub fn new(plan: &Plan) -> Self {
        Self { sink: JsonLines::default(), styles: plan.styles, verbose: plan.verbose }
    }
}

impl TextRows {
    /// Values look as `plan` says.
    pub fn new(plan: &Plan, color: bool) -> Self {
        Self { sink: TextLines::default(), styles: plan.styles, color }
    }
}

impl<'a> KafkaRows<'a> {
    /// Shows of each record what `plan` says.
    pub fn new(plan: &'a Plan) -> Self {
        Self { out: Vec::new(), text: &plan.kafka }
    }
}

/// What stands in a record's row behind its own fields.
fn more<S: Sink>(
    sink: &mut S,
    record: &Record<'_>,
    control: Option<&ControlRecord<'_>>,
    topic: Option<Topic>,
) {
    if let Some(control) = control {
        row::control(sink, control);
    } else if let Some(decoded) = topic.and_then(|topic| topic.decode(record)) {
        row::decoded(sink, &decoded);
    }
}

impl Rows for JsonRows {
    fn out(&mut self) -> &mut Vec<u8> {
        self.sink.buffer()
    }

    fn file(&mut self, _target: &Target) {}

    fn batch(&mut self, file: &str, batch: &Batch<'_>, extent: &BatchExtent, crc: u32) {
        row::batch(&mut self.sink, file, batch, extent, crc);
    }

    fn open_batch(&mut self, _batch: &Batch<'_>, _crc: u32) {}

    #[inline]
    fn record(
        &mut self,
        context: &mut BatchContext<'_>,
        record: &Record<'_>,
        control: Option<&ControlRecord<'_>>,
        topic: Option<Topic>,
    ) {
        row::record(&mut self.sink, context, record, self.styles, |sink| {
            more(sink, record, control, topic);
        });
    }

    fn finding(&mut self, finding: &Finding) -> bool {
        if findings::is_shown(finding, self.verbose) {
            row::finding(&mut self.sink, finding);
        }
        true
    }
}

impl Rows for TextRows {
    fn out(&mut self) -> &mut Vec<u8> {
        self.sink.buffer()
    }

    fn file(&mut self, target: &Target) {
        row::heading(self.sink.buffer(), &target.shown(), self.color);
    }

    fn batch(&mut self, file: &str, batch: &Batch<'_>, extent: &BatchExtent, crc: u32) {
        row::batch(&mut self.sink, file, batch, extent, crc);
    }

    fn open_batch(&mut self, _batch: &Batch<'_>, _crc: u32) {}

    fn record(
        &mut self,
        context: &mut BatchContext<'_>,
        record: &Record<'_>,
        control: Option<&ControlRecord<'_>>,
        topic: Option<Topic>,
    ) {
        // Decoded or control: the bytes themselves say nothing to people.
        let decodes = control.is_some() || (topic.is_some() && record.key.is_some());
        let styles = if decodes { ValueStyles::NONE } else { self.styles };
        row::record(&mut self.sink, context, record, styles, |sink| {
            more(sink, record, control, topic);
        });
    }
}

impl Rows for KafkaRows<'_> {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn file(&mut self, target: &Target) {
        kafka_head(&mut self.out, target);
    }

    fn batch(&mut self, _file: &str, batch: &Batch<'_>, _extent: &BatchExtent, crc: u32) {
        kafka_text::batch(&mut self.out, batch, crc == batch.crc());
    }

    fn open_batch(&mut self, batch: &Batch<'_>, crc: u32) {
        kafka_text::batch(&mut self.out, batch, crc == batch.crc());
    }

    fn record(
        &mut self,
        context: &mut BatchContext<'_>,
        record: &Record<'_>,
        control: Option<&ControlRecord<'_>>,
        topic: Option<Topic>,
    ) {
        let (out, text) = (&mut self.out, self.text);
        let batch = context.batch();
        if text.prints_metadata {
            kafka_text::record(out, batch, record);
            if let Some(control) = control {
                control.kafka_text(out);
            }
        }
        let is_contents = match control {
            Some(_) => false,
            // One that is damaged is shown as it is.
            None => text.prints_metadata || !batch.attributes().is_control(),
        };
        if text.prints_contents && is_contents {
            text.contents(out, record, topic);
        }
        out.push(b'\n');
    }

    fn bytes_left(&mut self, target: &Target, bytes: u64) {
        let name = target.path.file_name().unwrap_or_default().to_string_lossy();
        kafka_text::invalid_bytes(&mut self.out, bytes, &name);
    }

    fn shows_extent(&self) -> bool {
        false
    }
}
