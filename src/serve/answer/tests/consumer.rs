//! What a client would receive, against what Kafka's own did receive from the same brokers.

use super::{LOG_DIRS, Server, root};
use crate::format::batch::{Batch, Batches};
use crate::format::{Offset, Position, Record, Scratch};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;

/// The first version with topic ids.
const IDS_FROM: i16 = 13;

struct Consumer<'s> {
    server: &'s Server,
    topic: &'s str,
    topic_id: String,
    partition: i32,
    version: i16,
    is_committed: bool,
    max_bytes: i32,
    /// The records, as the recorded ones are written down.
    lines: Vec<String>,
    /// All whole batches that came.
    batches: Vec<u8>,
}

impl Consumer<'_> {
    fn list(&self, timestamp: i64) -> i64 {
        let asked = json!({"PartitionIndex": self.partition, "Timestamp": timestamp});
        let reply = self.server.ask(
            "ListOffsets",
            2,
            &json!({
                "IsolationLevel": i8::from(self.is_committed),
                "Topics": [{"Name": self.topic, "Partitions": [asked]}],
            }),
        );
        let row = &reply.body["Topics"][0]["Partitions"][0];
        assert_eq!(row["ErrorCode"], 0);
        row["Offset"].as_i64().unwrap()
    }

    /// Reads from the first offset to the last as Java's consumer does.
    fn run(&mut self) {
        let (mut position, end) = (self.list(-2), self.list(-1));
        while position < end {
            let (partition, records) = self.fetch(position);
            assert_eq!(partition["ErrorCode"], 0, "{} at {position}", self.topic);
            let next = self.take(&partition, &records, position);
            assert!(next > position, "{} stands still at {position}: {partition}", self.topic);
            position = next;
        }
    }

    fn fetch(&self, position: i64) -> (Value, Vec<u8>) {
        let mut asked = json!({"Topic": self.topic, "Partitions": [{
            "Partition": self.partition,
            "FetchOffset": position,
            "PartitionMaxBytes": self.max_bytes,
        }]});
        if self.version >= IDS_FROM {
            asked["TopicId"] = json!(self.topic_id);
        }
        let body = json!({
            "MaxBytes": self.max_bytes,
            "MinBytes": 1,
            "IsolationLevel": i8::from(self.is_committed),
            "Topics": [asked],
        });
        let mut reply = self.server.ask("Fetch", self.version, &body);
        assert_eq!(reply.wait, None);
        let partition = reply.body["Responses"][0]["Partitions"][0].take();
        (partition, reply.records.pop().unwrap_or_default())
    }

    fn take(&mut self, partition: &Value, records: &[u8], mut position: i64) -> i64 {
        let number = |value: &Value| value.as_i64().unwrap();
        let aborted = partition["AbortedTransactions"].as_array().into_iter().flatten();
        let mut aborted: Vec<(i64, i64)> =
            aborted.map(|t| (number(&t["FirstOffset"]), number(&t["ProducerId"]))).collect();
        assert!(self.is_committed || partition["AbortedTransactions"].is_null());
        aborted.sort_unstable_by(|a, b| b.cmp(a));
        let (mut open, mut scratch) = (HashSet::new(), Scratch::new(1 << 20));
        // The last batch may be cut off.
        for batch in Batches::new(records, Position(0)).map_while(Result::ok) {
            assert_eq!(batch.crc(), batch.compute_crc());
            self.batches.extend_from_slice(batch.bytes());
            if self.is_committed && batch.producer_id() >= 0 {
                while let Some(last) = aborted.pop_if(|(from, _)| *from <= batch.last_offset().0) {
                    open.insert(last.1);
                }
                let pid = batch.producer_id();
                if is_abort(&batch, &mut scratch) {
                    open.remove(&pid);
                } else if batch.attributes().is_transactional() && open.contains(&pid) {
                    position = batch.next_offset().0;
                    continue;
                }
            }
            if !batch.attributes().is_control() {
                for record in batch.records(&mut scratch).unwrap().map(Result::unwrap) {
                    if record.offset >= Offset(position) {
                        self.lines.push(line(&batch, &record));
                    }
                }
            }
            position = batch.next_offset().0;
        }
        position
    }
}

fn is_abort(batch: &Batch<'_>, scratch: &mut Scratch) -> bool {
    let is_control = batch.attributes().is_control();
    let mut records = batch.records(scratch).unwrap();
    is_control && records.next().unwrap().unwrap().key.unwrap()[2..4] == [0, 0]
}

fn line(batch: &Batch<'_>, record: &Record<'_>) -> String {
    let mut line = format!(
        "{{\"offset\":{},\"timestamp\":{},\"timestampType\":\"{}\",\"key\":{},\"value\":{}",
        record.offset.0,
        record.timestamp,
        batch.timestamp_type().name(),
        bytes(record.key),
        bytes(record.value),
    );
    let headers = record.headers.into_iter().map(|header| {
        let key = serde_json::to_string(std::str::from_utf8(header.key).unwrap()).unwrap();
        format!("[{key},{}]", bytes(header.value))
    });
    let headers: Vec<String> = headers.collect();
    if !headers.is_empty() {
        line.push_str(&format!(",\"headers\":[{}]", headers.join(",")));
    }
    let epoch = batch.partition_leader_epoch();
    let epoch = if batch.magic() < 2 { "null".to_owned() } else { epoch.to_string() };
    line + &format!(",\"leaderEpoch\":{epoch}}}")
}

fn bytes(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() > 512 => {
            format!("{{\"size\":{},\"crc32c\":{}}}", bytes.len(), crc32c::crc32c(bytes))
        }
        Some(bytes) => format!("\"{}\"", BASE64_STANDARD.encode(bytes)),
    }
}

/// Consumes everything of a log dir; `look` gets each consumer at its end.
fn consume(
    log_dir: &str,
    versions: &[i16],
    is_committed: bool,
    max_bytes: i32,
    look: &dyn Fn(&Consumer<'_>),
) {
    let server = Server::testdata(log_dir);
    let partitions = server.partitions();
    assert!(partitions.len() > 10, "{log_dir}");
    for (at, (topic, partition)) in partitions.iter().enumerate() {
        let topic_id = server.topic_id(topic);
        let has_id = topic_id.bytes().any(|digit| digit != b'0');
        let version = versions[at % versions.len()];
        let version = if has_id { version } else { version.min(IDS_FROM - 1) };
        let (server, partition) = (&server, *partition);
        let (lines, batches) = (Vec::new(), Vec::new());
        let mut consumer = Consumer {
            server,
            topic,
            topic_id,
            partition,
            version,
            is_committed,
            max_bytes,
            lines,
            batches,
        };
        consumer.run();
        look(&consumer);
    }
}

fn recorded(log_dir: &str, consumer: &Consumer<'_>) -> Vec<String> {
    let file = |kind| format!("{}-{}.{kind}.jsonl", consumer.topic, consumer.partition);
    let expected = root().join("expected").join(log_dir);
    let committed = expected.join(file("committed"));
    let path = match consumer.is_committed && committed.exists() {
        true => committed,
        false => expected.join(file("uncommitted")),
    };
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn compare(log_dir: &str, consumer: &Consumer<'_>) {
    let recorded = recorded(log_dir, consumer);
    let name = format!("{log_dir} {}-{}", consumer.topic, consumer.partition);
    assert_eq!(consumer.lines.len(), recorded.len(), "{name}");
    for (line, recorded) in consumer.lines.iter().zip(&recorded) {
        assert_eq!(line, recorded, "{name}");
    }
}

#[test]
fn who_reads_committed_receives_what_javas_consumer_did() {
    for log_dir in LOG_DIRS {
        consume(log_dir, &[18, 4, 11], true, 3000, &|consumer| compare(log_dir, consumer));
    }
}

#[test]
fn who_reads_all_receives_what_javas_consumer_did() {
    let versions: Vec<i16> = (4..=18).collect();
    for log_dir in LOG_DIRS {
        consume(log_dir, &versions, false, 1 << 20, &|consumer| compare(log_dir, consumer));
    }
}

/// Whatever is asked for at most, what comes is what the files hold, from the first offset that is
/// served to the last: nothing twice, nothing left out.
#[test]
fn batches_come_as_they_are_in_the_files() {
    for (max_bytes, version) in [(0, 18), (1, 4), (100, 7), (5000, 12), (1 << 20, 15)] {
        consume("kafka-4.3.1", &[version], false, max_bytes, &|consumer| {
            let name = format!("{}-{}", consumer.topic, consumer.partition);
            let directory = root().join("kafka-4.3.1").join(&name);
            let is_log = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "log");
            let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<_> = files.filter(is_log).collect();
            files.sort();
            let bytes: Vec<u8> = files.iter().flat_map(|path| fs::read(path).unwrap()).collect();
            let (start, end) = (consumer.list(-2), consumer.list(-1));
            let mut expected = Vec::new();
            for batch in Batches::new(&bytes, Position(0)).map_while(Result::ok) {
                let is_served = batch.last_offset().0 >= start && batch.last_offset().0 < end;
                expected.extend_from_slice(if is_served { batch.bytes() } else { &[] });
            }
            assert!(consumer.batches == expected, "{name} with {max_bytes}");
        });
    }
}
