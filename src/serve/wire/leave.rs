//! LeaveGroup: members go.
//!
//! ```text
//!   request    group | member -2 | [ member | instance? | reason? 5+ ] 3+
//!   response   throttle time 1+ | error | [ member | instance? | error ] 3+
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Says who goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupRequest<'a> {
    /// The group.
    pub group_id: &'a str,
    /// Who goes; exactly one below version 3.
    pub members: Vec<MemberIdentity<'a>>,
}

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberIdentity<'a> {
    /// Its id, or empty.
    pub member_id: &'a str,
    /// Its name over restarts.
    pub group_instance_id: Option<&'a str>,
    /// Why it goes.
    pub reason: Option<&'a str>,
}

/// Says who is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupResponse<'a> {
    /// Why nobody is; below version 3 why the one member is not.
    pub error_code: ErrorCode,
    /// The members.
    pub members: Vec<MemberResponse<'a>>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberResponse<'a> {
    /// Its id as it was given.
    pub member_id: Cow<'a, str>,
    /// Its name over restarts as it was given.
    pub group_instance_id: Option<Cow<'a, str>>,
    /// Why it is not gone.
    pub error_code: ErrorCode,
}

impl<'a> LeaveGroupRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let group_id = r.string()?;
        let members = if r.since(3) {
            r.array(Counts::Other, |r| {
                let (member_id, group_instance_id) = (r.string()?, r.nullable_string()?);
                let reason = if r.since(5) { r.nullable_string()? } else { None };
                r.skip_tags()?;
                Ok(MemberIdentity { member_id, group_instance_id, reason })
            })?
        } else {
            let member_id = r.string()?;
            vec![MemberIdentity { member_id, group_instance_id: None, reason: None }]
        };
        r.skip_tags()?;
        Ok(Self { group_id, members })
    }
}

impl LeaveGroupResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1).error(self.error_code);
        if w.since(3) {
            w.array(&self.members, |w, member| {
                w.string(&member.member_id).nullable_string(member.group_instance_id.as_deref());
                w.error(member.error_code).no_tags();
            });
        }
        w.no_tags();
    }
}
