//! How many entries each dataset has in each state, without reading any of them.
//!
//! The index is counted by the service, which reads keys alone: about eighty to a read unit. Loaded entries are the many;
//! once a place holds more than a page of them (about ten thousand), what was counted is kept in the table with where the
//! counting ended, and only what came after is counted the next time. What has left since is still in it: so all is
//! counted again when a quarter has come on top, or when the oldest or the newest entry is a day away from those of that
//! time. The price for an entry is a few hundredths of a read unit in its whole life.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::stream::{self, StreamExt, TryStreamExt};
use lakehand_domain::entry::StateName;
use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::{LedgerError, StateCount};
use lakehand_domain::timestamp::Timestamp;

use super::DynamoLedger;
use super::call::failed;
use super::item::{Item, STATES, instant, instant_of, key, number, place, text};
use super::list::{LANES_AT_ONCE, text_of};
use super::table::{AT, BY_STATE, COUNTED, PLACE};

/// What was counted is wrong by what has left since: all is counted again when an end has moved so far.
const STALE: Duration = Duration::from_hours(24);

/// What is younger than this beside the newest may still get neighbours before it: clocks differ and indexes lag.
const UNSETTLED: Duration = Duration::from_mins(15);

/// What was counted of the loaded entries of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    entries: u64,
    /// Up to this position, inclusive.
    through: String,
    /// The ends at that time.
    oldest: Timestamp,
    newest: Timestamp,
}

/// One place and what it holds.
struct Tally {
    dataset: DatasetId,
    state: StateName,
    entries: u64,
    oldest: Timestamp,
    /// To be kept for the next time.
    counted: Option<(u16, Counted)>,
}

impl DynamoLedger {
    pub(super) async fn count_entries(&self) -> Result<Vec<StateCount>, LedgerError> {
        let datasets = self.datasets("counts").await?;
        let kept = stream::iter(datasets.into_iter().map(|dataset| async move {
            let kept = self.kept(&dataset).await?;
            Ok::<_, LedgerError>((dataset, kept))
        }));
        let kept: Vec<_> = kept.buffer_unordered(LANES_AT_ONCE).try_collect().await?;
        let mut places = Vec::new();
        for (dataset, kept) in &kept {
            for state in STATES {
                for shard in 0..self.layout.shards {
                    let kept = kept.get(&shard).filter(|_| state == StateName::Loaded).cloned();
                    places.push((dataset.clone(), state, shard, kept));
                }
            }
        }
        let tallies = stream::iter(
            places
                .into_iter()
                .map(|(dataset, state, shard, kept)| async move { self.tally(&dataset, state, shard, kept).await }),
        );
        let tallies: Vec<Option<Tally>> = tallies.buffer_unordered(LANES_AT_ONCE).try_collect().await?;
        let mut counts: BTreeMap<(DatasetId, StateName), (u64, Timestamp)> = BTreeMap::new();
        for tally in tallies.into_iter().flatten() {
            if let Some((shard, counted)) = tally.counted {
                self.keep(&tally.dataset, shard, &counted).await;
            }
            let (entries, oldest) = counts.entry((tally.dataset, tally.state)).or_insert((0, tally.oldest));
            *entries += tally.entries;
            *oldest = (*oldest).min(tally.oldest);
        }
        let count = |((dataset, state), (entries, oldest))| StateCount { dataset, state, entries, oldest };
        Ok(counts.into_iter().map(count).collect())
    }

    async fn tally(
        &self,
        dataset: &DatasetId,
        state: StateName,
        shard: u16,
        kept: Option<Counted>,
    ) -> Result<Option<Tally>, LedgerError> {
        let place = place(dataset, state, shard);
        let Some((oldest, more)) = self.end(&place, true).await? else { return Ok(None) };
        let tally = |entries, counted| Tally { dataset: dataset.clone(), state, entries, oldest, counted };
        if !more {
            return Ok(Some(tally(1, None)));
        }
        if let Some(kept) = kept {
            let newest = self.end(&place, false).await?.map_or(kept.newest, |(newest, _)| newest);
            if kept.stands(oldest, newest) {
                let beyond = self.count(&place, Some(&kept.through)).await?.entries;
                if beyond <= kept.entries / 4 {
                    return Ok(Some(tally(kept.entries + beyond, None)));
                }
            }
        }
        let counted = self.count(&place, None).await?;
        if state != StateName::Loaded || counted.pages.is_empty() {
            return Ok(Some(tally(counted.entries, None)));
        }
        let newest = self.end(&place, false).await?.map_or(oldest, |(newest, _)| newest);
        let kept = settled(&counted.pages, newest)
            .map(|(entries, through)| (shard, Counted { entries, through, oldest, newest }));
        Ok(Some(tally(counted.entries, kept)))
    }

    /// When the oldest, or the newest, entry of a place changed, and whether there is another; `None`: there is none.
    async fn end(&self, place: &str, oldest: bool) -> Result<Option<(Timestamp, bool)>, LedgerError> {
        let query = self.of_place(place, None).scan_index_forward(oldest).limit(2);
        let page = query.send().await.map_err(|error| failed("counts", &self.table, error))?;
        let items = page.items.unwrap_or_default();
        let first = items.first().and_then(|item| instant_of(&text_of(item, AT)?));
        Ok(first.map(|at| (at, items.len() > 1)))
    }

    async fn count(&self, place: &str, beyond: Option<&str>) -> Result<Pages, LedgerError> {
        let mut counted = Pages::default();
        let mut from: Option<Item> = None;
        loop {
            let query = self.of_place(place, beyond).select(Select::Count).set_exclusive_start_key(from);
            let page = query.send().await.map_err(|error| failed("counts", &self.table, error))?;
            counted.entries += u64::try_from(page.count).unwrap_or(0);
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            let Some(end) = &from else { return Ok(counted) };
            counted.pages.extend(text_of(end, AT).map(|at| (counted.entries, at)));
        }
    }

    fn of_place(&self, place: &str, beyond: Option<&str>) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_STATE)
            .expression_attribute_names("#place", PLACE)
            .expression_attribute_values(":place", text(place));
        match beyond {
            None => query.key_condition_expression("#place = :place"),
            Some(beyond) => query
                .key_condition_expression("#place = :place AND #at > :beyond")
                .expression_attribute_names("#at", AT)
                .expression_attribute_values(":beyond", text(beyond)),
        }
    }

    async fn kept(&self, dataset: &DatasetId) -> Result<HashMap<u16, Counted>, LedgerError> {
        let item = self.item("counts", key(COUNTED, dataset.as_str())).await?.unwrap_or_default();
        let counted = |(name, value): (&String, &AttributeValue)| Some((shard_of(name)?, Counted::read(value)?));
        Ok(item.iter().filter_map(counted).collect())
    }

    /// What cannot be kept now is counted again the next time.
    async fn keep(&self, dataset: &DatasetId, shard: u16, counted: &Counted) {
        let kept = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(COUNTED, dataset.as_str())))
            .update_expression("SET #shard = :counted")
            .expression_attribute_names("#shard", name_of(shard))
            .expression_attribute_values(":counted", counted.write())
            .send()
            .await;
        if let Err(error) = kept {
            let error = failed("counts", &self.table, error);
            tracing::debug!(dataset.id = %dataset, error = &error as &dyn std::error::Error, "what was counted is not kept");
        }
    }
}

/// What was counted of a place, and after how many entries each page but the last ended, and where.
#[derive(Debug, Default)]
struct Pages {
    entries: u64,
    pages: Vec<(u64, String)>,
}

/// The last end of a page before which nothing can come any more.
fn settled(pages: &[(u64, String)], newest: Timestamp) -> Option<(u64, String)> {
    let young = instant(newest.minus(UNSETTLED));
    pages.iter().rev().find(|(_, through)| *through < young).cloned()
}

impl Counted {
    /// Whether so little can have left since that it may still be counted.
    fn stands(&self, oldest: Timestamp, newest: Timestamp) -> bool {
        let near = |one: Timestamp, other: Timestamp| one.since(other).max(other.since(one)) < STALE;
        near(oldest, self.oldest) && near(newest, self.newest) && instant(oldest) <= self.through
    }

    fn write(&self) -> AttributeValue {
        AttributeValue::M(HashMap::from([
            ("entries".to_owned(), number(self.entries)),
            ("through".to_owned(), text(&self.through)),
            ("oldest".to_owned(), number(self.oldest.micros())),
            ("newest".to_owned(), number(self.newest.micros())),
        ]))
    }

    fn read(value: &AttributeValue) -> Option<Self> {
        let map = value.as_m().ok()?;
        let micros = |name: &str| map.get(name)?.as_n().ok()?.parse().ok().map(Timestamp::from_micros);
        Some(Self {
            entries: map.get("entries")?.as_n().ok()?.parse().ok()?,
            through: map.get("through")?.as_s().ok()?.clone(),
            oldest: micros("oldest")?,
            newest: micros("newest")?,
        })
    }
}

fn name_of(shard: u16) -> String {
    format!("loaded_{shard}")
}

fn shard_of(name: &str) -> Option<u16> {
    name.strip_prefix("loaded_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hours: i64) -> Timestamp {
        Timestamp::from_micros(hours * 3_600_000_000)
    }

    #[test]
    fn a_count_stands_until_an_end_has_moved_by_a_day() {
        let counted = Counted { entries: 9, through: instant(hour(90)), oldest: hour(10), newest: hour(100) };
        assert!(counted.stands(hour(10), hour(100)) && counted.stands(hour(33), hour(123)));
        assert!(!counted.stands(hour(34), hour(100)), "the oldest went");
        assert!(!counted.stands(hour(10), hour(124)), "much may have been replayed in a day");
        assert!(!counted.stands(hour(10), hour(76)), "the newest went");
        let short = Counted { through: instant(hour(12)), ..counted.clone() };
        assert!(!short.stands(hour(13), hour(100)), "all that was counted is gone");
        assert_eq!(Counted::read(&counted.write()), Some(counted));
    }

    #[test]
    fn only_what_has_settled_is_kept() {
        let page = |entries, minutes: i64| (entries, instant(Timestamp::from_micros(minutes * 60_000_000)) + "id");
        let pages = [page(10, 0), page(20, 40), page(30, 46)];
        let newest = hour(1);
        assert_eq!(settled(&pages, newest).map(|(entries, _)| entries), Some(20));
        assert_eq!(settled(&pages[2..], newest), None);
    }
}
