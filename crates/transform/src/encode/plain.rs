//! Plain pages of whole numbers of which none is null: what polars-parquet makes of them, which copies such values byte by
//! byte, and counts all distinct ones before it decides against a dictionary.

use polars::prelude::PolarsResult;
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::types::NativeType;
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::metadata::Descriptor;
use polars_parquet::parquet::page::{DataPage, DataPageHeader, DataPageHeaderV1};
use polars_parquet::parquet::schema::Repetition;
use polars_parquet::parquet::schema::types::PrimitiveType;
use polars_parquet::parquet::statistics::PrimitiveStatistics;
use polars_parquet::parquet::types::NativeType as ParquetValue;
use polars_parquet::write::{Encoding, ParquetType, Version, write_def_levels};

/// The values of one page have at most so many bytes: polars' own limit.
const PAGE_BYTES: usize = 1 << 20;
/// Decimals of up to so many digits are numbers of 64 bits in Parquet, and of up to so many of 32.
const DIGITS: (usize, usize) = (18, 9);
/// Values looked at to see whether nearly all of a column are distinct.
const SAMPLE: usize = 1024;
/// Of the sample so many may be there before. More would be among 130,000 distinct values, the most a page has.
const SEEN_BEFORE: usize = 4;

/// The one page of a column, its decimals being within their digits; `None` where it is another's to make. `encoding` is a dictionary where one may help.
#[allow(clippy::cast_possible_truncation, reason = "so many digits fit: coercion has judged them")]
pub(super) fn page(
    array: &dyn Array,
    parquet_type: &ParquetType,
    encoding: Encoding,
) -> Option<PolarsResult<DataPage>> {
    let ParquetType::PrimitiveType(kind) = parquet_type else { return None };
    if array.null_count() > 0 || array.is_empty() {
        return None;
    }
    let kind = kind.clone();
    match array.dtype() {
        ArrowDataType::Int64 | ArrowDataType::Timestamp(..) => {
            let values = values::<i64>(array)?;
            (encoding == Encoding::Plain || nearly_all_distinct(values)).then(|| of(values, kind))?
        }
        ArrowDataType::Int32 | ArrowDataType::Date32 => {
            let values = values::<i32>(array)?;
            (encoding == Encoding::Plain || nearly_all_distinct(values)).then(|| of(values, kind))?
        }
        ArrowDataType::Decimal(digits, _) if *digits <= DIGITS.1 => {
            let narrow: Vec<i32> = values::<i128>(array)?.iter().map(|value| *value as i32).collect();
            of(&narrow, kind)
        }
        ArrowDataType::Decimal(digits, _) if *digits <= DIGITS.0 => {
            let narrow: Vec<i64> = values::<i128>(array)?.iter().map(|value| *value as i64).collect();
            of(&narrow, kind)
        }
        _ => None,
    }
}

fn values<T: NativeType>(array: &dyn Array) -> Option<&[T]> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| array.values().as_slice())
}

/// Whether a dictionary would be about as large as the values.
fn nearly_all_distinct<T: Copy + Ord>(values: &[T]) -> bool {
    let step = values.len().div_ceil(SAMPLE).max(1);
    let mut sample: Vec<T> = values.iter().step_by(step).copied().collect();
    let looked_at = sample.len();
    sample.sort_unstable();
    sample.dedup();
    looked_at >= SAMPLE / 2 && looked_at - sample.len() <= SEEN_BEFORE
}

fn of<T: ParquetValue + Ord>(values: &[T], kind: PrimitiveType) -> Option<PolarsResult<DataPage>> {
    let (width, bytes) = (size_of::<T>(), size_of_val(values));
    if bytes > PAGE_BYTES {
        return None;
    }
    let count = i32::try_from(values.len()).ok()?;
    let is_optional = kind.field_info.repetition == Repetition::Optional;
    let mut buffer = Vec::new();
    if let Err(error) = write_def_levels(&mut buffer, is_optional, None, values.len(), Version::V1) {
        return Some(Err(error));
    }
    let levels = buffer.len();
    buffer.resize(levels + bytes, 0);
    for (to, value) in buffer[levels..].chunks_exact_mut(width).zip(values) {
        to.copy_from_slice(value.to_le_bytes().as_ref());
    }
    let statistics = PrimitiveStatistics {
        primitive_type: kind.clone(),
        null_count: Some(0),
        distinct_count: None,
        min_value: values.iter().min().copied(),
        max_value: values.iter().max().copied(),
    };
    let header = DataPageHeaderV1 {
        num_values: count,
        encoding: Encoding::Plain.into(),
        definition_level_encoding: Encoding::Rle.into(),
        repetition_level_encoding: Encoding::Rle.into(),
        statistics: Some(statistics.serialize()),
    };
    // These two are filled in where the page is written, here as there.
    let descriptor = Descriptor { primitive_type: kind, max_def_level: 0, max_rep_level: 0 };
    Some(Ok(DataPage::new(DataPageHeader::V1(header), CowBuffer::Owned(buffer), descriptor, values.len())))
}

#[cfg(test)]
mod tests {
    use lakehand_domain::shape::{ColumnShape, ColumnType};
    use polars_parquet::write::{Page, array_to_columns};

    use super::*;
    use crate::encode::PartSchema;
    use crate::physical::{Builder, Scalar};

    /// The page made here, and polars' own.
    fn both(kind: &str, required: bool, values: &[i64], encoding: Encoding) -> (Option<DataPage>, Vec<Page>) {
        let column_type = ColumnType::parse(kind).unwrap();
        let shape = ColumnShape { name: "c".to_owned(), column_type, required };
        let schema = PartSchema::of(&[shape], 1).unwrap();
        let mut builder = Builder::new(column_type, values.len());
        for value in values {
            builder.push(match column_type {
                ColumnType::Decimal { .. } => Scalar::Decimal(i128::from(*value)),
                _ => Scalar::Integer(*value),
            });
        }
        let array = builder.finish();
        let parquet_type = schema.parquet.fields()[0].clone();
        let ours = page(array.as_ref(), &parquet_type, encoding).map(Result::unwrap);
        let columns = array_to_columns(array, parquet_type, PartSchema::options(), &[encoding]).unwrap();
        (ours, columns.into_iter().flatten().map(Result::unwrap).collect())
    }

    #[test]
    fn pages_are_those_of_polars() {
        let many: Vec<i64> = (1..=50_000).map(|at| at * 7919 % 1_000_003 - 500_000).collect();
        let (first, last) = (many.first(), many.last());
        assert!(many.iter().min() < first.min(last) && many.iter().max() > first.max(last), "neither stands at an end");
        let kinds = ["bigint", "integer", "date", "timestamp", "timestamptz", "decimal(9,2)", "decimal(18,4)"];
        for kind in kinds {
            for (required, values) in
                [(true, &many[..]), (false, &many[..]), (false, &many[..1]), (true, &[i64::from(i32::MIN / 4)])]
            {
                for encoding in [Encoding::Plain, Encoding::RleDictionary] {
                    let (ours, theirs) = both(kind, required, values, encoding);
                    if encoding == Encoding::RleDictionary && !kind.starts_with("decimal") && values.len() < SAMPLE {
                        assert!(ours.is_none(), "{kind}: few values are polars' to judge");
                        continue;
                    }
                    let (ours, [Page::Data(theirs)]) = (ours.unwrap(), &theirs[..]) else {
                        panic!("{kind}: {theirs:?}")
                    };
                    assert_eq!(ours.buffer(), theirs.buffer(), "{kind} {required} {encoding:?}");
                    assert_eq!(format!("{:?}", ours.header()), format!("{:?}", theirs.header()), "{kind}");
                    assert_eq!(ours.descriptor, theirs.descriptor, "{kind}");
                    assert_eq!(ours.num_rows(), theirs.num_rows(), "{kind}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_plain_page_of_one_is_left() {
        let few: Vec<i64> = (0..50_000).map(|at| at % 1000).collect();
        assert!(both("bigint", true, &few, Encoding::RleDictionary).0.is_none(), "a dictionary may help");
        let many: Vec<i64> = (0..200_000).collect();
        assert!(both("bigint", true, &many, Encoding::Plain).0.is_none(), "it is more than a page");
        assert!(both("decimal(19,0)", true, &few, Encoding::Plain).0.is_none(), "it is no number of 64 bits");
        assert!(both("smallint", true, &[1], Encoding::Plain).0.is_none(), "polars widens it");
        assert!(both("bigint", false, &[], Encoding::Plain).0.is_none(), "there is nothing");
    }
}
