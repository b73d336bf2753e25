//! Files of a partition directory that have no place in it, and `partition.metadata`.

use super::held_by::{Log, compare};
use super::{DirectoryPlan, action, identity, text_of};
use crate::check::problem::TextKind;
use crate::check::{Finding, Problem, Severity};
use crate::error::Result;
use crate::format::Offset;
use crate::format::checkpoint::{PartitionMetadata, Uuid};
use crate::log::file_facts::{FileIdentity, may_change};
use crate::log::names::{PartitionDirSuffix, Suffix};
use crate::log::{
    EntryKind, FileKind, FileName, LogDir, PartitionDir, PartitionDirName, SegmentFiles, read_small,
};
use crate::repair::change::{Change, WriteFile};
use crate::repair::plan::ActionKind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The topic of the cluster's metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";

const LINK: &str = "it is a symbolic link: what it leads to is for whoever made it to say";

/// Plans what becomes of them, where they are findings.
pub(super) fn plan(
    dir: &PartitionDir,
    findings: &[Finding],
    plan: &mut DirectoryPlan,
) -> Result<()> {
    let mut ends = Ends::new();
    let own = findings.iter().filter(|finding| finding.file.parent() == Some(dir.path()));
    for finding in own.filter(|finding| finding.severity() > Severity::Note) {
        match &finding.problem {
            Problem::LogMissing => log_missing(dir, finding, &mut ends, plan)?,
            Problem::StrayFile { .. } => {
                let why = "its name begins with no number: a broker that comes upon it does not \
                           start";
                set_aside(finding, why, plan)?;
            }
            Problem::NotReadable { why } => not_readable(finding, why, plan)?,
            Problem::Text { file: TextKind::PartitionMetadata, .. } => {
                partition_metadata(dir, finding, plan)?;
            }
            Problem::Contradicts { file: TextKind::PartitionMetadata, .. } => plan.leave(
                finding,
                "which of the two is right nobody can tell from here: the directory may be a copy \
                 from elsewhere. Ask the cluster for the topic's id",
            ),
            Problem::Text { file: TextKind::QuorumState, .. }
            | Problem::Contradicts { file: TextKind::QuorumState, .. } => plan.leave(
                finding,
                "it holds the vote of this node, which nothing else says, and a node that forgets \
                 it may vote twice. Where other voters are well, set the node up anew",
            ),
            _ => {}
        }
    }
    Ok(())
}

/// Sets a file aside where this process can.
fn set_aside(finding: &Finding, why: &str, plan: &mut DirectoryPlan) -> Result<()> {
    let path = &finding.file;
    let kind = EntryKind::of(path);
    if kind != EntryKind::File {
        let why = if kind == EntryKind::LinkToFile { LINK } else { "it is no regular file" };
        plan.leave(finding, why);
        return Ok(());
    }
    if let Err(error) = may_change(plan.after.path()) {
        plan.leave(finding, format!("it cannot be moved away: {error}"));
        return Ok(());
    }
    plan.set_aside(path, ActionKind::SetAside, why.to_owned(), finding.problem.code())
}

/// The offset behind the last batch of segments that proves itself, and whether all bytes do, so
/// that there is nothing behind it; `None` where it is not known.
type Ends = BTreeMap<Offset, Option<(Offset, bool)>>;

/// An index without its `.log`.
fn log_missing(
    dir: &PartitionDir,
    finding: &Finding,
    ends: &mut Ends,
    plan: &mut DirectoryPlan,
) -> Result<()> {
    let is_there = |orphan: &&crate::log::partition::NamedFile| orphan.file.path == *finding.file;
    let Some(orphan) = plan.after.orphans.iter().find(is_there) else {
        // It went with a replacement that is finished.
        return Ok(());
    };
    let base = orphan.name.offset.unwrap_or_default();
    let is_going = dir.leftovers.iter().any(|file| {
        let FileName { kind, offset, suffix, .. } = file.name;
        kind == FileKind::Log && offset == Some(base) && suffix == Some(Suffix::Deleted)
    });
    let is_used = orphan.file.size > 0 && orphan.name.kind == FileKind::OffsetIndex;
    let next = plan.after.segments.iter().map(|files| files.base_offset).find(|next| *next > base);
    let mut why = "there is no .log beside it: a broker that starts deletes it".to_owned();
    let mut lost = None;
    if is_going {
        why.push_str("; its .log was about to be deleted as well");
    } else if let Some(next) = next.filter(|_| is_used) {
        let before = plan.after.segments.iter().rev().find(|files| files.base_offset < base);
        let from = before.map_or(Some(base), |before| {
            let end = ends.entry(before.base_offset).or_insert_with(|| end_of(before));
            let known = end.filter(|&(end, is_sound)| is_sound || end >= next);
            known.map(|(end, _)| end.max(base))
        });
        lost = from.filter(|from| *from < next).map(|from| (from, next.plus(-1)));
        why.push_str(match from {
            Some(_) if lost.is_some() => {
                "; what the .log held is gone with it, unless it is got back before this is applied"
            }
            Some(_) => "; the segment before it reaches to the next one, so no offset is missing",
            None => {
                "; where the segment before it ends is not known, so what the .log held may be gone"
            }
        });
    }
    set_aside(finding, &why, plan)?;
    if let Some(action) = plan.actions.last_mut().filter(|action| action.file == finding.file) {
        action.offsets = lost;
    }
    Ok(())
}

/// Where a segment ends, if that is to be seen. In one without any batch it is where it begins.
fn end_of(files: &SegmentFiles) -> Option<(Offset, bool)> {
    let log = Log::open(&files.log.path, files.base_offset).ok()?;
    let found = compare(&[log], &[]).ok()?;
    let is_sound = found.damage.is_none();
    Some((found.next.unwrap_or(files.base_offset), is_sound))
}

/// A file that cannot be opened. A broker that cannot read it either does not start, whatever it
/// is, so what is nobody's goes; what is Kafka's stays where it belongs.
fn not_readable(finding: &Finding, why: &str, plan: &mut DirectoryPlan) -> Result<()> {
    let name = FileName::parse(&text_of(&finding.file)).filter(|name| name.kind.is_in_partition());
    let is_needed = name.is_some_and(|name| {
        !matches!(name.suffix, Some(Suffix::Deleted | Suffix::Tmp | Suffix::Part))
    });
    match EntryKind::of(&finding.file) {
        EntryKind::File if is_needed => {
            let advice = "it is Kafka's, and nothing can be said about it unread. Give it the \
                          owner and mode of the files beside it, and look again";
            plan.leave(finding, format!("{why}: {advice}"));
        }
        EntryKind::File => {
            let reason = format!("it cannot be read ({why}): a broker that starts stops there");
            set_aside(finding, &reason, plan)?;
        }
        EntryKind::LinkToFile | EntryKind::LinkToDirectory | EntryKind::DanglingLink => {
            plan.leave(finding, LINK);
        }
        _ => plan.leave(finding, "it has the name of a file of Kafka's and is none: move it away"),
    }
    Ok(())
}

/// Garbage in `partition.metadata`. A broker takes the whole log dir offline; without the file a
/// KRaft broker takes the partition for a stray one. So it is written anew where the topic's id is
/// still to be had, and else it stays.
fn partition_metadata(
    dir: &PartitionDir,
    finding: &Finding,
    plan: &mut DirectoryPlan,
) -> Result<()> {
    let path = &*finding.file;
    let name = dir.name.as_ref();
    if name.is_some_and(|name| name.suffix == Some(PartitionDirSuffix::Delete)) {
        let why = "a broker takes the whole log dir offline, and the partition is about to be \
                   deleted";
        return set_aside(finding, why, plan);
    }
    let before = identity(path)?;
    let bytes = read_small(path)?;
    let known = match name.map(|name| &name.topic_partition.topic) {
        None => Vec::new(),
        Some(topic) if topic == METADATA_TOPIC => {
            vec![Known { topic_id: Uuid::METADATA_TOPIC_ID, from: None, why: "it never changes" }]
        }
        Some(_) => {
            let mut known = of_neighbours(dir);
            known.extend(of_lines(&bytes));
            known
        }
    };
    let Some(first) = known.first() else {
        let why = "the topic's id is not to be had from here, and without the file a broker takes \
                   the partition for a stray one. Ask the cluster (kafka-topics.sh --describe) and \
                   write it: version: 0, and on a second line topic_id: and the id";
        plan.leave(finding, why);
        return Ok(());
    };
    if let Some(other) = known.iter().find(|known| known.topic_id != first.topic_id) {
        let ids = format!("{} and {}", first.topic_id, other.topic_id);
        plan.leave(finding, format!("two ids are to be had for it, {ids}: ask the cluster"));
        return Ok(());
    }
    if let Err(error) = may_change(dir.path()) {
        plan.leave(finding, format!("it cannot be written: {error}"));
        return Ok(());
    }
    let after = PartitionMetadata { version: 0, topic_id: first.topic_id }.encode().into_bytes();
    let reason = format!("it does not parse; the topic's id is {}: {}", first.topic_id, first.why);
    let code = finding.problem.code();
    plan.actions.push(action(ActionKind::RebuildDerived, path, reason, code));
    plan.changes.push(Change::WriteFile(WriteFile {
        path: path.to_owned(),
        after,
        before: Some(before),
        like: path.to_owned(),
        made_from: known.into_iter().filter_map(|known| known.from).collect(),
    }));
    Ok(())
}

/// A topic id, and how it is known.
struct Known {
    topic_id: Uuid,
    from: Option<(PathBuf, FileIdentity)>,
    why: &'static str,
}

/// What other partitions of the topic in the log dir say.
fn of_neighbours(dir: &PartitionDir) -> Vec<Known> {
    let Some(name) = &dir.name else { return Vec::new() };
    let listed = dir.log_dir().and_then(|log_dir| LogDir::open(&log_dir).ok());
    let mut known = Vec::new();
    for path in listed.map(|log_dir| log_dir.partitions).unwrap_or_default() {
        let other = path.file_name().and_then(|name| name.to_str());
        let Some(other) = other.and_then(PartitionDirName::parse) else { continue };
        let is_same = other.topic_partition == name.topic_partition;
        let is_of_topic = other.topic_partition.topic == name.topic_partition.topic;
        if is_of_topic && !is_same && other.suffix.is_none() {
            known.extend(of_file(&path.join("partition.metadata")));
        }
    }
    known
}

fn of_file(path: &Path) -> Option<Known> {
    let identity = FileIdentity::of(path).ok()??;
    let metadata = PartitionMetadata::parse(&read_small(path).ok()?).ok()?;
    let why = "other partitions of the topic have it";
    Some(Known { topic_id: metadata.topic_id, from: Some((path.to_owned(), identity)), why })
}

/// What the lines of the file itself say that are whole.
fn of_lines(bytes: &[u8]) -> Vec<Known> {
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let parsed = lines.filter_map(|line| {
        let text = [b"version: 0\n", line].concat();
        PartitionMetadata::parse(&text).ok()
    });
    let why = "the line that says so is whole";
    parsed.map(|metadata| Known { topic_id: metadata.topic_id, from: None, why }).collect()
}
