//! DescribeGroups: who is in a group.
//!
//! ```text
//!   request    [ group ] | operations? 3+
//!   response   throttle time 1+ | [ error | message? 6+ | group | state | protocol type | protocol
//!              | [ member ] | operations 3+ ]
//!   member     member | instance? 4+ | client id | client host | metadata | assignment
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupsRequest<'a> {
    /// Their ids, repeated ones included.
    pub groups: Vec<&'a str>,
}

/// Describes groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupsResponse<'a> {
    /// The groups.
    pub groups: Vec<DescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup<'a> {
    /// Why it cannot be given.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
    /// Its id.
    pub group_id: Cow<'a, str>,
    /// What it is doing.
    pub group_state: Cow<'a, str>,
    /// What kind of group it is.
    pub protocol_type: Cow<'a, str>,
    /// How work is shared out.
    pub protocol_data: Cow<'a, str>,
    /// The members.
    pub members: Vec<DescribedGroupMember<'a>>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroupMember<'a> {
    /// Its id.
    pub member_id: Cow<'a, str>,
    /// Its name over restarts.
    pub group_instance_id: Option<Cow<'a, str>>,
    /// What its client calls itself.
    pub client_id: Cow<'a, str>,
    /// From where it comes.
    pub client_host: Cow<'a, str>,
    /// What it says of itself.
    pub member_metadata: Cow<'a, [u8]>,
    /// What it reads.
    pub member_assignment: Cow<'a, [u8]>,
}

impl<'a> DescribeGroupsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let groups = r.array(Counts::Other, Reader::string)?;
        if r.since(3) {
            r.bool()?;
        }
        r.skip_tags()?;
        Ok(Self { groups })
    }
}

impl DescribeGroupsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1).array(&self.groups, |w, group| group.write(w));
        w.no_tags();
    }
}

impl DescribedGroup<'_> {
    fn write(&self, w: &mut Writer) {
        w.error(self.error_code);
        if w.since(6) {
            w.nullable_string(self.error_message.as_deref());
        }
        w.string(&self.group_id).string(&self.group_state);
        w.string(&self.protocol_type).string(&self.protocol_data);
        w.array(&self.members, |w, member| {
            w.string(&member.member_id);
            if w.since(4) {
                w.nullable_string(member.group_instance_id.as_deref());
            }
            w.string(&member.client_id).string(&member.client_host);
            w.bytes(&member.member_metadata).bytes(&member.member_assignment).no_tags();
        });
        if w.since(3) {
            w.operations();
        }
        w.no_tags();
    }
}
