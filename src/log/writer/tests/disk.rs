//! A disk that fails at a call, has only so much room, or writes down what it is asked to do.

use super::super::super::disk::{Disk, RealDisk};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// A file of the recording. Numbers of the disk are used again, these are not.
pub(super) type Number = usize;

#[derive(Clone, Debug)]
pub(super) enum Call {
    /// One with a name that is there.
    Open {
        file: Number,
        name: String,
    },
    /// One without a name.
    Create {
        file: Number,
    },
    Write {
        file: Number,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: Number,
        length: usize,
    },
    SyncFile {
        file: Number,
    },
    Link {
        file: Number,
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        name: String,
    },
    SyncDirectory,
}

/// What happens at the chosen call, counted over all methods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Once(Errno),
    Forever(Errno),
}

#[derive(Default)]
pub(super) struct TestDisk {
    pub(super) fault: Option<(usize, Fault)>,
    /// The most bytes that one write takes.
    pub(super) write_at_most: Option<usize>,
    /// How many blocks there are for the files of a directory.
    pub(super) room: Option<(PathBuf, u64)>,
    /// No files without a name, and so no reserve.
    pub(super) has_no_unnamed: bool,
    pub(super) records: bool,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    count: usize,
    failed: Option<&'static str>,
    calls: Vec<Call>,
    numbers: HashMap<u64, Number>,
    next: Number,
}

const BLOCK: u64 = 4096;

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK)
}

/// The blocks of all files in a directory, those included that have no name any more and are open.
fn used(directory: &Path) -> u64 {
    let mut used = 0;
    for entry in fs::read_dir(directory).unwrap() {
        used += entry.unwrap().metadata().map_or(0, |metadata| blocks(metadata.len()));
    }
    let prefix = directory.canonicalize().unwrap();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let Ok(target) = fs::read_link(&path) else { continue };
        if target.starts_with(&prefix) && target.to_string_lossy().ends_with(" (deleted)") {
            used += fs::metadata(&path).map_or(0, |metadata| blocks(metadata.len()));
        }
    }
    used
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl TestDisk {
    pub(super) fn failing(at: usize, fault: Fault) -> Self {
        Self { fault: Some((at, fault)), ..Self::default() }
    }

    /// The method that failed first.
    pub(super) fn failed(&self) -> Option<&'static str> {
        self.state.lock().unwrap().failed
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    fn call(&self, method: &'static str) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let count = state.count;
        state.count += 1;
        let errno = match self.fault {
            Some((at, Fault::Once(errno))) if count == at => errno,
            Some((at, Fault::Forever(errno))) if count >= at => errno,
            _ => return Ok(()),
        };
        state.failed.get_or_insert(method);
        Err(errno.into())
    }

    fn note(&self, call: impl FnOnce() -> Call) {
        if self.records {
            self.state.lock().unwrap().calls.push(call());
        }
    }

    fn new_number(&self, file: &File) -> Number {
        let mut state = self.state.lock().unwrap();
        let number = state.next;
        state.next += 1;
        state.numbers.insert(file.metadata().unwrap().ino(), number);
        number
    }

    fn number(&self, file: &File) -> Number {
        self.state.lock().unwrap().numbers[&file.metadata().unwrap().ino()]
    }

    /// How many bytes a file may have that has `length` now.
    fn most(&self, length: u64) -> u64 {
        let Some((directory, room)) = &self.room else { return u64::MAX };
        let free = room.saturating_sub(used(directory));
        (free + blocks(length)) * BLOCK
    }
}

impl Disk for TestDisk {
    fn create_unnamed(&self, directory: &Path) -> io::Result<File> {
        self.call("create_unnamed")?;
        if self.has_no_unnamed {
            return Err(Errno::OPNOTSUPP.into());
        }
        let file = RealDisk.create_unnamed(directory)?;
        let number = self.new_number(&file);
        self.note(|| Call::Create { file: number });
        Ok(file)
    }

    fn create_named(&self, path: &Path) -> io::Result<File> {
        self.call("create_named")?;
        assert!(!self.records);
        RealDisk.create_named(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.call("write_at")?;
        let mut bytes = &bytes[..bytes.len().min(self.write_at_most.unwrap_or(usize::MAX))];
        if self.room.is_some() {
            let most = self.most(file.metadata()?.len()).saturating_sub(position);
            bytes = &bytes[..bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
            if bytes.is_empty() {
                return Err(Errno::NOSPC.into());
            }
        }
        if self.records {
            let (file, at) = (self.number(file), usize::try_from(position).unwrap());
            self.note(|| Call::Write { file, at, bytes: bytes.to_vec() });
        }
        RealDisk.write_at(file, bytes, position)
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
        RealDisk.set_attribute(file, name, value)
    }

    fn remove_attribute(&self, file: &File, name: &CStr) -> io::Result<()> {
        RealDisk.remove_attribute(file, name)
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        RealDisk.set_modified(file, time)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        // No power goes here, so there is nothing to wait for.
        self.call("sync_file")?;
        if self.records {
            let file = self.number(file);
            self.note(|| Call::SyncFile { file });
        }
        Ok(())
    }

    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        self.call("link")?;
        RealDisk.link(file, path)?;
        let (file, name) = (self.number(file), name_of(path));
        self.note(|| Call::Link { file, name });
        Ok(())
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        panic!("no file gets a second name")
    }

    fn make_directory(&self, _: &Path) -> io::Result<()> {
        panic!("it is there")
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        self.call("open_to_append")?;
        let file = RealDisk.open_to_append(path)?;
        let (file_number, name) = (self.new_number(&file), name_of(path));
        self.note(|| Call::Open { file: file_number, name });
        Ok(file)
    }

    fn copy_range(&self, _: &File, _: u64, _: &File, _: u64, _: u64) -> io::Result<u64> {
        panic!("nothing is copied")
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        self.call("allocate")?;
        if self.room.is_some() && self.most(file.metadata()?.len()) < length {
            return Err(Errno::NOSPC.into());
        }
        RealDisk.allocate(file, length)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.call("truncate")?;
        if self.records {
            let (file, length) = (self.number(file), usize::try_from(length).unwrap());
            self.note(|| Call::Truncate { file, length });
        }
        RealDisk.truncate(file, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename")?;
        RealDisk.rename(from, to)?;
        self.note(|| Call::Rename { from: name_of(from), to: name_of(to) });
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename_new")?;
        assert!(!self.records);
        RealDisk.rename_new(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.call("unlink")?;
        RealDisk.unlink(path)?;
        self.note(|| Call::Unlink { name: name_of(path) });
        Ok(())
    }

    fn remove_directory(&self, _: &Path) -> io::Result<()> {
        panic!("it stays")
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.call("sync_directory")?;
        self.note(|| Call::SyncDirectory);
        Ok(())
    }
}
