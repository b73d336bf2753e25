//! A replacement of segments that was interrupted: finished or taken back.
//!
//! ```text
//!   broker   1  writes .cleaned            nothing of the old files is touched
//!            2  .cleaned -> .swap          from the highest offset down: while a .cleaned is left,
//!                                          no .swap at or above it counts
//!            3  deletes the old ones
//!            4  .swap -> final name
//!   start    1  deletes the .swap at or above the lowest .cleaned, then the .cleaned
//!            2  deletes what has an offset from the lowest .log.swap up to, and without, the
//!               offset behind all of them
//!            3  .swap -> final name
//! ```
//!
//! A broker does so whatever is in the files. Here the new files have to prove themselves first:
//! as long as the old ones are there, they are the better copy of what is damaged or missing.

use super::held_by::{Compared, Log, compare};
use super::{DirectoryPlan, action, identity, text_of};
use crate::check::{Finding, Problem};
use crate::error::Result;
use crate::format::Offset;
use crate::format::offset_index::OffsetIndex;
use crate::format::time_index::TimeIndex;
use crate::log::file_facts::{FileIdentity, may_change};
use crate::log::image::LogImage;
use crate::log::names::Suffix;
use crate::log::partition::{FileEntry, NamedFile};
use crate::log::segment::INDEX_READ_BYTES;
use crate::log::{EntryKind, FileBytes, FileKind, FileName, PartitionDir, SegmentFiles};
use crate::repair::change::{Change, FinishReplace};
use crate::repair::plan::ActionKind;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CODE: &str = "interrupted-replace";

/// Plans what becomes of `.cleaned` and `.swap` files, where they are findings.
pub(super) fn plan(
    dir: &PartitionDir,
    findings: &[Finding],
    plan: &mut DirectoryPlan,
) -> Result<()> {
    let is_ours = |finding: &&Finding| {
        matches!(finding.problem, Problem::InterruptedReplace { .. })
            && finding.file.parent() == Some(dir.path())
    };
    let found: Vec<&Finding> = findings.iter().filter(is_ours).collect();
    if found.is_empty() {
        return Ok(());
    }
    let files = Files::of(dir);
    let decided = may_change(dir.path())
        .and_then(|()| files.rests_on(dir))
        .and_then(|rests_on| Ok((files.decide(dir)?, rests_on)));
    let decision = match decided {
        Ok((decision, rests_on)) => {
            plan.rests_on = rests_on;
            decision
        }
        Err(error) => {
            plan.is_replace_open = true;
            for finding in found {
                plan.leave(finding, format!("it cannot be decided or done: {error}"));
            }
            return Ok(());
        }
    };
    files.take_back_unfinished(dir, plan)?;
    match decision {
        Decision::TakeBack(why) => files.take_back_finished(&why, plan),
        Decision::Finish(finish) => files.finish(dir, &finish, plan),
    }
}

/// The files of an interrupted replacement, in the order of offsets.
struct Files<'d> {
    cleaned: Vec<&'d NamedFile>,
    /// `.swap` at or above the lowest `.cleaned`.
    void: Vec<&'d NamedFile>,
    /// The other `.swap`.
    swaps: Vec<&'d NamedFile>,
}

enum Decision {
    TakeBack(String),
    Finish(Finish),
}

struct Finish {
    /// The offsets of which files go: from the first up to, and without, the second.
    range: (Offset, Offset),
    /// True when only those go whose names are taken.
    keeps_others: bool,
    why: String,
}

fn offset_of(named: &NamedFile) -> Offset {
    named.name.offset.unwrap_or_default()
}

fn is_log(named: &NamedFile) -> bool {
    named.name.kind == FileKind::Log
}

impl<'d> Files<'d> {
    fn of(dir: &'d PartitionDir) -> Self {
        let with = |suffix: Suffix| {
            let of = |file: &&NamedFile| file.name.suffix == Some(suffix);
            let has_offset = |file: &&NamedFile| file.name.offset.is_some();
            let mut files: Vec<_> = dir.leftovers.iter().filter(of).filter(has_offset).collect();
            files.sort_by_key(|file| (offset_of(file), file.name.kind));
            files
        };
        let cleaned = with(Suffix::Cleaned);
        let lowest = cleaned.first().map(|file| offset_of(file));
        let is_void = |file: &&NamedFile| lowest.is_some_and(|lowest| offset_of(file) >= lowest);
        let (void, swaps) = with(Suffix::Swap).into_iter().partition(is_void);
        Self { cleaned, void, swaps }
    }

    /// The `.log.swap` that count.
    fn logs(&self) -> impl Iterator<Item = &'d NamedFile> + '_ {
        self.swaps.iter().copied().filter(|file| is_log(file))
    }

    /// What is going to be looked at, as it was before.
    fn rests_on(&self, dir: &PartitionDir) -> Result<Vec<(PathBuf, FileIdentity)>> {
        let own = self.cleaned.iter().chain(&self.void).chain(&self.swaps);
        let first = own.clone().map(|file| offset_of(file)).min().unwrap_or_default();
        let old = segments_from(dir, first).iter().map(|files| &files.log.path);
        let paths = own.map(|file| &file.file.path).chain(old);
        paths.map(|path| Ok((path.clone(), identity(path)?))).collect()
    }

    fn decide(&self, dir: &PartitionDir) -> Result<Decision> {
        let Some(first) = self.logs().next().map(offset_of) else {
            let why = "the .log has its name already".to_owned();
            let finish = Finish { range: (Offset(0), Offset(0)), keeps_others: true, why };
            return Ok(Decision::Finish(finish));
        };
        let new = opened(self.logs())?;
        let compared = compare(&new, &opened_from(dir, first)?)?;
        let next = compared.next.unwrap_or(first);
        let doubt = match compared.damage {
            Some((file, position)) => {
                let name = self.logs().nth(file).map(|log| text_of(&log.file.path));
                let name = name.unwrap_or_default();
                Some(format!("{name} is damaged from byte {position} on"))
            }
            None if self.is_shorter_than_its_indexes(next)? => {
                Some("its index names batches that are not in it".to_owned())
            }
            None if compared.lost > 0 => Some("it ends before what it replaces".to_owned()),
            None => None,
        };
        Ok(decision(&compared, (first, next), doubt))
    }

    /// True when an entry of an index is about what no `.log.swap` has.
    fn is_shorter_than_its_indexes(&self, next: Offset) -> Result<bool> {
        for named in &self.swaps {
            let (path, base) = (&named.file.path, offset_of(named));
            let log = self.logs().find(|log| offset_of(log) == base);
            let Some(log) = log.map(|log| log.file.size) else { continue };
            let is_beyond = match named.name.kind {
                FileKind::OffsetIndex => {
                    let bytes = FileBytes::open_owned(path, INDEX_READ_BYTES)?;
                    let last = OffsetIndex::new(bytes.whole().unwrap_or_default(), base).last();
                    last.is_some_and(|last| {
                        last.offset >= next || last.log_position().is_none_or(|at| at.0 >= log)
                    })
                }
                FileKind::TimeIndex => {
                    let bytes = FileBytes::open_owned(path, INDEX_READ_BYTES)?;
                    let last = TimeIndex::new(bytes.whole().unwrap_or_default(), base).last();
                    // Without a timestamp the entry is the base offset's.
                    last.is_some_and(|last| last.offset >= next && last.offset > base)
                }
                _ => false,
            };
            if is_beyond {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sets aside what a broker would delete at once. The `.cleaned` last: as long as one is there,
    /// a broker does not take the `.swap`.
    fn take_back_unfinished(&self, dir: &PartitionDir, plan: &mut DirectoryPlan) -> Result<()> {
        for file in self.void.iter().chain(&self.cleaned) {
            let mut why = "it was never finished, and a broker that starts deletes it".to_owned();
            let only_here = if is_log(file) { only_in(file, dir) } else { 0 };
            if only_here > 0 {
                why.push_str(&format!(
                    "; {only_here} of its batches are in no segment: they stay in the backup only"
                ));
            }
            plan.set_aside(&file.file.path, ActionKind::RollBackReplace, why, CODE)?;
        }
        Ok(())
    }

    /// Sets aside what a broker would take. First the indexes, then the logs from the lowest up: a
    /// broker that starts in between takes those that are left, and deletes what they replace.
    fn take_back_finished(&self, why: &str, plan: &mut DirectoryPlan) -> Result<()> {
        let indexes = self.swaps.iter().copied().filter(|file| !is_log(file));
        for file in indexes.chain(self.logs()) {
            plan.set_aside(&file.file.path, ActionKind::RollBackReplace, why.to_owned(), CODE)?;
        }
        Ok(())
    }

    fn finish(&self, dir: &PartitionDir, finish: &Finish, plan: &mut DirectoryPlan) -> Result<()> {
        let mut bases: BTreeSet<Offset> = dir.segments.iter().map(|it| it.base_offset).collect();
        bases.extend(self.logs().map(offset_of));
        let (taken, alone): (Vec<_>, Vec<_>) =
            self.swaps.iter().copied().partition(|file| bases.contains(&offset_of(file)));
        for file in alone {
            let why = "it has no .log: a broker that starts deletes it".to_owned();
            plan.set_aside(&file.file.path, ActionKind::RollBackReplace, why, CODE)?;
        }
        let mut renames = Vec::new();
        for file in taken {
            let (from, to) = (file.file.path.clone(), final_path(&file.file.path));
            let before = identity(&from)?;
            renames.push((from, to, before));
        }
        renames.sort_by(|a, b| a.0.cmp(&b.0));
        let Some((first, ..)) = renames.first().cloned() else { return Ok(()) };
        let targets: BTreeSet<&Path> = renames.iter().map(|(_, to, _)| to.as_path()).collect();
        let goes = |path: &Path, offset: Offset| {
            let is_in_range = finish.range.0 <= offset && offset < finish.range.1;
            targets.contains(path)
                || self.logs().any(|log| offset_of(log) == offset && !is_snapshot(path))
                || is_in_range && !finish.keeps_others
        };
        let mut replaced = Vec::new();
        for (path, offset) in numbered(dir) {
            if goes(&path, offset) {
                let before = identity(&path)?;
                replaced.push((path, before));
            }
        }
        let mut said = action(ActionKind::FinishReplace, &first, finish.why.clone(), CODE);
        let (start, end) = finish.range;
        said.offsets = (start < end).then(|| (start, end.plus(-1)));
        plan.actions.push(said);
        let gone: BTreeSet<PathBuf> = replaced.iter().map(|(path, _)| path.clone()).collect();
        self.enter(&gone, &renames, plan);
        plan.changes.push(Change::FinishReplace(FinishReplace { renames, replaced }));
        Ok(())
    }

    /// Makes the directory what it is when the renames are done.
    fn enter(
        &self,
        gone: &BTreeSet<PathBuf>,
        renames: &[(PathBuf, PathBuf, FileIdentity)],
        plan: &mut DirectoryPlan,
    ) {
        for path in gone {
            plan.forget(path);
        }
        let after = &mut plan.after;
        after.segments.retain(|files| !gone.contains(&files.log.path));
        for files in &mut after.segments {
            for place in [&mut files.index, &mut files.time_index, &mut files.txn_index] {
                place.take_if(|file| gone.contains(&file.path));
            }
            files.snapshot.take_if(|file| gone.contains(&file.path));
        }
        let is_taken = |file: &&NamedFile| {
            renames.binary_search_by(|(from, ..)| from.cmp(&file.file.path)).is_ok()
        };
        let entry = |file: &NamedFile| FileEntry {
            path: final_path(&file.file.path),
            size: file.file.size,
            modified: file.file.modified,
        };
        let taken: Vec<&NamedFile> = self.swaps.iter().copied().filter(is_taken).collect();
        for file in taken.iter().filter(|file| is_log(file)) {
            let mut files = SegmentFiles::new(offset_of(file), entry(file));
            let snapshot =
                after.snapshots.iter().find(|it| it.name.offset == Some(offset_of(file)));
            files.snapshot = snapshot.map(|snapshot| snapshot.file.clone());
            after.segments.push(files);
        }
        after.segments.sort_by_key(|files| files.base_offset);
        for file in taken {
            let segments = &mut after.segments;
            let at = segments.binary_search_by_key(&offset_of(file), |files| files.base_offset);
            let files = at.ok().and_then(|at| segments.get_mut(at));
            if let Some(files) = files {
                match file.name.kind {
                    FileKind::OffsetIndex => files.index = Some(entry(file)),
                    FileKind::TimeIndex => files.time_index = Some(entry(file)),
                    FileKind::TxnIndex => files.txn_index = Some(entry(file)),
                    _ => {}
                }
            }
            let mut image = LogImage::default();
            image.push(&file.file.path, 0..file.file.size, Vec::new());
            plan.images.insert(final_path(&file.file.path), image);
            after.leftovers.retain(|leftover| leftover.file.path != file.file.path);
        }
    }
}

/// What is done with new files of which this is known. `doubt` is what speaks against them.
fn decision(compared: &Compared, range: (Offset, Offset), doubt: Option<String>) -> Decision {
    let Compared { new, only_new, lost, has_old, .. } = *compared;
    let finish =
        |keeps_others: bool, why: String| Decision::Finish(Finish { range, keeps_others, why });
    let Some(doubt) = doubt else {
        let why = format!("all its {new} batches prove themselves; a broker that starts does so");
        return finish(false, why);
    };
    if has_old && only_new == 0 {
        let why = format!("{doubt}, and the files that it was to replace hold all that is in it");
        return Decision::TakeBack(why);
    }
    if lost > only_new {
        let why = format!(
            "{doubt}: {lost} batches of the files that it was to replace are not in it; {only_new} \
             that are only in it stay in the backup"
        );
        return Decision::TakeBack(why);
    }
    let behind = match lost {
        0 => String::new(),
        _ => format!("; {lost} batches are in the replaced files only, which stay where they can"),
    };
    let why = format!("{doubt}, but {only_new} of its {new} batches are nowhere else{behind}");
    finish(lost > 0, why)
}

fn opened<'d>(logs: impl Iterator<Item = &'d NamedFile>) -> Result<Vec<Log>> {
    logs.map(|log| Log::open(&log.file.path, offset_of(log))).collect()
}

/// The segments that may hold offsets from `first` on.
fn segments_from(dir: &PartitionDir, first: Offset) -> &[SegmentFiles] {
    let from = dir.segments.partition_point(|files| files.base_offset <= first).saturating_sub(1);
    dir.segments.get(from..).unwrap_or_default()
}

fn opened_from(dir: &PartitionDir, first: Offset) -> Result<Vec<Log>> {
    segments_from(dir, first)
        .iter()
        .map(|files| Log::open(&files.log.path, files.base_offset))
        .collect()
}

/// How many batches of a `.log` that goes are in no segment. One that cannot be read has none.
fn only_in(file: &NamedFile, dir: &PartitionDir) -> u64 {
    let compared = opened([file].into_iter()).and_then(|new| {
        let old = opened_from(dir, offset_of(file))?;
        compare(&new, &old)
    });
    compared.map_or(0, |compared| compared.only_new)
}

fn final_path(swap: &Path) -> PathBuf {
    let name = text_of(swap);
    swap.with_file_name(name.strip_suffix(".swap").unwrap_or(&name))
}

fn is_snapshot(path: &Path) -> bool {
    FileName::parse(&text_of(path)).is_some_and(|name| name.kind == FileKind::ProducerSnapshot)
}

/// The files with a base offset in their names and no suffix.
fn numbered(dir: &PartitionDir) -> Vec<(PathBuf, Offset)> {
    let mut files = Vec::new();
    for segment in &dir.segments {
        let indexes = [&segment.index, &segment.time_index, &segment.txn_index];
        let all = indexes.into_iter().flatten().chain([&segment.log]);
        files.extend(all.map(|file| (file.path.clone(), segment.base_offset)));
    }
    for named in dir.snapshots.iter().chain(&dir.orphans) {
        files.push((named.file.path.clone(), offset_of(named)));
    }
    for path in &dir.strays {
        let name = FileName::parse(&text_of(path)).filter(|name| name.suffix.is_none());
        let is_numbered = |name: &FileName| name.kind != FileKind::MetadataCheckpoint;
        let offset = name.filter(is_numbered).and_then(|name| name.offset);
        if let Some(offset) = offset.filter(|_| EntryKind::of(path) == EntryKind::File) {
            files.push((path.clone(), offset));
        }
    }
    files.sort();
    files
}
