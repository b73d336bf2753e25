//! A run that is killed, or whose power goes, at any instant.
//!
//! The calls of a real run are recorded, and states that they may leave are drawn from them: what
//! was not synced is on the disk or is not, each change by itself, each sector of a write too.

use super::disk::{Call, Number};
use super::*;
use std::collections::BTreeSet;

const SECTOR: usize = 512;

type Files = BTreeMap<String, Vec<u8>>;

struct Run {
    /// What a run before has closed.
    before: Files,
    appended: Vec<Vec<u8>>,
    calls: Vec<Call>,
}

impl Run {
    fn new(before: Files, appended: &[Vec<u8>]) -> Self {
        let place = Place::of(&before);
        let disk = TestDisk { records: true, ..TestDisk::default() };
        let options = WriterOptions { collected_bytes: 500, ..options() };
        let ran = place.write(&disk, options, appended);
        assert!(matches!(ran, Ok(Ran::Wrote { failed: None, closed: Ok(()), .. })), "{ran:?}");
        Self { before, appended: appended.to_vec(), calls: disk.calls() }
    }

    fn all() -> Vec<Self> {
        let batches = mixed(34);
        let closed = |count: usize| {
            let place = Place::new();
            place.write_well(options(), &batches[..count]);
            place.files()
        };
        // Where the next batch goes to the same segment.
        let logs = |files: &Files| files.keys().filter(|name| name.ends_with(".log")).count();
        let is_inside = |count: &usize| logs(&closed(*count)) == logs(&closed(count + 2));
        let (first, rest) = batches.split_at((12..24).find(is_inside).unwrap());
        let before = closed(first.len());
        let mut preallocated = before.clone();
        let last = before.keys().rfind(|name| name.ends_with(".log")).unwrap();
        preallocated.get_mut(last).unwrap().extend([0; 2000]);
        vec![
            Self::new(Files::new(), first),
            Self::new(before, rest),
            Self::new(preallocated, &rest[..4]),
        ]
    }

    /// What is there when it ends before call `cut`. Of what is not synced, what `happens`.
    fn state(&self, cut: usize, mut happens: impl FnMut() -> bool) -> Files {
        let calls = &self.calls[..cut];
        let mut files: BTreeMap<Number, Vec<u8>> = BTreeMap::new();
        let mut names: BTreeMap<String, Number> = BTreeMap::new();
        for (number, (name, bytes)) in self.before.iter().enumerate() {
            files.insert(1000 + number, bytes.clone());
            names.insert(name.clone(), 1000 + number);
        }
        // Which file of before a number is of.
        let mut opened: BTreeMap<Number, Number> = BTreeMap::new();
        let mut linked: BTreeMap<String, Number> = BTreeMap::new();
        for (at, call) in calls.iter().enumerate() {
            let behind = &calls[at + 1..];
            let is_named = behind.iter().any(|call| matches!(call, Call::SyncDirectory));
            let is_synced = |number: &Number| {
                let is = |call: &Call| matches!(call, Call::SyncFile { file } if file == number);
                behind.iter().any(is)
            };
            let key = |number: &Number| opened.get(number).copied().unwrap_or(*number);
            match call {
                Call::Open { file, name } => {
                    opened.insert(*file, names[name]);
                }
                Call::Create { file } => {
                    files.insert(*file, Vec::new());
                }
                Call::Write { file, at, bytes } => {
                    let held = files.get_mut(&key(file)).unwrap();
                    for (sector, bytes) in bytes.chunks(SECTOR).enumerate() {
                        if is_synced(file) || happens() {
                            let from = at + sector * SECTOR;
                            held.resize(held.len().max(from + bytes.len()), 0);
                            held[from..from + bytes.len()].copy_from_slice(bytes);
                        }
                    }
                }
                Call::Truncate { file, length } => {
                    if is_synced(file) || happens() {
                        files.get_mut(&key(file)).unwrap().truncate(*length);
                    }
                }
                Call::Link { file, name } => {
                    linked.insert(name.clone(), *file);
                    if is_named || happens() {
                        names.insert(name.clone(), *file);
                    }
                }
                Call::Rename { from, to } => {
                    if is_named || happens() {
                        names.remove(from);
                        names.insert(to.clone(), linked[from]);
                    }
                }
                Call::Unlink { name } => {
                    if is_named || happens() {
                        names.remove(name);
                    }
                }
                Call::SyncFile { .. } | Call::SyncDirectory => {}
            }
        }
        names.into_iter().map(|(name, number)| (name, files[&number].clone())).collect()
    }

    /// The first thing that is wrong with a state, if anything is.
    fn fault(&self, files: &Files, is_done: bool) -> Option<String> {
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".log")) {
            let with = |kind: &str| files.get(&name.replace(".log", kind));
            let Some(index) = with(".index") else { continue };
            let zeros = self.before.get(name).is_some_and(|before| before == bytes);
            let whole = valid(bytes);
            if whole.len() != bytes.len() && !zeros {
                return Some(format!("{name} has an .index, and is not whole"));
            }
            let base: i64 = name.strip_suffix(".log").unwrap().parse().unwrap();
            let expected = rebuilt(base, whole);
            if (index, with(".timeindex")) != (&expected.index, Some(&expected.time_index)) {
                return Some(format!("{name} has another .index"));
            }
        }
        // What a broker has when it has started: it reads what has no .index, and cuts it.
        let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
        let started: Vec<u8> = logs.flat_map(|(_, bytes)| valid(bytes).to_vec()).collect();
        let before = frames_of(&self.before);
        let all = [&before[..], &self.appended.concat()].concat();
        let indexes = files.keys().filter(|name| name.ends_with(".index")).count();
        let logs = files.keys().filter(|name| name.ends_with(".log")).count();
        if is_done && (started != all || indexes != logs) {
            return Some("closed, and lost".to_owned());
        }
        if !all.starts_with(&started) || !started.starts_with(&before) {
            return Some(format!("{} bytes were good, {} are", before.len(), started.len()));
        }
        let named = |name: &&String| name.starts_with("seg-") && !name.ends_with(".tmp");
        files.keys().find(named).cloned()
    }

    /// What is wrong among `draws` states before each call; how many there were, and of how many
    /// an open said that there is more to repair than an end.
    fn faults(&self, draws: usize, seen: &mut Seen) -> BTreeSet<String> {
        let mut random = Random::new(7);
        let mut faults = BTreeSet::new();
        for cut in 0..=self.calls.len() {
            for draw in 0..draws {
                // The first is that of a process that is killed: nothing is lost.
                let files = self.state(cut, || draw == 0 || random.below(2) == 1);
                let fault = self.fault(&files, cut == self.calls.len());
                seen.states += 1;
                let is_torn = files
                    .iter()
                    .any(|it| it.0.ends_with(".log") && valid(it.1).len() != it.1.len());
                let is_looked_at = draw < 2 && (cut + draw) % 4 == 0 || is_torn && draw < 4;
                if fault.is_none() && is_looked_at {
                    self.open(&files, draw == 0, &format!("cut {cut}"), seen);
                }
                faults.extend(fault);
            }
        }
        faults
    }

    /// The next run.
    fn open(&self, files: &Files, is_killed: bool, context: &str, seen: &mut Seen) {
        let place = Place::of(files);
        let started = frames_of(files);
        let end = last_end(&started);
        let more = [Plain { epoch: 11, ..Plain::at(end) }.bytes()];
        match place.write(&TestDisk::default(), options(), &more) {
            Ok(Ran::Wrote { failed: None, closed: Ok(()), .. }) => {
                seen.ready += 1;
                let mut verdict = Verdict::of(&place.directory(), INTERVAL);
                verdict.warnings.retain(|said| !said.contains("seg-"));
                verdict.is_clean(context);
                assert_eq!(log_of(&place.files()), [started, more.concat()].concat(), "{context}");
            }
            Ok(Ran::Damaged(damaged)) => {
                assert!(damaged.is_unfinished || !is_killed, "{context}: {damaged:?}");
                let name = damaged.log.file_name().unwrap().to_str().unwrap();
                assert_eq!(files.keys().rfind(|it| it.ends_with(".log")).unwrap(), name);
                assert!(!files.contains_key(&name.replace(".log", ".index")), "{context}");
                *if damaged.is_unfinished { &mut seen.unfinished } else { &mut seen.damaged } += 1;
                assert!(place.files() == *files, "{context}");
            }
            other => panic!("{context}: {other:?}"),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    states: usize,
    ready: usize,
    unfinished: usize,
    damaged: usize,
}

/// Whole batches with the right checksum, from the front.
fn valid(log: &[u8]) -> &[u8] {
    let is_good = |batch: &&&[u8]| {
        batch.len() > 61 && crate::format::crc::crc32c(&batch[21..]).to_be_bytes() == batch[17..21]
    };
    let length = frames(log).iter().take_while(is_good).map(|batch| batch.len()).sum();
    &log[..length]
}

fn frames_of(files: &Files) -> Vec<u8> {
    let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.flat_map(|(_, bytes)| valid(bytes).to_vec()).collect()
}

fn last_end(log: &[u8]) -> i64 {
    let Some(last) = frames(log).last().copied() else { return 0 };
    let delta = i32::from_be_bytes(last[23..27].try_into().unwrap());
    i64::from_be_bytes(last[..8].try_into().unwrap()) + i64::from(delta) + 1
}

fn rebuilt(base: i64, log: &[u8]) -> crate::format::replay::RebuiltIndexes {
    let mut builder = crate::format::replay::IndexBuilder::new(Offset(base), INTERVAL);
    let (mut rest, mut position) = (log, 0);
    let mut scratch = Scratch::new(1 << 20);
    while let Ok(batch) = Batch::parse(rest, Position(position)) {
        builder.take(&BatchFacts::of(&batch, &mut scratch));
        position += batch.size() as u64;
        rest = &rest[batch.size()..];
    }
    builder.finish()
}

#[test]
fn power_that_goes_at_any_instant_costs_nothing_that_was_closed() {
    let mut seen = Seen::default();
    for run in Run::all() {
        let none = BTreeSet::new();
        assert_eq!(run.faults(20, &mut seen), none);
    }
    assert!(seen.states > 2000 && seen.ready > 50, "{seen:?}");
    assert!(seen.unfinished > 0, "{seen:?}");
}

/// The model finds what it is there to find.
#[test]
fn without_any_one_of_the_syncs_something_is_lost() {
    for run in Run::all() {
        let fails = |calls: Vec<Call>| {
            let run = Run { before: run.before.clone(), appended: run.appended.clone(), calls };
            let mut random = Random::new(3);
            (0..=run.calls.len()).any(|cut| {
                (0..20).any(|_| {
                    let state = run.state(cut, || random.below(2) == 1);
                    run.fault(&state, cut == run.calls.len()).is_some()
                })
            })
        };
        assert!(!fails(run.calls.clone()));
        let without = |kind: fn(&Call) -> bool| {
            let calls = run.calls.iter().filter(|call| !kind(call));
            fails(calls.cloned().collect())
        };
        assert!(without(|call| matches!(call, Call::SyncFile { .. })));
        assert!(without(|call| matches!(call, Call::SyncDirectory)));
        if !run.before.is_empty() {
            assert!(without(|call| matches!(call, Call::Unlink { .. })));
        }
    }
}
