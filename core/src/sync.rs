//! The atomics and the ring that our own lock-free code is made of: those of the standard library and of `ringbuf`, or, in a
//! build with `--cfg airchain_loom`, their models in loom, which runs every order of events that the memory model allows
//! (`models.rs`, `make check-deep`).

#[cfg(airchain_loom)]
pub(crate) use model::*;
#[cfg(not(airchain_loom))]
pub(crate) use real::*;

#[cfg(not(airchain_loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

    pub(crate) use ringbuf::traits::{Consumer, Observer, Producer, Split};
    pub(crate) use ringbuf::{HeapCons, HeapProd, HeapRb};
}

/// A ring with the orderings of `ringbuf`'s `SharedRb`, whose ends look at each other's position with each call.
#[cfg(airchain_loom)]
#[allow(unsafe_code, clippy::indexing_slicing, reason = "only built for the models")]
mod model {
    use std::sync::Arc;

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

    pub(crate) struct HeapRb<T> {
        slots: Box<[UnsafeCell<Option<T>>]>,
        read: AtomicUsize,
        write: AtomicUsize,
        read_is_held: AtomicBool,
        write_is_held: AtomicBool,
    }

    // SAFETY: a slot belongs to one end at a time, by the positions; loom fails a model in which it does not.
    unsafe impl<T: Send> Sync for HeapRb<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Send for HeapRb<T> {}

    pub(crate) struct HeapProd<T>(Arc<HeapRb<T>>);
    pub(crate) struct HeapCons<T>(Arc<HeapRb<T>>);

    impl<T> HeapRb<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self {
                slots: (0..capacity).map(|_| UnsafeCell::new(None)).collect(),
                read: AtomicUsize::new(0),
                write: AtomicUsize::new(0),
                read_is_held: AtomicBool::new(true),
                write_is_held: AtomicBool::new(true),
            }
        }

        fn slot(&self, at: usize) -> &UnsafeCell<Option<T>> {
            &self.slots[at % self.slots.len()]
        }
    }

    pub(crate) trait Split<T> {
        fn split(self) -> (HeapProd<T>, HeapCons<T>);
    }

    impl<T> Split<T> for HeapRb<T> {
        fn split(self) -> (HeapProd<T>, HeapCons<T>) {
            let shared = Arc::new(self);
            (HeapProd(Arc::clone(&shared)), HeapCons(shared))
        }
    }

    /// What both ends can see.
    pub(crate) trait Observer {
        type Item;
        fn ring(&self) -> &HeapRb<Self::Item>;
        fn occupied_len(&self) -> usize;

        fn capacity(&self) -> std::num::NonZeroUsize {
            std::num::NonZeroUsize::new(self.ring().slots.len()).expect("a ring holds something")
        }

        fn vacant_len(&self) -> usize {
            self.capacity().get() - self.occupied_len()
        }

        fn is_empty(&self) -> bool {
            self.occupied_len() == 0
        }

        fn is_full(&self) -> bool {
            self.vacant_len() == 0
        }

        fn read_is_held(&self) -> bool {
            self.ring().read_is_held.load(Ordering::Acquire)
        }

        fn write_is_held(&self) -> bool {
            self.ring().write_is_held.load(Ordering::Acquire)
        }
    }

    impl<T> Observer for HeapProd<T> {
        type Item = T;

        fn ring(&self) -> &HeapRb<T> {
            &self.0
        }

        fn occupied_len(&self) -> usize {
            let read = self.0.read.load(Ordering::Acquire);
            self.0.write.load(Ordering::Relaxed) - read
        }
    }

    impl<T> Observer for HeapCons<T> {
        type Item = T;

        fn ring(&self) -> &HeapRb<T> {
            &self.0
        }

        fn occupied_len(&self) -> usize {
            let write = self.0.write.load(Ordering::Acquire);
            write - self.0.read.load(Ordering::Relaxed)
        }
    }

    pub(crate) trait Producer: Observer {
        fn push_slice(&mut self, from: &[Self::Item]) -> usize
        where
            Self::Item: Copy;

        fn try_push(&mut self, item: Self::Item) -> Result<(), Self::Item>;
    }

    impl<T> Producer for HeapProd<T> {
        fn push_slice(&mut self, from: &[T]) -> usize
        where
            T: Copy,
        {
            let pushed = from.len().min(self.vacant_len());
            let write = self.0.write.load(Ordering::Relaxed);
            for (item, at) in from.iter().take(pushed).zip(write..) {
                // SAFETY: the slot is the writer's until the position says otherwise.
                self.0.slot(at).with_mut(|slot| unsafe { *slot = Some(*item) });
            }
            self.0.write.store(write + pushed, Ordering::Release);
            pushed
        }

        fn try_push(&mut self, item: T) -> Result<(), T> {
            if self.is_full() {
                return Err(item);
            }
            let write = self.0.write.load(Ordering::Relaxed);
            // SAFETY: the slot is the writer's until the position says otherwise.
            self.0.slot(write).with_mut(|slot| unsafe { *slot = Some(item) });
            self.0.write.store(write + 1, Ordering::Release);
            Ok(())
        }
    }

    pub(crate) trait Consumer: Observer {
        fn first(&self) -> Option<&Self::Item>;
        fn try_pop(&mut self) -> Option<Self::Item>;

        fn pop_slice(&mut self, out: &mut [Self::Item]) -> usize
        where
            Self::Item: Copy,
        {
            let popped = out.len().min(self.occupied_len());
            out.iter_mut().take(popped).for_each(|out| *out = self.try_pop().expect("it was there"));
            popped
        }
    }

    impl<T> Consumer for HeapCons<T> {
        fn first(&self) -> Option<&T> {
            let read = self.0.read.load(Ordering::Relaxed);
            // SAFETY: the slot is the reader's until the position says otherwise.
            (!self.is_empty()).then(|| self.0.slot(read).with(|slot| unsafe { (*slot).as_ref() })).flatten()
        }

        fn try_pop(&mut self) -> Option<T> {
            if self.is_empty() {
                return None;
            }
            let read = self.0.read.load(Ordering::Relaxed);
            // SAFETY: the slot is the reader's until the position says otherwise.
            let item = self.0.slot(read).with_mut(|slot| unsafe { (*slot).take() });
            self.0.read.store(read + 1, Ordering::Release);
            item
        }
    }

    impl<T> Drop for HeapProd<T> {
        fn drop(&mut self) {
            self.0.write_is_held.swap(false, Ordering::AcqRel);
        }
    }

    impl<T> Drop for HeapCons<T> {
        fn drop(&mut self) {
            self.0.read_is_held.swap(false, Ordering::AcqRel);
        }
    }
}
