//! What the header of a magic 2 batch says besides what follows from its records.
//!
//! ```text
//!   | base offset | leader epoch | attributes | delete horizon | producer id, epoch, sequence |
//!                                 codec, LogAppendTime, transactional, control, delete horizon
//! ```

use super::{EncodeError, Result};
use crate::format::{Codec, Offset};

const LOG_APPEND_TIME: u16 = 1 << 3;
const TRANSACTIONAL: u16 = 1 << 4;
const CONTROL: u16 = 1 << 5;
const DELETE_HORIZON: u16 = 1 << 6;

/// What a batch says about itself besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFields {
    /// The offset that the first record has, or had before compaction.
    pub base_offset: Offset,
    /// The leader epoch under which the batch is appended, -1 for none.
    pub partition_leader_epoch: i32,
    /// When a broker appends it that sets the timestamps: then all its records have this one,
    /// whatever they say. `None` where the producer sets them (CreateTime).
    pub log_append_time: Option<i64>,
    /// The producer id, -1 for none.
    pub producer_id: i64,
    /// The producer epoch, -1 for none.
    pub producer_epoch: i16,
    /// The sequence number of the base offset, -1 for none.
    pub base_sequence: i32,
    /// True for a batch of a transaction.
    pub is_transactional: bool,
    /// True for a batch of control records.
    pub is_control: bool,
    /// From when on the cleaner may remove the batch's tombstones.
    pub delete_horizon: Option<i64>,
}

impl BatchFields {
    /// A batch of no producer that begins at `base_offset`.
    #[must_use]
    pub fn at(base_offset: Offset) -> Self {
        Self {
            base_offset,
            partition_leader_epoch: -1,
            log_append_time: None,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            is_transactional: false,
            is_control: false,
            delete_horizon: None,
        }
    }

    /// The rules that Kafka's own builder of batches has.
    pub(super) fn check(&self) -> Result<()> {
        let has_producer = self.producer_id >= 0;
        if self.is_transactional && !has_producer {
            Err(EncodeError::ProducerFields("transactional, and without a producer id"))
        } else if has_producer && self.producer_epoch < 0 {
            Err(EncodeError::ProducerFields("a producer id without a producer epoch"))
        } else if has_producer && self.is_control && !self.is_transactional {
            Err(EncodeError::ProducerFields("a transaction marker without the transactional bit"))
        } else if has_producer && !self.is_control && self.base_sequence < 0 {
            Err(EncodeError::ProducerFields("a producer id without a sequence"))
        } else {
            Ok(())
        }
    }

    pub(super) fn attributes(&self, codec: Codec) -> u16 {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        u16::from(codec.id())
            | bit(self.log_append_time.is_some(), LOG_APPEND_TIME)
            | bit(self.is_transactional, TRANSACTIONAL)
            | bit(self.is_control, CONTROL)
            | bit(self.delete_horizon.is_some(), DELETE_HORIZON)
    }
}
