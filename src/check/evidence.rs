//! What findings rest on, where it takes more than a number.

use crate::format::{Offset, Position};

/// A bit of a file that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlippedAt {
    /// The byte it is in.
    pub position: Position,
    /// Which bit of it, 0 the lowest.
    pub bit: u8,
}

/// What timestamps seem to be that are not milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampSeems {
    /// Seconds.
    Seconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Milliseconds of more than a day behind the time the file was written last.
    Future,
}

/// A producer as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// The producer id.
    pub id: i64,
    /// The producer epoch.
    pub epoch: i16,
}

/// An entry of an offset or time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Which entry of the index, counted from 0.
    pub number: u64,
    /// The position of an offset index's entry, the timestamp of a time index's.
    pub key: i64,
    /// Its offset.
    pub offset: Offset,
}

/// The fields of a transaction index entry that the log can contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnIndexField {
    /// Above the first surviving record of the transaction.
    FirstOffset,
    /// Not that of an abort marker.
    LastOffset,
    /// Not what a replay gives.
    LastStableOffset,
    /// Not above that of the entry before it.
    Order,
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
