//! A counting allocator, to prove that the air path neither allocates nor frees.
//!
//! A test binary installs it with
//! `#[global_allocator] static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;`
//! and wraps what it checks in [`assert_no_alloc`], or asks for the counts of threads by their name.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

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
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The count of a thread, for others to read. Counting must not allocate, so there is a fixed number of them.
struct Slot {
    thread: AtomicI32,
    allocated: AtomicU64,
    freed: AtomicU64,
}

static SLOTS: [Slot; 1024] =
    [const { Slot { thread: AtomicI32::new(0), allocated: AtomicU64::new(0), freed: AtomicU64::new(0) } };
        1024];
/// Slots that have been given out.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

fn count(allocated: u64, freed: u64) {
    // A thread that is ending has no counter any more; what it does then is nobody's test.
    let _ = COUNT.try_with(|count| {
        let sum = count.get();
        count.set(AllocCount { allocated: sum.allocated + allocated, freed: sum.freed + freed });
    });
    let slot = SLOT.try_with(|slot| {
        let taken = slot.get().unwrap_or_else(|| TAKEN.fetch_add(1, Ordering::Relaxed));
        slot.set(Some(taken));
        SLOTS.get(taken)
    });
    if let Ok(Some(slot)) = slot {
        slot.allocated.fetch_add(allocated, Ordering::Relaxed);
        slot.freed.fetch_add(freed, Ordering::Relaxed);
        if slot.thread.load(Ordering::Relaxed) == 0 {
            // SAFETY: it takes nothing and cannot fail.
            slot.thread.store(unsafe { libc::gettid() }, Ordering::Release);
        }
    }
}

/// The allocator calls so far of every thread that runs now under a name that begins with `prefix`, with its name.
///
/// A thread that never called the allocator is not among them; one that runs has, by its start.
pub fn thread_counts(prefix: &str) -> Vec<(String, AllocCount)> {
    let taken = TAKEN.load(Ordering::Acquire);
    assert!(taken <= SLOTS.len(), "there were {taken} threads, and counters for {}", SLOTS.len());
    let named = |slot: &Slot| {
        let thread = slot.thread.load(Ordering::Acquire);
        let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).ok()?;
        let name = name.trim_end().to_owned();
        let (allocated, freed) = (slot.allocated.load(Ordering::Relaxed), slot.freed.load(Ordering::Relaxed));
        name.starts_with(prefix).then_some((name, AllocCount { allocated, freed }))
    };
    SLOTS.iter().take(taken).filter_map(named).collect()
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
