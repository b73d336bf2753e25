//! What is found out when it is first asked for, by one thread, and again if that fails.
//!
//! ```text
//!   first     |== finds it out ==>| kept for ever
//!   second       busy             | kept ..              or waits, where it must have it
//!
//!   first     |== fails ==>|  the same failure  |== tries again ==>
//!                          '-- ten times as long as it took, a second at least
//! ```
//!
//! A failure may be of the moment, as that of a process without descriptors: it is not kept. But
//! what fails after a long time is not tried for each who asks.

use crate::error::Result;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The least time from a failure to the next attempt.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The pause, in times of what the attempt took.
const PAUSE: u32 = 10;

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKnown {
    /// Another thread is about to find it out.
    Busy,
    /// A sentence: the last attempt failed.
    Failed(String),
}

impl fmt::Display for NotKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("it is being found out"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

#[derive(Debug)]
struct Failure {
    why: String,
    again_at: Instant,
}

/// Something that is found out once.
#[derive(Debug)]
pub(super) struct Retried<T> {
    known: OnceLock<T>,
    /// The last failure. Locked by who finds it out.
    failure: Mutex<Option<Failure>>,
}

impl<T> Default for Retried<T> {
    fn default() -> Self {
        Self { known: OnceLock::new(), failure: Mutex::new(None) }
    }
}

impl<T> Retried<T> {
    /// The value; waits for a thread that finds it out. `find` is told whether it never failed.
    pub(super) fn wait(
        &self,
        find: impl FnOnce(bool) -> Result<T>,
    ) -> std::result::Result<&T, String> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        self.find(failure, Instant::now(), find)
    }

    /// The same, but waits for nobody.
    pub(super) fn now(
        &self,
        find: impl FnOnce(bool) -> Result<T>,
    ) -> std::result::Result<&T, NotKnown> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let failure = match self.failure.try_lock() {
            Ok(failure) => failure,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(NotKnown::Busy),
        };
        self.find(failure, Instant::now(), find).map_err(NotKnown::Failed)
    }

    fn find(
        &self,
        mut failure: MutexGuard<'_, Option<Failure>>,
        now: Instant,
        find: impl FnOnce(bool) -> Result<T>,
    ) -> std::result::Result<&T, String> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        if let Some(last) = failure.as_ref().filter(|last| now < last.again_at) {
            return Err(last.why.clone());
        }
        match find(failure.is_none()) {
            Ok(found) => Ok(self.known.get_or_init(|| found)),
            Err(error) => {
                let why = error.to_string();
                let end = Instant::now();
                let pause = end.duration_since(now).saturating_mul(PAUSE).max(LEAST_PAUSE);
                let again_at = end.checked_add(pause).unwrap_or(end);
                *failure = Some(Failure { why: why.clone(), again_at });
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::path::Path;

    fn fails(_: bool) -> Result<u32> {
        Err(Error::other("reading", Path::new("/a"), "no descriptor"))
    }

    #[test]
    fn a_failure_is_not_kept_for_ever() {
        let found = Retried::default();
        let why = found.now(fails).unwrap_err();
        assert!(why.to_string().contains("no descriptor"), "{why}");
        // Too early: nothing is tried.
        assert_eq!(found.now(|_| panic!()), Err(why.clone()));
        assert_eq!(found.wait(|_| panic!()), Err(why.to_string()));
        let later = Instant::now() + LEAST_PAUSE;
        let lock = || found.failure.lock().unwrap();
        let is_first = std::cell::Cell::new(true);
        let again = found.find(lock(), later, |first| {
            is_first.set(first);
            Ok(7)
        });
        assert_eq!((again, is_first.get()), (Ok(&7), false));
        assert_eq!(found.now(|_| panic!()), Ok(&7));
    }

    #[test]
    fn nobody_waits_who_need_not() {
        let found = Retried::default();
        std::thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let (end, ends) = std::sync::mpsc::channel::<()>();
            let found = &found;
            let first = scope.spawn(move || {
                found.wait(|is_first| {
                    assert!(is_first);
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                    Ok(7)
                })
            });
            begins.recv().unwrap();
            assert_eq!(found.now(|_| panic!()), Err(NotKnown::Busy));
            let waiting = scope.spawn(move || found.wait(|_| panic!()));
            end.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Ok(&7));
            assert_eq!(waiting.join().unwrap(), Ok(&7));
        });
    }
}
