//! Bytes of a `.log` that no batch proves become a finding: what they are, and what explains them.

use super::batches::{LogContext, offsets_of};
use super::problem::FlippedAt;
use super::{Finding, Problem};
use crate::format::crc_math::{Checksum, FlippedBit};
use crate::format::{Batch, Position};
use crate::log::FileBytes;
use crate::log::runs::{Damage, DamageKind};
use std::ops::Range;
use std::sync::Arc;

/// Devices write blocks of this size whole or not at all.
const BLOCK_BYTES: usize = 512;

/// How much of a damage is read at a time.
const WINDOW_BYTES: usize = 64 << 10;

/// What is wrong with bytes of `file` that no batch proves.
#[must_use]
pub fn damage_finding(context: &LogContext, damage: &Damage<'_>, file: &FileBytes) -> Finding {
    let (sealed, live) = (context.is_sealed, context.is_live && !context.is_sealed);
    let problem = match damage.kind.clone() {
        DamageKind::Checksum { stored, computed } => {
            let flipped = damage.batch.as_ref().and_then(|b| flipped_bit(b, stored ^ computed));
            Problem::BatchCrc { stored, computed, flipped }
        }
        DamageKind::Length { stored, fits } => Problem::BatchLength { stored, fits },
        DamageKind::Magic { magic } => Problem::BatchMagic { magic },
        DamageKind::CutOff { .. } if live => Problem::GrowingTail,
        DamageKind::CutOff { needed } => Problem::TornTail { needed, sealed },
        DamageKind::Zeros => Problem::PreallocatedTail { sealed, stops_broker: false },
        DamageKind::Unclaimed => Problem::UnclaimedBytes,
        DamageKind::Unreadable { why } => Problem::UnreadableRange { why },
        DamageKind::Gone => Problem::TruncatedWhileReading { settled: false },
        DamageKind::Limit { limit, allowed } => Problem::Limit { limit, allowed },
    };
    let problem = match may_be_lost_write(&problem).then(|| zero_blocks(damage, file)).flatten() {
        Some(zeros) => Problem::SectorZeroed { zeros },
        None => problem,
    };
    let offsets = damage.batch.as_ref().and_then(offsets_of);
    let finding = Finding::new(Arc::clone(&context.file), damage.range.clone(), problem);
    let max_timestamp = damage.batch.as_ref().map(Batch::max_timestamp).filter(|time| *time >= 0);
    Finding { timestamps: max_timestamp.map(|time| (time, time)), ..finding.at_offsets(offsets) }
}

/// The one bit of the file whose flip explains a difference between stored and computed checksum.
fn flipped_bit(batch: &Batch<'_>, difference: u32) -> Option<FlippedAt> {
    let (checksum, stored_at, covered_from) = match batch.magic() {
        2 => (Checksum::Crc32c, 17, 21),
        _ => (Checksum::Crc32, 12, 16),
    };
    let covered = (batch.size() as u64).checked_sub(covered_from)?;
    let (byte, bit) = match checksum.flipped_bit(difference, covered)? {
        FlippedBit::Covered { byte, bit } => (covered_from + byte, bit),
        FlippedBit::Stored { bit } => (stored_at + 3 - u64::from(bit / 8), bit % 8),
    };
    Some(FlippedAt { position: batch.position().plus(byte), bit })
}

/// True for damage that a write would explain that never came to the disk. What a single flipped
/// bit explains needs no other reason: values of zeros are common.
fn may_be_lost_write(problem: &Problem) -> bool {
    match problem {
        Problem::BatchCrc { flipped, .. } => flipped.is_none(),
        Problem::BatchLength { fits, .. } => fits.is_none(),
        Problem::BatchMagic { .. } | Problem::UnclaimedBytes => true,
        _ => false,
    }
}

/// The first run of whole blocks of the file that are zero in a damage.
fn zero_blocks(damage: &Damage<'_>, file: &FileBytes) -> Option<Range<Position>> {
    let blocks = BLOCK_BYTES as u64;
    let end = damage.range.end.0;
    let mut at = damage.range.start.0.next_multiple_of(blocks);
    let mut found: Option<Range<u64>> = None;
    let mut buffer = Vec::new();
    while at + blocks <= end {
        let bytes = bytes_of(damage, file, at, &mut buffer)?;
        for block in bytes.chunks_exact(BLOCK_BYTES) {
            let is_zero = at + blocks <= end && block.iter().all(|&byte| byte == 0);
            match &mut found {
                Some(found) if is_zero => found.end = at + blocks,
                None if is_zero => found = Some(at..at + blocks),
                Some(found) => return Some(Position(found.start)..Position(found.end)),
                None => {}
            }
            at += blocks;
        }
    }
    found.map(|found| Position(found.start)..Position(found.end))
}

/// A block at least of a damage from `at` on, or nothing. What came in through a pipe is gone
/// unless the damage holds it.
fn bytes_of<'a>(
    damage: &'a Damage<'_>,
    file: &'a FileBytes,
    at: u64,
    buffer: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let bytes = match &damage.batch {
        Some(batch) => {
            let from = usize::try_from(at.checked_sub(batch.position().0)?).ok()?;
            batch.bytes().get(from..)?
        }
        None if file.is_stream() => return None,
        None => file.read(at, WINDOW_BYTES, buffer).ok()?,
    };
    (bytes.len() >= BLOCK_BYTES).then_some(bytes)
}
