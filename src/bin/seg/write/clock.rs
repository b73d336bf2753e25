//! The time, as Kafka counts it.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time as of the last tick of the system, where it tells that.
#[cfg(any(target_os = "linux", target_os = "android"))]
const TICKS: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const TICKS: ClockId = ClockId::Realtime;

/// Milliseconds since the epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A clock for what asks again and again: it is read once a tick, which is some milliseconds. To
/// read it for every record would take longer than to write a small one.
#[derive(Default)]
pub struct Clock {
    tick: Option<Timespec>,
    now: i64,
}

impl Clock {
    /// Milliseconds since the epoch, as they were at some time in this tick.
    #[inline]
    pub fn now(&mut self) -> i64 {
        let tick = Some(clock_gettime(TICKS));
        if self.tick != tick {
            (self.tick, self.now) = (tick, now());
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_at_most_a_tick_behind_and_never_before_it_was_first_asked() {
        let before = now();
        let mut clock = Clock::default();
        for _ in 0..1000 {
            let time = clock.now();
            assert!((before..=now()).contains(&time), "{before} {time}");
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(clock.now() >= before + 100);
    }
}
