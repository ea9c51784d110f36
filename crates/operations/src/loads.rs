//! What became of files, the newest first.

use std::collections::BTreeMap;

use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::{DatasetId, EntryId, Generation, LoadId};
use lakehand_domain::object::{ObjectUri, ObjectVersion};
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError};
use lakehand_domain::timestamp::Timestamp;
use serde::Serialize;

/// Which loads are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadsQuery {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// In this state.
    pub state: Option<StateName>,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Loads {
    /// The newest change first.
    pub loads: Vec<Load>,
    /// Whether there are more than were asked for.
    pub more: bool,
    /// How many entries each dataset has in each state, whatever was asked for but the dataset.
    pub totals: Vec<Total>,
}

/// One entry: one version of one object in one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Load {
    /// The object.
    pub object: ObjectUri,
    /// Which content of it.
    pub version: ObjectVersion,
    /// The dataset.
    pub dataset: DatasetId,
    /// What became of it.
    pub state: StateName,
    /// How many times it was begun.
    pub generation: Generation,
    /// Failures of its own.
    pub attempts: u32,
    /// Bytes of the object.
    pub size: u64,
    /// Records read, where it was read to its end.
    pub records: Option<u64>,
    /// Rejected records, where it was read to its end.
    pub rejects: Option<u64>,
    /// Rows by table, where it was read to its end.
    pub rows: BTreeMap<String, u64>,
    /// Bytes of Parquet.
    pub bytes: Option<u64>,
    /// When it was first claimed.
    pub first_seen: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Why it was set aside, or what went wrong last.
    pub reason: Option<String>,
    /// The word for why it was set aside.
    pub reason_kind: Option<&'static str>,
    /// The entry's name.
    pub entry: EntryId,
    /// The load's name.
    pub load: LoadId,
}

/// How many entries of a dataset are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The dataset.
    pub dataset: DatasetId,
    /// The state.
    pub state: StateName,
    /// How many.
    pub entries: u64,
}

/// The most entries asked of a ledger at once.
const PAGE: usize = 500;

/// Lists what became of files.
pub async fn loads(ledger: &dyn Ledger, query: &LoadsQuery) -> Result<Loads, LedgerError> {
    let mut wanted = EntryQuery {
        dataset: query.dataset.clone(),
        state: query.state,
        since: query.since,
        newest_first: true,
        ..EntryQuery::default()
    };
    let mut loads = Vec::new();
    let mut more = false;
    while loads.len() < query.limit {
        wanted.limit = (query.limit - loads.len()).min(PAGE);
        let page = ledger.list(&wanted).await?;
        loads.extend(page.entries.iter().map(Load::of));
        more = page.next.is_some();
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    let counts = ledger.counts().await?;
    let totals = counts
        .into_iter()
        .filter(|count| query.dataset.as_ref().is_none_or(|dataset| *dataset == count.dataset))
        .map(|count| Total { dataset: count.dataset, state: count.state, entries: count.entries })
        .collect();
    Ok(Loads { loads, more, totals })
}

impl Load {
    /// What an entry says of its load.
    pub fn of(entry: &Entry) -> Self {
        let summary = entry.summary();
        let set_aside = match &entry.state {
            EntryState::SetAside { reason, .. } => Some(reason),
            _ => None,
        };
        Self {
            object: entry.object.uri.clone(),
            version: entry.object.version.clone(),
            dataset: entry.dataset.clone(),
            state: entry.state_name(),
            generation: entry.generation,
            attempts: entry.attempts,
            size: entry.object.size,
            records: summary.map(|summary| summary.records),
            rejects: summary.map(|summary| summary.rejects.total()),
            rows: summary.map(|summary| summary.rows.clone()).unwrap_or_default(),
            bytes: summary.map(|summary| summary.bytes),
            first_seen: entry.first_seen,
            updated: entry.updated,
            reason: set_aside.map(|reason| reason.message.clone()).or_else(|| entry.last_error.clone()),
            reason_kind: set_aside.map(|reason| reason.kind.as_str()),
            entry: entry.id.clone(),
            load: entry.load_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lakehand_domain::entry::{SetAsideKind, SetAsideReason};
    use lakehand_domain::id::{FencingToken, Fingerprint};
    use lakehand_domain::object::ObjectStat;

    use super::*;
    use crate::fake::FakeLedger;

    fn entry(dataset: &str, second: i64, state: EntryState) -> Entry {
        let at = Timestamp::from_micros(second * 1_000_000);
        let object = ObjectStat {
            uri: ObjectUri::parse(&format!("s3://b/{dataset}/{second}")).unwrap(),
            version: ObjectVersion::of(None, None, 1, at),
            version_id: None,
            etag: None,
            size: 1,
            last_modified: at,
        };
        let dataset = DatasetId::new(dataset);
        let id = EntryId::of(&dataset, &object.uri, &object.version);
        Entry {
            load_id: LoadId::of(&id, Generation(1), &Fingerprint::new("f")),
            id,
            dataset,
            object,
            generation: Generation(1),
            fingerprint: Fingerprint::new("f"),
            state,
            token: FencingToken(1),
            attempts: 0,
            lapses: 0,
            last_error: Some("the disk".to_owned()),
            live: None,
            asked_by: None,
            unloaded: None,
            first_seen: at,
            updated: at,
            revision: 1,
        }
    }

    #[tokio::test]
    async fn the_newest_come_first_up_to_the_limit_and_totals_count_all() {
        let at = Timestamp::default();
        let claimed = || EntryState::Claimed { lease: None, retry_at: None };
        let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "cut off".to_owned() };
        let set_aside = EntryState::SetAside { at, reason, told: false, summary: None };
        let ledger = FakeLedger {
            entries: vec![
                entry("a", 1, claimed()),
                entry("a", 3, set_aside),
                entry("b", 2, claimed()),
                entry("a", 4, claimed()),
            ],
            page: 1,
            numbers: Vec::new(),
        };
        let query = LoadsQuery { dataset: None, state: None, since: None, limit: 3 };
        let all = loads(&ledger, &query).await.unwrap();
        let seconds: Vec<i64> = all.loads.iter().map(|load| load.updated.micros() / 1_000_000).collect();
        assert_eq!((seconds, all.more), (vec![4, 3, 2], true));
        assert_eq!(all.loads[1].reason.as_deref(), Some("cut off"));
        assert_eq!(all.loads[1].reason_kind, Some("unreadable"));
        assert_eq!(all.loads[0].reason.as_deref(), Some("the disk"));
        assert_eq!(all.totals.iter().map(|total| total.entries).sum::<u64>(), 4);

        let query = LoadsQuery {
            dataset: Some(DatasetId::new("a")),
            state: Some(StateName::Claimed),
            since: Some(Timestamp::from_micros(2_000_000)),
            limit: 100,
        };
        let some = loads(&ledger, &query).await.unwrap();
        assert_eq!((some.loads.len(), some.more), (1, false));
        assert_eq!(some.totals.iter().map(|total| total.entries).sum::<u64>(), 3);
    }
}
