//! The request decoder of the server, and what it answers over the log dir of a real broker.

use super::folder;
use super::memory::{SMALL, within};
use segkit::limits::Limits;
use segkit::log::loaded::TailCheck;
use segkit::log::{LogDirContext, PartitionDir, find};
use segkit::serve::answer::Answers;
use segkit::serve::catalog::{Catalog, Identity, Replica, build, not_served};
use segkit::serve::counters::{Counters, LIMITS};
use segkit::serve::files::OpenFiles;
use segkit::serve::groups::{GroupLimits, GroupOptions, Groups, GroupsConfig, start};
use segkit::serve::limits::ServeLimits;
use segkit::serve::outgoing::{Chunk, Outgoing};
use segkit::serve::queue::{Answer, Closing, Handle, Request};
use segkit::serve::wire::reader::{Reader, Result};
use segkit::serve::wire::{
    Api, Opened, Refusal, WireLimits, acls, cluster, commit, configs, coordinator, describe_groups,
    epochs, fetch, heartbeat, join, leave, list_groups, list_offsets, log_dirs, metadata,
    offset_fetch, open, producers, reassignments, refused, sync, topic_partitions, versions,
};
use std::sync::{Arc, OnceLock};

const WIRE: WireLimits = WireLimits::STANDARD;
/// Bounds that short input can reach.
const TIGHT: WireLimits = WireLimits {
    decoded_request_bytes: 4_000,
    tagged_fields: 3,
    topics: 4,
    partitions: 9,
    string_bytes: 20,
};
/// How much memory a short frame may cost, for each of its bytes.
const BYTES_A_BYTE: usize = 1024;
/// The most bytes of an answer in memory.
const RESPONSE: usize = 1 << 20;
/// What else an answer may take: an index that is read, transactions that are looked up.
const LOOKED_UP: usize = 12 << 20;

/// A frame without its length.
pub fn run(frame: &[u8]) {
    for limits in [&WIRE, &TIGHT] {
        let allowed = (BYTES_A_BYTE * frame.len()).min(2 * limits.decoded_request_bytes) + 1024;
        if let Err(refusal) = within(allowed, || decode(frame, limits)) {
            assert!(LIMITS.contains(&refusal.name()), "{refusal} is not counted");
            let is_inside = !matches!(refusal, Refusal::Malformed { at, .. } if at > frame.len());
            assert!(is_inside, "{refusal}");
        }
    }
    if let Ok(Opened::Body(header, _)) = open(frame, &WIRE)
        && super::groups::is_of_groups(header.api)
    {
        return;
    }
    let world = world();
    let (request, _) = Request::without_socket(frame.to_vec());
    let allowed = 4 * RESPONSE + LOOKED_UP + 2 * WIRE.decoded_request_bytes + SMALL;
    let answer = within(allowed, || world.answers.handle(&request));
    match answer {
        Answer::Send(outgoing) | Answer::Hold(outgoing, _) => check(frame, &outgoing),
        Answer::Later => panic!("nobody else answers these"),
        Answer::Close(Closing::Rejected(name)) => assert!(LIMITS.contains(&name), "{name}"),
        Answer::Close(Closing::NoAnswerWanted) => {}
        Answer::Close(Closing::Panic) => panic!("a handler failed"),
    }
}

/// A frame behind its length, with the number of its request, and ranges inside their files.
pub fn check(frame: &[u8], outgoing: &Outgoing) {
    let (mut first, mut total) = (Vec::new(), 0);
    for chunk in outgoing.chunks() {
        match chunk {
            Chunk::Bytes { bytes, at } => {
                assert_eq!(*at, 0);
                assert!(bytes.len() <= RESPONSE + 64);
                total += bytes.len() as u64;
                if first.is_empty() {
                    first.clone_from(bytes);
                }
            }
            Chunk::File(range) => {
                assert!(range.at < range.end && range.end <= range.file.length);
                total += range.end - range.at;
            }
        }
    }
    assert_eq!(total, outgoing.left());
    let length = i32::from_be_bytes(first[..4].try_into().unwrap());
    assert_eq!(u64::try_from(length), Ok(total - 4));
    assert_eq!(first.get(4..8), frame.get(4..8), "the number of another request");
}

fn decode(frame: &[u8], limits: &WireLimits) -> Result<()> {
    match open(frame, limits)? {
        Opened::Body(header, mut reader) => read(header.api, &mut reader),
        Opened::UnknownApiVersions { .. } => Ok(()),
    }
}

/// Reads a body and forgets it.
fn read(api: Api, r: &mut Reader<'_>) -> Result<()> {
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

/// A server without sockets, of which there is one.
pub struct World {
    pub catalog: Arc<Catalog>,
    pub counters: Arc<Counters>,
    answers: Answers,
    /// Asked nothing here.
    _groups: Groups,
}

pub fn config() -> GroupsConfig {
    let delay = std::time::Duration::ZERO;
    GroupsConfig {
        options: GroupOptions { initial_rebalance_delay: delay, ..GroupOptions::STANDARD },
        limits: GroupLimits {
            groups: 4,
            group_members: 3,
            group_bytes: 20_000,
            member_bytes: 2_000,
            protocols: 4,
            commits: 10,
            commit_bytes: 2_000,
            commit_metadata_bytes: 50,
        },
        response_bytes: RESPONSE,
        reading: Limits::STANDARD,
        forgets_offsets: true,
    }
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (cluster_id, host) = ("a-cluster".to_owned(), "broker.example".to_owned());
        let identity = Identity { cluster_id, node_id: 7, host, port: 9092 };
        let log_dir = folder("testdata").join("kafka-4.3.1");
        let context = Arc::new(LogDirContext::read(&log_dir));
        let partitions = find(&log_dir).unwrap().partitions;
        let served = partitions.iter().filter(|path| {
            let dir = PartitionDir::open(path).unwrap();
            not_served(dir.name.as_ref()).is_none()
        });
        let replicas = served.map(|path| {
            let (context, check) = (Some(Arc::clone(&context)), TailCheck::Tail);
            Replica::load(path, context, check, Limits::STANDARD, false).unwrap()
        });
        let (catalog, _) =
            build(replicas.collect(), identity, std::slice::from_ref(&context)).unwrap();
        let (catalog, counters) = (Arc::new(catalog), Arc::new(Counters::default()));
        let groups = start(&catalog, config(), &counters).unwrap();
        let answers = Answers {
            catalog: Arc::clone(&catalog),
            files: Arc::new(OpenFiles::new(100, 1 << 20)),
            groups: groups.handle(),
            limits: ServeLimits { response_bytes: RESPONSE, ..ServeLimits::STANDARD },
            counters: Arc::clone(&counters),
        };
        World { catalog, counters, answers, _groups: groups }
    })
}
