//! Power goes at any instant of a repair that keeps its originals: names that were not synced are
//! on the disk or are not, each by itself. Then a broker starts, or the repair is undone.
//!
//! A file is known by its number on the disk; all are held, so that no number is used twice.

use super::keeping::{Choose, Logs, PLANS};
use super::power_cut::Random;
use super::*;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CStr;
use std::os::unix::fs::MetadataExt;

type Inode = u64;
/// A directory and a name in it.
type Name = (PathBuf, String);

#[derive(Clone, Debug)]
enum Call {
    /// Bytes or attributes; the bytes of what is written behind others' are told.
    Data {
        file: Inode,
        bytes: Option<(u64, Vec<u8>)>,
    },
    SyncFile {
        file: Inode,
    },
    Name {
        file: Inode,
        name: Name,
    },
    Rename {
        file: Inode,
        from: Name,
        to: Name,
    },
    Unlink {
        name: Name,
    },
    SyncDirectory {
        directory: PathBuf,
    },
}

struct Recorder {
    calls: RefCell<Vec<Call>>,
    held: RefCell<Vec<File>>,
    /// Every file by its number, under a name of its own.
    store: PathBuf,
}

fn name_of(path: &Path) -> Name {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    (path.parent().unwrap().canonicalize().unwrap(), name)
}

fn inode(file: &File) -> Inode {
    file.metadata().unwrap().ino()
}

fn inode_at(path: &Path) -> Inode {
    fs::symlink_metadata(path).unwrap().ino()
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    fn data(&self, file: &File, bytes: Option<(u64, Vec<u8>)>) {
        self.note(Call::Data { file: inode(file), bytes });
    }

    fn hold(&self, file: &File) {
        self.held.borrow_mut().push(file.try_clone().unwrap());
    }

    fn named(&self, path: &Path) {
        let file = inode_at(path);
        let _ = fs::hard_link(path, self.store.join(file.to_string()));
        self.note(Call::Name { file, name: name_of(path) });
    }
}

impl Disk for Recorder {
    fn create_unnamed(&self, directory: &Path) -> io::Result<File> {
        let file = RealDisk.create_unnamed(directory)?;
        self.hold(&file);
        Ok(file)
    }

    fn create_named(&self, _: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.data(file, Some((position, bytes.to_vec())));
        RealDisk.write_at(file, bytes, position)
    }

    fn set_owner(&self, file: &File, user: u32, group: u32) -> io::Result<()> {
        self.data(file, None);
        RealDisk.set_owner(file, user, group)
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        self.data(file, None);
        RealDisk.set_mode(file, mode)
    }

    fn set_attribute(&self, file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
        self.data(file, None);
        RealDisk.set_attribute(file, name, value)
    }

    fn remove_attribute(&self, file: &File, name: &CStr) -> io::Result<()> {
        self.data(file, None);
        RealDisk.remove_attribute(file, name)
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.data(file, None);
        RealDisk.set_modified(file, time)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.note(Call::SyncFile { file: inode(file) });
        Ok(())
    }

    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        RealDisk.link(file, path)?;
        self.named(path);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.hard_link(from, to)?;
        self.named(to);
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.make_directory(path)
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        RealDisk.open_to_append(path)
    }

    fn copy_range(
        &self,
        from: &File,
        at: u64,
        to: &File,
        position: u64,
        length: u64,
    ) -> io::Result<u64> {
        self.data(to, None);
        RealDisk.copy_range(from, at, to, position, length)
    }

    fn allocate(&self, _: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, _: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (file, names) = (inode_at(from), (name_of(from), name_of(to)));
        RealDisk.rename(from, to)?;
        self.note(Call::Rename { file, from: names.0, to: names.1 });
        Ok(())
    }

    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_directory(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let name = name_of(path);
        RealDisk.unlink(path)?;
        self.note(Call::Unlink { name });
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let directory = directory.canonicalize().unwrap();
        self.note(Call::SyncDirectory { directory });
        Ok(())
    }
}

/// What a disk holds after a power cut.
#[derive(Clone, Default)]
struct State {
    names: BTreeMap<Name, Inode>,
    /// Files of which something is missing.
    torn: BTreeSet<Inode>,
    manifest: Vec<u8>,
}

/// A run, and everything that its states are judged by.
struct Run {
    logs: Logs,
    changes: Vec<Change>,
    calls: Vec<Call>,
    store: PathBuf,
    partition: PathBuf,
    backup: PathBuf,
    manifest: Inode,
    first: State,
    /// The names in the partition when all is done.
    last: BTreeMap<String, Inode>,
    /// What stands behind the last batch of each log.
    logs_by_inode: HashMap<Inode, Vec<u8>>,
    is_undo: bool,
}

fn names_in_partition(directory: &Path) -> BTreeMap<String, Inode> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|it| (it.file_name().into_string().unwrap(), inode_at(&it.path()))).collect()
}

impl Run {
    /// Of the calls of a repair, or of its undo.
    fn new(choose: Choose, is_undo: bool) -> Self {
        let logs = Logs::new();
        let mut changes = choose(&logs);
        // Directories have no second names to put them together again by.
        changes.retain(|it| !matches!(it, Change::SetAside(aside) if aside.before.is_none()));
        let _ = fs::remove_dir_all(logs.directory().join("stray"));
        let store = logs.root.path().join("store");
        fs::create_dir(&store).unwrap();
        for (name, inode) in names_in_partition(&logs.directory()) {
            fs::hard_link(logs.directory().join(name), store.join(inode.to_string())).unwrap();
        }
        // The names in the store made the files look changed.
        let changes = again(&changes);
        let partition = logs.directory().canonicalize().unwrap();
        let of = |names: &BTreeMap<String, Inode>, at: &Path| -> BTreeMap<Name, Inode> {
            names.iter().map(|(name, inode)| ((at.to_owned(), name.clone()), *inode)).collect()
        };
        let begin = names_in_partition(&partition);
        let recorder =
            Recorder { calls: RefCell::default(), held: RefCell::default(), store: store.clone() };
        let applied = logs.apply_with(&changes, &recorder);
        assert!(words(&applied).iter().all(|word| word == "written"), "{applied:?}");
        let log_dir = logs.log_dir().canonicalize().unwrap();
        let backup = log_dir.with_file_name("kafka.seg-backup").join("orders-0.1");
        let mut first = State { names: of(&begin, &partition), ..State::default() };
        let manifest = inode_at(&backup.join("manifest"));
        let done = names_in_partition(&partition);
        let (mut last, mut logs_by_inode) = (done.clone(), HashMap::new());
        if is_undo {
            first.names = of(&done, &partition);
            first.names.extend(of(&names_in_partition(&backup), &backup));
            first.manifest = fs::read(backup.join("manifest")).unwrap();
            recorder.calls.borrow_mut().clear();
            // The store holds what has a name; what is open for writing is not undone.
            recorder.held.borrow_mut().clear();
            undo(&logs.directory(), &logs.guard(), &recorder, None).unwrap();
            last = names_in_partition(&partition);
            assert_eq!(last, begin);
        }
        for entry in fs::read_dir(&store).unwrap() {
            let path = entry.unwrap().path();
            logs_by_inode.insert(inode_at(&path), fs::read(&path).unwrap());
        }
        let calls = recorder.calls.into_inner();
        Self {
            logs,
            changes,
            calls,
            store,
            partition,
            backup,
            manifest,
            first,
            last,
            logs_by_inode,
            is_undo,
        }
    }

    /// How many calls from the first on are on the disk when the power goes before `cut`, whatever
    /// happens; and which of the others are.
    fn durable(&self, cut: usize) -> (usize, Vec<bool>) {
        let calls = &self.calls[..cut];
        let is_durable = |(at, call): (usize, &Call)| {
            let mut behind = calls[at + 1..].iter();
            match call {
                Call::Data { file, .. } => {
                    behind.any(|it| matches!(it, Call::SyncFile { file: synced } if synced == file))
                }
                Call::Name { name, .. } | Call::Unlink { name } => behind.any(
                    |it| matches!(it, Call::SyncDirectory { directory } if *directory == name.0),
                ),
                Call::Rename { from, .. } => behind.any(
                    |it| matches!(it, Call::SyncDirectory { directory } if *directory == from.0),
                ),
                Call::SyncFile { .. } | Call::SyncDirectory { .. } => true,
            }
        };
        let durable: Vec<bool> = calls.iter().enumerate().map(is_durable).collect();
        let prefix = durable.iter().take_while(|it| **it).count();
        (prefix, durable)
    }

    fn happen(&self, state: &mut State, call: &Call) {
        match call {
            Call::Data { file, bytes: Some((at, bytes)) } if *file == self.manifest => {
                let at = usize::try_from(*at).unwrap();
                state.manifest.resize(state.manifest.len().max(at + bytes.len()), 0);
                state.manifest[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Call::Name { file, name } => {
                state.names.insert(name.clone(), *file);
            }
            Call::Rename { file, from, to } => {
                state.names.remove(from);
                state.names.insert(to.clone(), *file);
            }
            Call::Unlink { name } => {
                state.names.remove(name);
            }
            Call::Data { .. } | Call::SyncFile { .. } | Call::SyncDirectory { .. } => {}
        }
    }

    fn states(&self, cut: usize, draws: usize, random: &mut Random, mut see: impl FnMut(&State)) {
        let (prefix, durable) = self.durable(cut);
        let mut base = self.first.clone();
        self.calls[..prefix].iter().for_each(|call| self.happen(&mut base, call));
        for draw in 0..draws {
            let mut state = base.clone();
            for (call, is_durable) in self.calls[..cut].iter().zip(&durable).skip(prefix) {
                // The first is that of a process that is killed: nothing is lost.
                if draw == 0 || *is_durable || random.flip() {
                    self.happen(&mut state, call);
                } else if let Call::Data { file, .. } = call {
                    state.torn.insert(*file);
                }
            }
            see(&state);
        }
    }

    fn in_partition(&self, state: &State) -> BTreeMap<String, Inode> {
        let own = state.names.iter().filter(|((directory, _), _)| *directory == self.partition);
        own.map(|((_, name), inode)| (name.clone(), *inode)).collect()
    }

    /// What is wrong with a state, if anything is.
    fn fault(&self, state: &State) -> Option<String> {
        let torn = |inode: &Inode| *inode != self.manifest && state.torn.contains(inode);
        if let Some((name, _)) = state.names.iter().find(|(_, inode)| torn(inode)) {
            return Some(format!("{} is torn", name.1));
        }
        let mut names = self.in_partition(state);
        let first = self.in_partition(&self.first);
        let is_on_its_way = |names: &BTreeMap<String, Inode>| {
            names.keys().any(|name| name.ends_with(".swap") || name.ends_with(".cleaned"))
        };
        let begin = if self.is_undo { &self.last } else { &first };
        // A broker finishes what it was told by another before this began.
        if !is_on_its_way(begin) {
            broker::start(&mut names, |inode| self.logs_by_inode[inode].clone());
            if let Some(why) = self.mixed(&names, &first) {
                return Some(why);
            }
        }
        let originals = if self.is_undo { &self.last } else { &first };
        for (name, inode) in originals {
            let kept = (self.backup.clone(), format!("{name}.kept"));
            let is_there = names.get(name) == Some(inode);
            if !is_there && state.names.get(&kept) != Some(inode) {
                return Some(format!("{name} is lost"));
            }
        }
        None
    }

    /// A replacement of which a part is old and a part new.
    fn mixed(
        &self,
        names: &BTreeMap<String, Inode>,
        first: &BTreeMap<String, Inode>,
    ) -> Option<String> {
        for change in &self.changes {
            let Change::ReplaceSegments(replace) = change else { continue };
            let bases = replace.before.iter().map(|it| it.base_offset);
            let bases: BTreeSet<i64> =
                bases.chain(replace.after.iter().map(|it| it.base_offset)).map(|it| it.0).collect();
            let kinds = [".log", ".index", ".timeindex", ".txnindex"];
            let all = bases.iter().flat_map(|base| kinds.map(|kind| format!("{base:020}{kind}")));
            let all: Vec<String> = all.collect();
            let other = |of: &BTreeMap<String, Inode>| {
                all.iter().find(|name| names.get(*name) != of.get(*name)).cloned()
            };
            if let (Some(one), Some(two)) = (other(first), other(&self.last)) {
                return Some(format!("{one} is not as before, {two} is not as after"));
            }
        }
        None
    }

    /// Makes the state one of the real disk.
    fn materialise(&self, state: &State) {
        for directory in [&self.partition, &self.backup] {
            for entry in fs::read_dir(directory).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        for ((directory, name), inode) in &state.names {
            let path = directory.join(name);
            if *inode == self.manifest {
                fs::write(&path, &state.manifest).unwrap();
            } else {
                fs::hard_link(self.store.join(inode.to_string()), path).unwrap();
            }
        }
    }

    fn undo(&self, state: &State, with_broker: bool, context: &str) {
        self.materialise(state);
        let begin = if self.is_undo { self.last.clone() } else { self.in_partition(&self.first) };
        let is_foreign = begin.keys().any(|it| it.ends_with(".swap") || it.ends_with(".cleaned"));
        if with_broker && !is_foreign {
            broker::start_in(&self.partition);
        }
        if let Err(error) = self.logs.undo() {
            let is_none = error.to_string().ends_with("there is no backup that is not undone");
            assert!(is_none, "{context}: {error}");
        }
        let mut is = names_in_partition(&self.partition);
        is.retain(|name, _| !is_temporary(name));
        // What was linked to be read back by a broker alone goes when it starts.
        let on_its_way = |name: &String| name.ends_with(".cleaned") && !begin.contains_key(name);
        is.retain(|name, _| !on_its_way(name));
        assert_eq!(is, begin, "{context}");
    }
}

/// The same changes, with what their files are now.
fn again(changes: &[Change]) -> Vec<Change> {
    let now = |path: &Path| FileIdentity::of(path).unwrap();
    let mut changes = changes.to_vec();
    for change in &mut changes {
        match change {
            Change::WriteFile(write) => {
                write.before = now(&write.path);
                write.made_from.iter_mut().for_each(|it| it.1 = now(&it.0).unwrap());
            }
            Change::SetAside(aside) => aside.before = now(&aside.path),
            Change::ReplaceSegments(replace) => {
                let files = replace.before.iter_mut().flat_map(|it| &mut it.files);
                files.for_each(|it| it.1 = now(&it.0).unwrap());
            }
            Change::FinishReplace(finish) => {
                finish.renames.iter_mut().for_each(|it| it.2 = now(&it.0).unwrap());
                finish.replaced.iter_mut().for_each(|it| it.1 = now(&it.0).unwrap());
            }
        }
    }
    changes
}

fn runs() -> impl Iterator<Item = (String, Run)> {
    let both =
        PLANS.into_iter().enumerate().flat_map(|(at, plan)| [(at, plan, false), (at, plan, true)]);
    both.map(|(at, plan, is_undo)| (format!("plan {at}, undo {is_undo}"), Run::new(plan, is_undo)))
}

#[test]
fn power_that_goes_at_any_instant_leaves_segments_old_or_new() {
    let (mut states, mut random) = (0, Random(0x9e37_79b9_7f4a_7c15));
    for (context, run) in runs() {
        for cut in 0..=run.calls.len() {
            run.states(cut, 120, &mut random, |state| {
                let fault = run.fault(state);
                let behind = run.calls[..cut].last();
                assert!(fault.is_none(), "{context}, {cut}: {fault:?} behind {behind:?}");
                states += 1;
            });
        }
    }
    assert!(states >= 100_000, "{states}");
}

#[test]
fn what_a_power_cut_leaves_is_undone() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for (context, run) in runs() {
        // Each that changes anything, seldom.
        for cut in (0..=run.calls.len()).filter(|cut| (cut + run.calls.len()).is_multiple_of(7)) {
            let mut drawn = Vec::new();
            run.states(cut, 2, &mut random, |state| drawn.push(state.clone()));
            for (draw, state) in drawn.iter().enumerate() {
                run.undo(state, draw == 1, &format!("{context}, {cut}, {draw}"));
            }
        }
    }
}

/// The model finds what it is there to find.
#[test]
fn without_the_order_of_names_segments_are_mixed() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut faults = |run: &Run| {
        let mut found = BTreeSet::new();
        for cut in 0..=run.calls.len() {
            run.states(cut, 40, &mut random, |state| found.extend(run.fault(state)));
        }
        found
    };
    let mut run = Run::new(Logs::two_to_two, false);
    let calls = run.calls.clone();
    // No directory is synced between the renames.
    let is_swap = |call: &Call| matches!(call, Call::Rename { to, .. } if to.1.ends_with(".swap"));
    let (from, to) =
        (calls.iter().position(is_swap).unwrap(), calls.iter().rposition(is_swap).unwrap());
    let is_sync = |call: &Call| matches!(call, Call::SyncDirectory { .. });
    let kept = (0..calls.len()).filter(|at| !((from..to).contains(at) && is_sync(&calls[*at])));
    run.calls = kept.map(|at| calls[at].clone()).collect();
    assert!(faults(&run).iter().any(|fault| fault.contains("is not as before")));
    // The lowest first.
    run.calls = calls.clone();
    let mut renames: Vec<Call> =
        calls[from..=to].iter().filter(|it| is_swap(it)).cloned().collect();
    renames.reverse();
    for (at, call) in (from..=to).filter(|at| is_swap(&calls[*at])).zip(renames) {
        run.calls[at] = call;
    }
    assert!(faults(&run).iter().any(|fault| fault.contains("is not as before")));
    // The indexes before the log.
    run.calls = calls.clone();
    let is_final =
        |call: &Call| matches!(call, Call::Rename { from, .. } if from.1.ends_with(".swap"));
    let at: Vec<usize> = (0..calls.len()).filter(|at| is_final(&calls[*at])).collect();
    let order: Vec<Call> = at.iter().rev().map(|at| calls[*at].clone()).collect();
    for (at, call) in at.into_iter().zip(order) {
        run.calls[at] = call;
    }
    assert!(faults(&run).iter().any(|fault| fault.contains("is not as before")));
    // Nothing is kept.
    run.calls = calls.clone();
    let is_kept =
        |call: &Call| matches!(call, Call::Name { name, .. } if name.1.ends_with(".kept"));
    run.calls.retain(|call| !is_kept(call));
    assert!(faults(&run).iter().any(|fault| fault.ends_with("is lost")));
}
