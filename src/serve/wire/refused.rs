//! Produce and InitProducerId: what a server that only reads refuses, in a form that a producer
//! understands.
//!
//! ```text
//!   Produce           transactional id? | acks | timeout | [ topic | [ index | records? ] ]
//!   its response      [ topic | [ index | error | base offset: -1 | append time: -1
//!                     | log start offset: -1 5+ | [ record error: none ] 8+ | message? 8+ ] ]
//!                     | throttle time
//!   InitProducerId    transactional id? | timeout | producer id 3+ | epoch 3+
//!   its response      throttle time | error | producer id: -1 | epoch: -1
//! ```
//!
//! A topic is its name up to version 12, then its id. Records are stepped over.

use super::common::TopicKey;
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// The first version of Produce that names topics by their ids.
pub const IDS_FROM: i16 = 13;

/// Brings records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest<'a> {
    /// 0: no answer is wanted.
    pub acks: i16,
    /// The topics.
    pub topic_data: Vec<TopicProduceData<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProduceData<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// The partitions that records are for.
    pub partition_indexes: Vec<i32>,
}

/// Refuses records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceResponse<'a> {
    /// The topics.
    pub responses: Vec<TopicProduceResponse<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProduceResponse<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partition_responses: Vec<PartitionProduceResponse<'a>>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProduceResponse<'a> {
    /// Its number.
    pub index: i32,
    /// Why its records are not taken.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
}

/// Asks for a producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProducerIdRequest<'a> {
    /// The producer's name over restarts.
    pub transactional_id: Option<&'a str>,
}

/// Refuses a producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProducerIdResponse {
    /// Why there is none.
    pub error_code: ErrorCode,
}

impl<'a> ProduceRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        r.nullable_string()?;
        let acks = r.i16()?;
        r.i32()?;
        let topic_data = r.array(Counts::Topics, |r| {
            let topic = r.topic(IDS_FROM)?;
            let partition_indexes = r.array(Counts::Partitions, |r| {
                let index = r.i32()?;
                r.nullable_bytes()?;
                r.skip_tags()?;
                Ok(index)
            })?;
            r.skip_tags()?;
            Ok(TopicProduceData { topic, partition_indexes })
        })?;
        r.skip_tags()?;
        Ok(Self { acks, topic_data })
    }
}

impl ProduceResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.array(&self.responses, |w, topic| {
            w.topic(&topic.topic).array(&topic.partition_responses, |w, partition| {
                w.i32(partition.index).error(partition.error_code).i64(-1).i64(-1);
                if w.since(5) {
                    w.i64(-1);
                }
                if w.since(8) {
                    w.empty_array().nullable_string(partition.error_message.as_deref());
                }
                w.no_tags();
            });
            w.no_tags();
        });
        w.throttle_time(1).no_tags();
    }
}

impl<'a> InitProducerIdRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let transactional_id = r.nullable_string()?;
        r.i32()?;
        if r.since(3) {
            r.i64()?;
            r.i16()?;
        }
        r.skip_tags()?;
        Ok(Self { transactional_id })
    }
}

impl InitProducerIdResponse {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).error(self.error_code).i64(-1).i16(-1).no_tags();
    }
}
