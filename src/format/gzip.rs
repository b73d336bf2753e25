//! gzip (RFC 1952) as Kafka reads and writes it, which is as Java does.
//!
//! ```text
//!   0       2        3       4                10
//!   | 1f 8b | method | flags | time, os, ...  | extra? name? comment? crc16? |   header
//!   | deflate stream                                                         |
//!   | CRC-32 of the content, little endian | its length modulo 2^32          |   trailer
//! ```
//!
//! Members follow one another. What follows a member and has no header of one is ignored; where a
//! header is, the member must be whole. Reserved flags are not looked at.

use super::FormatErrorKind;
use super::compression::{Codec, Ending, Outcome, Output, take_u32_le};
use super::crc::crc32;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::ops::RangeInclusive;

const MAGIC_AND_DEFLATE: [u8; 3] = [0x1f, 0x8b, 8];
/// No flags, no time, nothing about the level, and an unknown system: so do Javas from 16 on.
const WRITTEN_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// How much room there is at least and at most for what comes out next.
const ROOM_LEAST: usize = 64;
const ROOM_MOST: usize = 64 << 10;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
/// Up to so many bytes behind a member Java does not look for another: it could not be whole.
const TOO_SHORT_FOR_A_MEMBER: usize = 18;
/// The client's level when none is set.
const DEFAULT_LEVEL: u32 = 6;

/// What is kept from one payload to the next.
pub(super) struct Context(Decompress);

fn broken(why: &'static str) -> FormatErrorKind {
    FormatErrorKind::Decompression { codec: Codec::Gzip, why }
}

/// Decompresses every member of `payload`.
pub(super) fn decompress(
    payload: &[u8],
    kept: &mut Option<Context>,
    output: &mut Output<'_>,
) -> Outcome<Ending> {
    let Context(inflate) = kept.get_or_insert_with(|| Context(Decompress::new(false)));
    let mut rest = behind_header(payload).map_err(broken)?;
    loop {
        rest = member(rest, inflate, output)?;
        match behind_header(rest) {
            Ok(next) if rest.len() > TOO_SHORT_FOR_A_MEMBER => rest = next,
            _ => return Ok(Ending { trailing: rest.len(), ..Ending::default() }),
        }
    }
}

/// The bytes behind the header that `bytes` begin with.
fn behind_header(bytes: &[u8]) -> std::result::Result<&[u8], &'static str> {
    let fixed = bytes.first_chunk::<10>().ok_or("ends inside a header")?;
    let [a, b, method, flags, ..] = *fixed;
    if [a, b, method] != MAGIC_AND_DEFLATE {
        return Err("no gzip header");
    }
    let mut rest = bytes.get(fixed.len()..).unwrap_or_default();
    if flags & FLAG_EXTRA != 0 {
        let length = usize::from(take_u16_le(&mut rest).ok_or("ends inside a header")?);
        rest.split_off(..length).ok_or("ends inside a header")?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or("ends inside a header")?;
            rest.split_off(..=end).ok_or("ends inside a header")?;
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        let covered = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
        let stored = take_u16_le(&mut rest).ok_or("ends inside a header")?;
        if u32::from(stored) != crc32(covered) & 0xffff {
            return Err("a header's checksum differs");
        }
    }
    Ok(rest)
}

/// Decompresses the deflate stream that `rest` begins with and verifies the trailer behind it;
/// gives what is left.
fn member<'a>(
    mut rest: &'a [u8],
    inflate: &mut Decompress,
    output: &mut Output<'_>,
) -> Outcome<&'a [u8]> {
    inflate.reset(false);
    let start = output.filled();
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(rest, output.room(1), FlushDecompress::None)
            .map_err(|_| broken("the deflate stream is broken"))?;
        let read = usize::try_from(inflate.total_in() - read).unwrap_or_default();
        let written = usize::try_from(inflate.total_out() - written).unwrap_or_default();
        rest = rest.get(read..).unwrap_or_default();
        output.advance(written)?;
        if status == Status::StreamEnd {
            break;
        }
        if read == 0 && written == 0 {
            return Err(broken("ends inside a member"));
        }
    }
    let content = output.since(start);
    let stored = take_u32_le(&mut rest).zip(take_u32_le(&mut rest));
    let (crc, length) = stored.ok_or(broken("ends inside a trailer"))?;
    if crc != crc32(content) {
        return Err(broken("the checksum differs"));
    }
    if u64::from(length) != content.len() as u64 & u64::from(u32::MAX) {
        return Err(broken("the length differs"));
    }
    Ok(rest)
}

#[allow(clippy::little_endian_bytes)]
fn take_u16_le(bytes: &mut &[u8]) -> Option<u16> {
    let (number, behind) = bytes.split_first_chunk::<2>()?;
    *bytes = behind;
    Some(u16::from_le_bytes(*number))
}

/// The levels that Kafka has; it calls the default -1 as well.
pub(super) const LEVELS: RangeInclusive<i32> = 1..=9;
/// What stands for the default level.
pub(super) const DEFAULT_LEVEL_ID: i32 = -1;

/// Writes members; its memory is used again for each.
pub(super) struct Encoder(Compress);

impl Encoder {
    /// An encoder of a level that there is, without one of the client's default.
    pub(super) fn new(level: Option<i32>) -> Self {
        let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(DEFAULT_LEVEL);
        Self(Compress::new(Compression::new(level.min(9)), false))
    }

    /// Appends one member.
    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), &'static str> {
        let Self(deflate) = self;
        deflate.reset();
        out.extend_from_slice(&WRITTEN_HEADER);
        let mut rest = input;
        loop {
            out.reserve(rest.len().clamp(ROOM_LEAST, ROOM_MOST));
            let read = deflate.total_in();
            let status = deflate.compress_vec(rest, out, FlushCompress::Finish);
            let status = status.map_err(|_| "the library failed")?;
            let read = usize::try_from(deflate.total_in() - read).unwrap_or_default();
            rest = rest.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                break;
            }
        }
        append_trailer(input, out);
        Ok(())
    }
}

#[allow(clippy::little_endian_bytes)]
fn append_trailer(content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&crc32(content).to_le_bytes());
    // The length counts modulo 2^32.
    out.extend_from_slice(&((content.len() as u64 & 0xffff_ffff) as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::compression::testing::{ALL, CONTENT, decompressed, hex, limited};
    use super::*;

    /// What `kafka-clients` 3.9.2 on a JDK of 16 or later writes for [`CONTENT`].
    const JAVA: &str = "1f8b08000000000000ffcb4e4ccb4e54c8a63b599c9a9e9b9a570200067598e27f000000";

    fn refused(payload: &[u8]) -> &'static str {
        decompressed(Codec::Gzip, 2, payload).unwrap_err()
    }

    /// A member with `flags` and what they announce between the ten first bytes and the content.
    fn member_with(flags: u8, fields: &[u8]) -> Vec<u8> {
        let java = hex(JAVA);
        [&java[..3], &[flags], &java[4..10], fields, &java[10..]].concat()
    }

    #[test]
    fn reads_and_writes_what_the_java_client_writes() {
        assert_eq!(decompressed(Codec::Gzip, 2, &hex(JAVA)), ALL);
        for (content, java) in [(CONTENT, JAVA), (b"", "1f8b08000000000000ff03000000000000000000")]
        {
            let mut out = Vec::new();
            Encoder::new(None).compress(content, &mut out).unwrap();
            assert_eq!(out, hex(java));
        }
        for level in [-1, 1, 6, 9] {
            let mut out = Vec::new();
            Encoder::new(Some(level)).compress(CONTENT, &mut out).unwrap();
            assert_eq!(decompressed(Codec::Gzip, 2, &out), ALL, "level {level}");
            assert_eq!(out[..10], hex(JAVA)[..10], "level {level}");
        }
    }

    #[test]
    fn members_follow_one_another() {
        let one = hex(JAVA);
        let empty = hex("1f8b08000000000000ff03000000000000000000");
        let payload = [&one[..], &empty, &one, &empty].concat();
        let (bytes, trailing, _) = decompressed(Codec::Gzip, 2, &payload).unwrap();
        assert_eq!((bytes, trailing), ([CONTENT, CONTENT].concat(), 0));
    }

    #[test]
    fn what_is_no_header_behind_a_member_is_ignored_and_counted() {
        let one = hex(JAVA);
        for garbage in [&b"\0"[..], b"thirty bytes that are no header", &one[..9], &one[..18]] {
            let (bytes, trailing, _) =
                decompressed(Codec::Gzip, 2, &[&one[..], garbage].concat()).unwrap();
            assert_eq!((&bytes[..], trailing), (CONTENT, garbage.len()));
        }
        // One byte more than Java overlooks: a header, and then no whole member.
        assert_eq!(refused(&[&one[..], &one[..19]].concat()), "ends inside a member");
    }

    #[test]
    fn every_field_of_a_header_is_stepped_over() {
        for (flags, fields) in [
            (FLAG_EXTRA, &b"\x03\0abc"[..]),
            (FLAG_NAME, b"name\0"),
            (FLAG_COMMENT, b"\0"),
            (FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT, b"\0\0name\0comment\0"),
            (0b1110_0001, b""),
        ] {
            let payload = member_with(flags, fields);
            assert_eq!(decompressed(Codec::Gzip, 2, &payload), ALL, "flags {flags:#b}");
        }
        assert_eq!(refused(&member_with(FLAG_EXTRA, b"\xff\xff")), "ends inside a header");
    }

    #[test]
    fn the_checksum_of_a_header_is_verified() {
        // CRC-32 of `1f8b08 02 00000000 00 ff` by another implementation, its lower half.
        let stored = [0x90, 0xc9];
        assert_eq!(decompressed(Codec::Gzip, 2, &member_with(FLAG_HEADER_CRC, &stored)), ALL);
        let differs = member_with(FLAG_HEADER_CRC, &[stored[0] ^ 1, stored[1]]);
        assert_eq!(refused(&differs), "a header's checksum differs");
    }

    #[test]
    fn the_trailer_is_verified() {
        let one = hex(JAVA);
        for (at, why) in [(8, "the checksum differs"), (4, "the length differs")] {
            let mut payload = one.clone();
            payload[one.len() - at] ^= 1;
            assert_eq!(refused(&payload), why);
        }
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        assert_eq!(refused(b""), "ends inside a header");
        assert_eq!(refused(&[0; 40]), "no gzip header");
        assert_eq!(refused(b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0"), "no gzip header");
        let mut payload = hex(JAVA);
        payload[10] = 0x07; // A deflate block of the type that does not exist.
        assert_eq!(refused(&payload), "the deflate stream is broken");
    }

    #[test]
    fn truncation_is_refused_everywhere() {
        let payload = hex(JAVA);
        for cut in 0..payload.len() {
            assert!(refused(&payload[..cut]).starts_with("ends inside a "), "at {cut}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = Vec::new();
        Encoder::new(None).compress(&vec![0; 8 << 20], &mut bomb).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert_eq!(limited(Codec::Gzip, 1 << 20, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Gzip, 8 << 20, &bomb), Ok(8 << 20));
        // Many members are a bomb as well as a large one.
        let members = bomb.repeat(4);
        assert_eq!(limited(Codec::Gzip, 31 << 20, &members), Err("limit"));
    }
}
