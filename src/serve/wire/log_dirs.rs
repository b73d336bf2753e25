//! DescribeLogDirs: which partition is in which directory, and how large it is.
//!
//! ```text
//!   request    [ topic | [ index ] ]?
//!   response   throttle time | error 3+ | [ error | path | [ name | [ partition ] ]
//!              | total bytes 4+ | usable bytes 4+ | cordoned: no 5+ ]
//!   partition  index | size | lag: 0 | future: no
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeLogDirsRequest<'a> {
    /// Of which partitions; `None` for all.
    pub topics: Option<Vec<DescribableLogDirTopic<'a>>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribableLogDirTopic<'a> {
    /// Its name.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// Describes directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeLogDirsResponse<'a> {
    /// Why it cannot.
    pub error_code: ErrorCode,
    /// The directories.
    pub results: Vec<DescribeLogDirsResult<'a>>,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeLogDirsResult<'a> {
    /// What is wrong with it.
    pub error_code: ErrorCode,
    /// Its path.
    pub log_dir: Cow<'a, str>,
    /// What is in it.
    pub topics: Vec<DescribeLogDirsTopic<'a>>,
    /// How large its file system is, or -1.
    pub total_bytes: i64,
    /// How much is free there, or -1.
    pub usable_bytes: i64,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeLogDirsTopic<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its partitions here.
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeLogDirsPartition {
    /// Its number.
    pub partition_index: i32,
    /// The bytes of its logs.
    pub partition_size: i64,
}

impl<'a> DescribeLogDirsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let topics = r.nullable_array(Counts::Topics, |r| {
            let topic = r.string()?;
            let partitions = r.array(Counts::Partitions, Reader::i32)?;
            r.skip_tags()?;
            Ok(DescribableLogDirTopic { topic, partitions })
        })?;
        r.skip_tags()?;
        Ok(Self { topics })
    }
}

impl DescribeLogDirsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0);
        if w.since(3) {
            w.error(self.error_code);
        }
        w.array(&self.results, |w, result| {
            w.error(result.error_code).string(&result.log_dir);
            w.array(&result.topics, |w, topic| {
                w.string(&topic.name).array(&topic.partitions, |w, partition| {
                    w.i32(partition.partition_index).i64(partition.partition_size);
                    w.i64(0).bool(false).no_tags();
                });
                w.no_tags();
            });
            if w.since(4) {
                w.i64(result.total_bytes).i64(result.usable_bytes);
            }
            if w.since(5) {
                w.bool(false);
            }
            w.no_tags();
        });
        w.no_tags();
    }
}
