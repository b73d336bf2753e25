//! One sentence for every problem, and what to do next.

use super::problem::{FlippedAt, IndexEntry, IndexKind, Problem, TimestampSeems, TxnIndexField};
use crate::format::Offset;

impl Problem {
    /// One sentence for people.
    #[must_use]
    pub fn message(&self) -> String {
        self.about_bytes()
            .or_else(|| self.about_records())
            .or_else(|| self.about_order())
            .or_else(|| self.about_indexes())
            .or_else(|| self.about_other_files())
            .unwrap_or_else(|| self.about_directories())
    }

    fn about_bytes(&self) -> Option<String> {
        Some(match self {
            Self::BatchCrc { stored, computed, flipped } => {
                let why = flipped.map_or_else(String::new, |FlippedAt { position, bit }| {
                    format!("; one flipped bit explains it: byte {position}, bit {bit}")
                });
                format!("stored checksum {stored:#010x}, computed {computed:#010x}{why}")
            }
            Self::BatchLength { stored, fits: Some(fits) } => format!(
                "the length field says {stored}, the batch's checksum agrees with {fits}: only the \
                 length is damaged"
            ),
            Self::BatchLength { stored, fits: None } => {
                format!("the length field says {stored}, which cannot be")
            }
            Self::BatchMagic { magic: magic @ 0..=2 } => {
                format!("magic {magic}, but its checksum agrees under another")
            }
            Self::BatchMagic { magic } => format!("magic {magic} is none of 0, 1, 2"),
            Self::TornTail { needed: Some(needed), .. } => {
                format!("the beginning of a batch of {needed} bytes that was never finished")
            }
            Self::TornTail { needed: None, .. } => {
                "too few bytes for the beginning of a batch".to_owned()
            }
            Self::GrowingTail => "the last batch is being written".to_owned(),
            Self::PreallocatedTail { .. } => "nothing but zeros to the end of the file".to_owned(),
            Self::UnclaimedBytes => "bytes that belong to no batch".to_owned(),
            Self::UnreadableRange { why } => format!("the device does not give them: {why}"),
            Self::SectorZeroed { zeros } => format!(
                "{} bytes from {} on are zeros in whole 512-byte blocks: a write that was lost",
                zeros.end.0.saturating_sub(zeros.start.0),
                zeros.start,
            ),
            _ => return None,
        })
    }

    fn about_records(&self) -> Option<String> {
        Some(match self {
            Self::UnknownCodec { id } => format!("no codec has the compression id {id} here"),
            Self::Decompression { codec, why } => format!("{codec} payload: {why}"),
            Self::DecompressionTrailing { codec, bytes } => {
                format!("{bytes} bytes behind the end of the {codec} stream")
            }
            Self::DecompressionChecksum { codec } => {
                format!("the {codec} stream's own checksum disagrees; Kafka does not look at it")
            }
            Self::RecordStructure { error } => error.to_string(),
            Self::RecordCount { stored, found } => {
                format!("the header counts {stored} records, {found} could be read")
            }
            Self::RecordOffsetDelta { record, offset } => format!(
                "record {record} has offset {offset}, which is not above the one before it and \
                 within the batch"
            ),
            Self::LastOffsetDelta { last_offset_delta, count } => {
                format!("a last offset delta of {last_offset_delta} for {count} records")
            }
            Self::MaxTimestamp { stored, computed } => format!(
                "the header's greatest timestamp is {stored}, that of the records is {computed}"
            ),
            Self::TimestampUnit { timestamp, seems } => match seems {
                TimestampSeems::Future => {
                    format!("{timestamp} is more than a day behind the file's last change")
                }
                unit => format!("{timestamp} seems to be in {}", unit.name()),
            },
            Self::ReservedAttributes { bits } => {
                format!("attribute bits {bits:#06x}, which no Kafka sets")
            }
            Self::NonCanonicalVarint => "a varint is longer than it need be".to_owned(),
            Self::HeaderKeyUtf8 => "a record header's key is not UTF-8".to_owned(),
            Self::ControlRecord { error } => error.to_string(),
            Self::ControlRecords { count } => {
                format!("a transaction marker's batch of {count} records")
            }
            Self::UnknownControlRecord { record_type } => {
                format!("a control record of the unknown type {record_type}")
            }
            Self::ProducerFields { why } | Self::WrapperMessage { why } => (*why).to_owned(),
            Self::LegacyFormat { magic } => {
                format!("batches of magic {magic}, which no release since 4.0 writes")
            }
            _ => return None,
        })
    }

    fn about_order(&self) -> Option<String> {
        Some(match self {
            Self::OffsetGoesBack { previous } => {
                format!("it begins at or below {previous}, the last offset before it")
            }
            Self::OffsetBelowSegment { segment } => {
                format!("it begins below {segment}, the offset in the file's name")
            }
            Self::OffsetBeyondNextSegment { next } => {
                format!("it ends at or above {next}, where the next segment begins")
            }
            Self::OffsetOverflow { segment } => {
                format!(
                    "it ends more than 2147483647 above {segment}, the offset in the file's name"
                )
            }
            Self::LogTooLarge { bytes } => {
                format!("{bytes} bytes, more than the 2147483647 that a .log may have")
            }
            Self::OffsetGap { expected, found, compacted } => {
                let missing = match found.0.saturating_sub(expected.0) {
                    1 => format!("offset {expected} is in no batch"),
                    _ => format!("offsets {expected} to {} are in no batch", found.plus(-1)),
                };
                let why = if *compacted { ", as compaction leaves them" } else { "" };
                format!("{missing}{why}")
            }
            Self::LeaderEpochGoesBack { epoch, previous } => {
                format!("leader epoch {epoch} behind a batch of leader epoch {previous}")
            }
            Self::LeaderEpochDiffers { epoch, checkpoint } => {
                format!("leader epoch {epoch}, leader-epoch-checkpoint says {checkpoint}")
            }
            Self::SequenceGap { producer, expected, found }
            | Self::SequenceRepeats { producer, expected, found } => format!(
                "producer {} epoch {}: sequence {found} where {expected} was due",
                producer.id, producer.epoch
            ),
            _ => return None,
        })
    }

    fn about_indexes(&self) -> Option<String> {
        Some(match self {
            Self::IndexMissing { index, is_usual: true } => {
                format!("there is no {} yet: there was nothing to put in it", index.name())
            }
            Self::IndexMissing { index: IndexKind::Offset, .. } => {
                "there is no .index: lookups scan, and a broker rebuilds it when it starts"
                    .to_owned()
            }
            Self::IndexMissing { index: IndexKind::Time, .. } => {
                "there is no .timeindex: searches by time read the segment from its beginning"
                    .to_owned()
            }
            Self::IndexMissing { index, .. } => format!("there is no {}", index.name()),
            Self::TxnIndexMissing { producer_id, first_offset, last_offset } => format!(
                "producer {producer_id}'s transaction from {first_offset} on was aborted at \
                 {last_offset}, which the .txnindex does not say: consumers see its records"
            ),
            Self::IndexLength { bytes_left, .. } => {
                format!("{bytes_left} bytes behind the last whole entry")
            }
            Self::IndexZeroTail { .. } => "preallocated, and not trimmed".to_owned(),
            Self::IndexOrder { index, entry, previous } => format!(
                "{} is not above {}: searches go wrong from here",
                index.entry(entry),
                index.entry(previous)
            ),
            Self::IndexUnsafe { index, entry, lost } => format!(
                "{}: a lookup of offset {lost} starts too late and misses it",
                index.entry(entry)
            ),
            Self::IndexPosition { entry } => {
                format!("{}: no batch begins there", IndexKind::Offset.entry(entry))
            }
            Self::IndexStale { index, entry, log_end } => {
                format!("{}: the segment ends at {log_end}", index.entry(entry))
            }
            Self::IndexCoarse { .. } => {
                "entries name other offsets than their batches' last ones, and are safe".to_owned()
            }
            Self::IndexSparse { entries, expected, .. } => {
                format!("{entries} entries where about {expected} are usual: reads are slow")
            }
            Self::TimeIndexLast { stored, computed } => {
                let stored = stored.map_or_else(|| "missing".to_owned(), |time| time.to_string());
                format!("the last entry is {stored}, the segment's greatest timestamp {computed}")
            }
            Self::TxnIndexEntry { error } => error.to_string(),
            Self::TxnIndexDiffers {
                producer_id,
                what: TxnIndexField::Order,
                stored,
                computed: Some(previous),
            } => match stored == previous {
                true => format!("producer {producer_id}: a second entry of last offset {stored}"),
                false => format!(
                    "producer {producer_id}: last offset {stored} is not above {previous}, that \
                     of the entry before it"
                ),
            },
            Self::TxnIndexDiffers { producer_id, what, stored, computed } => {
                let computed = computed.map_or_else(
                    || "the log has nothing of the kind".to_owned(),
                    |offset| format!("the log gives {offset}"),
                );
                format!("producer {producer_id}: {} {stored}, {computed}", what.name())
            }
            _ => return None,
        })
    }

    fn about_other_files(&self) -> Option<String> {
        Some(match self {
            Self::SnapshotDamaged { error } | Self::Text { error, .. } => error.to_string(),
            Self::SnapshotDiffers { producer_id, why, producers } => match producers {
                1 => format!("producer {producer_id}: {why}"),
                more => format!("producer {producer_id}: {why}; {more} producers differ"),
            },
            Self::OpenTransaction { producer, first_offset, .. } => format!(
                "producer {} epoch {} began a transaction at {first_offset} and never ended it: \
                 read_committed stops there",
                producer.id, producer.epoch
            ),
            Self::LeaderEpochOrder { epoch, start } => {
                format!("epoch {epoch} from {start} on is not above the entry before it")
            }
            Self::LeaderEpochBeyondEnd { epoch, start, log_end } => {
                format!("epoch {epoch} starts at {start}, the log ends at {log_end}")
            }
            Self::CheckpointOutside { partition, offset, log_start, log_end } => {
                format!("{partition} {offset}: its log goes from {log_start} to {log_end}")
            }
            Self::Contradicts { why, .. } => why.clone(),
            _ => return None,
        })
    }

    fn about_directories(&self) -> String {
        match self {
            Self::LogMissing => "there is no .log beside it: a broker deletes it".to_owned(),
            Self::SegmentEmpty => "a segment without a batch".to_owned(),
            Self::InterruptedReplace { completes: true } => {
                "a replacement of segments that a broker will complete when it starts".to_owned()
            }
            Self::InterruptedReplace { completes: false } => {
                "a replacement of segments that a broker will undo when it starts".to_owned()
            }
            Self::DeletePending => "about to be deleted".to_owned(),
            Self::StrayDirectory { stops_broker: true } => {
                "no partition's directory: a broker does not start beside it".to_owned()
            }
            Self::StrayDirectory { .. } => "no partition's directory".to_owned(),
            Self::StrayFile { stops_broker: true } => {
                "not Kafka's, and a broker does not start with it".to_owned()
            }
            Self::StrayFile { .. } => "not Kafka's".to_owned(),
            Self::NotReadable { why } => why.clone(),
            Self::TruncatedWhileReading { .. } => "it became shorter while it was read".to_owned(),
            Self::Vanished { .. } => "it was there when the directory was listed".to_owned(),
            Self::Replaced { .. } => {
                "it was replaced by another file of its name while it was read".to_owned()
            }
            Self::Limit { limit: "duration", .. } => {
                "not looked at: --max-duration was over".to_owned()
            }
            Self::Limit { limit, allowed } => {
                let flag = limit.replace('_', "-");
                format!("not looked at: more than the {allowed} that --max-{flag} allows")
            }
            // Every other problem has its sentence above; a test holds that.
            other => format!("{other:?}"),
        }
    }
}

impl TimestampSeems {
    /// As the output has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
            Self::Future => "future",
        }
    }
}

impl TxnIndexField {
    /// As the output has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstOffset => "first offset",
            Self::LastOffset | Self::Order => "last offset",
            Self::LastStableOffset => "last stable offset",
        }
    }
}

impl IndexKind {
    /// The end of its file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Offset => ".index",
            Self::Time => ".timeindex",
            Self::Transaction => ".txnindex",
        }
    }

    fn entry(self, entry: &IndexEntry) -> String {
        let IndexEntry { number, key, offset: Offset(offset) } = entry;
        match self {
            Self::Offset => format!("entry {number}, offset {offset} at {key}"),
            _ => format!("entry {number}, timestamp {key} at offset {offset}"),
        }
    }
}
