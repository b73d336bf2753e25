//! Power goes at any instant. What was not synced is on the disk or is not, each change by itself,
//! each sector of a write by itself; what was synced is there.
//!
//! The calls of a real run are recorded, and every state that they may leave is drawn from them.

use super::*;
use std::cell::RefCell;
use std::ffi::CStr;
use std::os::unix::fs::MetadataExt;

const SECTOR: usize = 512;

/// A file of the model. Numbers of the disk are used again, these are not.
type Number = usize;

#[derive(Clone, Debug)]
enum Call {
    Create { file: Number, name: Option<String> },
    Write { file: Number, at: usize, bytes: Vec<u8> },
    Attribute { file: Number, which: &'static str, value: String },
    SyncFile { file: Number },
    Link { file: Number, name: String },
    Rename { from: String, to: String },
    Unlink { name: String },
    SyncDirectory,
}

/// Does what it is asked to and writes it down.
struct Recorder {
    calls: RefCell<Vec<Call>>,
    /// The number on the disk of each file that was created.
    files: RefCell<Vec<u64>>,
    has_unnamed: bool,
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    fn created(&self, file: &File, name: Option<String>) {
        let mut files = self.files.borrow_mut();
        files.push(file.metadata().unwrap().ino());
        self.note(Call::Create { file: files.len() - 1, name });
    }

    fn number(&self, file: &File) -> Number {
        let inode = file.metadata().unwrap().ino();
        self.files.borrow().iter().rposition(|&number| number == inode).unwrap()
    }

    fn attribute(&self, file: &File, which: &'static str, value: String) {
        self.note(Call::Attribute { file: self.number(file), which, value });
    }
}

impl Disk for Recorder {
    fn create_unnamed(&self, directory: &Path) -> io::Result<File> {
        if !self.has_unnamed {
            return Err(rustix::io::Errno::OPNOTSUPP.into());
        }
        let file = RealDisk.create_unnamed(directory)?;
        self.created(&file, None);
        Ok(file)
    }

    fn create_named(&self, path: &Path) -> io::Result<File> {
        let file = RealDisk.create_named(path)?;
        self.created(&file, Some(name_of(path)));
        Ok(file)
    }

    fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        let at = usize::try_from(position).unwrap();
        self.note(Call::Write { file: self.number(file), at, bytes: bytes.to_vec() });
        RealDisk.write_at(file, bytes, position)
    }

    fn set_owner(&self, file: &File, user: u32, group: u32) -> io::Result<()> {
        self.attribute(file, "owner", format!("{user}:{group}"));
        RealDisk.set_owner(file, user, group)
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        self.attribute(file, "mode", format!("{mode:o}"));
        RealDisk.set_mode(file, mode)
    }

    fn set_attribute(&self, file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
        self.attribute(file, "extended", format!("{name:?} {value:?}"));
        RealDisk.set_attribute(file, name, value)
    }

    fn remove_attribute(&self, _: &File, _: &CStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.attribute(file, "modified", format!("{time:?}"));
        RealDisk.set_modified(file, time)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.note(Call::SyncFile { file: self.number(file) });
        RealDisk.sync_file(file)
    }

    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        self.note(Call::Link { file: self.number(file), name: name_of(path) });
        RealDisk.link(file, path)
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_directory(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_to_append(&self, _: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn copy_range(&self, _: &File, _: u64, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn allocate(&self, _: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, _: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Call::Rename { from: name_of(from), to: name_of(to) });
        RealDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Call::Rename { from: name_of(from), to: name_of(to) });
        RealDisk.rename_new(from, to)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_directory(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.note(Call::Unlink { name: name_of(path) });
        RealDisk.unlink(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.note(Call::SyncDirectory);
        RealDisk.sync_directory(directory)
    }
}

/// The calls of one action that succeeds.
fn record(has_unnamed: bool, choose: fn(&Scene) -> Change) -> Vec<Call> {
    let scene = Scene::new();
    let (calls, files) = Default::default();
    let disk = Recorder { calls, files, has_unnamed };
    let applied = apply(&[choose(&scene)], &Terms::of_derived(&scene.guard(), &disk));
    assert_eq!(words(&applied), ["written"]);
    disk.calls.into_inner()
}

/// Seeded, so that a failure can be had again.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn flip(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 63 == 1
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ModelFile {
    bytes: Vec<u8>,
    attributes: BTreeMap<&'static str, String>,
}

/// What a disk holds after a power cut.
#[derive(Default)]
struct State {
    /// What has a name: a file of the run, or the old one.
    names: BTreeMap<String, Option<Number>>,
    files: BTreeMap<Number, ModelFile>,
}

/// What the calls leave behind. Those that are not synced by a later one happen if `happens`.
fn state(calls: &[Call], target: &str, old: bool, mut happens: impl FnMut() -> bool) -> State {
    let mut state = State::default();
    if old {
        state.names.insert(target.to_owned(), None);
    }
    for (at, call) in calls.iter().enumerate() {
        let behind = &calls[at + 1..];
        let directory_synced = behind.iter().any(|call| matches!(call, Call::SyncDirectory));
        let file_synced = |number: Number| {
            let is = |call: &Call| matches!(call, Call::SyncFile { file } if *file == number);
            behind.iter().any(is)
        };
        match call {
            Call::Create { file, name } => {
                state.files.insert(*file, ModelFile::default());
                if let Some(name) = name.as_ref().filter(|_| directory_synced || happens()) {
                    state.names.insert(name.clone(), Some(*file));
                }
            }
            Call::Write { file: number, at, bytes } => {
                let file = state.files.get_mut(number).unwrap();
                for (sector, bytes) in bytes.chunks(SECTOR).enumerate() {
                    if file_synced(*number) || happens() {
                        let from = at + sector * SECTOR;
                        let to = from + bytes.len();
                        file.bytes.resize(file.bytes.len().max(to), 0);
                        file.bytes[from..to].copy_from_slice(bytes);
                    }
                }
            }
            Call::Attribute { file, which, value } => {
                if file_synced(*file) || happens() {
                    let file = state.files.get_mut(file).unwrap();
                    file.attributes.insert(which, value.clone());
                }
            }
            Call::Link { file, name } if directory_synced || happens() => {
                state.names.insert(name.clone(), Some(*file));
            }
            Call::Rename { from, to } if directory_synced || happens() => {
                // The name may have been lost before: then the new one is all there is.
                let created = |call: &Call| match call {
                    Call::Create { file, name: Some(name) } if name == from => Some(*file),
                    Call::Link { file, name } if name == from => Some(*file),
                    _ => None,
                };
                state.names.remove(from);
                state.names.insert(to.clone(), calls.iter().find_map(created));
            }
            Call::Unlink { name } if directory_synced || happens() => {
                state.names.remove(name);
            }
            Call::Link { .. } | Call::Rename { .. } | Call::Unlink { .. } => {}
            Call::SyncFile { .. } | Call::SyncDirectory => {}
        }
    }
    state
}

/// One action's calls, and what they are for.
struct Run {
    calls: Vec<Call>,
    target: String,
    /// The file as it should become.
    whole: ModelFile,
    replaces: bool,
    has_unnamed: bool,
}

impl Run {
    fn all() -> Vec<Self> {
        let mut runs = Vec::new();
        for has_unnamed in [true, false] {
            let replace = record(has_unnamed, Scene::replace);
            runs.push(Self::new(replace, "index", true, has_unnamed));
            let create = record(has_unnamed, Scene::create);
            runs.push(Self::new(create, "timeindex", false, has_unnamed));
        }
        runs
    }

    fn new(calls: Vec<Call>, kind: &str, replaces: bool, has_unnamed: bool) -> Self {
        let target = format!("{BASE}.{kind}");
        let whole = state(&calls, &target, replaces, || true).files[&0].clone();
        let after = if replaces { pattern(3, 2100) } else { pattern(4, 1300) };
        assert_eq!(whole.bytes, after);
        assert!(whole.attributes.contains_key("mode") && whole.attributes.contains_key("modified"));
        Self { calls, target, whole, replaces, has_unnamed }
    }

    /// The first thing that is wrong with a state, if anything is.
    fn fault(&self, state: &State, is_done: bool) -> Option<&'static str> {
        let is_whole = |number: &Number| state.files[number] == self.whole;
        match state.names.get(&self.target) {
            Some(Some(number)) if !is_whole(number) => return Some("torn"),
            Some(None) | None if is_done => return Some("reported, and lost"),
            None if self.replaces => return Some("neither old nor new"),
            _ => {}
        }
        for (name, number) in state.names.iter().filter(|(name, _)| **name != self.target) {
            // With a name from the beginning it may be unfinished.
            let may_be = !self.has_unnamed || number.as_ref().is_some_and(is_whole);
            if !is_temporary(name) || !may_be {
                return Some("an unfinished file");
            }
        }
        None
    }

    /// What may be wrong after a power cut, among `draws` states behind each call.
    fn faults(&self, draws: usize, states: &mut usize) -> Vec<&'static str> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut faults = Vec::new();
        for cut in 0..=self.calls.len() {
            let calls = &self.calls[..cut];
            for draw in 0..draws {
                // The first is that of a process that is killed: nothing is lost.
                let happens = || draw == 0 || random.flip();
                let state = state(calls, &self.target, self.replaces, happens);
                faults.extend(self.fault(&state, cut == self.calls.len()));
                *states += 1;
            }
        }
        faults.sort_unstable();
        faults.dedup();
        faults
    }
}

#[test]
fn power_that_goes_at_any_instant_leaves_old_or_new() {
    let mut states = 0;
    for run in Run::all() {
        let none: [&str; 0] = [];
        assert_eq!(run.faults(3000, &mut states), none, "{:?}", run.calls);
    }
    assert!(states >= 100_000, "{states}");
}

/// The model finds what it is there to find.
#[test]
fn without_any_one_of_the_syncs_something_is_lost() {
    for mut run in Run::all() {
        let calls = run.calls.clone();
        run.calls.retain(|call| !matches!(call, Call::SyncFile { .. }));
        assert!(run.faults(100, &mut 0).contains(&"torn"), "{calls:?}");
        run.calls = calls.clone();
        run.calls.retain(|call| !matches!(call, Call::SyncDirectory));
        assert_eq!(run.faults(100, &mut 0), ["reported, and lost"], "{calls:?}");
        run.calls = calls.clone();
        // The bytes after the sync.
        let write = run.calls.iter().position(|call| matches!(call, Call::Write { .. })).unwrap();
        let sync = run.calls.iter().position(|call| matches!(call, Call::SyncFile { .. })).unwrap();
        run.calls.swap(write, sync);
        assert!(run.faults(100, &mut 0).contains(&"torn"), "{calls:?}");
        // The old file taken away first.
        run.calls = calls.clone();
        run.calls.insert(0, Call::Unlink { name: run.target.clone() });
        let faults = run.faults(100, &mut 0);
        assert_eq!(faults.contains(&"neither old nor new"), run.replaces, "{calls:?}");
        // The owner and the mode after the name.
        if run.has_unnamed && run.replaces {
            run.calls = calls.clone();
            let mode = |call: &Call| matches!(call, Call::Attribute { which: "mode", .. });
            let mode = run.calls.iter().position(mode).unwrap();
            let mode = run.calls.remove(mode);
            let link = run.calls.iter().position(|call| matches!(call, Call::Link { .. }));
            run.calls.insert(link.unwrap() + 1, mode);
            assert!(run.faults(100, &mut 0).contains(&"an unfinished file"), "{calls:?}");
        }
    }
}
