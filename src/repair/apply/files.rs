//! Changes whose originals are kept, one at a time.

use super::Outcome;
use super::facts::Facts;
use super::segments::{self, Coming, Swap};
use crate::error::{Error, Result};
use crate::log::EntryKind;
use crate::log::disk::Disk;
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{Attributes, FileIdentity, holds};
use crate::log::new_file::{Content, Image, Place, put, put_unsynced};
use crate::repair::backup::{Backup, Stamp, Step, name_of};
use crate::repair::change::{Change, FinishReplace, ReplaceSegments, SetAside, WriteFile};
use std::path::{Path, PathBuf};

/// What changes are made with.
pub(super) struct Work<'a> {
    pub directory: &'a Path,
    pub disk: &'a dyn Disk,
    pub backup: Backup<'a>,
    pub facts: Facts,
}

impl Work<'_> {
    pub(super) fn make(&mut self, change: &Change) -> Result<Outcome> {
        match change {
            Change::WriteFile(write) => return self.write(write),
            Change::ReplaceSegments(replace) => self.replace(replace)?,
            Change::FinishReplace(finish) => self.finish(finish)?,
            Change::SetAside(aside) => self.set_aside(aside)?,
        }
        Ok(Outcome::Written)
    }

    fn write(&mut self, write: &WriteFile) -> Result<Outcome> {
        let WriteFile { path, after, like, made_from, .. } = write;
        self.facts.check(path)?;
        let is_there = EntryKind::of(path) == EntryKind::File;
        if is_there {
            let file = open_regular(path)?;
            if holds(&file, after).map_err(|error| Error::new("reading", path, error))? {
                return Ok(Outcome::Equal);
            }
        }
        let attributes = self.attributes(if is_there { path } else { like })?;
        let check = |file: &FileIdentity| {
            self.facts.check(path)?;
            made_from.iter().try_for_each(|(path, _)| self.facts.check(path))?;
            self.tell_written(path, file)
        };
        let place = if is_there { Place::Taken(&check) } else { Place::Free(&check) };
        let image = Image { content: Content::Bytes(after), attributes: &attributes };
        put(self.disk, path, image, place)?;
        self.facts.changed(path)?;
        Ok(Outcome::Written)
    }

    /// Tells the manifest which file is about to get a name: that of `path`, or one on the way.
    fn tell_written(&self, path: &Path, file: &FileIdentity) -> Result<()> {
        let writes = vec![(name_of(path, self.directory)?, Stamp::of(file))];
        self.backup.tell(Step { writes, ..Step::default() })
    }

    /// Those of the file at `path`, or of the one that was there.
    fn attributes(&self, path: &Path) -> Result<Attributes> {
        let kept = self.backup.kept(&name_of(path, self.directory)?);
        let path = if EntryKind::of(path) == EntryKind::File { path } else { &kept };
        let file = open_regular(path)?;
        Attributes::of_open(&file).map_err(|error| Error::new("looking at", path, error))
    }

    fn set_aside(&mut self, aside: &SetAside) -> Result<()> {
        let path = &aside.path;
        self.facts.check(path)?;
        let removes = vec![name_of(path, self.directory)?];
        self.backup.tell(Step { removes, ..Step::default() })?;
        let fail = |error| Error::new("removing", path, error);
        if aside.before.is_some() {
            self.disk.unlink(path).map_err(fail)?;
        } else {
            let kept = self.backup.kept(&name_of(path, self.directory)?);
            self.disk.rename(path, &kept).map_err(fail)?;
            self.backup.sync()?;
        }
        self.sync()?;
        if aside.before.is_some() { self.facts.changed(path) } else { Ok(()) }
    }

    fn sync(&self) -> Result<()> {
        let synced = self.disk.sync_directory(self.directory);
        synced.map_err(|error| Error::new("syncing", self.directory, error))
    }

    fn replace(&mut self, replace: &ReplaceSegments) -> Result<()> {
        let before = || replace.before.iter().flat_map(|segment| &segment.files);
        let finals = segments::finals(replace, self.directory);
        let goes = before().map(|(path, _)| path).filter(|path| !finals.contains(*path));
        let goes = goes.map(|path| name_of(path, self.directory)).collect::<Result<Vec<_>>>()?;
        let comes = finals.iter().map(|path| Coming::of(path)).collect::<Result<Vec<_>>>()?;
        let swap = Swap { disk: self.disk, directory: self.directory, goes, comes };
        let written = self.write_cleaned(replace);
        let told = written.and_then(|writes| {
            before().try_for_each(|(path, _)| self.facts.check(path))?;
            let mut removes = swap.goes.clone();
            removes.extend(self.snapshots(before().map(|(path, _)| path).chain(&finals))?);
            self.backup.tell(Step { writes, removes, is_group: true })
        });
        if let Err(error) = told.and_then(|()| swap.to_swap()) {
            return Err(swap.roll_back_after(error));
        }
        swap.to_final()?;
        let paths: Vec<PathBuf> = before().map(|(path, _)| path.clone()).chain(finals).collect();
        paths.iter().try_for_each(|path| self.facts.changed(path))
    }

    /// What a broker takes away when it finishes this.
    fn snapshots<'p>(&self, all: impl Iterator<Item = &'p PathBuf>) -> Result<Vec<String>> {
        let Some((first, last)) = segments::range(all) else { return Ok(Vec::new()) };
        let paths = segments::snapshots(self.directory, first, last)?;
        paths.iter().map(|path| name_of(path, self.directory)).collect()
    }

    /// Writes all files of the segments that come, under the names that a broker deletes.
    fn write_cleaned(&self, replace: &ReplaceSegments) -> Result<Vec<(String, Stamp)>> {
        let mut writes = Vec::new();
        for after in &replace.after {
            for (kind, content) in segments::contents(replace, after) {
                let path = segments::path_of(self.directory, after.base_offset, kind);
                let is_there = EntryKind::of(&path) == EntryKind::File;
                let attributes = self.attributes(if is_there { &path } else { &after.like })?;
                let check = |file: &FileIdentity| {
                    for (path, _) in replace.before.iter().flat_map(|segment| &segment.files) {
                        self.facts.check(path)?;
                    }
                    self.tell_written(&path, file)
                };
                let image = Image { content, attributes: &attributes };
                let cleaned = segments::with_suffix(&path, segments::CLEANED);
                let file = put_unsynced(self.disk, &cleaned, image, Place::Free(&check))?;
                let identity = FileIdentity::of_open(&file);
                let identity = identity.map_err(|error| Error::new("looking at", &path, error))?;
                writes.push((name_of(&path, self.directory)?, Stamp::of(&identity)));
            }
        }
        self.sync()?;
        Ok(writes)
    }

    fn finish(&mut self, finish: &FinishReplace) -> Result<()> {
        let FinishReplace { renames, replaced } = finish;
        let mut step = Step { is_group: true, ..Step::default() };
        let mut comes = Vec::new();
        for (from, to, identity) in renames {
            self.facts.check(from)?;
            if segments::with_suffix(to, segments::SWAP) != *from {
                let why = "it is not named after the file that it becomes";
                return Err(Error::other("renaming", from, why));
            }
            comes.push(Coming::of(to)?);
            step.writes.push((name_of(to, self.directory)?, Stamp::of(identity)));
        }
        for (path, _) in replaced {
            self.facts.check(path)?;
            if !renames.iter().any(|(_, to, _)| to == path) {
                step.removes.push(name_of(path, self.directory)?);
            }
        }
        let goes = step.removes.clone();
        step.removes
            .extend(renames.iter().filter_map(|(from, ..)| name_of(from, self.directory).ok()));
        let finals = renames.iter().map(|(_, to, _)| to);
        let all = finals.chain(replaced.iter().map(|(path, _)| path));
        step.removes.extend(self.snapshots(all)?);
        self.backup.tell(step)?;
        Swap { disk: self.disk, directory: self.directory, goes, comes }.to_final()?;
        let renamed = renames.iter().flat_map(|(from, to, _)| [from, to]);
        let paths: Vec<&PathBuf> = renamed.chain(replaced.iter().map(|(path, _)| path)).collect();
        paths.into_iter().try_for_each(|path| self.facts.changed(path))
    }
}
