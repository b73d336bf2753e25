//! Transaction markers, written: a batch of one control record, as a broker appends it when a
//! transaction ends.
//!
//! ```text
//!   | header             | key                     | value                            |
//!   | transactional      | i16 version 0, i16 type | i16 version 0                    |
//!   | and control; count |                         | i32 coordinator epoch            |
//!   | 1; no sequence     |                         |                                  |
//!   '----- 61 bytes -----'------------------- 17 bytes, one record ------------------'
//! ```

use super::{BatchEncoder, BatchFields, BatchSummary, Compressor, RecordToWrite, Result};
use crate::format::Offset;

const ABORT: [u8; 4] = [0, 0, 0, 0];
const COMMIT: [u8; 4] = [0, 0, 0, 1];

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMarker {
    /// True for an ABORT, false for a COMMIT.
    pub is_abort: bool,
    /// The epoch of the transaction coordinator that writes it.
    pub coordinator_epoch: i32,
    /// The producer whose transaction it is.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The marker's own offset.
    pub offset: Offset,
    /// When it is written, in milliseconds since the epoch.
    pub timestamp: i64,
    /// The leader epoch under which it is appended, -1 for none.
    pub partition_leader_epoch: i32,
}

impl TransactionMarker {
    /// The key and the value of the control record.
    #[must_use]
    pub fn key_value(&self) -> ([u8; 4], [u8; 6]) {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        (if self.is_abort { ABORT } else { COMMIT }, [0, 0, a, b, c, d])
    }

    /// Appends the marker to `out`; what has begun in `encoder` is forgotten.
    ///
    /// # Errors
    /// When the producer id, its epoch or the offset is below 0.
    pub fn append_to(&self, encoder: &mut BatchEncoder, out: &mut Vec<u8>) -> Result<BatchSummary> {
        encoder.begin(BatchFields {
            partition_leader_epoch: self.partition_leader_epoch,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            is_transactional: true,
            is_control: true,
            ..BatchFields::at(self.offset)
        })?;
        let (key, value) = self.key_value();
        encoder.append(&RecordToWrite {
            offset: self.offset,
            timestamp: self.timestamp,
            key: Some(&key),
            value: Some(&value),
            headers: &[],
        })?;
        encoder.finish(&mut Compressor::none(), out)
    }
}
