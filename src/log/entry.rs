//! What stands behind the names in a directory.

use crate::error::{Error, Result};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// What a directory entry is. Unlike everywhere else here, links are looked through: a broker
/// follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to a regular file.
    LinkToFile,
    /// A symbolic link to a directory.
    LinkToDirectory,
    /// A symbolic link to nothing, or to what cannot be reached.
    DanglingLink,
    /// A pipe, a socket, a device, or a link to one.
    Other,
    /// It is not there any more.
    Gone,
    /// Nobody can tell: its directory does not let one ask, or the disk does not answer.
    Unknown,
}

impl EntryKind {
    /// What is at `path`. Nothing is opened.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                let is_gone =
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
                return if is_gone { Self::Gone } else { Self::Unknown };
            }
        };
        let is_link = metadata.is_symlink();
        let target = if is_link { path.metadata() } else { Ok(metadata) };
        match target {
            Ok(target) if target.is_file() && is_link => Self::LinkToFile,
            Ok(target) if target.is_file() => Self::File,
            Ok(target) if target.is_dir() && is_link => Self::LinkToDirectory,
            Ok(target) if target.is_dir() => Self::Directory,
            Ok(_) => Self::Other,
            Err(error) if error.kind() == ErrorKind::NotFound && !is_link => Self::Gone,
            Err(_) => Self::DanglingLink,
        }
    }
}

/// The names in a directory, in their order.
///
/// # Errors
/// When it cannot be listed.
pub fn names_in(directory: &Path) -> Result<Vec<OsString>> {
    let fail = |error| Error::new("listing", directory, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        names.push(entry.map_err(fail)?.file_name());
    }
    names.sort();
    Ok(names)
}

/// Opens a directory, to ask or set whose it is.
///
/// # Errors
/// When it cannot be opened, or is none.
pub fn open_directory(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    opened.map(File::from).map_err(|error| Error::new("opening", path, error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_looked_through() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), b"").unwrap();
        fs::create_dir(path("directory")).unwrap();
        for target in ["file", "directory", "nothing", "/dev/null"] {
            symlink(target, path(&format!("to-{}", target.trim_start_matches("/dev/")))).unwrap();
        }
        let long = "n".repeat(300);
        let table = [
            ("file", EntryKind::File),
            ("directory", EntryKind::Directory),
            ("to-file", EntryKind::LinkToFile),
            ("to-directory", EntryKind::LinkToDirectory),
            ("to-nothing", EntryKind::DanglingLink),
            ("to-null", EntryKind::Other),
            ("nothing", EntryKind::Gone),
            ("file/nothing", EntryKind::Gone),
            (long.as_str(), EntryKind::Unknown),
        ];
        for (name, kind) in table {
            assert_eq!(EntryKind::of(&path(name)), kind, "{name}");
        }
    }
}
