//! How each declared type lies in memory: the polars-arrow type of a column, and the builder its values are pushed to.

use std::fmt;

use lakehand_domain::shape::ColumnType;
use polars_arrow::array::{Array, BooleanArray, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::{BitmapBuilder, MutableBitmap};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use polars_arrow::types::NativeType;

/// The zone that instants are kept in.
const UTC: &str = "UTC";

/// The polars-arrow type in which the values of a declared type are kept.
pub(crate) fn arrow_type(column_type: ColumnType) -> ArrowDataType {
    match column_type {
        ColumnType::Boolean => ArrowDataType::Boolean,
        ColumnType::Smallint => ArrowDataType::Int16,
        ColumnType::Integer => ArrowDataType::Int32,
        ColumnType::Bigint => ArrowDataType::Int64,
        ColumnType::Real => ArrowDataType::Float32,
        ColumnType::Double => ArrowDataType::Float64,
        ColumnType::Decimal { precision, scale } => ArrowDataType::Decimal(usize::from(precision), usize::from(scale)),
        ColumnType::Varchar { .. } | ColumnType::Json => ArrowDataType::Utf8View,
        ColumnType::Date => ArrowDataType::Date32,
        ColumnType::Timestamp => ArrowDataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Timestamptz => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// One value of a builder's own type; text is borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// No value.
    Null,
    /// Of a boolean column.
    Boolean(bool),
    /// Of a smallint, integer or bigint column within its range; days of a date; microseconds of a timestamp.
    Integer(i64),
    /// Of a double column, or of a real column where it is a single exactly.
    Float(f64),
    /// The unscaled integer of a decimal column.
    Decimal(i128),
    /// Of a varchar or json column.
    Text(&'a str),
}

/// The values of one column as they come. Every value pushed must be of the column's type: what has been coerced is.
pub(crate) struct Builder {
    column_type: ColumnType,
    validity: BitmapBuilder,
    values: Values,
}

enum Values {
    Boolean(MutableBitmap),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Int128(Vec<i128>),
    Text(MutableBinaryViewArray<str>),
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("column_type", &self.column_type)
            .field("len", &self.validity.len())
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// An empty one with room for this many values.
    pub(crate) fn new(column_type: ColumnType, capacity: usize) -> Self {
        let values = match column_type {
            ColumnType::Boolean => Values::Boolean(MutableBitmap::with_capacity(capacity)),
            ColumnType::Smallint => Values::Int16(Vec::with_capacity(capacity)),
            ColumnType::Integer | ColumnType::Date => Values::Int32(Vec::with_capacity(capacity)),
            ColumnType::Bigint | ColumnType::Timestamp | ColumnType::Timestamptz => {
                Values::Int64(Vec::with_capacity(capacity))
            }
            ColumnType::Real => Values::Float32(Vec::with_capacity(capacity)),
            ColumnType::Double => Values::Float64(Vec::with_capacity(capacity)),
            ColumnType::Decimal { .. } => Values::Int128(Vec::with_capacity(capacity)),
            ColumnType::Varchar { .. } | ColumnType::Json => {
                Values::Text(MutableBinaryViewArray::with_capacity(capacity))
            }
        };
        Self { column_type, validity: BitmapBuilder::with_capacity(capacity), values }
    }

    /// Adds a value. A value of another type than the column's is a defect of the caller; it is added as null, and
    /// debug builds panic.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "coercion has judged the range of the column's type")]
    pub(crate) fn push(&mut self, scalar: Scalar<'_>) {
        let valid = match (&mut self.values, scalar) {
            (Values::Text(values), Scalar::Text(text)) => {
                values.push_value_ignore_validity(text);
                true
            }
            (Values::Int64(values), Scalar::Integer(value)) => {
                values.push(value);
                true
            }
            (Values::Float64(values), Scalar::Float(value)) => {
                values.push(value);
                true
            }
            (Values::Int32(values), Scalar::Integer(value)) => {
                values.push(value as i32);
                true
            }
            (Values::Int128(values), Scalar::Decimal(value)) => {
                values.push(value);
                true
            }
            (Values::Boolean(values), Scalar::Boolean(value)) => {
                values.push(value);
                true
            }
            (Values::Int16(values), Scalar::Integer(value)) => {
                values.push(value as i16);
                true
            }
            (Values::Float32(values), Scalar::Float(value)) => {
                values.push(value as f32);
                true
            }
            (values, scalar) => {
                debug_assert_eq!(scalar, Scalar::Null, "a value of another type than {}", self.column_type);
                values.push_empty();
                false
            }
        };
        self.validity.push(valid);
    }

    /// Adds whether there is a value for each of those added by one of the `extend`s.
    pub(crate) fn extend_validity(&mut self, valid: &[bool]) {
        if valid.iter().all(|valid| *valid) {
            self.validity.extend_constant(valid.len(), true);
        } else {
            for valid in valid {
                self.validity.push(*valid);
            }
        }
        debug_assert_eq!(self.validity.len(), self.values.len(), "values of another type than {}", self.column_type);
    }

    /// Adds the values of a boolean column.
    pub(crate) fn extend_booleans(&mut self, from: &[bool]) {
        if let Values::Boolean(values) = &mut self.values {
            for value in from {
                values.push(*value);
            }
        }
    }

    /// Adds what [`Scalar::Integer`] holds.
    #[allow(clippy::cast_possible_truncation, reason = "coercion has judged the range of the column's type")]
    pub(crate) fn extend_integers(&mut self, from: &[i64]) {
        match &mut self.values {
            Values::Int64(values) => values.extend_from_slice(from),
            Values::Int32(values) => values.extend(from.iter().map(|value| *value as i32)),
            Values::Int16(values) => values.extend(from.iter().map(|value| *value as i16)),
            _ => {}
        }
    }

    /// Adds what [`Scalar::Float`] holds.
    #[allow(clippy::cast_possible_truncation, reason = "the values of a real column are singles exactly")]
    pub(crate) fn extend_floats(&mut self, from: &[f64]) {
        match &mut self.values {
            Values::Float64(values) => values.extend_from_slice(from),
            Values::Float32(values) => values.extend(from.iter().map(|value| *value as f32)),
            _ => {}
        }
    }

    /// Adds the unscaled integers of a decimal column.
    pub(crate) fn extend_decimals(&mut self, from: &[i128]) {
        if let Values::Int128(values) = &mut self.values {
            values.extend_from_slice(from);
        }
    }

    /// Adds the values of a varchar or json column.
    pub(crate) fn extend_texts<'a>(&mut self, from: impl Iterator<Item = &'a str>) {
        if let Values::Text(values) = &mut self.values {
            from.for_each(|text| values.push_value_ignore_validity(text));
        }
    }

    /// The array of all values pushed, in the column's physical type.
    pub(crate) fn finish(self) -> Box<dyn Array> {
        let data_type = arrow_type(self.column_type);
        let validity = self.validity.into_opt_validity();
        match self.values {
            Values::Boolean(values) => BooleanArray::new(data_type, values.freeze(), validity).boxed(),
            Values::Int16(values) => primitive(data_type, values, validity),
            Values::Int32(values) => primitive(data_type, values, validity),
            Values::Int64(values) => primitive(data_type, values, validity),
            Values::Float32(values) => primitive(data_type, values, validity),
            Values::Float64(values) => primitive(data_type, values, validity),
            Values::Int128(values) => primitive(data_type, values, validity),
            Values::Text(values) => values.freeze().with_validity(validity).boxed(),
        }
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Int16(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Float64(values) => values.len(),
            Self::Int128(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Keeps the place of a null.
    fn push_empty(&mut self) {
        match self {
            Self::Boolean(values) => values.push(false),
            Self::Int16(values) => values.push(0),
            Self::Int32(values) => values.push(0),
            Self::Int64(values) => values.push(0),
            Self::Float32(values) => values.push(0.0),
            Self::Float64(values) => values.push(0.0),
            Self::Int128(values) => values.push(0),
            Self::Text(values) => values.push_value_ignore_validity(""),
        }
    }
}

/// The value of a row of an array that a builder has made.
pub(crate) fn scalar_at(array: &dyn Array, row: usize) -> Scalar<'_> {
    fn number<T: NativeType>(array: &dyn Array, row: usize) -> Option<T> {
        array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| array.value(row))
    }
    if !array.is_valid(row) {
        return Scalar::Null;
    }
    let any = array.as_any();
    if let Some(texts) = any.downcast_ref::<Utf8ViewArray>() {
        return Scalar::Text(texts.value(row));
    }
    if let Some(truths) = any.downcast_ref::<BooleanArray>() {
        return Scalar::Boolean(truths.value(row));
    }
    let whole = number::<i64>(array, row)
        .or_else(|| number::<i32>(array, row).map(i64::from))
        .or_else(|| number::<i16>(array, row).map(i64::from));
    let float = || number::<f64>(array, row).or_else(|| number::<f32>(array, row).map(f64::from));
    whole
        .map(Scalar::Integer)
        .or_else(|| number::<i128>(array, row).map(Scalar::Decimal))
        .or_else(|| float().map(Scalar::Float))
        .unwrap_or(Scalar::Null)
}

/// An array of fixed-width values.
fn primitive<T: NativeType>(
    data_type: ArrowDataType,
    values: Vec<T>,
    validity: Option<polars_arrow::bitmap::Bitmap>,
) -> Box<dyn Array> {
    PrimitiveArray::new(data_type, values.into(), validity).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type keeps its values and its nulls.
    #[test]
    fn builders_keep_values_and_nulls() {
        let cases: Vec<(&str, Scalar<'_>)> = vec![
            ("boolean", Scalar::Boolean(true)),
            ("smallint", Scalar::Integer(-32_768)),
            ("integer", Scalar::Integer(2_147_483_647)),
            ("bigint", Scalar::Integer(i64::MIN)),
            ("real", Scalar::Float(0.5)),
            ("double", Scalar::Float(0.1)),
            ("decimal(38,2)", Scalar::Decimal(-171_519)),
            ("varchar(9)", Scalar::Text("longer than twelve bytes")),
            ("json", Scalar::Text("{}")),
            ("date", Scalar::Integer(-1)),
            ("timestamp", Scalar::Integer(1)),
            ("timestamptz", Scalar::Integer(1)),
        ];
        for (name, scalar) in cases {
            let column_type = ColumnType::parse(name).unwrap();
            let mut builder = Builder::new(column_type, 2);
            builder.push(scalar);
            builder.push(Scalar::Null);
            let array = builder.finish();
            assert_eq!(array.dtype(), &arrow_type(column_type), "{name}");
            assert_eq!((array.len(), array.null_count()), (2, 1), "{name}");
            assert!(array.is_valid(0), "{name}");

            let mut full = Builder::new(column_type, 0);
            full.push(scalar);
            assert!(full.finish().validity().is_none(), "{name}: no bitmap where nothing is null");
        }
    }
}
