//! What each target begins with: small pieces of what real brokers wrote (`testdata`), in the form
//! that the target takes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use super::targets::folder;
use segkit::format::{Batch, Batches, Position, Scratch};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes that are taken of one file.
const PIECE: usize = 2_000;
/// How many are taken of files, or batches, that look the same.
const ALIKE: usize = 3;

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "request" => {
            requests(|_| true).into_iter().map(|(_, frame)| frame).chain(asked()).collect()
        }
        "groups" => sessions(),
        "frame" => frames(),
        "batches" => batches(&[0, 1]),
        "differential" => batches(&[0, 1, 3, 5, 7, 9]),
        "salvage" => logs(),
        "codec" => payloads(),
        "index" => indexes(),
        "checkpoint" => checkpoints(),
        "coordinator" => coordinator_records(),
        "json" => json(),
        "names" => names(),
        "manifest" => vec![MANIFEST.to_vec()],
        "round_trip" | "checksum" => pieces(),
        other => panic!("no target is called {other}"),
    }
}

fn below(path: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The files of all brokers.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    below(&folder("testdata"), &mut found);
    found.retain(|path| path.iter().any(|part| part.to_string_lossy().starts_with("kafka-")));
    found.retain(|path| !path.iter().any(|part| part == "expected"));
    found
}

fn ending(extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let is_one = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    files().into_iter().filter(is_one).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn prefixed(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefix, &bytes[..bytes.len().min(PIECE)]].concat()
}

/// Batches of every magic and attributes, a few of each.
fn kinds_of_batches() -> Vec<Vec<u8>> {
    let mut kinds: BTreeMap<(i8, u16, bool), Vec<Vec<u8>>> = BTreeMap::new();
    for (_, log) in ending("log") {
        for batch in Batches::new(&log, Position(0)).map_while(Result::ok) {
            let is_empty = batch.records_count() == Some(0);
            let kind = kinds.entry((batch.magic(), batch.attributes().0, is_empty)).or_default();
            if kind.len() < ALIKE && batch.size() <= PIECE {
                kind.push(batch.bytes().to_vec());
            }
        }
    }
    kinds.into_values().flatten().collect()
}

fn batches(choices: &[u8]) -> Vec<Vec<u8>> {
    let of = |batch: &Vec<u8>| choices.iter().map(|&c| prefixed(&[c], batch)).collect::<Vec<_>>();
    kinds_of_batches().iter().flat_map(of).collect()
}

/// The beginnings of logs, whole, damaged, and with what is known about their offsets.
fn logs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, (_, log)) in ending("log").into_iter().step_by(5).enumerate() {
        let number = number as u8;
        seeds.push(prefixed(&[0x10], &log));
        let damage = [1, number, 0xff, 0, number, 0x80];
        seeds.push(prefixed(&[&[0x41][..], &damage].concat(), &log));
        seeds.push(prefixed(&[&[0x47][..], &damage, &[1, 2]].concat(), &log));
    }
    for pair in kinds_of_batches().chunks(2) {
        seeds.push(prefixed(&[0x01], &pair.concat()));
    }
    seeds
}

fn payloads() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for batch in kinds_of_batches() {
        let batch = Batch::parse(&batch, Position(0)).unwrap();
        let codec = batch.attributes().codec_id();
        let payload = match batch.legacy() {
            Some(message) => message.key_value().ok().and_then(|found| found.value),
            None => batch.payload(),
        };
        if let Some(payload) = payload.filter(|_| codec > 0) {
            seeds.push(prefixed(&[codec | batch.magic().unsigned_abs() << 3], payload));
        }
    }
    seeds
}

fn indexes() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (kind, extension) in ["index", "timeindex", "txnindex", "snapshot"].iter().enumerate() {
        let mut files = ending(extension);
        files.retain(|(_, bytes)| !bytes.is_empty());
        files.dedup_by_key(|(_, bytes)| bytes.len().min(PIECE));
        seeds.extend(files.iter().map(|(_, bytes)| prefixed(&[kind as u8, 2], bytes)));
        seeds.extend(files.iter().take(4).map(|(_, bytes)| prefixed(&[kind as u8 | 4, 2], bytes)));
    }
    seeds
}

fn checkpoints() -> Vec<Vec<u8>> {
    let names = [
        (0, "offset-checkpoint"),
        (1, "leader-epoch-checkpoint"),
        (2, "partition.metadata"),
        (3, "meta.properties"),
        (4, "quorum-state"),
        (4, ".kafka_cleanshutdown"),
    ];
    let mut seeds = vec![b"\x055Bz2VvOcRJmkzBrHrVZ2Yw".to_vec()];
    seeds.push(b"\x03! a\\u0041 \\\n  b = c\\t : d\r\nbroker.id:1\nversion 0\n".to_vec());
    seeds.push(b"\x04{\"version\":0,\"brokerEpoch\":27}".to_vec());
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Some((kind, _)) = names.iter().find(|(_, end)| name.ends_with(end)) {
            seeds.push(prefixed(&[*kind], &fs::read(path).unwrap()));
        }
    }
    seeds.sort();
    seeds.dedup();
    seeds.truncate(200);
    seeds
}

fn coordinator_records() -> Vec<Vec<u8>> {
    let mut kinds: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    let mut scratch = Scratch::new(1 << 20);
    for (path, log) in ending("log").into_iter().chain(ending("checkpoint")) {
        let partition = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for batch in Batches::new(&log, Position(0)).map_while(Result::ok) {
            let choice = match &*partition {
                _ if batch.attributes().is_control() => 1,
                name if name.starts_with("__consumer_offsets") => 2,
                name if name.starts_with("__transaction_state") => 0,
                _ => continue,
            };
            for record in batch.records(&mut scratch).into_iter().flatten().map_while(Result::ok) {
                let key = record.key.unwrap_or_default();
                let value = record.value.unwrap_or_default();
                let choice = if record.value.is_none() { choice | 8 } else { choice };
                let front = |bytes: &[u8], most: usize| bytes[..bytes.len().min(most)].to_vec();
                let kind = [vec![choice], front(key, 4), front(value, 2)].concat();
                let length = [key.len().min(254) as u8];
                let seed = [&[choice][..], &length, key, value].concat();
                let alike = kinds.entry(kind).or_default();
                if alike.len() < ALIKE && key.len() < 255 && value.len() < PIECE {
                    alike.push(seed);
                }
            }
        }
    }
    kinds.into_values().flatten().collect()
}

/// Names of files and directories, once each.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = vec![
        b"00000000000000004711-0000000003-97.checkpoint.part".to_vec(),
        b"00000000000000118264.index.deleted".to_vec(),
        b"orders-0.5c0e0b9a1f5c0e0b9a1f5c0e0b9a1f00-future".to_vec(),
        b"orders-0.5c0e0b9a1f5c0e0b9a1f5c0e0b9a1f00-stray".to_vec(),
        b"leader-epoch-checkpoint.tmp".to_vec(),
    ];
    for path in files() {
        let parts = [path.file_name(), path.parent().and_then(Path::file_name)];
        names.extend(parts.iter().flatten().map(|name| name.as_encoded_bytes().to_vec()));
    }
    names.sort();
    names.dedup();
    names
}

fn pieces() -> Vec<Vec<u8>> {
    let codecs = (0..5_u8).flat_map(|codec| [codec, codec | 0x40, codec | 0x80]);
    let files = files();
    let mut seeds = Vec::new();
    for (choice, path) in codecs.zip(files.iter().step_by(37)) {
        seeds.push(prefixed(&[choice], &fs::read(path).unwrap()));
        // Fields of a producer, then records with short keys and values.
        let mut seed = vec![choice, 6, 2, 3, 4, 5, 9, 7];
        seed.extend((0..40).flat_map(|i| [0, 1, i, 2, b'k', i, 5, b'v', b'a', b'l', b'u', i]));
        seeds.push(seed);
    }
    seeds
}

/// Requests that Kafka's own classes wrote: their API's key, and the frame without its length.
fn requests(wanted: impl Fn(i64) -> bool) -> Vec<(i64, Vec<u8>)> {
    let (mut text, path) = (String::new(), folder("testdata").join("protocol/bodies.jsonl.gz"));
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_i64().unwrap();
        if !row["name"].as_str().unwrap().ends_with("RequestData") || !wanted(number("key")) {
            continue;
        }
        let hex = row["hex"].as_str().unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let (key, version) = (number("key"), number("version"));
        let mut frame = header(key as i16, version as i16, number("header") == 2);
        frame.extend((0..hex.len()).step_by(2).map(byte));
        found.push((key, frame));
    }
    found
}

fn header(key: i16, version: i16, is_flexible: bool) -> Vec<u8> {
    let mut header = [key.to_be_bytes(), version.to_be_bytes()].concat();
    header.extend_from_slice(&[1, 2, 3, 4, 0, 1, b'c']);
    header.extend(is_flexible.then_some(0));
    header
}

/// Requests for partitions that are there.
fn asked() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (topic, partition) in [("grouped", 2), ("txn", 0), ("codec-zstd", 0), ("txn-open", 0)] {
        let of = |rest: &[&[u8]]| {
            let length = (topic.len() as u16).to_be_bytes();
            let partition = i32::to_be_bytes(partition);
            let front = [&[0, 0, 0, 1][..], &length, topic.as_bytes(), &[0, 0, 0, 1], &partition];
            [front.concat(), rest.concat()].concat()
        };
        let offset = 1_i64.to_be_bytes();
        // Fetch 4: replica, wait, bytes, isolation; offset and bytes of the partition.
        let fetch = [&[0xff; 4][..], &[0, 0, 0, 9], &[0, 0, 0, 1], &[0, 1, 0, 0], &[1]].concat();
        let fetch = [fetch, of(&[&offset, &[0, 1, 0, 0]])].concat();
        seeds.push([header(1, 4, false), fetch].concat());
        for timestamp in [-1, -2, -3, 1_700_000_000_000] {
            let body = [&[0xff; 4][..], &of(&[&i64::to_be_bytes(timestamp)])].concat();
            seeds.push([header(2, 1, false), body].concat());
        }
        // OffsetForLeaderEpoch 2: current epoch, epoch.
        seeds.push([header(23, 2, false), of(&[&[0xff; 4], &[0, 0, 0, 1]])].concat());
        // DescribeProducers 0, Metadata 9.
        let name = [&[2, topic.len() as u8 + 1][..], topic.as_bytes()].concat();
        let body = [&name[..], &[2, 0, 0, 0, 0, 0, 0]].concat();
        seeds.push([header(61, 0, true), body].concat());
        seeds.push([header(3, 9, true), [&name[..], &[0, 0, 0, 0, 0]].concat()].concat());
    }
    seeds
}

/// Requests about groups, one after the other.
fn sessions() -> Vec<Vec<u8>> {
    let behind_length = |frame: &Vec<u8>| [&(frame.len() as u16).to_be_bytes()[..], frame].concat();
    let all = requests(|key| [8, 9, 11, 12, 13, 14, 15, 16].contains(&key));
    let mut seeds: Vec<Vec<u8>> =
        all.iter().step_by(3).map(|(_, frame)| behind_length(frame)).collect();
    // Of each API some version, in the order of a member's life.
    for version in 0..12 {
        let of = |key| all.iter().filter(move |found| found.0 == key).nth(version);
        let life = [11, 14, 12, 8, 9, 15, 16, 13].into_iter().filter_map(of);
        seeds.push(life.flat_map(|(_, frame)| behind_length(frame)).collect());
    }
    seeds
}

fn frames() -> Vec<Vec<u8>> {
    let all: Vec<Vec<u8>> = requests(|key| key == 18).into_iter().map(|(_, frame)| frame).collect();
    let stream: Vec<u8> = all
        .iter()
        .take(8)
        .flat_map(|frame| [&(frame.len() as u32).to_be_bytes()[..], frame].concat())
        .collect();
    let prefixes: [&[u8]; 4] =
        [&[15, 1, 0, 0], &[10, 0, 5, 2, 3, 0], &[0x1f, 0xff, 0xff, 1, 1], &[2, 0, 0, 0]];
    prefixes.map(|prefix| prefixed(prefix, &stream)).to_vec()
}

fn json() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 5] = [
        br#"{"type":"record","offset":7,"timestamp":1700000000000,"key":"k","value":{"base64":"/w=="},"headers":[{"key":"h","value":null}],"producerId":-1,"isTransactional":false}"#,
        br#"{"value":"a\u00e9\ud83d\ude00\n","key":{"hex":"00ff"},"keySize":2,"partition":3,"sequence":4}"#,
        br#"{"type":"finding","code":"x"}"#,
        br#"{"offset":9,"control":{"type":"COMMIT","coordinatorEpoch":3},"producerId":7,"producerEpoch":0}"#,
        br#"{"value":null,"other":[1,2.5e3,{"a":[true,false]}],"timestamp":-1}"#,
    ];
    let mut seeds: Vec<Vec<u8>> = lines.iter().map(|line| prefixed(&[5], line)).collect();
    seeds.push(prefixed(&[9], &lines.join(&b'\n')));
    seeds.push(b"\x81one\ntwo\r\n\nfour".to_vec());
    seeds.push(b"\xc3: user-7: logged in\na: b\r\nnone".to_vec());
    seeds
}

const MANIFEST: &[u8] = br#"{"type":"backup","version":1,"directory":"/data/kafka/orders-0"}
{"type":"original","name":"00000000000000000000.log","was":"file","kept":"a","inode":7,"size":42,"modified":[1700000000,5],"user":1,"group":2,"mode":"644","sha256":"00","copied":false}
{"type":"original","name":"00000000000000000042.log","was":"absent"}
{"type":"original","name":"old","was":"directory","kept":"b"}
{"type":"kept","originals":3}
{"type":"step","writes":[{"name":"00000000000000000000.log","inode":8,"size":41,"modified":[1700000001,5]}],"removes":["x"],"together":true}
{"type":"done"}
{"type":"undoing"}
{"type":"undone"}
"#;
