//! What is refused: in one sentence, with exit status 2, and what was there or was written before
//! stays good.

use crate::common::{Run, copy_files, seg_with_input, testdata};
use crate::scene::{Scene, is_refused, is_senseless, line, lines, logs, numbers, text};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Two good lines, `bad`, and one more: refused for line 3.
fn after_two(words: &[&str], bad: &str, why: &[&str]) {
    let scene = Scene::new();
    let keeps = words.iter().any(|word| word.starts_with("--keep"));
    let kept: &[&str] = if keeps { &["--keep-offsets", "--keep-timestamps"] } else { &[] };
    let words: Vec<&str> =
        words.iter().filter(|word| !word.starts_with("--keep")).chain(kept).copied().collect();
    let good = |offset: i64| {
        let row =
            json!({"key": "k", "value": "v", "offset": offset, "timestamp": 1_700_000_000_000_i64});
        if keeps { format!("{row}\n") } else { line(Some("k"), "v") }
    };
    let input = format!("{}{}{bad}\n{}", good(10), good(20), good(30));
    let run = scene.write(&[&["data/t-0"], &words[..]].concat(), &input);
    is_refused(&run, &[&["line 3", "2 records before it"], why].concat());
    assert!(text(&run).contains("t-0"), "{}", text(&run));
    assert_eq!(scene.records("data/t-0").len(), 2, "{bad}");
    scene.is_sound("data");
    if why.contains(&"21") {
        return;
    }
    // At once: nothing is written, and there is nothing in the way.
    let run = scene.write(&[&["data/new/t-1"], &words[..]].concat(), bad);
    is_refused(&run, &[&["line 1", "nothing was written"], why].concat());
    let run =
        scene.write(&[&["data", "--topic", "u", "--partitions", "3"], &words[..]].concat(), bad);
    is_refused(&run, &[&["line 1", "nothing was written"], why].concat());
    assert_eq!(scene.partitions(), ["t-0"], "{bad}");
}

#[test]
fn json_that_is_none() {
    for bad in [
        "{\"value\":\"v\"",
        "{\"value\":\"v\"}}",
        "{\"value\":v}",
        "[]",
        "value",
        "{\"value\":\"v\",\"value\":\"w\"}",
        "{\"value\":{\"base64\":\"!\"}}",
        "{\"value\":\"\\ud800\"}",
        "{\"value\":\"v\",\"offset\":\"7\"}",
        "{\"value\":\"v\",\"timestamp\":1.5}",
        "{\"value\":\"v\",\"partition\":-1}",
        "{\"type\":\"other\",\"value\":\"v\"}",
        "{\"value\":\"v\",\"valueSize\":2}",
        "{}",
    ] {
        after_two(&[], bad, &[]);
    }
}

#[test]
fn records_that_do_not_fit() {
    let large = json!({"key": "k", "value": "x".repeat(2000)}).to_string();
    after_two(&["--max-request-size", "1500"], &large, &["max.request.size"]);
    let value = |fields: &str| format!("{{\"key\":\"k\",\"value\":\"v\"{fields}}}");
    let kept = ["--keep-timestamps"];
    let day = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap()
        + 86_400_000;
    let words = [&kept[..], &["--message-timestamp-after-max-ms", "3600000"]].concat();
    after_two(&words, &value(&format!(",\"timestamp\":{day}")), &["timestamp", "3600000"]);
    after_two(&kept, &value(",\"timestamp\":-2"), &["timestamp -2"]);
    let kept = ["--keep-offsets"];
    after_two(&kept, &value(",\"offset\":20"), &["offset 20", "21"]);
    after_two(&kept, &value(",\"offset\":9"), &["offset 9", "21"]);
    after_two(&["--cleanup-policy", "compact"], "{\"value\":\"v\"}", &["compact", "key"]);
    let header = value(",\"headers\":[{\"key\":\"h\",\"value\":\"v\"}]");
    after_two(&["--magic", "1"], &header, &["magic 1", "headers"]);
    after_two(&["--magic", "0"], &header, &["magic 0", "headers"]);
    let producer = value(",\"producerId\":7,\"producerEpoch\":0,\"sequence\":0");
    after_two(&["--magic", "1"], &producer, &["magic 1"]);
    after_two(&[], &value(",\"producerId\":7"), &["producer"]);
    after_two(&[], &value(",\"isTransactional\":true"), &["transactional"]);
    // Another partition than the only one, of those that there are.
    let scene = Scene::new();
    let run = scene.write(&["data/t-3"], &value(",\"partition\":1"));
    is_refused(&run, &["line 1", "partition 1", "partition 3"]);
}

#[test]
fn timestamps_that_are_too_old() {
    let words = ["--keep-timestamps", "--message-timestamp-before-max-ms", "900000000000"];
    let old = "{\"key\":\"k\",\"value\":\"v\",\"timestamp\":5}";
    after_two(&words, old, &["timestamp 5", "900000000000"]);
}

/// What is larger than a segment is refused for that.
#[test]
fn records_that_no_segment_holds() {
    let large = json!({"key": "k", "value": "x".repeat(2000)}).to_string();
    after_two(&["--segment-bytes", "1500", "--batch-size", "500"], &large, &["segment"]);
}

/// A batch has to fit into its segment as it is stored, and a broker asks for no more.
#[test]
fn what_is_compressed_to_less_than_a_segment() {
    let scene = Scene::new();
    let large = line(Some("k"), &"0123456789".repeat(6000));
    let words = ["data/t-0", "--segment-bytes", "20000", "--compression-type", "gzip"];
    scene.written(&words, &large.repeat(3));
    assert_eq!(scene.records("data/t-0").len(), 3);
    scene.is_sound("data");
}

/// Batches are never larger than a segment may be.
#[test]
fn segments_that_are_smaller_than_batches() {
    let scene = Scene::new();
    scene.written(&["data/t-0", "--segment-bytes", "5000", "--generate", "300"], "");
    assert_eq!(scene.records("data/t-0").len(), 300);
    scene.is_sound("data");
}

#[test]
fn offsets_that_go_back() {
    let scene = Scene::new();
    scene.written(&["data/t-0"], &lines(10));
    let before = scene.files("data");
    is_refused(
        &scene.write(&["data/t-0", "--keep-offsets"], &lines(3)),
        &["line 1", "offset 0", "10"],
    );
    assert!(scene.files("data") == before);
}

#[test]
fn null_keys_where_the_cleaner_was() {
    let scene = Scene::new();
    fs::write(scene.path("data/cleaner-offset-checkpoint"), "0\n1\nt 0 5\n").unwrap();
    let input = format!("{}{}", line(Some("k"), "v"), line(None, "v"));
    let run = scene.write(&["data/t-0"], &input);
    is_refused(&run, &["line 2", "compact", "key", "record before it"]);
    // It was not at this one; and whoever knows better says so.
    scene.written(&["data/t-1"], &line(None, "v"));
    scene.written(&["data/t-0", "--cleanup-policy", "delete"], &line(None, "v"));
    assert_eq!(scene.records("data/t-0").len(), 2);
}

#[test]
fn what_is_no_partition() {
    let scene = Scene::new();
    fs::create_dir(scene.path("data/notes-0")).unwrap();
    fs::write(scene.path("data/notes-0/readme.txt"), "hello").unwrap();
    fs::write(scene.path("data/file-0"), "hello").unwrap();
    fs::create_dir(scene.path("data/kept-0")).unwrap();
    let before = scene.files("data");
    let write = |words: &[&str]| scene.write(words, &line(None, "v"));
    is_refused(&write(&["data/notes-0"]), &["notes-0", "readme.txt"]);
    is_refused(&write(&["data/file-0"]), &["file-0", "irectory"]);
    is_refused(&write(&["data/file-0/t-0"]), &["file-0", "irectory"]);
    is_refused(&write(&["data/file-0", "--topic", "t"]), &["file-0", "irectory"]);
    is_senseless(&write(&["data/orders"]), &["data/orders"]);
    is_senseless(&write(&["data"]), &["data"]);
    is_senseless(&write(&["data/t-0", "--topic", "a b"]), &["'a b'"]);
    let waiting = "data/t-0.37161b0745cd4e1db8b4bb5d4271d378-delete";
    is_senseless(&write(&[waiting]), &["deletion"]);
    fs::create_dir(scene.path(waiting)).unwrap();
    is_senseless(&write(&[waiting]), &["deletion"]);
    // An empty directory that was there stays.
    is_refused(&scene.write(&["data/kept-0"], "nonsense"), &["line 1"]);
    assert!(scene.path("data/kept-0").is_dir());
    assert!(scene.files("data") == before);
    scene.written(&["data/kept-0"], &line(None, "v"));
    is_senseless(&write(&["data/kept-0", "--topic", "t"]), &["kept-0", "--topic"]);
    scene.is_sound("data/kept-0");
}

#[test]
fn command_lines_that_make_no_sense() {
    let scene = Scene::new();
    for words in [
        &["--compression-gzip-level", "3"][..],
        &["--compression-type", "gzip", "--compression-gzip-level", "10"],
        &["--compression-type", "zstd", "--compression-zstd-level", "23"],
        &["--compression-type", "zstd", "--magic", "1"],
        &["--compression-type", "lzma"],
        &["--magic", "3"],
        &["--partitions", "2"],
        &["--lines", "--generate", "3"],
        &["--lines", "--keep-offsets"],
        &["--generate", "3", "--keep-offsets"],
        &["--key-separator", ":"],
        &["--lines", "--key-separator", ""],
        &["--topic", "t", "--partitions", "0"],
        &["--leader-epoch", "-1"],
        &["--record-size", "3"],
    ] {
        let run = scene.write(&[&["data/t-0"], words].concat(), &line(None, "v"));
        assert_eq!(run.status, 64, "{words:?}: {}", text(&run));
        assert!(!run.stderr.is_empty(), "{words:?}");
    }
    assert_eq!(scene.partitions(), Vec::<String>::new());
}

#[test]
fn a_log_dir_in_use() {
    let scene = Scene::new();
    scene.written(&["data/t-0"], &lines(3));
    let lock = File::options().create(true).append(true).open(scene.path("data/.lock")).unwrap();
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let before = scene.files("data");
    for words in [&["data/t-0"][..], &["data/t-1"], &["data", "--topic", "u"]] {
        is_refused(&scene.write(words, &lines(3)), &[".lock", "holds it"]);
    }
    assert!(scene.files("data") == before);
    assert_eq!(scene.partitions(), ["t-0"]);
    fcntl_lock(&lock, FlockOperation::Unlock).unwrap();
    scene.written(&["data/t-0"], &lines(3));
}

/// Changes the byte in the middle of `range` of a log.
fn damage(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_partitions() {
    let scene = Scene::new();
    let words = ["data/t-0", "--generate", "300", "--batch-size", "2000"];
    scene.written(&words, "");
    let last = logs(&scene.path("data/t-0")).pop().unwrap();
    let sound = fs::read(&last).unwrap();
    assert!(sound.len() > 5000, "{}", sound.len());
    // In its middle; in its last batch, which is whole; in its first bytes.
    for at in [sound.len() / 2, sound.len() - 3, 3, 20] {
        damage(&last, at);
        let before = scene.files("data");
        for words in [&["data/t-0"][..], &["data", "--topic", "t"]] {
            let run = scene.write(words, &line(None, "v"));
            is_refused(&run, &["damaged", "seg repair data/t-0"]);
            assert!(scene.files("data") == before, "{at}");
        }
        fs::write(&last, &sound).unwrap();
    }
    scene.written(&["data/t-0"], &line(None, "v"));
    scene.is_sound("data");
}

/// What is before the last segment is not read, as a broker would not: only the end has to be sound
/// to go on behind it. Damage there stays what it is.
#[test]
fn damage_in_an_old_segment() {
    let scene = Scene::new();
    let words =
        ["data/t-0", "--generate", "500", "--segment-bytes", "20000", "--batch-size", "2000"];
    scene.written(&words, "");
    let first = logs(&scene.path("data/t-0"))[0].clone();
    damage(&first, 5000);
    let before = fs::read(&first).unwrap();
    scene.written(&["data/t-0"], &line(None, "v"));
    assert!(fs::read(&first).unwrap() == before);
    let run = scene.seg(&["verify", "data/t-0", "--format", "json"]);
    assert_eq!(run.status, 1, "{}", text(&run));
    assert_eq!(run.rows_of("finding").len(), 1, "{}", text(&run));
}

/// `seg dump` of a damaged partition says what it could not read.
#[test]
fn a_dump_that_is_not_whole() {
    let scene = Scene::new();
    scene.written(&["data/t-0", "--generate", "300", "--batch-size", "2000"], "");
    damage(&logs(&scene.path("data/t-0"))[0], 5000);
    let dump = scene.seg(&["dump", "-r", "data/t-0", "--format", "json"]);
    let rows = dump.rows();
    let whole = rows.iter().filter(|row| row["type"] == "record").count();
    assert!(rows.iter().any(|row| row["type"] == "finding") && whole > 200);
    let input: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let run = scene.write(&["data/u-0", "--keep-offsets", "--keep-timestamps"], &input);
    is_refused(&run, &["something is wrong"]);
    let copied = scene.records("data/u-0");
    assert_eq!(copied.len(), whole);
    scene.is_sound("data/u-0");
}

#[test]
fn a_dump_without_records() {
    let scene = Scene::new();
    scene.written(&["data/t-0"], &lines(10));
    // `-r` was forgotten.
    let dump = scene.seg(&["dump", "data/t-0", "--format", "json"]);
    let input = String::from_utf8(dump.stdout).unwrap();
    is_refused(&scene.write(&["data/u-0"], &input), &["-r"]);
    assert_eq!(scene.partitions(), ["t-0"]);
}

/// Runs `seg write` as another user.
fn as_nobody(scene: &Scene, directory: &str) -> Run {
    let mut words = vec!["--reuid=65534", "--regid=65534", "--clear-groups"];
    words.extend([env!("CARGO_BIN_EXE_seg"), "write", directory]);
    let output = Command::new("setpriv")
        .args(words)
        .current_dir(scene.root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap(),
    }
}

#[test]
fn a_directory_that_is_read_only() {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && Command::new("setpriv").arg("--version").output().is_err() {
        return;
    }
    let scene = Scene::new();
    scene.written(&["data/t-0"], &lines(3));
    scene.written(&["alone/t-0"], &lines(3));
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(scene.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in ["", "data", "alone", "data/t-0", "alone/t-0"] {
        mode(path, 0o555);
    }
    let before = scene.files("");
    for directory in ["data/t-0", "data/t-1", "alone/t-0", "alone/t-1"] {
        let run = match is_root {
            true => as_nobody(&scene, directory),
            false => scene.write(&[directory], &line(None, "v")),
        };
        // Who has nothing to write need not be refused.
        if run.status != 0 || !is_root {
            is_refused(&run, &[directory.split('/').next().unwrap(), "ermission"]);
        }
    }
    for path in ["", "data", "alone", "data/t-0", "alone/t-0"] {
        mode(path, 0o755);
    }
    assert!(scene.files("") == before);
    assert!(!scene.path("data/t-1").exists() && !scene.path("alone/t-1").exists());
}

/// A file must not grow beyond 3 MiB, as on a disk that is full.
#[test]
fn a_disk_that_is_full() {
    let scene = Scene::new();
    let words = "--generate 60000 --format json --threads";
    for (threads, directory) in [("1", "data/t-0"), ("3", "data --topic u")] {
        let script = format!(
            "ulimit -f 6144; exec '{}' write {directory} {words} {threads}",
            env!("CARGO_BIN_EXE_seg")
        );
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(scene.root()).output().unwrap();
        let run = Run {
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        };
        let said = run.rows_of("summary")[0]["records"].as_u64().unwrap();
        assert!((10_000..59_000).contains(&said), "{}", text(&run));
        let said = crate::scene::with_commas(said);
        is_refused(&run, &["00000000000000000000.log", "oo large", &said]);
    }
    for partition in ["data/t-0", "data/u-0"] {
        scene.is_sound(partition);
        let records = numbers(&scene.records(partition), "offset");
        assert!(records.len() > 10_000, "{}", records.len());
        scene.written(&[partition], &line(None, "v"));
        assert_eq!(scene.records(partition).len(), records.len() + 1);
        scene.is_sound(partition);
    }
}

/// A partition of a real broker is refused for its `.swap` file, and stays.
#[test]
fn segments_on_their_way() {
    let scene = Scene::new();
    copy_files(&testdata().join("kafka-4.3.1/epochs-0"), &scene.path("data/epochs-0"));
    let log = logs(&scene.path("data/epochs-0"))[0].clone();
    let mut swap = log.clone().into_os_string();
    swap.push(".swap");
    fs::copy(&log, swap).unwrap();
    let before = scene.files("data");
    let run = seg_with_input(scene.root(), &["write", "data/epochs-0"], line(None, "v").as_bytes());
    is_refused(&run, &[".swap", "seg repair data/epochs-0"]);
    assert!(scene.files("data") == before);
}
