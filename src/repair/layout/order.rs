//! Batches that prove themselves and whose offsets do not fit where they stand. Readings are tried
//! from the surest to the least sure; where none is, a batch is left as it is.
//!
//! ```text
//!   a copy     the same bytes stand where they are in order            the second copy goes
//!   renamed    its base offset was changed, which no checksum covers   set back, where one fits
//!   moved      it is free where its offsets belong                     it goes there
//!   another    a batch that is in order has its offsets                it goes, and is counted
//! ```

use super::super::plan::ActionKind;
use super::around::Around;
use super::board::{Board, Fate, Part, What, Why};
use super::pieces;
use super::places::Places;
use super::restore;
use super::spine::{may_stay, spine};
use crate::check::stretches::BatchStretch;
use crate::error::Error;
use crate::format::{Offset, Position};
use std::sync::Arc;

/// How much of two copies is compared at a time.
const COMPARED_BYTES: u64 = 1 << 20;

/// Each restored or moved batch may make room for others; more rounds than this find nothing new.
const ROUNDS: usize = 16;

/// How often it is found out anew what is in order.
const PASSES: usize = 16;

/// Gives every batch that is not in order its fate. What is not settled at the `final` call is left
/// as it is; before, damages that are still to be mended may settle it.
pub(super) fn settle(board: &mut Board<'_>, is_final: bool) -> Result<(), Error> {
    for part in &mut board.parts {
        if part.fate == Fate::Left && part.batches().is_some() {
            part.fate = Fate::Kept;
        }
    }
    for pass in 0..PASSES {
        if is_in_order(board) {
            return Ok(());
        }
        board.measure();
        pieces::cut(board)?;
        let mut places = Places::new(board, &spine(board));
        let is_changed = pass + 1 < PASSES && settle_once(board, &mut places)?;
        let is_changed = is_changed || leave(board, &places, is_final);
        board.relocate(&places);
        if !is_changed {
            break;
        }
    }
    Ok(())
}

/// True when something changed: what is in order is to be found out anew, as if it stood so.
fn settle_once(board: &mut Board<'_>, places: &mut Places) -> Result<bool, Error> {
    let mut is_changed = drop_copies(board, places)?;
    for _ in 0..ROUNDS {
        let before = places.len();
        let around = Around::of(board, places);
        for group in restore::groups(board, places, &around) {
            if !around.is_claimed(&group) {
                restore::restore(board, places, &group);
            }
        }
        move_home(board, places);
        is_changed |= drop_copies(board, places)?;
        if places.len() == before {
            break;
        }
        is_changed = true;
    }
    Ok(is_changed)
}

/// True when offsets rise, and stand between the names of segments.
fn is_in_order(board: &Board<'_>) -> bool {
    let mut highest: Option<Offset> = None;
    for part in &board.parts {
        let Some(batches) = part.kept().filter(|_| !board.is_fixed(part.home)) else { continue };
        let first = batches.first.first_known_offset();
        let is_last_far = part_of_last(part, batches).is_some_and(|last| !may_stay(board, &last));
        if !may_stay(board, part) || is_last_far || highest.is_some_and(|highest| first <= highest)
        {
            return false;
        }
        highest = Some(batches.last.last_offset);
    }
    true
}

/// The last batch of a stretch, alone.
fn part_of_last(part: &Part, batches: &BatchStretch) -> Option<Part> {
    let what = What::Batches(Box::new(BatchStretch::of(&batches.last)));
    (batches.batches > 1).then(|| Part { what, ..part.clone() })
}

/// Drops what stands in order elsewhere, byte for byte.
fn drop_copies(board: &mut Board<'_>, places: &Places) -> Result<bool, Error> {
    let mut is_changed = false;
    for number in places.unsettled(board) {
        let Some(original) = original_of(board, places, number)? else { continue };
        let Some((part, place)) = board.parts.get(number).zip(board.parts.get(original)) else {
            continue;
        };
        let (segment, range) = (part.segment, part.range.clone());
        let offsets = part.first_offset().zip(part.last_offset());
        let log = board.segment(place.segment).map(|look| look.log.display().to_string());
        let (at, log) = (place.range.start, log.unwrap_or_default());
        let reason = format!("the same bytes stand in order at byte {at} of {log}");
        let kind = ActionKind::DropDuplicate;
        board.act(segment, &range, kind, offsets, (reason, Some("offset-goes-back")));
        board.set_fate(number, Fate::Dropped(Why::Copy));
        is_changed = true;
    }
    Ok(is_changed)
}

/// The part that is in order and has the same offsets and the same bytes.
fn original_of(board: &Board<'_>, places: &Places, number: usize) -> Result<Option<usize>, Error> {
    let Some(part) = board.parts.get(number) else { return Ok(None) };
    let Some((first, last)) = part.first_offset().zip(part.last_offset()) else { return Ok(None) };
    let place = places.exactly(first, last);
    let Some((original, place)) = place.and_then(|at| Some((at, board.parts.get(at)?))) else {
        return Ok(None);
    };
    let is_alike = place.len() == part.len() && place.patches.is_empty();
    let (Some(one), Some(other)) = (board.segment(part.segment), board.segment(place.segment))
    else {
        return Ok(None);
    };
    if !is_alike || !part.patches.is_empty() {
        return Ok(None);
    }
    let mut at = 0;
    while at < part.len() {
        let length = COMPARED_BYTES.min(part.len() - at);
        let (from, to) = (part.range.start + at, place.range.start + at);
        let bytes = board.bytes.read(&one.log, from..from + length)?;
        if bytes != board.bytes.read(&other.log, to..to + length)? {
            return Ok(None);
        }
        at += length;
    }
    Ok(Some(original))
}

/// Moves what is free where its offsets belong.
fn move_home(board: &mut Board<'_>, places: &mut Places) {
    let around = Around::of(board, places);
    for number in places.unsettled(board) {
        let Some(part) = board.parts.get(number) else { continue };
        let Some(to) = home_of(board, places, part) else { continue };
        let (first, last) = (part.first_offset(), part.last_offset());
        let Some((first, last)) = first.zip(last) else { continue };
        let group = around.alone(board, places, number);
        let may_be_renamed = group.is_some_and(|group| {
            restore::may_be_renamed(board, &group)
                && !restore::is_displaced(board, places, &group, part)
        });
        let touches = places.touches(board, first, last);
        let is_sure = match places.may_be_right(number) {
            // Another one may be wrong, and this one right; unless it has found its neighbour.
            true => touches,
            // A gap all around it is no sign that it belongs there, unless it is between others.
            false => touches || places.encloses(first, last),
        };
        if !places.fills(board, first, last) && (may_be_renamed || !is_sure) {
            continue;
        }
        let (segment, range) = (part.segment, part.range.clone());
        let reason = "its offsets are between those of the batches there, and not of those here";
        let Some(to_segment) = board.segment(to).map(|segment| segment.base_offset) else {
            continue;
        };
        let kind = ActionKind::MoveBatches { to_segment };
        let because = (reason.to_owned(), Some("offset-goes-back"));
        board.act(segment, &range, kind, Some((first, last)), because);
        board.set_fate(number, Fate::Moved(to));
        places.put(first, last, number);
    }
}

/// The segment that a part belongs to, when it is free there.
pub(super) fn home_of(board: &Board<'_>, places: &Places, part: &Part) -> Option<usize> {
    let (first, last) = (part.first_offset()?, part.last_offset()?);
    if last < first || last.0 == i64::MAX || first.0 < 0 || !places.is_free(first, last) {
        return None;
    }
    let behind = board.segments.partition_point(|segment| segment.base_offset <= first);
    let number = behind.checked_sub(1)?;
    let base = board.segment(number)?.base_offset;
    let fits = board.next_base(number).is_none_or(|next| last < next)
        && last.0.saturating_sub(base.0) <= i64::from(i32::MAX)
        && !board.is_fixed(number);
    fits.then_some(number)
}

/// What is not settled: it goes where its offsets are those of another batch, else it stays.
/// True when something went.
fn leave(board: &mut Board<'_>, places: &Places, is_final: bool) -> bool {
    let mut is_changed = false;
    let around = Around::of(board, places);
    for number in places.unsettled(board) {
        let Some(part) = board.parts.get(number) else { continue };
        let offsets = part.first_offset().zip(part.last_offset());
        let Some((first, last)) = offsets else { continue };
        let (segment, range) = (part.segment, part.range.clone());
        let group = around.alone(board, places, number);
        let may_be_renamed =
            group.as_ref().is_none_or(|group| restore::may_be_renamed(board, group));
        let other = places.exactly(first, last);
        let other = other.filter(|other| !is_other_renamed(board, places, &around, *other));
        if other.is_some() && !may_be_renamed && is_final {
            let reason = "another batch with its offsets is in order; its records are nowhere else";
            let because = (reason.to_owned(), Some("offset-goes-back"));
            board.act(segment, &range, ActionKind::DropRange, offsets, because);
            board.set_fate(number, Fate::Dropped(Why::Other));
            is_changed = true;
            continue;
        }
        board.set_fate(number, Fate::Left);
        let Some(look) = board.segment(segment).filter(|_| is_final) else { continue };
        let range = Position(range.start)..Position(range.end);
        let why = format!(
            "offsets {first} to {last} do not fit where they stand, and more than one reading of \
             that is possible"
        );
        board.left_alone.push((Arc::clone(&look.log), range, why));
    }
    is_changed
}

/// True when it may be the other one of two batches that has the wrong offsets.
fn is_other_renamed(board: &Board<'_>, places: &Places, around: &Around, other: usize) -> bool {
    let group = around.alone(board, places, other);
    group.is_none_or(|group| restore::has_candidates(board, &group))
}
