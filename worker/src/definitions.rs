//! From a folder of definition files to a checked catalog.

use std::path::Path;

use anyhow::Context as _;
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::problem::{DefinitionFile, Problem};
use lakehand_dataset::transformer::Transformer;
use lakehand_domain::object::ObjectUri;

use crate::compose;
use crate::context::Context;
use crate::failure::Failure;
use crate::key_lines::{key_lines, line_of};
use crate::settings::Settings;

/// The definitions of a folder: every `.toml` file in it, in the order of their names.
pub(crate) fn read_folder(context: &Context, folder: &Path) -> anyhow::Result<Vec<DefinitionFile>> {
    let reading = || format!("read the datasets folder {} (datasets.folder)", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read_file(context, path)).collect()
}

/// One definition.
pub(crate) fn read_file(context: &Context, path: &Path) -> anyhow::Result<DefinitionFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(DefinitionFile { path: context.shown(path), text })
}

/// What is wrong with a folder without definitions.
pub(crate) const NOTHING_THERE: &str = "there is no definition (.toml) in this folder";

/// A problem of the folder of definitions itself.
pub(crate) fn folder_problem(context: &Context, folder: &Path, message: String) -> Problem {
    Problem {
        file: context.shown(folder),
        line: 1,
        column: None,
        key_path: String::new(),
        message,
        hint: Some("datasets.folder says where definitions lie".to_owned()),
    }
}

/// A problem of one dataset as a whole, at the line of its name.
pub(crate) fn dataset_problem(context: &Context, folder: &Path, dataset: &str, message: String) -> Problem {
    // It was read and found well a moment ago; where that is no longer so, the folder is the best place to name.
    let file = read_folder(context, folder).ok().and_then(|files| files.into_iter().find(|file| names(file, dataset)));
    let Some(file) = file else { return folder_problem(context, folder, format!("{dataset}: {message}")) };
    let lines = key_lines(&file.text).unwrap_or_default();
    let line = u32::try_from(line_of(&lines, "name")).unwrap_or(u32::MAX);
    Problem { file: file.path, line, column: None, key_path: "name".to_owned(), message, hint: None }
}

/// The catalog of the datasets folder, checked by the engine too.
pub(crate) fn catalog(context: &Context, settings: &Settings) -> Result<Catalog, Failure> {
    let files = read_folder(context, &settings.datasets)?;
    if files.is_empty() {
        return Err(Failure::Definitions(vec![folder_problem(context, &settings.datasets, NOTHING_THERE.to_owned())]));
    }
    let landing = compose::landing_uri(settings)?;
    let lake = compose::lake_uri(settings)?;
    check(&files, &landing, Some(&lake), compose::transformer(settings).as_ref()).map_err(Failure::Definitions)
}

/// Checks definitions each by itself, against each other, and against the engine that is to run them.
pub(crate) fn check(
    files: &[DefinitionFile],
    landing: &ObjectUri,
    lake: Option<&ObjectUri>,
    transformer: &dyn Transformer,
) -> Result<Catalog, Vec<Problem>> {
    let catalog = Catalog::check(files, landing, lake, &compose::transform_identity())?;
    let problems: Vec<Problem> =
        catalog.iter().flat_map(|dataset| problems_of_engine(dataset, files, transformer)).collect();
    if problems.is_empty() { Ok(catalog) } else { Err(problems) }
}

fn problems_of_engine(dataset: &Dataset, files: &[DefinitionFile], transformer: &dyn Transformer) -> Vec<Problem> {
    let found = transformer.check(dataset);
    if found.is_empty() {
        return Vec::new();
    }
    let file = files.iter().find(|file| names(file, dataset.id.as_str()));
    let path = file.map(|file| file.path.clone()).unwrap_or_default();
    let lines = file.and_then(|file| key_lines(&file.text).ok()).unwrap_or_default();
    let problem = |(key_path, message): (String, String)| Problem {
        file: path.clone(),
        line: u32::try_from(line_of(&lines, &key_path)).unwrap_or(u32::MAX),
        column: None,
        key_path,
        message,
        hint: None,
    };
    let mut problems: Vec<Problem> = found.into_iter().map(problem).collect();
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Whether this is the file of that dataset.
fn names(file: &DefinitionFile, dataset: &str) -> bool {
    let table: Option<toml::Table> = file.text.parse().ok();
    table.is_some_and(|table| table.get("name").and_then(toml::Value::as_str) == Some(dataset))
}
