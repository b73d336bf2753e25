//! OffsetForLeaderEpoch: where an epoch ends, as the leader-epoch checkpoint and the log say.

use super::Response;
use super::common::{Found, served_in_epoch};
use crate::serve::catalog::{Catalog, Topic};
use crate::serve::wire::epochs::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;

/// Says where epochs end.
pub fn epochs<'a>(
    catalog: &Catalog,
    request: &OffsetForLeaderEpochRequest<'a>,
) -> OffsetForLeaderEpochResponse<'a> {
    let mut seen = HashSet::new();
    let topics = request.topics.iter().map(|asked| {
        let topic = catalog.topic(asked.topic);
        let partitions = asked.partitions.iter();
        let distinct = partitions.filter(|asked_of| seen.insert((asked.topic, asked_of.partition)));
        OffsetForLeaderTopicResult {
            topic: Cow::Borrowed(asked.topic),
            partitions: distinct.map(|asked_of| end(topic, asked_of)).collect(),
        }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect() }
}

fn end(topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let (error_code, (leader_epoch, end_offset)) = match find(topic, asked) {
        Ok(end) => (ErrorCode::NONE, end),
        Err(code) => (code, UNDEFINED),
    };
    EpochEndOffset { error_code, partition: asked.partition, leader_epoch, end_offset }
}

const UNDEFINED: (i32, i64) = (-1, -1);

fn find(topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> Found<(i32, i64)> {
    let partition = served_in_epoch(topic, asked.partition, asked.current_leader_epoch)?;
    let end = partition.epochs.end_offset_for(asked.leader_epoch, partition.log_end);
    Ok(end.map_or(UNDEFINED, |(epoch, end)| (epoch, end.0)))
}

impl Response for OffsetForLeaderEpochResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| each(partition.error_code));
    }
}
