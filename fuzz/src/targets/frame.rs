//! Frames as they come in piece by piece, against cutting the whole stream at its lengths.

use super::memory::{SMALL, within};
use super::picks::Picks;
use segkit::serve::budget::Budget;
use segkit::serve::frame::{Filled, Input, Rules};
use std::io::{self, ErrorKind, Read};

/// A socket that gives a few bytes at a time, or nothing now.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = match self.sizes.len() {
            0 => usize::MAX,
            count => usize::from(self.sizes[self.turn % count]),
        };
        self.turn += 1;
        // A socket that has never anything would be asked for ever.
        if size == 0 && !self.turn.is_multiple_of(3) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = size.max(1).min(buffer.len()).min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// Choices, the sizes of pieces behind their length, then what a client sends.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let frame_bytes = 8 << (choice & 15);
    let turn = 1 + usize::from(picks.u16());
    let sizes = picks.bytes();
    let sent = picks.rest();
    let is_short_of_memory = choice & 16 != 0;
    within(3 * SMALL + 6 * sent.len(), || {
        let budget = Budget::new(if is_short_of_memory { 5_000 } else { 1 << 30 }, Vec::new());
        let rules = Rules { frame_bytes, budget: &budget, processor: 0 };
        let mut expected = cut(sent, frame_bytes);
        let mut socket = Pieces { bytes: sent, sizes, turn: 0 };
        let (mut input, mut buffer) = (Input::default(), vec![0; 16 << 10]);
        loop {
            let mut left = turn;
            match input.fill(&mut socket, &mut buffer, &rules, &mut left).unwrap() {
                Filled::Frame(frame, paid) => {
                    assert!(input.is_empty());
                    assert!(frame.capacity() <= (2 * frame.len()).max(16 << 10));
                    assert_eq!(expected.next(), Some(Ok(&frame[..])));
                    assert_eq!(budget.used(), paid.bytes());
                }
                Filled::Blocked => {}
                Filled::Budget => assert_eq!(left, 0),
                Filled::Starved => {
                    assert!(is_short_of_memory);
                    break;
                }
                Filled::Closed => {
                    assert!(socket.bytes.is_empty());
                    assert!(!matches!(expected.next(), Some(Ok(_))), "a frame was lost");
                    break;
                }
                Filled::BadLength(head) => {
                    assert_eq!(expected.next(), Some(Err(head)));
                    break;
                }
            }
        }
        drop(input);
        assert_eq!(budget.used(), 0, "memory that nobody has is paid for");
    });
}

/// The frames of a stream, or the length that none has.
fn cut(mut rest: &[u8], most: usize) -> impl Iterator<Item = Result<&[u8], [u8; 4]>> {
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*head);
        if length < 8 || length as usize > most {
            rest = &[];
            return Some(Err(*head));
        }
        let (frame, behind) = behind.split_at_checked(length as usize)?;
        rest = behind;
        Some(Ok(frame))
    })
}
