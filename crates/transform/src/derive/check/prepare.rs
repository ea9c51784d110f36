//! Queries of checks, resolved against the types of the dataset's columns.

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::query::{Aggregate, ELEMENT, Function, Groups, Join, Query, RECORD, Relation, Rows};
use polars::prelude::{
    Column, DataFrame, DataType, Expr, IntoLazy, LazyFrame, PolarsResult, Series, col, len, lit, when,
};
use polars_arrow::array::new_empty_array;
use polars_arrow::datatypes::ArrowDataType;

use crate::derive::expression::{resolve, words};
use crate::physical::arrow_type;

/// The most digits of a decimal.
const DIGITS: usize = 38;
/// Sums are of i128, which holds a little more than 38 digits; this many leave room for the error of a float.
const MOST_SUM: f64 = 1e37;

/// A query whose expressions are resolved.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) from: PreparedRelation,
    pub(super) joins: Vec<PreparedJoin>,
    pub(super) filter: Option<Expr>,
    pub(super) groups: Option<PreparedGroups>,
    /// `_record` first.
    pub(super) outputs: Vec<Expr>,
}

#[derive(Debug)]
pub(super) struct PreparedRelation {
    pub(super) name: String,
    pub(super) rows: PreparedRows,
}

#[derive(Debug)]
pub(super) enum PreparedRows {
    Table { table: usize, columns: Vec<(usize, String)>, element: bool },
    Query(Box<Prepared>),
}

#[derive(Debug)]
pub(super) struct PreparedJoin {
    pub(super) relation: PreparedRelation,
    /// The `_record` of the relation before it, and its own.
    pub(super) to: String,
    pub(super) own: String,
    /// All columns that must be equal, of what was there before and of what is joined.
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) left: bool,
}

#[derive(Debug)]
pub(super) struct PreparedGroups {
    keys: Vec<Expr>,
    aggregates: Vec<Expr>,
    pub(super) having: Option<Expr>,
    /// Columns that say how large sums are at the most.
    pub(super) sizes: Vec<String>,
    /// A sum must not be larger, whatever its scale.
    pub(super) most: f64,
}

impl PreparedGroups {
    pub(super) fn group(&self, rows: LazyFrame) -> LazyFrame {
        rows.group_by(&self.keys).agg(&self.aggregates)
    }
}

impl Prepared {
    /// Resolves a query. The message of a failure is for the author of the definition.
    pub(super) fn of(query: &Query, dataset: &Dataset) -> Result<Self, String> {
        Self::with_frame(query, dataset).map(|(prepared, _)| prepared)
    }

    /// With what it gives of no rows.
    fn with_frame(query: &Query, dataset: &Dataset) -> Result<(Self, DataFrame), String> {
        let (from, mut frame) = relation(&query.from, dataset)?;
        let mut joins = Vec::with_capacity(query.joins.len());
        for join in &query.joins {
            let (join, with) = prepare_join(join, dataset)?;
            frame = join.join(frame, with).collect().map_err(|error| words(&error))?;
            joins.push(join);
        }
        let filter = query.filter.as_ref().map(|filter| condition(filter, &frame, "WHERE")).transpose()?;
        let groups = match &query.groups {
            Some(groups) => {
                let (groups, grouped) = prepare_groups(&query.record(), groups, frame)?;
                frame = grouped;
                Some(groups)
            }
            None => None,
        };
        let mut outputs = vec![col(query.record().as_str()).alias(RECORD)];
        for (name, sql) in &query.outputs {
            outputs.push(resolve(sql, &frame)?.0.alias(name.as_str()));
        }
        let given = frame.lazy().select(&outputs).collect().map_err(|error| words(&error))?;
        Ok((Self { from, joins, filter, groups, outputs }, given))
    }
}

fn relation(relation: &Relation, dataset: &Dataset) -> Result<(PreparedRelation, DataFrame), String> {
    let name = relation.name.clone();
    let of = |column: &str| format!("{name}.{column}");
    let (rows, frame) = match &relation.rows {
        Rows::Table { table, columns, element } => {
            let shape = &dataset.tables[*table].shape;
            let mut types = vec![(of(RECORD), ArrowDataType::UInt32)];
            if *element {
                types.push((of(ELEMENT), ArrowDataType::Int32));
            }
            let used: Vec<_> = columns.iter().map(|at| (*at, shape.columns[*at].name.clone())).collect();
            types.extend(used.iter().map(|(at, name)| (of(name), arrow_type(shape.columns[*at].column_type))));
            let columns = types
                .into_iter()
                .map(|(name, data_type)| Series::from_arrow(name.into(), new_empty_array(data_type)).map(Column::from));
            let frame = columns.collect::<PolarsResult<Vec<_>>>().and_then(|columns| DataFrame::new(0, columns));
            let rows = PreparedRows::Table { table: *table, columns: used, element: *element };
            (rows, frame.map_err(|error| words(&error))?)
        }
        Rows::Query(query) => {
            let (query, mut frame) = Prepared::with_frame(query, dataset)?;
            for column in frame.get_column_names_owned() {
                frame.rename(&column, of(&column).into()).map_err(|error| words(&error))?;
            }
            (PreparedRows::Query(Box::new(query)), frame)
        }
    };
    Ok((PreparedRelation { name, rows }, frame))
}

fn prepare_join(join: &Join, dataset: &Dataset) -> Result<(PreparedJoin, DataFrame), String> {
    let (relation, frame) = relation(&join.relation, dataset)?;
    let (to, own) = (format!("{}.{RECORD}", join.to), format!("{}.{RECORD}", relation.name));
    let (mut before, mut after) = (vec![to.clone()], vec![own.clone()]);
    for (one, other) in &join.on {
        before.push(one.clone());
        after.push(other.clone());
    }
    Ok((PreparedJoin { relation, to, own, before, after, left: join.left }, frame))
}

fn condition(sql: &str, frame: &DataFrame, clause: &str) -> Result<Expr, String> {
    let (expr, data_type) = resolve(sql, frame)?;
    match data_type {
        DataType::Boolean | DataType::Null => Ok(expr),
        other => Err(format!("{clause} gives {other}, not a boolean")),
    }
}

/// The groups, and what they are of no rows.
fn prepare_groups(record: &str, groups: &Groups, frame: DataFrame) -> Result<(PreparedGroups, DataFrame), String> {
    let keys = std::iter::once(record).chain(groups.keys.iter().map(String::as_str)).map(col).collect();
    let mut prepared = PreparedGroups { keys, aggregates: Vec::new(), having: None, sizes: Vec::new(), most: MOST_SUM };
    for (at, aggregate) in groups.aggregates.iter().enumerate() {
        prepare_aggregate(at, aggregate, &frame, &mut prepared)?;
    }
    let grouped = prepared.group(frame.lazy()).collect().map_err(|error| words(&error))?;
    if let Some(having) = &groups.having {
        prepared.having = Some(condition(having, &grouped, "HAVING")?);
    }
    Ok((prepared, grouped))
}

/// Aggregates are exact, and do not depend on the order of rows: sums are of decimals, never of floats.
fn prepare_aggregate(
    at: usize,
    aggregate: &Aggregate,
    frame: &DataFrame,
    groups: &mut PreparedGroups,
) -> Result<(), String> {
    let name = format!("#{at}");
    let function = aggregate.function.name().to_uppercase();
    let Some(sql) = &aggregate.argument else {
        groups.aggregates.push(len().cast(DataType::Int64).alias(name));
        return Ok(());
    };
    let (of, data_type) = resolve(sql, frame)?;
    if of.clone().meta().root_names().is_empty() {
        if aggregate.function == Function::Count && data_type != DataType::Null {
            groups.aggregates.push(len().cast(DataType::Int64).alias(name));
            return Ok(());
        }
        return Err(format!("{function}({sql}) uses no column"));
    }
    let count = of.clone().count().cast(DataType::Int64);
    let result = match aggregate.function {
        Function::Count => count,
        Function::Min => of.min(),
        Function::Max => of.max(),
        Function::Sum | Function::Avg => {
            let scale = match &data_type {
                DataType::Decimal(_, scale) => *scale,
                other if other.is_integer() => 0,
                other => {
                    return Err(format!(
                        "{function}({sql}) is of {other}, whose sum is not exact and depends on the order of the rows: \
                         CAST it to a decimal"
                    ));
                }
            };
            let size = format!("{name} size");
            // Unscaled, as the sum is kept.
            let unit = lit(10f64.powi(i32::try_from(scale).unwrap_or(0)));
            groups.aggregates.push((of.clone().cast(DataType::Float64).abs().sum() * unit).alias(size.as_str()));
            groups.sizes.push(size);
            let sum = of.strict_cast(DataType::Decimal(DIGITS, scale)).sum();
            let result = match aggregate.function {
                Function::Avg => sum.cast(DataType::Float64) / count.clone().cast(DataType::Float64),
                _ => sum,
            };
            // The sum of nothing is null.
            when(count.gt(lit(0))).then(result).otherwise(lit(polars::prelude::NULL))
        }
    };
    groups.aggregates.push(result.alias(name));
    Ok(())
}
