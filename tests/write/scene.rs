//! A log dir to write into, and what is to be seen there.

use crate::common::{Run, entries, seg, seg_with_input};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A log dir `data` without any partition.
pub struct Scene {
    root: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(scene.path("data")).unwrap();
        let properties = "version=1\ncluster.id=c\nnode.id=1\n";
        fs::write(scene.path("data/meta.properties"), properties).unwrap();
        scene
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub fn seg(&self, words: &[&str]) -> Run {
        seg(self.root(), words)
    }

    /// `seg write` with `input` on stdin.
    pub fn write(&self, words: &[&str], input: &str) -> Run {
        seg_with_input(self.root(), &[&["write"], words].concat(), input.as_bytes())
    }

    /// The same, of which every record is written.
    pub fn written(&self, words: &[&str], input: &str) -> Run {
        let run = self.write(words, input);
        assert_eq!(run.status, 0, "{words:?}: {}", text(&run));
        run
    }

    /// The records of a partition.
    pub fn records(&self, partition: &str) -> Vec<Value> {
        let run = self.seg(&["dump", "-r", partition, "--format", "json"]);
        assert_eq!(run.status, 0, "{partition}: {}", run.stderr);
        run.rows_of("record")
    }

    /// Nothing is wrong at `path`, and its indexes are those that its logs come to.
    pub fn is_sound(&self, path: &str) {
        let run = self.seg(&["verify", path]);
        assert_eq!(run.status, 0, "{path}: {}", text(&run));
        let run = self.seg(&["reindex", "--check", path]);
        assert_eq!(run.status, 0, "{path}: {}", text(&run));
    }

    /// Every file below `path`, its name counted from there.
    pub fn files(&self, path: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let top = self.path(path);
        let (mut files, mut left) = (BTreeMap::new(), vec![top.clone()]);
        while let Some(next) = left.pop() {
            if next.is_dir() {
                left.extend(entries(&next));
            } else if !next.ends_with(".lock") {
                let name = next.strip_prefix(&top).unwrap().to_owned();
                files.insert(name, fs::read(&next).unwrap());
            }
        }
        files
    }

    /// The bytes of all segments of a partition, one behind the other.
    pub fn log(&self, partition: &str) -> Vec<u8> {
        logs(&self.path(partition)).iter().flat_map(|path| fs::read(path).unwrap()).collect()
    }

    /// What there is in `data` besides `meta.properties`.
    pub fn partitions(&self) -> Vec<String> {
        let names = entries(&self.path("data")).into_iter();
        let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name != "meta.properties" && name != ".lock").collect()
    }
}

/// The logs of a partition.
pub fn logs(partition: &Path) -> Vec<PathBuf> {
    crate::common::files_ending(partition, ".log")
}

pub fn text(run: &Run) -> String {
    format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr)
}

/// Refused, in one sentence that says `words`.
pub fn is_refused(run: &Run, words: &[&str]) {
    assert_eq!(run.status, 2, "{}", text(run));
    is_one_sentence(run, words);
}

/// The command line makes no sense.
pub fn is_senseless(run: &Run, words: &[&str]) {
    assert_eq!(run.status, 64, "{}", text(run));
    is_one_sentence(run, words);
    assert_eq!(run.stdout, b"", "{}", text(run));
}

fn is_one_sentence(run: &Run, words: &[&str]) {
    let sentence = run.stderr.strip_suffix('\n').unwrap_or_default();
    assert!(sentence.starts_with("seg: "), "{}", text(run));
    assert_eq!(sentence.lines().count(), 1, "{}", text(run));
    for word in words {
        assert!(sentence.contains(word), "no '{word}' in: {sentence}");
    }
    // Nothing is said twice.
    let mut pieces: Vec<&str> = sentence.split(": ").collect();
    pieces.sort_unstable();
    let count = pieces.len();
    pieces.dedup();
    assert_eq!(pieces.len(), count, "{sentence}");
}

/// A line of input.
pub fn line(key: Option<&str>, value: &str) -> String {
    format!("{}\n", json!({"key": key, "value": value}))
}

/// Lines of input, the same each time.
pub fn lines(count: usize) -> String {
    let mut random = crate::common::Random::new(count as u64);
    let line = |number: usize| {
        let key = random.below(20);
        let row = json!({
            "offset": number,
            "timestamp": 1_700_000_000_000 + number as i64 * 7,
            "key": if key < 3 { None } else { Some(format!("key-{key}")) },
            "value": format!("value {number} {}", "x".repeat(random.below(300))),
        });
        format!("{row}\n")
    };
    (0..count).map(line).collect()
}

/// Key and value of every record.
pub fn pairs(records: &[Value]) -> Vec<(Value, Value)> {
    records.iter().map(|record| (record["key"].clone(), record["value"].clone())).collect()
}

/// One field of every record.
pub fn numbers(records: &[Value], field: &str) -> Vec<i64> {
    records.iter().map(|record| record[field].as_i64().unwrap()).collect()
}

/// A number as people read it.
pub fn with_commas(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", with_commas(number / 1000), number % 1000),
    }
}
