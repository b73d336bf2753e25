//! ListPartitionReassignments: which partitions are on their way to other brokers. None are.
//!
//! ```text
//!   request    timeout | [ name | [ index ] ]?
//!   response   throttle time | error | message? | [ topic: none ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;

/// Asks for partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPartitionReassignmentsRequest;

/// Names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPartitionReassignmentsResponse<'a> {
    /// Why it cannot.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<&'a str>,
}

impl ListPartitionReassignmentsRequest {
    /// Reads the body.
    pub fn read(r: &mut Reader<'_>) -> Result<Self> {
        r.i32()?;
        r.skip_array(Counts::Topics, |r| {
            r.string()?;
            r.skip_array(Counts::Partitions, |r| r.i32().map(drop))?;
            r.skip_tags()
        })?;
        r.skip_tags()?;
        Ok(Self)
    }
}

impl ListPartitionReassignmentsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).error(self.error_code).nullable_string(self.error_message);
        w.empty_array().no_tags();
    }
}
