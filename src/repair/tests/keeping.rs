//! Changes whose originals are kept: made, gone on with, undone.

use super::*;
use crate::error::Error;
use crate::format::Offset;
use crate::log::FileName;
use crate::log::image::{LogImage, Patch};
use crate::repair::backup::Place;
use crate::repair::change::{
    FinishReplace, ReplaceSegments, SegmentAfter, SegmentBefore, SetAside,
};
use std::os::unix::fs::MetadataExt;

/// A log dir with a partition of segments whose bytes are batches by their headers only.
pub(super) struct Logs {
    pub root: tempfile::TempDir,
}

/// A file as it has to be again: bytes, attributes, and which one it is.
pub(super) type Exact = BTreeMap<String, (Vec<u8>, Attributes, u64)>;

/// A batch that a broker's walk takes for one.
pub(super) fn batch(base: i64, records: i32, size: usize) -> Vec<u8> {
    let mut bytes = pattern(u8::try_from(base % 200).unwrap(), size);
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[8..12].copy_from_slice(&i32::try_from(size - 12).unwrap().to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes
}

impl Logs {
    /// Segments at 0, 10 and 20, of ten offsets each; 20 has no transaction index.
    pub(super) fn new() -> Self {
        let logs = Self { root: tempfile::tempdir().unwrap() };
        let log_dir = logs.log_dir();
        fs::create_dir(&log_dir).unwrap();
        fs::write(log_dir.join("meta.properties"), "version=1\n").unwrap();
        fs::write(log_dir.join(".lock"), "").unwrap();
        fs::create_dir(logs.directory()).unwrap();
        for base in [0, 10, 20] {
            let log: Vec<u8> = (0..10).flat_map(|at| batch(base + at, 1, 300)).collect();
            logs.file(base, "log", &log, 0o640);
            logs.file(base, "index", &pattern(2, 80).map_positions(), 0o604);
            logs.file(base, "timeindex", &pattern(3, 120), 0o600);
            logs.file(base, "snapshot", &pattern(4, 90), 0o644);
        }
        logs.file(0, "txnindex", &pattern(5, 34), 0o644);
        logs.file(10, "txnindex", &pattern(6, 68), 0o644);
        fs::write(logs.directory().join("leader-epoch-checkpoint"), "0\n0\n").unwrap();
        fs::write(logs.directory().join("partition.metadata"), "version: 0\n").unwrap();
        logs
    }

    pub(super) fn log_dir(&self) -> PathBuf {
        self.root.path().join("kafka")
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.log_dir().join("orders-0")
    }

    pub(super) fn path(&self, base: i64, kind: &str) -> PathBuf {
        self.directory().join(format!("{base:020}.{kind}"))
    }

    pub(super) fn file(&self, base: i64, kind: &str, bytes: &[u8], mode: u32) {
        let path = self.path(base, kind);
        fs::write(&path, bytes).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = File::open(&path).unwrap();
        let _ = RealDisk.set_attribute(&file, c"user.note", kind.as_bytes());
        let age = Duration::new(1_500_000_000 + u64::try_from(base).unwrap(), 123_456_789);
        file.set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
    }

    pub(super) fn guard(&self) -> Guard {
        Guard::of_log_dir(&self.log_dir(), &RealDisk).unwrap()
    }

    pub(super) fn identity(&self, path: &Path) -> FileIdentity {
        FileIdentity::of(path).unwrap().unwrap()
    }

    pub(super) fn before(&self, base: i64) -> SegmentBefore {
        let kinds = ["log", "index", "timeindex", "txnindex"];
        let paths = kinds.iter().map(|kind| self.path(base, kind)).filter(|path| path.exists());
        let files = paths.map(|path| (path.clone(), self.identity(&path))).collect();
        SegmentBefore { base_offset: Offset(base), files }
    }

    /// A segment of batches of others, by segment and number.
    pub(super) fn after(&self, base: i64, batches: &[(i64, u64)], txn: bool) -> SegmentAfter {
        let mut log = LogImage::default();
        for &(segment, number) in batches {
            let patch = Patch { position: number * 300 + 100, bytes: vec![7; 3] };
            let patches = if number == 4 { vec![patch] } else { Vec::new() };
            log.push(&self.path(segment, "log"), number * 300..(number + 1) * 300, patches);
        }
        SegmentAfter {
            base_offset: Offset(base),
            log,
            index: vec![0; 16],
            time_index: pattern(9, 24),
            txn_index: txn.then(|| pattern(8, 34)),
            like: self.path(batches[0].0, "log"),
        }
    }

    pub(super) fn write(&self, path: PathBuf, after: &[u8]) -> Change {
        let like = self.path(20, "log");
        let before = FileIdentity::of(&path).unwrap();
        let made_from = vec![(like.clone(), self.identity(&like))];
        Change::WriteFile(WriteFile { path, after: after.to_vec(), before, like, made_from })
    }

    pub(super) fn replace(&self, before: &[i64], after: Vec<SegmentAfter>) -> Change {
        let before = before.iter().map(|&base| self.before(base)).collect();
        Change::ReplaceSegments(ReplaceSegments { before, after })
    }

    /// 1 to 1 with a batch less.
    pub(super) fn one_to_one(&self) -> Vec<Change> {
        let rest: Vec<(i64, u64)> = (0..10).filter(|&at| at != 6).map(|at| (0, at)).collect();
        vec![self.replace(&[0], vec![self.after(0, &rest, false)])]
    }

    /// A batch of the second belongs to the first.
    pub(super) fn two_to_two(&self) -> Vec<Change> {
        let first: Vec<(i64, u64)> = (0..10).map(|at| (0, at)).chain([(10, 0)]).collect();
        let second: Vec<(i64, u64)> = (1..10).map(|at| (10, at)).collect();
        vec![
            self.replace(
                &[0, 10],
                vec![self.after(0, &first, true), self.after(11, &second, true)],
            ),
        ]
    }

    /// A segment that is split; it is the last.
    pub(super) fn one_to_two(&self) -> Vec<Change> {
        let first: Vec<(i64, u64)> = (0..5).map(|at| (20, at)).collect();
        let second: Vec<(i64, u64)> = (5..10).map(|at| (20, at)).collect();
        vec![
            self.replace(&[20], vec![self.after(20, &first, false), self.after(25, &second, true)]),
        ]
    }

    /// A base offset that would make a broker take the segment to reach beyond all others.
    pub(super) fn far(&self) -> Vec<Change> {
        let mut log: Vec<u8> = (0..10).flat_map(|at| batch(10 + at, 1, 300)).collect();
        log[9 * 300..9 * 300 + 8].copy_from_slice(&(1_i64 << 40).to_be_bytes());
        self.file(10, "log", &log, 0o640);
        let rest: Vec<(i64, u64)> = (0..9).map(|at| (10, at)).collect();
        vec![self.replace(&[10], vec![self.after(10, &rest, true)])]
    }

    /// Everything that there is, in one plan.
    pub(super) fn mixed(&self) -> Vec<Change> {
        let stray = self.directory().join("stray");
        fs::create_dir_all(stray.join("inner")).unwrap();
        fs::write(stray.join("inner/file"), "x").unwrap();
        fs::write(self.path(5, "index.cleaned"), "half").unwrap();
        fs::write(self.path(5, "log.swap"), "none").unwrap();
        let aside = |path: PathBuf, is_file: bool| {
            let before = is_file.then(|| self.identity(&path));
            Change::SetAside(SetAside { path, before })
        };
        let mut changes = vec![
            aside(self.path(5, "index.cleaned"), true),
            aside(self.path(5, "log.swap"), true),
            aside(stray, false),
        ];
        changes.extend(self.one_to_one());
        changes.extend(self.one_to_two());
        changes.push(self.write(self.path(10, "index"), &[0; 24]));
        changes.push(self.write(self.path(30, "snapshot"), &pattern(11, 40)));
        changes.push(self.write(self.directory().join("leader-epoch-checkpoint"), b"0\n1\n0 0\n"));
        changes
    }

    /// A replacement of 0 and 10 by 0 that a broker did not finish.
    pub(super) fn finish(&self) -> Vec<Change> {
        let log: Vec<u8> = (0..18).flat_map(|at| batch(at, 1, 200)).collect();
        self.file(0, "log.swap", &log, 0o640);
        self.file(0, "index.swap", &[0; 8], 0o640);
        self.file(0, "timeindex.swap", &pattern(14, 12), 0o640);
        let seen = |path: PathBuf| (path.clone(), self.identity(&path));
        let rename = |kind: &str| {
            let (from, identity) = seen(self.path(0, &format!("{kind}.swap")));
            (from, self.path(0, kind), identity)
        };
        let renames = ["log", "index", "timeindex"].map(rename).to_vec();
        let before = [self.before(0), self.before(10)];
        let replaced = before.into_iter().flat_map(|segment| segment.files).collect();
        vec![Change::FinishReplace(FinishReplace { renames, replaced })]
    }

    /// What a look at an interrupted replacement comes to: taken back as long as a `.cleaned` is
    /// there, finished otherwise.
    pub(super) fn continued(&self) -> Vec<Change> {
        let names: Vec<String> = self.seen().into_keys().collect();
        let path = |name: &String| self.directory().join(name);
        let is_on_its_way = |name: &&String| name.ends_with(".cleaned") || name.ends_with(".swap");
        if names.iter().any(|name| name.ends_with(".cleaned")) {
            let aside = |name: &String| {
                let before = Some(self.identity(&path(name)));
                Change::SetAside(SetAside { path: path(name), before })
            };
            return names.iter().filter(is_on_its_way).map(aside).collect();
        }
        let swaps: Vec<&String> = names.iter().filter(|name| name.ends_with(".swap")).collect();
        if swaps.is_empty() {
            return Vec::new();
        }
        let renames = swaps.iter().map(|name| {
            let to = path(&name.strip_suffix(".swap").unwrap().to_owned());
            (path(name), to, self.identity(&path(name)))
        });
        let mut after: BTreeMap<String, String> =
            names.iter().map(|name| (name.clone(), name.clone())).collect();
        broker::start(&mut after, |name| fs::read(path(name)).unwrap());
        let stays: Vec<&String> = after.values().collect();
        let gone = names.iter().filter(|name| !stays.contains(name) && !name.ends_with("snapshot"));
        let replaced = gone.map(|name| (path(name), self.identity(&path(name)))).collect();
        vec![Change::FinishReplace(FinishReplace { renames: renames.collect(), replaced })]
    }

    pub(super) fn place(&self, guard: &Guard) -> Place {
        Place::find(&self.directory(), guard, None).unwrap()
    }

    pub(super) fn apply_with(&self, changes: &[Change], disk: &dyn Disk) -> Vec<Applied> {
        let guard = self.guard();
        let place = self.place(&guard);
        let terms = Terms {
            guard: &guard,
            disk,
            backup: Some(&place),
            rests_on: &[],
            is_first_step: false,
        };
        apply(changes, &terms)
    }

    pub(super) fn undo(&self) -> crate::error::Result<Undone> {
        let undone = undo(&self.directory(), &self.guard(), &RealDisk, None)?;
        let why = "there is no backup that is not undone";
        undone.ok_or_else(|| Error::other("undoing", &self.directory(), why))
    }

    /// Every file of the partition, exactly.
    pub(super) fn exact(&self) -> Exact {
        let mut found = Exact::new();
        let mut directories = vec![self.directory()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.directory()).unwrap().to_str().unwrap();
                let (bytes, attributes) = seen(&path);
                let inode = fs::metadata(&path).unwrap().ino();
                found.insert(name.to_owned(), (bytes, attributes, inode));
            }
        }
        found
    }

    /// The files as they are when `changes` are made, by an independent way: in memory.
    pub(super) fn expected(&self, changes: &[Change]) -> BTreeMap<String, Seen> {
        let exact = self.exact();
        let mut files: BTreeMap<String, Seen> = exact
            .into_iter()
            .map(|(name, (bytes, attributes, _))| (name, (bytes, attributes)))
            .collect();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let first = files.clone();
        for change in changes {
            match change {
                Change::WriteFile(write) => {
                    let old = files.get(&name(&write.path)).or(first.get(&name(&write.like)));
                    let attributes = old.unwrap().1.clone();
                    files.insert(name(&write.path), (write.after.clone(), attributes));
                }
                Change::SetAside(aside) => {
                    let gone = name(&aside.path);
                    files.retain(|name, _| *name != gone && !name.starts_with(&format!("{gone}/")));
                }
                Change::FinishReplace(finish) => {
                    for (path, _) in &finish.replaced {
                        files.remove(&name(path));
                    }
                    for (from, to, _) in &finish.renames {
                        let file = files.remove(&name(from)).unwrap();
                        files.insert(name(to), file);
                    }
                }
                Change::ReplaceSegments(replace) => self.replaced(replace, &mut files),
            }
        }
        files
    }

    fn replaced(&self, replace: &ReplaceSegments, files: &mut BTreeMap<String, Seen>) {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let old = files.clone();
        for (path, _) in replace.before.iter().flat_map(|segment| &segment.files) {
            files.remove(&name(path));
        }
        for after in &replace.after {
            let mut log = Vec::new();
            for part in &after.log.parts {
                let mut bytes = old[&name(&part.file)].0.clone();
                for patch in &part.patches {
                    let at = usize::try_from(patch.position).unwrap();
                    bytes[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
                }
                let end = usize::try_from(part.range.end).unwrap();
                log.extend(&bytes[usize::try_from(part.range.start).unwrap()..end]);
            }
            let base = after.base_offset;
            let mut insert = |kind, bytes: Vec<u8>| {
                let name_ = FileName::of_segment(base, kind).to_string();
                let like = old.get(&name_).unwrap_or(&old[&name(&after.like)]);
                files.insert(name_, (bytes, like.1.clone()));
            };
            use crate::log::FileKind as K;
            insert(K::Log, log);
            insert(K::OffsetIndex, after.index.clone());
            insert(K::TimeIndex, after.time_index.clone());
            let txn = FileName::of_segment(base, K::TxnIndex).to_string();
            if after.txn_index.is_some() || old.contains_key(&txn) {
                insert(K::TxnIndex, after.txn_index.clone().unwrap_or_default());
            }
        }
    }

    pub(super) fn seen(&self) -> BTreeMap<String, Seen> {
        let exact = self.exact().into_iter();
        exact.map(|(name, (bytes, attributes, _))| (name, (bytes, attributes))).collect()
    }
}

/// Index entries of batches that are there.
trait Positions {
    fn map_positions(self) -> Vec<u8>;
}

impl Positions for Vec<u8> {
    fn map_positions(mut self) -> Vec<u8> {
        for (at, entry) in self.chunks_mut(8).enumerate() {
            entry[4..].copy_from_slice(&i32::try_from(at * 300).unwrap().to_be_bytes());
        }
        self
    }
}

pub(super) type Choose = fn(&Logs) -> Vec<Change>;

pub(super) const PLANS: [Choose; 5] =
    [Logs::one_to_one, Logs::two_to_two, Logs::one_to_two, Logs::mixed, Logs::finish];

#[test]
fn what_is_changed_is_undone_to_the_last_byte_and_time() {
    for (number, choose) in PLANS.into_iter().enumerate() {
        let logs = Logs::new();
        let changes = choose(&logs);
        let (first, expected) = (logs.exact(), logs.expected(&changes));
        let applied = logs.apply_with(&changes, &RealDisk);
        assert!(words(&applied).iter().all(|word| word == "written"), "{number}: {applied:?}");
        assert_eq!(logs.seen(), expected, "{number}");
        let backup = logs.root.path().join("kafka.seg-backup/orders-0.1");
        let directory = fs::metadata(logs.directory()).unwrap();
        let made = fs::metadata(&backup).unwrap();
        assert_eq!((made.uid(), made.gid()), (directory.uid(), directory.gid()));

        let undone = logs.undo().unwrap();
        assert_eq!(logs.exact(), first, "{number}");
        assert_eq!(undone.backup, backup.canonicalize().unwrap());
        assert!(backup.join("manifest").exists());
        let error = logs.undo().unwrap_err();
        assert!(error.to_string().ends_with("there is no backup that is not undone"), "{error}");

        // The same plan once more is kept apart, and holds: nothing has changed but a time.
        let again = logs.apply_with(&choose(&logs), &RealDisk);
        assert!(words(&again).iter().all(|word| word == "written"), "{number}: {again:?}");
        assert!(backup.with_file_name("orders-0.2").join("manifest").exists());
        logs.undo().unwrap();
        assert_eq!(logs.seen().len(), first.len());
    }
}

/// True when every replacement is done as a whole or not at all, and nothing is on its way. What a
/// broker deletes when it finishes one, beside the segments, are producer snapshots.
pub(super) fn whole_or_not(
    changes: &[Change],
    seen: &BTreeMap<String, Seen>,
    first: &BTreeMap<String, Seen>,
    expected: &BTreeMap<String, Seen>,
) -> Result<(), String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    for change in changes {
        let names: Vec<String> = match change {
            Change::WriteFile(write) => vec![name(&write.path)],
            Change::SetAside(_) => Vec::new(),
            Change::FinishReplace(finish) => {
                let finals = finish.renames.iter().map(|(_, to, _)| name(to));
                finals.chain(finish.replaced.iter().map(|(path, _)| name(path))).collect()
            }
            Change::ReplaceSegments(replace) => {
                let before = replace.before.iter().flat_map(|it| &it.files);
                let kinds = ["log", "index", "timeindex", "txnindex"];
                let after = replace
                    .after
                    .iter()
                    .flat_map(|it| kinds.map(|kind| format!("{:020}.{kind}", it.base_offset.0)));
                before.map(|(path, _)| name(path)).chain(after).collect()
            }
        };
        let is = |of: &BTreeMap<String, Seen>| {
            names.iter().find(|name| seen.get(*name) != of.get(*name)).cloned()
        };
        if let (Some(one), Some(other)) = (is(first), is(expected)) {
            return Err(format!("{one} is not old, {other} is not new"));
        }
    }
    Ok(())
}

#[test]
fn a_live_lock_a_foreign_replacement_and_a_writer_are_refused() {
    let logs = Logs::new();
    let first = logs.exact();
    let changes = logs.two_to_two();
    fs::write(logs.path(40, "log.swap"), "x").unwrap();
    let said = words(&logs.apply_with(&changes, &RealDisk));
    assert!(said[0].ends_with("it is of another replacement, which was interrupted"), "{said:?}");
    fs::remove_file(logs.path(40, "log.swap")).unwrap();

    fs::write(logs.path(5, "log"), "x").unwrap();
    let said = words(&logs.apply_with(&changes, &RealDisk));
    assert!(said[0].ends_with("it is between them, and does not go"), "{said:?}");
    fs::remove_file(logs.path(5, "log")).unwrap();

    let held = File::options().append(true).open(logs.path(10, "index")).unwrap();
    if let Writers::Somebody = writers(&logs.path(10, "index")).unwrap() {
        let said = words(&logs.apply_with(&changes, &RealDisk));
        assert!(said[0].ends_with("another process has it open for writing"), "{said:?}");
    }
    drop(held);
    let guard = logs.guard();
    let other = Guard::of_log_dir(&logs.log_dir(), &RealDisk).unwrap_err();
    assert_eq!(other.source.kind(), io::ErrorKind::WouldBlock);
    drop(guard);

    // Any file that the plan rests on.
    fs::write(logs.path(20, "log"), "x").unwrap();
    let log = logs.path(20, "log");
    let rests_on = [(log.clone(), FileIdentity { size: 3000, ..logs.identity(&log) })];
    let guard = logs.guard();
    let place = logs.place(&guard);
    let terms = Terms {
        guard: &guard,
        disk: &RealDisk,
        backup: Some(&place),
        rests_on: &rests_on,
        is_first_step: false,
    };
    let said = words(&apply(&changes, &terms));
    assert!(said[0].ends_with("it changed since it was looked at"), "{said:?}");
    assert!(!place.path().exists() && logs.exact().len() == first.len());
}

#[test]
fn a_backup_is_outside_of_every_log_dir() {
    let logs = Logs::new();
    let guard = logs.guard();
    let find = |parent: &Path| Place::find(&logs.directory(), &guard, Some(parent));
    for inside in [logs.directory(), logs.log_dir()] {
        let error = find(&inside).unwrap_err();
        assert!(error.to_string().ends_with("originals are kept outside"), "{error}");
    }
    let named = logs.root.path().join("named");
    fs::create_dir(&named).unwrap();
    let place = find(&named).unwrap();
    assert_eq!(place.path(), named.canonicalize().unwrap().join("orders-0.1"));
    let changes = logs.one_to_one();
    let first = logs.exact();
    let terms = Terms {
        guard: &guard,
        disk: &RealDisk,
        backup: Some(&place),
        rests_on: &[],
        is_first_step: false,
    };
    assert_eq!(words(&apply(&changes, &terms)), ["written"]);
    assert!(undo(&logs.directory(), &guard, &RealDisk, None).unwrap().is_none());
    // None is there, and that it cannot be looked for, are not the same.
    let gone = undo(&logs.directory(), &guard, &RealDisk, Some(&named.join("gone"))).unwrap_err();
    assert!(gone.path.ends_with("named/gone"), "{gone}");
    undo(&logs.directory(), &guard, &RealDisk, Some(&named)).unwrap();
    assert_eq!(logs.exact(), first);
}

/// Two log dirs with one place for both, each repaired while the other is: the number of the one
/// is found by the other as well, and its directory has no manifest yet.
#[test]
fn a_number_is_one_runs_only() {
    let (one, other) = (Logs::new(), Logs::new());
    let named = tempfile::tempdir_in(one.root.path().parent().unwrap()).unwrap();
    let mut undone = Vec::new();
    for (logs, is_there) in [(&one, false), (&other, true)] {
        let guard = logs.guard();
        let find = || Place::find(&logs.directory(), &guard, Some(named.path())).unwrap();
        // Found before the other run made it.
        let place = find();
        let taken = place.path().to_owned();
        fs::create_dir(&taken).unwrap();
        let kept = taken.join("00000000000000000000.log.kept");
        fs::write(&kept, "of another run").unwrap();
        let place = if is_there { find() } else { place };
        let first = logs.exact();
        let terms = Terms {
            guard: &guard,
            disk: &RealDisk,
            backup: Some(&place),
            rests_on: &[],
            is_first_step: false,
        };
        assert_eq!(words(&apply(&logs.one_to_one(), &terms)), ["written"]);
        assert!(place.path() != taken && place.path().join("manifest").exists());
        assert_eq!(fs::read(&kept).unwrap(), b"of another run");
        assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
        undone.push((logs, first));
    }
    for (logs, first) in undone {
        undo(&logs.directory(), &logs.guard(), &RealDisk, Some(named.path())).unwrap();
        assert_eq!(logs.exact(), first);
    }
}

/// What is interrupted is finished first, and what else there is to do is known only then.
#[test]
fn two_steps_are_undone_by_one_undo() {
    for has_second in [false, true] {
        let logs = Logs::new();
        let changes = logs.finish();
        let first = logs.exact();
        let guard = logs.guard();
        let place = logs.place(&guard);
        let (backup, is_first_step) = (Some(&place), true);
        let terms = Terms { guard: &guard, disk: &RealDisk, backup, rests_on: &[], is_first_step };
        assert_eq!(words(&apply(&changes, &terms)), ["written"]);
        drop(guard);
        if has_second {
            let mut changes = logs.one_to_two();
            changes.push(logs.write(logs.path(0, "index"), &[0; 16]));
            let applied = logs.apply_with(&changes, &RealDisk);
            assert_eq!(words(&applied), ["written", "written"]);
        }
        logs.undo().unwrap();
        assert_eq!(logs.exact(), first);
        assert!(logs.undo().is_err());
    }
}

#[test]
fn an_old_backup_that_is_damaged_stops_no_repair() {
    let logs = Logs::new();
    let write = |byte| [logs.write(logs.path(10, "index"), &[byte; 24])];
    for byte in [1, 2] {
        assert_eq!(words(&logs.apply_with(&write(byte), &RealDisk)), ["written"]);
    }
    let damage = |number: u32| {
        let name = format!("kafka.seg-backup/orders-0.{number}/manifest");
        fs::write(logs.root.path().join(name), "{\"type\":\"kept\"}\n").unwrap();
    };
    damage(1);
    assert_eq!(words(&logs.apply_with(&write(3), &RealDisk)), ["written"]);
    logs.undo().unwrap();
    logs.undo().unwrap();
    assert_eq!(fs::read(logs.path(10, "index")).unwrap(), [1; 24]);
    // The next to be undone.
    let error = logs.undo().unwrap_err().to_string();
    assert!(error.contains("orders-0.1/manifest") && error.contains("elsewhere"), "{error}");
    assert_eq!(words(&logs.apply_with(&write(4), &RealDisk)), ["written"]);
    // The last may have been interrupted.
    damage(4);
    let error = Place::find(&logs.directory(), &logs.guard(), None).unwrap_err().to_string();
    assert!(error.contains("orders-0.4/manifest") && error.contains("elsewhere"), "{error}");
}

#[test]
fn what_a_killed_run_left_in_the_log_dir_goes_with_the_next_that_writes_there() {
    let logs = Logs::new();
    let checkpoint = logs.log_dir().join("recovery-point-offset-checkpoint");
    fs::write(&checkpoint, "0\n0\n").unwrap();
    let leftover = logs.log_dir().join("seg-0123456789abcdef.tmp");
    fs::write(&leftover, "x").unwrap();
    let inside = [logs.write(logs.path(10, "index"), &[1; 24])];
    assert_eq!(words(&logs.apply_with(&inside, &RealDisk)), ["written"]);
    assert!(leftover.exists());
    let above = [logs.write(checkpoint, b"0\n1\norders 0 9\n")];
    assert_eq!(words(&logs.apply_with(&above, &RealDisk)), ["written"]);
    assert!(!leftover.exists());
    fs::write(&leftover, "x").unwrap();
    logs.undo().unwrap();
    assert!(!leftover.exists());
}

#[test]
fn what_a_broker_wrote_since_is_not_undone() {
    let logs = Logs::new();
    let changes = logs.one_to_two();
    let _ = logs.apply_with(&changes, &RealDisk);
    let log = File::options().append(true).open(logs.path(25, "log")).unwrap();
    io::Write::write_all(&mut &log, &batch(30, 1, 100)).unwrap();
    drop(log);
    let after = logs.exact();
    let error = logs.undo().unwrap_err();
    assert!(error.to_string().ends_with("it changed since the repair"), "{error}");
    assert_eq!(logs.exact(), after);
}

/// The originals are copied when the backup is on another file system.
#[test]
fn copies_are_as_good_as_the_files_themselves() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    for choose in [Logs::one_to_one as Choose, Logs::two_to_two, Logs::one_to_two, Logs::finish] {
        let logs = Logs::new();
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        if device(elsewhere.path()) == device(&logs.log_dir()) {
            eprintln!("not run: one file system");
            return;
        }
        let guard = logs.guard();
        let place = Place::find(&logs.directory(), &guard, Some(elsewhere.path())).unwrap();
        assert!(place.copies());
        let changes = choose(&logs);
        let first = logs.seen();
        let terms = Terms {
            guard: &guard,
            disk: &RealDisk,
            backup: Some(&place),
            rests_on: &[],
            is_first_step: false,
        };
        let applied = apply(&changes, &terms);
        assert!(words(&applied).iter().all(|word| word == "written"), "{applied:?}");
        assert_ne!(logs.seen(), first);
        undo(&logs.directory(), &guard, &RealDisk, Some(elsewhere.path())).unwrap();
        assert_eq!(logs.seen(), first);
    }
}

/// Against `cp` and a sync, on the disk that temporary files are on.
#[test]
#[ignore = "writes some GiB; a measurement"]
fn a_segment_is_replaced_at_the_speed_of_a_copy() {
    let logs = Logs::new();
    let log = logs.path(20, "log");
    let (size, batch_size) = (1_u64 << 30, 1 << 20);
    let file = File::options().write(true).open(&log).unwrap();
    for at in 0..size / batch_size {
        let bytes = batch(20, 1, usize::try_from(batch_size).unwrap());
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, at * batch_size).unwrap();
    }
    file.sync_all().unwrap();
    drop(file);
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let copy = logs.root.path().join("copy");
        let begun = std::time::Instant::now();
        assert!(std::process::Command::new("cp").arg(&log).arg(&copy).status().unwrap().success());
        File::open(&copy).unwrap().sync_all().unwrap();
        let plain = begun.elapsed();
        fs::remove_file(copy).unwrap();

        let mut after = logs.after(20, &[(20, 0)], false);
        after.log = LogImage::default();
        let hole = 1 << 29;
        after.log.push(&log, 0..hole, vec![Patch { position: 100, bytes: vec![1] }]);
        after.log.push(&log, hole + batch_size..size, Vec::new());
        let changes = [logs.replace(&[20], vec![after])];
        let begun = std::time::Instant::now();
        assert_eq!(words(&logs.apply_with(&changes, &RealDisk)), ["written"]);
        let applied = begun.elapsed();
        logs.undo().unwrap();
        fs::remove_dir_all(logs.root.path().join("kafka.seg-backup")).unwrap();
        ratios.push(plain.as_secs_f64() / applied.as_secs_f64());
        println!("cp and sync {plain:?}, apply {applied:?}");
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[2] >= 0.8, "{ratios:?}");
}
