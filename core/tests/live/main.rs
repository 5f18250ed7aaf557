//! Live sources on the real engine: on air and off again to the frame, without a gap and without a click.

#![allow(clippy::unwrap_used)]

mod away;
mod director;
mod on_air;
mod random;
mod rig;
mod tiers;

#[global_allocator]
static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;
