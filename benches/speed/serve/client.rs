//! Clients that ask as Kafka's do and throw away what they get.
//!
//! ```text
//!   | length | envelope | records |     the envelope is read, the records never leave the kernel
//! ```

use mio::{Events, Interest, Poll, Token};
use rustix::net::RecvFlags;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a client throws away at a time; the memory is never touched.
const DISCARD_BYTES: usize = 4 << 20;

/// A range of the log that begins and ends with batches.
#[derive(Clone, Copy)]
pub struct Piece {
    /// The offset of the first batch.
    pub offset: i64,
    /// Where it begins in the file.
    pub position: u64,
    /// Its size.
    pub length: u32,
}

/// The batches of a file, in pieces of at most `most` bytes or of one batch.
pub fn pieces(file: &Path, most: u32) -> Vec<Piece> {
    let bytes = crate::map(file);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 12) {
        let offset = i64::from_be_bytes(header[..8].try_into().unwrap());
        let length = u32::from_be_bytes(header[8..].try_into().unwrap()) + 12;
        match pieces.last_mut() {
            Some(piece) if piece.length + length <= most => piece.length += length,
            _ => pieces.push(Piece { offset, position: at as u64, length }),
        }
        at += length as usize;
    }
    pieces
}

/// A Fetch of version 11 for a piece of partition 0. Where the piece is in the file stands in a
/// field that brokers read of other brokers only; rivals read it.
pub fn request(topic: &str, piece: &Piece, max_wait: Duration) -> Vec<u8> {
    let mut out = vec![0; 4];
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    let length = piece.length.to_be_bytes();
    put(&[0, 1, 0, 11, 0, 0, 0, 0]);
    put(&[0, 5]);
    put(b"speed");
    put(&(-1i32).to_be_bytes());
    put(&u32::try_from(max_wait.as_millis()).unwrap().to_be_bytes());
    put(&1u32.to_be_bytes());
    put(&length);
    put(&[0]);
    put(&0u32.to_be_bytes());
    put(&(-1i32).to_be_bytes());
    put(&1u32.to_be_bytes());
    put(&u16::try_from(topic.len()).unwrap().to_be_bytes());
    put(topic.as_bytes());
    put(&1u32.to_be_bytes());
    put(&0u32.to_be_bytes());
    put(&(-1i32).to_be_bytes());
    put(&piece.offset.to_be_bytes());
    put(&piece.position.to_be_bytes());
    put(&length);
    put(&0u32.to_be_bytes());
    put(&[0, 0]);
    let length = u32::try_from(out.len() - 4).unwrap();
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// Which file range a request is for.
pub fn range_of(frame: &[u8]) -> (u64, u32) {
    let end = frame.len();
    let at = |range: Range<usize>| &frame[range];
    let position = u64::from_be_bytes(at(end - 18..end - 10).try_into().unwrap());
    (position, u32::from_be_bytes(at(end - 10..end - 6).try_into().unwrap()))
}

/// What stands before the records of an answer, its length included.
pub fn envelope_bytes(topic: &str) -> usize {
    // Length, correlation id, throttle time, error, session, topics; name; partitions; number,
    // error, three offsets, aborted transactions, replica, length.
    22 + 2 + topic.len() + 4 + 42
}

/// The envelope of an answer without an error, all that varies but the length being left out.
pub fn envelope(size: usize, records: u32) -> Vec<u8> {
    let mut out = vec![0; size];
    let length = u32::try_from(size - 4).unwrap() + records;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out[size - 4..].copy_from_slice(&records.to_be_bytes());
    out
}

/// Checks an envelope; how many bytes of records come behind it.
fn records_behind(envelope: &[u8]) -> u32 {
    let size = envelope.len();
    let field = |at: usize| u32::from_be_bytes(envelope[at..at + 4].try_into().unwrap());
    // The partition's error stands behind its number.
    assert_eq!(envelope[size - 38..size - 36], [0, 0], "the answer is an error: {envelope:?}");
    assert_eq!(field(0) as usize, size - 4 + field(size - 4) as usize, "not this envelope");
    field(size - 4)
}

/// One that asks and waits.
pub struct Client {
    socket: TcpStream,
    envelope: Vec<u8>,
    discarded: Vec<u8>,
    topic: String,
}

impl Client {
    pub fn connect(address: SocketAddr, topic: &str) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let envelope = vec![0; envelope_bytes(topic)];
        Self { socket, envelope, discarded: vec![0; DISCARD_BYTES], topic: topic.to_owned() }
    }

    pub fn ask(&mut self, piece: &Piece) {
        self.ask_for(piece, Duration::ZERO);
    }

    pub fn ask_for(&mut self, piece: &Piece, max_wait: Duration) {
        self.socket.write_all(&request(&self.topic, piece, max_wait)).unwrap();
    }

    fn records(&mut self) -> u32 {
        self.socket.read_exact(&mut self.envelope).unwrap();
        records_behind(&self.envelope)
    }

    /// Takes an answer and throws its records away; how many bytes they had.
    pub fn discard(&mut self) -> u32 {
        let records = self.records();
        let mut left = records as usize;
        while left > 0 {
            let most = left.min(DISCARD_BYTES);
            let flags = RecvFlags::TRUNC;
            match rustix::net::recv(&self.socket, &mut self.discarded[..most], flags) {
                Ok((_, 0)) => panic!("the server is gone, {left} bytes before the end"),
                Ok((_, taken)) => left -= taken,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("{error}"),
            }
        }
        records
    }

    /// Takes an answer and keeps its records.
    pub fn keep(&mut self) -> Vec<u8> {
        let mut records = vec![0; self.records() as usize];
        self.socket.read_exact(&mut records).unwrap();
        records
    }

    /// All pieces, from the one of this number on and around, two requests ahead.
    pub fn stream(&mut self, pieces: &[Piece], first: usize, mut goes_on: impl FnMut() -> bool) {
        let around = pieces.iter().cycle().skip(first).take(pieces.len());
        let mut asked = around.clone();
        for piece in asked.by_ref().take(2) {
            self.ask(piece);
        }
        let mut open = pieces.len().min(2);
        for piece in around {
            if open == 0 {
                return;
            }
            assert_eq!(self.discard(), piece.length, "not the whole piece");
            open -= 1;
            if goes_on()
                && let Some(next) = asked.next()
            {
                self.ask(next);
                open += 1;
            }
        }
    }
}

/// Many that ask for little, each again when it has its answer.
pub struct Crowd {
    poll: Poll,
    sockets: Vec<mio::net::TcpStream>,
    requests: Vec<Vec<u8>>,
    answer_bytes: usize,
}

impl Crowd {
    /// So many connections, which ask for one of `pieces` each, all of one size.
    pub fn connect(address: SocketAddr, topic: &str, pieces: &[Piece], connections: usize) -> Self {
        let poll = Poll::new().unwrap();
        let connect = |number| {
            let socket = TcpStream::connect(address).unwrap();
            socket.set_nodelay(true).unwrap();
            socket.set_nonblocking(true).unwrap();
            let mut socket = mio::net::TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(number), Interest::READABLE).unwrap();
            socket
        };
        let sockets = (0..connections).map(connect).collect();
        let far = pieces.iter().step_by((pieces.len() / connections).max(1));
        let requests: Vec<_> = far.map(|piece| request(topic, piece, Duration::ZERO)).collect();
        let answer_bytes = envelope_bytes(topic) + pieces[0].length as usize;
        Self { poll, sockets, requests, answer_bytes }
    }

    /// How long it takes until so many answers are there.
    pub fn run(&mut self, answers: usize) -> Duration {
        let began = Instant::now();
        let mut left = vec![self.answer_bytes; self.sockets.len()];
        for (socket, request) in self.sockets.iter_mut().zip(self.requests.iter().cycle()) {
            socket.write_all(request).unwrap();
        }
        let (mut asked, mut done) = (self.sockets.len(), 0);
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 << 10]);
        while done < asked {
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "no answer, {done} of {asked} are there");
            for event in &events {
                let number = event.token().0;
                let socket = &mut self.sockets[number];
                while left[number] > 0 {
                    match socket.read(&mut buffer[..left[number]]) {
                        Ok(0) => panic!("the server closed a connection"),
                        Ok(taken) => left[number] -= taken,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                if left[number] > 0 {
                    continue;
                }
                done += 1;
                if asked < answers {
                    asked += 1;
                    left[number] = self.answer_bytes;
                    let request = &self.requests[asked % self.requests.len()];
                    socket.write_all(request).unwrap();
                }
            }
        }
        began.elapsed()
    }
}
