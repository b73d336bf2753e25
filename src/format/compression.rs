//! The five codecs of Kafka, with the framing each of them has there.

use super::{FormatError, FormatErrorKind, Position, Result};
use std::fmt;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// Xerial's stream framing, or one raw block.
    Snappy,
    /// LZ4 frames, as Kafka reads them.
    Lz4,
    /// Zstandard frames; magic 2 only.
    Zstd,
}

impl Codec {
    /// Every codec, in the order of their ids.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of a compression id; `None` for 5 to 7, which no Kafka has.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// Kafka's own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A bounded buffer that is used again for every batch that has to be decompressed.
pub struct Scratch {
    limit: usize,
    buffer: Vec<u8>,
}

/// A payload, decompressed.
#[derive(Clone, Copy, Debug)]
pub struct Decompressed<'s> {
    /// The bytes that came out.
    pub bytes: &'s [u8],
    /// Bytes behind the end of the compressed stream that were not looked at.
    pub trailing: usize,
    /// True when a checksum that Kafka does not look at (lz4's content checksum) differs.
    pub ignored_checksum_differs: bool,
}

impl Scratch {
    /// A buffer that holds at most `limit` bytes of one batch.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new() }
    }

    /// Decompresses `payload`, which stands at `position` in a batch of `magic`.
    ///
    /// # Errors
    /// When the payload is broken, or gives more than the limit.
    pub fn decompress(
        &mut self,
        codec: Codec,
        magic: i8,
        payload: &[u8],
        position: Position,
    ) -> Result<Decompressed<'_>> {
        let _ = (magic, payload, self.limit);
        self.buffer.clear();
        Err(FormatError::new(position, FormatErrorKind::Decompression { codec, why: "todo" }))
    }
}
