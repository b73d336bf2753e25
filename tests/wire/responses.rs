//! Every response of every version: what is written is what Kafka's class writes.

use crate::bodies::{Body, CORRELATION_ID, all};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segkit::format::checkpoint::Uuid;
use segkit::serve::wire::common::{Node, TopicKey};
use segkit::serve::wire::errors::ErrorCode;
use segkit::serve::wire::writer::Writer;
use segkit::serve::wire::{
    Api, acls, cluster, commit, configs, coordinator, describe_groups, epochs, fetch, heartbeat,
    join, leave, list_groups, list_offsets, log_dirs, metadata, offset_fetch, producers,
    reassignments, refused, sync, topic_partitions, versions,
};
use serde_json::Value;
use std::borrow::Cow;

/// Bytes of records in a partition of a full Fetch response.
const RECORDS: u32 = 9;

/// A number, or what is written of one that the version does not have: nothing.
fn number<T: TryFrom<i64>>(value: &Value) -> T {
    T::try_from(value.as_i64().unwrap_or_default()).ok().unwrap()
}

fn text(value: &Value) -> Cow<'_, str> {
    value.as_str().unwrap_or_default().into()
}

fn nullable(value: &Value) -> Option<Cow<'_, str>> {
    value.as_str().map(Cow::from)
}

fn bytes(value: &Value) -> Cow<'_, [u8]> {
    STANDARD.decode(value.as_str().unwrap()).unwrap().into()
}

fn error(value: &Value) -> ErrorCode {
    ErrorCode(number(&value["errorCode"]))
}

fn uuid(value: &Value) -> Uuid {
    value.as_str().map_or(Uuid::ZERO, |text| Uuid::parse(text).unwrap())
}

fn items<'a, T>(value: &'a Value, of: impl FnMut(&'a Value) -> T) -> Vec<T> {
    value.as_array().into_iter().flatten().map(of).collect()
}

fn numbers(value: &Value) -> Cow<'_, [i32]> {
    items(value, number).into()
}

fn topic<'a>(value: &'a Value, name_field: &str) -> TopicKey<'a> {
    match value[name_field].as_str() {
        Some(name) => TopicKey::Name(name),
        None => TopicKey::Id(uuid(&value["topicId"])),
    }
}

fn node<'a>(value: &'a Value, id_field: &str) -> Node<'a> {
    let (node_id, host) = (number(&value[id_field]), text(&value["host"]));
    Node { node_id, host, port: number(&value["port"]) }
}

/// Writes what the JSON says.
fn write(body: &Body, w: &mut Writer) {
    let json = &body.json;
    match body.api {
        Api::Produce => produce(json).write(w),
        Api::Fetch => write_fetch(json, if body.kind == "full" { RECORDS } else { 0 }, w),
        Api::ListOffsets => list_offsets(json).write(w),
        Api::Metadata => metadata(json).write(w),
        Api::OffsetCommit => commit(json).write(w),
        Api::OffsetFetch => offset_fetch(json, body.version).write(w),
        Api::FindCoordinator => find_coordinator(json, body.version).write(w),
        Api::JoinGroup => join(json).write(w),
        Api::Heartbeat => heartbeat::HeartbeatResponse { error_code: error(json) }.write(w),
        Api::LeaveGroup => leave(json).write(w),
        Api::SyncGroup => sync(json).write(w),
        Api::DescribeGroups => describe_groups(json).write(w),
        Api::ListGroups => list_groups(json).write(w),
        Api::ApiVersions => api_versions(json).write(w),
        Api::InitProducerId => refused::InitProducerIdResponse { error_code: error(json) }.write(w),
        Api::OffsetForLeaderEpoch => epochs(json).write(w),
        Api::DescribeAcls => {
            let (error_code, error_message) = (error(json), json["errorMessage"].as_str());
            acls::DescribeAclsResponse { error_code, error_message }.write(w);
        }
        Api::DescribeConfigs => configs(json).write(w),
        Api::DescribeLogDirs => log_dirs(json).write(w),
        Api::ListPartitionReassignments => {
            let (error_code, error_message) = (error(json), json["errorMessage"].as_str());
            reassignments::ListPartitionReassignmentsResponse { error_code, error_message }
                .write(w);
        }
        Api::DescribeCluster => cluster(json).write(w),
        Api::DescribeProducers => producers(json).write(w),
        Api::DescribeTopicPartitions => pages(json).write(w),
    }
}

fn produce(json: &Value) -> refused::ProduceResponse<'_> {
    let responses = items(&json["responses"], |each| refused::TopicProduceResponse {
        topic: topic(each, "name"),
        partition_responses: items(&each["partitionResponses"], |partition| {
            refused::PartitionProduceResponse {
                index: number(&partition["index"]),
                error_code: error(partition),
                error_message: nullable(&partition["errorMessage"]),
            }
        }),
    });
    refused::ProduceResponse { responses }
}

fn write_fetch(json: &Value, records: u32, w: &mut Writer) {
    let responses = json["responses"].as_array().unwrap();
    fetch::begin(w, error(json), responses.len());
    for response in responses {
        let partitions = response["partitions"].as_array().unwrap();
        fetch::begin_topic(w, &topic(response, "topic"), partitions.len());
        for partition in partitions {
            write_partition(partition, records, w);
        }
        fetch::end_topic(w);
    }
    let endpoints = items(&json["nodeEndpoints"], |each| node(each, "nodeId"));
    fetch::end(w, &endpoints);
}

fn write_partition(json: &Value, records: u32, w: &mut Writer) {
    let aborted = json["abortedTransactions"].as_array().map(|_| {
        items(&json["abortedTransactions"], |each| fetch::AbortedTransaction {
            producer_id: number(&each["producerId"]),
            first_offset: number(&each["firstOffset"]),
        })
    });
    let diverging_epoch =
        json["divergingEpoch"].as_object().map(|diverging| fetch::EpochEndOffset {
            epoch: number(&diverging["epoch"]),
            end_offset: number(&diverging["endOffset"]),
        });
    let current_leader = json["currentLeader"].as_object().map(|leader| fetch::LeaderIdAndEpoch {
        leader_id: number(&leader["leaderId"]),
        leader_epoch: number(&leader["leaderEpoch"]),
    });
    let data = fetch::PartitionData {
        partition_index: number(&json["partitionIndex"]),
        error_code: error(json),
        high_watermark: number(&json["highWatermark"]),
        last_stable_offset: number(&json["lastStableOffset"]),
        log_start_offset: number(&json["logStartOffset"]),
        diverging_epoch,
        current_leader,
        aborted_transactions: aborted.as_deref(),
    };
    data.write(w, records);
}

fn list_offsets(json: &Value) -> list_offsets::ListOffsetsResponse<'_> {
    let topics = items(&json["topics"], |each| list_offsets::ListOffsetsTopicResponse {
        name: text(&each["name"]),
        partitions: items(&each["partitions"], |partition| {
            list_offsets::ListOffsetsPartitionResponse {
                partition_index: number(&partition["partitionIndex"]),
                error_code: error(partition),
                timestamp: number(&partition["timestamp"]),
                offset: number(&partition["offset"]),
                leader_epoch: number(&partition["leaderEpoch"]),
            }
        }),
    });
    list_offsets::ListOffsetsResponse { topics }
}

fn metadata(json: &Value) -> metadata::MetadataResponse<'_> {
    metadata::MetadataResponse {
        brokers: items(&json["brokers"], |each| node(each, "nodeId")),
        cluster_id: nullable(&json["clusterId"]),
        controller_id: number(&json["controllerId"]),
        topics: items(&json["topics"], metadata_topic),
    }
}

fn metadata_topic(json: &Value) -> metadata::MetadataResponseTopic<'_> {
    metadata::MetadataResponseTopic {
        error_code: error(json),
        name: nullable(&json["name"]),
        topic_id: uuid(&json["topicId"]),
        is_internal: json["isInternal"].as_bool().unwrap_or_default(),
        partitions: items(&json["partitions"], |partition| metadata::MetadataResponsePartition {
            error_code: error(partition),
            partition_index: number(&partition["partitionIndex"]),
            leader_id: number(&partition["leaderId"]),
            leader_epoch: number(&partition["leaderEpoch"]),
            replica_nodes: numbers(&partition["replicaNodes"]),
            isr_nodes: numbers(&partition["isrNodes"]),
            offline_replicas: numbers(&partition["offlineReplicas"]),
        }),
    }
}

fn pages(json: &Value) -> topic_partitions::DescribeTopicPartitionsResponse<'_> {
    let next_cursor = json["nextCursor"].as_object().map(|cursor| topic_partitions::Cursor {
        topic_name: text(&cursor["topicName"]),
        partition_index: number(&cursor["partitionIndex"]),
    });
    let topics = items(&json["topics"], metadata_topic);
    topic_partitions::DescribeTopicPartitionsResponse { topics, next_cursor }
}

fn commit(json: &Value) -> commit::OffsetCommitResponse<'_> {
    let topics = items(&json["topics"], |each| commit::OffsetCommitResponseTopic {
        topic: topic(each, "name"),
        partitions: items(&each["partitions"], |partition| commit::OffsetCommitResponsePartition {
            partition_index: number(&partition["partitionIndex"]),
            error_code: error(partition),
        }),
    });
    commit::OffsetCommitResponse { topics }
}

fn offset_fetch(json: &Value, version: i16) -> offset_fetch::OffsetFetchResponse<'_> {
    let groups = match version {
        ..8 => vec![offset_fetch_group(json)],
        _ => items(&json["groups"], offset_fetch_group),
    };
    offset_fetch::OffsetFetchResponse { groups }
}

fn offset_fetch_group(json: &Value) -> offset_fetch::OffsetFetchResponseGroup<'_> {
    let topics = items(&json["topics"], |each| offset_fetch::OffsetFetchResponseTopic {
        topic: topic(each, "name"),
        partitions: items(&each["partitions"], |partition| {
            offset_fetch::OffsetFetchResponsePartition {
                partition_index: number(&partition["partitionIndex"]),
                committed_offset: number(&partition["committedOffset"]),
                committed_leader_epoch: number(&partition["committedLeaderEpoch"]),
                metadata: text(&partition["metadata"]),
                error_code: error(partition),
            }
        }),
    });
    let (group_id, error_code) = (text(&json["groupId"]), error(json));
    offset_fetch::OffsetFetchResponseGroup { group_id, topics, error_code }
}

fn find_coordinator(json: &Value, version: i16) -> coordinator::FindCoordinatorResponse<'_> {
    let coordinators = match version {
        ..4 => vec![coordinator_of(json)],
        _ => items(&json["coordinators"], coordinator_of),
    };
    coordinator::FindCoordinatorResponse { coordinators }
}

fn coordinator_of(json: &Value) -> coordinator::Coordinator<'_> {
    coordinator::Coordinator {
        key: text(&json["key"]),
        node: node(json, "nodeId"),
        error_code: error(json),
        error_message: nullable(&json["errorMessage"]),
    }
}

fn join(json: &Value) -> join::JoinGroupResponse<'_> {
    join::JoinGroupResponse {
        error_code: error(json),
        generation_id: number(&json["generationId"]),
        protocol_type: nullable(&json["protocolType"]),
        protocol_name: nullable(&json["protocolName"]),
        leader: text(&json["leader"]),
        skip_assignment: json["skipAssignment"].as_bool().unwrap_or_default(),
        member_id: text(&json["memberId"]),
        members: items(&json["members"], |member| join::JoinGroupResponseMember {
            member_id: text(&member["memberId"]),
            group_instance_id: nullable(&member["groupInstanceId"]),
            metadata: bytes(&member["metadata"]),
        }),
    }
}

fn leave(json: &Value) -> leave::LeaveGroupResponse<'_> {
    let members = items(&json["members"], |member| leave::MemberResponse {
        member_id: text(&member["memberId"]),
        group_instance_id: nullable(&member["groupInstanceId"]),
        error_code: error(member),
    });
    leave::LeaveGroupResponse { error_code: error(json), members }
}

fn sync(json: &Value) -> sync::SyncGroupResponse<'_> {
    sync::SyncGroupResponse {
        error_code: error(json),
        protocol_type: nullable(&json["protocolType"]),
        protocol_name: nullable(&json["protocolName"]),
        assignment: bytes(&json["assignment"]),
    }
}

fn describe_groups(json: &Value) -> describe_groups::DescribeGroupsResponse<'_> {
    let groups = items(&json["groups"], |group| describe_groups::DescribedGroup {
        error_code: error(group),
        error_message: nullable(&group["errorMessage"]),
        group_id: text(&group["groupId"]),
        group_state: text(&group["groupState"]),
        protocol_type: text(&group["protocolType"]),
        protocol_data: text(&group["protocolData"]),
        members: items(&group["members"], |member| describe_groups::DescribedGroupMember {
            member_id: text(&member["memberId"]),
            group_instance_id: nullable(&member["groupInstanceId"]),
            client_id: text(&member["clientId"]),
            client_host: text(&member["clientHost"]),
            member_metadata: bytes(&member["memberMetadata"]),
            member_assignment: bytes(&member["memberAssignment"]),
        }),
    });
    describe_groups::DescribeGroupsResponse { groups }
}

fn list_groups(json: &Value) -> list_groups::ListGroupsResponse<'_> {
    let groups = items(&json["groups"], |group| list_groups::ListedGroup {
        group_id: text(&group["groupId"]),
        protocol_type: text(&group["protocolType"]),
        group_state: text(&group["groupState"]),
        group_type: text(&group["groupType"]),
    });
    list_groups::ListGroupsResponse { error_code: error(json), groups }
}

fn api_versions(json: &Value) -> versions::ApiVersionsResponse {
    let api_keys = items(&json["apiKeys"], |row| versions::ApiVersion {
        api_key: number(&row["apiKey"]),
        min_version: number(&row["minVersion"]),
        max_version: number(&row["maxVersion"]),
    });
    versions::ApiVersionsResponse { error_code: error(json), api_keys }
}

fn epochs(json: &Value) -> epochs::OffsetForLeaderEpochResponse<'_> {
    let topics = items(&json["topics"], |each| epochs::OffsetForLeaderTopicResult {
        topic: text(&each["topic"]),
        partitions: items(&each["partitions"], |partition| epochs::EpochEndOffset {
            error_code: error(partition),
            partition: number(&partition["partition"]),
            leader_epoch: number(&partition["leaderEpoch"]),
            end_offset: number(&partition["endOffset"]),
        }),
    });
    epochs::OffsetForLeaderEpochResponse { topics }
}

fn configs(json: &Value) -> configs::DescribeConfigsResponse<'_> {
    let results = items(&json["results"], |result| configs::DescribeConfigsResult {
        error_code: error(result),
        error_message: nullable(&result["errorMessage"]),
        resource_type: number(&result["resourceType"]),
        resource_name: text(&result["resourceName"]),
    });
    configs::DescribeConfigsResponse { results }
}

fn log_dirs(json: &Value) -> log_dirs::DescribeLogDirsResponse<'_> {
    let results = items(&json["results"], |result| log_dirs::DescribeLogDirsResult {
        error_code: error(result),
        log_dir: text(&result["logDir"]),
        topics: items(&result["topics"], |each| log_dirs::DescribeLogDirsTopic {
            name: text(&each["name"]),
            partitions: items(&each["partitions"], |partition| {
                log_dirs::DescribeLogDirsPartition {
                    partition_index: number(&partition["partitionIndex"]),
                    partition_size: number(&partition["partitionSize"]),
                }
            }),
        }),
        total_bytes: number(&result["totalBytes"]),
        usable_bytes: number(&result["usableBytes"]),
    });
    log_dirs::DescribeLogDirsResponse { error_code: error(json), results }
}

fn cluster(json: &Value) -> cluster::DescribeClusterResponse<'_> {
    cluster::DescribeClusterResponse {
        error_code: error(json),
        error_message: nullable(&json["errorMessage"]),
        endpoint_type: number(&json["endpointType"]),
        cluster_id: text(&json["clusterId"]),
        controller_id: number(&json["controllerId"]),
        brokers: items(&json["brokers"], |each| node(each, "brokerId")),
    }
}

fn producers(json: &Value) -> producers::DescribeProducersResponse<'_> {
    let topics = items(&json["topics"], |each| producers::DescribeProducersTopicResponse {
        name: text(&each["name"]),
        partitions: items(&each["partitions"], |partition| {
            producers::DescribeProducersPartitionResponse {
                partition_index: number(&partition["partitionIndex"]),
                error_code: error(partition),
                error_message: nullable(&partition["errorMessage"]),
                active_producers: items(&partition["activeProducers"], producer),
            }
        }),
    });
    producers::DescribeProducersResponse { topics }
}

fn producer(json: &Value) -> producers::ProducerState {
    producers::ProducerState {
        producer_id: number(&json["producerId"]),
        producer_epoch: number(&json["producerEpoch"]),
        last_sequence: number(&json["lastSequence"]),
        last_timestamp: number(&json["lastTimestamp"]),
        coordinator_epoch: number(&json["coordinatorEpoch"]),
        current_txn_start_offset: number(&json["currentTxnStartOffset"]),
    }
}

/// The whole frame that Kafka's bytes belong into.
fn expected(body: &Body) -> Vec<u8> {
    let mut frame = CORRELATION_ID.to_be_bytes().to_vec();
    if body.header == 1 {
        frame.push(0);
    }
    frame.extend_from_slice(&body.bytes);
    let length = u32::try_from(frame.len()).unwrap();
    [&length.to_be_bytes(), frame.as_slice()].concat()
}

#[test]
fn responses_are_written_as_kafka_writes_them() {
    let (mut written, mut ranges) = (0, 0);
    for body in all().into_iter().filter(|body| !body.is_request) {
        let mut writer = Writer::new(body.api, body.version, CORRELATION_ID, 1 << 20);
        write(&body, &mut writer);
        let (expected, memory) = (expected(&body), writer.written());
        let pieces = writer.finish().unwrap();
        assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), memory);
        let mut ours = pieces[0].clone();
        for piece in &pieces[1..] {
            // Where a file is sent stand the records.
            let end = ours.len() + usize::try_from(RECORDS).unwrap();
            ours.extend_from_slice(&expected[ours.len()..end]);
            ours.extend_from_slice(piece);
            ranges += 1;
        }
        assert_eq!(ours, expected, "{}", body.name());
        written += 1;
    }
    assert!(written > 400 && ranges > 40, "{written} {ranges}");
}

/// A writer that may take a byte less than it needs says so, whatever it was writing.
#[test]
fn responses_do_not_grow_over_their_limit() {
    for body in all().into_iter().filter(|body| !body.is_request) {
        let needed = |allowed| {
            let mut writer = Writer::new(body.api, body.version, CORRELATION_ID, allowed);
            write(&body, &mut writer);
            (writer.written(), writer.finish().map_err(|refusal| refusal.name()))
        };
        let (memory, _) = needed(usize::MAX);
        assert!(needed(memory).1.is_ok(), "{}", body.name());
        for allowed in [0, 1, memory / 2, memory - 1] {
            let (written, result) = needed(allowed);
            assert!(written <= allowed);
            assert_eq!(result, Err("response_bytes"), "{}", body.name());
        }
    }
}
