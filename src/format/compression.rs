//! The five codecs of Kafka, with the framing each of them has there.
//!
//! ```text
//!            what a payload is                                bytes behind it
//!   none     the records themselves                           -
//!   gzip     | member | member | ..                           ignored if no header of a member
//!   snappy   | header | length, block | length, block | ..    up to 3 ignored
//!            or one raw block                                 refused
//!   lz4      | frame |                                        ignored
//!   zstd     | frame | skippable frame | frame | ..           refused
//! ```
//!
//! What Kafka's own readers accept is accepted and what they refuse is refused, whatever the
//! formats say: what comes out is what a consumer sees. What Kafka accepts without looking at it is
//! told in [`Decompressed`]. Where its answer depends on how its reads happen to fall, the payload
//! is refused.
//!
//! No payload says how large it becomes in a way that can be trusted, so output goes into one
//! buffer that grows as bytes come out and stops at a limit.

use super::encode::Compressor;
use super::{FormatError, FormatErrorKind, Position, Result, gzip, lz4_frame, xerial, zstd_frame};
use std::{fmt, io};

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

    /// The compression id.
    #[must_use]
    pub fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
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
    /// Initialised memory: its length is the most that any payload needed, and only grows.
    buffer: Vec<u8>,
    gzip: Option<gzip::Context>,
    zstd: Option<zstd_frame::Context>,
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
        Self { limit, buffer: Vec::new(), gzip: None, zstd: None }
    }

    /// Decompresses `payload`, which stands at `position` in a batch of `magic`.
    ///
    /// Every error names `position`. A payload of [`Codec::None`] is copied, under the same limit.
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
        let mut output = Output { buffer: &mut self.buffer, filled: 0, limit: self.limit };
        let ending = match codec {
            Codec::None => output.append(payload).map(|()| Ending::default()),
            Codec::Gzip => gzip::decompress(payload, &mut self.gzip, &mut output),
            Codec::Snappy => xerial::decompress(payload, &mut output),
            Codec::Lz4 => lz4_frame::decompress(magic, payload, &mut output),
            Codec::Zstd => zstd_frame::decompress(payload, &mut self.zstd, &mut output),
        };
        let Ending { trailing, ignored_checksum_differs } =
            ending.map_err(|kind| FormatError::new(position, kind))?;
        let filled = output.filled;
        let bytes = self.buffer.get(..filled).unwrap_or_default();
        Ok(Decompressed { bytes, trailing, ignored_checksum_differs })
    }
}

/// Appends `input`, compressed and framed as the Java client does it for `magic`, to `out`: a
/// [`Compressor`] for once.
///
/// # Errors
/// When there is no such level, or the codec's library fails.
pub fn compress(
    codec: Codec,
    magic: i8,
    input: &[u8],
    level: Option<i32>,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut compressor = Compressor::new(codec, level).map_err(io::Error::other)?;
    compressor.compress(magic, input, out).map_err(io::Error::other)
}

/// How a compressed stream ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    pub(super) trailing: usize,
    pub(super) ignored_checksum_differs: bool,
}

/// What a codec gives back: its bytes are in the [`Output`] by then.
pub(super) type Outcome<T> = std::result::Result<T, FormatErrorKind>;

/// Where decompressed bytes go.
///
/// ```text
///   0                filled               buffer.len()      limit + 1
///   |================|--------------------|.................|
///    came out         room(): initialised  not allocated yet
/// ```
///
/// The one byte past the limit is there to tell a payload that ends at the limit from one that goes
/// on: whoever fills it gets the limit's error.
pub(super) struct Output<'b> {
    buffer: &'b mut Vec<u8>,
    filled: usize,
    limit: usize,
}

/// The buffer's first size: most batches fit, and it is small enough to have one for each thread.
const FIRST_ALLOCATION: usize = 64 << 10;

impl Output<'_> {
    /// Memory for the next bytes: `wanted` or more of them, fewer only where the limit is near.
    ///
    /// `wanted` must be within a constant factor of bytes that are really there.
    #[inline]
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let most = self.limit.saturating_add(1);
        let end = self.filled.saturating_add(wanted).min(most);
        if end > self.buffer.len() {
            self.grow(end, most);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, end: usize, most: usize) {
        let have = self.buffer.len();
        let length = end.max(have.saturating_mul(2)).max(FIRST_ALLOCATION).min(most);
        self.buffer.reserve_exact(length.saturating_sub(have));
        self.buffer.resize(length, 0);
    }

    /// Counts `written` bytes of the room as having come out.
    #[inline]
    pub(super) fn advance(&mut self, written: usize) -> Outcome<()> {
        self.filled = self.filled.saturating_add(written);
        if self.filled > self.limit { Err(self.limit_error()) } else { Ok(()) }
    }

    /// Adds bytes that were stored uncompressed.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Outcome<()> {
        match self.room(bytes.len()).get_mut(..bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => return Err(self.limit_error()),
        }
        self.advance(bytes.len())
    }

    /// How many bytes have come out.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// What has come out from byte `start` on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.buffer.get(start..self.filled).unwrap_or_default()
    }

    /// The error of a payload that gives more than the limit.
    #[cold]
    pub(super) fn limit_error(&self) -> FormatErrorKind {
        FormatErrorKind::Limit { limit: "decompressed_bytes", allowed: self.limit as u64 }
    }
}

/// A little-endian number off the front of `bytes`: lz4 and gzip are not Kafka's own formats.
#[allow(clippy::little_endian_bytes)]
pub(super) fn take_u32_le(bytes: &mut &[u8]) -> Option<u32> {
    let (number, behind) = bytes.split_first_chunk::<4>()?;
    *bytes = behind;
    Some(u32::from_le_bytes(*number))
}

/// What the tests of every codec need.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// `kafka ` twenty times and `segment`: what the payloads of the Java client hold.
    pub(in super::super) const CONTENT: &[u8] = b"kafka kafka kafka kafka kafka kafka kafka \
        kafka kafka kafka kafka kafka kafka kafka kafka kafka kafka kafka kafka kafka segment";

    pub(in super::super) type Found = std::result::Result<(Vec<u8>, usize, bool), &'static str>;

    /// All of a payload used up, and [`CONTENT`] in it.
    pub(in super::super) struct AllOfContent;
    pub(in super::super) const ALL: AllOfContent = AllOfContent;
    impl PartialEq<AllOfContent> for Found {
        fn eq(&self, _: &AllOfContent) -> bool {
            *self == Ok((CONTENT.to_vec(), 0, false))
        }
    }
    impl fmt::Debug for AllOfContent {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Found::Ok((CONTENT.to_vec(), 0, false)).fmt(f)
        }
    }

    fn why(error: FormatError) -> &'static str {
        assert_eq!(error.position, Position(77));
        match error.kind {
            FormatErrorKind::Decompression { why, .. } => why,
            FormatErrorKind::Limit { limit: "decompressed_bytes", .. } => "limit",
            other => panic!("{other}"),
        }
    }

    /// Content, trailing bytes and whether an ignored checksum differs, or why not.
    pub(in super::super) fn decompressed(codec: Codec, magic: i8, payload: &[u8]) -> Found {
        let mut scratch = Scratch::new(1 << 20);
        let found = scratch.decompress(codec, magic, payload, Position(77)).map_err(why)?;
        Ok((found.bytes.to_vec(), found.trailing, found.ignored_checksum_differs))
    }

    /// How many bytes come out under `limit`, with never more memory than that.
    pub(in super::super) fn limited(
        codec: Codec,
        limit: usize,
        payload: &[u8],
    ) -> std::result::Result<usize, &'static str> {
        let mut scratch = Scratch::new(limit);
        let found = scratch.decompress(codec, 2, payload, Position(77));
        let length = found.map(|found| found.bytes.len()).map_err(why);
        assert!(scratch.buffer.capacity() <= limit + 1);
        length
    }

    /// The bytes that `digits` spell.
    pub(in super::super) fn hex(digits: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{CONTENT, decompressed, limited};
    use super::*;

    fn compressed(codec: Codec, magic: i8, content: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        compress(codec, magic, content, None, &mut out).unwrap();
        assert!(out.starts_with(b"before"));
        out.split_off(6)
    }

    /// Bytes that compress to about half.
    fn mixed(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let bytes = (0..length).map(|at| if at / 64 % 2 == 0 { next() } else { b'k' });
        bytes.collect()
    }

    #[test]
    fn what_is_compressed_comes_back_whatever_the_buffer_held_before() {
        let mut scratch = Scratch::new(1 << 20);
        let block = 64 << 10;
        for length in [0, 1, 100, block / 2, block, block + 1, 5, 1 << 20, 3, 300_000] {
            let content = mixed(length);
            for (codec, magic) in Codec::ALL.into_iter().zip([2, 1, 1, 0, 2]) {
                let payload = compressed(codec, magic, &content);
                let found = scratch.decompress(codec, magic, &payload, Position(0)).unwrap();
                assert!(found.bytes == content, "{codec}, {length} bytes");
                assert_eq!((found.trailing, found.ignored_checksum_differs), (0, false));
            }
        }
        assert!(scratch.buffer.len() <= (1 << 20) + 1);
    }

    #[test]
    fn the_limit_is_the_last_length_that_is_allowed() {
        for length in [1, 5000, 70_000] {
            for content in [mixed(length), vec![0; length]] {
                for codec in Codec::ALL {
                    let payload = compressed(codec, 2, &content);
                    assert_eq!(limited(codec, length, &payload), Ok(length), "{codec}");
                    assert_eq!(limited(codec, length - 1, &payload), Err("limit"), "{codec}");
                }
            }
        }
        let mut scratch = Scratch::new(3);
        let error = scratch.decompress(Codec::None, 2, b"four", Position(9)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "at byte 9: more than the limit decompressed_bytes of 3 bytes"
        );
    }

    #[test]
    fn a_few_bytes_never_take_much_memory() {
        for codec in Codec::ALL {
            let mut scratch = Scratch::new(usize::MAX);
            scratch.decompress(codec, 2, &compressed(codec, 2, b"few"), Position(0)).unwrap();
            assert!(scratch.buffer.capacity() <= FIRST_ALLOCATION, "{codec}");
        }
    }

    #[test]
    fn every_flipped_bit_is_survived_and_leaves_the_scratch_as_good_as_new() {
        let mut scratch = Scratch::new(1 << 20);
        for codec in Codec::ALL {
            for magic in [0, 2] {
                // There is no zstd in magic 0.
                let payload =
                    compressed(codec, if codec == Codec::Zstd { 2 } else { magic }, CONTENT);
                for bit in 0..payload.len() * 8 {
                    let mut flipped = payload.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    let found = scratch.decompress(codec, magic, &flipped, Position(0));
                    let found = found.ok().map(|found| found.bytes.to_vec());
                    let fresh = decompressed(codec, magic, &flipped).ok().map(|(bytes, ..)| bytes);
                    assert_eq!(found, fresh, "{codec}, bit {bit}");
                    let whole = scratch.decompress(codec, magic, &payload, Position(0)).unwrap();
                    assert_eq!(whole.bytes, CONTENT, "{codec} after bit {bit}");
                }
            }
        }
    }

    #[test]
    fn ids_and_names_are_kafkas() {
        let named = |id| Codec::from_id(id).map(Codec::name);
        let names = [Some("none"), Some("gzip"), Some("snappy"), Some("lz4"), Some("zstd"), None];
        assert_eq!([0, 1, 2, 3, 4, 5].map(named), names);
        assert!(Codec::ALL.iter().all(|codec| Codec::from_id(codec.id()) == Some(*codec)));
    }
}
