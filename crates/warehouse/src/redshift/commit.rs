//! One batch. Under the fence: what is there is read, and what the batch needs is laid out in tables of its own. Then one
//! transaction: fence, guard, removals, additions, markers, standing. It is sent as one request, and is over in seconds.
//!
//! Fence, markers, tables and rows of a family change only under its fence. So what is read, and the keys that are
//! gathered, before the transaction, still hold in it, where its first statement finds the fence to be ours.

mod check;
mod diagnosis;
mod loads;
mod older;
pub(crate) mod plan;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, LoadId, Nonce, digest};
use lakehand_domain::port::warehouse::CommitOutcome;
use lakehand_domain::shape::{Contest, FamilyShape, OnRewrite};
use lakehand_domain::warehousing::{CommitRequest, Marker};

use super::RedshiftWarehouse;
use super::client::Script;
use super::fence::{read_markers, select_markers};
use super::limits::MOST_STATEMENTS;
use super::migrate;
use super::record::Record;
use super::state::{Registered, State, read_state, select_state};
use super::sweep;
use super::trouble::{Meaning, Trouble};
use check::Checked;
use plan::{BatchTable, Plan};

/// Commits the batch, or finds why not.
pub(crate) async fn commit(
    warehouse: &RedshiftWarehouse,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Result<CommitOutcome, Trouble> {
    if let Some(message) = check::request_amiss(shape, request) {
        return Ok(CommitOutcome::Refused { message });
    }
    let (state, markers) = look(warehouse, request).await?;
    if !state.fence.is(&request.fence) {
        return Ok(CommitOutcome::FenceLost);
    }
    let replaced = match check::state_amiss(shape, request, &state, &markers) {
        Checked::Refused(message) => return Ok(CommitOutcome::Refused { message }),
        Checked::Replaces(loads) => loads,
    };
    let mut plan = Plan::new(&warehouse.names, shape, request, replaced, work_name(request));
    plan.family = state.tables.iter().map(|table| table.shape.clone()).collect();
    plan.tables = batch_tables(&plan, shape, request, state.tables);
    let committed = match run(warehouse, &mut plan).await {
        Ok(()) => return Ok(CommitOutcome::Committed { batches: state.fence.batches + 1 }),
        Err(trouble) => outcome(warehouse, &plan, trouble).await,
    };
    // What is in doubt may go on, and is left to the sweeper.
    let is_known = match &committed {
        Err(Trouble::Failed(failed)) => failed.effect() == Effect::NotApplied,
        other => !matches!(other, Err(Trouble::Doubt { .. } | Trouble::Call { .. })),
    };
    if is_known && let Err(error) = sweep::drop_tables(warehouse, &plan.name_of("clear"), &plan.work_tables()).await {
        tracing::debug!(batch = %request.batch, error = &error as &dyn std::error::Error, "tables of a batch are left to the sweeper");
    }
    committed
}

/// Names the tables that the batch works with. A batch has its id for itself.
fn work_name(request: &CommitRequest) -> Nonce {
    let token = request.fence.token.0.to_be_bytes();
    let parts: [&[u8]; 4] = [b"work", request.batch.as_bytes(), &token, request.fence.owner.as_str().as_bytes()];
    Nonce::dated(request.now, &digest(&parts))
}

/// Fence, register and markers of the listed entries, in one moment.
async fn look(warehouse: &RedshiftWarehouse, request: &CommitRequest) -> Result<(State, Vec<Marker>), Trouble> {
    let family = &request.fence.family;
    let entries: Vec<EntryId> = request.loads.iter().map(|load| load.manifest.entry.clone()).collect();
    let mut sqls = vec![select_state(&warehouse.names, family)];
    sqls.extend(select_markers(&warehouse.names, family, &entries));
    let selects = sqls.len();
    if selects > MOST_STATEMENTS {
        return Err(Trouble::Refused(format!("{} loads are too many for one batch", entries.len())));
    }
    let script = Script::new(format!("lakehand/commit/{family}/{}/look", request.batch), sqls);
    let ended = warehouse.client.run(&script).await?;
    let state = read_state(warehouse.client.rows(&ended, 0, usize::MAX).await?)?;
    let mut markers = Vec::new();
    for at in 1..selects {
        markers.extend(read_markers(warehouse.client.rows(&ended, at, usize::MAX).await?)?);
    }
    Ok((state, markers))
}

/// All tables that the family ever had of the dataset; also those that the definition in force does not name any more,
/// which lose the rows of replaced loads.
fn batch_tables(
    plan: &Plan<'_>,
    shape: &FamilyShape,
    request: &CommitRequest,
    registered: Vec<Registered>,
) -> Vec<BatchTable> {
    let nonces: BTreeSet<&Nonce> = request.loads.iter().map(|load| &load.staging).collect();
    registered
        .into_iter()
        .filter(|registered| registered.shape.dataset == request.definition.dataset)
        .enumerate()
        .map(|(number, registered)| {
            let in_force =
                shape.tables.iter().find(|table| table.without_layout() == registered.shape.without_layout());
            let staging = |nonce: &&Nonce| {
                let staged = plan.staged_shape(nonce, &registered.shape);
                ((*nonce).clone(), plan.staging(nonce, &staged))
            };
            let stagings = in_force.map_or_else(Vec::new, |_| nonces.iter().map(staging).collect());
            BatchTable { number, stagings, registered, is_recomputed: true }
        })
        .collect()
}

async fn run(warehouse: &RedshiftWarehouse, plan: &mut Plan<'_>) -> Result<(), Trouble> {
    let prepare = plan.prepare()?;
    let rivals_at = plan.has_contested_objects().then_some(prepare.len());
    let mut sqls = prepare;
    sqls.extend(rivals_at.map(|_| plan.count_rivals()));
    let mut first = 0;
    let mut rivals = None;
    for some in sqls.chunks(MOST_STATEMENTS) {
        let ended = warehouse.client.run(&Script::new(plan.name_of("prepare"), some.to_vec())).await?;
        if let Some(at) = rivals_at.filter(|at| (first..first + some.len()).contains(at)) {
            let rows = warehouse.client.rows(&ended, at - first, 1).await?.rows;
            rivals = Some(Record::new(rows.into_iter().next().unwrap_or_default()).number::<u64>()?);
        }
        first += some.len();
    }
    // Where no object has another live version, all rows that come are as they were put in.
    if rivals == Some(0) && !plan.objects_repeat() {
        for table in &mut plan.tables {
            let contested = matches!(
                table.registered.shape.contest,
                Contest::Append { on_rewrite: OnRewrite::Replace | OnRewrite::Ignore }
            );
            table.is_recomputed &= !contested;
        }
    }
    warehouse.client.run(&Script::new(plan.name_of("batch"), plan.transaction()?)).await?;
    Ok(())
}

/// What a failure of the batch means: nothing of it is there, or nobody knows.
async fn outcome(warehouse: &RedshiftWarehouse, plan: &Plan<'_>, trouble: Trouble) -> Result<CommitOutcome, Trouble> {
    let Trouble::Failed(failed) = trouble else { return Err(trouble) };
    if matches!(failed.meaning(), Meaning::Conflict | Meaning::Unavailable) || failed.effect() == Effect::Unknown {
        return Err(Trouble::Failed(failed));
    }
    let is_batch = failed.name == plan.name_of("batch");
    if is_batch && failed.message.to_ascii_lowercase().contains("too long") {
        // What is staged has the widths of the register.
        migrate::widen_again(warehouse, &plan.name_of("widen"), plan.tables.iter().map(|table| &table.registered))
            .await?;
        return Err(Trouble::Mended(format!("a column was narrower than lakehand made it: {}", failed.message.trim())));
    }
    if is_batch && failed.at == Some(plan::HOLDS_THE_FENCE) && failed.meaning() == Meaning::Unclear {
        return Ok(CommitOutcome::FenceLost);
    }
    if let Some(message) = diagnosis::find(warehouse, plan).await? {
        return Ok(CommitOutcome::Refused { message });
    }
    if is_batch && failed.at == Some(plan::GUARDS) {
        return Ok(CommitOutcome::Refused { message: format!("the guard refuses: {}", failed.message.trim()) });
    }
    Err(Trouble::Failed(failed))
}

/// The loads of older generations that a batch replaces, by entry.
pub(crate) type Replaced = BTreeMap<EntryId, ReplacedLoad>;

/// A load of an older generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplacedLoad {
    pub(crate) load_id: LoadId,
    /// How many rows it has, by table.
    pub(crate) rows: BTreeMap<String, u64>,
}
