//! Every call that changes a disk, one method each. No other file makes such a call, so a test can
//! fail, cut short or drop any of them.

use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// What changes a disk. [`super::new_file`] is made of it.
pub trait Disk {
    /// A new, empty file in `directory`, which nobody sees until it is linked to a name. The
    /// system removes it when it is closed without one.
    ///
    /// # Errors
    /// When it cannot be created; see [`is_unsupported`] for file systems that have no such files.
    fn create_unnamed(&self, directory: &Path) -> io::Result<File>;

    /// A new, empty file with a name, which everybody may read.
    ///
    /// # Errors
    /// When it cannot be created, or the name is taken.
    fn create_named(&self, path: &Path) -> io::Result<File>;

    /// Writes some of `bytes` at `position`, and says how many.
    ///
    /// # Errors
    /// When none could be written.
    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize>;

    /// Sets user and group.
    ///
    /// # Errors
    /// When they cannot be set.
    fn set_owner(&self, file: &File, user: u32, group: u32) -> io::Result<()>;

    /// Sets the twelve bits of the mode.
    ///
    /// # Errors
    /// When they cannot be set.
    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()>;

    /// Sets one extended attribute.
    ///
    /// # Errors
    /// When it cannot be set.
    fn set_attribute(&self, file: &File, name: &CStr, value: &[u8]) -> io::Result<()>;

    /// Removes one extended attribute.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove_attribute(&self, file: &File, name: &CStr) -> io::Result<()>;

    /// Sets the time of the last modification, and no other time.
    ///
    /// # Errors
    /// When it cannot be set.
    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()>;

    /// Returns when the file's bytes and attributes are on the disk. After an error nobody knows
    /// what is; asking once more would say that all is well.
    ///
    /// # Errors
    /// When they are not, or may not be.
    fn sync_file(&self, file: &File) -> io::Result<()>;

    /// Gives a file without a name one that is free.
    ///
    /// # Errors
    /// When it cannot be given, or is taken.
    fn link(&self, file: &File, path: &Path) -> io::Result<()>;

    /// Gives a file that has a name another one, that is free, on the same file system. Both are
    /// the file's from then on.
    ///
    /// # Errors
    /// When it cannot be given, or is taken; see [`is_unsupported`].
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes a directory, which only its owner may enter.
    ///
    /// # Errors
    /// When it cannot be made, or the name is taken.
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// Opens a file that is there, to write behind its end.
    ///
    /// # Errors
    /// When it cannot be opened, or is a symbolic link.
    fn open_to_append(&self, path: &Path) -> io::Result<File>;

    /// Copies some of `length` bytes at `at` of a file to `position` of another, inside the
    /// system, which may let both have the same blocks; says how many, none at the end of `from`.
    ///
    /// # Errors
    /// When none could be copied; see [`is_unsupported`].
    fn copy_range(
        &self,
        from: &File,
        at: u64,
        to: &File,
        position: u64,
        length: u64,
    ) -> io::Result<u64>;

    /// Makes room for the first `length` bytes of a file, which reads as zeros.
    ///
    /// # Errors
    /// When there is no room; see [`is_unsupported`].
    fn allocate(&self, file: &File, length: u64) -> io::Result<()>;

    /// Cuts a file off behind `length` bytes.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()>;

    /// Renames within a file system; what had the new name is gone. From one directory to another
    /// both have to be synced.
    ///
    /// # Errors
    /// When it cannot be renamed. Nothing has changed then.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames within a directory to a name that is free.
    ///
    /// # Errors
    /// When it cannot be renamed, or the name is taken; see [`is_unsupported`].
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// When it cannot be taken away.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with nothing in it.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in a directory are on the disk.
    ///
    /// # Errors
    /// When they are not, or may not be.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// The most bytes that are copied by one call, so that a signal need not wait.
const COPY_AT_ONCE: usize = 64 << 20;

/// The disk itself.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

/// A process has one mask for the modes of new files. While a file is created with a name it is
/// empty, by one thread at a time.
static MASK: Mutex<()> = Mutex::new(());

impl Disk for RealDisk {
    fn create_unnamed(&self, directory: &Path) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?))
    }

    fn create_named(&self, path: &Path) -> io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        // A broker does not start on a directory with a file that it cannot read, be it empty and
        // of a foreign name: such a file must not be there for an instant, whatever the mask says.
        let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let _one_at_a_time = MASK.lock().unwrap_or_else(PoisonError::into_inner);
        let mask = rustix::process::umask(Mode::empty());
        let opened = rustix::fs::open(path, flags, readable);
        rustix::process::umask(mask);
        Ok(File::from(opened?))
    }

    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        file.write_at(bytes, position)
    }

    fn set_owner(&self, file: &File, user: u32, group: u32) -> io::Result<()> {
        std::os::unix::fs::fchown(file, Some(user), Some(group))
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
    }

    fn set_attribute(&self, file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
    }

    fn remove_attribute(&self, file: &File, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::fremovexattr(file, name)?)
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_modified(time))
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        match rustix::fs::linkat(CWD, &open, CWD, path, AtFlags::SYMLINK_FOLLOW) {
            // Without /proc there is another way, which wants privileges on older systems.
            Err(Errno::NOENT) => {
                Ok(rustix::fs::linkat(file.as_fd(), c"", CWD, path, AtFlags::EMPTY_PATH)?)
            }
            done => Ok(done?),
        }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::mkdir(path, Mode::RWXU)?)
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn copy_range(
        &self,
        from: &File,
        mut at: u64,
        to: &File,
        mut position: u64,
        length: u64,
    ) -> io::Result<u64> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let copied = rustix::fs::copy_file_range(
            from,
            Some(&mut at),
            to,
            Some(&mut position),
            length.min(COPY_AT_ONCE),
        )?;
        Ok(copied as u64)
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length)?)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(file, length)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlink(path)?)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::rmdir(path)?)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        match rustix::fs::fsync(&directory) {
            // The file system has nothing to sync for directories: it cannot do better.
            Err(Errno::INVAL) => Ok(()),
            done => Ok(done?),
        }
    }
}

/// True for what a file system answers that has no files without a name, no links, or no renaming
/// to free names only.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    let answers = [
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::INVAL,
        // What systems from before such files take the question for.
        Errno::ISDIR,
        Errno::NOENT,
        // No hard links, or none across the layers of a container.
        Errno::PERM,
        Errno::XDEV,
        // No more of them of one file.
        Errno::MLINK,
    ];
    Errno::from_io_error(error).is_some_and(|error| answers.contains(&error))
}
