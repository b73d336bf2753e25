//! What is kept of a batch to replay it: no bytes, so that batches judged in parallel can be
//! joined in their order.

use crate::format::control::ControlRecord;
use crate::format::{Attributes, Batch, Offset, Position, Scratch};

/// What a batch says about itself, as far as its neighbours and the derived files depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// Where it begins in its file.
    pub position: Position,
    /// Its bytes in the file.
    pub size: u64,
    /// The first offset; `None` in a wrapper message that was not unpacked.
    pub base_offset: Option<Offset>,
    /// The offset of the last record, present or compacted away.
    pub last_offset: Offset,
    /// 0, 1 or 2.
    pub magic: i8,
    /// The attribute bits.
    pub attributes: Attributes,
    /// The leader epoch, -1 for none.
    pub partition_leader_epoch: i32,
    /// The greatest timestamp, -1 for none.
    pub max_timestamp: i64,
    /// The records that the header counts; `None` in magic 0 and 1.
    pub records_count: Option<i32>,
    /// The producer id, -1 for none.
    pub producer_id: i64,
    /// The producer epoch, -1 for none.
    pub producer_epoch: i16,
    /// The sequence of the first record, -1 for none.
    pub base_sequence: i32,
    /// The sequence of the last record, -1 for none.
    pub last_sequence: i32,
    /// In a control batch of a producer: what its first record says.
    pub marker: Marker,
}

/// What the first record of a producer's control batch says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Nothing: no control batch, none of a producer, one of no records, or of another type.
    #[default]
    None,
    /// A transaction ends here.
    End {
        /// True for an ABORT, false for a COMMIT.
        is_abort: bool,
        /// The epoch of the transaction coordinator that wrote it.
        coordinator_epoch: i32,
        /// The record's timestamp.
        timestamp: i64,
    },
    /// It cannot be read.
    Unreadable,
}

impl BatchFacts {
    /// The facts about `batch`. Only a control batch of a producer is unpacked.
    #[must_use]
    pub fn of(batch: &Batch<'_>, scratch: &mut Scratch) -> Self {
        let attributes = batch.attributes();
        let ends_transactions = attributes.is_control() && batch.producer_id() >= 0;
        Self {
            position: batch.position(),
            size: batch.size() as u64,
            base_offset: batch.known_base_offset(),
            last_offset: batch.last_offset(),
            magic: batch.magic(),
            attributes,
            partition_leader_epoch: batch.partition_leader_epoch(),
            max_timestamp: batch.max_timestamp(),
            records_count: batch.records_count(),
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            marker: if ends_transactions { marker(batch, scratch) } else { Marker::None },
        }
    }

    /// Where the next batch begins.
    #[must_use]
    pub fn end(&self) -> Position {
        self.position.plus(self.size)
    }

    /// The first offset, or the last where the first is not known.
    #[must_use]
    pub fn first_known_offset(&self) -> Offset {
        self.base_offset.unwrap_or(self.last_offset)
    }
}

/// As in Kafka, only the first record of a control batch counts. A batch of no records is what
/// compaction leaves.
fn marker(batch: &Batch<'_>, scratch: &mut Scratch) -> Marker {
    let Ok(mut records) = batch.records(scratch) else { return Marker::Unreadable };
    let record = match records.next() {
        None => return Marker::None,
        Some(Ok(record)) => record,
        Some(Err(_)) => return Marker::Unreadable,
    };
    let (is_abort, coordinator_epoch) =
        match ControlRecord::parse(record.key, record.value, batch.position()) {
            Ok(ControlRecord::Abort { coordinator_epoch }) => (true, coordinator_epoch),
            Ok(ControlRecord::Commit { coordinator_epoch }) => (false, coordinator_epoch),
            Ok(_) => return Marker::None,
            Err(_) => return Marker::Unreadable,
        };
    Marker::End { is_abort, coordinator_epoch, timestamp: record.timestamp }
}
