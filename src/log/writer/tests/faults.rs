//! A disk that fails at any call, and one that is full.

use super::disk::Fault;
use super::*;
use rustix::io::Errno;
use std::collections::BTreeSet;

/// What is there before a run, and what the run appends.
struct Scene {
    before: BTreeMap<String, Vec<u8>>,
    appended: Vec<Vec<u8>>,
    options: WriterOptions,
}

fn scenes() -> Vec<Scene> {
    let batches = mixed(40);
    let options = WriterOptions { topic_id: Some(Uuid([7; 16])), ..options() };
    let (first, rest) = batches.split_at(22);
    let place = Place::new();
    place.write_well(options.clone(), first);
    let before = place.files();
    let mut preallocated = before.clone();
    let last = before.keys().rfind(|name| name.ends_with(".log")).unwrap();
    preallocated.get_mut(last).unwrap().extend([0; 700]);
    // Far behind the end.
    let gap = |base: i64| Plain { epoch: 9, ..Plain::at(base + (1 << 33)) }.bytes();
    let scene = |before: &BTreeMap<String, Vec<u8>>, appended: &[Vec<u8>], collected_bytes| {
        let options = WriterOptions { collected_bytes, ..options.clone() };
        Scene { before: before.clone(), appended: appended.to_vec(), options }
    };
    vec![
        scene(&BTreeMap::new(), first, 0),
        scene(&before, rest, 600),
        scene(&preallocated, &rest[..3], 0),
        scene(&before, &[gap(0), gap(3)], 0),
    ]
}

/// What is found, but for the gap that one of the scenes is about.
fn verdict(place: &Place) -> Verdict {
    let mut verdict = Verdict::of(&place.directory(), INTERVAL);
    verdict.warnings.retain(|said| !said.starts_with("offset-gap "));
    verdict
}

/// What is wrong after a run to a disk of some kind.
fn run(scene: &Scene, disk: &TestDisk, place: &Place, context: &str) -> Option<()> {
    let ran = place.write(disk, scene.options.clone(), &scene.appended);
    let is_whole = matches!(&ran, Ok(Ran::Wrote { failed: None, closed: Ok(()), .. }));
    let before = frames(&log_of(&scene.before)).concat();
    let files = place.files();
    let log = log_of(&files);
    let mut verdict = verdict(place);
    let Ok(Ran::Wrote { written, failed, closed }) = ran else {
        panic!("{context}: {ran:?}");
    };
    // Every batch that was written is there, and nothing else but what could not be cut off.
    let appended = scene.appended.concat();
    let bytes = usize::try_from(written.bytes).unwrap();
    let expected = [&before, &appended[..bytes]].concat();
    assert!(log.starts_with(&expected), "{context}: {} {bytes}", log.len());
    if closed.is_ok() {
        verdict.is_clean(&format!("{context}: {failed:?}"));
    } else {
        // A broker that starts builds it, because there is no `.index` either.
        verdict.errors.retain(|said| !said.starts_with("txn-index-missing "));
        assert!(verdict.errors.is_empty(), "{context}: {verdict:#?}");
        // An `.index` says that a segment is good.
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".log")) {
            let is_whole = frames(bytes).concat().len() == bytes.len();
            let is_cut = !is_whole && bytes.ends_with(&[0; 17]);
            let index = name.replace(".log", ".index");
            assert!(is_whole || is_cut || !files.contains_key(&index), "{context}: {name}");
        }
    }
    // It can be gone on with.
    let end = written.log_end.0.max(expected_end(&expected));
    let more = [Plain { epoch: 11, ..Plain::at(end) }.bytes()];
    match place.write(&TestDisk::default(), scene.options.clone(), &more) {
        Ok(Ran::Wrote { failed: None, closed: Ok(()), .. }) => {
            self::verdict(place).is_clean(&format!("{context}, gone on"));
            let log = log_of(&place.files());
            assert!(log == [expected, more.concat()].concat(), "{context}");
        }
        Ok(Ran::Damaged(damaged)) => assert!(damaged.is_unfinished, "{context}: {damaged:?}"),
        other => panic!("{context}: {other:?}"),
    }
    (!is_whole).then_some(())
}

fn expected_end(log: &[u8]) -> i64 {
    let Some(last) = frames(log).last().copied() else { return 0 };
    let delta = i32::from_be_bytes(last[23..27].try_into().unwrap());
    i64::from_be_bytes(last[..8].try_into().unwrap()) + i64::from(delta) + 1
}

fn fail_everywhere(step: usize) -> BTreeSet<&'static str> {
    let mut methods = BTreeSet::new();
    for (number, scene) in scenes().iter().enumerate() {
        for fault in [Fault::Once(Errno::IO), Fault::Forever(Errno::NOSPC)] {
            for at in (number % step..).step_by(step) {
                let place = Place::of(&scene.before);
                let write_at_most = (at % 3 == 1).then_some(100);
                let disk = TestDisk { write_at_most, ..TestDisk::failing(at, fault) };
                let context = format!("scene {number}, {fault:?} at {at}");
                run(scene, &disk, &place, &context);
                let Some(method) = disk.failed() else { break };
                methods.insert(method);
            }
        }
    }
    methods
}

#[test]
fn a_disk_that_fails_at_some_calls() {
    assert!(fail_everywhere(13).len() > 4);
}

#[test]
#[ignore = "a minute and more"]
fn a_disk_that_fails_at_any_call() {
    let methods = fail_everywhere(1);
    for method in ["allocate", "truncate", "write_at", "sync_file", "sync_directory", "unlink"] {
        assert!(methods.contains(method), "{methods:?}");
    }
}

/// What a failed sync leaves nobody knows, and asking once more would say that all is well.
#[test]
fn behind_a_failed_sync_nothing_is_called_good() {
    let mut failures = 0;
    for at in 0..400 {
        let disk = TestDisk::failing(at, Fault::Once(Errno::IO));
        let place = Place::new();
        let often = WriterOptions { flush_interval_messages: Some(1), ..options() };
        let ran = place.write(&disk, often, &mixed(3)).unwrap();
        if disk.failed().is_none() {
            break;
        }
        if disk.failed() != Some("sync_file") {
            continue;
        }
        let Ran::Wrote { failed, closed, .. } = ran else { panic!("{ran:?}") };
        let name = "00000000000000000000.index";
        // It was the log's, or that of a file that takes another's place and is not there.
        let is_of_log = failed.is_some_and(|why| why.contains(".log"));
        assert!(!is_of_log || !place.path(name).exists(), "{at}");
        failures += usize::from(is_of_log && closed.is_err());
    }
    assert!(failures > 1, "{failures}");
}

/// Full at any point: what could be written is there, and its indexes are.
#[test]
fn a_full_disk_leaves_a_clean_partition() {
    let mut full = 0;
    for scene in scenes() {
        for room in (0..).map(|step| step * 7) {
            let place = Place::of(&scene.before);
            let there: u64 = scene.before.values().map(|it| it.len().div_ceil(4096) as u64).sum();
            let room = Some((place.directory(), there + room / 2));
            let context = format!("{room:?}");
            let disk = TestDisk { room, ..TestDisk::default() };
            let ran = place.write(&disk, scene.options.clone(), &scene.appended).unwrap();
            let Ran::Wrote { failed, closed, .. } = ran else { panic!("{ran:?}") };
            assert!(closed.is_ok() || failed.is_some(), "{context}: {closed:?}");
            verdict(&place).is_clean(&format!("{context} {failed:?} {closed:?}"));
            if failed.is_none() {
                break;
            }
            full += 1;
        }
    }
    assert!(full > 20, "{full}");
}

/// Room runs out while a large log grows.
#[test]
fn a_log_that_fills_the_disk_is_closed_in_good_order() {
    let batches: Vec<Vec<u8>> = (0..60)
        .map(|number| {
            let producer = Some((number, 0));
            Plain { value_bytes: 6000, producer, ..Plain::at(number * 3) }.bytes()
        })
        .collect();
    let large = WriterOptions { segment_bytes: 400_000, index_interval_bytes: 0, ..options() };
    let mut seen = BTreeSet::new();
    for room in (60..400).step_by(23) {
        let place = Place::new();
        let room = Some((place.directory(), room));
        let disk = TestDisk { room, ..TestDisk::default() };
        let ran = place.write(&disk, large.clone(), &batches).unwrap();
        let Ran::Wrote { written, closed, .. } = ran else { panic!("{ran:?}") };
        closed.unwrap();
        Verdict::of(&place.directory(), 0).is_clean("full");
        seen.insert(written.batches);
        place.write_well(large.clone(), &batches[usize::try_from(written.batches).unwrap()..]);
        Verdict::of(&place.directory(), 0).is_clean("gone on");
        assert_eq!(log_of(&place.files()), batches.concat());
    }
    assert!(seen.len() > 6, "{seen:?}");
}
