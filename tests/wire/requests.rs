//! Every request of every version: what is read is what Kafka's class says.

use crate::bodies::{Body, CORRELATION_ID, opened, requests};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segkit::serve::wire::common::TopicKey;
use segkit::serve::wire::reader::{Reader, Result};
use segkit::serve::wire::{
    Api, WireLimits, acls, cluster, commit, configs, coordinator, describe_groups, epochs, fetch,
    heartbeat, join, leave, list_groups, list_offsets, log_dirs, metadata, offset_fetch, producers,
    reassignments, refused, sync, topic_partitions, versions,
};
use serde_json::{Value, json};

/// Fields that no answer depends on.
fn dropped(api: Api) -> &'static [&'static str] {
    match api {
        Api::Produce => &["transactionalId", "timeoutMs", "records"],
        Api::Fetch => &[
            "clusterId",
            "replicaEpoch",
            "logStartOffset",
            "replicaDirectoryId",
            "highWatermark",
            "forgottenTopicsData",
            "rackId",
        ],
        Api::ListOffsets => &["replicaId", "timeoutMs"],
        Api::Metadata => &[
            "allowAutoTopicCreation",
            "includeClusterAuthorizedOperations",
            "includeTopicAuthorizedOperations",
        ],
        Api::OffsetCommit => &["retentionTimeMs"],
        Api::OffsetFetch => &["memberId", "memberEpoch"],
        Api::DescribeGroups => &["includeAuthorizedOperations"],
        Api::InitProducerId => &["transactionTimeoutMs", "producerId", "producerEpoch"],
        Api::OffsetForLeaderEpoch => &["replicaId"],
        Api::DescribeAcls => &[
            "resourceTypeFilter",
            "resourceNameFilter",
            "patternTypeFilter",
            "principalFilter",
            "hostFilter",
            "operation",
            "permissionType",
        ],
        Api::DescribeConfigs => &["configurationKeys", "includeSynonyms", "includeDocumentation"],
        Api::ListPartitionReassignments => &["timeoutMs", "topics"],
        Api::DescribeCluster => &["includeClusterAuthorizedOperations", "includeFencedBrokers"],
        _ => &[],
    }
}

/// Reads a body and forgets it.
pub fn read(api: Api, r: &mut Reader<'_>) -> Result<()> {
    match api {
        Api::Produce => refused::ProduceRequest::read(r).map(drop),
        Api::Fetch => fetch::FetchRequest::read(r).map(drop),
        Api::ListOffsets => list_offsets::ListOffsetsRequest::read(r).map(drop),
        Api::Metadata => metadata::MetadataRequest::read(r).map(drop),
        Api::OffsetCommit => commit::OffsetCommitRequest::read(r).map(drop),
        Api::OffsetFetch => offset_fetch::OffsetFetchRequest::read(r).map(drop),
        Api::FindCoordinator => coordinator::FindCoordinatorRequest::read(r).map(drop),
        Api::JoinGroup => join::JoinGroupRequest::read(r).map(drop),
        Api::Heartbeat => heartbeat::HeartbeatRequest::read(r).map(|_| ()),
        Api::LeaveGroup => leave::LeaveGroupRequest::read(r).map(drop),
        Api::SyncGroup => sync::SyncGroupRequest::read(r).map(drop),
        Api::DescribeGroups => describe_groups::DescribeGroupsRequest::read(r).map(drop),
        Api::ListGroups => list_groups::ListGroupsRequest::read(r).map(drop),
        Api::ApiVersions => versions::ApiVersionsRequest::read(r).map(|_| ()),
        Api::InitProducerId => refused::InitProducerIdRequest::read(r).map(|_| ()),
        Api::OffsetForLeaderEpoch => epochs::OffsetForLeaderEpochRequest::read(r).map(drop),
        Api::DescribeAcls => acls::DescribeAclsRequest::read(r).map(|_| ()),
        Api::DescribeConfigs => configs::DescribeConfigsRequest::read(r).map(drop),
        Api::DescribeLogDirs => log_dirs::DescribeLogDirsRequest::read(r).map(drop),
        Api::ListPartitionReassignments => {
            reassignments::ListPartitionReassignmentsRequest::read(r).map(|_| ())
        }
        Api::DescribeCluster => cluster::DescribeClusterRequest::read(r).map(|_| ()),
        Api::DescribeProducers => producers::DescribeProducersRequest::read(r).map(drop),
        Api::DescribeTopicPartitions => {
            topic_partitions::DescribeTopicPartitionsRequest::read(r).map(drop)
        }
    }
}

/// What is read, with Kafka's names.
fn told(api: Api, version: i16, r: &mut Reader<'_>) -> Result<Value> {
    Ok(match api {
        Api::Produce => produce(&refused::ProduceRequest::read(r)?),
        Api::Fetch => fetch(&fetch::FetchRequest::read(r)?, version),
        Api::ListOffsets => list_offsets(&list_offsets::ListOffsetsRequest::read(r)?),
        Api::Metadata => metadata(&metadata::MetadataRequest::read(r)?, version),
        Api::OffsetCommit => commit(&commit::OffsetCommitRequest::read(r)?),
        Api::OffsetFetch => offset_fetch(&offset_fetch::OffsetFetchRequest::read(r)?, version),
        Api::JoinGroup => join(&join::JoinGroupRequest::read(r)?, version),
        Api::SyncGroup => sync(&sync::SyncGroupRequest::read(r)?),
        Api::LeaveGroup => leave(&leave::LeaveGroupRequest::read(r)?, version),
        Api::FindCoordinator => {
            let request = coordinator::FindCoordinatorRequest::read(r)?;
            match version {
                ..4 => json!({"key": request.coordinator_keys[0], "keyType": request.key_type}),
                _ => json!({"coordinatorKeys": request.coordinator_keys,
                            "keyType": request.key_type}),
            }
        }
        Api::Heartbeat => {
            let request = heartbeat::HeartbeatRequest::read(r)?;
            json!({"groupId": request.group_id, "generationId": request.generation_id,
                   "memberId": request.member_id, "groupInstanceId": request.group_instance_id})
        }
        Api::DescribeGroups => {
            json!({"groups": describe_groups::DescribeGroupsRequest::read(r)?.groups})
        }
        Api::ListGroups => {
            let request = list_groups::ListGroupsRequest::read(r)?;
            json!({"statesFilter": request.states_filter, "typesFilter": request.types_filter})
        }
        Api::ApiVersions => {
            let request = versions::ApiVersionsRequest::read(r)?;
            json!({"clientSoftwareName": request.client_software_name,
                   "clientSoftwareVersion": request.client_software_version,
                   "clusterId": request.cluster_id, "nodeId": request.node_id})
        }
        Api::InitProducerId => {
            let request = refused::InitProducerIdRequest::read(r)?;
            json!({"transactionalId": request.transactional_id})
        }
        Api::OffsetForLeaderEpoch => epochs(&epochs::OffsetForLeaderEpochRequest::read(r)?),
        Api::DescribeConfigs => configs(&configs::DescribeConfigsRequest::read(r)?),
        Api::DescribeLogDirs => log_dirs(&log_dirs::DescribeLogDirsRequest::read(r)?),
        Api::DescribeCluster => {
            let request = cluster::DescribeClusterRequest::read(r)?;
            match version {
                0 => {
                    assert_eq!(request.endpoint_type, 1);
                    json!({})
                }
                _ => json!({"endpointType": request.endpoint_type}),
            }
        }
        Api::DescribeProducers => producers(&producers::DescribeProducersRequest::read(r)?),
        Api::DescribeTopicPartitions => {
            pages(&topic_partitions::DescribeTopicPartitionsRequest::read(r)?)
        }
        Api::DescribeAcls | Api::ListPartitionReassignments => {
            read(api, r)?;
            json!({})
        }
    })
}

fn list<T>(items: &[T], of: impl FnMut(&T) -> Value) -> Value {
    items.iter().map(of).collect()
}

fn bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

/// An object that says which topic it is about.
fn about(topic: TopicKey<'_>, name_field: &str, mut rest: Value) -> Value {
    match topic {
        TopicKey::Name(name) => rest[name_field] = name.into(),
        TopicKey::Id(id) => rest["topicId"] = id.to_string().into(),
    }
    rest
}

fn produce(request: &refused::ProduceRequest<'_>) -> Value {
    let topics = list(&request.topic_data, |topic| {
        let partitions = list(&topic.partition_indexes, |index| json!({"index": index}));
        about(topic.topic, "name", json!({"partitionData": partitions}))
    });
    json!({"acks": request.acks, "topicData": topics})
}

fn fetch(request: &fetch::FetchRequest<'_>, version: i16) -> Value {
    let topics = list(&request.topics, |topic| {
        let partitions = list(&topic.partitions, |partition| {
            json!({"partition": partition.partition,
                   "currentLeaderEpoch": partition.current_leader_epoch,
                   "fetchOffset": partition.fetch_offset,
                   "lastFetchedEpoch": partition.last_fetched_epoch,
                   "partitionMaxBytes": partition.partition_max_bytes})
        });
        about(topic.topic, "topic", json!({"partitions": partitions}))
    });
    let mut told = json!({"maxWaitMs": request.max_wait_ms, "minBytes": request.min_bytes,
        "maxBytes": request.max_bytes, "isolationLevel": request.isolation_level,
        "sessionId": request.session_id, "sessionEpoch": request.session_epoch, "topics": topics});
    match version {
        ..15 => told["replicaId"] = request.replica_id.into(),
        _ => told["replicaState"] = json!({"replicaId": request.replica_id}),
    }
    told
}

fn list_offsets(request: &list_offsets::ListOffsetsRequest<'_>) -> Value {
    let topics = list(&request.topics, |topic| {
        let partitions = list(&topic.partitions, |partition| {
            json!({"partitionIndex": partition.partition_index,
                   "currentLeaderEpoch": partition.current_leader_epoch,
                   "timestamp": partition.timestamp})
        });
        json!({"name": topic.name, "partitions": partitions})
    });
    json!({"isolationLevel": request.isolation_level, "topics": topics})
}

fn metadata(request: &metadata::MetadataRequest<'_>, version: i16) -> Value {
    let topics = request.topics.as_deref().map(|topics| {
        list(topics, |topic| json!({"topicId": topic.topic_id.to_string(), "name": topic.name}))
    });
    // No topics meant all of them, once.
    json!({"topics": if version == 0 { topics.or(Some(json!([]))) } else { topics }})
}

fn commit(request: &commit::OffsetCommitRequest<'_>) -> Value {
    let topics = list(&request.topics, |topic| {
        let partitions = list(&topic.partitions, |partition| {
            json!({"partitionIndex": partition.partition_index,
                   "committedOffset": partition.committed_offset,
                   "committedLeaderEpoch": partition.committed_leader_epoch,
                   "committedMetadata": partition.committed_metadata})
        });
        about(topic.topic, "name", json!({"partitions": partitions}))
    });
    json!({"groupId": request.group_id, "memberId": request.member_id, "topics": topics,
           "generationIdOrMemberEpoch": request.generation_id_or_member_epoch,
           "groupInstanceId": request.group_instance_id})
}

fn offset_fetch(request: &offset_fetch::OffsetFetchRequest<'_>, version: i16) -> Value {
    let mut groups = list(&request.groups, |group| {
        let topics = group.topics.as_deref().map(|topics| {
            list(topics, |topic| {
                about(topic.topic, "name", json!({"partitionIndexes": topic.partition_indexes}))
            })
        });
        json!({"groupId": group.group_id, "topics": topics})
    });
    let mut told = match version {
        ..8 => groups[0].take(),
        _ => json!({"groups": groups}),
    };
    told["requireStable"] = request.require_stable.into();
    told
}

fn join(request: &join::JoinGroupRequest<'_>, version: i16) -> Value {
    let protocols = list(
        &request.protocols,
        |protocol| json!({"name": protocol.name, "metadata": bytes(protocol.metadata)}),
    );
    let mut told = json!({"groupId": request.group_id, "memberId": request.member_id,
        "sessionTimeoutMs": request.session_timeout_ms, "protocols": protocols,
        "groupInstanceId": request.group_instance_id, "protocolType": request.protocol_type,
        "reason": request.reason});
    match version {
        0 => assert_eq!(request.rebalance_timeout_ms, request.session_timeout_ms),
        _ => told["rebalanceTimeoutMs"] = request.rebalance_timeout_ms.into(),
    }
    told
}

fn sync(request: &sync::SyncGroupRequest<'_>) -> Value {
    let assignments = list(
        &request.assignments,
        |each| json!({"memberId": each.member_id, "assignment": bytes(each.assignment)}),
    );
    json!({"groupId": request.group_id, "generationId": request.generation_id,
           "memberId": request.member_id, "groupInstanceId": request.group_instance_id,
           "protocolType": request.protocol_type, "protocolName": request.protocol_name,
           "assignments": assignments})
}

fn leave(request: &leave::LeaveGroupRequest<'_>, version: i16) -> Value {
    let members = list(&request.members, |member| {
        json!({"memberId": member.member_id, "groupInstanceId": member.group_instance_id,
               "reason": member.reason})
    });
    match version {
        ..3 => json!({"groupId": request.group_id, "memberId": request.members[0].member_id}),
        _ => json!({"groupId": request.group_id, "members": members}),
    }
}

fn epochs(request: &epochs::OffsetForLeaderEpochRequest<'_>) -> Value {
    let topics = list(&request.topics, |topic| {
        let partitions = list(&topic.partitions, |partition| {
            json!({"partition": partition.partition, "leaderEpoch": partition.leader_epoch,
                   "currentLeaderEpoch": partition.current_leader_epoch})
        });
        json!({"topic": topic.topic, "partitions": partitions})
    });
    json!({"topics": topics})
}

fn configs(request: &configs::DescribeConfigsRequest<'_>) -> Value {
    let resources = list(&request.resources, |resource| {
        json!({"resourceType": resource.resource_type,
           "resourceName": resource.resource_name})
    });
    json!({"resources": resources})
}

fn log_dirs(request: &log_dirs::DescribeLogDirsRequest<'_>) -> Value {
    let topics = request.topics.as_deref().map(|topics| {
        list(topics, |topic| json!({"topic": topic.topic, "partitions": topic.partitions}))
    });
    json!({"topics": topics})
}

fn producers(request: &producers::DescribeProducersRequest<'_>) -> Value {
    let topics = list(
        &request.topics,
        |topic| json!({"name": topic.name, "partitionIndexes": topic.partition_indexes}),
    );
    json!({"topics": topics})
}

fn pages(request: &topic_partitions::DescribeTopicPartitionsRequest<'_>) -> Value {
    let cursor = request.cursor.as_ref().map(
        |cursor| json!({"topicName": cursor.topic_name, "partitionIndex": cursor.partition_index}),
    );
    json!({"topics": list(&request.topics, |name| json!({"name": name})), "cursor": cursor,
           "responsePartitionLimit": request.response_partition_limit})
}

/// A field that a version does not have is as if nothing had been said.
fn is_unsaid(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => matches!(value.as_i64(), Some(-1 | 0)),
        Value::String(value) => value.is_empty() || value == "AAAAAAAAAAAAAAAAAAAAAA",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_unsaid),
    }
}

/// Compares what was read with what Kafka's class says: all of it, but what is dropped.
fn compare(ours: &Value, kafkas: &Value, dropped: &[&str], name: &str) {
    match (ours, kafkas) {
        (Value::Object(ours), Value::Object(kafkas)) => {
            for (field, value) in kafkas {
                match ours.get(field) {
                    Some(our) => compare(our, value, dropped, &format!("{name}: {field}")),
                    None => assert!(dropped.contains(&field.as_str()), "{name}: {field} is lost"),
                }
            }
            for (field, value) in ours.iter().filter(|(field, _)| !kafkas.contains_key(*field)) {
                assert!(is_unsaid(value), "{name}: {field} is {value}");
            }
        }
        (Value::Array(ours), Value::Array(kafkas)) => {
            assert_eq!(ours.len(), kafkas.len(), "{name}");
            for (our, kafka) in ours.iter().zip(kafkas) {
                compare(our, kafka, dropped, name);
            }
        }
        _ => assert_eq!(ours, kafkas, "{name}"),
    }
}

fn check(body: &Body) {
    let (frame, limits) = (body.frame(), WireLimits::STANDARD);
    let (header, mut reader) = opened(&frame, &limits).unwrap().unwrap();
    assert_eq!((header.api, header.version), (body.api, body.version));
    assert_eq!((header.correlation_id, header.client_id), (CORRELATION_ID, Some("c")));
    let ours = told(body.api, body.version, &mut reader).unwrap();
    assert_eq!(reader.left(), 0, "{}", body.name());
    compare(&ours, &body.json, dropped(body.api), &body.name());
}

#[test]
fn requests_are_read_as_kafka_reads_them() {
    let checked = requests().map(|body| check(&body)).count();
    assert!(checked > 400, "{checked}");
}

/// Every field that is dropped is one that there is.
#[test]
fn what_is_dropped_exists() {
    let texts: Vec<_> = requests().map(|body| (body.api, body.json.to_string())).collect();
    for (api, _) in &texts {
        for field in dropped(*api) {
            let quoted = format!("\"{field}\":");
            assert!(texts.iter().any(|(of, text)| of == api && text.contains(&quoted)), "{field}");
        }
    }
}
