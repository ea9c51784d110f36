//! The tables: how rows contend, where they are placed, and what they are made of.

use lakehand_domain::id::DatasetId;
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, TableLayout, TableShape};

use super::column::{self, Scope};
use super::source::CheckedSource;
use super::{contest, expression, layout, name};
use crate::dataset::{Column, Grain, Partitioning, Table};
use crate::definition::read::{At, Entries};
use crate::definition::{self, FormatName};
use crate::nearest::nearest;
use crate::path::FieldPath;
use crate::problem::Report;

/// A ledger entry counts rows by table, and must stay small.
const MOST_TABLES: usize = 100;

/// What the check of one column must know of all others.
#[derive(Debug)]
pub(super) struct TableOutline<'d> {
    pub(super) name: &'d str,
    pub(super) exploded: bool,
    pub(super) columns: Vec<ColumnOutline<'d>>,
}

#[derive(Debug)]
pub(super) struct ColumnOutline<'d> {
    pub(super) name: &'d str,
    pub(super) kind: Kind,
    /// `None` where the type could not be read.
    pub(super) column_type: Option<ColumnType>,
}

impl ColumnOutline<'_> {
    pub(super) fn type_text(&self) -> String {
        self.column_type.map_or_else(String::new, |column_type| column_type.to_string())
    }
}

/// Where a column's value comes from, as far as other columns care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Field,
    Capture,
    Expression,
    Hash,
}

impl<'d> TableOutline<'d> {
    fn of(name: &'d At<String>, table: &'d definition::Table) -> Self {
        let read = table.columns.iter().flat_map(|columns| &columns.value.read);
        let read = read.map(|(name, column)| ColumnOutline {
            name: &name.value,
            kind: column::kind_of(&column.value),
            column_type: column.value.kind.as_ref().and_then(|text| ColumnType::parse(&text.value).ok()),
        });
        let unread = table.columns.iter().flat_map(|columns| &columns.value.unread);
        let unread = unread.map(|name| ColumnOutline { name, kind: Kind::Field, column_type: None });
        Self { name: &name.value, exploded: table.rows.is_some(), columns: read.chain(unread).collect() }
    }

    pub(super) fn column(&self, name: &str) -> Option<&ColumnOutline<'d>> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Notes a column that the table does not have.
    pub(super) fn no_column(&self, name: &At<String>, path: String, report: &mut Report<'_>) {
        let message = format!("there is no column {:?} in this table", name.value);
        match nearest(&name.value, self.columns.iter().map(|column| column.name)) {
            Some(meant) => report.advise(name.at, path, message, format!("did you mean {meant}?")),
            None => report.add(name.at, path, message),
        }
    }
}

/// The tables of a definition.
#[derive(Debug)]
pub(super) struct CheckedTables {
    /// The tables, where they have no problems.
    pub(super) tables: Option<Vec<Table>>,
    /// Their names, in any case.
    pub(super) names: Vec<At<String>>,
}

/// What all tables of a definition have.
pub(super) fn outlines(given: &At<Entries<definition::Table>>) -> Vec<TableOutline<'_>> {
    given.value.read.iter().map(|(name, table)| TableOutline::of(name, &table.value)).collect()
}

/// What a record has beside the elements of its lists needs a row to be rescued in.
pub(super) fn check_rescue(at: usize, given: &At<Entries<definition::Table>>, report: &mut Report<'_>) {
    let tables = &given.value.read;
    if !tables.is_empty() && tables.iter().all(|(_, table)| table.value.rows.is_some()) {
        let message = "every table is made of list elements, and what the record has beside them would be kept nowhere";
        let hint = "add a table without rows, name the list in source.records, or use \"ignore\"";
        report.advise(at, "quality.unknown_fields", message, hint);
    }
}

pub(super) fn check_all(
    given: &At<Entries<definition::Table>>,
    dataset: Option<&At<String>>,
    source: &CheckedSource,
    report: &mut Report<'_>,
) -> CheckedTables {
    let entries = &given.value.read;
    if entries.is_empty() {
        report.add(given.at, "tables", "there are no tables");
    }
    if entries.len() > MOST_TABLES {
        let told = format!("there are {} tables; at most {MOST_TABLES} are allowed", entries.len());
        report.add(given.at, "tables", told);
    }
    let outlines = outlines(given);
    let mut tables = Some(Vec::with_capacity(entries.len()));
    for (at, (table_name, table)) in entries.iter().enumerate() {
        let named = name::check_table(table_name, report);
        let check = TableCheck { table: &table.value, at, outlines: &outlines, source };
        let checked = check.run(dataset, report).filter(|_| named);
        tables = tables.zip(checked).map(|(mut tables, table)| {
            tables.push(table);
            tables
        });
    }
    CheckedTables { tables, names: entries.iter().map(|(name, _)| name.clone()).collect() }
}

/// One table with what surrounds it.
struct TableCheck<'c> {
    table: &'c definition::Table,
    at: usize,
    outlines: &'c [TableOutline<'c>],
    source: &'c CheckedSource,
}

impl TableCheck<'_> {
    fn outline(&self) -> &TableOutline<'_> {
        &self.outlines[self.at]
    }

    fn path(&self, key: &str) -> String {
        format!("tables.{}.{key}", self.outline().name)
    }

    fn run(&self, dataset: Option<&At<String>>, report: &mut Report<'_>) -> Option<Table> {
        let rows = match &self.table.rows {
            Some(rows) => self.check_rows(rows, report).map(Some),
            None => Some(None),
        };
        // Without columns, all that names one would be called unknown.
        self.table.columns.as_ref()?;
        let contest = contest::check(self.table, self.outline(), self.source, report);
        let partition_by = self.check_partitions(report);
        let filter = match &self.table.filter {
            Some(condition) => {
                let path = self.path("where");
                expression::check(condition, &path, self.outlines, self.at, report).map(Some)
            }
            None => Some(None),
        };
        let layout = match &self.table.redshift {
            Some(given) => layout::check(&given.value, self.outline(), &self.path("redshift"), report),
            None => Some(TableLayout::default()),
        };
        let columns = self.check_columns(report);

        let contest = contest?;
        let (mut shapes, columns): (Vec<ColumnShape>, Vec<Column>) = columns?.into_iter().unzip();
        if let Contest::Upsert { key, .. } = &contest {
            // Rows whose key is null never reach a table: they are rejected or skipped.
            shapes.iter_mut().filter(|shape| key.contains(&shape.name)).for_each(|shape| shape.required = true);
        }
        let rows = rows?;
        let filter = filter?;
        let named = shapes.iter().zip(&columns).filter(|(_, column)| column.rules.subject);
        let subjects = named.map(|(shape, _)| shape.name.clone()).collect();
        Some(Table {
            shape: TableShape {
                dataset: DatasetId::new(dataset?.value.as_str()),
                name: self.outline().name.to_owned(),
                columns: shapes,
                contest,
                has_where: filter.is_some(),
                exploded: rows.is_some(),
                layout: layout?,
                subjects,
                references: Vec::new(),
            },
            rows,
            columns,
            filter,
            partition_by: partition_by?,
            skip_without_key: contest::skips_without_key(self.table),
        })
    }

    fn check_rows(&self, rows: &At<String>, report: &mut Report<'_>) -> Option<FieldPath> {
        if matches!(self.source.format, Some(FormatName::Csv | FormatName::Tsv)) {
            report.add(rows.at, self.path("rows"), "is not for csv: its lines have no lists");
            return None;
        }
        let Some(list) = rows.value.strip_suffix("[]") else {
            let message = format!("must be the path of a list, ending in [] as in cores[], and is {:?}", rows.value);
            report.add(rows.at, self.path("rows"), message);
            return None;
        };
        match FieldPath::parse(list) {
            Ok(path) if path.keys.is_empty() || path.from_record || list.contains("[]") => {
                report.add(
                    rows.at,
                    self.path("rows"),
                    "must be the path of one list in the record, such as cores[] or a.b[]",
                );
                None
            }
            Ok(path) => Some(path),
            Err(error) => {
                report.add(rows.at, self.path("rows"), error.to_string());
                None
            }
        }
    }

    /// Notes a column that the table does not have.
    fn no_column(&self, name: &At<String>, key: &str, report: &mut Report<'_>) {
        self.outline().no_column(name, self.path(key), report);
    }

    fn check_partitions(&self, report: &mut Report<'_>) -> Option<Vec<Partitioning>> {
        let given = self.table.partition_by.iter().flat_map(|given| &given.value);
        let mut partitions: Vec<Partitioning> = Vec::new();
        let mut fine = true;
        for text in given {
            match self.check_partition(text, report) {
                Some(partitioning) if partitions.iter().any(|other| other.column == partitioning.column) => {
                    fine = false;
                    let message = format!("{:?} places rows already", partitioning.column);
                    report.add(text.at, self.path("partition_by"), message);
                }
                Some(partitioning) => partitions.push(partitioning),
                None => fine = false,
            }
        }
        fine.then_some(partitions)
    }

    fn check_partition(&self, text: &At<String>, report: &mut Report<'_>) -> Option<Partitioning> {
        let (grain, column) = match text.value.split_once('(') {
            None => (Some(Grain::Value), text.value.as_str()),
            Some((grain, rest)) => {
                let grain = match grain {
                    "year" => Some(Grain::Year),
                    "month" => Some(Grain::Month),
                    "day" => Some(Grain::Day),
                    "hour" => Some(Grain::Hour),
                    _ => None,
                };
                (grain.filter(|_| rest.ends_with(')')), rest.strip_suffix(')').unwrap_or(rest))
            }
        };
        let Some(grain) = grain else {
            let message = format!("{:?} is not a column, or year(column), month(…), day(…), hour(…)", text.value);
            report.add(text.at, self.path("partition_by"), message);
            return None;
        };
        let Some(outline) = self.outline().column(column) else {
            self.no_column(&At::new(column.to_owned(), text.at), "partition_by", report);
            return None;
        };
        let column_type = outline.column_type?;
        let moment = matches!(column_type, ColumnType::Timestamp | ColumnType::Timestamptz);
        let problem = match grain {
            Grain::Value if moment => {
                Some(format!("would make a folder of every instant of {column:?}; use day({column})"))
            }
            Grain::Value if matches!(column_type, ColumnType::Json | ColumnType::Real | ColumnType::Double) => {
                Some(format!("{column:?} is {column_type}, which cannot place rows"))
            }
            Grain::Hour if column_type == ColumnType::Date => Some(format!("{column:?} is a date and has no hour")),
            Grain::Year | Grain::Month | Grain::Day | Grain::Hour if !moment && column_type != ColumnType::Date => {
                Some(format!(
                    "{column:?} is {column_type}, and only dates and times have years, months, days and hours"
                ))
            }
            _ => None,
        };
        if let Some(message) = problem {
            report.add(text.at, self.path("partition_by"), message);
            return None;
        }
        Some(Partitioning { column: column.to_owned(), grain })
    }

    fn check_columns(&self, report: &mut Report<'_>) -> Option<Vec<(ColumnShape, Column)>> {
        let given = self.table.columns.as_ref()?;
        if given.value.read.is_empty() {
            report.add(given.at, self.path("columns"), "there are no columns");
            return None;
        }
        let scope = Scope { outlines: self.outlines, table: self.at, source: self.source };
        let checked: Vec<_> =
            given.value.read.iter().map(|(name, column)| column::check(name, column, &scope, report)).collect();
        checked.into_iter().collect()
    }
}
