//! Batches that prove themselves among bytes that go: a device wrote them to a wrong place, and
//! what was there, and what is missing where they belong, is damage.
//!
//! ```text
//!   | 0-9 |??| 40-49 |??| 20-29 | 30-39 |??| 10-19 |??| 50-59 |
//!   '- 10-19 is nowhere else, and fits between the batches that are -'
//! ```
//!
//! A value may hold batches as well. What is taken stands in no record, has offsets that no other
//! batch has, lies between the names of the files, and its leader epoch fits there.

use super::board::{Board, Part};
use crate::error::Error;
use crate::format::replay::BatchFacts;
use crate::format::resync::Resync;
use crate::format::{Offset, Position};
use std::collections::BTreeMap;

/// The offsets of the batches that stay, wherever they stand.
pub(super) struct Taken {
    /// By the first offset.
    by_first: BTreeMap<Offset, Place>,
    /// How many parts before each one are damaged.
    damages: Vec<usize>,
    /// How many bytes are damaged: no more offsets are missing at the end.
    damaged: u64,
}

/// Batches that have their offsets.
#[derive(Clone, Copy)]
struct Place {
    last: Offset,
    /// The leader epochs of the first batch and the last.
    epochs: (i32, i32),
    /// Which part they stand in.
    part: usize,
}

impl Taken {
    pub(super) fn of(parts: &[Part]) -> Self {
        let mut taken = Self { by_first: BTreeMap::new(), damages: vec![0], damaged: 0 };
        let mut damages = 0;
        for (number, part) in parts.iter().enumerate() {
            if part.damage().is_some() {
                damages += 1;
                taken.damaged = taken.damaged.saturating_add(part.len());
            }
            taken.damages.push(damages);
            if let Some(batches) = part.batches().filter(|_| part.stays()) {
                taken.put(&batches.first, &batches.last, number);
            }
        }
        taken
    }

    fn put(&mut self, first: &BatchFacts, last: &BatchFacts, part: usize) {
        let place = Place { last: last.last_offset, epochs: (epoch(first), epoch(last)), part };
        let known = self.by_first.entry(first.first_known_offset()).or_insert(place);
        known.last = known.last.max(place.last);
    }

    /// True when a batch fills what is missing between others.
    fn misses(&self, board: &Board<'_>, batch: &BatchFacts, is_doubtful: bool) -> bool {
        let (first, last) = (batch.first_known_offset(), batch.last_offset);
        if first.0 < 0 || last < first || last.0 == i64::MAX {
            return false;
        }
        let before = self.by_first.range(..=last).next_back().map(|(_, place)| *place);
        let behind = self.by_first.range(last.plus(1)..).next().map(|(_, place)| *place);
        let own = epoch(batch);
        let fits = before.is_none_or(|before| before.last < first && before.epochs.1 <= own)
            && behind.is_none_or(|behind| own <= behind.epochs.0);
        // At the end of the log only as many offsets are missing as can be.
        let end = before.map_or(first, |before| before.last);
        let is_near = behind.is_some() || last.0.abs_diff(end.0) <= self.damaged;
        let is_sure = !is_doubtful || self.is_torn(before, behind);
        fits && is_near && is_sure && has_home(board, first, last)
    }

    /// True when damage stands between two places: that is why offsets are missing, and not because
    /// they do not follow each other.
    fn is_torn(&self, before: Option<Place>, behind: Option<Place>) -> bool {
        let count = |at: usize| self.damages.get(at).copied();
        let begin = before.map_or(0, |before| before.part);
        let end = behind.map_or(self.damages.len(), |behind| behind.part + 1);
        let all = self.damages.last().copied();
        let (one, other) = (count(begin.min(end)), count(begin.max(end)).or(all));
        one != other
    }
}

/// Magic 0 and 1 know no epochs, and magic 2 knows -1.
fn epoch(batch: &BatchFacts) -> i32 {
    if batch.magic < 2 { -1 } else { batch.partition_leader_epoch }
}

fn has_home(board: &Board<'_>, first: Offset, last: Offset) -> bool {
    let behind = board.segments.partition_point(|segment| segment.base_offset <= first);
    let home = behind.checked_sub(1);
    home.is_some_and(|home| {
        !board.is_fixed(home) && board.next_base(home).is_none_or(|next| last < next)
    })
}

/// The batches of a damage that are the log's own, in the order of positions.
///
/// # Errors
/// When the bytes cannot be read.
pub(super) fn displaced(
    board: &Board<'_>,
    (number, part): (usize, &Part),
    taken: &mut Taken,
) -> Result<Vec<BatchFacts>, Error> {
    let Some(segment) = board.segment(part.segment) else { return Ok(Vec::new()) };
    let bytes = board.bytes.read(&segment.log, part.range.clone())?;
    let mut own = Vec::new();
    for whole in Resync::new(&bytes, Position(part.range.start), true).whole_batches() {
        for batch in board.bytes.batches(&segment.log, whole.range)? {
            if taken.misses(board, &batch, whole.is_doubtful) {
                taken.put(&batch, &batch, number);
                own.push(batch);
            }
        }
    }
    Ok(own)
}
