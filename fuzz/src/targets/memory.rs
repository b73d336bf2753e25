//! Counts what a thread has allocated, and allows it no more than a target says.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a target may take besides what its input pays for.
pub const SMALL: usize = 64 << 10;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
    /// Beyond this there is no memory.
    static END: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// False where there is no more.
fn grow(layout: Layout) -> bool {
    let bytes = isize::try_from(layout.size()).unwrap_or(isize::MAX);
    // A thread that ends has no counters any more.
    let now = NOW.try_with(|now| now.get().saturating_add(bytes)).unwrap_or(0);
    // What a panic says of itself takes memory, too, and so does what is said of this refusal.
    if END.try_with(|end| now > end.get()).unwrap_or(false) && !std::thread::panicking() {
        END.set(isize::MAX);
        return false;
    }
    let _ = NOW.try_with(|count| count.set(now));
    let _ = MOST.try_with(|most| most.set(most.get().max(now)));
    true
}

// SAFETY: everything is left to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !grow(layout) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = NOW.try_with(|now| now.set(now.get().wrapping_sub_unsigned(layout.size())));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Does `work`, and panics where this thread had more than `allowed` bytes at a time for it. At
/// twice as many the allocator gives no more, so that what runs away ends where it does.
pub fn within<T>(allowed: usize, work: impl FnOnce() -> T) -> T {
    let allowed = isize::try_from(allowed).unwrap();
    let before = NOW.get();
    MOST.set(before);
    END.set(before + 2 * allowed);
    let result = work();
    END.set(isize::MAX);
    let most = MOST.get() - before;
    assert!(most <= allowed, "{most} bytes of memory where {allowed} are allowed");
    result
}
