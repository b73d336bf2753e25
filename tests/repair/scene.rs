//! A log dir with one damaged partition, and what a repair has to leave of it.

use crate::common::batches::{Frame, frames};
use crate::common::{Run, copy_files, entries, files_ending, seg};
use crate::damages::Damage;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Logs by their names.
pub type Logs = BTreeMap<String, Vec<u8>>;

/// Everything that an undo has to bring back: bytes, mode, owner, time of the last modification.
pub type Files = BTreeMap<String, (Vec<u8>, u32, u32, u32, (i64, i64))>;

/// A batch, by its segment and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub segment: usize,
    pub batch: usize,
}

/// What a repair has to leave.
pub struct Expected {
    pub logs: Logs,
    /// True when offsets are gone that were there. `None` at the end of the log: whether anything
    /// still says which they were depends on what is left of the last header.
    pub loses_offsets: Option<bool>,
}

pub struct Scene {
    root: tempfile::TempDir,
    name: String,
}

/// The files of a directory.
pub fn files_in(directory: &Path) -> Files {
    let seen = |path: PathBuf| {
        let facts = fs::metadata(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let time = (facts.mtime(), facts.mtime_nsec());
        (name, (fs::read(&path).unwrap(), facts.mode(), facts.uid(), facts.gid(), time))
    };
    entries(directory).into_iter().filter(|path| path.is_file()).map(seen).collect()
}

/// The logs among them.
pub fn logs_of(files: &Files) -> Logs {
    let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.map(|(name, (bytes, ..))| (name.clone(), bytes.clone())).collect()
}

/// The first, a middle and the last batch of the first, a middle and the last segment.
pub fn places(partition: &Path) -> Vec<Place> {
    let logs = files_ending(partition, ".log");
    let mut places = Vec::new();
    for segment in [0, logs.len() / 2, logs.len() - 1] {
        let batches = frames(&fs::read(&logs[segment]).unwrap()).len();
        for batch in [0, batches / 2, batches.saturating_sub(1)] {
            let place = Place { segment, batch };
            if batches > 0 && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

impl Scene {
    /// A log dir with a copy of one partition, after a clean stop.
    pub fn of(partition: &Path) -> Self {
        let root = tempfile::tempdir().unwrap();
        let name = partition.file_name().unwrap().to_str().unwrap().to_owned();
        let scene = Self { root, name };
        let log_dir = scene.root().join("kafka");
        copy_files(partition.parent().unwrap(), &log_dir);
        copy_files(partition, &scene.partition());
        fs::write(log_dir.join(".lock"), "").unwrap();
        fs::write(log_dir.join(".kafka_cleanshutdown"), "").unwrap();
        scene
    }

    pub fn root(&self) -> PathBuf {
        self.root.path().to_owned()
    }

    pub fn log_dir(&self) -> PathBuf {
        self.root.path().join("kafka")
    }

    pub fn partition(&self) -> PathBuf {
        self.root.path().join("kafka").join(&self.name)
    }

    pub fn files(&self) -> Files {
        files_in(&self.partition())
    }

    pub fn logs(&self) -> Logs {
        logs_of(&self.files())
    }

    /// `seg repair` of the partition.
    pub fn seg(&self, arguments: &[&str]) -> Run {
        let partition = self.partition();
        let all = ["repair", partition.to_str().unwrap()];
        seg(&self.root(), &[&all[..], arguments].concat())
    }

    /// Does damage. `None` where there is nothing to do it to.
    pub fn damage(&self, damage: Damage, place: Place) -> Option<Expected> {
        let logs = files_ending(&self.partition(), ".log");
        let path = &logs[place.segment];
        let sound = fs::read(path).unwrap();
        let frames: Vec<Frame> = frames(&sound);
        let is_last = place.segment + 1 == logs.len();
        let spoilt = (damage.spoil)(&sound, &frames, place.batch, is_last)?;
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, &spoilt.bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        let mut expected = self.logs();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut left = sound.clone();
        let mut gone = spoilt.destroyed.clone();
        gone.sort_unstable();
        for number in gone.iter().rev() {
            left.drain(frames[*number].position..frames[*number].end());
        }
        expected.insert(name, left);
        let is_end = is_last && gone.contains(&(frames.len() - 1));
        let is_run_to_the_end = is_end
            && gone.iter().rev().zip((0..frames.len()).rev()).all(|(gone, last)| *gone == last);
        let loses_offsets = (!is_run_to_the_end).then_some(!gone.is_empty());
        Some(Expected { logs: expected, loses_offsets })
    }
}
