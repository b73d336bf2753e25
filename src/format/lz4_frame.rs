//! LZ4 frames as Kafka reads and writes them, which is by its own code, not by liblz4.
//!
//! ```text
//!   0             4     5    6                        all of it little endian
//!   | 04 22 4d 18 | FLG | BD | content size? u64 | HC |
//!   | u32 length, stored if its top bit is set | block | checksum? u32 |   repeated
//!   | u32 0                                    | content checksum? u32 |   end mark
//!
//!   FLG   7 6         5             4               3              2                  1        0
//!         version 01  independent   block checksum  content size   content checksum   reserved
//!   BD    7           6 5 4                                        3 .. 0
//!         reserved    largest block: 4 to 7, 64 KiB to 4 MiB       reserved
//!   HC    the second byte of the xxHash32 of FLG, BD and content size
//! ```
//!
//! Blocks that refer to earlier ones and dictionaries are refused. The content size is skipped, the
//! content checksum is read and not compared (here: compared and told), and whatever follows the
//! end mark is ignored, be it another frame.
//!
//! Clients that wrote magic 0 took HC over the four magic bytes as well, and those before 0.10
//! insist on it: so it is written that way inside magic 0, and never looked at there.

use super::FormatErrorKind;
use super::compression::{Codec, Ending, Outcome, Output, take_u32_le};
use lz4_flex::block::{self, CompressTable, DecompressError};
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const FLAG_VERSION: u8 = 0b1100_0000;
const FLAG_VERSION_1: u8 = 0b0100_0000;
const FLAG_INDEPENDENT: u8 = 1 << 5;
const FLAG_BLOCK_CHECKSUM: u8 = 1 << 4;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_RESERVED: u8 = 0b11;
const STORED: u32 = 1 << 31;
const END_MARK: [u8; 4] = [0; 4];
/// No byte of a block can give more than this many.
const MAX_EXPANSION: usize = 255;
/// The block size that the client writes, and its id in BD.
const WRITTEN_BLOCK: usize = 64 << 10;
const WRITTEN_BLOCK_ID: u8 = 4;

fn broken(why: &'static str) -> FormatErrorKind {
    FormatErrorKind::Decompression { codec: Codec::Lz4, why }
}

/// What a frame says about itself.
struct Descriptor {
    block_checksums: bool,
    content_checksum: bool,
    largest_block: usize,
}

/// Decompresses the first frame of `payload`.
pub(super) fn decompress(magic: i8, payload: &[u8], output: &mut Output<'_>) -> Outcome<Ending> {
    let mut rest = payload;
    let frame = descriptor(magic, &mut rest)?;
    loop {
        let length = take_u32_le(&mut rest).ok_or(broken("ends without an end mark"))?;
        let stored = length & STORED != 0;
        let length = usize::try_from(length & !STORED).unwrap_or(usize::MAX);
        if length == 0 {
            break;
        }
        if length > frame.largest_block {
            return Err(broken("a block is longer than its frame allows"));
        }
        let bytes = rest.split_off(..length).ok_or(broken("ends inside a block"))?;
        if frame.block_checksums {
            let checksum = take_u32_le(&mut rest).ok_or(broken("ends inside a checksum"))?;
            if checksum != XxHash32::oneshot(0, bytes) {
                return Err(broken("a block's checksum differs"));
            }
        }
        if stored {
            output.append(bytes)?;
        } else {
            compressed_block(bytes, frame.largest_block, output)?;
        }
    }
    let mut ending = Ending::default();
    if frame.content_checksum {
        let checksum = take_u32_le(&mut rest).ok_or(broken("ends inside a checksum"))?;
        ending.ignored_checksum_differs = checksum != XxHash32::oneshot(0, output.since(0));
    }
    ending.trailing = rest.len();
    Ok(ending)
}

/// Reads everything in front of the first block.
fn descriptor(magic: i8, rest: &mut &[u8]) -> Outcome<Descriptor> {
    if rest.split_off(..MAGIC.len()) != Some(&MAGIC) {
        return Err(broken("no lz4 frame"));
    }
    let truncated = broken("ends inside the frame descriptor");
    let [flags, block_size, ..] = **rest else { return Err(truncated) };
    if flags & FLAG_VERSION != FLAG_VERSION_1 {
        return Err(broken("the frame's version is not 1"));
    }
    if flags & FLAG_RESERVED != 0 {
        return Err(broken("a reserved bit or a dictionary"));
    }
    if flags & FLAG_INDEPENDENT == 0 {
        return Err(broken("blocks that depend on each other"));
    }
    let largest_block = match block_size {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err(broken("no block size of lz4")),
    };
    let length = if flags & FLAG_CONTENT_SIZE == 0 { 2 } else { 10 };
    let described = rest.split_off(..length).ok_or(truncated)?;
    let checksum = *rest.split_off_first().ok_or(truncated)?;
    if magic > 0 && checksum != header_checksum(described) {
        return Err(broken("the frame descriptor's checksum differs"));
    }
    Ok(Descriptor {
        block_checksums: flags & FLAG_BLOCK_CHECKSUM != 0,
        content_checksum: flags & FLAG_CONTENT_CHECKSUM != 0,
        largest_block,
    })
}

fn header_checksum(described: &[u8]) -> u8 {
    let [_, _, second, _] = XxHash32::oneshot(0, described).to_be_bytes();
    second
}

/// Decompresses one block. What its bytes can give at most is all that is asked for.
///
/// Not inlined: within the frame's loop the block's own loop was measured a third slower.
#[inline(never)]
fn compressed_block(bytes: &[u8], largest: usize, output: &mut Output<'_>) -> Outcome<()> {
    let wanted = bytes.len().saturating_mul(MAX_EXPANSION).min(largest);
    let room = output.room(wanted);
    let near_limit = room.len() < wanted;
    match block::decompress_into(bytes, room) {
        Ok(written) if written <= largest => output.advance(written),
        Err(DecompressError::OutputTooSmall { .. }) if near_limit => Err(output.limit_error()),
        Ok(_) | Err(DecompressError::OutputTooSmall { .. }) => {
            Err(broken("a block gives more than its frame allows"))
        }
        Err(_) => Err(broken("a block is broken")),
    }
}

/// The one level that there is: by it Kafka means the fast compressor, and its default. The others
/// of its 17 mean the slow one, which the library does not have.
pub(super) const LEVEL: i32 = 9;

/// Writes frames; its memory is used again for each.
pub(super) struct Encoder {
    /// For blocks of a length that a `u16` has. With the other table the same bytes would come out
    /// otherwise, and what comes out may not depend on what was compressed before.
    small: CompressTable,
    large: Option<CompressTable>,
    /// Initialised memory for one block.
    block: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let block = vec![0; block::get_maximum_output_size(WRITTEN_BLOCK)];
        Self { small: CompressTable::small(), large: None, block }
    }

    /// Appends one frame of independent blocks of 64 KiB, without checksums.
    pub(super) fn compress(
        &mut self,
        magic: i8,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), &'static str> {
        let [a, b, c, d] = MAGIC;
        let (flags, block_size) = (FLAG_VERSION_1 | FLAG_INDEPENDENT, WRITTEN_BLOCK_ID << 4);
        let checksum = if magic > 0 {
            header_checksum(&[flags, block_size])
        } else {
            header_checksum(&[a, b, c, d, flags, block_size])
        };
        out.extend_from_slice(&[a, b, c, d, flags, block_size, checksum]);
        for bytes in input.chunks(WRITTEN_BLOCK) {
            let table = if bytes.len() < usize::from(u16::MAX) {
                &mut self.small
            } else {
                self.large.get_or_insert_with(CompressTable::large)
            };
            let length = block::compress_into_with_table(bytes, &mut self.block, table);
            let block = self.block.get(..length.unwrap_or(usize::MAX));
            let block = block.ok_or("the library failed")?;
            if block.len() < bytes.len() {
                write_block(block, 0, out)?;
            } else {
                write_block(bytes, STORED, out)?;
            }
        }
        out.extend_from_slice(&END_MARK);
        Ok(())
    }
}

#[allow(clippy::little_endian_bytes)]
fn write_block(
    bytes: &[u8],
    mark: u32,
    out: &mut Vec<u8>,
) -> std::result::Result<(), &'static str> {
    let length = u32::try_from(bytes.len()).map_err(|_| "a block is too large")?;
    out.extend_from_slice(&(length | mark).to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::compression::testing::{ALL, CONTENT, decompressed, hex, limited};
    use super::super::{Position, Scratch};
    use super::*;

    /// What `kafka-clients` 3.9.2 writes for [`CONTENT`]: descriptor, block, end mark.
    const JAVA: [&str; 3] =
        ["04224d18604082", "120000006f6b61666b612006005f707365676d656e74", "00000000"];
    /// A stored block `A`.
    const STORED_A: &str = "0100008041";
    /// What lz4-java's own writer makes of [`SHORT`] with each flag and block size that Kafka
    /// does not write but reads.
    const LZ4_JAVA: [&str; 7] = [
        "04224d187040ad120000006f6b61666b6120060005707365676d656e744f5fb6dd00000000",
        "04224d186440a7120000006f6b61666b6120060005707365676d656e74000000000fc0ded7",
        "04224d18684025000000000000008e120000006f6b61666b6120060005707365676d656e7400000000",
        "04224d187c402500000000000000bc\
         120000006f6b61666b6120060005707365676d656e744f5fb6dd000000000fc0ded7",
        "04224d186050fb120000006f6b61666b6120060005707365676d656e7400000000",
        "04224d18646085120000006f6b61666b6120060005707365676d656e74000000000fc0ded7",
        "04224d187c702500000000000000fd\
         120000006f6b61666b6120060005707365676d656e744f5fb6dd000000000fc0ded7",
    ];
    const SHORT: &[u8] = b"kafka kafka kafka kafka kafka segment";

    fn read(parts: &[&str]) -> Result<(Vec<u8>, usize, bool), &'static str> {
        decompressed(Codec::Lz4, 2, &hex(&parts.concat()))
    }

    /// A frame of magic 2 with a descriptor that has its right checksum.
    fn described(
        flags: u8,
        block_size: u8,
        behind: &str,
    ) -> Result<(Vec<u8>, usize, bool), &'static str> {
        let checksum = header_checksum(&[flags, block_size]);
        let header = [MAGIC.as_slice(), &[flags, block_size, checksum]].concat();
        decompressed(Codec::Lz4, 2, &[header, hex(behind)].concat())
    }

    fn written(magic: i8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new().compress(magic, content, &mut out).unwrap();
        out
    }

    #[test]
    fn reads_and_writes_what_the_java_client_writes() {
        let java = hex(&JAVA.concat());
        assert_eq!(decompressed(Codec::Lz4, 2, &java), ALL);
        assert_eq!((written(2, CONTENT), written(1, CONTENT)), (java.clone(), java));
        assert_eq!(written(2, b""), hex("04224d1860408200000000"));
        let incompressible = "04224d18604082040000800011223300000000";
        assert_eq!(written(2, &[0, 0x11, 0x22, 0x33]), hex(incompressible));
    }

    #[test]
    fn the_frame_of_magic_0_has_a_checksum_of_its_own_that_nobody_looks_at() {
        let payload = written(0, CONTENT);
        assert_eq!(payload[..7], hex("04224d1860401a"));
        assert_eq!(decompressed(Codec::Lz4, 0, &payload), ALL);
        assert_eq!(decompressed(Codec::Lz4, 0, &written(2, CONTENT)), ALL);
        for magic in [1, 2] {
            let refused = decompressed(Codec::Lz4, magic, &payload);
            assert_eq!(refused, Err("the frame descriptor's checksum differs"));
        }
    }

    #[test]
    fn every_flag_and_block_size_that_kafka_reads() {
        for frame in LZ4_JAVA {
            assert_eq!(read(&[frame]), Ok((SHORT.to_vec(), 0, false)), "{frame}");
        }
    }

    #[test]
    fn what_kafka_does_not_read_is_refused() {
        let end = "00000000";
        assert_eq!(described(0x60, 0x40, end), Ok((vec![], 0, false)));
        for (flags, why) in [
            (0x20, "the frame's version is not 1"),
            (0xa0, "the frame's version is not 1"),
            (0xe0, "the frame's version is not 1"),
            (0x61, "a reserved bit or a dictionary"),
            (0x62, "a reserved bit or a dictionary"),
            (0x40, "blocks that depend on each other"),
        ] {
            assert_eq!(described(flags, 0x40, end), Err(why), "{flags:#x}");
        }
        for block_size in [0x00, 0x30, 0x41, 0x48, 0xc0, 0xf0] {
            assert_eq!(described(0x60, block_size, end), Err("no block size of lz4"));
        }
        // The legacy format, a skippable frame, and one that is none.
        for magic in ["02214c18", "502a4d18", "00000000"] {
            assert_eq!(read(&[magic, "604082", end]), Err("no lz4 frame"));
        }
    }

    #[test]
    fn a_block_checksum_is_verified() {
        let mut payload = hex(LZ4_JAVA[0]);
        let at = payload.len() - 8;
        payload[at] ^= 1;
        assert_eq!(decompressed(Codec::Lz4, 2, &payload), Err("a block's checksum differs"));
    }

    #[test]
    fn a_content_checksum_is_compared_but_not_insisted_on() {
        let mut payload = hex(LZ4_JAVA[1]);
        *payload.last_mut().unwrap() ^= 1;
        assert_eq!(decompressed(Codec::Lz4, 2, &payload), Ok((SHORT.to_vec(), 0, true)));
        payload.pop();
        assert_eq!(decompressed(Codec::Lz4, 2, &payload), Err("ends inside a checksum"));
    }

    #[test]
    fn everything_behind_the_end_mark_is_ignored_and_counted() {
        let frame = JAVA.concat();
        let (bytes, trailing, _) = read(&[&frame, &frame]).unwrap();
        assert_eq!((&bytes[..], trailing), (CONTENT, frame.len() / 2));
        assert_eq!(read(&[&frame, "ff"]), Ok((CONTENT.to_vec(), 1, false)));
    }

    #[test]
    fn without_an_end_mark_the_frame_is_not_whole() {
        assert_eq!(read(&JAVA[..2]), Err("ends without an end mark"));
        // A stored block of no bytes is an end mark to Kafka.
        assert_eq!(read(&[JAVA[0], STORED_A, "00000080"]), Ok((b"A".to_vec(), 0, false)));
    }

    #[test]
    fn a_block_fits_into_the_largest_of_its_frame() {
        let zeros = |size: usize| {
            let block = block::compress(&vec![0; size]);
            let mut out = hex(JAVA[0]);
            write_block(&block, 0, &mut out).unwrap();
            out.extend_from_slice(&END_MARK);
            out
        };
        let most = decompressed(Codec::Lz4, 2, &zeros(64 << 10));
        assert_eq!(most, Ok((vec![0; 64 << 10], 0, false)));
        let more = decompressed(Codec::Lz4, 2, &zeros((64 << 10) + 1));
        assert_eq!(more, Err("a block gives more than its frame allows"));
        // Also where the buffer has room for it.
        let mut scratch = Scratch::new(1 << 20);
        scratch.decompress(Codec::None, 2, &[0; 1 << 20], Position(0)).unwrap();
        assert!(scratch.decompress(Codec::Lz4, 2, &zeros(64 << 10), Position(0)).is_ok());
        let error = scratch.decompress(Codec::Lz4, 2, &zeros((64 << 10) + 1), Position(0));
        let more = broken("a block gives more than its frame allows");
        assert_eq!(error.unwrap_err().kind, more);

        let stored = |size: usize| {
            let mut out = hex(JAVA[0]);
            write_block(&vec![7; size], STORED, &mut out).unwrap();
            out.extend_from_slice(&END_MARK);
            decompressed(Codec::Lz4, 2, &out).map(|(bytes, ..)| bytes.len())
        };
        assert_eq!(stored(64 << 10), Ok(64 << 10));
        assert_eq!(stored((64 << 10) + 1), Err("a block is longer than its frame allows"));
    }

    #[test]
    fn a_broken_block_is_refused() {
        // A match that begins before the block, one of distance 0, and literals that are missing.
        for block in ["050000001041020000", "050000001041000000", "02000000f041"] {
            assert_eq!(read(&[JAVA[0], block, JAVA[2]]), Err("a block is broken"), "{block}");
        }
        // One that gives nothing is whole.
        assert_eq!(read(&[JAVA[0], "0100000000", STORED_A, JAVA[2]]).unwrap().0, b"A");
    }

    #[test]
    fn truncation_is_refused_everywhere() {
        for frame in [JAVA.concat().as_str(), LZ4_JAVA[3]] {
            let payload = hex(frame);
            for cut in 0..payload.len() {
                assert!(decompressed(Codec::Lz4, 2, &payload[..cut]).is_err(), "at {cut}");
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = written(2, &vec![0; 8 << 20]);
        assert_eq!(limited(Codec::Lz4, 1 << 20, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Lz4, (8 << 20) - 1, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Lz4, 8 << 20, &bomb), Ok(8 << 20));
    }
}
