//! The records of `__cluster_metadata` and of its snapshots: what the controllers know.
//!
//! ```text
//!   value   | varint frame 1 | varint type | varint version | fields, always flexible |
//!
//!   type    0 1 7 8 17 brokers   2 9 topics   3 5 28 partitions   4 14 configuration, quotas
//!           10 11 18 19 22 26 security   12 features   15 producer ids   20 nothing   21 migration
//!           23 24 25 transactions   27 controllers
//! ```
//!
//! There are no keys. Here, bytes behind the fields are an error, as they are to Kafka.

use super::kafka_json::write_kafka_json;
use super::schema::{self, Field, Kind, Schema, Value};
use super::{Cursor, Offset, Position};

/// A type of record.
#[derive(Debug)]
pub struct MetadataRecordType {
    /// Its number.
    pub id: i16,
    /// Its name in Kafka's tools.
    pub name: &'static str,
    /// Its fields.
    pub schema: &'static Schema,
}

/// What one record says.
#[derive(Clone, Debug)]
pub struct MetadataRecord<'a> {
    /// Its type.
    pub record_type: &'static MetadataRecordType,
    /// The version it is written in.
    pub version: i16,
    /// Its fields.
    pub value: Value<'a>,
}

/// Why a record does not decode. Displayed in Kafka's words, because its tool prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// No number where there has to be one.
    #[error("Error while reading {0}")]
    NoNumber(&'static str),
    /// A number that is none of a type or a version.
    #[error("Value for {0} was too large.")]
    TooLarge(&'static str),
    /// A record of the first, early releases of these records.
    #[error(
        "Could not deserialize metadata record with frame version 0. Note that upgrades from the \
         preview release of KRaft in 2.8 to newer versions are not supported."
    )]
    EarlyFrame,
    /// A frame that is not known.
    #[error(
        "Could not deserialize metadata record due to unknown frame version {0}(only frame version \
         1 is supported)"
    )]
    Frame(i16),
    /// A type that is not known.
    #[error("org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {0}")]
    Type(i16),
    /// Fields that do not decode.
    #[error("Failed to deserialize record with type {0}")]
    Fields(i16),
    /// Bytes behind the fields.
    #[error("Found {bytes} byte(s) of garbage after {type_id}")]
    Garbage {
        /// How many.
        bytes: usize,
        /// Behind which type.
        type_id: i16,
    },
}

/// Decodes one record's value, of which a null one is empty.
///
/// # Errors
/// When it is none.
pub fn decode(value: &[u8]) -> Result<MetadataRecord<'_>, Undecodable> {
    let mut cursor = Cursor::new(value, Position(0));
    match number(&mut cursor, "frame version")? {
        0 => return Err(Undecodable::EarlyFrame),
        1 => {}
        other => return Err(Undecodable::Frame(other)),
    }
    let id = number(&mut cursor, "type")?;
    let version = number(&mut cursor, "version")?;
    let Some(record_type) = RECORD_TYPES.iter().find(|record_type| record_type.id == id) else {
        return Err(Undecodable::Type(id));
    };
    // Below the first version and above the last one Kafka reads the fields of those.
    let value = schema::decode(record_type.schema, version.max(0), &mut cursor)
        .map_err(|_| Undecodable::Fields(id))?;
    match cursor.remaining() {
        0 => Ok(MetadataRecord { record_type, version, value }),
        bytes => Err(Undecodable::Garbage { bytes, type_id: id }),
    }
}

fn number(cursor: &mut Cursor<'_>, what: &'static str) -> Result<i16, Undecodable> {
    let number = cursor.unsigned_varint().map_err(|_| Undecodable::NoNumber(what))?;
    if number.cast_signed() > i32::from(i16::MAX) {
        return Err(Undecodable::TooLarge(what));
    }
    // One with its highest bit set is negative to Kafka, and cut to 16 bits.
    let [_, _, high, low] = number.to_be_bytes();
    Ok(i16::from_be_bytes([high, low]))
}

/// Appends what `kafka-dump-log` prints behind ` payload: ` for the record at `offset`.
pub fn write_kafka_text(value: Option<&[u8]>, offset: Offset, out: &mut Vec<u8>) {
    match decode(value.unwrap_or_default()) {
        Ok(MetadataRecord { record_type, version, value }) => {
            let name = record_type.name;
            let head = format!(r#"{{"type":"{name}","version":{version},"data":"#);
            out.extend_from_slice(head.as_bytes());
            write_kafka_json(&value, out);
            out.push(b'}');
        }
        Err(why) => {
            out.extend_from_slice(format!("Error at {offset}, skipping. {why}").as_bytes());
        }
    }
}

/// Every type of record.
pub static RECORD_TYPES: &[MetadataRecordType] = &[
    of(0, "REGISTER_BROKER_RECORD", &REGISTER_BROKER),
    of(1, "UNREGISTER_BROKER_RECORD", &UNREGISTER_BROKER),
    of(2, "TOPIC_RECORD", &TOPIC),
    of(3, "PARTITION_RECORD", &PARTITION),
    of(4, "CONFIG_RECORD", &CONFIG),
    of(5, "PARTITION_CHANGE_RECORD", &PARTITION_CHANGE),
    of(7, "FENCE_BROKER_RECORD", &BROKER_EPOCH),
    of(8, "UNFENCE_BROKER_RECORD", &BROKER_EPOCH),
    of(9, "REMOVE_TOPIC_RECORD", &REMOVE_TOPIC),
    of(10, "DELEGATION_TOKEN_RECORD", &DELEGATION_TOKEN),
    of(11, "USER_SCRAM_CREDENTIAL_RECORD", &USER_SCRAM_CREDENTIAL),
    of(12, "FEATURE_LEVEL_RECORD", &FEATURE_LEVEL),
    of(14, "CLIENT_QUOTA_RECORD", &CLIENT_QUOTA),
    of(15, "PRODUCER_IDS_RECORD", &PRODUCER_IDS),
    of(17, "BROKER_REGISTRATION_CHANGE_RECORD", &BROKER_REGISTRATION_CHANGE),
    of(18, "ACCESS_CONTROL_ENTRY_RECORD", &ACCESS_CONTROL_ENTRY),
    of(19, "REMOVE_ACCESS_CONTROL_ENTRY_RECORD", &REMOVE_ACCESS_CONTROL_ENTRY),
    of(20, "NO_OP_RECORD", &NOTHING),
    of(21, "ZK_MIGRATION_STATE_RECORD", &ZK_MIGRATION_STATE),
    of(22, "REMOVE_USER_SCRAM_CREDENTIAL_RECORD", &REMOVE_USER_SCRAM_CREDENTIAL),
    of(23, "BEGIN_TRANSACTION_RECORD", &BEGIN_TRANSACTION),
    of(24, "END_TRANSACTION_RECORD", &NOTHING),
    of(25, "ABORT_TRANSACTION_RECORD", &ABORT_TRANSACTION),
    of(26, "REMOVE_DELEGATION_TOKEN_RECORD", &REMOVE_DELEGATION_TOKEN),
    of(27, "REGISTER_CONTROLLER_RECORD", &REGISTER_CONTROLLER),
    of(28, "CLEAR_ELR_RECORD", &CLEAR_ELR),
];

const fn of(id: i16, name: &'static str, schema: &'static Schema) -> MetadataRecordType {
    MetadataRecordType { id, name, schema }
}

const fn flexible(last_version: i16, fields: &'static [Field]) -> Schema {
    Schema { last_version, flexible_from: Some(0), fields }
}

const INT32S: Kind = Kind::Array(&Kind::Int32);
const UUIDS: Kind = Kind::Array(&Kind::Uuid);

// Brokers and controllers.

static REGISTER_BROKER: Schema = flexible(
    4,
    &[
        Field::new("brokerId", Kind::Int32),
        Field::new("isMigratingZkBroker", Kind::Bool).since(2),
        Field::new("incarnationId", Kind::Uuid),
        Field::new("brokerEpoch", Kind::Int64),
        Field::new("endPoints", Kind::Array(&Kind::Struct(&BROKER_ENDPOINT))),
        Field::new("features", Kind::Array(&Kind::Struct(&BROKER_FEATURE))),
        Field::new("rack", Kind::String).nullable(),
        Field::new("fenced", Kind::Bool),
        Field::new("inControlledShutdown", Kind::Bool).since(1),
        Field::new("logDirs", UUIDS).since(3).tagged(0, 0),
        Field::new("cordonedLogDirs", UUIDS).since(4).tagged_null(1),
    ],
);

static BROKER_ENDPOINT: Schema = flexible(4, ENDPOINT);
static BROKER_FEATURE: Schema = flexible(4, FEATURE);

const ENDPOINT: &[Field] = &[
    Field::new("name", Kind::String),
    Field::new("host", Kind::String),
    Field::new("port", Kind::Uint16),
    Field::new("securityProtocol", Kind::Int16),
];

const FEATURE: &[Field] = &[
    Field::new("name", Kind::String),
    Field::new("minSupportedVersion", Kind::Int16),
    Field::new("maxSupportedVersion", Kind::Int16),
];

static UNREGISTER_BROKER: Schema =
    flexible(0, &[Field::new("brokerId", Kind::Int32), Field::new("brokerEpoch", Kind::Int64)]);

static BROKER_EPOCH: Schema =
    flexible(0, &[Field::new("id", Kind::Int32), Field::new("epoch", Kind::Int64)]);

static BROKER_REGISTRATION_CHANGE: Schema = flexible(
    3,
    &[
        Field::new("brokerId", Kind::Int32),
        Field::new("brokerEpoch", Kind::Int64),
        Field::new("fenced", Kind::Int8).tagged(0, 0),
        Field::new("inControlledShutdown", Kind::Int8).since(1).tagged(1, 0),
        Field::new("logDirs", UUIDS).since(2).tagged(2, 0),
        Field::new("cordonedLogDirs", UUIDS).since(3).tagged_null(3),
    ],
);

static REGISTER_CONTROLLER: Schema = flexible(
    0,
    &[
        Field::new("controllerId", Kind::Int32),
        Field::new("incarnationId", Kind::Uuid),
        Field::new("zkMigrationReady", Kind::Bool),
        Field::new("endPoints", Kind::Array(&Kind::Struct(&CONTROLLER_ENDPOINT))),
        Field::new("features", Kind::Array(&Kind::Struct(&CONTROLLER_FEATURE))),
    ],
);

static CONTROLLER_ENDPOINT: Schema = flexible(0, ENDPOINT);
static CONTROLLER_FEATURE: Schema = flexible(0, FEATURE);

// Topics and partitions.

static TOPIC: Schema =
    flexible(0, &[Field::new("name", Kind::String), Field::new("topicId", Kind::Uuid)]);

static REMOVE_TOPIC: Schema = flexible(0, &[Field::new("topicId", Kind::Uuid)]);

static PARTITION: Schema = flexible(
    2,
    &[
        Field::new("partitionId", Kind::Int32),
        Field::new("topicId", Kind::Uuid),
        Field::new("replicas", INT32S),
        Field::new("isr", INT32S),
        Field::new("removingReplicas", INT32S),
        Field::new("addingReplicas", INT32S),
        Field::new("leader", Kind::Int32),
        Field::new("leaderRecoveryState", Kind::Int8).tagged(0, 0),
        Field::new("leaderEpoch", Kind::Int32),
        Field::new("partitionEpoch", Kind::Int32),
        Field::new("directories", UUIDS).since(1),
        Field::new("eligibleLeaderReplicas", INT32S).since(2).tagged_null(1),
        Field::new("lastKnownElr", INT32S).since(2).tagged_null(2),
    ],
);

static PARTITION_CHANGE: Schema = flexible(
    2,
    &[
        Field::new("partitionId", Kind::Int32),
        Field::new("topicId", Kind::Uuid),
        Field::new("isr", INT32S).tagged_null(0),
        Field::new("leader", Kind::Int32).tagged(1, -2),
        Field::new("replicas", INT32S).tagged_null(2),
        Field::new("removingReplicas", INT32S).tagged_null(3),
        Field::new("addingReplicas", INT32S).tagged_null(4),
        Field::new("leaderRecoveryState", Kind::Int8).tagged(5, -1),
        Field::new("directories", UUIDS).since(1).tagged_null(8),
        Field::new("eligibleLeaderReplicas", INT32S).since(2).tagged_null(6),
        Field::new("lastKnownElr", INT32S).since(2).tagged_null(7),
    ],
);

static CLEAR_ELR: Schema = flexible(0, &[Field::new("topicName", Kind::String)]);

// Configuration.

static CONFIG: Schema = flexible(
    0,
    &[
        Field::new("resourceType", Kind::Int8),
        Field::new("resourceName", Kind::String),
        Field::new("name", Kind::String),
        Field::new("value", Kind::String).nullable(),
    ],
);

static FEATURE_LEVEL: Schema =
    flexible(0, &[Field::new("name", Kind::String), Field::new("featureLevel", Kind::Int16)]);

static CLIENT_QUOTA: Schema = flexible(
    0,
    &[
        Field::new("entity", Kind::Array(&Kind::Struct(&QUOTA_ENTITY))),
        Field::new("key", Kind::String),
        Field::new("value", Kind::Float64),
        Field::new("remove", Kind::Bool),
    ],
);

static QUOTA_ENTITY: Schema = flexible(
    0,
    &[Field::new("entityType", Kind::String), Field::new("entityName", Kind::String).nullable()],
);

static PRODUCER_IDS: Schema = flexible(
    0,
    &[
        Field::new("brokerId", Kind::Int32),
        Field::new("brokerEpoch", Kind::Int64),
        Field::new("nextProducerId", Kind::Int64),
    ],
);

static ZK_MIGRATION_STATE: Schema = flexible(0, &[Field::new("zkMigrationState", Kind::Int8)]);

// Security.

static DELEGATION_TOKEN: Schema = flexible(
    0,
    &[
        Field::new("owner", Kind::String),
        Field::new("requester", Kind::String),
        Field::new("renewers", Kind::Array(&Kind::String)),
        Field::new("issueTimestamp", Kind::Int64),
        Field::new("maxTimestamp", Kind::Int64),
        Field::new("expirationTimestamp", Kind::Int64),
        Field::new("tokenId", Kind::String),
    ],
);

static REMOVE_DELEGATION_TOKEN: Schema = flexible(0, &[Field::new("tokenId", Kind::String)]);

static USER_SCRAM_CREDENTIAL: Schema = flexible(
    0,
    &[
        Field::new("name", Kind::String),
        Field::new("mechanism", Kind::Int8),
        Field::new("salt", Kind::Bytes),
        Field::new("storedKey", Kind::Bytes),
        Field::new("serverKey", Kind::Bytes),
        Field::new("iterations", Kind::Int32),
    ],
);

static REMOVE_USER_SCRAM_CREDENTIAL: Schema =
    flexible(0, &[Field::new("name", Kind::String), Field::new("mechanism", Kind::Int8)]);

static ACCESS_CONTROL_ENTRY: Schema = flexible(
    0,
    &[
        Field::new("id", Kind::Uuid),
        Field::new("resourceType", Kind::Int8),
        Field::new("resourceName", Kind::String),
        Field::new("patternType", Kind::Int8),
        Field::new("principal", Kind::String),
        Field::new("host", Kind::String),
        Field::new("operation", Kind::Int8),
        Field::new("permissionType", Kind::Int8),
    ],
);

static REMOVE_ACCESS_CONTROL_ENTRY: Schema = flexible(0, &[Field::new("id", Kind::Uuid)]);

// Transactions of the metadata log.

static NOTHING: Schema = flexible(0, &[]);

static BEGIN_TRANSACTION: Schema = flexible(0, &[Field::new("name", Kind::String).tagged_null(0)]);

static ABORT_TRANSACTION: Schema =
    flexible(0, &[Field::new("reason", Kind::String).tagged_null(0)]);

#[cfg(test)]
mod tests;
