//! A disk that fails, writes less than it is asked to, or not what it is asked to.

use super::*;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It fails, and nothing has happened.
    Once(Errno),
    /// It fails, and so does every later one.
    Forever(Errno),
}

/// Fails at one call, counted over all methods.
struct FaultyDisk {
    fault: Option<Fault>,
    at: usize,
    calls: Cell<usize>,
    /// The method that failed first.
    failed: RefCell<Option<&'static str>>,
    has_unnamed: bool,
    has_rename_new: bool,
    /// The most bytes that one write takes.
    write_at_most: usize,
    /// Writes other bytes than it says.
    lies: bool,
    /// What somebody else does when a file has been synced.
    meanwhile: Option<Box<dyn Fn()>>,
}

impl FaultyDisk {
    fn without_fault() -> Self {
        Self {
            fault: None,
            at: 0,
            calls: Cell::new(0),
            failed: RefCell::new(None),
            has_unnamed: true,
            has_rename_new: true,
            write_at_most: usize::MAX,
            lies: false,
            meanwhile: None,
        }
    }

    fn call(&self, method: &'static str) -> io::Result<()> {
        let call = self.calls.replace(self.calls.get() + 1);
        let errno = match self.fault {
            Some(Fault::Once(errno)) if call == self.at => errno,
            Some(Fault::Forever(errno)) if call >= self.at => errno,
            _ => return Ok(()),
        };
        self.failed.borrow_mut().get_or_insert(method);
        Err(errno.into())
    }
}

impl Disk for FaultyDisk {
    fn create_unnamed(&self, directory: &Path) -> io::Result<File> {
        self.call("create_unnamed")?;
        if !self.has_unnamed {
            return Err(Errno::OPNOTSUPP.into());
        }
        RealDisk.create_unnamed(directory)
    }

    fn create_named(&self, path: &Path) -> io::Result<File> {
        self.call("create_named")?;
        RealDisk.create_named(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.call("write_at")?;
        let mut bytes = bytes[..bytes.len().min(self.write_at_most)].to_vec();
        if self.lies && position <= 100 && position + bytes.len() as u64 > 100 {
            bytes[100 - usize::try_from(position).unwrap()] ^= 4;
        }
        RealDisk.write_at(file, &bytes, position)
    }

    fn set_owner(&self, file: &File, user: u32, group: u32) -> io::Result<()> {
        self.call("set_owner")?;
        RealDisk.set_owner(file, user, group)
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        self.call("set_mode")?;
        RealDisk.set_mode(file, mode)
    }

    fn set_attribute(&self, file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
        self.call("set_attribute")?;
        RealDisk.set_attribute(file, name, value)
    }

    fn remove_attribute(&self, file: &File, name: &CStr) -> io::Result<()> {
        self.call("remove_attribute")?;
        RealDisk.remove_attribute(file, name)
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.call("set_modified")?;
        RealDisk.set_modified(file, time)
    }

    fn sync_file(&self, _: &File) -> io::Result<()> {
        // No power goes here, so there is nothing to wait for.
        self.call("sync_file")?;
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile();
        }
        Ok(())
    }

    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        self.call("link")?;
        RealDisk.link(file, path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("hard_link")?;
        RealDisk.hard_link(from, to)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.call("make_directory")?;
        RealDisk.make_directory(path)
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        self.call("open_to_append")?;
        RealDisk.open_to_append(path)
    }

    fn copy_range(
        &self,
        from: &File,
        at: u64,
        to: &File,
        position: u64,
        length: u64,
    ) -> io::Result<u64> {
        self.call("copy_range")?;
        if self.lies {
            // One byte too early.
            return RealDisk.copy_range(from, at.saturating_sub(1), to, position, length);
        }
        let length = length.min(self.write_at_most as u64);
        RealDisk.copy_range(from, at, to, position, length)
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        self.call("allocate")?;
        RealDisk.allocate(file, length)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.call("truncate")?;
        RealDisk.truncate(file, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename")?;
        RealDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename_new")?;
        if !self.has_rename_new {
            return Err(Errno::INVAL.into());
        }
        RealDisk.rename_new(from, to)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.call("remove_directory")?;
        RealDisk.remove_directory(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.call("unlink")?;
        RealDisk.unlink(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.call("sync_directory")
    }
}

/// The four kinds of file systems: with files without a name or not, with renaming to free names
/// only or not.
fn kinds() -> impl Iterator<Item = FaultyDisk> {
    [(true, true), (true, false), (false, true), (false, false)].into_iter().map(
        |(has_unnamed, has_rename_new)| FaultyDisk {
            has_unnamed,
            has_rename_new,
            ..FaultyDisk::without_fault()
        },
    )
}

#[test]
fn every_kind_of_file_system_ends_the_same() {
    for disk in kinds() {
        let scene = Scene::new();
        let expected = scene.files_afterwards();
        let applied = apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk));
        assert_eq!(words(&applied), ["written", "written", "equal"]);
        assert_eq!(scene.files(), expected);
    }
}

/// Runs the plan with a fault at one call; returns the method that failed, if one did.
fn run(mut disk: FaultyDisk, fault: Fault, at: usize) -> Option<&'static str> {
    (disk.fault, disk.at) = (Some(fault), at);
    let scene = Scene::new();
    let (before, expected) = (scene.files(), scene.files_afterwards());
    let applied = apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk));
    let failed = (*disk.failed.borrow())?;
    let context = format!("{fault:?} at {at}, {failed}: {applied:?}");
    assert_eq!(applied.len(), 3);
    assert!(matches!(applied[2].outcome, Outcome::Equal), "{context}");

    let mut after = scene.files();
    let mut said = String::new();
    let mut failures = 0;
    for applied in &applied[..2] {
        let name = applied.path.file_name().unwrap().to_str().unwrap();
        let (old, new, is) = (before.get(name), expected.get(name), after.remove(name));
        match &applied.outcome {
            Outcome::Written => assert_eq!(is.as_ref(), new, "{context}"),
            Outcome::Equal | Outcome::NotAttempted => panic!("{context}"),
            Outcome::Failed(error) => {
                failures += 1;
                assert_eq!(error.path, applied.path, "{context}");
                said.push_str(&error.to_string());
                let is_last_step = error.doing == "syncing the directory of";
                assert_eq!(is.as_ref(), if is_last_step { new } else { old }, "{context}");
            }
        }
    }
    assert!(!said.contains("os error"), "{said}");
    for name in scene.files_of_ours() {
        assert!(matches!(fault, Fault::Forever(_)) && said.contains(&name), "{context}");
        let (bytes, attributes) = after.remove(&name).unwrap();
        let alike = |seen: &&Seen| attributes.is_as_open_as(&seen.1);
        let is_whole = expected.values().filter(alike).any(|(expected, _)| bytes == *expected);
        // With a name from the beginning it is unfinished, but nobody is kept from opening it.
        let begun_with_a_name = !disk.has_unnamed || failed == "create_unnamed";
        let (user, group) = (attributes.user, attributes.group);
        let has_owner = expected.values().any(|(_, like)| (user, group) == (like.user, like.group));
        let is_openable = attributes.mode & 0o444 == 0o444 || has_owner;
        assert!(is_whole || begun_with_a_name && is_openable, "{context}");
    }
    // What is not in the plan is as it was.
    assert!(after.iter().all(|(name, seen)| before[name] == *seen), "{context}");
    if let Fault::Once(errno) = fault {
        let (fails, survives) = (failures == 1, failures == 0);
        // What a file system may not know is done in another way.
        let replaceable = ["create_unnamed", "link", "rename_new"].contains(&failed);
        assert!(fails || survives && replaceable && errno == Errno::OPNOTSUPP, "{context}");
    }
    Some(failed)
}

#[test]
fn a_disk_that_fails_at_any_call_leaves_old_or_new() {
    let mut failed = std::collections::BTreeSet::new();
    for errno in [Errno::IO, Errno::NOSPC, Errno::OPNOTSUPP] {
        for fault in [Fault::Once(errno), Fault::Forever(errno)] {
            for kind in 0..kinds().count() {
                for at in 0.. {
                    let Some(method) = run(kinds().nth(kind).unwrap(), fault, at) else { break };
                    failed.insert(method);
                }
            }
        }
    }
    let mut all = vec![
        "create_named",
        "create_unnamed",
        "link",
        "rename",
        "rename_new",
        "set_mode",
        "set_modified",
        "sync_directory",
        "sync_file",
        "write_at",
    ];
    if is_root() {
        all.push("set_owner");
    }
    assert!(all.iter().all(|method| failed.contains(method)), "{failed:?}");
}

#[test]
fn short_writes_are_gone_on_with() {
    for write_at_most in [1, 7, 512, 2099, 2100] {
        let disk = FaultyDisk { write_at_most, ..FaultyDisk::without_fault() };
        let scene = Scene::new();
        let expected = scene.files_afterwards();
        assert_eq!(
            words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk)))[..2],
            ["written"; 2]
        );
        assert_eq!(scene.files(), expected);
    }
    // A disk that is full in the middle of a file.
    for at in [5, 40] {
        let fault = Some(Fault::Once(Errno::NOSPC));
        let disk = FaultyDisk { fault, at, write_at_most: 100, ..FaultyDisk::without_fault() };
        let scene = Scene::new();
        let mut expected = scene.files_afterwards();
        let name = format!("{BASE}.{}", if at == 5 { "index" } else { "timeindex" });
        match scene.files().remove(&name) {
            Some(old) => expected.insert(name, old),
            None => expected.remove(&name),
        };
        let said = words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk)));
        let full = said.iter().filter(|said| said.ends_with("No space left on device"));
        assert_eq!(full.count(), 1, "{said:?}");
        assert_eq!(*disk.failed.borrow(), Some("write_at"));
        assert_eq!(scene.files(), expected);
    }
    let disk = FaultyDisk { write_at_most: 0, ..FaultyDisk::without_fault() };
    let scene = Scene::new();
    let files = scene.files();
    let said = words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk)));
    assert!(said[..2].iter().all(|said| said.starts_with("writing ")), "{said:?}");
    assert_eq!(scene.files(), files);
}

#[test]
fn a_disk_that_holds_other_bytes_is_found_out() {
    for kind in kinds() {
        let scene = Scene::new();
        let files = scene.files();
        let said = words(&apply(
            &scene.plan(),
            &Terms::of_derived(&scene.guard(), &FaultyDisk { lies: true, ..kind }),
        ));
        for said in &said[..2] {
            assert!(said.ends_with("the disk does not hold what was written to it"), "{said}");
        }
        assert_eq!(scene.files(), files);
    }
}

#[test]
fn what_somebody_else_writes_meanwhile_stays() {
    for kind in kinds() {
        let scene = Scene::new();
        let (index, time_index) = (scene.path("index"), scene.path("timeindex"));
        let meanwhile = move || {
            fs::write(&index, "theirs").unwrap();
            fs::write(&time_index, "theirs").unwrap();
        };
        let disk = FaultyDisk { meanwhile: Some(Box::new(meanwhile)), ..kind };
        let said = words(&apply(&scene.plan(), &Terms::of_derived(&scene.guard(), &disk)));
        for said in &said[..2] {
            assert!(said.ends_with("it changed since it was looked at"), "{said}");
        }
        assert_eq!(fs::read(scene.path("index")).unwrap(), b"theirs");
        assert_eq!(fs::read(scene.path("timeindex")).unwrap(), b"theirs");
        assert_eq!(scene.files_of_ours().count(), 0);
    }
}

/// Everything from one call on fails, which is what a run that is killed leaves; or one call does.
fn keeping_fault(choose: keeping::Choose, fault: Fault, at: usize) -> Option<&'static str> {
    let logs = keeping::Logs::new();
    let changes = choose(&logs);
    let (exact, first, expected) = (logs.exact(), logs.seen(), logs.expected(&changes));
    let disk = FaultyDisk { fault: Some(fault), at, ..FaultyDisk::without_fault() };
    let applied = logs.apply_with(&changes, &disk);
    let failed = (*disk.failed.borrow())?;
    let said = words(&applied);
    let context = format!("{fault:?} at {at}, {failed}: {said:?}");
    assert!(!said.iter().any(|said| said.contains("os error")), "{context}");
    let failures = applied.iter().filter(|it| matches!(it.outcome, Outcome::Failed(_))).count();
    let after = applied.iter().skip_while(|it| !matches!(it.outcome, Outcome::Failed(_))).skip(1);
    // What a file system may not know is done in another way, and what was left stays.
    assert!(failures == 1 || failures == 0 && matches!(fault, Fault::Once(_)), "{context}");
    // Among files that are set aside, a `.cleaned` is the last.
    let mut after = after.filter(|it| it.path.extension().is_none_or(|it| it != "swap"));
    let is_aside = applied.first().is_some_and(|it| matches!(it.outcome, Outcome::Failed(_)));
    let is_not = |it: &Applied| matches!(it.outcome, Outcome::NotAttempted);
    assert!(is_aside || after.all(is_not), "{context}");

    let has_begun = logs.root.path().join("kafka.seg-backup/orders-0.1/manifest").exists();
    if at.is_multiple_of(2) {
        let left = logs.seen();
        broker::start_in(&logs.directory());
        let seen = logs.seen();
        if !first.keys().any(|name| name.ends_with(".swap")) {
            let whole = keeping::whole_or_not(&changes, &seen, &first, &expected);
            assert!(whole.is_ok(), "{context}: {whole:?}, {:?}", left.keys());
        } else {
            // A broker makes its own of what it was told by others.
            return Some(failed);
        }
    }
    if at % 3 == 1 && !first.keys().any(|name| name.ends_with(".swap")) {
        gone_on_with(&logs, choose, has_begun, &first, &context);
    }
    if has_begun || at % 3 == 1 && logs.seen() != first {
        logs.undo().unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    let mut is = logs.exact();
    is.retain(|name, _| !is_temporary(name));
    if is != exact {
        let names = |of: &keeping::Exact| of.keys().cloned().collect::<Vec<_>>();
        panic!("{context}: {has_begun} {:?} {:?}", names(&is), names(&exact));
    }
    Some(failed)
}

/// The next repair goes on in the same backup, which holds the very first originals.
fn gone_on_with(
    logs: &keeping::Logs,
    choose: keeping::Choose,
    has_begun: bool,
    first: &std::collections::BTreeMap<String, Seen>,
    context: &str,
) {
    let mut changes = logs.continued();
    let mut left = logs.seen();
    left.retain(|name, _| !name.ends_with(".cleaned") && !name.ends_with(".swap"));
    left.retain(|name, _| !is_temporary(name));
    let is_finished = changes.iter().any(|change| matches!(change, Change::FinishReplace(_)));
    if left == *first && !is_finished {
        changes.extend(choose(logs));
    }
    let applied = logs.apply_with(&changes, &RealDisk);
    assert!(words(&applied).iter().all(|word| word == "written"), "{context}: {applied:?}");
    let backups = fs::read_dir(logs.root.path().join("kafka.seg-backup")).unwrap().count();
    assert!(backups == 1 || !has_begun, "{context}: {backups}");
}

/// Every so many calls, from others on with each plan.
fn end_repairs(step: usize) -> std::collections::BTreeSet<&'static str> {
    let mut failed = std::collections::BTreeSet::new();
    for (number, choose) in keeping::PLANS.into_iter().enumerate() {
        for fault in [Fault::Once(Errno::IO), Fault::Forever(Errno::NOSPC)] {
            for at in (number % step..).step_by(step) {
                let Some(method) = keeping_fault(choose, fault, at) else { break };
                failed.insert(method);
            }
        }
    }
    failed
}

#[test]
fn a_repair_that_ends_at_some_calls_is_undone_gone_on_with_or_finished_by_a_broker() {
    assert!(end_repairs(19).len() > 3);
}

#[test]
#[ignore = "a minute and more"]
fn a_repair_that_ends_at_any_call_is_undone_gone_on_with_or_finished_by_a_broker() {
    let failed = end_repairs(1);
    for method in ["hard_link", "make_directory", "copy_range", "rename", "unlink", "link"] {
        assert!(failed.contains(method), "{method}");
    }
}

#[test]
fn an_undo_that_ends_at_some_calls_is_gone_on_with() {
    end_undos(11);
}

#[test]
#[ignore = "a minute and more"]
fn an_undo_that_ends_at_any_call_is_gone_on_with() {
    end_undos(1);
}

fn end_undos(step: usize) {
    for (number, choose) in keeping::PLANS.into_iter().enumerate() {
        for at in (number % step..).step_by(step) {
            let logs = keeping::Logs::new();
            let changes = choose(&logs);
            let exact = logs.exact();
            let _ = logs.apply_with(&changes, &RealDisk);
            let fault = Some(Fault::Forever(Errno::IO));
            let disk = FaultyDisk { fault, at, ..FaultyDisk::without_fault() };
            let guard = logs.guard();
            let undone = undo(&logs.directory(), &guard, &disk, None);
            drop(guard);
            let Some(failed) = *disk.failed.borrow() else { break };
            let context = format!("{failed} at {at}: {undone:?}");
            // Leftovers may stay, where nobody minds them.
            if undone.is_err()
                && let Err(error) = logs.undo()
            {
                // Of the last word of all nobody knows whether it is on the disk.
                let is_done = error.to_string().ends_with("there is no backup that is not undone");
                assert!(is_done, "{context}: {error}");
            }
            let is = logs.exact();
            assert!(is == exact, "{context}: {:?} {:?}", is.keys(), exact.keys());
        }
    }
}

/// Damaged originals are never shown to a broker as a replacement: it would delete what they seem
/// to reach over.
#[test]
fn an_undo_that_is_interrupted_costs_no_other_segment() {
    for at in (0..).step_by(3) {
        let logs = keeping::Logs::new();
        let changes = logs.far();
        let exact = logs.exact();
        let _ = logs.apply_with(&changes, &RealDisk);
        let fault = Some(Fault::Forever(Errno::IO));
        let disk = FaultyDisk { fault, at, ..FaultyDisk::without_fault() };
        let undone = undo(&logs.directory(), &logs.guard(), &disk, None);
        broker::start_in(&logs.directory());
        let is = logs.exact();
        let others = exact.iter().filter(|(name, _)| !name.contains("00010."));
        assert!(others.into_iter().all(|(name, file)| is.get(name) == Some(file)), "{at}");
        if undone.is_ok() {
            break;
        }
        let again = logs.undo();
        assert!(logs.exact() == exact, "{at}: {again:?}");
    }
}
