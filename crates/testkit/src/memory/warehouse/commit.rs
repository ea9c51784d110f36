//! The two transactions of the protocol: taking the fence, and one batch. What a batch's transaction does is data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lakehand_domain::id::{FamilyId, LedgerId, Nonce};
use lakehand_domain::port::warehouse::{CommitOutcome, TakeOutcome, WarehouseError};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Marker, StagedLoad};

use super::contest::stand;
use super::state::{FenceRow, Kept, Row, view_name};
use super::transaction::{Object, Transaction, Write};
use super::{Engine, conflict};

/// A statement of a batch's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Write the fence row, where it is ours.
    WriteFence,
    /// Fail unless all checks hold.
    Guard,
    /// Remove the rows of older generations of the listed loads' entries.
    Remove,
    /// Add the staged rows of the listed loads.
    Add,
    /// Write the markers, each in the place of the one before.
    Mark,
    /// Decide how rows stand.
    Stand,
    /// End the transaction.
    End,
}

/// The protocol of a batch. Mutants of the simulation alter it.
const BATCH: &[Step] = &[Step::WriteFence, Step::Guard, Step::Remove, Step::Add, Step::Mark, Step::Stand, Step::End];

/// What the guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// The fence row is exactly ours.
    Fence,
    /// Definition, tables and manifests are of one fingerprint, which is in force.
    Definition,
    /// No erasure has come since.
    Epoch,
    /// Each entry is listed once, and no marker of one is as high as its load.
    Markers,
    /// The staged rows of each load are as many as its manifest says.
    Staged,
}

/// All of the guard. Mutants of the simulation alter it.
const GUARD: &[Check] = &[Check::Fence, Check::Definition, Check::Epoch, Check::Markers, Check::Staged];

pub(super) async fn take(
    engine: &Arc<Engine>,
    family: &FamilyId,
    owner: &Nonce,
    ledger: &LedgerId,
) -> Result<TakeOutcome, WarehouseError> {
    let mut transaction = Transaction::begin(engine, family)?;
    transaction.statement(&[Object::Fence]).await?;
    let row = transaction.view.fence.clone();
    if let Some(other) = row.ledger.as_ref().filter(|other| *other != ledger) {
        return Ok(TakeOutcome::OtherLedger { ledger: other.clone() });
    }
    let row = FenceRow { token: row.token + 1, owner: Some(owner.clone()), ledger: Some(ledger.clone()), ..row };
    transaction.write(Write::Fence(row));
    let fence = transaction.view.as_fence(family);
    transaction.end().await?;
    Ok(TakeOutcome::Taken(fence))
}

pub(super) async fn commit(
    engine: &Arc<Engine>,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Result<CommitOutcome, WarehouseError> {
    let mut transaction = Transaction::begin(engine, &shape.family)?;
    let mut batches = 0;
    for step in BATCH {
        match step {
            Step::WriteFence => {
                transaction.statement(&[Object::Fence]).await?;
                if transaction.view.is_held(&request.fence) {
                    let row = transaction.view.fence.clone();
                    transaction.write(Write::Fence(FenceRow { batches: row.batches + 1, ..row }));
                }
                batches = transaction.view.fence.batches;
            }
            Step::Guard => {
                transaction.statement(&[]).await?;
                let refused = GUARD.iter().find_map(|check| refusal(*check, engine, &transaction, shape, request));
                if let Some(outcome) = refused {
                    return Ok(outcome);
                }
            }
            Step::Remove => {
                transaction.statement(&[Object::Rows]).await?;
                remove(&mut transaction, request);
            }
            Step::Add => {
                transaction.statement(&[Object::Rows]).await?;
                add(engine, &mut transaction, shape, request)?;
            }
            Step::Mark => {
                transaction.statement(&[Object::Markers]).await?;
                mark(&mut transaction, request);
            }
            Step::Stand => {
                transaction.statement(&[Object::Rows]).await?;
                for (id, standing) in stand(&transaction.view) {
                    transaction.write(Write::Stand(id, standing));
                }
            }
            Step::End => transaction.end().await?,
        }
    }
    Ok(CommitOutcome::Committed { batches })
}

/// Why a check refuses the batch, if it does.
fn refusal(
    check: Check,
    engine: &Engine,
    transaction: &Transaction,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Option<CommitOutcome> {
    let view = &transaction.view;
    let message = match check {
        Check::Fence if request.fence.family != shape.family => Some("the fence is another family's".to_owned()),
        Check::Fence if !view.is_held(&request.fence) => return Some(CommitOutcome::FenceLost),
        Check::Fence => None,
        Check::Definition => definition_amiss(transaction, shape, request),
        Check::Epoch => {
            let of_before = request.loads.iter().find(|load| load.manifest.erasure_epoch != view.fence.erasure_epoch);
            of_before.map(|load| format!("load {} is of another erasure epoch", load.manifest.load_id))
        }
        Check::Markers => markers_amiss(transaction, request),
        Check::Staged => staged_amiss(engine, shape, request),
    };
    message.map(|message| CommitOutcome::Refused { message })
}

fn definition_amiss(transaction: &Transaction, shape: &FamilyShape, request: &CommitRequest) -> Option<String> {
    let definition = &request.definition;
    if !transaction.view.fence.in_force.contains(definition) || !shape.definitions.contains(definition) {
        return Some(format!("definition {} of {} is not in force", definition.fingerprint, definition.dataset));
    }
    let mut tables = shape.tables.iter().filter(|table| table.dataset == definition.dataset);
    let other = |table: &&_| transaction.view.tables.get(&view_name(table)).map(|table| &table.shape) != Some(*table);
    if let Some(table) = tables.find(other) {
        return Some(format!("table {} is not what the definition in force says", table.name));
    }
    let mut of_dataset = shape.tables.iter().filter(|table| table.dataset == definition.dataset);
    let unsaid = of_dataset.any(|table| {
        let must = table.contest.must_be_said();
        request.loads.iter().any(|load| must.iter().any(|name| !load.manifest.scopes.contains_key(name)))
    });
    if unsaid {
        return Some("a load does not say of which scope it speaks".to_owned());
    }
    request.loads.iter().find_map(|load| load.foreign(definition, &transaction.view.fence.in_force))
}

fn markers_amiss(transaction: &Transaction, request: &CommitRequest) -> Option<String> {
    let mut entries = BTreeSet::new();
    request.loads.iter().find_map(|load| {
        let entry = &load.manifest.entry;
        if !entries.insert(entry) {
            return Some(format!("entry {entry} is listed twice"));
        }
        let markers = transaction.view.marker_of(entry);
        let higher = markers.iter().find(|(_, marker)| marker.generation >= load.manifest.generation);
        higher.map(|(_, marker)| format!("entry {entry} has generation {} here already", marker.generation))
    })
}

fn staged_amiss(engine: &Engine, shape: &FamilyShape, request: &CommitRequest) -> Option<String> {
    let state = engine.state();
    request.loads.iter().find_map(|load| {
        let Some(staged) = state.staged.get(&load.staging).filter(|staged| staged.family == shape.family) else {
            return Some(format!("staging {} is not there", load.staging));
        };
        let count = |name: &str| {
            let rows = staged.rows.get(name).map_or(&[][..], Vec::as_slice);
            rows.iter().filter(|row| row.load == load.manifest.load_id).count() as u64
        };
        let of_dataset = shape.tables.iter().filter(|table| table.dataset == load.manifest.dataset);
        let names: BTreeMap<&str, String> = of_dataset.map(|table| (table.name.as_str(), view_name(table))).collect();
        let amiss = load.manifest.tables.iter().find(|table| match names.get(table.table.as_str()) {
            Some(name) => count(name) != table.rows,
            None => table.rows > 0,
        });
        amiss.map(|table| format!("load {} has other rows staged for {}", load.manifest.load_id, table.table))
    })
}

fn remove(transaction: &mut Transaction, request: &CommitRequest) {
    let entries: BTreeSet<_> = request.loads.iter().map(|load| &load.manifest.entry).collect();
    let replaced: BTreeSet<_> =
        transaction.view.markers().filter(|m| entries.contains(&m.entry)).map(|m| m.load_id.clone()).collect();
    let rows = transaction.view.rows.iter().filter(|(_, kept)| replaced.contains(&kept.row.load));
    let rows: Vec<u64> = rows.map(|(id, _)| *id).collect();
    for id in rows {
        transaction.write(Write::Delete(id));
    }
}

/// Where somebody has dropped a staging table since the guard has counted its rows, the transaction fails: a warehouse makes
/// whoever drops it wait, or fails as this.
fn add(
    engine: &Engine,
    transaction: &mut Transaction,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Result<(), WarehouseError> {
    if request.loads.iter().any(|load| !engine.state().staged.contains_key(&load.staging)) {
        return Err(conflict("a staging table was dropped after the snapshot was taken"));
    }
    let staged_rows = |load: &StagedLoad, name: &str| -> Vec<Arc<Row>> {
        let state = engine.state();
        let staged = state.staged.get(&load.staging).and_then(|staged| staged.rows.get(name));
        staged.into_iter().flatten().filter(|row| row.load == load.manifest.load_id).cloned().collect()
    };
    for load in &request.loads {
        for table in &shape.tables {
            let name = view_name(table);
            for row in staged_rows(load, &name) {
                let standing = super::contest::unrivalled(&row);
                let kept = Kept { table: name.clone(), row, standing, changed: 0 };
                let id = transaction.number();
                transaction.write(Write::Insert(id, kept));
            }
        }
    }
    Ok(())
}

fn mark(transaction: &mut Transaction, request: &CommitRequest) {
    for load in &request.loads {
        let manifest = &load.manifest;
        let before: Vec<u64> = transaction.view.marker_of(&manifest.entry).into_iter().map(|(id, _)| id).collect();
        for id in before {
            transaction.write(Write::Unmark(id));
        }
        let marker = Marker {
            entry: manifest.entry.clone(),
            dataset: manifest.dataset.clone(),
            object: manifest.object.uri.clone(),
            order: manifest.order.clone(),
            generation: manifest.generation,
            load_id: manifest.load_id.clone(),
            fingerprint: manifest.fingerprint.clone(),
            rows: manifest.tables.iter().map(|table| (table.table.clone(), table.rows)).collect(),
            rejects: manifest.rejects.total(),
            scopes: manifest.scopes.clone(),
            batch: request.batch.clone(),
            at: request.now,
        };
        let id = transaction.number();
        transaction.write(Write::Mark(id, marker));
    }
}
