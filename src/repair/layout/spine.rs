//! Which batches are in order: the most batches whose offsets rise from the first segment to the
//! last, each between its segment's name and the next one's. What is not among them is in doubt.
//!
//! ```text
//!   | 0 .. 29 | 1054-1063 | 40 .. 99 |        | 0 .. 29 | 2-11 | 40 .. 99 |
//!   '- spine -'           '- spine --'        '- spine -'      '- spine --'
//! ```

use super::board::{Board, Fate, Part};

/// One of a row of things that rise, or should.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// It may stand behind what ends below this.
    pub(super) start: i64,
    pub(super) end: i64,
    /// How much it counts; 0 for one that may not be in the chain.
    pub(super) weight: u64,
    /// True when it goes on exactly where the one right before it ends.
    pub(super) follows: bool,
}

/// Whether one of a row is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is in the chain that counts most.
    On,
    /// It is in another that counts as much.
    Perhaps,
    /// It is in none of these.
    Off,
}

/// For each part, whether it is in order. Time is n log n.
pub(super) fn spine(board: &Board<'_>) -> Vec<Standing> {
    let mut before: Option<(usize, i64)> = None;
    let link = |part: &Part| {
        let offsets = part.first_offset().zip(part.last_offset());
        let (start, end) = offsets.map_or((0, 0), |(first, last)| (first.0, last.0));
        let batches = part.batches().map_or(0, |batches| batches.batches);
        let weight = if may_stay(board, part) { batches.saturating_mul(4) } else { 0 };
        let follows = before == Some((part.home, start.saturating_sub(1)));
        before = part.batches().map(|_| (part.home, end));
        Link { start, end, weight, follows }
    };
    chain(&board.parts.iter().map(link).collect::<Vec<_>>())
}

/// The chain that counts most, of links that rise. Of equals, one that goes on without a gap.
pub(super) fn chain(links: &[Link]) -> Vec<Standing> {
    let (forward, before) = heaviest(links);
    let mut mirrored = Vec::with_capacity(links.len());
    let mut follows = false;
    for link in links.iter().rev() {
        let (start, end) = (link.end.saturating_neg(), link.start.saturating_neg());
        mirrored.push(Link { start, end, follows, ..*link });
        follows = link.follows;
    }
    let (mut backward, _) = heaviest(&mirrored);
    backward.reverse();
    let total = forward.iter().copied().max().unwrap_or(0);
    let sums = forward.iter().zip(&backward).zip(links);
    let perhaps = |((forward, backward), link): ((&u64, &u64), &Link)| {
        let sum = forward.saturating_add(*backward).saturating_sub(link.weight);
        if link.weight > 0 && sum >= total { Standing::Perhaps } else { Standing::Off }
    };
    let mut standings: Vec<Standing> = sums.map(perhaps).collect();
    let mut at = forward.iter().position(|weight| *weight == total && total > 0);
    while let Some(number) = at {
        if let Some(standing) = standings.get_mut(number) {
            *standing = Standing::On;
        }
        at = before.get(number).copied().flatten();
    }
    standings
}

/// For each link, how much the heaviest chain counts that ends with it, and the link before it.
fn heaviest(links: &[Link]) -> (Vec<u64>, Vec<Option<usize>>) {
    let mut ends: Vec<i64> = links.iter().map(|link| link.end).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut best = Best::new(ends.len());
    let (mut weights, mut before) = (Vec::new(), Vec::new());
    for (number, link) in links.iter().enumerate() {
        let (mut weight, mut previous) = best.below(ends.partition_point(|e| *e < link.start));
        let last = number.checked_sub(1).filter(|_| link.follows);
        let near = last.and_then(|last| weights.get(last)).copied().filter(|near| *near > 0);
        if let Some(near) = near.filter(|near: &u64| near.saturating_add(1) > weight) {
            (weight, previous) = (near.saturating_add(1), last);
        }
        let is_in = link.weight > 0;
        let weight = if is_in { weight.saturating_add(link.weight) } else { 0 };
        weights.push(weight);
        before.push(previous.filter(|_| is_in));
        if is_in {
            best.put(ends.partition_point(|end| *end < link.end), weight, number);
        }
    }
    (weights, before)
}

/// True for batches that may be where they are, if their neighbours are where they may be.
pub(super) fn may_stay(board: &Board<'_>, part: &Part) -> bool {
    let Some(batches) = part.batches().filter(|_| part.fate == Fate::Kept) else { return false };
    let Some(segment) = board.segment(part.home) else { return false };
    let (first, last) = (batches.first.first_known_offset(), batches.last.last_offset);
    // A broker begins a new segment long before: one batch alone is more likely to be wrong.
    let is_far =
        batches.batches == 1 && last.0.saturating_sub(segment.base_offset.0) > i64::from(i32::MAX);
    !board.is_fixed(part.home)
        && (segment.base_offset..=last).contains(&first)
        && board.next_base(part.home).is_none_or(|next| last < next)
        && last.0 < i64::MAX
        && !is_far
}

/// The greatest weight below any rank, and whose it is: a tree of prefixes.
struct Best(Vec<(u64, Option<usize>)>);

impl Best {
    fn new(ranks: usize) -> Self {
        Self(vec![(0, None); ranks + 1])
    }

    /// The greatest of all ranks below this one; of equals the one that was put first.
    fn below(&self, rank: usize) -> (u64, Option<usize>) {
        let mut best = (0, None);
        let mut at = rank;
        while at > 0 {
            let here = self.0.get(at).copied().unwrap_or_default();
            let is_earlier = here.0 == best.0 && here.1.is_some() && here.1 < best.1;
            if here.0 > best.0 || is_earlier {
                best = here;
            }
            at &= at - 1;
        }
        best
    }

    fn put(&mut self, rank: usize, weight: u64, number: usize) {
        let mut at = rank + 1;
        while let Some(here) = self.0.get_mut(at) {
            if weight > here.0 {
                *here = (weight, Some(number));
            }
            at += at & at.wrapping_neg();
        }
    }
}
