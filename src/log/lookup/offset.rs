//! From an offset to its record, and from a range of offsets to a range of bytes.

use super::order::{Order, Span};
use super::{Damage, Lookup, MissReason, OpenPartition, Outcome, Place, Sought, Steps, Workspace};
use crate::error::Result;
use crate::format::{Offset, Position};

/// One end of a range of bytes in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where a batch begins, or the end of the file.
    pub position: Position,
    /// Set when the search ended at bytes that are no batch, or at offsets that cannot be true. A
    /// start is then where they begin, an end is the end of the file.
    pub damage: Option<Damage>,
}

impl OpenPartition {
    /// Looks for the record at `target`.
    ///
    /// # Errors
    /// When reading fails, or a limit is hit.
    pub fn offset(&self, target: Offset, workspace: &mut Workspace) -> Result<Lookup> {
        let mut steps = Steps::default();
        if target < self.log_start {
            let outcome = self.miss(MissReason::BelowLogStart, workspace)?;
            return Ok(Lookup { outcome, steps });
        }
        let floor = self.floor_segment(target, &mut steps);
        self.expect_readable(floor, target)?;
        let Some(segment) = floor else {
            let outcome = self.miss(MissReason::PastLogEnd, workspace)?;
            return Ok(Lookup { outcome, steps });
        };
        let search = self.search_index(self.segment(segment)?, target, workspace)?;
        let from = Place { segment, position: search.start };
        steps.index = Some(search);
        self.scan_for_offset(target, from, steps, workspace)
    }

    /// Looks for the record at `target` from `place` on, where a batch begins: goes on behind
    /// damage, without an index.
    ///
    /// # Errors
    /// As [`OpenPartition::offset`].
    pub fn offset_from(
        &self,
        target: Offset,
        place: Place,
        workspace: &mut Workspace,
    ) -> Result<Lookup> {
        self.scan_for_offset(target, place, Steps::default(), workspace)
    }

    fn scan_for_offset(
        &self,
        target: Offset,
        from: Place,
        mut steps: Steps,
        workspace: &mut Workspace,
    ) -> Result<Lookup> {
        steps.scan_from = from.position;
        // Once a sound batch reaches the target, or a later segment begins, there is no record of
        // that offset any more; what is still looked for is the next one.
        let mut is_settled = false;
        let mut place = from;
        while place.segment < self.segments.len() {
            let mut order = Order::new(self.possible_offsets(place.segment));
            let sought = self.seek(
                place,
                |batch| order.add(Span::of(batch)) && batch.last_offset() >= target,
                |record| record.offset >= target,
                &mut steps.scan,
                workspace,
            )?;
            let (found, damage) = match sought {
                Sought::Found { hit, behind } => {
                    if order.is_confirmed(behind) && hit.offset == target {
                        return Ok(Lookup { outcome: Outcome::Hit(hit), steps });
                    }
                    (Some(hit), None)
                }
                Sought::Damaged(damage) => (None, Some(damage)),
                Sought::Nothing { end, tail, candidates } => {
                    is_settled |= candidates > 0;
                    (None, self.damage_at_end(end, tail))
                }
            };
            let is_first = place.segment == from.segment;
            if is_first
                && damage.is_none()
                && let Some(outcome) =
                    self.doubt(target, from, order.is_broken(), &steps, workspace)?
            {
                return Ok(Lookup { outcome, steps });
            }
            // In a later segment only the next record is looked for.
            let damage = damage.or_else(|| order.damage(place.segment).filter(|_| !is_first));
            if let Some(hit) = found {
                let next_offset = Some(hit.offset).filter(|_| damage.is_none());
                return self.gap(next_offset, damage, steps, workspace);
            }
            match damage {
                Some(_) if is_settled => return self.gap(None, damage, steps, workspace),
                Some(damage) => return Ok(Lookup { outcome: Outcome::Damaged(damage), steps }),
                None => {}
            }
            self.expect_readable(Some(place.segment), Offset(i64::MAX))?;
            place = Place { segment: place.segment + 1, position: Position(0) };
            let base = self.directory.segments.get(place.segment).map(|files| files.base_offset);
            is_settled |= base.is_some_and(|base| base > target);
        }
        if is_settled {
            return self.gap(None, None, steps, workspace);
        }
        let outcome = self.miss(MissReason::PastLogEnd, workspace)?;
        Ok(Lookup { outcome, steps })
    }

    /// Asked before the answer is that there is no such record in the segment of `from`. An index
    /// entry may lead behind a batch that stands too far to the front, so the search then begins at
    /// the entry before it.
    fn doubt(
        &self,
        target: Offset,
        from: Place,
        is_broken: bool,
        steps: &Steps,
        workspace: &mut Workspace,
    ) -> Result<Option<Outcome>> {
        let entry = steps.index.as_ref().and_then(|search| search.entry);
        let position = match entry {
            None if !is_broken => return Ok(None),
            None => from.position,
            Some(entry) => self.start_before(from.segment, entry.offset, workspace)?,
        };
        self.settle(target, Place { position, ..from }, workspace)
    }

    /// Where the entry before that of `offset` leads to.
    fn start_before(
        &self,
        segment: usize,
        offset: Offset,
        workspace: &mut Workspace,
    ) -> Result<Position> {
        let opened = self.segment(segment)?;
        Ok(self.search_index(opened, offset.plus(-1), workspace)?.start)
    }

    fn gap(
        &self,
        next_offset: Option<Offset>,
        damage: Option<Damage>,
        steps: Steps,
        workspace: &mut Workspace,
    ) -> Result<Lookup> {
        let outcome = self.miss(MissReason::Gap { next_offset, damage }, workspace)?;
        Ok(Lookup { outcome, steps })
    }

    /// Where the batches of segment number `segment` begin that reach `first`: no batch before
    /// holds it or anything behind it. Where the offsets of batches are impossible or do not rise,
    /// that is where this begins.
    ///
    /// # Errors
    /// When reading fails.
    pub fn position_of(
        &self,
        segment: usize,
        first: Offset,
        workspace: &mut Workspace,
    ) -> Result<Edge> {
        let opened = self.segment(segment)?;
        let search = self.search_index(opened, first, workspace)?;
        let start = match search.entry {
            Some(entry) => self.start_before(segment, entry.offset, workspace)?,
            None => search.start,
        };
        let mut walk = self.walk(opened, start, workspace);
        let mut order = Order::new(self.possible_offsets(segment));
        let mut position = start;
        let tail = walk.until(|batch| {
            let before = std::mem::replace(&mut position, batch.position());
            let is_possible = order.add(Span::of(batch));
            if order.is_broken() && is_possible {
                position = before; // Which of the two is wrong is not known.
            }
            order.is_broken() || batch.last_offset() >= first
        })?;
        if order.is_broken() {
            return Ok(Edge { position, damage: order.damage(segment) });
        }
        let place = Place { segment, position: walk.position() };
        let damage = tail.and_then(|tail| self.damage_at_end(place, tail));
        Ok(Edge { position: place.position, damage })
    }
}
