//! The order in which the keys of an object have come so far: nearly every record has the same.

use super::json_text::load;
use super::trie::{Node, NodeAt};

/// The most keys learned of one object; objects used as maps would otherwise grow it for ever.
const MAX_KEYS: usize = 512;
/// The most times a key is moved to where it was seen; after that the order is taken to be none.
const MAX_MOVES: u32 = 64;
/// How many keys after the expected one are tried: records leave out keys more often than they change their order.
const LOOK_AHEAD: usize = 8;

/// What is known of the keys of one node's objects.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    keys: Vec<Key>,
    moves: u32,
}

/// One key, wanted or not.
#[derive(Debug)]
struct Key {
    /// With its quotes and the colon.
    bytes: Box<[u8]>,
    /// The first eight of them, or all, and which bits of a word they fill.
    first: u64,
    mask: u64,
    /// The last eight, where there are more.
    last: u64,
    target: Option<NodeAt>,
}

impl Key {
    /// From a key as it stands between its quotes.
    fn new(raw: &[u8], target: Option<NodeAt>) -> Self {
        let mut bytes = Vec::with_capacity(raw.len() + 3);
        bytes.push(b'"');
        bytes.extend_from_slice(raw);
        bytes.extend_from_slice(b"\":");
        let mask = if bytes.len() >= 8 { u64::MAX } else { (1 << (8 * bytes.len())) - 1 };
        let last = if bytes.len() > 8 { load(&bytes, bytes.len() - 8) } else { 0 };
        Self { first: load(&bytes, 0) & mask, mask, last, bytes: bytes.into(), target }
    }

    /// Whether it stands here, by two overlapping words where it is short.
    #[inline]
    fn stands(&self, bytes: &[u8], at: usize) -> bool {
        if load(bytes, at) & self.mask != self.first {
            return false;
        }
        let len = self.bytes.len();
        if len <= 8 {
            return true;
        }
        load(bytes, at + len - 8) == self.last
            && (len <= 16 || bytes.get(at + 8..at + len - 8) == self.bytes.get(8..len - 8))
    }
}

/// A key that was expected and came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Predicted {
    /// The node that is wanted there, if one is.
    pub(crate) target: Option<NodeAt>,
    /// Just behind the colon.
    pub(crate) end: usize,
    /// Where the next key is expected.
    pub(crate) cursor: usize,
}

impl Learned {
    /// The key that stands here, if it is one of the next expected ones.
    #[inline]
    pub(crate) fn predict(&self, bytes: &[u8], at: usize, cursor: usize) -> Option<Predicted> {
        let ahead = self.keys.get(cursor..)?;
        for (skipped, key) in ahead.iter().take(LOOK_AHEAD).enumerate() {
            if key.stands(bytes, at) {
                return Some(Predicted { target: key.target, end: at + key.bytes.len(), cursor: cursor + skipped + 1 });
            }
        }
        None
    }

    /// Learns a key that was not expected; returns where the next one is. `raw` is the key between its quotes.
    #[cold]
    pub(crate) fn learn(&mut self, raw: &[u8], target: Option<NodeAt>, cursor: usize) -> usize {
        let stands = |key: &Key| key.bytes.get(1..key.bytes.len() - 2) == Some(raw);
        if let Some(found) = self.keys.iter().position(stands) {
            if self.moves >= MAX_MOVES || found < cursor {
                return found + 1;
            }
            self.moves += 1;
            let key = self.keys.remove(found);
            self.keys.insert(cursor, key);
            return cursor + 1;
        }
        if self.keys.len() >= MAX_KEYS {
            return cursor;
        }
        let cursor = cursor.min(self.keys.len());
        self.keys.insert(cursor, Key::new(raw, target));
        cursor + 1
    }
}

/// The node wanted under a key, by its plain form.
pub(crate) fn target_of(node: &Node, key: &str) -> Option<NodeAt> {
    node.keys.iter().find(|(known, _)| **known == *key).map(|(_, child)| *child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_expected_in_the_order_they_came() {
        let mut learned = Learned::default();
        let mut cursor = 0;
        for (at, key) in ["id", "a_key_of_some_length", "seventeen_letters"].into_iter().enumerate() {
            cursor = learned.learn(key.as_bytes(), Some(at), cursor);
        }
        let line = br#""id":1,"seventeen_letters":2"#;
        let first = learned.predict(line, 0, 0).unwrap();
        assert_eq!(first, Predicted { target: Some(0), end: 5, cursor: 1 });
        let skipping = learned.predict(line, 7, first.cursor).unwrap();
        assert_eq!(skipping, Predicted { target: Some(2), end: 27, cursor: 3 });
        assert!(learned.predict(br#""ie":1"#, 0, 0).is_none());
        assert!(learned.predict(br#""seventeen_lettexs":2"#, 0, 0).is_none());
        assert!(learned.predict(br#""i"#, 0, 0).is_none());
        assert!(learned.predict(line, 0, 3).is_none(), "nothing is expected behind the last");
    }

    #[test]
    fn a_map_of_endless_keys_is_not_learned_for_ever() {
        let mut learned = Learned::default();
        for number in 0..10_000 {
            learned.learn(format!("k{number}").as_bytes(), None, 0);
        }
        assert_eq!(learned.keys.len(), MAX_KEYS);
    }
}
