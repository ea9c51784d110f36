//! From the slots of a record to rows: all of them, or none and the reason.

use std::sync::Arc;

use lakehand_domain::shape::ColumnType;

use super::coerce::Value;
use super::complaint::Complaint;
use super::plan::{ColumnOrigin, ColumnPlan, Plan, TablePlan};
use super::slot::{Kind, Records, Slot, narrow};
use super::texts::{Place, TextAt, Texts};
use crate::hash::{Hashed, KeyHasher, as_bigint};
use crate::mask::Masker;
use crate::physical::Builder;
use crate::piece::TablePiece;

/// What is wrong with which column.
#[derive(Debug)]
pub(super) struct Objection {
    /// `table.column`.
    pub(super) column: String,
    /// The rule and the words.
    pub(super) complaint: Complaint,
    /// The offending text, where there is one.
    pub(super) value: Option<String>,
}

/// Makes rows of records. Nothing reaches the builders before every row of a record is made.
#[derive(Debug)]
pub(super) struct RowMaker {
    plan: Arc<Plan>,
    /// One for each column of each table; those of tables made of whole records are set.
    cells: Vec<Value>,
    /// The same for cells that are made before the rows.
    early: Vec<Value>,
    /// For each table that is made of whole records, whether this one gives a row.
    whole: Vec<bool>,
    /// For each exploded table the cells of its rows, row after row, and the position of each in the list.
    exploded: Vec<(Vec<Value>, Vec<i32>)>,
    digits: String,
    /// What masks have left of the record's values.
    pub(super) masked: String,
}

/// The builders of one table.
#[derive(Debug)]
pub(super) struct TableBuilders {
    record: Vec<u32>,
    element: Vec<i32>,
    columns: Vec<Option<Builder>>,
}

impl TableBuilders {
    /// With room for so many rows.
    pub(super) fn new(table: &TablePlan, rows: usize) -> Self {
        let builder = |column: &ColumnPlan| {
            let made = !matches!(column.origin, ColumnOrigin::Expression);
            made.then(|| Builder::new(column.column_type, rows))
        };
        Self {
            record: Vec::with_capacity(rows),
            element: Vec::new(),
            columns: table.columns.iter().map(builder).collect(),
        }
    }

    /// The record that the next row is of.
    #[inline]
    pub(super) fn record(&mut self, line: u32) {
        self.record.push(line);
    }

    /// The builder of each column that is made of records.
    pub(super) fn columns(&mut self) -> &mut [Option<Builder>] {
        &mut self.columns
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.record.len()
    }

    /// The rows as arrays.
    pub(super) fn finish(self) -> TablePiece {
        TablePiece {
            record: self.record,
            element: self.element,
            columns: self.columns.into_iter().map(|builder| builder.map(Builder::finish)).collect(),
        }
    }
}

impl RowMaker {
    /// For this plan.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let tables = plan.tables.len();
        Self {
            cells: vec![Value::Null; plan.cells()],
            early: vec![Value::Null; plan.cells()],
            whole: vec![false; tables],
            exploded: vec![(Vec::new(), Vec::new()); tables],
            digits: String::new(),
            masked: String::new(),
            plan,
        }
    }

    /// Types and judges every value of the record.
    #[inline]
    pub(super) fn make(&mut self, records: &Records, texts: &Texts<'_>) -> Result<(), Box<Objection>> {
        for &(at, column) in &self.plan.early {
            let table = &self.plan.tables[at];
            self.early[table.base + column] = first_cell(&table.columns[column], records, &[], texts)?;
        }
        let record = Record { plan: &self.plan, early: &self.early, records, texts };
        for (at, table) in self.plan.tables.iter().enumerate() {
            match table.list {
                None => {
                    let cells = &mut self.cells[table.base..][..table.columns.len()];
                    self.whole[at] = record.row(table, &[], cells)?;
                }
                Some(list) => {
                    let (cells, elements) = &mut self.exploded[at];
                    record.explode(table, list, cells, elements)?;
                }
            }
        }
        if !self.plan.masked.is_empty() {
            self.put_masks_on(texts);
        }
        Ok(())
    }

    /// Masks values once all of the record are judged.
    fn put_masks_on(&mut self, texts: &Texts<'_>) {
        self.masked.clear();
        for &(at, column) in &self.plan.masked {
            let table = &self.plan.tables[at];
            let width = table.columns.len();
            let cells = match table.list {
                None if self.whole[at] => &mut self.cells[table.base..][..width],
                None => continue,
                Some(_) => self.exploded[at].0.as_mut_slice(),
            };
            for cell in cells.iter_mut().skip(column).step_by(width) {
                *cell = masked(&table.columns[column], *cell, texts, &mut self.masked);
            }
        }
    }

    /// Adds the rows of the record made last.
    #[inline]
    pub(super) fn push(&mut self, line: u32, builders: &mut [TableBuilders], texts: &Texts<'_>) {
        for (at, (table, builders)) in self.plan.tables.iter().zip(builders).enumerate() {
            if table.list.is_none() {
                if self.whole[at] {
                    builders.record.push(line);
                    let cells = &self.cells[table.base..][..table.columns.len()];
                    push_row(&mut builders.columns, cells, texts, &mut self.digits);
                }
                continue;
            }
            let (cells, elements) = &self.exploded[at];
            for (element, cells) in elements.iter().zip(cells.chunks_exact(table.columns.len().max(1))) {
                builders.record.push(line);
                builders.element.push(*element);
                push_row(&mut builders.columns, cells, texts, &mut self.digits);
            }
        }
    }
}

/// A record while its rows are made.
#[derive(Clone, Copy)]
struct Record<'a> {
    plan: &'a Plan,
    early: &'a [Value],
    records: &'a Records,
    texts: &'a Texts<'a>,
}

impl Record<'_> {
    /// The rows of all elements of a list.
    fn explode(
        self,
        table: &TablePlan,
        list: usize,
        cells: &mut Vec<Value>,
        elements: &mut Vec<i32>,
    ) -> Result<(), Box<Objection>> {
        cells.clear();
        elements.clear();
        let list = &self.records.lists[list];
        for element in 0..list.elements {
            let slots = &list.slots[element * list.width..][..list.width];
            let start = cells.len();
            cells.resize(start + table.columns.len(), Value::Null);
            if self.row(table, slots, &mut cells[start..])? {
                elements.push(i32::try_from(element + 1).unwrap_or(i32::MAX));
            } else {
                cells.truncate(start);
            }
        }
        Ok(())
    }

    /// One row. False where it has no key and the table leaves such rows out.
    #[inline]
    fn row(self, table: &TablePlan, element: &[Slot], cells: &mut [Value]) -> Result<bool, Box<Objection>> {
        let key = table.skip_key.as_deref().unwrap_or_default();
        for &column in key {
            cells[column] = self.cell(table, column, element)?;
        }
        if !key.is_empty() && key.iter().all(|&column| cells[column].is_null()) {
            return Ok(false);
        }
        for (at, column) in table.columns.iter().enumerate() {
            if !key.contains(&at) {
                cells[at] = self.cell(table, at, element)?;
            }
            if let Err(complaint) = column.rules.check_required(cells[at])
                && !matches!(column.origin, ColumnOrigin::Expression)
            {
                return Err(objection(column, complaint, None, self.texts));
            }
        }
        Ok(true)
    }

    /// One cell of a row.
    #[inline]
    fn cell(self, table: &TablePlan, at: usize, element: &[Slot]) -> Result<Value, Box<Objection>> {
        let column = &table.columns[at];
        match &column.origin {
            ColumnOrigin::Record(_) if column.early => Ok(self.early[table.base + at]),
            ColumnOrigin::Hash(inputs) => self.hash(column, inputs, element),
            _ => first_cell(column, self.records, element, self.texts),
        }
    }

    /// A hash of cells of this row and of the record.
    fn hash(self, column: &ColumnPlan, inputs: &[(usize, usize)], element: &[Slot]) -> Result<Value, Box<Objection>> {
        let mut hasher = KeyHasher::default();
        for &(table, at) in inputs {
            let table = &self.plan.tables[table];
            let input = &table.columns[at];
            let value = match &input.origin {
                ColumnOrigin::Record(_) => self.early[table.base + at],
                _ => first_cell(input, self.records, element, self.texts)?,
            };
            if input.mask.is_some() {
                // A hash of the value itself would show it to who can guess it.
                let mut text = String::new();
                let kept = !masked(input, value, self.texts, &mut text).is_null();
                hasher.add(if kept { Hashed::Text(&text) } else { Hashed::Null });
                continue;
            }
            hasher.add(hashed(value, input.column_type, self.texts));
        }
        Ok(match (hasher.finish(), column.column_type) {
            (None, _) => Value::Null,
            (Some(hash), ColumnType::Bigint) => Value::Integer(as_bigint(hash)),
            (Some(hash), _) => Value::Digest(hash),
        })
    }
}

#[inline]
fn push_row(columns: &mut [Option<Builder>], cells: &[Value], texts: &Texts<'_>, digits: &mut String) {
    for (builder, cell) in columns.iter_mut().zip(cells) {
        if let Some(builder) = builder {
            builder.push(cell.scalar(texts, digits));
        }
    }
}

/// What is kept of a value, its text at the end of `into`.
fn masked(column: &ColumnPlan, value: Value, texts: &Texts<'_>, into: &mut String) -> Value {
    match (&column.mask, value) {
        (Some(Masker::Drop), _) => Value::Null,
        (Some(mask), Value::Text(at)) => {
            let start = into.len();
            if mask.put_on(texts.get(at), into) {
                Value::Text(TextAt { place: Place::Masked, start: narrow(start), end: narrow(into.len()) })
            } else {
                Value::Null
            }
        }
        // Other masks than drop are for texts alone; were it otherwise, nothing would be kept.
        (Some(_), _) => Value::Null,
        (None, value) => value,
    }
}

/// A cell that needs no other.
#[inline]
fn first_cell(
    column: &ColumnPlan,
    records: &Records,
    element: &[Slot],
    texts: &Texts<'_>,
) -> Result<Value, Box<Objection>> {
    let slot = match &column.origin {
        ColumnOrigin::Record(slot) => records.slot(*slot),
        ColumnOrigin::Element(slot) => &element[*slot],
        ColumnOrigin::Fixed(value) => return Ok(*value),
        ColumnOrigin::Hash(_) | ColumnOrigin::Expression => return Ok(Value::Null),
    };
    column.rules.value(slot, texts).map_err(|complaint| objection(column, complaint, Some(slot), texts))
}

#[cold]
#[allow(clippy::unnecessary_box_returns, reason = "objections are rare and large, and results are returned often")]
fn objection(column: &ColumnPlan, complaint: Complaint, slot: Option<&Slot>, texts: &Texts<'_>) -> Box<Objection> {
    let value = slot
        .filter(|slot| !matches!(slot.kind, Kind::Absent | Kind::Null))
        .map(|slot| super::reject::excerpt(texts.get(column.rules.shown_at(slot))).to_owned());
    Box::new(Objection { column: column.name.clone(), complaint, value })
}

/// A value as keys are made of it.
fn hashed<'a>(value: Value, column_type: ColumnType, texts: &Texts<'a>) -> Hashed<'a> {
    match (value, column_type) {
        (Value::Boolean(value), _) => Hashed::Boolean(value),
        (Value::Integer(days), ColumnType::Date) => Hashed::Date(days),
        (Value::Integer(micros), ColumnType::Timestamp) => Hashed::Timestamp(micros),
        (Value::Integer(micros), ColumnType::Timestamptz) => Hashed::Timestamptz(micros),
        (Value::Integer(value), _) => Hashed::Integer(value),
        (Value::Float(value), _) => Hashed::Float(value),
        (Value::Decimal(value), ColumnType::Decimal { scale, .. }) => Hashed::Decimal(value, scale),
        (Value::Decimal(value), _) => Hashed::Decimal(value, 0),
        (Value::Text(at), ColumnType::Json) => Hashed::Json(texts.get(at)),
        (Value::Text(at), _) => Hashed::Text(texts.get(at)),
        (Value::Null | Value::Digest(_), _) => Hashed::Null,
    }
}
