//! Picks rows of columns by position, into arrays of their own that keep no byte of the others alive.

use polars_arrow::array::{Array, BooleanArray, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::types::NativeType;

/// The rows at these positions, in this order. `array` is of one of the types of [`crate::physical`].
pub(crate) fn gather(array: &dyn Array, rows: &[u32]) -> Box<dyn Array> {
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Utf8ViewArray>() {
        return texts(array, rows);
    }
    if let Some(array) = any.downcast_ref::<BooleanArray>() {
        let values = bits(array.values(), rows);
        let validity = array.validity().map(|validity| bits(validity, rows));
        return BooleanArray::new(array.dtype().clone(), values, validity).boxed();
    }
    numbers::<i64>(array, rows)
        .or_else(|| numbers::<i32>(array, rows))
        .or_else(|| numbers::<f64>(array, rows))
        .or_else(|| numbers::<i128>(array, rows))
        .or_else(|| numbers::<i16>(array, rows))
        .or_else(|| numbers::<f32>(array, rows))
        .expect("columns are booleans, texts or one of six kinds of numbers: physical.rs makes no others")
}

/// The bytes the values of a column take: what its rows cost in memory and, roughly, in a part.
pub(crate) fn value_bytes(array: &dyn Array) -> usize {
    if let Some(array) = array.as_any().downcast_ref::<Utf8ViewArray>() {
        return array.total_bytes_len() + 4 * array.len();
    }
    let any = array.as_any();
    let width = if any.is::<BooleanArray>() {
        1
    } else if any.is::<PrimitiveArray<i16>>() {
        2
    } else if any.is::<PrimitiveArray<i32>>() || any.is::<PrimitiveArray<f32>>() {
        4
    } else if any.is::<PrimitiveArray<i128>>() {
        16
    } else {
        8
    };
    width * array.len()
}

fn bits(bits: &Bitmap, rows: &[u32]) -> Bitmap {
    let mut picked = MutableBitmap::with_capacity(rows.len());
    for row in rows {
        picked.push(bits.get_bit(*row as usize));
    }
    picked.into()
}

fn numbers<T: NativeType>(array: &dyn Array, rows: &[u32]) -> Option<Box<dyn Array>> {
    let array = array.as_any().downcast_ref::<PrimitiveArray<T>>()?;
    let from = array.values().as_slice();
    let values: Vec<T> = rows.iter().map(|row| from[*row as usize]).collect();
    let validity = array.validity().map(|validity| bits(validity, rows));
    Some(PrimitiveArray::new(array.dtype().clone(), values.into(), validity).boxed())
}

fn texts(array: &Utf8ViewArray, rows: &[u32]) -> Box<dyn Array> {
    let mut picked = MutableBinaryViewArray::<str>::with_capacity(rows.len());
    match array.validity() {
        None => {
            for row in rows {
                picked.push_value_ignore_validity(array.value(*row as usize));
            }
        }
        Some(validity) => {
            for row in rows {
                let row = *row as usize;
                picked.push(validity.get_bit(row).then(|| array.value(row)));
            }
        }
    }
    picked.freeze().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars_arrow::datatypes::ArrowDataType;

    #[test]
    fn rows_are_picked_with_their_nulls() {
        let long = "x".repeat(100);
        let text = Utf8ViewArray::from_slice([Some("a"), None, Some(long.as_str()), Some("")]).boxed();
        let picked = gather(text.as_ref(), &[2, 1, 0]);
        let picked = picked.as_any().downcast_ref::<Utf8ViewArray>().unwrap();
        assert_eq!(picked.iter().collect::<Vec<_>>(), [Some(long.as_str()), None, Some("a")]);

        let decimal = PrimitiveArray::<i128>::from([Some(1), None, Some(3)]).to(ArrowDataType::Decimal(38, 2));
        let picked = gather(&decimal, &[0, 1]);
        assert_eq!(picked.dtype(), &ArrowDataType::Decimal(38, 2));
        assert_eq!(picked.null_count(), 1);

        let truth = BooleanArray::from([Some(true), None, Some(false)]);
        let picked = gather(&truth, &[1, 2, 0]);
        let picked = picked.as_any().downcast_ref::<BooleanArray>().unwrap();
        assert_eq!(picked.iter().collect::<Vec<_>>(), [None, Some(false), Some(true)]);
    }

    #[test]
    fn picked_texts_let_go_of_the_rest() {
        let texts: Vec<Option<String>> = (0..1000).map(|n| Some(format!("{n:0>100}"))).collect();
        let array = Utf8ViewArray::from_slice(&texts);
        let picked = gather(&array, &[7]);
        let picked = picked.as_any().downcast_ref::<Utf8ViewArray>().unwrap();
        assert_eq!(picked.total_buffer_len(), 100);
        assert_eq!(value_bytes(picked), 104);
    }
}
