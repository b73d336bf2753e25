//! A whole file put in its place at once: nobody ever sees a part of it, or one that they cannot
//! open.
//!
//! ```text
//!   no name       owner, mode, access list; bytes; age; sync; read back
//!   seg-*.tmp     for as long as a rename takes, when it replaces a file
//!   its name      sync the directory
//! ```
//!
//! Where the file system has no files without a name, it is `seg-*.tmp` from the beginning.

use super::disk::{Disk, is_unsupported};
use super::file_bytes::open_regular;
use super::file_facts::{ACCESS_LIST, Attributes, FileIdentity, forget, holds};
use super::image::{ImagePart, LogImage};
use crate::error::{Error, Result};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the bytes of a new file come from.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// They are in memory: those of a small file.
    Bytes(&'a [u8]),
    /// They stand in other files, and are copied inside the system where that can be.
    Composed(&'a LogImage),
}

/// What a new file is to be.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Its bytes.
    pub content: Content<'a>,
    /// Whose it is to be, and how old.
    pub attributes: &'a Attributes,
}

/// Asked just before a new file gets its name.
pub type Check<'a> = &'a dyn Fn(&FileIdentity) -> Result<()>;

/// Whether there is a file at the place.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// There is none; if there is one all the same, it stays. Asked first, as below.
    Free(Check<'a>),
    /// There is one, which goes, unless an error says that something is not as it should be. It is
    /// asked with the new file, which is whole by then.
    Taken(Check<'a>),
}

/// Puts a file at `target`. When this returns, it is on the disk under that name. On an error
/// the place is as it was, or, if only the last step failed, holds the new file whole.
///
/// # Errors
/// When any step fails: the first that did, with `target` as its path. A name that turned out to be
/// taken is of the kind [`ErrorKind::AlreadyExists`].
pub fn put(disk: &dyn Disk, target: &Path, image: Image<'_>, place: Place<'_>) -> Result<File> {
    let file = put_unsynced(disk, target, image, place)?;
    let directory = directory_of(target);
    let synced = disk.sync_directory(directory);
    synced.map_err(|error| Error::new("syncing the directory of", target, error))?;
    Ok(file)
}

/// The directory that a file is in.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// As [`put`], but that the name is not on the disk yet: for several files whose directory is
/// synced once.
///
/// # Errors
/// As [`put`].
pub fn put_unsynced(
    disk: &dyn Disk,
    target: &Path,
    image: Image<'_>,
    place: Place<'_>,
) -> Result<File> {
    let directory = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(Error::other("replacing", target, "it is no file's path")),
    };
    let new = New { disk, directory, target, image, place };
    let file = match new.without_a_name()? {
        Some(file) => file,
        None => new.with_a_name()?,
    };
    Ok(file)
}

/// How many bytes are copied or compared at a time: they stay in a processor's own memory.
const WINDOW: usize = 256 << 10;

fn shorter(path: &Path) -> io::Error {
    let why = format!("{} has become shorter", path.display());
    io::Error::new(ErrorKind::UnexpectedEof, why)
}

/// How often another name is thought up for one that is taken.
const NAMES: usize = 16;

struct New<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    target: &'a Path,
    image: Image<'a>,
    place: Place<'a>,
}

impl New<'_> {
    fn said<T>(&self, doing: &'static str, result: io::Result<T>) -> Result<T> {
        result.map_err(|error| Error::new(doing, self.target, error))
    }

    /// As [`New::said`]; `None` for what the file system does not know.
    fn supported<T>(&self, doing: &'static str, result: io::Result<T>) -> Result<Option<T>> {
        match result {
            Err(error) if is_unsupported(&error) => Ok(None),
            result => self.said(doing, result).map(Some),
        }
    }

    /// By way of a file without a name; `None`, and nothing changed, where there are none.
    fn without_a_name(&self) -> Result<Option<File>> {
        let created = self.disk.create_unnamed(self.directory);
        let Some(file) = self.supported("creating a file for", created)? else { return Ok(None) };
        self.fill(&file)?;
        self.check(&file)?;
        if let Place::Free(_) = self.place {
            let linked = self.disk.link(&file, self.target);
            return Ok(self.supported("naming", linked)?.map(|()| file));
        }
        let linked = self.at_a_free_name(|name| self.disk.link(&file, name));
        let Some((name, ())) = self.supported("naming", linked)? else { return Ok(None) };
        self.or_unlink(&name, self.move_into_place(&file, &name))?;
        Ok(Some(file))
    }

    /// By way of a file that has another name from the beginning.
    fn with_a_name(&self) -> Result<File> {
        let created = self.at_a_free_name(|name| self.disk.create_named(name));
        let (name, file) = self.said("creating a file for", created)?;
        let moved = self.fill(&file).and_then(|()| self.move_into_place(&file, &name));
        self.or_unlink(&name, moved)?;
        Ok(file)
    }

    fn check(&self, file: &File) -> Result<()> {
        let (Place::Free(check) | Place::Taken(check)) = self.place;
        check(&self.said("looking at", FileIdentity::of_open(file))?)
    }

    fn fill(&self, file: &File) -> Result<()> {
        self.said("giving an owner and a mode to", self.dress(file))?;
        match self.image.content {
            Content::Bytes(bytes) => self.said("writing", self.write(file, bytes, 0))?,
            Content::Composed(image) => self.compose(file, image)?,
        }
        if let Some(time) = self.image.attributes.modified {
            self.said("giving its age to", self.disk.set_modified(file, time))?;
        }
        self.said("syncing", self.disk.sync_file(file))?;
        let holds = match self.image.content {
            Content::Bytes(bytes) => {
                forget(file);
                self.said("reading back", holds(file, bytes))?
            }
            Content::Composed(image) => self.holds(file, image)?,
        };
        if !holds {
            let why = "the disk does not hold what was written to it";
            return Err(Error::other("reading back", self.target, why));
        }
        Ok(())
    }

    /// Compares the file with what it was made from, read once more. The system answers for both
    /// from its memory: to read a segment back from the disk would take as long as to write it.
    /// So this proves that every byte was copied to its place, that the sources still are what
    /// they were, and that the system took the bytes; that they are on the disk is the word of the
    /// sync before.
    fn holds(&self, file: &File, image: &LogImage) -> Result<bool> {
        let (mut expected, mut is) = (vec![0_u8; WINDOW], vec![0_u8; WINDOW]);
        let mut position = 0;
        for part in &image.parts {
            let source = open_regular(&part.file)?;
            let mut at = part.range.start;
            while at < part.range.end {
                let rest = part.range.end - at;
                let wanted = usize::try_from(rest).map_or(WINDOW, |rest| rest.min(WINDOW));
                let expected = expected.get_mut(..wanted).unwrap_or_default();
                let is = is.get_mut(..wanted).unwrap_or_default();
                let read = source.read_exact_at(expected, at);
                read.map_err(|error| Error::new("reading", &part.file, error))?;
                part.patch(at, expected);
                match file.read_exact_at(is, position) {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
                    read => self.said("reading back", read)?,
                }
                if expected != is {
                    return Ok(false);
                }
                at += wanted as u64;
                position += wanted as u64;
            }
        }
        Ok(self.said("reading back", file.metadata())?.len() == position)
    }

    fn compose(&self, file: &File, image: &LogImage) -> Result<()> {
        let mut open: Option<(&Path, File)> = None;
        let mut position = 0;
        for part in &image.parts {
            let source = match open.take() {
                Some((path, source)) if path == part.file => source,
                _ => open_regular(&part.file)?,
            };
            self.copy(&source, part, file, position)?;
            for patch in &part.patches {
                let mut bytes = patch.bytes.as_slice();
                let mut at = patch.position;
                // What is outside of the range is not part of it.
                let before = part.range.start.saturating_sub(at);
                bytes = bytes.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or(&[]);
                at += before;
                let there = part.range.end.saturating_sub(at);
                let there = usize::try_from(there).unwrap_or(usize::MAX);
                bytes = bytes.get(..there).unwrap_or(bytes);
                let to = position + (at - part.range.start);
                self.said("writing", self.write(file, bytes, to))?;
            }
            position += part.len();
            open = Some((&part.file, source));
        }
        Ok(())
    }

    /// Copies a part to `position` of the file: inside the system, or by reading and writing
    /// where it does not do that.
    fn copy(&self, source: &File, part: &ImagePart, file: &File, position: u64) -> Result<()> {
        let length = part.len();
        let mut done = 0;
        while done < length {
            let at = part.range.start + done;
            match self.disk.copy_range(source, at, file, position + done, length - done) {
                Ok(0) => return self.said("writing", Err(shorter(&part.file))),
                Ok(count) => done += count.min(length - done),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_unsupported(&error) => break,
                Err(error) => return self.said("writing", Err(error)),
            }
        }
        let mut window = vec![0_u8; if done < length { WINDOW } else { 0 }];
        while done < length {
            let wanted = usize::try_from(length - done).map_or(WINDOW, |rest| rest.min(WINDOW));
            let buffer = window.get_mut(..wanted).unwrap_or_default();
            let read = match source.read_at(buffer, part.range.start + done) {
                Ok(0) => return self.said("writing", Err(shorter(&part.file))),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::new("reading", &part.file, error)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            self.said("writing", self.write(file, bytes, position + done))?;
            done += read as u64;
        }
        Ok(())
    }

    /// In this order: a change of owner takes bits of the mode away, an access list shows in them.
    fn dress(&self, file: &File) -> io::Result<()> {
        let wanted = self.image.attributes;
        let is = Attributes::of_open(file)?;
        if (is.user, is.group) != (wanted.user, wanted.group) {
            self.disk.set_owner(file, wanted.user, wanted.group)?;
        }
        for attribute in &wanted.extended {
            if !is.extended.contains(attribute) {
                self.disk.set_attribute(file, &attribute.0, &attribute.1)?;
            }
        }
        let has_list = |of: &Attributes| of.extended.iter().any(|(name, _)| **name == *ACCESS_LIST);
        if has_list(&is) && !has_list(wanted) {
            self.disk.remove_attribute(file, ACCESS_LIST)?;
        }
        self.disk.set_mode(file, wanted.mode)?;
        let mut became = Attributes::of_open(file)?;
        // What the system gives to every file of its own accord is no hindrance.
        became.extended.retain(|attribute| wanted.extended.contains(attribute));
        if became.is_as_open_as(wanted) {
            return Ok(());
        }
        Err(io::Error::other("the file system does not keep them"))
    }

    fn write(&self, file: &File, bytes: &[u8], mut position: u64) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.disk.write_at(file, rest, position) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    position += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn move_into_place(&self, file: &File, name: &Path) -> Result<()> {
        self.check(file)?;
        if let Place::Taken(_) = self.place {
            return self.said("replacing", self.disk.rename(name, self.target));
        }
        let renamed = self.disk.rename_new(name, self.target);
        if self.supported("naming", renamed)?.is_some() {
            return Ok(());
        }
        if self.target.symlink_metadata().is_ok() {
            return self.said("naming", Err(ErrorKind::AlreadyExists.into()));
        }
        self.said("naming", self.disk.rename(name, self.target))
    }

    /// The first of some random names that `make` does not find taken.
    fn at_a_free_name<T>(&self, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
        let mut refused = io::Error::from(ErrorKind::AlreadyExists);
        for _ in 0..NAMES {
            let name = self.directory.join(random_name());
            match make(&name) {
                Ok(made) => return Ok((name, made)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    /// Takes the name away again if what it was for has failed.
    fn or_unlink(&self, name: &Path, result: Result<()>) -> Result<()> {
        result.map_err(|mut error| {
            if let Err(unlink) = self.disk.unlink(name) {
                let left = Error::new("removing", name, unlink);
                let why = format!("{}; {left}", error.reason());
                error.source = io::Error::new(error.source.kind(), why);
            }
            error
        })
    }
}

const PREFIX: &str = "seg-";
const SUFFIX: &str = ".tmp";
const DIGITS: usize = 16;

/// A broker passes over such a name. One that begins with a digit it may take for a segment's.
#[must_use]
pub fn random_name() -> String {
    // Keys that the standard library draws at random.
    let number = RandomState::new().build_hasher().finish();
    format!("{PREFIX}{number:0DIGITS$x}{SUFFIX}")
}

/// True for the names that files have here until they have their own.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// Removes what a run that was killed left in `directory`. To be called only while nobody else can
/// be at work there. What cannot be removed stays: it is in nobody's way.
pub fn remove_leftovers(disk: &dyn Disk, directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(is_temporary) {
            drop(disk.unlink(&entry.path()));
        }
    }
}
