//! What becomes of bytes that no batch proves: mended where one batch explains them, else they go.

use super::super::mend::{Mend, Mended, Neighbours, mend};
use super::super::plan::ActionKind;
use super::board::{Board, Fate, Part, What, Why};
use super::displaced::{Taken, displaced};
use crate::check::Problem;
use crate::check::stretches::{BatchStretch, DamageStretch};
use crate::error::Error;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::sync::Arc;

/// Gives every damage its fate. Where a batch is in doubt beside it, it stays until the `final`
/// call at least: what it was may tell what the batch is.
/// True when batches came to light among what goes.
pub(super) fn settle(board: &mut Board<'_>, is_final: bool) -> Result<bool, Error> {
    let mut taken = Taken::of(&board.parts);
    let mut has_found = false;
    let parts = std::mem::take(&mut board.parts);
    let behind = kept_behind(&parts);
    let doubts = beside_doubt(&parts);
    let mut settled: Vec<Part> = Vec::with_capacity(parts.len());
    let parts = parts.into_iter().enumerate();
    for (((number, part), next), is_in_doubt) in parts.zip(behind).zip(doubts) {
        let is_touched = !board.is_fixed(part.segment) && part.stays();
        let Some(damage) = part.damage().filter(|_| is_touched) else {
            settled.push(part);
            continue;
        };
        let why = why_at_end(board, &part, damage);
        let mended = match why {
            None => look_closer(board, &part, damage, &settled, next)?,
            Some(_) => Err(None),
        };
        match mended {
            Ok(mended) => put(board, part, mended, &mut settled),
            Err(_) if is_in_doubt => settled.push(leave(board, part, is_final)),
            Err(because) => {
                let found = look_inside(board, (number, &part), damage, &mut taken)?;
                has_found |= !found.is_empty();
                let why = why.unwrap_or(Why::Damage);
                drop_around(board, &part, found, why, because, &mut settled);
            }
        }
    }
    board.parts = settled;
    Ok(has_found)
}

/// The batches among bytes that go which are the log's own.
fn look_inside(
    board: &Board<'_>,
    (number, part): (usize, &Part),
    damage: &DamageStretch,
    taken: &mut Taken,
) -> Result<Vec<BatchFacts>, Error> {
    let limit = board.terms.limits.batch_bytes as u64;
    let is_readable = !matches!(damage.problem, Problem::UnreadableRange { .. });
    let is_zeros = matches!(damage.problem, Problem::PreallocatedTail { .. });
    match is_readable && !is_zeros && part.len() <= limit {
        true => displaced(board, (number, part), taken),
        false => Ok(Vec::new()),
    }
}

/// Bytes go, but for the batches among them.
fn drop_around(
    board: &mut Board<'_>,
    part: &Part,
    batches: Vec<BatchFacts>,
    why: Why,
    because: Option<String>,
    parts: &mut Vec<Part>,
) {
    if batches.is_empty() {
        parts.push(drop_part(board, part.clone(), why, because));
        return;
    }
    let mut at = part.range.start;
    for batch in batches {
        let range = batch.position.0..batch.end().0;
        if let Some(before) = piece(part, at..range.start) {
            parts.push(drop_part(board, before, Why::Damage, None));
        }
        at = range.end;
        let what = What::Batches(Box::new(BatchStretch::of(&batch)));
        parts.push(Part { range, what, fate: Fate::Kept, ..part.clone() });
    }
    if let Some(behind) = piece(part, at..part.range.end) {
        parts.push(drop_part(board, behind, why, because));
    }
}

/// For each part, whether a batch is in doubt between the batches around it that are in order.
fn beside_doubt(parts: &[Part]) -> Vec<bool> {
    let mut doubts = Vec::with_capacity(parts.len());
    let is_end = |part: &Part, next: &Part| part.kept().is_some() || part.home != next.home;
    for row in parts.chunk_by(|part, next| !is_end(part, next)) {
        let is_in_doubt =
            row.iter().any(|part| part.fate == Fate::Left && part.batches().is_some());
        doubts.extend(row.iter().map(|_| is_in_doubt));
    }
    doubts
}

fn leave(board: &mut Board<'_>, mut part: Part, is_final: bool) -> Part {
    if let Some(look) = board.segment(part.segment).filter(|_| is_final) {
        let range = Position(part.range.start)..Position(part.range.end);
        let why = "a batch beside it is in doubt, and it may tell where that belongs".to_owned();
        board.left_alone.push((Arc::clone(&look.log), range, why));
    }
    part.fate = Fate::Left;
    part
}

/// For each part, the first batch that is kept behind it in its segment.
fn kept_behind(parts: &[Part]) -> Vec<Option<BatchFacts>> {
    let mut next: Option<(usize, BatchFacts)> = None;
    let mut behind = Vec::with_capacity(parts.len());
    for part in parts.iter().rev() {
        let here = next.filter(|(segment, _)| *segment == part.home);
        behind.push(here.map(|(_, facts)| facts));
        if let Some(batches) = part.kept() {
            next = Some((part.home, batches.first));
        }
    }
    behind.reverse();
    behind
}

/// Why the end of a log goes where it is unfinished.
fn why_at_end(board: &Board<'_>, part: &Part, damage: &DamageStretch) -> Option<Why> {
    let end = board.segment(part.segment)?.length;
    match damage.problem {
        Problem::TornTail { .. } if part.range.end == end => Some(Why::Torn),
        Problem::PreallocatedTail { .. } if part.range.end == end => Some(Why::Zeros),
        _ => None,
    }
}

/// The batch that a damage was, or why it is not known.
fn look_closer(
    board: &Board<'_>,
    part: &Part,
    damage: &DamageStretch,
    before: &[Part],
    next: Option<BatchFacts>,
) -> Result<Result<Mended, Option<String>>, Error> {
    let limit = board.terms.limits.batch_bytes as u64;
    let Some(segment) = board.segment(part.segment) else { return Ok(Err(None)) };
    if matches!(damage.problem, Problem::UnreadableRange { .. }) || part.len() > limit {
        return Ok(Err(None));
    }
    let here = before.iter().rev().take_while(|before| before.home == part.home);
    let previous = here.filter_map(Part::kept).next().map(|batches| batches.last);
    let next_segment_base = board.next_base(part.segment);
    let segment_base = segment.base_offset;
    let neighbours = Neighbours { previous, next, segment_base, next_segment_base };
    let bytes = board.bytes.read(&segment.log, part.range.clone())?;
    let terms = board.terms;
    let mended = mend(&bytes, damage, &neighbours, terms.accepts_single_bit, &terms.limits);
    Ok(match mended {
        Mend::No { why } => Err(why),
        Mend::Batch(mended) if fits(&mended.facts, &neighbours, part) => Ok(*mended),
        Mend::Batch(_) => Err(Some("what it may have been does not fit its neighbours".to_owned())),
    })
}

/// True when a mended batch lies in the damage, and its offsets between those of its neighbours.
fn fits(batch: &BatchFacts, neighbours: &Neighbours, part: &Part) -> bool {
    let (first, last) = (batch.first_known_offset(), batch.last_offset);
    let from = neighbours.previous.map(|previous| previous.last_offset.plus(1));
    let from = from.unwrap_or(neighbours.segment_base);
    let to = neighbours.next.map(|next| next.first_known_offset());
    let to = to.into_iter().chain(neighbours.next_segment_base).min();
    batch.position.0 >= part.range.start
        && batch.end().0 <= part.range.end
        && batch.size > 0
        && (from..=last).contains(&first)
        && to.is_none_or(|to| last < to)
}

/// The damage gives way to the batch; what is left of it on either side goes.
fn put(board: &mut Board<'_>, part: Part, mended: Mended, parts: &mut Vec<Part>) {
    let Mended { facts, patches, kind, reason } = mended;
    let (start, end) = (facts.position.0, facts.end().0);
    let code = part.damage().map(|damage| damage.problem.code());
    let offsets = Some((facts.first_known_offset(), facts.last_offset));
    let before = piece(&part, part.range.start..start);
    let behind = piece(&part, end..part.range.end);
    if let Some(before) = before {
        parts.push(drop_part(board, before, Why::Damage, None));
    }
    board.act(part.segment, &(start..end), kind, offsets, (reason, code));
    let what = What::Batches(Box::new(BatchStretch::of(&facts)));
    parts.push(Part { range: start..end, what, fate: Fate::Kept, patches, ..part.clone() });
    if let Some(behind) = behind {
        parts.push(drop_part(board, behind, Why::Damage, None));
    }
}

/// A range of a damage, unless there is nothing in it.
fn piece(part: &Part, range: std::ops::Range<u64>) -> Option<Part> {
    let damage = part.damage().filter(|_| !range.is_empty())?;
    let within = Position(range.start)..Position(range.end);
    let damage = DamageStretch { range: within, offsets: None, ..damage.clone() };
    Some(Part { range, what: What::Damage(Box::new(damage)), ..part.clone() })
}

fn drop_part(board: &mut Board<'_>, mut part: Part, why: Why, because: Option<String>) -> Part {
    // Zeros at the end of the last segment hold nothing, and are usual where nobody trimmed it.
    let is_usual = board.is_last(part.segment) && !board.terms.is_clean_shutdown;
    if why == Why::Zeros && is_usual {
        part.fate = Fate::Kept;
        return part;
    }
    let (kind, mut reason) = match why {
        Why::Torn => (ActionKind::CutTail, "it is the beginning of a batch only".to_owned()),
        Why::Zeros if board.is_last(part.segment) => {
            let why = "it is zeros, at which a broker that starts after a clean stop gives up";
            (ActionKind::CutTail, why.to_owned())
        }
        Why::Zeros => (ActionKind::CutTail, "it is zeros, and other segments follow".to_owned()),
        _ => (ActionKind::DropRange, "no batch proves these bytes".to_owned()),
    };
    let damage = part.damage();
    let code = damage.map(|damage| damage.problem.code());
    let offsets: Option<(Offset, Offset)> = damage.and_then(|damage| damage.offsets);
    if let Some(damage) = damage.filter(|_| why == Why::Damage) {
        reason = format!("{reason}: {}", damage.problem.message());
    }
    if let Some(because) = because {
        reason = format!("{reason}; {because}");
    }
    board.act(part.segment, &part.range, kind, offsets, (reason, code));
    part.fate = Fate::Dropped(why);
    part
}
