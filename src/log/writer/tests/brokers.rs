//! What real brokers were sent, appended in here: the same files come of it.
//!
//! Compared are the partitions of magic 2 that were never compacted. `.log` files, so also where
//! segments end, `.txnindex` and snapshots always. Both indexes where one life of the broker wrote
//! the whole segment, which its one leader epoch shows: a broker that goes on with a segment counts
//! the interval anew. The time indexes of 2.8.2 are left out: it named the record, and not the last
//! offset of its batch.

use super::*;
use crate::format::checkpoint::{EpochEntry, leader_epoch_checkpoint};
use crate::format::producer_snapshot::{ProducerEntry, ProducerSnapshot};

/// As `tests/kafka/java/Scenario.java` made the topics.
fn settings(topic: &str) -> WriterOptions {
    let segment_bytes = match topic {
        "append-time" | "txn" => 8192,
        "times"
        | "recompress"
        | "recompress-append-time"
        | "raw"
        | "txn-open"
        | "epochs"
        | "trimmed"
        | "retained"
        | "rdkafka-txn" => 4096,
        _ if topic.starts_with("__") => 1 << 20,
        _ => 16384,
    };
    let index_interval_bytes = match topic {
        "lookup" => 512,
        _ if topic.starts_with("__") => 4096,
        _ => 1024,
    };
    let segment_ms = if topic == "times" { i64::MAX } else { 7 * 24 * 3600 * 1000 };
    WriterOptions { index_interval_bytes, segment_bytes, segment_ms, ..options() }
}

fn partitions(release: &str) -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(release);
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn topic_of(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.rsplit_once('-').unwrap().0.to_owned()
}

fn epochs_in(bytes: &[u8]) -> Vec<EpochEntry> {
    leader_epoch_checkpoint(bytes).unwrap().iter().map(|entry| entry.value).collect()
}

fn producers_in(bytes: &[u8]) -> BTreeMap<i64, ProducerEntry> {
    let entries = ProducerSnapshot::parse(bytes).unwrap();
    let entry = |entry: ProducerEntry| (entry.producer_id, ProducerEntry { index: 0, ..entry });
    entries.iter().map(entry).collect()
}

fn epoch_of(batch: &[u8]) -> i32 {
    i32::from_be_bytes(batch[12..16].try_into().unwrap())
}

#[derive(Debug, Default)]
struct Compared {
    partitions: usize,
    rolls: usize,
    indexes: usize,
    txn_indexes: usize,
    producers: usize,
    epochs: usize,
    left_out: Vec<String>,
    differences: Vec<String>,
}

impl Compared {
    fn release(release: &str) -> Self {
        let mut compared = Self::default();
        for path in partitions(release) {
            let topic = topic_of(&path);
            let theirs = files_in(&path);
            let log = log_of(&theirs);
            let batches: Vec<Vec<u8>> = frames(&log).into_iter().map(<[u8]>::to_vec).collect();
            let is_of_magic_2 = batches.iter().all(|batch| batch[16] == 2);
            let is_compacted = topic.contains("compact") || topic == "__cluster_metadata";
            let is_empty = batches.is_empty() || topic.contains(".");
            if !is_of_magic_2 || is_compacted || is_empty {
                continue;
            }
            let place = Place::new();
            place.write_well(settings(&topic), &batches);
            compared.partition(&format!("{release}/{topic}"), &theirs, &place.files());
        }
        compared
    }

    fn partition(
        &mut self,
        name: &str,
        theirs: &BTreeMap<String, Vec<u8>>,
        mine: &BTreeMap<String, Vec<u8>>,
    ) {
        let logs = |files: &BTreeMap<String, Vec<u8>>| -> Vec<(String, usize)> {
            let logs =
                files.iter().filter(|(name, bytes)| name.ends_with(".log") && !bytes.is_empty());
            logs.map(|(name, bytes)| (name.clone(), bytes.len())).collect()
        };
        if logs(mine) != logs(theirs) {
            self.differences.push(format!("{name}: {:?} {:?}", logs(mine), logs(theirs)));
            return;
        }
        self.partitions += 1;
        self.rolls += logs(theirs).len() - 1;
        for (file, _) in logs(theirs) {
            assert_eq!(mine[&file], theirs[&file], "{name}/{file}");
            let base = file.strip_suffix(".log").unwrap();
            let batches = frames(&theirs[&file]);
            let is_of_one_epoch = batches.iter().all(|it| epoch_of(it) == epoch_of(batches[0]));
            // A broker of 2.8.2 has one epoch in all its lives; that of 3.9.2 was killed once.
            let shared =
                ["3.9.2/epochs", "3.9.2/trimmed", "2.8.2/epochs", "2.8.2/__transaction_state"];
            let is_shared = shared.iter().any(|it| name.ends_with(it));
            let is_of_one_life = is_of_one_epoch && !is_shared;
            for kind in ["index", "timeindex"] {
                let index = format!("{base}.{kind}");
                if !is_of_one_life || kind == "timeindex" && name.contains("2.8.2") {
                    self.left_out.push(format!("{name}/{index}"));
                    continue;
                }
                if mine[&index] != theirs[&index] {
                    self.differences.push(format!("{name}/{index}"));
                }
                self.indexes += 1;
            }
            let index = format!("{base}.txnindex");
            let empty = Vec::new();
            let of =
                |files: &BTreeMap<String, Vec<u8>>| files.get(&index).unwrap_or(&empty).clone();
            if of(mine) != of(theirs) {
                self.differences.push(format!("{name}/{index}"));
            }
            self.txn_indexes += usize::from(!of(mine).is_empty());
        }
        for (file, bytes) in theirs.iter().filter(|(file, _)| file.ends_with(".snapshot")) {
            let Some(of_mine) = mine.get(file) else {
                self.left_out.push(format!("{name}/{file}"));
                continue;
            };
            let (of_mine, of_theirs) = (producers_in(of_mine), producers_in(bytes));
            // Of producers from before the first segment nothing is known.
            let theirs = of_theirs.iter().filter(|(id, _)| of_mine.contains_key(id));
            let theirs: BTreeMap<_, _> = theirs.map(|(id, it)| (*id, *it)).collect();
            let is_from_0 = logs(mine)[0].0 == "00000000000000000000.log";
            if of_mine != theirs || is_from_0 && of_mine.len() != of_theirs.len() {
                self.differences.push(format!("{name}/{file}: {of_mine:?} {of_theirs:?}"));
            }
            self.producers += of_mine.len();
        }
        // Epochs without a batch are there too, and the first may have been moved.
        let of_mine = epochs_in(&mine["leader-epoch-checkpoint"]);
        let of_theirs = epochs_in(&theirs["leader-epoch-checkpoint"]);
        let has = |entry: &&EpochEntry| of_mine.iter().any(|it| it.epoch == entry.epoch);
        let of_theirs: Vec<EpochEntry> = of_theirs.iter().filter(has).copied().collect();
        if of_mine.get(1..) != of_theirs.get(1..)
            || of_mine.first().map(|it| it.epoch) != of_theirs.first().map(|it| it.epoch)
        {
            self.differences.push(format!("{name}: {of_mine:?} {of_theirs:?}"));
        }
        self.epochs += of_mine.len();
    }
}

#[test]
fn what_a_broker_was_sent_becomes_what_it_wrote() {
    let mut all = BTreeMap::new();
    for release in ["kafka-4.4.0", "kafka-4.3.1", "kafka-3.9.2", "kafka-2.8.2"] {
        all.insert(release, Compared::release(release));
    }
    let differences: Vec<_> = all.values().flat_map(|it| &it.differences).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    // That there was something to compare.
    let newest = &all["kafka-4.3.1"];
    assert!(newest.partitions > 20 && newest.rolls > 30 && newest.indexes > 90, "{all:#?}");
    assert!(newest.txn_indexes > 4 && newest.producers > 30 && newest.epochs > 30, "{all:#?}");
    assert!(all["kafka-4.4.0"].partitions > 8 && all["kafka-4.4.0"].indexes > 20, "{all:#?}");
    assert!(all["kafka-3.9.2"].partitions > 8 && all["kafka-2.8.2"].partitions > 5, "{all:#?}");
    let left_out: usize = all.values().map(|it| it.left_out.len()).sum();
    assert!(left_out < 80, "{all:#?}");
}

/// Every sound partition there is, gone on with: what was there stays, byte for byte.
#[test]
fn brokers_partitions_are_gone_on_with() {
    let (mut partitions_seen, mut transactions, mut refused) = (0, 0, Vec::new());
    let releases =
        ["kafka-4.4.0", "kafka-4.3.1", "kafka-4.3.1-killed", "kafka-3.9.2", "kafka-2.8.2"];
    for (release, path) in
        releases.iter().flat_map(|it| partitions(it).into_iter().map(move |path| (it, path)))
    {
        let name = format!("{release}/{}", path.file_name().unwrap().to_str().unwrap());
        if name.contains(".37161b") || name.contains("-delete") || name.contains("__cluster") {
            continue;
        }
        let before = files_in(&path);
        let place = Place::of(&before);
        let options = settings(&topic_of(&path));
        let interval = options.index_interval_bytes;
        // Those of two brokers of one age differ from a rebuild as well.
        let known = Verdict::of(&place.directory(), interval);
        let open = open_transaction(&place);
        let log = log_of(&before);
        let Some(made) = batches_behind(&place, options.clone(), open) else {
            refused.push(name);
            continue;
        };
        let written = place.write_well(options, &made);
        let after = place.files();
        let all = frames(&log).concat();
        assert_eq!(log_of(&after), [all, made.concat()].concat(), "{name}");
        let last = before.keys().rfind(|name| name.ends_with(".log")).unwrap();
        for (file, bytes) in &before {
            let is_before = file.starts_with('0') && file[..20] < last[..20];
            if is_before && !file.ends_with(".snapshot") {
                assert_eq!(after.get(file), Some(bytes), "{name}/{file}");
            }
        }
        let verdict = Verdict::of(&place.directory(), interval);
        let mut found = [verdict.errors, verdict.warnings].concat();
        found.retain(|it| !known.errors.contains(it) && !known.warnings.contains(it));
        if !found.is_empty() {
            refused.push(format!("{name}: {found:?}"));
        }
        let end = format!("{:020}.snapshot", written.log_end.0);
        let producers = producers_in(&after[&end]);
        if let Some((id, first)) = open {
            transactions += 1;
            assert_eq!(producers[&id].current_txn_first_offset, None, "{name}");
            let index = after.iter().rfind(|(name, _)| name.ends_with(".txnindex")).unwrap().1;
            let entry = &index[index.len() - 34..];
            let at = |from: usize| i64::from_be_bytes(entry[from..from + 8].try_into().unwrap());
            assert_eq!((at(2), at(10)), (id, first), "{name}");
            assert_eq!(at(18), written.first_offset.unwrap().0, "{name}");
        }
        let epochs = epochs_in(&after["leader-epoch-checkpoint"]);
        let is_old = made[0][16] < 2;
        assert_eq!(epochs.last().is_none_or(|it| it.epoch < 77), is_old, "{name}");
        partitions_seen += 1;
    }
    assert!(partitions_seen > 100 && transactions > 3, "{partitions_seen} {transactions}");
    assert!(refused.is_empty(), "{refused:?}");
}

/// The producer id of a transaction that is open at the end, and where that begins.
fn open_transaction(place: &Place) -> Option<(i64, i64)> {
    let files = place.files();
    let snapshot = files.iter().rfind(|(name, _)| name.ends_with(".snapshot"))?.1;
    let producers = producers_in(snapshot);
    producers.values().find_map(|it| Some((it.producer_id, it.current_txn_first_offset?.0)))
}

/// The end of the open transaction, then more than a segment of others, in a new epoch.
fn batches_behind(
    place: &Place,
    options: WriterOptions,
    open: Option<(i64, i64)>,
) -> Option<Vec<Vec<u8>>> {
    let guard = Guard::of_partition_alone(&place.directory()).unwrap();
    let disk = TestDisk::default();
    let opened = PartitionWriter::open(&place.directory(), &guard, &disk, options, NOW);
    let Ok(Opened::Ready(writer)) = opened else { return None };
    let mut offset = writer.next_offset().0;
    let mut made = Vec::new();
    if let Some((id, _)) = open {
        made.push(marker(offset, id, 78, true));
        offset += 1;
    }
    for _ in 0..20 {
        made.push(Plain { epoch: 78, value_bytes: 100, ..Plain::at(offset) }.bytes());
        offset += 3;
    }
    Some(made)
}
