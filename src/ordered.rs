//! Pieces of work done by several threads, their output written in the order of the pieces.
//!
//! ```text
//!   next()  ->  piece 0   piece 1   piece 2 ...      handed out in order, one to a thread
//!                  |         |         |
//!                work      work      work            each fills a buffer of its own
//!                  |         |         |
//!               write  ->  write  ->  write          each waits for its turn
//! ```
//!
//! Each thread holds one piece and one buffer. The thread whose turn it is writes its buffer as
//! soon as there are `WRITE_BYTES` in it, while they are still in the processor's cache. A buffer
//! that grows past `FLUSH_BYTES` waits for its turn, so that memory does not grow with what a
//! piece unpacks to.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A buffer of this size is written if its turn has come.
const WRITE_BYTES: usize = 256 << 10;
/// A buffer of this size is written before any more is added to it.
const FLUSH_BYTES: usize = 8 << 20;

/// What hands out pieces and takes their output. All methods are called by one thread at a time.
pub trait Job: Send {
    /// A piece of work.
    type Piece: Send;
    /// What the work on a piece came to, besides its output.
    type Done: Send;
    /// What ends all work.
    type Error: Send;

    /// The next piece, `None` behind the last.
    fn next(&mut self) -> Result<Option<Self::Piece>, Self::Error>;

    /// Takes output of the piece whose turn it is. False: nothing more is wanted.
    fn write(&mut self, output: &mut Vec<u8>) -> Result<bool, Self::Error>;

    /// The piece whose turn it is has been worked on, and all of its output written. `false`: the
    /// pieces that were handed out since are void; `next` hands out others.
    fn finish(&mut self, done: Self::Done) -> Result<bool, Self::Error>;
}

struct State<J: Job> {
    job: J,
    handed_out: u64,
    turn: u64,
    /// Pieces up to this one, if they are not done yet, are void.
    void_below: u64,
    is_over: bool,
    error: Option<J::Error>,
}

struct Shared<J: Job> {
    state: Mutex<State<J>>,
    turned: Condvar,
}

impl<J: Job> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // A panic elsewhere stops everything (see `Panics`) and is passed on by the scope.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of `piece`. `None` when the piece is void or nothing more is wanted.
    fn wait(&self, piece: u64) -> Option<MutexGuard<'_, State<J>>> {
        let mut state = self.lock();
        while state.turn != piece && !state.is_over {
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!state.is_over).then_some(state)
    }

    fn stop(&self, state: &mut State<J>, error: Option<J::Error>) {
        state.is_over = true;
        state.error = state.error.take().or(error);
        self.turned.notify_all();
    }
}

/// The piece that a thread works on: lets it write early.
pub struct Turn<'s, J: Job> {
    shared: &'s Shared<J>,
    piece: u64,
    is_void: bool,
}

impl<J: Job> Turn<'_, J> {
    /// Writes `output` if it has grown large. False: stop working on this piece.
    #[inline]
    pub fn offer(&mut self, output: &mut Vec<u8>) -> bool {
        output.len() < WRITE_BYTES || self.write_some(output)
    }

    fn write_some(&mut self, output: &mut Vec<u8>) -> bool {
        let is_my_turn = || self.shared.lock().turn == self.piece;
        if output.len() < FLUSH_BYTES && !is_my_turn() { true } else { self.write(output) }
    }

    fn write(&mut self, output: &mut Vec<u8>) -> bool {
        let Some(mut state) = self.shared.wait(self.piece) else { return false };
        if self.piece < state.void_below {
            self.is_void = true;
            return false;
        }
        let result = state.job.write(output);
        output.clear();
        match result {
            Ok(true) => true,
            Ok(false) => {
                self.shared.stop(&mut state, None);
                false
            }
            Err(error) => {
                self.shared.stop(&mut state, Some(error));
                false
            }
        }
    }
}

/// The output of a piece, and what the work on it came to besides.
type Worked<J> = Result<(Vec<u8>, <J as Job>::Done), <J as Job>::Error>;

/// Runs `job` on `threads` threads. `work` makes output of a piece; it is given the thread's own
/// state, which `new_worker` makes.
pub fn run<J: Job, W>(
    job: J,
    threads: usize,
    new_worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, J::Piece, &mut Turn<'_, J>) -> Worked<J> + Sync,
) -> Result<J, J::Error> {
    let state = State { job, handed_out: 0, turn: 0, void_below: 0, is_over: false, error: None };
    let shared = Shared { state: Mutex::new(state), turned: Condvar::new() };
    let worker = || {
        let mut worker = new_worker();
        while let Some((piece, number)) = claim(&shared) {
            let mut turn = Turn { shared: &shared, piece: number, is_void: false };
            let panics = Panics(&shared);
            let result = work(&mut worker, piece, &mut turn);
            std::mem::forget(panics);
            finish(&shared, turn, result);
        }
    };
    if threads <= 1 {
        worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(worker);
            }
        });
    }
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.error {
        Some(error) => Err(error),
        None => Ok(state.job),
    }
}

/// Dropped only by a panic: the others must not wait for a turn that never passes.
struct Panics<'s, J: Job>(&'s Shared<J>);

impl<J: Job> Drop for Panics<'_, J> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        self.0.stop(&mut state, None);
    }
}

fn claim<J: Job>(shared: &Shared<J>) -> Option<(J::Piece, u64)> {
    let mut state = shared.lock();
    while !state.is_over {
        match state.job.next() {
            Ok(Some(piece)) => {
                state.handed_out += 1;
                return Some((piece, state.handed_out - 1));
            }
            Ok(None) if state.turn == state.handed_out => return None,
            // A piece that is still being worked on may void those behind it and bring on others.
            Ok(None) => {
                state = shared.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            Err(error) => shared.stop(&mut state, Some(error)),
        }
    }
    None
}

fn finish<J: Job>(shared: &Shared<J>, mut turn: Turn<'_, J>, result: Worked<J>) {
    let done = match result {
        Ok((mut output, done)) => (turn.is_void || turn.write(&mut output)).then_some(Ok(done)),
        Err(error) => Some(Err(error)),
    };
    let Some(mut state) = shared.wait(turn.piece) else { return };
    let is_void = turn.is_void || turn.piece < state.void_below;
    if !is_void {
        match done {
            Some(Ok(done)) => match state.job.finish(done) {
                Ok(true) => {}
                Ok(false) => state.void_below = state.handed_out,
                Err(error) => shared.stop(&mut state, Some(error)),
            },
            Some(Err(error)) => shared.stop(&mut state, Some(error)),
            None => {}
        }
    }
    state.turn += 1;
    shared.turned.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out numbers; what is written has to come in their order. Every seventh number is
    /// found to be wrong by the work on the one before: then it is handed out again, marked.
    struct Numbers {
        next: u64,
        end: u64,
        corrected: u64,
        written: Vec<u64>,
        stop_behind: u64,
    }

    struct Done {
        number: u64,
    }

    impl Job for Numbers {
        type Piece = u64;
        type Done = Done;
        type Error = String;

        fn next(&mut self) -> Result<Option<u64>, String> {
            let number = self.next;
            self.next += 1;
            if number < self.end { Ok(Some(number)) } else { Ok(None) }
        }

        fn write(&mut self, output: &mut Vec<u8>) -> Result<bool, String> {
            for number in output.chunks_exact(8) {
                self.written.push(u64::from_be_bytes(number.try_into().unwrap()));
            }
            Ok(self.written.len() as u64 <= self.stop_behind)
        }

        fn finish(&mut self, done: Done) -> Result<bool, String> {
            if done.number == 5000 {
                return Err("piece 5000 fails".to_owned());
            }
            if done.number % 7 == 6 && done.number >= self.corrected {
                self.corrected = done.number + 1;
                self.next = done.number + 1;
                return Ok(false);
            }
            Ok(true)
        }
    }

    fn numbers(end: u64, stop_behind: u64, threads: usize) -> Result<Numbers, String> {
        let job = Numbers { next: 0, end, corrected: 0, written: Vec::new(), stop_behind };
        run(
            job,
            threads,
            || (),
            |(), number, turn| {
                let mut output = number.to_be_bytes().to_vec();
                if number % 3 == 0 {
                    // Work takes different times, and some of it is written early.
                    std::thread::yield_now();
                    turn.write(&mut output);
                }
                Ok((output, Done { number }))
            },
        )
    }

    #[test]
    fn output_comes_in_order_once_with_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for end in [0, 1, 2, 7, 500] {
                let written = numbers(end, u64::MAX, threads).unwrap().written;
                assert_eq!(written, (0..end).collect::<Vec<_>>(), "{threads} threads");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_ends_all_threads() {
        let job =
            Numbers { next: 0, end: 100, corrected: 0, written: Vec::new(), stop_behind: u64::MAX };
        let work = |(): &mut (), number: u64, _turn: &mut Turn<'_, Numbers>| {
            assert_ne!(number, 20, "the work on piece 20 panics");
            Ok((Vec::new(), Done { number }))
        };
        let _ = run(job, 4, || (), work);
    }

    #[test]
    fn nothing_is_written_behind_a_stop_or_an_error() {
        for threads in [1, 4] {
            let written = numbers(10_000, 99, threads).unwrap().written;
            assert_eq!(written, (0..100).collect::<Vec<_>>());
            let error = numbers(10_000, u64::MAX, threads).err().unwrap();
            assert_eq!(error, "piece 5000 fails");
        }
    }
}
