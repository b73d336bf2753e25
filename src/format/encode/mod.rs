//! Values to bytes: what producers and brokers write, the way back from the views beside it.
//!
//! ```text
//!   RecordToWrite --> BatchEncoder --.                     magic 2
//!                 --> LegacyEncoder -+--> Compressor --> out    magic 0 and 1
//!   TransactionMarker --> control --'
//! ```
//!
//! An encoder holds the records of one batch and is used again for the next; nothing is allocated
//! for a record. What is written is what the Java client writes: the shortest varints, deltas
//! against the first record, its framings of the codecs. What a reader would refuse is an
//! [`EncodeError`], and then nothing was written.

pub mod batch;
pub mod compress;
pub mod control;
mod fields;
pub mod legacy;
mod varint;

pub use batch::BatchEncoder;
pub use compress::Compressor;
pub use control::TransactionMarker;
pub use fields::BatchFields;
pub use legacy::{LegacyEncoder, LegacyFields};

use super::record::Header;
use super::{Codec, Offset};

/// The most bytes of a batch: every position in a log, and every length, is an `i32`.
pub const BATCH_BYTES_MAX: usize = i32::MAX.unsigned_abs() as usize;

/// A record that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordToWrite<'a> {
    /// Absolute offset.
    pub offset: Offset,
    /// Milliseconds since the epoch, -1 for none. Any other is written as it is: whether a broker
    /// would take it is not judged here.
    pub timestamp: i64,
    /// The key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
    /// The headers; magic 2 only.
    pub headers: &'a [Header<'a>],
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSummary {
    /// Its bytes in the file.
    pub size: usize,
    /// What they would be if nothing were compressed.
    pub uncompressed_size: usize,
    /// The bytes of its records alone, compressed as they are: without header or wrapper.
    pub records_size: usize,
    /// The same if nothing were compressed.
    pub uncompressed_records_size: usize,
    /// The first offset.
    pub base_offset: Offset,
    /// The last offset.
    pub last_offset: Offset,
    /// The greatest timestamp, or that of the append.
    pub max_timestamp: i64,
    /// How many records it has.
    pub records_count: i32,
}

/// Why something cannot be written. What was written before is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Records were given, or a batch was to be ended, where none had begun.
    #[error("no batch has begun")]
    NotBegun,
    /// A batch without records.
    #[error("a batch has one record at least")]
    NoRecords,
    /// More bytes than a length or a position can say.
    #[error("a batch of {bytes} bytes: the most is {BATCH_BYTES_MAX}")]
    BatchTooLarge {
        /// The bytes it would have, or more.
        bytes: u64,
    },
    /// An offset is not above that of the record before, or below the base offset.
    #[error("offset {offset} is below {least}, the least that can follow")]
    OffsetGoesBack {
        /// The record's.
        offset: Offset,
        /// The least that it may be.
        least: Offset,
    },
    /// An offset is too far from the base offset.
    #[error("offset {offset} is too far from the base offset {base}")]
    OffsetTooFar {
        /// The record's.
        offset: Offset,
        /// The batch's.
        base: Offset,
    },
    /// Producer fields that contradict each other.
    #[error("{0}")]
    ProducerFields(&'static str),
    /// A magic that no Kafka has, or one that this encoder does not write.
    #[error("magic {0} is none of 0 and 1")]
    Magic(i8),
    /// Headers in a magic that has none.
    #[error("magic {0} has no headers")]
    HeadersNotAllowed(i8),
    /// A codec that is not allowed in batches of this magic.
    #[error("{codec} is not allowed in magic {magic}")]
    CodecNotAllowed {
        /// The codec.
        codec: Codec,
        /// The magic of the batch.
        magic: i8,
    },
    /// A level that the codec does not have.
    #[error("{codec} has no level {level}: {why}")]
    Level {
        /// The codec.
        codec: Codec,
        /// The level that was asked for.
        level: i32,
        /// Which it has.
        why: &'static str,
    },
    /// A codec's library refuses, as it does where it gets no memory.
    #[error("{codec} cannot compress: {why}")]
    Compression {
        /// The codec.
        codec: Codec,
        /// What it says.
        why: &'static str,
    },
}

/// The result of everything that writes bytes.
pub type Result<T> = std::result::Result<T, EncodeError>;

/// `bytes` as the length of a batch may have it.
fn fits(bytes: usize) -> Result<usize> {
    if bytes > BATCH_BYTES_MAX {
        return Err(EncodeError::BatchTooLarge { bytes: bytes as u64 });
    }
    Ok(bytes)
}
