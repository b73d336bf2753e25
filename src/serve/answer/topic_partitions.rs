//! DescribeTopicPartitions: what Metadata says, in pages.
//!
//! ```text
//!   topics by name    a: 0 1 2   b: 0 1 2 3   c: 0
//!   3 at a time       [ a 0 1 2 ]  cursor b 0   [ b 0 1 2 ]  cursor b 3   [ b 3 | c 0 ]
//! ```

use super::Response;
use super::common::why_no_topic;
use super::metadata::{errors_of, no_topic, part_of_topic};
use crate::format::checkpoint::Uuid;
use crate::serve::catalog::Catalog;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::metadata::MetadataResponseTopic;
use crate::serve::wire::topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// `max.request.partition.size.limit`.
const MOST_PARTITIONS: i32 = 2000;

/// Says who serves what, from the cursor on.
pub fn topic_partitions<'a>(
    catalog: &'a Catalog,
    request: &DescribeTopicPartitionsRequest<'a>,
) -> DescribeTopicPartitionsResponse<'a> {
    let is_all = request.topics.is_empty();
    let names: BTreeSet<&str> = match is_all {
        true => catalog.topics().iter().map(|topic| &*topic.name).collect(),
        false => request.topics.iter().copied().collect(),
    };
    let cursor = request.cursor.as_ref().map(|at| (&*at.topic_name, at.partition_index));
    if let Some((name, index)) = cursor
        && (index < 0 || !is_all && !names.contains(name))
    {
        // As a broker: everything that was named, as often as it was, and none of its own topics.
        let topics = request.topics.iter().map(|name| MetadataResponseTopic {
            is_internal: false,
            ..no_topic(ErrorCode::INVALID_REQUEST, Some(name), Uuid::ZERO)
        });
        let topics = topics.collect();
        return DescribeTopicPartitionsResponse { topics, next_cursor: None };
    }
    let mut page = Page { topics: Vec::new(), left: most(request.response_partition_limit) };
    for name in names {
        let first = match cursor {
            Some((cursor, _)) if name < cursor => continue,
            Some((cursor, index)) if name == cursor => index,
            _ => 0,
        };
        if let Some(index) = page.add(catalog, name, first) {
            let next = Cursor { topic_name: Cow::Borrowed(name), partition_index: index };
            let (topics, next_cursor) = (page.topics, Some(next));
            return DescribeTopicPartitionsResponse { topics, next_cursor };
        }
    }
    DescribeTopicPartitionsResponse { topics: page.topics, next_cursor: None }
}

fn most(limit: i32) -> usize {
    usize::try_from(limit.clamp(1, MOST_PARTITIONS)).unwrap_or(1)
}

struct Page<'a> {
    topics: Vec<MetadataResponseTopic<'a>>,
    /// How many partitions more there is room for.
    left: usize,
}

impl<'a> Page<'a> {
    /// Adds a topic from one partition on; returns the first partition that did not fit.
    fn add(&mut self, catalog: &'a Catalog, name: &'a str, first: i32) -> Option<i32> {
        if self.left == 0 {
            return Some(0);
        }
        let Some(topic) = catalog.topic(name) else {
            self.topics.push(no_topic(why_no_topic(name), Some(name), Uuid::ZERO));
            return None;
        };
        let part = part_of_topic(catalog, topic, first, self.left);
        let next = topic.partitions.range(first..).nth(part.partitions.len());
        self.left -= part.partitions.len();
        self.topics.push(part);
        next.map(|(&index, _)| index)
    }
}

impl Response for DescribeTopicPartitionsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        errors_of(&self.topics, each);
    }
}
