//! JoinGroup: a consumer becomes a member of a group, or stays one in its next generation.
//!
//! ```text
//!   request    group | session timeout | rebalance timeout 1+ | member | instance? 5+
//!              | protocol type | [ protocol | metadata ] | reason? 8+
//!   response   throttle time 2+ | error | generation | protocol type? 7+ | protocol | leader
//!              | skip assignment 9+ | member | [ member | instance? 5+ | metadata ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupRequest<'a> {
    /// The group.
    pub group_id: &'a str,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// How long the others wait for it. Version 0 waits as long as the session.
    pub rebalance_timeout_ms: i32,
    /// Its id, or empty for a new one.
    pub member_id: &'a str,
    /// Its name over restarts.
    pub group_instance_id: Option<&'a str>,
    /// What kind of group it is.
    pub protocol_type: &'a str,
    /// How it can share out work, best first.
    pub protocols: Vec<JoinGroupRequestProtocol<'a>>,
    /// Why it joins.
    pub reason: Option<&'a str>,
}

/// One way of sharing out work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinGroupRequestProtocol<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the leader should know of this member.
    pub metadata: &'a [u8],
}

/// Says who is in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponse<'a> {
    /// Why it is no member.
    pub error_code: ErrorCode,
    /// The generation, or -1.
    pub generation_id: i32,
    /// What kind of group it is.
    pub protocol_type: Option<Cow<'a, str>>,
    /// How work is shared out.
    pub protocol_name: Option<Cow<'a, str>>,
    /// The member that shares it out.
    pub leader: Cow<'a, str>,
    /// Whether the leader leaves everything as it is.
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// For the leader: all members.
    pub members: Vec<JoinGroupResponseMember<'a>>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponseMember<'a> {
    /// Its id.
    pub member_id: Cow<'a, str>,
    /// Its name over restarts.
    pub group_instance_id: Option<Cow<'a, str>>,
    /// What it says of itself.
    pub metadata: Cow<'a, [u8]>,
}

impl<'a> JoinGroupRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (group_id, session_timeout_ms) = (r.string()?, r.i32()?);
        let rebalance_timeout_ms = if r.since(1) { r.i32()? } else { session_timeout_ms };
        let member_id = r.string()?;
        let group_instance_id = if r.since(5) { r.nullable_string()? } else { None };
        let protocol_type = r.string()?;
        let protocols = r.array(Counts::Other, |r| {
            let (name, metadata) = (r.string()?, r.bytes()?);
            r.skip_tags()?;
            Ok(JoinGroupRequestProtocol { name, metadata })
        })?;
        let reason = if r.since(8) { r.nullable_string()? } else { None };
        r.skip_tags()?;
        Ok(Self {
            group_id,
            session_timeout_ms,
            rebalance_timeout_ms,
            member_id,
            group_instance_id,
            protocol_type,
            protocols,
            reason,
        })
    }
}

impl JoinGroupResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(2).error(self.error_code).i32(self.generation_id);
        if w.since(7) {
            w.nullable_string(self.protocol_type.as_deref());
            w.nullable_string(self.protocol_name.as_deref());
        } else {
            w.string(self.protocol_name.as_deref().unwrap_or_default());
        }
        w.string(&self.leader);
        if w.since(9) {
            w.bool(self.skip_assignment);
        }
        w.string(&self.member_id).array(&self.members, |w, member| {
            w.string(&member.member_id);
            if w.since(5) {
                w.nullable_string(member.group_instance_id.as_deref());
            }
            w.bytes(&member.metadata).no_tags();
        });
        w.no_tags();
    }
}
