//! Is anyone writing this file? Asked with a lease, which the system grants only on a file that
//! nobody has open, or mapped, for writing. It is given back at once. In a container's overlay a
//! map whose descriptor is closed is not seen; a broker has its indexes so, but its logs open.

use super::file_bytes::open_regular;
use crate::error::Result;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;

/// What is known about who writes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Nobody has it open for writing.
    Nobody,
    /// Somebody has.
    Somebody,
    /// The question could not be asked, and why: it is another user's file, or on a file system
    /// that has no leases. It may be written or not.
    Unknown(String),
}

/// Asks whether anyone has the file at `path` open for writing, this process included.
///
/// # Errors
/// When it cannot be opened for reading.
pub fn writers(path: &Path) -> Result<Writers> {
    match open_regular(path) {
        Ok(file) => Ok(writers_of(&file)),
        // Somebody holds a lease themselves and would have to be waited for.
        Err(error) if error.source.kind() == ErrorKind::WouldBlock => Ok(Writers::Somebody),
        Err(error) => Err(error),
    }
}

/// Chooses the signal that a lease is broken with. Linux, on every processor that this builds for.
const F_SETSIG: i32 = 10;

fn writers_of(file: &File) -> Writers {
    // Who opens the file for writing in the instant between lease and return makes the system send
    // a signal. The usual one would end this process; this one does nothing.
    let asked = command(file, F_SETSIG, libc::SIGURG)
        .and_then(|()| command(file, libc::F_SETLEASE, libc::F_RDLCK));
    match asked {
        Ok(()) => {
            // It goes with the descriptor at the latest.
            drop(command(file, libc::F_SETLEASE, libc::F_UNLCK));
            Writers::Nobody
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Writers::Somebody,
        Err(error) => Writers::Unknown(error.to_string()),
    }
}

#[allow(unsafe_code)]
fn command(file: &File, command: i32, argument: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed. Both commands take an
    // integer as their argument, so the system reads and writes no memory of this process.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn who_writes_is_seen_and_who_reads_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("00000000000000000000.index");
        fs::write(&path, b"12345678").unwrap();
        let reader = File::open(&path).unwrap();
        // A file system without leases, such as a network's, says so.
        if let Writers::Unknown(why) = writers(&path).unwrap() {
            eprintln!("not run: {why}");
            return;
        }
        assert_eq!(writers(&path).unwrap(), Writers::Nobody);
        let appender = File::options().append(true).open(&path).unwrap();
        assert_eq!(writers(&path).unwrap(), Writers::Somebody);
        drop(appender);
        assert_eq!(writers(&path).unwrap(), Writers::Nobody);

        // As a broker has its indexes: mapped, and the descriptor closed.
        const OVERLAY: i64 = 0x794c_7630;
        let is_overlay = rustix::fs::statfs(&path).unwrap().f_type == OVERLAY;
        let writer = File::options().read(true).write(true).open(&path).unwrap();
        // SAFETY: nobody reads or writes the map.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::MmapMut::map_mut(&writer) }.unwrap();
        drop(writer);
        assert!(is_overlay || writers(&path).unwrap() == Writers::Somebody);
        drop(map);
        assert_eq!(writers(&path).unwrap(), Writers::Nobody);
        drop(reader);
        assert!(writers(&directory.path().join("none")).is_err());
    }

    #[test]
    fn what_cannot_be_asked_is_not_said_to_be_held() {
        // There are leases on regular files only.
        let answer = writers_of(&File::open("/").unwrap());
        assert!(matches!(answer, Writers::Unknown(_)), "{answer:?}");
    }
}
