//! What a selection needs to know before a file is walked.

use super::Plan;
use crate::input::{Partition, Target};
use crate::signals;
use segkit::error::Error;
use segkit::format::replay::Transactions;
use segkit::format::{Batch, Scratch};
use segkit::log::lookup::{Outcome, Place, Tail};
use segkit::log::runs::{Bounds, Piece, Scanner};
use segkit::log::{FileBytes, OpenPartition, Workspace};
use std::sync::Arc;

/// What a selection needs to know about a partition, or about a file that is in none.
#[derive(Clone, Default)]
pub struct Facts {
    /// The offset behind the last, where offsets count from it.
    pub log_end: i64,
    /// Where the first record stands that is young enough; `Some(None)`: there is none, `None`: it
    /// was not looked for, or damage kept it from being found.
    pub first_in_time: Option<Option<Place>>,
    /// Which transactions were committed.
    pub transactions: Option<Arc<Transactions>>,
    /// Damage kept the transactions from being known for certain.
    pub is_incomplete: bool,
}

/// Of a partition. The transactions are those of all its segments: one may begin segments before
/// it is aborted.
pub fn of_partition(partition: &Partition, plan: &Plan) -> Result<Facts, Error> {
    let select = &plan.select;
    let mut facts = Facts::default();
    let mut workspace = Workspace::new(&plan.limits);
    let open = partition.open(plan.limits);
    if select.offsets.is_some_and(|range| range.is_relative()) {
        facts.log_end = log_end(&open, &mut workspace, plan)?;
    }
    if let Some(from) = select.time.and_then(|range| range.from) {
        facts.first_in_time = match open.time(from, &mut workspace)?.outcome {
            Outcome::Hit(hit) => Some(Some(hit.place)),
            Outcome::Miss(_) => Some(None),
            Outcome::Damaged(_) => None,
        };
    }
    if select.committed {
        let mut replay = Replay::new(plan);
        for files in &partition.dir.segments {
            let bounds = Bounds {
                last_proved: None,
                segment_base: Some(files.base_offset),
                next_segment_base: partition.next_base(files.base_offset),
            };
            replay.file(&FileBytes::open(&files.log.path, partition.access())?, bounds, plan)?;
        }
        (facts.transactions, facts.is_incomplete) = replay.into_facts();
    }
    Ok(facts)
}

/// The offset behind the last batch of the last segment, also behind damage.
fn log_end(open: &OpenPartition, workspace: &mut Workspace, plan: &Plan) -> Result<i64, Error> {
    let end = open.log_end(workspace)?;
    let last = open.directory().segments.len().checked_sub(1);
    let (Tail::Damaged(_), Some(last)) = (end.tail, last) else { return Ok(end.offset.0) };
    let segment = open.segment(last)?;
    let segment_base = Some(segment.base_offset);
    let bounds = Bounds { last_proved: None, segment_base, next_segment_base: None };
    let range = end.position.0..u64::MAX;
    let mut scanner = Scanner::new(&segment.log, range, bounds, plan.limits);
    let mut offset = end.offset;
    while let Some(piece) = scanner.next()? {
        if let Piece::Proved(batch) = piece {
            offset = offset.max(batch.next_offset());
        }
    }
    Ok(offset.0)
}

/// Of a file that is none of its directory's segments.
pub fn of_file(target: &Target, plan: &Plan) -> Result<Facts, Error> {
    let select = &plan.select;
    let mut facts = Facts::default();
    let is_relative = select.offsets.is_some_and(|range| range.is_relative());
    if target.is_stdin() || !(is_relative || select.committed) {
        return Ok(facts);
    }
    let bounds = Bounds { last_proved: None, segment_base: None, next_segment_base: None };
    let mut replay = Replay::new(plan);
    replay.file(&target.open()?, bounds, plan)?;
    facts.log_end = replay.log_end;
    if select.committed {
        (facts.transactions, facts.is_incomplete) = replay.into_facts();
    }
    Ok(facts)
}

struct Replay {
    transactions: Transactions,
    scratch: Scratch,
    log_end: i64,
    is_incomplete: bool,
}

impl Replay {
    fn new(plan: &Plan) -> Self {
        let scratch = Scratch::new(plan.limits.decompressed_bytes);
        Self { transactions: Transactions::default(), scratch, log_end: 0, is_incomplete: false }
    }

    fn file(&mut self, bytes: &FileBytes, bounds: Bounds, plan: &Plan) -> Result<(), Error> {
        let mut scanner = Scanner::new(bytes, 0..u64::MAX, bounds, plan.limits);
        while let Some(piece) = scanner.next()? {
            if signals::is_interrupted() {
                let why = "interrupted before the first row";
                return Err(Error::other("replaying the transactions of", bytes.path(), why));
            }
            match piece {
                Piece::Proved(batch) => self.batch(&batch),
                // Room that was made in advance, or a batch that is being written, hides nothing.
                Piece::Damaged(damage) => self.is_incomplete |= !damage.kind.is_end_of_file(),
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>) {
        self.log_end = batch.next_offset().0;
        self.is_incomplete |= !self.transactions.replay(batch, &mut self.scratch);
    }

    fn into_facts(self) -> (Option<Arc<Transactions>>, bool) {
        (Some(Arc::new(self.transactions)), self.is_incomplete)
    }
}
