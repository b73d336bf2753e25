//! Kafka's lock on a log dir, taken: proof that no broker is at work in it, and that none starts
//! while the proof is held.
//!
//! The lock belongs to the process, not to a descriptor, and goes when *any* descriptor of
//! `.lock` is closed. So [`super::file_bytes::open_regular`], by which everything in here opens
//! files, refuses one that is held by this process, and [`super::log_dir::liveness`] answers for
//! it without opening it.

use super::disk::Disk;
use super::file_facts::{Attributes, place_of};
use super::log_dir::{Liveness, holder_of, is_log_dir, liveness, log_dir_of};
use super::new_file::{Content, Image, Place, put};
use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The files, by device and inode, on which this process holds a lock: what the system keeps for a
/// process can be known only for the whole process.
static HELD: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<(u64, u64)>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True when this process holds a lock on the file at `path`, which must then not be opened.
#[must_use]
pub fn is_held_here(path: &Path) -> bool {
    let held = held();
    !held.is_empty() && place_of(path).is_ok_and(|place| held.contains(&place))
}

/// The right to change the partitions of one log dir, or one partition that is in none, for as long
/// as it lives.
#[derive(Debug)]
#[must_use]
pub struct Guard {
    /// The log dir, or the partition.
    directory: PathBuf,
    /// Which directory that is, whatever it is called.
    place: (u64, u64),
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The lock is held as long as this is in the list and no descriptor is closed.
    LogDir { lock: Option<File>, lock_place: (u64, u64) },
    /// Keeps another run of this program out; `None` where the file system has no such locks.
    Alone { directory: Option<File> },
}

impl Guard {
    /// Takes Kafka's lock on the log dir at `path`. A lock file that is missing is created for the
    /// log dir's owner, and stays.
    ///
    /// # Errors
    /// When the directory is no log dir by its content, when the lock is held
    /// ([`ErrorKind::WouldBlock`]), by this process too, and when it cannot be taken.
    pub fn of_log_dir(path: &Path, disk: &dyn Disk) -> Result<Self> {
        let fail = |error| Error::new("locking", path, error);
        if !is_log_dir(path)? {
            return Err(Error::other("locking", path, "it is no log dir"));
        }
        let place = place_of(path).map_err(fail)?;
        let (lock, lock_place) = take(&path.join(".lock"), path, disk)?;
        let kind = Kind::LogDir { lock: Some(lock), lock_place };
        Ok(Self { directory: path.to_owned(), place, kind })
    }

    /// For the partition directory at `path`, which is in no log dir: there is nothing to lock
    /// against a broker, and no file is created. Another run of this program is kept out.
    ///
    /// # Errors
    /// When it is in a log dir, whose lock is needed then; when somebody holds a `.lock` beside
    /// it all the same, or another run has it ([`ErrorKind::WouldBlock`]).
    pub fn of_partition_alone(path: &Path) -> Result<Self> {
        let fail = |error| Error::new("locking", path, error);
        if let Some(log_dir) = log_dir_of(path) {
            let why = format!("it is in the log dir {}, whose lock it takes", log_dir.display());
            return Err(Error::other("locking", path, why));
        }
        let directory = path.canonicalize().map_err(fail)?;
        if let Some(parent) = directory.parent() {
            let lock = parent.join(".lock");
            match liveness(parent) {
                Liveness::Live { pid } => return Err(is_held("locking", &lock, pid)),
                Liveness::Offline | Liveness::Unknown(_) => {}
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let opened = File::from(opened.map_err(|error| fail(error.into()))?);
        let metadata = opened.metadata().map_err(fail)?;
        let place = (metadata.dev(), metadata.ino());
        let directory = match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(opened),
            Err(Errno::WOULDBLOCK) => {
                let why = "another run of seg is changing this partition";
                return Err(fail(io::Error::new(ErrorKind::WouldBlock, why)));
            }
            Err(_) => None,
        };
        Ok(Self { directory: path.to_owned(), place, kind: Kind::Alone { directory } })
    }

    /// The log dir, or the partition that is in none.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// True when it is Kafka's lock that is held. If not, only a lease can tell whether anyone
    /// writes.
    #[must_use]
    pub fn is_of_log_dir(&self) -> bool {
        matches!(self.kind, Kind::LogDir { .. })
    }

    /// True when no other run of this program can be at work at the same place.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        !matches!(self.kind, Kind::Alone { directory: None })
    }

    /// True when this is the right to change the files of the directory at `path`: a partition, or
    /// the log dir itself.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let is_here = |path: &Path| place_of(path).is_ok_and(|place| place == self.place);
        match &self.kind {
            Kind::Alone { .. } => is_here(path),
            // By name or in fact: a partition may be a symbolic link in its log dir.
            Kind::LogDir { .. } => {
                is_here(path)
                    || path.parent().is_some_and(is_here)
                    || path.canonicalize().is_ok_and(|path| path.parent().is_some_and(is_here))
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Kind::LogDir { lock, lock_place } = &mut self.kind {
            drop(lock.take());
            held().retain(|place| place != lock_place);
        }
    }
}

/// How often the lock file may be swapped for another while it is being locked.
const ATTEMPTS: usize = 8;

fn take(path: &Path, log_dir: &Path, disk: &dyn Disk) -> Result<(File, (u64, u64))> {
    let fail = |error: io::Error| Error::new("locking", path, error);
    for _ in 0..ATTEMPTS {
        // Held through the whole attempt: nobody in this process opens the file meanwhile.
        let mut held = held();
        if place_of(path).is_ok_and(|place| held.contains(&place)) {
            return Err(is_held("locking", path, Some(std::process::id().cast_signed())));
        }
        let Some(file) = open_or_create(path, log_dir, disk)? else { continue };
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                let pid = match holder_of(&file, path) {
                    Liveness::Live { pid } => pid,
                    Liveness::Offline | Liveness::Unknown(_) => None,
                };
                return Err(is_held("locking", path, pid));
            }
            Err(error) => return Err(fail(error.into())),
        }
        let metadata = file.metadata().map_err(fail)?;
        let place = (metadata.dev(), metadata.ino());
        // Somebody may have put another file there since it was opened; then a broker would lock
        // that one.
        let is_still_there = std::fs::symlink_metadata(path)
            .is_ok_and(|there| there.is_file() && (there.dev(), there.ino()) == place);
        if is_still_there {
            held.push(place);
            return Ok((file, place));
        }
    }
    Err(Error::other("locking", path, "it is being replaced all the time"))
}

/// `None` when one was created by somebody else between the two steps.
fn open_or_create(path: &Path, log_dir: &Path, disk: &dyn Disk) -> Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => {
            let file = File::from(opened);
            let metadata = file.metadata().map_err(|error| Error::new("locking", path, error))?;
            if metadata.is_file() {
                return Ok(Some(file));
            }
            return Err(Error::other("locking", path, "it is no regular file"));
        }
        Err(Errno::NOENT) => {}
        Err(Errno::LOOP) => {
            return Err(Error::other("locking", path, "a symbolic link, which is not followed"));
        }
        Err(error) => return Err(Error::new("locking", path, error.into())),
    }
    // A broker that could not open it for writing would not start: it is its owner's from the
    // first instant.
    let owner = Attributes::of_owner_of(log_dir);
    let attributes = owner.map_err(|error| Error::new("locking", path, error))?;
    let image = Image { content: Content::Bytes(b""), attributes: &attributes };
    match put(disk, path, image, Place::Free(&|_| Ok(()))) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_held(doing: &'static str, path: &Path, pid: Option<i32>) -> Error {
    const END: &str = "holds it: a broker, or another seg; stop it, or wait until it has ended";
    let why = match pid {
        Some(pid) if pid == std::process::id().cast_signed() => "this process holds it".to_owned(),
        Some(pid) => format!("process {pid} {END}"),
        None => format!("another process {END}"),
    };
    Error::new(doing, path, io::Error::new(ErrorKind::WouldBlock, why))
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::file_bytes::open_regular;
    use super::*;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command, Stdio};

    const CHILD: &str = "SEGKIT_TEST_LOCK_CHILD";
    const PATH: &str = "SEGKIT_TEST_LOCK_PATH";

    /// Not a test of its own: the others start it in a child, which does what it is told to, says
    /// so, and ends when its input does.
    #[test]
    fn do_as_told_in_a_child() {
        let Ok(what) = std::env::var(CHILD) else { return };
        let path = PathBuf::from(std::env::var_os(PATH).unwrap());
        let (mut guard, mut file) = (None, None);
        match what.as_str() {
            // As a broker does.
            "broker" => {
                let lock = File::options().write(true).open(path.join(".lock")).unwrap();
                let operation = FlockOperation::NonBlockingLockExclusive;
                println!("broker: {}", rustix::fs::fcntl_lock(&lock, operation).is_ok());
                file = Some(lock);
            }
            "partition" => {
                guard = Some(Guard::of_partition_alone(&path));
                println!("partition: {}", guard.as_ref().unwrap().is_ok());
            }
            "mask" => {
                rustix::process::umask(Mode::from_raw_mode(0o777));
                RealDisk.create_named(&path.join("named")).unwrap();
                guard = Some(Guard::of_log_dir(&path, &RealDisk));
                println!("mask: {}", guard.as_ref().unwrap().is_ok());
            }
            other => panic!("{other}"),
        }
        std::io::stdin().read_line(&mut String::new()).unwrap();
        drop((guard, file));
    }

    /// The child, and whether it could do it.
    fn child(what: &str, path: &Path) -> (Child, bool) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["do_as_told_in_a_child", "--nocapture", "--test-threads=1"])
            .env(CHILD, what)
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(&format!("{what}: ")) {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0);
        }
        // It has more to say, and fails when nobody listens.
        child.stdout = Some(output.into_inner());
        (child, line.trim_end().ends_with("true"))
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }

    fn can_a_broker_start(log_dir: &Path) -> bool {
        let (child, can) = child("broker", log_dir);
        end(child);
        can
    }

    fn log_dir() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("meta.properties"), "version=1\n").unwrap();
        root
    }

    #[test]
    fn a_broker_keeps_us_out_and_we_keep_a_broker_out() {
        let root = log_dir();
        let path = root.path();
        fs::write(path.join(".lock"), "").unwrap();
        let (broker, can) = child("broker", path);
        assert!(can);
        let error = Guard::of_log_dir(path, &RealDisk).unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::WouldBlock);
        let who = format!("process {} holds it", broker.id());
        assert!(error.to_string().contains(&who), "{error}");
        end(broker);

        let guard = Guard::of_log_dir(path, &RealDisk).unwrap();
        assert!(guard.is_of_log_dir() && guard.is_exclusive());
        assert!(!can_a_broker_start(path));
        drop(guard);
        assert!(can_a_broker_start(path));
    }

    #[test]
    fn nothing_in_this_process_gives_the_lock_up_by_accident() {
        let root = log_dir();
        let path = root.path();
        let guard = Guard::of_log_dir(path, &RealDisk).unwrap();
        let me = Some(std::process::id().cast_signed());
        assert_eq!(liveness(path), Liveness::Live { pid: me });
        let error = open_regular(&path.join(".lock")).unwrap_err();
        assert!(error.to_string().ends_with("this process holds its lock"), "{error}");
        let other_name = path.join("other");
        fs::hard_link(path.join(".lock"), &other_name).unwrap();
        assert!(open_regular(&other_name).is_err());
        let error = Guard::of_log_dir(path, &RealDisk).unwrap_err();
        assert!(error.to_string().contains("this process holds it"), "{error}");
        assert!(!can_a_broker_start(path));
        drop(guard);
        assert_eq!(liveness(path), Liveness::Offline);
        assert!(open_regular(&other_name).is_ok());
    }

    #[test]
    fn a_missing_lock_file_is_created_for_the_owner_and_stays() {
        let root = log_dir();
        let path = root.path();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(1234), Some(4321)).unwrap();
        }
        let owner = fs::metadata(path).unwrap();
        drop(Guard::of_log_dir(path, &RealDisk).unwrap());
        let lock = fs::metadata(path.join(".lock")).unwrap();
        assert_eq!((lock.uid(), lock.gid(), lock.len()), (owner.uid(), owner.gid(), 0));
        assert_eq!(lock.mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(path).unwrap().count(), 2);
        // One that is there is taken as it is.
        fs::set_permissions(path.join(".lock"), fs::Permissions::from_mode(0o600)).unwrap();
        drop(Guard::of_log_dir(path, &RealDisk).unwrap());
        let again = fs::metadata(path.join(".lock")).unwrap();
        assert_eq!((again.ino(), again.mode() & 0o7777), (lock.ino(), 0o600));
    }

    #[test]
    fn a_mask_makes_no_file_that_a_broker_cannot_open() {
        let root = log_dir();
        let (child, can) = child("mask", root.path());
        assert!(can);
        end(child);
        for name in ["named", ".lock"] {
            let mode = fs::metadata(root.path().join(name)).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o644, "{name}");
        }
    }

    #[test]
    fn only_log_dirs_get_a_lock_file() {
        let root = tempfile::tempdir().unwrap();
        let partition = root.path().join("orders-0");
        fs::create_dir(&partition).unwrap();
        fs::write(partition.join("00000000000000000000.log"), "").unwrap();
        let error = Guard::of_log_dir(&partition, &RealDisk).unwrap_err();
        assert!(error.to_string().ends_with("it is no log dir"), "{error}");
        let guard = Guard::of_partition_alone(&partition).unwrap();
        assert!(!guard.is_of_log_dir() && guard.covers(&partition) && !guard.covers(root.path()));
        assert!(!child_can("partition", &partition));
        drop(guard);
        assert!(child_can("partition", &partition));
        assert!(!root.path().join(".lock").exists() && !partition.join(".lock").exists());

        // A lock that somebody holds beside it is heeded, wherever that is.
        fs::write(root.path().join(".lock"), "").unwrap();
        let (broker, _) = child("broker", root.path());
        let error = Guard::of_partition_alone(&partition).unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::WouldBlock);
        end(broker);

        fs::write(root.path().join("meta.properties"), "").unwrap();
        let error = Guard::of_partition_alone(&partition).unwrap_err();
        assert!(error.to_string().contains("it is in the log dir"), "{error}");
        let guard = Guard::of_log_dir(root.path(), &RealDisk).unwrap();
        assert!(guard.covers(&partition) && guard.covers(root.path()));
        std::os::unix::fs::symlink(&partition, root.path().join("link-0")).unwrap();
        assert!(guard.covers(&root.path().join("link-0")));
    }

    fn child_can(what: &str, path: &Path) -> bool {
        let (child, can) = child(what, path);
        end(child);
        can
    }

    #[test]
    fn a_lock_file_that_is_none_is_refused() {
        let root = log_dir();
        let lock = root.path().join(".lock");
        std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
        assert!(Guard::of_log_dir(root.path(), &RealDisk).is_err());
        assert!(!root.path().join("elsewhere").exists());
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert!(Guard::of_log_dir(root.path(), &RealDisk).is_err());
    }
}
