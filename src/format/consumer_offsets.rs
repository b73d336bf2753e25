//! The records of `__consumer_offsets`: committed offsets, and the groups of every protocol.
//!
//! ```text
//!   key     | i16 type    | group, and what else names the record |
//!   value   | i16 version | fields |
//!
//!   type   0, 1  committed offset          10 ... 15  share group
//!             2  classic group                    16  a consumer group's regular expression
//!       3 ... 8  consumer group           17, 19 ... 23  streams group
//! ```
//!
//! 9 and 18 were written by earlier releases and are unknown to Kafka today. In a classic group of
//! the protocol type `consumer`, the subscription and the assignment of a member are messages too,
//! with a version of their own before them: they are decoded where they decode, and stay bytes
//! where they do not.

pub use super::coordinator::{Decoded, Part, RecordType, Undecodable, VersionedValue};
use super::schema::{self, Field, Kind, Schema, Value};
use super::{Cursor, Position, coordinator};

const GROUP_METADATA: i16 = 2;

/// Decodes one record.
#[must_use]
pub fn decode<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> Decoded<'a> {
    let mut decoded = coordinator::decode(RECORD_TYPES, key, value);
    if let Decoded::Record { record_type, value: Some(group), .. } = &mut decoded
        && record_type.id == GROUP_METADATA
    {
        decode_members(&mut group.value);
    }
    decoded
}

fn decode_members(group: &mut Value<'_>) {
    if group.get("protocolType") != Some(&Value::Str(b"consumer")) {
        return;
    }
    let Some(Value::Array(members)) = group.get_mut("members") else { return };
    for member in members {
        decode_in_place(member, "subscription", &SUBSCRIPTION);
        decode_in_place(member, "assignment", &ASSIGNMENT);
    }
}

fn decode_in_place(member: &mut Value<'_>, name: &str, schema: &'static Schema) {
    let Some(value) = member.get_mut(name) else { return };
    let Value::Bytes(bytes) = value else { return };
    let mut cursor = Cursor::new(bytes, Position(0));
    let Ok(version) = cursor.i16() else { return };
    // Kafka reads any version here: what is above the last one has its fields, below the first too.
    if let Ok(decoded) = schema::decode(schema, version.max(0), &mut cursor) {
        *value = decoded;
    }
}

/// Every type of record in the topic.
pub static RECORD_TYPES: &[RecordType] = &[
    record(0, "LegacyOffsetCommit", &OFFSET_KEY, &LEGACY_OFFSET_COMMIT),
    record(1, "OffsetCommit", &OFFSET_KEY, &OFFSET_COMMIT),
    record(GROUP_METADATA, "GroupMetadata", &CLASSIC_GROUP_KEY, &CLASSIC_GROUP),
    record(3, "ConsumerGroupMetadata", &GROUP_KEY, &CONSUMER_GROUP),
    record(4, "ConsumerGroupPartitionMetadata", &GROUP_KEY, &CONSUMER_GROUP_PARTITIONS),
    record(5, "ConsumerGroupMemberMetadata", &MEMBER_KEY, &CONSUMER_GROUP_MEMBER),
    record(6, "ConsumerGroupTargetAssignmentMetadata", &GROUP_KEY, &TARGET_ASSIGNMENT),
    record(7, "ConsumerGroupTargetAssignmentMember", &MEMBER_KEY, &TARGET_ASSIGNMENT_MEMBER),
    record(8, "ConsumerGroupCurrentMemberAssignment", &MEMBER_KEY, &CURRENT_ASSIGNMENT),
    record(10, "ShareGroupMemberMetadata", &MEMBER_KEY, &SHARE_GROUP_MEMBER),
    record(11, "ShareGroupMetadata", &GROUP_KEY, &SHARE_GROUP),
    record(12, "ShareGroupTargetAssignmentMetadata", &GROUP_KEY, &TARGET_ASSIGNMENT),
    record(13, "ShareGroupTargetAssignmentMember", &MEMBER_KEY, &TARGET_ASSIGNMENT_MEMBER),
    record(14, "ShareGroupCurrentMemberAssignment", &MEMBER_KEY, &SHARE_CURRENT_ASSIGNMENT),
    record(15, "ShareGroupStatePartitionMetadata", &GROUP_KEY, &SHARE_GROUP_STATE_PARTITIONS),
    record(16, "ConsumerGroupRegularExpression", &REGULAR_EXPRESSION_KEY, &REGULAR_EXPRESSION),
    record(17, "StreamsGroupMetadata", &GROUP_KEY, &STREAMS_GROUP),
    record(19, "StreamsGroupMemberMetadata", &MEMBER_KEY, &STREAMS_GROUP_MEMBER),
    record(20, "StreamsGroupTargetAssignmentMetadata", &GROUP_KEY, &TARGET_ASSIGNMENT),
    record(21, "StreamsGroupTargetAssignmentMember", &MEMBER_KEY, &STREAMS_TARGET_ASSIGNMENT),
    record(22, "StreamsGroupCurrentMemberAssignment", &MEMBER_KEY, &STREAMS_CURRENT_ASSIGNMENT),
    record(23, "StreamsGroupTopology", &GROUP_KEY, &STREAMS_GROUP_TOPOLOGY),
];

const fn record(
    id: i16,
    name: &'static str,
    key: &'static Schema,
    value: &'static Schema,
) -> RecordType {
    RecordType { id, name, key, value }
}

const fn fixed(last_version: i16, fields: &'static [Field]) -> Schema {
    Schema { last_version, flexible_from: None, fields }
}

const fn flexible(fields: &'static [Field]) -> Schema {
    Schema { last_version: 0, flexible_from: Some(0), fields }
}

const STRINGS: Kind = Kind::Array(&Kind::String);
const INT16S: Kind = Kind::Array(&Kind::Int16);
const INT32S: Kind = Kind::Array(&Kind::Int32);

// Keys.

static OFFSET_KEY: Schema = fixed(
    0,
    &[
        Field::new("group", Kind::String),
        Field::new("topic", Kind::String),
        Field::new("partition", Kind::Int32),
    ],
);

static CLASSIC_GROUP_KEY: Schema = fixed(0, &[Field::new("group", Kind::String)]);

static GROUP_KEY: Schema = fixed(0, &[Field::new("groupId", Kind::String)]);

static MEMBER_KEY: Schema =
    fixed(0, &[Field::new("groupId", Kind::String), Field::new("memberId", Kind::String)]);

static REGULAR_EXPRESSION_KEY: Schema =
    fixed(0, &[Field::new("groupId", Kind::String), Field::new("regularExpression", Kind::String)]);

// Committed offsets.

static LEGACY_OFFSET_COMMIT: Schema = fixed(
    0,
    &[
        Field::new("offset", Kind::Int64),
        Field::new("metadata", Kind::String),
        Field::new("commitTimestamp", Kind::Int64),
    ],
);

static OFFSET_COMMIT: Schema = Schema {
    last_version: 4,
    flexible_from: Some(4),
    fields: &[
        Field::new("offset", Kind::Int64),
        Field::new("leaderEpoch", Kind::Int32).since(3),
        Field::new("metadata", Kind::String),
        Field::new("commitTimestamp", Kind::Int64),
        Field::new("expireTimestamp", Kind::Int64).only(1),
        Field::new("topicId", Kind::Uuid).since(4).tagged(0, 0),
    ],
};

// Classic groups.

static CLASSIC_GROUP: Schema = Schema {
    last_version: 4,
    flexible_from: Some(4),
    fields: &[
        Field::new("protocolType", Kind::String),
        Field::new("generation", Kind::Int32),
        Field::new("protocol", Kind::String).nullable(),
        Field::new("leader", Kind::String).nullable(),
        Field::new("currentStateTimestamp", Kind::Int64).since(2),
        Field::new("members", Kind::Array(&Kind::Struct(&CLASSIC_MEMBER))),
    ],
};

static CLASSIC_MEMBER: Schema = Schema {
    last_version: 4,
    flexible_from: Some(4),
    fields: &[
        Field::new("memberId", Kind::String),
        Field::new("groupInstanceId", Kind::String).nullable().since(3),
        Field::new("clientId", Kind::String),
        Field::new("clientHost", Kind::String),
        Field::new("rebalanceTimeout", Kind::Int32).since(1),
        Field::new("sessionTimeout", Kind::Int32),
        Field::new("subscription", Kind::Bytes),
        Field::new("assignment", Kind::Bytes),
    ],
};

static SUBSCRIPTION: Schema = fixed(
    3,
    &[
        Field::new("topics", STRINGS),
        Field::new("userData", Kind::Bytes).nullable(),
        Field::new("ownedPartitions", Kind::Array(&Kind::Struct(&TOPIC_PARTITION))).since(1),
        Field::new("generationId", Kind::Int32).since(2),
        Field::new("rackId", Kind::String).nullable().since(3),
    ],
);

static ASSIGNMENT: Schema = fixed(
    3,
    &[
        Field::new("assignedPartitions", Kind::Array(&Kind::Struct(&TOPIC_PARTITION))),
        Field::new("userData", Kind::Bytes).nullable(),
    ],
);

static TOPIC_PARTITION: Schema =
    fixed(3, &[Field::new("topic", Kind::String), Field::new("partitions", INT32S)]);

// Consumer groups, and what share and streams groups have in common with them.

static CONSUMER_GROUP: Schema = flexible(&[
    Field::new("epoch", Kind::Int32),
    Field::new("metadataHash", Kind::Int64).tagged(0, 0),
]);

static CONSUMER_GROUP_PARTITIONS: Schema =
    flexible(&[Field::new("topics", Kind::Array(&Kind::Struct(&TOPIC_METADATA)))]);

static TOPIC_METADATA: Schema = flexible(&[
    Field::new("topicId", Kind::Uuid),
    Field::new("topicName", Kind::String),
    Field::new("numPartitions", Kind::Int32),
    Field::new("partitionMetadata", Kind::Array(&Kind::Struct(&PARTITION_METADATA))),
]);

static PARTITION_METADATA: Schema =
    flexible(&[Field::new("partition", Kind::Int32), Field::new("racks", STRINGS)]);

static CONSUMER_GROUP_MEMBER: Schema = flexible(&[
    Field::new("instanceId", Kind::String).nullable(),
    Field::new("rackId", Kind::String).nullable(),
    Field::new("clientId", Kind::String),
    Field::new("clientHost", Kind::String),
    Field::new("subscribedTopicNames", STRINGS),
    Field::new("subscribedTopicRegex", Kind::String).nullable(),
    Field::new("rebalanceTimeoutMs", Kind::Int32),
    Field::new("serverAssignor", Kind::String).nullable(),
    Field::new("classicMemberMetadata", Kind::Struct(&CLASSIC_MEMBER_METADATA))
        .nullable()
        .tagged(0, 0),
]);

static CLASSIC_MEMBER_METADATA: Schema = flexible(&[
    Field::new("sessionTimeoutMs", Kind::Int32),
    Field::new("supportedProtocols", Kind::Array(&Kind::Struct(&CLASSIC_PROTOCOL))),
]);

static CLASSIC_PROTOCOL: Schema =
    flexible(&[Field::new("name", Kind::String), Field::new("metadata", Kind::Bytes)]);

static TARGET_ASSIGNMENT: Schema = flexible(&[
    Field::new("assignmentEpoch", Kind::Int32),
    Field::new("assignmentTimestamp", Kind::Int64).tagged(0, 0),
]);

static TARGET_ASSIGNMENT_MEMBER: Schema =
    flexible(&[Field::new("topicPartitions", Kind::Array(&Kind::Struct(&TOPIC_ID_PARTITIONS)))]);

static TOPIC_ID_PARTITIONS: Schema =
    flexible(&[Field::new("topicId", Kind::Uuid), Field::new("partitions", INT32S)]);

static CURRENT_ASSIGNMENT: Schema = flexible(&[
    Field::new("memberEpoch", Kind::Int32),
    Field::new("previousMemberEpoch", Kind::Int32),
    Field::new("state", Kind::Int8),
    Field::new("assignedPartitions", Kind::Array(&Kind::Struct(&EPOCH_PARTITIONS))),
    Field::new("partitionsPendingRevocation", Kind::Array(&Kind::Struct(&EPOCH_PARTITIONS))),
]);

static EPOCH_PARTITIONS: Schema = flexible(&[
    Field::new("topicId", Kind::Uuid),
    Field::new("partitions", INT32S),
    Field::new("assignmentEpochs", INT32S).nullable().tagged(0, 0),
]);

static REGULAR_EXPRESSION: Schema = flexible(&[
    Field::new("topics", STRINGS),
    Field::new("version", Kind::Int64),
    Field::new("timestamp", Kind::Int64),
]);

// Share groups.

static SHARE_GROUP_MEMBER: Schema = flexible(&[
    Field::new("rackId", Kind::String).nullable(),
    Field::new("clientId", Kind::String),
    Field::new("clientHost", Kind::String),
    Field::new("subscribedTopicNames", STRINGS),
]);

static SHARE_GROUP: Schema =
    flexible(&[Field::new("epoch", Kind::Int32), Field::new("metadataHash", Kind::Int64)]);

static SHARE_CURRENT_ASSIGNMENT: Schema = flexible(&[
    Field::new("memberEpoch", Kind::Int32),
    Field::new("previousMemberEpoch", Kind::Int32),
    Field::new("state", Kind::Int8),
    Field::new("assignedPartitions", Kind::Array(&Kind::Struct(&TOPIC_ID_PARTITIONS))),
]);

static SHARE_GROUP_STATE_PARTITIONS: Schema = flexible(&[
    Field::new("initializingTopics", Kind::Array(&Kind::Struct(&TOPIC_WITH_PARTITIONS))),
    Field::new("initializedTopics", Kind::Array(&Kind::Struct(&TOPIC_WITH_PARTITIONS))),
    Field::new("deletingTopics", Kind::Array(&Kind::Struct(&TOPIC))),
]);

static TOPIC_WITH_PARTITIONS: Schema = flexible(&[
    Field::new("topicId", Kind::Uuid),
    Field::new("topicName", Kind::String),
    Field::new("partitions", INT32S),
]);

static TOPIC: Schema =
    flexible(&[Field::new("topicId", Kind::Uuid), Field::new("topicName", Kind::String)]);

// Streams groups.

static STREAMS_GROUP: Schema = flexible(&[
    Field::new("epoch", Kind::Int32),
    Field::new("metadataHash", Kind::Int64),
    Field::new("validatedTopologyEpoch", Kind::Int32).tagged(0, -1),
    Field::new("lastAssignmentConfigs", KEY_VALUES).nullable().tagged(1, 0),
]);

const KEY_VALUES: Kind = Kind::Array(&Kind::Struct(&KEY_VALUE));

static KEY_VALUE: Schema =
    flexible(&[Field::new("key", Kind::String), Field::new("value", Kind::String)]);

static STREAMS_GROUP_MEMBER: Schema = flexible(&[
    Field::new("instanceId", Kind::String).nullable(),
    Field::new("rackId", Kind::String).nullable(),
    Field::new("clientId", Kind::String),
    Field::new("clientHost", Kind::String),
    Field::new("rebalanceTimeoutMs", Kind::Int32),
    Field::new("topologyEpoch", Kind::Int32),
    Field::new("processId", Kind::String),
    Field::new("userEndpoint", Kind::Struct(&USER_ENDPOINT)).nullable(),
    Field::new("clientTags", KEY_VALUES),
]);

static USER_ENDPOINT: Schema =
    flexible(&[Field::new("host", Kind::String), Field::new("port", Kind::Uint16)]);

static STREAMS_TARGET_ASSIGNMENT: Schema = flexible(&[
    Field::new("activeTasks", Kind::Array(&Kind::Struct(&TASKS))),
    Field::new("standbyTasks", Kind::Array(&Kind::Struct(&TASKS))),
    Field::new("warmupTasks", Kind::Array(&Kind::Struct(&TASKS))),
]);

static TASKS: Schema =
    flexible(&[Field::new("subtopologyId", Kind::String), Field::new("partitions", INT32S)]);

static STREAMS_CURRENT_ASSIGNMENT: Schema = flexible(&[
    Field::new("memberEpoch", Kind::Int32),
    Field::new("previousMemberEpoch", Kind::Int32),
    Field::new("state", Kind::Int8),
    Field::new("activeTasks", EPOCH_TASKS),
    Field::new("standbyTasks", EPOCH_TASKS),
    Field::new("warmupTasks", EPOCH_TASKS),
    Field::new("activeTasksPendingRevocation", EPOCH_TASKS),
    Field::new("standbyTasksPendingRevocation", EPOCH_TASKS),
    Field::new("warmupTasksPendingRevocation", EPOCH_TASKS),
]);

const EPOCH_TASKS: Kind = Kind::Array(&Kind::Struct(&TASKS_WITH_EPOCHS));

static TASKS_WITH_EPOCHS: Schema = flexible(&[
    Field::new("subtopologyId", Kind::String),
    Field::new("partitions", INT32S),
    Field::new("assignmentEpochs", INT32S).nullable().tagged(0, 0),
]);

static STREAMS_GROUP_TOPOLOGY: Schema = flexible(&[
    Field::new("epoch", Kind::Int32),
    Field::new("subtopologies", Kind::Array(&Kind::Struct(&SUBTOPOLOGY))),
]);

static SUBTOPOLOGY: Schema = flexible(&[
    Field::new("subtopologyId", Kind::String),
    Field::new("sourceTopics", STRINGS),
    Field::new("sourceTopicRegex", STRINGS),
    Field::new("stateChangelogTopics", Kind::Array(&Kind::Struct(&INTERNAL_TOPIC))),
    Field::new("repartitionSinkTopics", STRINGS),
    Field::new("repartitionSourceTopics", Kind::Array(&Kind::Struct(&INTERNAL_TOPIC))),
    Field::new("copartitionGroups", Kind::Array(&Kind::Struct(&COPARTITION_GROUP))),
]);

static INTERNAL_TOPIC: Schema = flexible(&[
    Field::new("name", Kind::String),
    Field::new("partitions", Kind::Int32),
    Field::new("replicationFactor", Kind::Int16),
    Field::new("topicConfigs", KEY_VALUES),
]);

static COPARTITION_GROUP: Schema = flexible(&[
    Field::new("sourceTopics", INT16S),
    Field::new("sourceTopicRegex", INT16S),
    Field::new("repartitionSourceTopics", INT16S),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::coordinator::tests::{check_depth, check_vectors};

    const VECTORS: &str = include_str!("consumer_offsets/vectors.txt");

    #[test]
    fn records_print_as_kafka_prints_them_and_damage_never_panics() {
        check_vectors(VECTORS, decode);
        check_depth(RECORD_TYPES);
    }

    #[test]
    fn every_type_and_version_is_among_the_vectors() {
        for record_type in RECORD_TYPES {
            let key = format!(r#"{{"type":"{}","data":"#, record_type.id);
            for version in 0..=record_type.value.last_version {
                let value = format!(r#"{{"version":"{version}","data":"#);
                let mut lines = VECTORS.lines().zip(VECTORS.lines().skip(1));
                let found = lines.any(|(k, v)| k.starts_with(&key) && v.starts_with(&value));
                assert!(found, "{} {version}", record_type.name);
            }
        }
    }

    #[test]
    fn subscriptions_of_other_protocol_types_stay_bytes() {
        let group = |protocol_type: &[u8; 2]| {
            let empty = [0, 0];
            let head: [&[u8]; 6] = [&[0, 0, 0, 2], protocol_type, &[0; 4], &empty, &empty, &[0]];
            let member = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let bytes = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
            [&head.concat()[..], &[0, 0, 1], &member, &bytes].concat()
        };
        let value = group(b"ab");
        let Decoded::Record { value: Some(group), .. } = decode(&[0, 2, 0, 0], Some(&value)) else {
            panic!("does not decode");
        };
        let Some(Value::Array(members)) = group.value.get("members") else { panic!("{group:?}") };
        assert_eq!(members[0].get("subscription"), Some(&Value::Bytes(&[0, 0])));
    }
}
