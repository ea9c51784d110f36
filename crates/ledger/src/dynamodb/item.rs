//! Entries as items: where one lies in the indexes, and how long.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::{DatasetId, EntryId, digest};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;

use super::table::{AT, BY, DOC, ENTRY, OBJECT, PK, PLACE, REV, TTL, UNTOLD};

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The longest value that the partition key of an index may have.
const INDEX_KEY_BYTES: usize = 2_048;

/// All states, in the order in which entries pass through them.
pub(super) const STATES: [StateName; 4] =
    [StateName::Claimed, StateName::Written, StateName::Loaded, StateName::SetAside];

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// The key of one item.
pub(super) fn key(kind: &str, name: &str) -> Item {
    Item::from([(PK.to_owned(), text(format!("{kind}{name}")))])
}

/// The entry's name in the key of its item.
pub(super) fn entry_of_pk(pk: &str) -> Option<&str> {
    pk.strip_prefix(ENTRY)
}

/// The shard of an entry: a function of its name.
pub(super) fn shard(id: &EntryId, shards: u16) -> u16 {
    let first = |text: &str| text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let bits = first(id.as_str()).or_else(|| first(&digest(&[id.as_str().as_bytes()]))).unwrap_or(0);
    bits % shards.max(1)
}

/// Where entries of a dataset, a state and a shard lie together.
pub(super) fn place(dataset: &DatasetId, state: StateName, shard: u16) -> String {
    format!("{dataset}/{state}/{shard}")
}

/// Where entries that are owed a dead letter lie together.
pub(super) fn untold_place(shard: u16) -> String {
    shard.to_string()
}

/// The partition of an object. One that is longer than an index takes is known by its hash.
pub(super) fn object_key(object: &ObjectUri) -> String {
    let text = object.as_str();
    if text.len() <= INDEX_KEY_BYTES { text.to_owned() } else { digest(&[b"object", text.as_bytes()]) }
}

/// An instant as text that sorts as instants do.
pub(super) fn instant(at: Timestamp) -> String {
    // The highest bit turned round puts what is before 1970 first.
    format!("{:016x}", at.micros().cast_unsigned() ^ (1 << 63))
}

/// The position of an entry in the order of change.
pub(super) fn position(updated: Timestamp, id: &EntryId) -> String {
    format!("{}{id}", instant(updated))
}

/// The instant in a position.
pub(super) fn instant_of(position: &str) -> Option<Timestamp> {
    let bits = u64::from_str_radix(position.get(..16)?, 16).ok()?;
    Some(Timestamp::from_micros((bits ^ (1 << 63)).cast_signed()))
}

/// Whether a dead letter is owed for it.
pub(super) fn is_untold(entry: &Entry) -> bool {
    matches!(entry.state, EntryState::SetAside { told: false, .. })
}

/// How entries become items.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Over how many shards entries are spread.
    pub(super) shards: u16,
    /// How long loaded entries are kept; `None`: for ever.
    pub(super) keep_loaded: Option<Duration>,
}

impl Layout {
    /// The item of an entry with this document, as this write makes it.
    pub(super) fn item(&self, entry: &Entry, document: Vec<u8>, by: &str) -> Item {
        let shard = shard(&entry.id, self.shards);
        let mut item = key(ENTRY, entry.id.as_str());
        let mut set = |name: &str, value: AttributeValue| {
            item.insert(name.to_owned(), value);
        };
        set(REV, number(entry.revision));
        set(BY, text(by));
        set(PLACE, text(place(&entry.dataset, entry.state_name(), shard)));
        set(AT, text(position(entry.updated, &entry.id)));
        set(OBJECT, text(object_key(&entry.object.uri)));
        set(DOC, AttributeValue::B(document.into()));
        if is_untold(entry) {
            set(UNTOLD, text(untold_place(shard)));
        }
        if let Some(ends) = self.expires(entry) {
            set(TTL, number(ends));
        }
        item
    }

    /// When a loaded entry may go, in seconds since the epoch. Every other state waits for somebody, and stays.
    fn expires(&self, entry: &Entry) -> Option<i64> {
        let keep = self.keep_loaded.filter(|_| entry.state_name() == StateName::Loaded)?;
        Some(entry.updated.plus(keep).micros().div_euclid(1_000_000))
    }
}
