//! Zstandard as Kafka reads and writes it: frames one behind the other, magic 2 only.
//!
//! ```text
//!   | frame                                      | frame ...        | skippable frame ...  |
//!   | 28 b5 2f fd | header | blocks | [checksum] |                  | 5x 2a 4d 18 | length |
//! ```
//!
//! The library does the framing, and verifies a frame's checksum where there is one. What is left
//! for us: one context for all payloads, a bound on the window a frame may ask for, and that a
//! payload ends where a frame ends. A payload of no bytes has no frame and gives no bytes.
//!
//! Java's reader overlooks a cut-off frame behind a whole one if both fall into one of its reads.
//! Here it is always refused.

use super::FormatErrorKind;
use super::compression::{Codec, Ending, Outcome, Output, take_u32_le};
use crate::limits::ZSTD_WINDOW_LOG_MAX;
use std::ops::RangeInclusive;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
};

/// The client's level when none is set.
const DEFAULT_LEVEL: i32 = 3;

/// What is kept from one payload to the next.
pub(super) struct Context(DCtx<'static>);

fn broken(why: &'static str) -> FormatErrorKind {
    FormatErrorKind::Decompression { codec: Codec::Zstd, why }
}

fn library_error(code: usize) -> FormatErrorKind {
    broken(get_error_name(code))
}

impl Context {
    fn new() -> Outcome<Self> {
        let mut context = DCtx::try_create().ok_or(broken("no memory for a context"))?;
        context
            .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
            .map_err(library_error)?;
        Ok(Self(context))
    }
}

/// Decompresses every frame of `payload`.
pub(super) fn decompress(
    payload: &[u8],
    kept: &mut Option<Context>,
    output: &mut Output<'_>,
) -> Outcome<Ending> {
    let Context(context) = match kept {
        Some(context) => context,
        None => kept.insert(Context::new()?),
    };
    // The payload before may have ended in the middle of a frame.
    context.reset(ResetDirective::SessionOnly).map_err(library_error)?;
    let mut input = InBuffer::around(payload);
    let mut inside_frame = false;
    while inside_frame || input.pos() < payload.len() {
        let read_before = input.pos();
        let rest = payload.get(read_before..).unwrap_or_default();
        let takes_short_cut = inside_frame || has_own_window(rest);
        let mut room = OutBuffer::around(if takes_short_cut { output.room(1) } else { &mut [] });
        let hint = context.decompress_stream(&mut room, &mut input).map_err(library_error)?;
        let written = room.pos();
        output.advance(written)?;
        inside_frame = hint != 0;
        if inside_frame && written == 0 && input.pos() == read_before {
            return Err(broken("ends inside a frame"));
        }
    }
    Ok(Ending::default())
}

/// Whether the frame at the front is its own window, and no larger than one may be.
///
/// The library decompresses a frame that says how large it is, and fits into the room there is,
/// without a look at its window. How much room that is depends on the payloads before. What could
/// come out otherwise with less room is therefore begun with none.
fn has_own_window(frame: &[u8]) -> bool {
    let Some((_, [descriptor, rest @ ..])) = frame.split_first_chunk::<4>() else { return true };
    let (is_single_segment, has_dictionary) = (descriptor & 0x20 != 0, descriptor & 3 != 0);
    let is_small = match descriptor >> 6 {
        0 | 1 => true,
        2 => take_u32_le(&mut &*rest).is_none_or(|size| size <= 1 << ZSTD_WINDOW_LOG_MAX),
        _ => false,
    };
    is_single_segment && !has_dictionary && is_small
}

/// The levels that Kafka has.
pub(super) const LEVELS: RangeInclusive<i32> = -131_072..=22;
/// How much room there is at least and at most for what comes out next.
const ROOM_LEAST: usize = 64;
const ROOM_MOST: usize = 128 << 10;

/// Writes frames; its memory is used again for each. How much that is depends on the level alone,
/// as nothing tells the library how long a stream will be: a few MiB at 3, hundreds at 22.
pub(super) struct Encoder(CCtx<'static>);

impl Encoder {
    /// An encoder of a level that there is, without one of the client's default.
    pub(super) fn new(level: Option<i32>) -> std::result::Result<Self, &'static str> {
        let mut context = CCtx::try_create().ok_or("no memory for a context")?;
        let level = CParameter::CompressionLevel(level.unwrap_or(DEFAULT_LEVEL));
        context.set_parameter(level).map_err(get_error_name)?;
        Ok(Self(context))
    }

    /// Appends one frame as an encoder of streams writes it: without content size and checksum.
    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), &'static str> {
        let Self(context) = self;
        // The frame before may not have been ended.
        context.reset(ResetDirective::SessionOnly).map_err(get_error_name)?;
        let mut rest = InBuffer::around(input);
        // The client flushes before it closes, so that an empty block ends each of its frames.
        let flush = [ZSTD_EndDirective::ZSTD_e_continue, ZSTD_EndDirective::ZSTD_e_flush];
        let flush = flush.into_iter().filter(|_| !input.is_empty());
        for directive in flush.chain([ZSTD_EndDirective::ZSTD_e_end]) {
            loop {
                out.reserve((input.len() - rest.pos()).clamp(ROOM_LEAST, ROOM_MOST));
                let filled = out.len();
                let mut room = OutBuffer::around_pos(out, filled);
                let left = context.compress_stream2(&mut room, &mut rest, directive);
                let left = left.map_err(get_error_name)?;
                let is_done = match directive {
                    ZSTD_EndDirective::ZSTD_e_continue => rest.pos() == input.len(),
                    _ => left == 0,
                };
                if is_done {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::compression::testing::{ALL, CONTENT, decompressed, hex, limited};
    use super::*;
    use std::io::Write;

    /// What `kafka-clients` 3.9.2 writes for [`CONTENT`].
    const JAVA: &str = "28b52ffd0058a40000686b61666b61207365676d656e7401002f692902010000";
    const SKIPPABLE: &str = "502a4d1803000000aabbcc";

    fn refused(payload: &[u8]) -> &'static str {
        decompressed(Codec::Zstd, 2, payload).unwrap_err()
    }

    fn frame(set: &[CParameter], content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        for parameter in set {
            encoder.set_parameter(*parameter).unwrap();
        }
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_and_writes_what_the_java_client_writes() {
        assert_eq!(decompressed(Codec::Zstd, 2, &hex(JAVA)), ALL);
        for (content, java) in [(CONTENT, JAVA), (b"", "28b52ffd2000010000")] {
            let mut out = Vec::new();
            Encoder::new(None).unwrap().compress(content, &mut out).unwrap();
            assert_eq!(out, hex(java));
        }
    }

    #[test]
    fn frames_and_skippable_frames_follow_one_another() {
        let (one, skippable) = (hex(JAVA), hex(SKIPPABLE));
        let payload = [&skippable[..], &one, &skippable, &one, &skippable].concat();
        let (bytes, trailing, _) = decompressed(Codec::Zstd, 2, &payload).unwrap();
        assert_eq!((bytes, trailing), ([CONTENT, CONTENT].concat(), 0));
        assert_eq!(decompressed(Codec::Zstd, 2, b""), Ok((vec![], 0, false)));
        assert_eq!(decompressed(Codec::Zstd, 2, &skippable), Ok((vec![], 0, false)));
    }

    #[test]
    fn garbage_behind_a_frame_is_refused() {
        let one = hex(JAVA);
        assert_eq!(refused(&[&one[..], b"garbage"].concat()), "Unknown frame descriptor");
        assert_eq!(refused(&[&one[..], b"\0"].concat()), "Unknown frame descriptor");
        assert_eq!(refused(&[&one[..], &one[..9]].concat()), "ends inside a frame");
        assert_eq!(refused(&hex("25b52ffd00000000")), "Unknown frame descriptor", "format 0.5");
    }

    #[test]
    fn a_checksum_is_verified() {
        let mut payload = frame(&[CParameter::ChecksumFlag(true)], CONTENT);
        assert_eq!(decompressed(Codec::Zstd, 2, &payload), ALL);
        *payload.last_mut().unwrap() ^= 1;
        assert_eq!(refused(&payload), "Restored data doesn't match checksum");
    }

    #[test]
    fn a_window_is_at_most_two_to_the_27() {
        let with = |log| frame(&[CParameter::WindowLog(log)], CONTENT);
        assert_eq!(with(27)[5], (27 - 10) << 3, "the window's byte");
        assert_eq!(decompressed(Codec::Zstd, 2, &with(27)), ALL);
        assert_eq!(refused(&with(28)), "Frame requires too much memory for decoding");
    }

    /// Found by the fuzzer: 300 bytes, as the frame says, and a window of 2^28, 2^27 or none.
    #[test]
    fn a_window_is_refused_however_much_room_there_is() {
        let of = |front: &str| [hex(front), hex("610900"), vec![b'k'; 300]].concat();
        let too_large = Err("Frame requires too much memory for decoding");
        for limit in [299, 300, 1 << 20] {
            let fits = if limit < 300 { Err("limit") } else { Ok(300) };
            assert_eq!(limited(Codec::Zstd, limit, &of("28b52ffd40902c00")), too_large);
            assert_eq!(limited(Codec::Zstd, limit, &of("28b52ffd40882c00")), fits);
            assert_eq!(limited(Codec::Zstd, limit, &of("28b52ffd602c00")), fits);
        }
    }

    #[test]
    fn a_content_size_that_is_not_true_is_refused_without_allocating_it() {
        // A frame of one raw block `abc`, of which it claims to have 3 bytes, or 2^40 + 3.
        let (honest, liar) =
            ("28b52ffd2003190000616263", "28b52ffdc0580300000000010000190000616263");
        assert_eq!(decompressed(Codec::Zstd, 2, &hex(honest)).unwrap().0, b"abc");
        assert_eq!(refused(&hex(liar)), "Data corruption detected");
    }

    #[test]
    fn truncation_is_refused_everywhere_but_at_nothing() {
        let payload = frame(&[CParameter::ChecksumFlag(true)], CONTENT);
        for cut in 1..payload.len() {
            assert_eq!(refused(&payload[..cut]), "ends inside a frame", "at {cut}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = frame(&[], &vec![0; 32 << 20]);
        assert!(bomb.len() < 4096);
        assert_eq!(limited(Codec::Zstd, 1 << 20, &bomb), Err("limit"));
        assert_eq!(limited(Codec::Zstd, 32 << 20, &bomb), Ok(32 << 20));
    }
}
