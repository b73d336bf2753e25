//! What the dead cluster's groups committed, from all partitions of `__consumer_offsets` that are
//! served.
//!
//! ```text
//!   __consumer_offsets-0, -1, ...      each group has one of them, by its name
//!        |  one after the other
//!        v
//!   DeadOffsets --> coordinator        and for people: how many, and what was lost
//! ```

use super::dead_offsets::{self, DeadOffsets, Loss};
use crate::limits::Limits;
use crate::log::SegmentFiles;
use crate::serve::catalog::{ServedSegment, Slot, Topic};
use std::collections::HashSet;
use std::fmt;

/// The topic that commits are kept in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What was found of the dead cluster's commits.
#[derive(Debug, Default)]
pub struct Found {
    /// Partitions of `__consumer_offsets`; none when no disk holds one.
    pub partitions: usize,
    /// Those that are served. The groups of the others are not known.
    pub served: usize,
    /// Groups with commits.
    pub groups: usize,
    /// Commits: of a group, in a partition.
    pub commits: usize,
    /// What could not be read, by partition.
    pub losses: Vec<(i32, Loss)>,
}

/// `12 with committed offsets (2 of 2 partitions of __consumer_offsets are here)`
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partitions, served, groups, .. } = self;
        if *partitions == 0 {
            return write!(f, "none with committed offsets ({OFFSETS_TOPIC} is not here)");
        }
        let are = if *partitions == 1 { "partition" } else { "partitions" };
        write!(f, "{groups} with committed offsets ")?;
        write!(f, "({served} of {partitions} {are} of {OFFSETS_TOPIC} are here)")
    }
}

/// Reads them all, and gives each on as soon as it is read, until `give` says that nobody wants
/// more. At most `most` commits are kept.
pub(super) fn read_all(
    topic: Option<&Topic>,
    limits: Limits,
    most: usize,
    mut give: impl FnMut(DeadOffsets) -> bool,
) -> Found {
    let mut found = Found::default();
    let Some(topic) = topic else { return found };
    found.partitions = topic.partitions.len();
    for (&index, slot) in &topic.partitions {
        let Slot::Served(partition) = slot else { continue };
        found.served += 1;
        let segments = partition.segments().iter();
        let segments: Vec<SegmentFiles> =
            segments.map(|ServedSegment { files, .. }| files.clone()).collect();
        let part = dead_offsets::read(&segments, limits, most.saturating_sub(found.commits));
        if !found.add(index, part, &mut give) {
            break;
        }
    }
    found
}

impl Found {
    fn add(
        &mut self,
        index: i32,
        mut part: DeadOffsets,
        give: &mut impl FnMut(DeadOffsets) -> bool,
    ) -> bool {
        let groups: HashSet<&str> = part.offsets.iter().map(|commit| &*commit.group).collect();
        self.groups += groups.len();
        self.commits += part.offsets.len();
        let loss = std::mem::take(&mut part.loss);
        if !loss.is_none() {
            tracing::warn!(partition = index, "{OFFSETS_TOPIC}: {loss}");
            self.losses.push((index, loss));
        }
        give(part)
    }
}

/// `1024 bytes are damaged, 2 records do not parse; offsets of some groups may be older`
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.damaged_bytes, "bytes are damaged"),
            (self.undecodable_batches, "batches do not parse to their end"),
            (self.undecodable_records, "records do not parse"),
            (self.too_many, "commits are more than the limit allows"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count} {what}, ")?;
        }
        for error in &self.unreadable {
            write!(f, "{error}, ")?;
        }
        f.write_str("so that offsets of some groups may be older than they were, or missing")
    }
}
