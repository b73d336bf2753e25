//! What brokers keep of a partition's batches besides indexes, replayed: producers, transactions
//! and leader epochs, judged against the files that hold them; and those files built anew.

use super::FileFindings;
use super::derived::{DerivedFile, read_or_say, read_whole};
use super::epochs::EpochJudge;
use super::producers::{ProducerJudge, ProducerSegment};
use super::report::Rebuilt;
use super::run::OpenLog;
use super::scope::PartitionScope;
use crate::format::Offset;
use crate::format::replay::snapshots::{rebuilt as rebuilt_snapshot, sound_snapshot};
use crate::format::replay::{AbortedIndex, BatchFacts, Epochs, Producers};
use crate::log::names::{FileKind, FileName};
use crate::log::partition::FileEntry;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Replays one partition.
pub(super) struct Replay {
    /// How many bytes of a file are looked at.
    limit: u64,
    /// Files that cannot be read.
    unreadable: Vec<FileFindings>,
    producers: ProducerJudge,
    epochs: EpochJudge,
    rebuild: Option<Rebuild>,
}

/// Builds the files anew.
struct Rebuild {
    /// How many bytes of a file are looked at.
    limit: u64,
    /// A broker is at work: what is not there may not be due yet, or just have been deleted.
    is_live: bool,
    producers: Producers,
    checkpoint: Option<DerivedFile>,
    epochs: Epochs,
    /// Snapshots that the replay has not come to yet, the next one last.
    snapshots: Vec<(Offset, FileEntry)>,
    found: Vec<Snapshot>,
    /// Those that are not there.
    missing: Vec<Rebuilt>,
    aborted: Vec<(OpenTxnIndex, Option<Offset>)>,
    /// Whether the broker that was here last stopped in good order, as far as is known.
    is_clean_shutdown: bool,
    /// Files that are there and cannot be read: nothing replaces them.
    unread: HashSet<PathBuf>,
    start: Option<Offset>,
}

/// The transaction index of a segment.
struct OpenTxnIndex {
    path: Arc<Path>,
    file: Option<DerivedFile>,
    index: AbortedIndex,
}

/// A snapshot, and what it has to be, if the partition is compacted and if it is not.
struct Snapshot {
    file: DerivedFile,
    offset: Offset,
    in_compacted: Option<Vec<u8>>,
    otherwise: Option<Vec<u8>>,
}

impl Replay {
    /// Of a partition; files are built anew where that is asked for. No more than `limit` bytes of
    /// any are looked at.
    pub(super) fn new(scope: &PartitionScope, rebuilds: bool, limit: u64) -> Self {
        let (dir, log_dir) = (&scope.dir, scope.log_dir.as_deref());
        let offset = |named: &crate::log::partition::NamedFile| named.name.offset;
        let snapshots = dir.snapshots.iter();
        let paths = snapshots.clone().filter_map(|named| {
            offset(named).map(|offset| (offset, Arc::from(named.file.path.as_path())))
        });
        let mut unreadable = Vec::new();
        let checkpoint = dir.leader_epoch_checkpoint.as_ref();
        let checkpoint =
            checkpoint.and_then(|entry| read_or_say(entry, rebuilds, limit, &mut unreadable));
        let bytes = checkpoint.as_ref().map(|file| (Arc::clone(&file.path), &*file.bytes));
        let mut entries: Vec<_> = snapshots
            .clone()
            .filter_map(|named| offset(named).map(|offset| (offset, named.file.clone())))
            .collect();
        entries.reverse();
        Self {
            limit,
            producers: ProducerJudge::new(scope.is_live(), paths.collect()),
            epochs: EpochJudge::new(scope.is_live(), bytes),
            rebuild: rebuilds.then(|| Rebuild {
                limit,
                is_live: scope.is_live(),
                producers: Producers::default(),
                epochs: Epochs::beside(checkpoint.as_ref().map(|file| &*file.bytes)),
                checkpoint,
                snapshots: entries,
                found: Vec::new(),
                missing: Vec::new(),
                aborted: Vec::new(),
                is_clean_shutdown: log_dir.is_some_and(|it| it.is_clean_shutdown == Some(true)),
                unread: unreadable.iter().map(|file| file.file().to_path_buf()).collect(),
                start: None,
            }),
            unreadable,
        }
    }

    /// Begins the next segment.
    pub(super) fn segment(&mut self, file: &OpenLog, txn_index: Option<&FileEntry>) {
        let Some(base_offset) = file.bounds.segment_base else { return };
        let log = Arc::clone(&file.context.file);
        let name = FileName::of_segment(base_offset, FileKind::TxnIndex).to_string();
        let path: Arc<Path> = log.with_file_name(name).as_path().into();
        let (is_identified, limit) = (self.rebuild.is_some(), self.limit);
        let read = |entry| read_or_say(entry, is_identified, limit, &mut self.unreadable);
        let found = txn_index.and_then(read);
        let is_unread = txn_index.is_some() && found.is_none();
        let next_base = file.bounds.next_segment_base;
        self.epochs.segment(Arc::clone(&log));
        self.producers.segment(&ProducerSegment {
            base_offset,
            log,
            txn_index: Arc::clone(&path),
            txn_index_bytes: found.as_ref().map(|file| &*file.bytes),
            next_base,
        });
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.end_segment();
            if rebuild.start.is_none() {
                rebuild.start = Some(base_offset);
                rebuild.producers = Producers::new(base_offset);
            }
            rebuild.snapshot_of_segment(base_offset, &path);
            let bytes = found.as_ref().map(|file| &*file.bytes);
            let index = AbortedIndex::new(base_offset, bytes, false).rebuilding();
            rebuild.aborted.push((OpenTxnIndex { path, file: found, index }, next_base));
        }
        if is_unread {
            if let Some(rebuild) = &mut self.rebuild {
                rebuild.unread.extend(txn_index.map(|entry| entry.path.clone()));
            }
            // Nothing can be said about what is not known to be missing.
            self.damaged();
        }
    }

    /// The next batch.
    #[inline]
    pub(super) fn batch(&mut self, batch: &BatchFacts) {
        self.snapshots_up_to(batch.first_known_offset());
        self.producers.batch(batch);
        self.epochs.batch(batch);
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.batch(batch);
        }
    }

    /// Bytes that no batch proves, or that were not read.
    pub(super) fn damaged(&mut self) {
        self.producers.damaged();
        self.epochs.damaged();
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.producers.damaged();
            if let Some((open, _)) = rebuild.aborted.last_mut() {
                open.index.damaged();
            }
        }
    }

    fn snapshots_up_to(&mut self, next: Offset) {
        while let Some(path) = self.producers.snapshot_due(next) {
            let path = Arc::clone(path);
            let entry = FileEntry { path: path.to_path_buf(), size: 0, modified: None };
            let file = read_or_say(&entry, false, self.limit, &mut self.unreadable);
            self.producers.snapshot(file.as_ref().map(|file| &*file.bytes));
        }
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.snapshots_up_to(next);
        }
    }

    /// What was found in a log that ends at `log_end`, and every file built anew.
    pub(super) fn finish(
        mut self,
        compacted: bool,
        log_end: Offset,
    ) -> (Vec<FileFindings>, Vec<Rebuilt>) {
        self.snapshots_up_to(Offset(i64::MAX));
        let mut findings = self.producers.finish(compacted);
        findings.extend(self.epochs.finish(log_end));
        findings.append(&mut self.unreadable);
        let rebuilt = self.rebuild.map(|rebuild| rebuild.finish(compacted, log_end));
        (findings, rebuilt.unwrap_or_default())
    }
}

impl Rebuild {
    fn batch(&mut self, batch: &BatchFacts) {
        let step = self.producers.take(batch);
        if let Some((open, _)) = self.aborted.last_mut() {
            open.index.batch(batch, &step);
        }
        self.epochs.take(batch);
    }

    fn end_segment(&mut self) {
        if let Some((open, next_base)) = self.aborted.last_mut() {
            open.index.end(*next_base);
        }
    }

    /// Brokers write a snapshot wherever a segment begins, but for the first.
    fn snapshot_of_segment(&mut self, base: Offset, beside: &Path) {
        self.snapshots_up_to(base);
        let is_there = self.found.iter().any(|snapshot| snapshot.offset == base);
        if self.start != Some(base) && !is_there {
            self.missing.push(self.missing_snapshot(base, beside));
        }
    }

    fn missing_snapshot(&self, offset: Offset, beside: &Path) -> Rebuilt {
        let kind = FileKind::ProducerSnapshot;
        let name = FileName::of_segment(offset, kind).to_string();
        let path = beside.with_file_name(name).as_path().into();
        let after = rebuilt_snapshot(None, &self.producers, false);
        Rebuilt { path, kind, before: None, after, is_due: true }
    }

    /// The one at the beginning of the log is where the replay begins.
    fn snapshots_up_to(&mut self, next: Offset) {
        while let Some((offset, entry)) = self.snapshots.pop_if(|(offset, _)| *offset <= next) {
            let file = read_whole(&entry, true, self.limit).into_file();
            let Some(file) = file.filter(|file| file.unread().is_none()) else {
                self.unread.insert(entry.path);
                continue;
            };
            let at_start = self.start.is_none_or(|start| offset <= start);
            let sound = sound_snapshot(&file.bytes);
            if let Some(sound) = sound.filter(|_| self.start == Some(offset)) {
                self.producers = Producers::starting_from(offset, sound.iter());
            } else if !at_start || sound.is_none() {
                let built =
                    |compacted| rebuilt_snapshot(Some(&file.bytes), &self.producers, compacted);
                let (in_compacted, otherwise) = (built(true), built(false));
                self.found.push(Snapshot { file, offset, in_compacted, otherwise });
            }
        }
    }

    fn finish(mut self, compacted: bool, log_end: Offset) -> Vec<Rebuilt> {
        self.end_segment();
        let directory = self.aborted.first().map(|(open, _)| Arc::clone(&open.path));
        let Some(directory) = directory else { return Vec::new() };
        let is_due = self.is_clean_shutdown;
        let end = Rebuilt { is_due, ..self.missing_snapshot(log_end, &directory) };
        let mut all = if self.is_live { Vec::new() } else { self.missing };
        let mut has_end = self.is_live || all.iter().any(|missing| missing.path == end.path);
        for (open, next_base) in self.aborted {
            if self.is_live && next_base.is_none() {
                // It was read behind the log, and may be ahead of what was read of that.
                continue;
            }
            let after = open.index.rebuilt(compacted);
            if open.file.is_some() || after.as_ref().is_some_and(|bytes| !bytes.is_empty()) {
                let (kind, path) = (FileKind::TxnIndex, open.path);
                all.push(Rebuilt { path, kind, before: open.file, after, is_due: true });
            }
        }
        for Snapshot { file, offset, in_compacted, otherwise } in self.found {
            has_end |= offset == log_end;
            let after = if compacted { in_compacted } else { otherwise };
            // A broker removes what stands behind the end of its log.
            let after = after.filter(|_| offset <= log_end);
            let (kind, path) = (FileKind::ProducerSnapshot, Arc::clone(&file.path));
            all.push(Rebuilt { path, kind, before: Some(file), after, is_due: true });
        }
        has_end |= self.start == Some(log_end);
        if !has_end {
            all.push(end);
        }
        let before = self.checkpoint;
        let after = self.epochs.rebuilt(before.as_ref().map(|file| &*file.bytes), log_end);
        if before.is_some() || after.is_some() {
            let kind = FileKind::LeaderEpochCheckpoint;
            let path = directory.with_file_name(LEADER_EPOCH_CHECKPOINT).as_path().into();
            all.push(Rebuilt { path, kind, before, after, is_due: true });
        }
        all.retain(|rebuilt| !self.unread.contains(&*rebuilt.path));
        all
    }
}

const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
