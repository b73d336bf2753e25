//! Each codec's decompression by itself, held to its cap.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow;
use segkit::format::{Codec, FormatErrorKind, Position, Scratch};

/// Two caps: what stops at the lower one may not at the other.
const CAPS: [usize; 2] = [10_000, 200_000];
/// What a context of gzip takes, which is kept from batch to batch.
const CONTEXT: usize = 64 << 10;

/// The first byte says which codec and magic; what follows is the payload.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let codec = Codec::from_id(choice & 7).unwrap_or(Codec::Gzip);
    let magic = ((choice >> 3) % 3).cast_signed();
    stops_at_its_cap(codec, magic, picks.rest());
}

/// Whatever the payload is: no more comes out than is allowed, and no more memory is taken.
pub fn stops_at_its_cap(codec: Codec, magic: i8, payload: &[u8]) {
    let [low, high] = CAPS.map(|cap| decompress(codec, magic, payload, cap));
    match (&low, &high) {
        (Ok(low), _) => assert_eq!(high.as_ref(), Ok(low), "a higher cap changes what comes out"),
        (Err(FormatErrorKind::Limit { limit, allowed }), _) => {
            assert_eq!((*limit, *allowed), ("decompressed_bytes", CAPS[0] as u64));
            assert!(high.is_err() || high.is_ok_and(|content| content.len() > CAPS[0]));
        }
        // Broken before the cap. In which words may depend on the room there is.
        (Err(why), _) => {
            let is_broken = matches!(high, Err(FormatErrorKind::Decompression { .. }));
            assert!(is_broken, "{why} becomes {high:?} with a higher cap");
        }
    }
    let plain = slow::decompress(codec.id(), payload, CAPS[0]);
    if let (Ok(content), Some(plain)) = (low, plain) {
        assert_eq!(content, plain, "{codec}");
    }
}

fn decompress(
    codec: Codec,
    magic: i8,
    payload: &[u8],
    cap: usize,
) -> Result<Vec<u8>, FormatErrorKind> {
    let allowed = 3 * cap.max(64 << 10) + CONTEXT + SMALL;
    within(allowed, || {
        let mut scratch = Scratch::new(cap);
        let found = scratch.decompress(codec, magic, payload, Position(7));
        let found = found.map_err(|error| {
            assert_eq!(error.position, Position(7));
            error.kind
        })?;
        assert!(found.bytes.len() <= cap && found.trailing <= payload.len());
        Ok(found.bytes.to_vec())
    })
}
