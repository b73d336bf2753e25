//! What is lost: the bytes that go, and the offsets that no reader gets any more.
//!
//! Bytes that go between two batches share the offsets between these, which are said once. The
//! names of a segment and of the next stand for the batches before its first and behind its last.

use super::super::plan::Loss;
use super::assemble::Home;
use super::board::{Board, Fate, Part, Why, is_dense_inside};
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A batch has no fewer bytes in any magic.
const SMALLEST_BATCH: u64 = 26;

/// Nor one of magic 2.
const SMALLEST_BATCH_V2: u64 = 61;

/// How much of damaged bytes is read at a time.
const READ_BYTES: u64 = 1 << 20;

/// Offsets that no batch has, both inside.
type Gap = (Offset, Offset);

/// The losses of all segments.
pub(super) fn losses(board: &Board<'_>, homes: &[Home]) -> Vec<Loss> {
    let mut losses = Vec::new();
    let has_old = board.parts.iter().filter_map(Part::batches).any(|b| b.first.magic < 2);
    let has_any = board.parts.iter().any(|part| part.batches().is_some());
    let smallest = if has_any && !has_old { SMALLEST_BATCH_V2 } else { SMALLEST_BATCH };
    let left = left(board);
    let mut here: Vec<Vec<usize>> = vec![Vec::new(); board.segments.len()];
    for (number, part) in board.parts.iter().enumerate() {
        if let Some(here) = here.get_mut(part.segment) {
            here.push(number);
        }
    }
    for (segment, (home, mut here)) in homes.iter().zip(here).enumerate() {
        let part = |number: &usize| board.parts.get(*number);
        here.sort_by_key(|number| part(number).map(|part| part.range.start));
        let is_drop = |part: &Part| matches!(part.fate, Fate::Dropped(_));
        if here.iter().filter_map(part).any(is_drop) && !board.is_fixed(segment) {
            let gaps = gaps(board, home, segment, &left);
            Groups { board, segment, gaps, smallest, losses: &mut losses }.walk(&here);
        }
    }
    losses
}

/// The gaps between batches, by the last batch before them that stays where it was.
struct Gaps {
    by_anchor: BTreeMap<Option<usize>, Vec<Gap>>,
    /// The offset behind the last batch of the last segment, and the batch.
    open_end: Option<(Option<usize>, Offset)>,
}

/// The offsets of batches that are left where they are: these are not lost. They rise, and no two
/// have one in common.
fn left(board: &Board<'_>) -> Vec<Gap> {
    let mut held: Vec<Gap> = Vec::new();
    for part in board.parts.iter().filter(|part| part.fate == Fate::Left) {
        let Some(batches) = part.batches() else { continue };
        let ends = |batch: &BatchFacts| (batch.first_known_offset(), batch.last_offset);
        let known = [Some(batches.first), batches.second, batches.before_last, Some(batches.last)];
        held.extend(known.iter().flatten().map(ends));
        if batches.batches > 4 && is_dense_inside(batches) {
            held.push((batches.first.first_known_offset(), batches.last.last_offset));
        }
    }
    held.retain(|(first, last)| first <= last);
    held.sort_unstable();
    let mut apart: Vec<Gap> = Vec::new();
    for (first, last) in held {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    apart
}

/// What of a gap is in none of `taken`, which rise.
fn without((from, to): Gap, taken: &[Gap]) -> Vec<Gap> {
    let mut pieces = Vec::new();
    let mut from = from;
    let begin = taken.partition_point(|(_, last)| *last < from);
    for &(first, last) in taken.iter().skip(begin).take_while(|(first, _)| *first <= to) {
        if from < first {
            pieces.push((from, first.plus(-1)));
        }
        from = last.plus(1);
    }
    if from <= to {
        pieces.push((from, to));
    }
    pieces
}

fn gaps(board: &Board<'_>, home: &Home, segment: usize, left: &[Gap]) -> Gaps {
    let mut by_anchor: BTreeMap<Option<usize>, Vec<Gap>> = BTreeMap::new();
    let mut anchor = None;
    let mut expected = home.base_offset;
    let mut add = |anchor, from: Offset, to: Offset| {
        let from = from.max(board.terms.log_start);
        if from <= to {
            by_anchor.entry(anchor).or_default().extend(without((from, to), left));
        }
    };
    for number in &home.parts {
        let Some(part) = board.parts.get(*number) else { continue };
        let Some(batches) = part.batches().filter(|_| part.fate != Fate::Left) else { continue };
        let first = batches.first.first_known_offset();
        add(anchor, expected, first.plus(-1));
        expected = expected.max(batches.last.last_offset.plus(1));
        if part.fate == Fate::Kept && !part.is_moved {
            anchor = Some(*number);
        }
    }
    let next = board.next_base(segment);
    if let Some(next) = next {
        add(anchor, expected, next.plus(-1));
    }
    let open_end = next.is_none().then_some((anchor, expected.max(board.terms.log_start)));
    Gaps { by_anchor, open_end }
}

/// Walks the parts of a segment, and makes losses of those that go.
struct Groups<'b, 'a> {
    board: &'b Board<'a>,
    segment: usize,
    gaps: Gaps,
    /// The bytes of the smallest batch that may have stood here.
    smallest: u64,
    losses: &'b mut Vec<Loss>,
}

/// Bytes that go, side by side.
struct Gone {
    range: Range<u64>,
    /// Records that are there, and go.
    records: u64,
    /// True where what is missing is missing because of them.
    explains_gap: bool,
    /// True where what goes may have been a batch that was whole once.
    is_damage: bool,
    /// The last offset that a damaged batch claims.
    claimed: Option<Gap>,
    /// True where a batch was never finished.
    is_torn: bool,
    /// True where a batch may have been that nothing else tells of.
    may_be_batch: bool,
}

impl Groups<'_, '_> {
    fn walk(mut self, parts: &[usize]) {
        let mut anchor = None;
        let mut group: Vec<Gone> = Vec::new();
        for number in parts {
            let Some(part) = self.board.parts.get(*number) else { continue };
            match part.fate {
                Fate::Dropped(why) => self.add(&mut group, part, why),
                Fate::Kept if part.batches().is_some() && !part.is_moved => {
                    self.close(anchor, std::mem::take(&mut group));
                    anchor = Some(*number);
                }
                _ => {}
            }
        }
        self.close(anchor, group);
    }

    fn add(&self, group: &mut Vec<Gone>, part: &Part, why: Why) {
        let claimed = part.damage().and_then(|damage| damage.offsets);
        let records = part.batches().filter(|_| why == Why::Other).map_or(0, |b| b.records);
        let gone = Gone {
            range: part.range.clone(),
            records,
            explains_gap: why != Why::Copy || self.board.is_dense,
            is_damage: why == Why::Damage,
            claimed: claimed.filter(|_| why == Why::Damage),
            is_torn: why == Why::Torn,
            may_be_batch: why == Why::Damage && self.may_be_batch(part),
        };
        match group.last_mut() {
            Some(last) if last.range.end == gone.range.start => {
                last.range.end = gone.range.end;
                last.records = last.records.saturating_add(gone.records);
                last.explains_gap |= gone.explains_gap;
                last.is_damage |= gone.is_damage;
                last.is_torn |= gone.is_torn;
                last.may_be_batch |= gone.may_be_batch;
                last.claimed = gone.claimed.or(last.claimed);
            }
            _ => group.push(gone),
        }
    }

    /// True unless it is certain that no batch stood there that is nowhere else: fewer bytes than
    /// one has, or zeros. Bytes that cannot be read may have been anything.
    fn may_be_batch(&self, part: &Part) -> bool {
        let Some(look) = self.board.segment(part.segment) else { return true };
        if part.len() < self.smallest {
            return false;
        }
        let mut at = part.range.start;
        while at < part.range.end {
            let to = part.range.end.min(at.saturating_add(READ_BYTES));
            let Ok(bytes) = self.board.bytes.read(&look.log, at..to) else { return true };
            if bytes.iter().any(|&byte| byte != 0) {
                return true;
            }
            at = to;
        }
        false
    }

    /// What is known of what goes between two batches that stay.
    fn close(&mut self, anchor: Option<usize>, group: Vec<Gone>) {
        let mut gaps = self.gaps.by_anchor.remove(&anchor).unwrap_or_default().into_iter();
        let explains = group.iter().position(|gone| gone.explains_gap);
        let end = self.gaps.open_end.filter(|(at, _)| *at == anchor).map(|(_, end)| end);
        let at_end = end.and_then(|end| missing_at_end(&group, end, self.board.terms.known_end));
        let Some(last) = group.last().map(|gone| gone.range.end) else { return };
        // Between batches that follow each other nothing is missing, and where no gap is usual,
        // what is missing elsewhere is told there.
        let is_nothing = self.board.is_dense && gaps.len() == 0 && end.is_none();
        for (number, gone) in group.into_iter().enumerate() {
            let gap = if explains == Some(number) { gaps.next() } else { None };
            let records = match gap {
                Some(gap) => Some(width(gap).saturating_add(gone.records)),
                None if end.is_some() && gone.is_torn => None,
                None if gone.may_be_batch && !is_nothing => None,
                None => Some(gone.records),
            };
            let at_end = at_end.filter(|_| gap.is_none() && explains == Some(number));
            let offsets = gap.or(at_end);
            let records = records.filter(|_| at_end.is_none());
            let is_unfinished = gone.is_torn && !gone.may_be_batch && records.is_none();
            self.lose(gone.range, offsets, records, is_unfinished && offsets.is_none());
        }
        if explains.is_some() {
            for gap in gaps {
                self.lose(last..last, Some(gap), Some(width(gap)), false);
            }
        }
    }

    fn lose(
        &mut self,
        range: Range<u64>,
        offsets: Option<Gap>,
        records: Option<u64>,
        is_unfinished: bool,
    ) {
        let Some(look) = self.board.segment(self.segment) else { return };
        let (file, range) = (Arc::clone(&look.log), Position(range.start)..Position(range.end));
        self.losses.push(Loss { file, range, offsets, records, is_unfinished });
    }
}

/// The offsets that are missing at the end of a log from `end` on, at least: those that damaged
/// batches claim, or one, where there is room for a batch. Where it is known how far the log went,
/// these.
fn missing_at_end(group: &[Gone], end: Offset, known_end: Option<Offset>) -> Option<Gap> {
    if let Some(known) = known_end {
        return (end < known).then(|| (end, known.plus(-1)));
    }
    let mut damages = group.iter().filter(|gone| gone.is_damage).peekable();
    damages.peek()?;
    let is_near =
        |(first, last): &Gap| *first >= end && last.0.saturating_sub(end.0) < i64::from(i32::MAX);
    let damages: Vec<&Gone> = damages.collect();
    let claimed = damages.iter().filter_map(|gone| gone.claimed).filter(is_near);
    let last = claimed.map(|(_, last)| last).max();
    let has_room = damages.iter().any(|gone| gone.range.end - gone.range.start >= SMALLEST_BATCH);
    last.or(has_room.then_some(end)).map(|last| (end, last))
}

fn width((from, to): Gap) -> u64 {
    to.0.abs_diff(from.0).saturating_add(1)
}
