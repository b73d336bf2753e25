//! Base offsets that were changed: no checksum covers them. Set back where one value fits.
//!
//! ```text
//!   | 10-19 | 1044-1053 | 30-39 |        only 20 fits: as many offsets are missing as it has
//!   | 10-19 | 1044-1053 |??| 40-49 |     20 to 30 fit; of one changed bit 20 alone
//! ```

use super::super::plan::ActionKind;
use super::around::Around;
use super::board::{Board, Part, What};
use super::order::home_of;
use super::places::Places;
use crate::format::Offset;
use crate::format::batch::add_sequence;
use crate::format::replay::BatchFacts;
use crate::log::image::Patch;

/// Batches in doubt that stand side by side, and what is around them.
pub(super) struct Group {
    pub(super) members: Vec<usize>,
    /// The least offset that they may have.
    pub(super) from: Offset,
    /// The greatest; `None` at the end of the log.
    pub(super) to: Option<Offset>,
    /// The batch before them, or the segment's name, is where they would go on, and nothing
    /// damaged is between.
    pub(super) follows: bool,
    /// The same behind them.
    pub(super) is_followed: bool,
    pub(super) before: Option<BatchFacts>,
    pub(super) behind: Option<BatchFacts>,
}

/// The groups of all batches that are not settled, one for each place between two settled ones:
/// once that is settled, more is known about the others.
pub(super) fn groups(board: &Board<'_>, places: &Places, around: &Around) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut members: Vec<usize> = Vec::new();
    let mut place = None;
    for number in around.unsettled.iter().copied() {
        let here = Some((around.home_of(board, number), around.before(number)));
        let goes_on = members.last().is_some_and(|last| around.is_side_by_side(*last, number));
        if here == place && goes_on {
            members.push(number);
        } else if here != place {
            groups.extend(around.group(board, places, std::mem::take(&mut members)));
            members.push(number);
            place = here;
        }
    }
    groups.extend(around.group(board, places, members));
    groups
}

/// The offset field of a batch, and how many offsets it spans.
#[derive(Clone, Copy)]
struct Field {
    value: i64,
    width: i64,
    /// In magic 0 and 1 the field is the last offset.
    is_last: bool,
}

impl Field {
    /// Of one batch alone whose offsets are all known.
    fn of(part: &Part) -> Option<Self> {
        let batch = part.batches().filter(|batches| batches.batches == 1)?.first;
        let base = batch.base_offset?;
        let is_last = batch.magic < 2;
        let width = batch.last_offset.0.checked_sub(base.0)?.checked_add(1)?;
        let value = if is_last { batch.last_offset.0 } else { base.0 };
        let is_known = width > 0 && batch.last_offset.0 < i64::MAX && part.patches.is_empty();
        is_known.then_some(Self { value, width, is_last })
    }

    /// The field's value in a batch that begins at `first`.
    fn value_at(self, first: i64) -> i64 {
        if self.is_last { first.saturating_add(self.width - 1) } else { first }
    }

    fn first_of(self, value: i64) -> i64 {
        if self.is_last { value.saturating_sub(self.width - 1) } else { value }
    }

    fn is_one_bit_from(self, first: i64) -> bool {
        (self.value ^ self.value_at(first)).count_ones() == 1
    }

    /// The first offsets between these two that one changed bit explains.
    fn candidates(self, from: Offset, to: Option<Offset>) -> Vec<i64> {
        let fits = |first: &i64| {
            let last = first.saturating_add(self.width - 1);
            *first >= from.0 && *first >= 0 && last < i64::MAX && to.is_none_or(|to| last <= to.0)
        };
        (0..64).map(|bit| self.first_of(self.value ^ (1 << bit))).filter(fits).collect()
    }
}

/// True when one changed bit, or several, may have brought a batch out of its place here.
pub(super) fn may_be_renamed(board: &Board<'_>, group: &Group) -> bool {
    group.members.iter().any(|&number| {
        let Some(part) = board.parts.get(number) else { return false };
        let Some(field) = Field::of(part) else {
            let batches = part.batches().map_or(0, |batches| batches.batches);
            return batches == 1 && group.to.is_none_or(|to| to >= group.from);
        };
        !field.candidates(group.from, group.to).is_empty() || is_exact(group, &[field])
    })
}

/// True when another value of one changed bit fits where a batch stands.
pub(super) fn has_candidates(board: &Board<'_>, group: &Group) -> bool {
    group.members.iter().any(|&number| {
        let field = board.parts.get(number).and_then(Field::of);
        field.is_some_and(|field| !field.candidates(group.from, group.to).is_empty())
    })
}

fn is_exact(group: &Group, fields: &[Field]) -> bool {
    let sum = fields.iter().try_fold(0_i64, |sum, field| sum.checked_add(field.width));
    let room = group.to.map(|to| to.0.saturating_sub(group.from.0).saturating_add(1));
    sum.is_some() && sum == room
}

/// Sets the base offsets of a group back where one value fits each.
pub(super) fn restore(board: &mut Board<'_>, places: &mut Places, group: &Group) {
    let parts: Option<Vec<&Part>> = group.members.iter().map(|&at| board.parts.get(at)).collect();
    let fields: Option<Vec<Field>> =
        parts.as_ref().and_then(|parts| parts.iter().map(|part| Field::of(part)).collect());
    let Some((parts, fields)) = parts.zip(fields).filter(|(parts, _)| !parts.is_empty()) else {
        return;
    };
    let firsts = match exact(board, places, group, &parts, &fields) {
        Some(firsts) => firsts,
        None => match (fields.as_slice(), parts.as_slice()) {
            ([field], [part]) => one(board, places, group, part, *field).into_iter().collect(),
            _ => return,
        },
    };
    let is_free = |((first, _), field): (&(i64, String), &Field)| {
        places.is_free(Offset(*first), Offset(first.saturating_add(field.width - 1)))
    };
    if !firsts.iter().zip(&fields).all(is_free) {
        return;
    }
    for ((number, field), (first, reason)) in group.members.iter().zip(&fields).zip(firsts) {
        set(board, places, *number, *field, first, reason);
    }
}

/// As many offsets are missing as the batches have.
fn exact(
    board: &Board<'_>,
    places: &Places,
    group: &Group,
    parts: &[&Part],
    fields: &[Field],
) -> Option<Vec<(i64, String)>> {
    if !(group.follows && group.is_followed && is_exact(group, fields)) {
        return None;
    }
    let mut firsts = Vec::new();
    let mut next = group.from.0;
    let mut before = group.before;
    let is_moved = |part: &&Part| {
        let at = part.first_offset().zip(part.last_offset());
        at.is_some_and(|(first, last)| places.touches(board, first, last))
            && home_of(board, places, part).is_some()
    };
    if parts.iter().any(is_moved) {
        return None;
    }
    for (number, (part, field)) in parts.iter().zip(fields).enumerate() {
        let batch = part.batches()?.first;
        let behind = parts.get(number + 1).and_then(|next| next.batches()).map(|next| next.first);
        let behind = behind.or(group.behind);
        let is_sure = field.value == field.value_at(next)
            || field.is_one_bit_from(next)
            || goes_on(before.as_ref(), &batch)
            || behind.is_some_and(|behind| goes_on(Some(&batch), &behind))
            || is_impossible(board, places, *field);
        if !is_sure {
            return None;
        }
        let width = field.width;
        let reason = format!(
            "the batches around it leave {width} offsets from {next} on, which is what it has",
        );
        firsts.push((next, reason));
        next = next.checked_add(width)?;
        before = Some(batch);
    }
    Some(firsts)
}

/// True when a producer's sequence goes on from one batch to the other.
fn goes_on(before: Option<&BatchFacts>, batch: &BatchFacts) -> bool {
    before.is_some_and(|before| {
        batch.producer_id >= 0
            && batch.base_sequence >= 0
            && before.last_sequence >= 0
            && (before.producer_id, before.producer_epoch)
                == (batch.producer_id, batch.producer_epoch)
            && add_sequence(before.last_sequence, 1) == batch.base_sequence
    })
}

/// True for offsets that this partition never had: it is no batch of an earlier time.
fn is_impossible(board: &Board<'_>, places: &Places, field: Field) -> bool {
    let first = field.first_of(field.value);
    let end = places.last().or(board.segments.last().map(|last| last.base_offset));
    first < 0 || end.is_some_and(|end| first > end.0.saturating_add(i64::from(i32::MAX)))
}

/// True when offsets are missing between others, as if it stood there once, and damage is beside
/// it: one write to a wrong place explains all of it, and a changed bit only this.
pub(super) fn is_displaced(board: &Board<'_>, places: &Places, group: &Group, part: &Part) -> bool {
    let Some((first, last)) = part.first_offset().zip(part.last_offset()) else { return false };
    board.is_dense
        && !(group.follows && group.is_followed)
        && places.encloses(first, last)
        && home_of(board, places, part).is_some()
}

/// The one value that fits where more offsets are missing than the batch has.
fn one(
    board: &Board<'_>,
    places: &Places,
    group: &Group,
    part: &Part,
    field: Field,
) -> Option<(i64, String)> {
    let candidates = field.candidates(group.from, group.to);
    let own = part.first_offset().zip(part.last_offset())?;
    let may_be_right = group.members.iter().any(|&number| places.may_be_right(number));
    let may_be_moved = home_of(board, places, part).is_some();
    let touches = places.touches(board, own.0, own.1);
    let is_displaced = is_displaced(board, places, group, part);
    if may_be_right || is_displaced || may_be_moved && (!board.is_dense || touches) {
        return None;
    }
    let left = group.follows.then_some(group.from.0);
    let right = group.to.filter(|_| group.is_followed);
    let right = right.map(|to| to.0.saturating_sub(field.width - 1));
    // Where nothing damaged is on either side, and too many offsets are missing all the same, they
    // do not follow each other here.
    let is_torn = left.is_some() && right.is_some() || !board.is_dense;
    let expected = left.or(right).filter(|_| !is_torn);
    let expected: Vec<i64> =
        expected.into_iter().filter(|first| candidates.contains(first)).collect();
    match (expected.as_slice(), candidates.as_slice()) {
        ([first], _) => {
            let reason = "one changed bit explains it, and offsets follow each other here";
            Some((*first, reason.to_owned()))
        }
        ([], [first]) if group.to.is_some() => {
            let reason = "of all values that differ in one bit this one fits its neighbours";
            Some((*first, reason.to_owned()))
        }
        _ => None,
    }
}

/// Writes the field.
fn set(
    board: &mut Board<'_>,
    places: &mut Places,
    number: usize,
    field: Field,
    first: i64,
    reason: String,
) {
    let to = field.value_at(first);
    let last = first.saturating_add(field.width - 1);
    let Some(part) = board.parts.get_mut(number) else { return };
    let (segment, range) = (part.segment, part.range.clone());
    if let What::Batches(batches) = &mut part.what {
        batches.first.base_offset = Some(Offset(first));
        batches.first.last_offset = Offset(last);
        batches.last = batches.first;
    }
    places.put(Offset(first), Offset(last), number);
    if to == field.value {
        return;
    }
    let bytes = to.to_be_bytes().to_vec();
    part.patches.push(Patch { position: range.start, bytes });
    let name = if field.is_last { "offset" } else { "baseOffset" };
    let kind = ActionKind::RestoreField { field: name, from: field.value, to };
    let offsets = Some((Offset(first), Offset(last)));
    board.act(segment, &range, kind, offsets, (reason, Some("offset-goes-back")));
}
