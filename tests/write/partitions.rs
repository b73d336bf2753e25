//! Which partition a record goes to.

use crate::common::{Random, entries, log_dirs, seg_with_input, testdata};
use crate::scene::{Scene, is_refused, is_senseless, line, numbers, pairs, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What org.apache.kafka.common.utils.Utils.murmur2 of the Java client comes to, from its tests.
const HASHES: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

#[test]
fn keys_go_where_the_java_client_sends_them() {
    let scene = Scene::new();
    let input: String = HASHES.iter().map(|(key, _)| line(Some(key), key)).collect();
    for count in [2, 7, 50] {
        let words = ["data", "--topic", &format!("t{count}"), "--partitions", &count.to_string()];
        scene.written(&words, &input);
        for (key, hash) in HASHES {
            let number = (hash & 0x7fff_ffff) % count;
            let records = scene.records(&format!("data/t{count}-{number}"));
            assert!(records.iter().any(|record| record["key"] == key), "{key} of {count}");
        }
    }
    scene.is_sound("data");
}

/// `grouped` was written by a Java client, to three partitions.
#[test]
fn and_where_it_has_sent_them() {
    let scene = Scene::new();
    for log_dir in log_dirs(&testdata()) {
        let mut before = Vec::new();
        let mut input = String::new();
        for number in 0..3 {
            let records =
                scene.records(log_dir.join(format!("grouped-{number}")).to_str().unwrap());
            input.extend(records.iter().map(|record| format!("{record}\n")));
            before.push(pairs(&records));
        }
        assert!(before.iter().all(|records| records.len() > 10), "{}", log_dir.display());
        let name = log_dir.file_name().unwrap().to_str().unwrap();
        // Who sent it would number its records anew.
        let fields = ["sequence", "producerId", "producerEpoch"];
        let plain = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            fields.iter().for_each(|field| row[field] = (-1).into());
            format!("{row}\n")
        };
        let input: String = input.lines().map(plain).collect();
        scene.written(&[name, "--topic", "grouped", "--partitions", "3"], &input);
        for (number, before) in before.iter().enumerate() {
            assert_eq!(
                &pairs(&scene.records(&format!("{name}/grouped-{number}"))),
                before,
                "{name}"
            );
        }
    }
}

#[test]
fn a_record_may_say_its_partition() {
    let scene = Scene::new();
    let mut random = Random::new(5);
    let said: Vec<usize> = (0..300).map(|_| random.below(4)).collect();
    let row = |(value, partition): (usize, &usize)| {
        format!("{}\n", json!({"key": "same", "value": value.to_string(), "partition": partition}))
    };
    let input: String = said.iter().enumerate().map(row).collect();
    scene.written(&["data", "--topic", "t", "--partitions", "4"], &input);
    for number in 0..4 {
        let records = scene.records(&format!("data/t-{number}"));
        let values = (0..300).filter(|&value| said[value] == number).map(|value| value.to_string());
        let found: Vec<String> =
            records.iter().map(|record| record["value"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, values.collect::<Vec<_>>());
        assert_eq!(numbers(&records, "offset"), (0..records.len() as i64).collect::<Vec<_>>());
    }
    let row = "{\"value\":\"v\"}\n{\"value\":\"v\",\"partition\":4}\n{\"value\":\"v\"}\n";
    is_refused(&scene.write(&["data", "--topic", "t"], row), &["line 2", "partition 4"]);
    is_refused(&scene.write(&["data/t-1"], "{\"value\":\"v\",\"partition\":2}\n"), &["line 1"]);
    scene.written(&["data/t-1"], "{\"value\":\"v\",\"partition\":1}\n");
    scene.is_sound("data");
}

/// How many records each of four partitions has, and how often one of another partition follows.
fn spread(partitioner: &str, words: &[&str]) -> (Vec<usize>, usize) {
    let scene = Scene::new();
    let input: String = (0..2000).map(|number| line(None, &format!("{number:040}"))).collect();
    let all = ["data", "--topic", "t", "--partitions", "4", "--partitioner", partitioner];
    scene.written(&[&all[..], words].concat(), &input);
    let (mut of, mut counts) = (BTreeMap::new(), Vec::new());
    for number in 0..4 {
        let records = scene.records(&format!("data/t-{number}"));
        counts.push(records.len());
        for record in records {
            of.insert(record["value"].as_str().unwrap().parse::<usize>().unwrap(), number);
        }
    }
    assert_eq!(of.len(), 2000);
    let of: Vec<i32> = of.into_values().collect();
    (counts, of.windows(2).filter(|pair| pair[0] != pair[1]).count())
}

#[test]
fn records_without_a_key_are_spread() {
    let (counts, changes) = spread("round-robin", &[]);
    assert_eq!((counts, changes), (vec![500; 4], 1999));
    let (counts, changes) = spread("random", &[]);
    assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
    assert!((1400..1600).contains(&changes), "{changes}");
    // Batch by batch: some hundred bytes of 2000 × 50.
    for partitioner in ["sticky", "murmur2"] {
        let (counts, changes) = spread(partitioner, &["--batch-size", "1000"]);
        assert!(counts.iter().all(|count| (200..800).contains(count)), "{counts:?}");
        assert!((40..160).contains(&changes), "{partitioner}: {changes}");
    }
}

#[test]
fn partitions_of_a_topic_are_found_again() {
    let scene = Scene::new();
    let id = |number: u32| {
        let path = scene.path(&format!("data/t-{number}/partition.metadata"));
        std::fs::read_to_string(path).unwrap()
    };
    scene.written(&["data", "--topic", "t", "--partitions", "3", "--generate", "300"], "");
    scene.written(&["data", "--topic", "t", "--generate", "300"], "");
    assert_eq!(scene.partitions(), ["t-0", "t-1", "t-2"]);
    scene.written(&["data", "--topic", "t", "--partitions", "5", "--generate", "300"], "");
    assert_eq!(scene.partitions(), ["t-0", "t-1", "t-2", "t-3", "t-4"]);
    scene.written(&["data/t-7"], &line(None, "v"));
    assert!((0..5).chain([7]).all(|number| id(number) == id(0)));
    // Another topic is another one.
    scene.written(&["data/t-t-0"], &line(None, "v"));
    assert_ne!(
        std::fs::read_to_string(scene.path("data/t-t-0/partition.metadata")).unwrap(),
        id(0)
    );
    let fewer = scene.write(&["data", "--topic", "t", "--partitions", "2"], &line(None, "v"));
    is_senseless(&fewer, &["t-7", "--partitions 2"]);
    scene.is_sound("data");
}

/// Keys go on to the same partitions, even when the first records met only one of them.
#[test]
fn a_topic_has_as_many_partitions_as_were_asked_for() {
    let scene = Scene::new();
    // 1173551340 % 6 = 0
    scene.written(&["data", "--topic", "t", "--partitions", "6"], &line(Some("21"), "v"));
    scene.written(&["data", "--topic", "t"], &line(Some("abc"), "v"));
    let records = scene.records("data/t-3");
    assert_eq!(479_470_107 % 6, 3);
    assert_eq!(pairs(&records), [(json!("abc"), json!("v"))]);
    assert_eq!(entries(&scene.path("data")).iter().filter(|path| path.is_dir()).count(), 6);
}

/// Where the partition is named from within its log dir, too.
#[test]
fn partitions_beside_it_are_found_from_within() {
    let scene = Scene::new();
    for name in ["t-0", "t-1"] {
        let run = seg_with_input(&scene.path("data"), &["write", name], line(None, "v").as_bytes());
        assert_eq!(run.status, 0, "{}", text(&run));
    }
    scene.is_sound("data");
}
