//! The ledger on DynamoDB: one table, entries stored by conditional writes.
//!
//! - What is decided is decided on an item, read consistently; an index only says where to look, and lists give
//!   documents as their items have them. What an index does not show yet is seen later.
//! - The SDK repeats calls whose answer was lost. Each write here can meet itself: an entry by the name of the write, a
//!   lease by its owner, a number because raising is idempotent.
//! - A file that is claimed, written and loaded costs three writes of one unit, and six of the indexes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use lakehand_aws::SdkConfig;
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::Entry;
use lakehand_domain::id::{DatasetId, EntryId, LedgerId, WorkerId, digest};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;

use self::call::{done, failed, unintelligible};
use self::document::Documents;
use self::item::{Item, Layout, key, number, text};
use self::list::text_of;
use self::table::{DATASETS, ID, LEDGER, PK, SHARDS};

mod call;
mod counts;
mod document;
mod entries;
mod item;
mod leases;
mod list;
mod merge;
pub mod provision;
mod query;
pub mod table;

#[cfg(test)]
mod tests;

/// Loaded entries are kept for so many days at least, where they are not kept for ever: a queue redelivers for 14, and
/// a dead letter may wait as long again.
pub const LEAST_DAYS: u32 = 30;

/// How the ledger uses its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamoOptions {
    /// The table.
    pub table: String,
    /// Over how many shards a new ledger spreads the entries of a dataset and state; each takes about a thousand writes
    /// a second. An existing ledger keeps its own.
    pub shards: u16,
    /// After how many days loaded entries may be deleted by the service; at least [`LEAST_DAYS`]. `None`: never. A file
    /// that comes again after its entry is gone is read again, and the warehouse's marker says that it is loaded.
    pub keep_loaded_days: Option<u32>,
    /// For how long the indexes may not show a change.
    pub lag: Duration,
    /// How often a call is tried, the first time included.
    pub max_attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long a call with all its attempts may take.
    pub call_timeout: Duration,
}

impl DynamoOptions {
    /// The usual ones.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            shards: 4,
            keep_loaded_days: None,
            lag: Duration::from_secs(5),
            max_attempts: 8,
            attempt_timeout: Duration::from_secs(4),
            call_timeout: Duration::from_secs(25),
        }
    }
}

/// A ledger on one table. Several values, in one process or in several, may be open on the same table.
#[derive(Debug)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    identity: LedgerId,
    /// Before the number of each write; nobody else's writes have it.
    writer: String,
    layout: Layout,
    lag: Duration,
    documents: Documents,
    clock: Arc<dyn Clock>,
    /// Datasets that the table knows of.
    known: Mutex<BTreeSet<DatasetId>>,
}

impl DynamoLedger {
    /// Opens the ledger in an existing table (`lakehand provision` makes it); a new one takes `new_identity` as its name
    /// for ever. `worker` must be unique over processes and restarts: writes are told apart by it. `clock` times the
    /// pauses before a throttled table is asked again.
    ///
    /// # Errors
    /// [`LedgerError::Denied`] where the table is missing or not ours to use, or an option makes no sense;
    /// [`LedgerError::Unintelligible`] where the table holds something else; [`LedgerError::Unavailable`] otherwise.
    pub async fn open(
        config: &SdkConfig,
        options: DynamoOptions,
        new_identity: &LedgerId,
        worker: &WorkerId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let refused = |why: String| LedgerError::Denied { operation: "open", source: why.into() };
        if let Some(days) = options.keep_loaded_days.filter(|days| *days < LEAST_DAYS) {
            return Err(refused(format!("loaded entries would be kept for {days} days; {LEAST_DAYS} are the least")));
        }
        if options.shards == 0 {
            return Err(refused("there must be a shard".to_owned()));
        }
        let day = Duration::from_hours(24);
        let writer = format!("{}-", &digest(&[b"writer", worker.as_str().as_bytes()])[..12]);
        let mut ledger = Self {
            client: client(config, &options),
            table: options.table,
            identity: new_identity.clone(),
            writer,
            layout: Layout { shards: options.shards, keep_loaded: options.keep_loaded_days.map(|days| day * days) },
            lag: options.lag,
            documents: Documents::new().map_err(|error| refused(error.to_string()))?,
            clock,
            known: Mutex::default(),
        };
        let item = match ledger.item("open", own_key()).await? {
            Some(item) => item,
            None => ledger.create().await?,
        };
        let shards = item.get(SHARDS).and_then(|value| value.as_n().ok()?.parse().ok()).filter(|shards| *shards > 0);
        let (Some(identity), Some(shards)) = (text_of(&item, ID), shards) else {
            let message = format!("the item {LEDGER:?} of the table {} is no ledger's: {item:?}", ledger.table);
            return Err(unintelligible("open", message));
        };
        ledger.identity = LedgerId::new(identity);
        ledger.layout.shards = shards;
        ledger.known = Mutex::new(datasets_of(&item).collect());
        Ok(ledger)
    }

    /// Makes the ledger's own item, unless another process just did.
    async fn create(&self) -> Result<Item, LedgerError> {
        let mut item = own_key();
        item.insert(ID.to_owned(), text(self.identity.as_str()));
        item.insert(SHARDS.to_owned(), number(self.layout.shards));
        let made = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .send()
            .await;
        done("open", &self.table, made)?;
        let gone = || unintelligible("open", format!("the item {LEDGER:?} of the table {} vanished", self.table));
        self.item("open", own_key()).await?.ok_or_else(gone)
    }

    /// An item as it is now.
    async fn item(&self, operation: &'static str, key: Item) -> Result<Option<Item>, LedgerError> {
        let read = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true).send().await;
        Ok(read.map_err(|error| failed(operation, &self.table, error))?.item.filter(|item| !item.is_empty()))
    }

    /// All datasets that ever had an entry.
    async fn datasets(&self, operation: &'static str) -> Result<Vec<DatasetId>, LedgerError> {
        let item = self.item(operation, own_key()).await?.unwrap_or_default();
        Ok(datasets_of(&item).collect())
    }

    /// Makes sure that the table knows of a dataset before it has an entry: lists of all datasets go by it.
    async fn know(&self, dataset: &DatasetId) -> Result<(), LedgerError> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(dataset) {
            return Ok(());
        }
        let added = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(own_key()))
            .update_expression("ADD #datasets :dataset")
            .expression_attribute_names("#datasets", DATASETS)
            .expression_attribute_values(":dataset", AttributeValue::Ss(vec![dataset.as_str().to_owned()]))
            .send()
            .await;
        added.map_err(|error| failed("put", &self.table, error))?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(dataset.clone());
        Ok(())
    }
}

fn own_key() -> Item {
    key("", LEDGER)
}

fn datasets_of(item: &Item) -> impl Iterator<Item = DatasetId> {
    let names = item.get(DATASETS).and_then(|value| value.as_ss().ok());
    names.into_iter().flatten().map(DatasetId::new)
}

/// DynamoDB answers in milliseconds: it is given up on sooner, and asked again sooner, than services that wait. The
/// budget of retries is this ledger's own: where it is used up, calls fail at once, and the loops above come back later.
fn client(config: &SdkConfig, options: &DynamoOptions) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(options.max_attempts.max(1))
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let given = config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
    let timeouts = given
        .to_builder()
        .operation_attempt_timeout(options.attempt_timeout)
        .operation_timeout(options.call_timeout)
        .build();
    let config = Builder::from(config)
        .retry_config(retries)
        .retry_partition(RetryPartition::custom("ledger").build())
        .timeout_config(timeouts);
    Client::from_conf(config.build())
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        Ok(self.identity.clone())
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.get_entry(id).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        self.put_entry(entry).await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        self.list_entries(query).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        self.count_entries().await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        self.hold_lease(name, owner, now, until).await
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        self.drop_lease(name, owner).await
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        self.read_number(name).await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.raise_number(name, value).await
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.reset_number(name, value).await
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}
