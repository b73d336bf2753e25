//! DescribeLogDirs: the log dirs, and how large the partitions are that are served from each.

use super::Response;
use crate::log::file_facts::capacity;
use crate::serve::catalog::{Catalog, Partition, Slot, Topic};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Describes the log dirs. What is asked for and is not there is left out.
pub fn log_dirs<'a>(
    catalog: &'a Catalog,
    request: &DescribeLogDirsRequest<'a>,
) -> DescribeLogDirsResponse<'a> {
    let mut dirs = vec![Vec::new(); catalog.log_dirs.len()];
    match &request.topics {
        None => {
            for topic in catalog.topics() {
                let partitions = topic.partitions.values().filter_map(of_slot);
                add(&mut dirs, topic, partitions);
            }
        }
        Some(asked) => {
            for (name, indexes) in distinct(asked) {
                if let Some(topic) = catalog.topic(name) {
                    let slots = indexes.iter().filter_map(|&index| topic.partition(index));
                    add(&mut dirs, topic, slots.filter_map(of_slot));
                }
            }
        }
    }
    let results = catalog.log_dirs.iter().zip(dirs).map(|(path, topics)| {
        let (total_bytes, usable_bytes) = match capacity(path) {
            Some((total, usable)) => (in_i64(total), in_i64(usable)),
            None => (-1, -1),
        };
        let (error_code, log_dir) = (ErrorCode::NONE, path.to_string_lossy());
        DescribeLogDirsResult { error_code, log_dir, topics, total_bytes, usable_bytes }
    });
    DescribeLogDirsResponse { error_code: ErrorCode::NONE, results: results.collect() }
}

fn distinct<'a>(asked: &[DescribableLogDirTopic<'a>]) -> BTreeMap<&'a str, BTreeSet<i32>> {
    let mut topics: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for topic in asked {
        topics.entry(topic.topic).or_default().extend(&topic.partitions);
    }
    topics
}

fn of_slot(slot: &Slot) -> Option<&Partition> {
    match slot {
        Slot::Served(partition) => Some(partition),
        Slot::Missing => None,
    }
}

/// Adds partitions of one topic to the log dirs that they are in.
fn add<'a>(
    dirs: &mut [Vec<DescribeLogDirsTopic<'a>>],
    topic: &'a Topic,
    partitions: impl Iterator<Item = &'a Partition>,
) {
    for partition in partitions {
        let Some(topics) = dirs.get_mut(partition.log_dir) else { continue };
        if topics.last().is_none_or(|last| *last.name != *topic.name) {
            let name = Cow::Borrowed(&*topic.name);
            topics.push(DescribeLogDirsTopic { name, partitions: Vec::new() });
        }
        if let Some(last) = topics.last_mut() {
            last.partitions.push(DescribeLogDirsPartition {
                partition_index: partition.index,
                partition_size: in_i64(partition.bytes),
            });
        }
    }
}

fn in_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Response for DescribeLogDirsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        self.results.iter().for_each(|result| each(result.error_code));
        each(self.error_code);
    }
}
