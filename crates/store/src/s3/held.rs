//! How many bytes of uploads wait in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what all uploads of a store hold.
#[derive(Debug)]
pub(super) struct Held {
    bytes: AtomicU64,
    most: u64,
}

impl Held {
    pub(super) fn new(most: u64) -> Self {
        Self { bytes: AtomicU64::new(0), most }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes() > self.most
    }
}

/// What one upload holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<Held>,
    bytes: u64,
}

impl Share {
    pub(super) fn new(held: &Arc<Held>) -> Self {
        Self { held: Arc::clone(held), bytes: 0 }
    }

    /// This many bytes are held now, instead of what was.
    pub(super) fn set(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if bytes >= self.bytes {
            self.held.bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.held.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let held = Arc::new(Held::new(10));
        let (mut one, mut other) = (Share::new(&held), Share::new(&held));
        one.set(6);
        other.set(4);
        assert_eq!((held.bytes(), held.is_over()), (10, false));
        one.set(7);
        assert!(held.is_over());
        one.set(2);
        drop(other);
        assert_eq!((held.bytes(), held.is_over()), (2, false));
        drop(one);
        assert_eq!(held.bytes(), 0);
    }
}
