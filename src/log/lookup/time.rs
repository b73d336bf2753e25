//! From a timestamp to the first record, in the order of offsets, that is as young or younger.
//!
//! A broker looks only into the first segment whose greatest timestamp it believes to be high
//! enough. Here the answer is that of reading every record from the log start on: a segment is
//! passed over only when its time index, confirmed, and the headers behind its last entry show that
//! it holds nothing so young.
//!
//! An entry says that nothing up to its offset is younger than its timestamp. That is confirmed by
//! the batch it points to and the headers from the entry before it on; what is further to the front
//! the order of the entries answers for. So one wrong entry is always found out, and an index of
//! another log nearly always; only several wrong entries that agree with each other, with the
//! batches they point to and with the headers between them could mislead.

use super::{
    Lookup, MissReason, OpenPartition, Outcome, Place, Scan, Sought, Steps, Workspace, order,
};
use crate::error::Result;
use crate::format::{Offset, Position};

impl OpenPartition {
    /// Looks for the first record with a timestamp of at least `timestamp`, from the log start
    /// offset on. Records without a timestamp are never found.
    ///
    /// # Errors
    /// When reading fails, or a limit is hit.
    pub fn time(&self, timestamp: i64, workspace: &mut Workspace) -> Result<Lookup> {
        let mut steps = Steps::default();
        let first = self.floor_segment(self.log_start, &mut steps);
        if first.is_none() {
            self.expect_readable(None, Offset(i64::MAX))?;
        }
        self.scan_for_time(timestamp, first.unwrap_or(0), None, steps, workspace)
    }

    /// Looks for the first record with a timestamp of at least `timestamp` from `place` on, where a
    /// batch begins: goes on behind damage.
    ///
    /// # Errors
    /// As [`OpenPartition::time`].
    pub fn time_from(
        &self,
        timestamp: i64,
        place: Place,
        workspace: &mut Workspace,
    ) -> Result<Lookup> {
        let steps = Steps::default();
        self.scan_for_time(timestamp, place.segment, Some(place.position), steps, workspace)
    }

    fn scan_for_time(
        &self,
        timestamp: i64,
        first: usize,
        mut from: Option<Position>,
        mut steps: Steps,
        workspace: &mut Workspace,
    ) -> Result<Lookup> {
        // Below 0 there is only -1, which stands for no timestamp.
        let timestamp = timestamp.max(0);
        for segment in first..self.segments.len() {
            let bound = self.timestamp_bounds.get(segment).and_then(|bound| bound.get());
            if bound.is_some_and(|&bound| bound < timestamp) {
                steps.segments_passed += 1;
                from = None;
                self.expect_readable(Some(segment), Offset(i64::MAX))?;
                continue;
            }
            let outcome = match from.take() {
                Some(position) => {
                    let place = Place { segment, position };
                    self.seek_time(timestamp, place, i64::MAX, &mut steps.scan, workspace)?
                }
                None => self.time_in_segment(timestamp, segment, &mut steps, workspace)?,
            };
            if let Some(outcome) = outcome {
                return Ok(Lookup { outcome, steps });
            }
            self.expect_readable(Some(segment), Offset(i64::MAX))?;
            steps.segments_passed += 1;
        }
        let outcome = self.miss(MissReason::NoSuchTime, workspace)?;
        Ok(Lookup { outcome, steps })
    }

    fn time_in_segment(
        &self,
        timestamp: i64,
        segment: usize,
        steps: &mut Steps,
        workspace: &mut Workspace,
    ) -> Result<Option<Outcome>> {
        let opened = self.segment(segment)?;
        let (search, offset_search) =
            self.search_time_index(opened, timestamp, &mut steps.scan, workspace)?;
        let bound = search.entry.map_or(-1, |entry| entry.timestamp);
        let place = Place { segment, position: search.start };
        steps.scan_from = search.start;
        (steps.time_index, steps.index) = (Some(search), offset_search);
        self.seek_time(timestamp, place, bound, &mut steps.scan, workspace)
    }

    /// `bound` is the greatest timestamp that may be before `place`.
    fn seek_time(
        &self,
        timestamp: i64,
        place: Place,
        mut bound: i64,
        scan: &mut Scan,
        workspace: &mut Workspace,
    ) -> Result<Option<Outcome>> {
        let log_start = self.log_start;
        let possible = self.possible_offsets(place.segment);
        let sought = self.seek(
            place,
            |batch| {
                bound = bound.max(batch.max_timestamp());
                batch.max_timestamp() >= timestamp && batch.last_offset() >= log_start
            },
            |record| record.timestamp >= timestamp && record.offset >= log_start,
            scan,
            workspace,
        )?;
        match sought {
            // Its record may be the one, but not at this offset.
            Sought::Found { hit, .. } if !possible.include_hit(&hit) => {
                Ok(Some(Outcome::Damaged(order::damage_of(&hit))))
            }
            Sought::Found { hit, .. } => Ok(Some(Outcome::Hit(hit))),
            Sought::Damaged(damage) => Ok(Some(Outcome::Damaged(damage))),
            Sought::Nothing { end, tail, .. } => {
                if let Some(damage) = self.damage_at_end(end, tail) {
                    return Ok(Some(Outcome::Damaged(damage)));
                }
                if let Some(known) = self.timestamp_bounds.get(place.segment) {
                    known.get_or_init(|| bound);
                }
                Ok(None)
            }
        }
    }
}
