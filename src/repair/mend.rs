//! Damaged bytes, looked at once more: is there one bit or one field that, put back, makes a batch
//! of them that proves itself, is read to its last record and fits between its neighbours?
//!
//! ```text
//!   | proved, 0-9 | offset  length  ..  magic  crc | records ..        | proved, 20-29 |
//!                           one of these, the one  | or the one bit that the checksum names
//! ```
//!
//! Whatever is tried, the checksum decides, and little is tried: one length, the one that fills the
//! damage, with all that stands beside it before the magic where that is zeros; the other magics;
//! the one bit that explains the checksum. Random bytes pass for a batch
//! with a wrong field once in 2^32 times for each that is tried. They pass for one with a flipped
//! bit once in 2^32 times for each of its bits, which is not rare enough for a large batch: that is
//! why one bit is set back unasked only under conditions.

use super::plan::ActionKind;
use crate::check::batches::judge_batch;
use crate::check::coverage::Class;
use crate::check::problem::FlippedAt;
use crate::check::stretches::DamageStretch;
use crate::check::{Problem, Severity};
use crate::format::batch::{LOG_OVERHEAD, PREFIX_BYTES};
use crate::format::replay::BatchFacts;
use crate::format::{Batch, Cursor, Offset, Position, Scratch};
use crate::limits::Limits;
use crate::log::image::Patch;
use std::collections::BTreeSet;

/// The largest batch whose flipped bit is set back unasked.
pub const SINGLE_BIT_BATCH_BYTES: usize = 64 << 10;

/// Devices write blocks of this size whole or not at all.
const BLOCK_BYTES: usize = 512;

const LENGTH_AT: usize = 8;
const EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;

/// What stands before and behind a damage, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The batch before it, of this segment or the one before.
    pub previous: Option<BatchFacts>,
    /// The next batch that proves itself.
    pub next: Option<BatchFacts>,
    /// The offset in the name of its segment.
    pub segment_base: Offset,
    /// The offset in the name of the next segment.
    pub next_segment_base: Option<Offset>,
}

/// How a damage becomes a batch again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The batch as it will be: it fills the damage.
    pub facts: BatchFacts,
    /// What is to be changed, by positions in the file.
    pub patches: Vec<Patch>,
    /// The same as an action: [`ActionKind::RestoreBit`] or [`ActionKind::RestoreField`].
    pub kind: ActionKind,
    /// The evidence.
    pub reason: String,
}

/// What can be done about a damage by changing a few of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// It becomes a batch again.
    Batch(Box<Mended>),
    /// Nothing.
    No {
        /// Why not, where something nearly could.
        why: Option<String>,
    },
}

/// Looks for the one change after which `bytes`, those of `damage`, are the batch that they were.
#[must_use]
pub fn mend(
    bytes: &[u8],
    damage: &DamageStretch,
    neighbours: &Neighbours,
    accepts_single_bit: bool,
    limits: &Limits,
) -> Mend {
    let start = damage.range.start;
    let length = usize::try_from(damage.range.end.0.saturating_sub(start.0)).ok();
    let Some(bytes) = length.and_then(|length| bytes.get(..length)) else {
        return Mend::No { why: None };
    };
    let proves = |change: &Change| {
        let changed = change.applied_to(bytes);
        parsed(&changed, start).is_some_and(|batch| batch.crc() == batch.compute_crc())
    };
    let mut changes = changes(bytes, damage).into_iter().filter(proves);
    let Some(change) = changes.next() else { return Mend::No { why: None } };
    if changes.next().is_some() {
        return no(&change, start, "so does another change");
    }
    let change = whole_front(change, bytes, neighbours).unwrap_or(change);
    let changed = change.applied_to(bytes);
    let Some(batch) = parsed(&changed, start) else { return Mend::No { why: None } };
    let (facts, problems) = judge_batch(&batch, &mut Scratch::new(limits.decompressed_bytes));
    let is_fatal =
        |problem: &&Problem| problem.severity() == Severity::Error || problem.is_unread();
    if let Some(problem) = problems.iter().find(is_fatal) {
        return no(&change, start, &format!("then {}", problem.message()));
    }
    if let Some(why) = misfit(&facts, neighbours) {
        return no(&change, start, &why);
    }
    if matches!(change, Change::Bit { .. })
        && !accepts_single_bit
        && let Some(doubt) = doubt(bytes, start, &problems)
    {
        let why = format!("{doubt}: it is set back with --accept-single-bit");
        return no(&change, start, &why);
    }
    let records = match facts.records_count {
        Some(1) => "its record can be read".to_owned(),
        Some(count) => format!("its {count} records can be read"),
        None => "its records can be read".to_owned(),
    };
    Mend::Batch(Box::new(Mended {
        facts,
        patches: vec![change.patch(bytes, start)],
        kind: change.kind(start),
        reason: format!("{}, {records}, and its offsets fit", change.evidence(start)),
    }))
}

fn no(change: &Change, start: Position, why: &str) -> Mend {
    Mend::No { why: Some(format!("{}, but {why}", change.evidence(start))) }
}

/// The batch that `bytes` are from the first to the last.
fn parsed(bytes: &[u8], start: Position) -> Option<Batch<'_>> {
    Batch::parse(bytes, start).ok().filter(|batch| batch.size() == bytes.len())
}

/// One bit or one field that may have to be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Bit {
        byte: usize,
        bit: u8,
    },
    Length {
        from: i32,
        to: i32,
    },
    Magic {
        from: i8,
        to: i8,
    },
    /// Everything before the magic, where it is zeros.
    Front {
        length: i32,
        base_offset: Offset,
        epoch: i32,
    },
}

/// What may have to be changed. Zeroed blocks are not made up again; but a value may be zeros, and
/// what is wrong is a field nevertheless.
fn changes(bytes: &[u8], damage: &DamageStretch) -> Vec<Change> {
    if damage.class != Class::Damaged {
        return Vec::new();
    }
    match damage.problem {
        Problem::BatchCrc { flipped: Some(FlippedAt { position, bit }), .. } => {
            let byte = position.0.checked_sub(damage.range.start.0);
            let byte = byte.and_then(|byte| usize::try_from(byte).ok());
            byte.map(|byte| Change::Bit { byte, bit }).into_iter().collect()
        }
        Problem::BatchCrc { flipped: None, .. }
        | Problem::BatchLength { .. }
        | Problem::BatchMagic { .. }
        | Problem::SectorZeroed { .. } => fields(bytes).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The length that fills the damage, and the magics, where others stand.
fn fields(bytes: &[u8]) -> Option<Vec<Change>> {
    let mut cursor = Cursor::new(bytes.get(LENGTH_AT..PREFIX_BYTES)?, Position(0));
    let (length, _, magic) = (cursor.i32().ok()?, cursor.i32().ok()?, cursor.i8().ok()?);
    let magics = (0..=2).map(|to| Change::Magic { from: magic, to });
    let fits = bytes.len().checked_sub(LOG_OVERHEAD).and_then(|fits| i32::try_from(fits).ok());
    let lengths = fits.map(|to| Change::Length { from: length, to });
    let is_change = |change: &Change| match change {
        Change::Bit { .. } | Change::Front { .. } => true,
        Change::Length { from, to } => from != to,
        Change::Magic { from, to } => from != to,
    };
    Some(lengths.into_iter().chain(magics).filter(is_change).collect())
}

impl Change {
    /// What replaces which bytes, counted from the front of the damage.
    fn replacement(self, bytes: &[u8]) -> (usize, Vec<u8>) {
        match self {
            Self::Bit { byte, bit } => {
                let mask = 1_u8.checked_shl(bit.into()).unwrap_or(0);
                (byte, bytes.get(byte).map(|old| old ^ mask).into_iter().collect())
            }
            Self::Length { to, .. } => (LENGTH_AT, to.to_be_bytes().to_vec()),
            Self::Magic { to, .. } => (MAGIC_AT, to.to_be_bytes().to_vec()),
            Self::Front { length, base_offset, epoch } => {
                let mut front = base_offset.0.to_be_bytes().to_vec();
                front.extend(length.to_be_bytes());
                front.extend(epoch.to_be_bytes());
                (0, front)
            }
        }
    }

    fn applied_to(self, bytes: &[u8]) -> Vec<u8> {
        let (at, new) = self.replacement(bytes);
        let mut changed = bytes.to_vec();
        for (old, new) in changed.iter_mut().skip(at).zip(new) {
            *old = new;
        }
        changed
    }

    fn patch(self, bytes: &[u8], start: Position) -> Patch {
        let (at, new) = self.replacement(bytes);
        Patch { position: start.plus(at as u64).0, bytes: new }
    }

    fn kind(self, start: Position) -> ActionKind {
        match self {
            Self::Bit { byte, bit } => {
                ActionKind::RestoreBit { position: start.plus(byte as u64), bit }
            }
            Self::Length { from, to } => {
                ActionKind::RestoreField { field: "length", from: from.into(), to: to.into() }
            }
            Self::Magic { from, to } => {
                ActionKind::RestoreField { field: "magic", from: from.into(), to: to.into() }
            }
            Self::Front { length, .. } => {
                ActionKind::RestoreField { field: "length", from: 0, to: length.into() }
            }
        }
    }

    fn evidence(self, start: Position) -> String {
        match self {
            Self::Bit { byte, bit } => {
                let position = start.plus(byte as u64);
                format!("bit {bit} of byte {position} alone explains its checksum")
            }
            Self::Length { from, to } => {
                format!("with a length of {to} instead of {from} its checksum agrees")
            }
            Self::Magic { from, to } => {
                format!("with magic {to} instead of {from} its checksum agrees")
            }
            Self::Front { length, base_offset, epoch } => format!(
                "its first bytes are zeros; with a length of {length} its checksum agrees, and \
                 only baseOffset {base_offset} and partitionLeaderEpoch {epoch} fit its neighbours"
            ),
        }
    }
}

/// All that stands before the magic, where a write or a sector ended there and left zeros: the
/// checksum proves the length, the batches on both sides leave room for these offsets only, and
/// both have the same epoch.
fn whole_front(change: Change, bytes: &[u8], neighbours: &Neighbours) -> Option<Change> {
    let Change::Length { from: 0, to: length } = change else { return None };
    let (offset, epoch) = (bytes.get(..LENGTH_AT)?, bytes.get(EPOCH_AT..MAGIC_AT)?);
    let is_zeros = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    if !is_zeros(offset) || *bytes.get(MAGIC_AT)? != 2 {
        return None;
    }
    let (previous, next) = neighbours.previous.zip(neighbours.next)?;
    let changed = change.applied_to(bytes);
    let delta = parsed(&changed, Position(0))?.last_offset_delta()?;
    let base_offset = previous.last_offset.plus(1);
    let fits = base_offset.plus(i64::from(delta).checked_add(1)?) == next.first_known_offset();
    let before = previous.partition_leader_epoch;
    let epoch = match is_zeros(epoch) {
        true => Some(before).filter(|_| before == next.partition_leader_epoch)?,
        false => i32::from_be_bytes(*epoch.first_chunk()?),
    };
    fits.then_some(Change::Front { length, base_offset, epoch })
}

/// Why the batch cannot stand between its neighbours.
fn misfit(facts: &BatchFacts, neighbours: &Neighbours) -> Option<String> {
    let (first, last) = (facts.first_known_offset(), facts.last_offset);
    let Neighbours { previous, next, segment_base, next_segment_base } = neighbours;
    let previous = previous.map(|previous| previous.last_offset);
    let next = next.map(|next| next.first_known_offset());
    let limit = next.into_iter().chain(*next_segment_base).min();
    let begin = previous.map_or(*segment_base, |previous| previous.plus(1).max(*segment_base));
    let greatest = segment_base.plus(i32::MAX.into());
    let fits = begin <= first
        && first <= last
        && last <= greatest
        && limit.is_none_or(|limit| last < limit);
    let end = limit.map_or(greatest, |limit| limit.plus(-1));
    (!fits).then(|| format!("its offsets {first}-{last} do not fit into {begin}-{end}"))
}

/// What speaks against a single flipped bit in `bytes`, which stand at `start` in their file.
fn doubt(bytes: &[u8], start: Position, problems: &[Problem]) -> Option<String> {
    if bytes.len() > SINGLE_BIT_BATCH_BYTES {
        let size = bytes.len();
        return Some(format!("in a batch of {size} bytes any damage may look like a flipped bit"));
    }
    let mut seen = BTreeSet::new();
    let before = start.0.next_multiple_of(BLOCK_BYTES as u64) - start.0;
    let blocks = bytes.get(usize::try_from(before).ok()?..).unwrap_or_default();
    for (number, block) in blocks.chunks_exact(BLOCK_BYTES).enumerate() {
        let at = start.plus(before).plus((number * BLOCK_BYTES) as u64);
        if block.iter().all(|&byte| byte == 0) {
            return Some(format!("the block at byte {at} is zeros"));
        }
        // A block that was written to the wrong place is the copy of another, or stands where a
        // batch began. Blocks that repeat because a value does cannot be told from those.
        if !seen.insert(block) {
            return Some(format!("the block at byte {at} is the copy of another"));
        }
        if begins_batch(block) {
            return Some(format!("the block at byte {at} looks like the beginning of a batch"));
        }
    }
    let warning = problems.iter().find(|problem| problem.severity() == Severity::Warning);
    warning.map(|warning| format!("then {}", warning.message()))
}

/// True when the first bytes of a block may be the first of a batch.
fn begins_batch(block: &[u8]) -> bool {
    const MOST: i32 = 1 << 28;
    let read = || {
        let mut cursor = Cursor::new(block, Position(0));
        let (offset, length) = (cursor.i64().ok()?, cursor.i32().ok()?);
        let (epoch, magic) = (cursor.i32().ok()?, cursor.i8().ok()?);
        if offset < 0 || !(14..MOST).contains(&length) {
            return Some(false);
        }
        if magic != 2 {
            // The attributes: codec and timestamp type.
            return Some((0..=1).contains(&magic) && cursor.u8().ok()? & 0xf0 == 0);
        }
        let _crc = cursor.i32().ok()?;
        let (unused, attributes) = (cursor.u8().ok()?, cursor.u8().ok()?);
        let delta = cursor.i32().ok()?;
        Some(epoch >= -1 && unused == 0 && attributes & 0x80 == 0 && delta >= 0)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests;
