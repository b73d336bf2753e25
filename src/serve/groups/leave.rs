//! `LeaveGroup`.

use super::Turn;
use super::group::Group;
use super::messages::Leaving;
use crate::serve::wire::errors::ErrorCode;

/// Nobody is in a group that is not there.
pub(super) fn all_unknown(members: Vec<Leaving>) -> Vec<(Leaving, ErrorCode)> {
    members.into_iter().map(|member| (member, ErrorCode::UNKNOWN_MEMBER_ID)).collect()
}

impl<T> Group<T> {
    pub(super) fn leave(
        &mut self,
        members: Vec<Leaving>,
        turn: &mut Turn<'_, T>,
    ) -> Vec<(Leaving, ErrorCode)> {
        let left = members.into_iter().map(|member| {
            let error = self.leave_one(&member, turn).err().unwrap_or(ErrorCode::NONE);
            (member, error)
        });
        left.collect()
    }

    fn leave_one(&mut self, leaving: &Leaving, turn: &mut Turn<'_, T>) -> Result<(), ErrorCode> {
        let Leaving { member_id, instance } = leaving;
        let instance = instance.as_deref();
        if member_id.is_empty() {
            // An administrator names static members by their names alone.
            let id = instance.and_then(|name| self.instances.get(name)).cloned();
            self.expel(&id.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?, turn);
            return Ok(());
        }
        if self.remove_pending(member_id) {
            turn.timers.clear(&self.session(&member_id.as_str().into()));
            self.try_complete(turn);
            return Ok(());
        }
        self.check_member(member_id, instance)?;
        self.expel(member_id, turn);
        Ok(())
    }
}
