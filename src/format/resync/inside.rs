//! Whole batches among bytes that were given up: those that stand in no record's value, as far as
//! the bytes tell.
//!
//! ```text
//!   damaged: |..rest of one | batch | batch | beginning of one..|  written to a wrong place
//!   damaged: |..record, value: | batch | batch |, record .......|  archived: none of the log's
//! ```

use super::candidate::{Candidate, i32_at};
use super::records::{self, RecordWalk};
use super::{Resync, Spare};
use crate::format::Position;
use crate::format::batch_v2::HeaderV2;
use std::ops::Range;

/// A batch that proves itself among other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeBatch {
    /// Where it is.
    pub range: Range<Position>,
    /// True when the bytes behind may be the rest of a record that holds it. They may as well be
    /// torn from another batch, which ends in records, too.
    pub is_doubtful: bool,
}

/// Where the records begin that fill the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    AtOnce,
    Further,
}

impl Resync<'_> {
    /// The batches of the window that prove themselves, and around which no record stands; whether
    /// their offsets may be the log's own is for the caller to say. Linear in the window.
    #[must_use]
    pub fn whole_batches(&mut self) -> Vec<WholeBatch> {
        let mut found = Vec::new();
        let mut walk = RecordWalk::new(HeaderV2::BYTES);
        let mut at = 0;
        while at < self.bytes.len() {
            let chain = self.chain_at(at);
            let Some((first, last)) = chain.first().cloned().zip(chain.last()) else {
                at += 1;
                continue;
            };
            let around = walk.value_around(self.bytes, &first, &mut self.spare);
            let value_end = around.or_else(|| self.value_at(&first));
            let is_inside =
                value_end.is_some_and(|end| last.end <= end) || self.ends_a_message(&chain);
            at = last.end;
            let rest = self.rest_behind(at);
            if is_inside || rest == Some(Rest::AtOnce) {
                at = value_end.unwrap_or(at).max(at);
                continue;
            }
            let is_doubtful = rest.is_some();
            found.extend(chain.iter().map(|batch| WholeBatch {
                range: self.position_of(batch.start)..self.position_of(batch.end),
                is_doubtful,
            }));
        }
        found
    }

    /// The batches from `at` on, end to end.
    fn chain_at(&mut self, mut at: usize) -> Vec<Range<usize>> {
        self.work.positions += 1;
        let mut chain = Vec::new();
        while let Some(batch) = Candidate::at(self.bytes, at) {
            if !batch.is_whole(self.bytes.len()) || !self.proves(&batch) {
                break;
            }
            chain.push(batch.start..batch.end);
            at = batch.end;
        }
        chain
    }

    /// True when the length before the batches is theirs: the value of a message of magic 0 or 1.
    fn ends_a_message(&self, chain: &[Range<usize>]) -> bool {
        let Some(start) = chain.first().map(|first| first.start) else { return false };
        let length = start.checked_sub(4).and_then(|at| i32_at(self.bytes, at));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let end = length.filter(|&length| length > 0).map(|length| start.saturating_add(length));
        end.is_some_and(|end| chain.iter().any(|batch| batch.end == end))
    }

    /// Whether the end of a record and the records behind it fill the window.
    fn rest_behind(&mut self, at: usize) -> Option<Rest> {
        let length = self.bytes.len();
        if at >= length || !self.spare.spend(Spare::LINK) {
            return None;
        }
        if records::end_behind_value(self.bytes, at, &mut self.spare) == Some(length) {
            return Some(Rest::AtOnce);
        }
        let ends = records::ends_of_rest(self.bytes, at, &mut self.spare);
        ends.contains(&length).then_some(Rest::Further)
    }
}
