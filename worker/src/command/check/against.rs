//! `lakehand check --against-warehouse`: what the first load under the present definitions would change.

use std::time::Duration;

use anyhow::Context as _;
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_domain::fault::chain;
use lakehand_domain::port::warehouse::{MigrationPlan, PlannedChange, PlannedStep, Warehouse};
use serde::Serialize;

use crate::compose;
use crate::output::{Grid, Page};
use crate::settings::Settings;

/// A warehouse that takes longer over one dataset is not waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// What would become of one dataset in the warehouse.
#[derive(Debug, Serialize)]
pub(super) struct DatasetPlanned {
    pub(super) dataset: String,
    /// What would change, in the order of its tables.
    changes: Vec<PlannedChange>,
    /// What cannot be changed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

/// Plans for every dataset. Nothing is changed, and no warehouse is made where none is.
pub(super) async fn plan_all(settings: &Settings, catalog: &Catalog) -> Vec<DatasetPlanned> {
    let warehouse = compose::existing_warehouse(settings).await;
    let mut planned = Vec::new();
    for dataset in catalog.iter() {
        let plan = match &warehouse {
            Ok(Some(warehouse)) => plan(warehouse.as_ref(), dataset).await,
            // The first run makes it, and everything in it.
            Ok(None) => Ok(MigrationPlan::Changes(all_created(dataset))),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        let (changes, refused, failed) = match plan {
            Ok(MigrationPlan::Changes(changes)) => (changes, None, None),
            Ok(MigrationPlan::Refused { message }) => (Vec::new(), Some(message), None),
            Err(error) => (Vec::new(), None, Some(format!("{error:#}"))),
        };
        planned.push(DatasetPlanned { dataset: dataset.id.to_string(), changes, refused, failed });
    }
    planned
}

async fn plan(warehouse: &dyn Warehouse, dataset: &Dataset) -> anyhow::Result<MigrationPlan> {
    let shape = dataset.family_shape();
    let plan = tokio::time::timeout(PATIENCE, warehouse.plan(&shape)).await;
    let plan = plan.with_context(|| format!("no answer within {PATIENCE:?}"))?;
    plan.map_err(|error| anyhow::anyhow!(chain(&error)))
}

fn all_created(dataset: &Dataset) -> Vec<PlannedChange> {
    let table = |name: &str| format!("{}.{name}", dataset.id);
    let tables = dataset.tables.iter();
    tables.map(|one| PlannedChange { table: table(&one.shape.name), step: PlannedStep::Create }).collect()
}

/// For people.
pub(super) fn render(planned: &[DatasetPlanned], page: &mut Page) {
    page.gap();
    page.line("what the first load would change in the warehouse");
    let mut grid = Grid::new(&["dataset", "table", "would"]);
    for one in planned {
        if one.refused.is_some() || one.failed.is_some() {
            grid.row(vec![one.dataset.clone(), String::new(), "FAIL, see above".to_owned()]);
        } else if one.changes.is_empty() {
            grid.row(vec![one.dataset.clone(), String::new(), "stay as it is".to_owned()]);
        }
        for change in &one.changes {
            grid.row(vec![one.dataset.clone(), change.table.clone(), words(&change.step)]);
        }
    }
    page.table(&grid);
}

fn words(step: &PlannedStep) -> String {
    match step {
        PlannedStep::Create => "be made".to_owned(),
        PlannedStep::Add { column, becomes } => {
            format!("get the column {column} {becomes}, null in the rows that are there")
        }
        PlannedStep::Retype { column, is, becomes } => format!("have {column} as {becomes} in place of {is}"),
        PlannedStep::Hide { column } => format!("not show {column} any more, whose values stay in the table of rows"),
        PlannedStep::Recompute => "decide anew which rows are visible".to_owned(),
    }
}
