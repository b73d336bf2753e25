//! The thread that owns the coordinator: the one place here that looks at a clock.
//!
//! ```text
//!   handlers ----ToGroups::Ask----.
//!   reader of __consumer_offsets -+--> channel --> Coordinator --> answer(whom, what)
//!   main ------------------Stop---'                 ^   | next deadline
//!                                                   '---'
//! ```

use super::{Client, Coordinator, Counts, DeadOffsets, GroupAnswer, GroupRequest, Sizes};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// What the thread is told.
#[derive(Debug)]
pub enum ToGroups<T> {
    /// A request, from whom, and whom to answer.
    Ask(GroupRequest, Client, T),
    /// What a partition of `__consumer_offsets` comes to.
    Load(Box<DeadOffsets>),
    /// All of them were read.
    Loaded,
    /// The server ends. What still waits is not answered.
    Stop,
}

/// What those may be told who watch.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What happened so far.
    pub counts: Counts,
    /// How much there is.
    pub sizes: Sizes,
}

/// Coordinates until it is told to stop or nobody is left who could ask. `answer` gets every
/// answer; `watch` is told how things stand after each turn.
pub fn run<T>(
    mut coordinator: Coordinator<T>,
    inbox: &Receiver<ToGroups<T>>,
    mut answer: impl FnMut(T, GroupAnswer),
    mut watch: impl FnMut(Seen),
) -> Coordinator<T> {
    let mut out = Vec::new();
    loop {
        let received = match coordinator.next_deadline() {
            Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let now = Instant::now();
        match received {
            Ok(ToGroups::Ask(request, from, to)) => {
                coordinator.handle(now, request, &from, to, &mut out);
            }
            Ok(ToGroups::Load(part)) => {
                coordinator.load(*part);
            }
            Ok(ToGroups::Loaded) => coordinator.loaded(),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(ToGroups::Stop) | Err(RecvTimeoutError::Disconnected) => return coordinator,
        }
        // However many requests come, none keeps time from going on.
        coordinator.expire(now, &mut out);
        out.drain(..).for_each(|(to, what)| answer(to, what));
        watch(Seen { counts: coordinator.counts(), sizes: coordinator.sizes() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage_tests::{commit, first_join};
    use super::super::{GroupLimits, GroupOptions};
    use super::*;
    use std::sync::mpsc::{channel, sync_channel};
    use std::time::Duration;

    #[test]
    fn answers_come_when_they_are_due_and_commits_are_left() {
        let (sender, inbox) = sync_channel(10);
        let (answered, answers) = channel();
        let delay = Duration::from_millis(50);
        let options = GroupOptions { initial_rebalance_delay: delay, ..GroupOptions::STANDARD };
        let coordinator = Coordinator::new(options, GroupLimits::STANDARD, Box::new(|| [7; 16]));
        let answer = move |to, what| answered.send((to, what, Instant::now())).unwrap();
        let thread = std::thread::spawn(move || run(coordinator, &inbox, answer, |_| ()));
        let ask = |request, to| sender.send(ToGroups::Ask(request, Client::default(), to)).unwrap();
        let error = |what| match what {
            GroupAnswer::Joined(joined) => joined.error.0,
            other => panic!("{other:?}"),
        };
        ask(GroupRequest::JoinGroup(first_join()), 1);
        let (to, what, _) = answers.recv().unwrap();
        assert_eq!((to, error(what)), (1, 14));
        sender.send(ToGroups::Load(Box::default())).unwrap();
        sender.send(ToGroups::Loaded).unwrap();
        let start = Instant::now();
        ask(GroupRequest::JoinGroup(first_join()), 2);
        let mut alone = commit("", -1, 0, 7, "");
        alone.group = "other".into();
        ask(GroupRequest::OffsetCommit(alone), 3);
        let mut order = Vec::new();
        for _ in 0..2 {
            let (to, what, at) = answers.recv().unwrap();
            order.push(to);
            assert!(to == 3 || (error(what) == 0 && at - start >= delay));
        }
        assert_eq!(order, [3, 2]);
        sender.send(ToGroups::Stop).unwrap();
        let commits = thread.join().unwrap().new_commits();
        assert_eq!((commits.len(), &*commits[0].group), (1, "other"));
    }
}
