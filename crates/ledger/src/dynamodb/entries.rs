//! Entries: read from their item, and stored by compare-and-set.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use lakehand_domain::entry::Entry;
use lakehand_domain::id::EntryId;
use lakehand_domain::port::ledger::{LedgerError, PutEntry};

use super::DynamoLedger;
use super::call::{failed, unintelligible};
use super::item::{Item, entry_of_pk, key, number};
use super::list::text_of;
use super::table::{BY, DOC, ENTRY, PK, REV};

/// Writes of this process, so that no two are called the same, whichever ledger they go through.
static WRITES: AtomicU64 = AtomicU64::new(0);

impl DynamoLedger {
    pub(super) async fn get_entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        let item = self.item("get", key(ENTRY, id.as_str())).await?;
        item.map(|item| self.entry("get", &item)).transpose()
    }

    /// Stores an entry over the revision before its own. The SDK repeats a call whose answer was lost, and then meets
    /// its own write; the write's name tells it from another's of the same revision, even where both say the same: of
    /// two that claim alike, one has the entry.
    pub(super) async fn put_entry(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        let unwritable = |why: String| unintelligible("put", format!("entry {}{why}", entry.id));
        let before = entry.revision.checked_sub(1);
        let before = before.ok_or_else(|| unwritable(" has revision 0: the first is 1".to_owned()))?;
        self.know(&entry.dataset).await?;
        let document = self.documents.write(entry).map_err(|error| unwritable(format!(": {error}")))?;
        let by = format!("{}{:x}", self.writer, WRITES.fetch_add(1, Ordering::Relaxed));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.layout.item(entry, document, &by)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = if before == 0 {
            put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK)
        } else {
            put.condition_expression("#rev = :before")
                .expression_attribute_names("#rev", REV)
                .expression_attribute_values(":before", number(before))
        };
        let there = match put.send().await {
            Ok(_) => return Ok(PutEntry::Stored),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => seen_by(refused),
                _ => return Err(failed("put", &self.table, error)),
            },
        };
        // Not every service shows what it compared with.
        let there = match there {
            Some(there) => Some(there),
            None => self.item("put", key(ENTRY, entry.id.as_str())).await?,
        };
        match there {
            Some(there) if text_of(&there, BY).as_ref() == Some(&by) => Ok(PutEntry::Stored),
            Some(there) => Ok(PutEntry::Mismatch(Some(Box::new(self.entry("put", &there)?)))),
            None => Ok(PutEntry::Mismatch(None)),
        }
    }

    /// The entry of an item.
    pub(super) fn entry(&self, operation: &'static str, item: &Item) -> Result<Entry, LedgerError> {
        let document = item.get(DOC).and_then(|value| value.as_b().ok());
        let read = document.map(|document| self.documents.read(document.as_ref()));
        match read {
            Some(Ok(entry)) => Ok(entry),
            other => {
                let pk = text_of(item, PK).unwrap_or_default();
                let why = other
                    .and_then(Result::err)
                    .map_or_else(|| "it has no document".to_owned(), |error| error.to_string());
                Err(unintelligible(operation, format!("entry {}: {why}", entry_of_pk(&pk).unwrap_or(&pk))))
            }
        }
    }
}

fn seen_by(error: &aws_sdk_dynamodb::operation::put_item::PutItemError) -> Option<Item> {
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    match error {
        PutItemError::ConditionalCheckFailedException(refused) => refused.item.clone().filter(|item| !item.is_empty()),
        _ => None,
    }
}
