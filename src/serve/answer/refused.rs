//! Produce and InitProducerId: a server that only reads says so in the way that makes a producer
//! give up at once.
//!
//! ```text
//!   Produce           29 for each partition; acks 0: the connection ends, nothing else is heard
//!   InitProducerId    31, or 53 for a transactional producer
//! ```

use super::Response;
use crate::serve::wire::common::TopicKey;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::refused::{
    InitProducerIdRequest, InitProducerIdResponse, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;

/// For those who read the message.
const ONLY_READS: &str = "seg serve only reads";

/// Refuses records; `None` where the producer does not listen.
pub fn produce<'a>(request: &ProduceRequest<'a>) -> Option<ProduceResponse<'a>> {
    if request.acks == 0 {
        return None;
    }
    let mut seen = HashSet::new();
    let responses = request.topic_data.iter().map(|topic| refuse_topic(topic, &mut seen));
    Some(ProduceResponse { responses: responses.collect() })
}

fn refuse_topic<'a>(
    topic: &TopicProduceData<'a>,
    seen: &mut HashSet<(TopicKey<'a>, i32)>,
) -> TopicProduceResponse<'a> {
    let distinct =
        topic.partition_indexes.iter().filter(|&&index| seen.insert((topic.topic, index)));
    let partition_responses = distinct.map(|&index| PartitionProduceResponse {
        index,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        error_message: Some(Cow::Borrowed(ONLY_READS)),
    });
    TopicProduceResponse { topic: topic.topic, partition_responses: partition_responses.collect() }
}

/// Refuses a producer id.
pub fn init_producer_id(request: &InitProducerIdRequest<'_>) -> InitProducerIdResponse {
    let error_code = match request.transactional_id {
        None => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        Some(_) => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    };
    InitProducerIdResponse { error_code }
}

impl Response for ProduceResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        let partitions = self.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.for_each(|partition| each(partition.error_code));
    }
}

impl Response for InitProducerIdResponse {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        each(self.error_code);
    }
}
