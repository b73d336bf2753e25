//! Kafka's wire protocol, as much of it as a server speaks that only reads.
//!
//! ```text
//!   request    | i32 length | header | body |
//!   header     | i16 key | i16 version | i32 correlation id | string? client id | flexible: tags |
//!   response   | i32 length | i32 correlation id | flexible: tags | body |
//! ```
//!
//! One file an API. `read` takes the fields that an answer depends on and steps over the others;
//! `write` writes those that vary and the one value that the others always have. Names are Kafka's
//! own. Which versions there are, and which of them are flexible, stands in [`SUPPORTED`] alone.
//!
//! Bytes from a socket: no panic, no recursion, time linear in the frame, memory as
//! [`WireLimits`] says. Here are no sockets, files, clocks or threads.

use reader::{Reader, Result};

pub mod acls;
pub mod cluster;
pub mod commit;
pub mod common;
pub mod configs;
pub mod coordinator;
pub mod describe_groups;
pub mod epochs;
pub mod errors;
pub mod fetch;
pub mod heartbeat;
pub mod join;
pub mod leave;
pub mod list_groups;
pub mod list_offsets;
pub mod log_dirs;
pub mod metadata;
pub mod offset_fetch;
pub mod producers;
pub mod reader;
pub mod reassignments;
pub mod refused;
pub mod sync;
pub mod topic_partitions;
pub mod versions;
pub mod writer;

/// What a client can ask for, by its key on the wire.
#[allow(missing_docs, reason = "Kafka's own names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Api {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    ApiVersions = 18,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeAcls = 29,
    DescribeConfigs = 32,
    DescribeLogDirs = 35,
    ListPartitionReassignments = 46,
    DescribeCluster = 60,
    DescribeProducers = 61,
    DescribeTopicPartitions = 75,
}

impl Api {
    /// The number that stands for it on the wire.
    #[must_use]
    pub fn key(self) -> i16 {
        self as i16
    }
}

/// The versions of an API, as Kafka 4.4.0 has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Whose they are.
    pub api: Api,
    /// The lowest that is advertised.
    pub min: i16,
    /// The highest.
    pub max: i16,
    /// The first with compact lengths and tagged fields.
    pub flexible_from: i16,
    /// The lowest that is read. Kafka 4 advertises Produce from 0 on, since librdkafka takes a
    /// broker without it for an old one, and closes the connection of whoever uses 0 to 2.
    pub answered_from: i16,
}

impl Versions {
    /// Those of one API.
    #[must_use]
    pub fn of(api: Api) -> Option<&'static Self> {
        SUPPORTED.iter().find(|versions| versions.api == api)
    }

    /// Whether this version has compact lengths and tagged fields.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }

    /// Whether a request of this version is read.
    #[must_use]
    pub fn are_answered(&self, version: i16) -> bool {
        (self.answered_from..=self.max).contains(&version)
    }
}

/// Everything that is served, in the order of keys.
pub const SUPPORTED: &[Versions] = &[
    Versions { answered_from: 3, ..versions(Api::Produce, 0, 13, 9) },
    versions(Api::Fetch, 4, 18, 12),
    versions(Api::ListOffsets, 1, 11, 6),
    versions(Api::Metadata, 0, 13, 9),
    versions(Api::OffsetCommit, 2, 10, 8),
    versions(Api::OffsetFetch, 1, 10, 6),
    versions(Api::FindCoordinator, 0, 6, 3),
    versions(Api::JoinGroup, 0, 9, 6),
    versions(Api::Heartbeat, 0, 4, 4),
    versions(Api::LeaveGroup, 0, 5, 4),
    versions(Api::SyncGroup, 0, 5, 4),
    versions(Api::DescribeGroups, 0, 6, 5),
    versions(Api::ListGroups, 0, 5, 3),
    versions(Api::ApiVersions, 0, 5, 3),
    versions(Api::InitProducerId, 0, 5, 2),
    versions(Api::OffsetForLeaderEpoch, 2, 4, 4),
    versions(Api::DescribeAcls, 1, 3, 2),
    versions(Api::DescribeConfigs, 1, 4, 4),
    versions(Api::DescribeLogDirs, 1, 5, 2),
    versions(Api::ListPartitionReassignments, 0, 0, 0),
    versions(Api::DescribeCluster, 0, 2, 0),
    versions(Api::DescribeProducers, 0, 0, 0),
    versions(Api::DescribeTopicPartitions, 0, 0, 0),
];

const fn versions(api: Api, min: i16, max: i16, flexible_from: i16) -> Versions {
    Versions { api, min, max, flexible_from, answered_from: min }
}

/// The bounds of reading a request. Each name is what a rejection is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// What the arrays of one request may take in memory. While one grows there are two of it.
    pub decoded_request_bytes: usize,
    /// Tagged fields of one struct.
    pub tagged_fields: u32,
    /// Topics of one request, repeated ones included.
    pub topics: usize,
    /// Partitions of one request, repeated ones included.
    pub partitions: usize,
    /// The longest string.
    pub string_bytes: usize,
}

impl WireLimits {
    /// The defaults of the command line. Kafka's own strings end at 32,767 bytes.
    pub const STANDARD: Self = Self {
        decoded_request_bytes: 4 << 20,
        tagged_fields: 64,
        topics: 10_000,
        partitions: 50_000,
        string_bytes: 0x7fff,
    };
}

/// Why a request gets no answer but the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not a request of its API and version.
    #[error("malformed at byte {at} of the frame: {what}")]
    Malformed {
        /// Where in the frame reading ended.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It asks for more than one is allowed to.
    #[error("more than {allowed} for {name}")]
    Limit {
        /// The limit.
        name: &'static str,
        /// Its value.
        allowed: usize,
    },
    /// Nothing here has this key.
    #[error("the API of key {key} is not served")]
    UnsupportedApi {
        /// The key.
        key: i16,
    },
    /// The API is served, this version of it is not.
    #[error("version {version} of {api:?} is not served")]
    UnsupportedVersion {
        /// What was asked for.
        api: Api,
        /// In which version.
        version: i16,
    },
}

impl Refusal {
    /// What it is counted under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Limit { name, .. } => name,
            Self::UnsupportedApi { .. } => "unsupported_api",
            Self::UnsupportedVersion { .. } => "unsupported_version",
        }
    }
}

/// What stands before the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// What is asked for.
    pub api: Api,
    /// In which version, one that is answered.
    pub version: i16,
    /// Goes back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<&'a str>,
}

/// A frame whose header was read.
#[derive(Debug)]
pub enum Opened<'a> {
    /// The body is next.
    Body(RequestHeader<'a>, Reader<'a>),
    /// An ApiVersions of a version that is not ours. Its answer is error 35 in version 0, which
    /// every client can read; the client then asks again.
    UnknownApiVersions {
        /// Goes back with the answer.
        correlation_id: i32,
    },
}

/// Reads the header of a request, whose frame begins behind its length.
pub fn open<'a>(frame: &'a [u8], limits: &'a WireLimits) -> Result<Opened<'a>> {
    let mut reader = Reader::new(frame, limits);
    let (key, version) = (reader.i16()?, reader.i16()?);
    let correlation_id = reader.i32()?;
    let versions = SUPPORTED.iter().find(|versions| versions.api.key() == key);
    let versions = versions.ok_or(Refusal::UnsupportedApi { key })?;
    let api = versions.api;
    if !versions.are_answered(version) {
        return match api {
            Api::ApiVersions => Ok(Opened::UnknownApiVersions { correlation_id }),
            _ => Err(Refusal::UnsupportedVersion { api, version }),
        };
    }
    reader.speak(version, versions.is_flexible(version));
    let client_id = reader.plain_nullable_string()?;
    reader.skip_tags()?;
    Ok(Opened::Body(RequestHeader { api, version, correlation_id, client_id }, reader))
}
