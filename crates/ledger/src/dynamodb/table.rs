//! The one table: its key, its indexes, and the names of what lies in it.
//!
//! ```text
//! pk                what                       other attributes
//! entry/<id>        an entry                   rev by place at object doc [untold] [ttl]
//! lease/<name>      a lease                    owner until
//! number/<name>     a number                   value
//! counted/<dataset> how many loaded entries    one map a shard
//! ledger            the ledger itself          id shards datasets
//! ```
//!
//! | index | partition | order | holds |
//! |---|---|---|---|
//! | `by_state` | `place`: dataset/state/shard | `at`: when it changed, then the entry's name | every entry |
//! | `by_object` | `object` | none | every entry |
//! | `untold` | `untold`: the shard | `at` | entries set aside that no dead letter was sent for |
//!
//! All three hold keys alone: a document is read from its item, as it is, and what moves through the indexes with every
//! change stays within one write unit. `object` never changes, so that `by_object` is written once in an entry's life.
//! Loaded entries, of which there are millions, lie in places of their own, where no other query comes.

/// The table's key: what an item is, and its name.
pub(super) const PK: &str = "pk";

/// Before the name of an entry.
pub(super) const ENTRY: &str = "entry/";
/// Before the name of a lease.
pub(super) const LEASE: &str = "lease/";
/// Before the name of a number.
pub(super) const NUMBER: &str = "number/";
/// Before the name of a dataset, for what was counted of it.
pub(super) const COUNTED: &str = "counted/";
/// The item of the ledger itself.
pub(super) const LEDGER: &str = "ledger";

/// The revision of an entry.
pub(super) const REV: &str = "rev";
/// Which write of which process made an item what it is.
pub(super) const BY: &str = "by";
/// Dataset, state and shard.
pub(super) const PLACE: &str = "place";
/// When it changed, and the entry's name.
pub(super) const AT: &str = "at";
/// The object's URI.
pub(super) const OBJECT: &str = "object";
/// The shard, as long as a dead letter is owed.
pub(super) const UNTOLD: &str = "untold";
/// The entry itself.
pub(super) const DOC: &str = "doc";
/// When DynamoDB may delete it, in seconds since the epoch; on loaded entries alone.
pub(super) const TTL: &str = "ttl";

/// Who holds a lease.
pub(super) const OWNER: &str = "owner";
/// Until when, in microseconds since the epoch.
pub(super) const UNTIL: &str = "until";
/// A number.
pub(super) const VALUE: &str = "value";
/// The ledger's name.
pub(super) const ID: &str = "id";
/// Over how many shards entries are spread.
pub(super) const SHARDS: &str = "shards";
/// All datasets that ever had an entry.
pub(super) const DATASETS: &str = "datasets";

/// The index of states, in order of change.
pub(super) const BY_STATE: &str = "by_state";
/// The index of objects.
pub(super) const BY_OBJECT: &str = "by_object";
/// The index of owed dead letters.
pub(super) const UNTOLD_INDEX: &str = "untold";

/// A global secondary index. All project keys alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: &'static str,
    /// The attribute of its partition key, a string.
    pub partition: &'static str,
    /// The attribute of its sort key, a string, where it has one.
    pub sort: Option<&'static str>,
}

/// The attribute of the table's partition key, a string; there is no sort key.
pub const TABLE_KEY: &str = PK;

/// The attribute that time-to-live looks at.
pub const TTL_ATTRIBUTE: &str = TTL;

/// All indexes.
pub const INDEXES: [IndexDefinition; 3] = [
    IndexDefinition { name: BY_STATE, partition: PLACE, sort: Some(AT) },
    IndexDefinition { name: BY_OBJECT, partition: OBJECT, sort: None },
    IndexDefinition { name: UNTOLD_INDEX, partition: UNTOLD, sort: Some(AT) },
];
