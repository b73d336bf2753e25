//! What stands behind a name that is no regular file of Kafka's.

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
    /// It is not there any more, or its directory does not let one ask.
    Gone,
}

impl EntryKind {
    /// What is at `path`. Nothing is opened.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let Ok(metadata) = path.symlink_metadata() else { return Self::Gone };
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
        let table = [
            ("file", EntryKind::File),
            ("directory", EntryKind::Directory),
            ("to-file", EntryKind::LinkToFile),
            ("to-directory", EntryKind::LinkToDirectory),
            ("to-nothing", EntryKind::DanglingLink),
            ("to-null", EntryKind::Other),
            ("nothing", EntryKind::Gone),
        ];
        for (name, kind) in table {
            assert_eq!(EntryKind::of(&path(name)), kind, "{name}");
        }
    }
}
