//! Every record of every partition that a broker wrote, through `dump` and `write` and `dump`.

use crate::common::{in_parallel, log_dirs, seg, seg_with_input, testdata};
use crate::scene::{logs, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// The rows of the records of every partition, without where they stand.
type Dumped = BTreeMap<String, Vec<Value>>;

fn dump(log_dir: &Path) -> Dumped {
    let run = seg(log_dir, &["dump", "-r", ".", "--format", "json"]);
    assert_eq!(run.status, 0, "{}: {}", log_dir.display(), run.stderr);
    let mut dumped = Dumped::new();
    for mut row in run.rows_of("record") {
        let fields = row.as_object_mut().unwrap();
        let file = fields.remove("file").unwrap();
        fields.remove("position").unwrap();
        let directory = Path::new(file.as_str().unwrap()).parent().unwrap().file_name().unwrap();
        dumped.entry(directory.to_str().unwrap().to_owned()).or_default().push(row);
    }
    dumped
}

fn input(rows: &[Value]) -> Vec<u8> {
    rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

/// As it is called before it waits for its deletion.
fn living(name: &str) -> String {
    let name = name.split_once('.').map_or(name, |(name, _)| name);
    let is_numbered = name.rsplit_once('-').is_some_and(|(_, end)| end.parse::<u32>().is_ok());
    if is_numbered { name.to_owned() } else { format!("{name}-0") }
}

fn is_sound(log_dir: &Path) {
    let run = seg(log_dir, &["verify", "."]);
    assert_eq!(run.status, 0, "{}", text(&run));
    let run = seg(log_dir, &["reindex", "--check", "."]);
    assert_eq!(run.status, 0, "{}", text(&run));
}

/// Writes what every log dir holds with the words that `of` gives for a partition, and compares.
fn goes_around(of: impl Fn(usize, &[Value]) -> Vec<String> + Sync, is_rolled: bool) {
    let root = tempfile::tempdir().unwrap();
    let segments = AtomicUsize::new(0);
    in_parallel(&log_dirs(&testdata()), |log_dir| {
        let before = dump(log_dir);
        assert!(before.len() >= 10, "{}", log_dir.display());
        let copy = root.path().join(log_dir.file_name().unwrap());
        std::fs::create_dir(&copy).unwrap();
        for (number, (name, rows)) in before.iter().enumerate() {
            let kept = ["--keep-offsets", "--keep-timestamps"];
            let mut words = vec!["write".to_owned(), format!("./{}", living(name))];
            words.extend(kept.map(str::to_owned));
            words.extend(of(number, rows));
            let run = seg_with_input(&copy, &words, &input(rows));
            assert_eq!(run.status, 0, "{name} {words:?}: {}", text(&run));
            assert_eq!(run.stderr, "", "{name} {words:?}");
            assert_eq!(run.rows_of("summary")[0]["records"], rows.len(), "{name} {words:?}");
        }
        let after = dump(&copy);
        assert_eq!(after.len(), before.len(), "{}", log_dir.display());
        for (name, rows) in &before {
            let copied = &after[&living(name)];
            assert_eq!(copied.len(), rows.len(), "{name}");
            let mut in_force = -1;
            for (row, copied) in rows.iter().zip(copied) {
                let mut row = row.clone();
                // Behind batches that have a leader epoch those of magic 0 and 1 get it too.
                let said = row["partitionLeaderEpoch"].as_i64().unwrap();
                in_force = if said >= 0 { said } else { in_force };
                row["partitionLeaderEpoch"] = in_force.into();
                assert_eq!(*copied, row, "{} {name}", log_dir.display());
            }
            segments.fetch_add(logs(&copy.join(living(name))).len(), Ordering::Relaxed);
        }
        is_sound(&copy);
    });
    let segments = segments.into_inner();
    assert_eq!(is_rolled, segments > 150, "{segments}");
}

fn codec(number: usize) -> Vec<String> {
    let codec = CODECS[number % CODECS.len()];
    ["--compression-type", codec, "--format", "json"].map(str::to_owned).into()
}

/// Fails for `upgrade-0`: of records that had no leader epoch the batch has none, in magic 2, which
/// `seg verify` calls an error; and for `__cluster_metadata-0`, whose topic id is like any other.
#[test]
fn every_record_of_every_partition() {
    goes_around(|number, _| codec(number), false);
}

#[test]
fn in_small_segments() {
    let words = |number: usize, rows: &[Value]| {
        let size = |row: &Value| {
            let of = |field: &str| row[field].as_u64().unwrap_or_default();
            of("keySize") + of("valueSize")
        };
        let largest = rows.iter().map(size).max().unwrap_or_default();
        let segment = (largest + 2_000).max(5_000).to_string();
        let mut words = codec(number + 2);
        words.extend(
            ["--segment-bytes", &segment, "--batch-size", "2000", "--index-interval-bytes", "500"]
                .map(str::to_owned),
        );
        words
    };
    goes_around(words, true);
}

/// What magic 0 and 1 have room for, in those. Timestamps came with magic 1.
#[test]
fn into_old_formats() {
    let root = tempfile::tempdir().unwrap();
    let log_dir = testdata().join("kafka-2.8.2");
    let mut before: Vec<(String, Vec<Value>)> = dump(&log_dir).into_iter().collect();
    let is_old = |row: &Value| {
        row["producerId"] == -1 && row["sequence"] == -1 && row["headers"] == Value::Array(vec![])
    };
    before.retain(|(_, rows)| rows.iter().all(is_old));
    assert!(before.len() >= 15, "{}", before.len());
    let without = |rows: &[Value], magic: &str| -> Vec<Value> {
        let mut rows = rows.to_vec();
        for row in &mut rows {
            row["partitionLeaderEpoch"] = (-1).into();
            if magic == "0" {
                row["timestamp"] = (-1).into();
            }
        }
        rows
    };
    in_parallel(&["0", "1"], |magic| {
        for (number, (name, rows)) in before.iter().enumerate() {
            // The codecs that there were.
            let codec = CODECS[(number + usize::from(*magic == "1")) % 4];
            let partition = format!("{magic}/{name}");
            let mut words = vec!["write", &partition, "--keep-offsets", "--keep-timestamps"];
            words.extend(["--magic", magic, "--compression-type", codec, "--format", "json"]);
            words.extend(["--segment-bytes", "100000"]);
            let run = seg_with_input(root.path(), &words, &input(rows));
            assert_eq!(run.status, 0, "{words:?}: {}", text(&run));
            let summary = &run.rows_of("summary")[0];
            assert_eq!(summary["records"], rows.len(), "{words:?}: {}", text(&run));
        }
        let after = dump(&root.path().join(magic));
        for (name, rows) in &before {
            let copied = without(&after[name], magic);
            assert!(copied == without(rows, magic), "magic {magic}: {name}");
        }
        is_sound(&root.path().join(magic));
    });
}

/// What a broker wrote is there byte for byte when the partition was gone on with.
#[test]
fn behind_what_a_broker_wrote() {
    let root = tempfile::tempdir().unwrap();
    let mut written = 0;
    for log_dir in log_dirs(&testdata()) {
        let copy = root.path().join(log_dir.file_name().unwrap());
        for (name, rows) in dump(&log_dir) {
            if name != living(&name) {
                continue;
            }
            let (from, to) = (log_dir.join(&name), copy.join(&name));
            crate::common::copy_files(&from, &to);
            let run = seg_with_input(
                &copy,
                &["write", &format!("./{name}")],
                b"{\"key\":\"k\",\"value\":\"new\"}\n",
            );
            assert_eq!(run.status, 0, "{}: {}", from.display(), text(&run));
            for log in logs(&from) {
                let old = std::fs::read(&log).unwrap();
                let new = std::fs::read(to.join(log.file_name().unwrap())).unwrap();
                // Behind the last batch there may be zeros, of a log that was given its size.
                let whole = old.len() - old.iter().rev().take_while(|&&byte| byte == 0).count();
                assert!(new.starts_with(&old[..whole]), "{}", log.display());
            }
            assert!(!rows.is_empty());
            // Which topic id a cluster gave it, nobody here knows.
            let metadata = "partition.metadata";
            assert_eq!(
                to.join(metadata).exists(),
                from.join(metadata).exists(),
                "{}",
                from.display()
            );
            written += 1;
        }
        is_sound(&copy);
    }
    assert!(written > 80, "{written}");
}
