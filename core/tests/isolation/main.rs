//! What panics on the air thread, or in what thinks for it: it costs its own part, and the rest is heard as if nothing had
//! happened.

#![allow(clippy::unwrap_used)]

#[global_allocator]
static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;

mod chain;
mod engine;
mod rig;
mod thinking;
