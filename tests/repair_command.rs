//! `seg repair` as people run it: what it refuses, and that it writes nothing unasked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Run, copy_files, entries, seg, testdata};
use rustix::fs::{FlockOperation, fcntl_lock};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const BASE: &str = "00000000000000000182";

/// A log dir with one partition that lacks the indexes of a segment, and no lock file.
struct Scene {
    root: tempfile::TempDir,
}

/// A file, its bytes, and the two times that a change of it would change.
type Seen = (PathBuf, Vec<u8>, (i64, i64), (i64, i64));

impl Scene {
    fn new() -> Self {
        let scene = Self { root: tempfile::tempdir().unwrap() };
        let partition = scene.log_dir().join("epochs-0");
        fs::create_dir_all(&partition).unwrap();
        fs::write(scene.log_dir().join("meta.properties"), "version=1\ncluster.id=c\nnode.id=1\n")
            .unwrap();
        copy_files(&testdata().join("kafka-4.3.1/epochs-0"), &partition);
        for kind in ["index", "timeindex"] {
            fs::remove_file(partition.join(format!("{BASE}.{kind}"))).unwrap();
        }
        scene
    }

    fn log_dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn run(&self, words: &[&str]) -> Run {
        seg(self.root.path(), &[&["repair"], words].concat())
    }

    fn seen(&self) -> Vec<Seen> {
        let files = entries(&self.log_dir()).into_iter().flat_map(|path| match path.is_dir() {
            true => entries(&path),
            false => vec![path],
        });
        let look = |path: PathBuf| {
            let metadata = fs::metadata(&path).unwrap();
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            // Who closes any descriptor of a lock file gives its lock up.
            let is_lock = path.ends_with(".lock");
            let bytes = if is_lock { Vec::new() } else { fs::read(&path).unwrap() };
            (path, bytes, modified, changed)
        };
        files.map(look).collect()
    }
}

fn text(run: &Run) -> String {
    format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr)
}

#[test]
fn a_plan_writes_nothing_not_even_a_lock_file() {
    let scene = Scene::new();
    let before = scene.seen();
    for words in [
        &["data"][..],
        &["data", "--format", "json"],
        &["data/epochs-0", "--plan", "-"],
        &["data", "--plan", "plan.json"],
    ] {
        let run = scene.run(words);
        assert_eq!(run.status, 1, "{words:?}: {}", text(&run));
        assert_eq!(scene.seen(), before, "{words:?}");
    }
    let plan = fs::read_to_string(scene.root.path().join("plan.json")).unwrap();
    assert!(plan.lines().count() > 5, "{plan}");
    // On stdout it is the same, and nothing else.
    let run = scene.run(&["data", "--plan", "-"]);
    assert_eq!(String::from_utf8(run.stdout).unwrap(), plan);
}

#[test]
fn beside_a_broker_there_is_a_plan_and_no_more() {
    let scene = Scene::new();
    let lock = File::create(scene.log_dir().join(".lock")).unwrap();
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let before = scene.seen();
    let planned = scene.run(&["data"]);
    assert_eq!(planned.status & 2, 0, "{}", text(&planned));
    let text_of = text(&planned);
    let says_so =
        text_of.contains("a broker is at work here") && text_of.contains("stop the broker");
    assert!(says_so || planned.status == 0, "{text_of}");
    for words in [
        &["data", "--apply"][..],
        &["data/epochs-0", "--apply", "--sole-copy"],
        &["data/epochs-0", "--undo"],
        &["data/epochs-0", "--to", "copies"],
    ] {
        let run = scene.run(words);
        assert_eq!(run.status & 2, 2, "{words:?}: {}", text(&run));
        assert_eq!(scene.seen(), before, "{words:?}");
    }
    assert!(!scene.root.path().join("copies").exists());
    fcntl_lock(&lock, FlockOperation::Unlock).unwrap();
    let run = scene.run(&["data", "--apply"]);
    assert_eq!(run.status, 0, "{}", text(&run));
}

/// Nothing that a plan rests on may have changed, its age included.
#[test]
fn a_plan_on_file_is_carried_out_as_it_is_or_not_at_all() {
    let scene = Scene::new();
    let partition = scene.log_dir().join("epochs-0");
    let log = partition.join(format!("{BASE}.log"));
    assert_eq!(scene.run(&["data/epochs-0", "--plan", "plan.json"]).status, 1);
    let apply = ["data/epochs-0", "--apply", "--plan", "plan.json"];
    let time = fs::metadata(&log).unwrap().modified().unwrap();
    // The same bytes and the same time: only the time of this change differs.
    File::options().write(true).open(&log).unwrap().set_modified(time).unwrap();
    let before = scene.seen();
    let run = scene.run(&apply);
    assert_eq!(run.status, 3, "{}", text(&run));
    let expected = format!("{BASE}.log is not what it was: changed is ");
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
    let locked: Vec<Seen> = scene.seen();
    let others = locked.iter().filter(|(path, ..)| !path.ends_with(".lock"));
    assert!(others.eq(before.iter()));

    assert_eq!(scene.run(&["data/epochs-0", "--plan", "new.json"]).status, 1);
    // With another spelling of the path, from elsewhere.
    let plan = scene.root.path().join("new.json");
    let words = [Path::new("repair"), Path::new("."), Path::new("--apply"), Path::new("--plan")];
    let run = seg(&partition, &[&words[..], &[&plan]].concat());
    assert_eq!(run.status, 0, "{}", text(&run));
    assert!(partition.join(format!("{BASE}.timeindex")).exists());
    assert_eq!(scene.run(&["data"]).status, 0);
}

/// With checkpoints in it, a directory above log dirs would be a log dir, and they strays in it.
#[test]
fn a_copy_is_not_put_beside_anything_else() {
    let scene = Scene::new();
    let before = entries(scene.root.path());
    let run = scene.run(&["data/epochs-0", "--to", "."]);
    assert_eq!(run.status, 2, "{}", text(&run));
    assert!(run.stderr.contains("it holds data, which is no copy"), "{}", run.stderr);
    assert_eq!(entries(scene.root.path()), before);
    let run = scene.run(&["data/epochs-0", "--to", "copies"]);
    assert_eq!(run.status, 0, "{}", text(&run));
    assert!(text(&run).contains("copied, repaired, to copies/epochs-0"), "{}", text(&run));
}

/// A segment that is on its way has to arrive before its log can be looked at.
#[test]
fn a_copy_that_is_a_first_step_is_not_called_repaired() {
    let scene = Scene::new();
    let log = scene.log_dir().join(format!("epochs-0/{BASE}.log"));
    fs::rename(&log, log.with_extension("log.swap")).unwrap();
    let run = scene.run(&["data/epochs-0", "--to", "copies"]);
    assert_eq!(run.status, 1, "{}", text(&run));
    assert!(!text(&run).contains("copied, repaired"), "{}", text(&run));
    assert!(text(&run).contains("\nnext: seg repair copies/epochs-0\n"), "{}", text(&run));
    scene.run(&["copies/epochs-0", "--apply"]);
    assert_eq!(scene.run(&["copies/epochs-0"]).status, 0);
}

#[test]
fn a_plan_is_not_written_where_a_broker_looks() {
    let scene = Scene::new();
    let before = scene.seen();
    for file in ["data/plan.json", "data/epochs-0/plan.json", "data/epochs-0/new/plan.json"] {
        let run = scene.run(&["data", "--plan", file]);
        assert_eq!(run.status, 64, "{file}: {}", text(&run));
        let run = scene.run(&["data", "--to", file]);
        assert_eq!(run.status, 64, "{file}: {}", text(&run));
        let run = scene.run(&["data", "--apply", "--backup", file]);
        assert_eq!(run.status, 64, "{file}: {}", text(&run));
    }
    assert_eq!(scene.seen(), before);
    let run = scene.run(&["data", "--plan", "data.json"]);
    assert_eq!(run.status, 1, "{}", text(&run));
    let first = fs::read(scene.root.path().join("data.json")).unwrap();
    let again = scene.run(&["data/epochs-0", "--plan", "data.json"]);
    assert_eq!(again.status, 2, "{}", text(&again));
    assert_eq!(fs::read(scene.root.path().join("data.json")).unwrap(), first);
}
