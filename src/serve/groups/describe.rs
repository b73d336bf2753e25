//! `DescribeGroups` and `ListGroups`: the groups of this run, those that are nothing but commits,
//! which are empty, and those of the dead cluster, which are empty as well.

use super::Coordinator;
use super::commits::DeadGroup;
use super::group::{Group, GroupState};
use super::messages::{DescribeGroups, DescribedGroup, ListGroups, Listed, ListedGroup};
use crate::serve::wire::errors::ErrorCode;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The type of all groups here.
const CLASSIC: &str = "classic";

/// The state of a group that is not there.
const DEAD: &str = "Dead";

impl DescribeGroups {
    /// The answer that says `error` of every group.
    pub(super) fn refused(&self, error: ErrorCode) -> Vec<DescribedGroup> {
        self.groups.iter().map(|id| without_members(id, DEAD, error, "".into())).collect()
    }
}

fn without_members(
    id: &str,
    state: &'static str,
    error: ErrorCode,
    protocol_type: Arc<str>,
) -> DescribedGroup {
    DescribedGroup {
        error,
        group: id.into(),
        state,
        protocol_type,
        protocol: "".into(),
        members: Vec::new(),
    }
}

impl DeadGroup {
    /// Of groups of whom nothing but commits is left no record says it.
    fn protocol_type(&self) -> Arc<str> {
        self.protocol_type.clone().unwrap_or_else(|| "".into())
    }
}

/// Nobody may have joined in this run yet, only asked for a member id.
fn protocol_type<T>(group: &Group<T>, dead: Option<&DeadGroup>) -> Arc<str> {
    let own = group.protocol_type.clone();
    own.or_else(|| dead.map(DeadGroup::protocol_type)).unwrap_or_else(|| "".into())
}

impl<T> Coordinator<T> {
    pub(super) fn describe(&self, request: DescribeGroups) -> Vec<DescribedGroup> {
        let mut answered = HashSet::new();
        let mut groups = request.groups;
        groups.retain(|id| answered.insert(id.clone()));
        let described = groups.iter().map(|id| {
            let dead = self.commits.dead().get(id.as_str());
            if let Some(group) = self.groups.get(id.as_str()) {
                let protocol_type = protocol_type(group, dead);
                return DescribedGroup { protocol_type, ..group.describe() };
            }
            let empty = GroupState::Empty.name();
            match dead {
                Some(dead) => without_members(id, empty, ErrorCode::NONE, dead.protocol_type()),
                None if self.commits.has_new(id) => {
                    without_members(id, empty, ErrorCode::NONE, "".into())
                }
                None if request.unknown_is_error => {
                    without_members(id, DEAD, ErrorCode::GROUP_ID_NOT_FOUND, "".into())
                }
                None => without_members(id, DEAD, ErrorCode::NONE, "".into()),
            }
        });
        described.collect()
    }

    pub(super) fn list(&self, request: &ListGroups) -> Listed {
        let is_wanted = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(name))
        };
        if !is_wanted(&request.types, CLASSIC) {
            return Listed { error: ErrorCode::NONE, groups: Vec::new() };
        }
        let mut all: BTreeMap<&Arc<str>, (GroupState, Arc<str>)> = BTreeMap::new();
        for (id, dead) in self.commits.dead() {
            all.insert(id, (GroupState::Empty, dead.protocol_type()));
        }
        for id in self.commits.new_groups() {
            all.entry(id).or_insert_with(|| (GroupState::Empty, "".into()));
        }
        for (id, group) in &self.groups {
            let dead = self.commits.dead().get(id);
            all.insert(id, (group.state, protocol_type(group, dead)));
        }
        let wanted =
            all.into_iter().filter(|(_, (state, _))| is_wanted(&request.states, state.name()));
        let groups = wanted.map(|(id, (state, protocol_type))| ListedGroup {
            group: Arc::clone(id),
            protocol_type,
            state: state.name(),
        });
        Listed { error: ErrorCode::NONE, groups: groups.collect() }
    }
}
