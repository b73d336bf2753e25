//! `seg serve` against bare servers that are asked the same, by the same clients, for the same
//! bytes; both ends on this machine.

mod client;
pub mod rivals;

use crate::inputs::{self, Log};
use crate::measure::Race;
use crate::report::{Report, Row};
use crate::{Setup, throughput};
use client::{Client, Crowd, Piece, envelope_bytes, pieces};
use rivals::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The topic of the large log.
pub const TOPIC: &str = "plain";
const SMALL_TOPIC: &str = "tiny";
/// What is asked for at a time.
const REQUEST_BYTES: u32 = 32 << 20;
/// Connections of a crowd.
const CROWD: usize = 1000;
/// How long the crowd waits for records that never come.
const LONG_POLL: Duration = Duration::from_secs(30);
/// Lets all of them in.
const MANY: [&str; 4] = ["--max-connections", "1500", "--max-connections-per-ip", "1500"];

pub fn serve(setup: &Setup, report: &mut Report) {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let (log, all) = (&setup.plain, pieces(&setup.plain.file, REQUEST_BYTES));
    {
        let seg = Server::seg(&log.dir, &[]);
        let bare = Server::sendfile(&log.file, envelope_bytes(TOPIC));
        same_bytes(&[&seg, &bare], log, &all);
        streams(&seg, &bare, &all, setup.rounds, report);
        beside_streams(&seg, &bare, log, &all, setup.rounds.min(5), report);
    }
    idle(log, report);
    small(&setup.root, setup.rounds, report);
    start(setup, report);
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
        let (clock, processor) = race(seg, bare, all, connections, rounds);
        report.limit(&format!("`sendfile`: {}", clock.what()), clock.peer_rate());
        let peer = "a thread a connection that does `sendfile` and nothing else";
        report.at_least(0.9, clock.against(peer));
        report.at_most(1.15, processor.against("the same"));
    }
}

/// A broker that serves the same log as partition 0 of a topic of the same name, side by side.
pub fn beside_broker(setup: &Setup, broker: &Server, report: &mut Report) {
    let (log, all) = (&setup.plain, pieces(&setup.plain.file, REQUEST_BYTES));
    let seg = Server::seg(&log.dir, &[]);
    same_bytes(&[&seg, broker], log, &all);
    // Its compiler has to have seen all of it.
    stream(broker, TOPIC, &all, 4, &mut Took::default());
    for connections in [1, 4] {
        let (clock, processor) = race(&seg, broker, &all, connections, setup.rounds);
        report.beside(clock.against("a broker of 4.4.0 that has a copy of it"));
        report.beside(processor.against("the same"));
    }
}

/// Two servers in turns.
fn race(
    seg: &Server,
    peer: &Server,
    all: &[Piece],
    connections: usize,
    rounds: usize,
) -> (Row, Row) {
    let (mut ours, mut theirs) = (Took::default(), Took::default());
    for _ in 0..rounds {
        stream(seg, TOPIC, all, connections, &mut ours);
        stream(peer, TOPIC, all, connections, &mut theirs);
    }
    rows(ours, theirs, all, connections)
}

/// The rows of the clock and of processors.
fn rows(ours: Took, theirs: Took, all: &[Piece], connections: usize) -> (Row, Row) {
    let bytes: usize = all.iter().map(|piece| piece.length as usize).sum::<usize>() * connections;
    let ending = if connections == 1 { "" } else { "s" };
    let clock = Race::of(ours.clock, theirs.clock);
    let rate = |time: Duration| throughput(time, bytes);
    let what = format!("fetch of a warm log, {connections} connection{ending}");
    let first = Row::new(&format!("{what}, on the clock"), "`seg serve`", &clock, &rate);
    let processor = Race::of(ours.processor, theirs.processor);
    let rate = |time: Duration| {
        format!("{:.3} s/GiB", time.as_secs_f64() * (1u64 << 30) as f64 / bytes as f64)
    };
    let what = format!("{what}, the server's processor time");
    (first, Row::new(&what, "`seg serve`", &processor, &rate))
}

/// The latency of small fetches while others take all they can get.
fn beside_streams(
    seg: &Server,
    bare: &Server,
    log: &Log,
    all: &[Piece],
    rounds: usize,
    report: &mut Report,
) {
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
    let race = Race::run(rounds, || latencies(seg), || latencies(bare));
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
    let what = "memory of 1,000 connections that wait, pages of the program included";
    report.figure(what, "`seg serve`", &shown, "under 50 MiB", resident < 50.0);
}

/// A crowd that asks for one small batch at a time.
fn small(root: &Path, rounds: usize, report: &mut Report) {
    const ANSWERS: usize = 50_000;
    // Batches of one record each.
    let record_size = inputs::VALUE_BYTES.to_string();
    let arguments = ["--batch-size", "1", "--record-size", &record_size];
    let log = inputs::log(root, &format!("{SMALL_TOPIC}-0"), 100_000, &arguments);
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
    let size = batches[0].length;
    let what = format!("1,000 connections, fetches of one batch of {size} bytes, on the clock");
    let row = Row::new(&what, "`seg serve`", &race, &rate);
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
fn start(setup: &Setup, report: &mut Report) {
    const PARTITIONS: usize = 1000;
    // 111 records fill a segment.
    const RECORDS: usize = 1100;
    const SHAPE: [&str; 12] = [
        "--topic",
        "many",
        "--partitions",
        "1000",
        "--partitioner",
        "round-robin",
        "--keys",
        "0",
        "--batch-size",
        "4096",
        "--segment-bytes",
        "12288",
    ];
    let place = setup.memory.join("start");
    fs::create_dir(&place).unwrap();
    inputs::generate(&place, (PARTITIONS * RECORDS) as u64, &SHAPE);
    let (mut points, mut segments) = (String::new(), 0);
    for number in 0..PARTITIONS {
        points.push_str(&format!("many {number} {RECORDS}\n"));
        let mut logs = inputs::log_files(&place.join(format!("many-{number}")));
        segments += logs.len();
        // A broker that runs has room in the indexes of the last segment.
        logs.sort();
        let last = logs.pop().unwrap().with_extension("index");
        File::options().write(true).open(last).unwrap().set_len(10 << 20).unwrap();
    }
    assert!(segments >= 10_000, "{segments} segments");
    let write = |name: &str, text: &str| {
        fs::write(place.join(name), text).unwrap();
    };
    write("meta.properties", "version=1\nnode.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n");
    let checkpoint = format!("0\n{PARTITIONS}\n{points}");
    write("recovery-point-offset-checkpoint", &checkpoint);
    write("replication-offset-checkpoint", &checkpoint);
    for (what, is_clean) in [("killed", false), ("stopped in order", true)] {
        if is_clean {
            write(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":1}");
        }
        let times = (0..5).map(|_| Server::seg(&place, &[]).start);
        let seconds = times.min().unwrap().as_secs_f64();
        let what = format!("start with {segments} segments of 1,000 partitions, {what}");
        report.figure(&what, "`seg serve`", &format!("{seconds:.2} s"), "under 1 s", seconds < 1.0);
    }
    fs::remove_dir_all(&place).unwrap();
}
