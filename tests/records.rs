//! `seg dump -r` against what real consumers received from the same brokers, record by record.
//!
//! `testdata/expected/LOG-DIR/TOPIC-P.uncommitted.jsonl` is what a consumer received that reads
//! everything, `TOPIC-P.committed.jsonl` what one received that reads only committed records, where
//! that was something else. A broker shows neither of them what is below the log start offset, and
//! the second one nothing at or behind the last stable offset: both are cut off here, by facts that
//! come from the log dir's checkpoint and from the markers in the log.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{entries, in_parallel, log_start_checkpoint, seg, testdata};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A record, in a form that both sides can be brought to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    offset: i64,
    timestamp: i64,
    timestamp_type: String,
    leader_epoch: Option<i64>,
    key: Bytes,
    value: Bytes,
    headers: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    Null,
    Whole(Vec<u8>),
    /// Above this size the consumer notes size and CRC-32C.
    Large {
        size: usize,
        crc: u32,
    },
}

const LARGE: usize = 512;

impl Bytes {
    fn of(bytes: Option<Vec<u8>>) -> Self {
        match bytes {
            None => Self::Null,
            Some(bytes) if bytes.len() > LARGE => {
                Self::Large { size: bytes.len(), crc: crc32c::crc32c(&bytes) }
            }
            Some(bytes) => Self::Whole(bytes),
        }
    }

    /// As the consumer wrote it down.
    fn received(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::String(text) => Self::of(Some(BASE64_STANDARD.decode(text).unwrap())),
            large => Self::Large {
                size: usize::try_from(large["size"].as_u64().unwrap()).unwrap(),
                crc: u32::try_from(large["crc32c"].as_u64().unwrap()).unwrap(),
            },
        }
    }

    /// As `--format json` has it.
    fn dumped(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::String(text) => Self::of(Some(text.clone().into_bytes())),
            object => {
                let text = object["base64"].as_str().unwrap();
                Self::of(Some(BASE64_STANDARD.decode(text).unwrap()))
            }
        }
    }
}

/// What a consumer wrote down.
fn received(path: &Path) -> Vec<Record> {
    let header =
        |header: &Value| (header[0].as_str().unwrap().to_owned(), Bytes::received(&header[1]));
    let record = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let headers = row["headers"].as_array();
        Record {
            offset: row["offset"].as_i64().unwrap(),
            timestamp: row["timestamp"].as_i64().unwrap(),
            timestamp_type: row["timestampType"].as_str().unwrap().to_owned(),
            leader_epoch: row["leaderEpoch"].as_i64(),
            key: Bytes::received(&row["key"]),
            value: Bytes::received(&row["value"]),
            headers: headers.map_or_else(Vec::new, |headers| headers.iter().map(header).collect()),
        }
    };
    fs::read_to_string(path).unwrap().lines().map(record).collect()
}

/// A whole partition as `seg` tells it.
struct Dumped {
    /// Rows of `dump -r`, markers among them.
    rows: Vec<Value>,
    /// The type of the timestamps of the batch at a position in a file.
    timestamp_types: HashMap<(String, u64), String>,
}

fn dump(partition: &Path, more: &[&str]) -> Vec<Value> {
    let name = partition.file_name().unwrap().to_str().unwrap();
    let mut arguments = vec!["dump", "--format", "json", "--decode", "none", name];
    arguments.extend(more);
    let run = seg(partition.parent().unwrap(), &arguments);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{}", partition.display());
    run.rows()
}

impl Dumped {
    fn new(partition: &Path) -> Self {
        let place = |row: &Value| {
            (row["file"].as_str().unwrap().to_owned(), row["position"].as_u64().unwrap())
        };
        let batches = dump(partition, &[]);
        let timestamp_type = |row: &Value| match row["timestampType"].as_str() {
            Some(text) => text.to_owned(),
            None => "CreateTime".to_owned(),
        };
        let types = batches.iter().map(|row| (place(row), timestamp_type(row)));
        Self { timestamp_types: types.collect(), rows: dump(partition, &["-r"]) }
    }

    fn record(&self, row: &Value) -> Record {
        let place = (row["file"].as_str().unwrap().to_owned(), row["position"].as_u64().unwrap());
        let headers = row["headers"].as_array().unwrap();
        // The key of a header is text, so the consumer could not have received anything else.
        let header = |header: &Value| {
            (header["key"].as_str().unwrap().to_owned(), Bytes::dumped(&header["value"]))
        };
        Record {
            offset: row["offset"].as_i64().unwrap(),
            timestamp: row["timestamp"].as_i64().unwrap_or(-1),
            timestamp_type: self.timestamp_types[&place].clone(),
            leader_epoch: row["partitionLeaderEpoch"].as_i64().filter(|&epoch| epoch >= 0),
            key: Bytes::dumped(&row["key"]),
            value: Bytes::dumped(&row["value"]),
            headers: headers.iter().map(header).collect(),
        }
    }

    /// The first offset of the oldest transaction that no marker ends; the greatest offset there is
    /// where all have ended.
    fn last_stable_offset(&self) -> i64 {
        let mut open: HashMap<i64, i64> = HashMap::new();
        for row in &self.rows {
            let Some(producer_id) = row["producerId"].as_i64() else { continue };
            if row["control"].is_object() {
                open.remove(&producer_id);
            } else if row["isTransactional"] == true {
                open.entry(producer_id).or_insert(row["offset"].as_i64().unwrap());
            }
        }
        open.into_values().min().unwrap_or(i64::MAX)
    }
}

/// One partition and what consumers received from it.
struct Case {
    partition: PathBuf,
    uncommitted: PathBuf,
    /// The same file where there is no other.
    committed: PathBuf,
}

fn cases(root: &Path) -> Vec<Case> {
    let expected = root.join("expected");
    let mut cases = Vec::new();
    for directory in common::log_dirs(&expected) {
        let log_dir = root.join(directory.file_name().unwrap());
        for uncommitted in entries(&directory) {
            let name = uncommitted.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(partition) = name.strip_suffix(".uncommitted.jsonl") else { continue };
            let own = directory.join(format!("{partition}.committed.jsonl"));
            let committed = if own.exists() { own } else { uncommitted.clone() };
            cases.push(Case { partition: log_dir.join(partition), uncommitted, committed });
        }
    }
    assert!(!cases.is_empty(), "nothing to compare in {}", expected.display());
    cases
}

fn assert_same(what: &str, theirs: &[Record], ours: &[Record]) {
    for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        assert_eq!(theirs, ours, "{what}: record number {at}, received against dumped");
    }
    let next = |list: &[Record], at| list.get(at).map(|record: &Record| record.offset);
    let at = theirs.len().min(ours.len());
    assert_eq!(next(theirs, at), next(ours, at), "{what}: next offset, received against dumped");
}

/// What was compared, to show that something was.
#[derive(Default)]
struct Tally {
    records: AtomicUsize,
    headers: AtomicUsize,
    hidden: AtomicUsize,
    markers: AtomicUsize,
    behind_last_stable: AtomicUsize,
    below_log_start: AtomicUsize,
}

fn add(counter: &AtomicUsize, count: usize) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn compare(root: &Path) -> Tally {
    let tally = Tally::default();
    in_parallel(&cases(root), |case| compare_one(case, &tally));
    tally
}

fn compare_one(case: &Case, tally: &Tally) {
    let what = case.partition.display().to_string();
    let dumped = Dumped::new(&case.partition);
    let log_start = log_start_checkpoint(&case.partition).unwrap_or(0);
    let (markers, rows): (Vec<_>, Vec<_>) =
        dumped.rows.iter().partition(|row| row["control"].is_object());
    let all: Vec<Record> = rows.iter().map(|row| dumped.record(row)).collect();
    let visible: Vec<Record> =
        all.iter().filter(|record| record.offset >= log_start).cloned().collect();
    let everything = received(&case.uncommitted);
    assert_same(&format!("{what}, all"), &everything, &visible);

    let last_stable = dumped.last_stable_offset();
    let committed_rows = dump(&case.partition, &["-r", "--committed"]);
    assert!(
        !committed_rows.iter().any(|row| row["control"].is_object()),
        "{what}: --committed shows a marker"
    );
    let committed: Vec<Record> = committed_rows.iter().map(|row| dumped.record(row)).collect();
    let stable: Vec<Record> = committed
        .iter()
        .filter(|record| record.offset >= log_start && record.offset < last_stable)
        .cloned()
        .collect();
    assert_same(&format!("{what}, committed"), &received(&case.committed), &stable);
    assert_behind_last_stable(&what, &dumped, &rows, &committed, last_stable);

    add(&tally.records, everything.len() + stable.len());
    add(&tally.headers, everything.iter().map(|record| record.headers.len()).sum());
    add(&tally.hidden, all.len() - committed.len());
    add(&tally.markers, markers.len());
    add(&tally.below_log_start, all.len() - visible.len());
    add(&tally.behind_last_stable, all.iter().filter(|r| r.offset >= last_stable).count());
}

/// No consumer tells what is committed behind the last stable offset, so the markers have to: what
/// belongs to no transaction is shown, a transaction that ended as its marker says, an open one
/// not.
fn assert_behind_last_stable(
    what: &str,
    dumped: &Dumped,
    rows: &[&Value],
    committed: &[Record],
    last_stable: i64,
) {
    let ends = |row: &Value| {
        let (offset, producer_id) = (row["offset"].as_i64(), row["producerId"].as_i64());
        let mut markers = dumped.rows.iter().filter(|marker| {
            marker["control"].is_object()
                && marker["producerId"].as_i64() == producer_id
                && marker["offset"].as_i64() > offset
        });
        markers.next().map(|marker| marker["control"]["type"].as_str().unwrap().to_owned())
    };
    let wanted: Vec<Record> = rows
        .iter()
        .filter(|row| row["offset"].as_i64().unwrap() >= last_stable)
        .filter(|row| row["isTransactional"] != true || ends(row).as_deref() == Some("COMMIT"))
        .map(|row| dumped.record(row))
        .collect();
    let shown: Vec<Record> =
        committed.iter().filter(|record| record.offset >= last_stable).cloned().collect();
    assert_same(&format!("{what}, behind the last stable offset"), &wanted, &shown);
}

#[test]
fn records_are_those_that_consumers_received() {
    let tally = compare(&testdata());
    let counts = [
        ("records", &tally.records),
        ("headers", &tally.headers),
        ("records of aborted or open transactions", &tally.hidden),
        ("markers", &tally.markers),
        ("records behind the last stable offset", &tally.behind_last_stable),
        ("records below the log start offset", &tally.below_log_start),
    ];
    for (what, count) in counts {
        assert!(count.load(Ordering::Relaxed) > 0, "testdata has no {what}: nothing was proved");
    }
}

#[test]
#[ignore = "wants a directory of real data in SEG_CONFORMANCE_DIR"]
fn conformance() {
    let root = std::env::var_os("SEG_CONFORMANCE_DIR").expect("SEG_CONFORMANCE_DIR is not set");
    let root = Path::new(&root);
    let (cases, tally) = (cases(root).len(), compare(root));
    let records = tally.records.load(Ordering::Relaxed);
    writeln!(std::io::stderr(), "{cases} partitions, {records} records compared").unwrap();
    assert!(cases > 0 && records > 0, "nothing was compared");
}
