//! `seg write --compare-compression`: what it says of sizes is what the codecs give, and it writes
//! nothing. How long they take is not judged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Run, seg_with_input, testdata};
use segkit::format::encode::Compressor;
use segkit::format::{Batches, Codec, Position};
use serde_json::Value;

fn compare(arguments: &[&str], input: &[u8]) -> Run {
    let place = tempfile::tempdir().unwrap();
    let mut all = vec!["write", "--compare-compression"];
    all.extend(arguments);
    let run = seg_with_input(place.path(), &all, input);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "it writes nothing");
    run
}

fn rows(arguments: &[&str], input: &[u8]) -> Vec<Value> {
    let run = compare(&[arguments, &["--format", "json"]].concat(), input);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let rows = run.rows();
    assert!(rows.iter().all(|row| row["type"] == "compression"));
    rows
}

fn codec(row: &Value) -> Codec {
    let name = row["compressionType"].as_str().unwrap();
    Codec::ALL.into_iter().find(|codec| codec.name() == name).unwrap()
}

/// The batches are those that `seg write` makes of the same input without compression.
#[test]
fn sizes_are_those_of_compressors_on_the_batches_that_would_be_written() {
    let place = tempfile::tempdir().unwrap();
    const INPUT: [&str; 5] = ["--generate", "4000", "--record-size", "120", "--batch-size=7000"];
    let write = [&["write", "t-0"], &INPUT[..]].concat();
    assert_eq!(seg_with_input(place.path(), &write, b"").status, 0);
    let log = std::fs::read(place.path().join("t-0/00000000000000000000.log")).unwrap();
    let batches: Vec<_> = Batches::new(&log, Position(0)).map(Result::unwrap).collect();
    assert!(batches.len() > 50);
    let rows = rows(&INPUT, b"");
    assert_eq!(rows.len(), 11);
    for row in rows {
        let level = row["level"].as_i64().map(|level| i32::try_from(level).unwrap());
        let mut compressor = Compressor::new(codec(&row), level).unwrap();
        let mut bytes = 0;
        let mut at = 0;
        for batch in &batches {
            let mut out = Vec::new();
            compressor.compress(2, &log[at + 61..at + batch.size()], &mut out).unwrap();
            at += batch.size();
            bytes += 61 + out.len();
        }
        assert_eq!(at, log.len());
        assert_eq!(row["bytes"], bytes, "{row}");
        assert_eq!(row["uncompressedBytes"], log.len());
        assert_eq!(row["batches"], batches.len());
        let ratio = bytes as f64 / log.len() as f64;
        assert!((row["ratio"].as_f64().unwrap() - ratio).abs() < 1e-5, "{row}");
        for time in ["compressSecondsPerGiB", "decompressSecondsPerGiB"] {
            assert_eq!(row[time].as_f64().unwrap() > 0.0, codec(&row) != Codec::None, "{row}");
        }
    }
}

#[test]
fn defaults_are_marked_and_the_level_that_was_asked_for_is_there() {
    let shown = |arguments: &[&str]| -> Vec<String> {
        let input = [&["--generate", "100"], arguments].concat();
        let shown = |row: &Value| {
            let star = if row["isDefault"].as_bool().unwrap() { "*" } else { "" };
            format!("{} {}{star}", row["compressionType"].as_str().unwrap(), row["level"])
        };
        rows(&input, b"").iter().map(shown).collect()
    };
    let usual = [
        "none null*",
        "gzip 1",
        "gzip 6*",
        "gzip 9",
        "snappy null*",
        "lz4 9*",
        "zstd 1",
        "zstd 3*",
        "zstd 6",
        "zstd 9",
        "zstd 19",
    ];
    assert_eq!(shown(&[]), usual);
    let zstd = |level| shown(&["--compression-type=zstd", level]);
    assert_eq!(zstd("--compression-zstd-level=3"), usual);
    let with = zstd("--compression-zstd-level=4");
    assert_eq!((with.len(), with[8].as_str()), (12, "zstd 4"));
    assert_eq!(zstd("--compression-zstd-level=-5")[6], "zstd -5");
    assert_eq!(zstd("--compression-zstd-level=22")[11], "zstd 22");
}

#[test]
fn zeros_vanish_and_random_bytes_stay() {
    for (payload, least, most) in [("zero", 0.0, 0.3), ("random", 0.85, 1.01)] {
        for row in rows(&["--generate", "3000", "--payload", payload], b"") {
            let ratio = row["ratio"].as_f64().unwrap();
            let is_within = (least..most).contains(&ratio);
            assert!(is_within || codec(&row) == Codec::None && ratio == 1.0, "{payload}: {row}");
        }
    }
}

#[test]
fn what_is_dumped_can_be_compared() {
    let file = testdata().join("kafka-4.3.1/txn-0");
    let dump = ["dump", "-r", "--format", "json", file.to_str().unwrap()];
    let dumped = common::seg(&testdata(), &dump);
    let rows = rows(&[], &dumped.stdout);
    assert!(rows.iter().all(|row| row["bytes"].as_u64().unwrap() > 61));
}

#[test]
fn a_table_and_a_note_about_what_was_not_looked_at() {
    let run = compare(&["--lines"], b"one\ntwo\n");
    let text = String::from_utf8(run.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((run.status, run.stderr.as_str(), lines.len()), (0, "", 13), "{text}");
    assert!(lines[0].starts_with("codec"), "{text}");
    assert!(lines[8].starts_with("zstd") && lines[8].contains("3  default"), "{text}");
    assert_eq!(lines[12], "2 records in 1 batch; the times are processor time");
    let run =
        compare(&["--generate", "1000000000", "--record-size", "100000", "--payload", "zero"], b"");
    assert_eq!(run.status, 0);
    assert!(run.stderr.starts_with("seg: the first 16"), "{}", run.stderr);
    assert!(run.stderr.ends_with("records, 16 MiB, were compared\n"), "{}", run.stderr);
    assert_eq!(compare(&[], b"").stdout, b"nothing to compare\n");
}

#[test]
fn bad_input_is_refused_with_its_line() {
    let run = compare(&[], b"{\"value\":\"v\"}\n{\"value\":7}\n");
    assert_eq!((run.status, run.stdout.as_slice()), (2, &b""[..]));
    assert!(run.stderr.starts_with("seg: line 2: "), "{}", run.stderr);
    let run = compare(&["--lines", "--max-request-size=100"], format!("a\n{:200}\n", 1).as_bytes());
    assert_eq!(run.status, 2);
    assert!(run.stderr.starts_with("seg: line 2: the record has up to"), "{}", run.stderr);
    assert_eq!(compare(&["--magic=1"], b"").status, 64);
}
