//! From the names behind `--files` to files, and each file's dump.

use super::Args;
use super::index::IndexDump;
use crate::dump::{as_kafka, kafka_head};
use crate::input::{Partition, Surroundings, Target, directory_of};
use crate::kafka_text;
use crate::output::Output;
use segkit::error::Error;
use segkit::format::Offset;
use segkit::log::{Access, FileKind, FileName};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands behind the last point of the names of files that the tool knows.
const KINDS: [(&str, FileKind); 6] = [
    ("log", FileKind::Log),
    ("checkpoint", FileKind::MetadataCheckpoint),
    ("index", FileKind::OffsetIndex),
    ("timeindex", FileKind::TimeIndex),
    ("txnindex", FileKind::TxnIndex),
    ("snapshot", FileKind::ProducerSnapshot),
];

/// The names between the commas, as Java has them: without empty ones at the end.
pub fn names(list: &OsStr) -> Vec<PathBuf> {
    if list.is_empty() {
        return vec![PathBuf::new()];
    }
    let mut names: Vec<&[u8]> = list.as_bytes().split(|&byte| byte == b',').collect();
    while names.last().is_some_and(|last| last.is_empty()) {
        names.pop();
    }
    names.into_iter().map(as_java_file).collect()
}

/// The path as Java writes it: no slash twice, none at the end.
fn as_java_file(name: &[u8]) -> PathBuf {
    let mut path: Vec<u8> = Vec::with_capacity(name.len());
    for &byte in name {
        if byte != b'/' || path.last() != Some(&b'/') {
            path.push(byte);
        }
    }
    if path.len() > 1 && path.last() == Some(&b'/') {
        path.pop();
    }
    OsString::from_vec(path).into()
}

/// Dumps files, one after the other.
pub struct Files<'a> {
    args: &'a Args,
    out: &'a mut Output,
    surroundings: Surroundings,
    /// The directory of the file before, which the next one is often in, too.
    partition: Option<(PathBuf, Arc<Partition>)>,
}

impl<'a> Files<'a> {
    /// Dumps as `args` say.
    pub fn new(args: &'a Args, out: &'a mut Output) -> Self {
        Self { args, out, surroundings: Surroundings::default(), partition: None }
    }

    /// Dumps the file at `path`; what is wrong with it is said, and is no reason to stop.
    pub fn dump(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
        let kind = KINDS.iter().find(|(known, _)| suffix == Some(known)).map(|&(_, kind)| kind);
        let Some(kind) = kind else { return self.unknown(path) };
        let Some(name) = parse_name(&name, kind) else {
            self.head(path)?;
            if let Err(error) = std::fs::metadata(path) {
                return Ok(self.out.error(&Error::new("opening", path, error))?);
            }
            let why = "its name says no offset; seg dump --kind takes it for what it is";
            return Ok(self.out.error(&Error::other("reading", path, why))?);
        };
        let mut target = Target {
            path: path.to_owned(),
            kind: name.kind,
            name: Some(name),
            access: Access::Read,
            partition: None,
        };
        if let Err(error) = target.open() {
            let mut head = Vec::new();
            kafka_head(&mut head, &target);
            self.out.write_foreign(&head)?;
            return Ok(self.out.error(&error)?);
        }
        target.partition = self.partition(path);
        if let Some(partition) = &target.partition {
            target.access = partition.access();
        }
        match target.kind {
            FileKind::OffsetIndex | FileKind::TimeIndex => {
                IndexDump { target, mode: self.args.index_mode(), common: &self.args.common }
                    .run(self.out)
            }
            _ => {
                let (text, records) = (self.args.text(), self.args.prints_records());
                as_kafka(target, text, records, &self.args.common, self.out)
            }
        }
    }

    /// The tool passes over what it does not know. What is not there, and what holds files that it
    /// would know, is more than that.
    fn unknown(&mut self, path: &Path) -> anyhow::Result<()> {
        self.head(path)?;
        match std::fs::metadata(path) {
            Err(error) => self.out.error(&Error::new("reading", path, error))?,
            Ok(metadata) if metadata.is_dir() => {
                let why = "a directory: name the files in it, or try seg dump --format kafka";
                self.out.error(&Error::other("reading", path, why))?;
            }
            Ok(_) => {
                let line = format!("Ignoring unknown file {}\n", path.to_string_lossy());
                self.out.say(line.as_bytes())?;
            }
        }
        Ok(())
    }

    fn head(&mut self, path: &Path) -> std::io::Result<()> {
        let mut head = Vec::new();
        kafka_text::dumping(&mut head, &path.to_string_lossy());
        self.out.write_foreign(&head)
    }

    /// What is known about the directory that a file is in.
    fn partition(&mut self, path: &Path) -> Option<Arc<Partition>> {
        let directory = directory_of(path);
        if let Some((known, partition)) = &self.partition
            && known == directory
        {
            return Some(Arc::clone(partition));
        }
        match self.surroundings.partition(directory) {
            Ok(partition) => {
                let partition = Arc::new(partition);
                self.partition = Some((directory.to_owned(), Arc::clone(&partition)));
                Some(partition)
            }
            Err(error) => {
                // stdout is written to next, and says so if it is closed.
                let _ = self.out.error(&error);
                None
            }
        }
    }
}

/// What the tool reads in a name: the number up to the first point.
fn parse_name(name: &str, kind: FileKind) -> Option<FileName> {
    if kind == FileKind::MetadataCheckpoint {
        return FileName::parse(name);
    }
    let number = name.split('.').next()?.parse().ok();
    // Of a snapshot the tool does not read the name.
    let number = number.or((kind == FileKind::ProducerSnapshot).then_some(0))?;
    Some(FileName::of_segment(Offset(number), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_snapshot_is_not_read() {
        let offset = |name, kind| parse_name(name, kind).map(|name| name.offset);
        assert_eq!(offset("x.snapshot", FileKind::ProducerSnapshot), Some(Some(Offset(0))));
        assert_eq!(offset("7.snapshot", FileKind::ProducerSnapshot), Some(Some(Offset(7))));
        assert_eq!(offset("x.log", FileKind::Log), None);
    }

    #[test]
    fn names_are_those_that_java_sees() {
        let names = |list: &str| -> Vec<String> {
            let names = names(OsStr::new(list)).into_iter();
            names.map(|name| name.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("a,b"), ["a", "b"]);
        assert_eq!(names("a,,b,,"), ["a", "", "b"]);
        assert_eq!(names(""), [""]);
        assert!(names(",,").is_empty());
        assert_eq!(names(".//a//b/,/, c"), ["./a/b", "/", " c"]);
    }
}
