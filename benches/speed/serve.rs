//! `seg serve` against bare servers that are asked the same, by the same clients, for the same
//! bytes; both ends on this machine.
//!
//! ```text
//!   SEG_BENCH_BROKER=127.0.0.1:9092,PID,TOPIC    a broker, side by side; partition 0 of TOPIC has
//!                                                to be a copy of the log that is measured with
//!   SEG_BENCH_KEEP=DIR                           where to put that log, for such a copy
//! ```

mod client;
pub mod rivals;

use crate::generate::{self, Log, Shape};
use crate::measure::Race;
use crate::report::{Report, Row};
use crate::{Logs, throughput};
use client::{Client, Crowd, Piece, envelope_bytes, pieces};
use rivals::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use segkit::format::Codec;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The topic of the large log, and of the one with small batches.
const TOPIC: &str = "plain";
const SMALL_TOPIC: &str = "tiny";
/// What is asked for at a time.
const REQUEST_BYTES: u32 = 32 << 20;
/// Connections of a crowd.
const CROWD: usize = 1000;
/// How long the crowd waits for records that never come.
const LONG_POLL: Duration = Duration::from_secs(30);
/// Lets all of them in.
const MANY: [&str; 4] = ["--max-connections", "1500", "--max-connections-per-ip", "1500"];

pub fn serve(root: &Path, logs: &Logs, report: &mut Report) {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let all = pieces(&logs.plain.file, REQUEST_BYTES);
    if let Some(dir) = std::env::var_os("SEG_BENCH_KEEP") {
        keep(&logs.plain, Path::new(&dir));
    }
    {
        let seg = Server::seg(&logs.plain.dir, &[]);
        let bare = Server::sendfile(&logs.plain.file, envelope_bytes(TOPIC));
        same_bytes(&[&seg, &bare], &logs.plain, &all);
        streams(&seg, &bare, &all, logs.rounds, report);
        beside_streams(&seg, &bare, &logs.plain, &all, report);
        broker(&seg, &all, logs.rounds, report);
    }
    idle(&logs.plain, report);
    small(root, logs.rounds, report);
    start(report);
}

fn keep(log: &Log, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for entry in fs::read_dir(&log.dir).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
    }
}

/// What is sent fast has to be right.
fn same_bytes(servers: &[&Server], log: &Log, all: &[Piece]) {
    let file = File::open(&log.file).unwrap();
    for server in servers {
        let mut client = Client::connect(server.address, TOPIC);
        for piece in all.iter().take(3).chain(all.last()) {
            client.ask(piece);
            let mut expected = vec![0; piece.length as usize];
            file.read_exact_at(&mut expected, piece.position).unwrap();
            assert!(client.keep() == expected, "not the bytes of the file");
        }
    }
}

/// Times on the clock and of the server's processors.
#[derive(Default)]
struct Took {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
}

impl Took {
    fn add(&mut self, server: &Server, work: impl FnOnce()) {
        let (before, began) = (server.processor_time(), Instant::now());
        work();
        self.clock.push(began.elapsed());
        self.processor.push(server.processor_time() - before);
    }
}

/// Every connection fetches the whole log and throws it away.
fn stream(server: &Server, topic: &str, all: &[Piece], connections: usize, took: &mut Took) {
    let connect = |_| Client::connect(server.address, topic);
    let mut clients: Vec<Client> = (0..connections).map(connect).collect();
    took.add(server, || {
        thread::scope(|scope| {
            for (number, client) in clients.iter_mut().enumerate() {
                let first = number * all.len() / connections;
                scope.spawn(move || client.stream(all, first, || true));
            }
        });
    });
}

fn streams(seg: &Server, bare: &Server, all: &[Piece], rounds: usize, report: &mut Report) {
    for connections in [1, 4] {
        let (mut ours, mut theirs) = (Took::default(), Took::default());
        for _ in 0..rounds {
            stream(seg, TOPIC, all, connections, &mut ours);
            stream(bare, TOPIC, all, connections, &mut theirs);
        }
        let rows = races(ours, theirs, all, connections);
        let peer = "a thread a connection that does `sendfile` and nothing else";
        report.at_least(0.9, rows.0.against(peer));
        report.at_most(1.15, rows.1.against("the same"));
    }
}

/// The rows of the clock and of processors.
fn races(ours: Took, theirs: Took, all: &[Piece], connections: usize) -> (Row, Row) {
    let bytes: usize = all.iter().map(|piece| piece.length as usize).sum::<usize>() * connections;
    let ending = if connections == 1 { "" } else { "s" };
    let clock = Race::of(ours.clock, theirs.clock);
    let rate = |time: Duration| throughput(time, bytes);
    let what = format!("fetch of a warm log, {connections} connection{ending}, on the clock");
    let first = Row::new(&what, "`seg serve`", &clock, &rate);
    let processor = Race::of(ours.processor, theirs.processor);
    let rate = |time: Duration| {
        format!("{:.3} s/GiB", time.as_secs_f64() * (1u64 << 30) as f64 / bytes as f64)
    };
    (first, Row::new("the same, the server's processor time", "`seg serve`", &processor, &rate))
}

fn broker(seg: &Server, all: &[Piece], rounds: usize, report: &mut Report) {
    let Ok(named) = std::env::var("SEG_BENCH_BROKER") else { return };
    let [address, process, topic] = named.split(',').collect::<Vec<_>>()[..] else {
        panic!("not ADDRESS,PID,TOPIC: {named}");
    };
    let broker = Server::running(address.parse().unwrap(), process.parse().unwrap());
    // Its compiler has to have seen all of it.
    stream(&broker, topic, all, 4, &mut Took::default());
    for connections in [1, 4] {
        let (mut ours, mut theirs) = (Took::default(), Took::default());
        for _ in 0..rounds {
            stream(seg, TOPIC, all, connections, &mut ours);
            stream(&broker, topic, all, connections, &mut theirs);
        }
        let (clock, processor) = races(ours, theirs, all, connections);
        report.beside(clock.against("a broker of Kafka"));
        report.beside(processor.against("the same"));
    }
}

/// The latency of small fetches while others take all they can get.
fn beside_streams(seg: &Server, bare: &Server, log: &Log, all: &[Piece], report: &mut Report) {
    const FETCHES: usize = 2000;
    let batches = pieces(&log.file, 16 << 10);
    let step = batches.len() / FETCHES;
    let wanted: Vec<Piece> = batches.into_iter().step_by(step.max(1)).take(FETCHES).collect();
    let latencies = |server: &Server| {
        let is_over = AtomicBool::new(false);
        let goes_on = || !is_over.load(Ordering::Relaxed);
        thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || {
                    let mut client = Client::connect(server.address, TOPIC);
                    while goes_on() {
                        client.stream(all, number * all.len() / 4, goes_on);
                    }
                });
            }
            let mut client = Client::connect(server.address, TOPIC);
            thread::sleep(Duration::from_millis(200));
            let mut one = |piece: &Piece| {
                let began = Instant::now();
                client.ask(piece);
                assert_eq!(client.discard(), piece.length);
                began.elapsed()
            };
            let mut times: Vec<Duration> = wanted.iter().map(&mut one).collect();
            is_over.store(true, Ordering::Relaxed);
            times.sort();
            times[times.len() * 99 / 100]
        })
    };
    let race = Race::run(3, || latencies(seg), || latencies(bare));
    let rate = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let what = "99 of 100 fetches of 16 KiB beside 4 that take all they can get, within";
    let row = Row::new(what, "`seg serve`", &race, &rate);
    report.at_most(2.0, row.against("the bare server, beside the same"));
}

/// A crowd that waits at the end of the log.
fn idle(log: &Log, report: &mut Report) {
    let server = Server::seg(&log.dir, &MANY);
    let end = Piece { offset: log.records, position: 0, length: 1 << 20 };
    let connect = |_| Client::connect(server.address, TOPIC);
    let mut clients: Vec<Client> = (0..CROWD).map(connect).collect();
    let (before, began) = (server.processor_time(), Instant::now());
    clients.iter_mut().for_each(|client| client.ask_for(&end, LONG_POLL));
    thread::sleep(Duration::from_secs(1));
    let resident = server.resident_kib();
    for client in &mut clients {
        assert_eq!(client.discard(), 0);
    }
    let clock = began.elapsed();
    assert!(clock >= LONG_POLL, "answered after {clock:?}");
    let used = server.processor_time() - before;
    let share = used.as_secs_f64() / clock.as_secs_f64() * 100.0;
    let resident = resident.max(server.resident_kib()) as f64 / 1024.0;
    let what = "1,000 connections that wait 30 s, requests and answers included";
    report.figure(
        what,
        "`seg serve`",
        &format!("{share:.2} % of a core"),
        "under 1 %",
        share < 1.0,
    );
    let shown = format!("{resident:.1} MiB");
    let what = "memory meanwhile, pages of the program included";
    report.figure(what, "`seg serve`", &shown, "under 50 MiB", resident < 50.0);
}

/// A crowd that asks for one small batch at a time.
fn small(root: &Path, rounds: usize, report: &mut Report) {
    const ANSWERS: usize = 50_000;
    // A batch of one record of 100 bytes: 161.
    let shape =
        Shape { log_bytes: 16 << 20, batch_bytes: 200, codec: Codec::None, is_monotonous: false };
    let log = generate::log(root, &format!("{SMALL_TOPIC}-0"), shape).unwrap();
    let batches = pieces(&log.file, 1);
    let answer = envelope_bytes(SMALL_TOPIC) + batches[0].length as usize;
    let (seg, bare) = (Server::seg(&log.dir, &MANY), Server::echo(answer));
    same_small_bytes(&seg, &log, &batches);
    let crowd = |server: &Server| Crowd::connect(server.address, SMALL_TOPIC, &batches, CROWD);
    let (mut ours, mut theirs) = (crowd(&seg), crowd(&bare));
    let race = Race::run(rounds, || ours.run(ANSWERS), || theirs.run(ANSWERS));
    let rate = |time: Duration| {
        format!("{:.0} thousand requests/s", ANSWERS as f64 / time.as_secs_f64() / 1e3)
    };
    let what = "1,000 connections, fetches of one batch of 161 bytes, on the clock";
    let row = Row::new(what, "`seg serve`", &race, &rate);
    report.at_least(0.5, row.against("one event loop that sends as many bytes of memory"));
}

fn same_small_bytes(seg: &Server, log: &Log, batches: &[Piece]) {
    let file = File::open(&log.file).unwrap();
    let mut client = Client::connect(seg.address, SMALL_TOPIC);
    for piece in batches.iter().step_by(997) {
        client.ask(piece);
        let mut expected = vec![0; piece.length as usize];
        file.read_exact_at(&mut expected, piece.position).unwrap();
        assert!(client.keep() == expected, "not the bytes of the file");
    }
}

/// From the first instruction to the first client, with many segments.
fn start(report: &mut Report) {
    const PARTITIONS: usize = 1000;
    const SEGMENTS: usize = 10;
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new("/tmp") };
    let place = tempfile::tempdir_in(place).unwrap();
    let shape = Shape {
        log_bytes: 12 << 10,
        batch_bytes: 4 << 10,
        codec: Codec::None,
        is_monotonous: false,
    };
    let mut points = String::new();
    for number in 0..PARTITIONS {
        let name = format!("many-{number}");
        let log = generate::segments(place.path(), &name, shape, SEGMENTS).unwrap();
        points.push_str(&format!("many {number} {}\n", log.records));
        // A broker that runs has room in the indexes of the last segment.
        let last = fs::read_dir(&log.dir).unwrap().map(|entry| entry.unwrap().path());
        let last = last.filter(|path| path.extension().is_some_and(|is| is == "index")).max();
        File::options().write(true).open(last.unwrap()).unwrap().set_len(10 << 20).unwrap();
    }
    let write = |name: &str, text: &str| {
        File::create(place.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("meta.properties", "version=1\nnode.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n");
    let checkpoint = format!("0\n{PARTITIONS}\n{points}");
    write("recovery-point-offset-checkpoint", &checkpoint);
    write("replication-offset-checkpoint", &checkpoint);
    for (what, is_clean) in [("killed", false), ("stopped in order", true)] {
        if is_clean {
            write(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":1}");
        }
        let times = (0..5).map(|_| Server::seg(place.path(), &[]).start);
        let seconds = times.min().unwrap().as_secs_f64();
        let what = format!("start with 10,000 segments of 1,000 partitions, {what}");
        report.figure(&what, "`seg serve`", &format!("{seconds:.2} s"), "under 1 s", seconds < 1.0);
    }
}
