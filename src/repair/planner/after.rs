//! The repair of one partition: its directory and its logs as they are going to be, looked at, and
//! what has to be changed for that.

use super::broker::{Broker, BrokersLook};
use super::groups::{groups, leave_group_of};
use super::judged::left_alone;
use super::sources::Sources;
use super::{Options, Planned};
use crate::check::coverage::Class;
use crate::check::directory::PartitionEnds;
use crate::check::report::{PartitionReport, SegmentReport};
use crate::check::stretches::Stretch;
use crate::check::{Depth, Finding, Listener, PartitionScope, Problem, Scope, verify_once};
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::format::checkpoint::{LeaderEpochs, leader_epoch_checkpoint};
use crate::log::file_facts::FileIdentity;
use crate::log::image::LogImage;
use crate::log::names::{FileKind, FileName, OffsetCheckpoint};
use crate::log::partition::FileEntry;
use crate::log::{PartitionDir, SegmentFiles, read_small};
use crate::progress::Silent;
use crate::repair::directory::{self, DirectoryPlan};
use crate::repair::layout::{Layout, SegmentLook, Terms, layout, like_broker};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// The repair of one partition, as far as it is known.
pub(super) struct Repair<'a> {
    pub(super) partition: &'a PartitionScope,
    pub(super) options: &'a Options,
    /// What the look found.
    pub(super) report: PartitionReport,
    pub(super) segments: Vec<SegmentReport>,
    pub(super) directory: DirectoryPlan,
    /// Where the log began and ended, and where it is going to.
    pub(super) ends_before: Option<(Offset, Offset)>,
    pub(super) ends_after: Option<(Offset, Offset)>,
    /// Whether the log dir's own files are planned for, behind its partitions.
    pub(super) has_log_dir_plan: bool,
}

/// A second look, and what it came to.
#[derive(Default)]
struct Looked {
    segments: Vec<SegmentReport>,
    report: Option<PartitionReport>,
}

impl Listener for Looked {
    fn segment(&mut self, report: SegmentReport) {
        self.segments.push(report);
    }

    fn partition(&mut self, report: PartitionReport) -> bool {
        self.report = Some(report);
        true
    }
}

/// The records that stand before `end`, as far as headers count them.
pub(super) fn records_before(stretches: &[Stretch], end: u64) -> u64 {
    let batches = stretches.iter().filter_map(|stretch| match stretch {
        Stretch::Batches(batches) if batches.range.start.0 < end => Some(batches),
        _ => None,
    });
    let records = batches.map(|batches| {
        let length = batches.range.end.0 - batches.range.start.0;
        let there = end.min(batches.range.end.0) - batches.range.start.0;
        // Inside a stretch, about.
        let share = u128::from(batches.records) * u128::from(there) / u128::from(length.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    });
    records.fold(0, u64::saturating_add)
}

impl<'a> Repair<'a> {
    /// Finds out which files there are going to be.
    pub(super) fn new(
        partition: &'a PartitionScope,
        options: &'a Options,
        report: PartitionReport,
        segments: Vec<SegmentReport>,
        has_log_dir_plan: bool,
    ) -> Result<Self> {
        let directory = directory::of_partition(&partition.dir, &report.findings)?;
        let mut repair = Self {
            partition,
            options,
            report,
            segments,
            directory,
            ends_before: None,
            ends_after: None,
            has_log_dir_plan,
        };
        repair.ends_before = repair.ends_of(&repair.segments);
        repair.ends_after = repair.ends_before;
        Ok(repair)
    }

    /// Looks at the partition as it is going to be.
    fn look(&self, dir: PartitionDir, images: BTreeMap<PathBuf, LogImage>, depth: Depth) -> Looked {
        let mut scope = PartitionScope::new(dir, self.partition.log_dir.clone());
        scope.images = images;
        let scope = Scope { partitions: vec![scope], log_dirs: Vec::new() };
        let mut looked = Looked::default();
        verify_once(&scope, &self.options.look(depth), &Silent, &mut looked);
        looked
    }

    /// Log start and log end, as far as the stretches of the logs say.
    fn ends_of(&self, segments: &[SegmentReport]) -> Option<(Offset, Offset)> {
        let first = segments.first()?.base_offset;
        let mut end = segments.last()?.base_offset;
        for stretch in segments.iter().flat_map(|segment| &segment.stretches) {
            if let Stretch::Batches(batches) = stretch {
                end = end.max(batches.last.last_offset.plus(1));
            }
        }
        let checkpoint = self.partition.checkpoint(OffsetCheckpoint::LogStart);
        let start =
            checkpoint.filter(|checkpoint| *checkpoint <= end).map_or(first, |it| it.max(first));
        Some((start, end))
    }

    /// Where the log is going to begin and end, for its log dir.
    pub(super) fn ends(&self) -> Option<(PathBuf, PartitionEnds)> {
        let name = self.partition.dir.name.as_ref().filter(|name| name.suffix.is_none())?;
        let log_dir = self.partition.log_dir.as_ref()?;
        let (log_start, log_end) = self.ends_after?;
        let topic_partition = name.topic_partition.clone();
        Some((log_dir.path().to_owned(), PartitionEnds { topic_partition, log_start, log_end }))
    }

    /// True when segments are on their way: nothing is known about the logs before they are there.
    fn is_underway(&self) -> bool {
        let logs = |dir: &PartitionDir| -> Vec<PathBuf> {
            dir.segments.iter().map(|files| files.log.path.clone()).collect()
        };
        let directory = &self.directory;
        directory.is_replace_open
            || !directory.images.is_empty()
            || logs(&directory.after) != logs(&self.partition.dir)
    }

    /// Makes the plan.
    pub(super) fn plan(&mut self, planned: &mut Planned) -> Result<()> {
        if self.is_underway() {
            let plan = &mut planned.plan;
            plan.actions = std::mem::take(&mut self.directory.actions);
            plan.changes = std::mem::take(&mut self.directory.changes);
            plan.left_alone = std::mem::take(&mut self.directory.left_alone);
            plan.rests_on = self.rests_on();
            planned.bytes_after = planned.bytes_before;
            planned.is_first_step = !plan.changes.is_empty();
            return Ok(());
        }
        let looks = self.segment_looks();
        let (mut layout, broker) = self.layouts(&looks)?;
        planned.broker = broker;
        let (is_changed, looked) = self.settle(&mut layout, &looks);
        let Some(after) = looked.report else {
            return Err(Error::other("planning for", self.partition.dir.path(), "the look ended"));
        };
        let length: u64 = layout.segments.iter().map(|segment| segment.log.len()).sum();
        planned.bytes_after = length;
        planned.records_after = (looked.segments.iter())
            .map(|segment| records_before(&segment.stretches, u64::MAX))
            .fold(0, u64::saturating_add);
        self.ends_after = self.ends_of(&looked.segments);
        let plan = &mut planned.plan;
        plan.actions = std::mem::take(&mut self.directory.actions);
        plan.changes = std::mem::take(&mut self.directory.changes);
        let checkpoints = self.checkpoints(is_changed, after.is_sound)?;
        plan.changes.extend(checkpoints.first);
        plan.actions.extend(layout.actions.iter().cloned());
        plan.losses.clone_from(&layout.losses);
        self.segment_changes(&layout, &looked.segments, &after.rebuilt, plan)?;
        let derived = self.derived(&layout, &looked.segments, &after);
        for compared in &derived {
            plan.actions.push(self.rebuild_action(&compared.file, &after.findings));
            plan.changes.push(self.write(compared, is_changed));
        }
        self.snapshots_behind_the_end(&after, plan)?;
        plan.changes.extend(checkpoints.last);
        plan.actions.extend(checkpoints.actions);
        plan.left_alone = std::mem::take(&mut self.directory.left_alone);
        let left = left_alone(&self.report.findings, &after.findings, &layout, plan);
        plan.left_alone.extend(left);
        plan.rests_on = self.rests_on();
        Ok(())
    }

    /// Looks at the partition as the layout has it. Segments that would not be sound then are left
    /// as they are, and the others looked at once more.
    fn settle(&self, layout: &mut Layout, looks: &[SegmentLook]) -> (bool, Looked) {
        loop {
            let is_changed = layout.segments.iter().any(|segment| segment.is_changed)
                || layout.segments.len() != looks.len();
            if !is_changed {
                let (segments, report) = (self.segments.clone(), Some(self.report.clone()));
                return (is_changed, Looked { segments, report });
            }
            let looked = self.look_at(layout, looks);
            // A broker leaves disorder as it is.
            let bad = unsound(layout, &looked.segments).filter(|_| !self.options.like_broker);
            match bad {
                Some(bad) if leave_group_of(layout, looks, bad) => {}
                _ => return (is_changed, looked),
            }
        }
    }

    fn has_index(&self, base: Offset) -> bool {
        let segments = self.partition.dir.segments.iter();
        segments.filter(|files| files.base_offset == base).any(|files| files.index.is_some())
    }

    fn segment_looks(&self) -> Vec<SegmentLook> {
        let look = |segment: &SegmentReport| SegmentLook {
            base_offset: segment.base_offset,
            log: Arc::clone(&segment.log),
            length: segment.stretches.last().map_or(0, |stretch| stretch.range().end.0),
            stretches: segment.stretches.clone(),
            is_readable: !segment.stretches.iter().any(is_unread),
            has_index: self.has_index(segment.base_offset),
        };
        self.segments.iter().map(look).collect()
    }

    fn is_clean_shutdown(&self) -> bool {
        let log_dir = self.partition.log_dir.as_deref().filter(|log_dir| !log_dir.is_live());
        log_dir.and_then(|log_dir| log_dir.is_clean_shutdown) == Some(true)
    }

    /// What the logs are to be, and what a broker would make of them.
    fn layouts(&self, looks: &[SegmentLook]) -> Result<(Layout, Option<Broker>)> {
        let sources = Sources { limits: self.options.limits };
        let terms = Terms {
            accepts_single_bit: self.options.accepts_single_bit,
            limits: self.options.limits,
            epochs: self.epochs(),
            log_start: self.ends_before.map_or(Offset(0), |(start, _)| start),
            known_end: None,
            is_clean_shutdown: self.is_clean_shutdown(),
            is_cleaned: self.partition.checkpoint(OffsetCheckpoint::Cleaner).is_some(),
        };
        let brokers = BrokersLook::new(self.partition);
        let of_broker = like_broker(looks, &sources, &terms, brokers.recovery_point)?;
        let broker = brokers.judge(&of_broker, looks);
        let layout = match self.options.like_broker {
            true => of_broker,
            false => layout(looks, &sources, &terms)?,
        };
        Ok((layout, broker))
    }

    /// The leader epochs that the partition's checkpoint names, where it reads well.
    fn epochs(&self) -> Option<LeaderEpochs> {
        let path = &self.partition.dir.leader_epoch_checkpoint.as_ref()?.path;
        let is_bad = |finding: &Finding| {
            finding.problem.code() == "leader-epoch-checkpoint" && *finding.file == **path
        };
        if self.report.findings.iter().any(is_bad) {
            return None;
        }
        let bytes = read_small(path).ok()?;
        let entries = leader_epoch_checkpoint(&bytes).ok()?;
        Some(LeaderEpochs::new(entries.into_iter().map(|line| line.value)))
    }

    /// Looks at the partition with the logs that the layout gives it, their indexes built anew.
    fn look_at(&self, layout: &Layout, looks: &[SegmentLook]) -> Looked {
        let mut dir = self.directory.after.clone();
        let mut images = BTreeMap::new();
        let there = std::mem::take(&mut dir.segments);
        let (groups, _) = groups(layout, looks.len());
        dir.segments = (layout.segments.iter().enumerate())
            .filter_map(|(number, segment)| {
                let is_replaced = groups.iter().any(|group| group.after.contains(&number));
                if !is_replaced {
                    let from = looks.get(*segment.from.first()?)?;
                    return there.iter().find(|files| *files.log.path == *from.log).cloned();
                }
                let path = self.log_path(segment.base_offset);
                let like = there.iter().find(|files| *files.log.path == *segment.like);
                let modified = like.and_then(|files| files.log.modified);
                let size = segment.log.len();
                images.insert(path.clone(), segment.log.clone());
                // An entry whose marker is lost would hide what its producer wrote later.
                let log = FileEntry { path, size, modified };
                Some(SegmentFiles::new(segment.base_offset, log))
            })
            .collect();
        let has_unread = looks.iter().any(|look| !look.is_readable);
        // Headers are mapped, which is no way to read a disk that fails.
        let depth = if has_unread { Depth::Checksums } else { Depth::Headers };
        self.look(dir, images, depth)
    }

    pub(super) fn log_path(&self, base: Offset) -> PathBuf {
        let name = FileName::of_segment(base, FileKind::Log).to_string();
        self.partition.dir.path().join(name)
    }

    /// Every file that was looked at.
    fn rests_on(&self) -> Vec<(PathBuf, FileIdentity)> {
        let mut files: HashMap<PathBuf, FileIdentity> = HashMap::new();
        let logs = self.segments.iter();
        files.extend(self.directory.rests_on.iter().cloned());
        files.extend(logs.filter_map(|it| Some((it.log.to_path_buf(), it.identity?))));
        let rebuilt = self.segments.iter().flat_map(|segment| &segment.rebuilt);
        for file in rebuilt.chain(&self.report.rebuilt) {
            if let Some(identity) = file.before.as_ref().and_then(|before| before.identity) {
                files.insert(file.path.to_path_buf(), identity);
            }
        }
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        files
    }
}

fn is_unread(stretch: &Stretch) -> bool {
    matches!(stretch, Stretch::Damage(damage) if damage.class == Class::Unread
        && !matches!(damage.problem, Problem::UnreadableRange { .. }))
}

/// The first segment of the layout that changes and is not sound afterwards.
fn unsound(layout: &Layout, looked: &[SegmentReport]) -> Option<usize> {
    let is_bad =
        |base: Offset| looked.iter().any(|report| report.base_offset == base && !report.is_sound);
    layout.segments.iter().position(|segment| segment.is_changed && is_bad(segment.base_offset))
}
