//! DescribeProducers: who has written to a partition lately.
//!
//! ```text
//!   request    [ name | [ index ] ]
//!   response   throttle time | [ name | [ index | error | message? | [ producer ] ] ]
//!   producer   id | i32 epoch | last sequence | last timestamp | coordinator epoch
//!              | first offset of the open transaction
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for producers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeProducersRequest<'a> {
    /// Of which partitions.
    pub topics: Vec<DescribeProducersTopic<'a>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeProducersTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its partitions.
    pub partition_indexes: Vec<i32>,
}

/// Lists producers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeProducersResponse<'a> {
    /// The topics.
    pub topics: Vec<DescribeProducersTopicResponse<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeProducersTopicResponse<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its partitions.
    pub partitions: Vec<DescribeProducersPartitionResponse<'a>>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeProducersPartitionResponse<'a> {
    /// Its number.
    pub partition_index: i32,
    /// Why it cannot be given.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
    /// Its producers.
    pub active_producers: Vec<ProducerState>,
}

/// One producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch, wider than anywhere else.
    pub producer_epoch: i32,
    /// The sequence number of its last record, or -1.
    pub last_sequence: i32,
    /// The time of its last batch, or -1.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that ended its last transaction.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins, or -1.
    pub current_txn_start_offset: i64,
}

impl<'a> DescribeProducersRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let topics = r.array(Counts::Topics, |r| {
            let name = r.string()?;
            let partition_indexes = r.array(Counts::Partitions, Reader::i32)?;
            r.skip_tags()?;
            Ok(DescribeProducersTopic { name, partition_indexes })
        })?;
        r.skip_tags()?;
        Ok(Self { topics })
    }
}

impl DescribeProducersResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).array(&self.topics, |w, topic| {
            w.string(&topic.name).array(&topic.partitions, |w, partition| partition.write(w));
            w.no_tags();
        });
        w.no_tags();
    }
}

impl DescribeProducersPartitionResponse<'_> {
    fn write(&self, w: &mut Writer) {
        w.i32(self.partition_index).error(self.error_code);
        w.nullable_string(self.error_message.as_deref());
        w.array(&self.active_producers, |w, producer| {
            w.i64(producer.producer_id).i32(producer.producer_epoch);
            w.i32(producer.last_sequence).i64(producer.last_timestamp);
            w.i32(producer.coordinator_epoch).i64(producer.current_txn_start_offset).no_tags();
        });
        w.no_tags();
    }
}
