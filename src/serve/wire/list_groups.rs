//! ListGroups: which groups there are.
//!
//! ```text
//!   request    [ state ] 4+ | [ type ] 5+
//!   response   throttle time 1+ | error | [ group | protocol type | state 4+ | type 5+ ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGroupsRequest<'a> {
    /// Only those that are in one of these states; empty for all.
    pub states_filter: Vec<&'a str>,
    /// Only those of these types; empty for all.
    pub types_filter: Vec<&'a str>,
}

/// Lists groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGroupsResponse<'a> {
    /// Why it cannot.
    pub error_code: ErrorCode,
    /// The groups.
    pub groups: Vec<ListedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup<'a> {
    /// Its id.
    pub group_id: Cow<'a, str>,
    /// What kind of group it is.
    pub protocol_type: Cow<'a, str>,
    /// What it is doing.
    pub group_state: Cow<'a, str>,
    /// Which group protocol it uses.
    pub group_type: Cow<'a, str>,
}

impl<'a> ListGroupsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let mut filter = |first| match r.since(first) {
            true => r.array(Counts::Other, Reader::string),
            false => Ok(Vec::new()),
        };
        let (states_filter, types_filter) = (filter(4)?, filter(5)?);
        r.skip_tags()?;
        Ok(Self { states_filter, types_filter })
    }
}

impl ListGroupsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1).error(self.error_code).array(&self.groups, |w, group| {
            w.string(&group.group_id).string(&group.protocol_type);
            if w.since(4) {
                w.string(&group.group_state);
            }
            if w.since(5) {
                w.string(&group.group_type);
            }
            w.no_tags();
        });
        w.no_tags();
    }
}
