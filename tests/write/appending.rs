//! Partitions that are gone on with.

use crate::common::files_ending;
use crate::scene::{Scene, is_refused, is_senseless, line, lines, logs, numbers};
use serde_json::{Value, json};
use std::fs;

const ID: &str = "AAECAwQFBgcICQoLDA0ODw";
const OTHER_ID: &str = "EAECAwQFBgcICQoLDA0ODw";

#[test]
fn one_write_after_the_other_is_one_write() {
    let scene = Scene::new();
    let input = lines(600);
    let rows: Vec<&str> = input.lines().collect();
    for (name, codec) in [("none", "none"), ("zstd", "zstd")] {
        let words = ["--keep-timestamps", "--compression-type", codec, "--segment-bytes", "20000"];
        let one = format!("data/one-{name}-0");
        let words = [&words[..], &["--batch-size", "3000"]].concat();
        scene.written(&[&[one.as_str()], &words[..]].concat(), &input);
        let many = format!("data/many-{name}-0");
        let mut before: Vec<u8> = Vec::new();
        for part in rows.chunks(70) {
            let part: String = part.iter().map(|row| format!("{row}\n")).collect();
            scene.written(&[&[many.as_str()], &words[..]].concat(), &part);
            scene.is_sound(&many);
            let after = scene.log(&many);
            assert!(after.starts_with(&before), "{name}");
            before = after;
        }
        let without = |records: Vec<Value>| -> Vec<Value> {
            let without = |mut record: Value| {
                record
                    .as_object_mut()
                    .unwrap()
                    .retain(|field, _| field != "file" && field != "position");
                record
            };
            records.into_iter().map(without).collect()
        };
        let (one, many) = (without(scene.records(&one)), without(scene.records(&many)));
        assert_eq!(one.len(), 600);
        assert_eq!(one, many);
        assert!(logs(&scene.path(&format!("data/many-{name}-0"))).len() > 1 || codec == "zstd");
    }
    scene.is_sound("data");
}

#[test]
fn the_time_of_the_append() {
    let scene = Scene::new();
    let words = ["data/t-0", "--message-timestamp-type", "LogAppendTime", "--batch-size", "2000"];
    let time = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    };
    let before = time();
    scene.written(&words, &lines(100));
    scene.written(&[&words[..], &["--flush-interval-messages", "7"]].concat(), &lines(100));
    let after = time();
    let times = numbers(&scene.records("data/t-0"), "timestamp");
    assert_eq!(times.len(), 200);
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[0] >= before && times[199] <= after, "{before} {times:?} {after}");
    let run = scene.seg(&["dump", "data/t-0", "--format", "json"]);
    let batches = run.rows_of("batch");
    assert!(batches.len() > 4, "{}", batches.len());
    assert!(batches.iter().all(|batch| batch["timestampType"] == "LogAppendTime"), "{batches:?}");
    scene.is_sound("data");
}

/// As a broker stamped them: the records of a batch have one timestamp.
#[test]
fn the_time_of_the_append_of_kept_timestamps() {
    let scene = Scene::new();
    let words = ["data/t-0", "--message-timestamp-type", "LogAppendTime", "--keep-timestamps"];
    scene.written(&words, &lines(100));
    let batches = scene.seg(&["dump", "data/t-0", "--format", "json"]).rows_of("batch");
    assert!(batches.iter().all(|batch| batch["timestampType"] == "LogAppendTime"), "{batches:?}");
    let said: Vec<i64> = lines(100)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["timestamp"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers(&scene.records("data/t-0"), "timestamp"), said);
}

#[test]
fn leader_epochs_only_rise() {
    let scene = Scene::new();
    for epoch in ["3", "3", "8"] {
        scene.written(&["data/t-0", "--leader-epoch", epoch], &lines(5));
    }
    scene.written(&["data/t-0"], &lines(5));
    let before = scene.files("data");
    let run = scene.write(&["data/t-0", "--leader-epoch", "7"], &lines(5));
    is_refused(&run, &["7", "8", "nothing was written"]);
    let row = "{\"value\":\"v\",\"offset\":20,\"partitionLeaderEpoch\":2}\n";
    is_refused(&scene.write(&["data/t-0", "--keep-offsets"], row), &["line 1", "2", "8"]);
    assert!(scene.files("data") == before);
    let epochs = numbers(&scene.records("data/t-0"), "partitionLeaderEpoch");
    assert_eq!(epochs, [[3; 10], [8; 10]].concat());
    let file = fs::read_to_string(scene.path("data/t-0/leader-epoch-checkpoint")).unwrap();
    assert_eq!(file, "0\n2\n3 0\n8 10\n");
    scene.is_sound("data");
}

/// A record that says no leader epoch is of the latest.
#[test]
fn who_says_no_leader_epoch_is_of_the_latest() {
    for row in [
        json!({"value": "v", "offset": 1}),
        json!({"value": "v", "offset": 1, "partitionLeaderEpoch": -1}),
    ] {
        let scene = Scene::new();
        let first = json!({"value": "v", "offset": 0, "partitionLeaderEpoch": 5});
        scene.written(&["data/t-0", "--keep-offsets"], &format!("{first}\n{row}\n"));
        scene.is_sound("data");
        assert_eq!(numbers(&scene.records("data/t-0"), "partitionLeaderEpoch"), [5, 5]);
    }
}

#[test]
fn the_topic_id_is_one() {
    let scene = Scene::new();
    scene.written(&["data/t-0", "--topic-id", ID], &lines(3));
    scene.written(&["data/t-0", "--topic-id", ID], &lines(3));
    scene.written(&["data/t-1"], &lines(3));
    let before = scene.files("data");
    for words in [&["data/t-0"][..], &["data/t-1"], &["data/t-2"], &["data", "--topic", "t"]] {
        let run = scene.write(&[words, &["--topic-id", OTHER_ID]].concat(), &lines(3));
        is_refused(&run, &["topic id", ID, OTHER_ID]);
    }
    is_senseless(&scene.write(&["data/t-0", "--topic-id", "nonsense"], ""), &["'nonsense'"]);
    assert!(scene.files("data") == before);
    assert_eq!(scene.partitions(), ["t-0", "t-1"]);
    for number in 0..2 {
        let path = scene.path(&format!("data/t-{number}/partition.metadata"));
        assert_eq!(fs::read_to_string(path).unwrap(), format!("version: 0\ntopic_id: {ID}"));
    }
}

#[test]
fn the_metadata_of_a_cluster_has_its_own_topic_id() {
    let scene = Scene::new();
    scene.written(&["data/__cluster_metadata-0"], &lines(3));
    scene.is_sound("data/__cluster_metadata-0");
}

#[test]
fn offsets_may_have_gaps_and_begin_anywhere() {
    let scene = Scene::new();
    let rows = |offsets: &[i64]| -> String {
        offsets
            .iter()
            .map(|offset| format!("{}\n", json!({"value": "v", "offset": offset})))
            .collect()
    };
    let offsets = [1_000_000, 1_000_007, 5_000_000_000, 5_000_000_001];
    scene.written(&["data/t-0", "--keep-offsets"], &rows(&offsets[..2]));
    scene.written(&["data/t-0", "--keep-offsets"], &rows(&offsets[2..]));
    scene.written(&["data/t-0"], &line(None, "v"));
    let found = numbers(&scene.records("data/t-0"), "offset");
    assert_eq!(found, [&offsets[..], &[5_000_000_002]].concat());
    // The second is too far above the first for an index of the same segment.
    let names = files_ending(&scene.path("data/t-0"), ".log");
    let names: Vec<_> =
        names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["00000000000001000000", "00000000005000000000"]);
    scene.is_sound("data");
}

#[test]
fn segments_end_where_they_are_full_or_late() {
    let scene = Scene::new();
    let words = ["--keep-timestamps", "--batch-size", "1000"];
    for (name, more, least) in [
        ("bytes", ["--segment-bytes", "10000"], 10),
        // Every record is 7 ms later.
        ("ms", ["--segment-ms", "700"], 5),
        ("index", ["--segment-index-bytes", "48"], 5),
    ] {
        let partition = format!("data/{name}-0");
        scene.written(&[&[partition.as_str()], &words[..], &more].concat(), &lines(700));
        let count = logs(&scene.path(&partition)).len();
        assert!((least..60).contains(&count), "{name}: {count}");
        for log in logs(&scene.path(&partition)) {
            let length = fs::metadata(&log).unwrap().len();
            assert!(name != "bytes" || length <= 10_000, "{length}");
            let index = fs::metadata(log.with_extension("index")).unwrap().len();
            let time_index = fs::metadata(log.with_extension("timeindex")).unwrap().len();
            assert!(name != "index" || (index <= 48 && time_index <= 48), "{index} {time_index}");
        }
        let segments: Vec<Vec<i64>> = logs(&scene.path(&partition))
            .iter()
            .map(|log| numbers(&scene.records(log.to_str().unwrap()), "timestamp"))
            .collect();
        let span = |times: &Vec<i64>| times.last().unwrap() - times.first().unwrap();
        let longest = segments.iter().map(span).max().unwrap();
        // From the last of its first batch, a batch has some 30 ms.
        assert!(name != "ms" || (600..800).contains(&longest), "{longest}");
    }
    scene.is_sound("data");
}
