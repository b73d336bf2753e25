//! The codecs in the framings of the Java client, with contexts that are used again.
//!
//! ```text
//!            what one payload becomes                      levels           without one
//!   none     itself                                        -
//!   gzip     one member                                    1 to 9, or -1    6, which is -1
//!   snappy   header, chunks of 32 KiB                      -
//!   lz4      one frame, independent blocks of 64 KiB       9               9
//!   zstd     one frame without content size or checksum    -131072 to 22    3
//! ```
//!
//! Kafka's lz4 has levels 1 to 17. By 9, its default, it means the fast compressor, and by all the
//! others the slow one, which is not built in: they are refused and not taken for something else.
//!
//! The framing is the client's to the byte. What stands in it is what the library finds: zstd finds
//! what the client's finds at most levels, snappy nearly always. For gzip and lz4 the libraries are
//! others than the client's; their payloads are up to a tenth larger.

use super::{EncodeError, Result, fits};
use crate::format::{Codec, gzip, lz4_frame, xerial, zstd_frame};
use std::ops::RangeInclusive;

/// Compresses one payload after the other with the same codec and level.
///
/// What comes out depends on the payload alone, not on those before it.
pub struct Compressor {
    codec: Codec,
    level: Option<i32>,
    library: Library,
}

enum Library {
    None,
    Gzip(gzip::Encoder),
    Snappy(Box<xerial::Encoder>),
    Lz4(lz4_frame::Encoder),
    Zstd(zstd_frame::Encoder),
}

impl Compressor {
    /// A compressor; without a level it has the client's default.
    ///
    /// # Errors
    /// When the codec has no such level, or its library gets no memory.
    pub fn new(codec: Codec, level: Option<i32>) -> Result<Self> {
        if let Some(level) = level {
            check_level(codec, level)?;
        }
        let library = match codec {
            Codec::None => Library::None,
            Codec::Gzip => Library::Gzip(gzip::Encoder::new(level)),
            Codec::Snappy => Library::Snappy(Box::new(xerial::Encoder::new())),
            Codec::Lz4 => Library::Lz4(lz4_frame::Encoder::new()),
            Codec::Zstd => {
                let encoder = zstd_frame::Encoder::new(level);
                Library::Zstd(encoder.map_err(|why| EncodeError::Compression { codec, why })?)
            }
        };
        Ok(Self { codec, level, library })
    }

    /// A compressor that does not compress.
    #[must_use]
    pub fn none() -> Self {
        Self { codec: Codec::None, level: None, library: Library::None }
    }

    /// The levels of a codec, from the first to the last; `None` where it has none.
    #[must_use]
    pub fn levels(codec: Codec) -> Option<RangeInclusive<i32>> {
        match codec {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(gzip::LEVELS),
            Codec::Lz4 => Some(lz4_frame::LEVEL..=lz4_frame::LEVEL),
            Codec::Zstd => Some(zstd_frame::LEVELS),
        }
    }

    /// The codec.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The level that was asked for.
    #[must_use]
    pub fn level(&self) -> Option<i32> {
        self.level
    }

    /// Appends `input`, compressed as it stands in a batch of `magic`, to `out`.
    ///
    /// # Errors
    /// When zstd is to stand in magic 0 or 1, when `input` is larger than any batch, or the
    /// library fails; then `out` is as it was.
    pub fn compress(&mut self, magic: i8, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        fits(input.len())?;
        let codec = self.codec;
        let before = out.len();
        let done = match &mut self.library {
            Library::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Library::Gzip(encoder) => encoder.compress(input, out),
            Library::Snappy(encoder) => encoder.compress(input, out),
            Library::Lz4(encoder) => encoder.compress(magic, input, out),
            Library::Zstd(_) if magic < 2 => {
                return Err(EncodeError::CodecNotAllowed { codec, magic });
            }
            Library::Zstd(encoder) => encoder.compress(input, out),
        };
        done.map_err(|why| {
            out.truncate(before);
            EncodeError::Compression { codec, why }
        })
    }
}

fn check_level(codec: Codec, level: i32) -> Result<()> {
    let is_there = Compressor::levels(codec).is_some_and(|levels| levels.contains(&level));
    if is_there || codec == Codec::Gzip && level == gzip::DEFAULT_LEVEL_ID {
        return Ok(());
    }
    let why = match codec {
        Codec::None | Codec::Snappy => "it has none",
        Codec::Gzip => "it has 1 to 9, and -1 for the default",
        Codec::Lz4 => "it has 9, which is Kafka's fast one; its slow ones are not built in",
        Codec::Zstd => "it has -131072 to 22",
    };
    Err(EncodeError::Level { codec, level, why })
}
