//! The sections that only hold numbers and switches: quality and encoding.

use crate::dataset::{Encoding, MaxRejects, Quality, UnknownFields};
use crate::definition::read::At;
use crate::definition::{self, UnknownFieldsName};
use crate::problem::Report;

const DEFAULT_MAX_REJECTS: MaxRejects = MaxRejects::BasisPoints(500);
const DEFAULT_ZSTD_LEVEL: i64 = 3;
const DEFAULT_ROW_GROUP_ROWS: i64 = 50_000;
const DEFAULT_PART_BYTES: u64 = 128_000_000;

/// A row group is held in memory until it is written.
const MOST_ROW_GROUP_ROWS: i64 = 10_000_000;

/// All parts of a file are in one manifest, which is read whole.
const MOST_PARTITIONS: i64 = 100_000;

pub(super) fn check_quality(given: Option<definition::Quality>, report: &mut Report<'_>) -> Quality {
    let given = given.unwrap_or_default();
    let least = given.min_records.as_ref().and_then(|least| u64::try_from(least.value).ok());
    if let (Some(least), None) = (&given.min_records, least) {
        report.add(least.at, "quality.min_records", format!("must not be negative, and is {}", least.value));
    }
    let partitions = given
        .max_partitions
        .is_some()
        .then(|| within(given.max_partitions, 1, "quality.max_partitions", 1, MOST_PARTITIONS, report));
    Quality {
        max_rejects: given.max_rejects.map_or(DEFAULT_MAX_REJECTS, |limit| limit.value.0),
        unknown_fields: match given.unknown_fields.map(|choice| choice.value) {
            Some(UnknownFieldsName::Reject) => UnknownFields::Reject,
            Some(UnknownFieldsName::Rescue) => UnknownFields::Rescue,
            Some(UnknownFieldsName::Ignore) | None => UnknownFields::Ignore,
        },
        min_records: least.filter(|least| *least > 0),
        max_partitions: partitions.flatten().and_then(|most| u64::try_from(most).ok()),
        freshness: given.freshness.map(|span| span.value.0),
    }
}

pub(super) fn check_encoding(given: Option<definition::Encoding>, report: &mut Report<'_>) -> Option<Encoding> {
    let given = given.unwrap_or_default();
    let level = within(given.zstd_level, DEFAULT_ZSTD_LEVEL, "encoding.zstd_level", 1, 19, report);
    let rows = given.row_group_rows;
    let rows = within(rows, DEFAULT_ROW_GROUP_ROWS, "encoding.row_group_rows", 1, MOST_ROW_GROUP_ROWS, report);
    Some(Encoding {
        zstd_level: i32::try_from(level?).ok()?,
        row_group_rows: u64::try_from(rows?).ok()?,
        part_bytes: given.part_bytes.map_or(DEFAULT_PART_BYTES, |size| size.value.0),
    })
}

/// A number, or its default, within its bounds, both included; `None` where it is not.
pub(super) fn within(
    given: Option<At<i64>>,
    default: i64,
    path: &str,
    least: i64,
    greatest: i64,
    report: &mut Report<'_>,
) -> Option<i64> {
    match given {
        Some(number) if !(least..=greatest).contains(&number.value) => {
            report.add(number.at, path, format!("must be from {least} to {greatest}, and is {}", number.value));
            None
        }
        given => Some(given.map_or(default, |number| number.value)),
    }
}
