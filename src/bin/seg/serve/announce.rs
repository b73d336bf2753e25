//! What is said at the start: what is served, what is not, what is damaged, where to connect.

use super::sources::Sources;
use crate::cli::Format;
use crate::output::Output;
use crate::render::{JsonLines, Sink};
use crate::row::{self, ServedRow, ServingRow};
use crate::table::Table;
use crate::values::{count, plural as things, size, terminal_text};
use segkit::format::{Offset, Position};
use segkit::log::loaded::LoadedTail;
use segkit::log::names::{OffsetCheckpoint, Suffix};
use segkit::log::{FileKind, FileName, TopicPartition};
use segkit::serve::catalog::{Catalog, Choice, Partition, Reason, Replica, Slot, Topic};
use segkit::serve::groups::load::Found;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// More topics than this are shown only when everything is asked for.
const TOPICS_SHOWN: usize = 40;
/// So are more partitions with damage.
const DAMAGES_SHOWN: usize = 20;

/// What loading a partition found that its catalog entry does not say.
pub struct Noted {
    tail: LoadedTail,
    /// Bytes behind the last batch.
    tail_bytes: u64,
    damages: Vec<(String, Position, u64)>,
    high_watermark: Option<Offset>,
    /// What is wrong besides, or may be.
    doubts: Vec<String>,
}

impl Noted {
    /// Of a copy that was loaded.
    pub fn of(replica: &Replica) -> Self {
        let loaded = &replica.loaded;
        let last = replica.dir.segments.last().map_or(0, |files| files.log.size);
        let damages = loaded.holes.iter().filter_map(|hole| {
            let files = replica.dir.segments.get(hole.segment)?;
            let size = hole.end.0.saturating_sub(hole.start.0);
            Some((file_name(&files.log.path), hole.start, size))
        });
        let high_watermark = replica.log_dir.as_ref().and_then(|log_dir| {
            let name: &TopicPartition = &replica.dir.name.as_ref()?.topic_partition;
            log_dir.offset(OffsetCheckpoint::HighWatermark, name)
        });
        let doubts = doubts(replica, high_watermark);
        Self {
            doubts,
            tail: loaded.tail,
            tail_bytes: last.saturating_sub(loaded.valid_end.0),
            damages: damages.collect(),
            high_watermark,
        }
    }

    /// True when bytes are damaged that a broker had written whole, or records are lost.
    fn is_damaged(&self) -> bool {
        self.tail == LoadedTail::Damaged || !self.damages.is_empty() || !self.doubts.is_empty()
    }
}

/// Everything that the start found.
pub struct Start<'a> {
    /// What is served.
    pub catalog: &'a Catalog,
    /// By the directories of partitions.
    pub noted: &'a HashMap<PathBuf, Noted>,
    /// Where they were found.
    pub sources: &'a Sources,
    /// Which of several copies are served.
    pub choices: &'a [Choice],
    /// Where the server listens.
    pub address: SocketAddr,
    /// Where it answers for metrics.
    pub metrics: Option<SocketAddr>,
    /// Whether every byte was looked at.
    pub is_all_checked: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether damage is stepped over.
    pub skip_damaged: bool,
}

impl Start<'_> {
    /// True when something is damaged in what is served.
    pub fn is_damaged(&self) -> bool {
        self.served().any(|partition| self.noted(partition).is_some_and(Noted::is_damaged))
    }

    fn served(&self) -> impl Iterator<Item = &Partition> {
        self.catalog.topics().iter().flat_map(served)
    }

    fn noted(&self, partition: &Partition) -> Option<&Noted> {
        self.noted.get(partition.dir().path())
    }

    /// Says it all.
    pub fn say(&self, groups: Option<&Found>, format: Format, out: &mut Output) -> io::Result<()> {
        match format {
            Format::Json => self.json(out)?,
            Format::Text => self.text(groups, out)?,
        }
        out.flush()
    }

    /// One row a partition, then where clients connect.
    fn json(&self, out: &mut Output) -> io::Result<()> {
        let mut sink = JsonLines::default();
        for topic in self.catalog.topics() {
            for (&index, slot) in &topic.partitions {
                match slot {
                    Slot::Served(partition) => self.served_row(&mut sink, partition),
                    Slot::Missing => row::missing(&mut sink, &topic.name, index),
                }
            }
        }
        for (path, why) in &self.sources.left_out {
            row::left_out(&mut sink, path, &why.to_string());
        }
        for (path, why) in self.choices.iter().flat_map(|choice| &choice.others) {
            row::left_out(&mut sink, path, &why.to_string());
        }
        let total = Total::of(self.served());
        let (host, port) = (&self.catalog.host, self.catalog.port);
        row::serving(
            &mut sink,
            &ServingRow {
                address: self.address,
                advertised: &host_and_port(host, port),
                cluster_id: &self.catalog.cluster_id,
                node_id: self.catalog.node_id,
                topics: self.catalog.topics().len() as u64,
                partitions: total.partitions,
                segments: total.segments,
                bytes: total.bytes,
                seconds: self.seconds,
            },
        );
        out.write(sink.buffer())
    }

    fn served_row(&self, sink: &mut JsonLines, partition: &Partition) {
        let noted = self.noted(partition);
        let row = ServedRow {
            topic: &partition.topic,
            partition: partition.index,
            path: partition.dir().path(),
            log_start_offset: partition.log_start,
            log_end_offset: partition.log_end,
            high_watermark: noted.and_then(|noted| noted.high_watermark),
            leader_epoch: partition.leader_epoch,
            segments: partition.segments().len(),
            bytes: partition.bytes,
            tail: noted.map_or("clean", |noted| tail_name(noted.tail)),
            damages: noted.map_or(&[], |noted| noted.damages.as_slice()),
        };
        row::served(sink, &row);
    }

    /// A table of topics, what is wrong, and where to point a client.
    fn text(&self, groups: Option<&Found>, out: &mut Output) -> io::Result<()> {
        let shown = if out.verbose { usize::MAX } else { TOPICS_SHOWN };
        let mut table =
            Table::new(&["topic", ">partitions", ">offsets", ">size", ">leader epoch", "remarks"]);
        for topic in self.catalog.topics().iter().take(shown) {
            table.row(topic_row(topic));
        }
        let mut text = table.render();
        let topics = self.catalog.topics().len();
        if topics > shown {
            text.push_str(&format!(
                "... and {} more; -v shows all\n",
                count((topics - shown) as u64)
            ));
        }
        text.push_str(&self.summary());
        if let Some(found) = groups {
            text.push_str(&format!("groups: {found}\n"));
            for (partition, loss) in &found.losses {
                text.push_str(&format!("damaged: __consumer_offsets-{partition}: {loss}\n"));
            }
        }
        for line in self.remarks(out.verbose) {
            text.push_str(&terminal_text(&line));
            text.push('\n');
        }
        if let Some(address) = self.metrics {
            text.push_str(&format!("metrics: http://{address}/metrics\n"));
        }
        text.push_str(&self.where_to_connect());
        out.write(text.as_bytes())
    }

    fn where_to_connect(&self) -> String {
        let told = host_and_port(&self.catalog.host, self.catalog.port);
        let own = self.address.to_string();
        let and = if told == own { String::new() } else { format!("; clients are told {told}") };
        format!("serving on {own}, read-only{and}; for example: kcat -b {told} -L\n")
    }

    fn summary(&self) -> String {
        let total = Total::of(self.served());
        format!(
            "\n{}, {}, {}, {} of cluster {}; {} in {:.2} s\n",
            things(self.catalog.topics().len() as u64, "topic"),
            things(total.partitions, "partition"),
            things(total.segments, "segment"),
            size(total.bytes),
            self.catalog.cluster_id,
            if self.is_all_checked {
                "every byte checked"
            } else {
                "ends checked (--check all: everything)"
            },
            self.seconds,
        )
    }

    fn remarks(&self, verbose: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, why) in &self.sources.left_out {
            lines.push(format!("not served: {}: {why}", path.display()));
        }
        let mut equals = 0;
        for choice in self.choices {
            let served = choice.served.display();
            for (path, why) in &choice.others {
                if *why == Reason::Path && !verbose {
                    equals += 1;
                } else {
                    let path = path.display();
                    lines.push(format!("not served: {path}: {served} is served: {why}"));
                }
            }
        }
        if equals > 0 {
            let copies = plural(equals, "copy that ends", "copies that end");
            lines.push(format!("not served: {copies} where the served ones end; -v shows which"));
        }
        let damaged: Vec<&Partition> = self
            .served()
            .filter(|partition| self.noted(partition).is_some_and(Noted::is_damaged))
            .collect();
        let shown = if verbose { usize::MAX } else { DAMAGES_SHOWN };
        for partition in damaged.iter().take(shown) {
            lines.extend(self.noted(partition).map(|noted| damage_line(partition, noted)));
        }
        if damaged.len() > shown {
            let more = things((damaged.len() - shown) as u64, "damaged partition");
            lines.push(format!("... and {more} more; -v shows all"));
        }
        if !damaged.is_empty() {
            lines.push(self.what_damage_means());
        }
        for partition in self.served().filter(|_| verbose) {
            lines.extend(self.noted(partition).and_then(|noted| notes(partition, noted)));
        }
        lines
    }

    fn what_damage_means(&self) -> String {
        let told = if self.skip_damaged {
            "clients step over what is between batches as over a gap of compaction"
        } else {
            "who reads into it is told CORRUPT_MESSAGE; --skip-damaged steps over it"
        };
        format!("damage: {told}; what is behind the last batch is not served; next: seg verify")
    }
}

fn served(topic: &Topic) -> impl Iterator<Item = &Partition> {
    topic.partitions.values().filter_map(|slot| match slot {
        Slot::Served(partition) => Some(&**partition),
        Slot::Missing => None,
    })
}

/// Sums over partitions.
#[derive(Default)]
struct Total {
    partitions: u64,
    segments: u64,
    bytes: u64,
    offsets: u64,
    leader_epoch: i32,
}

impl Total {
    fn of<'a>(partitions: impl Iterator<Item = &'a Partition>) -> Self {
        let mut total = Self { leader_epoch: -1, ..Self::default() };
        for partition in partitions {
            total.partitions += 1;
            total.segments += partition.segments().len() as u64;
            total.bytes += partition.bytes;
            let offsets = partition.log_end.0.saturating_sub(partition.log_start.0);
            total.offsets = total.offsets.saturating_add(u64::try_from(offsets).unwrap_or(0));
            total.leader_epoch = total.leader_epoch.max(partition.leader_epoch);
        }
        total
    }
}

fn topic_row(topic: &Topic) -> Vec<String> {
    let total = Total::of(served(topic));
    let all = topic.partitions.len() as u64;
    let partitions = if total.partitions == all {
        count(all)
    } else {
        format!("{} of {}", count(total.partitions), count(all))
    };
    let epoch = if total.leader_epoch < 0 { String::new() } else { total.leader_epoch.to_string() };
    let mut row = vec![topic.name.to_string(), partitions];
    row.extend([count(total.offsets), size(total.bytes), epoch, missing(topic)]);
    row
}

/// Which partitions no disk holds, by name as long as they are few.
fn missing(topic: &Topic) -> String {
    const NAMED: usize = 5;
    let missing: Vec<String> = (topic.partitions.iter())
        .filter(|(_, slot)| matches!(slot, Slot::Missing))
        .map(|(index, _)| index.to_string())
        .collect();
    match missing.as_slice() {
        [] => String::new(),
        [one] => format!("partition {one} is on none of these disks"),
        few if few.len() <= NAMED => {
            format!("partitions {} are on none of these disks", few.join(", "))
        }
        many => format!("{} are on none of these disks", things(many.len() as u64, "partition")),
    }
}

fn damage_line(partition: &Partition, noted: &Noted) -> String {
    let mut parts: Vec<String> = (noted.damages.iter().take(3))
        .map(|(file, position, bytes)| format!("{} of {file} at {}", size(*bytes), position.0))
        .collect();
    if noted.damages.len() > parts.len() {
        parts.push(format!("{} places more", noted.damages.len() - parts.len()));
    }
    parts.extend(noted.doubts.iter().cloned());
    if noted.tail == LoadedTail::Damaged && noted.tail_bytes > 0 {
        parts.push(format!("{} behind the last batch", size(noted.tail_bytes)));
    }
    let path = partition.dir().path().display();
    format!("damaged: {path}: {}", parts.join(", "))
}

/// What is legal but worth knowing.
fn notes(partition: &Partition, noted: &Noted) -> Option<String> {
    let mut parts = Vec::new();
    if noted.tail == LoadedTail::Torn {
        parts.push(format!("{} of an unfinished batch at its end", size(noted.tail_bytes)));
    }
    if let Some(offset) = noted.high_watermark.filter(|&offset| offset < partition.log_end) {
        let end = partition.log_end.0;
        parts.push(format!("the broker noted high watermark {}, the log ends at {end}", offset.0));
    }
    let path = partition.dir().path().display();
    (!parts.is_empty()).then(|| format!("note: {path}: {}", parts.join("; ")))
}

/// What a broker would not come upon, or mend in silence.
fn doubts(replica: &Replica, high_watermark: Option<Offset>) -> Vec<String> {
    let (dir, loaded) = (&replica.dir, &replica.loaded);
    let mut doubts = Vec::new();
    if let Some(noted) = high_watermark.filter(|&noted| noted > loaded.log_end) {
        let (noted, end) = (noted.0, loaded.log_end.0);
        doubts
            .push(format!("the broker had noted records up to {noted}, and the log ends at {end}"));
    }
    let swapped = dir.leftovers.iter().filter(|file| {
        let FileName { kind, suffix, .. } = file.name;
        kind == FileKind::Log && suffix == Some(Suffix::Swap)
    });
    match swapped.count() as u64 {
        0 => {}
        count => {
            let logs = plural(count, "log", "logs");
            doubts.push(format!("{logs} with the ending .swap, which seg repair puts in place"));
        }
    }
    if !dir.orphans.is_empty() {
        let indexes = plural(dir.orphans.len() as u64, "index", "indexes");
        doubts.push(format!("{indexes} of logs that are not here"));
    }
    if loaded.log_start >= loaded.log_end && dir.log_bytes() > 0 && !dir.segments.is_empty() {
        let ends = dir.segments.last().is_some_and(|files| files.base_offset < loaded.log_start);
        if ends {
            let start = loaded.log_start.0;
            doubts.push(format!("all of it is below the log start offset {start}"));
        }
    }
    doubts
}

/// `1 copy`, `2 copies`.
fn plural(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

fn tail_name(tail: LoadedTail) -> &'static str {
    match tail {
        LoadedTail::Clean => "clean",
        LoadedTail::Zeros => "zeros",
        LoadedTail::Torn => "torn",
        LoadedTail::Damaged => "damaged",
    }
}

/// As it stands in a client's list of bootstrap servers.
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
