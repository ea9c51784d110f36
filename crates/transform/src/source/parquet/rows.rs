//! Rows of a row group as lines of JSON.

use std::ops::Range;
use std::sync::Arc;

use lakehand_dataset::transformer::TransformError;
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray, MapArray,
    PrimitiveArray, StructArray,
};
use polars_arrow::types::NativeType;

use super::super::written::Line;
use super::types::Node;
use crate::piece::{Fault, Rows};

/// 1970-01-01, as times of 96 bits count days.
const JULIAN_DAY_OF_EPOCH: i64 = 2_440_588;

/// A column of a row group.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What stands before its value in a line.
    pub(super) key: String,
    pub(super) node: Node,
    pub(super) array: Box<dyn Array>,
}

/// Some rows of a row group.
#[derive(Debug)]
pub(super) struct RowsOfGroup {
    pub(super) columns: Arc<Vec<Column>>,
    pub(super) rows: Range<usize>,
    pub(super) binary_is_text: bool,
}

impl Rows for RowsOfGroup {
    fn render(&self, into: &mut Vec<u8>, max_line: usize) -> Result<Vec<Fault>, TransformError> {
        let mut faults = Vec::new();
        for (row, number) in self.rows.clone().zip(1..) {
            let mut line = Line::new(into, max_line);
            for column in self.columns.iter() {
                line.raw(column.key.as_bytes());
                line.column = &column.name;
                self.value(&column.node, column.array.as_ref(), row, &mut line);
            }
            line.raw(if self.columns.is_empty() { b"{}" } else { b"}" });
            faults.extend(line.finish(number));
        }
        Ok(faults)
    }
}

impl RowsOfGroup {
    fn value(&self, node: &Node, array: &dyn Array, row: usize, line: &mut Line<'_>) {
        if line.is_full() {
            return;
        }
        if !array.is_valid(row) {
            return line.raw(b"null");
        }
        if self.nested(node, array, row, line).is_some() || leaf(node, array, row, line, self.binary_is_text).is_some()
        {
            return;
        }
        // Arrays are decoded as the schema was read, so that this is a defect, and no record passes for it.
        line.wrong(
            lakehand_domain::reject::Rule::Type,
            format!("is held as {:?}, which was not expected", array.dtype()),
        );
    }

    fn nested(&self, node: &Node, array: &dyn Array, row: usize, line: &mut Line<'_>) -> Option<()> {
        let any = array.as_any();
        match node {
            Node::Record(fields) => {
                let values = any.downcast_ref::<StructArray>()?.values();
                for (at, ((name, node), values)) in fields.iter().zip(values).enumerate() {
                    line.raw(if at == 0 { b"{" } else { b"," });
                    line.text(name);
                    line.raw(b":");
                    self.value(node, values.as_ref(), row, line);
                }
                line.raw(if fields.is_empty() { b"{}" } else { b"}" });
            }
            Node::List(element) => {
                let values = element_values(array, row)?;
                line.raw(b"[");
                for at in 0..values.len() {
                    if at > 0 {
                        line.raw(b",");
                    }
                    self.value(element, values.as_ref(), at, line);
                    if line.is_full() {
                        break;
                    }
                }
                line.raw(b"]");
            }
            Node::Map(value) => {
                let entries = element_values(array, row)?;
                let entries = entries.as_any().downcast_ref::<StructArray>()?;
                let [keys, values] = entries.values() else { return None };
                line.raw(b"{");
                for at in 0..entries.len() {
                    if at > 0 {
                        line.raw(b",");
                    }
                    leaf(&Node::Text, keys.as_ref(), at, line, true)?;
                    line.raw(b":");
                    self.value(value, values.as_ref(), at, line);
                    if line.is_full() {
                        break;
                    }
                }
                line.raw(b"}");
            }
            _ => return None,
        }
        Some(())
    }
}

/// The elements of one list.
fn element_values(array: &dyn Array, row: usize) -> Option<Box<dyn Array>> {
    let any = array.as_any();
    if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        return Some(lists.value(row));
    }
    if let Some(lists) = any.downcast_ref::<ListArray<i32>>() {
        return Some(lists.value(row));
    }
    if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
        return Some(lists.value(row));
    }
    any.downcast_ref::<MapArray>().map(|maps| maps.value(row))
}

fn number<T: NativeType>(array: &dyn Array, row: usize) -> Option<T> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| array.value(row))
}

/// Writes a value that holds no others; `None` where the array is not of the node's kind.
fn leaf(node: &Node, array: &dyn Array, row: usize, line: &mut Line<'_>, binary_is_text: bool) -> Option<()> {
    let any = array.as_any();
    let bytes = || any.downcast_ref::<BinaryViewArray>().map(|array| array.value(row));
    let fixed = || any.downcast_ref::<FixedSizeBinaryArray>().map(|array| array.value(row));
    match node {
        Node::Null => line.raw(b"null"),
        Node::Boolean => line.boolean(any.downcast_ref::<BooleanArray>()?.value(row)),
        Node::Integer => {
            let number = number::<i64>(array, row)
                .map(i128::from)
                .or_else(|| number::<i32>(array, row).map(i128::from))
                .or_else(|| number::<u64>(array, row).map(i128::from))
                .or_else(|| number::<u32>(array, row).map(i128::from))
                .or_else(|| number::<i16>(array, row).map(i128::from))
                .or_else(|| number::<i8>(array, row).map(i128::from))
                .or_else(|| number::<u16>(array, row).map(i128::from))
                .or_else(|| number::<u8>(array, row).map(i128::from))?;
            line.integer(number);
        }
        Node::Single => line.double(f64::from(number::<f32>(array, row)?)),
        Node::Double => line.double(number::<f64>(array, row)?),
        Node::Half => {
            let bytes = fixed()?;
            line.double(half(u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?])));
        }
        Node::Decimal(scale) => line.decimal(number::<i128>(array, row)?, *scale),
        Node::Text | Node::Enum => line.utf8(bytes()?),
        Node::Json => line.json(bytes()?),
        Node::Bytes if binary_is_text => line.utf8(bytes()?),
        Node::Bytes => line.hexadecimal(bytes()?),
        Node::Fixed if binary_is_text => line.utf8(fixed()?),
        Node::Fixed => line.hexadecimal(fixed()?),
        Node::Uuid => line.uuid(fixed()?),
        Node::Date => line.date(i64::from(number::<i32>(array, row)?)),
        Node::Time(per_second) => {
            let units = number::<i64>(array, row).or_else(|| number::<i32>(array, row).map(i64::from))?;
            line.time(units, *per_second);
        }
        Node::Timestamp { per_second, instant } => line.timestamp(number::<i64>(array, row)?, *per_second, *instant),
        Node::Int96 => {
            let (nanos, day) = fixed()?.split_first_chunk::<8>()?;
            let day = i64::from(u32::from_le_bytes(*day.first_chunk()?));
            line.moment(day - JULIAN_DAY_OF_EPOCH, i64::from_le_bytes(*nanos));
        }
        Node::List(_) | Node::Map(_) | Node::Record(_) => return None,
    }
    Some(())
}

/// A floating-point number of 16 bits, which a double holds exactly.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}
