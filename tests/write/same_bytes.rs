//! The same files for every number of threads.

use crate::scene::{Scene, lines, pairs};
use std::path::PathBuf;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONERS: [&str; 4] = ["murmur2", "round-robin", "random", "sticky"];
const ID: &str = "AAECAwQFBgcICQoLDA0ODw";

/// Writes with one, two and five threads; what is there has to be the same. Returns how many
/// segments there are.
fn is_the_same(scene: &Scene, words: &[&str], input: &str) -> usize {
    let mut first = None;
    for threads in ["1", "2", "5"] {
        let directory = format!("{threads}-threads");
        let mut all = vec![directory.as_str(), "--topic", "t", "--topic-id", ID];
        all.extend(["--threads", threads, "--segment-bytes", "20000", "--batch-size", "2000"]);
        all.extend(words);
        scene.written(&all, input);
        let files = scene.files(&directory);
        let names: Vec<PathBuf> = files.keys().cloned().collect();
        match &first {
            None => first = Some(files),
            // What differs is named, not printed.
            Some(first) => {
                let equal: Vec<PathBuf> = first.keys().cloned().collect();
                assert_eq!(names, equal, "{words:?} {threads}");
                for (name, bytes) in first {
                    assert!(bytes == &files[name], "{words:?} {threads}: {}", name.display());
                }
            }
        }
        if threads == "5" {
            scene.is_sound(&directory);
        }
        std::fs::remove_dir_all(scene.path(&directory)).unwrap();
    }
    let is_log = |name: &&PathBuf| name.extension().is_some_and(|kind| kind == "log");
    first.unwrap().keys().filter(is_log).count()
}

#[test]
fn of_made_up_records() {
    let scene = Scene::new();
    for (codec, partitioner) in CODECS.iter().zip(PARTITIONERS.iter().cycle()) {
        let words = ["--generate", "4000", "--compression-type", codec, "--seed", "7"];
        let more = ["--partitioner", partitioner, "--partitions", "4", "--keys", "50"];
        let segments = is_the_same(&scene, &[words, more].concat(), "");
        assert!(segments >= 4, "{segments}");
    }
}

#[test]
fn of_json() {
    let scene = Scene::new();
    let input = lines(800);
    for (codec, partitioner) in CODECS.iter().zip(PARTITIONERS.iter().cycle().skip(1)) {
        let words = ["--keep-timestamps", "--compression-type", codec, "--partitions", "3"];
        let more = ["--partitioner", partitioner];
        let segments = is_the_same(&scene, &[&words[..], &more[..]].concat(), &input);
        assert!(segments >= 3, "{segments}");
    }
    // One partition: what is read and what is compressed still runs beside each other.
    is_the_same(&scene, &["--keep-timestamps", "--compression-type", "lz4"], &input);
}

/// Lines have no timestamps: they are written with the time, and only the rest is the same.
#[test]
fn of_lines() {
    let scene = Scene::new();
    let input: String =
        (0..900).map(|number| format!("key-{}\tvalue {number}\n", number % 17)).collect();
    for partitioner in ["murmur2", "round-robin", "random"] {
        let mut first = None;
        for threads in ["1", "2", "5"] {
            let directory = format!("{partitioner}-{threads}");
            let words = [&directory, "--topic", "t", "--partitions", "3", "--lines"];
            let more =
                ["--key-separator", "\t", "--partitioner", partitioner, "--threads", threads];
            scene.written(&[&words[..], &more[..]].concat(), &input);
            let all: Vec<_> =
                (0..3).map(|n| pairs(&scene.records(&format!("{directory}/t-{n}")))).collect();
            assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 900);
            let first = first.get_or_insert_with(|| all.clone());
            assert_eq!(first, &all, "{partitioner} {threads}");
        }
    }
}

#[test]
fn the_seed_decides() {
    let scene = Scene::new();
    for (directory, seed) in [("one", "1"), ("two", "2"), ("again", "1")] {
        let words = [directory, "--topic", "t", "--topic-id", ID, "--generate", "500"];
        scene.written(&[&words[..], &["--seed", seed, "--payload", "random"]].concat(), "");
    }
    assert!(scene.files("one") == scene.files("again"));
    assert!(scene.files("one") != scene.files("two"));
}
