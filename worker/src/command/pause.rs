//! `lakehand pause` and `lakehand resume`: loading stands still on all replicas, while files go on being written.

use std::sync::Arc;

use anyhow::Context as _;
use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::Ledger;
use lakehand_pipeline::pause::{FOREVER, pause_text, paused_until};
use serde_json::json;

use crate::cli::{PauseArgs, ResumeArgs};
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::settings::unit::parse_duration;

/// Pauses.
pub(crate) async fn pause(context: &Context, args: PauseArgs) -> Result<Ending, Failure> {
    let now = compose::clock().now();
    let until = match args.length.as_deref() {
        None => FOREVER,
        Some(text) => now.plus(
            parse_duration(text)
                .ok_or_else(|| Failure::Asked(format!("--for {text:?} is no duration such as 30m or 2h")))?,
        ),
    };
    let (ledger, dataset) = open(context, args.dataset).await?;
    let paused = lakehand_pipeline::pause::pause(ledger.as_ref(), dataset.as_ref(), until);
    paused.await.context("write the pause into the ledger")?;
    tell(context, ledger.as_ref(), dataset.as_ref()).await
}

/// Resumes.
pub(crate) async fn resume(context: &Context, args: ResumeArgs) -> Result<Ending, Failure> {
    let (ledger, dataset) = open(context, args.dataset).await?;
    let resumed = lakehand_pipeline::pause::resume(ledger.as_ref(), dataset.as_ref());
    resumed.await.context("write the end of the pause into the ledger")?;
    tell(context, ledger.as_ref(), dataset.as_ref()).await
}

async fn open(context: &Context, dataset: Option<String>) -> Result<(Arc<dyn Ledger>, Option<DatasetId>), Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let dataset = dataset.map(DatasetId::new);
    if let Some(dataset) = dataset.as_ref().filter(|dataset| catalog.get(dataset).is_none()) {
        let known: Vec<&str> = catalog.iter().map(|dataset| dataset.id.as_str()).collect();
        return Err(Failure::Asked(format!("--dataset {dataset}: there is none; there are: {}", known.join(", "))));
    }
    let Some(ledger) = compose::existing_ledger(&settings).await? else {
        return Err(Failure::Asked(format!("there is no ledger at {} yet: nothing is loaded", settings.ledger)));
    };
    Ok((ledger, dataset))
}

/// How things stand now, whatever was asked for: a dataset may still be paused with all.
async fn tell(context: &Context, ledger: &dyn Ledger, dataset: Option<&DatasetId>) -> Result<Ending, Failure> {
    let until = paused_until(ledger, dataset, compose::clock().now()).await.context("read the pause back")?;
    if context.output.is_json() {
        let paused = until.is_some();
        let until = until.filter(|until| *until < FOREVER).map(|until| until.to_string());
        context.output.json(&json!({ "dataset": dataset, "paused": paused, "until": until }))?;
        return Ok(Ending::Well);
    }
    let of = dataset.map_or_else(|| "loading".to_owned(), |dataset| format!("loading of {dataset}"));
    context.output.text(&match until {
        Some(until) => format!("{of} is paused {}; files go on being written to the lake", pause_text(until)),
        None => format!("{of} is not paused"),
    })?;
    Ok(Ending::Well)
}
