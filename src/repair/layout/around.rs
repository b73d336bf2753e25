//! What stands around batches that are in doubt: the nearest batches on either side that are
//! settled, and whether anything else is between.

use super::board::{Board, Part};
use super::places::Places;
use super::restore::Group;
use crate::format::Offset;

/// The surroundings of all parts, as they are at one time.
pub(super) struct Around {
    /// The batches that are in doubt.
    pub(super) unsettled: Vec<usize>,
    /// For each part, the last settled one before it, and the first behind.
    before: Vec<Option<usize>>,
    behind: Vec<Option<usize>>,
    /// How many parts before each one are damaged, or are batches in doubt, or neither and stay.
    damaged: Vec<usize>,
    doubtful: Vec<usize>,
    /// The offsets that batches in doubt begin with as they stand, rising, and which they are.
    claims: Vec<(Offset, usize)>,
    /// The first part of the segment of each one, and the first behind that segment.
    segment: Vec<(usize, usize)>,
}

impl Around {
    pub(super) fn of(board: &Board<'_>, places: &Places) -> Self {
        let count = board.parts.len();
        let is_known = |(at, part): (usize, &Part)| part.kept().is_some() && places.is_settled(at);
        let known: Vec<bool> = board.parts.iter().enumerate().map(is_known).collect();
        let unsettled = places.unsettled(board);
        let mut is_doubtful = vec![false; count];
        for number in &unsettled {
            if let Some(doubtful) = is_doubtful.get_mut(*number) {
                *doubtful = true;
            }
        }
        let claim = |at: &usize| Some((board.parts.get(*at)?.first_offset()?, *at));
        let mut claims: Vec<(Offset, usize)> = unsettled.iter().filter_map(claim).collect();
        claims.sort_unstable();
        let is_damaged = board.parts.iter().map(|part| part.damage().is_some());
        let before = nearest(known.iter().copied().enumerate());
        let mut behind = nearest(known.iter().copied().enumerate().rev());
        behind.reverse();
        Self {
            unsettled,
            claims,
            before,
            behind,
            damaged: counts(is_damaged),
            doubtful: counts(is_doubtful.into_iter()),
            segment: segments(board),
        }
    }

    /// True when another batch in doubt would find its place between the neighbours of a group,
    /// as it stands.
    pub(super) fn is_claimed(&self, group: &Group) -> bool {
        let begin = self.claims.partition_point(|(first, _)| *first < group.from);
        let claims = self.claims.iter().skip(begin);
        let mut claims = claims.take_while(|(first, _)| group.to.is_none_or(|to| *first <= to));
        // Members are side by side among the parts.
        let ends = group.members.first().copied().zip(group.members.last().copied());
        let is_own = |at: usize| ends.is_some_and(|(from, to)| (from..=to).contains(&at));
        claims.any(|(_, at)| !is_own(*at))
    }

    /// The last settled part before this one.
    pub(super) fn before(&self, number: usize) -> Option<usize> {
        self.before.get(number).copied().flatten()
    }

    pub(super) fn home_of(&self, board: &Board<'_>, number: usize) -> Option<usize> {
        board.parts.get(number).map(|part| part.home)
    }

    /// True when nothing damaged is between two parts.
    pub(super) fn is_side_by_side(&self, one: usize, other: usize) -> bool {
        between(&self.damaged, one + 1, other) == 0
    }

    /// The group of one batch alone.
    pub(super) fn alone(&self, board: &Board<'_>, places: &Places, number: usize) -> Option<Group> {
        self.group(board, places, vec![number])
    }

    /// The group of these batches, which stand side by side.
    pub(super) fn group(
        &self,
        board: &Board<'_>,
        places: &Places,
        members: Vec<usize>,
    ) -> Option<Group> {
        let (first, last) = (*members.first()?, *members.last()?);
        let number = board.parts.get(first)?.home;
        let segment = board.segment(number)?;
        let (begin, end) = self.segment.get(first).copied()?;
        let before = self.before(first);
        let behind = self.behind.get(last).copied().flatten();
        let is_clean = |from: usize, to: usize| {
            between(&self.damaged, from, to) == 0 && between(&self.doubtful, from, to) == 0
        };
        let own_before = before.filter(|&at| at >= begin);
        let own_behind = behind.filter(|&at| at < end);
        let mut follows = is_clean(own_before.map_or(begin, |at| at + 1), first);
        let mut is_followed = is_clean(last + 1, own_behind.unwrap_or(end));
        let batches = |at: usize| board.parts.get(at).and_then(Part::batches);
        let before = before.and_then(batches).map(|batches| batches.last);
        let behind = behind.and_then(batches).map(|batches| batches.first);
        let base = segment.base_offset;
        let from = before.map_or(base, |before| before.last_offset.plus(1).max(base));
        let next = board.next_base(number);
        let first_behind = behind.map(|behind| behind.first_known_offset());
        // What was moved there stands behind as well, unless it is one of these.
        let own = board.parts.get(first).and_then(Part::first_offset);
        let moved = places.taken_behind(from).filter(|taken| Some(*taken) != own);
        let to = first_behind.into_iter().chain(next).chain(moved).min();
        let to = to.map(|to| to.plus(-1));
        // Names stand for batches only where offsets follow each other.
        follows &= own_before.is_some() || board.is_dense;
        is_followed &= own_behind.is_some() || board.is_dense && next.is_some();
        Some(Group { members, from, to, follows, is_followed, before, behind })
    }
}

/// For each, the last one before it that is known.
fn nearest(known: impl Iterator<Item = (usize, bool)>) -> Vec<Option<usize>> {
    let mut last = None;
    let mut nearest = Vec::new();
    for (number, is_known) in known {
        nearest.push(last);
        if is_known {
            last = Some(number);
        }
    }
    nearest
}

/// How many are true before each, and before the end.
fn counts(of: impl Iterator<Item = bool>) -> Vec<usize> {
    let mut count = 0;
    let mut counts = vec![0];
    for is_one in of {
        count += usize::from(is_one);
        counts.push(count);
    }
    counts
}

/// How many there are in a range.
fn between(counts: &[usize], from: usize, to: usize) -> usize {
    let at = |index: usize| counts.get(index).copied().unwrap_or_default();
    at(to).saturating_sub(at(from))
}

/// Where the segment of each part begins and ends among the parts.
fn segments(board: &Board<'_>) -> Vec<(usize, usize)> {
    let mut ranges = Vec::with_capacity(board.parts.len());
    let mut begin = 0;
    for chunk in board.parts.chunk_by(|a, b| a.home == b.home) {
        let end = begin + chunk.len();
        ranges.extend(chunk.iter().map(|_| (begin, end)));
        begin = end;
    }
    ranges
}
