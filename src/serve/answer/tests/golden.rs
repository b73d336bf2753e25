//! Every API in every version, against answers that somebody has read. `BLESS=1` writes them anew.

use super::{Server, root};
use crate::serve::wire::{Api, SUPPORTED};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;

/// What is asked of an API in one version.
fn questions(server: &Server, api: Api, version: i16) -> Vec<Value> {
    let topics = |field: &str, names: &[&str], partitions: &Value, list: &str| {
        let topic = |name: &&str| json!({field: name, list: partitions});
        names.iter().map(topic).collect::<Vec<_>>()
    };
    match api {
        Api::Fetch => [0, 1].map(|isolation| fetch(server, isolation)).to_vec(),
        Api::ListOffsets => {
            let row = |timestamp: i64| json!([{"PartitionIndex": 0, "Timestamp": timestamp}]);
            let ask = |timestamp| {
                let names = ["txn-open", "trimmed", "nope"];
                let topics = topics("Name", &names, &row(timestamp), "Partitions");
                json!({"IsolationLevel": i8::from(version >= 2), "Topics": topics})
            };
            [-1, -2, 0, -3].map(ask).to_vec()
        }
        Api::Metadata => {
            let mut names: Vec<Value> =
                ["txn", "grouped", "nope", "a b", "__consumer_offsets", "txn"]
                    .map(|name| json!({ "Name": name }))
                    .to_vec();
            if version >= 12 {
                names.push(json!({"TopicId": server.topic_id("epochs"), "Name": null}));
                names.push(json!({"TopicId": "f".repeat(32), "Name": null}));
                names.push(json!({"Name": null}));
            } else if version >= 10 {
                names.push(json!({"Name": null}));
                names.push(json!({"TopicId": "f".repeat(32), "Name": "txn"}));
            }
            vec![json!({ "Topics": names })]
        }
        Api::FindCoordinator => {
            let key_types: &[i8] = if version >= 1 { &[0, 1, 2] } else { &[0] };
            let ask = |key_type: &i8| match version >= 4 {
                true => json!({"KeyType": key_type, "CoordinatorKeys": ["a", "b", "a"]}),
                false => json!({"KeyType": key_type, "Key": "a"}),
            };
            key_types.iter().map(ask).collect()
        }
        Api::ApiVersions => {
            vec![json!({"ClientSoftwareName": "a-client", "ClientSoftwareVersion": "1.0"})]
        }
        Api::OffsetForLeaderEpoch => {
            let row = |epoch: i32, current: i32| {
                let current = json!(current);
                json!([{"Partition": 0, "LeaderEpoch": epoch, "CurrentLeaderEpoch": current}])
            };
            let of = |name: &str, rows: Value| json!({"Topic": name, "Partitions": rows});
            let topics = [
                of("epochs", row(1, -1)),
                of("txn", row(0, 99)),
                of("nope", row(0, -1)),
                of(
                    "grouped",
                    json!([{"Partition": 1, "LeaderEpoch": 0, "CurrentLeaderEpoch": -1}]),
                ),
            ];
            vec![json!({ "Topics": topics })]
        }
        Api::Produce => {
            let mut topic = json!({"Name": "txn", "PartitionData": [{"Index": 0}]});
            topic["TopicId"] = json!("ab".repeat(16));
            vec![json!({"Acks": 1, "TopicData": [topic]})]
        }
        Api::InitProducerId => {
            vec![json!({"TransactionalId": null}), json!({"TransactionalId": "t"})]
        }
        _ => questions_of_tools(api, version),
    }
}

fn fetch(server: &Server, isolation: i8) -> Value {
    let named = |name: &str, partition: i32, offset: i64| {
        let row = json!({"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 2000});
        let known = server.catalog.topic(name).is_some();
        let id = if known { server.topic_id(name) } else { "ab".repeat(16) };
        json!({"Topic": name, "TopicId": id, "Partitions": [row]})
    };
    let topics = [
        named("txn", 0, 0),
        named("txn-open", 0, 40),
        named("grouped", 1, 0),
        named("nope", 0, 0),
        named("trimmed", 0, 0),
    ];
    json!({"MaxBytes": 100_000, "IsolationLevel": isolation, "Topics": topics})
}

fn questions_of_tools(api: Api, version: i16) -> Vec<Value> {
    match api {
        Api::DescribeCluster => {
            let types: &[i8] = if version >= 1 { &[1, 2, 3] } else { &[1] };
            types.iter().map(|kind| json!({ "EndpointType": kind })).collect()
        }
        Api::DescribeConfigs => {
            let of = |kind: i8, name: &str| json!({"ResourceType": kind, "ResourceName": name});
            let resources = [
                of(2, "txn"),
                of(2, "nope"),
                of(2, "a b"),
                of(4, ""),
                of(4, "7"),
                of(4, "8"),
                of(32, "g"),
                of(2, "txn"),
            ];
            vec![json!({ "Resources": resources })]
        }
        Api::DescribeLogDirs => vec![
            json!({"Topics": null}),
            json!({"Topics": [{"Topic": "grouped", "Partitions": [0, 1, 2]}]}),
        ],
        Api::DescribeProducers => {
            let topics = [("txn-open", 0), ("nope", 0), ("a b", 0), ("grouped", 1), ("grouped", 9)];
            let topic = |(name, index)| json!({"Name": name, "PartitionIndexes": [index]});
            vec![json!({"Topics": topics.map(topic)})]
        }
        Api::DescribeTopicPartitions => {
            let topics = ["txn", "nope", "grouped", "a b"].map(|name| json!({ "Name": name }));
            let page = |limit: i32| json!({"Topics": topics, "ResponsePartitionLimit": limit});
            vec![page(2000), page(2)]
        }
        Api::DescribeAcls | Api::ListPartitionReassignments => vec![json!({})],
        _ => {
            assert!(super::super::is_of_groups(api), "{api:?} is never asked");
            Vec::new()
        }
    }
}

/// What is another on every machine.
fn mask(value: &mut Value, scene: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, scene)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "TotalBytes" | "UsableBytes" => *field = json!(field.as_i64() > Some(0)),
                    "LogDir" => *field = json!(field.as_str().unwrap().replace(scene, "DIR")),
                    _ => mask(field, scene),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_api_in_every_version() {
    let server = Server::scene(|_| ());
    let scene = server._scene.as_ref().unwrap().path().to_str().unwrap().to_owned();
    let mut text = String::new();
    for versions in SUPPORTED {
        for version in versions.answered_from..=versions.max {
            for question in questions(&server, versions.api, version) {
                let api = format!("{:?}", versions.api);
                let mut body = server.ask(&api, version, &question).body;
                mask(&mut body, &scene);
                writeln!(text, "{api} {version} {question}\n    {body}").unwrap();
            }
        }
    }
    let golden = root().parent().unwrap().join("src/serve/answer/tests/golden.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}
