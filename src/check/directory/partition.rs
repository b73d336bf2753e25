//! A partition directory: files that should not be there, and its small files.

use super::{from_error, not_readable, read, unreadable, whole};
use crate::check::problem::TextKind;
use crate::check::{Finding, Problem};
use crate::format::checkpoint::{PartitionMetadata, Uuid, json};
use crate::format::{FormatError, FormatErrorKind, Offset, Position};
use crate::log::names::{PartitionDirSuffix, Suffix};
use crate::log::partition::NamedFile;
use crate::log::{
    EntryKind, FileKind, FileName, PartitionDir, TopicPartition, open_regular, read_small,
};
use std::collections::BTreeMap;
use std::path::Path;

/// The topic of the cluster's metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// What a broker does beside a file that it must be able to read, whatever it is.
const MUST_BE_READABLE: &str = "a broker that cannot read it either does not start";

/// What is wrong with the directory itself and with what is in it apart from segments, producer
/// snapshots and `leader-epoch-checkpoint`.
///
/// `is_live`: a broker may be at work here. Then a replacement of segments is no interrupted one,
/// and an index without its `.log` is looked at a second time.
#[must_use]
pub fn partition_findings(dir: &PartitionDir, is_live: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let suffix = dir.name.as_ref().and_then(|name| name.suffix);
    match suffix {
        Some(PartitionDirSuffix::Delete) => {
            findings.push(whole(dir.path(), 0, Problem::DeletePending));
        }
        Some(PartitionDirSuffix::Stray) => {
            let problem = Problem::StrayDirectory { stops_broker: false };
            let why = "a broker set it aside as not assigned to it";
            findings.push(whole(dir.path(), 0, problem).with_broker(Some(why)));
        }
        Some(PartitionDirSuffix::Future) | None => {}
    }
    orphans(dir, is_live, &mut findings);
    leftovers(dir, is_live, &mut findings);
    for path in &dir.strays {
        findings.extend(stray(path));
    }
    partition_metadata(dir, &mut findings);
    quorum_state(dir, &mut findings);
    findings.sort_by(|a, b| a.file.cmp(&b.file));
    findings
}

/// Index files without their `.log`. One beside a `.log` that only we do not read is none.
fn orphans(dir: &PartitionDir, is_live: bool, findings: &mut Vec<Finding>) {
    let has_log = |orphan: &&NamedFile| {
        dir.unreadable.iter().any(|log| log.name.offset == orphan.name.offset)
    };
    let mut orphans = dir.orphans.iter().filter(|orphan| !has_log(orphan)).peekable();
    // A broker renames and deletes the files of a segment one by one.
    let again = (is_live && orphans.peek().is_some()).then(|| PartitionDir::open(dir.path()));
    for orphan in orphans {
        let is_there = |again: &PartitionDir| again.orphans.iter().any(|o| o.name == orphan.name);
        if again.as_ref().is_none_or(|again| again.as_ref().is_ok_and(is_there)) {
            findings.push(whole(&orphan.file.path, orphan.file.size, Problem::LogMissing));
        }
    }
}

/// Files with a suffix. A `.tmp` of a small file is half of a new one and means nothing.
fn leftovers(dir: &PartitionDir, is_live: bool, findings: &mut Vec<Finding>) {
    let lowest_cleaned = dir
        .leftovers
        .iter()
        .filter(|file| file.name.suffix == Some(Suffix::Cleaned))
        .filter_map(|file| file.name.offset)
        .min();
    for NamedFile { name, file } in &dir.leftovers {
        let (path, size) = (file.path.as_path(), file.size);
        if let Err(error) = open_regular(path) {
            let finding = unreadable(path, &error);
            findings.extend(finding.map(|finding| finding.with_broker(Some(MUST_BE_READABLE))));
        }
        let is_metadata_snapshot = name.kind == FileKind::MetadataCheckpoint;
        let stops_broker = stops_broker(path);
        match (name.suffix, name.offset) {
            (Some(Suffix::Cleaned | Suffix::Swap), _) if stops_broker => {
                findings.push(whole(path, size, Problem::StrayFile { stops_broker }));
            }
            (Some(Suffix::Deleted), _) => findings.push(whole(path, size, Problem::DeletePending)),
            (Some(Suffix::Cleaned | Suffix::Swap), Some(offset)) if !is_live => {
                findings.push(replacement(name, offset, lowest_cleaned, path, size));
            }
            (Some(Suffix::Cleaned | Suffix::Swap), Some(_)) => {}
            (Some(Suffix::Tmp), None) => {}
            (Some(Suffix::Part), _) if is_metadata_snapshot => {}
            _ => {
                let problem = Problem::StrayFile { stops_broker: false };
                findings.push(whole(path, size, problem));
            }
        }
    }
}

/// Renames from `.cleaned` to `.swap` go from the highest offset down: what is at or above the
/// lowest `.cleaned` is not complete.
fn replacement(
    name: &FileName,
    offset: Offset,
    lowest_cleaned: Option<Offset>,
    path: &Path,
    size: u64,
) -> Finding {
    let completes = name.suffix == Some(Suffix::Swap)
        && lowest_cleaned.is_none_or(|lowest_cleaned| offset < lowest_cleaned);
    let broker = match (completes, name.kind) {
        (true, FileKind::Log) => {
            "a broker that starts deletes every numbered file from the lowest to the highest \
             offset in all .log.swap files, producer snapshots too, then takes these"
        }
        (true, _) => "a broker that starts takes it, without the .swap",
        (false, _) => "a broker that starts deletes it",
    };
    whole(path, size, Problem::InterruptedReplace { completes }).with_broker(Some(broker))
}

/// True when a broker takes a part of the file's name for an offset that is none.
fn stops_broker(path: &Path) -> bool {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    let number = text.split_once('.').map_or("", |(number, _)| number).parse::<i64>();
    [".log", ".cleaned", ".swap"].iter().any(|end| text.ends_with(end)) && number.is_err()
}

/// What is not Kafka's, or no regular file.
fn stray(path: &Path) -> Option<Finding> {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    let name = FileName::parse(&text).filter(|name| name.kind.is_in_partition());
    let stops_broker = stops_broker(path);
    match (EntryKind::of(path), name) {
        (EntryKind::Gone | EntryKind::Unknown, _) => None,
        (EntryKind::Directory, None) => {
            Some(whole(path, 0, Problem::StrayDirectory { stops_broker: false }))
        }
        (EntryKind::File, _) => Some(match open_regular(path) {
            Ok(_) => whole(path, 0, Problem::StrayFile { stops_broker }),
            Err(error) => unreadable(path, &error)?.with_broker(Some(MUST_BE_READABLE)),
        }),
        (EntryKind::LinkToFile, None) => Some(whole(path, 0, Problem::StrayFile { stops_broker })),
        (_, None) => Some(whole(path, 0, Problem::StrayFile { stops_broker: false })),
        (kind, Some(name)) => {
            let why = match open_regular(path) {
                Ok(_) => "not a regular file when the directory was listed".to_owned(),
                Err(error) => error.reason(),
            };
            let is_segment = name.kind == FileKind::Log && name.suffix.is_none();
            let broker = match kind {
                EntryKind::DanglingLink | EntryKind::Directory if is_segment => {
                    Some("a broker that starts takes it for absent and deletes its indexes")
                }
                _ => None,
            };
            Some(not_readable(path, why).with_broker(broker))
        }
    }
}

fn partition_metadata(dir: &PartitionDir, findings: &mut Vec<Finding>) {
    let Some(file) = &dir.partition_metadata else { return };
    let Some(bytes) = read(&file.path, findings) else { return };
    let kind = TextKind::PartitionMetadata;
    let topic_id = match PartitionMetadata::parse(&bytes) {
        Ok(metadata) => metadata.topic_id,
        Err(error) => {
            let problem = Problem::Text { file: kind, error: error.kind };
            findings.push(from_error(&file.path, &bytes, error, problem));
            return;
        }
    };
    let Some(TopicPartition { topic, .. }) = dir.name.as_ref().map(|name| &name.topic_partition)
    else {
        return;
    };
    let expected = Uuid::METADATA_TOPIC_ID;
    let why = match (topic == METADATA_TOPIC, topic_id == expected) {
        (true, false) => format!("topic id {topic_id}, {METADATA_TOPIC} always has {expected}"),
        (false, true) => format!("topic id {topic_id}, which is that of {METADATA_TOPIC}"),
        _ => return,
    };
    let size = bytes.len() as u64;
    findings.push(whole(&file.path, size, Problem::Contradicts { file: kind, why }));
}

/// One object in JSON. Only what makes it one is looked at, and that it names an epoch.
fn quorum_state(dir: &PartitionDir, findings: &mut Vec<Finding>) {
    let Some(file) = &dir.quorum_state else { return };
    let Some(bytes) = read(&file.path, findings) else { return };
    let error = match json::quorum_state(&bytes) {
        Err(error) => error,
        Ok(text) => {
            let is_object = text.starts_with('{') && text.ends_with('}');
            let has = |name: &str| text.contains(name);
            let why = if !is_object {
                "not an object in JSON"
            } else if !has("\"leaderEpoch\"") {
                "leaderEpoch is missing"
            } else if !has("\"data_version\"") {
                "data_version is missing"
            } else {
                return;
            };
            FormatError::new(Position(0), FormatErrorKind::Line { line: 1, why })
        }
    };
    let problem = Problem::Text { file: TextKind::QuorumState, error: error.kind };
    findings.push(from_error(&file.path, &bytes, error, problem));
}

/// Partitions in service that have one topic in their names and different ids in their
/// `partition.metadata`. `dirs` are those of one log dir.
#[must_use]
pub fn topic_id_findings(dirs: &[&PartitionDir]) -> Vec<Finding> {
    let mut topics: BTreeMap<&str, Vec<(&TopicPartition, &Path, u64, Uuid)>> = BTreeMap::new();
    for dir in dirs {
        let in_service = dir.name.as_ref().filter(|name| name.suffix.is_none());
        let Some((name, file)) = in_service.zip(dir.partition_metadata.as_ref()) else { continue };
        let parsed = read_small(&file.path).ok().map(|bytes| PartitionMetadata::parse(&bytes));
        // What cannot be read or parsed is a finding of its own.
        if let Some(Ok(metadata)) = parsed {
            let partition = &name.topic_partition;
            let entry = (partition, file.path.as_path(), file.size, metadata.topic_id);
            topics.entry(&partition.topic).or_default().push(entry);
        }
    }
    let mut findings = Vec::new();
    for partitions in topics.values() {
        let Some(&(usual, _, _, usual_id)) = most_frequent(partitions) else { continue };
        for (_, path, size, id) in partitions.iter().filter(|(_, _, _, id)| *id != usual_id) {
            let why = format!("topic id {id}, that of {usual} is {usual_id}");
            let problem = Problem::Contradicts { file: TextKind::PartitionMetadata, why };
            findings.push(whole(path, *size, problem));
        }
    }
    findings
}

/// One of the partitions that have the id that most have; the first where several have as many.
fn most_frequent<'a, 'b>(
    partitions: &'a [(&'b TopicPartition, &'b Path, u64, Uuid)],
) -> Option<&'a (&'b TopicPartition, &'b Path, u64, Uuid)> {
    let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
    for (_, _, _, id) in partitions {
        *counts.entry(*id).or_default() += 1;
    }
    let count = |id: &Uuid| counts.get(id).copied().unwrap_or_default();
    partitions.iter().rev().max_by_key(|(_, _, _, id)| count(id))
}
