//! Answers over the log dirs of real brokers, asked and read by a second hand: [`schema`].

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]

mod consumer;
mod fetch;
mod golden;
mod offsets;
mod rows;
mod schema;

use super::{Frame, Said, Served};
use crate::serve::catalog::tests::of_directory;
use crate::serve::catalog::{Catalog, Identity};
use crate::serve::counters::Counters;
use crate::serve::files::OpenFiles;
use crate::serve::limits::ServeLimits;
use crate::serve::wire::{Opened, Refusal, open};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CORRELATION_ID: i32 = 0x0a0b_0c0d;

/// A server without sockets.
struct Server {
    catalog: Catalog,
    files: OpenFiles,
    limits: ServeLimits,
    counters: Counters,
    /// Where the files are, if nobody else needs them.
    _scene: Option<TempDir>,
}

/// What one request comes to.
#[derive(Debug)]
struct Reply {
    body: Value,
    /// The bytes of each partition that has any.
    records: Vec<Vec<u8>>,
    /// How long it is held.
    wait: Option<Duration>,
    /// The lengths of its pieces.
    pieces: Vec<usize>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The log dirs of all brokers.
const LOG_DIRS: [&str; 5] =
    ["kafka-2.8.2", "kafka-3.9.2", "kafka-4.3.1", "kafka-4.3.1-killed", "kafka-4.4.0"];

/// Copies of partitions of 4.3.1, in a log dir whose checkpoints name one more of `grouped`.
fn scene() -> TempDir {
    let partitions =
        ["grouped-0", "grouped-2", "txn-0", "codec-zstd-0", "epochs-0", "trimmed-0", "txn-open-0"];
    let (scene, from) = (TempDir::new().unwrap(), root().join("kafka-4.3.1"));
    for partition in partitions {
        fs::create_dir(scene.path().join(partition)).unwrap();
        for file in fs::read_dir(from.join(partition)).unwrap() {
            let path = file.unwrap().path();
            let to = scene.path().join(partition).join(path.file_name().unwrap());
            fs::copy(path, to).unwrap();
        }
    }
    for file in fs::read_dir(&from).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::copy(&path, scene.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    scene
}

impl Server {
    fn testdata(log_dir: &str) -> Self {
        Self::of(&root().join(log_dir), None)
    }

    /// Of [`scene`], after a change to its files.
    fn scene(change: impl FnOnce(&Path)) -> Self {
        let scene = scene();
        change(scene.path());
        let path = scene.path().to_owned();
        Self::of(&path, Some(scene))
    }

    fn of(path: &Path, scene: Option<TempDir>) -> Self {
        let (cluster_id, host) = ("a-cluster".to_owned(), "broker.example".to_owned());
        let identity = Identity { cluster_id, node_id: 7, host, port: 9092 };
        let (catalog, _) = of_directory(path, identity).unwrap();
        Self {
            catalog,
            files: OpenFiles::new(1000, 1 << 20),
            limits: ServeLimits::STANDARD,
            counters: Counters::default(),
            _scene: scene,
        }
    }

    fn served(&self) -> Served<'_> {
        let Self { catalog, files, limits, counters, .. } = self;
        Served { catalog, files, limits, counters }
    }

    /// `None` where nothing is said.
    fn try_ask(&self, api: &str, version: i16, body: &Value) -> Result<Option<Reply>, Refusal> {
        let schema = schema::schema(api);
        let frame = schema.encode(version, CORRELATION_ID, body);
        let received = Instant::now();
        let opened = open(&frame, &self.limits.wire)?;
        let Opened::Body(header, mut reader) = opened else { panic!("no such version") };
        let said = self.served().say(&header, &mut reader, received)?;
        assert_eq!(reader.left(), 0, "{api} {version} is not read to its end");
        let Said::Frame(frame) = said else { return Ok(None) };
        let wait = frame.until.map(|until| until - received);
        let pieces = frame.pieces.iter().map(Vec::len).collect();
        let (body, records) = schema.decode(version, CORRELATION_ID, &behind_length(frame));
        Ok(Some(Reply { body, records, wait, pieces }))
    }

    fn ask(&self, api: &str, version: i16, body: &Value) -> Reply {
        self.try_ask(api, version, body).unwrap().unwrap()
    }

    /// How often something was rejected under this name.
    fn rejected(&self, limit: &str) -> u64 {
        let rejected = self.counters.snapshot().rejected;
        rejected.iter().find(|(name, _)| *name == limit).unwrap().1
    }

    /// The errors that were counted of an API.
    fn errors(&self, api: &str) -> Vec<(&'static str, u64)> {
        let apis = self.counters.snapshot().apis;
        apis.into_iter().find(|of| format!("{:?}", of.api) == api).unwrap().errors
    }

    /// The id of a topic, as Metadata says it.
    fn topic_id(&self, topic: &str) -> String {
        let asked = json!({"Topics": [{"Name": topic}], "AllowAutoTopicCreation": false});
        let body = self.ask("Metadata", 10, &asked).body;
        body["Topics"][0]["TopicId"].as_str().unwrap().to_owned()
    }

    /// Every partition of every topic, as Metadata says it.
    fn partitions(&self) -> Vec<(String, i32)> {
        let body = self.ask("Metadata", 9, &json!({"Topics": null})).body;
        let mut all = Vec::new();
        for topic in body["Topics"].as_array().unwrap() {
            for partition in topic["Partitions"].as_array().unwrap() {
                let index = partition["PartitionIndex"].as_i64().unwrap();
                all.push((topic["Name"].as_str().unwrap().to_owned(), index as i32));
            }
        }
        all
    }
}

/// The whole frame behind its length, the ranges read from their files.
fn behind_length(frame: Frame) -> Vec<u8> {
    let (mut bytes, mut ranges) = (Vec::new(), frame.ranges.iter());
    assert_eq!(frame.pieces.len(), frame.ranges.len() + 1);
    for piece in &frame.pieces {
        bytes.extend_from_slice(piece);
        if let Some(range) = ranges.next() {
            assert!(range.at < range.end && range.warm_to == range.end);
            let mut records = vec![0; (range.end - range.at) as usize];
            range.file.log.read_exact_at(&mut records, range.at).unwrap();
            bytes.extend_from_slice(&records);
        }
    }
    let length = i32::from_be_bytes(*bytes.first_chunk().unwrap());
    assert_eq!(length as usize, bytes.len() - 4);
    bytes.split_off(4)
}
