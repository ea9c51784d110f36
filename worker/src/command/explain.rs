//! `lakehand explain`: why a file was loaded, or why not, and where each of its records went.

mod render;

use anyhow::Context as _;
use lakehand_domain::object::ObjectUri;
use lakehand_operations::explain::{ExplainPorts, StoreSays, explain};

use crate::cli::ExplainArgs;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::settings::Settings;
use crate::settings::location::absolute;

/// Explains one object.
pub(crate) async fn run(context: &Context, args: ExplainArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let landing_uri = compose::landing_uri(&settings)?;
    let object = object_of(context, &settings, &args.object)?;
    let landing = compose::landing(&settings).await?;
    let ledger = compose::existing_ledger(&settings).await?;
    let warehouse = compose::existing_warehouse(&settings).await?;
    let ports = ExplainPorts {
        ledger: ledger.as_deref(),
        landing: landing.as_ref(),
        warehouse: warehouse.as_deref(),
        catalog: &catalog,
        landing_uri: &landing_uri,
        now: compose::clock().now(),
    };
    let explanation = explain(&ports, &object).await.context("ask the ledger")?;
    if context.output.is_json() {
        context.output.json(&explanation)?;
    } else {
        context.output.text(&render::render(&explanation))?;
    }
    let unknown = explanation.versions.is_empty() && matches!(explanation.store, StoreSays::Absent);
    let wrong = explanation.adds_up == Some(false);
    Ok(if unknown || wrong { Ending::FilesFailed } else { Ending::Well })
}

/// The object that is meant: a URI as it is; a path as seen from here where there is such a file, and below the landing
/// otherwise.
pub(crate) fn object_of(context: &Context, settings: &Settings, text: &str) -> Result<ObjectUri, Failure> {
    let uri = |text: &str| ObjectUri::parse(text).map_err(|error| Failure::Asked(error.to_string()));
    if text.contains("://") {
        return uri(text);
    }
    let here = absolute(text.as_ref(), context.current_folder());
    let Some(landing_folder) = settings.landing.path() else {
        // A landing of objects: the key below its prefix.
        return Ok(compose::landing_uri(settings)?.join(text));
    };
    let landing = absolute(text.as_ref(), landing_folder);
    let is_there = |path: &std::path::Path| path.try_exists().unwrap_or(false);
    let meant =
        if is_there(&here) || (!is_there(&landing) && here.starts_with(landing_folder)) { here } else { landing };
    let path = meant.to_str().ok_or_else(|| Failure::Asked(format!("{} is not UTF-8", meant.display())))?;
    uri(&format!("file://{path}"))
}
