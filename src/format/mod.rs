//! Bytes to values and back. Pure: no files, no threads, no printing.
//!
//! # The untrusted-bytes contract
//!
//! Everything in here takes *any* bytes. There is no panic, no recursion, no allocation sized by a
//! number found in the input, and time is linear in the input. A view ([`Batch`], [`Record`], an
//! index entry) is a struct around bytes and decodes a field when asked for it. Views describe,
//! they do not judge: [`Batch::compute_crc`] returns a number, and whoever calls it compares.
//!
//! What does not parse is a [`FormatError`] with the absolute position in the file. Iterators yield
//! `Result` and end after the first error.

pub mod batch;
pub mod batch_header;
mod batch_v2;
pub mod checkpoint;
pub mod cluster_metadata;
pub mod compression;
pub mod consumer_offsets;
pub mod control;
pub mod coordinator;
pub mod crc;
pub mod crc_math;
pub mod cursor;
pub mod encode;
mod gzip;
pub mod kafka_json;
pub mod legacy;
mod lz4_frame;
pub mod murmur2;
pub mod offset_index;
pub mod producer_snapshot;
pub mod record;
pub mod replay;
pub mod resync;
pub mod schema;
pub mod share_group_state;
pub mod sparse_index;
pub mod time_index;
pub mod transaction_state;
pub mod txn_index;
mod xerial;
mod zstd_frame;

pub use batch::{Attributes, Batch, Batches, TimestampType};
pub use compression::{Codec, Scratch};
pub use cursor::Cursor;
pub use record::{Header, Record, Records};

use std::fmt;

/// Kafka's logical offset of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// A byte position in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Offset {
    /// The offset `delta` further on; stops at the ends of `i64` instead of wrapping.
    #[must_use]
    pub fn plus(self, delta: i64) -> Self {
        Self(self.0.saturating_add(delta))
    }
}

impl Position {
    /// The position `bytes` further on; stops at the end of `u64` instead of wrapping.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes that do not parse: where in the file, and why.
///
/// Inside a decompressed payload there is no position in the file, so the error names the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {kind}")]
pub struct FormatError {
    /// Absolute position in the file.
    pub position: Position,
    /// What is wrong there.
    pub kind: FormatErrorKind,
}

impl FormatError {
    /// An error of `kind` at `position`.
    #[must_use]
    pub fn new(position: Position, kind: FormatErrorKind) -> Self {
        Self { position, kind }
    }
}

/// Why bytes do not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatErrorKind {
    /// The bytes end before the thing that began does.
    #[error("{needed} bytes are needed, {have} are there")]
    Truncated {
        /// Bytes the thing needs from here on.
        needed: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// A batch's length field is below what its format needs.
    #[error("a batch length of {length} is below the minimum of {minimum}")]
    BatchLength {
        /// The length field, which counts the bytes behind it.
        length: i32,
        /// The least that the format of this magic needs.
        minimum: i32,
    },
    /// A magic that no Kafka ever wrote.
    #[error("magic {magic} is none of 0, 1, 2")]
    BatchMagic {
        /// The byte found.
        magic: i8,
    },
    /// A compression id without a codec.
    #[error("compression id {id} is unknown")]
    UnknownCodec {
        /// The three bits found.
        id: u8,
    },
    /// A codec that Kafka does not allow in batches of this magic.
    #[error("{codec} is not allowed in magic {magic}")]
    CodecNotAllowed {
        /// The codec found.
        codec: Codec,
        /// The magic of the batch.
        magic: i8,
    },
    /// The compressed payload is broken.
    #[error("{codec} payload: {why}")]
    Decompression {
        /// The codec that was reading.
        codec: Codec,
        /// What it stumbled over.
        why: &'static str,
    },
    /// The payload is larger than the named limit allows.
    #[error("more than the limit {limit} of {allowed} bytes")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// A varint that goes on past its greatest length.
    #[error("a varint is longer than {maximum} bytes")]
    Varint {
        /// The most bytes it may have.
        maximum: usize,
    },
    /// A record's own length does not agree with its fields, or a field's length is impossible.
    #[error("{what}: {value}")]
    Record {
        /// What does not fit, as the beginning of a sentence that ends in `value`.
        what: &'static str,
        /// The number that does not fit.
        value: i64,
    },
    /// The number of records in the header is not the number of records in the batch.
    #[error("{found} records where the header says {stored}")]
    RecordCount {
        /// The header's count.
        stored: i32,
        /// The records that could be read.
        found: i64,
    },
    /// Bytes are left behind the last record.
    #[error("{bytes} bytes are left behind the last record")]
    BytesLeft {
        /// How many.
        bytes: u64,
    },
    /// A compressed message set of magic 0 or 1 breaks a rule of its own.
    #[error("wrapper message: {0}")]
    Wrapper(&'static str),
    /// A version this format does not have.
    #[error("version {0} is unknown")]
    Version(i64),
    /// Stored and computed checksum differ.
    #[error("stored checksum {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// As the file says.
        stored: u32,
        /// As its bytes give.
        computed: u32,
    },
    /// A line of a text file does not read as it should.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Text that should be UTF-8 and is not.
    #[error("not UTF-8")]
    Utf8,
}

/// The result of everything that reads bytes.
pub type Result<T> = std::result::Result<T, FormatError>;
