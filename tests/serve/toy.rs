//! A server whose requests say what is to be answered, and its clients.
//!
//! ```text
//!   request   | i32 length | 4 bytes that would be API and version | i32 number | command | ... |
//!   answer    | i32 length | i32 number | ... |
//! ```

use rustix::net::{AddressFamily, SocketType, sockopt};
use segkit::serve::counters::{Counters, Snapshot};
use segkit::serve::files::{OpenSegment, SegmentId};
use segkit::serve::outgoing::{FileChunk, Outgoing};
use segkit::serve::queue::{Answer, Closing, Handle, Request};
use segkit::serve::{Config, Ended, Running};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Tests that look at the whole process are alone in it.
static PROCESS: RwLock<()> = RwLock::new(());

pub fn among_others() -> RwLockReadGuard<'static, ()> {
    PROCESS.read().unwrap_or_else(PoisonError::into_inner)
}

pub fn alone() -> RwLockWriteGuard<'static, ()> {
    PROCESS.write().unwrap_or_else(PoisonError::into_inner)
}

/// What is waited for comes much sooner on a machine that has nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(ms(2));
    }
}

/// What answers.
#[derive(Default)]
pub struct Toy {
    segment: Option<Arc<OpenSegment>>,
    /// The disk is broken.
    pub warm_fails: AtomicBool,
    /// How often it was asked to bring something into the page cache.
    pub warmed: AtomicU64,
    pub handled: AtomicU64,
}

/// How much is brought into the page cache at a time.
pub const WARM_BYTES: u64 = 1 << 20;

fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |it| u64::from_be_bytes(it.try_into().unwrap()))
}

impl Toy {
    fn file(&self, answered: &[u8], range: &[u8], is_warm: bool) -> Outgoing {
        let (at, end) = (number_at(range, 0), number_at(range, 8));
        let file = Arc::clone(self.segment.as_ref().unwrap());
        let mut outgoing = Outgoing::new();
        let length = u32::try_from(answered.len() as u64 + end - at).unwrap();
        outgoing.push_bytes([&length.to_be_bytes(), answered].concat());
        outgoing.push_file(FileChunk { file, at, end, warm_to: if is_warm { end } else { at } });
        outgoing
    }
}

fn memory(number: &[u8], rest: &[u8]) -> Outgoing {
    let length = u32::try_from(number.len() + rest.len()).unwrap();
    let mut outgoing = Outgoing::new();
    outgoing.push_bytes([&length.to_be_bytes(), number, rest].concat());
    outgoing
}

impl Handle for Toy {
    fn handle(&self, request: &Request) -> Answer {
        self.handled.fetch_add(1, Ordering::Relaxed);
        let (number, body) = request.frame[4..].split_at(4);
        let Some((&command, rest)) = body.split_first() else {
            return Answer::Close(Closing::Rejected("malformed"));
        };
        let time = ms(number_at(rest, 0));
        let behind = rest.get(8..).unwrap_or_default();
        match command {
            b'e' => Answer::Send(memory(number, rest)),
            b'h' => Answer::Hold(memory(number, behind), Instant::now() + time),
            b's' => {
                std::thread::sleep(time);
                Answer::Send(memory(number, behind))
            }
            b'l' => {
                let (to, answer) = (request.to.clone(), memory(number, behind));
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    to.send(Answer::Send(answer));
                });
                Answer::Later
            }
            b'2' => {
                request.to.send(Answer::Send(memory(number, b"first")));
                Answer::Send(memory(number, b"second"))
            }
            b'b' => {
                Answer::Send(memory(number, &vec![7; usize::try_from(number_at(rest, 0)).unwrap()]))
            }
            b'f' => Answer::Send(self.file(number, rest, true)),
            b'w' => Answer::Send(self.file(number, rest, false)),
            b'n' => Answer::Close(Closing::NoAnswerWanted),
            b'p' => panic!("as it was asked to"),
            _ => Answer::Close(Closing::Rejected("malformed")),
        }
    }

    fn warm(&self, chunk: &FileChunk) -> io::Result<u64> {
        self.warmed.fetch_add(1, Ordering::Relaxed);
        if self.warm_fails.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(chunk.end.min(chunk.at + WARM_BYTES))
    }
}

/// A file whose bytes say where they are.
pub struct Made {
    _dir: tempfile::TempDir,
    pub path: PathBuf,
    pub length: u64,
}

pub fn bytes_of(at: u64, end: u64) -> Vec<u8> {
    (at..end).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

pub fn made(length: u64) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("00000000000000000000.log");
    std::fs::write(&path, bytes_of(0, length)).unwrap();
    Made { _dir: dir, path, length }
}

pub struct Server {
    running: Option<Running>,
    pub toy: Arc<Toy>,
    pub counters: Arc<Counters>,
    pub address: SocketAddr,
}

/// One whose limits are out of the way, and how it differs.
pub fn serve(change: impl FnOnce(&mut Config)) -> Server {
    serve_toy(Toy::default(), change)
}

pub fn serve_file(made: &Made, change: impl FnOnce(&mut Config)) -> Server {
    let file = File::open(&made.path).unwrap();
    let segment = Some(Arc::new(OpenSegment::new(SegmentId(0), file, made.length)));
    serve_toy(Toy { segment, ..Toy::default() }, change)
}

fn serve_toy(toy: Toy, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config { network_threads: 2, io_threads: 2, ..Config::STANDARD };
    config.limits.connections_per_address = 100_000;
    config.limits.frame_time = PATIENCE;
    change(&mut config);
    let (toy, counters) = (Arc::new(toy), Arc::new(Counters::default()));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let handler = Arc::clone(&toy);
    let running = segkit::serve::start(listen, config, handler, Arc::clone(&counters)).unwrap();
    Server { address: running.address(), running: Some(running), toy, counters }
}

impl Server {
    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn stop(&mut self) -> Ended {
        self.running.take().unwrap().stop()
    }

    pub fn client(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// One of another address of this machine, which takes few bytes that it does not read.
    pub fn client_from(&self, from: Ipv4Addr) -> io::Result<Client> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_recv_buffer_size(&socket, 32 << 10)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
        rustix::net::connect(&socket, &self.address)?;
        Ok(Client::new(TcpStream::from(socket)))
    }

    pub fn snapshot(&self) -> Snapshot {
        self.counters.snapshot()
    }

    pub fn rejected(&self, limit: &str) -> u64 {
        self.snapshot().rejected.iter().find(|(name, _)| *name == limit).map_or(0, |it| it.1)
    }

    pub fn rejected_in_all(&self) -> u64 {
        self.snapshot().rejected.iter().map(|(_, count)| count).sum()
    }

    #[track_caller]
    pub fn wait_for_connections(&self, count: u64) {
        eventually("connections end", || self.snapshot().connections == count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let ended = running.stop();
            if !std::thread::panicking() {
                assert_eq!(ended, Ended { has_failed: false, network_left: 0, handlers_left: 0 });
            }
        }
    }
}

pub struct Client {
    pub stream: TcpStream,
    number: u32,
    answered: u32,
}

pub fn request(number: u32, command: u8, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(9 + rest.len()).unwrap();
    let number = number.to_be_bytes();
    [&length.to_be_bytes()[..], &[0; 4], &number, &[command], rest].concat()
}

pub fn after(time: Duration, rest: &[u8]) -> Vec<u8> {
    [&u64::try_from(time.as_millis()).unwrap().to_be_bytes(), rest].concat()
}

pub fn range(at: u64, end: u64) -> Vec<u8> {
    [at.to_be_bytes(), end.to_be_bytes()].concat()
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, number: 0, answered: 0 }
    }

    pub fn request(&mut self, command: u8, rest: &[u8]) -> Vec<u8> {
        self.number += 1;
        request(self.number, command, rest)
    }

    pub fn send(&mut self, command: u8, rest: &[u8]) {
        let request = self.request(command, rest);
        self.stream.write_all(&request).unwrap();
    }

    /// The next answer, of the first request that has none.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head)?;
        self.answered += 1;
        assert_eq!(head[4..], self.answered.to_be_bytes());
        let length = u32::from_be_bytes(head[..4].try_into().unwrap());
        let mut rest = vec![0; length as usize - 4];
        self.stream.read_exact(&mut rest)?;
        Ok(rest)
    }

    /// One answer was read without [`Self::receive`].
    pub fn skip_answer(&mut self) {
        self.answered += 1;
    }

    pub fn ask(&mut self, command: u8, rest: &[u8]) -> Vec<u8> {
        self.send(command, rest);
        self.receive().unwrap()
    }

    /// Whether the server has ended it, without another byte.
    #[track_caller]
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 100]) {
            Ok(0) => true,
            Ok(read) => panic!("{read} bytes"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends it without a goodbye.
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}
