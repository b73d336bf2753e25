//! Replacements of segments stopped at every step, against a broker's own start, played here with
//! names and bytes alone; and new files that are damaged.

use super::*;
use crate::format::crc::crc32c;
use crate::format::offset_index::OffsetPosition;
use crate::format::time_index::TimestampOffset;
use crate::log::FileBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The files of a partition, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A batch of the offsets from `base` on; `kept` of its ten records are left.
pub(super) fn batch(base: i64, kept: i32) -> Vec<u8> {
    let mut checked = vec![0, 0];
    checked.extend(9_i32.to_be_bytes());
    checked.extend([0; 16]);
    checked.extend([0xff; 14]);
    checked.extend(kept.to_be_bytes());
    let value = base.to_be_bytes().repeat(usize::try_from(kept).unwrap());
    checked.extend(value);
    let mut batch = base.to_be_bytes().to_vec();
    batch.extend((i32::try_from(checked.len()).unwrap() + 9).to_be_bytes());
    batch.extend([0, 0, 0, 0, 2]);
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// The batches of a log as a broker walks them: by their lengths.
fn walk(log: &[u8]) -> Vec<(i64, &[u8])> {
    let (mut rest, mut batches) = (log, Vec::new());
    while let Some(head) = rest.first_chunk::<12>() {
        let base = i64::from_be_bytes(*head.first_chunk().unwrap());
        let length = i32::from_be_bytes(*head.last_chunk().unwrap());
        let Some(bytes) = rest.get(..usize::try_from(length).unwrap() + 12) else { break };
        batches.push((base, bytes));
        rest = &rest[bytes.len()..];
    }
    batches
}

/// What a segment of `log` has on disk.
fn segment(files: &mut Files, base: i64, suffix: &str, log: &[u8]) {
    let mut index = Vec::new();
    let mut position = 0;
    for (offset, bytes) in walk(log) {
        let relative = i32::try_from(offset + 9 - base).unwrap();
        OffsetPosition::encode(relative, position, &mut index);
        position += i32::try_from(bytes.len()).unwrap();
    }
    files.insert(name(base, "log") + suffix, log.to_vec());
    files.insert(name(base, "index") + suffix, index);
    let mut time_index = Vec::new();
    let last = walk(log).last().map_or(base, |(offset, _)| offset + 9);
    TimestampOffset::encode(base + 1, i32::try_from(last - base).unwrap(), &mut time_index);
    files.insert(name(base, "timeindex") + suffix, time_index);
    if base == 0 {
        files.insert(name(base, "txnindex") + suffix, vec![7; 34]);
    }
}

/// A log: what its segments hold before and after, and what is around them.
struct Case {
    before: Vec<(i64, Vec<u8>)>,
    after: Vec<(i64, Vec<u8>)>,
}

impl Case {
    fn all() -> Vec<Self> {
        let log = |range: Range<i64>, kept: i32| -> Vec<u8> {
            range.map(|number| batch(number * 10, kept)).collect::<Vec<_>>().concat()
        };
        // Of compacted segments every third batch is gone, and records of the others.
        let compacted = |range: Range<i64>| -> Vec<u8> {
            let last = range.end - 1;
            let stays = |number: &i64| number % 3 != 1 || *number == last;
            range.filter(stays).map(|number| batch(number * 10, 4)).collect::<Vec<_>>().concat()
        };
        vec![
            Self { before: vec![(0, log(0..10, 10))], after: vec![(0, compacted(0..10))] },
            Self {
                before: vec![(0, log(0..10, 10)), (100, log(10..20, 10))],
                after: vec![(0, compacted(0..20))],
            },
            Self {
                before: vec![(0, log(0..20, 10))],
                after: vec![(0, log(0..7, 10)), (70, log(7..20, 10))],
            },
            // Not at the beginning of the partition, and a name below its first batch.
            Self {
                before: vec![(0, log(0..5, 10)), (50, log(5..9, 10)), (95, log(10..20, 10))],
                after: vec![(50, [compacted(5..9), compacted(10..20)].concat())],
            },
        ]
    }

    fn start(&self) -> Files {
        let mut files = Files::new();
        for (base, log) in &self.before {
            segment(&mut files, *base, "", log);
            files.insert(name(*base, "snapshot"), vec![1; 10]);
        }
        segment(&mut files, 200, "", &[batch(200, 10), batch(210, 10)].concat());
        files.insert(name(200, "snapshot"), vec![2; 10]);
        files.insert(name(220, "snapshot"), vec![3; 10]);
        files.insert("partition.metadata".into(), format!("version: 0\ntopic_id: {ID}").into());
        files.insert("leader-epoch-checkpoint".into(), "0\n1\n0 0\n".into());
        files
    }

    /// The segments that are replaced: all from the first new one on.
    fn replaced(&self) -> impl Iterator<Item = &(i64, Vec<u8>)> {
        self.before.iter().filter(|(base, _)| *base >= self.after[0].0)
    }

    /// What is on the disk after each step of the protocol.
    fn steps(&self) -> Vec<Files> {
        let mut states = vec![self.start()];
        let mut now = self.start();
        let mut new = Files::new();
        for (base, log) in &self.after {
            segment(&mut new, *base, ".cleaned", log);
        }
        for (name, bytes) in &new {
            for part in [bytes.len() / 2, bytes.len()] {
                now.insert(name.clone(), bytes[..part].to_vec());
                states.push(now.clone());
            }
        }
        let mut rename = |now: &mut Files, from: &str, to: &str| {
            if let Some(bytes) = now.remove(from) {
                now.insert(to.to_owned(), bytes);
                states.push(now.clone());
            }
        };
        let kinds = ["log", "index", "timeindex", "txnindex"];
        for (base, _) in self.after.iter().rev() {
            for kind in kinds {
                let name = name(*base, kind);
                rename(&mut now, &format!("{name}.cleaned"), &format!("{name}.swap"));
            }
        }
        for (base, _) in self.replaced() {
            for kind in kinds {
                let name = name(*base, kind);
                rename(&mut now, &name, &format!("{name}.deleted"));
            }
            if !self.after.iter().any(|(new, _)| new == base) {
                let name = name(*base, "snapshot");
                rename(&mut now, &name, &format!("{name}.deleted"));
            }
        }
        for (base, _) in &self.after {
            for kind in kinds {
                let name = name(*base, kind);
                rename(&mut now, &format!("{name}.swap"), &name);
            }
        }
        for name in now.clone().keys().filter(|name| name.ends_with(".deleted")) {
            now.remove(name);
            states.push(now.clone());
        }
        states
    }
}

fn offset_in(name: &str) -> Option<i64> {
    name.split_once('.')?.0.parse().ok()
}

/// What a broker makes of a partition directory before it loads the segments, and of indexes
/// without a `.log` when it does.
fn broker(files: &Files) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| !name.ends_with(".deleted"));
    let cleaned = files.keys().filter(|name| name.ends_with(".cleaned"));
    let lowest = cleaned.filter_map(|name| offset_in(name)).min().unwrap_or(i64::MAX);
    files.retain(|name, _| !(name.ends_with(".swap") && offset_in(name).unwrap() >= lowest));
    files.retain(|name, _| !name.ends_with(".cleaned"));
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for (name, log) in files.iter().filter(|(name, _)| name.ends_with(".log.swap")) {
        let base = offset_in(name).unwrap();
        let next = walk(log).last().map_or(base, |(base, _)| base + 10);
        (least, greatest) = (least.min(base), greatest.max(next));
    }
    let is_replaced = |name: &str| {
        !name.ends_with(".swap")
            && offset_in(name).is_some_and(|offset| least <= offset && offset < greatest)
    };
    files.retain(|name, _| !is_replaced(name));
    let swaps: Vec<String> = files.keys().filter(|name| name.ends_with(".swap")).cloned().collect();
    for swap in swaps {
        let bytes = files.remove(&swap).unwrap();
        files.insert(swap.strip_suffix(".swap").unwrap().to_owned(), bytes);
    }
    let all: BTreeSet<String> = files.keys().cloned().collect();
    files.retain(|name, _| {
        let is_index = ["index", "timeindex", "txnindex"]
            .iter()
            .any(|kind| name.split_once('.').is_some_and(|(_, rest)| rest == *kind));
        !is_index || all.contains(&format!("{}.log", name.split_once('.').unwrap().0))
    });
    files
}

/// All batches in files that are a `.log`, whatever is behind that.
fn batches(files: &Files) -> BTreeSet<Vec<u8>> {
    let logs = files.iter().filter(|(name, _)| name.contains(".log"));
    logs.flat_map(|(_, log)| walk(log)).map(|(_, bytes)| bytes.to_vec()).collect()
}

/// The offsets at which the segments, by their final names, hold a batch.
fn held(files: &Files) -> BTreeSet<i64> {
    let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
    let sound = |bytes: &[u8]| bytes[17..21] == crc32c(&bytes[21..]).to_be_bytes();
    logs.flat_map(|(_, log)| walk(log)).filter(|it| sound(it.1)).map(|it| it.0).collect()
}

impl Scene {
    fn holding(files: &Files) -> Self {
        let scene = Self::new();
        for (name, bytes) in files {
            scene.file(name, bytes);
        }
        scene
    }

    fn files(&self) -> Files {
        files_in(&self.partition)
    }
}

fn files_in(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (text_of(&path).into_owned(), fs::read(path).unwrap())).collect()
}

/// What a plan says there will be is there, and there is nothing more to do.
fn check_after(scene: &Scene, plan: &DirectoryPlan, images: &BTreeMap<PathBuf, Vec<u8>>) {
    let now = scene.dir();
    assert_eq!(plan.after, now);
    for (path, bytes) in images {
        assert_eq!(&fs::read(path).unwrap(), bytes, "{}", path.display());
    }
    let again = scene.plan();
    assert_eq!((&again.changes, &again.left_alone), (&Vec::new(), &Vec::new()));
}

/// Applies the whole of a plan.
fn carry_out(scene: &Scene, plan: &DirectoryPlan) {
    let read = |(path, image): (&PathBuf, &LogImage)| {
        let file = FileBytes::composed(path, image).unwrap();
        let length = usize::try_from(file.len()).unwrap();
        (path.clone(), file.read(0, length, &mut Vec::new()).unwrap().to_vec())
    };
    let images = plan.images.iter().map(read).collect();
    scene.apply(&plan.changes);
    check_after(scene, plan, &images);
}

#[test]
fn stopped_at_every_step_it_comes_to_what_a_broker_makes_of_it() {
    let (mut states, mut finished, mut taken_back) = (0, 0, 0);
    for (number, case) in Case::all().iter().enumerate() {
        let kept: BTreeSet<i64> =
            case.after.iter().flat_map(|(_, log)| walk(log)).map(|(base, _)| base).collect();
        for (step, files) in case.steps().into_iter().enumerate() {
            let scene = Scene::holding(&files);
            let plan = scene.plan();
            let place = format!("case {number}, step {step}: {:?}", said(&plan.actions));
            agree(&plan.actions, &plan.changes, &plan.left_alone);
            assert!(plan.left_alone.is_empty() && !plan.is_replace_open, "{place}");
            states += 1;
            let is = |kind| plan.actions.iter().any(|action| action.kind == kind);
            finished += usize::from(is(ActionKind::FinishReplace));
            taken_back += usize::from(is(ActionKind::RollBackReplace));

            // Killed in between, a broker that starts then comes to the same.
            let count = plan.changes.len();
            for changes in (0..count).filter(|_| step % 4 == number) {
                let scene = Scene::holding(&files);
                let same = scene.plan();
                scene.apply(&same.changes[..changes]);
                let now = broker(&scene.files());
                assert!(kept.is_subset(&held(&now)), "{place}, killed after {changes}");
            }

            carry_out(&scene, &plan);
            let mut now = scene.files();
            now.retain(|name, _| !name.ends_with(".deleted"));
            let expected = broker(&files);
            let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&now), names(&expected), "{place}");
            assert!(now == expected, "{place}");
            assert!(kept.is_subset(&held(&now)), "{place}");
            // And not one batch that was anywhere is nowhere.
            let mut all = batches(&scene.files());
            all.extend(batches(&files_in(&scene.backup)));
            assert!(batches(&files).is_subset(&all), "{place}");
        }
    }
    assert!(states > 120 && finished > 30 && taken_back > 40, "{states} {finished} {taken_back}");
}

/// The state in which all new files are `.swap` and nothing of the old ones is gone.
fn all_swapped(case: &Case) -> Files {
    let is_it = |files: &&Files| {
        files.keys().any(|name| name.ends_with(".swap"))
            && !files.keys().any(|name| name.ends_with(".cleaned") || name.ends_with(".deleted"))
    };
    case.steps().iter().find(is_it).unwrap().clone()
}

fn logs_in_swap(files: &Files) -> Vec<String> {
    files.keys().filter(|name| name.ends_with(".log.swap")).cloned().collect()
}

#[test]
fn a_damaged_replacement_is_taken_back_while_what_it_replaces_is_there() {
    let mut damages = 0;
    for case in Case::all() {
        let whole = all_swapped(&case);
        let before = held(&case.start());
        for log in logs_in_swap(&whole) {
            let length = whole[&log].len();
            for at in (0..length).step_by(67) {
                for cut in [false, true] {
                    let mut files = whole.clone();
                    let bytes = files.get_mut(&log).unwrap();
                    if cut {
                        bytes.truncate(at);
                    } else {
                        bytes[at] ^= 0x10;
                    }
                    let is_damaged = cut
                        || !walk(bytes).iter().all(|(base, bytes)| {
                            before.contains(base)
                                && bytes[17..21] == crc32c(&bytes[21..]).to_be_bytes()
                        });
                    let scene = Scene::holding(&files);
                    let plan = scene.plan();
                    let place = format!("{log} at {at}, cut {cut}: {:?}", plan.actions);
                    assert!(plan.left_alone.is_empty(), "{place}");
                    carry_out(&scene, &plan);
                    assert!(before.is_subset(&held(&scene.files())) || !is_damaged, "{place}");
                    if is_damaged {
                        damages += 1;
                        let mut now = scene.files();
                        now.retain(|name, _| !name.ends_with(".swap"));
                        assert!(now == case.start(), "{place}");
                    }
                }
            }
        }
    }
    assert!(damages > 100, "{damages}");
}

#[test]
fn taking_back_can_be_killed_anywhere() {
    for case in Case::all() {
        let mut files = all_swapped(&case);
        let log = logs_in_swap(&files).pop().unwrap();
        files.get_mut(&log).unwrap()[70] ^= 1;
        let count = Scene::holding(&files).plan().changes.len();
        for changes in 0..=count {
            let scene = Scene::holding(&files);
            let plan = scene.plan();
            scene.apply(&plan.changes[..changes]);
            // Started again, the repair comes to the same.
            let rest = scene.plan();
            carry_out(&scene, &rest);
            assert!(scene.files() == case.start(), "{changes} of {count}");
        }
    }
}

#[test]
fn a_damaged_replacement_is_taken_where_it_is_the_only_copy() {
    let case = &Case::all()[1];
    let mut files = all_swapped(case);
    files.retain(|name, _| {
        name.ends_with(".swap") || offset_in(name).is_none_or(|offset| offset >= 200)
    });
    files.get_mut(&name(0, "log.swap")).unwrap()[70] ^= 1;
    let scene = Scene::holding(&files);
    let plan = scene.plan();
    let [Change::FinishReplace(finish)] = &plan.changes[..] else { panic!("{plan:?}") };
    assert_eq!((finish.renames.len(), finish.replaced.len()), (4, 0));
    assert!(plan.actions[0].reason.contains("is damaged from byte 0 on"), "{plan:?}");
    carry_out(&scene, &plan);
}

/// The first of two segments is gone, and the part of the new one is damaged that the second holds:
/// both stay, for whoever puts batches in their order.
#[test]
fn what_only_the_old_files_hold_stays_where_it_can() {
    let case = &Case::all()[1];
    let mut files = all_swapped(case);
    files.retain(|name, _| name.ends_with(".swap") || offset_in(name) != Some(0));
    let swap = files.get_mut(&name(0, "log.swap")).unwrap();
    let at: usize = walk(swap).iter().take_while(|it| it.0 < 150).map(|it| it.1.len()).sum();
    swap[at + 70] ^= 1;
    let scene = Scene::holding(&files);
    let plan = scene.plan();
    assert!(plan.actions[0].reason.contains("which stay where they can"), "{plan:?}");
    carry_out(&scene, &plan);
    let now = scene.files();
    assert_eq!(now[&name(100, "log")], case.before[1].1);
    assert!(now.contains_key(&name(0, "log")));
    let offsets: BTreeSet<i64> = [0, 20, 30, 50, 60, 80, 90].into_iter().collect();
    assert!(offsets.is_subset(&held(&now)), "{:?}", held(&now));
    assert!(held(&case.start()).iter().filter(|it| **it >= 100).all(|it| held(&now).contains(it)));
}

#[test]
fn a_replacement_that_its_index_knows_to_be_longer_is_taken_back() {
    // Cut between batches, and the old log is cut at the same place: only the index tells.
    let case = &Case::all()[0];
    let mut files = all_swapped(case);
    let swap = files.get_mut(&name(0, "log.swap")).unwrap();
    let length = walk(swap).iter().take_while(|it| it.0 < 50).map(|it| it.1.len()).sum();
    swap.truncate(length);
    let log = files.get_mut(&name(0, "log")).unwrap();
    let length = walk(log).iter().take_while(|it| it.0 < 50).map(|it| it.1.len()).sum();
    log.truncate(length);
    let scene = Scene::holding(&files);
    let plan = scene.plan();
    assert!(plan.actions[0].reason.contains("its index names batches"), "{plan:?}");
    assert!(plan.actions.iter().all(|action| action.kind == ActionKind::RollBackReplace));
    carry_out(&scene, &plan);
}

#[test]
fn a_replacement_that_cannot_be_looked_at_stays_open() {
    let case = &Case::all()[0];
    let scene = Scene::holding(&all_swapped(case));
    let dir = scene.dir();
    let findings = partition_findings(&dir, false);
    fs::remove_file(scene.partition.join(name(0, "log.swap"))).unwrap();
    let plan = of_partition(&dir, &findings).unwrap();
    assert!(plan.is_replace_open && plan.changes.is_empty());
    assert_eq!(plan.left_alone.len(), 4);
    assert_eq!(plan.after, dir);
    // Where a broker may be at work, nothing was interrupted.
    let plan = of_partition(&dir, &partition_findings(&dir, true)).unwrap();
    assert!(!plan.is_replace_open && plan.changes.is_empty() && plan.left_alone.is_empty());
}
