//! DescribeProducers: who wrote to a partition lately, and who began a transaction there.

use super::Response;
use super::common::{Found, in_words, served, transactions_of, why_no_topic};
use crate::format::producer_snapshot::ProducerEntry;
use crate::serve::catalog::Catalog;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::producers::{
    DescribeProducersPartitionResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeProducersTopicResponse, ProducerState,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;

/// Lists the producers of each partition.
pub fn producers<'a>(
    catalog: &Catalog,
    request: &DescribeProducersRequest<'a>,
) -> DescribeProducersResponse<'a> {
    let mut seen = HashSet::new();
    let topics = request.topics.iter().map(|asked| {
        let indexes = asked.partition_indexes.iter();
        let distinct = indexes.filter(|&&index| seen.insert((asked.name, index)));
        DescribeProducersTopicResponse {
            name: Cow::Borrowed(asked.name),
            partitions: distinct.map(|&index| of_partition(catalog, asked.name, index)).collect(),
        }
    });
    DescribeProducersResponse { topics: topics.collect() }
}

fn of_partition(
    catalog: &Catalog,
    name: &str,
    partition_index: i32,
) -> DescribeProducersPartitionResponse<'static> {
    let (error_code, active_producers) = match find(catalog, name, partition_index) {
        Ok(producers) => (ErrorCode::NONE, producers),
        Err(code) => (code, Vec::new()),
    };
    DescribeProducersPartitionResponse {
        partition_index,
        error_code,
        error_message: in_words(error_code),
        active_producers,
    }
}

fn find(catalog: &Catalog, name: &str, index: i32) -> Found<Vec<ProducerState>> {
    let topic = catalog.topic(name).ok_or_else(|| why_no_topic(name))?;
    let partition = served(Some(topic), index)?;
    let transactions = transactions_of(partition, ErrorCode::KAFKA_STORAGE_ERROR)?;
    Ok(transactions.producers.iter().map(state).collect())
}

fn state(entry: &ProducerEntry) -> ProducerState {
    ProducerState {
        producer_id: entry.producer_id,
        producer_epoch: i32::from(entry.producer_epoch),
        last_sequence: entry.last_batch.map_or(-1, |last| last.last_sequence),
        last_timestamp: entry.timestamp,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.current_txn_first_offset.map_or(-1, |offset| offset.0),
    }
}

impl Response for DescribeProducersResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| each(partition.error_code));
    }
}
