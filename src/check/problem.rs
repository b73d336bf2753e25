//! Everything that can be wrong, with the evidence for it.
//!
//! The order is that of `seg explain`: the log's framing, the inside of a batch, order, derived
//! files, the directory, and what happens while one looks. Codes and severities are in
//! `catalogue.rs`, sentences in `sentence.rs`.

pub use super::evidence::*;
use crate::error::Error;
use crate::format::{Codec, FormatErrorKind, Offset, Position};
use std::io::ErrorKind;
use std::ops::Range;

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Stored and computed checksum of a batch differ.
    BatchCrc {
        /// As the batch says.
        stored: u32,
        /// As its bytes give.
        computed: u32,
        /// The one bit that explains the difference, where one does.
        flipped: Option<FlippedAt>,
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
        /// True when it keeps a broker from starting: after a clean stop it does not look for the
        /// end of the log, and so does not cut it.
        stops_broker: bool,
    },
    /// Bytes that belong to no batch.
    UnclaimedBytes,
    /// Bytes that the device would not give.
    UnreadableRange {
        /// What the operating system said.
        why: String,
    },
    /// Damage in which whole 512-byte blocks of the file are zero.
    SectorZeroed {
        /// The first run of such blocks.
        zeros: Range<Position>,
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
    /// Bytes behind the end of the compressed stream.
    DecompressionTrailing {
        /// The codec.
        codec: Codec,
        /// How many.
        bytes: u64,
    },
    /// The codec's own checksum disagrees where Kafka does not look at it.
    DecompressionChecksum {
        /// The codec.
        codec: Codec,
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
    /// A record's offset delta is not above the one before it, or above the last offset delta.
    RecordOffsetDelta {
        /// Which record of the batch, from 0.
        record: u32,
        /// Its offset.
        offset: Offset,
    },
    /// A last offset delta that is negative, or too small for the count of records.
    LastOffsetDelta {
        /// As the header says.
        last_offset_delta: i32,
        /// The header's count of records.
        count: i32,
    },
    /// The header's greatest timestamp is not that of any record's, or not the greatest.
    MaxTimestamp {
        /// As the header says.
        stored: i64,
        /// As the records give.
        computed: i64,
    },
    /// Timestamps that are not milliseconds, or lie in the future of the file.
    TimestampUnit {
        /// One of them.
        timestamp: i64,
        /// What they seem to be.
        seems: TimestampSeems,
    },
    /// Attribute bits that no Kafka sets.
    ReservedAttributes {
        /// Those bits.
        bits: u16,
    },
    /// A varint that is longer than it need be.
    NonCanonicalVarint,
    /// A record header's key that is not UTF-8.
    HeaderKeyUtf8,
    /// A control record that does not read as one.
    ControlRecord {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// A transaction marker's batch with more than one record.
    ControlRecords {
        /// How many.
        count: i32,
    },
    /// A control record of a type or version that is not known. Legal.
    UnknownControlRecord {
        /// Its type.
        record_type: i16,
    },
    /// Producer fields that contradict each other.
    ProducerFields {
        /// How.
        why: &'static str,
    },
    /// A compressed message of magic 0 or 1 breaks a rule of its own.
    WrapperMessage {
        /// Which rule.
        why: &'static str,
    },
    /// A batch of magic 0 or 1.
    LegacyFormat {
        /// The magic.
        magic: i8,
    },

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
    /// A `.log` that is larger than any broker makes or takes.
    LogTooLarge {
        /// Its bytes.
        bytes: u64,
    },
    /// Offsets that no batch has.
    OffsetGap {
        /// The offset behind the batch before.
        expected: Offset,
        /// The base offset of the batch behind the gap.
        found: Offset,
        /// True when the partition shows signs of compaction, which leaves gaps.
        compacted: bool,
    },
    /// A leader epoch below that of a batch before it.
    LeaderEpochGoesBack {
        /// This batch's.
        epoch: i32,
        /// The earlier one.
        previous: i32,
    },
    /// A leader epoch that is not the one the checkpoint gives this offset.
    LeaderEpochDiffers {
        /// This batch's.
        epoch: i32,
        /// As `leader-epoch-checkpoint` says.
        checkpoint: i32,
    },
    /// Sequence numbers of a producer that no batch has.
    SequenceGap {
        /// The producer.
        producer: Producer,
        /// The sequence that was due.
        expected: i32,
        /// The one found.
        found: i32,
    },
    /// Sequence numbers of a producer that came before.
    SequenceRepeats {
        /// The producer.
        producer: Producer,
        /// The sequence that was due.
        expected: i32,
        /// The one found.
        found: i32,
    },

    /// An index that is not there.
    IndexMissing {
        /// Which kind.
        index: IndexKind,
        /// True in the last segment as long as nothing is due to be put in it: files come with
        /// their first entry.
        is_usual: bool,
    },
    /// An abort marker whose transaction has no entry in the transaction index.
    TxnIndexMissing {
        /// Whose transaction.
        producer_id: i64,
        /// Its first offset that is still in the log.
        first_offset: Offset,
        /// The marker's offset.
        last_offset: Offset,
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
    /// An entry that is not above the one before it.
    IndexOrder {
        /// Which kind of index.
        index: IndexKind,
        /// The entry.
        entry: IndexEntry,
        /// The one before it.
        previous: IndexEntry,
    },
    /// An entry through which a lookup starts too late.
    IndexUnsafe {
        /// Which kind of index.
        index: IndexKind,
        /// The entry.
        entry: IndexEntry,
        /// An offset that cannot be found through it.
        lost: Offset,
    },
    /// An offset index entry that points to no batch's beginning.
    IndexPosition {
        /// The entry.
        entry: IndexEntry,
    },
    /// An entry for an offset behind the end of the log.
    IndexStale {
        /// Which kind of index.
        index: IndexKind,
        /// The entry.
        entry: IndexEntry,
        /// The offset behind the segment's last batch.
        log_end: Offset,
    },
    /// An entry that names another offset than its batch's last one, and is safe all the same.
    IndexCoarse {
        /// Which kind of index.
        index: IndexKind,
    },
    /// An index with far fewer entries than its interval would give.
    IndexSparse {
        /// Which kind of index.
        index: IndexKind,
        /// The entries that there are.
        entries: u64,
        /// About as many as there would be.
        expected: u64,
    },
    /// The last entry of a time index is not, or cannot be, its segment's greatest timestamp.
    TimeIndexLast {
        /// The last entry's timestamp, `None` without an entry.
        stored: Option<i64>,
        /// The greatest timestamp in the segment.
        computed: i64,
    },
    /// An entry of a transaction index that does not read as one.
    TxnIndexEntry {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// An entry of a transaction index that the log contradicts.
    TxnIndexDiffers {
        /// Whose transaction.
        producer_id: i64,
        /// Which field.
        what: TxnIndexField,
        /// As the entry says.
        stored: Offset,
        /// As the log gives; `None` when it has nothing of the kind.
        computed: Option<Offset>,
    },
    /// A producer snapshot of wrong length, version or checksum.
    SnapshotDamaged {
        /// What the reader said.
        error: FormatErrorKind,
    },
    /// A producer snapshot that a replay of the log contradicts.
    SnapshotDiffers {
        /// The first producer that differs.
        producer_id: i64,
        /// How.
        why: &'static str,
        /// How many producers differ.
        producers: u64,
    },
    /// A transaction that was begun and never ended.
    OpenTransaction {
        /// The producer.
        producer: Producer,
        /// Its first offset.
        first_offset: Offset,
        /// The timestamp of its last batch.
        last_timestamp: i64,
    },
    /// An entry of `leader-epoch-checkpoint` that is not above the one before it.
    LeaderEpochOrder {
        /// The entry's epoch.
        epoch: i32,
        /// Its start offset.
        start: Offset,
    },
    /// An entry of `leader-epoch-checkpoint` that starts above the log end.
    LeaderEpochBeyondEnd {
        /// The entry's epoch.
        epoch: i32,
        /// Its start offset.
        start: Offset,
        /// The offset behind the log's last batch.
        log_end: Offset,
    },
    /// An entry of a log dir's checkpoint that points outside the log.
    CheckpointOutside {
        /// The partition, as the checkpoint names it.
        partition: String,
        /// As the checkpoint says.
        offset: Offset,
        /// The partition's first offset.
        log_start: Offset,
        /// The offset behind its last batch.
        log_end: Offset,
    },
    /// `partition.metadata` or `meta.properties` that contradicts what is around it.
    Contradicts {
        /// Which file.
        file: TextKind,
        /// What it says, against what.
        why: String,
    },
    /// A text file that does not read as it should.
    Text {
        /// Which file.
        file: TextKind,
        /// What the reader said.
        error: FormatErrorKind,
    },

    /// A derived file without its `.log`.
    LogMissing,
    /// A `.log` without a batch.
    SegmentEmpty,
    /// Files of a replacement of segments that was interrupted.
    InterruptedReplace {
        /// True when a broker that starts takes the new files, false when it deletes them.
        completes: bool,
    },
    /// A file or directory that is about to be deleted.
    DeletePending,
    /// A directory that is no partition's.
    StrayDirectory {
        /// True when it keeps a broker from starting.
        stops_broker: bool,
    },
    /// A file that is not Kafka's.
    StrayFile {
        /// True when it keeps a broker from starting.
        stops_broker: bool,
    },
    /// A file that cannot be opened.
    NotReadable {
        /// What the operating system said.
        why: String,
    },

    /// A file that became shorter while it was read.
    TruncatedWhileReading {
        /// True when a second look explains it.
        settled: bool,
    },
    /// A file that was there when its directory was listed.
    Vanished {
        /// True when a second look explains it.
        settled: bool,
    },
    /// A file that was replaced by another of the same name while it was read.
    Replaced {
        /// True when a second look explains it.
        settled: bool,
    },
    /// A limit of ours stopped the look into these bytes. Not corruption.
    Limit {
        /// Its name.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
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

    /// What kept a file from being read that its directory listed.
    #[must_use]
    pub(super) fn not_opened(error: &Error) -> Self {
        match error.source.kind() {
            ErrorKind::NotFound => Self::Vanished { settled: false },
            _ => Self::NotReadable { why: error.reason() },
        }
    }
}
