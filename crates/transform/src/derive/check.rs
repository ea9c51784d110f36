//! Checks: SQL over the rows that are made of one record, for all records of a chunk at once.
//!
//! A query joins by record and groups by record ([`lakehand_dataset::query`]), so that many records may be looked at
//! together, and what is found of each is found of it alone.

mod prepare;

use std::collections::HashMap;

use lakehand_dataset::dataset::{Dataset, RecordCheck};
use lakehand_dataset::query::{ELEMENT, RECORD};
use lakehand_domain::reject::Rule;
use polars::prelude::{
    Column, DataFrame, Expr, IntoLazy, JoinArgs, JoinCoalesce, JoinType, LazyFrame, NamedFrom, PolarsError,
    PolarsResult, Series, col,
};

use self::prepare::{Prepared, PreparedJoin, PreparedRelation, PreparedRows};
use super::expression::words;
use super::{Misfit, Whole};

/// The most rows that a join may make of the records looked at together. Lists of one record that multiply to more make
/// the record a reject.
const MOST_JOINED_ROWS: u64 = 1 << 20;

/// The checks of a dataset, compiled.
#[derive(Debug)]
pub(super) struct Checks {
    checks: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    path: String,
    message: String,
    query: Prepared,
}

/// A record that a check finds: its line in the chunk, the check, and what is wrong.
#[derive(Debug)]
pub(super) struct Offence {
    pub(super) record: u32,
    pub(super) check: String,
    pub(super) misfit: Misfit,
}

impl Checks {
    /// Compiles; each problem is (key path in the definition, message).
    pub(super) fn compile(dataset: &Dataset, problems: &mut Vec<(String, String)>) -> Self {
        let mut checks = Vec::with_capacity(dataset.checks.len());
        for check in &dataset.checks {
            match Prepared::of(&check.query, dataset) {
                Ok(query) => checks.push(Check { path: check.path(), message: message(check), query }),
                Err(message) => problems.push((format!("{}.sql", check.path()), message)),
            }
        }
        Self { checks }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// What each check finds, in the order of the checks. `records` are the lines of the chunk's records, in order.
    pub(super) fn offences(&self, tables: &[Whole], records: &[u32]) -> Vec<Offence> {
        let mut offences = Vec::new();
        for check in &self.checks {
            let mut found = Vec::new();
            check.bisect(tables, records, &mut found);
            offences.extend(found.into_iter().map(|(record, failed)| {
                let message = failed.unwrap_or_else(|| check.message.clone());
                let misfit = Misfit { rule: Rule::Check, message, value: None };
                Offence { record, check: check.path.clone(), misfit }
            }));
        }
        offences
    }
}

fn message(check: &RecordCheck) -> String {
    check.message.clone().unwrap_or_else(|| format!("the check {} finds the record", check.name))
}

impl Check {
    /// One record at which a query fails makes it fail for all, so halves are tried until the record stands alone.
    fn bisect(&self, tables: &[Whole], records: &[u32], found: &mut Vec<(u32, Option<String>)>) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        match self.query.found(tables, *first, *last) {
            Ok(offending) => found.extend(offending.into_iter().map(|record| (record, None))),
            Err(failure) if records.len() == 1 => found.push((*first, Some(failure.words()))),
            Err(_) => {
                let (before, after) = records.split_at(records.len() / 2);
                self.bisect(tables, before, found);
                self.bisect(tables, after, found);
            }
        }
    }
}

/// Why a query gave nothing.
#[derive(Debug)]
enum Failure {
    Engine(PolarsError),
    TooManyRows,
    TooLarge,
}

impl Failure {
    fn words(&self) -> String {
        match self {
            Self::Engine(error) => format!("the check cannot be made of this record: {}", words(error)),
            Self::TooManyRows => format!(
                "the check joins more than {MOST_JOINED_ROWS} rows of this record: let it sum lists up in a SELECT of \
                 their own before it joins them"
            ),
            Self::TooLarge => "the check makes a sum of more than 37 digits of this record".to_owned(),
        }
    }
}

impl From<PolarsError> for Failure {
    fn from(error: PolarsError) -> Self {
        Self::Engine(error)
    }
}

impl Prepared {
    /// The records from `first` to `last` that the query gives, in order.
    fn found(&self, tables: &[Whole], first: u32, last: u32) -> Result<Vec<u32>, Failure> {
        let rows = self.rows(tables, first, last)?;
        let column = rows.column(RECORD)?.u32()?.clone();
        let mut records: Vec<u32> = column.iter().flatten().collect();
        records.sort_unstable();
        records.dedup();
        Ok(records)
    }

    /// Its rows: `_record` and what else it gives.
    fn rows(&self, tables: &[Whole], first: u32, last: u32) -> Result<DataFrame, Failure> {
        let mut frame = self.from.rows(tables, first, last)?;
        for join in &self.joins {
            let with = join.relation.rows(tables, first, last)?;
            if joined_rows(&frame, &join.to, &with, &join.own, join.left)? > MOST_JOINED_ROWS {
                return Err(Failure::TooManyRows);
            }
            frame = join.join(frame, with).collect()?;
        }
        let mut lazy = frame.lazy();
        if let Some(filter) = &self.filter {
            lazy = lazy.filter(filter.clone());
        }
        if let Some(groups) = &self.groups {
            let grouped = groups.group(lazy).collect()?;
            for size in &groups.sizes {
                let sizes = grouped.column(size)?.f64()?.clone();
                if sizes.iter().flatten().any(|size| size > groups.most) {
                    return Err(Failure::TooLarge);
                }
            }
            lazy = grouped.lazy();
            if let Some(having) = &groups.having {
                lazy = lazy.filter(having.clone());
            }
        }
        Ok(lazy.select(&self.outputs).collect()?)
    }
}

impl PreparedRelation {
    /// Its rows, under the names that the query around it calls them by.
    fn rows(&self, tables: &[Whole], first: u32, last: u32) -> Result<DataFrame, Failure> {
        match &self.rows {
            PreparedRows::Table { table, columns, element } => {
                let table = &tables[*table];
                let start = table.record.partition_point(|record| *record < first);
                let end = table.record.partition_point(|record| *record <= last);
                let whole = table_frame(&self.name, table, columns, *element)?;
                Ok(whole.slice(i64::try_from(start).unwrap_or(i64::MAX), end - start))
            }
            PreparedRows::Query(query) => {
                let mut frame = query.rows(tables, first, last)?;
                for name in frame.get_column_names_owned() {
                    frame.rename(&name, format!("{}.{name}", self.name).into())?;
                }
                Ok(frame)
            }
        }
    }
}

impl PreparedJoin {
    fn join(&self, frame: DataFrame, with: DataFrame) -> LazyFrame {
        let how = if self.left { JoinType::Left } else { JoinType::Inner };
        let args = JoinArgs::new(how).with_coalesce(JoinCoalesce::KeepColumns);
        let columns = |names: &[String]| names.iter().map(|name| col(name.as_str())).collect::<Vec<Expr>>();
        frame.lazy().join(with.lazy(), columns(&self.before), columns(&self.after), args)
    }
}

/// A table's columns as `name.column`, without copying them.
fn table_frame(name: &str, table: &Whole, columns: &[(usize, String)], element: bool) -> PolarsResult<DataFrame> {
    let of = |column: &str| format!("{name}.{column}");
    let mut all = vec![Column::from(Series::new(of(RECORD).into(), table.record.as_slice()))];
    if element {
        all.push(Column::from(Series::new(of(ELEMENT).into(), table.element.as_slice())));
    }
    for (at, column) in columns {
        all.push(Column::from(Series::from_arrow(of(column).into(), table.columns[*at].clone())?));
    }
    DataFrame::new(table.record.len(), all)
}

/// How many rows a join by record makes at the most; further columns that must be equal make them fewer.
fn joined_rows(frame: &DataFrame, to: &str, with: &DataFrame, own: &str, left: bool) -> PolarsResult<u64> {
    let mut counts: HashMap<u32, u64> = HashMap::new();
    for record in with.column(own)?.u32()?.iter().flatten() {
        *counts.entry(record).or_default() += 1;
    }
    let without = u64::from(left);
    let mut rows: u64 = 0;
    for record in frame.column(to)?.u32()?.iter() {
        let matches = record.and_then(|record| counts.get(&record)).copied().unwrap_or(0);
        rows = rows.saturating_add(matches.max(without));
    }
    Ok(rows)
}
