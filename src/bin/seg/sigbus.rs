//! A mapped file shrank, or its disk gave no bytes: one sentence and an exit status, instead of a
//! core dump.

use std::sync::atomic::{AtomicU8, Ordering};

/// The exit status of what was found before the signal.
static FOUND: AtomicU8 = AtomicU8::new(0);

const SENTENCE: &[u8] = b"seg: a mapped file shrank or its disk failed while it was read; \
    if a broker is writing here, run seg beside its .lock file\n";

/// Remembers what was found so far, as the exit status would say it.
pub fn found_so_far(status: u8) {
    FOUND.fetch_or(status, Ordering::Relaxed);
}

/// Installs the handler of this process. Without it the signal would end the process as well, only
/// silently: a failure to install is not worth a word.
#[allow(unsafe_code)]
pub fn install() {
    let handler = || {
        let _ = rustix::io::write(rustix::stdio::stderr(), SENTENCE);
        signal_hook::low_level::exit(i32::from(FOUND.load(Ordering::Relaxed) | 2));
    };
    // SAFETY: the handler makes nothing but calls that are safe in a signal handler: one write
    // system call, one atomic load, and `_exit`. It does not allocate, lock or return.
    let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, handler) };
}
