//! The standard input, as it comes, until Ctrl-C.

use crate::output::Output;
use crate::progress_bar::Bar;
use crate::signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use segkit::progress::Progress;
use std::io::{self, IsTerminal, Read};

/// How often it is asked whether to go on while nothing comes.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Reads without waiting longer than somebody wants to.
pub struct Stdin<'b> {
    /// Is told how much was read, where it is known how much there is.
    pub bar: Option<&'b Bar>,
}

/// The length of what is on stdin, if that is a file.
pub fn file_length() -> Option<u64> {
    let status = rustix::fs::fstat(rustix::stdio::stdin()).ok()?;
    let is_file = rustix::fs::FileType::from_raw_mode(status.st_mode).is_file();
    u64::try_from(status.st_size).ok().filter(|_| is_file)
}

/// Nobody who waits for an answer is to wait for a program that waits for them.
pub fn say_if_terminal(out: &mut Output) -> io::Result<()> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    out.say(b"seg: reading from the terminal; Ctrl-D ends it\n")
}

impl Read for Stdin<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = rustix::stdio::stdin();
        loop {
            if signals::is_interrupted() {
                return Err(io::Error::other("interrupted"));
            }
            let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut asked, Some(&PATIENCE)) {
                Ok(0) | Err(Errno::INTR) => continue,
                // What cannot be polled can be read.
                Ok(_) | Err(_) => {}
            }
            match rustix::io::read(stdin, &mut *buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
                Ok(count) => {
                    if let Some(bar) = self.bar {
                        bar.advance(count as u64);
                    }
                    return Ok(count);
                }
            }
        }
    }
}
