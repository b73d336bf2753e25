//! What is said to tools, producers and those who look for somebody: what goldens cannot show.

use super::Server;
use crate::serve::wire::{Opened, open};
use serde_json::{Value, json};

#[test]
fn who_asks_in_an_unknown_version_is_told_which_there_are() {
    let server = Server::scene(|_| ());
    let frame = [0, 18, 0, 99, 1, 2, 3, 4, 0xff, 0xff];
    let opened = open(&frame, &server.limits.wire).unwrap();
    let Opened::UnknownApiVersions { correlation_id } = opened else { panic!("known") };
    let super::Said::Frame(frame) = server.served().say_versions(correlation_id).unwrap() else {
        panic!("nothing")
    };
    let bytes = super::behind_length(frame);
    assert_eq!(bytes, [1, 2, 3, 4, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5]);
}

#[test]
fn a_client_is_not_trusted_with_its_own_name() {
    let server = Server::scene(|_| ());
    let ask = |version: i16, name: &str, release: &str| {
        let body = json!({"ClientSoftwareName": name, "ClientSoftwareVersion": release});
        let reply = server.ask("ApiVersions", version, &body);
        let keys = reply.body["ApiKeys"].as_array().unwrap().len();
        (reply.body["ErrorCode"].as_i64().unwrap(), keys)
    };
    for version in 3..=5 {
        assert_eq!(ask(version, "librdkafka", "2.16.0"), (0, 23));
        assert_eq!(ask(version, "a b", "1"), (42, 0));
        assert_eq!(ask(version, "a", ""), (42, 0));
    }
    let clients = server.counters.snapshot().clients;
    assert_eq!(clients, [("librdkafka".to_owned(), 3)].into());
    for version in 0..3 {
        assert_eq!(server.ask("ApiVersions", version, &json!({})).body["ErrorCode"], 0);
    }
}

#[test]
fn a_client_that_means_another_server_looks_again() {
    let server = Server::scene(|_| ());
    let ask = |cluster: Value, node: i32| {
        let body = json!({
            "ClientSoftwareName": "a", "ClientSoftwareVersion": "1",
            "ClusterId": cluster, "NodeId": node,
        });
        server.ask("ApiVersions", 5, &body).body["ErrorCode"].as_i64().unwrap()
    };
    let (ours, other) = (json!("a-cluster"), json!("another"));
    for (cluster, node) in [(&ours, 7), (&Value::Null, -1)] {
        assert_eq!(ask(cluster.clone(), node), 0, "{cluster} {node}");
    }
    // One without the other.
    for (cluster, node) in [(&ours, -1), (&other, -1), (&Value::Null, 8)] {
        assert_eq!(ask(cluster.clone(), node), 42, "{cluster} {node}");
    }
    for (cluster, node) in [(&ours, 8), (&other, 7), (&other, 8)] {
        assert_eq!(ask(cluster.clone(), node), 129, "{cluster} {node}");
    }
}

#[test]
fn a_producer_that_does_not_listen_loses_its_connection() {
    let server = Server::scene(|_| ());
    let body = |acks: i16| {
        let partitions = json!([{"Index": 0}, {"Index": 0}, {"Index": 9}]);
        json!({"Acks": acks, "TopicData": [{"Name": "txn", "PartitionData": partitions}]})
    };
    assert!(server.try_ask("Produce", 9, &body(0)).unwrap().is_none());
    let reply = server.ask("Produce", 9, &body(-1));
    let rows = reply.body["Responses"][0]["PartitionResponses"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(server.errors("Produce"), [("TOPIC_AUTHORIZATION_FAILED", 2)]);
}

#[test]
fn what_is_named_twice_is_answered_once() {
    let server = Server::scene(|_| ());
    let count = |api: &str, version, body: Value, field: &str| {
        server.ask(api, version, &body).body[field].as_array().unwrap().len()
    };
    let named = |name: &str, times: usize| json!(vec![json!({ "Name": name }); times]);
    assert_eq!(count("Metadata", 9, json!({"Topics": named("txn", 100)}), "Topics"), 1);
    assert_eq!(count("Metadata", 9, json!({"Topics": named("nope", 100)}), "Topics"), 1);
    assert_eq!(count("Metadata", 9, json!({"Topics": []}), "Topics"), 0);
    let all = server.catalog.topics().len();
    assert_eq!(count("Metadata", 0, json!({"Topics": []}), "Topics"), all);
    assert_eq!(count("Metadata", 9, json!({"Topics": null}), "Topics"), all);
    let described = json!({"Topics": named("txn", 100), "ResponsePartitionLimit": 10});
    assert_eq!(count("DescribeTopicPartitions", 0, described, "Topics"), 1);
    let resource = json!({"ResourceType": 2, "ResourceName": "txn"});
    let resources = json!({"Resources": vec![resource; 100]});
    assert_eq!(count("DescribeConfigs", 4, resources, "Results"), 1);
    let keys = json!({"CoordinatorKeys": vec!["a"; 100]});
    assert_eq!(count("FindCoordinator", 4, keys, "Coordinators"), 1);
    let topic = json!({"Name": "txn", "PartitionIndexes": [0, 0, 0]});
    let reply = server.ask("DescribeProducers", 0, &json!({"Topics": [topic]}));
    assert_eq!(reply.body["Topics"][0]["Partitions"].as_array().unwrap().len(), 1);
    let partition = json!({"Partition": 0, "LeaderEpoch": 0});
    let topic = json!({"Topic": "txn", "Partitions": vec![partition; 3]});
    let reply = server.ask("OffsetForLeaderEpoch", 4, &json!({"Topics": [topic]}));
    assert_eq!(reply.body["Topics"][0]["Partitions"].as_array().unwrap().len(), 1);
    let topic = json!({"Topic": "txn", "Partitions": [0, 0, 0]});
    let reply = server.ask("DescribeLogDirs", 4, &json!({"Topics": vec![topic; 3]}));
    let topics = reply.body["Results"][0]["Topics"].as_array().unwrap();
    assert_eq!((topics.len(), topics[0]["Partitions"].as_array().unwrap().len()), (1, 1));
}

#[test]
fn an_answer_that_would_be_too_long_is_none() {
    let mut server = Server::scene(|_| ());
    server.limits.response_bytes = 100;
    let refusal = server.try_ask("Metadata", 9, &json!({"Topics": null})).unwrap_err();
    assert_eq!(refusal.name(), "response_bytes");
}

/// Page after page is the whole, whatever the size of a page.
#[test]
fn pages_of_partitions_are_the_whole() {
    let server = Server::testdata("kafka-4.3.1");
    let pages = |limit: i32, topics: &[&str]| {
        let topics: Vec<Value> = topics.iter().map(|name| json!({ "Name": name })).collect();
        let (mut cursor, mut rows, mut pages) = (Value::Null, Vec::new(), 0);
        loop {
            let body = json!({"Topics": topics, "ResponsePartitionLimit": limit, "Cursor": cursor});
            let reply = server.ask("DescribeTopicPartitions", 0, &body).body;
            let mut count = 0;
            for topic in reply["Topics"].as_array().unwrap() {
                for partition in topic["Partitions"].as_array().unwrap() {
                    rows.push(format!("{} {}", topic["Name"], partition["PartitionIndex"]));
                    count += 1;
                }
            }
            assert!(count <= limit.max(1));
            pages += 1;
            cursor = reply["NextCursor"].clone();
            if cursor.is_null() {
                return (rows, pages);
            }
        }
    };
    let mut all: Vec<String> =
        server.partitions().iter().map(|(topic, index)| format!("\"{topic}\" {index}")).collect();
    all.sort();
    for (limit, expected) in
        [(1, all.len()), (3, all.len().div_ceil(3)), (2000, 1), (-4, all.len())]
    {
        let (mut rows, pages) = pages(limit, &[]);
        assert!(pages == expected || pages == expected + 1, "{pages} of {limit}");
        rows.sort();
        assert_eq!(rows, all, "{limit}");
    }
    let (rows, _) = pages(2, &["shapes", "grouped"]);
    let of = |topic: &str, count: i32| (0..count).map(|p| format!("\"{topic}\" {p}")).collect();
    let expected: [Vec<String>; 2] = [of("grouped", 3), of("shapes", 2)];
    assert_eq!(rows, expected.concat());
}

#[test]
fn a_cursor_has_to_be_one_of_ours() {
    let server = Server::scene(|_| ());
    let ask = |topics: &[&str], name: &str, index: i32| {
        let topics: Vec<Value> = topics.iter().map(|name| json!({ "Name": name })).collect();
        let cursor = json!({"TopicName": name, "PartitionIndex": index});
        let body = json!({"Topics": topics, "Cursor": cursor, "ResponsePartitionLimit": 100});
        let reply = server.ask("DescribeTopicPartitions", 0, &body).body;
        let row = |topic: &Value| {
            let count = topic["Partitions"].as_array().unwrap().len();
            format!("{} {} {count}", topic["Name"].as_str().unwrap(), topic["ErrorCode"])
        };
        reply["Topics"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["grouped", "txn"], "grouped", -1), ["grouped 42 0", "txn 42 0"]);
    assert_eq!(ask(&["grouped", "txn"], "epochs", 0), ["grouped 42 0", "txn 42 0"]);
    assert_eq!(ask(&["grouped", "txn"], "grouped", 2), ["grouped 0 1", "txn 0 1"]);
    assert_eq!(ask(&["grouped", "txn"], "txn", 0), ["txn 0 1"]);
    assert_eq!(ask(&["nope", "txn"], "nope", 0), ["nope 3 0", "txn 0 1"]);
    assert_eq!(ask(&[], "trimmed", 0), ["trimmed 0 1", "txn 0 1", "txn-open 0 1"]);
    // A topic that is gone: those behind it.
    assert_eq!(ask(&[], "tz", 0), Vec::<String>::new());
    assert_eq!(ask(&[], "tx", 0), ["txn 0 1", "txn-open 0 1"]);
}

/// Where an epoch ends, against the entries of the checkpoint themselves.
#[test]
fn epochs_end_where_the_next_one_begins() {
    let server = Server::scene(|_| ());
    let path = super::root().join("kafka-4.3.1/epochs-0/leader-epoch-checkpoint");
    let text = std::fs::read_to_string(path).unwrap();
    let number = |word: &str| word.parse::<i64>().unwrap();
    let entries: Vec<(i64, i64)> = text
        .lines()
        .skip(2)
        .map(|line| line.split_once(' ').unwrap())
        .map(|(epoch, start)| (number(epoch), number(start)))
        .collect();
    let end = {
        let asked = json!([{"PartitionIndex": 0, "Timestamp": -1}]);
        let body = json!({"Topics": [{"Name": "epochs", "Partitions": asked}]});
        let reply = server.ask("ListOffsets", 4, &body).body;
        let row = &reply["Topics"][0]["Partitions"][0];
        (row["LeaderEpoch"].as_i64().unwrap(), row["Offset"].as_i64().unwrap())
    };
    for epoch in -1..=end.0 + 1 {
        let asked = json!([{"Partition": 0, "LeaderEpoch": epoch, "CurrentLeaderEpoch": end.0}]);
        let body = json!({"Topics": [{"Topic": "epochs", "Partitions": asked}]});
        let reply = server.ask("OffsetForLeaderEpoch", 4, &body).body;
        let row = &reply["Topics"][0]["Partitions"][0];
        let greatest = entries.iter().rev().find(|entry| entry.0 <= epoch);
        let next = entries.iter().find(|entry| entry.0 > epoch);
        let expected = match (epoch, greatest, next) {
            (-1, ..) => (-1, -1),
            (epoch, ..) if epoch > end.0 => (-1, -1),
            (_, Some(greatest), Some(next)) => (greatest.0, next.1),
            (_, Some(greatest), None) => (greatest.0, end.1),
            (epoch, None, Some(next)) => (epoch, next.1),
            (_, None, None) => panic!("no entries"),
        };
        let said = (row["LeaderEpoch"].as_i64().unwrap(), row["EndOffset"].as_i64().unwrap());
        assert_eq!((&row["ErrorCode"], said), (&json!(0), expected), "{epoch}");
    }
}

#[test]
fn log_dirs_show_what_is_served_from_them() {
    let server = Server::scene(|_| ());
    let ask = |topics: Value| {
        let reply = server.ask("DescribeLogDirs", 5, &json!({ "Topics": topics })).body;
        let mut results = reply["Results"].as_array().unwrap().clone();
        assert_eq!(results.len(), 1);
        results.remove(0)
    };
    let scene = server._scene.as_ref().unwrap().path();
    let all = ask(Value::Null);
    assert_eq!(all["LogDir"].as_str().unwrap(), scene.to_str().unwrap());
    assert!(all["TotalBytes"].as_i64() >= all["UsableBytes"].as_i64());
    assert!(all["UsableBytes"].as_i64() > Some(0));
    let mut seen = 0;
    for topic in all["Topics"].as_array().unwrap() {
        for row in topic["Partitions"].as_array().unwrap() {
            let name = format!("{}-{}", topic["Name"].as_str().unwrap(), row["PartitionIndex"]);
            let files = std::fs::read_dir(scene.join(name)).unwrap().map(|entry| entry.unwrap());
            let logs = files.filter(|file| file.path().extension().is_some_and(|e| e == "log"));
            let bytes: u64 = logs.map(|file| file.metadata().unwrap().len()).sum();
            assert_eq!(row["PartitionSize"].as_u64(), Some(bytes));
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
    let asked = json!([
        {"Topic": "nope", "Partitions": [0]},
        {"Topic": "grouped", "Partitions": [2, 1, 5]},
        {"Topic": "txn", "Partitions": []},
    ]);
    let some = ask(asked);
    let topics = some["Topics"].as_array().unwrap();
    assert_eq!((topics.len(), &topics[0]["Name"]), (1, &json!("grouped")));
    let rows = topics[0]["Partitions"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["PartitionIndex"]), (1, &json!(2)));
}
