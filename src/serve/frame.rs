//! A request's frame while it comes in.
//!
//! ```text
//!   | i32 length | header | body |
//!     4 bytes      never read past its end: what a client sends ahead stays with the system
//! ```
//!
//! Memory follows the bytes that came, never the length that was claimed: room for as much again
//! as there is already, paid for before it is asked for, the first [`FREE_BYTES`] free.

use crate::serve::budget::{Budget, FREE_BYTES, Paid};
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

/// Bytes of the length.
const HEAD_BYTES: usize = 4;
/// The shortest header there is: API, version, correlation id.
const LEAST_BYTES: usize = 8;

/// What a frame must keep to.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The longest there may be.
    pub frame_bytes: usize,
    /// What pays for its memory.
    pub budget: &'a Arc<Budget>,
    /// Who is told when there is memory again.
    pub processor: usize,
}

/// How far reading got.
#[derive(Debug)]
pub enum Filled {
    /// To the end of the frame.
    Frame(Vec<u8>, Paid),
    /// To what has come so far.
    Blocked,
    /// To what one turn may read.
    Budget,
    /// To what there is memory for. The processor is told of more.
    Starved,
    /// To the end of what the peer sends.
    Closed,
    /// No frame has this length.
    BadLength([u8; HEAD_BYTES]),
}

/// One frame, as much of it as has come.
#[derive(Debug, Default)]
pub struct Input {
    head: [u8; HEAD_BYTES],
    head_filled: usize,
    length: usize,
    bytes: Vec<u8>,
    /// Up to where there may be bytes without paying for more.
    granted: usize,
    paid: Paid,
}

impl Input {
    /// Whether nothing of a frame has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head_filled == 0
    }

    /// Reads at most `budget` bytes and takes what it read off it.
    ///
    /// # Errors
    /// Those of the socket, but for one that has nothing now.
    pub fn fill(
        &mut self,
        socket: &mut impl Read,
        buffer: &mut [u8],
        rules: &Rules<'_>,
        budget: &mut usize,
    ) -> io::Result<Filled> {
        loop {
            let wanted = if self.head_filled < HEAD_BYTES {
                HEAD_BYTES - self.head_filled
            } else if self.bytes.len() == self.length {
                let whole = std::mem::take(self);
                return Ok(Filled::Frame(whole.bytes, whole.paid));
            } else if *budget == 0 {
                return Ok(Filled::Budget);
            } else if self.is_granted_more(rules) {
                (self.granted - self.bytes.len()).min(*budget)
            } else {
                return Ok(Filled::Starved);
            };
            let most = wanted.min(buffer.len());
            let read = match socket.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Ok(Filled::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Filled::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            *budget = budget.saturating_sub(read);
            if !self.append(buffer.get(..read).unwrap_or_default(), rules.frame_bytes) {
                return Ok(Filled::BadLength(self.head));
            }
        }
    }

    /// False when these bytes end a length that no frame has.
    fn append(&mut self, bytes: &[u8], frame_bytes: usize) -> bool {
        if self.head_filled == HEAD_BYTES {
            if self.bytes.capacity() < self.granted {
                self.bytes.reserve_exact(self.granted - self.bytes.len());
            }
            self.bytes.extend_from_slice(bytes);
            return true;
        }
        for (to, from) in self.head.iter_mut().skip(self.head_filled).zip(bytes) {
            *to = *from;
            self.head_filled += 1;
        }
        // A negative one is no length, and an unfinished one not judged yet.
        self.length = usize::try_from(i32::from_be_bytes(self.head)).unwrap_or(usize::MAX);
        self.head_filled < HEAD_BYTES || (LEAST_BYTES..=frame_bytes).contains(&self.length)
    }

    fn is_granted_more(&mut self, rules: &Rules<'_>) -> bool {
        let filled = self.bytes.len();
        if filled < self.granted {
            return true;
        }
        let more = (self.length - filled).min(filled.max(FREE_BYTES.saturating_sub(filled)));
        let owed = (filled + more).saturating_sub(FREE_BYTES).saturating_sub(self.paid.bytes());
        if owed > 0 && !self.paid.grow(rules.budget, owed, rules.processor) {
            return false;
        }
        self.granted += more;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that has these pieces, one a read; an empty one is "nothing now".
    struct Pieces(Vec<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.first_mut() else { return Ok(0) };
            if piece.is_empty() {
                self.0.remove(0);
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn framed(length: usize) -> Vec<u8> {
        let mut all = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        all.extend((0..=250).cycle().take(length));
        all
    }

    struct Reading {
        input: Input,
        budget: Arc<Budget>,
        frame_bytes: usize,
    }

    impl Reading {
        fn new(frame_bytes: usize, request_bytes: usize) -> Self {
            let budget = Budget::new(request_bytes, Vec::new());
            Self { input: Input::default(), budget, frame_bytes }
        }

        fn fill(&mut self, socket: &mut Pieces, budget: usize) -> Filled {
            let rules = Rules { frame_bytes: self.frame_bytes, budget: &self.budget, processor: 0 };
            let mut left = budget;
            self.input.fill(socket, &mut [0; 1000], &rules, &mut left).unwrap()
        }
    }

    #[test]
    fn a_frame_may_be_cut_anywhere() {
        let all = framed(40);
        for cut in 1..all.len() {
            let (first, second) = all.split_at(cut);
            let mut behind = second.to_vec();
            behind.extend(framed(8));
            let mut socket = Pieces(vec![first.to_vec(), Vec::new(), behind, Vec::new()]);
            let mut reading = Reading::new(40, 0);
            assert!(matches!(reading.fill(&mut socket, 9999), Filled::Blocked));
            assert!(!reading.input.is_empty());
            let Filled::Frame(frame, _) = reading.fill(&mut socket, 9999) else { panic!() };
            assert_eq!(frame, all[4..]);
            assert!(reading.input.is_empty());
            let Filled::Frame(frame, _) = reading.fill(&mut socket, 9999) else { panic!() };
            assert_eq!(frame, framed(8)[4..]);
            assert!(matches!(reading.fill(&mut socket, 9999), Filled::Blocked));
            assert!(matches!(reading.fill(&mut socket, 9999), Filled::Closed));
        }
    }

    #[test]
    fn lengths_are_judged_before_anything_is_taken() {
        for length in [0, 1, 7, -1, 41, i32::MAX, i32::MIN, i32::from_be_bytes(*b"GET ")] {
            let mut socket = Pieces(vec![length.to_be_bytes().to_vec(), vec![1; 100]]);
            let mut reading = Reading::new(40, 0);
            let filled = reading.fill(&mut socket, 9999);
            assert!(matches!(filled, Filled::BadLength(head) if head == length.to_be_bytes()));
            assert_eq!(reading.input.bytes.capacity(), 0);
        }
        for length in [8, 40] {
            let filled = Reading::new(40, 0).fill(&mut Pieces(vec![framed(length)]), 9999);
            assert!(matches!(filled, Filled::Frame(frame, _) if frame.len() == length));
        }
    }

    #[test]
    fn memory_follows_the_bytes_that_came() {
        let length = 300_000;
        let all = framed(length);
        let mut reading = Reading::new(1 << 20, 1 << 20);
        for at in (0..all.len()).step_by(777) {
            let piece = all[at..all.len().min(at + 777)].to_vec();
            let filled = reading.fill(&mut Pieces(vec![piece, Vec::new()]), 9999);
            let came = at + 777;
            assert!(reading.input.bytes.capacity() <= FREE_BYTES.max(2 * came));
            assert!(reading.budget.used() <= (2 * came).saturating_sub(FREE_BYTES));
            let capacity = reading.input.bytes.capacity();
            assert!(reading.budget.used() >= capacity.saturating_sub(FREE_BYTES));
            if let Filled::Frame(frame, paid) = filled {
                assert_eq!(frame, all[4..]);
                assert_eq!(paid.bytes(), length - FREE_BYTES);
                drop(paid);
                assert_eq!(reading.budget.used(), 0);
                return;
            }
        }
        panic!("no frame");
    }

    #[test]
    fn a_turn_and_the_memory_of_all_end() {
        let mut reading = Reading::new(1 << 20, 3 * FREE_BYTES);
        let mut socket = Pieces(vec![framed(10 * FREE_BYTES)]);
        assert!(matches!(reading.fill(&mut socket, 5000), Filled::Budget));
        assert_eq!(reading.input.bytes.len(), 4996);
        assert!(matches!(reading.fill(&mut socket, 1 << 20), Filled::Starved));
        assert_eq!(reading.input.bytes.len(), 4 * FREE_BYTES);
        assert!(matches!(reading.fill(&mut socket, 1 << 20), Filled::Starved));
        drop(reading.input);
        assert_eq!(reading.budget.used(), 0);
    }
}
