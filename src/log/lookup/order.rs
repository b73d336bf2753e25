//! Whether the offsets of batches can be true. A base offset is not under the checksum of magic 2,
//! so a sound batch may claim to be anywhere.
//!
//! ```text
//!   0-1  2-3  4-5  1099511627782-  8-9      impossible in its segment: passed over
//!   0-1  2-3  4-5  14-15           8-9      possible, but the offsets go back behind it
//!   0-1  2-3  6-7  4-5             8-9      two batches changed places
//! ```
//!
//! Offsets rise from batch to batch. Where they do not, no answer that rests on their rising is
//! given: that there is no such record, or that a batch holds it which its neighbours contradict.

use super::walk::{Step, Walk};
use super::{Damage, Hit, OpenPartition, Outcome, Place, Workspace, first_record};
use crate::error::{Error, Result};
use crate::format::{Batch, FormatError, FormatErrorKind, Offset, Position};

const OUT_OF_ORDER: &str = "the offsets of batches do not rise; this one begins with";

/// What the header of a batch says about its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// `None` for a wrapper message.
    base: Option<Offset>,
    last: Offset,
    crc: u32,
    position: Position,
}

impl Span {
    #[inline]
    pub(super) fn of(batch: &Batch<'_>) -> Self {
        Self {
            base: batch.known_base_offset(),
            last: batch.last_offset(),
            crc: batch.crc(),
            position: batch.position(),
        }
    }

    #[inline]
    fn first(&self) -> Offset {
        self.base.unwrap_or(self.last)
    }

    fn may_hold(&self, target: Offset) -> bool {
        self.base.is_none_or(|base| base <= target) && self.last >= target
    }

    /// True when `next` may stand behind this one: above it, or the same batch once more.
    #[inline]
    fn precedes(&self, next: &Self) -> bool {
        let same = |span: &Self| (span.base, span.last, span.crc);
        self.last < next.first() || same(self) == same(next)
    }

    fn damage(&self, segment: usize) -> Damage {
        let kind = FormatErrorKind::Record { what: OUT_OF_ORDER, value: self.first().0 };
        let place = Place { segment, position: self.position };
        Damage { place, error: FormatError::new(self.position, kind) }
    }
}

impl Damage {
    /// True when the batch itself may be sound, but its offsets, which no checksum covers, do not
    /// go with the segment's or its neighbours'.
    #[must_use]
    pub fn is_out_of_order(&self) -> bool {
        matches!(self.error.kind, FormatErrorKind::Record { what: OUT_OF_ORDER, .. })
    }
}

/// The offsets that a segment can hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct PossibleOffsets {
    lowest: Offset,
    highest: Offset,
}

impl PossibleOffsets {
    pub(super) fn include_hit(self, hit: &Hit) -> bool {
        self.lowest <= hit.base_offset && hit.last_offset <= self.highest
    }

    #[inline]
    pub(super) fn include(self, span: &Span) -> bool {
        self.lowest <= span.first() && span.first() <= span.last && span.last <= self.highest
    }
}

/// The damage that a hit in a batch of impossible offsets is.
pub(super) fn damage_of(hit: &Hit) -> Damage {
    let kind = FormatErrorKind::Record { what: OUT_OF_ORDER, value: hit.base_offset.0 };
    Damage { place: hit.place, error: FormatError::new(hit.place.position, kind) }
}

/// The order of the batches that a walk goes over.
pub(super) struct Order {
    possible: PossibleOffsets,
    last: Option<Span>,
    /// The last batch goes with the one before it.
    is_in_order: bool,
    /// The last batch that cannot be where it says, or not behind the one before it.
    broken: Option<Span>,
}

impl Order {
    pub(super) fn new(possible: PossibleOffsets) -> Self {
        Self { possible, last: None, is_in_order: true, broken: None }
    }

    /// Goes over the next batch; false for one that the segment cannot hold.
    #[inline]
    pub(super) fn add(&mut self, span: Span) -> bool {
        if !self.possible.include(&span) {
            self.broken = Some(span);
            return false;
        }
        self.is_in_order = self.last.is_none_or(|last| last.precedes(&span));
        if !self.is_in_order {
            self.broken = Some(span);
        }
        self.last = Some(span);
        true
    }

    /// Looks at what stands `behind`; true when the last batch goes with both its neighbours.
    #[inline]
    pub(super) fn is_confirmed(&mut self, behind: Option<Span>) -> bool {
        let Some(behind) = behind.filter(|span| self.possible.include(span)) else {
            return self.is_in_order;
        };
        let is_followed = self.last.is_none_or(|last| last.precedes(&behind));
        if !is_followed {
            self.broken = Some(behind);
        }
        self.is_in_order && is_followed
    }

    /// The last break in `segment`, if there was one.
    pub(super) fn damage(&self, segment: usize) -> Option<Damage> {
        self.broken.map(|span| span.damage(segment))
    }

    /// True when the order was broken anywhere.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }
}

/// A batch among the two before and the two behind it.
#[derive(Default)]
struct Neighbours([Option<Span>; 5]);

impl Neighbours {
    fn push(&mut self, span: Option<Span>) {
        let [_, second, third, fourth, fifth] = self.0;
        self.0 = [second, third, fourth, fifth, span];
    }

    fn middle(&self) -> Option<Span> {
        let [_, _, middle, _, _] = self.0;
        middle
    }

    /// True when the middle goes with what stands next to it.
    fn agree(&self, middle: &Span) -> bool {
        let [_, before, _, behind, _] = &self.0;
        before.is_none_or(|before| before.precedes(middle))
            && behind.is_none_or(|behind| middle.precedes(&behind))
    }

    /// True when the middle would go with them if it changed places with one next to it.
    fn agree_after_a_swap(&self, middle: &Span) -> bool {
        let [first, before, _, behind, last] = &self.0;
        before.is_none_or(|before| {
            before.precedes(middle)
                || middle.last < before.first() && first.is_some_and(|first| first.precedes(middle))
        }) && behind.is_none_or(|behind| {
            middle.precedes(&behind)
                || behind.last < middle.first() && last.is_some_and(|last| middle.precedes(&last))
        })
    }
}

impl OpenPartition {
    /// What segment number `segment` can hold: offsets of 31 bits above its base offset, and below
    /// that of the next.
    pub(super) fn possible_offsets(&self, segment: usize) -> PossibleOffsets {
        let segments = &self.directory.segments;
        let base = |index: usize| segments.get(index).map(|files| files.base_offset);
        let lowest = base(segment).unwrap_or_default();
        let unreadable = self.unreadable().map(|(base, _)| base).find(|&base| base > lowest);
        let highest = lowest.plus(i64::from(i32::MAX));
        let next = base(segment + 1).into_iter().chain(unreadable).map(|next| next.plus(-1));
        PossibleOffsets { lowest, highest: next.fold(highest, Offset::min) }
    }

    /// Fails when there is a segment that cannot be read right behind segment number `segment`, or
    /// before the first one, and its base offset is at most `target`.
    pub(super) fn expect_readable(&self, segment: Option<usize>, target: Offset) -> Result<()> {
        let base = |index: usize| self.directory.segments.get(index).map(|files| files.base_offset);
        let low = segment.and_then(base);
        let high = base(segment.map_or(0, |segment| segment + 1));
        let is_between = |offset: Offset| {
            low.is_none_or(|low| offset > low) && high.is_none_or(|high| offset < high)
        };
        let mut unreadable = self.unreadable();
        match unreadable.find(|&(base, _)| base <= target && is_between(base)) {
            Some((_, path)) => Err(Error::other("opening", path, "not a regular file")),
            None => Ok(()),
        }
    }

    /// The base offsets of segments that cannot be read, in their order, and where they are.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = (Offset, &std::path::Path)> {
        let named = self.directory.unreadable.iter();
        named.map(|named| (named.name.offset.unwrap_or_default(), named.file.path.as_path()))
    }

    /// Looks for the record at `target` without relying on the order of batches, from `from` to the
    /// end of its segment. `None` where the order is not broken and there is no such record.
    ///
    /// A batch is believed when its neighbours agree with it; or when it is the only one that
    /// holds the record, and they would agree if two of them changed places.
    pub(super) fn settle(
        &self,
        target: Offset,
        from: Place,
        workspace: &mut Workspace,
    ) -> Result<Option<Outcome>> {
        let file = &self.segment(from.segment)?.log;
        let Workspace { scratch, window } = workspace;
        let mut walk = Walk::new(file, window, self.limits.batch_bytes, from.position);
        let mut order = Order::new(self.possible_offsets(from.segment));
        let mut neighbours = Neighbours::default();
        let (mut only, mut is_doubtful) = (None, false);
        let mut ends = 0;
        while ends < 2 {
            let next = match walk.peek()? {
                Step::Batch(batch) => Some((Span::of(&batch), batch.size())),
                Step::End(tail) => {
                    let end = Place { segment: from.segment, position: walk.position() };
                    if let Some(damage) = self.damage_at_end(end, tail).filter(|_| ends > 0) {
                        return Ok(order.is_broken().then_some(Outcome::Damaged(damage)));
                    }
                    ends += 1;
                    None
                }
            };
            if let Some((span, size)) = next {
                walk.step_over(size);
                if !order.add(span) {
                    continue;
                }
            }
            neighbours.push(next.map(|(span, _)| span));
            let Some(middle) = neighbours.middle() else { continue };
            if middle.may_hold(target) {
                let place = Place { segment: from.segment, position: middle.position };
                let read = walk.batch_at(middle.position.0)?;
                let is_it = |record: &crate::format::Record<'_>| record.offset == target;
                match read.and_then(|batch| first_record(&batch, place, scratch, is_it)) {
                    Err(error) => return Ok(Some(Outcome::Damaged(Damage { place, error }))),
                    Ok(None) => {}
                    Ok(Some(hit)) if neighbours.agree(&middle) => {
                        return Ok(Some(Outcome::Hit(hit)));
                    }
                    Ok(Some(hit)) => {
                        is_doubtful |= only.is_some() || !neighbours.agree_after_a_swap(&middle);
                        only = Some(hit);
                    }
                }
            } else if middle.first() > target && !order.is_broken() {
                return Ok(None);
            }
        }
        Ok(match only.filter(|_| !is_doubtful) {
            Some(hit) => Some(Outcome::Hit(hit)),
            None => order.damage(from.segment).map(Outcome::Damaged),
        })
    }
}
