//! From a decoded piece to a batch: expressions and filters evaluated, records they reject struck from every table,
//! rows placed in their partitions.

mod broken;
mod check;
mod exact;
mod expression;
mod fit;
mod judge;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use lakehand_dataset::dataset::{Dataset, Origin, Table};
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::Reject;
use lakehand_domain::shape::ColumnType;
use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult, Series};
use polars_arrow::array::{Array, BooleanArray};

use self::broken::Broken;
pub(crate) use self::broken::Kept;
use self::check::{Checks, Offence};
use self::expression::Expression;
pub(crate) use self::fit::Misfit;
use self::fit::Results;
use self::judge::Judge;
pub(crate) use self::judge::text_of;
use crate::gather::gather;
use crate::partition::Partitions;
use crate::physical::Builder;
use crate::piece::{Piece, TablePiece};
use crate::unique::{UniqueValue, Uniques};

/// What one piece gives to the lake.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The chunk's number.
    pub(crate) number: u64,
    /// The chunk's member.
    pub(crate) member: Option<Arc<str>>,
    /// Whether line numbers within the member start anew here.
    pub(crate) begins_member: bool,
    /// Physical lines in the chunk.
    pub(crate) lines: u64,
    /// See [`crate::piece::Chunk::places`].
    pub(crate) places: Option<Vec<u64>>,
    /// Records read, accepted or not.
    pub(crate) records: u64,
    /// In the order of their lines, relative to the chunk.
    pub(crate) rejects: Vec<Reject>,
    /// For each table of the dataset its rows by partition, in the order of their first rows.
    pub(crate) tables: Vec<Vec<Rows>>,
    /// Values that no other record of the object may have, in the order of their records.
    pub(crate) unique: Vec<UniqueValue>,
    /// The records as they came, where one may still be rejected.
    pub(crate) kept: Option<Kept>,
}

/// Some rows of one partition of one table.
#[derive(Debug)]
pub(crate) struct Rows {
    /// `p_<column>=<value>` in order.
    pub(crate) partition: Vec<String>,
    /// For each row the line of its record, relative to the chunk.
    pub(crate) record: Vec<u32>,
    /// For each row its position in the exploded list; empty for tables of whole records.
    pub(crate) element: Vec<i32>,
    /// The declared columns, then `_passes` where the table has a filter.
    pub(crate) columns: Vec<Box<dyn Array>>,
}

/// The expressions, filters and partitions of a dataset, compiled.
#[derive(Debug)]
pub(crate) struct Program {
    tables: Vec<TableProgram>,
    checks: Checks,
    uniques: Uniques,
    /// Whether the dataset masks columns, so that raw records are not shown.
    withhold: bool,
}

#[derive(Debug)]
struct TableProgram {
    names: Vec<(String, ColumnType)>,
    expressions: Vec<Computed>,
    filter: Option<Expression>,
    filter_name: String,
    partitions: Partitions,
}

#[derive(Debug)]
struct Computed {
    column: usize,
    name: String,
    expression: Expression,
    judge: Judge,
}

impl Program {
    /// Compiles; each problem is (key path in the definition, message).
    pub(crate) fn compile(dataset: &Dataset) -> Result<Self, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let tables = dataset.tables.iter().map(|table| TableProgram::compile(table, dataset, &mut problems)).collect();
        let checks = Checks::compile(dataset, &mut problems);
        let mut columns = dataset.tables.iter().flat_map(|table| &table.columns);
        let withhold = columns.any(|column| column.rules.mask.is_some());
        if problems.is_empty() {
            Ok(Self { tables, checks, uniques: Uniques::of(dataset), withhold })
        } else {
            Err(problems)
        }
    }

    /// Derives what a piece gives. `bytes` are those of its chunk.
    pub(crate) fn derive(&self, mut piece: Piece, bytes: &[u8]) -> Result<Batch, TransformError> {
        let mut struck = BTreeMap::new();
        let mut tables = Vec::with_capacity(self.tables.len());
        for (program, table) in self.tables.iter().zip(std::mem::take(&mut piece.tables)) {
            let done = program.compute(table, &mut struck).map_err(|error| TransformError::Engine {
                what: format!("evaluate the expressions of {}", program.filter_name),
                source: Box::new(error),
            })?;
            tables.push(done);
        }
        for table in &mut tables {
            strike(table, &struck);
        }
        let offences = self.offences(&tables, &piece.accepted);
        if !offences.is_empty() {
            for table in &mut tables {
                strike(table, &offences);
            }
            // A record that an expression has struck has no rows that a check could see.
            struck.extend(offences);
        }
        if !struck.is_empty() {
            let rejects: Vec<Reject> = struck
                .into_iter()
                .map(|(line, broken)| broken.reject(line, &piece.accepted, bytes, self.withhold))
                .collect();
            piece.rejects.extend(rejects);
            piece.rejects.sort_by_key(|reject| reject.record);
        }
        let arrays: Vec<_> = tables.iter().map(|table| (table.record.as_slice(), table.columns.as_slice())).collect();
        let unique = self.uniques.values(&arrays);
        let kept = (!unique.is_empty()).then(|| Kept {
            bytes: bytes.to_vec(),
            accepted: std::mem::take(&mut piece.accepted),
            withhold: self.withhold,
        });
        let tables = self.tables.iter().zip(tables).map(|(program, table)| place(&program.partitions, table));
        let tables = tables.collect::<Result<_, _>>()?;
        Ok(Batch {
            number: piece.number,
            member: piece.member,
            begins_member: piece.begins_member,
            lines: piece.lines,
            places: piece.places,
            records: piece.records,
            rejects: piece.rejects,
            tables,
            unique,
            kept,
        })
    }
}

impl Program {
    /// The records that checks find among those left, each for the first check that finds it.
    fn offences(&self, tables: &[Whole], accepted: &[(u32, Range<u32>)]) -> BTreeMap<u32, Broken> {
        let mut struck = BTreeMap::new();
        if self.checks.is_empty() {
            return struck;
        }
        let records: Vec<u32> = accepted.iter().map(|(line, _)| *line).collect();
        for Offence { record, check, misfit } in self.checks.offences(tables, &records) {
            struck.entry(record).or_insert(Broken { column: check, misfit });
        }
        struck
    }
}

/// A table with all of its columns.
#[derive(Debug)]
struct Whole {
    record: Vec<u32>,
    element: Vec<i32>,
    columns: Vec<Box<dyn Array>>,
}

impl TableProgram {
    fn compile(table: &Table, dataset: &Dataset, problems: &mut Vec<(String, String)>) -> Self {
        let shape = &table.shape;
        let path = |rest: &str| format!("tables.{}.{rest}", shape.name);
        let all: Vec<(&str, ColumnType)> =
            shape.columns.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
        let is_expression = |at: usize| matches!(table.columns[at].origin, Origin::Expression(_));
        let plain: Vec<_> = (0..all.len()).filter(|at| !is_expression(*at)).map(|at| all[at]).collect();
        let mut expressions = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let Origin::Expression(sql) = &column.origin else { continue };
            let (name, column_type) = all[at];
            let key = path(&format!("columns.{name}"));
            let judge = match Judge::compile(&column.rules, column_type, shape.columns[at].required) {
                Ok(judge) => judge,
                Err((rule, message)) => {
                    problems.push((format!("{key}.{rule}"), message));
                    continue;
                }
            };
            let expression = Expression::compile(sql, &plain).and_then(|expression| {
                match fit::unfit(&expression.data_type, column_type) {
                    Some(message) => Err(message),
                    None => Ok(expression),
                }
            });
            match expression {
                Ok(expression) => {
                    expressions.push(Computed {
                        column: at,
                        name: format!("{}.{name}", shape.name),
                        expression,
                        judge,
                    });
                }
                Err(message) => problems.push((format!("{key}.expr"), message)),
            }
        }
        let filter = table.filter.as_ref().and_then(|sql| {
            let filter = Expression::compile(sql, &all).and_then(|filter| {
                match fit::unfit(&filter.data_type, ColumnType::Boolean) {
                    Some(_) => Err(format!("it gives {}, not a boolean", filter.data_type)),
                    None => Ok(filter),
                }
            });
            filter.map_err(|message| problems.push((path("where"), message))).ok()
        });
        Self {
            names: all.iter().map(|(name, column_type)| ((*name).to_owned(), *column_type)).collect(),
            expressions,
            filter,
            filter_name: format!("{}.where", shape.name),
            partitions: Partitions::of(table, dataset.quality.max_partitions()),
        }
    }

    fn compute(&self, table: TablePiece, struck: &mut BTreeMap<u32, Broken>) -> PolarsResult<Whole> {
        let TablePiece { record, element, mut columns } = table;
        let rows = record.len();
        let mut strike = |row: usize, column: &str, misfit: Misfit| {
            struck.entry(record[row]).or_insert_with(|| Broken { column: column.to_owned(), misfit });
        };
        let mut made = Vec::with_capacity(self.expressions.len());
        for computed in &self.expressions {
            let frame = self.frame(&computed.expression.inputs, &columns, rows)?;
            let (series, failed) = computed.expression.evaluate(&frame)?;
            let mut failed = failed.into_iter().peekable();
            let column_type = self.names[computed.column].1;
            let results = Results::of(&series)?;
            let mut builder = Builder::new(column_type, rows);
            for row in 0..rows {
                let outcome = match failed.next_if(|(at, _)| *at as usize == row) {
                    Some((_, misfit)) => Err(misfit),
                    None => results.fit(row, column_type).and_then(|scalar| computed.judge.judge(scalar)),
                };
                match outcome {
                    Ok(scalar) => builder.push(scalar),
                    Err(misfit) => {
                        builder.push(crate::physical::Scalar::Null);
                        strike(row, &computed.name, misfit);
                    }
                }
            }
            made.push((computed.column, builder.finish()));
        }
        for (column, array) in made {
            columns[column] = Some(array);
        }
        let mut passes = None;
        if let Some(filter) = &self.filter {
            let frame = self.frame(&filter.inputs, &columns, rows)?;
            let (series, failed) = filter.evaluate(&frame)?;
            for (row, misfit) in failed {
                strike(row as usize, &self.filter_name, misfit);
            }
            let truth = series.chunks().first().and_then(|array| array.as_any().downcast_ref::<BooleanArray>());
            let values = (0..rows).map(|row| Some(truth.is_some_and(|truth| truth.get(row) == Some(true))));
            passes = Some(values.collect::<BooleanArray>().with_validity(None).boxed());
        }
        let columns = columns.into_iter().chain(passes.map(Some)).collect::<Option<Vec<_>>>();
        let columns = columns.ok_or_else(|| {
            PolarsError::ShapeMismatch(format!("a column of {} was not decoded", self.filter_name).into())
        })?;
        Ok(Whole { record, element, columns })
    }

    /// The columns an expression uses, without copying them.
    fn frame(&self, inputs: &[String], columns: &[Option<Box<dyn Array>>], rows: usize) -> PolarsResult<DataFrame> {
        let columns = self
            .names
            .iter()
            .zip(columns)
            .filter(|((name, _), _)| inputs.contains(name))
            .filter_map(|((name, _), array)| Some((name, array.as_ref()?)))
            .map(|(name, array)| Series::from_arrow(name.as_str().into(), array.clone()).map(Column::from))
            .collect::<PolarsResult<Vec<_>>>()?;
        DataFrame::new(rows, columns)
    }
}

fn strike(table: &mut Whole, struck: &BTreeMap<u32, Broken>) {
    if struck.is_empty() {
        return;
    }
    let kept: Vec<u32> =
        (0u32..).zip(&table.record).filter(|(_, record)| !struck.contains_key(record)).map(|(row, _)| row).collect();
    if kept.len() < table.record.len() {
        *table = pick(table, &kept);
    }
}

fn pick(table: &Whole, rows: &[u32]) -> Whole {
    Whole {
        record: rows.iter().map(|row| table.record[*row as usize]).collect(),
        element: if table.element.is_empty() {
            Vec::new()
        } else {
            rows.iter().map(|row| table.element[*row as usize]).collect()
        },
        columns: table.columns.iter().map(|column| gather(column.as_ref(), rows)).collect(),
    }
}

fn place(partitions: &Partitions, table: Whole) -> Result<Vec<Rows>, TransformError> {
    if table.record.is_empty() {
        return Ok(Vec::new());
    }
    let rows_of = |partition, whole: Whole| Rows {
        partition,
        record: whole.record,
        element: whole.element,
        columns: whole.columns,
    };
    if partitions.is_none() {
        return Ok(vec![rows_of(Vec::new(), table)]);
    }
    let mut placed = partitions.place(&table.columns, table.record.len())?;
    if placed.len() == 1 {
        return Ok(vec![rows_of(std::mem::take(&mut placed[0].partition), table)]);
    }
    Ok(placed.into_iter().map(|placed| rows_of(placed.partition, pick(&table, &placed.rows))).collect())
}
