//! Fields that no column declares, kept as they came: each within the objects that it stood in.

use std::ops::Range;

use super::super::slot::Slot;
use super::{NodeAt, Scope, Walk, Walked, skip_space};

impl Walk<'_> {
    /// An object that has a slot for what is rescued of it.
    pub(super) fn object_with_rescued(
        &mut self,
        at: usize,
        node_at: NodeAt,
        slot: usize,
        scope: Scope,
        depth: u32,
    ) -> Walked {
        // An element stands within a record of which fields may have been rescued already.
        let before = self.records.rescued.len();
        let end = self.object(at, node_at, scope, depth)?;
        if let Some(rescued) = self.records.take_rescued(before) {
            self.set(scope, slot, Slot::escaped(at, end, rescued));
        }
        Ok(end)
    }

    /// A wanted value with its key, which stays around what is rescued within it. `before`: what was rescued of the object
    /// begins there.
    pub(super) fn wanted_in(
        &mut self,
        key: Range<usize>,
        at: usize,
        child: NodeAt,
        before: usize,
        scope: Scope,
        depth: u32,
    ) -> Walked {
        if self.trie.nodes[child].keys.is_empty() {
            return self.wanted(at, child, scope, depth);
        }
        let outside = self.records.rescued.len();
        self.key_of_rescued(key, before);
        self.records.rescued.push('{');
        let inside = self.records.rescued.len();
        let end = self.wanted(at, child, scope, depth)?;
        if self.records.rescued.len() > inside {
            self.records.rescued.push('}');
        } else {
            self.records.rescued.truncate(outside);
        }
        Ok(end)
    }

    /// A field that no column declares.
    pub(super) fn rescue(&mut self, key: Range<usize>, at: usize, before: usize, depth: u32) -> Walked {
        let end = self.skip(at, depth)?;
        let value = self.text.get(at..end).unwrap_or_default();
        if value == "null" && !self.trie.rescues_null {
            return Ok(end);
        }
        self.key_of_rescued(key, before);
        self.records.rescued.push_str(value);
        Ok(end)
    }

    /// A key with its colon.
    fn key_of_rescued(&mut self, key: Range<usize>, before: usize) {
        if self.records.rescued.len() > before {
            self.records.rescued.push(',');
        }
        let at = key.start;
        let key = self.text.get(key).unwrap_or_default();
        debug_assert!(skip_space(self.bytes, at) == at && key.ends_with(':'), "{key:?} is a key");
        self.records.rescued.push_str(key);
    }
}
