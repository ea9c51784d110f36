//! `lakehand check`: settings, definitions, and whether everything can be reached; every problem at once.

mod against;

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::problem::Problem;
use lakehand_dataset::transformer::Transformer;
use lakehand_domain::object::ObjectUri;
use serde::Serialize;

use self::against::DatasetPlanned;
use crate::cli::CheckArgs;
use crate::compose::{self, Reached};
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::output::{Grid, Page, plural};
use crate::settings::Settings;
use crate::settings::problem::SettingsProblem;
use crate::settings::reader::Effective;

/// All that was found.
#[derive(Debug, Default, Serialize)]
struct Found {
    ok: bool,
    settings_file: Option<String>,
    settings_problems: Vec<SettingsProblem>,
    definition_problems: Vec<Problem>,
    settings: Vec<Effective>,
    datasets_folder: String,
    datasets: Vec<DatasetFound>,
    backends: Vec<Reached>,
    /// What would change in the warehouse, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse: Option<Vec<DatasetPlanned>>,
}

/// One dataset.
#[derive(Debug, Serialize)]
struct DatasetFound {
    dataset: String,
    fingerprint: String,
    objects: Vec<String>,
    tables: Vec<String>,
}

/// Checks everything and says all of it.
pub(crate) async fn run(context: &Context, args: &CheckArgs) -> Result<Ending, Failure> {
    let sources = context.sources();
    let mut found = Found::default();
    let ending = match Settings::load(&sources) {
        Ok(settings) => {
            found.settings_file = settings.file.as_ref().map(|file| context.shown(file));
            found.settings.clone_from(&settings.effective);
            let landing = compose::landing_uri(&settings)?;
            let lake = compose::lake_uri(&settings)?;
            let catalog = look_at_definitions(
                context,
                &settings.datasets,
                (&landing, Some(&lake)),
                compose::transformer(&settings).as_ref(),
                &mut found,
            );
            if let Some(catalog) = &catalog {
                let beyond = compose::beyond_limits(&settings, catalog);
                let problem = |message| definitions::folder_problem(context, &settings.datasets, message);
                found.definition_problems.extend(beyond.into_iter().map(problem));
            }
            found.backends = compose::reach(&settings).await;
            let mut unreached = found.backends.iter().any(|backend| backend.problem.is_some());
            if let Some(catalog) = catalog.filter(|_| args.against_warehouse) {
                let planned = against::plan_all(&settings, &catalog).await;
                unreached |= planned.iter().any(|dataset| dataset.failed.is_some());
                let refused = planned.iter().filter_map(|dataset| Some((&dataset.dataset, dataset.refused.as_ref()?)));
                let problem = |(dataset, message): (&String, &String)| {
                    let message = format!("the warehouse cannot be changed to this definition of {dataset}: {message}");
                    definitions::dataset_problem(context, &settings.datasets, dataset, message)
                };
                found.definition_problems.extend(refused.map(problem));
                found.warehouse = Some(planned);
            }
            match (found.definition_problems.is_empty(), unreached) {
                (false, _) => Ending::Wrong,
                (true, true) => Ending::OutsideFailed,
                (true, false) => Ending::Well,
            }
        }
        Err(problems) => {
            found.settings_problems = problems;
            // The definitions are looked at all the same, as far as they can be found.
            if let Some(folder) = Settings::datasets_folder(&sources)
                && let Ok(landing) = ObjectUri::parse("file:///landing")
            {
                let transformer = compose::plain_transformer();
                _ = look_at_definitions(context, &folder, (&landing, None), transformer.as_ref(), &mut found);
            }
            Ending::Wrong
        }
    };
    found.ok = ending == Ending::Well;
    if context.output.is_json() {
        context.output.json(&found)?;
    } else {
        context.output.text(&render(&found))?;
    }
    Ok(ending)
}

fn look_at_definitions(
    context: &Context,
    folder: &std::path::Path,
    (landing, lake): (&ObjectUri, Option<&ObjectUri>),
    transformer: &dyn Transformer,
    found: &mut Found,
) -> Option<Catalog> {
    found.datasets_folder = context.shown(folder);
    let problem = |message: String| definitions::folder_problem(context, folder, message);
    let checked = match definitions::read_folder(context, folder) {
        Ok(files) if files.is_empty() => Err(vec![problem(definitions::NOTHING_THERE.to_owned())]),
        Ok(files) => definitions::check(&files, landing, lake, transformer),
        Err(error) => Err(vec![problem(format!("{error:#}"))]),
    };
    match checked {
        Ok(catalog) => {
            found.datasets = datasets(&catalog);
            Some(catalog)
        }
        Err(problems) => {
            found.definition_problems = problems;
            None
        }
    }
}

fn datasets(catalog: &Catalog) -> Vec<DatasetFound> {
    catalog
        .iter()
        .map(|dataset| DatasetFound {
            dataset: dataset.id.to_string(),
            fingerprint: dataset.fingerprint.to_string(),
            objects: dataset.source.objects.clone(),
            tables: dataset.tables.iter().map(|table| table.shape.name.clone()).collect(),
        })
        .collect()
}

fn render(found: &Found) -> String {
    let mut page = Page::default();
    let problems: Vec<String> = found
        .settings_problems
        .iter()
        .map(ToString::to_string)
        .chain(found.definition_problems.iter().map(ToString::to_string))
        .chain(found.backends.iter().filter_map(|backend| {
            backend.problem.as_ref().map(|problem| format!("{} {}: {problem}", backend.backend, backend.place))
        }))
        .chain(found.warehouse.iter().flatten().filter_map(|dataset| {
            dataset.failed.as_ref().map(|failed| format!("{} against the warehouse: {failed}", dataset.dataset))
        }))
        .collect();
    if !problems.is_empty() {
        page.line(plural(problems.len() as u64, "problem"));
        for problem in &problems {
            page.line(problem);
        }
        page.gap();
    }
    if !found.settings.is_empty() {
        let file = found.settings_file.as_deref().unwrap_or("no settings file");
        page.line(format!("settings ({file})"));
        let mut grid = Grid::new(&["key", "value", "from"]);
        for one in &found.settings {
            grid.row(vec![one.key.clone(), one.value.clone(), one.origin.to_string()]);
        }
        page.table(&grid);
    }
    if !found.datasets.is_empty() {
        page.gap();
        page.line(format!("datasets ({})", found.datasets_folder));
        let mut grid = Grid::new(&["dataset", "tables", "objects"]);
        for dataset in &found.datasets {
            grid.row(vec![dataset.dataset.clone(), dataset.tables.join("\n"), dataset.objects.join("\n")]);
        }
        page.table(&grid);
    }
    if !found.backends.is_empty() {
        page.gap();
        page.line("backends");
        let mut grid = Grid::new(&["backend", "place", "says"]);
        for one in &found.backends {
            let says = if one.problem.is_some() { "FAILS, see above" } else { one.says.as_str() };
            grid.row(vec![one.backend.to_owned(), one.place.clone(), says.to_owned()]);
        }
        page.table(&grid);
    }
    if let Some(planned) = &found.warehouse {
        against::render(planned, &mut page);
    }
    if problems.is_empty() {
        page.gap();
        page.line("all is well");
    }
    page.into_text()
}
