//! Every finding about directories and small files, and what is done about it.

mod checkpoints;
mod replace;

use super::*;
use crate::check::directory::{
    PartitionEnds, log_dir_findings, partition_findings, topic_id_findings,
};
use crate::format::Offset;
use crate::log::file_facts::place_of;
use crate::log::{LogDir, LogDirContext, TopicPartition};
use crate::repair::plan::Plan;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const ID: &str = "5Bz2VvOcRJmkzBrHrVZ2Yw";
const OTHER_ID: &str = "MHURf4Rt1djsLUwXuuf5vg";

/// A log dir of its own, with a partition in it.
struct Scene {
    _root: tempfile::TempDir,
    log_dir: PathBuf,
    partition: PathBuf,
    backup: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (log_dir, backup) = (root.path().join("data"), root.path().join("backup"));
        let partition = log_dir.join("orders-0");
        fs::create_dir_all(&partition).unwrap();
        fs::create_dir(&backup).unwrap();
        let text = "version=1\nnode.id=1\ncluster.id=x\n";
        fs::write(log_dir.join("meta.properties"), text).unwrap();
        Self { _root: root, log_dir, partition, backup }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.partition.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn dir(&self) -> PartitionDir {
        PartitionDir::open(&self.partition).unwrap()
    }

    fn plan(&self) -> DirectoryPlan {
        let dir = self.dir();
        of_partition(&dir, &partition_findings(&dir, false)).unwrap()
    }

    fn log_dir_plan(&self, ends: &[PartitionEnds]) -> Plan {
        let (dir, context) =
            (LogDir::open(&self.log_dir).unwrap(), LogDirContext::read(&self.log_dir));
        let mut findings = log_dir_findings(&dir, &context, ends);
        let dirs: Vec<PartitionDir> =
            dir.partitions.iter().map(|path| PartitionDir::open(path).unwrap()).collect();
        findings.extend(topic_id_findings(&dirs.iter().collect::<Vec<_>>()));
        of_log_dir(&context, &dir, ends, &findings).unwrap()
    }

    /// Carries changes out, in the simplest way.
    fn apply(&self, changes: &[Change]) {
        for (number, change) in changes.iter().enumerate() {
            let aside = |path: &Path| {
                let name = format!("{number}-{}", text_of(path));
                fs::rename(path, self.backup.join(name)).unwrap();
            };
            match change {
                Change::WriteFile(write) => {
                    assert_eq!(FileIdentity::of(&write.path).unwrap(), write.before);
                    assert!(write.like.is_file());
                    fs::write(&write.path, &write.after).unwrap();
                }
                Change::SetAside(it) => {
                    match it.before {
                        Some(before) => assert_eq!(identity(&it.path).unwrap(), before),
                        None => assert!(it.path.symlink_metadata().unwrap().is_dir()),
                    }
                    aside(&it.path);
                }
                Change::FinishReplace(finish) => {
                    for (path, before) in &finish.replaced {
                        assert_eq!(identity(path).unwrap(), *before);
                        aside(path);
                    }
                    for (from, to, before) in &finish.renames {
                        assert_eq!(identity(from).unwrap(), *before);
                        assert!(!to.exists(), "{} is not among what goes", to.display());
                        fs::rename(from, to).unwrap();
                    }
                }
                Change::ReplaceSegments(_) => panic!("{change:?}"),
            }
        }
    }
}

/// Kind, file and code of each action.
fn said(actions: &[Action]) -> Vec<String> {
    let row = |action: &Action| {
        assert!(!action.reason.is_empty() && !action.reason.contains("  "), "{action:?}");
        format!("{:?} {} {}", action.kind, text_of(&action.file), action.code.unwrap())
    };
    actions.iter().map(row).collect()
}

fn left(left: &[LeftAlone]) -> Vec<String> {
    let row = |left: &LeftAlone| {
        assert!(!left.why.is_empty() && !left.why.contains("  "), "{left:?}");
        format!("{} {}", text_of(&left.finding.file), left.finding.problem.code())
    };
    left.iter().map(row).collect()
}

/// No action without a change, no change without an action, and nothing both done and left alone.
fn agree(actions: &[Action], changes: &[Change], left: &[LeftAlone]) {
    for change in changes {
        assert!(actions.iter().any(|action| *action.file == *change.path()), "{change:?}");
        assert!(left.iter().all(|left| *left.finding.file != *change.path()), "{left:?}");
    }
    for action in actions {
        assert!(changes.iter().any(|change| *action.file == *change.path()), "{action:?}");
    }
}

fn name(offset: i64, rest: &str) -> String {
    format!("{offset:020}.{rest}")
}

fn ends(topic: &str, partition: i32, log_start: i64, log_end: i64) -> PartitionEnds {
    let topic_partition = TopicPartition { topic: topic.to_owned(), partition };
    PartitionEnds { topic_partition, log_start: Offset(log_start), log_end: Offset(log_end) }
}

#[test]
fn nothing_is_planned_for_what_brokers_left_behind() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut partitions = 0;
    for entry in fs::read_dir(testdata).unwrap() {
        let path = entry.unwrap().path();
        if !text_of(&path).starts_with("kafka-") {
            continue;
        }
        let (dir, context) = (LogDir::open(&path).unwrap(), LogDirContext::read(&path));
        for path in &dir.partitions {
            partitions += 1;
            let dir = PartitionDir::open(path).unwrap();
            let plan = of_partition(&dir, &partition_findings(&dir, false)).unwrap();
            let empty = (&plan.changes[..], &plan.actions[..], &plan.left_alone[..]);
            assert_eq!(empty, (&[][..], &[][..], &[][..]), "{}", path.display());
            assert_eq!(plan.after, dir);
        }
        let plan = of_log_dir(&context, &dir, &[], &log_dir_findings(&dir, &context, &[]));
        let expected = Plan { directory: path, ..Plan::default() };
        assert_eq!(plan.unwrap(), expected);
    }
    assert!(partitions > 80, "{partitions}");
}

#[test]
fn indexes_without_a_log_go() {
    let scene = Scene::new();
    for file in ["0.log", "0.index", "9.log", "12.log.deleted"] {
        let (offset, rest) = file.split_once('.').unwrap();
        scene.file(&name(offset.parse().unwrap(), rest), b"");
    }
    scene.file(&name(5, "index"), [0, 0, 0, 1, 0, 0, 0, 9]);
    scene.file(&name(5, "timeindex"), b"");
    scene.file(&name(12, "index"), [0, 0, 0, 1, 0, 0, 0, 9]);
    let plan = scene.plan();
    let expected = [(5, "index"), (5, "timeindex"), (12, "index")];
    let expected = expected.map(|(o, kind)| format!("SetAside {} log-missing", name(o, kind)));
    assert_eq!(said(&plan.actions), expected);
    agree(&plan.actions, &plan.changes, &plan.left_alone);
    // The index had an entry, so there was a log, and only the next one says where it ended.
    assert_eq!(plan.actions[0].offsets, Some((Offset(5), Offset(8))));
    assert!(plan.actions[0].reason.contains("what the .log held is gone"));
    assert_eq!(plan.actions[1].offsets, None);
    assert!(plan.actions[2].reason.contains("about to be deleted"), "{:?}", plan.actions);
    assert_eq!(plan.left_alone, []);
    scene.apply(&plan.changes);
    assert_eq!(plan.after, scene.dir());
    assert_eq!(scene.plan().changes, []);
}

/// The index names nothing that the segment before it does not have.
#[test]
fn what_is_gone_with_a_log_is_what_the_one_before_it_does_not_have() {
    let whole = [replace::batch(0, 10), replace::batch(10, 10)].concat();
    let cut = &whole[..whole.len() - 1];
    let gone = |first, last| Some((Offset(first), Offset(last)));
    for (log, orphan, next, offsets, said) in [
        (&whole[..], 5, 20, None, "no offset is missing"),
        (&whole, 15, 30, gone(20, 29), "is gone"),
        (&whole, 25, 30, gone(25, 29), "is gone"),
        (cut, 5, 10, None, "no offset is missing"),
        (cut, 5, 30, None, "may be gone"),
    ] {
        let scene = Scene::new();
        scene.file(&name(0, "log"), log);
        scene.file(&name(next, "log"), b"");
        scene.file(&name(orphan, "index"), [0, 0, 0, 1, 0, 0, 0, 9]);
        let plan = scene.plan();
        assert_eq!(plan.actions.len(), 1, "{plan:?}");
        assert_eq!(plan.actions[0].offsets, offsets, "{plan:?}");
        assert!(plan.actions[0].reason.contains(said), "{plan:?}");
    }
}

#[test]
fn strays_that_stop_a_broker_go_and_others_stay() {
    let scene = Scene::new();
    scene.file("backup.log", b"x");
    scene.file("notes.txt", b"x");
    scene.file(&name(3, "log.deleted"), b"x");
    fs::create_dir(scene.partition.join("old")).unwrap();
    symlink("notes.txt", scene.partition.join("link.log")).unwrap();
    symlink("nothing", scene.partition.join(name(7, "log"))).unwrap();
    fs::create_dir(scene.partition.join(name(8, "log"))).unwrap();
    let plan = scene.plan();
    assert_eq!(said(&plan.actions), ["SetAside backup.log stray-file"]);
    agree(&plan.actions, &plan.changes, &plan.left_alone);
    let expected = [
        format!("{} not-readable", name(7, "log")),
        format!("{} not-readable", name(8, "log")),
        "link.log stray-file".to_owned(),
    ];
    assert_eq!(left(&plan.left_alone), expected);
    scene.apply(&plan.changes);
    assert_eq!(plan.after, scene.dir());
}

#[test]
fn what_cannot_be_read_goes_unless_it_is_kafkas() {
    let scene = Scene::new();
    let deleted = name(7, "log.deleted");
    let swap = name(9, "log.swap");
    let files = ["notes.txt", &deleted, &swap, "partition.metadata"];
    for file in files {
        let path = scene.file(file, b"x");
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Whoever may read everything comes upon none of these, so they are made here.
    let dir = scene.dir();
    let finding = |file: &str| {
        let problem = crate::check::Problem::NotReadable { why: "Permission denied".to_owned() };
        let path = scene.partition.join(file);
        Finding::new(path.as_path().into(), Position(0)..Position(0), problem)
    };
    let findings: Vec<Finding> = files.iter().map(|file| finding(file)).collect();
    let plan = of_partition(&dir, &findings).unwrap();
    let expected = ["SetAside notes.txt", &format!("SetAside {deleted}")];
    assert_eq!(said(&plan.actions), expected.map(|row| format!("{row} not-readable")));
    let expected = [swap.as_str(), "partition.metadata"];
    assert_eq!(left(&plan.left_alone), expected.map(|row| format!("{row} not-readable")));
    agree(&plan.actions, &plan.changes, &plan.left_alone);
    scene.apply(&plan.changes);
    assert_eq!(plan.after, scene.dir());
}

#[test]
fn partition_metadata_is_written_where_the_id_is_known() {
    let whole = |id: &str| format!("version: 0\ntopic_id: {id}");
    // What the file holds, what its neighbours say, and the id that comes of it.
    let table = [
        (whole(ID), vec![ID], None),
        ("garbage".to_owned(), vec![], None),
        ("garbage".to_owned(), vec![ID, ID], Some(ID)),
        ("garbage".to_owned(), vec![ID, OTHER_ID], None),
        (String::new(), vec![ID], Some(ID)),
        (format!("versiom: 0\ntopic_id: {ID}"), vec![], Some(ID)),
        (format!("versiom: 0\ntopic_id: {ID}"), vec![OTHER_ID], None),
        (format!("\0\0\0\ntopic_id: {ID}\nmore"), vec![ID], Some(ID)),
        ("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA".to_owned(), vec![], None),
    ];
    for (text, neighbours, expected) in table {
        let scene = Scene::new();
        scene.file(&name(0, "log"), b"");
        scene.file("partition.metadata", &text);
        for (number, id) in neighbours.iter().enumerate() {
            let other = scene.log_dir.join(format!("orders-{}", number + 1));
            fs::create_dir(&other).unwrap();
            fs::write(other.join("partition.metadata"), whole(id)).unwrap();
        }
        // None of these is about the topic, or in service.
        for other in ["audit-1", "orders-9.0f3c9a11-delete"] {
            fs::create_dir(scene.log_dir.join(other)).unwrap();
            let path = scene.log_dir.join(other).join("partition.metadata");
            fs::write(path, whole("AAAAAAAAAAAAAAAAAAAAAQ")).unwrap();
        }
        let plan = scene.plan();
        agree(&plan.actions, &plan.changes, &plan.left_alone);
        match expected {
            Some(id) => {
                let expected = ["RebuildDerived partition.metadata partition-metadata"];
                assert_eq!(said(&plan.actions), expected, "{text:?}");
                scene.apply(&plan.changes);
                let path = scene.partition.join("partition.metadata");
                assert_eq!(fs::read_to_string(path).unwrap(), whole(id));
                assert_eq!(scene.plan().left_alone, []);
            }
            None => {
                assert_eq!(plan.changes, []);
                let is_wrong = text != whole(ID);
                assert_eq!(plan.left_alone.len(), usize::from(is_wrong), "{text:?}");
            }
        }
    }
}

#[test]
fn partition_metadata_of_special_partitions() {
    let scene = Scene::new();
    let metadata = scene.log_dir.join("__cluster_metadata-0");
    let deleted = scene.log_dir.join("orders-9.0f3c9a11-delete");
    for path in [&metadata, &deleted] {
        fs::create_dir(path).unwrap();
        fs::write(path.join("partition.metadata"), "garbage").unwrap();
    }
    fs::write(metadata.join("quorum-state"), "garbage").unwrap();
    let plan = |path: &Path| {
        let dir = PartitionDir::open(path).unwrap();
        of_partition(&dir, &partition_findings(&dir, false)).unwrap()
    };
    let of_metadata = plan(&metadata);
    assert_eq!(left(&of_metadata.left_alone), ["quorum-state quorum-state"]);
    let [Change::WriteFile(write)] = &of_metadata.changes[..] else { panic!("{of_metadata:?}") };
    assert_eq!(write.after, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
    let of_deleted = plan(&deleted);
    assert_eq!(said(&of_deleted.actions), ["SetAside partition.metadata partition-metadata"]);

    // An id that is somebody else's is not corrected: the directory may be somebody else's too.
    let text = format!("version: 0\ntopic_id: {ID}");
    fs::write(metadata.join("partition.metadata"), text).unwrap();
    let plan = plan(&metadata);
    assert_eq!((plan.changes.len(), plan.left_alone.len()), (0, 2));
}

#[test]
fn what_lies_in_a_log_dir() {
    let scene = Scene::new();
    scene.file(&name(0, "log"), b"");
    for directory in ["lost+found", "backup", "new-0", "gone-0.0f3c9a11-delete"] {
        fs::create_dir(scene.log_dir.join(directory)).unwrap();
    }
    fs::write(scene.log_dir.join("backup/notes.log"), b"x").unwrap();
    fs::write(scene.log_dir.join("notes.txt"), b"x").unwrap();
    symlink("orders-0", scene.log_dir.join("elsewhere")).unwrap();
    symlink("notes.txt", scene.log_dir.join("cleaner-offset-checkpoint")).unwrap();
    let plan = scene.log_dir_plan(&[]);
    assert_eq!(said(&plan.actions), ["SetAside backup stray-directory"]);
    agree(&plan.actions, &plan.changes, &plan.left_alone);
    let expected = [
        "elsewhere stray-directory",
        "lost+found stray-directory",
        "cleaner-offset-checkpoint not-readable",
    ];
    assert_eq!(left(&plan.left_alone), expected);
    assert!(plan.left_alone[1].why.contains("directory below"), "{:?}", plan.left_alone);
    scene.apply(&plan.changes);
    let again = scene.log_dir_plan(&[]);
    assert_eq!((again.changes.len(), again.left_alone), (0, plan.left_alone));
    assert!(scene.backup.join("0-backup/notes.log").exists());
}

/// A log dir, with a broker at work in it or not, may be below another that is one by mistake.
#[test]
fn a_directory_with_anything_of_kafkas_in_it_stays() {
    let table = [
        (None, true),
        (Some("notes.txt"), true),
        (Some("a/b/notes.log"), true),
        (Some(".lock"), false),
        (Some("meta.properties"), false),
        (Some("a/recovery-point-offset-checkpoint"), false),
        (Some("orders-0/notes.txt"), false),
        (Some("a/b/c/00000000000000000000.log.deleted"), false),
        (Some("a/b/c/d/e/notes.txt"), false),
    ];
    for (file, goes) in table {
        let scene = Scene::new();
        let stray = scene.log_dir.join("kafka2");
        fs::create_dir(&stray).unwrap();
        if let Some(path) = file.map(|file| stray.join(file)) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let plan = scene.log_dir_plan(&[]);
        let expected = (usize::from(goes), usize::from(!goes));
        assert_eq!((plan.changes.len(), plan.left_alone.len()), expected, "{file:?} {plan:?}");
        let advises = |left: &LeftAlone| left.why.contains("yourself");
        assert!(plan.left_alone.iter().all(advises), "{plan:?}");
    }
    let scene = Scene::new();
    fs::create_dir(scene.log_dir.join("links")).unwrap();
    symlink("/", scene.log_dir.join("links/all")).unwrap();
    assert_eq!(scene.log_dir_plan(&[]).changes, []);
}

#[test]
fn a_directory_on_which_something_is_mounted_stays() {
    let (root, mount) = (Path::new("/"), Path::new("/proc"));
    let device = |path: &Path| place_of(path).unwrap().0;
    if !mount.is_dir() || device(root) == device(mount) {
        eprintln!("not run: nothing is mounted");
        return;
    }
    let scene = Scene::new();
    let dir = LogDir::open(&scene.log_dir).unwrap();
    let mut context = LogDirContext::read(&scene.log_dir);
    let problem = crate::check::Problem::StrayDirectory { stops_broker: true };
    let finding = Finding::new(mount.into(), Position(0)..Position(0), problem);
    let plan = of_log_dir(&context, &dir, &[], std::slice::from_ref(&finding)).unwrap();
    assert_eq!((plan.changes.len(), plan.left_alone.len()), (0, 1));
    assert!(plan.left_alone[0].why.contains("is mounted on it"), "{:?}", plan.left_alone);
    // In a log dir that is a mount point there is no place beside it to move anything to.
    let inside = Path::new("/proc/sys");
    if device(inside) == device(mount) {
        let problem = crate::check::Problem::StrayDirectory { stops_broker: true };
        let finding = Finding::new(inside.into(), Position(0)..Position(0), problem);
        let of_mount = LogDirContext::read(mount);
        let plan = of_log_dir(&of_mount, &dir, &[], &[finding]).unwrap();
        assert_eq!((plan.changes.len(), plan.left_alone.len()), (0, 1));
        assert!(plan.left_alone[0].why.contains("is a mount point"), "{:?}", plan.left_alone);
    }
    // The same place, where it is on the same file system as the log dir, is no such place.
    context = LogDirContext::read(Path::new("/proc/self"));
    let plan = of_log_dir(&context, &dir, &[], &[finding]).unwrap();
    assert!(plan.left_alone.iter().all(|left| !left.why.contains("mounted on")), "{plan:?}");
}

#[test]
fn identities_of_a_broker_and_of_topics_are_never_invented() {
    let scene = Scene::new();
    fs::write(scene.log_dir.join("meta.properties"), "version=1\n").unwrap();
    for (partition, id) in [("orders-0", ID), ("orders-1", ID), ("orders-2", OTHER_ID)] {
        let path = scene.log_dir.join(partition);
        fs::create_dir_all(&path).unwrap();
        let text = format!("version: 0\ntopic_id: {id}");
        fs::write(path.join("partition.metadata"), text).unwrap();
    }
    let plan = scene.log_dir_plan(&[]);
    assert_eq!((plan.changes.len(), plan.actions.len()), (0, 0));
    let expected = ["meta.properties meta-properties", "partition.metadata partition-metadata"];
    assert_eq!(left(&plan.left_alone), expected);
}
