//! What a file is, apart from its bytes: which one, whose, and how many bytes it may still take.

use crate::error::{Error, Result};
use rustix::fs::{Access, Advice, AtFlags, CWD, StatVfs};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

/// Which file it is, and that nobody has written it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The device that its file system is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length.
    pub size: u64,
    /// When its bytes were changed last, in seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When anything about it was changed last: the one time that nobody can set.
    pub changed: (i64, i64),
}

impl FileIdentity {
    /// Of the file at `path`; `None` when there is none. To be taken before the file is read.
    ///
    /// # Errors
    /// When it cannot be asked, or is a symbolic link or anything but a regular file.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Self::from_metadata(&metadata))),
            Ok(_) => Err(Error::other("looking at", path, "it is no regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new("looking at", path, error)),
        }
    }

    /// Of an open file.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn of_open(file: &File) -> io::Result<Self> {
        Ok(Self::from_metadata(&file.metadata()?))
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Device and inode of whatever is at `path`, behind symbolic links.
///
/// # Errors
/// When it cannot be asked.
pub fn place_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Whose a file is, who may open it, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The twelve bits of the mode.
    pub mode: u32,
    /// The time of the last modification, which retention goes by; `None` is now.
    pub modified: Option<SystemTime>,
    /// Extended attributes, in the order of their names: access lists, labels.
    pub extended: Vec<(CString, Vec<u8>)>,
}

/// The access list, which a new file may get from its directory without having asked.
pub const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Extended attributes that are sums over a file's bytes, which another file has to get from the
/// system.
const SUMS: [&CStr; 2] = [c"security.ima", c"security.evm"];

impl Attributes {
    /// Of an open file.
    ///
    /// # Errors
    /// When they cannot be asked.
    pub fn of_open(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            user: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            modified: Some(metadata.modified()?),
            extended: extended_attributes(file)?,
        })
    }

    /// Those of a file that everybody may read, in the directory at `path` and of its owner.
    ///
    /// # Errors
    /// When they cannot be asked.
    pub fn of_owner_of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let (user, group) = (metadata.uid(), metadata.gid());
        Ok(Self { user, group, mode: 0o644, modified: None, extended: Vec::new() })
    }

    /// The same, as far as this process may give it to a file: only root gives files away.
    #[must_use]
    pub fn given_by_this_process(mut self) -> Self {
        let user = rustix::process::geteuid();
        if !user.is_root() {
            self.user = user.as_raw();
            self.group = rustix::process::getegid().as_raw();
        }
        self
    }

    /// True when `other` is the same but for its age.
    #[must_use]
    pub fn is_as_open_as(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.user, it.group, it.mode);
        of(self) == of(other) && self.extended == other.extended
    }
}

/// More than the system lets a file have of names, or one of them of bytes.
const EXTENDED_BYTES: usize = 64 << 10;

fn extended_attributes(file: &File) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut names = vec![0_u8; EXTENDED_BYTES];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    let mut value = vec![0_u8; EXTENDED_BYTES];
    for name in names.get(..length).unwrap_or_default().split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if SUMS.contains(&name) {
            continue;
        }
        match rustix::fs::fgetxattr(file, name, &mut value[..]) {
            Ok(length) => {
                found.push((name.to_owned(), value.get(..length).unwrap_or_default().to_vec()));
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.sort();
    Ok(found)
}

/// Gives up what the system remembers of a file that was synced, where that can be: who reads it
/// next is answered by the disk.
pub fn forget(file: &File) {
    // Advice: a system that does not take it answers from memory.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// True when the file holds `bytes` and nothing else.
///
/// # Errors
/// When it cannot be read.
pub fn holds(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let mut window = vec![0_u8; 64 << 10];
    let mut position = 0_u64;
    let mut rest = bytes;
    loop {
        let read = match file.read_at(&mut window, position) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (Some(read_bytes), Some((expected, behind))) =
            (window.get(..read), rest.split_at_checked(read))
        else {
            return Ok(false);
        };
        if read == 0 || read_bytes != expected {
            return Ok(read == 0 && rest.is_empty());
        }
        rest = behind;
        position += read as u64;
    }
}

/// What the file system of a directory has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Which file system.
    pub device: u64,
    /// Bytes that this process may still fill; `None` where the file system does not count.
    pub free: Option<u64>,
    /// What the space of a file is a multiple of.
    pub block: u64,
    /// True when no further file can be created, however short.
    pub is_out_of_files: bool,
}

impl Space {
    /// Of the file system that the directory at `path` is on.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn of(path: &Path) -> Result<Self> {
        let fail = |error| Error::new("looking at", path, error);
        let (device, _) = place_of(path).map_err(fail)?;
        let system = rustix::fs::statvfs(path).map_err(|error| fail(error.into()))?;
        let StatVfs { f_blocks, f_frsize, f_bfree, f_bavail, f_files, f_ffree, f_favail, .. } =
            system;
        let is_root = rustix::process::geteuid().is_root();
        let (blocks, files) = if is_root { (f_bfree, f_ffree) } else { (f_bavail, f_favail) };
        Ok(Self {
            device,
            free: (f_blocks > 0).then(|| blocks.saturating_mul(f_frsize)),
            block: f_frsize.max(1),
            is_out_of_files: f_files > 0 && files == 0,
        })
    }
}

/// How many bytes the file system of a directory can hold, and how many of them are left to users
/// without privileges; `None` where that cannot be found out.
#[must_use]
pub fn capacity(path: &Path) -> Option<(u64, u64)> {
    let StatVfs { f_blocks, f_frsize, f_bavail, .. } = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(f_frsize);
    (f_blocks > 0).then(|| (bytes(f_blocks), bytes(f_bavail)))
}

/// Says whether this process may create and replace files in a directory.
///
/// # Errors
/// When it may not, with the system's reason.
pub fn may_change(directory: &Path) -> Result<()> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(CWD, directory, access, AtFlags::EACCESS) {
        // Where the question is not known, the first attempt answers it.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(Error::new("writing in", directory, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_holds_its_bytes_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let window = 64 << 10;
        for length in [0, 1, window - 1, window, window + 1, 3 * window] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            fs::write(&path, &bytes).unwrap();
            let file = File::open(&path).unwrap();
            assert!(holds(&file, &bytes).unwrap(), "{length}");
            let mut other = bytes.clone();
            other.push(0);
            assert!(!holds(&file, &other).unwrap(), "{length}");
            other.truncate(length);
            if let Some(last) = other.pop() {
                assert!(!holds(&file, &other).unwrap(), "{length}");
                other.push(last ^ 1);
                assert!(!holds(&file, &other).unwrap(), "{length}");
            }
        }
    }

    #[test]
    fn there_is_room_on_this_disk() {
        let directory = tempfile::tempdir().unwrap();
        let space = Space::of(directory.path()).unwrap();
        assert!(space.free.is_none_or(|free| free > 4096) && !space.is_out_of_files, "{space:?}");
        let (total, usable) = capacity(directory.path()).unwrap();
        assert!(total >= usable && usable > 4096);
        assert_eq!(capacity(&directory.path().join("none")), None);
        may_change(directory.path()).unwrap();
        assert!(Space::of(&directory.path().join("none")).is_err());
        assert!(may_change(&directory.path().join("none")).is_err());
    }
}
