//! COPY of Parquet.

use lakehand_redshift_standin::fixture::{Codec, Column, Values, parquet};

use super::world::World;

pub(super) fn manifest(world: &World, files: &[(&str, usize)]) -> Vec<u8> {
    let entries: Vec<_> = files
        .iter()
        .map(|(key, length)| {
            let url = format!("s3://{}/{key}", world.bucket);
            format!(r#"{{"url":"{url}","mandatory":true,"meta":{{"content_length":{length}}}}}"#)
        })
        .collect();
    format!(r#"{{"entries":[{}]}}"#, entries.join(",")).into_bytes()
}

pub(super) fn copy(world: &World, into: &str, key: &str, options: &str) -> String {
    format!(
        "COPY {into} FROM 's3://{}/{key}' IAM_ROLE 'arn:aws:iam::000000000000:role/copy' FORMAT AS PARQUET {options}",
        world.bucket
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_as_it_was_written() {
    let world = World::new().await;
    let columns = [
        Column::new("a", Values::Boolean(vec![Some(true), None])),
        Column::new("b", Values::Small(vec![Some(-7), None])),
        Column::new("c", Values::Integer(vec![Some(i32::MIN), None])),
        Column::new("d", Values::Big(vec![Some(i64::MAX), None])),
        Column::new("e", Values::Real(vec![Some(1.5), None])),
        Column::new("f", Values::Double(vec![Some(-2.25), None])),
        Column::new("g", Values::Text(vec![Some("Größe\\n 'x'".into()), None])),
        Column::new("h", Values::Date(vec![Some(-1), None])),
        Column::new("i", Values::Timestamp(vec![Some(1_700_000_000_123_456), None])),
        Column::new("j", Values::Decimal(9, 2, vec![Some(-123), None])),
        Column::new("k", Values::Decimal(18, 0, vec![Some(999_999_999_999_999_999), None])),
        Column::new(
            "l",
            Values::Decimal(38, 10, vec![Some(-99_999_999_999_999_999_999_999_999_999_999_999_999), None]),
        ),
        Column::new("m", Values::Text(vec![Some("{\"x\": 1}".into()), None])),
    ];
    let bytes = parquet(&columns, Codec::Zstd).unwrap();
    world.put("types/1.parquet", bytes.to_vec()).await;
    world.put("types.manifest", manifest(&world, &[("types/1.parquet", bytes.len())])).await;
    world
        .done(
            "CREATE TABLE t (a BOOLEAN, b SMALLINT, c INTEGER, d BIGINT, e REAL, f DOUBLE PRECISION, g VARCHAR(20), h DATE,
             i TIMESTAMP, j DECIMAL(9,2), k DECIMAL(18,0), l DECIMAL(38,10), m SUPER) DISTSTYLE EVEN",
        )
        .await;
    let told = world.done(&copy(&world, "t", "types.manifest", "MANIFEST")).await;
    assert_eq!(told.result_rows(), 2, "ResultRows of a COPY are the rows it loaded");
    let rows = world.rows("SELECT a, b, c, d, e, f, g, h, i, j, k, l, json_typeof(m) FROM t ORDER BY a").await;
    let expected = [
        "true",
        "-7",
        "-2147483648",
        "9223372036854775807",
        "1.5",
        "-2.25",
        "Größe\\n 'x'",
        "1969-12-31",
        "2023-11-14 22:13:20.123456",
        "-1.23",
        "999999999999999999",
        "-9999999999999999999999999999.9999999999",
        "string",
    ];
    assert_eq!(rows[0], expected);
    assert!(rows[1].iter().all(|value| value == "NULL"), "{:?}", rows[1]);
    world.end().await;
}
