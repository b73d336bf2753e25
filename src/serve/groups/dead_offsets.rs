//! What the dead cluster's groups committed, read from a partition of `__consumer_offsets`.
//!
//! ```text
//!   key     | i16 type | group | topic | i32 partition |      types 0 and 1, a commit
//!           | i16 type | group |                              type 2, a classic group
//!   value   | i16 version | i64 offset | i32 leader epoch | metadata | i64 time | ...
//!           | i16 version | protocol type | ...               null: it is gone
//!
//!   | plain: a=1 | producer 7: a=2 | plain: b=1 | 7: COMMIT | 7: a=3 | 7: ABORT |    a=2, b=1
//! ```
//!
//! The last record of a key holds. What a transaction commits holds from its COMMIT marker on,
//! unless a younger record is there already; what never ended never holds. Commits that a live
//! broker would have let expire are kept: time stood still when the cluster died.

use super::messages::{Commit, TopicId};
use crate::error::{Error, Result};
use crate::format::control::ControlRecord;
use crate::format::{self, Batch, Cursor, FormatErrorKind, Offset, Position, Record, Scratch};
use crate::limits::Limits;
use crate::log::runs::{Bounds, Piece, Scanner};
use crate::log::{Access, FileBytes, SegmentFiles};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

const CLASSIC_GROUP: i16 = 2;

/// What a partition of `__consumer_offsets` comes to.
#[derive(Debug, Default)]
pub struct DeadOffsets {
    /// What holds at the end, by group, topic and partition.
    pub offsets: Vec<DeadOffset>,
    /// Groups with a record of their own, and their protocol types.
    pub groups: Vec<(Arc<str>, Arc<str>)>,
    /// What could not be read, so that some of it may be older than it was.
    pub loss: Loss,
}

/// A commit of the dead cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadOffset {
    /// The group.
    pub group: Arc<str>,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic's id, zeros where the record has none.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// Offset, leader epoch and metadata.
    pub commit: Commit,
}

/// What could not be read.
#[derive(Debug, Default)]
pub struct Loss {
    /// Bytes that no batch proves, but for the end that a killed broker leaves.
    pub damaged_bytes: u64,
    /// Batches whose checksums agree and whose records do not parse to the end.
    pub undecodable_batches: u64,
    /// Records of commits and groups that do not parse.
    pub undecodable_records: u64,
    /// Commits that were more than the limit allows.
    pub too_many: u64,
    /// Files that could not be read.
    pub unreadable: Vec<Error>,
}

impl Loss {
    /// True when everything was read.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let Self { damaged_bytes, undecodable_batches, undecodable_records, too_many, unreadable } =
            self;
        let counts = [*damaged_bytes, *undecodable_batches, *undecodable_records, *too_many];
        counts.iter().all(|&count| count == 0) && unreadable.is_empty()
    }
}

/// Reads the segments of a partition, in their order. At most `most` commits are kept.
#[must_use]
pub fn read(segments: &[SegmentFiles], limits: Limits, most: usize) -> DeadOffsets {
    let mut replay = Replay::new(most);
    let mut scratch = Scratch::new(limits.decompressed_bytes);
    for (index, segment) in segments.iter().enumerate() {
        let next = segments.get(index.saturating_add(1)).map(|next| next.base_offset);
        if let Err(error) = replay.segment(segment, next, limits, &mut scratch) {
            replay.loss.unreadable.push(error);
        }
    }
    replay.end()
}

/// Group, topic and partition.
type Key = (Arc<str>, Arc<str>, i32);

/// A commit, and the record that it comes from.
struct Kept {
    at: Offset,
    topic_id: TopicId,
    commit: Commit,
}

/// Plays the records again.
struct Replay {
    offsets: BTreeMap<Key, Kept>,
    groups: BTreeMap<Arc<str>, Arc<str>>,
    /// What open transactions commit, by producer.
    open: HashMap<i64, BTreeMap<Key, Kept>>,
    /// All commits in `offsets` and `open`.
    count: usize,
    most: usize,
    /// Each name once, however many commits it is in.
    names: HashSet<Arc<str>>,
    loss: Loss,
}

impl Replay {
    fn new(most: usize) -> Self {
        Self {
            offsets: BTreeMap::new(),
            groups: BTreeMap::new(),
            open: HashMap::new(),
            count: 0,
            most,
            names: HashSet::new(),
            loss: Loss::default(),
        }
    }

    fn segment(
        &mut self,
        segment: &SegmentFiles,
        next: Option<Offset>,
        limits: Limits,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let file = FileBytes::open(&segment.log.path, Access::Read)?;
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(segment.base_offset),
            next_segment_base: next,
        };
        let mut scanner = Scanner::new(&file, 0..file.len(), bounds, limits);
        while let Some(piece) = scanner.next()? {
            match piece {
                Piece::Proved(batch) => self.batch(&batch, scratch),
                // The last segment of a killed broker ends like that.
                Piece::Damaged(damage) if next.is_none() && damage.kind.is_end_of_file() => {}
                Piece::Damaged(damage) => {
                    let bytes = damage.range.end.0.saturating_sub(damage.range.start.0);
                    self.loss.damaged_bytes = self.loss.damaged_bytes.saturating_add(bytes);
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) {
        let attributes = batch.attributes();
        let producer = attributes.is_transactional().then_some(batch.producer_id());
        let Ok(records) = batch.records(scratch) else {
            self.loss.undecodable_batches += 1;
            return;
        };
        for record in records {
            let Ok(record) = record else {
                self.loss.undecodable_batches += 1;
                return;
            };
            if attributes.is_control() {
                self.marker(batch, &record);
            } else if self.record(producer, &record).is_err() {
                self.loss.undecodable_records += 1;
            }
        }
    }

    /// A transaction ends.
    fn marker(&mut self, batch: &Batch<'_>, record: &Record<'_>) {
        let holds = match ControlRecord::parse(record.key, record.value, batch.position()) {
            Ok(ControlRecord::Commit { .. }) => true,
            Ok(ControlRecord::Abort { .. }) => false,
            Ok(_) => return,
            Err(_) => {
                self.loss.undecodable_records += 1;
                return;
            }
        };
        for (key, kept) in self.open.remove(&batch.producer_id()).unwrap_or_default() {
            self.count = self.count.saturating_sub(1);
            if holds && self.offsets.get(&key).is_none_or(|before| before.at < kept.at) {
                self.count += usize::from(self.offsets.insert(key, kept).is_none());
            }
        }
    }

    fn record(&mut self, producer: Option<i64>, record: &Record<'_>) -> format::Result<()> {
        match Entry::parse(record)? {
            Entry::Commit { group, topic, partition, value } => {
                let key = (self.name(group), self.name(topic), partition);
                self.commit(producer, key, value, record.offset);
            }
            Entry::Group { group, protocol_type: Some(protocol_type) } => {
                if self.groups.len() < self.most || self.groups.contains_key(group) {
                    let (group, protocol_type) = (self.name(group), self.name(protocol_type));
                    self.groups.insert(group, protocol_type);
                }
            }
            Entry::Group { group, protocol_type: None } => {
                self.groups.remove(group);
            }
            Entry::Other => {}
        }
        Ok(())
    }

    fn commit(&mut self, producer: Option<i64>, key: Key, value: Option<Value<'_>>, at: Offset) {
        let commits = match producer {
            Some(producer) => self.open.entry(producer).or_default(),
            None => &mut self.offsets,
        };
        let Some(value) = value else {
            self.count = self.count.saturating_sub(usize::from(commits.remove(&key).is_some()));
            return;
        };
        let is_known = commits.contains_key(&key);
        if !is_known && self.count >= self.most {
            self.loss.too_many += 1;
            return;
        }
        let Value { topic_id, offset, leader_epoch, metadata } = value;
        let commit = Commit { offset, leader_epoch, metadata: metadata.into() };
        commits.insert(key, Kept { at, topic_id, commit });
        self.count += usize::from(!is_known);
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if self.names.len() < self.most {
            self.names.insert(Arc::clone(&new));
        }
        new
    }

    fn end(self) -> DeadOffsets {
        let offsets = self.offsets.into_iter().map(|((group, topic, partition), kept)| {
            let Kept { topic_id, commit, .. } = kept;
            DeadOffset { group, topic, topic_id, partition, commit }
        });
        DeadOffsets {
            offsets: offsets.collect(),
            groups: self.groups.into_iter().collect(),
            loss: self.loss,
        }
    }
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
enum Entry<'a> {
    /// Without a value, the commit is gone.
    Commit { group: &'a str, topic: &'a str, partition: i32, value: Option<Value<'a>> },
    /// Without a protocol type, the group is gone.
    Group { group: &'a str, protocol_type: Option<&'a str> },
    /// Members and assignments of the other kinds of groups.
    Other,
}

#[derive(Debug, PartialEq, Eq)]
struct Value<'a> {
    topic_id: TopicId,
    offset: i64,
    leader_epoch: i32,
    metadata: &'a str,
}

/// Above it, strings have varints for lengths, and fields may follow that have tags.
const LAST_FIXED_VERSION: i16 = 3;
const LAST_VERSION: i16 = 4;

impl<'a> Entry<'a> {
    fn parse(record: &Record<'a>) -> format::Result<Self> {
        let mut key = Cursor::new(record.key.unwrap_or_default(), Position(0));
        let value = record.value.map(|value| Cursor::new(value, Position(0)));
        match key.i16()? {
            0 | 1 => Ok(Self::Commit {
                group: string(&mut key, 0)?,
                topic: string(&mut key, 0)?,
                partition: key.i32()?,
                value: value.map(Value::parse).transpose()?,
            }),
            CLASSIC_GROUP => Ok(Self::Group {
                group: string(&mut key, 0)?,
                protocol_type: value.map(protocol_type).transpose()?,
            }),
            _ => Ok(Self::Other),
        }
    }
}

fn version_of(value: &mut Cursor<'_>) -> format::Result<i16> {
    let version = value.i16()?;
    match (0..=LAST_VERSION).contains(&version) {
        true => Ok(version),
        false => Err(value.error(FormatErrorKind::Version(version.into()))),
    }
}

fn protocol_type(mut value: Cursor<'_>) -> format::Result<&str> {
    let version = version_of(&mut value)?;
    string(&mut value, version)
}

impl<'a> Value<'a> {
    fn parse(mut value: Cursor<'a>) -> format::Result<Self> {
        let version = version_of(&mut value)?;
        let offset = value.i64()?;
        let leader_epoch = if version >= 3 { value.i32()? } else { -1 };
        let metadata = string(&mut value, version)?;
        let _committed_at = value.i64()?;
        let _expires_at = if version == 1 { value.i64()? } else { -1 };
        let mut topic_id = TopicId::default();
        if version > LAST_FIXED_VERSION {
            // Each takes two bytes at least, so the bytes bound their number.
            for _ in 0..value.unsigned_varint()? {
                let tag = value.unsigned_varint()?;
                let size = usize::try_from(value.unsigned_varint()?).unwrap_or(usize::MAX);
                let field = value.take(size)?;
                if let (0, Some(id)) = (tag, field.first_chunk()) {
                    topic_id = *id;
                }
            }
        }
        Ok(Self { topic_id, offset, leader_epoch, metadata })
    }
}

/// A string in a message of this version; a null is none.
fn string<'a>(cursor: &mut Cursor<'a>, version: i16) -> format::Result<&'a str> {
    let length = if version > LAST_FIXED_VERSION {
        i64::from(cursor.unsigned_varint()?) - 1
    } else {
        i64::from(cursor.i16()?)
    };
    let what = "the length of a string that may not be null";
    let Ok(length) = usize::try_from(length) else {
        return Err(cursor.error(FormatErrorKind::Record { what, value: length }));
    };
    let bytes = cursor.take(length)?;
    std::str::from_utf8(bytes).map_err(|_| cursor.error(FormatErrorKind::Utf8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::consumer_offsets::{Decoded, decode};
    use crate::format::schema::Value as Tree;
    use crate::log::PartitionDir;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use std::path::{Path, PathBuf};

    const CLUSTERS: [&str; 5] =
        ["kafka-2.8.2", "kafka-3.9.2", "kafka-4.3.1", "kafka-4.3.1-killed", "kafka-4.4.0"];

    /// `group/topic/partition` and `offset/epoch/metadata`, or a group and its protocol type.
    type Flat = BTreeMap<String, String>;

    fn flat(found: &DeadOffsets) -> Flat {
        let commits = found.offsets.iter().map(|found| {
            let DeadOffset { group, topic, topic_id, partition, commit } = found;
            let Commit { offset, leader_epoch, metadata } = commit;
            let key = format!("{group}/{topic}/{partition}");
            (key, format!("{offset}/{leader_epoch}/{metadata}/{topic_id:?}"))
        });
        let groups = found.groups.iter();
        commits.chain(groups.map(|(group, kind)| (group.to_string(), kind.to_string()))).collect()
    }

    fn text<'v>(tree: &'v Tree<'_>, name: &str) -> &'v str {
        match tree.get(name) {
            Some(Tree::Str(bytes)) => std::str::from_utf8(bytes).unwrap(),
            other => panic!("{name}: {other:?}"),
        }
    }

    fn number(tree: &Tree<'_>, name: &str, default: i64) -> i64 {
        match tree.get(name) {
            Some(Tree::Int(number)) => *number,
            None => default,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// What a real consumer received with read_committed, decoded after Kafka's schemas: the last
    /// record of a key.
    fn expected(cluster: &str, partition: u32) -> Flat {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/expected");
        let path = |isolation: &str| {
            directory.join(format!("{cluster}/__consumer_offsets-{partition}.{isolation}.jsonl"))
        };
        let committed = std::fs::read_to_string(path("committed"));
        let lines = committed.or_else(|_| std::fs::read_to_string(path("uncommitted"))).unwrap();
        let mut flat = Flat::new();
        for line in lines.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let bytes =
                |name: &str| record[name].as_str().map(|text| STANDARD.decode(text).unwrap());
            replay(&mut flat, &bytes("key").unwrap(), bytes("value").as_deref());
        }
        flat
    }

    /// Lets a record have its way, decoded after Kafka's schemas.
    fn replay(flat: &mut Flat, key: &[u8], value: Option<&[u8]>) {
        let Decoded::Record { record_type, key, value } = decode(key, value) else {
            panic!("{key:?}")
        };
        let name = match record_type.id {
            0 | 1 => {
                let (group, topic) = (text(&key, "group"), text(&key, "topic"));
                format!("{group}/{topic}/{}", number(&key, "partition", 0))
            }
            2 => text(&key, "group").to_owned(),
            _ => return,
        };
        let Some(value) = value.map(|value| value.value) else {
            flat.remove(&name);
            return;
        };
        let text = if record_type.id == 2 {
            text(&value, "protocolType").to_owned()
        } else {
            let id = match value.get("topicId") {
                Some(Tree::Uuid(id)) => *id,
                _ => TopicId::default(),
            };
            let (offset, epoch) = (number(&value, "offset", 0), number(&value, "leaderEpoch", -1));
            format!("{offset}/{epoch}/{}/{id:?}", text(&value, "metadata"))
        };
        flat.insert(name, text);
    }

    fn partition(cluster: &str, partition: u32) -> PartitionDir {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let path = root.join(cluster).join(format!("__consumer_offsets-{partition}"));
        PartitionDir::open(&path).unwrap()
    }

    #[test]
    fn it_is_what_a_real_consumer_received() {
        let mut commits = 0;
        for cluster in CLUSTERS {
            for index in [0, 1] {
                let dir = partition(cluster, index);
                let found = read(&dir.segments, Limits::STANDARD, usize::MAX);
                assert!(found.loss.is_none(), "{cluster} {index}: {:?}", found.loss);
                assert_eq!(flat(&found), expected(cluster, index), "{cluster} {index}");
                commits += found.offsets.len();
            }
        }
        assert!(commits > 20, "{commits}");
    }

    /// The first segment of a partition, as bytes, and its batches.
    fn bytes_of(cluster: &str, index: u32) -> Vec<u8> {
        std::fs::read(&partition(cluster, index).segments[0].log.path).unwrap()
    }

    fn read_bytes(directory: &Path, bytes: &[u8]) -> DeadOffsets {
        let path: PathBuf = directory.join("00000000000000000000.log");
        std::fs::write(path, bytes).unwrap();
        let dir = PartitionDir::open(directory).unwrap();
        read(&dir.segments, Limits::STANDARD, usize::MAX)
    }

    /// A transaction's commits hold from its marker on and not before.
    #[test]
    fn what_never_ended_never_holds() {
        let temporary = tempfile::tempdir().unwrap();
        let bytes = bytes_of("kafka-2.8.2", 0);
        let mut model = Flat::new();
        let mut open: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        let mut endings = [0, 0];
        for batch in format::Batches::new(&bytes, Position(0)) {
            let batch = batch.unwrap();
            let mut scratch = Scratch::new(1 << 20);
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                let (key, value) = (record.key.unwrap().to_vec(), record.value.map(Vec::from));
                if batch.attributes().is_control() {
                    // The last byte of a marker's key is its type.
                    let commits = key[3] == 1;
                    endings[usize::from(commits)] += 1;
                    let ended = std::mem::take(&mut open);
                    for (key, value) in ended.into_iter().filter(|_| commits) {
                        replay(&mut model, &key, value.as_deref());
                    }
                } else if batch.attributes().is_transactional() {
                    open.push((key, value));
                } else {
                    replay(&mut model, &key, value.as_deref());
                }
            }
            let end = usize::try_from(batch.end().0).unwrap();
            let found = flat(&read_bytes(temporary.path(), &bytes[..end]));
            assert_eq!(found, model, "up to byte {end}");
        }
        assert!(endings[0] > 0 && endings[1] > 0, "{endings:?}");
    }

    #[test]
    fn damage_is_stepped_over_and_said() {
        let temporary = tempfile::tempdir().unwrap();
        let bytes = bytes_of("kafka-4.3.1", 1);
        let whole = flat(&read_bytes(temporary.path(), &bytes));
        let batches: Vec<_> =
            format::Batches::new(&bytes, Position(0)).map(|batch| batch.unwrap()).collect();
        for batch in batches.iter().take(batches.len() - 1) {
            let mut damaged = bytes.clone();
            damaged[usize::try_from(batch.end().0).unwrap() - 1] ^= 1;
            let found = read_bytes(temporary.path(), &damaged);
            assert_eq!(found.loss.damaged_bytes, batch.size() as u64);
            assert!(
                flat(&found).keys().all(|key| whole.contains_key(key) || key.contains("group"))
            );
        }
        // A killed broker leaves a part of a batch, or zeros, at the end.
        let cut = read_bytes(temporary.path(), &bytes[..bytes.len() - 1]);
        assert!(cut.loss.is_none(), "{:?}", cut.loss);
        let mut zeros = bytes.clone();
        zeros.extend([0; 4096]);
        let found = read_bytes(temporary.path(), &zeros);
        assert!(found.loss.is_none() && flat(&found) == whole);
    }

    #[test]
    fn a_limit_of_commits_is_kept_and_said() {
        let dir = partition("kafka-4.3.1", 0);
        let all = read(&dir.segments, Limits::STANDARD, usize::MAX);
        let found = read(&dir.segments, Limits::STANDARD, 2);
        assert!(all.offsets.len() > 2 && found.offsets.len() <= 2);
        assert!(found.loss.too_many > 0 && !found.loss.is_none());
    }

    #[test]
    fn what_cannot_be_opened_is_said() {
        let mut dir = partition("kafka-4.3.1", 1);
        dir.segments[0].log.path.push("not");
        let found = read(&dir.segments, Limits::STANDARD, usize::MAX);
        assert_eq!(found.loss.unreadable.len(), 1);
    }

    #[test]
    fn records_that_do_not_parse() {
        let parse = |key: &[u8], value: Option<&[u8]>| {
            // Every version that there is, and those beside it.
            let cursor = |bytes| Cursor::new(bytes, Position(0));
            let mut key = cursor(key);
            let id = key.i16();
            (id.is_ok(), value.map(|value| Value::parse(cursor(value)).is_ok()))
        };
        assert_eq!(parse(&[0, 1], Some(&[0, 5])), (true, Some(false)));
        assert_eq!(parse(&[0], Some(&[255, 255])), (false, Some(false)));
        // Version 4, an offset, an epoch, a null string.
        let mut value = vec![0, 4];
        value.extend([0; 12]);
        assert!(Value::parse(Cursor::new(&[&value[..], &[0; 20]].concat(), Position(0))).is_err());
        // An empty one, a time, and 2^32 - 1 tagged fields.
        let tags = [&value[..], &[1], &[0; 8], &[255, 255, 255, 255, 15]].concat();
        assert!(Value::parse(Cursor::new(&tags, Position(0))).is_err());
        let none = [&value[..], &[1], &[0; 8], &[0]].concat();
        assert!(Value::parse(Cursor::new(&none, Position(0))).is_ok());
    }
}
