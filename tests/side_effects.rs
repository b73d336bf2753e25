//! What the real `kafka-dump-log` does to the files it reads, and `seg` does not. Needs the class
//! path of Kafka 4.3.1 in `SEG_KAFKA_CLASSPATH`, as `tests/kafka/setup` resolves it.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, seg, testdata};
use std::fs;
use std::path::Path;
use std::process::Command;

const BASE: &str = "00000000000000000000";

/// A copy of a segment with its indexes.
fn copy() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for kind in ["log", "index", "timeindex"] {
        let name = format!("{BASE}.{kind}");
        let from = testdata().join("kafka-4.3.1/lookup-0").join(&name);
        fs::copy(from, directory.path().join(name)).unwrap();
    }
    directory
}

fn kafka_dump_log(directory: &Path, file: &str) -> Run {
    let class_path = std::env::var("SEG_KAFKA_CLASSPATH").expect("SEG_KAFKA_CLASSPATH is not set");
    let output = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &class_path])
        .args(["org.apache.kafka.tools.DumpLogSegments", "--files", file])
        .current_dir(directory)
        .output()
        .unwrap();
    Run {
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap(),
    }
}

fn dump(directory: &Path, file: &str) -> Run {
    seg(directory, &["dump", "--format", "kafka", file])
}

#[test]
#[ignore = "wants the class path of Kafka 4.3.1 in SEG_KAFKA_CLASSPATH"]
fn a_missing_index_is_not_made() {
    let file = format!("{BASE}.timeindex");
    let (theirs, ours) = (copy(), copy());
    for directory in [&theirs, &ours] {
        fs::remove_file(directory.path().join(format!("{BASE}.index"))).unwrap();
    }
    let real = kafka_dump_log(theirs.path(), &file);
    assert_eq!(real.status, 1, "the real tool bears a missing .index now");
    assert!(theirs.path().join(format!("{BASE}.index")).exists(), "it makes no .index any more");

    let entries = dump(ours.path(), &file);
    assert_eq!(entries.status, 0, "{}", entries.stderr);
    assert!(entries.stdout.starts_with(&real.stdout) && entries.stdout > real.stdout);
    assert!(!ours.path().join(format!("{BASE}.index")).exists());
}

#[test]
#[ignore = "wants the class path of Kafka 4.3.1 in SEG_KAFKA_CLASSPATH"]
fn an_index_of_odd_length_is_not_shortened() {
    let file = format!("{BASE}.index");
    let (theirs, ours) = (copy(), copy());
    let mut odd = fs::read(theirs.path().join(&file)).unwrap();
    odd.extend_from_slice(&[0, 0, 1]);
    for directory in [&theirs, &ours] {
        fs::write(directory.path().join(&file), &odd).unwrap();
    }
    let real = kafka_dump_log(theirs.path(), &file);
    let left = fs::read(theirs.path().join(&file)).unwrap();
    assert_eq!(left.len(), odd.len() - 3, "the real tool leaves the file as it is now");

    let entries = dump(ours.path(), &file);
    assert_eq!(entries.stdout, real.stdout);
    assert_eq!(entries.status, 1);
    assert!(entries.stderr.contains("index-length"), "{}", entries.stderr);
    assert_eq!(fs::read(ours.path().join(&file)).unwrap(), odd);
}
