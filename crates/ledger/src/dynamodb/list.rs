//! Lists of entries: positions from an index, documents from their items.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::stream::{self, StreamExt, TryStreamExt};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::Effect;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, LedgerError};

use super::DynamoLedger;
use super::call::failed;
use super::item::{Item, entry_of_pk, key, object_key, position, text};
use super::merge::{Merge, Next, Rest};
use super::query::{Lanes, Plan, Wanted, token};
use super::table::{AT, BY_OBJECT, DOC, ENTRY, OBJECT, PK};

/// Partitions that are read at the same time.
pub(super) const LANES_AT_ONCE: usize = 16;

/// Items in one BatchGetItem: the service takes no more.
const ITEMS_A_CALL: usize = 100;

/// Calls for items at the same time.
const CALLS_AT_ONCE: usize = 4;

/// The pause before what was not given is asked for again.
const UNPROCESSED: Backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(2) };

/// So many calls are made for the items of one, some ten seconds together.
const CALLS_FOR_ALL: u32 = 10;

/// Where a partition is to be read on.
type From = Item;

impl DynamoLedger {
    pub(super) async fn list_entries(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        let wanted = Wanted::of(query)?;
        let datasets = if wanted.needs_datasets() { self.datasets("list").await? } else { Vec::new() };
        match wanted.plan(self.layout.shards, &datasets) {
            Plan::Nothing => Ok(EntryPage::default()),
            Plan::Object(object) => self.list_object(&wanted, &object).await,
            Plan::Lanes(lanes) => self.list_lanes(&wanted, &lanes).await,
        }
    }

    async fn list_lanes(&self, wanted: &Wanted<'_>, lanes: &Lanes) -> Result<EntryPage, LedgerError> {
        let mut merge = Merge::new(lanes.values.len(), wanted.newest_first(), wanted.after.clone());
        // Whether there is another page is told by one position more than fits; where the index shows what does not
        // match, by one entry more.
        let target = wanted.limit + usize::from(wanted.is_narrower_than_its_lanes());
        let mut entries = Vec::new();
        loop {
            let room = target - entries.len();
            let mut positions = Vec::with_capacity(room);
            let more = loop {
                match merge.next() {
                    Next::Read(which) => self.read_lanes(&mut merge, lanes, which, wanted, room).await?,
                    Next::Take { lane } if positions.len() < room => positions.extend(merge.take(lane)),
                    Next::Take { .. } => break true,
                    Next::End => break false,
                }
            };
            let last = positions.last().cloned();
            entries.extend(self.entries_at(wanted, positions).await?);
            // What has moved on since the index was written is found where it is now; the page goes on without it.
            if more && entries.len() < target {
                continue;
            }
            let next = if entries.len() > wanted.limit {
                entries.truncate(wanted.limit);
                entries.last().map(|last| position(last.updated, &last.id))
            } else {
                last.filter(|_| more)
            };
            return Ok(EntryPage { entries, next: next.map(token) });
        }
    }

    async fn read_lanes(
        &self,
        merge: &mut Merge<From>,
        lanes: &Lanes,
        which: Vec<(usize, Rest<From>)>,
        wanted: &Wanted<'_>,
        room: usize,
    ) -> Result<(), LedgerError> {
        // A fair share of what is wanted and a little more; where entries lie unevenly, a lane is read again.
        let share = ((room + 1) * 5 / 4).div_ceil(lanes.values.len().max(1)) + 4;
        let limit = i32::try_from(share.min(room + 1)).unwrap_or(i32::MAX);
        let reads = stream::iter(which.into_iter().map(|(lane, rest)| async move {
            let from = if let Rest::From(from) = rest { Some(from) } else { None };
            self.read_lane(lanes, lane, from, wanted.newest_first(), limit).await.map(|page| (lane, page))
        }));
        let mut reads = reads.buffer_unordered(LANES_AT_ONCE);
        while let Some((lane, (page, rest))) = reads.try_next().await? {
            merge.feed(lane, page, rest);
        }
        Ok(())
    }

    async fn read_lane(
        &self,
        lanes: &Lanes,
        lane: usize,
        from: Option<From>,
        newest_first: bool,
        limit: i32,
    ) -> Result<(Vec<String>, Rest<From>), LedgerError> {
        let (low, high) = &lanes.between;
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(lanes.index)
            .key_condition_expression("#partition = :partition AND #at BETWEEN :low AND :high")
            .expression_attribute_names("#partition", lanes.partition)
            .expression_attribute_names("#at", AT)
            .expression_attribute_values(":partition", text(&lanes.values[lane]))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(high))
            .scan_index_forward(!newest_first)
            .limit(limit)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| failed("list", &self.table, error))?;
        let positions = page.items.unwrap_or_default().iter().filter_map(|item| text_of(item, AT)).collect();
        let rest = page.last_evaluated_key.filter(|key| !key.is_empty()).map_or(Rest::Nothing, Rest::From);
        Ok((positions, rest))
    }

    /// The entries at these positions that are still there, in this order.
    async fn entries_at(&self, wanted: &Wanted<'_>, positions: Vec<String>) -> Result<Vec<Entry>, LedgerError> {
        let names = positions.iter().filter_map(|position| position.get(16..)).map(str::to_owned).collect();
        let mut found = HashMap::new();
        for entry in self.read_entries(names).await? {
            found.insert(position(entry.updated, &entry.id), entry);
        }
        let entries = positions.iter().filter_map(|position| found.remove(position));
        Ok(entries.filter(|entry| wanted.matches(entry)).collect())
    }

    /// All versions of an object are looked at for every page; only a page of them is kept.
    async fn list_object(&self, wanted: &Wanted<'_>, object: &ObjectUri) -> Result<EntryPage, LedgerError> {
        let mut page = BTreeMap::new();
        let mut from = None;
        loop {
            let read = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(BY_OBJECT)
                .key_condition_expression("#object = :object")
                .expression_attribute_names("#object", OBJECT)
                .expression_attribute_values(":object", text(object_key(object)))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| failed("list", &self.table, error))?;
            let items = read.items.unwrap_or_default();
            let names: Vec<String> =
                items.iter().filter_map(|item| entry_of_pk(&text_of(item, PK)?).map(str::to_owned)).collect();
            for some in names.chunks(ITEMS_A_CALL * CALLS_AT_ONCE) {
                for entry in self.read_entries(some.to_vec()).await? {
                    if wanted.matches(&entry) {
                        page.insert(position(entry.updated, &entry.id), entry);
                    }
                }
                while page.len() > wanted.limit + 1 {
                    let beyond = if wanted.newest_first() { page.pop_first() } else { page.pop_last() };
                    drop(beyond);
                }
            }
            from = read.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        let mut found: Vec<(String, Entry)> = page.into_iter().collect();
        if wanted.newest_first() {
            found.reverse();
        }
        let more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        let next = found.last().filter(|_| more).map(|(position, _)| token(position.clone()));
        Ok(EntryPage { entries: found.into_iter().map(|(_, entry)| entry).collect(), next })
    }

    /// Reads entries as they are now, in no order; those that are gone are left out. One that moved while an index was
    /// read is named where it was and where it is, and the service takes no call that names an item twice.
    async fn read_entries(&self, mut names: Vec<String>) -> Result<Vec<Entry>, LedgerError> {
        names.sort_unstable();
        names.dedup();
        let calls = names.chunks(ITEMS_A_CALL).map(<[String]>::to_vec).collect::<Vec<_>>();
        let calls = stream::iter(calls.into_iter().map(|names| self.read_batch(names)));
        calls.buffered(CALLS_AT_ONCE).try_concat().await
    }

    async fn read_batch(&self, names: Vec<String>) -> Result<Vec<Entry>, LedgerError> {
        let keys = names.iter().map(|name| key(ENTRY, name)).collect();
        let items = all_items(self.clock.as_ref(), &self.table, keys, |keys| self.some_items(keys)).await?;
        items.iter().map(|item| self.entry("list", item)).collect()
    }

    /// Asks for items once; gives those that came, and the keys of those that did not.
    async fn some_items(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), LedgerError> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .projection_expression("#pk, #doc")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#doc", DOC)
            .build();
        // Unwrap safety: the only field that must be set is set.
        let wanted = wanted.expect("keys are given");
        let read = self.client.batch_get_item().request_items(&self.table, wanted).send().await;
        let read = read.map_err(|error| failed("list", &self.table, error))?;
        let items = read.responses.into_iter().flatten().flat_map(|(_, items)| items).collect();
        let left = read.unprocessed_keys.into_iter().flatten().flat_map(|(_, left)| left.keys).collect();
        Ok((items, left))
    }
}

/// Asks for items until all are there. A call gives back what would be more than 16 MB, or than the table may read just now
/// (`BatchGetItem`); for these the service wants a growing pause before each call. A table that after many of them still
/// does not give all is unavailable.
async fn all_items<F>(
    clock: &dyn Clock,
    table: &str,
    mut keys: Vec<Item>,
    mut ask: impl FnMut(Vec<Item>) -> F,
) -> Result<Vec<Item>, LedgerError>
where
    F: Future<Output = Result<(Vec<Item>, Vec<Item>), LedgerError>>,
{
    let (mut items, mut calls) = (Vec::with_capacity(keys.len()), 0);
    while !keys.is_empty() {
        if calls > 0 {
            clock.sleep(UNPROCESSED.delay(calls, table)).await;
        }
        calls += 1;
        let asked = keys.len();
        let (given, left) = ask(keys).await?;
        items.extend(given);
        keys = left;
        if keys.len() == asked || (calls == CALLS_FOR_ALL && !keys.is_empty()) {
            let message =
                format!("the table is throttled: {} items were asked for {calls} times and not given", keys.len());
            let source = message.into();
            return Err(LedgerError::Unavailable { operation: "list", effect: Effect::NotApplied, source });
        }
    }
    Ok(items)
}

/// A string of an item.
pub(super) fn text_of(item: &Item, name: &str) -> Option<String> {
    match item.get(name) {
        Some(AttributeValue::S(value)) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use lakehand_domain::timestamp::Timestamp;
    use lakehand_testkit::manual_clock::ManualClock;

    use super::*;

    fn keys(count: usize) -> Vec<Item> {
        (0..count).map(|number| key(ENTRY, &number.to_string())).collect()
    }

    #[tokio::test]
    async fn what_a_throttled_table_gives_little_by_little_is_asked_for_after_growing_pauses() {
        let clock = ManualClock::hurrying(Timestamp::default());
        let mut asked = Vec::new();
        let items = all_items(&clock, "t", keys(8), |mut keys: Vec<Item>| {
            asked.push(clock.now());
            let left = keys.split_off(2);
            ready(Ok((keys, left)))
        });
        assert_eq!(items.await.unwrap().len(), 8);
        let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        let least = [25, 50, 100].map(Duration::from_millis);
        assert_eq!(pauses.len(), least.len());
        assert!(pauses.iter().zip(least).all(|(pause, least)| *pause >= least), "{pauses:?}");
    }

    #[tokio::test]
    async fn a_table_that_gives_too_little_is_unavailable_after_some_calls() {
        let clock = ManualClock::hurrying(Timestamp::default());
        for (gives, calls) in [(0, 1), (1, CALLS_FOR_ALL)] {
            let mut asked = 0;
            let items = all_items(&clock, "t", keys(100), |mut keys: Vec<Item>| {
                asked += 1;
                let left = keys.split_off(gives);
                ready(Ok((keys, left)))
            });
            let error = items.await.unwrap_err();
            assert!(
                matches!(error, LedgerError::Unavailable { effect: Effect::NotApplied, .. }),
                "{gives} at a time: {error:?}"
            );
            assert_eq!(asked, calls);
        }
    }
}
