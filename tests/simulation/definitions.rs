//! The definitions of a plan, written down and checked as an operator's are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_domain::id::FamilyId;
use lakehand_domain::object::ObjectUri;

use crate::plan::{DatasetPlan, Mode, Plan, Revision};

thread_local! {
    /// Checking a definition costs more than most worlds.
    static CHECKED: RefCell<BTreeMap<String, Arc<Catalog>>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) const LANDING: &str = "s3://landing";
pub(crate) const LAKE: &str = "s3://lake";

pub(crate) fn uri(text: &str) -> ObjectUri {
    ObjectUri::parse(text).expect("an object URI")
}

/// The object of this number of a dataset.
pub(crate) fn object_uri(dataset: usize, object: u64) -> ObjectUri {
    let said = said(object);
    uri(&format!("{LANDING}/d{dataset}/{}/{}of{}-{object}.txt", said.day, said.run, said.files))
}

/// The family that a dataset belongs to: its topmost parent's, which reference nothing.
pub(crate) fn family(plan: &Plan, dataset: usize) -> FamilyId {
    let mut tied: BTreeSet<usize> = BTreeSet::from([dataset]);
    loop {
        let before = tied.len();
        for (number, one) in plan.datasets.iter().enumerate() {
            if let Some(parent) = one.parent.filter(|parent| tied.contains(parent) || tied.contains(&number)) {
                tied.extend([parent, number]);
            }
        }
        if tied.len() == before {
            break;
        }
    }
    let root = tied.into_iter().find(|number| plan.datasets[*number].parent.is_none());
    FamilyId::new(format!("d{}", root.expect("a dataset that references nothing")))
}

/// What the name of an object says of scope and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) day: u64,
    pub(crate) run: u64,
    /// How many files its run has for its day.
    pub(crate) files: usize,
}

/// The first run has two files for each of two days, the second one for the first.
pub(crate) fn said(object: u64) -> Said {
    Said { day: object % 2, run: object / 4, files: if object < 4 { 2 } else { 1 } }
}

/// All definitions, each dataset's in this revision.
pub(crate) fn catalog(plan: &Plan, revisions: &[usize]) -> Arc<Catalog> {
    let texts: Vec<String> = (plan.datasets.iter().enumerate())
        .map(|(number, dataset)| text(number, dataset, revisions[number], dataset.revisions[revisions[number]]))
        .collect();
    let key = texts.concat();
    if let Some(known) = CHECKED.with_borrow(|checked| checked.get(&key).cloned()) {
        return known;
    }
    let file = |(number, text)| DefinitionFile { path: format!("d{number}.toml"), text };
    let files: Vec<DefinitionFile> = texts.into_iter().enumerate().map(file).collect();
    let checked = Catalog::check(&files, &uri(LANDING), Some(&uri(LAKE)), &TransformIdentity("tiny 1".to_owned()));
    let catalog = Arc::new(checked.unwrap_or_else(|problems| panic!("{problems:?}")));
    CHECKED.with_borrow_mut(|known| {
        if known.len() > 500 {
            known.clear();
        }
        known.insert(key, Arc::clone(&catalog));
    });
    catalog
}

fn text(number: usize, dataset: &DatasetPlan, at: usize, revision: Revision) -> String {
    let on_rewrite = match revision.mode {
        Mode::Append => "append",
        Mode::Ignore => "ignore",
        _ => "replace",
    };
    let mode = match revision.mode {
        Mode::UpsertByVersion => "mode = \"upsert\"\nkey = [\"k\"]\nversion = \"v\"\n",
        Mode::Upsert => "mode = \"upsert\"\nkey = [\"k\"]\n",
        Mode::Scope => "mode = \"replace\"\nscope = [\"day\"]\n",
        Mode::Runs => "mode = \"replace\"\nscope = [\"day\"]\nrun = \"run\"\nrun_files = \"files\"\n",
        Mode::Whole => "mode = \"replace\"\nscope = []\n",
        _ => "mode = \"append\"\n",
    };
    let filter = if revision.has_where { "where = \"p\"\n" } else { "" };
    let extra: Vec<String> =
        (1..=revision.extra).map(|n| format!("columns.x{n} = {{ type = \"bigint\" }}\n")).collect();
    let extra = extra.concat();
    let second = if dataset.two_tables {
        "\n[tables.u]\nmode = \"append\"\ncolumns.k = { type = \"bigint\", required = true }\n"
    } else {
        ""
    };
    let references = dataset.parent.map_or_else(String::new, |parent| format!(", references = \"d{parent}.t.k\""));
    let after_load = match dataset.after_load.strip_prefix("s3:") {
        Some(_) => format!("archive:{}", dataset.after_load),
        None => dataset.after_load.to_owned(),
    };
    format!(
        "name = \"d{number}\"\nrevision = {at}\n\n[source]\nobjects = [\"d{number}/{{day}}/{{run}}of{{files}}-*.txt\"]\nformat = \"jsonl\"\n\
         on_rewrite = \"{on_rewrite}\"\nafter_load = \"{after_load}\"\n\n[quality]\nmax_rejects = \"50%\"\n\n\
         [tables.t]\n{mode}{filter}columns.k = {{ type = \"bigint\", required = true }}\n\
         columns.v = {{ type = \"bigint\"{references} }}\ncolumns.p = {{ type = \"boolean\" }}\n{extra}{second}"
    )
}
