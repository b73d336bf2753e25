//! The code and the severity of every problem.
//!
//! A code is stable and never used again for something else. What is normal on a healthy broker's
//! disk has no code, or one of severity note.

use super::problem::{IndexKind, Problem, TextKind};
use crate::format::Codec;

/// How bad a finding is. Errors and warnings set exit bit 1, notes never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Legal, but worth knowing.
    Note,
    /// Something derived is wrong and can be rebuilt, or a broker would trip over it.
    Warning,
    /// Data is damaged, lost, or would be misread.
    Error,
}

impl Severity {
    /// As the output has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Every code there is, in the order of the catalogue.
pub const CODES: [&str; 73] = [
    "batch-crc",
    "batch-length",
    "batch-magic",
    "torn-tail",
    "growing-tail",
    "preallocated-tail",
    "unclaimed-bytes",
    "unreadable-range",
    "sector-zeroed",
    "unknown-codec",
    "decompression",
    "decompression-trailing",
    "decompression-checksum",
    "record-structure",
    "record-count",
    "record-offset-delta",
    "last-offset-delta",
    "max-timestamp",
    "timestamp-unit",
    "reserved-attributes",
    "non-canonical-varint",
    "header-key-utf8",
    "control-record",
    "producer-fields",
    "wrapper-message",
    "legacy-format",
    "offset-goes-back",
    "offset-below-segment",
    "offset-beyond-next-segment",
    "offset-overflow",
    "offset-gap",
    "leader-epoch-goes-back",
    "leader-epoch-differs",
    "sequence-gap",
    "sequence-repeats",
    "index-missing",
    "time-index-missing",
    "txn-index-missing",
    "index-length",
    "time-index-length",
    "txn-index-length",
    "index-zero-tail",
    "time-index-zero-tail",
    "index-order",
    "time-index-order",
    "index-unsafe",
    "time-index-unsafe",
    "index-position",
    "index-stale",
    "time-index-stale",
    "index-coarse",
    "index-sparse",
    "time-index-last",
    "txn-index-entry",
    "snapshot-damaged",
    "snapshot-differs",
    "open-transaction",
    "leader-epoch-checkpoint",
    "checkpoint",
    "partition-metadata",
    "meta-properties",
    "quorum-state",
    "log-missing",
    "segment-empty",
    "interrupted-replace",
    "delete-pending",
    "stray-directory",
    "stray-file",
    "not-readable",
    "truncated-while-reading",
    "vanished",
    "replaced",
    "limit",
];

impl Problem {
    /// Stable, in kebab case, never used again for something else.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BatchCrc { .. } => "batch-crc",
            Self::BatchLength { .. } => "batch-length",
            Self::BatchMagic { .. } => "batch-magic",
            Self::TornTail { .. } => "torn-tail",
            Self::GrowingTail => "growing-tail",
            Self::PreallocatedTail { .. } => "preallocated-tail",
            Self::UnclaimedBytes => "unclaimed-bytes",
            Self::UnreadableRange { .. } => "unreadable-range",
            Self::SectorZeroed { .. } => "sector-zeroed",
            Self::UnknownCodec { .. } => "unknown-codec",
            Self::Decompression { .. } => "decompression",
            Self::DecompressionTrailing { .. } => "decompression-trailing",
            Self::DecompressionChecksum { .. } => "decompression-checksum",
            Self::RecordStructure { .. } => "record-structure",
            Self::RecordCount { .. } => "record-count",
            Self::RecordOffsetDelta { .. } => "record-offset-delta",
            Self::LastOffsetDelta { .. } => "last-offset-delta",
            Self::MaxTimestamp { .. } => "max-timestamp",
            Self::TimestampUnit { .. } => "timestamp-unit",
            Self::ReservedAttributes { .. } => "reserved-attributes",
            Self::NonCanonicalVarint => "non-canonical-varint",
            Self::HeaderKeyUtf8 => "header-key-utf8",
            Self::ControlRecord { .. }
            | Self::ControlRecords { .. }
            | Self::UnknownControlRecord { .. } => "control-record",
            Self::ProducerFields { .. } => "producer-fields",
            Self::WrapperMessage { .. } => "wrapper-message",
            Self::LegacyFormat { .. } => "legacy-format",
            Self::OffsetGoesBack { .. } => "offset-goes-back",
            Self::OffsetBelowSegment { .. } => "offset-below-segment",
            Self::OffsetBeyondNextSegment { .. } => "offset-beyond-next-segment",
            Self::OffsetOverflow { .. } | Self::LogTooLarge { .. } => "offset-overflow",
            Self::OffsetGap { .. } => "offset-gap",
            Self::LeaderEpochGoesBack { .. } => "leader-epoch-goes-back",
            Self::LeaderEpochDiffers { .. } => "leader-epoch-differs",
            Self::SequenceGap { .. } => "sequence-gap",
            Self::SequenceRepeats { .. } => "sequence-repeats",
            _ => self.code_outside_the_log(),
        }
    }

    fn code_outside_the_log(&self) -> &'static str {
        match self {
            Self::IndexMissing { index, .. } => {
                index.code("index-missing", "time-index-missing", "txn-index-missing")
            }
            Self::TxnIndexMissing { .. } => "txn-index-missing",
            Self::IndexLength { index, .. } => {
                index.code("index-length", "time-index-length", "txn-index-length")
            }
            Self::IndexZeroTail { index, .. } => {
                index.code("index-zero-tail", "time-index-zero-tail", "txn-index-length")
            }
            Self::IndexOrder { index, .. } => {
                index.code("index-order", "time-index-order", "txn-index-entry")
            }
            Self::IndexUnsafe { index, .. } => {
                index.code("index-unsafe", "time-index-unsafe", "txn-index-entry")
            }
            Self::IndexPosition { .. } => "index-position",
            Self::IndexStale { index, .. } => {
                index.code("index-stale", "time-index-stale", "txn-index-entry")
            }
            Self::IndexCoarse { .. } => "index-coarse",
            Self::IndexSparse { .. } => "index-sparse",
            Self::TimeIndexLast { .. } => "time-index-last",
            Self::TxnIndexEntry { .. } | Self::TxnIndexDiffers { .. } => "txn-index-entry",
            Self::SnapshotDamaged { .. } => "snapshot-damaged",
            Self::SnapshotDiffers { .. } => "snapshot-differs",
            Self::OpenTransaction { .. } => "open-transaction",
            Self::LeaderEpochOrder { .. } | Self::LeaderEpochBeyondEnd { .. } => {
                "leader-epoch-checkpoint"
            }
            Self::CheckpointOutside { .. } => "checkpoint",
            Self::Contradicts { file, .. } | Self::Text { file, .. } => file.code(),
            Self::LogMissing => "log-missing",
            Self::SegmentEmpty => "segment-empty",
            Self::InterruptedReplace { .. } => "interrupted-replace",
            Self::DeletePending => "delete-pending",
            Self::StrayDirectory { .. } => "stray-directory",
            Self::StrayFile { .. } => "stray-file",
            Self::NotReadable { .. } => "not-readable",
            Self::TruncatedWhileReading { .. } => "truncated-while-reading",
            Self::Vanished { .. } => "vanished",
            Self::Replaced { .. } => "replaced",
            _ => "limit",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::GrowingTail
            | Self::PreallocatedTail { sealed: false, stops_broker: false }
            | Self::TimestampUnit { .. }
            | Self::ReservedAttributes { .. }
            | Self::NonCanonicalVarint
            | Self::HeaderKeyUtf8
            | Self::UnknownControlRecord { .. }
            | Self::LegacyFormat { .. }
            | Self::OffsetGap { compacted: true, .. }
            | Self::SequenceGap { .. }
            | Self::SequenceRepeats { .. }
            | Self::IndexMissing { is_usual: true, .. }
            | Self::IndexZeroTail { sealed: false, .. }
            | Self::IndexCoarse { .. }
            | Self::IndexSparse { .. }
            | Self::SnapshotDiffers { .. }
            | Self::OpenTransaction { .. }
            | Self::SegmentEmpty
            | Self::DeletePending
            | Self::StrayDirectory { stops_broker: false }
            | Self::StrayFile { stops_broker: false }
            | Self::TruncatedWhileReading { .. }
            | Self::Vanished { .. }
            | Self::Replaced { .. }
            | Self::Limit { .. } => Severity::Note,
            // Kafka reads what is behind the other codecs' streams as if it were not there.
            Self::DecompressionTrailing { codec, .. } if *codec != Codec::Zstd => Severity::Note,
            Self::TornTail { sealed: false, .. }
            | Self::PreallocatedTail { .. }
            | Self::DecompressionChecksum { .. }
            | Self::MaxTimestamp { .. }
            | Self::ProducerFields { .. }
            | Self::OffsetGap { compacted: false, .. }
            | Self::IndexMissing { is_usual: false, .. }
            | Self::IndexLength { .. }
            | Self::IndexZeroTail { sealed: true, .. }
            | Self::TimeIndexLast { .. }
            | Self::SnapshotDamaged { .. }
            | Self::LeaderEpochOrder { .. }
            | Self::LeaderEpochBeyondEnd { .. }
            | Self::CheckpointOutside { .. }
            | Self::Contradicts { .. }
            | Self::Text { .. }
            | Self::LogMissing
            | Self::InterruptedReplace { .. }
            | Self::StrayDirectory { stops_broker: true }
            | Self::StrayFile { stops_broker: true }
            | Self::NotReadable { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// True when it kept bytes from being judged, which sets exit bit 2.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(
            self,
            Self::UnreadableRange { .. }
                | Self::UnknownCodec { .. }
                | Self::NotReadable { .. }
                | Self::TruncatedWhileReading { settled: false }
                | Self::Vanished { settled: false }
                | Self::Replaced { settled: false }
                | Self::Limit { .. }
        )
    }
}

impl IndexKind {
    fn code(self, offset: &'static str, time: &'static str, txn: &'static str) -> &'static str {
        match self {
            Self::Offset => offset,
            Self::Time => time,
            Self::Transaction => txn,
        }
    }
}

impl TextKind {
    fn code(self) -> &'static str {
        match self {
            Self::LeaderEpochCheckpoint => "leader-epoch-checkpoint",
            Self::Checkpoint => "checkpoint",
            Self::PartitionMetadata => "partition-metadata",
            Self::MetaProperties => "meta-properties",
            Self::QuorumState => "quorum-state",
        }
    }
}
