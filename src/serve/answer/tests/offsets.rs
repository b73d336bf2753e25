//! ListOffsets, against what the brokers themselves said.

use super::{LOG_DIRS, Server, root};
use crate::serve::catalog::Slot;
use serde_json::{Value, json};
use std::fs;

/// `[offset, timestamp, leader epoch]`, as it was recorded.
fn list(server: &Server, row: &Value, version: i16, isolation: i8, timestamp: i64) -> Value {
    let asked = json!({"PartitionIndex": row["partition"], "Timestamp": timestamp});
    let topics = json!([{"Name": row["topic"], "Partitions": [asked]}]);
    let body = json!({"IsolationLevel": isolation, "Topics": topics});
    let reply = server.ask("ListOffsets", version, &body);
    let found = &reply.body["Topics"][0]["Partitions"][0];
    assert_eq!(found["ErrorCode"], 0, "{row}");
    let epoch = found["LeaderEpoch"].as_i64().filter(|&epoch| epoch >= 0);
    json!([found["Offset"], found["Timestamp"], epoch])
}

#[test]
fn offsets_are_what_the_brokers_said() {
    let mut times = 0;
    for log_dir in LOG_DIRS {
        let server = Server::testdata(log_dir);
        let path = root().join("expected").join(log_dir).join("offsets.jsonl");
        let mut rows = 0;
        for line in fs::read_to_string(path).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let (topic, index) = (row["topic"].as_str().unwrap(), row["partition"].as_i64());
            let known = server.catalog.topic(topic).map(|topic| &topic.partitions);
            if known.is_none_or(|known| !known.contains_key(&(index.unwrap() as i32))) {
                // It was deleted while the broker stopped.
                continue;
            }
            let name = format!("{log_dir} {topic}-{}", index.unwrap());
            assert_eq!(list(&server, &row, 11, 0, -2), row["earliest"], "{name}");
            assert_eq!(list(&server, &row, 8, 0, -4), row["earliest"], "{name}");
            for (version, isolation, field) in [(11, 0, "highWatermark"), (6, 1, "lastStable")] {
                let found = list(&server, &row, version, isolation, -1);
                assert_eq!(found, row[field], "{name}");
            }
            if !row["maxTimestamp"].is_null() {
                assert_eq!(list(&server, &row, 7, 0, -3), row["maxTimestamp"], "{name}");
            }
            // A segment without times is as young as its file says, and a copy of it says today.
            let Some(Slot::Served(partition)) = known.unwrap().get(&(index.unwrap() as i32)) else {
                panic!("{name} is on no disk")
            };
            let mut segments = partition.segments().iter();
            let asked = if log_dir == "kafka-2.8.2" || segments.any(|s| s.end.0 == 0) {
                json!([])
            } else {
                row["times"].clone()
            };
            for time in asked.as_array().unwrap() {
                times += 1;
                let found = list(&server, &row, 10, 0, time[0].as_i64().unwrap());
                let recorded = json!([time[1], time[2], time[3]]);
                assert_eq!(found, recorded, "{name} at {}", time[0]);
            }
            rows += 1;
        }
        assert!(rows > 10, "{log_dir}");
    }
    assert!(times > 500, "{times}");
}

#[test]
fn nothing_is_said_of_a_record_that_may_not_be_fetched() {
    let server = Server::testdata("kafka-4.3.1");
    let row = json!({"topic": "txn-open", "partition": 0});
    let (end, stable) = (list(&server, &row, 11, 0, -1), list(&server, &row, 11, 1, -1));
    assert!(stable[0].as_i64() < end[0].as_i64());
    let last = list(&server, &row, 11, 0, -3);
    assert!(last[0].as_i64() >= stable[0].as_i64());
    let time = last[1].as_i64().unwrap();
    assert_eq!(list(&server, &row, 11, 0, time)[1], time);
    for timestamp in [time, -3] {
        assert_eq!(list(&server, &row, 11, 1, timestamp), json!([-1, -1, null]));
    }
}

#[test]
fn each_error_of_a_partition_has_its_code() {
    let server = Server::scene(|_| ());
    let row = |partition: i32, epoch: i32, timestamp: i64| {
        let epoch = ("CurrentLeaderEpoch", json!(epoch));
        let rest = [("PartitionIndex", json!(partition)), ("Timestamp", json!(timestamp))];
        Value::Object([epoch].into_iter().chain(rest).map(|(k, v)| (k.to_owned(), v)).collect())
    };
    let body = json!({"Topics": [
        {"Name": "grouped", "Partitions": [row(0, -1, -1), row(1, -1, -1), row(3, -1, -1)]},
        {"Name": "nope", "Partitions": [row(0, -1, -1)]},
        {"Name": "epochs", "Partitions": [row(0, 0, -1)]},
        {"Name": "txn", "Partitions": [row(0, 1000, -1)]},
        {"Name": "trimmed", "Partitions": [row(0, -1, -1), row(0, -1, -2)]},
        {"Name": "codec-zstd", "Partitions": [row(0, -1, -7)]},
        {"Name": "grouped", "Partitions": [row(2, -1, -6), row(2, -1, -6)]},
        {"Name": "grouped", "Partitions": []},
    ]});
    let reply = server.ask("ListOffsets", 11, &body);
    let topics = reply.body["Topics"].as_array().unwrap();
    let codes: Vec<Vec<i64>> = topics
        .iter()
        .map(|topic| {
            let rows = topic["Partitions"].as_array().unwrap();
            rows.iter().map(|row| row["ErrorCode"].as_i64().unwrap()).collect()
        })
        .collect();
    let [ok, missing, unknown] = [0, 6, 3];
    assert_eq!(
        codes,
        [
            vec![ok, missing, unknown],
            vec![3],
            vec![74],
            vec![75],
            vec![42],
            vec![35],
            vec![42],
            vec![],
        ]
    );
    for row in topics[1..7].iter().map(|topic| &topic["Partitions"][0]) {
        assert_eq!((&row["Timestamp"], &row["Offset"]), (&json!(-1), &json!(-1)));
        assert_eq!(row["LeaderEpoch"], -1);
    }
    let counted = server.errors("ListOffsets");
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 8, "{counted:?}");
    assert!(counted.contains(&("UNKNOWN_TOPIC_OR_PARTITION", 2)), "{counted:?}");
    // What a version does not know yet.
    for (timestamp, version) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10)] {
        for (version, code) in [(version, 35), (version + 1, 0)] {
            let partitions = json!([{"PartitionIndex": 0, "Timestamp": timestamp}]);
            let body = json!({"Topics": [{"Name": "txn", "Partitions": partitions}]});
            let reply = server.ask("ListOffsets", version, &body);
            assert_eq!(reply.body["Topics"][0]["Partitions"][0]["ErrorCode"], code);
        }
    }
}
