//! All datasets, and the way from an object to its dataset.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_domain::id::{DatasetId, FamilyId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::shape::FamilyShape;

use crate::check::{Examined, examine, reference};
use crate::dataset::Dataset;
use crate::fingerprint::TransformIdentity;
use crate::pattern::Pattern;
use crate::problem::{DefinitionFile, Problem};

/// All checked datasets. No object belongs to two of them.
#[derive(Debug, Default)]
pub struct Catalog {
    datasets: BTreeMap<DatasetId, Routed>,
}

#[derive(Debug)]
struct Routed {
    dataset: Arc<Dataset>,
    patterns: Vec<Pattern>,
}

/// Where an object goes.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its dataset.
    pub dataset: Arc<Dataset>,
    /// What its name says: the `{captures}` of the first pattern that matches it.
    pub captures: BTreeMap<String, String>,
}

impl Catalog {
    /// Checks all definitions, each by itself and against each other. Patterns without a scheme lie below `landing`;
    /// patterns that reach into `lake` are refused, since what lakehand writes would land again.
    ///
    /// Fails with every problem of all files, file by file in the order of their lines.
    pub fn check(
        files: &[DefinitionFile],
        landing: &ObjectUri,
        lake: Option<&ObjectUri>,
        identity: &TransformIdentity,
    ) -> Result<Self, Vec<Problem>> {
        let mut examined: Vec<Examined<'_>> = files.iter().map(|file| examine(file, landing, identity)).collect();
        for at in 0..examined.len() {
            let (before, from) = examined.split_at_mut(at);
            if let [current, ..] = from {
                refuse_taken_names(before, files, current);
                refuse_shared_objects(before, files, current);
            }
        }
        refuse_loops(&mut examined, files, lake);
        reference::resolve(&mut examined, identity);
        if examined.iter().any(|one| !one.report.is_empty() || one.dataset.is_none()) {
            return Err(examined.into_iter().flat_map(|one| one.report.into_problems()).collect());
        }
        let routed = examined.into_iter().filter_map(|one| {
            let dataset = Arc::new(one.dataset?);
            let patterns = one.patterns.into_iter().map(|pattern| pattern.value).collect();
            Some((dataset.id.clone(), Routed { dataset, patterns }))
        });
        Ok(Self { datasets: routed.collect() })
    }

    /// Where this object goes; `None` where no dataset wants it.
    pub fn route(&self, object: &ObjectUri) -> Option<Route> {
        self.datasets.values().find_map(|routed| {
            let captures = routed.patterns.iter().find_map(|pattern| pattern.captures_of(object))?;
            Some(Route { dataset: Arc::clone(&routed.dataset), captures })
        })
    }

    /// The dataset of this name.
    pub fn get(&self, id: &DatasetId) -> Option<&Arc<Dataset>> {
        self.datasets.get(id).map(|routed| &routed.dataset)
    }

    /// All datasets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dataset>> {
        self.datasets.values().map(|routed| &routed.dataset)
    }

    /// The datasets of a family, by name.
    pub fn of_family(&self, family: &FamilyId) -> impl Iterator<Item = &Arc<Dataset>> {
        self.iter().filter(move |dataset| dataset.family == *family)
    }

    /// The shape of all tables of all datasets of each family.
    pub fn family_shapes(&self) -> Vec<FamilyShape> {
        let mut shapes: BTreeMap<FamilyId, FamilyShape> = BTreeMap::new();
        for dataset in self.iter() {
            let of_dataset = dataset.family_shape();
            let shape = shapes.entry(dataset.family.clone()).or_insert_with(|| FamilyShape {
                family: dataset.family.clone(),
                definitions: Vec::new(),
                tables: Vec::new(),
            });
            shape.definitions.extend(of_dataset.definitions);
            shape.tables.extend(of_dataset.tables);
        }
        shapes.into_values().collect()
    }

    /// How many datasets there are.
    pub fn len(&self) -> usize {
        self.datasets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.datasets.is_empty()
    }

    /// The folders below which all objects of all datasets lie, each ending with a slash and none below another; where
    /// a sweep looks for objects.
    pub fn prefixes(&self) -> Vec<ObjectUri> {
        let patterns = self.datasets.values().flat_map(|routed| &routed.patterns);
        let mut prefixes: Vec<ObjectUri> = patterns.map(|pattern| pattern.prefix().clone()).collect();
        prefixes.sort();
        prefixes.dedup();
        let all = prefixes.clone();
        prefixes.retain(|prefix| !all.iter().any(|other| prefix != other && prefix.is_below(other)));
        prefixes
    }
}

/// Refuses a dataset whose name, or whose tables' names in a warehouse without schemas, an earlier file has taken.
fn refuse_taken_names(before: &[Examined<'_>], files: &[DefinitionFile], current: &mut Examined<'_>) {
    let Some(name) = current.name.clone() else { return };
    for (other, file) in before.iter().zip(files) {
        let Some(other_name) = &other.name else { continue };
        if other_name.value == name.value {
            let place = format!("{}:{}", file.path, other.report.place(other_name.at).0);
            current.report.add(name.at, "name", format!("the dataset {:?} is defined already, in {place}", name.value));
            continue;
        }
        for table in &current.tables {
            let joined = format!("{}_{}", name.value, table.value);
            let mut taken = other.tables.iter();
            let taken = taken.find(|other_table| format!("{}_{}", other_name.value, other_table.value) == joined);
            if let Some(taken) = taken {
                let place = format!("{}:{}", file.path, other.report.place(taken.at).0);
                let message = format!(
                    "{joined} would be the name of this table and of {}.{} in {place}",
                    other_name.value, taken.value
                );
                current.report.advise(table.at, format!("tables.{}", table.value), message, "rename one of them");
            }
        }
    }
}

/// Refuses a pattern that can match an object that an earlier file's pattern matches too.
fn refuse_shared_objects(before: &[Examined<'_>], files: &[DefinitionFile], current: &mut Examined<'_>) {
    for (other, file) in before.iter().zip(files) {
        for pattern in &current.patterns {
            for taken in &other.patterns {
                let Some(example) = pattern.value.common_example(&taken.value) else { continue };
                let place = format!("{}:{}", file.path, other.report.place(taken.at).0);
                let message = format!(
                    "{:?} and {:?} in {place} both match {example}: an object belongs to one dataset",
                    pattern.value.as_str(),
                    taken.value.as_str(),
                );
                current.report.add(pattern.at, "source.objects", message);
            }
        }
    }
}

/// Refuses patterns that would read again what lakehand itself writes: the lake, and archived objects.
fn refuse_loops(examined: &mut [Examined<'_>], files: &[DefinitionFile], lake: Option<&ObjectUri>) {
    let lake = lake.and_then(|lake| Pattern::below(lake).ok());
    let archives: Vec<(String, Pattern)> = examined
        .iter()
        .zip(files)
        .filter_map(|(one, file)| {
            let archive = one.archive.as_ref()?;
            let place = format!("{}:{}", file.path, one.report.place(archive.at).0);
            Some((place, Pattern::below(&archive.value).ok()?))
        })
        .collect();
    for one in examined {
        for pattern in &one.patterns {
            let text = pattern.value.as_str();
            if let Some(example) = lake.as_ref().and_then(|lake| pattern.value.common_example(lake)) {
                let message =
                    format!("{text:?} reaches into the lake, for example {example}: what is written would land again");
                one.report.add(pattern.at, "source.objects", message);
            }
            for (place, archive) in &archives {
                if let Some(example) = pattern.value.common_example(archive) {
                    let message = format!(
                        "{text:?} reaches into the archive of {place}, for example {example}: what is archived would land again"
                    );
                    one.report.add(pattern.at, "source.objects", message);
                }
            }
        }
        if let (Some(lake), Some(archive)) = (&lake, &one.archive)
            && let Ok(below) = Pattern::below(&archive.value)
            && let Some(example) = lake.common_example(&below)
        {
            let message = format!("the archive and the lake overlap, for example {example}");
            one.report.add(archive.at, "source.after_load", message);
        }
    }
}

#[cfg(test)]
mod tests;
