//! The rows of many records at once, column by column. What is written as it mostly is becomes a value in a tight loop;
//! everything else goes the way of single records, so that there is one place that says what a value is.

use lakehand_domain::shape::ColumnType;

use super::coerce::{Typing, Value};
use super::ordinary;
use super::plan::{ColumnOrigin, Plan};
use super::record::TableBuilders;
use super::rules::{ColumnRules, text_at};
use super::slot::{Kind, Records, Slot};
use super::texts::{Place, TextAt, Texts};
use crate::physical::Builder;

/// Slots of a block: so many that they stay in the cache of a core.
const SLOTS: usize = 2048;
/// Records of a block. One that is refused sends all of its block the slow way.
const MOST_RECORDS: usize = 128;

/// The cells of some records, all of which are in order.
#[derive(Debug)]
pub(super) struct Block {
    /// How many records make a block.
    pub(super) records: usize,
    /// For each column of each table, where its values are made here.
    columns: Vec<Option<Cells>>,
}

/// The cells of one column.
#[derive(Debug)]
struct Cells {
    values: Values,
    /// Whether there is a value; what stands in `values` otherwise means nothing.
    valid: Vec<bool>,
}

#[derive(Debug)]
enum Values {
    Booleans(Vec<bool>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Decimals(Vec<i128>),
    Texts(Vec<TextAt>),
}

impl Block {
    /// For a plan that is columnar.
    pub(super) fn new(plan: &Plan) -> Self {
        let (width, _) = plan.widths();
        let columns = plan.tables.iter().flat_map(|table| &table.columns).map(|column| {
            let made = !matches!(column.origin, ColumnOrigin::Expression);
            made.then(|| Cells::of(column.column_type))
        });
        Self { records: (SLOTS / width.max(1)).clamp(1, MOST_RECORDS), columns: columns.collect() }
    }

    /// Types and judges every value of so many records. False where one of them is not in order.
    pub(super) fn make(&mut self, plan: &Plan, records: &Records, count: usize, texts: &Texts<'_>) -> bool {
        let columns = plan.tables.iter().flat_map(|table| &table.columns);
        columns.zip(&mut self.columns).all(|(column, cells)| match (&column.origin, cells) {
            (ColumnOrigin::Record(slot), Some(cells)) => cells.fill(&column.rules, records, *slot, texts),
            (ColumnOrigin::Fixed(value), Some(cells)) => cells.repeat(*value, count),
            _ => true,
        })
    }

    /// Adds the rows of the records made last.
    pub(super) fn push(&self, builders: &mut [TableBuilders], texts: &Texts<'_>) {
        let columns = builders.iter_mut().flat_map(TableBuilders::columns);
        for (builder, cells) in columns.zip(&self.columns) {
            if let (Some(builder), Some(cells)) = (builder, cells) {
                cells.push(builder, texts);
            }
        }
    }
}

impl Cells {
    fn of(column_type: ColumnType) -> Self {
        let values = match column_type {
            ColumnType::Boolean => Values::Booleans(Vec::new()),
            ColumnType::Smallint
            | ColumnType::Integer
            | ColumnType::Bigint
            | ColumnType::Date
            | ColumnType::Timestamp
            | ColumnType::Timestamptz => Values::Integers(Vec::new()),
            ColumnType::Real | ColumnType::Double => Values::Floats(Vec::new()),
            ColumnType::Decimal { .. } => Values::Decimals(Vec::new()),
            ColumnType::Varchar { .. } | ColumnType::Json => Values::Texts(Vec::new()),
        };
        Self { values, valid: Vec::new() }
    }

    /// The same value for all.
    fn repeat(&mut self, value: Value, count: usize) -> bool {
        self.valid.clear();
        self.valid.resize(count, !value.is_null());
        match &mut self.values {
            Values::Booleans(values) => again(values, boolean(value), count),
            Values::Integers(values) => again(values, integer(value), count),
            Values::Floats(values) => again(values, float(value), count),
            Values::Decimals(values) => again(values, decimal(value), count),
            Values::Texts(values) => again(values, text(value), count),
        }
        true
    }

    /// The values of a slot of all records. False where one is not in order.
    fn fill(&mut self, rules: &ColumnRules, records: &Records, slot: usize, texts: &Texts<'_>) -> bool {
        self.valid.clear();
        let bytes = texts.chunk.as_bytes();
        let of = |slot: &Slot| bytes.get(slot.start as usize..slot.end as usize).unwrap_or_default();
        let mut each = Each { rules, texts, valid: &mut self.valid };
        let slots = records.column(slot);
        let filled = match (&mut self.values, rules.unruled()) {
            (Values::Booleans(values), Some(_)) => each.value(slots, values, boolean, |slot| match slot.kind {
                Kind::True => Some(true),
                Kind::False => Some(false),
                Kind::Text => ordinary::boolean(of(slot)),
                _ => None,
            }),
            (Values::Integers(values), Some(Typing { column_type: ColumnType::Date, .. })) => {
                each.value(slots, values, integer, |slot| plain(slot).and_then(|slot| ordinary::date(of(slot))))
            }
            (Values::Integers(values), Some(Typing { column_type: ColumnType::Timestamp, .. })) => {
                each.value(slots, values, integer, |slot| plain(slot).and_then(|slot| ordinary::timestamp(of(slot))))
            }
            (Values::Integers(values), Some(Typing { column_type: ColumnType::Timestamptz, .. })) => {
                each.value(slots, values, integer, |slot| plain(slot).and_then(|slot| ordinary::instant(of(slot))))
            }
            (Values::Integers(values), Some(typing)) => {
                let (least, greatest) = typing.limits();
                each.value(slots, values, integer, |slot| {
                    let value = match slot.kind {
                        Kind::Number => slot.number.ordinary_integer(),
                        Kind::Text => ordinary::integer(of(slot)),
                        _ => None,
                    };
                    value.filter(|value| (least..=greatest).contains(value))
                })
            }
            (Values::Decimals(values), Some(Typing { column_type: ColumnType::Decimal { precision, scale }, .. })) => {
                each.value(slots, values, decimal, |slot| {
                    let value = match slot.kind {
                        Kind::Number => slot.number.ordinary_decimal(*precision, *scale),
                        Kind::Text => ordinary::number(of(slot))?.ordinary_decimal(*precision, *scale),
                        _ => None,
                    };
                    value.map(i128::from)
                })
            }
            (Values::Floats(values), Some(Typing { column_type: ColumnType::Double, .. })) => {
                each.value(slots, values, float, |slot| match slot.kind {
                    Kind::Number => slot.number.ordinary_double(),
                    Kind::Text => ordinary::number(of(slot))?.ordinary_double(),
                    _ => None,
                })
            }
            (Values::Texts(values), Some(Typing { column_type: ColumnType::Varchar { bytes }, .. })) => {
                each.value(slots, values, text, |slot| {
                    let at = text_at(slot);
                    let fits = matches!(slot.kind, Kind::Text | Kind::Escaped) && at.end - at.start <= *bytes;
                    fits.then_some(at)
                })
            }
            (Values::Booleans(values), _) => each.value(slots, values, boolean, |_| None),
            (Values::Integers(values), _) => each.value(slots, values, integer, |_| None),
            (Values::Floats(values), _) => each.value(slots, values, float, |_| None),
            (Values::Decimals(values), _) => each.value(slots, values, decimal, |_| None),
            (Values::Texts(values), _) => each.value(slots, values, text, |_| None),
        };
        filled && (rules.check_required(Value::Null).is_ok() || self.valid.iter().all(|valid| *valid))
    }

    fn push(&self, builder: &mut Builder, texts: &Texts<'_>) {
        match &self.values {
            Values::Booleans(values) => builder.extend_booleans(values),
            Values::Integers(values) => builder.extend_integers(values),
            Values::Floats(values) => builder.extend_floats(values),
            Values::Decimals(values) => builder.extend_decimals(values),
            Values::Texts(values) => builder.extend_texts(values.iter().map(|at| texts.get(*at))),
        }
        builder.extend_validity(&self.valid);
    }
}

/// What all values of a column are made with.
struct Each<'a> {
    rules: &'a ColumnRules,
    texts: &'a Texts<'a>,
    valid: &'a mut Vec<bool>,
}

impl Each<'_> {
    /// The value of each slot. `ordinary` makes those that are written as they mostly are, of columns without rules.
    #[inline]
    fn value<'s, T: Copy + Nothing>(
        &mut self,
        slots: impl Iterator<Item = &'s Slot>,
        values: &mut Vec<T>,
        of: impl Fn(Value) -> Option<T>,
        ordinary: impl Fn(&Slot) -> Option<T>,
    ) -> bool {
        values.clear();
        let unruled = self.rules.unruled().is_some();
        for slot in slots {
            let is_null = unruled && matches!(slot.kind, Kind::Absent | Kind::Null);
            let value = if is_null { None } else { ordinary(slot) };
            if is_null || value.is_some() {
                self.valid.push(!is_null);
                values.push(value.unwrap_or(T::NOTHING));
                continue;
            }
            let Ok(value) = self.rules.value(slot, self.texts) else { return false };
            let typed = of(value);
            if typed.is_none() && !value.is_null() {
                return false;
            }
            self.valid.push(typed.is_some());
            values.push(typed.unwrap_or(T::NOTHING));
        }
        true
    }
}

fn again<T: Copy + Nothing>(values: &mut Vec<T>, value: Option<T>, count: usize) {
    values.clear();
    values.resize(count, value.unwrap_or(T::NOTHING));
}

/// A text as it stands in the chunk.
#[inline]
fn plain(slot: &Slot) -> Option<&Slot> {
    (slot.kind == Kind::Text).then_some(slot)
}

/// What stands where there is no value.
trait Nothing {
    const NOTHING: Self;
}

impl Nothing for bool {
    const NOTHING: Self = false;
}

impl Nothing for i64 {
    const NOTHING: Self = 0;
}

impl Nothing for f64 {
    const NOTHING: Self = 0.0;
}

impl Nothing for i128 {
    const NOTHING: Self = 0;
}

impl Nothing for TextAt {
    const NOTHING: Self = Self { place: Place::Plan, start: 0, end: 0 };
}

fn boolean(value: Value) -> Option<bool> {
    if let Value::Boolean(value) = value { Some(value) } else { None }
}

fn integer(value: Value) -> Option<i64> {
    if let Value::Integer(value) = value { Some(value) } else { None }
}

fn float(value: Value) -> Option<f64> {
    if let Value::Float(value) = value { Some(value) } else { None }
}

fn decimal(value: Value) -> Option<i128> {
    if let Value::Decimal(value) = value { Some(value) } else { None }
}

fn text(value: Value) -> Option<TextAt> {
    if let Value::Text(at) = value { Some(at) } else { None }
}
