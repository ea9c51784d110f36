//! `lakehand preview`: one local file through a dataset, to be looked at.

mod render;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::pattern::Pattern;
use lakehand_dataset::transformer::{TransformError, TransformInput};
use lakehand_domain::id::LoadId;
use lakehand_domain::object::{ObjectStat, ObjectUri};

use crate::cli::PreviewArgs;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure, say};
use crate::progress::Progress;

/// Shows what a file would become.
pub(crate) async fn run(context: &Context, args: PreviewArgs) -> Result<Ending, Failure> {
    let (dataset, landing) = dataset(context, &args.dataset)?;
    let path = context.current_folder().join(&args.file);
    let (stat, content) = compose::local_object(&path).await?;
    let Some(captures) = captures(&dataset, &landing, &stat) else {
        let patterns = dataset.source.objects.join(", ");
        return Err(Failure::Asked(format!(
            "{} does not fit any pattern of {} ({patterns}), so what its name says is not known",
            args.file.display(),
            dataset.id
        )));
    };
    let input = TransformInput {
        dataset: Arc::clone(&dataset),
        captures,
        load_id: LoadId::new("preview"),
        order: stat.order(),
        object: stat.uri,
        content,
    };
    let rows = args.rows;
    let progress = Progress::spinner(true);
    progress.say(format!("reading {}", args.file.display()));
    let working = tokio::task::spawn_blocking(move || compose::preview(&input, rows));
    let preview = working.await.context("preview the file");
    progress.end();
    match preview? {
        Ok(preview) => {
            let told = render::Told::of(&dataset, &preview, compose::ddl(&dataset));
            if context.output.is_json() {
                context.output.json(&told)?;
            } else {
                context.output.text(&told.render())?;
            }
            Ok(if told.accepted { Ending::Well } else { Ending::FilesFailed })
        }
        Err(TransformError::Unreadable { message }) => {
            if context.output.is_json() {
                context.output.json(&serde_json::json!({ "accepted": false, "unreadable": message }))?;
            } else {
                say(&format!("lakehand: the file would be set aside as unreadable: {message}"));
            }
            Ok(Ending::FilesFailed)
        }
        Err(error) => Err(Failure::Outside(error.into())),
    }
}

/// The dataset that is meant, checked, and where files land. A definition by its path needs no settings.
fn dataset(context: &Context, meant: &str) -> Result<(Arc<Dataset>, ObjectUri), Failure> {
    if Path::new(meant).extension().is_some_and(|extension| extension == "toml") {
        let file = definitions::read_file(context, &context.current_folder().join(meant))?;
        let landing = match context.settings() {
            Ok(settings) => compose::landing_uri(&settings)?,
            Err(_) => ObjectUri::parse("file:///landing").context("name a landing")?,
        };
        let transformer = compose::plain_transformer();
        let catalog =
            definitions::check(&[file], &landing, None, transformer.as_ref()).map_err(Failure::Definitions)?;
        let dataset = catalog.iter().next().context("the definition has no dataset")?;
        return Ok((Arc::clone(dataset), landing));
    }
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let landing = compose::landing_uri(&settings)?;
    let found = catalog.iter().find(|dataset| dataset.id.as_str() == meant);
    let dataset = found.ok_or_else(|| {
        let names: Vec<&str> = catalog.iter().map(|dataset| dataset.id.as_str()).collect();
        let folder = context.shown(&settings.datasets);
        Failure::Asked(format!("there is no dataset {meant} in {folder}; there are {}", names.join(", ")))
    })?;
    Ok((Arc::clone(dataset), landing))
}

/// What the file's name says. A sample lies where its reader put it: of its path as much is taken as some pattern fits,
/// and nothing where the dataset does not ask.
fn captures(dataset: &Dataset, landing: &ObjectUri, stat: &ObjectStat) -> Option<BTreeMap<String, String>> {
    let patterns: Vec<Pattern> =
        dataset.source.objects.iter().filter_map(|pattern| Pattern::parse(pattern, landing).ok()).collect();
    let key: Vec<&str> = stat.uri.key().split('/').collect();
    let fits = |pattern: &Pattern| {
        let elsewhere = (0..key.len()).rev().map(|from| pattern.prefix().join(&key[from..].join("/")));
        std::iter::once(stat.uri.clone()).chain(elsewhere).find_map(|object| pattern.captures_of(&object))
    };
    let asks = patterns.iter().any(|pattern| !pattern.captures().is_empty());
    patterns.iter().find_map(fits).or_else(|| (!asks).then(BTreeMap::new))
}
