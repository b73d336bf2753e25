//! Producers and leader epochs of real brokers' partitions, and what mutations of them trip.

use super::*;
use crate::check::Severity;
use crate::check::epochs::EpochJudge;
use crate::format::checkpoint::leader_epoch_checkpoint;
use crate::format::producer_snapshot::{ProducerEntry, ProducerSnapshot};
use crate::format::replay::{AbortedIndex, Epochs, snapshots};
use crate::format::txn_index::{AbortedTxn, TxnIndex};
use crate::format::{Batches, Position, Scratch};
use crate::log::partition::PartitionDir;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A partition in memory.
#[derive(Clone, Debug)]
struct Partition {
    name: String,
    segments: Vec<Loaded>,
    snapshots: Vec<(Offset, Vec<u8>)>,
    checkpoint: Option<Vec<u8>>,
    compacted: bool,
}

#[derive(Clone, Debug)]
struct Loaded {
    base: Offset,
    pieces: Vec<Piece>,
    txn_index: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Batch(BatchFacts),
    Damaged,
}

fn pieces(log: &[u8]) -> Vec<Piece> {
    let mut scratch = Scratch::new(1 << 24);
    let mut batches = Batches::new(log, Position(0));
    let mut pieces = Vec::new();
    for batch in batches.by_ref().map_while(Result::ok) {
        if batch.crc() == batch.compute_crc() {
            pieces.push(Piece::Batch(BatchFacts::of(&batch, &mut scratch)));
        } else {
            pieces.push(Piece::Damaged);
        }
    }
    if !batches.remaining().is_empty() {
        pieces.push(Piece::Damaged);
    }
    pieces
}

fn is_compacted(segments: &[Loaded]) -> bool {
    let mut next: Option<i64> = None;
    segments.iter().flat_map(|segment| &segment.pieces).any(|piece| {
        let Piece::Batch(batch) = piece else { return false };
        let first = batch.first_known_offset().0;
        let count = batch.last_offset.0 - first + 1;
        let has_gap = next.is_some_and(|next| batch.magic == 2 && next != first);
        next = Some(batch.last_offset.0 + 1);
        has_gap || batch.records_count.is_some_and(|records| i64::from(records) != count)
    })
}

impl Partition {
    fn load(path: &Path) -> Self {
        let dir = PartitionDir::open(path).unwrap();
        let segment = |files: &crate::log::SegmentFiles| Loaded {
            base: files.base_offset,
            pieces: pieces(&fs::read(&files.log.path).unwrap()),
            txn_index: files.txn_index.as_ref().map(|file| fs::read(&file.path).unwrap()),
        };
        let segments: Vec<Loaded> = dir.segments.iter().map(segment).collect();
        let snapshot = |named: &crate::log::partition::NamedFile| {
            (named.name.offset.unwrap(), fs::read(&named.file.path).unwrap())
        };
        let checkpoint = dir.leader_epoch_checkpoint.as_ref();
        Self {
            name: path.display().to_string(),
            compacted: is_compacted(&segments),
            segments,
            snapshots: dir.snapshots.iter().map(snapshot).collect(),
            checkpoint: checkpoint.map(|file| fs::read(&file.path).unwrap()),
        }
    }

    fn log_end(&self) -> Offset {
        let last = self.segments.last().unwrap();
        let behind = |piece: &Piece| match piece {
            Piece::Batch(batch) => Some(batch.last_offset.plus(1)),
            Piece::Damaged => None,
        };
        last.pieces.iter().rev().find_map(behind).unwrap_or(last.base)
    }

    fn next_base(&self, index: usize) -> Option<Offset> {
        self.segments.get(index + 1).map(|segment| segment.base)
    }

    fn findings(&self) -> Vec<Finding> {
        let path = |name: String| -> Arc<Path> { Path::new(&name).into() };
        let named = |(offset, _): &(Offset, Vec<u8>)| (*offset, path(format!("{offset}.snapshot")));
        let mut judge = ProducerJudge::new(false, self.snapshots.iter().map(named).collect());
        let checkpoint = self.checkpoint.as_deref().map(|bytes| (path("epochs".into()), bytes));
        let mut epochs = EpochJudge::new(false, checkpoint);
        let hand_over = |judge: &mut ProducerJudge, next: Offset| {
            while let Some(due) = judge.snapshot_due(next).cloned() {
                let find = |(offset, _): &&(Offset, Vec<u8>)| {
                    due.to_str() == Some(&format!("{offset}.snapshot"))
                };
                judge.snapshot(self.snapshots.iter().find(find).map(|(_, bytes)| &bytes[..]));
            }
        };
        for (index, segment) in self.segments.iter().enumerate() {
            let log = path(format!("{}.log", segment.base));
            judge.segment(&ProducerSegment {
                base_offset: segment.base,
                log: Arc::clone(&log),
                txn_index: path(format!("{}.txnindex", segment.base)),
                txn_index_bytes: segment.txn_index.as_deref(),
                next_base: self.next_base(index),
            });
            epochs.segment(log);
            for piece in &segment.pieces {
                match piece {
                    Piece::Batch(batch) => {
                        hand_over(&mut judge, batch.first_known_offset());
                        judge.batch(batch);
                        epochs.batch(batch);
                    }
                    Piece::Damaged => {
                        judge.damaged();
                        epochs.damaged();
                    }
                }
            }
        }
        hand_over(&mut judge, Offset(i64::MAX));
        let files = judge.finish(self.compacted).into_iter().chain(epochs.finish(self.log_end()));
        files.flat_map(FileFindings::into_rows).collect()
    }

    fn codes(&self) -> Vec<&'static str> {
        self.findings().iter().map(|finding| finding.problem.code()).collect()
    }

    /// The replay from the first segment on, as the judge does it; `visit` sees every batch.
    fn replay(
        &self,
        mut visit: impl FnMut(usize, Offset, &Producers, Option<(&BatchFacts, Step)>),
    ) {
        let start = self.segments[0].base;
        let first = self.snapshots.iter().find(|(offset, _)| *offset == start);
        let mut producers = match first.and_then(|(_, bytes)| snapshots::sound_snapshot(bytes)) {
            Some(snapshot) => Producers::starting_from(start, snapshot.iter()),
            None => Producers::new(start),
        };
        for (index, segment) in self.segments.iter().enumerate() {
            for piece in &segment.pieces {
                match piece {
                    Piece::Damaged => producers.damaged(),
                    Piece::Batch(batch) => {
                        visit(index, batch.first_known_offset(), &producers, None);
                        let step = producers.take(batch);
                        visit(index, batch.first_known_offset(), &producers, Some((batch, step)));
                    }
                }
            }
        }
        visit(self.segments.len(), self.log_end(), &producers, None);
    }
}

fn all_partitions() -> Vec<Partition> {
    let mut roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")];
    // More of what real brokers wrote.
    roots.extend(std::env::var_os("SEG_MORE_TESTDATA").map(PathBuf::from));
    let list = |path: &Path| -> Vec<PathBuf> {
        let mut found: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.is_dir());
        found.sort();
        found
    };
    let log_dirs = roots
        .iter()
        .flat_map(|root| list(root))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("kafka-"));
    let partitions = log_dirs.flat_map(|dir| list(&dir)).map(|path| Partition::load(&path));
    let found: Vec<_> = partitions.filter(|partition| !partition.segments.is_empty()).collect();
    assert!(found.len() > 50);
    found
}

fn called(name: &str) -> Vec<Partition> {
    let mut found = all_partitions();
    found.retain(|partition| partition.name.ends_with(name));
    assert!(!found.is_empty(), "{name}");
    found
}

#[test]
fn healthy_brokers_give_no_error_and_no_warning() {
    let mut notes: BTreeMap<&'static str, u64> = BTreeMap::new();
    for partition in all_partitions() {
        for finding in partition.findings() {
            let said = format!("{}: {finding:?}", partition.name);
            assert_eq!(finding.severity(), Severity::Note, "{said}");
            let code = finding.problem.code();
            let is_explained = match code {
                "open-transaction" => ["txn-open-0", "killed"].iter().any(|n| said.contains(n)),
                _ => false,
            };
            if !is_explained {
                println!("{said}");
            }
            *notes.entry(code).or_default() += finding.places;
        }
    }
    println!("{notes:?}");
    assert!(notes.keys().all(|code| *code == "open-transaction"), "{notes:?}");
    assert!(notes.values().sum::<u64>() > 0);
}

#[test]
fn transaction_indexes_are_what_the_replay_gives() {
    let mut compared = 0;
    for partition in all_partitions().iter().filter(|partition| !partition.compacted) {
        let mut replayed = vec![Vec::new(); partition.segments.len()];
        partition.replay(|index, _, _, taken| {
            let ended = taken.and_then(|(_, step)| step.ended);
            if let Some(entry) = ended.and_then(|ended| ended.entry()) {
                let number = replayed[index].len();
                replayed[index].push(AbortedTxn { index: number, ..entry });
            }
        });
        for (segment, replayed) in partition.segments.iter().zip(replayed) {
            let index = TxnIndex::new(segment.txn_index.as_deref().unwrap_or_default());
            let stored: Vec<_> = index.iter().map(Result::unwrap).collect();
            assert_eq!(stored, replayed, "{} {}", partition.name, segment.base);
            compared += stored.len();
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn snapshots_hold_what_the_replay_gives() {
    let (mut equal, mut producers_compared) = (0, 0);
    for partition in all_partitions().iter().filter(|partition| !partition.compacted) {
        let mut rest: Vec<_> = partition.snapshots.clone();
        rest.reverse();
        rest.retain(|(offset, _)| *offset > partition.segments[0].base);
        partition.replay(|_, next, producers, taken| {
            while taken.is_none() && rest.last().is_some_and(|(offset, _)| *offset <= next) {
                let (offset, bytes) = rest.pop().unwrap();
                let snapshot = ProducerSnapshot::parse(&bytes).unwrap();
                let by_id = |mut entry: ProducerEntry| {
                    entry.index = 0;
                    (entry.producer_id, entry)
                };
                let stored: BTreeMap<_, _> = snapshot.iter().map(by_id).collect();
                let replayed: BTreeMap<_, _> = producers.entries().into_iter().map(by_id).collect();
                for (id, entry) in &stored {
                    assert_eq!(Some(entry), replayed.get(id), "{} {offset}", partition.name);
                    producers_compared += 1;
                }
                if stored != replayed {
                    println!(
                        "{} {offset}: expired {:?}",
                        partition.name,
                        replayed.keys().filter(|id| !stored.contains_key(id)).count()
                    );
                }
                equal += usize::from(stored == replayed);
            }
        });
    }
    assert!(equal > 50 && producers_compared > 50, "{equal} {producers_compared}");
}

#[test]
fn checkpoints_hold_what_the_replay_gives() {
    let (mut compared, mut equal) = (0, 0);
    for partition in all_partitions() {
        let Some(checkpoint) = &partition.checkpoint else { continue };
        let mut epochs = Epochs::beside(Some(checkpoint));
        partition.replay(|_, _, _, taken| {
            if let Some((batch, _)) = taken {
                epochs.take(batch);
            }
        });
        let stored: Vec<_> =
            leader_epoch_checkpoint(checkpoint).unwrap().iter().map(|e| e.value).collect();
        let log_end = partition.log_end();
        let with_batches: Vec<_> =
            stored.iter().copied().filter(|entry| entry.start_offset < log_end).collect();
        compared += 1;
        equal += usize::from(with_batches == epochs.entries());
        assert_eq!(epochs.rebuilt(Some(checkpoint), log_end), None, "{}", partition.name);
        if let Some(made) = epochs.rebuilt(None, log_end) {
            let mut again = Epochs::beside(Some(&made));
            partition.replay(|_, _, _, taken| {
                if let Some((batch, _)) = taken {
                    again.take(batch);
                }
            });
            assert_eq!(again.rebuilt(Some(&made), log_end), None, "{}", partition.name);
            let rebuilt = Partition { checkpoint: Some(made), ..partition.clone() };
            assert!(rebuilt.codes().iter().all(|code| !code.starts_with("leader")));
        }
    }
    assert!(compared > 50 && equal > compared * 3 / 4, "{equal} of {compared}");
}

#[test]
fn a_rebuilt_transaction_index_is_the_brokers() {
    let mut rebuilt_entries = 0;
    for partition in all_partitions() {
        let count = partition.segments.len();
        let rebuild = |existing: &dyn Fn(usize) -> Option<Vec<u8>>| -> Vec<Option<Vec<u8>>> {
            let files: Vec<_> = (0..count).map(existing).collect();
            let index = |at: usize| {
                let base = partition.segments[at].base;
                AbortedIndex::new(base, files[at].as_deref(), false).rebuilding()
            };
            let mut indexes: Vec<_> = (0..count).map(index).collect();
            partition.replay(|index, _, _, taken| {
                if let Some((batch, step)) = taken {
                    indexes[index].batch(batch, &step);
                }
            });
            let ends = indexes.iter_mut().enumerate();
            ends.for_each(|(at, index)| index.end(partition.next_base(at)));
            indexes.iter().map(|index| index.rebuilt(partition.compacted)).collect()
        };
        let stored = |index: usize| partition.segments[index].txn_index.clone();
        assert!(rebuild(&stored).iter().all(Option::is_none), "{}", partition.name);
        if partition.compacted {
            continue;
        }
        let made = rebuild(&|_| None);
        let made_empty = rebuild(&|_| Some(Vec::new()));
        let made_torn = rebuild(&|index| stored(index).map(|b| b[..b.len() / 2].to_vec()));
        for index in 0..count {
            let expected = stored(index).filter(|bytes| !bytes.is_empty());
            for made in [&made, &made_empty, &made_torn] {
                assert_eq!(made[index], expected, "{} {index}", partition.name);
            }
            rebuilt_entries += expected.map_or(0, |bytes| bytes.len() / 34);
        }
    }
    assert!(rebuilt_entries > 20);
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// The batches of a segment and of those behind it, in order.
fn batches(partition: &Partition) -> Vec<BatchFacts> {
    let pieces = partition.segments.iter().flat_map(|segment| &segment.pieces);
    pieces
        .filter_map(|piece| match piece {
            Piece::Batch(batch) => Some(*batch),
            Piece::Damaged => None,
        })
        .collect()
}

/// Harmless: the byte that nobody reads, a negative version, which Kafka takes for 0, a first
/// offset that is lower and still has no batch of the producer before the true one, and a last
/// stable offset at which a later transaction begins.
#[test]
fn every_flipped_bit_of_a_transaction_index() {
    let (mut found, mut harmless) = (0, 0);
    for partition in called("/txn-0") {
        let all = batches(&partition);
        for number in 0..partition.segments.len() {
            let Some(bytes) = partition.segments[number].txn_index.clone() else { continue };
            for bit in 0..bytes.len() * 8 {
                let mut mutated = partition.clone();
                let flipped = flip(&bytes, bit);
                mutated.segments[number].txn_index = Some(flipped.clone());
                let codes = mutated.codes();
                if codes.iter().any(|code| code.starts_with("txn-index")) {
                    found += 1;
                    continue;
                }
                harmless += 1;
                let (at, byte) = (bit / 8 / 34, bit / 8 % 34);
                let read = |bytes: &[u8]| TxnIndex::new(bytes).get(at).unwrap().unwrap();
                let (was, is) = (read(&bytes), read(&flipped));
                let between = is.first_offset..was.first_offset;
                let is_harmless = match byte {
                    0 => is.version < 0,
                    1 => true,
                    10..18 => {
                        is.first_offset.0 >= 0
                            && is.first_offset < was.first_offset
                            && all.iter().all(|batch| {
                                batch.producer_id != was.producer_id
                                    || !between.contains(&batch.last_offset)
                            })
                    }
                    26..34 => all.iter().any(|batch| {
                        batch.base_offset == Some(is.last_stable_offset)
                            && batch.attributes.is_transactional()
                            && !batch.attributes.is_control()
                            && batch.last_offset > is.last_offset
                    }),
                    _ => false,
                };
                assert!(is_harmless, "{} entry {at} byte {byte} {is:?}", partition.name);
            }
        }
    }
    assert!(found > 10_000 / 2 && harmless * 4 < found, "{found} {harmless}");
}

#[test]
fn every_flipped_bit_of_a_snapshot() {
    let mut differs = 0;
    for name in ["kafka-4.3.1/epochs-0", "kafka-3.9.2/txn-0", "kafka-4.3.1/txn-open-0"] {
        let partition = &called(name)[0];
        for number in 0..partition.snapshots.len() {
            let (offset, bytes) = partition.snapshots[number].clone();
            for bit in 0..bytes.len() * 8 {
                let mut mutated = partition.clone();
                mutated.snapshots[number].1 = flip(&bytes, bit);
                assert!(mutated.codes().contains(&"snapshot-damaged"), "{offset} {bit}");
            }
            // And with the checksum made to agree.
            let entries = |bytes: &[u8]| -> Vec<_> {
                ProducerSnapshot::parse(bytes).unwrap().iter().collect()
            };
            let is_judged = offset > partition.segments[0].base;
            for bit in (80..bytes.len() * 8).filter(|_| is_judged) {
                let flipped = entries(&flip(&bytes, bit));
                let is_without = |entry: &ProducerEntry| entry.last_batch.is_none();
                let [without, before] = [&flipped, &entries(&bytes)]
                    .map(|entries| entries.iter().filter(|entry| is_without(entry)).count());
                // Expired, and then only a marker came: nothing tells that from this.
                if flipped == entries(&bytes) || without > before {
                    continue;
                }
                let mut mutated = partition.clone();
                mutated.snapshots[number].1 = crate::format::producer_snapshot::encode(&flipped);
                let codes = mutated.codes();
                assert!(codes.contains(&"snapshot-differs"), "{name} {offset} {bit} {flipped:?}");
                differs += 1;
            }
        }
    }
    assert!(differs > 1000, "{differs}");
}

/// Harmless: what reads as entries that rise, end in the log, and give every batch behind the first
/// of them its epoch.
#[test]
fn every_flipped_bit_of_a_leader_epoch_checkpoint() {
    let (mut found, mut harmless) = (0, 0);
    for partition in called("/epochs-0") {
        let all = batches(&partition);
        let bytes = partition.checkpoint.clone().unwrap();
        for bit in 0..bytes.len() * 8 {
            let flipped = flip(&bytes, bit);
            let is_harmless = leader_epoch_checkpoint(&flipped).is_ok_and(|entries| {
                let entries: Vec<_> = entries.iter().map(|entry| entry.value).collect();
                let rises = entries.windows(2).all(|pair| {
                    pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
                });
                let agrees = all.iter().all(|batch| {
                    let base = batch.base_offset.unwrap();
                    let here = entries.iter().rfind(|entry| entry.start_offset <= base);
                    here.is_none_or(|entry| entry.epoch == batch.partition_leader_epoch)
                });
                let is_inside =
                    entries.iter().all(|entry| entry.start_offset <= partition.log_end());
                rises && agrees && is_inside
            });
            let mut mutated = partition.clone();
            mutated.checkpoint = Some(flipped.clone());
            let codes = mutated.codes();
            let is_found = codes.iter().any(|code| code.starts_with("leader-epoch"));
            let said = format!("{} {:?} {codes:?}", partition.name, String::from_utf8(flipped));
            assert_eq!(is_found, !is_harmless, "{said}");
            *if is_found { &mut found } else { &mut harmless } += 1;

            let mut epochs = Epochs::beside(mutated.checkpoint.as_deref());
            all.iter().for_each(|batch| epochs.take(batch));
            let rebuilt = epochs.rebuilt(mutated.checkpoint.as_deref(), partition.log_end());
            assert_eq!(rebuilt.is_some(), is_found, "{said}");
            if rebuilt.is_some() {
                mutated.checkpoint = rebuilt;
                assert!(!mutated.codes().iter().any(|code| code.starts_with("leader")), "{said}");
            }
        }
    }
    assert!(found > 500 && harmless > 0, "{found} {harmless}");
}

#[test]
fn a_lost_batch_has_no_follow_up_findings() {
    let mut tried = 0;
    for partition in all_partitions() {
        let transactional = batches(&partition).iter().any(|batch| batch.producer_id >= 0);
        let count: usize = partition.segments.iter().map(|segment| segment.pieces.len()).sum();
        if !transactional || count > 150 {
            continue;
        }
        let before = partition.codes();
        for (number, segment) in partition.segments.iter().enumerate() {
            for piece in 0..segment.pieces.len() {
                let mut mutated = partition.clone();
                mutated.segments[number].pieces[piece] = Piece::Damaged;
                let codes = mutated.codes();
                let said = format!("{} {number} {piece} {codes:?}", partition.name);
                assert!(codes.iter().all(|code| before.contains(code)), "{said}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn an_abort_that_the_index_does_not_name() {
    let mut missing = 0;
    for partition in called("/txn-0") {
        for number in 0..partition.segments.len() {
            let Some(bytes) = partition.segments[number].txn_index.clone() else { continue };
            let entries = bytes.len() / 34;
            let mut mutated = partition.clone();
            mutated.segments[number].txn_index = None;
            assert_eq!(mutated.codes(), vec!["txn-index-missing"; entries]);
            for entry in 0..entries {
                let mut without = bytes.clone();
                without.drain(entry * 34..entry * 34 + 34);
                mutated.segments[number].txn_index = Some(without);
                assert_eq!(mutated.codes(), ["txn-index-missing"]);
                missing += 1;
                mutated.segments[number].txn_index = Some([&bytes[..], &bytes[..entry]].concat());
                let odd = mutated.codes();
                assert_eq!(odd, vec!["txn-index-length"; usize::from(entry > 0)]);
            }
        }
    }
    assert!(missing > 5, "{missing}");
}

#[test]
fn a_wrong_leader_epoch() {
    for partition in called("/epochs-0") {
        for (number, segment) in partition.segments.iter().enumerate() {
            for (at, bit) in (0..segment.pieces.len()).flat_map(|at| [(at, 0), (at, 5), (at, 31)]) {
                let mut mutated = partition.clone();
                let Piece::Batch(batch) = &mut mutated.segments[number].pieces[at] else {
                    continue;
                };
                batch.partition_leader_epoch ^= 1 << bit;
                let position = batch.position;
                let rows = mutated.findings();
                assert_eq!(rows.len(), 1, "{rows:?}");
                assert_eq!(rows[0].problem.code(), "leader-epoch-differs");
                assert_eq!(rows[0].range.start, position);
                // Without the checkpoint the neighbours tell.
                mutated.checkpoint = None;
                let codes = mutated.codes();
                let is_only = codes.iter().all(|code| *code == "leader-epoch-goes-back");
                assert!(is_only && codes.len() <= 1, "{codes:?}");
                let last = number + 1 == partition.segments.len() && at + 1 == segment.pieces.len();
                assert!(bit != 5 || last || codes.len() == 1, "{number} {at} {codes:?}");
            }
        }
    }
}

#[test]
fn lost_and_repeated_batches_of_an_idempotent_producer() {
    let (mut gaps, mut repeats, mut open) = (0, 0, 0);
    for partition in called("/epochs-0").iter().chain(&called("/txn-0")) {
        for (number, segment) in partition.segments.iter().enumerate() {
            for at in 0..segment.pieces.len() {
                let Piece::Batch(batch) = segment.pieces[at] else { continue };
                let mut without = partition.clone();
                without.segments[number].pieces.remove(at);
                let codes = without.codes();
                gaps += usize::from(codes.contains(&"sequence-gap"));
                open += usize::from(codes.contains(&"open-transaction"));
                assert!(!codes.contains(&"sequence-repeats"), "{codes:?}");
                let mut twice = partition.clone();
                twice.segments[number].pieces.insert(at, Piece::Batch(batch));
                let is_due = batch.producer_id >= 0 && batch.base_sequence > 0;
                let codes = twice.codes();
                assert!(!is_due || codes.contains(&"sequence-repeats"), "{batch:?} {codes:?}");
                repeats += usize::from(codes.contains(&"sequence-repeats"));
            }
        }
    }
    assert!(gaps > 20 && repeats > 20 && open > 0, "{gaps} {repeats} {open}");
}

#[test]
fn a_transaction_that_began_before_the_first_segment() {
    let mut entry = ProducerEntry {
        index: 0,
        producer_id: 7,
        producer_epoch: 0,
        last_batch: None,
        timestamp: 5,
        coordinator_epoch: -1,
        current_txn_first_offset: Some(Offset(3)),
    };
    let partition = |entry: ProducerEntry| Partition {
        name: String::new(),
        segments: vec![Loaded { base: Offset(10), pieces: Vec::new(), txn_index: None }],
        snapshots: vec![(Offset(10), crate::format::producer_snapshot::encode(&[entry]))],
        checkpoint: None,
        compacted: false,
    };
    let rows = partition(entry).findings();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].problem.code(), rows[0].file.to_str()),
        ("open-transaction", Some("10.log"))
    );
    assert_eq!(rows[0].offsets.unwrap().0, Offset(3));
    entry.current_txn_first_offset = None;
    assert_eq!(partition(entry).findings(), []);
}
