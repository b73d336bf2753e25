//! Rows of what groups committed.

use super::names::*;
use crate::render::Sink;
use segkit::serve::groups::NewCommit;

/// A row of type `commit`: how far a group came in a partition.
pub fn commit(sink: &mut impl Sink, commit: &NewCommit) {
    sink.begin("commit");
    sink.text(GROUP, &commit.group);
    sink.text(TOPIC, &commit.topic);
    sink.int(PARTITION, commit.partition.into());
    sink.int(OFFSET, commit.offset);
    sink.end();
}
