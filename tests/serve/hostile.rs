//! Clients that mean harm, and one among them that does not and must not notice.

use crate::toy::{
    Made, PATIENCE, Server, alone, bytes_of, eventually, made, ms, range, request, serve_file,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How much of it.
struct Numbers {
    slow_readers: usize,
    silent: usize,
    random_frames: usize,
    resets: usize,
    /// Connections at a time.
    connections: usize,
    write_time: Duration,
}

const FEW: Numbers = Numbers {
    slow_readers: 60,
    silent: 300,
    random_frames: 1000,
    resets: 30,
    connections: 100,
    write_time: Duration::from_millis(1500),
};

const MANY: Numbers = Numbers {
    slow_readers: 1000,
    silent: 10_000,
    random_frames: 100_000,
    resets: 1000,
    connections: 1024,
    write_time: Duration::from_secs(5),
};

/// The longest that a good client may wait for an answer, on a machine that does all this besides.
const LATE: Duration = Duration::from_secs(5);

/// Rejections of these limits so far.
fn rejected(server: &Server, limits: &[&str]) -> u64 {
    limits.iter().map(|limit| server.rejected(limit)).sum()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// Many addresses of this machine.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250 + 1) as u8)
}

/// Asks and compares until it is told to stop; how long the slowest answer took.
fn good_client(server: &Server, file: &Made, is_over: &AtomicBool) -> (Duration, usize) {
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    let mut client = server.client();
    while !is_over.load(Ordering::Relaxed) {
        let at = (asked as u64 * 7919) % (file.length - 300_000);
        let start = Instant::now();
        let answer = client.ask(b'f', &range(at, at + 300_000));
        slowest = slowest.max(start.elapsed());
        assert!(answer == bytes_of(at, at + 300_000));
        assert_eq!(client.ask(b'e', b"good"), b"good");
        asked += 1;
        thread::sleep(ms(5));
    }
    (slowest, asked)
}

/// Ends the good client, also when something fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn hurt(numbers: &Numbers) {
    let _alone = alone();
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let file = made(16 << 20);
    let mut server = serve_file(&file, |config| {
        let limits = &mut config.limits;
        limits.connections = numbers.connections;
        limits.connections_per_address = numbers.connections;
        limits.write_time = numbers.write_time;
        limits.first_request_time = ms(1000);
        limits.frame_time = ms(500);
        limits.request_bytes = 4 << 20;
        config.send_buffer = 64 << 10;
    });
    server.client().ask(b'e', b"warm");
    server.wait_for_connections(0);
    let (before, memory) = (descriptors(), resident_mib());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let good = scope.spawn(|| good_client(&server, &file, &is_over));
        let _ends_it = Ends(&is_over);
        let stages: [(&str, &dyn Fn()); 6] = [
            ("random bytes", &|| random_frames(&server, numbers.random_frames)),
            ("lengths", &|| lengths(&server)),
            ("frames cut at every byte", &|| cut_frames(&server)),
            ("resets", &|| resets(&server, &file, numbers.resets)),
            ("silent", &|| silent(&server, numbers.silent)),
            ("slow readers", &|| slow_readers(&server, &file, numbers)),
        ];
        for (what, stage) in stages {
            let start = Instant::now();
            stage();
            eventually(what, || server.snapshot().connections <= 1);
            let grown = resident_mib().saturating_sub(memory);
            println!("{what}: {:?}, {grown} MiB more than before", start.elapsed());
            assert!(grown < 100, "{what}: {grown} MiB");
            assert!(!good.is_finished(), "{what}");
        }
        is_over.store(true, Ordering::Relaxed);
        let (slowest, asked) = good.join().unwrap();
        println!("good client: {asked} requests, the slowest took {slowest:?}");
        assert!(slowest < LATE, "{slowest:?}");
    });
    server.wait_for_connections(0);
    eventually("descriptors come back", || descriptors() == before);
    let seen = server.snapshot();
    assert_eq!((seen.held, seen.in_queue, seen.panics), (0, 0, 0));
    assert!(!server.stop().has_failed);
}

#[test]
fn a_few_hostile_clients_change_nothing_for_a_good_one() {
    hurt(&FEW);
}

#[test]
#[ignore = "takes minutes"]
fn many_hostile_clients_change_nothing_for_a_good_one() {
    hurt(&MANY);
}

/// They take one byte now and then of much.
fn slow_readers(server: &Server, file: &Made, numbers: &Numbers) {
    let before = server.rejected_in_all();
    let mut readers: Vec<_> = Vec::new();
    for number in 0..numbers.slow_readers {
        // As many at a time as there may be.
        let room = (numbers.connections - 2) as u64;
        eventually("there is room", || server.snapshot().connections < room);
        let mut client = server.client_from(address(number)).unwrap();
        client.send(b'f', &range(0, file.length));
        readers.push(client.stream);
    }
    let all = numbers.slow_readers as u64;
    let start = Instant::now();
    while rejected(server, &["write_time"]) < all {
        assert!(start.elapsed() < PATIENCE + numbers.write_time * 2);
        for reader in &mut readers {
            // It may have been closed already.
            let _ = reader.read(&mut [0]);
        }
        thread::sleep(ms(50));
    }
    assert_eq!(server.rejected_in_all() - before, all);
}

/// They connect and say nothing, more of them than there may be connections.
fn silent(server: &Server, count: usize) {
    let before = server.rejected_in_all();
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(server.client_from(address(number)).unwrap());
        if number % 3 == 0 {
            // One that begins a request and does not end it.
            clients.last_mut().unwrap().stream.write_all(&[0, 0]).ok();
        }
    }
    let limits = ["connections", "first_request_time", "frame_time"];
    eventually("all are closed", || server.rejected_in_all() - before >= count as u64);
    assert_eq!(server.rejected_in_all() - before, count as u64);
    assert_eq!(rejected(server, &["write_time", "descriptors", "connections_per_address"]), 0);
    let by_limit: Vec<_> = limits.iter().map(|limit| server.rejected(limit)).collect();
    println!("{limits:?}: {by_limit:?}");
}

fn cut_frames(server: &Server) {
    let before = server.rejected_in_all();
    let frame = request(1, b'e', &[7; 60]);
    let mut left_open = Vec::new();
    for cut in 0..frame.len() {
        for way in 0..3 {
            let mut client = server.client();
            client.stream.write_all(&frame[..cut]).unwrap();
            match way {
                0 => drop(client),
                1 => client.reset(),
                _ => left_open.push(client),
            }
        }
        if left_open.len().is_multiple_of(20) || cut + 1 == frame.len() {
            // Those that went are nobody's fault; the others are not left to wait.
            let count = left_open.len() as u64;
            eventually("all are closed", || server.rejected_in_all() - before >= count);
        }
    }
    assert_eq!(server.rejected_in_all() - before, frame.len() as u64);
    assert_eq!(rejected(server, &["frame_time"]), frame.len() as u64 - 1);
}

fn lengths(server: &Server) {
    let before = server.rejected("frame_bytes");
    let bad = [i32::MAX, -1, 0, 7, i32::MIN, (1 << 20) + 1];
    for round in 0..20 {
        for length in bad {
            let mut client = server.client();
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.resize(4 + round * 100, 0xff);
            // The server may be faster.
            let _ = client.stream.write_all(&bytes);
            assert!(client.is_closed());
        }
    }
    assert_eq!(server.rejected("frame_bytes") - before, 20 * bad.len() as u64);
}

/// Noise, and noise in frames of a true length.
fn random_frames(server: &Server, count: usize) {
    let limits = ["frame_bytes", "malformed"];
    let before = rejected(server, &limits);
    thread::scope(|scope| {
        for part in 0..NOISY {
            scope.spawn(move || {
                let mut state = 88_172_645_463_325_252 + part as u64;
                (0..count / NOISY).for_each(|number| noise(server, number, &mut state));
            });
        }
    });
    let all = (count / NOISY * NOISY) as u64;
    assert_eq!(rejected(server, &limits) - before, all);
}

/// How many send noise at a time.
const NOISY: usize = 8;

fn noise(server: &Server, number: usize, state: &mut u64) {
    let mut random = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    };
    let mut noise: Vec<u8> = (0..random() % 200 + 9).map(|_| random() as u8).collect();
    if number.is_multiple_of(2) {
        // No command that it could be; what it says is up to the answers.
        noise[8] |= 0x80;
        noise.splice(0..0, u32::try_from(noise.len()).unwrap().to_be_bytes());
    } else {
        // A length that is too large.
        noise[0] |= 0x40;
    }
    let mut client = server.client();
    let _ = client.stream.write_all(&noise);
    assert!(client.is_closed());
}

/// They go while they are sent much.
fn resets(server: &Server, file: &Made, count: usize) {
    let before = server.rejected_in_all();
    for number in 0..count {
        let mut client = server.client();
        client.send(b'f', &range(0, file.length));
        let mut taken = vec![0; number * 10_007 % 1_000_000];
        client.stream.read_exact(&mut taken).unwrap();
        client.reset();
    }
    assert_eq!(server.rejected_in_all(), before);
}

/// A stranger's protocol gets no answer, and no time.
#[test]
fn other_protocols_are_closed_at_once() {
    let _others = crate::toy::among_others();
    let server = crate::toy::serve(|_| ());
    for hello in
        [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x"]
    {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(hello).unwrap();
        match stream.read(&mut [0; 10]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    assert_eq!((server.rejected("frame_bytes"), server.rejected_in_all()), (3, 3));
}
