//! A log dir: its checkpoints, `meta.properties`, and what lies beside its partitions.

use super::{from_error, not_readable, read, unreadable, whole};
use crate::check::problem::TextKind;
use crate::check::{Finding, Problem};
use crate::format::checkpoint::{
    CheckpointEntry, MetaProperties, PartitionOffset, offset_checkpoint,
};
use crate::format::{Offset, Position};
use crate::log::log_dir::Liveness;
use crate::log::names::{OffsetCheckpoint, PartitionDirSuffix};
use crate::log::{
    EntryKind, FileKind, FileName, LogDir, LogDirContext, PartitionDir, PartitionDirName,
    TopicPartition,
};
use std::collections::HashMap;
use std::path::Path;

/// Where the log of a partition begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionEnds {
    /// The partition. It is in service: its directory has no suffix.
    pub topic_partition: TopicPartition,
    /// The first offset in it.
    pub log_start: Offset,
    /// The offset behind its last batch.
    pub log_end: Offset,
}

/// What is wrong in a log dir apart from what is in its partitions. `partitions` are those whose
/// ends are known; entries about others are not judged.
#[must_use]
pub fn log_dir_findings(
    dir: &LogDir,
    context: &LogDirContext,
    partitions: &[PartitionEnds],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Beside a broker at work the log is longer than it was when its ends were looked up.
    let at_rest = context.liveness == Liveness::Offline;
    let ends: HashMap<(&str, i32), &PartitionEnds> = partitions
        .iter()
        .filter(|_| at_rest)
        .map(|ends| ((ends.topic_partition.topic.as_str(), ends.topic_partition.partition), ends))
        .collect();
    for which in OffsetCheckpoint::ALL {
        if let Some(path) = dir.checkpoint(which) {
            checkpoint(path, which, &ends, &mut findings);
        }
    }
    if let Some(path) = dir.file(FileKind::MetaProperties) {
        meta_properties(path, &mut findings);
    }
    // A place where somebody keeps copies of partitions is no log dir of any broker.
    let is_brokers = dir.files.iter().any(|(name, _)| name.kind.marks_log_dir());
    for path in &dir.partitions {
        if is_brokers && name_of(path).is_none() {
            findings.push(stops_broker(path));
        }
    }
    for path in &dir.foreign {
        findings.extend(foreign(path, is_brokers));
    }
    for error in &dir.errors {
        findings.extend(unreadable(&error.path, error));
    }
    for path in &dir.strays {
        findings.extend(stray(path, is_brokers));
    }
    findings.sort_by(|a, b| a.file.cmp(&b.file));
    findings
}

fn name_of(path: &Path) -> Option<PartitionDirName> {
    path.file_name().and_then(|name| name.to_str()).and_then(PartitionDirName::parse)
}

/// A directory whose name is no partition's.
fn stops_broker(path: &Path) -> Finding {
    let broker = "its name is not TOPIC-NUMBER: a broker that starts on this log dir stops";
    whole(path, 0, Problem::StrayDirectory { stops_broker: true }).with_broker(Some(broker))
}

/// A directory that holds nothing of a partition's. An empty one with a partition's name is what a
/// broker makes first and deletes last.
fn foreign(path: &Path, is_brokers: bool) -> Option<Finding> {
    let problem = Problem::StrayDirectory { stops_broker: false };
    let Some(name) = name_of(path) else {
        return Some(if is_brokers { stops_broker(path) } else { whole(path, 0, problem) });
    };
    if name.suffix == Some(PartitionDirSuffix::Delete) {
        return Some(whole(path, 0, Problem::DeletePending));
    }
    let listed = PartitionDir::open(path).ok()?;
    let broker = "its name is a partition's: a broker takes it for one, and a KRaft broker renames \
                  it to -stray unless it is assigned to it";
    (!listed.strays.is_empty()).then(|| whole(path, 0, problem).with_broker(Some(broker)))
}

/// A file that is not the log dir's, or no regular file.
fn stray(path: &Path, is_brokers: bool) -> Option<Finding> {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    let is_kafkas = FileName::parse(&text).is_some_and(|name| !name.kind.is_in_partition());
    let is_link = "a symbolic link, which is not followed";
    match EntryKind::of(path) {
        EntryKind::Gone | EntryKind::Unknown => None,
        EntryKind::LinkToDirectory if is_brokers && name_of(path).is_none() => {
            Some(stops_broker(path))
        }
        EntryKind::LinkToDirectory | EntryKind::LinkToFile
            if is_kafkas || name_of(path).is_some() =>
        {
            Some(not_readable(path, is_link))
        }
        EntryKind::DanglingLink | EntryKind::Other if is_kafkas => {
            Some(not_readable(path, "not a regular file"))
        }
        _ => Some(whole(path, 0, Problem::StrayFile { stops_broker: false })),
    }
}

/// One of the four checkpoints. An empty one is healthy.
fn checkpoint(
    path: &Path,
    which: OffsetCheckpoint,
    ends: &HashMap<(&str, i32), &PartitionEnds>,
    findings: &mut Vec<Finding>,
) {
    let Some(bytes) = read(path, findings) else { return };
    let entries = match offset_checkpoint(&bytes) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = Problem::Text { file: TextKind::Checkpoint, error: error.kind };
            let finding = from_error(path, &bytes, error, problem);
            findings.push(finding.with_broker(Some(without(which))));
            return;
        }
    };
    // Of two entries for one partition the later one counts.
    let mut last: HashMap<(&str, i32), &CheckpointEntry<PartitionOffset<'_>>> = HashMap::new();
    for entry in &entries {
        last.insert((entry.value.topic, entry.value.partition), entry);
    }
    for entry in &entries {
        let key = (entry.value.topic, entry.value.partition);
        let counts = last.get(&key).is_some_and(|last| last.line == entry.line);
        if let Some(ends) = ends.get(&key).filter(|_| counts) {
            findings.extend(outside(path, &bytes, which, entry, ends));
        }
    }
}

/// What a broker does without being able to read a checkpoint.
fn without(which: OffsetCheckpoint) -> &'static str {
    match which {
        OffsetCheckpoint::RecoveryPoint => {
            "a broker that starts takes the whole log dir offline; with only one it shuts down"
        }
        OffsetCheckpoint::HighWatermark => "a broker takes the whole log dir offline",
        OffsetCheckpoint::LogStart | OffsetCheckpoint::Cleaner => {
            "a broker does not start with it, shut down cleanly or not"
        }
    }
}

/// An entry above the end of its log. One below its start only lags behind, as all of them may:
/// they are written every few seconds or minutes.
fn outside(
    path: &Path,
    bytes: &[u8],
    which: OffsetCheckpoint,
    entry: &CheckpointEntry<PartitionOffset<'_>>,
    ends: &PartitionEnds,
) -> Option<Finding> {
    let PartitionOffset { topic, partition, offset } = entry.value;
    let (log_start, log_end) = (ends.log_start, ends.log_end);
    if offset <= log_end {
        return None;
    }
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let at = usize::try_from(entry.position.0).unwrap_or(usize::MAX);
    let line = bytes.get(at..).unwrap_or_default();
    let length = line.iter().position(is_end).unwrap_or(line.len());
    let range = entry.position..Position(entry.position.0.saturating_add(length as u64));
    let partition = format!("{topic} {partition}");
    let problem = Problem::CheckpointOutside { partition, offset, log_start, log_end };
    let finding = Finding::new(path.into(), range, problem);
    if which != OffsetCheckpoint::LogStart {
        return Some(finding);
    }
    let last = log_end.plus(-1);
    let all = (log_start <= last).then_some((log_start, last));
    let broker = match all {
        Some((first, last)) => format!(
            "a broker that starts deletes the whole log, offsets {first} to {last}, and begins an \
             empty one at {offset}"
        ),
        None => format!("a broker that starts begins an empty log at {offset}"),
    };
    Some(finding.at_offsets(all).with_broker(Some(broker)))
}

fn meta_properties(path: &Path, findings: &mut Vec<Finding>) {
    let Some(bytes) = read(path, findings) else { return };
    if let Err(error) = MetaProperties::parse(&bytes) {
        let problem = Problem::Text { file: TextKind::MetaProperties, error: error.kind };
        findings.push(from_error(path, &bytes, error, problem));
    }
}
