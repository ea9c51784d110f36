//! Staging: parts of the lake copied into tables of their own, outside any commit.
//!
//! Tables and copies are one transaction, so that what fails leaves nothing behind; each name is used once. What was
//! copied is then counted, load by load, and compared with the manifests: COPY maps columns by position, and a part that
//! is listed twice is loaded twice.

mod copy;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lakehand_domain::fault::Effect;
use lakehand_domain::id::{FamilyId, LoadId, Nonce};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::shape::{ColumnType, FamilyShape, TableShape};
use lakehand_domain::warehousing::Staging;

use super::RedshiftWarehouse;
use super::client::{Rows, Script};
use super::limits::MOST_STATEMENTS;
use super::names::{self, StagingName};
use super::record::Record;
use super::sweep;
use super::trouble::{Meaning, Trouble};
use super::{ddl, sql};
use crate::fit::{check_manifest, find_table, told};
use copy::Copied;
pub(crate) use copy::staging_of;

/// One table of one staging.
struct StagedTable<'a> {
    table: &'a TableShape,
    /// As statements name it.
    name: String,
    /// The loads that have rows for it.
    loads: Vec<(&'a Arc<Manifest>, &'a TableManifest)>,
    /// One COPY for each list of columns that its manifests have: one, as long as all are of one definition.
    copies: Vec<Copied<'a>>,
}

impl StagedTable<'_> {
    fn statements(&self) -> usize {
        1 + self.copies.len() + usize::from(!self.copies.is_empty())
    }
}

/// Copies the parts of the manifests into staging tables named by `name`.
pub(crate) async fn stage(
    warehouse: &RedshiftWarehouse,
    shape: &FamilyShape,
    name: &Nonce,
    manifests: &[Arc<Manifest>],
) -> Result<Staging, Trouble> {
    if !names::takes_nonce(name) {
        return Err(Trouble::Refused(format!(
            "{name:?} cannot name a staging table: use at most {} small letters, digits and underscores",
            names::LONGEST_NONCE
        )));
    }
    for manifest in manifests {
        check_manifest(shape, manifest)?;
        check_counts(manifest)?;
    }
    let tables = tables(warehouse, shape, name, manifests)?;
    let result = stage_tables(warehouse, shape, name, &tables).await;
    if let Err(trouble) = result {
        // What is in doubt may go on writing, and a name that was taken names the tables of somebody else.
        let is_known = match &trouble {
            Trouble::Failed(failed) => failed.effect() == Effect::NotApplied,
            other => !matches!(other, Trouble::Doubt { .. } | Trouble::Call { .. } | Trouble::Refused(_)),
        };
        if is_known && let Err(error) = sweep::drop_staging(warehouse, name).await {
            tracing::warn!(staging.name = %name, error = &error as &dyn std::error::Error, "staging tables are left to the sweeper");
        }
        return Err(trouble);
    }
    Ok(Staging { name: name.clone(), manifests: manifests.to_vec() })
}

/// A table's count is the sum of its parts'.
fn check_counts(manifest: &Manifest) -> Result<(), PartError> {
    for described in &manifest.tables {
        let all: u64 = described.parts.iter().map(|part| part.rows).sum();
        if let Some(part) = described.parts.first().filter(|_| all != described.rows) {
            let message = format!(
                "the parts of {} of load {} have {all} rows, their manifest says {}",
                described.table, manifest.load_id, described.rows
            );
            return Err(PartError::Mismatch { uri: part.uri.clone(), message });
        }
    }
    Ok(())
}

fn tables<'a>(
    warehouse: &RedshiftWarehouse,
    shape: &'a FamilyShape,
    name: &Nonce,
    manifests: &'a [Arc<Manifest>],
) -> Result<Vec<StagedTable<'a>>, Trouble> {
    let datasets: BTreeSet<_> = manifests.iter().map(|manifest| &manifest.dataset).collect();
    let mut tables: Vec<StagedTable<'a>> = shape
        .tables
        .iter()
        .filter(|table| datasets.contains(&table.dataset))
        .map(|table| {
            let name = warehouse.names.staging(&StagingName::of_table(&shape.family, name, table));
            StagedTable { table, name, loads: Vec::new(), copies: Vec::new() }
        })
        .collect();
    let (mut loads, mut parts) = (BTreeSet::new(), BTreeSet::new());
    for manifest in manifests {
        // A load that is named twice is copied once.
        if !loads.insert(&manifest.load_id) {
            continue;
        }
        for described in manifest.tables.iter().filter(|described| !described.parts.is_empty()) {
            for part in &described.parts {
                if !parts.insert(&part.uri) {
                    let message = "it is named twice, and would be loaded twice".to_owned();
                    return Err(PartError::Mismatch { uri: part.uri.clone(), message }.into());
                }
            }
            let found = find_table(shape, manifest, described);
            if let Some(table) = tables.iter_mut().find(|table| Some(table.table) == found) {
                table.loads.push((manifest, described));
            }
        }
    }
    for table in &mut tables {
        let mut by_columns: BTreeMap<Vec<&str>, Vec<&Part>> = BTreeMap::new();
        for (_, described) in &table.loads {
            let columns = described.columns.iter().map(|column| column.name.as_str()).collect();
            by_columns.entry(columns).or_default().extend(&described.parts);
        }
        table.copies = by_columns.into_iter().map(|(columns, parts)| Copied { columns, parts }).collect();
    }
    Ok(tables)
}

async fn stage_tables(
    warehouse: &RedshiftWarehouse,
    shape: &FamilyShape,
    name: &Nonce,
    tables: &[StagedTable<'_>],
) -> Result<(), Trouble> {
    let mut lists = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let mut of_table = Vec::new();
        for (copy_number, copied) in table.copies.iter().enumerate() {
            of_table.push(copied.put_list(warehouse, &shape.family, name, number, copy_number).await?);
        }
        lists.push(of_table);
    }
    warehouse.remember_staging(name, tables.iter().map(|table| table.name.clone()).collect());
    // Usually one: only a dataset of many tables needs several.
    let mut rest: Vec<(&StagedTable<'_>, &Vec<String>)> = tables.iter().zip(&lists).collect();
    while !rest.is_empty() {
        let (mut statements, mut taken) = (0, 0);
        while let Some((table, _)) = rest.get(taken)
            && (taken == 0 || statements + table.statements() <= MOST_STATEMENTS)
        {
            statements += table.statements();
            taken += 1;
        }
        let later = rest.split_off(taken);
        stage_some(warehouse, &shape.family, name, &rest).await?;
        rest = later;
    }
    Ok(())
}

/// What one statement of a script does.
enum Step<'a> {
    Create,
    Copy(&'a StagedTable<'a>, &'a Copied<'a>),
    Count(&'a StagedTable<'a>),
}

async fn stage_some(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    name: &Nonce,
    tables: &[(&StagedTable<'_>, &Vec<String>)],
) -> Result<(), Trouble> {
    let (mut sqls, mut steps) = (Vec::new(), Vec::new());
    for (table, lists) in tables {
        sqls.push(ddl::create_staging(&table.name, table.table));
        steps.push(Step::Create);
        for (copied, list) in table.copies.iter().zip(*lists) {
            sqls.push(copied.statement(&table.name, list, &warehouse.iam_role));
            steps.push(Step::Copy(table, copied));
        }
        if !table.copies.is_empty() {
            sqls.push(count(&table.name, table.table));
            steps.push(Step::Count(table));
        }
    }
    let script = Script::new(format!("lakehand/stage/{family}/{name}"), sqls);
    let ended = match warehouse.client.run(&script).await {
        Ok(ended) => ended,
        Err(Trouble::Failed(failed)) => {
            return Err(match failed.at.and_then(|at| steps.get(at)) {
                Some(Step::Copy(table, copied)) => refusal::explain(warehouse, table.table, copied, failed).await,
                Some(Step::Create) if failed.message.to_ascii_lowercase().contains("already exists") => {
                    Trouble::Refused(format!("staging {name} is there already: stage under a new name"))
                }
                Some(Step::Count(table)) if failed.meaning() == Meaning::Unclear => {
                    let (of, words) = (told(table.table), failed.message.trim());
                    Trouble::Data(format!("a json column of {of} holds what cannot be taken apart: {words}"))
                }
                _ => Trouble::Failed(failed),
            });
        }
        Err(trouble) => return Err(trouble),
    };
    for (at, step) in steps.iter().enumerate() {
        if let Step::Count(table) = step {
            compare(table, warehouse.client.rows(&ended, at, usize::MAX).await?)?;
        }
    }
    Ok(())
}

/// Counts what was copied, load by load. Texts that the rows hold taken apart are taken apart once here, where what is no
/// JSON fails the staging of its file, and not the commit of all.
fn count(staging: &str, table: &TableShape) -> String {
    let parsed: Vec<String> = table
        .columns
        .iter()
        .filter(|column| table.layout.parsed_json && column.column_type == ColumnType::Json)
        .map(|column| format!(", COUNT(JSON_PARSE({}))", sql::quote(&column.name)))
        .collect();
    format!(
        "SELECT \"_load_id\", COUNT(*), MIN(\"_object\"), MAX(\"_object\"), MIN(\"_order\"), MAX(\"_order\"){} \
         FROM {staging} GROUP BY \"_load_id\"",
        parsed.concat()
    )
}

/// Compares what was copied with what the manifests say. A load that differs goes back to transform.
fn compare(table: &StagedTable<'_>, rows: Rows) -> Result<(), Trouble> {
    let mut counted: BTreeMap<LoadId, (u64, [String; 4])> = BTreeMap::new();
    for row in rows.rows {
        let mut record = Record::new(row);
        let load = LoadId::new(record.text()?);
        let rows = record.number()?;
        let mut text = || record.text();
        counted.insert(load, (rows, [text()?, text()?, text()?, text()?]));
    }
    for (manifest, described) in &table.loads {
        let Some(part) = described.parts.first() else { continue };
        let found = counted.remove(&manifest.load_id);
        if found.is_none() && described.rows == 0 {
            continue;
        }
        let message = match &found {
            Some((rows, _)) if *rows != described.rows => format!("{rows} rows of it were copied"),
            None => "no row of it was copied".to_owned(),
            Some((_, [least_object, most_object, least_order, most_order])) => {
                let (object, order) = (manifest.object.uri.as_str(), manifest.order.as_str());
                if least_object != object || most_object != object {
                    format!("its rows are of object {least_object:?} to {most_object:?}, not of {object:?}")
                } else if least_order != order || most_order != order {
                    format!("its rows are of order {least_order:?} to {most_order:?}, not of {order:?}")
                } else {
                    continue;
                }
            }
        };
        let message = format!(
            "load {} has {} rows in {}, by its manifest; {message}",
            manifest.load_id,
            described.rows,
            told(table.table)
        );
        return Err(PartError::Mismatch { uri: part.uri.clone(), message }.into());
    }
    let Some((load, _)) = counted.pop_first() else { return Ok(()) };
    let uri = table.loads.first().and_then(|(_, described)| described.parts.first()).map(|part| part.uri.clone());
    let message = format!("rows of load {load} were copied, which no manifest of the call speaks of");
    Err(match uri {
        Some(uri) => PartError::Mismatch { uri, message }.into(),
        None => Trouble::Refused(message),
    })
}

/// The rows of several stagings of one table, each with the nonce of its staging as `staging`.
pub(crate) fn union(stagings: &[(Nonce, String)], columns: &str) -> String {
    let select = |(nonce, table): &(Nonce, String)| {
        format!("SELECT CAST({} AS VARCHAR(64)) AS \"staging\", {columns} FROM {table}", sql::literal(nonce.as_str()))
    };
    stagings.iter().map(select).collect::<Vec<_>>().join(" UNION ALL ")
}
