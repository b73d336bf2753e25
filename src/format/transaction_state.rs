//! The records of `__transaction_state`: one transactional id and the state of its transaction.
//!
//! ```text
//!   key     | i16 0       | transactionalId |
//!   value   | i16 version | producerId, producerEpoch, status, partitions, ... |
//!
//!   status  0 Empty  1 Ongoing  2 PrepareCommit  3 PrepareAbort  4 CompleteCommit
//!           5 CompleteAbort  6 Dead  7 PrepareEpochFence
//! ```

use super::coordinator;
pub use super::coordinator::{Decoded, Part, RecordType, Undecodable, VersionedValue};
use super::schema::{Field, Kind, Schema};

/// Every type of record in the topic.
pub static RECORD_TYPES: &[RecordType] = &[RecordType {
    id: 0,
    name: "TransactionLog",
    key: &Schema {
        last_version: 0,
        flexible_from: None,
        fields: &[Field::new("transactionalId", Kind::String)],
    },
    value: &Schema {
        last_version: 1,
        flexible_from: Some(1),
        fields: &[
            Field::new("producerId", Kind::Int64),
            Field::new("previousProducerId", Kind::Int64).since(1).tagged(0, -1),
            Field::new("nextProducerId", Kind::Int64).since(1).tagged(1, -1),
            Field::new("producerEpoch", Kind::Int16),
            Field::new("nextProducerEpoch", Kind::Int16).since(1).tagged(3, -1),
            Field::new("transactionTimeoutMs", Kind::Int32),
            Field::new("transactionStatus", Kind::Int8),
            Field::new("transactionPartitions", Kind::Array(&Kind::Struct(&PARTITIONS))).nullable(),
            Field::new("transactionLastUpdateTimestampMs", Kind::Int64),
            Field::new("transactionStartTimestampMs", Kind::Int64),
            Field::new("clientTransactionVersion", Kind::Int16).since(1).tagged(2, 0),
        ],
    },
}];

static PARTITIONS: Schema = Schema {
    last_version: 1,
    flexible_from: Some(1),
    fields: &[
        Field::new("topic", Kind::String),
        Field::new("partitionIds", Kind::Array(&Kind::Int32)),
    ],
};

/// Decodes one record.
#[must_use]
pub fn decode<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> Decoded<'a> {
    coordinator::decode(RECORD_TYPES, key, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::coordinator::tests::{check_depth, check_vectors};

    #[test]
    fn records_print_as_kafka_prints_them_and_damage_never_panics() {
        check_vectors(include_str!("transaction_state/vectors.txt"), decode);
        check_depth(RECORD_TYPES);
    }
}
