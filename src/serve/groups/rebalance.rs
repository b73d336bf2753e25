//! A rebalance from its beginning to the next generation, and what happens when time is up.
//!
//! ```text
//!   first of an empty group   wait for the initial delay, again while members come, at most for
//!                             the rebalance timeout
//!   any other                 wait for all members, at most for the rebalance timeout
//!   then                      who did not join is out, but for static members: they may come back
//!                             until their sessions end
//! ```

use super::Turn;
use super::group::{Group, GroupState, InitialDelay};
use super::messages::{Joined, Synced};
use super::timers::Timer;
use crate::serve::wire::errors::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// How long a new member's join may wait. It cannot send heartbeats, and a client that goes away
/// while its join waits is not seen to go.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// The shortest wait for members before they are waited for again, so that time goes on.
const SHORTEST_REPEATED_WAIT: Duration = Duration::from_secs(1);

impl<T> Group<T> {
    /// Everybody is to join, if they are not at it already.
    pub(super) fn rebalance(&mut self, turn: &mut Turn<'_, T>) {
        if self.state == GroupState::PreparingRebalance {
            return;
        }
        turn.counts.rebalances += 1;
        self.end_syncs(turn);
        turn.timers.clear(&self.sync_timer());
        let rebalance_timeout = self.rebalance_timeout();
        let wait = if self.state == GroupState::Empty {
            let delay = turn.options.initial_rebalance_delay;
            let remaining = rebalance_timeout.saturating_sub(delay);
            self.initial = Some(InitialDelay { delay, remaining, new_member_added: false });
            delay
        } else {
            rebalance_timeout
        };
        self.state = GroupState::PreparingRebalance;
        turn.timers.set(self.join_timer(), turn.after(wait));
    }

    /// Those who wait for their assignments will not get them.
    fn end_syncs(&mut self, turn: &mut Turn<'_, T>) {
        let mut ended = Vec::new();
        for member in self.members.values_mut() {
            if let Some(to) = member.sync.take() {
                turn.answer(to, Synced::error(ErrorCode::REBALANCE_IN_PROGRESS));
                ended.push((Arc::clone(&member.id), member.session_timeout));
            }
        }
        for (id, session) in ended {
            turn.timers.set(self.session(&id), turn.after(session));
        }
    }

    /// A join of a member waits from now on.
    pub(super) fn wait_for_others(&mut self, id: &str, to: T, turn: &mut Turn<'_, T>) {
        let Some(member) = self.members.get_mut(id) else {
            turn.answer(to, Joined::error(ErrorCode::UNKNOWN_MEMBER_ID, id.into()));
            return;
        };
        let before = member.join.replace(to);
        let (id, is_new) = (Arc::clone(&member.id), member.is_new);
        if let Some(before) = before {
            // The same member over another connection: the first is most likely gone.
            turn.answer(before, Joined::error(ErrorCode::REBALANCE_IN_PROGRESS, Arc::clone(&id)));
        }
        let session = self.session(&id);
        if !is_new {
            turn.timers.clear(&session);
        } else if !turn.timers.is_set(&session) {
            turn.timers.set(session, turn.after(NEW_MEMBER_JOIN_TIMEOUT));
        }
    }

    /// Goes on when there is nobody left to wait for.
    pub(super) fn try_complete(&mut self, turn: &mut Turn<'_, T>) {
        let is_waiting = self.state == GroupState::PreparingRebalance && self.initial.is_none();
        if is_waiting && self.all_joined() {
            self.complete(turn);
        }
    }

    /// Does what a timer of this group says.
    pub(super) fn expire(&mut self, timer: &Timer, turn: &mut Turn<'_, T>) {
        match timer {
            Timer::Join(_) if self.state == GroupState::PreparingRebalance => {
                self.expire_join(turn);
            }
            Timer::Sync(_) => self.expire_sync(turn),
            Timer::Session(_, member) => {
                if self.remove_pending(member) {
                    self.try_complete(turn);
                } else {
                    self.expel(member, turn);
                }
            }
            Timer::Join(_) | Timer::Forget(_) => {}
        }
    }

    fn expire_join(&mut self, turn: &mut Turn<'_, T>) {
        let Some(initial) =
            self.initial.filter(|initial| initial.new_member_added && !initial.remaining.is_zero())
        else {
            self.complete(turn);
            return;
        };
        let delay = turn.options.initial_rebalance_delay.min(initial.remaining);
        let remaining = initial.remaining.saturating_sub(initial.delay);
        self.initial = Some(InitialDelay { delay, remaining, new_member_added: false });
        turn.timers.set(self.join_timer(), turn.after(delay));
    }

    /// Whoever has not asked for its assignment by now is out.
    fn expire_sync(&mut self, turn: &mut Turn<'_, T>) {
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let late = self.members.values().filter(|member| !member.has_synced);
        let late: Vec<Arc<str>> = late.map(|member| Arc::clone(&member.id)).collect();
        if late.is_empty() {
            return;
        }
        for id in &late {
            turn.timers.clear(&self.session(id));
            self.remove(id);
        }
        self.rebalance(turn);
        self.try_complete(turn);
    }

    /// Takes a member out, as if it had left.
    pub(super) fn expel(&mut self, id: &str, turn: &mut Turn<'_, T>) {
        let Some(member) = self.remove(id) else { return };
        turn.timers.clear(&self.session(&member.id));
        let error = ErrorCode::UNKNOWN_MEMBER_ID;
        if let Some(to) = member.join {
            turn.answer(to, Joined::error(error, "".into()));
        }
        if let Some(to) = member.sync {
            turn.answer(to, Synced::error(error));
        }
        if self.state != GroupState::Empty {
            self.rebalance(turn);
        }
        self.try_complete(turn);
    }

    /// Ends the waiting for members. A new generation begins, unless nobody joined.
    fn complete(&mut self, turn: &mut Turn<'_, T>) {
        let is_out = self
            .members
            .values()
            .filter(|member| member.join.is_none() && member.instance.is_none());
        let out: Vec<Arc<str>> = is_out.map(|member| Arc::clone(&member.id)).collect();
        for id in &out {
            turn.timers.clear(&self.session(id));
            self.remove(id);
        }
        if !self.elect_leader() {
            // Static members that did not come back yet, and nobody else.
            let wait = self.rebalance_timeout().max(SHORTEST_REPEATED_WAIT);
            turn.timers.set(self.join_timer(), turn.after(wait));
            self.initial = None;
            return;
        }
        turn.timers.clear(&self.join_timer());
        self.initial = None;
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.protocol = self.select_protocol();
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            return;
        }
        self.state = GroupState::CompletingRebalance;
        self.answer_joins(turn);
        turn.timers.set(self.sync_timer(), turn.after(self.rebalance_timeout()));
    }

    /// Makes sure that who leads has joined; false where nobody has who could.
    fn elect_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if self.members.is_empty() || leader.is_some_and(|leader| leader.join.is_some()) {
            return true;
        }
        let mut joined = self.members.values().filter(|member| member.join.is_some());
        let Some(first) = joined.next().map(|member| Arc::clone(&member.id)) else { return false };
        self.leader = Some(first);
        true
    }

    fn answer_joins(&mut self, turn: &mut Turn<'_, T>) {
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            member.is_new = false;
            member.has_synced = false;
            waiting.push((Arc::clone(&member.id), member.session_timeout, member.join.take()));
        }
        for (id, session, to) in waiting {
            if let Some(to) = to {
                let answer = self.joined_answer(&id, self.is_leader(&id));
                turn.answer(to, answer);
            }
            turn.timers.set(self.session(&id), turn.after(session));
        }
    }
}
