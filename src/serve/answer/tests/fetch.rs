//! Fetch: each row of the table of checks, each bound, and when an answer is held.

use super::{Reply, Server, schema};
use crate::format::Position;
use crate::format::batch::Batches;
use crate::serve::catalog::Slot;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// One partition at an offset.
fn at(topic: &str, partition: i32, offset: i64) -> Value {
    let partition =
        json!({"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20});
    json!({"Topic": topic, "Partitions": [partition]})
}

fn with(mut topic: Value, field: &str, value: Value) -> Value {
    topic["Partitions"][0][field] = value;
    topic
}

fn body(topics: Vec<Value>) -> Value {
    json!({"MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": 50 << 20, "Topics": topics})
}

fn fetch(server: &Server, version: i16, topics: Vec<Value>) -> Reply {
    server.ask("Fetch", version, &body(topics))
}

fn partitions(reply: &Reply) -> Vec<&Value> {
    let topics = reply.body["Responses"].as_array().unwrap();
    topics.iter().flat_map(|topic| topic["Partitions"].as_array().unwrap()).collect()
}

/// Error and ends of the one partition.
fn said(reply: &Reply) -> (i64, [i64; 3]) {
    let all = partitions(reply);
    assert_eq!(all.len(), 1);
    let number = |field: &str| all[0][field].as_i64().unwrap();
    let ends = ["HighWatermark", "LastStableOffset", "LogStartOffset"].map(number);
    (number("ErrorCode"), ends)
}

const UNSAID: [i64; 3] = [-1; 3];

/// The first `.log` of a partition.
fn first_log(partition: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "log")).min().unwrap()
}

#[test]
fn errors_have_the_code_and_the_ends_of_the_table() {
    let server = Server::scene(|_| ());
    let ends = |topic: &str| said(&fetch(&server, 11, vec![at(topic, 0, 0)])).1;
    let (epochs, txn) = (ends("epochs"), ends("txn"));
    assert!(txn[0] > 100 && txn[1] == txn[0] && txn[2] == 0);
    let one = |version, topic| said(&fetch(&server, version, vec![topic]));
    assert_eq!(one(11, at("nope", 0, 0)), (3, UNSAID));
    assert_eq!(one(11, at("txn", 1, 0)), (3, UNSAID));
    assert_eq!(one(11, at("txn", -1, 0)), (3, UNSAID));
    assert_eq!(one(11, at("grouped", 1, 0)), (6, UNSAID));
    let epoch = |epoch: i32| with(at("epochs", 0, 0), "CurrentLeaderEpoch", json!(epoch));
    let asked = json!({"Topics": [{"Name": "epochs"}]});
    let metadata = server.ask("Metadata", 7, &asked).body;
    let current = &metadata["Topics"][0]["Partitions"][0]["LeaderEpoch"];
    let current = current.as_i64().unwrap() as i32;
    assert!(current > 0);
    assert_eq!(one(11, epoch(current - 1)), (74, UNSAID));
    assert_eq!(one(11, epoch(current)).0, 0);
    assert_eq!(one(11, epoch(-1)).0, 0);
    assert_eq!(one(11, epoch(current + 1)), (75, UNSAID));
    assert_eq!(one(11, at("txn", 0, txn[0])), (0, txn));
    assert_eq!(one(11, at("txn", 0, txn[0] + 1)), (1, UNSAID));
    assert_eq!(one(11, at("txn", 0, -1)), (1, UNSAID));
    let trimmed = fetch(&server, 11, vec![at("trimmed", 0, i64::MAX)]);
    assert_eq!(said(&trimmed), (1, UNSAID));
    let last = |epoch: i32| with(at("epochs", 0, 0), "LastFetchedEpoch", json!(epoch));
    assert_eq!(one(12, last(current + 1)), (1, UNSAID));
    assert_eq!(one(12, last(current)), (0, epochs));
    // Clients of before zstd find out themselves, as with a broker of today.
    assert_eq!(one(9, at("codec-zstd", 0, 0)).0, 0);
}

#[test]
fn a_follower_gets_nothing() {
    let server = Server::scene(|_| ());
    let mut asked = body(vec![at("txn", 0, 0)]);
    asked["ReplicaId"] = json!(2);
    assert_eq!(said(&server.ask("Fetch", 12, &asked)), (6, UNSAID));
    let mut topic = at("txn", 0, 0);
    topic["TopicId"] = json!(server.topic_id("txn"));
    let mut asked = body(vec![topic]);
    asked["ReplicaState"] = json!({"ReplicaId": 2, "ReplicaEpoch": 5});
    assert_eq!(said(&server.ask("Fetch", 18, &asked)), (6, UNSAID));
    asked["ReplicaState"] = json!({"ReplicaId": -1, "ReplicaEpoch": 5});
    assert_eq!(said(&server.ask("Fetch", 18, &asked)).0, 0);
}

#[test]
fn topics_are_named_by_id_from_13_on() {
    let server = Server::scene(|_| ());
    let by_id = |id: String| {
        let mut topic = at("", 0, 0);
        topic["TopicId"] = json!(id);
        topic
    };
    for version in 13..=18 {
        for id in ["0".repeat(32), "f".repeat(32)] {
            let reply = fetch(&server, version, vec![by_id(id.clone())]);
            assert_eq!(said(&reply), (100, UNSAID));
            assert_eq!(reply.body["Responses"][0]["TopicId"], json!(id));
        }
        let reply = fetch(&server, version, vec![by_id(server.topic_id("txn"))]);
        assert_eq!(said(&reply).0, 0);
        assert!(reply.body["Responses"][0].get("Topic").is_none());
    }
}

#[test]
fn a_client_with_an_old_epoch_is_told_the_leader_from_16_on() {
    let server = Server::scene(|_| ());
    let mut topic = with(at("", 0, 0), "CurrentLeaderEpoch", json!(0));
    topic["TopicId"] = json!(server.topic_id("epochs"));
    for version in 13..=18 {
        let reply = fetch(&server, version, vec![topic.clone()]);
        let partition = partitions(&reply)[0];
        assert_eq!(partition["ErrorCode"], 74);
        if version < 16 {
            assert!(partition.get("CurrentLeader").is_none());
            assert!(reply.body.get("NodeEndpoints").is_none());
            continue;
        }
        let leader = &partition["CurrentLeader"];
        assert!(leader["LeaderId"] == 7 && leader["LeaderEpoch"].as_i64() > Some(0));
        let node = json!([{"NodeId": 7, "Host": "broker.example", "Port": 9092, "Rack": null}]);
        assert_eq!(reply.body["NodeEndpoints"], node);
    }
    // A partition that nobody leads: no node either.
    let mut topic = at("", 1, 0);
    topic["TopicId"] = json!(server.topic_id("grouped"));
    let reply = fetch(&server, 16, vec![topic]);
    let leader = &partitions(&reply)[0]["CurrentLeader"];
    assert_eq!(*leader, json!({"LeaderId": -1, "LeaderEpoch": -1}));
    assert!(reply.body.get("NodeEndpoints").is_none());
}

#[test]
fn a_log_that_parted_from_ours_is_told_where() {
    let server = Server::scene(|_| ());
    let path = super::root().join("kafka-4.3.1/epochs-0/leader-epoch-checkpoint");
    let text = fs::read_to_string(path).unwrap();
    let entries: Vec<Vec<i64>> = text
        .lines()
        .skip(2)
        .map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect())
        .collect();
    assert!(entries.len() > 2, "{text}");
    let (first, second) = (&entries[0], &entries[1]);
    let ask = |offset: i64, epoch: i64| {
        let topic = with(at("epochs", 0, offset), "LastFetchedEpoch", json!(epoch));
        let reply = fetch(&server, 12, vec![topic]);
        let partition = partitions(&reply)[0].clone();
        assert_eq!(partition["ErrorCode"], 0);
        assert!(partition["HighWatermark"].as_i64() > Some(0));
        (partition["DivergingEpoch"].clone(), partition["Records"].as_i64().unwrap(), reply.wait)
    };
    // Up to the end of its epoch a log may go on, not behind it.
    let (diverging, records, _) = ask(second[1], first[0]);
    assert!(diverging.is_null() && records > 0);
    let (diverging, records, wait) = ask(second[1] + 1, first[0]);
    assert_eq!(diverging, json!({"Epoch": first[0], "EndOffset": second[1]}));
    assert_eq!((records, wait), (0, None));
}

#[test]
fn there_are_no_sessions() {
    let server = Server::scene(|_| ());
    let ask = |id: i32, epoch: i32| {
        let mut asked = body(vec![at("txn", 0, 0)]);
        asked["SessionId"] = json!(id);
        asked["SessionEpoch"] = json!(epoch);
        let reply = server.ask("Fetch", 12, &asked);
        let topics = reply.body["Responses"].as_array().unwrap().len();
        (reply.body["ErrorCode"].as_i64().unwrap(), reply.body["SessionId"].clone(), topics)
    };
    for (id, epoch) in [(0, 0), (0, -1), (5, 0), (5, -1)] {
        assert_eq!(ask(id, epoch), (0, json!(0), 1), "{id} {epoch}");
    }
    for (id, epoch) in [(5, 1), (0, 1), (0, 5)] {
        assert_eq!(ask(id, epoch), (70, json!(0), 0), "{id} {epoch}");
    }
    assert_eq!(server.errors("Fetch"), [("FETCH_SESSION_ID_NOT_FOUND", 3)]);
}

#[test]
fn each_partition_is_answered_once() {
    let server = Server::scene(|_| ());
    let topics = vec![
        at("txn", 0, -5),
        at("grouped", 0, 0),
        at("grouped", 2, 0),
        at("txn", 0, 3),
        at("grouped", 0, 0),
    ];
    let reply = fetch(&server, 12, topics);
    let rows: Vec<String> = reply.body["Responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| {
            let rows = topic["Partitions"].as_array().unwrap().iter();
            let rows = rows.map(|row| format!("{} {}", row["PartitionIndex"], row["ErrorCode"]));
            format!("{}: {}", topic["Topic"], rows.collect::<Vec<_>>().join(", "))
        })
        .collect();
    // Of the two about `txn` the last one counts, in the place of the first.
    assert_eq!(rows, ["\"txn\": 0 0", "\"grouped\": 0 0, 2 0"]);
    assert_eq!(reply.records.len(), 3);
}

#[test]
fn the_first_batch_is_whole_and_others_only_if_they_fit() {
    let server = Server::scene(|_| ());
    let order = [("txn", 0), ("txn-open", 0), ("epochs", 0)];
    let ask = |max_bytes: i32, partition_max_bytes: i32| {
        let topic = |(topic, partition)| {
            with(at(topic, partition, 0), "PartitionMaxBytes", json!(partition_max_bytes))
        };
        let mut asked = body(order.map(topic).to_vec());
        asked["MaxBytes"] = json!(max_bytes);
        let reply = server.ask("Fetch", 12, &asked);
        let length = |row: &&Value| row["Records"].as_u64().unwrap();
        partitions(&reply).iter().map(length).collect::<Vec<_>>()
    };
    let first_batch = |topic: &str| {
        let reply = fetch(&server, 12, vec![at(topic, 0, 0)]);
        let mut batches = Batches::new(&reply.records[0], Position(0));
        batches.next().unwrap().unwrap().size() as u64
    };
    let sizes = order.map(|(topic, _)| first_batch(topic));
    let whole = ask(50 << 20, 1 << 20);
    for (whole, first) in whole.iter().zip(sizes) {
        assert!(*whole > first);
    }
    for (max, partition_max) in [(0, 0), (-1, 0), (1, 1), (1, 1 << 20), (1 << 20, -1)] {
        assert_eq!(ask(max, partition_max), [sizes[0], 0, 0], "{max} {partition_max}");
    }
    // The last is cut wherever the bytes end, once there is room for its first batch.
    let max = sizes[0] as i32;
    assert_eq!(ask(max, 1 << 20), [sizes[0], 0, 0]);
    assert_eq!(ask(max + sizes[1] as i32 - 1, max), [sizes[0], 0, 0]);
    let two = ask(whole[0] as i32 + whole[1] as i32 + 10, 1 << 20);
    assert_eq!(two, [whole[0], whole[1], 0]);
    let three = ask((whole[0] + whole[1] + sizes[2]) as i32 + 7, 1 << 20);
    assert_eq!(three, [whole[0], whole[1], sizes[2] + 7]);
}

#[test]
fn bounds_of_the_server_leave_the_rest_for_the_next_request() {
    let order = || vec![at("txn", 0, 0), at("grouped", 0, 0), at("epochs", 0, 0)];
    let mut server = Server::scene(|_| ());
    let lengths = |server: &Server| {
        let reply = fetch(server, 12, order());
        assert_eq!(reply.wait, None);
        let length = |row: &&Value| row["Records"].as_u64().unwrap();
        partitions(&reply).iter().map(length).collect::<Vec<_>>()
    };
    let whole = lengths(&server);
    server.limits.fetch_files = 2;
    assert_eq!(lengths(&server), [whole[0], whole[1], 0]);
    assert_eq!(server.rejected("fetch_files"), 1);
    server.limits.fetch_files = 3;
    server.limits.fetch_bytes = whole[0];
    assert_eq!(lengths(&server), [whole[0], 0, 0]);
    assert_eq!((server.rejected("fetch_bytes"), server.rejected("fetch_files")), (1, 1));
    // A client that asks for no more than the server gives is not cut by the server.
    let mut asked = body(order());
    asked["MaxBytes"] = json!(whole[0]);
    server.ask("Fetch", 12, &asked);
    assert_eq!(server.rejected("fetch_bytes"), 1);
}

#[test]
fn aborted_transactions_without_room_leave_a_partition_empty() {
    let mut server = Server::scene(|_| ());
    let mut asked = body(vec![at("grouped", 0, 0), at("txn", 0, 0)]);
    asked["IsolationLevel"] = json!(1);
    let aborted = |server: &Server| {
        let reply = server.ask("Fetch", 12, &asked);
        let row = partitions(&reply)[1].clone();
        (
            row["AbortedTransactions"].as_array().map_or(0, Vec::len),
            row["Records"].as_i64().unwrap(),
        )
    };
    let (count, bytes) = aborted(&server);
    assert!(count > 1 && bytes > 0);
    server.limits.response_bytes = 2 * (128 + 64) + 64 + "groupedtxn".len() + 17 * count;
    assert_eq!(aborted(&server), (count, bytes));
    server.limits.response_bytes -= 1;
    assert_eq!(aborted(&server), (0, 0));
    assert_eq!(server.rejected("response_bytes"), 1);
    // Where not even the envelope has room there is no answer.
    server.limits.response_bytes = 50;
    assert_eq!(server.try_ask("Fetch", 12, &asked).unwrap_err().name(), "response_bytes");
}

#[test]
fn an_answer_that_says_too_little_is_held() {
    let mut server = Server::scene(|_| ());
    let end = said(&fetch(&server, 11, vec![at("txn", 0, 0)])).1[0];
    let wait = |server: &Server, topics: Vec<Value>, max_wait: i32, min: i32, max: i32| {
        let asked =
            json!({"MaxWaitMs": max_wait, "MinBytes": min, "MaxBytes": max, "Topics": topics});
        server.ask("Fetch", 12, &asked).wait
    };
    let (all, none) = (at("txn", 0, last_base(&server, "txn")), at("txn", 0, end));
    let half_second = Some(Duration::from_millis(500));
    assert_eq!(wait(&server, vec![none.clone()], 500, 1, 1000), half_second);
    assert_eq!(wait(&server, vec![all.clone()], 500, 1 << 30, 1 << 30), half_second);
    // Enough, nobody waits, nothing is asked for, more than is taken.
    assert_eq!(wait(&server, vec![all.clone()], 500, 1, 1000), None);
    assert_eq!(wait(&server, vec![none.clone()], 500, 0, 1000), None);
    assert_eq!(wait(&server, vec![none.clone()], 500, -1, 1000), None);
    assert_eq!(wait(&server, vec![none.clone()], 0, 1, 1000), None);
    assert_eq!(wait(&server, vec![none.clone()], -1, 1, 1000), None);
    assert_eq!(wait(&server, vec![], 500, 1, 1000), None);
    assert_eq!(wait(&server, vec![all], 500, 1 << 30, 1), None);
    // Something is wrong somewhere.
    assert_eq!(wait(&server, vec![none.clone(), at("nope", 0, 0)], 500, 1, 1000), None);
    assert_eq!(server.rejected("fetch_wait"), 0);
    server.limits.fetch_wait = Duration::from_millis(300);
    let cut = wait(&server, vec![none], 301, 1, 1000);
    assert_eq!((cut, server.rejected("fetch_wait")), (Some(server.limits.fetch_wait), 1));
}

/// The base offset of the last segment of partition 0.
fn last_base(server: &Server, topic: &str) -> i64 {
    let Some(Slot::Served(partition)) = server.catalog.topic(topic).unwrap().partition(0) else {
        panic!("{topic} is not served")
    };
    partition.segments().last().unwrap().base.0
}

#[test]
fn bytes_of_older_segments_are_given_at_once() {
    let server = Server::scene(|_| ());
    let bases = ["txn", "txn-open"].map(|topic| last_base(&server, topic));
    assert!(bases[0] > 1);
    let wait = |topics: Vec<Value>, version: i16, isolation: i8| {
        let mut asked = body(topics);
        asked["MinBytes"] = json!(1 << 20);
        asked["IsolationLevel"] = json!(isolation);
        server.ask("Fetch", version, &asked).wait.is_some()
    };
    for isolation in [0, 1] {
        for (offset, is_held) in [(0, false), (bases[0] - 1, false), (bases[0], true)] {
            let held = wait(vec![at("txn", 0, offset)], 12, isolation);
            assert_eq!(held, is_held, "{offset} {isolation}");
            let mut by_id = at("", 0, offset);
            by_id["TopicId"] = json!(server.topic_id("txn"));
            assert_eq!(wait(vec![by_id], 13, isolation), is_held, "{offset} {isolation}");
        }
    }
    // One of several is enough.
    let last = at("txn", 0, bases[0]);
    assert!(wait(vec![last.clone(), at("epochs", 0, last_base(&server, "epochs"))], 12, 0));
    assert!(!wait(vec![at("epochs", 0, last_base(&server, "epochs")), at("txn", 0, 0)], 12, 0));
    // The end is where the client may read to.
    let reply = fetch(&server, 12, vec![at("txn-open", 0, 0)]);
    let stable = said(&reply).1[1];
    let is_below = stable < bases[1];
    assert_eq!(wait(vec![at("txn-open", 0, 0)], 12, 0), bases[1] == 0);
    assert!(!is_below || wait(vec![at("txn-open", 0, stable)], 12, 1));
}

#[test]
fn damage_is_an_error_where_it_stands_and_nowhere_else() {
    let mut damaged = (0, 0);
    let server = Server::scene(|scene| {
        let log = first_log(&scene.join("epochs-0"));
        let bytes = fs::read(&log).unwrap();
        let batches: Vec<_> = Batches::new(&bytes, Position(0)).map(Result::unwrap).collect();
        assert!(batches.len() > 3);
        let third = &batches[2];
        damaged = (third.known_base_offset().unwrap().0, third.next_offset().0);
        let file = OpenOptions::new().write(true).open(&log).unwrap();
        // The length of the third batch: nothing is said of where it ends.
        file.write_all_at(&[0x7f; 4], third.position().0 + 8).unwrap();
    });
    let one = |offset| fetch(&server, 12, vec![at("epochs", 0, offset)]);
    let before = one(0);
    let (code, ends) = said(&before);
    assert!(code == 0 && ends[0] > damaged.1);
    // Nobody has looked there yet, so the range goes on. What it holds then is no batch.
    let whole = Batches::new(&before.records[0], Position(0)).map_while(Result::ok);
    let last = whole.last().unwrap();
    assert_eq!(last.next_offset().0, damaged.0);
    for offset in damaged.0..damaged.1 {
        assert_eq!(said(&one(offset)), (2, ends), "{offset}");
    }
    let behind = one(damaged.1);
    assert_eq!(said(&behind), (0, ends));
    assert!(!behind.records.is_empty());
    let errors = vec![("CORRUPT_MESSAGE", (damaged.1 - damaged.0) as u64)];
    assert_eq!(server.errors("Fetch"), errors);
}

#[test]
fn a_file_that_is_not_what_it_was_is_a_storage_error() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |log| fs::remove_file(log).unwrap(),
        |log| File::options().write(true).open(log).unwrap().set_len(10).unwrap(),
        |log| {
            fs::remove_file(log).unwrap();
            fs::write(log, b"another file").unwrap();
        },
    ];
    for change in changes {
        let server = Server::scene(|_| ());
        let scene = server._scene.as_ref().unwrap().path();
        change(&first_log(&scene.join("txn-0")));
        // What it says about transactions was not asked for before, so it is an error as well.
        for (version, code) in [(4, 6), (5, 6), (6, 56), (12, 56)] {
            let reply = fetch(&server, version, vec![at("txn", 0, 0), at("grouped", 0, 0)]);
            let rows = partitions(&reply);
            assert_eq!((&rows[0]["ErrorCode"], &rows[0]["Records"]), (&json!(code), &json!(0)));
            assert!(rows[1]["ErrorCode"] == 0 && rows[1]["Records"].as_i64() > Some(0));
        }
    }
}

#[test]
fn a_frame_has_a_piece_more_than_ranges() {
    let server = Server::scene(|_| ());
    let topics = ["txn", "nope", "grouped", "epochs"].map(|topic| at(topic, 0, 0));
    let reply = fetch(&server, 12, topics.to_vec());
    assert_eq!((reply.pieces.len(), reply.records.len()), (4, 3));
    assert_eq!(schema::schema("Fetch").key, 1);
}
