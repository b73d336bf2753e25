//! The records of `__share_group_state`: how far a share group has come in a partition.
//!
//! ```text
//!   key     | i16 type    | groupId, topicId, partition |
//!   value   | i16 version | fields |
//!
//!   type  0 the whole state    1 what has changed since
//! ```

use super::coordinator;
pub use super::coordinator::{Decoded, Part, RecordType, Undecodable, VersionedValue};
use super::schema::{Field, Kind, Schema};

/// Every type of record in the topic.
pub static RECORD_TYPES: &[RecordType] = &[
    RecordType { id: 0, name: "ShareSnapshot", key: &KEY, value: &SNAPSHOT },
    RecordType { id: 1, name: "ShareUpdate", key: &KEY, value: &UPDATE },
];

static KEY: Schema = Schema {
    last_version: 0,
    flexible_from: None,
    fields: &[
        Field::new("groupId", Kind::String),
        Field::new("topicId", Kind::Uuid),
        Field::new("partition", Kind::Int32),
    ],
};

static SNAPSHOT: Schema = flexible(&[
    Field::new("snapshotEpoch", Kind::Int32),
    Field::new("stateEpoch", Kind::Int32),
    Field::new("leaderEpoch", Kind::Int32),
    Field::new("startOffset", Kind::Int64),
    Field::new("deliveryCompleteCount", Kind::Int32).tagged(0, -1),
    Field::new("createTimestamp", Kind::Int64),
    Field::new("writeTimestamp", Kind::Int64),
    Field::new("stateBatches", Kind::Array(&Kind::Struct(&STATE_BATCH))),
]);

static UPDATE: Schema = flexible(&[
    Field::new("snapshotEpoch", Kind::Int32),
    Field::new("leaderEpoch", Kind::Int32),
    Field::new("startOffset", Kind::Int64),
    Field::new("deliveryCompleteCount", Kind::Int32).tagged(0, -1),
    Field::new("stateBatches", Kind::Array(&Kind::Struct(&STATE_BATCH))),
]);

static STATE_BATCH: Schema = flexible(&[
    Field::new("firstOffset", Kind::Int64),
    Field::new("lastOffset", Kind::Int64),
    Field::new("deliveryState", Kind::Int8),
    Field::new("deliveryCount", Kind::Int16),
]);

const fn flexible(fields: &'static [Field]) -> Schema {
    Schema { last_version: 0, flexible_from: Some(0), fields }
}

/// Decodes one record.
#[must_use]
pub fn decode<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> Decoded<'a> {
    coordinator::decode(RECORD_TYPES, key, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::coordinator::tests::{check_depth, check_vectors};

    const VECTORS: &str = include_str!("share_group_state/vectors.txt");

    #[test]
    fn records_print_as_kafka_prints_them_and_damage_never_panics() {
        check_vectors(VECTORS, decode);
        check_depth(RECORD_TYPES);
        for record_type in RECORD_TYPES {
            let key = format!(r#"{{"type":"{}","data":"#, record_type.id);
            assert!(VECTORS.lines().any(|line| line.starts_with(&key)), "{}", record_type.name);
        }
    }
}
