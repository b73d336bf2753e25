//! What a layout comes to on a disk: segments that are replaced, files derived from logs that are
//! written, snapshots and checkpoints in line.

use super::after::Repair;
use super::groups::{Group, groups};
use super::judged::is_answered;
use crate::check::Finding;
use crate::check::report::{PartitionReport, Rebuilt, SegmentReport};
use crate::error::Result;
use crate::format::Position;
use crate::log::file_facts::FileIdentity;
use crate::log::names::{FileKind, FileName};
use crate::repair::change::{
    Change, ReplaceSegments, SegmentAfter, SegmentBefore, SetAside, WriteFile,
};
use crate::repair::directory::{self, CheckpointChanges};
use crate::repair::layout::Layout;
use crate::repair::plan::{Action, ActionKind, Plan, WITH_ITS_LOG};
use crate::repair::rebuild::{self, Compared, Verdict};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Repair<'_> {
    /// Segments that give way to others, or to none.
    pub(super) fn segment_changes(
        &self,
        layout: &Layout,
        looked: &[SegmentReport],
        rebuilt: &[Rebuilt],
        plan: &mut Plan,
    ) -> Result<()> {
        let (groups, gone) = groups(layout, self.segments.len());
        for group in &groups {
            let changed = self.replace(group, layout, looked, rebuilt)?;
            for after in &changed.after {
                plan.actions.extend(self.index_actions(after));
            }
            plan.changes.push(Change::ReplaceSegments(changed));
        }
        for number in gone {
            for (path, before) in self.files_of(number)? {
                plan.changes.push(Change::SetAside(SetAside { path, before: Some(before) }));
            }
        }
        Ok(())
    }

    fn replace(
        &self,
        group: &Group,
        layout: &Layout,
        looked: &[SegmentReport],
        rebuilt: &[Rebuilt],
    ) -> Result<ReplaceSegments> {
        let mut before = Vec::new();
        for number in group.before.clone() {
            let Some(segment) = self.segments.get(number) else { continue };
            let files = self.files_of(number)?;
            before.push(SegmentBefore { base_offset: segment.base_offset, files });
        }
        let mut after = Vec::new();
        for segment in group.after.iter().filter_map(|number| layout.segments.get(*number)) {
            let log = self.log_path(segment.base_offset);
            let report = looked.iter().find(|report| *report.log == *log);
            let files = report.map(|report| report.rebuilt.as_slice()).unwrap_or_default();
            let bytes = |kind| {
                let file = files.iter().chain(rebuilt).find(|file| {
                    file.kind == kind && file.path.with_extension("") == log.with_extension("")
                });
                let before = |file: &Rebuilt| Some(file.before.as_ref()?.bytes.to_vec());
                file.and_then(|file| file.after.clone().or_else(|| before(file)))
            };
            after.push(SegmentAfter {
                base_offset: segment.base_offset,
                log: segment.log.clone(),
                index: bytes(FileKind::OffsetIndex).unwrap_or_default(),
                time_index: bytes(FileKind::TimeIndex).unwrap_or_default(),
                txn_index: bytes(FileKind::TxnIndex),
                like: segment.like.to_path_buf(),
            });
        }
        Ok(ReplaceSegments { before, after })
    }

    /// The files of a segment that go with its `.log`, which is the first.
    fn files_of(&self, number: usize) -> Result<Vec<(PathBuf, FileIdentity)>> {
        let Some(segment) = self.segments.get(number) else { return Ok(Vec::new()) };
        let all = &self.directory.after.segments;
        let files = all.iter().find(|files| *files.log.path == *segment.log);
        let Some(files) = files else { return Ok(Vec::new()) };
        let derived = [&files.index, &files.time_index, &files.txn_index];
        let mut found = Vec::new();
        for entry in std::iter::once(&files.log).chain(derived.into_iter().flatten()) {
            if let Some(identity) = FileIdentity::of(&entry.path)? {
                found.push((entry.path.clone(), identity));
            }
        }
        Ok(found)
    }

    /// The indexes that come with a new log.
    fn index_actions(&self, after: &SegmentAfter) -> Vec<Action> {
        let mut kinds = vec![FileKind::OffsetIndex, FileKind::TimeIndex];
        kinds.extend(after.txn_index.is_some().then_some(FileKind::TxnIndex));
        let action = |kind| {
            let name = FileName::of_segment(after.base_offset, kind).to_string();
            Action {
                kind: ActionKind::RebuildDerived,
                file: self.partition.dir.path().join(name).into(),
                range: Position(0)..Position(0),
                offsets: None,
                reason: WITH_ITS_LOG.to_owned(),
                code: None,
            }
        };
        kinds.into_iter().map(action).collect()
    }

    /// Files derived from logs that are wrong or missing, apart from those of segments that are
    /// replaced.
    pub(super) fn derived(
        &self,
        layout: &Layout,
        looked: &[SegmentReport],
        after: &PartitionReport,
    ) -> Vec<Compared> {
        let (groups, _) = groups(layout, self.segments.len());
        let replaced: Vec<PathBuf> = (groups.iter().flat_map(|group| &group.after))
            .filter_map(|number| layout.segments.get(*number))
            .map(|segment| self.log_path(segment.base_offset).with_extension(""))
            .collect();
        let is_replaced = |file: &Rebuilt| {
            file.kind != FileKind::ProducerSnapshot
                && replaced.contains(&file.path.with_extension(""))
        };
        let mut all: Vec<Compared> =
            looked.iter().filter(|report| report.is_sound).flat_map(rebuild::of_segment).collect();
        if after.is_sound {
            all.extend(rebuild::of_partition(after));
        }
        // A broker finds the state of producers again without a snapshot.
        let is_needed = |file: &Rebuilt| {
            file.kind != FileKind::ProducerSnapshot || file.before.is_some() || !replaced.is_empty()
        };
        let is_bad = |compared: &Compared| {
            matches!(compared.verdict, Verdict::Missing(_) | Verdict::Wrong(_))
                && compared.is_pending()
                && is_needed(&compared.file)
        };
        // Both indexes of a segment tell of the same batches: what one of them has wrong, the
        // other may have from the same log.
        let is_index =
            |file: &Rebuilt| matches!(file.kind, FileKind::OffsetIndex | FileKind::TimeIndex);
        let stems: Vec<PathBuf> = (all.iter().filter(|it| is_bad(it) && is_index(&it.file)))
            .map(|compared| compared.file.path.with_extension(""))
            .collect();
        let is_beside = |compared: &Compared| {
            is_index(&compared.file)
                && compared.file.before.is_some()
                && compared.is_pending()
                && stems.contains(&compared.file.path.with_extension(""))
        };
        all.retain(|it| (is_bad(it) || is_beside(it)) && !is_replaced(&it.file));
        all
    }

    pub(super) fn rebuild_action(&self, file: &Rebuilt, findings: &[Finding]) -> Action {
        let mut own = findings.iter().chain(&self.report.findings);
        let finding = own.find(|finding| is_answered(finding, file));
        let missing = "there is none";
        let differs = "the log gives another";
        let otherwise = if file.before.is_none() { missing } else { differs };
        Action {
            kind: ActionKind::RebuildDerived,
            file: Arc::clone(&file.path),
            range: Position(0)..Position(0),
            offsets: None,
            reason: finding.map_or(otherwise.to_owned(), |finding| finding.problem.message()),
            code: finding.map(|finding| finding.problem.code()),
        }
    }

    pub(super) fn write(&self, compared: &Compared, is_changed: bool) -> Change {
        let file = &compared.file;
        let dir = &self.directory.after;
        let own = dir
            .segments
            .iter()
            .find(|files| files.log.path.with_extension("") == file.path.with_extension(""));
        let like = own.or(dir.segments.first()).map(|files| files.log.path.clone());
        let logs = self.segments.iter().filter(|_| !is_changed);
        let made_from =
            logs.filter_map(|segment| Some((segment.log.to_path_buf(), segment.identity?)));
        Change::WriteFile(WriteFile {
            path: file.path.to_path_buf(),
            after: file.after.clone().unwrap_or_default(),
            before: file.before.as_ref().and_then(|before| before.identity),
            like: like.unwrap_or_default(),
            made_from: made_from.collect(),
        })
    }

    /// A broker removes snapshots behind the end of its log.
    pub(super) fn snapshots_behind_the_end(
        &self,
        after: &PartitionReport,
        plan: &mut Plan,
    ) -> Result<()> {
        let Some((_, end)) = self.ends_after.filter(|_| after.is_sound) else { return Ok(()) };
        for snapshot in &self.directory.after.snapshots {
            if snapshot.name.offset.is_none_or(|offset| offset <= end) {
                continue;
            }
            let path = snapshot.file.path.clone();
            plan.actions.push(Action {
                kind: ActionKind::SetAside,
                file: path.as_path().into(),
                range: Position(0)..Position(0),
                offsets: None,
                reason: format!(
                    "it stands behind the log end, which is {end}: a broker deletes it"
                ),
                code: None,
            });
            let before = FileIdentity::of(&path)?;
            plan.changes.push(Change::SetAside(SetAside { path, before }));
        }
        Ok(())
    }

    /// Lines of the log dir's checkpoints that lie behind the log's end. Where the log dir itself
    /// is planned for, its own plan has them, but for what has to come before the logs change.
    pub(super) fn checkpoints(
        &self,
        is_changed: bool,
        is_sound: bool,
    ) -> Result<CheckpointChanges> {
        let name = self.partition.dir.name.as_ref().filter(|name| name.suffix.is_none());
        let log_dir = self.partition.log_dir.as_deref().filter(|log_dir| !log_dir.is_live());
        let (Some(name), Some(log_dir), Some((start, end))) = (name, log_dir, self.ends_after)
        else {
            return Ok(CheckpointChanges::default());
        };
        if !is_sound || self.has_log_dir_plan && !is_changed {
            return Ok(CheckpointChanges::default());
        }
        let mut changes = directory::checkpoints_for(log_dir, &name.topic_partition, start, end)?;
        if self.has_log_dir_plan {
            let paths: Vec<&Path> = changes.last.iter().map(Change::path).collect();
            changes.actions.retain(|action| !paths.contains(&&*action.file));
            changes.last.clear();
        }
        Ok(changes)
    }
}
