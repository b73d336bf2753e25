//! What a mover makes of each answer of the system.

use super::*;
use crate::serve::files::SegmentId;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

/// Gives the answers that it was told to give, and fails the test when asked for more.
struct Scripted {
    files: VecDeque<Result<usize, Errno>>,
    sends: VecDeque<Result<usize, Errno>>,
}

impl Sink for Scripted {
    fn send(&mut self, _: &[u8], _: bool) -> Result<usize, Errno> {
        self.sends.pop_front().unwrap()
    }

    fn send_file(&mut self, _: BorrowedFd<'_>, _: u64, _: usize) -> Result<usize, Errno> {
        self.files.pop_front().unwrap()
    }
}

fn chunk(bytes: &[u8], end: u64) -> FileChunk {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    chunk_of(file, end)
}

fn chunk_of(file: File, end: u64) -> FileChunk {
    let file = Arc::new(OpenSegment::new(SegmentId(0), file, end));
    FileChunk { file, at: 0, end, warm_to: end }
}

struct Run {
    counters: Arc<Counters>,
    result: io::Result<Option<u64>>,
    unused: usize,
}

fn run(chunk: &FileChunk, files: &[Result<usize, Errno>], sends: &[Result<usize, Errno>]) -> Run {
    let counters = Arc::new(Counters::default());
    let mut mover = Mover::new(Arc::clone(&counters), true);
    let mut sink =
        Scripted { files: files.iter().copied().collect(), sends: sends.iter().copied().collect() };
    let result = mover.send_range(&mut sink, chunk, chunk.end - chunk.at, false);
    mover.count();
    Run { counters, result, unused: sink.files.len() + sink.sends.len() }
}

fn failures(counters: &Counters) -> Vec<(&'static str, u64)> {
    let all = counters.snapshot().segments_failed;
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_signal_is_no_answer() {
    let chunk = chunk(b"0123456789", 10);
    let run = run(&chunk, &[Err(Errno::INTR), Err(Errno::INTR), Ok(3)], &[]);
    assert_eq!((run.result.unwrap(), run.unused), (Some(3), 0));
    assert_eq!(run.counters.snapshot().sent_sendfile, 3);
}

#[test]
fn a_full_socket_is_said_and_nothing_else_happens() {
    let chunk = chunk(b"0123456789", 10);
    let run = run(&chunk, &[Err(Errno::AGAIN)], &[]);
    assert_eq!((run.result.unwrap(), run.unused), (None, 0));
    assert!(!chunk.file.experience.is_copied());
}

#[test]
fn a_file_that_sendfile_refuses_is_copied_from_then_on() {
    for errno in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
        let chunk = chunk(b"0123456789", 10);
        let first = run(&chunk, &[Err(errno)], &[Err(Errno::INTR), Ok(4)]);
        assert_eq!((first.result.unwrap(), first.unused), (Some(4), 0));
        assert!(chunk.file.experience.is_copied());
        let second = run(&chunk, &[], &[Err(Errno::AGAIN)]);
        assert_eq!(second.result.unwrap(), None);
        let sent = first.counters.snapshot();
        assert_eq!((sent.sent_copied, sent.sent_sendfile), (4, 0));
    }
}

#[test]
fn the_end_before_the_end_marks_the_segment() {
    let chunk = chunk(b"", 10);
    for is_copied in [false, true] {
        chunk.file.experience.is_copied.store(is_copied, Ordering::Relaxed);
        chunk.file.experience.is_shrunk.store(false, Ordering::Relaxed);
        let files: &[_] = if is_copied { &[] } else { &[Ok(0)] };
        let run = run(&chunk, files, &[]);
        let error = run.result.unwrap_err();
        assert_eq!(FileTrouble::of(&error), Some(FileTrouble::Shrunk { at: 0 }));
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(chunk.file.experience.is_shrunk());
    }
}

#[test]
fn what_a_device_says_is_told_from_what_a_socket_says() {
    let mut chunk = chunk(b"0123456789", 10);
    chunk.at = 7;
    let device = run(&chunk, &[Err(Errno::IO)], &[]).result.unwrap_err();
    let expected = FileTrouble::Unreadable { at: 7, error: Errno::IO };
    assert_eq!(FileTrouble::of(&device), Some(expected));
    assert_eq!(chunk.file.experience.unreadable_at(), Some(7));
    for (errno, kind) in [
        (Errno::PIPE, io::ErrorKind::BrokenPipe),
        (Errno::CONNRESET, io::ErrorKind::ConnectionReset),
    ] {
        let socket = run(&chunk, &[Err(errno)], &[]).result.unwrap_err();
        assert_eq!((FileTrouble::of(&socket), socket.kind()), (None, kind));
    }
}

#[test]
fn a_read_that_fails_in_the_copying_loop_is_the_devices() {
    // A directory opens, and no read of it succeeds.
    let chunk = chunk_of(File::open("/").unwrap(), 10);
    let run = run(&chunk, &[Err(Errno::INVAL)], &[]);
    let trouble = FileTrouble::of(&run.result.unwrap_err()).unwrap();
    assert_eq!((trouble.name(), run.unused), ("unreadable", 0));
    assert_eq!(failures(&run.counters), [("unreadable", 1)]);
}
