//! **write**: parts become visible, the manifest follows them, and the ledger says written; or nothing becomes visible
//! but the rejects, and the ledger says set aside.

use std::collections::BTreeMap;

use bytes::Bytes;
use lakehand_dataset::transformer::{Transformed as Report, TransformedPart, Verdict};
use lakehand_domain::entry::{Entry, LoadSummary, Refusal, SetAsideKind, SetAsideReason, StateName};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::PutCondition;

use crate::change::{Changed, change_read};
use crate::claim::Claimed;
use crate::error::{Blame, Stage, StageError};
use crate::intake::Intake;
use crate::transform::{Made, Transformed};

mod sink;

pub use sink::LakeSink;

/// An entry whose outcome the ledger knows.
#[derive(Debug)]
pub struct Written {
    entry: Entry,
}

impl Written {
    /// The entry as it is stored: written, or set aside; or further, where a loader was fast.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// Makes the outcome of a transform durable. Everything before the ledger's change is harmless to repeat: the same
/// names get the same bytes.
pub async fn write(intake: &Intake<'_>, transformed: Transformed<'_>) -> Result<Written, StageError> {
    let (claimed, made, sink) = transformed.into_parts();
    claimed.enters(intake, Stage::Write);
    let outcome = match made {
        Made::Report(report) => match &report.verdict {
            Verdict::Accepted => match claimed.dataset().scopes(claimed.captures()) {
                Ok(scopes) => accepted(intake, claimed, &report, scopes, &sink).await,
                Err(unclear) => {
                    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: unclear.to_string() };
                    refused(intake, claimed, &report, &sink, reason).await
                }
            },
            Verdict::TooManyRejects { message } | Verdict::TooFewRecords { message } => {
                let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: message.clone() };
                refused(intake, claimed, &report, &sink, reason).await
            }
        },
        Made::Unreadable { message } => {
            sink.abort().await;
            let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message };
            set_aside(intake, claimed, reason, None).await
        }
    };
    // What was not completed is given up; after a success nothing is left.
    sink.abort().await;
    Ok(Written { entry: outcome? })
}

async fn accepted(
    intake: &Intake<'_>,
    claimed: &Claimed,
    report: &Report,
    scopes: BTreeMap<String, String>,
    sink: &LakeSink,
) -> Result<Entry, StageError> {
    let manifest = manifest(intake, claimed, report, scopes);
    let tables = report.tables.iter().flat_map(|table| &table.parts);
    let names: Vec<&str> = tables.chain(&report.quarantine).map(|part| part.name.as_str()).collect();
    sink.complete(&names, intake.settings.max_completions).await?;
    let uri = intake.ports.lake_root.manifest(&claimed.dataset().id, &claimed.entry().load_id);
    let bytes = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| StageError::new(Stage::Write, Blame::Infrastructure, error))?;
    let put = intake.ports.lake.put(&uri, Bytes::from(bytes), PutCondition::Always).await;
    put.map_err(|error| StageError::of(Stage::Write, error))?;
    let summary = LoadSummary::of(&manifest, uri);
    let now = intake.now();
    record(intake, claimed, |entry| entry.written(claimed.lease(), summary.clone(), now)).await
}

async fn refused(
    intake: &Intake<'_>,
    claimed: &Claimed,
    report: &Report,
    sink: &LakeSink,
    reason: SetAsideReason,
) -> Result<Entry, StageError> {
    let kept: Vec<&str> = report.quarantine.iter().map(|part| part.name.as_str()).collect();
    sink.complete(&kept, intake.settings.max_completions).await?;
    let summary = LoadSummary {
        manifest: None,
        records: report.records,
        rejects: report.rejects.clone(),
        rows: BTreeMap::new(),
        bytes: 0,
        parts: 0,
        quarantine: report.quarantine.as_ref().map(|part| place(intake, claimed, part)),
    };
    set_aside(intake, claimed, reason, Some(summary)).await
}

pub(crate) async fn set_aside(
    intake: &Intake<'_>,
    claimed: &Claimed,
    reason: SetAsideReason,
    summary: Option<LoadSummary>,
) -> Result<Entry, StageError> {
    let now = intake.now();
    record(intake, claimed, |entry| entry.set_aside(claimed.lease(), reason.clone(), summary.clone(), now)).await
}

/// Changes our entry. If it is past the claim already under our load, an answer of ours was lost and somebody went on.
async fn record(
    intake: &Intake<'_>,
    claimed: &Claimed,
    make: impl Fn(&Entry) -> Result<Entry, Refusal> + Send + Sync,
) -> Result<Entry, StageError> {
    let ours = claimed.entry();
    let changed = change_read(intake.ports.ledger.as_ref(), ours, |entry| make(entry).map(Some)).await;
    match changed.map_err(|error| StageError::of(Stage::Write, error))? {
        Changed::Stored(entry) | Changed::AlreadySo(entry) => Ok(*entry),
        Changed::Refused(_, entry) if past_claim(&entry, claimed) => Ok(*entry),
        Changed::Refused(..) | Changed::Missing => Err(StageError::lease_lost(Stage::Write)),
    }
}

/// Whether the entry went on from our very claim: no other claim was made since, and its load is ours.
pub(crate) fn past_claim(entry: &Entry, claimed: &Claimed) -> bool {
    let ours = claimed.entry();
    entry.load_id == ours.load_id && entry.token == ours.token && entry.state_name() != StateName::Claimed
}

fn manifest(intake: &Intake<'_>, claimed: &Claimed, report: &Report, scopes: BTreeMap<String, String>) -> Manifest {
    let entry = claimed.entry();
    let part = |part: &TransformedPart| Part {
        uri: place(intake, claimed, part),
        rows: part.rows,
        bytes: part.bytes,
        checksum: part.checksum.clone(),
        partition: part.partition.clone(),
    };
    Manifest {
        format: 1,
        load_id: entry.load_id.clone(),
        entry: entry.id.clone(),
        dataset: entry.dataset.clone(),
        object: entry.object.clone(),
        order: entry.object.order(),
        generation: entry.generation,
        fingerprint: entry.fingerprint.clone(),
        erasure_epoch: 0,
        records: report.records,
        rejects: report.rejects.clone(),
        tables: report
            .tables
            .iter()
            .map(|table| TableManifest {
                table: table.table.clone(),
                columns: table.columns.clone(),
                rows: table.rows,
                parts: table.parts.iter().map(part).collect(),
            })
            .collect(),
        quarantine: report.quarantine.as_ref().map(part),
        scopes,
    }
}

fn place(intake: &Intake<'_>, claimed: &Claimed, part: &TransformedPart) -> ObjectUri {
    intake.ports.lake_root.dataset(&claimed.dataset().id).join(&part.name)
}
