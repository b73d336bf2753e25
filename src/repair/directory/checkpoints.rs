//! The checkpoints of a log dir, brought in line with the logs: each is text, one line a partition.
//!
//! | checkpoint | a line above the log end becomes | a line that is lost |
//! |---|---|---|
//! | recovery point | the log end: all below is on the disk | is 0: after a kill all is read |
//! | log start | where the log begins: else a broker deletes all of it | what was deleted is back |
//! | high watermark | the log end | is the log start, until the leader raises it |
//! | cleaner | where the log begins: it is cleaned once more | the same |

use super::action;
use crate::error::Result;
use crate::format::checkpoint::{PartitionOffset, encode, offset_checkpoint};
use crate::format::{Offset, Position};
use crate::log::file_facts::FileIdentity;
use crate::log::names::OffsetCheckpoint;
use crate::log::{LogDirContext, TopicPartition, read_small};
use crate::repair::change::{Change, WriteFile};
use crate::repair::plan::{Action, ActionKind};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The code of the findings that are answered here.
pub(super) const CODE: &str = "checkpoint";
/// The longest name of a topic.
const TOPIC_BYTES: usize = 249;

/// What changes in a log dir's checkpoints when the log of a partition gets another end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointChanges {
    /// What has to be on the disk before the log is touched: a log start above the log end makes a
    /// broker delete the whole log.
    pub first: Vec<Change>,
    /// What is done when the log is as it is going to be.
    pub last: Vec<Change>,
    /// Both in words.
    pub actions: Vec<Action>,
}

/// Lowers the lines of one partition that are above the end that its log is going to have. A
/// checkpoint that does not parse is none of this: see [`super::of_log_dir`].
///
/// # Errors
/// When a checkpoint is there and cannot be read.
pub fn checkpoints_for(
    context: &LogDirContext,
    partition: &TopicPartition,
    log_start: Offset,
    log_end: Offset,
) -> Result<CheckpointChanges> {
    let ends =
        Ends::from([((partition.topic.as_str(), partition.partition), (log_start, log_end))]);
    let mut changes = CheckpointChanges::default();
    for which in OffsetCheckpoint::ALL {
        let path = context.path().join(which.file_name());
        let Some(file) = Checkpoint::read(which, &path)? else { continue };
        if let Some((change, actions)) = file.lowered(&ends) {
            changes.actions.extend(actions);
            match which {
                OffsetCheckpoint::LogStart => changes.first.push(change),
                _ => changes.last.push(change),
            }
        }
    }
    Ok(changes)
}

/// Where logs begin and end.
pub(super) type Ends<'a> = HashMap<(&'a str, i32), (Offset, Offset)>;

/// A checkpoint as it is.
pub(super) struct Checkpoint {
    which: OffsetCheckpoint,
    path: PathBuf,
    pub(super) identity: FileIdentity,
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// `None` where there is none.
    pub(super) fn read(which: OffsetCheckpoint, path: &Path) -> Result<Option<Self>> {
        let Some(identity) = FileIdentity::of(path)? else { return Ok(None) };
        match read_small(path) {
            Ok(bytes) => Ok(Some(Self { which, path: path.to_owned(), identity, bytes })),
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn parses(&self) -> bool {
        offset_checkpoint(&self.bytes).is_ok()
    }

    /// The change that lowers what is above the end of a log; `None` where nothing is.
    pub(super) fn lowered(&self, ends: &Ends<'_>) -> Option<(Change, Vec<Action>)> {
        let entries = offset_checkpoint(&self.bytes).ok()?;
        let (mut lines, mut actions) = (Vec::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            let mut line = entry.value;
            let known = ends.get(&(line.topic, line.partition));
            if let Some(offset) = known.and_then(|&ends| self.right(line.offset, ends)) {
                let end = known.map_or(line.offset, |(_, end)| *end);
                let next = entries.get(number + 1).map(|next| next.position);
                let behind = next.unwrap_or(Position(self.bytes.len() as u64));
                let reason = format!("{line}: its log ends at {end}, so {}", self.becomes(offset));
                let mut said = self.action(reason);
                said.range = entry.position..behind;
                actions.push(said);
                line.offset = offset;
            }
            lines.push(line);
        }
        (!actions.is_empty()).then(|| (self.write(&lines), actions))
    }

    /// The change that makes a checkpoint that does not parse one that does, of the lines that are
    /// whole.
    pub(super) fn salvaged(&self, ends: &Ends<'_>) -> (Change, Action) {
        let mut lines: BTreeMap<(&str, i32), Offset> = BTreeMap::new();
        let mut lowered = 0;
        for line in whole_lines(&self.bytes) {
            let key = (line.topic, line.partition);
            let known = ends.get(&key).and_then(|&ends| self.right(line.offset, ends));
            lowered += u64::from(known.is_some());
            let offset = known.unwrap_or(line.offset);
            // Of two the lower one promises less.
            lines.entry(key).and_modify(|other| *other = offset.min(*other)).or_insert(offset);
        }
        let kept: Vec<PartitionOffset<'_>> = lines
            .into_iter()
            .map(|((topic, partition), offset)| PartitionOffset { topic, partition, offset })
            .collect();
        let without = match self.which {
            OffsetCheckpoint::RecoveryPoint => {
                "of a partition without a line a broker reads everything after an unclean stop"
            }
            OffsetCheckpoint::LogStart => {
                "a partition without a line begins with its first segment: what was deleted with \
                 kafka-delete-records.sh and is still there can be read again"
            }
            OffsetCheckpoint::HighWatermark => {
                "a partition without a line is read up to its beginning only, until its leader \
                 has raised the high watermark, which loses nothing"
            }
            OffsetCheckpoint::Cleaner => {
                "a partition without a line is compacted from its beginning once more"
            }
        };
        let whole = match kept.len() {
            1 => "1 line in it is whole and is kept".to_owned(),
            lines => format!("{lines} lines in it are whole and are kept"),
        };
        let reason = format!(
            "it does not parse: {whole}, {lowered} of them lowered to the end of their log; \
             {without}"
        );
        (self.write(&kept), self.action(reason))
    }

    /// What stands in for an offset above the end of a log.
    fn right(&self, offset: Offset, (log_start, log_end): (Offset, Offset)) -> Option<Offset> {
        let is_above = offset > log_end;
        is_above.then_some(match self.which {
            OffsetCheckpoint::LogStart | OffsetCheckpoint::Cleaner => log_start.min(log_end),
            OffsetCheckpoint::RecoveryPoint | OffsetCheckpoint::HighWatermark => log_end,
        })
    }

    fn becomes(&self, offset: Offset) -> String {
        match self.which {
            OffsetCheckpoint::RecoveryPoint => format!("what is on the disk ends at {offset}"),
            OffsetCheckpoint::HighWatermark => format!("the high watermark is {offset}"),
            OffsetCheckpoint::LogStart => format!(
                "it begins at {offset}; else a broker deletes all of it. What was deleted below \
                 the old line and is still there can be read again"
            ),
            OffsetCheckpoint::Cleaner => format!("it is compacted from {offset} on once more"),
        }
    }

    fn action(&self, reason: String) -> Action {
        action(ActionKind::RewriteCheckpoint, &self.path, reason, CODE)
    }

    fn write(&self, lines: &[PartitionOffset<'_>]) -> Change {
        Change::WriteFile(WriteFile {
            path: self.path.clone(),
            after: encode(lines).into_bytes(),
            before: Some(self.identity),
            like: self.path.clone(),
            made_from: Vec::new(),
        })
    }
}

/// The lines that are an entry such as Kafka writes them. The last one may be cut short, in its
/// offset too, so that it counts only where it has an end.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = PartitionOffset<'_>> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let end = bytes.iter().rposition(is_end).unwrap_or(0);
    let lines = bytes.get(..end).unwrap_or_default().split(is_end);
    lines.filter_map(|line| {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.split(' ');
        let (topic, partition, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_topic = (1..=TOPIC_BYTES).contains(&topic.len()) && topic.bytes().all(is_legal);
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        let offset = Offset(offset.parse().ok().filter(|offset| *offset >= 0)?);
        let is_whole = is_topic && fields.next().is_none();
        is_whole.then_some(PartitionOffset { topic, partition, offset })
    })
}
