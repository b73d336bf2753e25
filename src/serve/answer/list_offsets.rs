//! ListOffsets: the ends of a partition, and the first record of a time.
//!
//! ```text
//!   timestamp   from version
//!   >= 0        1    the first record at or behind that time
//!   -1          1    the end: the high watermark, or what is stable
//!   -2          1    the log start
//!   -3          7    the record with the largest timestamp
//!   -4          8    the log start of what is local: the log start
//!   -5, -6      9, 11   the end of what is tiered: nothing is
//! ```
//!
//! Nothing is said of a record that may not be fetched.

use super::Response;
use super::common::{Found, READ_COMMITTED, served_in_epoch, transactions_of};
use crate::format::Offset;
use crate::serve::catalog::{Catalog, Partition, TimestampHit, Topic};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashMap;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

const NOTHING: TimestampHit = TimestampHit { timestamp: -1, offset: Offset(-1), leader_epoch: -1 };

/// Says offsets.
pub fn list_offsets<'a>(
    catalog: &Catalog,
    version: i16,
    request: &ListOffsetsRequest<'a>,
) -> ListOffsetsResponse<'a> {
    // As in a broker, a partition that is named twice has no answer: which one would it be?
    let mut times_named = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *times_named.entry((topic.name, partition.partition_index)).or_insert(0_u32) += 1;
        }
    }
    let is_committed = request.isolation_level == READ_COMMITTED;
    let topics = request.topics.iter().map(|asked| {
        let topic = catalog.topic(asked.name);
        let partitions = asked.partitions.iter().filter_map(|asked_of| {
            let found = match times_named.remove(&(asked.name, asked_of.partition_index))? {
                1 => find(topic, version, is_committed, asked_of),
                _ => Err(ErrorCode::INVALID_REQUEST),
            };
            Some(row(asked_of.partition_index, found))
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse { name: Cow::Borrowed(asked.name), partitions }
    });
    ListOffsetsResponse { topics: topics.collect() }
}

fn row(partition_index: i32, found: Found<TimestampHit>) -> ListOffsetsPartitionResponse {
    let (error_code, hit) = match found {
        Ok(hit) => (ErrorCode::NONE, hit),
        Err(code) => (code, NOTHING),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code,
        timestamp: hit.timestamp,
        offset: hit.offset.0,
        leader_epoch: hit.leader_epoch,
    }
}

fn find(
    topic: Option<&Topic>,
    version: i16,
    is_committed: bool,
    asked: &ListOffsetsPartition,
) -> Found<TimestampHit> {
    if !is_known(asked.timestamp, version) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition = served_in_epoch(topic, asked.partition_index, asked.current_leader_epoch)?;
    match asked.timestamp {
        LATEST => Ok(TimestampHit {
            timestamp: -1,
            offset: fetchable_end(partition, is_committed)?,
            leader_epoch: partition.leader_epoch,
        }),
        EARLIEST | EARLIEST_LOCAL => Ok(earliest(partition)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(NOTHING),
        time => by_time(partition, time, fetchable_end(partition, is_committed)?),
    }
}

/// Whether this timestamp means something in this version.
fn is_known(timestamp: i64, version: i16) -> bool {
    let first = match timestamp {
        EARLIEST | LATEST | 0.. => 1,
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => return false,
    };
    version >= first
}

fn earliest(partition: &Partition) -> TimestampHit {
    let first = partition.epochs.entries().first();
    let first = first.filter(|entry| entry.start_offset <= partition.log_start);
    TimestampHit {
        timestamp: -1,
        offset: partition.log_start,
        leader_epoch: first.map_or(-1, |entry| entry.epoch),
    }
}

/// The offset behind the last record that may be fetched.
fn fetchable_end(partition: &Partition, is_committed: bool) -> Found<Offset> {
    if !is_committed {
        return Ok(partition.log_end);
    }
    let transactions = transactions_of(partition, ErrorCode::UNKNOWN_SERVER_ERROR)?;
    Ok(transactions.last_stable.min(partition.log_end))
}

fn by_time(partition: &Partition, time: i64, end: Offset) -> Found<TimestampHit> {
    let hit = match time {
        MAX_TIMESTAMP => partition.max_timestamp(),
        _ => partition.by_time(time),
    };
    let hit = hit.map_err(|error| {
        let (topic, index) = (&*partition.topic, partition.index);
        tracing::error!(topic, partition = index, %error, "no offset of a time can be told");
        // Clients ask again at what would say it better, until they time out.
        ErrorCode::UNKNOWN_SERVER_ERROR
    })?;
    Ok(hit.filter(|hit| hit.offset < end).unwrap_or(NOTHING))
}

impl Response for ListOffsetsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| each(partition.error_code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_special_timestamp_has_its_first_version() {
        for (timestamp, first) in [(0, 1), (i64::MAX, 1), (-1, 1), (-2, 1), (-3, 7), (-4, 8)] {
            assert!(is_known(timestamp, first) && !is_known(timestamp, first - 1), "{timestamp}");
        }
        assert!(is_known(-5, 9) && !is_known(-5, 8) && is_known(-6, 11) && !is_known(-6, 10));
        assert!(!is_known(-7, 11) && !is_known(i64::MIN, 11));
    }
}
