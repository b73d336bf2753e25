//! The bytes of one file, however they are come by: mapped, read in windows, or owned.
//!
//! ```text
//!   Access::Map    64 KiB and more: mapped      below: read whole, owned
//!   Access::Read   pread, into the caller's buffer
//! ```
//!
//! The length is taken once, when the file is opened. Whoever asks never sees a byte behind it,
//! and sees fewer where the file has shrunk since.

use super::image::{ImagePart, LogImage};
use super::lock::is_held_here;
use super::stream::Stream;
use crate::error::{Error, Result};
use memmap2::{Advice, Mmap};
use rustix::fs::{Mode, OFlags, SeekFrom};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files below this size are read rather than mapped: a map costs more than the copy.
pub const MAP_FROM_BYTES: u64 = 64 << 10;

/// How the bytes of files are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mapped, for files that nobody changes.
    Map,
    /// Read when asked for, for files that a broker may be changing.
    Read,
}

/// In which order bytes are going to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Here and there: do not read ahead.
    Random,
    /// From front to back: read far ahead.
    Sequential,
}

/// The bytes of one regular file.
#[derive(Debug)]
pub struct FileBytes {
    path: PathBuf,
    length: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Mapped(Mmap),
    Owned(Vec<u8>),
    Windows(File),
    Stream(Mutex<Stream>),
    /// Parts of files, one behind the other.
    Composed(Vec<OpenPart>),
    /// A device that fails in a range, and a file that has become shorter.
    #[cfg(test)]
    Failing {
        bytes: Vec<u8>,
        bad: std::ops::Range<u64>,
    },
}

/// A part of an image, its file open.
#[derive(Debug)]
struct OpenPart {
    /// Where it begins in the image.
    start: u64,
    part: ImagePart,
    file: Arc<File>,
}

impl FileBytes {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// When it cannot be opened, or is a symbolic link or anything but a regular file.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        let (file, length) = open_with_length(path)?;
        let source = match access {
            Access::Read => Source::Windows(file),
            Access::Map if length < MAP_FROM_BYTES => {
                return Self::read_owned(path, &file, length);
            }
            Access::Map => Source::Mapped(map(&file, path)?),
        };
        let length = match &source {
            Source::Mapped(map) => map.len() as u64,
            _ => length,
        };
        Ok(Self { path: path.to_owned(), length, source })
    }

    /// Reads the file at `path`, or its first `limit` bytes if it is longer, and closes it.
    ///
    /// # Errors
    /// As [`FileBytes::open`], and when reading fails.
    pub fn open_owned(path: &Path, limit: u64) -> Result<Self> {
        let (file, length) = open_with_length(path)?;
        Self::read_owned(path, &file, length.min(limit))
    }

    /// Bytes that are in memory already; `path` is what they are called.
    #[must_use]
    pub fn owned(path: &Path, bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { path: path.to_owned(), length, source: Source::Owned(bytes) }
    }

    /// Bytes that come in from `reader`, once and from front to back: each question gives up what
    /// is before it. Its length is not known and said to be the greatest there is.
    #[must_use]
    pub fn stream(path: &Path, reader: Box<dyn Read + Send>) -> Self {
        let source = Source::Stream(Mutex::new(Stream::new(reader)));
        Self { path: path.to_owned(), length: u64::MAX, source }
    }

    /// The bytes of an image, read from the files that it is made from; `path` is what they are
    /// called.
    ///
    /// # Errors
    /// When one of the files cannot be opened.
    pub fn composed(path: &Path, image: &LogImage) -> Result<Self> {
        let mut files: HashMap<&Path, Arc<File>> = HashMap::new();
        let mut parts = Vec::new();
        let mut length = 0;
        for part in &image.parts {
            let file = match files.get(part.file.as_path()) {
                Some(file) => Arc::clone(file),
                None => Arc::new(open_regular(&part.file)?),
            };
            files.insert(&part.file, Arc::clone(&file));
            parts.push(OpenPart { start: length, part: part.clone(), file });
            length += part.len();
        }
        Ok(Self { path: path.to_owned(), length, source: Source::Composed(parts) })
    }

    /// True for bytes that come in only once.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream(_))
    }

    /// The same file without the room at its end, as if it ended before that. Room that was made
    /// in advance, and that nothing was ever written to, is zeros that the file system need not
    /// read. Bytes before `from` are not asked about.
    #[must_use]
    pub fn without_hole_at_end(mut self, from: u64) -> Self {
        if let Source::Windows(file) = &self.source {
            self.length = end_of_data(file, from, self.length);
        }
        self
    }

    fn read_owned(path: &Path, file: &File, length: u64) -> Result<Self> {
        let mut bytes = Vec::new();
        let read = read_window(file, path, 0, to_usize(length, path)?, &mut bytes)?.len();
        bytes.truncate(read);
        Ok(Self::owned(path, bytes))
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// True when there was not a byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All bytes, where they can be had without reading: mapped or owned.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Mapped(map) => Some(map),
            Source::Owned(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// At most `length` bytes from `position` on, fewer at the end of the file. They are in
    /// `buffer` where they had to be read.
    ///
    /// # Errors
    /// When reading fails.
    pub fn read<'b>(
        &'b self,
        position: u64,
        length: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8]> {
        let there = self.length.saturating_sub(position);
        let length = usize::try_from(there).map_or(length, |there| length.min(there));
        match &self.source {
            Source::Windows(file) => read_window(file, &self.path, position, length, buffer),
            Source::Stream(stream) => {
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                let read = stream.read(position, length, buffer);
                read.map_err(|error| Error::new("reading", &self.path, error))?;
                Ok(buffer)
            }
            Source::Composed(parts) => read_parts(parts, position, length, buffer),
            Source::Mapped(map) => Ok(slice(map, position, length)),
            Source::Owned(bytes) => Ok(slice(bytes, position, length)),
            #[cfg(test)]
            Source::Failing { bytes, bad } => {
                if bad.contains(&position) {
                    let error = std::io::Error::from_raw_os_error(5);
                    return Err(Error::new("reading", &self.path, error));
                }
                let until_bad = usize::try_from(bad.start.saturating_sub(position));
                let length = if position < bad.start {
                    length.min(until_bad.unwrap_or(usize::MAX))
                } else {
                    length
                };
                buffer.clear();
                buffer.extend_from_slice(slice(bytes, position, length));
                Ok(buffer)
            }
        }
    }

    /// A file of which `bad` cannot be read, and that had `length` bytes when it was opened.
    #[cfg(test)]
    pub(crate) fn failing(bytes: Vec<u8>, bad: std::ops::Range<u64>, length: u64) -> Self {
        let source = Source::Failing { bytes, bad };
        Self { path: PathBuf::from("failing"), length, source }
    }

    /// Says in which order the bytes are going to be asked for: a hint, which may do nothing.
    pub fn expect(&self, order: Order) {
        if let Source::Mapped(map) = &self.source {
            let advice = match order {
                Order::Random => Advice::Random,
                Order::Sequential => Advice::Sequential,
            };
            // A hint that is refused changes nothing but the speed.
            drop(map.advise(advice));
        }
    }
}

/// Where the data of a file of `length` bytes ends, at or behind `from`; its length where the file
/// system does not say.
fn end_of_data(file: &File, from: u64, length: u64) -> u64 {
    const PARTS: usize = 64;
    let mut end = from;
    for _ in 0..PARTS {
        let data = match rustix::fs::seek(file, SeekFrom::Data(end)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => return end.min(length),
            Err(_) => return length,
        };
        match rustix::fs::seek(file, SeekFrom::Hole(data)) {
            Ok(hole) if hole > data && hole < length => end = hole,
            _ => return length,
        }
    }
    length
}

fn slice(bytes: &[u8], position: u64, length: usize) -> &[u8] {
    let rest = usize::try_from(position).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

fn to_usize(length: u64, path: &Path) -> Result<usize> {
    usize::try_from(length)
        .map_err(|_| Error::other("reading", path, "it is larger than the address space"))
}

/// `length` is never more than the file had when it was opened, so the buffer grows no further.
fn read_window<'b>(
    file: &File,
    path: &Path,
    position: u64,
    length: usize,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8]> {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let window = buffer.get_mut(..length).unwrap_or_default();
    let mut filled = 0;
    while let Some(rest) = window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What was read is kept; asking for the rest brings the error again.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(Error::new("reading", path, error)),
        }
    }
    Ok(window.get(..filled).unwrap_or_default())
}

/// `length` is never more than the image has, so the buffer grows no further.
fn read_parts<'b>(
    parts: &[OpenPart],
    position: u64,
    length: usize,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8]> {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let (mut filled, mut window) = (0, Vec::new());
    let first = parts.partition_point(|open| open.start + open.part.len() <= position);
    for open in parts.get(first..).unwrap_or_default() {
        let at = open.part.range.start + position.saturating_sub(open.start);
        let there = usize::try_from(open.part.range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = there.min(length - filled);
        if wanted == 0 {
            break;
        }
        let read = read_window(&open.file, &open.part.file, at, wanted, &mut window);
        let read = match read {
            // What was read is kept; asking for the rest brings the error again.
            Err(_) if filled > 0 => break,
            read => read?.len(),
        };
        if let (Some(to), Some(from)) = (buffer.get_mut(filled..filled + read), window.get(..read))
        {
            to.copy_from_slice(from);
            open.part.patch(at, to);
        }
        filled += read;
        if read < wanted {
            break;
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// The most bytes that are read of a file that has to be small.
const SMALL_FILE_BYTES: u64 = 16 << 20;

/// The bytes of a small file, such as a checkpoint.
///
/// # Errors
/// As [`FileBytes::open`], and when it is not small.
pub fn read_small(path: &Path) -> Result<Vec<u8>> {
    match FileBytes::open_owned(path, SMALL_FILE_BYTES + 1)? {
        FileBytes { source: Source::Owned(bytes), length, .. } if length <= SMALL_FILE_BYTES => {
            Ok(bytes)
        }
        _ => Err(Error::other("reading", path, "it is larger than 16 MiB")),
    }
}

/// Opens a regular file for reading. A symbolic link is refused, and a named pipe is not waited
/// for.
///
/// # Errors
/// When the file cannot be opened or is not a regular one.
pub fn open_regular(path: &Path) -> Result<File> {
    open_with_length(path).map(|(file, _)| file)
}

fn open_with_length(path: &Path) -> Result<(File, u64)> {
    if is_held_here(path) {
        // Closing it again would give the lock up.
        return Err(Error::other("opening", path, "this process holds its lock"));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::LOOP) => {
            return Err(Error::other("opening", path, "a symbolic link, which is not followed"));
        }
        Err(error) => return Err(Error::new("opening", path, error.into())),
    };
    let metadata = file.metadata().map_err(|error| Error::new("opening", path, error))?;
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok((file, metadata.len()));
    }
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device or a socket"
    };
    Err(Error::other("opening", path, format!("{what}, not a regular file")))
}

/// Maps the whole file, read-only.
#[allow(unsafe_code)]
fn map(file: &File, path: &Path) -> Result<Mmap> {
    // SAFETY: the map is read-only and shared, its length is that of a regular file, and it is
    // unmapped only when the last slice borrowed from it is gone, which the borrow checker sees to.
    // What is relied on: nobody changes the file meanwhile. That is why only files of offline log
    // dirs are mapped (a broker's are read, see `Access`), and why a broker never changes a byte
    // of a log that it has written. What can still happen: another process writes, and a value
    // read twice differs; every number from a file is checked against the slice it is used on each
    // time, so a difference can make an answer wrong but reaches no memory outside the map. Or the
    // file shrinks or its disk fails, and touching such a page raises SIGBUS: there is no
    // recovering from that here, the program's handler ends the process with a sentence.
    unsafe { Mmap::map(file) }.map_err(|error| Error::new("mapping", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pattern(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    #[test]
    fn every_way_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000000.log");
        let large = usize::try_from(MAP_FROM_BYTES).unwrap();
        for length in [0, 1, 4096, large - 1, large, large + 4097] {
            let bytes = pattern(length);
            fs::write(&path, &bytes).unwrap();
            let mapped = FileBytes::open(&path, Access::Map).unwrap();
            let windows = FileBytes::open(&path, Access::Read).unwrap();
            let owned = FileBytes::owned(&path, bytes.clone());
            assert_eq!(matches!(mapped.source, Source::Mapped(_)), length >= large);
            assert_eq!(mapped.whole(), Some(&bytes[..]));
            assert!(windows.whole().is_none());
            for (at, count) in [(0, 10), (5, 0), (4000, 200), (length as u64, 1), (u64::MAX, 9)] {
                let from = usize::try_from(at).unwrap().min(length);
                let expected = &bytes[from..length.min(from.saturating_add(count))];
                for file in [&mapped, &windows, &owned] {
                    assert_eq!(file.len(), length as u64);
                    assert_eq!(file.read(at, count, &mut Vec::new()).unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn a_file_that_shrank_gives_fewer_bytes_and_one_that_grew_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, pattern(1000)).unwrap();
        let file = FileBytes::open(&path, Access::Read).unwrap();
        fs::write(&path, pattern(300)).unwrap();
        let mut buffer = vec![0xee; 10];
        assert_eq!(file.read(100, 800, &mut buffer).unwrap(), &pattern(300)[100..]);
        fs::write(&path, pattern(2000)).unwrap();
        assert_eq!(file.read(900, 800, &mut buffer).unwrap(), &pattern(1000)[900..]);
        let begin = FileBytes::open_owned(&path, 64).unwrap();
        assert_eq!(begin.whole(), Some(&pattern(64)[..]));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let pipe = dir.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        let refused = |path: &Path| {
            for access in [Access::Map, Access::Read] {
                let error = FileBytes::open(path, access).unwrap_err();
                assert_eq!(error.doing, "opening");
            }
            FileBytes::open(path, Access::Read).unwrap_err().source.to_string()
        };
        assert_eq!(refused(&link), "a symbolic link, which is not followed");
        assert_eq!(refused(&pipe), "a named pipe, not a regular file");
        assert_eq!(refused(dir.path()), "a directory, not a regular file");
        assert_eq!(refused(Path::new("/dev/null")), "a device or a socket, not a regular file");
        let missing = FileBytes::open(&dir.path().join("none"), Access::Map).unwrap_err();
        assert_eq!(missing.source.kind(), ErrorKind::NotFound);
    }
}
