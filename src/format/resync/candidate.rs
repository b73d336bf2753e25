//! What the beginning of a batch looks like to someone who trusts nothing before its checksum.
//!
//! Stricter than Kafka's own readers: only what some Kafka writes. Reserved bits are zero, codecs
//! known, counts and lengths fit each other.

use crate::format::Offset;
use crate::format::batch::{LOG_OVERHEAD, MINIMUM_LENGTH, PREFIX_BYTES};
use crate::format::batch_v2::HeaderV2;
use crate::format::crc_math::Checksum;
use crate::format::legacy::LegacyMessage;

/// Where the checksum of a magic 2 batch stands, and where what it covers begins.
const V2_CRC: (usize, usize) = (17, 21);
/// The same for a message of magic 0 or 1.
const LEGACY_CRC: (usize, usize) = (12, 16);
/// The least bytes of a record: seven fields of one byte.
const RECORD_MINIMUM: i64 = 7;

/// What is known about the offsets of the batches behind a damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The last offset that was proved before the damage.
    pub last_proved: Option<Offset>,
    /// The segment's base offset, from its name.
    pub segment_base: Option<Offset>,
    /// The base offset of the next segment.
    pub next_segment_base: Option<Offset>,
}

impl Bounds {
    /// True when batches of a healthy segment may hold the offsets from `base` to `last`.
    fn allow(&self, base: i64, last: i64) -> bool {
        let above = self.last_proved.is_none_or(|proved| base > proved.0);
        let below = self.next_segment_base.is_none_or(|next| last < next.0);
        let inside = self
            .segment_base
            .is_none_or(|segment| base >= segment.0 && last <= segment.plus(i64::from(i32::MAX)).0);
        base >= 0 && above && below && inside
    }
}

/// A batch that may begin at `start`: everything fits but its checksum is not looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub start: usize,
    /// Where its length says it ends, in the window or behind it.
    pub end: usize,
    pub seal: Seal,
    /// The first offset; the last one for a wrapper message, which does not say its first.
    pub base: i64,
    pub last: i64,
}

/// A stored checksum and where what it covers begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal {
    pub checksum: Checksum,
    pub stored: u32,
    pub covered_from: usize,
    pub magic: i8,
}

impl Seal {
    /// The checksum of a batch at `start` if it is one of magic 2.
    pub(super) fn v2(bytes: &[u8], start: usize) -> Option<Self> {
        Self::read(bytes, start, V2_CRC, Checksum::Crc32c, 2)
    }

    /// The checksum of a batch at `start` if its magic is 0 or 1.
    pub(super) fn legacy(bytes: &[u8], start: usize) -> Option<Self> {
        let magic = bytes.get(start + LEGACY_CRC.1)?.cast_signed();
        Self::read(bytes, start, LEGACY_CRC, Checksum::Crc32, magic)
            .filter(|_| matches!(magic, 0 | 1))
    }

    fn read(
        bytes: &[u8],
        start: usize,
        (crc_at, covered_from): (usize, usize),
        checksum: Checksum,
        magic: i8,
    ) -> Option<Self> {
        let stored = u32::from_be_bytes(*bytes.get(start + crc_at..)?.first_chunk()?);
        Some(Self { checksum, stored, covered_from: start + covered_from, magic })
    }

    /// The least bytes of a batch of this magic.
    pub(super) fn minimum_size(&self) -> usize {
        match self.magic {
            2 => HeaderV2::BYTES,
            _ => LOG_OVERHEAD + MINIMUM_LENGTH.unsigned_abs() as usize,
        }
    }
}

/// True when the fields of a batch begin at `start`, whatever its length says. Messages of magic 0
/// and 1 have too few fields to tell without the length.
pub(super) fn resembles_batch(bytes: &[u8], start: usize) -> bool {
    match bytes.get(start + PREFIX_BYTES - 1) {
        Some(2) => plausible_v2(bytes, start).is_some(),
        Some(0 | 1) => Candidate::at(bytes, start).is_some(),
        _ => false,
    }
}

/// The header at `start` if all of its fields but the length are such as Kafka writes them.
fn plausible_v2(bytes: &[u8], start: usize) -> Option<&HeaderV2> {
    let header = HeaderV2::at_front(bytes.get(start..)?)?;
    let plausible = header.magic == 2
        && header.base_offset.get() >= 0
        && header.partition_leader_epoch.get() >= -1
        && has_plausible_cover(header);
    plausible.then_some(header)
}

/// True when the fields under the header's checksum are such as Kafka writes them.
fn has_plausible_cover(header: &HeaderV2) -> bool {
    let (delta, count) = (header.last_offset_delta.get(), header.records_count.get());
    header.attributes.get() & 0xff80 == 0
        && header.attributes.get() & 0b111 <= 4
        && delta >= 0
        && (0..=i64::from(delta) + 1).contains(&i64::from(count))
        && header.producer_id.get() >= -1
        && header.producer_epoch.get() >= -1
        && header.base_sequence.get() >= -1
}

/// A seal that a damaged batch may still have: what it covers is sound then, and says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnSeal {
    pub seal: Seal,
    /// Where key and value of a message of magic 0 or 1 end, which is where it does.
    pub only_end: Option<usize>,
}

impl OwnSeal {
    /// That of a batch of magic 2 at `start`.
    pub(super) fn v2(bytes: &[u8], start: usize) -> Option<Self> {
        HeaderV2::at_front(bytes.get(start..)?).filter(|header| has_plausible_cover(header))?;
        Some(Self { seal: Seal::v2(bytes, start)?, only_end: None })
    }

    /// That of a message of magic 0 or 1 at `start`.
    pub(super) fn legacy(bytes: &[u8], start: usize) -> Option<Self> {
        let seal = Seal::legacy(bytes, start)?;
        let (_, value_length_at) = field_end(bytes, legacy_key_at(bytes, start, seal.magic)?)?;
        let (_, end) = field_end(bytes, value_length_at)?;
        Some(Self { seal, only_end: Some(end) })
    }
}

impl Candidate {
    /// The batch that may begin at `start`.
    pub(super) fn at(bytes: &[u8], start: usize) -> Option<Self> {
        match bytes.get(start + PREFIX_BYTES - 1) {
            Some(2) => Self::v2(bytes, start),
            Some(0 | 1) => Self::legacy(bytes, start),
            _ => None,
        }
    }

    pub(super) fn fits(&self, bounds: &Bounds) -> bool {
        bounds.allow(self.base, self.last)
    }

    /// True when the message or batch ends inside a window of `length` bytes.
    pub(super) fn is_whole(&self, length: usize) -> bool {
        self.end <= length
    }

    fn v2(bytes: &[u8], start: usize) -> Option<Self> {
        let header = plausible_v2(bytes, start)?;
        let length = header.length.get();
        let payload = i64::from(length.checked_sub(HeaderV2::MINIMUM_LENGTH)?);
        let plain = header.attributes.get() & 0b111 == 0;
        let room = !plain || i64::from(header.records_count.get()) * RECORD_MINIMUM <= payload;
        if payload < 0 || !room {
            return None;
        }
        let base = header.base_offset.get();
        Some(Self {
            start,
            end: start + LOG_OVERHEAD + length.unsigned_abs() as usize,
            seal: Seal::v2(bytes, start)?,
            base,
            last: base.checked_add(i64::from(header.last_offset_delta.get()))?,
        })
    }

    fn legacy(bytes: &[u8], start: usize) -> Option<Self> {
        let seal = Seal::legacy(bytes, start)?;
        let length = i32_at(bytes, start + 8)?;
        let minimum =
            if seal.magic == 0 { MINIMUM_LENGTH } else { LegacyMessage::MINIMUM_LENGTH_V1 };
        let attributes = *bytes.get(start + PREFIX_BYTES)?;
        let allowed = if seal.magic == 0 { 0b0111 } else { 0b1111 };
        let last = i64::from_be_bytes(*bytes.get(start..)?.first_chunk()?);
        if length < minimum || attributes & !allowed != 0 || attributes & 0b111 > 3 || last < 0 {
            return None;
        }
        let end = start + LOG_OVERHEAD + length.unsigned_abs() as usize;
        let message = Self { start, end, seal, base: last, last };
        message.has_fitting_fields(bytes, attributes & 0b111 != 0).then_some(message)
    }

    /// Key and value fill a message to its last byte. A wrapper has a null key and some value. The
    /// value's length may lie behind the window: then it is not looked at.
    fn has_fitting_fields(&self, bytes: &[u8], is_wrapper: bool) -> bool {
        let Some(key_at) = legacy_key_at(bytes, self.start, self.seal.magic) else { return false };
        let Some((key_null, value_length_at)) = field_end(bytes, key_at) else { return false };
        if value_length_at.saturating_add(4) > self.end || (is_wrapper && !key_null) {
            return false;
        }
        match field_end(bytes, value_length_at) {
            Some((value_null, end)) => end == self.end && !(is_wrapper && value_null),
            None => self.end > bytes.len(),
        }
    }
}

/// Where the key's length stands; `None` when the timestamp before it is none that Kafka takes.
fn legacy_key_at(bytes: &[u8], start: usize, magic: i8) -> Option<usize> {
    if magic == 0 {
        return Some(start + 18);
    }
    let timestamp = i64::from_be_bytes(*bytes.get(start + 18..)?.first_chunk()?);
    (timestamp >= -1).then_some(start + 26)
}

/// Whether the field whose length stands at `at` is null, and where it ends. `None` when the
/// length is below -1 or not in the window.
fn field_end(bytes: &[u8], at: usize) -> Option<(bool, usize)> {
    match i32_at(bytes, at)? {
        -1 => Some((true, at + 4)),
        length => Some((false, at + 4 + usize::try_from(length).ok()?)),
    }
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|field| i32::from_be_bytes(*field))
}

/// True when the bytes from `start` to the end of the file are the beginning of a batch that goes
/// on behind it, as far as there are fields to look at.
pub(super) fn is_cut_off(bytes: &[u8], start: usize, bounds: &Bounds) -> bool {
    let rest = bytes.get(start..).unwrap_or_default();
    let offset = rest.first_chunk().map(|offset| i64::from_be_bytes(*offset));
    if offset.is_some_and(|offset| !bounds.allow(offset, offset)) {
        return false;
    }
    let Some(length) = i32_at(rest, 8) else { return !rest.is_empty() };
    let minimum = match rest.get(PREFIX_BYTES - 1) {
        None | Some(0) => MINIMUM_LENGTH,
        Some(1) => LegacyMessage::MINIMUM_LENGTH_V1,
        Some(2) => HeaderV2::MINIMUM_LENGTH,
        Some(_) => return false,
    };
    let fields = rest.len() < HeaderV2::BYTES || Candidate::at(rest, 0).is_some();
    length >= minimum && LOG_OVERHEAD + length.unsigned_abs() as usize > rest.len() && fields
}
