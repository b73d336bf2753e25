//! Which offsets are taken by batches that are in order, and by which.

use super::board::{Board, Part};
use super::spine::Standing;
use crate::format::Offset;
use std::collections::BTreeMap;

/// The offsets of batches that are settled. No two have one in common.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By the first offset: the last one, and the part.
    by_first: BTreeMap<Offset, (Offset, usize)>,
    /// For each part, whether it is settled.
    is_settled: Vec<bool>,
    /// For each part, whether it would be in order if another were not.
    is_perhaps: Vec<bool>,
}

impl Places {
    /// Those of the parts that are in order.
    pub(super) fn new(board: &Board<'_>, standings: &[Standing]) -> Self {
        let is_settled = vec![false; board.parts.len()];
        let is_perhaps = standings.iter().map(|at| *at == Standing::Perhaps).collect();
        let mut places = Self { by_first: BTreeMap::new(), is_settled, is_perhaps };
        for (number, part) in board.parts.iter().enumerate() {
            let is_on_spine = standings.get(number) == Some(&Standing::On);
            if let Some((first, last)) = part.first_offset().zip(part.last_offset())
                && is_on_spine
            {
                places.put(first, last, number);
            }
        }
        places
    }

    /// Settles a part in offsets that are free.
    pub(super) fn put(&mut self, first: Offset, last: Offset, part: usize) {
        self.by_first.insert(first, (last, part));
        if let Some(settled) = self.is_settled.get_mut(part) {
            *settled = true;
        }
    }

    /// True when it is as likely that another part is wrong, and not this one.
    pub(super) fn may_be_right(&self, part: usize) -> bool {
        self.is_perhaps.get(part).copied().unwrap_or(false)
    }

    /// The first offset at or behind this one that is taken.
    pub(super) fn taken_behind(&self, from: Offset) -> Option<Offset> {
        self.by_first.range(from..).next().map(|(first, _)| *first)
    }

    pub(super) fn len(&self) -> usize {
        self.by_first.len()
    }

    pub(super) fn is_settled(&self, part: usize) -> bool {
        self.is_settled.get(part).copied().unwrap_or(true)
    }

    /// The batches that are kept and not settled, in the order of parts.
    pub(super) fn unsettled(&self, board: &Board<'_>) -> Vec<usize> {
        let is_open = |(number, part): &(usize, &Part)| {
            part.kept().is_some() && !board.is_fixed(part.segment) && !self.is_settled(*number)
        };
        board.parts.iter().enumerate().filter(is_open).map(|(number, _)| number).collect()
    }

    /// The part that has exactly these offsets.
    pub(super) fn exactly(&self, first: Offset, last: Offset) -> Option<usize> {
        self.by_first.get(&first).filter(|(end, _)| *end == last).map(|(_, part)| *part)
    }

    /// True when no batch has one of these offsets.
    pub(super) fn is_free(&self, first: Offset, last: Offset) -> bool {
        let below = self.by_first.range(..=last).next_back();
        below.is_none_or(|(_, (end, _))| *end < first)
    }

    /// The last offset before, and the first behind.
    fn around(&self, first: Offset, last: Offset) -> (Option<Offset>, Option<Offset>) {
        let before = self.by_first.range(..first).next_back().map(|(_, (end, _))| *end);
        let behind = self.by_first.range(last.plus(1)..).next().map(|(begin, _)| *begin);
        (before, behind)
    }

    /// Whether a batch ends right before these offsets, and whether one begins right behind. The
    /// names of segments say the same.
    fn joins(&self, board: &Board<'_>, first: Offset, last: Offset) -> (bool, bool) {
        let (before, behind) = self.around(first, last);
        let is_name = |offset: Offset| {
            board.segments.binary_search_by_key(&offset, |segment| segment.base_offset).is_ok()
        };
        let (begin, end) = (first.plus(-1), last.plus(1));
        (before == Some(begin) || is_name(first), behind == Some(end) || is_name(end))
    }

    /// True when a batch ends right before these offsets, or begins right behind.
    pub(super) fn touches(&self, board: &Board<'_>, first: Offset, last: Offset) -> bool {
        let (before, behind) = self.joins(board, first, last);
        before || behind
    }

    /// True when both is the case: nothing would be missing around them.
    pub(super) fn fills(&self, board: &Board<'_>, first: Offset, last: Offset) -> bool {
        let (before, behind) = self.joins(board, first, last);
        before && behind
    }

    /// True when there are batches before and behind.
    pub(super) fn encloses(&self, first: Offset, last: Offset) -> bool {
        let (before, behind) = self.around(first, last);
        before.is_some() && behind.is_some()
    }

    /// The last offset of all.
    pub(super) fn last(&self) -> Option<Offset> {
        self.by_first.values().next_back().map(|(end, _)| *end)
    }
}
