//! Cuts stretches of batches where those of others begin and end, so that of two that overlap only
//! the batches are set against each other that have offsets in common.
//!
//! ```text
//!   | 0 ........... 39 | 20 ............. 99 |      the batches from 20 to 39 stand twice
//!   | 0 .. 19 | 20 .. 39 | 20 .. 39 | 40 .. 99 |
//! ```

use super::board::{Board, Fate, Part, What};
use crate::check::stretches::BatchStretch;
use crate::error::Error;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::ops::Range;

/// Each cut may show where another has to be; more rounds than this find nothing new.
const ROUNDS: usize = 4;

/// Cuts what is kept of the segments that may be touched.
pub(super) fn cut(board: &mut Board<'_>) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        let before = board.parts.len();
        cut_once(board)?;
        if board.parts.len() == before {
            break;
        }
    }
    Ok(())
}

fn cut_once(board: &mut Board<'_>) -> Result<(), Error> {
    let cuts = cuts(board);
    let mut pieces = Vec::with_capacity(board.parts.len());
    for part in std::mem::take(&mut board.parts) {
        let is_kept = !board.is_fixed(part.segment) && part.fate == Fate::Kept;
        match part.batches().filter(|_| is_kept) {
            Some(batches) => {
                let of_part = cut_part(board, &part, batches, &cuts)?;
                pieces.extend(of_part);
            }
            None => pieces.push(part),
        }
    }
    board.parts = pieces;
    Ok(())
}

/// Offsets at which something begins, or something has ended.
fn cuts(board: &Board<'_>) -> Vec<Offset> {
    let mut cuts: Vec<Offset> = board.segments.iter().map(|s| s.base_offset).collect();
    // Nothing is that far from the name of its segment.
    let far = i64::from(i32::MAX).saturating_add(1);
    cuts.extend(board.segments.iter().map(|segment| segment.base_offset.plus(far)));
    for part in board.parts.iter().filter(|part| !board.is_fixed(part.segment)) {
        if let Some(batches) = part.kept() {
            cuts.push(batches.first.first_known_offset());
            cuts.push(batches.last.last_offset.plus(1));
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// How many cuts are at or below an offset.
fn rank(cuts: &[Offset], offset: Offset) -> usize {
    cuts.partition_point(|cut| *cut <= offset)
}

fn cut_part(
    board: &Board<'_>,
    part: &Part,
    batches: &BatchStretch,
    cuts: &[Offset],
) -> Result<Vec<Part>, Error> {
    let (first, last) = (&batches.first, &batches.last);
    let rank = |offset| rank(cuts, offset);
    if batches.batches < 2 || rank(first.first_known_offset()) == rank(last.last_offset) {
        return Ok(vec![part.clone()]);
    }
    if let Some(pieces) = cut_ends(part, batches, &rank) {
        return Ok(pieces);
    }
    let Some(segment) = board.segment(part.segment) else { return Ok(vec![part.clone()]) };
    let range = Position(part.range.start)..Position(part.range.end);
    let read = board.bytes.batches(&segment.log, range)?;
    if !covers(&read, &part.range) {
        let why = "it is not what it was when it was looked at";
        return Err(Error::other("reading", &segment.log, why));
    }
    let mut pieces: Vec<BatchStretch> = Vec::new();
    let mut open: Option<usize> = None;
    for batch in &read {
        let (from, to) = (rank(batch.first_known_offset()), rank(batch.last_offset));
        match pieces.last_mut().filter(|_| open == Some(from) && from == to) {
            Some(piece) => extend(piece, batch),
            None => pieces.push(BatchStretch::of(batch)),
        }
        open = (from == to).then_some(from);
    }
    Ok(pieces.into_iter().map(|piece| piece_of(part, piece)).collect())
}

/// The first batch, the last, or both, cut off: of these all is known.
fn cut_ends(
    part: &Part,
    batches: &BatchStretch,
    rank: &impl Fn(Offset) -> usize,
) -> Option<Vec<Part>> {
    let (first, last) = (batches.first, batches.last);
    if batches.batches == 2 {
        let both = [BatchStretch::of(&first), BatchStretch::of(&last)];
        return Some(both.into_iter().map(|piece| piece_of(part, piece)).collect());
    }
    let (second, before_last) = (batches.second?, batches.before_last?);
    if rank(second.first_known_offset()) != rank(before_last.last_offset) {
        return None;
    }
    let cuts_first = rank(first.first_known_offset()) != rank(second.first_known_offset());
    let cuts_last = rank(before_last.last_offset) != rank(last.last_offset);
    let mut middle = batches.clone();
    if cuts_first {
        middle.range.start = second.position;
        middle.batches -= 1;
        middle.records = middle.records.saturating_sub(BatchStretch::of(&first).records);
        middle.first = second;
        middle.second = None;
    }
    if cuts_last {
        middle.range.end = last.position;
        middle.batches -= 1;
        middle.records = middle.records.saturating_sub(BatchStretch::of(&last).records);
        middle.last = before_last;
        middle.before_last = None;
    }
    let first = cuts_first.then(|| BatchStretch::of(&first));
    let last = cuts_last.then(|| BatchStretch::of(&last));
    let pieces = first.into_iter().chain([middle]).chain(last);
    Some(pieces.map(|piece| piece_of(part, piece)).collect())
}

fn extend(piece: &mut BatchStretch, batch: &BatchFacts) {
    piece.range.end = batch.end();
    piece.batches += 1;
    piece.records = piece.records.saturating_add(BatchStretch::of(batch).records);
    piece.second = piece.second.or(Some(*batch));
    piece.before_last = Some(piece.last);
    piece.last = *batch;
}

/// True when the batches follow each other from the beginning of the range to its end.
pub(super) fn covers(batches: &[BatchFacts], range: &Range<u64>) -> bool {
    let mut at = range.start;
    for batch in batches {
        if batch.position.0 != at || batch.size == 0 {
            return false;
        }
        at = batch.end().0;
    }
    at == range.end
}

fn piece_of(part: &Part, piece: BatchStretch) -> Part {
    let range = piece.range.start.0..piece.range.end.0;
    let inside = |patch: &&_| range.contains(&patch_position(patch));
    let patches = part.patches.iter().filter(inside).cloned().collect();
    let what = What::Batches(Box::new(piece));
    Part { range, what, patches, ..part.clone() }
}

fn patch_position(patch: &crate::log::image::Patch) -> u64 {
    patch.position
}
