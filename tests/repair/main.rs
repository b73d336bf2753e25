//! `seg repair` as people run it, on damaged copies of what brokers wrote.
//!
//! Nothing here asks the library what is right: what a repair has to leave is put together from
//! the bytes of the sound log, hopped through from length to length.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::cast_possible_wrap)]

#[path = "../common/mod.rs"]
mod common;
mod damages;
mod scene;

use common::{partitions, partitions_called, seg, testdata};
use damages::{Damage, damages};
use scene::{Scene, places};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Partitions of every shape: several segments, every codec, transactions, every magic.
const PARTITIONS: [&str; 9] = [
    "lookup-0",
    "codec-none-0",
    "codec-lz4-0",
    "codec-zstd-0",
    "txn-0",
    "epochs-0",
    "retained-0",
    "magic0-none-0",
    "magic1-lz4-0",
];

fn code_of(row: &Value) -> &str {
    row["code"].as_str().unwrap_or_default()
}

#[test]
fn nothing_is_planned_for_what_brokers_wrote() {
    common::in_parallel(&partitions(&testdata()), |partition| {
        let run = seg(partition, &["repair", ".", "--format", "json"]);
        let told: Vec<Value> =
            ["action", "loss", "leftAlone"].iter().flat_map(|kind| run.rows_of(kind)).collect();
        assert!(told.is_empty(), "{}: {told:#?}", partition.display());
        assert_eq!(run.status, 0, "{}: {}", partition.display(), run.stderr);
    });
}

#[test]
fn every_damage_costs_what_it_destroyed_and_no_more() {
    let mut cases = Vec::new();
    for name in PARTITIONS {
        let from = partitions_called(name).pop().unwrap();
        for damage in damages() {
            let places = places(&from);
            // Each kind of damage at other places of each partition; all of them where asked for.
            let step = if std::env::var_os("SEG_TEST_ALL").is_some() { 1 } else { 4 };
            let first = cases.len() % step;
            for place in places.into_iter().skip(first).step_by(step) {
                cases.push((from.clone(), damage, place));
            }
        }
    }
    let failed = std::sync::Mutex::new(Vec::new());
    common::in_parallel(&cases, |(from, damage, place)| {
        let repaired = std::panic::catch_unwind(|| repair_one(from, *damage, *place));
        if repaired.is_err() {
            let case = format!("{} {place:?} {}", damage.name, from.display());
            failed.lock().unwrap().push(case);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} cases: {failed:#?}", failed.len(), cases.len());
}

/// Damages one batch, repairs, and takes it back.
fn repair_one(from: &Path, damage: Damage, place: scene::Place) {
    let scene = Scene::of(from);
    let Some(expected) = scene.damage(damage, place) else { return };
    let what = format!("{} in batch {place:?} of {}", damage.name, from.display());
    let before = scene.files();
    let log_dir_before = scene::files_in(&scene.log_dir());

    // Some of these batches hold what repeats itself, which is not mended unasked.
    let planned = scene.seg(&["--accept-single-bit", "--format", "json"]);
    assert_eq!(scene.files(), before, "{what}: a plan changes nothing");
    let is_lossy = planned.rows_of("loss").iter().any(|loss| loss.get("firstOffset").is_some());
    assert_eq!(planned.status, 1, "{what}: {}", planned.stderr);
    let is_known = expected.loses_offsets.is_none_or(|expected| expected == is_lossy);
    assert!(is_known, "{what}: {:#?}", planned.rows());
    if is_lossy {
        let refused = scene.seg(&["--apply", "--accept-single-bit"]);
        assert_eq!(refused.status & 2, 2, "{what}: {}", refused.stderr);
        assert_eq!(scene.files(), before, "{what}: refused without --sole-copy");
    }

    let all = ["--apply", "--sole-copy", "--accept-single-bit", "--format", "json"];
    let applied = scene.seg(&all);
    let told = || format!("{what}:\n{:#?}\n{}", applied.rows(), applied.stderr);
    assert_eq!(applied.status, 0, "{}", told());
    let logs = scene.logs();
    for (name, bytes) in &expected.logs {
        assert!(logs[name] == *bytes, "{}: {name} is not as expected", told());
    }
    assert_eq!(logs.len(), expected.logs.len(), "{}", told());
    let lost: i64 =
        applied.rows_of("loss").iter().map(|loss| loss["bytes"].as_i64().unwrap()).sum();
    let sum = |files: &scene::Logs| files.values().map(|bytes| bytes.len() as i64).sum::<i64>();
    assert_eq!(lost, sum(&scene::logs_of(&before)) - sum(&logs), "{}", told());

    // With the log dir's own checkpoints.
    let sound = seg(&scene.log_dir(), &["verify", ".", "--format", "json"]);
    let mut wrong = sound.rows_of("finding");
    wrong.retain(|row| row["severity"] != "note" && code_of(row) != "offset-gap");
    assert!(wrong.is_empty(), "{}\n{wrong:#?}", told());
    let after = scene.files();
    let again = scene.seg(&["--apply", "--sole-copy"]);
    assert_eq!((again.status, scene.files() == after), (0, true), "{}: again", told());

    let undone = scene.seg(&["--undo"]);
    assert_eq!(undone.status, 0, "{what}: {}", undone.stderr);
    assert!(scene.files() == before, "{what}: an undo brings everything back");
    let log_dir = scene::files_in(&scene.log_dir());
    assert!(log_dir == log_dir_before, "{what}: and the log dir's own files");
}

#[test]
fn a_plan_that_changed_hands_is_carried_out_as_it_is_or_not_at_all() {
    let scene = Scene::of(&partitions_called("lookup-0")[0]);
    let damage = damages().into_iter().find(|damage| damage.name == "payload garbage").unwrap();
    let place = scene::Place { segment: 1, batch: 2 };
    scene.damage(damage, place).unwrap();
    let plan = scene.root().join("plan.json");
    let plan = plan.to_str().unwrap();
    let before = scene.files();
    assert_eq!(scene.seg(&["--plan", plan]).status, 1);
    let text = fs::read_to_string(plan).unwrap();
    // A file that was touched since.
    let index = common::files_ending(&scene.partition(), ".index")[0].clone();
    let bytes = fs::read(&index).unwrap();
    fs::write(&index, &bytes).unwrap();
    let refused = scene.seg(&["--apply", "--plan", plan, "--sole-copy"]);
    assert_eq!(refused.status & 2, 2, "{}", refused.stderr);
    assert_eq!(scene::logs_of(&scene.files()), scene::logs_of(&before));
    fs::remove_file(plan).unwrap();
    assert_eq!(scene.seg(&["--plan", plan]).status, 1);
    assert_ne!(fs::read_to_string(plan).unwrap(), text);
    let applied = scene.seg(&["--apply", "--plan", plan, "--sole-copy"]);
    assert_eq!(applied.status, 0, "{}", applied.stderr);
    assert_ne!(scene::logs_of(&scene.files()), scene::logs_of(&before));
}

#[test]
fn a_copy_is_repaired_and_its_source_stays_as_it_is() {
    let scene = Scene::of(&partitions_called("txn-0")[0]);
    let damage = damages().into_iter().find(|damage| damage.name == "payload garbage").unwrap();
    let expected = scene.damage(damage, scene::Place { segment: 1, batch: 1 }).unwrap();
    let before = scene.files();
    // What nobody may write to.
    let directory = scene.partition();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    let to = scene.root().join("copy");
    let run = scene.seg(&["--to", to.to_str().unwrap(), "--sole-copy"]);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(scene.files() == before, "the source is as it was");
    let copy = to.join("txn-0");
    assert_eq!(scene::logs_of(&scene::files_in(&copy)), expected.logs);
    let verified = seg(&copy, &["verify", ".", "--format", "json"]);
    let mut wrong = verified.rows_of("finding");
    wrong.retain(|row| row["severity"] != "note" && code_of(row) != "offset-gap");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A directory that holds something is not written to.
    let again = scene.seg(&["--to", to.to_str().unwrap(), "--sole-copy"]);
    assert_eq!(again.status & 2, 2);
}
