//! What the service takes at once, and whether the batches of a dataset stay within it.

use std::collections::BTreeMap;

use lakehand_domain::id::{DatasetId, EntryId, FamilyId, FencingToken, Generation, LoadId, Nonce};
use lakehand_domain::manifest::{Manifest, TableManifest};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::{DefinitionInForce, FamilyShape, TableShape};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, Fence, StagedLoad};

use super::commit::ReplacedLoad;
use super::commit::plan::{BatchTable, Plan};
use super::ddl;
use super::names::{LONGEST_NONCE, Names};
use super::state::Registered;
use super::trouble::Trouble;

/// Statements of one batch (Redshift Data API).
pub(crate) const MOST_STATEMENTS: usize = 40;
/// Bytes of one statement (Redshift Data API, "100 KB").
pub(crate) const MOST_BYTES: usize = 100_000;
/// Statements that are filled with values are closed at about this length.
pub(crate) const COMFORTABLE_BYTES: usize = 90_000;

/// Stagings that a batch may gather its rows from, where a data error made it be staged in pieces.
const MANY_STAGINGS: usize = 100;

/// How many statements the largest transaction of a dataset has, and how long the longest of them is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementBudget {
    /// The dataset.
    pub dataset: DatasetId,
    /// Statements of one transaction.
    pub statements: usize,
    /// Bytes of the longest.
    pub longest: usize,
}

impl StatementBudget {
    /// What to do where the service would not take it.
    pub fn problem(&self) -> Option<String> {
        if self.statements <= MOST_STATEMENTS && self.longest <= MOST_BYTES {
            return None;
        }
        Some(format!(
            "a batch of dataset {} would be {} statements, the longest of {} bytes, and Redshift takes {MOST_STATEMENTS} \
             of {MOST_BYTES} bytes in one transaction: make it several datasets of fewer tables or columns",
            self.dataset, self.statements, self.longest
        ))
    }
}

/// What the worst batch of each dataset of a family costs: every table gains and loses rows, gathered from many stagings.
pub fn worst_batch(shape: &FamilyShape) -> Vec<StatementBudget> {
    let budget = |definition: &DefinitionInForce| {
        let statements = worst_statements(shape, definition).unwrap_or_default();
        StatementBudget {
            dataset: definition.dataset.clone(),
            statements: statements.len(),
            longest: statements.iter().map(String::len).max().unwrap_or(0),
        }
    };
    shape.definitions.iter().map(budget).collect()
}

fn worst_statements(shape: &FamilyShape, definition: &DefinitionInForce) -> Result<Vec<String>, Trouble> {
    let names = Names::new("a_prefix_of_20_bytes");
    let of_dataset: Vec<&TableShape> =
        shape.tables.iter().filter(|table| table.dataset == definition.dataset).collect();
    let uri = ObjectUri::parse("s3://bucket/key").map_err(|error| Trouble::Refused(error.to_string()))?;
    let request = some_request(&uri, shape, definition, &of_dataset);
    let rows: BTreeMap<String, u64> = of_dataset.iter().map(|table| (table.name.clone(), 1)).collect();
    let replaced = request.loads.iter().map(|load| {
        let (entry, load_id) = (load.manifest.entry.clone(), load.manifest.load_id.clone());
        (entry, ReplacedLoad { load_id, rows: rows.clone() })
    });
    let mut plan = Plan::new(&names, shape, &request, replaced.collect(), Nonce::new("n".repeat(LONGEST_NONCE)));
    let table = |(number, table): (usize, &&TableShape)| {
        let registered = Registered { shape: (*table).clone(), columns: ddl::rows_columns(table) };
        let stagings = request.loads.iter().map(|load| (load.staging.clone(), plan.staging(&load.staging, table)));
        BatchTable { number, stagings: stagings.collect(), registered, is_recomputed: true }
    };
    plan.tables = of_dataset.iter().enumerate().map(table).collect();
    plan.family.clone_from(&shape.tables);
    let mut statements = plan.transaction()?;
    // The statements of staging are as long, and never more.
    let long = statements.len();
    statements.extend(plan.prepare()?.into_iter().skip(1));
    for table in &of_dataset {
        statements.push(ddl::create_staging("staging", table));
        statements.push(ddl::create_rows("rows", &ddl::rows_columns(table), &table.layout));
    }
    statements.sort_by_key(|statement| std::cmp::Reverse(statement.len()));
    statements.truncate(long);
    Ok(statements)
}

fn some_request(
    uri: &ObjectUri,
    shape: &FamilyShape,
    definition: &DefinitionInForce,
    tables: &[&TableShape],
) -> CommitRequest {
    let nonce = |number: usize| Nonce::new(format!("{number:0>LONGEST_NONCE$}"));
    let load = |number: usize| StagedLoad {
        manifest: std::sync::Arc::new(some_manifest(uri, definition, tables, number)),
        staging: nonce(number),
        as_written: false,
    };
    CommitRequest {
        fence: Fence {
            family: FamilyId::new(shape.family.as_str()),
            token: FencingToken(u64::from(u32::MAX)),
            owner: nonce(0),
            batches: 0,
            erasure_epoch: 0,
            in_force: shape.definitions.clone(),
            retired: Vec::new(),
        },
        batch: "b".repeat(LONGEST_NONCE),
        definition: definition.clone(),
        loads: (0..MANY_STAGINGS).map(load).collect(),
        now: Timestamp::default(),
    }
}

fn some_manifest(uri: &ObjectUri, definition: &DefinitionInForce, tables: &[&TableShape], number: usize) -> Manifest {
    let version = ObjectVersion::of(Some("v"), None, 0, Timestamp::default());
    let object = ObjectStat {
        uri: uri.clone(),
        version,
        version_id: None,
        etag: None,
        size: 0,
        last_modified: Timestamp::default(),
    };
    let table = |table: &&TableShape| TableManifest {
        table: table.name.clone(),
        columns: table.part_columns(),
        rows: 1,
        parts: Vec::new(),
    };
    Manifest {
        format: 1,
        load_id: LoadId::new(format!("{number:032}")),
        entry: EntryId::new(format!("{number:032}")),
        dataset: definition.dataset.clone(),
        order: object.order(),
        object,
        generation: Generation(2),
        fingerprint: definition.fingerprint.clone(),
        erasure_epoch: 0,
        records: 1,
        rejects: RejectCounts::default(),
        tables: tables.iter().map(table).collect(),
        quarantine: None,
        scopes: BTreeMap::new(),
    }
}
