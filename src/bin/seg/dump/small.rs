//! Dumping indexes, snapshots, checkpoints and the other small files.

use super::{DumpFormat, Plan};
use crate::findings;
use crate::input::Target;
use crate::kafka_text;
use crate::output::Output;
use crate::render::{JsonLines, Sink, TextLines};
use crate::row;
use segkit::check::Finding;
use segkit::check::problem::{IndexKind, Problem, TextKind};
use segkit::format::checkpoint::{self, MetaProperties, PartitionMetadata, json, properties};
use segkit::format::offset_index::OffsetIndex;
use segkit::format::producer_snapshot::ProducerSnapshot;
use segkit::format::time_index::TimeIndex;
use segkit::format::txn_index::TxnIndex;
use segkit::format::{FormatError, FormatErrorKind, Offset, Position};
use segkit::log::FileKind;

/// Dumps one file that holds no batches.
pub fn run(target: &Target, plan: &Plan, out: &mut Output) -> anyhow::Result<()> {
    let file = match target.open() {
        Ok(file) => file,
        Err(error) => return Ok(out.error(&error)?),
    };
    let mut buffer = Vec::new();
    let length = usize::try_from(file.len()).unwrap_or(usize::MAX);
    let bytes = match file.read(0, length, &mut buffer) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(out.error(&error)?),
    };
    let base = target.base_offset().unwrap_or_default();
    let mut dump = Dump { target, shown: target.shown(), findings: Vec::new() };
    match plan.format {
        DumpFormat::Kafka => {
            let mut text = Vec::new();
            let is_known = dump.kafka(bytes, base, &mut text);
            out.write_foreign(&text)?;
            if !is_known {
                out.say(format!("Ignoring unknown file {}\n", dump.shown).as_bytes())?;
            }
        }
        DumpFormat::Json => {
            let mut sink = JsonLines::default();
            dump.rows(bytes, base, &mut sink);
            out.write(sink.buffer())?;
        }
        DumpFormat::Text => {
            let mut sink = TextLines::default();
            row::heading(sink.buffer(), &dump.shown, out.color);
            dump.rows(bytes, base, &mut sink);
            out.write(sink.buffer())?;
        }
    }
    for finding in &dump.findings {
        findings::report(finding, plan.format == DumpFormat::Json, out)?;
    }
    Ok(())
}

struct Dump<'a> {
    target: &'a Target,
    shown: String,
    findings: Vec<Finding>,
}

impl Dump<'_> {
    fn find(&mut self, from: Position, length: u64, problem: Problem) {
        let range = from..from.plus(length);
        let file = self.target.path.as_path().into();
        self.findings.push(Finding::new(file, range, problem));
    }

    /// What an index ends with behind its entries.
    fn index_end(&mut self, kind: IndexKind, entries_end: usize, whole_end: usize, length: usize) {
        if whole_end > entries_end {
            let zeros = (whole_end - entries_end) as u64;
            let base = self.target.base_offset();
            let next = self.target.partition.as_ref().zip(base);
            let sealed = next.is_some_and(|(partition, base)| partition.next_base(base).is_some());
            let problem = Problem::IndexZeroTail { index: kind, sealed };
            self.find(Position(entries_end as u64), zeros, problem);
        }
        if length > whole_end {
            let bytes_left = (length - whole_end) as u64;
            let problem = Problem::IndexLength { index: kind, bytes_left };
            self.find(Position(whole_end as u64), bytes_left, problem);
        }
    }

    /// Rows of any file but a log, for people or as JSON.
    fn rows(&mut self, bytes: &[u8], base: Offset, sink: &mut impl Sink) {
        match self.target.kind {
            FileKind::OffsetIndex => {
                let index = OffsetIndex::new(bytes, base);
                for entry in index.iter() {
                    row::index_entry(sink, &self.shown, &entry);
                }
                self.offset_index_end(&index, bytes);
            }
            FileKind::TimeIndex => {
                let index = TimeIndex::new(bytes, base);
                for entry in index.iter() {
                    row::time_index_entry(sink, &self.shown, &entry);
                }
                self.time_index_end(&index, bytes);
            }
            FileKind::TxnIndex => {
                let index = TxnIndex::new(bytes);
                // Entries have one size, so those behind a broken one can still be read.
                for entry in (0..index.entries()).filter_map(|at| index.get(at)) {
                    match entry {
                        Ok(entry) => row::txn_index_entry(sink, &self.shown, &entry),
                        Err(error) => self.broken_txn_entry(error),
                    }
                }
                self.txn_index_end(bytes);
            }
            FileKind::ProducerSnapshot => {
                if let Some(snapshot) = self.snapshot(bytes) {
                    for entry in snapshot.iter() {
                        row::producer(sink, &self.shown, &entry);
                    }
                }
            }
            _ => {
                if let Err((kind, error)) = self.text_rows(bytes, sink) {
                    let problem = Problem::Text { file: kind, error: error.kind };
                    self.find(error.position, 0, problem);
                }
            }
        }
    }

    fn text_rows(&self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), (TextKind, FormatError)> {
        let file = self.shown.as_str();
        match self.target.kind {
            FileKind::LeaderEpochCheckpoint => {
                let kind = TextKind::LeaderEpochCheckpoint;
                for entry in checkpoint::leader_epoch_checkpoint(bytes).map_err(|e| (kind, e))? {
                    row::leader_epoch(sink, file, &entry.value);
                }
            }
            FileKind::OffsetCheckpoint(_) => {
                let kind = TextKind::Checkpoint;
                for entry in checkpoint::offset_checkpoint(bytes).map_err(|e| (kind, e))? {
                    row::checkpoint(sink, file, &entry.value);
                }
            }
            FileKind::PartitionMetadata => {
                let kind = TextKind::PartitionMetadata;
                let metadata = PartitionMetadata::parse(bytes).map_err(|e| (kind, e))?;
                row::partition_metadata(sink, file, &metadata);
            }
            FileKind::MetaProperties => {
                let kind = TextKind::MetaProperties;
                for property in properties::properties(bytes).map_err(|e| (kind, e))? {
                    row::property(sink, file, &property.key, &property.value);
                }
                MetaProperties::parse(bytes).map_err(|e| (kind, e))?;
            }
            FileKind::QuorumState => {
                let kind = TextKind::QuorumState;
                let text = json::quorum_state(bytes).map_err(|e| (kind, e))?;
                row::quorum_state(sink, file, text.trim_end());
            }
            FileKind::CleanShutdown => {
                row::clean_shutdown(sink, file, json::broker_epoch(bytes));
            }
            // `.lock` is empty; whether it is held `seg ls` says.
            _ => {}
        }
        Ok(())
    }

    fn snapshot<'b>(&mut self, bytes: &'b [u8]) -> Option<ProducerSnapshot<'b>> {
        let whole = bytes.len() as u64;
        let snapshot = match ProducerSnapshot::parse(bytes) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.find(Position(0), whole, Problem::SnapshotDamaged { error: error.kind });
                return None;
            }
        };
        let (stored, computed) = (snapshot.crc(), snapshot.compute_crc());
        if stored != computed {
            let error = FormatErrorKind::Checksum { stored, computed };
            self.find(Position(0), whole, Problem::SnapshotDamaged { error });
        }
        Some(snapshot)
    }

    fn offset_index_end(&mut self, index: &OffsetIndex<'_>, bytes: &[u8]) {
        let whole = bytes.len() - index.bytes_left();
        self.index_end(IndexKind::Offset, index.entries() * 8, whole, bytes.len());
    }

    fn time_index_end(&mut self, index: &TimeIndex<'_>, bytes: &[u8]) {
        let whole = bytes.len() - index.bytes_left();
        self.index_end(IndexKind::Time, index.entries() * 12, whole, bytes.len());
    }

    fn txn_index_end(&mut self, bytes: &[u8]) {
        let whole = bytes.len() - TxnIndex::new(bytes).bytes_left();
        self.index_end(IndexKind::Transaction, whole, whole, bytes.len());
    }

    fn broken_txn_entry(&mut self, error: FormatError) {
        self.find(error.position, 34, Problem::TxnIndexEntry { error: error.kind });
    }

    /// The text of `kafka-dump-log`. False for a file that it does not know.
    fn kafka(&mut self, bytes: &[u8], base: Offset, text: &mut Vec<u8>) -> bool {
        kafka_text::dumping(text, &self.shown);
        match self.target.kind {
            FileKind::OffsetIndex => {
                let index = OffsetIndex::new(bytes, base);
                if index.entries_as_kafka() == 0 {
                    kafka_text::empty_index(text, &self.shown);
                }
                kafka_text::offset_index(text, &index, base);
                self.offset_index_end(&index, bytes);
            }
            FileKind::TimeIndex => {
                let index = TimeIndex::new(bytes, base);
                kafka_text::time_index(text, &index, base);
                self.time_index_end(&index, bytes);
            }
            FileKind::TxnIndex => {
                let index = TxnIndex::new(bytes);
                // Entries have one size, so those behind a broken one can still be read.
                for entry in (0..index.entries()).filter_map(|at| index.get(at)) {
                    match entry {
                        Ok(entry) => kafka_text::txn_index_entry(text, &entry),
                        Err(error) => self.broken_txn_entry(error),
                    }
                }
                self.txn_index_end(bytes);
            }
            FileKind::ProducerSnapshot => {
                // A snapshot that is damaged anywhere is not printed by that tool.
                let before = self.findings.len();
                let snapshot = self.snapshot(bytes);
                for entry in snapshot.iter().flat_map(|snapshot| snapshot.iter()) {
                    if self.findings.len() == before {
                        kafka_text::producer_entry(text, &entry);
                    }
                }
            }
            _ => return false,
        }
        true
    }
}
