//! Answers into sockets that take little, in pieces, or nothing; against the bytes laid end to end.

#![allow(clippy::cast_possible_truncation)]

use super::*;
use crate::serve::counters::Counters;
use crate::serve::files::SegmentId;
use crate::serve::mover::FileTrouble;
use mio::net::TcpStream;
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

/// Takes at most `step` bytes a call, nothing in every third one, and is interrupted now and then.
struct Fake {
    step: usize,
    calls: usize,
    refuses_files: bool,
    taken: Vec<u8>,
    /// How the last bytes came: whether more was announced.
    has_more: bool,
    /// The same of all calls.
    announced: Vec<bool>,
}

impl Fake {
    fn new(step: usize, refuses_files: bool) -> Self {
        Self {
            step,
            calls: 0,
            refuses_files,
            taken: Vec::new(),
            has_more: false,
            announced: Vec::new(),
        }
    }

    fn mood(&mut self) -> Result<usize, Errno> {
        self.calls += 1;
        match self.calls {
            n if n % 3 == 0 => Err(Errno::AGAIN),
            n if n % 7 == 0 => Err(Errno::INTR),
            _ => Ok(self.step),
        }
    }
}

impl Sink for Fake {
    fn send(&mut self, bytes: &[u8], has_more: bool) -> Result<usize, Errno> {
        let taken = self.mood()?.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..taken]);
        self.has_more = has_more || taken < bytes.len();
        self.announced.push(has_more);
        Ok(taken)
    }

    fn send_file(&mut self, file: BorrowedFd<'_>, at: u64, count: usize) -> Result<usize, Errno> {
        if self.refuses_files {
            return Err(Errno::INVAL);
        }
        let mut buffer = vec![0; self.mood()?.min(count)];
        let read = rustix::io::pread(file, &mut buffer, at)?;
        self.taken.extend_from_slice(&buffer[..read]);
        self.has_more = false;
        Ok(read)
    }
}

/// Bytes that are nowhere alike.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn segment(bytes: &[u8]) -> Arc<OpenSegment> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(OpenSegment::new(SegmentId(0), file, bytes.len() as u64))
}

fn range(file: &Arc<OpenSegment>, at: u64, end: u64) -> FileChunk {
    FileChunk { file: Arc::clone(file), at, end, warm_to: end }
}

/// Memory and two ranges, the second right behind memory that came in two pieces.
fn answer(file: &Arc<OpenSegment>, bytes: &[u8]) -> (Outgoing, Vec<u8>) {
    let mut outgoing = Outgoing::new();
    let length = bytes.len();
    let ranges = [(3, length / 2), (length / 3, length)];
    outgoing.push_bytes(b"length and envelope".to_vec());
    outgoing.push_file(range(file, ranges[0].0 as u64, ranges[0].1 as u64));
    outgoing.push_file(range(file, 5, 5));
    outgoing.push_bytes(Vec::new());
    outgoing.push_bytes(b"second ".to_vec());
    outgoing.push_bytes(b"partition".to_vec());
    outgoing.push_file(range(file, ranges[1].0 as u64, ranges[1].1 as u64));
    outgoing.push_bytes(b"end".to_vec());
    let expected = [
        b"length and envelope",
        &bytes[ranges[0].0..ranges[0].1],
        b"second partition",
        &bytes[ranges[1].0..ranges[1].1],
        b"end",
    ];
    (outgoing, expected.concat())
}

fn mover(use_sendfile: bool) -> (Mover, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    (Mover::new(Arc::clone(&counters), use_sendfile), counters)
}

#[test]
fn every_size_of_a_partial_write_gives_the_same_bytes() {
    let bytes = noise(1000, 1);
    for step in (1..60).chain([999, 1000, 5000]) {
        for (use_sendfile, refuses_files) in [(true, false), (true, true), (false, false)] {
            let file = segment(&bytes);
            let (mut outgoing, expected) = answer(&file, &bytes);
            let (mut mover, counters) = mover(use_sendfile);
            let mut fake = Fake::new(step, refuses_files);
            loop {
                let (before, mut budget) = (outgoing.left(), 37);
                let sent = outgoing.write_into(&mut fake, &mut mover, &mut budget).unwrap();
                assert_eq!(37 - budget, before - outgoing.left());
                assert_eq!(fake.taken.len() as u64, expected.len() as u64 - outgoing.left());
                match sent {
                    Sent::All => break,
                    Sent::Budget => assert_eq!(budget, 0),
                    Sent::Blocked => assert!(budget > 0 && outgoing.left() > 0),
                    Sent::Cold(_) => panic!("all of it was warm"),
                }
            }
            assert!(fake.taken == expected, "step {step}, {use_sendfile}, {refuses_files}");
            assert!(!fake.has_more, "the end was announced as the middle");
            assert_eq!(outgoing.memory_bytes(), 0);
            let all = counters.snapshot();
            let of_files = expected.len() as u64 - all.sent_memory;
            let is_copied = !use_sendfile || refuses_files;
            assert_eq!((all.sent_copied > 0, all.sent_sendfile > 0), (is_copied, !is_copied));
            assert_eq!(all.sent_copied + all.sent_sendfile, of_files);
        }
    }
}

#[test]
fn more_is_announced_until_the_end_and_not_there() {
    let bytes = noise(200_000, 8);
    let file = segment(&bytes);
    let (mut mover, _) = mover(false);
    let mut outgoing = Outgoing::new();
    outgoing.push_bytes(b"envelope".to_vec());
    outgoing.push_file(FileChunk { warm_to: 10, ..range(&file, 0, 200_000) });
    let mut fake = Fake::new(1 << 20, true);
    while outgoing.left() > 0 {
        fake.calls = 0;
        if let Sent::Cold(_) = outgoing.write_into(&mut fake, &mut mover, &mut 150_000).unwrap() {
            outgoing.warmed(200_000);
        }
    }
    let (last, before) = fake.announced.split_last().unwrap();
    // Envelope, 10 bytes, then 64 KiB at a time, cut once by the budget.
    assert_eq!((before.len(), before.contains(&false), *last), (5, false, false));
}

#[test]
fn nothing_of_a_cold_range_is_sent_before_it_was_warmed() {
    let bytes = noise(100, 2);
    let file = segment(&bytes);
    let mut outgoing = Outgoing::new();
    outgoing.push_bytes(b"head".to_vec());
    outgoing.push_file(FileChunk { file, at: 10, end: 90, warm_to: 0 });
    let (mut mover, _) = mover(true);
    let mut fake = Fake::new(1000, false);
    let mut turn = |outgoing: &mut Outgoing, fake: &mut Fake| {
        fake.calls = 0;
        outgoing.write_into(fake, &mut mover, &mut 1000).unwrap()
    };
    let Sent::Cold(range) = turn(&mut outgoing, &mut fake) else { panic!("not cold") };
    assert_eq!((range.at, range.end, &fake.taken[..]), (10, 90, &b"head"[..]));
    outgoing.warmed(30);
    let Sent::Cold(range) = turn(&mut outgoing, &mut fake) else { panic!("not cold") };
    assert_eq!((range.at, fake.taken.len()), (30, 24));
    // No progress must not become a circle.
    outgoing.warmed(30);
    assert!(matches!(turn(&mut outgoing, &mut fake), Sent::All));
    assert_eq!(fake.taken, [b"head", &bytes[10..90]].concat());
}

/// Both ends of a connection; the sender's buffer is as small as the system allows.
fn connection() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reader = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (writer, _) = listener.accept().unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&writer, 1).unwrap();
    writer.set_nonblocking(true).unwrap();
    writer.set_nodelay(true).unwrap();
    (TcpStream::from_std(writer), reader)
}

/// Sends until the end, until the socket is full, or until an error.
fn send_some(outgoing: &mut Outgoing, socket: &TcpStream, mover: &mut Mover) -> io::Result<Sent> {
    loop {
        match outgoing.write_to(socket, mover, &mut (20 << 10))? {
            Sent::Budget => {}
            Sent::Cold(range) => outgoing.warmed((range.at + 10_000).min(range.end)),
            sent => return Ok(sent),
        }
    }
}

/// Sends until the end or an error, waiting as a poll would.
fn send_all(outgoing: &mut Outgoing, socket: &TcpStream, mover: &mut Mover) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while !matches!(send_some(outgoing, socket, mover)?, Sent::All) {
        assert!(Instant::now() < end, "the socket takes nothing");
        thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

#[test]
fn a_real_socket_gets_the_same_by_sendfile_and_by_copying() {
    let bytes = noise(600_000, 3);
    for use_sendfile in [true, false] {
        let file = segment(&bytes);
        let (mut outgoing, expected) = answer(&file, &bytes);
        if let Some(Chunk::File(range)) = outgoing.chunks.get_mut(1) {
            range.warm_to = 0;
        }
        let (socket, mut reader) = connection();
        let (mut mover, counters) = mover(use_sendfile);
        let before = send_some(&mut outgoing, &socket, &mut mover).unwrap();
        assert!(matches!(before, Sent::Blocked), "the socket took everything at once");
        let reading = thread::spawn(move || {
            let mut taken = Vec::new();
            reader.read_to_end(&mut taken).unwrap();
            taken
        });
        send_all(&mut outgoing, &socket, &mut mover).unwrap();
        drop(socket);
        assert!(reading.join().unwrap() == expected, "by sendfile: {use_sendfile}");
        let all = counters.snapshot();
        assert_eq!(all.sent(), expected.len() as u64);
        assert_eq!((all.sent_sendfile > 0, all.sent_copied > 0), (use_sendfile, !use_sendfile));
    }
}

#[test]
fn a_file_that_shrinks_in_the_middle_ends_the_answer_and_is_marked() {
    let bytes = noise(600_000, 4);
    for use_sendfile in [true, false] {
        let file = segment(&bytes);
        let mut outgoing = Outgoing::new();
        outgoing.push_file(range(&file, 0, 600_000));
        let (socket, reader) = connection();
        let (mut mover, _) = mover(use_sendfile);
        let sent = outgoing.write_to(&socket, &mut mover, &mut 10_000).unwrap();
        assert!(!matches!(sent, Sent::All));
        file.log.set_len(100_000).unwrap();
        let reading = thread::spawn(move || io::copy(&mut &reader, &mut io::sink()).unwrap());
        let error = send_all(&mut outgoing, &socket, &mut mover).unwrap_err();
        drop(socket);
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(FileTrouble::of(&error), Some(FileTrouble::Shrunk { at: 100_000 }));
        assert!(file.experience.is_shrunk());
        assert_eq!(reading.join().unwrap(), 100_000);
    }
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_not_a_signal() {
    for (use_sendfile, is_memory) in [(true, false), (false, false), (true, true)] {
        let file = segment(&noise(600_000, 5));
        let mut outgoing = Outgoing::new();
        match is_memory {
            true => outgoing.push_bytes(noise(600_000, 6)),
            false => outgoing.push_file(range(&file, 0, 600_000)),
        }
        let (socket, reader) = connection();
        let (mut mover, _) = mover(use_sendfile);
        outgoing.write_to(&socket, &mut mover, &mut 1).unwrap();
        // Bytes that nobody reads any more: the peer's system answers with a reset.
        drop(reader);
        let error = send_all(&mut outgoing, &socket, &mut mover).unwrap_err();
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        let again = outgoing.write_to(&socket, &mut mover, &mut 1).unwrap_err();
        assert_eq!((again.kind(), FileTrouble::of(&again)), (ErrorKind::BrokenPipe, None));
        assert!(!file.experience.is_shrunk());
    }
}

#[test]
fn one_descriptor_serves_two_connections() {
    let bytes = noise(50_000, 7);
    let file = segment(&bytes);
    let (mut mover, _) = mover(true);
    let mut both = [(7, 40_000), (100, 50_000)].map(|(at, end)| {
        let mut outgoing = Outgoing::new();
        outgoing.push_file(range(&file, at, end));
        (outgoing, Fake::new(999, false), &bytes[at as usize..end as usize])
    });
    while both.iter().any(|(outgoing, ..)| outgoing.left() > 0) {
        for (outgoing, fake, _) in &mut both {
            outgoing.write_into(fake, &mut mover, &mut 1234).unwrap();
        }
    }
    for (_, fake, expected) in &both {
        assert!(fake.taken == *expected);
    }
    let mut one = [0];
    file.log.read_exact_at(&mut one, 0).unwrap();
    assert_eq!(position_of(&file.log), bytes.len() as u64, "the descriptor's own place moved");
}

/// Where the descriptor itself stands: where writing the file left it.
fn position_of(file: &File) -> u64 {
    std::io::Seek::stream_position(&mut &*file).unwrap()
}
