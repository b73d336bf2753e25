//! Every problem that can be named: its code, how bad it is, a sentence, and what to do next.
//!
//! A code is stable and never used again for something else. What is normal on a healthy broker's
//! disk has no code, or one of severity note.

use crate::format::{Codec, FormatErrorKind, Offset, Position};
use std::ops::Range;
use std::path::PathBuf;

/// How bad a finding is. Errors and warnings set exit bit 1, notes never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// One problem in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file it is in.
    pub file: PathBuf,
    /// The bytes that are affected.
    pub range: Range<Position>,
    /// First and last offset that are affected, as far as known.
    pub offsets: Option<(Offset, Offset)>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Stored and computed checksum of a batch differ.
    BatchCrc {
        /// As the batch says.
        stored: u32,
        /// As its bytes give.
        computed: u32,
    },
    /// A batch's length field cannot be right.
    BatchLength {
        /// The length field.
        stored: i32,
        /// The length under which the batch's own checksum agrees, where there is one.
        fits: Option<i32>,
    },
    /// A magic that no Kafka writes.
    BatchMagic {
        /// The byte found.
        magic: i8,
    },
    /// The beginning of a batch that was never finished.
    TornTail {
        /// Bytes that the whole batch would have; `None` when not even its length is there.
        needed: Option<u64>,
        /// True when later segments follow.
        sealed: bool,
    },
    /// The same in a file that a live broker is writing.
    GrowingTail,
    /// Nothing but zeros up to the end of the file.
    PreallocatedTail {
        /// True when later segments follow.
        sealed: bool,
    },
    /// Bytes that belong to no batch.
    UnclaimedBytes,
    /// A base offset at or below the last offset before it.
    OffsetGoesBack {
        /// The last offset of the batch before.
        previous: Offset,
    },
    /// A batch below the offset in the file's name.
    OffsetBelowSegment {
        /// The offset in the name.
        segment: Offset,
    },
    /// A batch at or above the offset in the next file's name.
    OffsetBeyondNextSegment {
        /// The offset in that name.
        next: Offset,
    },
    /// An offset too far from the one in the file's name to be indexed.
    OffsetOverflow {
        /// The offset in the name.
        segment: Offset,
    },
    /// A compression id without a codec, or a codec that this magic cannot have.
    UnknownCodec {
        /// The compression id.
        id: u8,
    },
    /// The payload does not decompress.
    Decompression {
        /// The codec.
        codec: Codec,
        /// What it stumbled over.
        why: &'static str,
    },
    /// A record's lengths or counts do not fit.
    RecordStructure {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// The header's count is not the number of records.
    RecordCount {
        /// As the header says.
        stored: i32,
        /// As many could be read.
        found: i64,
    },
    /// A compressed message of magic 0 or 1 breaks a rule of its own.
    WrapperMessage {
        /// Which rule.
        why: &'static str,
    },
    /// A control record that does not read as one.
    ControlRecord {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// A limit of ours stopped the look into these bytes. Not corruption.
    Limit {
        /// Its name.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// Bytes behind the last whole entry of an index.
    IndexLength {
        /// Which kind of index.
        index: IndexKind,
        /// How many bytes are left over.
        bytes_left: u64,
    },
    /// A preallocated index that was never trimmed.
    IndexZeroTail {
        /// Which kind of index.
        index: IndexKind,
        /// True when later segments follow.
        sealed: bool,
    },
    /// A producer snapshot of wrong length, version or checksum.
    SnapshotDamaged {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// An entry of a transaction index that does not read as one.
    TxnIndexEntry {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// A text file that does not read as it should.
    Text {
        /// Which file.
        file: TextKind,
        /// What the reader said.
        error: FormatErrorKind,
    },
}

/// The kinds of index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// `.index`
    Offset,
    /// `.timeindex`
    Time,
    /// `.txnindex`
    Transaction,
}

/// The kinds of text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// `leader-epoch-checkpoint`
    LeaderEpochCheckpoint,
    /// One of a log dir's checkpoints.
    Checkpoint,
    /// `partition.metadata`
    PartitionMetadata,
    /// `meta.properties`
    MetaProperties,
    /// `quorum-state`
    QuorumState,
}

impl Problem {
    /// What the records of a batch could not be read for.
    #[must_use]
    pub fn of_records(kind: FormatErrorKind) -> Self {
        match kind {
            FormatErrorKind::UnknownCodec { id } => Self::UnknownCodec { id },
            FormatErrorKind::CodecNotAllowed { codec, .. } => {
                let id = Codec::ALL.iter().position(|known| *known == codec);
                Self::UnknownCodec { id: id.and_then(|id| u8::try_from(id).ok()).unwrap_or(7) }
            }
            FormatErrorKind::Decompression { codec, why } => Self::Decompression { codec, why },
            FormatErrorKind::RecordCount { stored, found } => Self::RecordCount { stored, found },
            FormatErrorKind::Wrapper(why) => Self::WrapperMessage { why },
            FormatErrorKind::Limit { limit, allowed } => Self::Limit { limit, allowed },
            error => Self::RecordStructure { error },
        }
    }

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
            Self::OffsetGoesBack { .. } => "offset-goes-back",
            Self::OffsetBelowSegment { .. } => "offset-below-segment",
            Self::OffsetBeyondNextSegment { .. } => "offset-beyond-next-segment",
            Self::OffsetOverflow { .. } => "offset-overflow",
            Self::UnknownCodec { .. } => "unknown-codec",
            Self::Decompression { .. } => "decompression",
            Self::RecordStructure { .. } => "record-structure",
            Self::RecordCount { .. } => "record-count",
            Self::WrapperMessage { .. } => "wrapper-message",
            Self::ControlRecord { .. } => "control-record",
            Self::Limit { .. } => "limit",
            Self::IndexLength { index, .. } => index.length_code(),
            Self::IndexZeroTail { index: IndexKind::Time, .. } => "time-index-zero-tail",
            Self::IndexZeroTail { .. } => "index-zero-tail",
            Self::SnapshotDamaged { .. } => "snapshot-damaged",
            Self::TxnIndexEntry { .. } => "txn-index-entry",
            Self::Text { file, .. } => file.code(),
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::GrowingTail
            | Self::PreallocatedTail { sealed: false }
            | Self::Limit { .. }
            | Self::IndexZeroTail { sealed: false, .. } => Severity::Note,
            Self::TornTail { sealed: false, .. }
            | Self::PreallocatedTail { sealed: true }
            | Self::IndexLength { .. }
            | Self::IndexZeroTail { sealed: true, .. }
            | Self::SnapshotDamaged { .. }
            | Self::Text { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// True when it kept bytes from being judged, which sets exit bit 2.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::UnknownCodec { .. } | Self::Limit { .. })
    }

    /// What to do next, where there is something.
    #[must_use]
    pub fn next(&self) -> Option<&'static str> {
        match self {
            Self::Limit { .. } => Some("run again with a higher --max-..., if memory allows"),
            _ if self.severity() == Severity::Error => {
                Some("if there is another replica, re-replicate; keep this copy until then")
            }
            _ => None,
        }
    }

    /// One sentence for people.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::BatchCrc { stored, computed } => {
                format!("stored checksum {stored:#010x}, computed {computed:#010x}")
            }
            Self::BatchLength { stored, fits: Some(fits) } => format!(
                "the length field says {stored}, the batch's checksum agrees with {fits}: only the \
                 length is damaged"
            ),
            Self::BatchLength { stored, fits: None } => {
                format!("the length field says {stored}, which cannot be")
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
            Self::UnknownCodec { id } => format!("no codec has the compression id {id} here"),
            Self::Decompression { codec, why } => format!("{codec} payload: {why}"),
            Self::RecordStructure { error } | Self::SnapshotDamaged { error } => error.to_string(),
            Self::RecordCount { stored, found } => {
                format!("the header counts {stored} records, {found} could be read")
            }
            Self::WrapperMessage { why } => (*why).to_owned(),
            Self::ControlRecord { error }
            | Self::TxnIndexEntry { error }
            | Self::Text { error, .. } => error.to_string(),
            Self::Limit { limit, allowed } => {
                let flag = limit.replace('_', "-");
                format!("not looked at: more than the {allowed} that --max-{flag} allows")
            }
            Self::IndexLength { bytes_left, .. } => {
                format!("{bytes_left} bytes behind the last whole entry")
            }
            Self::IndexZeroTail { .. } => "preallocated, and not trimmed".to_owned(),
        }
    }
}

impl IndexKind {
    fn length_code(self) -> &'static str {
        match self {
            Self::Offset => "index-length",
            Self::Time => "time-index-length",
            Self::Transaction => "txn-index-length",
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
