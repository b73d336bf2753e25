//! Rows of a listing: partitions and segments.

use super::names::*;
use super::{as_i64, topic_partition};
use crate::render::{Name, Sink};
use segkit::format::Offset;
use segkit::format::checkpoint::EpochEntry;
use segkit::log::partition::FileEntry;
use segkit::log::summary::SegmentSummary;
use segkit::log::{SegmentFiles, TopicPartition};
use std::time::UNIX_EPOCH;

/// What `ls` knows about a partition.
pub struct PartitionFacts {
    /// The directory.
    pub path: String,
    /// Topic and number, as far as the directory's name says.
    pub name: Option<TopicPartition>,
    /// From `partition.metadata`.
    pub topic_id: Option<String>,
    /// `live`, `offline` or `unknown`.
    pub state: &'static str,
    /// The first offset there is.
    pub log_start_offset: Option<Offset>,
    /// The offset behind the last.
    pub log_end_offset: Option<Offset>,
    /// How many segments there are.
    pub segments: usize,
    /// Bytes of all `.log` files.
    pub bytes: u64,
    /// Milliseconds since the epoch.
    pub first_timestamp: Option<i64>,
    /// Milliseconds since the epoch.
    pub max_timestamp: Option<i64>,
    /// From `leader-epoch-checkpoint`.
    pub leader_epochs: Vec<EpochEntry>,
    /// Names that are not Kafka's.
    pub strays: Vec<String>,
    /// What is missing or left over, for people.
    pub remarks: Vec<String>,
}

/// What `ls` knows about a segment.
pub struct SegmentFacts {
    /// Its files.
    pub files: Option<SegmentFiles>,
    /// What is in its log.
    pub summary: SegmentSummary,
    /// Valid entries of its offset index, where it can be read.
    pub index_entries: Option<usize>,
    /// Valid entries of its time index, where it can be read.
    pub time_index_entries: Option<usize>,
}

fn optional_int(sink: &mut impl Sink, name: Name, value: Option<i64>) {
    if let Some(value) = value {
        sink.int(name, value);
    }
}

/// A row of type `partition`.
pub fn partition(sink: &mut impl Sink, facts: &PartitionFacts) {
    sink.begin("partition");
    sink.text(PATH, &facts.path);
    topic_partition(sink, facts.name.as_ref());
    if let Some(id) = &facts.topic_id {
        sink.text(TOPIC_ID, id);
    }
    sink.text(STATE, facts.state);
    optional_int(sink, LOG_START_OFFSET, facts.log_start_offset.map(|offset| offset.0));
    optional_int(sink, LOG_END_OFFSET, facts.log_end_offset.map(|offset| offset.0));
    sink.int(SEGMENTS, as_i64(facts.segments as u64));
    sink.int(BYTES, as_i64(facts.bytes));
    optional_int(sink, FIRST_TIMESTAMP, facts.first_timestamp);
    optional_int(sink, MAX_TIMESTAMP, facts.max_timestamp);
    sink.begin_list(LEADER_EPOCHS);
    for entry in &facts.leader_epochs {
        sink.begin_object(None);
        sink.int(EPOCH, entry.epoch.into());
        sink.int(START_OFFSET, entry.start_offset.0);
        sink.end_object();
    }
    sink.end_list();
    let strays = serde_json::Value::from(facts.strays.clone());
    sink.json(STRAYS, strays.to_string().as_bytes());
    sink.end();
}

/// A row of type `segment`.
pub fn segment(sink: &mut impl Sink, facts: &SegmentFacts) {
    let Some(files) = &facts.files else { return };
    sink.begin("segment");
    let path = files.log.path.parent().map(|path| path.to_string_lossy().into_owned());
    sink.text(PATH, &path.unwrap_or_default());
    sink.text(FILE, &files.log.path.file_name().unwrap_or_default().to_string_lossy());
    sink.int(BASE_OFFSET, files.base_offset.0);
    optional_int(sink, NEXT_OFFSET, facts.summary.next_offset.map(|offset| offset.0));
    sink.int(BYTES, as_i64(files.log.size));
    optional_int(sink, FIRST_TIMESTAMP, facts.summary.first_timestamp);
    optional_int(sink, MAX_TIMESTAMP, facts.summary.max_timestamp);
    if let Some(headers) = &facts.summary.headers {
        sink.int(BATCHES, as_i64(headers.batches));
        optional_int(sink, RECORDS, headers.records.map(as_i64));
        let codecs: Vec<&str> = headers.codecs.iter().map(|codec| codec.name()).collect();
        sink.json(CODECS, serde_json::Value::from(codecs).to_string().as_bytes());
        sink.json(MAGICS, serde_json::Value::from(headers.magics.clone()).to_string().as_bytes());
        sink.int(OTHER_BYTES, as_i64(headers.other_bytes));
    }
    derived_file(sink, INDEX, files.index.as_ref(), facts.index_entries);
    derived_file(sink, TIME_INDEX, files.time_index.as_ref(), facts.time_index_entries);
    let aborted = files.txn_index.as_ref().map(|file| (file.size / 34) as usize);
    derived_file(sink, TXN_INDEX, files.txn_index.as_ref(), aborted);
    derived_file(sink, SNAPSHOT, files.snapshot.as_ref(), None);
    let modified = files.log.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    optional_int(sink, MODIFIED, modified.map(|age| as_i64(age.as_secs()).saturating_mul(1000)));
    sink.end();
}

fn derived_file(
    sink: &mut impl Sink,
    name: Name,
    file: Option<&FileEntry>,
    entries: Option<usize>,
) {
    sink.begin_object(Some(name));
    sink.flag(PRESENT, file.is_some());
    if let Some(file) = file {
        optional_int(sink, ENTRIES, entries.map(|entries| as_i64(entries as u64)));
        sink.int(BYTES, as_i64(file.size));
    }
    sink.end_object();
}
