//! A counting allocator, to prove that the air path neither allocates nor frees.
//!
//! A test binary installs it with
//! `#[global_allocator] static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;`
//! and wraps what it checks in [`assert_no_alloc`].
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count per thread.
pub struct CountingAllocator;

/// Calls of the allocator made by one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocCount {
    /// Blocks asked for, or asked to grow or shrink.
    pub allocated: u64,
    /// Blocks given back.
    pub freed: u64,
}

thread_local! {
    static COUNT: Cell<AllocCount> = const { Cell::new(AllocCount { allocated: 0, freed: 0 }) };
}

fn count(allocated: u64, freed: u64) {
    // A thread that is ending has no counter any more; what it does then is nobody's test.
    let _ = COUNT.try_with(|count| {
        let sum = count.get();
        count.set(AllocCount { allocated: sum.allocated + allocated, freed: sum.freed + freed });
    });
}

// SAFETY: every call goes unchanged to the system's allocator, which keeps the trait's promises; counting
// touches a thread-local cell that needs no allocation and has no destructor.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, 0);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, 1);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The allocator calls that `work` makes on this thread, and its result.
pub fn count_allocs<T>(work: impl FnOnce() -> T) -> (AllocCount, T) {
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    (AllocCount { allocated: after.allocated - before.allocated, freed: after.freed - before.freed }, result)
}

/// Runs `work` and fails if it allocated or freed on this thread, or if [`CountingAllocator`] is not installed.
#[track_caller]
pub fn assert_no_alloc<T>(work: impl FnOnce() -> T) -> T {
    let (probe, _) = count_allocs(|| std::hint::black_box(Box::new(0_u8)));
    assert!(
        probe.allocated > 0,
        "install testkit::alloc::CountingAllocator as #[global_allocator] in this test binary"
    );
    let (calls, result) = count_allocs(work);
    assert_eq!(calls, AllocCount::default(), "the air path called the allocator");
    result
}
