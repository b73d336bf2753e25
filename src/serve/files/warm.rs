//! Whether a range of a file is in the page cache, and bringing it there.
//!
//! ```text
//!   | MiB        | MiB        | MiB        |      probes: 17 bytes where a batch begins, one in
//!   | p  p  p  p | p  p  x    |            |      256 KiB, without waiting for the disk
//!    all there    one is not   none to ask       the last two go to /dev/null: that brings their
//!                                                pages in, and copies nothing
//! ```
//!
//! A processor must not wait for a disk while others' sockets wait for it. So what it sends was
//! looked at by a handler shortly before. The probes are samples: what lies between them may have
//! left the cache, and then the processor does wait, once, for a part of 256 KiB.
//!
//! Only the beginnings of batches are read, so that no byte of a record enters the process.

use super::{OpenFiles, OpenSegment};
use crate::format::Position;
use crate::format::batch::PREFIX_BYTES;
use crate::log::index_bytes::IndexBytes;
use crate::serve::outgoing::FileChunk;
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How much is looked at for one job, so that no handler is busy with one client for long.
pub const WARM_BYTES: u64 = 8 << 20;

/// What is brought in together.
const PART_BYTES: u64 = 1 << 20;

/// One probe is asked of so many bytes.
const PROBE_BYTES: u64 = 256 << 10;

/// How ranges are brought in.
#[derive(Debug)]
pub(super) struct Warmer {
    /// `/dev/null`, where there is one.
    null: Option<OwnedFd>,
    /// Parts that were in the page cache, and parts that were not or could not be asked.
    pub(super) hits: AtomicU64,
    pub(super) colds: AtomicU64,
}

/// What is known of one file where the file system has no reads that do not wait.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    /// Set once the file system has said so.
    cannot_probe: AtomicBool,
    /// A bit for each part that was brought in; those behind the last bit always are.
    parts: OnceLock<Box<[AtomicU64; PULLED_WORDS]>>,
}

const PULLED_WORDS: usize = 32;

impl Pulled {
    fn bit(&self, part: u64) -> Option<(&AtomicU64, u64)> {
        let words = self.parts.get_or_init(|| Box::new([const { AtomicU64::new(0) }; _]));
        let word = words.get(usize::try_from(part / u64::from(u64::BITS)).ok()?)?;
        Some((word, 1 << (part % u64::from(u64::BITS))))
    }

    fn has(&self, part: u64) -> bool {
        self.bit(part).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn add(&self, part: u64) {
        if let Some((word, bit)) = self.bit(part) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Hit,
    Cold,
    /// There are no such reads here.
    Unknown,
}

impl Warmer {
    pub(super) fn new() -> Self {
        use rustix::fs::{Mode, OFlags, open};
        let null = open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).ok();
        Self { null, hits: AtomicU64::new(0), colds: AtomicU64::new(0) }
    }

    /// Goes from part to part of at most [`WARM_BYTES`]; returns up to where.
    fn warm(&self, chunk: &FileChunk, index: Option<&IndexBytes>) -> io::Result<u64> {
        let end = chunk.end.min(chunk.at.saturating_add(WARM_BYTES));
        let mut at = chunk.at;
        while at < end {
            let part = at / PART_BYTES;
            let stop = end.min(part.saturating_add(1).saturating_mul(PART_BYTES));
            if is_warm(&chunk.file, part, at..stop, index) {
                self.hits.fetch_add(1, Ordering::Relaxed);
            } else {
                self.colds.fetch_add(1, Ordering::Relaxed);
                let reached = self.pull_in(&chunk.file, at, stop);
                match reached {
                    Ok(to) if to == stop => {
                        let is_whole = at == part * PART_BYTES
                            && (stop.is_multiple_of(PART_BYTES) || stop == chunk.file.length);
                        if is_whole {
                            chunk.file.pulled.add(part);
                        }
                    }
                    // What comes before the trouble can be sent; asking again brings it back.
                    Ok(to) if to > chunk.at => return Ok(to),
                    Err(_) if at > chunk.at => return Ok(at),
                    Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Err(error) => return Err(error),
                }
            }
            at = stop;
        }
        Ok(end)
    }

    /// Brings in `at..stop`; returns up to where that worked.
    fn pull_in(&self, file: &OpenSegment, mut at: u64, stop: u64) -> io::Result<u64> {
        let Some(null) = &self.null else {
            // Nobody waits for the answer, so it may not be there in time.
            let length = std::num::NonZeroU64::new(stop - at);
            rustix::fs::fadvise(&file.log, at, length, rustix::fs::Advice::WillNeed)?;
            return Ok(stop);
        };
        let start = at;
        while at < stop {
            let count = usize::try_from(stop - at).unwrap_or(usize::MAX);
            match rustix::fs::sendfile(null, &file.log, Some(&mut at), count) {
                Ok(0) => {
                    file.mark_broken();
                    break;
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) if at > start => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(at)
    }
}

/// True when every probe of a part says so, or, where there are none, it was brought in before.
fn is_warm(
    file: &OpenSegment,
    part: u64,
    range: std::ops::Range<u64>,
    index: Option<&IndexBytes>,
) -> bool {
    if file.pulled.cannot_probe.load(Ordering::Relaxed) {
        return file.pulled.has(part);
    }
    let Some(index) = index else { return false };
    let (mut window, mut probes) = (range.start / PROBE_BYTES * PROBE_BYTES, 0);
    while window < range.end {
        let next = window + PROBE_BYTES;
        if let Some(position) = place_of_probe(index, window.max(range.start)..next.min(range.end))
        {
            match probe(file, position) {
                Probe::Hit => probes += 1,
                Probe::Cold => return false,
                Probe::Unknown => {
                    file.pulled.cannot_probe.store(true, Ordering::Relaxed);
                    return file.pulled.has(part);
                }
            }
        }
        window = next;
    }
    probes > 0
}

/// Where a batch begins in `window`, far from its front if there is one: where a range begins, the
/// first headers were read to find it.
fn place_of_probe(index: &IndexBytes, window: std::ops::Range<u64>) -> Option<u64> {
    let late = window.start + (window.end - window.start) / 4 * 3;
    let at_or_behind = |at| index.ceiling(Position(at)).map(|(_, position)| position.0);
    let inside = |at: &u64| window.contains(at);
    at_or_behind(late).filter(inside).or_else(|| at_or_behind(window.start).filter(inside))
}

fn probe(file: &OpenSegment, position: u64) -> Probe {
    let mut prefix = [0; PREFIX_BYTES];
    let mut buffers = [IoSliceMut::new(&mut prefix)];
    match rustix::io::preadv2(&file.log, &mut buffers, position, ReadWriteFlags::NOWAIT) {
        Ok(PREFIX_BYTES) => Probe::Hit,
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => Probe::Unknown,
        // The page behind it is not there, or the file ends: bringing it in tells.
        Ok(_) | Err(_) => Probe::Cold,
    }
}

impl OpenFiles {
    /// Brings the next part of a range into the page cache, at most [`WARM_BYTES`]; returns up to
    /// where it is there.
    ///
    /// # Errors
    /// When the beginning of the range cannot be read.
    pub fn warm(&self, chunk: &FileChunk) -> io::Result<u64> {
        let index = self.cached_index(chunk.file.id);
        self.warmer.warm(chunk, index.as_ref().map(|index| index.entries()))
    }
}
