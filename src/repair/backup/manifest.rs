//! What a backup says of itself: one JSON object a line, each on the disk before anything is done
//! that it speaks of. A line that does not parse was being written when the power went.
//!
//! ```text
//!   {"type":"backup","version":1,"directory":"/data/kafka/orders-0"}
//!   {"type":"original","name":"00000000000000000000.log","was":"file","kept":..., size, owner ...}
//!   {"type":"original","name":"00000000000000000042.log","was":"absent"}
//!   {"type":"kept","originals":2}                          all of them are in the backup
//!   {"type":"step","writes":[...],"removes":[...]}         which file is about to get which name
//!   {"type":"done"}
//!   {"type":"undoing"}  {"type":"step",...}  {"type":"undone"}
//! ```

use crate::error::{Error, Result};
use crate::log::FileBytes;
use crate::log::appender::Appender;
use crate::log::disk::Disk;
use crate::log::file_facts::{Attributes, FileIdentity};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// The name of the manifest's file.
pub(in crate::repair) const MANIFEST: &str = "manifest";

/// The most bytes that are read of one: millions of files.
const MANIFEST_BYTES: u64 = 1 << 30;

/// Which file it is, and that nobody has written it since. A device has another number when the
/// machine was started again, and the time of change is another with every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::repair) struct Stamp {
    pub inode: u64,
    pub size: u64,
    pub modified: (i64, i64),
}

impl Stamp {
    pub(in crate::repair) fn of(identity: &FileIdentity) -> Self {
        let FileIdentity { inode, size, modified, .. } = *identity;
        Self { inode, size, modified }
    }

    /// The same bytes as far as length and age tell.
    pub(in crate::repair) fn is_alike(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }
}

/// What was there before the first change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repair) enum Was {
    Absent,
    File(Kept),
    Directory,
}

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repair) struct Kept {
    pub stamp: Stamp,
    /// User, group and the twelve bits of the mode, as far as they could be asked.
    pub owner: Option<(u32, u32, u32)>,
    /// Of a small file.
    pub sha256: Option<String>,
    /// It is not the file itself by another name.
    pub is_copy: bool,
}

/// What is about to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::repair) struct Step {
    /// Names, and the files that get them.
    pub writes: Vec<(String, Stamp)>,
    /// Names that go.
    pub removes: Vec<String>,
    /// True when it is all of it or nothing: segments.
    pub is_group: bool,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::repair) enum State {
    #[default]
    Begun,
    Done,
    Undoing,
    Undone,
}

/// Whether the bytes of a manifest are such as a repair leaves them, whenever it was interrupted.
#[must_use]
pub fn is_readable(bytes: &[u8]) -> bool {
    Manifest::parse(bytes).is_some()
}

#[derive(Debug, Default)]
pub(in crate::repair) struct Manifest {
    pub directory: String,
    pub originals: BTreeMap<String, Was>,
    pub steps: Vec<Step>,
    /// What an undo put in their places: the copies of originals.
    pub undone: Vec<(String, Stamp)>,
    pub state: State,
    /// Those that no line says yet that they are kept: then nothing was done that they are for.
    pub(super) pending: Vec<(String, Was)>,
}

impl Manifest {
    /// `None` when there is none at `path`.
    pub(in crate::repair) fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match FileBytes::open_owned(path, MANIFEST_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match Self::parse(bytes.whole().unwrap_or_default()) {
            Some(manifest) => Ok(Some(manifest)),
            None => Err(Error::other("reading", path, "it is not as it was written")),
        }
    }

    /// `None` for what was not written by a repair.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut manifest = Self::default();
        let mut version = None;
        for line in bytes.split(|&byte| byte == b'\n') {
            let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
            if text(&line, "type") == Some("backup") {
                version = line.get("version").and_then(Value::as_u64);
            }
            manifest.take(&line)?;
        }
        (version == Some(1) && !manifest.directory.is_empty()).then_some(manifest)
    }

    fn take(&mut self, line: &Value) -> Option<()> {
        match text(line, "type")? {
            "backup" => self.directory = text(line, "directory")?.to_owned(),
            "original" => {
                let name = text(line, "name")?.to_owned();
                let was = was_of(line)?;
                self.pending.push((name, was));
            }
            "kept" => {
                self.originals.extend(self.pending.drain(..));
                let all = line.get("originals")?.as_u64()?;
                (all == self.originals.len() as u64).then_some(())?;
            }
            "step" => {
                let step = step_of(line)?;
                if self.state == State::Undoing {
                    self.undone.extend(step.writes.iter().cloned());
                }
                self.steps.push(step);
            }
            "done" => self.state = State::Done,
            "undoing" => self.state = State::Undoing,
            "undone" => self.state = State::Undone,
            _ => return None,
        }
        Some(())
    }

    /// True when the file was given the name, or was about to be, by a repair or its undo.
    pub(in crate::repair) fn is_ours(&self, name: &str, stamp: &Stamp) -> bool {
        let mut writes = self.steps.iter().flat_map(|step| &step.writes);
        writes.any(|(written, of)| written == name && of == stamp)
    }

    /// True when a step took the name away.
    pub(in crate::repair) fn is_removed(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.removes.iter().any(|removed| removed == name))
    }
}

fn text<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line.get(key)?.as_str()
}

fn stamp_of(line: &Value) -> Option<Stamp> {
    let modified = line.get("modified")?;
    Some(Stamp {
        inode: line.get("inode")?.as_u64()?,
        size: line.get("size")?.as_u64()?,
        modified: (modified.get(0)?.as_i64()?, modified.get(1)?.as_i64()?),
    })
}

fn was_of(line: &Value) -> Option<Was> {
    let number = |key| line.get(key)?.as_u64().and_then(|it| u32::try_from(it).ok());
    let mode = || u32::from_str_radix(text(line, "mode")?, 8).ok();
    let owner = || Some((number("user")?, number("group")?, mode()?));
    Some(match text(line, "was")? {
        "absent" => Was::Absent,
        "directory" => Was::Directory,
        "file" => Was::File(Kept {
            stamp: stamp_of(line)?,
            owner: owner(),
            sha256: text(line, "sha256").map(str::to_owned),
            is_copy: line.get("copied")?.as_bool()?,
        }),
        _ => return None,
    })
}

fn step_of(line: &Value) -> Option<Step> {
    let mut step = Step { is_group: line.get("together")?.as_bool()?, ..Step::default() };
    for write in line.get("writes")?.as_array()? {
        step.writes.push((text(write, "name")?.to_owned(), stamp_of(write)?));
    }
    for name in line.get("removes")?.as_array()? {
        step.removes.push(name.as_str()?.to_owned());
    }
    Some(step)
}

fn original_line(name: &str, was: &Was) -> Value {
    match was {
        Was::Absent => json!({"type": "original", "name": name, "was": "absent"}),
        Was::Directory => {
            let kept = super::kept_name(name);
            json!({"type": "original", "name": name, "was": "directory", "kept": kept})
        }
        Was::File(Kept { stamp, owner, sha256, is_copy }) => json!({
            "type": "original", "name": name, "was": "file", "kept": super::kept_name(name),
            "inode": stamp.inode, "size": stamp.size,
            "modified": [stamp.modified.0, stamp.modified.1],
            "user": owner.map(|it| it.0), "group": owner.map(|it| it.1),
            "mode": owner.map(|it| format!("{:o}", it.2)),
            "sha256": sha256, "copied": is_copy,
        }),
    }
}

fn step_line(step: &Step) -> Value {
    let write = |(name, stamp): &(String, Stamp)| {
        let modified = [stamp.modified.0, stamp.modified.1];
        json!({"name": name, "inode": stamp.inode, "size": stamp.size, "modified": modified})
    };
    let writes: Vec<Value> = step.writes.iter().map(write).collect();
    json!({"type": "step", "writes": writes, "removes": step.removes, "together": step.is_group})
}

/// The manifest's file, which lines are added to.
pub(in crate::repair) struct Writer<'a> {
    file: Appender<'a>,
    last: RefCell<Option<Step>>,
}

impl<'a> Writer<'a> {
    /// A new one, whole from the first instant.
    pub(in crate::repair) fn create(
        disk: &'a dyn Disk,
        path: &Path,
        attributes: &Attributes,
        manifest: &Manifest,
    ) -> Result<Self> {
        let head = json!({"type": "backup", "version": 1, "directory": manifest.directory});
        let mut bytes = format!("{head}\n").into_bytes();
        bytes.extend(lines(manifest.originals.iter(), manifest.originals.len()));
        let file = Appender::create(disk, path, attributes, &bytes)?;
        Ok(Self { file, last: RefCell::default() })
    }

    pub(in crate::repair) fn reopen(disk: &'a dyn Disk, path: &Path) -> Result<Self> {
        Ok(Self { file: Appender::reopen(disk, path)?, last: RefCell::default() })
    }

    /// More originals, all of which are in the backup.
    pub(in crate::repair) fn add(&self, new: &[(String, Was)], all: usize) -> Result<()> {
        self.file.append(&lines(new.iter().map(|(name, was)| (name, was)), all))
    }

    pub(in crate::repair) fn step(&self, step: Step) -> Result<()> {
        if self.last.borrow().as_ref() == Some(&step) {
            return Ok(());
        }
        self.file.append(format!("{}\n", step_line(&step)).as_bytes())?;
        self.last.replace(Some(step));
        Ok(())
    }

    pub(in crate::repair) fn state(&self, state: State) -> Result<()> {
        let word = match state {
            State::Begun => return Ok(()),
            State::Done => "done",
            State::Undoing => "undoing",
            State::Undone => "undone",
        };
        self.file.append(format!("{}\n", json!({ "type": word })).as_bytes())
    }
}

fn lines<'n>(originals: impl Iterator<Item = (&'n String, &'n Was)>, all: usize) -> Vec<u8> {
    let mut text = String::new();
    for (name, was) in originals {
        text.push_str(&original_line(name, was).to_string());
        text.push('\n');
    }
    text.push_str(&json!({"type": "kept", "originals": all}).to_string());
    text.push('\n');
    text.into_bytes()
}
