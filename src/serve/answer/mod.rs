//! Requests to answers.
//!
//! ```text
//!   frame --> wire: header, body --> one function an API --> wire: pieces of memory --> Answer
//!                                      |        |                    between two of them:
//!                                      v        v                    a range of a file
//!                                   catalog   groups, which answer later
//! ```
//!
//! A function an API: what is served and what is asked go in, what is said comes out. None of them
//! knows a socket or the time. What a client names is looked up, never made a path of; what it
//! names twice is answered once.

use crate::serve::catalog::Catalog;
use crate::serve::counters::Counters;
use crate::serve::files::OpenFiles;
use crate::serve::groups::{GroupsHandle, ask};
use crate::serve::limits::ServeLimits;
use crate::serve::outgoing::{FileChunk, Outgoing};
use crate::serve::queue::{Answer, Closing, Handle, Request};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::reader::{Reader, Result};
use crate::serve::wire::writer::Writer;
use crate::serve::wire::{Api, Opened, RequestHeader, open};
use std::io;
use std::sync::Arc;
use std::time::Instant;

mod acls;
mod cluster;
mod common;
mod configs;
mod coordinator;
mod epochs;
mod fetch;
mod list_offsets;
mod log_dirs;
mod metadata;
mod producers;
mod reassignments;
mod refused;
mod topic_partitions;
mod versions;

#[cfg(test)]
mod tests;

/// Answers requests: what the threads of the pool call.
#[derive(Debug)]
pub struct Answers {
    /// What is served.
    pub catalog: Arc<Catalog>,
    /// The descriptors of its segments.
    pub files: Arc<OpenFiles>,
    /// Whom to ask about consumer groups.
    pub groups: GroupsHandle,
    /// What clients may make the server do.
    pub limits: ServeLimits,
    /// Where it is counted what they did.
    pub counters: Arc<Counters>,
}

/// What answers are made of, but for those about groups.
#[derive(Clone, Copy, Debug)]
struct Served<'s> {
    catalog: &'s Catalog,
    files: &'s OpenFiles,
    limits: &'s ServeLimits,
    counters: &'s Counters,
}

/// What is said to one request.
#[derive(Debug)]
enum Said {
    /// A frame.
    Frame(Frame),
    /// Nothing, and nothing can be said to this client.
    Nothing,
}

/// A response on its way out.
#[derive(Debug)]
struct Frame {
    /// Between each two of them belongs a range.
    pieces: Vec<Vec<u8>>,
    /// The ranges of files.
    ranges: Vec<FileChunk>,
    /// It has too little to say to be sent before this time.
    until: Option<Instant>,
}

/// A response as a value.
trait Response {
    /// Writes its body.
    fn write(&self, w: &mut Writer);

    /// Shows every error code in it, those that say that nothing is wrong included.
    fn errors(&self, each: &mut dyn FnMut(ErrorCode));
}

impl Handle for Answers {
    fn handle(&self, request: &Request) -> Answer {
        self.answer(request).unwrap_or_else(|refusal| {
            // Whoever closes the connection counts it.
            tracing::warn!(peer = %request.peer, "closing the connection: {refusal}");
            Answer::Close(Closing::Rejected(refusal.name()))
        })
    }

    fn warm(&self, chunk: &FileChunk) -> io::Result<u64> {
        self.files.warm(chunk)
    }
}

impl Answers {
    fn answer(&self, request: &Request) -> Result<Answer> {
        let (header, mut reader) = match open(&request.frame, &self.limits.wire)? {
            Opened::Body(header, reader) => (header, reader),
            Opened::UnknownApiVersions { correlation_id } => {
                let said = self.served().say_versions(correlation_id)?;
                self.counters.answered(Api::ApiVersions, request.received.elapsed());
                return Ok(said.into());
            }
        };
        let RequestHeader { api, version, .. } = header;
        self.counters.request(api, version);
        tracing::debug!(peer = %request.peer, ?api, version, "request");
        if is_of_groups(api) {
            let (groups, catalog) = (&self.groups, &self.catalog);
            return ask(groups, catalog, &header, reader, request);
        }
        let said = self.served().say(&header, &mut reader, request.received)?;
        self.counters.answered(api, request.received.elapsed());
        Ok(said.into())
    }

    fn served(&self) -> Served<'_> {
        let Self { catalog, files, limits, counters, .. } = self;
        Served { catalog, files, limits, counters }
    }
}

impl Served<'_> {
    /// What is said to a request that is not about groups.
    fn say<'a>(
        &self,
        header: &RequestHeader<'a>,
        r: &mut Reader<'a>,
        received: Instant,
    ) -> Result<Said> {
        use crate::serve::wire as w;
        let (catalog, version) = (self.catalog, header.version);
        match header.api {
            Api::Fetch => self.fetch(header, &w::fetch::FetchRequest::read(r)?, received),
            Api::ListOffsets => {
                let request = w::list_offsets::ListOffsetsRequest::read(r)?;
                self.send(header, &list_offsets::list_offsets(catalog, version, &request))
            }
            Api::Metadata => {
                let request = w::metadata::MetadataRequest::read(r)?;
                self.send(header, &metadata::metadata(catalog, version, &request))
            }
            Api::OffsetForLeaderEpoch => {
                let request = w::epochs::OffsetForLeaderEpochRequest::read(r)?;
                self.send(header, &epochs::epochs(catalog, &request))
            }
            Api::ApiVersions => {
                let request = w::versions::ApiVersionsRequest::read(r)?;
                let response = versions::versions(catalog, version, &request);
                if response.error_code.is_none() && !request.client_software_name.is_empty() {
                    self.counters.client(request.client_software_name);
                }
                self.send(header, &response)
            }
            Api::FindCoordinator => {
                let request = w::coordinator::FindCoordinatorRequest::read(r)?;
                self.send(header, &coordinator::coordinator(catalog, &request))
            }
            Api::Produce => match refused::produce(&w::refused::ProduceRequest::read(r)?) {
                Some(response) => self.send(header, &response),
                None => Ok(Said::Nothing),
            },
            Api::InitProducerId => {
                let request = w::refused::InitProducerIdRequest::read(r)?;
                self.send(header, &refused::init_producer_id(&request))
            }
            _ => self.say_to_tool(header, r),
        }
    }

    /// What is said to a request that no consumer and no producer has.
    fn say_to_tool<'a>(&self, header: &RequestHeader<'a>, r: &mut Reader<'a>) -> Result<Said> {
        use crate::serve::wire as w;
        let catalog = self.catalog;
        match header.api {
            Api::DescribeCluster => {
                let request = w::cluster::DescribeClusterRequest::read(r)?;
                self.send(header, &cluster::cluster(catalog, header.version, &request))
            }
            Api::DescribeConfigs => {
                let request = w::configs::DescribeConfigsRequest::read(r)?;
                self.send(header, &configs::configs(catalog, &request))
            }
            Api::DescribeLogDirs => {
                let request = w::log_dirs::DescribeLogDirsRequest::read(r)?;
                self.send(header, &log_dirs::log_dirs(catalog, &request))
            }
            Api::DescribeProducers => {
                let request = w::producers::DescribeProducersRequest::read(r)?;
                self.send(header, &producers::producers(catalog, &request))
            }
            Api::DescribeTopicPartitions => {
                let request = w::topic_partitions::DescribeTopicPartitionsRequest::read(r)?;
                self.send(header, &topic_partitions::topic_partitions(catalog, &request))
            }
            Api::DescribeAcls => {
                w::acls::DescribeAclsRequest::read(r)?;
                self.send(header, &acls::acls())
            }
            Api::ListPartitionReassignments => {
                w::reassignments::ListPartitionReassignmentsRequest::read(r)?;
                self.send(header, &reassignments::reassignments())
            }
            _ => Ok(Said::Nothing),
        }
    }

    /// What is said to an ApiVersions of a version that is not ours: in version 0.
    fn say_versions(&self, correlation_id: i32) -> Result<Said> {
        let (api, version, client_id) = (Api::ApiVersions, 0, None);
        let header = RequestHeader { api, version, correlation_id, client_id };
        self.counters.request(api, version);
        self.send(&header, &versions::of_unknown_version())
    }

    fn send(&self, header: &RequestHeader<'_>, response: &dyn Response) -> Result<Said> {
        let mut w = self.begin(header);
        response.write(&mut w);
        let pieces = w.finish()?;
        response.errors(&mut |code| self.count_error(header.api, code));
        Ok(Said::Frame(Frame { pieces, ranges: Vec::new(), until: None }))
    }

    fn begin(&self, header: &RequestHeader<'_>) -> Writer {
        let RequestHeader { api, version, correlation_id, .. } = *header;
        Writer::new(api, version, correlation_id, self.limits.response_bytes)
    }

    fn count_error(&self, api: Api, code: ErrorCode) {
        if code.is_error() {
            self.counters.error(api, code);
        }
    }
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        let Said::Frame(Frame { pieces, ranges, until }) = said else {
            return Self::Close(Closing::NoAnswerWanted);
        };
        let (mut outgoing, mut ranges) = (Outgoing::new(), ranges.into_iter());
        for piece in pieces {
            outgoing.push_bytes(piece);
            if let Some(range) = ranges.next() {
                outgoing.push_file(range);
            }
        }
        match until {
            None => Self::Send(outgoing),
            Some(until) => Self::Hold(outgoing, until),
        }
    }
}

/// Whether the coordinator of groups answers it.
fn is_of_groups(api: Api) -> bool {
    matches!(
        api,
        Api::OffsetCommit
            | Api::OffsetFetch
            | Api::JoinGroup
            | Api::Heartbeat
            | Api::LeaveGroup
            | Api::SyncGroup
            | Api::DescribeGroups
            | Api::ListGroups
    )
}
