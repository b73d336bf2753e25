//! Counts what one thread has allocated.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn grew(bytes: usize) {
    // A thread that ends has no counters any more.
    let now = NOW.try_with(|now| {
        now.set(now.get().wrapping_add(bytes));
        now.get()
    });
    if let Ok(now) = now {
        let _ = MOST.try_with(|most| most.set(most.get().max(now)));
    }
}

// SAFETY: everything is left to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = NOW.try_with(|now| now.set(now.get().wrapping_sub(layout.size())));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that were allocated at one time while `work` ran, over what there was before.
pub fn most<T>(work: impl FnOnce() -> T) -> (usize, T) {
    NOW.set(0);
    MOST.set(0);
    let result = work();
    (MOST.get(), result)
}

#[test]
fn memory_is_counted() {
    let (bytes, _) = most(|| std::hint::black_box(vec![0_u8; 4711]));
    assert!((4711..8000).contains(&bytes), "{bytes}");
}
