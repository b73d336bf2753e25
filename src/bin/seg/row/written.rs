//! Rows of what was written.

use super::names::*;
use super::{as_i64, topic_partition};
use crate::render::Sink;
use segkit::log::TopicPartition;
use segkit::log::writer::Written;
use std::path::Path;

/// What was appended to one partition.
pub struct WrittenRow<'a> {
    /// Its directory.
    pub path: &'a Path,
    /// What that is called.
    pub name: Option<&'a TopicPartition>,
    /// What was appended.
    pub written: &'a Written,
}

/// A row of type `written`.
pub fn written(sink: &mut impl Sink, row: &WrittenRow<'_>) {
    sink.begin("written");
    sink.text(PATH, &row.path.to_string_lossy());
    topic_partition(sink, row.name);
    if let Some(first) = row.written.first_offset {
        sink.int(FIRST_OFFSET, first.0);
    }
    sink.int(LOG_END_OFFSET, row.written.log_end.0);
    counts(sink, row.written);
    sink.end();
}

/// The last row: all partitions together.
pub fn written_summary(sink: &mut impl Sink, partitions: u64, total: &Written, seconds: f64) {
    sink.begin("summary");
    sink.int(PARTITIONS, as_i64(partitions));
    counts(sink, total);
    sink.json(SECONDS, format!("{seconds:.3}").as_bytes());
    sink.end();
}

fn counts(sink: &mut impl Sink, written: &Written) {
    sink.int(SEGMENTS, as_i64(written.segments));
    sink.int(BYTES, as_i64(written.bytes));
    sink.int(BATCHES, as_i64(written.batches));
    sink.int(RECORDS, as_i64(written.records));
}
