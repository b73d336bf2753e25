//! Bytes into a socket: memory by `send`, ranges of files by `sendfile`.
//!
//! ```text
//!   page cache --sendfile(2)--> socket                  Linux, and a file that allows it
//!   page cache --pread--> 64 KiB --send--> socket       everything else
//! ```
//!
//! Both name the place in the file, so the descriptor's own position is never used and one
//! descriptor serves every connection.

use crate::serve::counters::Counters;
use crate::serve::files::OpenSegment;
use crate::serve::outgoing::FileChunk;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the copying loop reads at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What sending has found out about a file.
#[derive(Debug)]
pub struct Experience {
    is_shrunk: AtomicBool,
    is_copied: AtomicBool,
    unreadable_at: AtomicU64,
}

impl Default for Experience {
    fn default() -> Self {
        Self {
            is_shrunk: AtomicBool::new(false),
            is_copied: AtomicBool::new(false),
            unreadable_at: AtomicU64::new(u64::MAX),
        }
    }
}

impl Experience {
    /// Whether it ended before a range that it held when it was opened. It is somebody else's now:
    /// nothing more of it should be announced.
    #[must_use]
    pub fn is_shrunk(&self) -> bool {
        self.is_shrunk.load(Ordering::Relaxed)
    }

    /// Notes that it did.
    pub fn shrank(&self) {
        self.is_shrunk.store(true, Ordering::Relaxed);
    }

    /// The lowest place at which the device failed.
    #[must_use]
    pub fn unreadable_at(&self) -> Option<u64> {
        Some(self.unreadable_at.load(Ordering::Relaxed)).filter(|&at| at != u64::MAX)
    }

    /// Whether `sendfile` does not take it.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.is_copied.load(Ordering::Relaxed)
    }
}

/// Why a range of a file cannot be sent to its end. Everything else that [`Mover`] fails with is
/// the socket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTrouble {
    /// The file ends here, and was longer when it was opened.
    Shrunk {
        /// Where it ends now.
        at: u64,
    },
    /// The device failed.
    Unreadable {
        /// Where.
        at: u64,
        /// With what.
        error: Errno,
    },
}

impl FileTrouble {
    /// What an error of [`Outgoing::write_to`](crate::serve::outgoing::Outgoing::write_to) says
    /// about the file; `None` for the socket's own.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }

    /// What it is counted under.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shrunk { .. } => "shrunk",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

impl std::error::Error for FileTrouble {}

impl fmt::Display for FileTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrunk { at } => write!(f, "the file ends at {at} and was longer when opened"),
            Self::Unreadable { at, error } => {
                write!(f, "reading at {at}: {}", io::Error::from(*error))
            }
        }
    }
}

impl From<FileTrouble> for io::Error {
    fn from(trouble: FileTrouble) -> Self {
        let kind = match trouble {
            FileTrouble::Shrunk { .. } => io::ErrorKind::UnexpectedEof,
            FileTrouble::Unreadable { error, .. } => Self::from(error).kind(),
        };
        Self::new(kind, trouble)
    }
}

/// What bytes go into: a socket that does not block, and in tests what behaves like one.
pub(super) trait Sink {
    /// Takes some of `bytes`. `has_more`: do not send a packet that is not full yet.
    fn send(&mut self, bytes: &[u8], has_more: bool) -> Result<usize, Errno>;

    /// Takes at most `count` bytes of the file from `at` on; 0 when it ends there.
    fn send_file(&mut self, file: BorrowedFd<'_>, at: u64, count: usize) -> Result<usize, Errno>;
}

/// A socket.
pub(super) struct Socket<'a>(pub BorrowedFd<'a>);

impl Sink for Socket<'_> {
    fn send(&mut self, bytes: &[u8], has_more: bool) -> Result<usize, Errno> {
        rustix::net::send(self.0, bytes, send_flags(has_more))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(&mut self, file: BorrowedFd<'_>, at: u64, count: usize) -> Result<usize, Errno> {
        let mut at = at;
        rustix::fs::sendfile(self.0, file, Some(&mut at), count)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn send_file(&mut self, _: BorrowedFd<'_>, _: u64, _: usize) -> Result<usize, Errno> {
        Err(Errno::NOSYS)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_flags(has_more: bool) -> SendFlags {
    if has_more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL }
}

/// Elsewhere nothing tells the kernel to wait, and the signal is ignored, as in all Rust programs.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_flags(_has_more: bool) -> SendFlags {
    SendFlags::empty()
}

/// What was moved and is not counted yet.
#[derive(Default)]
struct Moved {
    memory: u64,
    sendfile: u64,
    copied: u64,
}

/// What one processor moves bytes with.
pub struct Mover {
    counters: Arc<Counters>,
    use_sendfile: bool,
    /// Empty until something has to be copied.
    buffer: Vec<u8>,
    moved: Moved,
}

impl Mover {
    /// Without `use_sendfile` everything is copied.
    #[must_use]
    pub fn new(counters: Arc<Counters>, use_sendfile: bool) -> Self {
        Self { counters, use_sendfile, buffer: Vec::new(), moved: Moved::default() }
    }

    /// Sends some of `bytes`; `None` when the socket takes nothing now.
    pub(super) fn send_memory(
        &mut self,
        sink: &mut impl Sink,
        bytes: &[u8],
        has_more: bool,
    ) -> io::Result<Option<u64>> {
        let sent = on_socket(|| sink.send(bytes, has_more))?;
        self.moved.memory += sent.unwrap_or(0);
        Ok(sent)
    }

    /// Sends at most `count` bytes from the beginning of `chunk`; `None` when the socket takes
    /// nothing now. `count` is not 0 and the range is not empty.
    pub(super) fn send_range(
        &mut self,
        sink: &mut impl Sink,
        chunk: &FileChunk,
        count: u64,
        has_more: bool,
    ) -> io::Result<Option<u64>> {
        let segment = &*chunk.file;
        if self.use_sendfile && !segment.experience.is_copied() {
            let wanted = usize::try_from(count).unwrap_or(usize::MAX);
            let file = segment.log.as_fd();
            match retried(|| sink.send_file(file, chunk.at, wanted)) {
                Ok(0) => return Err(self.shrunk(segment, chunk.at)),
                Ok(sent) => {
                    self.moved.sendfile += sent as u64;
                    return Ok(Some(sent as u64));
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    segment.experience.is_copied.store(true, Ordering::Relaxed);
                }
                Err(error) if is_of_device(error) => {
                    return Err(self.unreadable(segment, chunk.at, error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.copy(sink, chunk, count, has_more)
    }

    /// What the socket does not take is read again the next time.
    fn copy(
        &mut self,
        sink: &mut impl Sink,
        chunk: &FileChunk,
        count: u64,
        has_more: bool,
    ) -> io::Result<Option<u64>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER_BYTES, 0);
        let wanted = usize::try_from(count).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        let sent = self.copy_through(buffer.get_mut(..wanted).unwrap_or_default(), sink, chunk, {
            has_more || count > wanted as u64
        });
        self.buffer = buffer;
        sent
    }

    fn copy_through(
        &mut self,
        buffer: &mut [u8],
        sink: &mut impl Sink,
        chunk: &FileChunk,
        has_more: bool,
    ) -> io::Result<Option<u64>> {
        let segment = &*chunk.file;
        let read = match retried(|| rustix::io::pread(&segment.log, &mut *buffer, chunk.at)) {
            Ok(0) => return Err(self.shrunk(segment, chunk.at)),
            Ok(read) => read,
            Err(error) => return Err(self.unreadable(segment, chunk.at, error)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        let sent = on_socket(|| sink.send(bytes, has_more))?;
        self.moved.copied += sent.unwrap_or(0);
        Ok(sent)
    }

    fn shrunk(&self, segment: &OpenSegment, at: u64) -> io::Error {
        segment.experience.shrank();
        FileTrouble::Shrunk { at }.into()
    }

    fn unreadable(&self, segment: &OpenSegment, at: u64, error: Errno) -> io::Error {
        if segment.experience.unreadable_at.fetch_min(at, Ordering::Relaxed) == u64::MAX {
            self.counters.segment_unreadable();
        }
        FileTrouble::Unreadable { at, error }.into()
    }

    /// Adds what was moved to the counters: once a turn, since they are everybody's.
    pub(super) fn count(&mut self) {
        let Moved { memory, sendfile, copied } = std::mem::take(&mut self.moved);
        self.counters.sent(memory, sendfile, copied);
    }
}

/// Errors that a read of a file gives, and no socket.
fn is_of_device(error: Errno) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if error == Errno::UCLEAN {
        return true;
    }
    [Errno::IO, Errno::STALE, Errno::BADMSG].contains(&error)
}

fn retried(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn on_socket(call: impl FnMut() -> Result<usize, Errno>) -> io::Result<Option<u64>> {
    match retried(call) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(sent) => Ok(Some(sent as u64)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[path = "mover_tests.rs"]
mod tests;
