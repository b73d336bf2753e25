//! Heartbeat: a member is still there.
//!
//! ```text
//!   request    group | generation | member | instance? 3+
//!   response   throttle time 1+ | error
//! ```

use super::errors::ErrorCode;
use super::reader::{Reader, Result};
use super::writer::Writer;

/// Says that a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatRequest<'a> {
    /// The group.
    pub group_id: &'a str,
    /// The generation that the member knows.
    pub generation_id: i32,
    /// The member.
    pub member_id: &'a str,
    /// Its name over restarts.
    pub group_instance_id: Option<&'a str>,
}

/// Says whether all is as the member thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// What is not.
    pub error_code: ErrorCode,
}

impl<'a> HeartbeatRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (group_id, generation_id, member_id) = (r.string()?, r.i32()?, r.string()?);
        let group_instance_id = if r.since(3) { r.nullable_string()? } else { None };
        r.skip_tags()?;
        Ok(Self { group_id, generation_id, member_id, group_instance_id })
    }
}

impl HeartbeatResponse {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1).error(self.error_code).no_tags();
    }
}
