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
        let applied = apply(&scene.plan(), &scene.guard(), &disk);
        assert_eq!(words(&applied), ["written", "written", "equal"]);
        assert_eq!(scene.files(), expected);
    }
}

/// Runs the plan with a fault at one call; returns the method that failed, if one did.
fn run(mut disk: FaultyDisk, fault: Fault, at: usize) -> Option<&'static str> {
    (disk.fault, disk.at) = (Some(fault), at);
    let scene = Scene::new();
    let (before, expected) = (scene.files(), scene.files_afterwards());
    let applied = apply(&scene.plan(), &scene.guard(), &disk);
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
            Outcome::Equal => panic!("{context}"),
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
        assert_eq!(words(&apply(&scene.plan(), &scene.guard(), &disk))[..2], ["written"; 2]);
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
        let said = words(&apply(&scene.plan(), &scene.guard(), &disk));
        let full = said.iter().filter(|said| said.ends_with("No space left on device"));
        assert_eq!(full.count(), 1, "{said:?}");
        assert_eq!(*disk.failed.borrow(), Some("write_at"));
        assert_eq!(scene.files(), expected);
    }
    let disk = FaultyDisk { write_at_most: 0, ..FaultyDisk::without_fault() };
    let scene = Scene::new();
    let files = scene.files();
    let said = words(&apply(&scene.plan(), &scene.guard(), &disk));
    assert!(said[..2].iter().all(|said| said.starts_with("writing ")), "{said:?}");
    assert_eq!(scene.files(), files);
}

#[test]
fn a_disk_that_holds_other_bytes_is_found_out() {
    for kind in kinds() {
        let scene = Scene::new();
        let files = scene.files();
        let said = words(&apply(&scene.plan(), &scene.guard(), &FaultyDisk { lies: true, ..kind }));
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
        let said = words(&apply(&scene.plan(), &scene.guard(), &disk));
        for said in &said[..2] {
            assert!(said.ends_with("it changed since it was looked at"), "{said}");
        }
        assert_eq!(fs::read(scene.path("index")).unwrap(), b"theirs");
        assert_eq!(fs::read(scene.path("timeindex")).unwrap(), b"theirs");
        assert_eq!(scene.files_of_ours().count(), 0);
    }
}
