//! Rejected records: counted by rule as the ledger knows them, and one by one as quarantine keeps them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use futures::TryStreamExt;
use lakehand_domain::entry::Entry;
use lakehand_domain::id::DatasetId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{Ledger, LedgerError};
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, StoreError};
use lakehand_domain::reject::Reject;
use serde::Serialize;

use crate::select::{Selected, Selection};

/// A compressed quarantine larger than this is not read into memory.
const LARGEST: u64 = 512 << 20;

/// How many records broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectGroup {
    /// The dataset.
    pub dataset: DatasetId,
    /// The rule, and the column where one is at fault.
    pub rule: String,
    /// How many records.
    pub records: u64,
    /// In how many files.
    pub files: u64,
    /// One of those files.
    pub example: ObjectUri,
}

/// One rejected record and the object it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRecord {
    /// The object.
    pub object: ObjectUri,
    /// The dataset.
    pub dataset: DatasetId,
    /// Why and what.
    #[serde(flatten)]
    pub reject: Reject,
}

/// Why rejects could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum RejectsError {
    /// The ledger could not be asked.
    #[error("ask the ledger which files have rejects")]
    Ledger(#[from] LedgerError),
    /// A quarantine could not be read.
    #[error("read quarantine {uri}")]
    Store {
        /// Which.
        uri: ObjectUri,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A quarantine is not what lakehand writes.
    #[error("quarantine {uri} cannot be read: {message}")]
    Unreadable {
        /// Which.
        uri: ObjectUri,
        /// Why.
        message: String,
    },
}

/// Counts rejects by dataset and rule, the most first. Reads nothing but the ledger.
pub async fn groups(ledger: &dyn Ledger, selection: &Selection) -> Result<Vec<RejectGroup>, RejectsError> {
    let selection = Selection { with_rejects: true, ..selection.clone() };
    let mut groups: BTreeMap<(DatasetId, String), RejectGroup> = BTreeMap::new();
    let mut selected = Selected::new(ledger, &selection);
    while let Some(entries) = selected.next().await? {
        for entry in entries {
            let Some(summary) = entry.summary() else { continue };
            for (rule, records) in summary.rejects.iter() {
                let group = groups.entry((entry.dataset.clone(), rule.to_owned())).or_insert_with(|| RejectGroup {
                    dataset: entry.dataset.clone(),
                    rule: rule.to_owned(),
                    records: 0,
                    files: 0,
                    example: entry.object.uri.clone(),
                });
                group.records += records;
                group.files += 1;
            }
        }
    }
    let mut groups: Vec<RejectGroup> = groups.into_values().collect();
    groups.sort_by(|one, other| other.records.cmp(&one.records).then_with(|| one.rule.cmp(&other.rule)));
    Ok(groups)
}

/// Gives each rejected record to `take`, file by file, until it says that it has enough by `false`.
pub async fn records(
    ledger: &dyn Ledger,
    lake: &dyn ObjectStore,
    selection: &Selection,
    mut take: impl FnMut(RejectedRecord) -> bool + Send,
) -> Result<(), RejectsError> {
    let selection = Selection { with_rejects: true, ..selection.clone() };
    let mut selected = Selected::new(ledger, &selection);
    while let Some(entries) = selected.next().await? {
        for entry in entries {
            let Some(uri) = entry.summary().and_then(|summary| summary.quarantine.clone()) else { continue };
            if !one_file(lake, &entry, &uri, &mut take).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn one_file(
    lake: &dyn ObjectStore,
    entry: &Entry,
    uri: &ObjectUri,
    take: &mut (impl FnMut(RejectedRecord) -> bool + Send),
) -> Result<bool, RejectsError> {
    let failed = |source| RejectsError::Store { uri: uri.clone(), source };
    let unreadable = |message: String| RejectsError::Unreadable { uri: uri.clone(), message };
    let stat = lake.stat(uri).await.map_err(failed)?;
    if stat.size > LARGEST {
        let message = format!("it has {} bytes, more than the {LARGEST} that are read into memory", stat.size);
        return Err(unreadable(message));
    }
    let bytes: Box<dyn Read + Send> = match lake.open(&stat, None).await.map_err(failed)? {
        ObjectBody::File { mut file, .. } => {
            file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(error.to_string()))?;
            Box::new(file)
        }
        ObjectBody::Stream(chunks) => {
            let chunks: Vec<_> = chunks.try_collect().await.map_err(failed)?;
            Box::new(std::io::Cursor::new(chunks.concat()))
        }
    };
    let decoder = zstd::stream::read::Decoder::new(bytes).map_err(|error| unreadable(error.to_string()))?;
    for line in BufReader::new(decoder).lines() {
        let line = line.map_err(|error| unreadable(error.to_string()))?;
        let reject: Reject = serde_json::from_str(&line).map_err(|error| unreadable(error.to_string()))?;
        let record = RejectedRecord { object: entry.object.uri.clone(), dataset: entry.dataset.clone(), reject };
        if !take(record) {
            return Ok(false);
        }
    }
    Ok(true)
}
