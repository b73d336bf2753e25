//! A file that grows line by line, each of them on the disk before anything is done that it speaks
//! of.

use super::disk::Disk;
use super::file_facts::{Attributes, FileIdentity};
use super::new_file::{Content, Image, Place, put};
use crate::error::{Error, Result};
use std::cell::Cell;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file, open. After an error nobody knows how much of a line is on the disk: what is written
/// then has to begin with [`Appender::reopen`].
pub struct Appender<'a> {
    disk: &'a dyn Disk,
    path: PathBuf,
    file: File,
    end: Cell<u64>,
}

impl<'a> Appender<'a> {
    /// A new one, whole from the first instant.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(
        disk: &'a dyn Disk,
        path: &Path,
        attributes: &Attributes,
        lines: &[u8],
    ) -> Result<Self> {
        let image = Image { content: Content::Bytes(lines), attributes };
        let file = put(disk, path, image, Place::Free(&|_| Ok(())))?;
        Ok(Self { disk, path: path.to_owned(), file, end: Cell::new(lines.len() as u64) })
    }

    /// One that is there. What follows begins on a line of its own, whatever is behind the last.
    ///
    /// # Errors
    /// When it cannot be opened or written.
    pub fn reopen(disk: &'a dyn Disk, path: &Path) -> Result<Self> {
        let fail = |error| Error::new("opening", path, error);
        let file = disk.open_to_append(path).map_err(fail)?;
        let end = Cell::new(FileIdentity::of_open(&file).map_err(fail)?.size);
        let appender = Self { disk, path: path.to_owned(), file, end };
        appender.append(b"\n")?;
        Ok(appender)
    }

    /// Adds bytes. They are on the disk when this returns.
    ///
    /// # Errors
    /// When they are not, or may not be.
    pub fn append(&self, bytes: &[u8]) -> Result<()> {
        let fail = |error| Error::new("writing", &self.path, error);
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.disk.write_at(&self.file, rest, self.end.get()) {
                Ok(0) => return Err(fail(ErrorKind::WriteZero.into())),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.end.set(self.end.get() + count as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fail(error)),
            }
        }
        let synced = self.disk.sync_file(&self.file);
        synced.map_err(|error| Error::new("syncing", &self.path, error))
    }
}
