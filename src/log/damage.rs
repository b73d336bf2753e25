//! Bytes of a `.log` that no batch proves, and what is known about them.
//!
//! ```text
//!   | proved | offset  length  epoch or crc  magic ...          | proved |
//!            '---- Damage: from here to the next proved batch --'
//! ```

use crate::format::batch::{LOG_OVERHEAD, PREFIX_BYTES};
use crate::format::crc::{crc32_append, crc32c_append};
use crate::format::resync::{self, Bounds, Next, Resync};
use crate::format::{Batch, Cursor, Offset, Position};
use std::collections::VecDeque;
use std::ops::Range;

/// The most damages that are found out together.
const DAMAGES_AHEAD: usize = 4096;

/// Bytes that no batch proves.
#[derive(Debug)]
pub struct Damage<'w> {
    /// Where they are.
    pub range: Range<Position>,
    /// What is known about them.
    pub kind: DamageKind,
    /// The batch whose frame they are, where it is whole and something proves where it ends.
    pub batch: Option<Batch<'w>>,
}

/// What is known about bytes that no batch proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// One batch, whole by its length, whose checksum differs.
    Checksum {
        /// As the batch says.
        stored: u32,
        /// As its bytes give.
        computed: u32,
    },
    /// A batch's length cannot be right.
    Length {
        /// The length field.
        stored: i32,
        /// The length under which the batch's own checksum agrees.
        fits: Option<i32>,
    },
    /// A batch of an unknown magic.
    Magic {
        /// The byte found.
        magic: i8,
    },
    /// The end of the file is inside a batch, and no batch behind its beginning proves itself.
    CutOff {
        /// Bytes that the whole batch would have; `None` when its length is cut off as well.
        needed: Option<u64>,
    },
    /// Zeros up to the end of the file.
    Zeros,
    /// None of these.
    Unclaimed,
    /// The device does not give them.
    Unreadable {
        /// Why, in the operating system's words.
        why: String,
    },
    /// The file became shorter after it was opened.
    Gone,
    /// Larger than what is read into memory.
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
}

impl DamageKind {
    /// True for zeros up to the end of the file.
    #[must_use]
    pub fn is_zeros(&self) -> bool {
        matches!(self, Self::Zeros)
    }

    /// True for an end that a healthy or a killed broker leaves: no batch can be behind it.
    #[must_use]
    pub fn is_end_of_file(&self) -> bool {
        matches!(self, Self::Zeros | Self::CutOff { .. })
    }
}

/// The fields that batches of every magic begin with.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    pub(super) offset: Offset,
    pub(super) length: i32,
    pub(super) magic: i8,
}

impl Prefix {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(..PREFIX_BYTES)?, Position(0));
        let (offset, length) = (Offset(cursor.i64().ok()?), cursor.i32().ok()?);
        let _epoch_or_crc = cursor.i32().ok()?;
        Some(Self { offset, length, magic: cursor.i8().ok()? })
    }

    /// True when no batch of this magic and length can begin `available` bytes before the end.
    pub(super) fn cannot_be(self, available: u64) -> bool {
        let size = u64::try_from(self.length).unwrap_or(0).saturating_add(LOG_OVERHEAD as u64);
        let minimum = match self.magic {
            0 => 26,
            1 => 34,
            _ => 61,
        };
        !(0..=2).contains(&self.magic) || size < minimum || size > available
    }

    /// Where the part under the checksum begins.
    pub(super) fn checked_from(self) -> u64 {
        if self.magic == 2 { 21 } else { 16 }
    }

    pub(super) fn append_crc(self, crc: u32, bytes: &[u8]) -> u32 {
        if self.magic == 2 { crc32c_append(crc, bytes) } else { crc32_append(crc, bytes) }
    }

    pub(super) fn stored_crc(self, bytes: &[u8]) -> Option<u32> {
        let at = if self.magic == 2 { 17 } else { 12 };
        bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// Which of the fields cannot be: the magic, else the length.
    pub(super) fn impossible(self) -> DamageKind {
        if (0..=2).contains(&self.magic) {
            DamageKind::Length { stored: self.length, fits: None }
        } else {
            DamageKind::Magic { magic: self.magic }
        }
    }
}

/// The damages of a window, in their order; the first begins where the window does. They are found
/// out together, because a search keeps checksums of the whole window.
pub(super) fn damages(
    window: &[u8],
    position: Position,
    reaches_end: bool,
    mut bounds: Bounds,
) -> VecDeque<resync::Damage> {
    let mut resync = Resync::new(window, position, reaches_end);
    let mut found = VecDeque::new();
    let mut at = position;
    while found.len() < DAMAGES_AHEAD {
        let offset = usize::try_from(at.0 - position.0).unwrap_or(usize::MAX);
        let rest = window.get(offset..).unwrap_or_default();
        match Batch::parse(rest, at) {
            _ if rest.is_empty() => break,
            Ok(batch) if batch.compute_crc() == batch.crc() => {
                bounds.last_proved = Some(batch.last_offset());
                at = batch.end();
            }
            _ => {
                let damage = resync.damage_at(at, &bounds);
                let needs_more = damage.next == Next::NeedMore;
                if needs_more && !found.is_empty() {
                    break;
                }
                at = damage.damaged.end;
                found.push_back(damage);
                if needs_more {
                    break;
                }
            }
        }
    }
    found
}
