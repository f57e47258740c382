//! The heap as a benchmark sees it: a counting allocator, and the live bytes of the parts that are to be counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn count(bytes: i64) {
    if COUNTED.with(Cell::get) {
        LIVE.with(|live| live.set(live.get() + bytes));
    }
}

// SAFETY: every call goes to the system allocator unchanged; the counters are plain thread-locals without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps dealloc's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs something whose heap is to be counted.
pub(crate) fn counted<T>(run: impl FnOnce() -> T) -> T {
    COUNTED.with(|counted| counted.set(true));
    let result = run();
    COUNTED.with(|counted| counted.set(false));
    result
}

/// Bytes that counted code of this thread has allocated and not freed.
pub(crate) fn live() -> i64 {
    LIVE.with(Cell::get)
}
