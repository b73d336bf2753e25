//! The signals that this program answers to.
//!
//! SIGBUS: a mapped file shrank, or its disk gave no bytes: one sentence and an exit status,
//! instead of a core dump. SIGINT and SIGTERM: long work stops at the next run and says how far it
//! got; a second one ends the process at once. SIGXFSZ: a file would grow past the process's limit:
//! that is an error like a full disk.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

/// The exit status after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The exit status of what was found before the signal.
static FOUND: AtomicU8 = AtomicU8::new(0);

static INTERRUPT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// SIGTERM came, rather than Ctrl-C.
static TERMINATE: OnceLock<Arc<AtomicBool>> = OnceLock::new();

const SENTENCE: &[u8] = b"seg: a mapped file shrank or its disk failed while it was read; if a \
    broker is writing it, its .lock file has to be beside the partition directories\n";

/// Remembers what was found so far, as the exit status would say it.
pub fn found_so_far(status: u8) {
    FOUND.fetch_or(status, Ordering::Relaxed);
}

/// Takes SIGHUP, the end of a terminal or of a remote login, for SIGTERM from now on: for what has
/// to be left in good order.
pub fn survive_hangup() {
    for flag in [&TERMINATE, &INTERRUPT] {
        let flag = Arc::clone(flag.get_or_init(Arc::default));
        let _ = signal_hook::flag::register(signal_hook::consts::SIGHUP, flag);
    }
}

/// True after SIGTERM: who runs until it is stopped did well.
pub fn is_terminated() -> bool {
    TERMINATE.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// True after Ctrl-C, and after SIGTERM.
pub fn is_interrupted() -> bool {
    INTERRUPT.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Work that was stopped by Ctrl-C, and how far it got.
#[derive(Debug)]
pub struct Interrupted(pub String);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted: {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Installs the handlers of this process. Without them the signals would end it as well, only
/// without a word: a failure to install is not worth one.
pub fn install() {
    let flag = Arc::clone(INTERRUPT.get_or_init(Arc::default));
    let status = i32::from(INTERRUPTED);
    let sigint = signal_hook::consts::SIGINT;
    // In this order: the first Ctrl-C finds the flag unset and only sets it.
    let _ = signal_hook::flag::register_conditional_shutdown(sigint, status, Arc::clone(&flag));
    let _ = signal_hook::flag::register(sigint, Arc::clone(&flag));
    // Who asks politely waits for a good end as well.
    let (sigterm, terminated) = (signal_hook::consts::SIGTERM, 128 + signal_hook::consts::SIGTERM);
    let again = Arc::clone(&flag);
    let _ = signal_hook::flag::register_conditional_shutdown(sigterm, terminated, again);
    // Before the flag that is waited for, so that whoever sees that one sees this one too.
    let terminate = Arc::clone(TERMINATE.get_or_init(Arc::default));
    let _ = signal_hook::flag::register(sigterm, terminate);
    let _ = signal_hook::flag::register(sigterm, flag);
    // With any handler the write that is too long fails, and that is what is said.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    install_sigbus();
}

#[allow(unsafe_code)]
fn install_sigbus() {
    let handler = || {
        let _ = rustix::io::write(rustix::stdio::stderr(), SENTENCE);
        signal_hook::low_level::exit(i32::from(FOUND.load(Ordering::Relaxed) | 2));
    };
    // SAFETY: the handler makes nothing but calls that are safe in a signal handler: one write
    // system call, one atomic load, and `_exit`. It does not allocate, lock or return.
    let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, handler) };
}
