//! The declared paths as a tree, walked alongside a document.

use lakehand_dataset::dataset::UnknownFields;
use lakehand_dataset::path::FieldPath;

/// The index of a node.
pub(crate) type NodeAt = usize;

/// One place in a document that something is wanted from, or that lies on the way to one.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its path as people write it; for messages.
    pub(crate) path: String,
    /// The keys that are wanted of an object here.
    pub(crate) keys: Vec<(Box<str>, NodeAt)>,
    /// The slot that the value itself goes to.
    pub(crate) slot: Option<usize>,
    /// The list whose elements the value is made of.
    pub(crate) list: Option<usize>,
    /// Whether the record begins here.
    pub(crate) record: bool,
    /// What keys that are not wanted mean.
    pub(crate) unknown: UnknownFields,
    /// The slot of what is rescued of an object here and of those within it.
    pub(crate) rescued: Option<usize>,
}

impl Node {
    fn new(path: String, unknown: UnknownFields) -> Self {
        Self { path, keys: Vec::new(), slot: None, list: None, record: false, unknown, rescued: None }
    }
}

/// A list that is exploded.
#[derive(Debug)]
pub(crate) struct List {
    /// The node that each element is walked with.
    pub(crate) element: NodeAt,
    /// How many slots an element has.
    pub(crate) width: usize,
}

/// All nodes. The first is the document.
#[derive(Debug)]
pub(crate) struct Trie {
    /// The nodes.
    pub(crate) nodes: Vec<Node>,
    /// The exploded lists, each once.
    pub(crate) lists: Vec<List>,
    /// The node of the record.
    pub(crate) record: NodeAt,
    /// How many slots a record has.
    pub(crate) width: usize,
    unknown: UnknownFields,
    /// Whether a null is rescued: not where every record has every field of its file.
    pub(crate) rescues_null: bool,
}

impl Trie {
    /// With nothing wanted yet. `records`: where the record lies in the document, outside of which nothing is unknown.
    pub(crate) fn new(records: Option<&FieldPath>, unknown: UnknownFields) -> Self {
        let document = Node::new(String::new(), UnknownFields::Ignore);
        let mut trie =
            Self { nodes: vec![document], lists: Vec::new(), record: 0, width: 0, unknown, rescues_null: true };
        for key in records.iter().flat_map(|path| &path.keys) {
            trie.record = trie.child(trie.record, key);
        }
        let record = &mut trie.nodes[trie.record];
        record.record = true;
        record.unknown = unknown;
        trie
    }

    /// The slot of a path from the record.
    pub(crate) fn record_slot(&mut self, path: &FieldPath) -> usize {
        let at = self.descend(self.record, &path.keys);
        if let Some(slot) = self.nodes[at].slot {
            return slot;
        }
        self.nodes[at].slot = Some(self.width);
        self.width += 1;
        self.width - 1
    }

    /// The list at a path from the record.
    pub(crate) fn list(&mut self, path: &FieldPath) -> usize {
        let at = self.descend(self.record, &path.keys);
        if let Some(list) = self.nodes[at].list {
            return list;
        }
        let element = self.nodes.len();
        let element_path = format!("{}[]", self.nodes[at].path);
        self.nodes.push(Node::new(element_path, self.unknown));
        self.nodes[at].list = Some(self.lists.len());
        self.lists.push(List { element, width: 0 });
        self.lists.len() - 1
    }

    /// The slot of a path from the elements of a list.
    pub(crate) fn element_slot(&mut self, list: usize, path: &FieldPath) -> usize {
        let at = self.descend(self.lists[list].element, &path.keys);
        if let Some(slot) = self.nodes[at].slot {
            return slot;
        }
        let slot = self.lists[list].width;
        self.nodes[at].slot = Some(slot);
        self.lists[list].width += 1;
        slot
    }

    /// The slot of what is rescued of a record.
    pub(crate) fn rescued_slot(&mut self) -> usize {
        let slot = *self.nodes[self.record].rescued.get_or_insert(self.width);
        self.width = self.width.max(slot + 1);
        slot
    }

    /// The slot of what is rescued of the elements of a list.
    pub(crate) fn rescued_element_slot(&mut self, list: usize) -> usize {
        let List { element, width } = &mut self.lists[list];
        let slot = *self.nodes[*element].rescued.get_or_insert(*width);
        *width = (*width).max(slot + 1);
        slot
    }

    /// Settles where keys are unknown: what is taken whole has none. What is rescued has its place in the objects around
    /// it, so that none is rescued below what is taken whole.
    pub(crate) fn settle(&mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].slot.is_some() {
                self.nodes[at].unknown = UnknownFields::Ignore;
                self.rescue_nothing_below(at);
            }
        }
    }

    fn rescue_nothing_below(&mut self, at: NodeAt) {
        let below: Vec<NodeAt> = self.nodes[at].keys.iter().map(|(_, child)| *child).collect();
        for child in below {
            if self.nodes[child].unknown == UnknownFields::Rescue {
                self.nodes[child].unknown = UnknownFields::Ignore;
            }
            self.rescue_nothing_below(child);
        }
    }

    fn descend(&mut self, from: NodeAt, keys: &[String]) -> NodeAt {
        keys.iter().fold(from, |at, key| self.child(at, key))
    }

    fn child(&mut self, parent: NodeAt, key: &str) -> NodeAt {
        if let Some((_, child)) = self.nodes[parent].keys.iter().find(|(known, _)| **known == *key) {
            return *child;
        }
        let shown = FieldPath::key(key).to_string();
        let path = match (self.nodes[parent].path.as_str(), self.nodes[parent].record) {
            ("", _) | (_, true) => shown,
            (above, false) => format!("{above}.{shown}"),
        };
        let child = self.nodes.len();
        let unknown = self.nodes[parent].unknown;
        self.nodes.push(Node::new(path, unknown));
        self.nodes[parent].keys.push((key.into(), child));
        child
    }
}
