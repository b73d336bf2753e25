//! `seg serve` as its users meet it: what it says at the start, what a client of hand-made bytes
//! reads off it, what it refuses, how it ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod server;

use client::Client;
use common::batches::frames;
use common::{copy_files, entries, files_ending, log_dirs, seg, testdata};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::Signal;
use serde_json::Value;
use server::Server;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LOG: &str = "00000000000000000000.log";

/// The logs of a partition, one behind the other.
fn logs(partition: &Path) -> Vec<u8> {
    files_ending(partition, ".log").iter().flat_map(|path| fs::read(path).unwrap()).collect()
}

fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("{name} in {row}"))
}

/// From the batch that holds `start` to the end of the last whole one.
fn batches_from(log: &[u8], start: i64) -> &[u8] {
    let frames = frames(log);
    let first = frames.iter().find(|frame| client::last_offset(&log[frame.position..]) >= start);
    let Some(first) = first else { return &[] };
    &log[first.position..frames.last().unwrap().end()]
}

#[test]
fn every_byte_of_every_partition_comes_as_it_is() {
    for log_dir in log_dirs(&testdata()) {
        let server = Server::start(&testdata(), &[&log_dir]);
        let mut client = Client::new(&server.address);
        let served = server.rows_of("served");
        assert!(!served.is_empty());
        for row in served {
            let (topic, partition) = (row["topic"].as_str().unwrap(), number(row, "partition"));
            let start = number(row, "logStartOffset");
            let path = testdata().join(row["path"].as_str().unwrap());
            let log = logs(&path);
            for most in [200, 1 << 20] {
                let read = client.read_all(topic, partition as i32, start, most);
                assert!(read == batches_from(&log, start), "{}: {most}", path.display());
            }
        }
        let ended = server.end(Signal::TERM);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    }
}

/// A copy of a log dir whose files are all older than its records: where a segment has no
/// timestamps, a broker takes the file's time for them, and a checkout does not keep it.
fn old_copy(log_dir: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    copy_files(log_dir, root.path());
    for partition in entries(log_dir).iter().filter(|path| path.is_dir()) {
        let to = root.path().join(partition.file_name().unwrap());
        copy_files(partition, &to);
        for file in entries(&to) {
            let old = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1);
            File::options().append(true).open(file).unwrap().set_modified(old).unwrap();
        }
    }
    root
}

#[test]
fn offsets_are_those_that_the_broker_gave() {
    for log_dir in log_dirs(&testdata()) {
        let copy = old_copy(&log_dir);
        let server = Server::start(copy.path(), &["."]);
        let mut client = Client::new(&server.address);
        let name = log_dir.file_name().unwrap();
        let file = testdata().join("expected").join(name).join("offsets.jsonl");
        for line in fs::read_to_string(file).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let (topic, partition) = (row["topic"].as_str().unwrap(), number(&row, "partition"));
            if !server.rows_of("served").iter().any(|served| served["topic"] == topic) {
                continue;
            }
            let mut ask = |time, level| client.list_offsets(topic, partition as i32, time, level);
            for (name, time, level) in
                [("earliest", -2, 0), ("highWatermark", -1, 0), ("lastStable", -1, 1)]
            {
                // null where that broker did not know the question.
                if let Some(offset) = row[name][0].as_i64() {
                    assert_eq!(ask(time, level), (0, offset), "{name} in {line}");
                }
            }
            for time in row["times"].as_array().unwrap() {
                let (Some(asked), Some(offset)) = (time[0].as_i64(), time[1].as_i64()) else {
                    continue;
                };
                assert_eq!(ask(asked, 0), (0, offset), "{asked}: {line}");
            }
        }
    }
}

/// Everything below a directory that a change of it would change.
fn state(root: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let mut to_do = vec![root.to_owned()];
    let mut all = Vec::new();
    while let Some(path) = to_do.pop() {
        let metadata = fs::metadata(&path).unwrap();
        all.push((path.clone(), metadata.size(), metadata.mtime_nsec(), metadata.ctime_nsec()));
        if metadata.is_dir() {
            to_do.extend(entries(&path));
        }
    }
    all
}

/// A log dir of one partition, a copy of a healthy one.
fn log_dir_of(partition: &str, properties: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("meta.properties"), properties).unwrap();
    let from = testdata().join("kafka-4.3.1").join(partition);
    copy_files(&from, &root.path().join(partition));
    root
}

const PROPERTIES: &str = "version=1\nnode.id=7\ncluster.id=mine\n";

#[test]
fn nothing_on_the_disk_changes() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    // Without its indexes, which a broker would make.
    for file in files_ending(&root.path().join("epochs-0"), "index") {
        fs::remove_file(file).unwrap();
    }
    let before = state(root.path());
    let server = Server::start(root.path(), &["."]);
    let mut client = Client::new(&server.address);
    let log = logs(&root.path().join("epochs-0"));
    assert!(client.read_all("epochs", 0, 0, 4096) == batches_from(&log, 0));
    assert_eq!(server.end(Signal::TERM).status, Some(0));
    assert_eq!(state(root.path()), before);
}

/// A copy of `epochs-0` with a flipped bit in the batch of this number of its first segment.
/// Returns the offsets of that batch: its first, and the first behind it.
fn damaged(root: &Path, batch: usize) -> (i64, i64) {
    let path = root.join("epochs-0").join(LOG);
    let mut log = fs::read(&path).unwrap();
    let frame = frames(&log)[batch];
    let first = i64::from_be_bytes(log[frame.position..][..8].try_into().unwrap());
    let next = client::last_offset(&log[frame.position..]) + 1;
    log[frame.end() - 1] ^= 1;
    fs::write(path, log).unwrap();
    (first, next)
}

#[test]
fn a_damage_ends_what_can_be_read_or_is_stepped_over() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let (first, next) = damaged(root.path(), 3);
    let server = Server::start(root.path(), &[".", "--check", "all"]);
    let row = server.rows_of("served")[0];
    assert_eq!(row["damages"].as_array().unwrap().len(), 1, "{row}");
    let mut client = Client::new(&server.address);
    let before = client.fetch("epochs", 0, 0, 1 << 20, 0);
    let whole = frames(&before.records);
    let last = &before.records[whole.last().unwrap().position..];
    assert_eq!((before.error, client::last_offset(last) + 1), (0, first));
    const CORRUPT_MESSAGE: i16 = 2;
    assert_eq!(client.fetch("epochs", 0, first, 1 << 20, 0).error, CORRUPT_MESSAGE);
    assert_eq!(client.fetch("epochs", 0, next, 1 << 20, 0).error, 0);
    let ended = server.end(Signal::TERM);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);

    let server = Server::start(root.path(), &[".", "--skip-damaged"]);
    let mut client = Client::new(&server.address);
    let mut log = logs(&root.path().join("epochs-0"));
    let frame = frames(&log)[3];
    drop(log.drain(frame.position..frame.end()));
    assert!(client.read_all("epochs", 0, 0, 1 << 20) == log);
    assert_eq!(server.end(Signal::TERM).status, Some(1));
}

#[test]
fn an_unfinished_batch_at_the_end_is_not_served() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let last = files_ending(&root.path().join("epochs-0"), ".log").pop().unwrap();
    let log = fs::read(&last).unwrap();
    let frame = *frames(&log).last().unwrap();
    let first = i64::from_be_bytes(log[frame.position..][..8].try_into().unwrap());
    for cut in [frame.position + 12, frame.position + 17, frame.end() - 1] {
        fs::write(&last, &log[..cut]).unwrap();
        let server = Server::start(root.path(), &["."]);
        let row = server.rows_of("served")[0];
        assert_eq!((number(row, "logEndOffset"), row["tail"].as_str()), (first, Some("torn")));
        let mut client = Client::new(&server.address);
        assert_eq!(client.list_offsets("epochs", 0, -1, 0), (0, first));
        client.read_all("epochs", 0, 0, 1 << 20);
        assert_eq!(server.end(Signal::TERM).status, Some(0));
    }
}

#[test]
fn of_two_copies_the_longer_one_is_served() {
    let (short, long) = (log_dir_of("epochs-0", PROPERTIES), log_dir_of("epochs-0", PROPERTIES));
    for file in entries(&short.path().join("epochs-0")) {
        if file.to_string_lossy().contains("00276.") {
            fs::remove_file(file).unwrap();
        }
    }
    let paths = [short.path(), long.path()];
    let server = Server::start(Path::new("/"), &paths);
    let row = server.rows_of("served")[0];
    assert_eq!(Path::new(row["path"].as_str().unwrap()), long.path().join("epochs-0"));
    let left_out = server.rows_of("leftOut");
    assert_eq!(left_out.len(), 1);
    assert_eq!(Path::new(left_out[0]["path"].as_str().unwrap()), short.path().join("epochs-0"));
}

#[test]
fn an_index_that_a_crash_may_have_cut_short_is_not_believed() {
    let root = log_dir_of("txn-0", PROPERTIES);
    let aborted = |clean: bool| {
        let marker = root.path().join(".kafka_cleanshutdown");
        if clean {
            fs::write(marker, "{\"version\":0,\"brokerEpoch\":1}").unwrap();
        } else {
            drop(fs::remove_file(marker));
        }
        let server = Server::start(root.path(), &["."]);
        let mut client = Client::new(&server.address);
        let (mut all, mut offset) = (Vec::new(), 0);
        loop {
            let fetched = client.fetch("txn", 0, offset, 1 << 20, 1);
            let Some(last) = frames(&fetched.records).pop() else { return all };
            offset = client::last_offset(&fetched.records[last.position..]) + 1;
            all.extend(fetched.aborted);
        }
    };
    let (indexed, replayed) = (aborted(true), aborted(false));
    assert!(!indexed.is_empty());
    assert_eq!(indexed, replayed);
    for index in files_ending(&root.path().join("txn-0"), ".txnindex") {
        File::options().write(true).open(index).unwrap().set_len(0).unwrap();
    }
    assert_eq!(aborted(false), indexed);
    // After a good stop they are believed, as a broker does.
    assert_eq!(aborted(true), []);
}

/// It ends at once, says one line with `what`, and with this status.
fn refused(directory: &Path, arguments: &[&str], status: i32, what: &str) {
    let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let run = seg(directory, &all);
    assert_eq!(run.status, status, "{arguments:?}: {}", run.stderr);
    assert!(run.stderr.contains(what) && run.stderr.lines().count() == 1, "{}", run.stderr);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mine = log_dir_of("epochs-0", PROPERTIES);
    let yours = log_dir_of("shapes-0", "version=1\nnode.id=8\ncluster.id=yours\n");
    let (a, b) = (mine.path().to_str().unwrap(), yours.path().to_str().unwrap());
    refused(mine.path(), &[a, b], 2, "different clusters");

    let other = log_dir_of("epochs-0", PROPERTIES);
    let id = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n";
    fs::write(other.path().join("epochs-0/partition.metadata"), id).unwrap();
    refused(mine.path(), &[a, other.path().to_str().unwrap()], 2, "different topics");
}

#[test]
fn a_disk_that_a_broker_works_on_is_refused() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let lock = File::create(root.path().join(".lock")).unwrap();
    fcntl_lock(&lock, FlockOperation::LockExclusive).unwrap();
    refused(root.path(), &["."], 2, "a broker is at work");
}

#[test]
fn doors_are_opened_only_on_purpose() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let usage = |arguments: &[&str], what| {
        let mut all = vec!["serve", "."];
        all.extend(arguments);
        let run = seg(root.path(), &all);
        assert_eq!(run.status, 64, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(what), "{}", run.stderr);
    };
    usage(&["--listen", "0.0.0.0:0"], "--allow-remote");
    usage(&["--listen", "0.0.0.0:0", "--allow-remote"], "--advertise");
    usage(&["--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0"], "--allow-remote");
    usage(&["--advertise", "no port"], "HOST:PORT");

    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let run = seg(root.path(), &["serve", ".", "--listen", &taken]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains(&taken), "{}", run.stderr);
}

#[test]
fn ctrl_c_ends_it_as_it_ends_other_commands() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let server = Server::start(root.path(), &["."]);
    let mut client = Client::new(&server.address);
    assert_eq!(client.list_offsets("epochs", 0, -2, 0), (0, 0));
    let ended = server.end(Signal::INT);
    assert_eq!(ended.status, Some(130));
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
    assert_eq!(ended.rows.len(), 0);
}

/// Every call that reads a file, or changes one.
const CALLS: &str = "trace=read,readv,pread64,preadv,preadv2,mmap,sendfile,copy_file_range,splice,\
    openat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,rename,renameat,renameat2,\
    unlink,unlinkat,mkdir,mkdirat,link,linkat,symlinkat,fchmod,fchmodat,utimensat";

/// A header of a batch is all that is ever read of one.
const HEADER_BYTES: u64 = 61;

/// The calls of a trace, one a line, where those of several threads run into each other.
fn calls(trace: &str) -> Vec<String> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some(front) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread, front);
        } else if let Some((_, rest)) =
            call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            calls.push(format!("{}{rest}", begun.remove(thread).unwrap_or_default()));
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}

#[test]
#[ignore = "wants strace"]
fn record_bytes_never_enter_the_process() {
    let root = log_dir_of("lookup-0", PROPERTIES);
    // Otherwise the log is read once, as a broker does that comes back from a crash.
    fs::write(root.path().join(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":1}")
        .unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let server = Server::start_traced(root.path(), CALLS, trace.path());
    let before = calls(&fs::read_to_string(trace.path()).unwrap()).len();
    let log = logs(&root.path().join("lookup-0"));
    let mut client = Client::new(&server.address);
    assert!(client.read_all("lookup", 0, 0, 5000) == batches_from(&log, 0));
    let text = fs::read_to_string(trace.path()).unwrap();
    // strace ends with the process that it follows, which would go on without it.
    let id = text.split_once(' ').unwrap().0.parse().unwrap();
    let traced = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(traced, Signal::TERM).unwrap();
    assert_eq!(server.wait().status, Some(0));
    let (mut sent, mut read) = (0, 0);
    let calls = calls(&text);
    for line in calls.iter().skip(before).filter(|line| line.contains(".log>")) {
        let count = line.rsplit("= ").next().unwrap().split(' ').next().unwrap().parse();
        let count: u64 = count.unwrap_or_else(|_| panic!("{line}"));
        match line.split('(').next().unwrap() {
            "sendfile" => sent += count,
            "pread64" | "preadv2" if count <= HEADER_BYTES => read += count,
            "openat" => {}
            _ => panic!("{line}"),
        }
    }
    assert!(sent >= log.len() as u64, "{sent} of {} bytes went by sendfile", log.len());
    assert!(read < sent / 10, "{read} bytes were read");
    // From the first to the last call: what is in the directory is opened for reading, that is all.
    let here = root.path().to_str().unwrap();
    for line in calls.iter().filter(|line| line.contains(here)) {
        let reads = ["read", "pread", "mmap", "sendfile"].iter().any(|call| line.contains(call));
        assert!(reads || line.contains("openat") && line.contains("O_RDONLY"), "{line}");
        assert!(!line.contains("O_CREAT") && !line.contains("MAP_SHARED, PROT_WRITE"), "{line}");
    }
}

/// A log dir of two partitions of one segment each, of a few megabytes.
fn large() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let run = seg(
        root.path(),
        &["write", "disk", "--topic", "big", "--partitions", "2", "--generate", "300000"],
    );
    assert_eq!(run.status, 0, "{}", run.stderr);
    root
}

/// A client that has asked for a whole partition and has read the beginning of it.
fn half_way(server: &Server) -> (Client, usize) {
    let mut client = Client::new(&server.address);
    client.send(1, 10, &client::fetch_body("big", 0, 0, 50 << 20, 0));
    let mut read = 0;
    while read < 100_000 {
        read += client.read_some(10_000).len();
    }
    (client, read)
}

#[test]
fn a_segment_that_is_cut_while_it_is_sent_ends_who_reads_it_and_nobody_else() {
    let root = large();
    let log = root.path().join("disk/big-0").join(LOG);
    let whole = fs::metadata(&log).unwrap().len();
    assert!(whole > 8 << 20, "{whole} bytes fit into the sockets");
    let server = Server::start(root.path(), &["disk", "--socket-send-buffer-bytes", "65536"]);
    let (mut reader, mut read) = half_way(&server);
    File::options().write(true).open(&log).unwrap().set_len(200_000).unwrap();
    loop {
        match reader.read_some(1 << 20).len() {
            0 => break,
            more => read += more,
        }
    }
    assert!((read as u64) < whole, "{read} of {whole} bytes came");
    const KAFKA_STORAGE_ERROR: i16 = 56;
    let mut other = Client::new(&server.address);
    assert_eq!(other.fetch("big", 0, 0, 1 << 20, 0).error, KAFKA_STORAGE_ERROR);
    let intact = logs(&root.path().join("disk/big-1"));
    assert!(other.read_all("big", 1, 0, 1 << 20) == intact);
    assert_eq!(server.end(Signal::TERM).status, Some(0));
}

#[test]
fn a_segment_that_is_deleted_while_it_is_sent_is_sent_to_its_end() {
    let root = large();
    let directory = root.path().join("disk/big-0");
    let log = logs(&directory);
    let server = Server::start(root.path(), &["disk", "--socket-send-buffer-bytes", "65536"]);
    let (mut reader, mut read) = half_way(&server);
    fs::remove_dir_all(directory).unwrap();
    while read < log.len() {
        match reader.read_some(1 << 20).len() {
            0 => panic!("it ends after {read} bytes"),
            more => read += more,
        }
    }
    let mut other = Client::new(&server.address);
    assert!(other.read_all("big", 1, 0, 1 << 20) == logs(&root.path().join("disk/big-1")));
}

#[test]
fn nonsense_is_closed_and_counted_and_nobody_else_notices() {
    let root = log_dir_of("epochs-0", PROPERTIES);
    let server = Server::start(root.path(), &[".", "--metrics", "127.0.0.1:0", "--log", "json"]);
    let mut good = Client::new(&server.address);
    let log = logs(&root.path().join("epochs-0"));
    let expected = batches_from(&log, 0);
    let mut random = common::Random::new(7);
    for round in 0..300 {
        let mut bad = Client::new(&server.address);
        let (key, version) = (random.below(80) as i16, random.below(20) as i16);
        let size = random.below(300);
        match round % 3 {
            0 => bad.send(key, version, &random.bytes(size)),
            1 => bad.send(key, version, &vec![0xff; size]),
            // Flexible: a header without tags, then a million tagged fields.
            _ => bad.send(
                18,
                3,
                &[vec![0, 2, b'a', 2, b'b', 0xc0, 0x84, 0x3d], vec![0; 900_000]].concat(),
            ),
        }
        if round % 3 == 2 {
            assert!(bad.read_some(1).is_empty(), "a million tagged fields are answered");
        }
        if round % 50 == 0 {
            assert!(good.read_all("epochs", 0, 0, 1 << 20) == expected);
        }
    }
    let ended = server.end(Signal::TERM);
    assert_eq!(ended.status, Some(0));
    assert!(ended.stderr.contains("tagged_fields"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
