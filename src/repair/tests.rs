//! Plans applied: to a disk that works, to one that fails at each call, to one that loses power.

mod broker;
mod faults;
mod keeping;
mod power_cut;
mod power_cut_keeping;

use super::change::{Change, WriteFile};
use super::*;
use crate::log::disk::{Disk, RealDisk};
use crate::log::file_facts::{Attributes, FileIdentity};
use crate::log::lease::{Writers, writers};
use crate::log::lock::Guard;
use crate::log::new_file::is_temporary;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const BASE: &str = "00000000000000000000";

/// A log dir with one partition: an index to be replaced, a time index that is missing, and epochs
/// that are as they should be.
struct Scene {
    root: tempfile::TempDir,
}

/// A file as anyone sees it.
type Seen = (Vec<u8>, Attributes);

fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..=250).map(|byte: u8| byte.wrapping_mul(7) ^ seed).cycle().take(length).collect()
}

fn seen(path: &Path) -> Seen {
    let file = File::open(path).unwrap();
    (fs::read(path).unwrap(), Attributes::of_open(&file).unwrap())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Scene {
    fn new() -> Self {
        let scene = Self { root: tempfile::tempdir().unwrap() };
        fs::write(scene.root.path().join("meta.properties"), "version=1\n").unwrap();
        fs::write(scene.root.path().join(".lock"), "").unwrap();
        fs::create_dir(scene.directory()).unwrap();
        scene.file("log", &pattern(1, 5000), 0o640, 1_600_000_000);
        scene.file("index", &pattern(2, 3000), 0o604, 1_500_000_000);
        fs::write(scene.epochs(), "0\n0\n").unwrap();
        scene
    }

    fn file(&self, kind: &str, bytes: &[u8], mode: u32, age: u64) {
        let path = self.path(kind);
        fs::write(&path, bytes).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = File::open(&path).unwrap();
        // Not every file system has such attributes.
        let _ = RealDisk.set_attribute(&file, c"user.note", kind.as_bytes());
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("orders-0")
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.directory().join(format!("{BASE}.{kind}"))
    }

    fn epochs(&self) -> PathBuf {
        self.directory().join("leader-epoch-checkpoint")
    }

    fn guard(&self) -> Guard {
        Guard::of_log_dir(self.root.path(), &RealDisk).unwrap()
    }

    fn action(&self, path: PathBuf, after: Vec<u8>) -> Change {
        let log = self.path("log");
        let identity = FileIdentity::of(&log).unwrap().unwrap();
        let before = FileIdentity::of(&path).unwrap();
        let made_from = vec![(log.clone(), identity)];
        Change::WriteFile(WriteFile { path, after, before, like: log, made_from })
    }

    fn replace(&self) -> Change {
        self.action(self.path("index"), pattern(3, 2100))
    }

    fn create(&self) -> Change {
        self.action(self.path("timeindex"), pattern(4, 1300))
    }

    fn plan(&self) -> Vec<Change> {
        let equal = self.action(self.epochs(), b"0\n0\n".to_vec());
        vec![self.replace(), self.create(), equal]
    }

    /// All files of the partition, by name.
    fn files(&self) -> BTreeMap<String, Seen> {
        let entries = fs::read_dir(self.directory()).unwrap();
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| entry.unwrap()).map(|it| (name(&it), seen(&it.path()))).collect()
    }

    /// What `files` gives when the plan has been applied.
    fn files_afterwards(&self) -> BTreeMap<String, Seen> {
        let mut files = self.files();
        let mut index = files[&format!("{BASE}.index")].clone();
        index.0 = pattern(3, 2100);
        files.insert(format!("{BASE}.index"), index);
        let mut time_index = files[&format!("{BASE}.log")].clone();
        time_index.0 = pattern(4, 1300);
        files.insert(format!("{BASE}.timeindex"), time_index);
        files
    }
}

fn words(applied: &[Applied]) -> Vec<String> {
    let word = |applied: &Applied| match &applied.outcome {
        Outcome::Written => "written".to_owned(),
        Outcome::Equal => "equal".to_owned(),
        Outcome::NotAttempted => "not attempted".to_owned(),
        Outcome::Failed(error) => error.to_string(),
    };
    applied.iter().map(word).collect()
}

#[test]
fn a_plan_is_applied_once_and_finds_nothing_to_do_then() {
    let scene = Scene::new();
    let expected = scene.files_afterwards();
    let epochs = FileIdentity::of(&scene.epochs()).unwrap();
    let plan = scene.plan();
    let applied = apply(&plan, &Terms::of_derived(&scene.guard(), &RealDisk));
    assert_eq!(words(&applied), ["written", "written", "equal"]);
    assert_eq!(scene.files(), expected);
    assert_eq!(FileIdentity::of(&scene.epochs()).unwrap(), epochs);

    let identities = |scene: &Scene| -> Vec<_> {
        let names = scene.files().into_keys();
        names.map(|name| FileIdentity::of(&scene.directory().join(name)).unwrap()).collect()
    };
    let (before, directory) = (identities(&scene), fs::metadata(scene.directory()).unwrap());
    let again = apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &RealDisk));
    assert_eq!(words(&again), ["equal", "equal", "equal"]);
    assert_eq!(identities(&scene), before);
    let after = fs::metadata(scene.directory()).unwrap();
    assert_eq!(after.modified().unwrap(), directory.modified().unwrap());

    // The plan that was applied is about files that are no more.
    let stale = words(&apply(&plan, &Terms::of_derived(&scene.guard(), &RealDisk)));
    assert!(stale[0].ends_with("it changed since it was looked at"), "{stale:?}");
    assert!(stale[1].ends_with("it changed since it was looked at"), "{stale:?}");
}

#[test]
fn a_file_that_changed_since_is_left_alone_and_the_others_are_done() {
    let index = |scene: &Scene| scene.path("index");
    type Change = fn(&Scene);
    let changes: [(Change, usize); 7] = [
        (|scene| fs::write(scene.path("index"), b"another").unwrap(), 0),
        (|scene| fs::remove_file(scene.path("index")).unwrap(), 0),
        (|scene| fs::write(scene.path("timeindex"), b"new").unwrap(), 1),
        // The same bytes, length and time, but another file.
        (
            |scene| {
                let time = fs::metadata(scene.path("index")).unwrap().modified().unwrap();
                let copy = scene.root.path().join("copy");
                fs::copy(scene.path("index"), &copy).unwrap();
                File::open(&copy).unwrap().set_modified(time).unwrap();
                fs::rename(copy, scene.path("index")).unwrap();
            },
            0,
        ),
        // The same file, length and time, but other bytes: only the time of change tells.
        (
            |scene| {
                let time = fs::metadata(scene.path("index")).unwrap().modified().unwrap();
                std::thread::sleep(Duration::from_millis(20));
                let file = File::options().write(true).open(scene.path("index")).unwrap();
                RealDisk.write_at(&file, b"x", 0).unwrap();
                file.set_modified(time).unwrap();
            },
            0,
        ),
        (
            |scene| {
                fs::remove_file(scene.path("index")).unwrap();
                std::os::unix::fs::symlink(scene.path("log"), scene.path("index")).unwrap();
            },
            0,
        ),
        (|scene| fs::create_dir(scene.path("timeindex")).unwrap(), 1),
    ];
    for (number, (change, which)) in changes.into_iter().enumerate() {
        let scene = Scene::new();
        let plan = scene.plan();
        change(&scene);
        let link = index(&scene).symlink_metadata().ok();
        let applied = apply(&plan, &Terms::of_derived(&scene.guard(), &RealDisk));
        for (at, applied) in applied.iter().take(2).enumerate() {
            let failed = matches!(applied.outcome, Outcome::Failed(_));
            assert_eq!(failed, at == which, "{number}: {applied:?}");
        }
        let there = index(&scene).symlink_metadata().ok();
        assert_eq!(link.map(|it| it.file_type()), there.map(|it| it.file_type()));
        assert!(!scene.files_of_ours().any(|_| true), "{number}");
    }
    // The log has grown: what was made from it is no more what should be there.
    let scene = Scene::new();
    let plan = scene.plan();
    fs::write(scene.path("log"), pattern(1, 5001)).unwrap();
    let files = scene.files();
    let said = words(&apply(&plan, &Terms::of_derived(&scene.guard(), &RealDisk)));
    assert!(said.iter().all(|said| said.contains(".log: it changed since")), "{said:?}");
    assert_eq!(scene.files(), files);
}

impl Scene {
    /// The names that only a run that was ended leaves.
    fn files_of_ours(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(self.directory()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| is_temporary(name))
    }
}

#[test]
fn what_a_killed_run_left_goes_with_the_next_that_changes_something() {
    let scene = Scene::new();
    let leftover = scene.directory().join("seg-0123456789abcdef.tmp");
    let foreign = ["seg-0123456789abcde.tmp", "seg-notes.tmp", "00000000000000000000.log.tmp"];
    fs::write(&leftover, "x").unwrap();
    for name in foreign {
        fs::write(scene.directory().join(name), "x").unwrap();
    }
    let equal = scene.plan().split_off(2);
    assert_eq!(words(&apply(&equal, &Terms::of_derived(&scene.guard(), &RealDisk))), ["equal"]);
    assert!(leftover.exists());
    assert_eq!(
        words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &RealDisk)))[0],
        "written"
    );
    assert!(!leftover.exists());
    assert!(foreign.iter().all(|name| scene.directory().join(name).exists()));
}

#[test]
fn only_what_is_locked_is_changed() {
    let (scene, other) = (Scene::new(), Scene::new());
    let files = scene.files();
    let said = words(&apply(&scene.plan(), &Terms::of_derived(&other.guard(), &RealDisk)));
    assert!(said[0].contains("what is locked is"), "{said:?}");
    assert_eq!(scene.files(), files);

    // A partition that stands alone is its own, and no file is created beside it.
    let scene = Scene::new();
    fs::remove_file(scene.root.path().join("meta.properties")).unwrap();
    fs::remove_file(scene.root.path().join(".lock")).unwrap();
    let guard = Guard::of_partition_alone(&scene.directory()).unwrap();
    let applied = apply(&scene.plan(), &Terms::of_derived(&guard, &RealDisk));
    assert_eq!(words(&applied), ["written", "written", "equal"]);
    assert!(!scene.root.path().join(".lock").exists());
}

#[test]
fn a_file_that_somebody_writes_is_left_alone() {
    let scene = Scene::new();
    let files = scene.files();
    for kind in ["log", "index"] {
        let held = File::options().append(true).open(scene.path(kind)).unwrap();
        if let Writers::Unknown(why) = writers(&scene.path(kind)).unwrap() {
            eprintln!("not run: {why}");
            return;
        }
        let plan = [scene.replace()];
        let said = words(&apply(&plan, &Terms::of_derived(&scene.guard(), &RealDisk)));
        assert!(said[0].ends_with("another process has it open for writing"), "{said:?}");
        assert_eq!(scene.files(), files);
        drop(held);
    }
}

/// An access list as it is stored: the owner, user 1, the group, the mask, everybody else.
const LIST: [u8; 44] = [
    2, 0, 0, 0, //
    1, 0, 6, 0, 255, 255, 255, 255, //
    2, 0, 4, 0, 1, 0, 0, 0, //
    4, 0, 4, 0, 255, 255, 255, 255, //
    16, 0, 4, 0, 255, 255, 255, 255, //
    32, 0, 0, 0, 255, 255, 255, 255,
];

#[test]
fn access_lists_are_those_of_the_file_and_not_of_the_directory() {
    let scene = Scene::new();
    let directory = File::open(scene.directory()).unwrap();
    if RealDisk.set_attribute(&directory, c"system.posix_acl_default", &LIST).is_err() {
        eprintln!("not run: no access lists");
        return;
    }
    // What is created here gets one, so that the next line asks for something.
    let fresh = RealDisk.create_unnamed(&scene.directory()).unwrap();
    assert_eq!(Attributes::of_open(&fresh).unwrap().extended.len(), 1);
    let log = File::open(scene.path("log")).unwrap();
    RealDisk.set_attribute(&log, c"system.posix_acl_access", &LIST).unwrap();

    let expected = scene.files_afterwards();
    assert_eq!(
        words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &RealDisk)))[..2],
        ["written"; 2]
    );
    assert_eq!(scene.files(), expected);
    let lists = |kind: &str| {
        let extended = seen(&scene.path(kind)).1.extended;
        extended.iter().filter(|(name, _)| name.as_c_str() == c"system.posix_acl_access").count()
    };
    assert_eq!((lists("index"), lists("timeindex")), (0, 1));
}
