//! Runs that were ended, and what the next one makes of what they left.

use crate::scene::{Scene, is_refused, line, logs, numbers, text};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn start(scene: &Scene, words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_seg"))
        .arg("write")
        .args(words)
        .current_dir(scene.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the partition has `count` segments.
fn wait_for_segments(scene: &Scene, partition: &str, count: usize) {
    let began = Instant::now();
    while !scene.path(partition).is_dir() || logs(&scene.path(partition)).len() < count {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// What it came to, at once.
fn ended(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(5) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

const GENERATE: [&str; 7] =
    ["data/t-0", "--generate", "300000", "--segment-bytes", "500000", "--record-size", "1000"];

/// A partition that was killed while it was written.
fn killed() -> Scene {
    let scene = Scene::new();
    let mut child = start(&scene, &GENERATE);
    wait_for_segments(&scene, "data/t-0", 3);
    child.kill().unwrap();
    child.wait().unwrap();
    scene
}

/// The codes of what `seg verify` finds.
fn codes(scene: &Scene) -> Vec<String> {
    let run = scene.seg(&["verify", "data", "--format", "json"]);
    let findings = run.rows_of("finding");
    let loud = findings.iter().filter(|finding| finding["severity"] != "note");
    let mut codes: Vec<String> =
        loud.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    assert_eq!(run.status, i32::from(!codes.is_empty()), "{codes:?}: {}", run.stderr);
    codes
}

fn last_log(scene: &Scene) -> PathBuf {
    logs(&scene.path("data/t-0")).pop().unwrap()
}

#[test]
fn killed_and_gone_on_with() {
    let scene = killed();
    let found = codes(&scene);
    // An unfinished batch, if it was hit in the middle of one; and no index of the last segment,
    // unless that is small, or was complete, and the next not there yet.
    let is_known = |code: &String| {
        ["index-missing", "time-index-missing", "torn-tail"].contains(&code.as_str())
    };
    assert!(found.iter().all(is_known), "{found:?}");
    let before = scene.log("data/t-0");
    let records = scene.records_of_whole_batches();
    scene.written(&["data/t-0"], &line(None, "v"));
    assert!(scene.log("data/t-0").starts_with(&before) || found.contains(&"torn-tail".to_owned()));
    let offsets = numbers(&scene.records("data/t-0"), "offset");
    assert_eq!(offsets, (0..=records as i64).collect::<Vec<_>>());
    scene.is_sound("data");
}

#[test]
fn an_unfinished_batch_is_cut_off_and_kept() {
    for directory in ["data", "alone"] {
        let scene = Scene::new();
        let partition = format!("{directory}/t-0");
        scene.written(&[&partition, "--generate", "300", "--batch-size", "4000"], "");
        // As a killed run leaves it.
        for kind in ["index", "timeindex"] {
            fs::remove_file(scene.path(&format!("{partition}/00000000000000000000.{kind}")))
                .unwrap();
        }
        fs::remove_file(scene.path(&format!("{partition}/00000000000000000300.snapshot"))).unwrap();
        let log = logs(&scene.path(&partition)).pop().unwrap();
        let whole = fs::read(&log).unwrap();
        let torn = &whole[..whole.len() - 5];
        fs::write(&log, torn).unwrap();
        let run = scene.seg(&["verify", &partition]);
        assert_eq!(run.status, 1, "{}", text(&run));
        assert!(text(&run).contains("torn-tail"), "{}", text(&run));

        let run = scene.written(&[&partition], &line(None, "v"));
        let after = scene.log(&partition);
        let common = after.iter().zip(torn).take_while(|(one, other)| one == other).count();
        let frame = |at: usize| 12 + u32::from_be_bytes(torn[at + 8..at + 12].try_into().unwrap());
        let mut end = 0;
        while end + frame(end) as usize <= torn.len() {
            end += frame(end) as usize;
        }
        assert!(end > 0 && common >= end, "{common} {end}");
        let cut = torn.len() - end;
        let said = run.stderr.replace(',', "");
        assert!(said.contains(&format!("{cut} bytes")) && said.contains("seg-backup"), "{said}");
        scene.is_sound(&partition);
        // The new record is the next one.
        let offsets = numbers(&scene.records(&partition), "offset");
        assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>());
        assert!(offsets.len() > 200 && offsets.len() < 301, "{}", offsets.len());
        // What was cut off is where it was said.
        let kept = said.trim_end().rsplit(' ').next().unwrap();
        let kept = scene.files(kept);
        let holds = |bytes: &Vec<u8>| bytes.windows(cut).any(|window| window == &torn[end..]);
        assert!(kept.values().any(holds), "{:?}", kept.keys());
    }
}

/// It was cut off and nothing was written: the repair is undone like any other.
#[test]
fn what_was_cut_off_comes_back() {
    let scene = Scene::new();
    scene.written(&["data/t-0", "--generate", "300", "--batch-size", "4000"], "");
    let log = last_log(&scene);
    for kind in ["index", "timeindex"] {
        fs::remove_file(log.with_extension(kind)).unwrap();
    }
    fs::remove_file(scene.path("data/t-0/00000000000000000300.snapshot")).unwrap();
    let length = fs::metadata(&log).unwrap().len();
    File::options().write(true).open(&log).unwrap().set_len(length - 5).unwrap();
    let before = scene.files("data");
    let run = scene.write(&["data/t-0"], "nonsense");
    assert_eq!(run.status, 2, "{}", text(&run));
    assert!(run.stderr.contains("cut off") && run.stderr.contains("line 1"), "{}", text(&run));
    assert!(fs::metadata(&log).unwrap().len() < length - 5);
    let run = scene.seg(&["repair", "data/t-0", "--undo"]);
    assert_eq!(run.status, 0, "{}", text(&run));
    assert!(scene.files("data") == before);
}

#[test]
fn zeros_at_the_end_are_cut_off() {
    for is_killed in [false, true] {
        let scene = Scene::new();
        scene.written(&["data/t-0", "--generate", "300", "--batch-size", "4000"], "");
        let log = last_log(&scene);
        if is_killed {
            for kind in ["index", "timeindex"] {
                fs::remove_file(log.with_extension(kind)).unwrap();
            }
        }
        let before = fs::read(&log).unwrap();
        let length = before.len() as u64;
        File::options().write(true).open(&log).unwrap().set_len(length + 10_000).unwrap();
        scene.written(&["data/t-0"], &line(None, "v"));
        let after = scene.log("data/t-0");
        assert!(after.starts_with(&before) && after.len() < before.len() + 100);
        assert_eq!(scene.records("data/t-0").len(), 301);
        scene.is_sound("data");
    }
}

#[test]
fn a_killed_run_beside_damage() {
    let scene = killed();
    let log = last_log(&scene);
    // What there is of it, twice, with a hole.
    let path = logs(&scene.path("data/t-0")).remove(1);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(100_000);
    bytes[40_000] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let before = scene.files("data");
    is_refused(&scene.write(&["data/t-0"], &line(None, "v")), &["damaged", "seg repair data/t-0"]);
    assert!(scene.files("data") == before);
}

#[test]
fn ctrl_c() {
    let scene = Scene::new();
    let words = [&GENERATE[..], &["--format", "json"]].concat();
    let child = start(&scene, &words);
    wait_for_segments(&scene, "data/t-0", 3);
    interrupt(&child);
    let output = ended(child);
    let (said, why) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{said}{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    assert!(why.starts_with("seg: interrupted"), "{why}");
    let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let offsets = numbers(&scene.records("data/t-0"), "offset");
    assert_eq!(summary["records"], offsets.len());
    assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>());
    scene.is_sound("data");
}

/// Also while nothing comes in.
#[test]
fn ctrl_c_while_it_waits_for_input() {
    let scene = Scene::new();
    let mut child = start(&scene, &["data/t-0", "-q"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{}{}", line(None, "v"), line(None, "w")).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    let output = ended(child);
    drop(stdin);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(scene.records("data/t-0").len(), 2);
    scene.is_sound("data");
}

impl Scene {
    /// How many records there are in whole batches of `data/t-0`.
    fn records_of_whole_batches(&self) -> usize {
        let run = self.seg(&["dump", "-r", "data/t-0", "--format", "json"]);
        run.rows_of("record").len()
    }
}
