//! `JoinGroup`.
//!
//! ```text
//!   no member id, no instance    79 with a new id, which is pending until it comes back with it;
//!                                before version 4 a member at once
//!   no member id, an instance    a new member, or the successor of the one of that name, whose
//!                                answers are 82 from then on
//!   a member id                  one that is pending becomes a member; a member joins again
//! ```

use super::group::{Group, GroupState};
use super::member::{Member, bytes_to_join};
use super::messages::{Client, JoinGroup, Joined, Synced};
use super::{Answers, Coordinator, GroupLimits, Turn};
use crate::serve::wire::errors::ErrorCode;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who joins, apart from what it says.
struct Joiner<'a, T> {
    client: &'a Client,
    /// The id it gets if it has none.
    new_id: Arc<str>,
    to: T,
}

/// An id for a new member: a name, and a random UUID as RFC 9562 writes it.
fn member_id(name: &str, mut random: [u8; 16]) -> Arc<str> {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut random;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let mut id = String::from(name);
    for (index, byte) in random.iter().enumerate() {
        if matches!(index, 0 | 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing into a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id.into()
}

impl<T> Coordinator<T> {
    pub(super) fn join(
        &mut self,
        now: Instant,
        request: JoinGroup,
        client: &Client,
        to: T,
        out: &mut Answers<T>,
    ) {
        let is_first = request.member_id.is_empty();
        let error = match self.check_join(&request) {
            Err(error) => Some(error),
            Ok(()) if is_first => self.make_group(&request.group).err(),
            Ok(()) => None,
        };
        if let Some(error) = error {
            let id = match error {
                ErrorCode::GROUP_MAX_SIZE_REACHED => "",
                _ => request.member_id.as_str(),
            };
            out.push((to, Joined::error(error, id.into()).into()));
            return;
        }
        let name = request.instance.as_deref().unwrap_or(&client.id);
        let new_id = if is_first { member_id(name, (self.ids)()) } else { "".into() };
        let joiner = Joiner { client, new_id, to };
        let id = request.group.clone();
        match self.with_group(now, &id, out) {
            Some((group, mut turn)) => {
                group.join(request, joiner, &mut turn);
                group.try_complete(&mut turn);
            }
            None => {
                let error = ErrorCode::UNKNOWN_MEMBER_ID;
                let answer = Joined::error(error, request.member_id.as_str().into());
                out.push((joiner.to, answer.into()));
            }
        }
        self.settle(now, &id);
    }

    /// What is wrong with the request itself.
    fn check_join(&mut self, request: &JoinGroup) -> Result<(), ErrorCode> {
        let session = u64::try_from(request.session_timeout_ms).map(Duration::from_millis);
        let allowed = self.options.min_session_timeout..=self.options.max_session_timeout;
        if !session.is_ok_and(|session| allowed.contains(&session)) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        let GroupLimits { protocols, member_bytes, .. } = self.limits;
        let rejected = &mut self.counts.rejected;
        let counter = if request.protocols.len() > protocols {
            &mut rejected.protocols
        } else if bytes_to_join(request, &Client::default()) > member_bytes {
            &mut rejected.member_bytes
        } else {
            return Ok(());
        };
        *counter += 1;
        Err(ErrorCode::GROUP_MAX_SIZE_REACHED)
    }
}

impl<T> Group<T> {
    fn join(&mut self, request: JoinGroup, joiner: Joiner<'_, T>, turn: &mut Turn<'_, T>) {
        let refused = if let Err(error) = self.check_room(&request, joiner.client, turn) {
            if self.state == GroupState::PreparingRebalance {
                // A member of before, for which others took the room, is out.
                self.expel(&request.member_id, turn);
            }
            Some((error, ""))
        } else if !self.can_take(&request.protocol_type, &request.protocols) {
            Some((ErrorCode::INCONSISTENT_GROUP_PROTOCOL, request.member_id.as_str()))
        } else {
            None
        };
        if let Some((error, id)) = refused {
            turn.answer(joiner.to, Joined::error(error, id.into()));
        } else if request.member_id.is_empty() {
            self.join_first(request, joiner, turn);
        } else {
            self.join_again(request, joiner, turn);
        }
    }

    /// That there is room for this member. While members join, those count that have: others are
    /// not sure to come back.
    fn check_room(
        &self,
        request: &JoinGroup,
        client: &Client,
        turn: &mut Turn<'_, T>,
    ) -> Result<(), ErrorCode> {
        let most = turn.limits.group_members;
        let member = self.members.get(request.member_id.as_str());
        let is_in = match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.join.is_some()) || self.joined() < most
            }
            _ => member.is_some() || self.members.len() < most,
        };
        let asks_for_id = request.member_id.is_empty() && request.requires_member_id;
        if !is_in || (asks_for_id && self.pending.len() >= most) {
            turn.counts.rejected.group_members += 1;
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let freed = member.map_or(0, Member::bytes);
        if bytes_to_join(request, client).saturating_sub(freed) > turn.room {
            turn.counts.rejected.group_bytes += 1;
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        Ok(())
    }

    fn join_first(&mut self, request: JoinGroup, joiner: Joiner<'_, T>, turn: &mut Turn<'_, T>) {
        let instance = request.instance.as_deref();
        match instance.and_then(|name| self.instances.get(name)).cloned() {
            Some(old) => self.succeed(&old, request, joiner, turn),
            None if instance.is_none() && request.requires_member_id => {
                let session = u64::try_from(request.session_timeout_ms).unwrap_or(0);
                let at = turn.after(Duration::from_millis(session));
                turn.timers.set(self.session(&joiner.new_id), at);
                self.add_pending(Arc::clone(&joiner.new_id));
                let answer = Joined::error(ErrorCode::MEMBER_ID_REQUIRED, joiner.new_id);
                turn.answer(joiner.to, answer);
            }
            None => self.add_and_rebalance(request, joiner, turn),
        }
    }

    fn join_again(&mut self, request: JoinGroup, joiner: Joiner<'_, T>, turn: &mut Turn<'_, T>) {
        if request.instance.is_none() && self.remove_pending(&request.member_id) {
            let new_id: Arc<str> = request.member_id.as_str().into();
            turn.timers.clear(&self.session(&new_id));
            self.add_and_rebalance(request, Joiner { new_id, ..joiner }, turn);
            return;
        }
        let id = request.member_id.clone();
        let known = self.check_member(&id, request.instance.as_deref());
        let Some(member) = self.members.get(id.as_str()).filter(|_| known.is_ok()) else {
            let error = known.err().unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID);
            turn.answer(joiner.to, Joined::error(error, id.as_str().into()));
            return;
        };
        let (says_the_same, is_leader) = (member.says(&request.protocols), self.is_leader(&id));
        let is_told = match self.state {
            // It did not get the answer, or asks for no good reason.
            GroupState::CompletingRebalance => says_the_same,
            // A leader that joins wants others to join as well.
            GroupState::Stable => says_the_same && !is_leader,
            GroupState::Empty | GroupState::PreparingRebalance => false,
        };
        if is_told {
            let is_completing = self.state == GroupState::CompletingRebalance;
            let answer = self.joined_answer(&member.id, is_leader && is_completing);
            turn.answer(joiner.to, answer);
            self.renew(&id, turn);
            return;
        }
        self.change(&id, |member| member.update(request));
        self.rebalance(turn);
        self.wait_for_others(&id, joiner.to, turn);
    }

    fn add_and_rebalance(
        &mut self,
        request: JoinGroup,
        joiner: Joiner<'_, T>,
        turn: &mut Turn<'_, T>,
    ) {
        if let Some(initial) = &mut self.initial {
            initial.new_member_added = true;
        }
        let protocol_type = request.protocol_type.clone();
        let id = Arc::clone(&joiner.new_id);
        self.add(Member::new(joiner.new_id, request, joiner.client), &protocol_type);
        self.rebalance(turn);
        self.wait_for_others(&id, joiner.to, turn);
    }

    /// Another process takes the place of a static member. In a stable group it just goes on,
    /// unless it would change the choice of the protocol.
    fn succeed(
        &mut self,
        old: &Arc<str>,
        request: JoinGroup,
        joiner: Joiner<'_, T>,
        turn: &mut Turn<'_, T>,
    ) {
        let Joiner { client, new_id, to } = joiner;
        let (leader, can_skip) = (self.leader.clone(), request.can_skip_assignment);
        let protocol_type = request.protocol_type.clone();
        let Some(mut member) = self.remove(old) else {
            turn.answer(to, Joined::error(ErrorCode::UNKNOWN_MEMBER_ID, "".into()));
            return;
        };
        turn.timers.clear(&self.session(old));
        let fenced = ErrorCode::FENCED_INSTANCE_ID;
        let (join, sync) = member.succeed(Arc::clone(&new_id), client);
        if let Some(waiting) = join {
            turn.answer(waiting, Joined::error(fenced, Arc::clone(old)));
        }
        if let Some(waiting) = sync {
            turn.answer(waiting, Synced::error(fenced));
        }
        member.update(request);
        self.add(member, &protocol_type);
        if leader.as_ref() == Some(old) {
            self.leader = Some(Arc::clone(&new_id));
        }
        let goes_on = self.state == GroupState::Stable && self.protocol == self.select_protocol();
        if goes_on {
            let is_leader = self.is_leader(&new_id);
            let mut answer = self.joined_answer(&new_id, is_leader && can_skip);
            answer.skip_assignment = is_leader && can_skip;
            if !can_skip {
                // Before it can be told to leave assignments as they are, it must not learn that
                // it leads.
                answer.leader = leader.unwrap_or_else(|| "".into());
            }
            turn.answer(to, answer);
            self.renew(&new_id, turn);
        } else {
            self.rebalance(turn);
            self.wait_for_others(&new_id, to, turn);
        }
    }
}
