//! `seg ls`: what is on this disk. Reports and does not judge.

use crate::cli::{Common, Format};
use crate::help::{self, Example};
use crate::input::{self, Partition, Surroundings};
use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink};
use crate::row::{self, PartitionFacts, SegmentFacts};
use crate::signals::{self, Interrupted};
use crate::table::Table;
use crate::values::{count, minute, size, terminal_text};
use segkit::error::Error;
use segkit::format::Offset;
use segkit::format::checkpoint::{self, EpochEntry, MetaProperties, PartitionMetadata};
use segkit::limits::Limits;
use segkit::log::log_dir::{self, Liveness, PathKind};
use segkit::log::names::PartitionDirSuffix;
use segkit::log::summary::{self, SegmentSummary};
use segkit::log::{FileKind, LogDir, OpenPartition, PartitionDir, Workspace, read_small};
use std::path::{Path, PathBuf};

/// What `seg ls --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Lists every partition below each PATH: its offsets, segments, bytes and times, and what \
         is not as it should be to the eye: a broker at work, an unclean stop, missing indexes, \
         leftovers of deletions, files that are not Kafka's. It reports and does not judge; seg \
         verify does.",
        "PATH is searched a few levels deep, and never through symbolic links; a shell's globs \
         and any number of paths work everywhere. Without -s or --headers only names, sizes and \
         the ends of segments are read.",
    ],
    examples: &[
        Example::new("seg ls testdata", "the partitions of all log dirs below"),
        Example::new("seg ls testdata/kafka-4.3.1/lookup-0", "the segments of a partition"),
        Example::new(
            "seg ls --headers testdata/kafka-2.8.2/upgrade-0",
            "with counts, codecs, magics and exact times",
        ),
        Example::new(
            "\
seg ls testdata/kafka-4.3.1 --format json |
  jq -r 'select(.type == \"partition\" and .bytes > 9000) | .path'",
            "the paths of large partitions, by way of jq",
        ),
    ],
    status: LS_STATUS,
    files: &[],
};

/// It reports and does not judge.
const LS_STATUS: &[(&str, &str)] = &[
    ("0", "everything was listed, whatever it is"),
    ("2", "could not look everywhere: an I/O error, or a limit was hit"),
    help::USAGE,
    help::INTERRUPTED,
];

/// The arguments of `seg ls`.
#[derive(clap::Args)]
pub struct Args {
    /// Partition directories, log dirs, or directories above them
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// List the segments too
    ///
    /// As for a PATH that is a partition directory.
    #[arg(short, long)]
    segments: bool,
    /// Walk every batch header: batches, records, codecs, magics, exact times
    #[arg(long)]
    headers: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Lists every path.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let mut surroundings = Surroundings::default();
    for path in &args.paths {
        if let Err(error) = list(path, args, &mut surroundings, out)? {
            out.error(&error)?;
        }
    }
    Ok(Outcome::default())
}

/// The outer error is one of writing, the inner one of looking.
fn list(
    path: &Path,
    args: &Args,
    surroundings: &mut Surroundings,
    out: &mut Output,
) -> anyhow::Result<Result<(), Error>> {
    let found = match log_dir::find(path) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if matches!(found.kind, PathKind::File(_)) {
        let why = format!("it is a file; use: seg ls {}", input::parent_word(path));
        return Ok(Err(Error::other("listing", path, why)));
    }
    for error in &found.errors {
        out.error(error)?;
    }
    if found.partitions.is_empty() && found.log_dirs.is_empty() {
        return Ok(Err(input::nothing_here(path)));
    }
    let mut is_first = true;
    let with_segments = args.segments || args.headers || found.kind == PathKind::Partition;
    for group in found.partitions.chunk_by(|a, b| a.parent() == b.parent()) {
        let mut listed = Vec::new();
        for partition in group {
            if signals::is_interrupted() {
                let how_far = format!("listed up to {}", partition.to_string_lossy());
                return Err(Interrupted(how_far).into());
            }
            let looked = surroundings.partition(partition).map(|partition| {
                Listed::new(&partition, args.common.limits(), args.headers, with_segments)
            });
            for error in looked.iter().flat_map(|listed| &listed.errors) {
                out.error(error)?;
            }
            match looked {
                Ok(one) if args.format == Format::Json => one.json(out)?,
                Ok(one) => listed.push(one),
                Err(error) if input::is_gone(&error, partition, path) => {}
                Err(error) => out.error(&error)?,
            }
        }
        if args.format == Format::Text {
            let parent = group.first().and_then(|path| path.parent());
            let log_dir = parent.filter(|_| found.kind != PathKind::Partition);
            if !std::mem::take(&mut is_first) {
                out.write(b"\n")?;
            }
            out.write(text(&listed, log_dir, with_segments, out.color).as_bytes())?;
        }
    }
    Ok(Ok(()))
}

/// A partition, looked at.
struct Listed {
    label: String,
    facts: PartitionFacts,
    segments: Vec<SegmentFacts>,
    /// What could not be looked at; the rest is listed all the same.
    errors: Vec<Error>,
}

impl Listed {
    fn new(partition: &Partition, limits: Limits, headers: bool, with_segments: bool) -> Self {
        let dir = &partition.dir;
        let open = partition.open(limits);
        let mut workspace = Workspace::new(&limits);
        let last = dir.segments.len().saturating_sub(1);
        let mut facts = PartitionFacts {
            path: dir.path().to_string_lossy().into_owned(),
            name: dir.name.as_ref().map(|name| name.topic_partition.clone()),
            topic_id: topic_id(dir),
            state: state(partition),
            log_start_offset: dir.log_start_offset(partition.log_start_checkpoint),
            log_end_offset: None,
            segments: dir.segments.len(),
            bytes: dir.log_bytes(),
            first_timestamp: None,
            max_timestamp: None,
            leader_epochs: leader_epochs(dir),
            strays: dir.strays.iter().map(|path| file_name(path)).collect(),
            remarks: remarks(dir),
        };
        let (mut segments, mut errors) = (Vec::new(), Vec::new());
        for index in 0..dir.segments.len() {
            let summary = if headers {
                summary::walk_headers(&open, index, limits)
            } else if with_segments || index == 0 || index == last {
                summary::ends(&open, index, &mut workspace)
            } else {
                let files = dir.segments.get(index);
                let max_timestamp =
                    files.and_then(|files| summary::time_index_end(files, partition.access()));
                Ok(SegmentSummary { max_timestamp, ..SegmentSummary::default() })
            };
            let summary = summary.unwrap_or_else(|error| {
                errors.push(error);
                SegmentSummary::default()
            });
            facts.first_timestamp = facts.first_timestamp.or(summary.first_timestamp);
            facts.max_timestamp = facts.max_timestamp.max(summary.max_timestamp);
            if index == last {
                facts.log_end_offset = summary.next_offset;
            }
            if with_segments {
                segments.push(segment_facts(&open, index, summary));
            }
        }
        Self { label: label(dir), facts, segments, errors }
    }

    fn json(&self, out: &mut Output) -> anyhow::Result<()> {
        let mut sink = JsonLines::default();
        row::partition(&mut sink, &self.facts);
        for segment in &self.segments {
            row::segment(&mut sink, segment);
        }
        Ok(out.write(sink.buffer())?)
    }
}

/// The name of the partition, with what its suffix means.
fn label(dir: &PartitionDir) -> String {
    let suffix = match dir.name.as_ref().and_then(|name| name.suffix) {
        None => "",
        Some(PartitionDirSuffix::Delete) => " (to be deleted)",
        Some(PartitionDirSuffix::Future) => " (on its way from another log dir)",
        Some(PartitionDirSuffix::Stray) => " (stray)",
    };
    format!("{}{suffix}", input::partition_label(dir))
}

fn state(partition: &Partition) -> &'static str {
    match partition.liveness {
        Liveness::Live { .. } => "live",
        Liveness::Offline => "offline",
        Liveness::Unknown(_) => "unknown",
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn topic_id(dir: &PartitionDir) -> Option<String> {
    let bytes = read_small(&dir.partition_metadata.as_ref()?.path).ok()?;
    PartitionMetadata::parse(&bytes).ok().map(|metadata| metadata.topic_id.to_string())
}

fn leader_epochs(dir: &PartitionDir) -> Vec<EpochEntry> {
    let bytes = dir.leader_epoch_checkpoint.as_ref().and_then(|file| read_small(&file.path).ok());
    let entries = bytes.as_deref().and_then(|b| checkpoint::leader_epoch_checkpoint(b).ok());
    entries.unwrap_or_default().into_iter().map(|entry| entry.value).collect()
}

/// What is missing or left over, in a few words.
fn remarks(dir: &PartitionDir) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut say = |what: &str, number: usize| {
        if number > 0 {
            remarks.push(format!("{what} {}", count(number as u64)));
        }
    };
    let segments = &dir.segments;
    say(".index missing in", segments.iter().filter(|files| files.index.is_none()).count());
    say(".timeindex missing in", segments.iter().filter(|f| f.time_index.is_none()).count());
    say("indexes without .log:", dir.orphans.len());
    say(".log files that are no regular files:", dir.unreadable.len());
    say("leftovers:", dir.leftovers.len());
    say("not Kafka's:", dir.strays.len());
    remarks
}

fn segment_facts(open: &OpenPartition, index: usize, summary: SegmentSummary) -> SegmentFacts {
    let files = open.directory().segments.get(index).cloned();
    let opened = open.segment(index).ok();
    let index_entries = opened.and_then(|s| s.offset_index().ok().map(|i| i.entries()));
    let time_index_entries = opened.and_then(|s| s.time_index().ok().map(|i| i.entries()));
    SegmentFacts { files, summary, index_entries, time_index_entries }
}

fn text(listed: &[Listed], log_dir: Option<&Path>, with_segments: bool, color: bool) -> String {
    let mut text = Vec::new();
    if let Some(log_dir) = log_dir {
        row::heading(&mut text, &heading(log_dir), color);
    }
    let mut text = String::from_utf8(text).unwrap_or_default();
    text.push_str(&partition_table(listed));
    for one in listed.iter().filter(|_| with_segments) {
        text.push('\n');
        if listed.len() > 1 {
            text.push_str(&terminal_text(&one.label));
            text.push('\n');
        }
        text.push_str(&segment_table(&one.segments));
    }
    text
}

/// The log dir, with what its own files say.
fn heading(path: &Path) -> String {
    let mut heading = path.to_string_lossy().into_owned();
    let Ok(log_dir) = LogDir::open(path) else { return heading };
    let mut add = |words: String| {
        heading.push_str("  ");
        heading.push_str(&words);
    };
    let properties = log_dir.file(FileKind::MetaProperties).and_then(|path| read_small(path).ok());
    if let Some(properties) = properties.and_then(|bytes| MetaProperties::parse(&bytes).ok()) {
        if let Some(id) = properties.cluster_id {
            add(format!("cluster {id}"));
        }
        if let Some(id) = properties.node_id {
            add(format!("node {id}"));
        }
    }
    match log_dir.liveness() {
        Liveness::Live { pid: Some(pid) } => add(format!("live, held by process {pid}")),
        Liveness::Live { pid: None } => add("live".to_owned()),
        Liveness::Unknown(_) => add("perhaps live: .lock could not be asked".to_owned()),
        Liveness::Offline if log_dir.is_clean_shutdown() => {
            add("offline, shut down cleanly".to_owned());
        }
        Liveness::Offline if log_dir.file(FileKind::MetaProperties).is_some() => {
            add("offline, not shut down cleanly".to_owned());
        }
        Liveness::Offline => {}
    }
    for foreign in &log_dir.foreign {
        add(format!("not a partition: {}", file_name(foreign)));
    }
    heading
}

fn partition_table(listed: &[Listed]) -> String {
    let mut table =
        Table::new(&["topic-partition", "offsets", ">segments", ">size", "written", "state"]);
    for Listed { label, facts, .. } in listed {
        let mut state = facts.state.to_owned();
        for remark in &facts.remarks {
            state.push_str(", ");
            state.push_str(remark);
        }
        table.row(vec![
            label.clone(),
            offsets(facts.log_start_offset, facts.log_end_offset),
            count(facts.segments as u64),
            size(facts.bytes),
            span(facts.first_timestamp, facts.max_timestamp),
            state,
        ]);
    }
    table.render()
}

/// First and last offset, both inside.
fn offsets(start: Option<Offset>, end: Option<Offset>) -> String {
    match (start, end) {
        (Some(start), Some(end)) if end > start => format!("{start}–{}", end.plus(-1)),
        (Some(start), Some(_)) => format!("none, next is {start}"),
        (Some(start), None) => format!("{start}–?"),
        _ => "none".to_owned(),
    }
}

fn span(first: Option<i64>, max: Option<i64>) -> String {
    match (first, max) {
        (Some(first), Some(max)) if first <= max => format!("{} – {}", minute(first), minute(max)),
        (_, Some(max)) => format!("up to {}", minute(max)),
        (Some(first), None) => format!("from {}", minute(first)),
        (None, None) => "no timestamps".to_owned(),
    }
}

fn segment_table(segments: &[SegmentFacts]) -> String {
    let with_headers = segments.iter().any(|facts| facts.summary.headers.is_some());
    let mut columns = vec!["segment", "offsets", ">size", "written", "files"];
    if with_headers {
        columns.extend([">batches", ">records", "codecs", "magics"]);
    }
    let mut table = Table::new(&columns);
    for facts in segments {
        let Some(files) = &facts.files else { continue };
        let mut cells = vec![
            file_name(&files.log.path),
            offsets(Some(files.base_offset), facts.summary.next_offset),
            size(files.log.size),
            span(facts.summary.first_timestamp, facts.summary.max_timestamp),
            derived_files(facts),
        ];
        if let Some(headers) = &facts.summary.headers {
            let names: Vec<&str> = headers.codecs.iter().map(|codec| codec.name()).collect();
            let magics: Vec<String> = headers.magics.iter().map(i8::to_string).collect();
            cells.push(count(headers.batches));
            cells.push(headers.records.map_or_else(|| "?".to_owned(), count));
            cells.push(names.join(" "));
            cells.push(magics.join(" "));
        }
        table.row(cells);
    }
    table.render()
}

/// The files beside the `.log`, with the number of their entries.
fn derived_files(facts: &SegmentFacts) -> String {
    let Some(files) = &facts.files else { return String::new() };
    let mut words = Vec::new();
    match (&files.index, facts.index_entries) {
        (None, _) => words.push("no index".to_owned()),
        (Some(_), entries) => words.push(format!("index {}", count(entries.unwrap_or(0) as u64))),
    }
    match (&files.time_index, facts.time_index_entries) {
        (None, _) => words.push("no timeindex".to_owned()),
        (Some(_), entries) => {
            words.push(format!("timeindex {}", count(entries.unwrap_or(0) as u64)));
        }
    }
    if let Some(txn_index) = &files.txn_index {
        words.push(format!("txnindex {}", count(txn_index.size / 34)));
    }
    if files.snapshot.is_some() {
        words.push("snapshot".to_owned());
    }
    words.join(", ")
}
