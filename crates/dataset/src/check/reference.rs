//! References between datasets: what a column names, whether it can, and which datasets are one family.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::id::{DatasetId, FamilyId};
use lakehand_domain::shape::{ColumnType, Contest, Reference};

use super::Examined;
use crate::dataset::{Dataset, Mask, Table};
use crate::definition::read::{At, Entries};
use crate::definition::{self};
use crate::fingerprint::{Basis, TransformIdentity};
use crate::nearest::nearest;
use crate::pattern::Pattern;

/// A reference as a definition writes it.
#[derive(Debug)]
pub(crate) struct Wanted {
    table: String,
    column: String,
    text: At<String>,
}

impl Wanted {
    fn path(&self) -> String {
        format!("tables.{}.columns.{}.references", self.table, self.column)
    }
}

/// All references of a definition.
pub(super) fn wanted(tables: &At<Entries<definition::Table>>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (table, given) in &tables.value.read {
        for (column, given) in given.value.columns.iter().flat_map(|columns| &columns.value.read) {
            let text = given.value.references.clone();
            wanted.extend(text.map(|text| Wanted { table: table.value.clone(), column: column.value.clone(), text }));
        }
    }
    wanted
}

/// What a reference can name.
#[derive(Debug)]
struct Target {
    table: String,
    column: String,
    column_type: ColumnType,
    mask: Option<Mask>,
}

type Targets = BTreeMap<String, Vec<Target>>;

/// Finds what every reference names, and makes families of the datasets. What a reference names decides the standing of
/// rows, and is of the fingerprint.
pub(crate) fn resolve(examined: &mut [Examined<'_>], identity: &TransformIdentity) {
    let targets: Targets = examined.iter().filter_map(|one| Some(targets(one.dataset.as_ref()?))).collect();
    let names: BTreeSet<String> = examined.iter().filter_map(|one| Some(one.name.as_ref()?.value.clone())).collect();
    for one in examined.iter_mut() {
        resolve_one(one, &names, &targets);
    }
    refuse_circles(examined);
    for one in examined.iter_mut() {
        if let Some(dataset) = one.dataset.as_mut().filter(|dataset| references(dataset).next().is_some()) {
            let patterns: Vec<&Pattern> = one.patterns.iter().map(|pattern| &pattern.value).collect();
            let basis = Basis {
                id: &dataset.id,
                revision: one.revision,
                patterns: &patterns,
                source: &dataset.source,
                quality: &dataset.quality,
                encoding: &dataset.encoding,
                tables: &dataset.tables,
                checks: &dataset.checks,
            };
            dataset.fingerprint = basis.fingerprint(identity);
        }
    }
    name_families(examined);
}

fn targets(dataset: &Dataset) -> (String, Vec<Target>) {
    let mut targets = Vec::new();
    for table in &dataset.tables {
        for (shape, column) in table.shape.columns.iter().zip(&table.columns) {
            targets.push(Target {
                table: table.shape.name.clone(),
                column: shape.name.clone(),
                column_type: shape.column_type,
                mask: column.rules.mask.clone(),
            });
        }
    }
    (dataset.id.to_string(), targets)
}

fn references(dataset: &Dataset) -> impl Iterator<Item = &Reference> {
    dataset.tables.iter().flat_map(|table| &table.shape.references)
}

fn resolve_one(one: &mut Examined<'_>, names: &BTreeSet<String>, targets: &Targets) {
    let Some(dataset) = one.dataset.as_mut() else { return };
    let has_runs =
        dataset.tables.iter().any(|table| matches!(table.shape.contest, Contest::Replace { run: Some(_), .. }));
    let mut found = Vec::new();
    for wanted in &one.references {
        let Some(at) = dataset.tables.iter().position(|table| table.shape.name == wanted.table) else { continue };
        if has_runs {
            let message =
                "is not for a dataset with a table that has runs of several files: its rows wait for their runs";
            let hint = "make them two datasets, or leave run and run_files out";
            one.report.advise(wanted.text.at, wanted.path(), message, hint);
            continue;
        }
        match named(wanted, &dataset.tables[at], dataset.id.as_str(), names, targets) {
            Ok(reference) => found.extend(reference.map(|reference| (at, reference))),
            Err((message, Some(hint))) => one.report.advise(wanted.text.at, wanted.path(), message, hint),
            Err((message, None)) => one.report.add(wanted.text.at, wanted.path(), message),
        }
    }
    for (at, reference) in found {
        dataset.tables[at].shape.references.push(reference);
    }
}

type Told = (String, Option<String>);

/// What `dataset.table.column` names, or `dataset.column` where only one table of the dataset has it.
fn named(
    wanted: &Wanted,
    table: &Table,
    own: &str,
    names: &BTreeSet<String>,
    targets: &Targets,
) -> Result<Option<Reference>, Told> {
    let text = wanted.text.value.as_str();
    let parts: Vec<&str> = text.split('.').collect();
    let (dataset, of, column) = match parts.as_slice() {
        [dataset, column] => (*dataset, None, *column),
        [dataset, table, column] => (*dataset, Some(*table), *column),
        _ => return Err((format!("{text:?} is not dataset.table.column, or dataset.column"), None)),
    };
    if dataset == own {
        return Err(("names its own dataset; references are to others".to_owned(), None));
    }
    let Some(known) = targets.get(dataset) else {
        if names.contains(dataset) {
            // Its definition has problems, and says so.
            return Ok(None);
        }
        let hint = nearest(dataset, names.iter().map(String::as_str)).map(|meant| format!("did you mean {meant}?"));
        return Err((format!("there is no dataset {dataset:?}"), hint));
    };
    let mut found = known.iter().filter(|target| target.column == column && of.is_none_or(|of| target.table == of));
    let Some(target) = found.next() else {
        let of_table = known.iter().filter(|target| of.is_none_or(|of| target.table == of));
        let hint = nearest(column, of_table.map(|target| target.column.as_str()));
        let hint = hint.map(|meant| format!("did you mean {meant}?"));
        let place = of.map_or_else(|| format!("dataset {dataset:?}"), |of| format!("table {dataset}.{of}"));
        return Err((format!("there is no column {column:?} in {place}"), hint));
    };
    if let Some(other) = found.next() {
        let message = format!("tables {} and {} of {dataset} both have a column {column}", target.table, other.table);
        return Err((message, Some(format!("write {dataset}.{}.{column}", target.table))));
    }
    let at = table.shape.columns.iter().position(|shape| shape.name == wanted.column);
    let (Some(shape), Some(rules)) = (at.map(|at| &table.shape.columns[at]), at.map(|at| &table.columns[at].rules))
    else {
        return Err(("is of a column that is not there".to_owned(), None));
    };
    if !are_comparable(shape.column_type, target.column_type) {
        let message = format!(
            "is {}, and {text} is {}: they cannot be compared for being the same",
            shape.column_type, target.column_type
        );
        return Err((message, Some("give both the same type".to_owned())));
    }
    if rules.mask != target.mask {
        return Err(("is masked otherwise than what it references, so that they are never the same".to_owned(), None));
    }
    Ok(Some(Reference {
        column: wanted.column.clone(),
        dataset: DatasetId::new(dataset),
        table: target.table.clone(),
        to: column.to_owned(),
    }))
}

fn are_comparable(one: ColumnType, other: ColumnType) -> bool {
    use ColumnType::{Bigint, Double, Integer, Json, Real, Smallint, Varchar};
    match (one, other) {
        (Smallint | Integer | Bigint, Smallint | Integer | Bigint) | (Varchar { .. }, Varchar { .. }) => true,
        (Json | Real | Double, _) => false,
        _ => one == other,
    }
}

/// Refuses datasets that reference each other, be it through others.
fn refuse_circles(examined: &mut [Examined<'_>]) {
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dataset in examined.iter().filter_map(|one| one.dataset.as_ref()) {
        let of = references(dataset).map(|reference| reference.dataset.to_string());
        parents.insert(dataset.id.to_string(), of.collect());
    }
    for one in examined.iter_mut() {
        let Some(dataset) = &one.dataset else { continue };
        let Some(circle) = circle_of(dataset.id.as_str(), &parents) else { continue };
        let Some(wanted) = one
            .references
            .iter()
            .find(|wanted| wanted.text.value.split('.').next() == circle.get(1).map(String::as_str))
        else {
            continue;
        };
        let message = format!("makes a circle: {}", circle.join(" references "));
        let (at, path) = (wanted.text.at, wanted.path());
        one.report.advise(at, path, message, "a record would wait for itself: take one of them out");
    }
}

/// A way from a dataset through what it references back to it.
fn circle_of(start: &str, parents: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<String>> = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for parent in way.last().and_then(|last| parents.get(last)).into_iter().flatten() {
            let longer: Vec<String> = way.iter().cloned().chain([parent.clone()]).collect();
            if parent == start {
                return Some(longer);
            }
            if seen.insert(parent.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

/// A family is all datasets that references tie together. It has the name of the first by name of those of them that
/// reference nothing, so that datasets that come to reference it do not rename it.
fn name_families(examined: &mut [Examined<'_>]) {
    let mut families: Vec<BTreeSet<DatasetId>> = Vec::new();
    let mut roots: BTreeSet<DatasetId> = BTreeSet::new();
    for dataset in examined.iter().filter_map(|one| one.dataset.as_ref()) {
        let mut family: BTreeSet<DatasetId> = references(dataset).map(|reference| reference.dataset.clone()).collect();
        if family.is_empty() {
            roots.insert(dataset.id.clone());
        }
        family.insert(dataset.id.clone());
        let (tied, others): (Vec<_>, Vec<_>) = families.into_iter().partition(|other| !other.is_disjoint(&family));
        family.extend(tied.into_iter().flatten());
        families = others;
        families.push(family);
    }
    for dataset in examined.iter_mut().filter_map(|one| one.dataset.as_mut()) {
        let family = families.iter().find(|family| family.contains(&dataset.id));
        let name = family.and_then(|family| family.intersection(&roots).next());
        dataset.family = FamilyId::new(name.unwrap_or(&dataset.id).as_str());
    }
}
