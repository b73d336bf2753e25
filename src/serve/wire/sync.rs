//! SyncGroup: the leader says who reads what, the others are told.
//!
//! ```text
//!   request    group | generation | member | instance? 3+ | protocol type? 5+ | protocol? 5+
//!              | [ member | assignment ]
//!   response   throttle time 1+ | error | protocol type? 5+ | protocol? 5+ | assignment
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Brings and asks for assignments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupRequest<'a> {
    /// The group.
    pub group_id: &'a str,
    /// The generation that the member knows.
    pub generation_id: i32,
    /// The member.
    pub member_id: &'a str,
    /// Its name over restarts.
    pub group_instance_id: Option<&'a str>,
    /// What kind of group it takes this for.
    pub protocol_type: Option<&'a str>,
    /// How it thinks that work is shared out.
    pub protocol_name: Option<&'a str>,
    /// From the leader: who reads what.
    pub assignments: Vec<SyncGroupRequestAssignment<'a>>,
}

/// What one member reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncGroupRequestAssignment<'a> {
    /// The member.
    pub member_id: &'a str,
    /// What it reads, in words that only clients know.
    pub assignment: &'a [u8],
}

/// Says what the member reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupResponse<'a> {
    /// Why it reads nothing.
    pub error_code: ErrorCode,
    /// What kind of group it is.
    pub protocol_type: Option<Cow<'a, str>>,
    /// How work is shared out.
    pub protocol_name: Option<Cow<'a, str>>,
    /// The leader's words.
    pub assignment: Cow<'a, [u8]>,
}

impl<'a> SyncGroupRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (group_id, generation_id, member_id) = (r.string()?, r.i32()?, r.string()?);
        let group_instance_id = if r.since(3) { r.nullable_string()? } else { None };
        let protocol_type = if r.since(5) { r.nullable_string()? } else { None };
        let protocol_name = if r.since(5) { r.nullable_string()? } else { None };
        let assignments = r.array(Counts::Other, |r| {
            let (member_id, assignment) = (r.string()?, r.bytes()?);
            r.skip_tags()?;
            Ok(SyncGroupRequestAssignment { member_id, assignment })
        })?;
        r.skip_tags()?;
        Ok(Self {
            group_id,
            generation_id,
            member_id,
            group_instance_id,
            protocol_type,
            protocol_name,
            assignments,
        })
    }
}

impl SyncGroupResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1).error(self.error_code);
        if w.since(5) {
            w.nullable_string(self.protocol_type.as_deref());
            w.nullable_string(self.protocol_name.as_deref());
        }
        w.bytes(&self.assignment).no_tags();
    }
}
