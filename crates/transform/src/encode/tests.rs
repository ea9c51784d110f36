//! What columns cost.

use lakehand_domain::shape::ColumnType;

use super::*;
use crate::physical::{Builder, Scalar};

/// The size of a column at a level.
fn size(kind: &str, level: i32, value: impl Fn(i64) -> String) -> u64 {
    let column_type = ColumnType::parse(kind).unwrap();
    let schema = PartSchema::of(&[ColumnShape { name: "c".to_owned(), column_type, required: true }], level).unwrap();
    let rows = 20_000;
    let mut builder = Builder::new(column_type, rows);
    for at in 0..20_000 {
        let text = value(at * 7919 * 104_729 % 31_536_000);
        builder.push(match column_type {
            ColumnType::Varchar { .. } => Scalar::Text(&text),
            _ => Scalar::Integer(text.parse().unwrap()),
        });
    }
    encode_column(&schema, 0, ColumnData::Arrays(vec![builder.finish()]), rows).unwrap().bytes
}

#[test]
fn numbers_are_compressed_quickly_unless_more_is_asked_for() {
    let instant = |second: i64| (second * 1_000_000).to_string();
    let at = |level| size("timestamptz", level, instant);
    assert_eq!((at(2), at(3)), (at(1), at(1)));
    assert!(at(9) < at(1), "{} {}", at(9), at(1));
    let text =
        |level| size("varchar(100)", level, |second| format!("the {second}th second of the year {}", second % 77));
    assert_ne!(text(3), text(1), "texts have the level that is asked for");
}
