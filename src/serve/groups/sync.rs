//! `SyncGroup`: members wait until the leader brings the assignments.

use super::Turn;
use super::group::{Group, GroupState};
use super::messages::{SyncGroup, Synced};
use crate::serve::wire::errors::ErrorCode;
use std::collections::HashMap;
use std::sync::Arc;

impl<T> Group<T> {
    pub(super) fn sync(&mut self, request: SyncGroup, to: T, turn: &mut Turn<'_, T>) {
        if let Err(error) = self.check_sync(&request, turn) {
            turn.answer(to, Synced::error(error));
            return;
        }
        let Some(member) = self.members.get_mut(request.member_id.as_str()) else {
            turn.answer(to, Synced::error(ErrorCode::UNKNOWN_MEMBER_ID));
            return;
        };
        member.has_synced = true;
        let id = Arc::clone(&member.id);
        if self.state == GroupState::Stable {
            let assignment = Arc::clone(&member.assignment);
            turn.answer(to, self.synced(assignment));
            self.renew(&id, turn);
        } else {
            let before = member.sync.replace(to);
            if let Some(before) = before {
                // The same member over another connection: the first is most likely gone.
                turn.answer(before, Synced::error(ErrorCode::REBALANCE_IN_PROGRESS));
            }
            turn.timers.clear(&self.session(&id));
            if self.is_leader(&id) {
                self.assign(request.assignments, turn);
            }
        }
        if self.members.values().all(|member| member.has_synced) {
            turn.timers.clear(&self.sync_timer());
        }
    }

    fn check_sync(&self, request: &SyncGroup, turn: &mut Turn<'_, T>) -> Result<(), ErrorCode> {
        let SyncGroup { member_id, instance, generation, .. } = request;
        self.check_generation(member_id, instance.as_deref(), *generation)?;
        let differs = |said: &Option<String>, ours: &Option<Arc<str>>| {
            said.is_some() && said.as_deref() != ours.as_deref()
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            GroupState::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            GroupState::PreparingRebalance => return Err(ErrorCode::REBALANCE_IN_PROGRESS),
            GroupState::Stable => return Ok(()),
            GroupState::CompletingRebalance => {}
        }
        // What the assignments before took is not subtracted: it is as much at most.
        let assigned = request.assignments.iter().map(|(_, assignment)| assignment.len());
        if self.is_leader(member_id) && assigned.sum::<usize>() > turn.room {
            turn.counts.rejected.group_bytes += 1;
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        Ok(())
    }

    fn synced(&self, assignment: Arc<[u8]>) -> Synced {
        Synced {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// The leader's word: everybody gets what it says, and nothing where it says nothing.
    fn assign(&mut self, assignments: Vec<(String, Arc<[u8]>)>, turn: &mut Turn<'_, T>) {
        let mut assignments: HashMap<String, Arc<[u8]>> = assignments.into_iter().collect();
        self.state = GroupState::Stable;
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let assignment = assignments.remove(&*id).unwrap_or_else(|| Arc::new([]));
            let told = self.change(&id, |member| {
                member.assignment = Arc::clone(&assignment);
                member.sync.take()
            });
            if let Some(to) = told.flatten() {
                turn.answer(to, self.synced(assignment));
                self.renew(&id, turn);
            }
        }
    }
}
