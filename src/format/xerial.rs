//! Snappy as Kafka reads and writes it: the framing of Xerial's Java library around raw blocks.
//!
//! ```text
//!   0                         8         12                  16
//!   | 82 53 4e 41 50 50 59 00 | i32     | i32               | chunks ...
//!   | magic                   | version | minimum to read   |
//!
//!   one chunk:   | i32 length | raw block of that many bytes |        all of it big endian
//! ```
//!
//! Streams may follow one another: where a length is expected, the beginning of the magic announces
//! another header. Whatever does not begin with a whole header is one raw block, which is what
//! clients that are not written in Java send.

use super::FormatErrorKind;
use super::compression::{Codec, Ending, Outcome, Output};
use crate::limits::{SNAPPY_EXPANSION_SLACK, SNAPPY_MAX_EXPANSION};

/// Magic, version 1, readable by version 1.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const MAGIC: &[u8] = HEADER.split_at(8).0;
/// What stands where a length is expected when another stream begins.
const MAGIC_BEGINS: &[u8] = HEADER.split_at(4).0;
/// Bytes of input that the client puts into one chunk.
const CHUNK: usize = 32 << 10;

fn broken(why: &'static str) -> FormatErrorKind {
    FormatErrorKind::Decompression { codec: Codec::Snappy, why }
}

/// Decompresses every chunk of `payload`, or the one raw block that it is.
pub(super) fn decompress(payload: &[u8], output: &mut Output<'_>) -> Outcome<Ending> {
    let Some(mut rest) = behind_magic(payload) else {
        block(payload, output)?;
        return Ok(Ending::default());
    };
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        if length == MAGIC_BEGINS {
            rest = behind_next_header(rest)?;
            continue;
        }
        let length = usize::try_from(i32::from_be_bytes(*length));
        let length = length.map_err(|_| broken("a chunk's length is negative"))?;
        let (chunk, behind) =
            behind.split_at_checked(length).ok_or(broken("ends inside a chunk"))?;
        block(chunk, output)?;
        rest = behind;
    }
    Ok(Ending { trailing: rest.len(), ..Ending::default() })
}

/// The bytes behind the payload's first header, whose versions Kafka does not look at.
fn behind_magic(payload: &[u8]) -> Option<&[u8]> {
    let (header, behind) = payload.split_at_checked(HEADER.len())?;
    header.starts_with(MAGIC).then_some(behind)
}

/// The bytes behind the header of a further stream. There Kafka wants the version to be 1 or more;
/// what it does about another magic depends on how it is read, so that is refused.
fn behind_next_header(rest: &[u8]) -> Outcome<&[u8]> {
    let (header, behind) =
        rest.split_at_checked(HEADER.len()).ok_or(broken("ends inside a header"))?;
    let version = header.get(MAGIC.len()..).and_then(|versions| versions.first_chunk::<4>());
    let readable = version.is_some_and(|version| i32::from_be_bytes(*version) >= 1);
    if !header.starts_with(MAGIC) || !readable {
        return Err(broken("a further stream has a broken header"));
    }
    Ok(behind)
}

/// Decompresses one raw block, which begins with the length that it declares to have.
fn block(block: &[u8], output: &mut Output<'_>) -> Outcome<()> {
    let declared = snap::raw::decompress_len(block).map_err(|_| broken("a block has no length"))?;
    let possible =
        block.len().saturating_mul(SNAPPY_MAX_EXPANSION).saturating_add(SNAPPY_EXPANSION_SLACK);
    if declared > possible {
        return Err(broken("a block declares more than snappy can give"));
    }
    let room = output.room(declared);
    if room.len() < declared {
        return Err(output.limit_error());
    }
    let written = snap::raw::Decoder::new()
        .decompress(block, room)
        .map_err(|_| broken("a block is broken"))?;
    output.advance(written)
}

/// Writes streams; its memory is used again for each.
pub(super) struct Encoder {
    library: snap::raw::Encoder,
    /// Initialised memory for one block.
    block: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let block = vec![0; snap::raw::max_compress_len(CHUNK)];
        Self { library: snap::raw::Encoder::new(), block }
    }

    /// Appends one stream.
    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), &'static str> {
        out.extend_from_slice(&HEADER);
        for chunk in input.chunks(CHUNK) {
            let length = self.library.compress(chunk, &mut self.block);
            let block = self.block.get(..length.unwrap_or(usize::MAX));
            let block = block.ok_or("the library failed")?;
            let length = i32::try_from(block.len()).map_err(|_| "a chunk is too large")?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(block);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::compression::testing::{ALL, CONTENT, decompressed, hex, limited};
    use super::*;

    /// What `kafka-clients` 3.9.2 writes for [`CONTENT`].
    const JAVA: &str = "82534e41505059000000000100000001\
                        000000167f146b61666b6120fe0600c60600187365676d656e74";
    /// A stream's header, and a chunk that gives `A`.
    const STREAM: &str = "82534e41505059000000000100000001";
    const CHUNK_A: &str = "00000003010041";

    fn refused(payload: &[u8]) -> &'static str {
        decompressed(Codec::Snappy, 2, payload).unwrap_err()
    }

    fn accepted(parts: &[&str]) -> (Vec<u8>, usize) {
        let (bytes, trailing, _) = decompressed(Codec::Snappy, 2, &hex(&parts.concat())).unwrap();
        (bytes, trailing)
    }

    #[test]
    fn reads_and_writes_what_the_java_client_writes() {
        assert_eq!(decompressed(Codec::Snappy, 2, &hex(JAVA)), ALL);
        for (content, java) in [(CONTENT, JAVA), (b"", STREAM)] {
            let mut out = Vec::new();
            Encoder::new().compress(content, &mut out).unwrap();
            assert_eq!(out, hex(java));
        }
        let mut out = Vec::new();
        Encoder::new().compress(&[7; (64 << 10) + 1], &mut out).unwrap();
        let lengths = |at: usize| i32::from_be_bytes(out[at..at + 4].try_into().unwrap()) as usize;
        let second = 16 + 4 + lengths(16);
        let third = second + 4 + lengths(second);
        assert_eq!(out[third..], hex("00000003010007"), "32 KiB, 32 KiB, 1 byte");
    }

    #[test]
    fn one_raw_block_needs_no_framing() {
        let payload = snap::raw::Encoder::new().compress_vec(CONTENT).unwrap();
        assert_eq!(decompressed(Codec::Snappy, 2, &payload), ALL);
        assert_eq!(refused(&[&payload[..], b"\0"].concat()), "a block is broken");
        // Google's own framing is not Kafka's.
        assert!(decompressed(Codec::Snappy, 2, b"\xff\x06\0\0sNaPpY\x01\x05\0\0abcdA").is_err());
        // Without a whole header, the magic is a raw block that declares 10,626 bytes.
        assert_eq!(refused(&hex(STREAM)[..15]), "a block declares more than snappy can give");
    }

    #[test]
    fn streams_follow_one_another() {
        assert_eq!(accepted(&[STREAM, CHUNK_A, STREAM, CHUNK_A]), (b"AA".to_vec(), 0));
        assert_eq!(accepted(&[STREAM, STREAM, STREAM, CHUNK_A]), (b"A".to_vec(), 0));
        let with = |header: &str| refused(&hex(&[STREAM, CHUNK_A, header, CHUNK_A].concat()));
        assert_eq!(
            with("82534e41505059010000000100000001"),
            "a further stream has a broken header"
        );
        assert_eq!(
            with("82534e41505059000000000000000001"),
            "a further stream has a broken header"
        );
        assert_eq!(refused(&hex(&[STREAM, CHUNK_A, "82534e41"].concat())), "ends inside a header");
    }

    #[test]
    fn versions_of_the_first_header_are_not_looked_at() {
        let header = "82534e41505059000000000000000063";
        assert_eq!(accepted(&[header, CHUNK_A]), (b"A".to_vec(), 0));
    }

    #[test]
    fn up_to_three_bytes_behind_the_last_chunk_are_ignored_and_counted() {
        for (garbage, length) in [("ff", 1), ("ffff", 2), ("ffffff", 3)] {
            assert_eq!(accepted(&[STREAM, CHUNK_A, garbage]), (b"A".to_vec(), length));
        }
        let with = |garbage: &str| refused(&hex(&[STREAM, CHUNK_A, garbage].concat()));
        assert_eq!(with("ffffffff"), "a chunk's length is negative");
        assert_eq!(with("7fffffff"), "ends inside a chunk");
        assert_eq!(with("00000000"), "a block is broken");
    }

    #[test]
    fn a_chunk_may_give_nothing_but_must_be_a_block() {
        assert_eq!(accepted(&[STREAM, "0000000100", CHUNK_A]), (b"A".to_vec(), 0));
        assert_eq!(refused(&hex(&[STREAM, "0000000180"].concat())), "a block has no length");
        assert_eq!(refused(&hex(&[STREAM, "0000000401004142"].concat())), "a block is broken");
        assert_eq!(refused(b""), "a block is broken");
    }

    #[test]
    fn a_declared_length_has_a_bound() {
        // 4 bytes of block may declare 4 * 22 + 64 = 152 bytes: then it is the block that is wrong.
        let declares = |length: &str| refused(&hex(&[STREAM, "00000004", length, "0041"].concat()));
        assert_eq!(declares("9801"), "a block is broken");
        assert_eq!(declares("9901"), "a block declares more than snappy can give");
        assert_eq!(
            refused(&hex("ffffffff0f000000000000000000000000")),
            "a block declares more than snappy can give"
        );
    }

    #[test]
    fn truncation_is_refused_but_between_chunks() {
        let payload = hex(&[STREAM, CHUNK_A, STREAM, CHUNK_A].concat());
        for cut in 0..payload.len() {
            let expected = match cut {
                16..=19 => Some((0, cut - 16)),
                23..=26 => Some((1, cut - 23)),
                39..=42 => Some((1, cut - 39)),
                _ => None,
            };
            let found = decompressed(Codec::Snappy, 2, &payload[..cut]).ok();
            let found = found.map(|(bytes, trailing, _)| (bytes.len(), trailing));
            assert_eq!(found, expected, "at {cut}");
        }
        let raw = snap::raw::Encoder::new().compress_vec(CONTENT).unwrap();
        for cut in 0..raw.len() {
            assert!(decompressed(Codec::Snappy, 2, &raw[..cut]).is_err(), "at {cut}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = Vec::new();
        Encoder::new().compress(&vec![0; 8 << 20], &mut bomb).unwrap();
        assert_eq!(limited(Codec::Snappy, 1 << 20, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Snappy, (8 << 20) - 1, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Snappy, 8 << 20, &bomb), Ok(8 << 20));
    }
}
