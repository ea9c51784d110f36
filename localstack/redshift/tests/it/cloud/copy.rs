//! COPY of Parquet: types and columns.

use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;
use lakehand_redshift_standin::fixture::{Codec, Column, Values, parquet, row_groups};

use super::world::World;

fn text(values: &[&str]) -> Values {
    Values::Text(values.iter().map(|value| Some((*value).to_owned())).collect())
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
        Column::new("m", Values::LooseDecimal(20, 5, vec![Some(-1), None])),
        Column::new("n", Values::Text(vec![Some("{\"x\": 1}".into()), None])),
    ];
    let types = "(a BOOLEAN, b SMALLINT, c INTEGER, d BIGINT, e REAL, f DOUBLE PRECISION, g VARCHAR(20), h DATE,
         i TIMESTAMP, j DECIMAL(9,2), k DECIMAL(18,0), l DECIMAL(38,10), m DECIMAL(20,5), n SUPER)";
    for codec in [Codec::Uncompressed, Codec::Snappy, Codec::Zstd] {
        let files = [("types/1.parquet", parquet(&columns, codec).unwrap())];
        world.put_with_manifest("types.manifest", &files).await;
        let copy = world.copy("t", "types.manifest", "MANIFEST");
        let told = world.batch(Transaction, &[&format!("CREATE TABLE t {types} DISTSTYLE EVEN"), &copy]).await;
        assert_eq!(told.status(), Some(&StatusString::Finished), "{codec:?}: {:?}", told.error());
        assert_eq!(told.sub_statements()[1].result_rows(), 2, "ResultRows of a COPY are the rows it loaded");
        let rows =
            world.rows("SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, json_typeof(n) FROM t ORDER BY a").await;
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
            "-0.00001",
            "\"{\\\"x\\\": 1}\"",
            "string",
        ];
        assert_eq!(rows[0], expected);
        assert!(rows[1].iter().all(|value| value == "NULL"), "{:?}", rows[1]);
        world.done("DROP TABLE t").await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_exact_and_nothing_is_converted() {
    let world = World::new().await;
    for (values, wrong) in [
        (
            Values::Integer(vec![Some(1)]),
            vec!["BIGINT", "SMALLINT", "REAL", "DATE", "DECIMAL(9,0)", "VARCHAR(9)", "BOOLEAN"],
        ),
        (Values::Small(vec![Some(1)]), vec!["INTEGER", "BIGINT"]),
        (Values::Big(vec![Some(1)]), vec!["INTEGER", "DECIMAL(18,0)", "TIMESTAMP"]),
        (Values::Unsigned(vec![Some(1)]), vec!["INTEGER", "BIGINT", "SMALLINT"]),
        (Values::Real(vec![Some(1.0)]), vec!["DOUBLE PRECISION", "DECIMAL(9,2)"]),
        (Values::Double(vec![Some(1.0)]), vec!["REAL"]),
        (Values::Decimal(9, 2, vec![Some(1)]), vec!["DECIMAL(9,3)", "DECIMAL(10,2)", "INTEGER"]),
        (Values::Decimal(20, 2, vec![Some(1)]), vec!["DECIMAL(21,2)", "BIGINT"]),
        (Values::Nanoseconds(vec![Some(1)]), vec!["TIMESTAMP", "BIGINT"]),
        (Values::Timestamp(vec![Some(1)]), vec!["TIMESTAMPTZ", "DATE", "TIME"]),
        (Values::Date(vec![Some(1)]), vec!["TIMESTAMP", "INTEGER"]),
        (Values::Text(vec![Some("1".into())]), vec!["INTEGER", "DATE", "DECIMAL(9,0)"]),
    ] {
        let files = [("wrong/1.parquet", parquet(&[Column::new("a", values.clone())], Codec::Zstd).unwrap())];
        world.put_with_manifest("wrong.manifest", &files).await;
        for kind in wrong {
            world.done(&format!("CREATE TABLE t (a {kind})")).await;
            let told = world.refused(&world.copy("t", "wrong.manifest", "MANIFEST")).await;
            assert!(told.contains("has an incompatible Parquet schema for column 'a'"), "{values:?} {kind}: {told}");
            assert!(told.contains("code:      15001") && told.starts_with("ERROR: Spectrum Scan Error"), "{told}");
            world.done("DROP TABLE t").await;
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_map_by_position_and_their_number_must_be_the_same() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT, b INT, c INT DEFAULT 9, d INT IDENTITY(1,1))").await;
    let columns = [Column::new("b", Values::Integer(vec![Some(1)])), Column::new("a", Values::Integer(vec![Some(2)]))];
    world.put("two/1.parquet", parquet(&columns, Codec::Snappy).unwrap()).await;
    for wrong in ["t", "t (a)", "t (a, b, c)"] {
        let told = world.refused(&world.copy(wrong, "two/", "")).await;
        assert!(
            told.contains("Unmatched number of columns between table and file.") && told.contains("15007"),
            "{told}"
        );
    }
    world.done(&world.copy("t (a, b)", "two/", "")).await;
    world.done(&world.copy("t (b, a)", "two/", "")).await;
    let rows = world.rows("SELECT a, b, c FROM t ORDER BY d").await;
    assert_eq!(rows, [["1", "2", "9"], ["2", "1", "9"]], "names are not looked at; DEFAULT fills what is not listed");
    // FILLRECORD gives null to what the file lacks at its end.
    world.done(&world.copy("t (a, b, c)", "two/", "FILLRECORD")).await;
    assert_eq!(world.value("SELECT count(*) FROM t WHERE c IS NULL").await, "1");
    assert!(world.refused(&world.copy("t (a, d)", "two/", "")).await.contains("EXPLICIT_IDS"));
    world.done(&world.copy("t (a, d)", "two/", "EXPLICIT_IDS")).await;
    assert!(world.refused(&world.copy("t (a, nope)", "two/", "")).await.contains("does not exist"));
    assert!(world.refused(&world.copy("t (a, a)", "two/", "")).await.contains("more than once"));
    world.done("CREATE TABLE u (a INT, b INT, c INT NOT NULL)").await;
    let told = world.refused(&world.copy("u (a, b)", "two/", "")).await;
    assert!(told.contains("NOT NULL column \"c\" without DEFAULT must be included"), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_varchar_counts_bytes_and_the_whole_copy_fails() {
    let world = World::new().await;
    world.done("CREATE TABLE t (id INT, note VARCHAR(4))").await;
    let columns = |note: &str| {
        let ids = Values::Integer(vec![Some(1), Some(2)]);
        parquet(&[Column::new("id", ids), Column::new("x", text(&["ok", note]))], Codec::Zstd).unwrap()
    };
    world.put("notes/1.parquet", columns("€x")).await;
    world.done(&world.copy("t", "notes/", "")).await;
    world.put("notes/2.parquet", columns("€äx")).await;
    let copy = world.copy("t", "notes/", "");
    let told = world.run(&copy).await;
    let error = told.error().unwrap();
    let length = "The length of the data column note is longer than the length defined in the table. Table: 4, Data: 6";
    assert!(error.contains(length) && error.contains("code:      15001"), "{error}");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2", "one bad file fails the whole command");
    // The system tables tell it, although the transaction was rolled back.
    let query = told.redshift_query_id();
    let detail = world
        .rows(&format!(
            "SELECT file_name, line_number, column_name, column_type, error_code, error_message
             FROM sys_load_error_detail WHERE query_id = {query}"
        ))
        .await;
    let file = format!("s3://{}/notes/2.parquet", world.bucket);
    assert_eq!(detail[0][..5], [file.as_str(), "2", "note", "VARCHAR(4)", "15001"]);
    assert!(detail[0][5].contains(length), "{detail:?}");
    assert_eq!(world.value(&format!("SELECT err_code FROM stl_load_errors WHERE query = {query}")).await, "15001");
    let history =
        "SELECT status, loaded_rows, source_file_count, error_count FROM sys_load_history ORDER BY start_time";
    assert_eq!(world.rows(history).await, [["completed", "2", "1", "0"], ["failed", "0", "0", "1"]]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_text_that_is_none_and_long_super_are_refused() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT NOT NULL, b VARCHAR(10), c CHAR(3), d SUPER)").await;
    let file = |a: Option<i32>, b: Vec<u8>, c: &str, d: String| {
        let columns = [
            Column::new("a", Values::Integer(vec![a])),
            Column::new("b", Values::Bytes(vec![Some(b)])),
            Column::new("c", text(&[c])),
            Column::new("d", Values::Text(vec![Some(d)])),
        ];
        parquet(&columns, Codec::Zstd).unwrap()
    };
    for (bytes, told) in [
        (file(None, b"x".to_vec(), "x", String::new()), "Missing data for not-null field: column a, row 1"),
        (file(Some(1), vec![0xff], "x", String::new()), "Invalid UTF-8 character: column b"),
        (file(Some(1), b"a\0b".to_vec(), "x", String::new()), "Invalid null byte: column b"),
        (file(Some(1), b"x".to_vec(), "€", String::new()), "Multibyte character in a CHAR column: column c"),
        (file(Some(1), b"x".to_vec(), "xxxx", String::new()), "Table: 3, Data: 4"),
        (file(Some(1), b"x".to_vec(), "x", "x".repeat(65_536)), "Table: 65535, Data: 65536"),
        ("no Parquet at all".into(), "Invalid Parquet file"),
    ] {
        world.put("bad/1.parquet", bytes).await;
        let error = world.refused(&world.copy("t", "bad/", "")).await;
        assert!(error.contains(told), "{told}: {error}");
    }
    world.put("bad/1.parquet", file(Some(1), vec![b'x', 0xff], "x", "x".repeat(65_535))).await;
    world.done(&world.copy("t", "bad/", "ACCEPTINVCHARS AS '#'")).await;
    assert_eq!(world.rows("SELECT b, c FROM t").await, [["x#", "x  "]]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_have_many_row_groups_or_none() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a BIGINT, b VARCHAR(20))").await;
    let columns = |rows: i64| {
        let numbers = Values::Big((0..rows).map(|row| (row % 3 > 0).then_some(row)).collect());
        let words = Values::Text((0..rows).map(|row| Some(format!("row {row}"))).collect());
        [Column::new("a", numbers), Column::required("b", words)]
    };
    world.put("groups/1.parquet", row_groups(&columns(5_000), Codec::Zstd, 1_500).unwrap()).await;
    world.put("groups/2.parquet", parquet(&columns(0), Codec::Zstd).unwrap()).await;
    assert_eq!(world.done(&world.copy("t", "groups/", "")).await.result_rows(), 5_000);
    let sums = "SELECT count(*), count(a), sum(a), count(DISTINCT b) FROM t";
    let (present, sum) =
        ((0..5_000).filter(|row| row % 3 > 0).count(), (0..5_000_i64).filter(|row| row % 3 > 0).sum::<i64>());
    assert_eq!(world.rows(sums).await, [["5000".to_owned(), present.to_string(), sum.to_string(), "5000".to_owned()]]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_columns_go_to_super_with_serializetojson_only() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a SUPER, b INT)").await;
    let lists = Values::Lists(vec![Some(vec![1, 2]), None, Some(Vec::new()), Some(vec![3])]);
    let numbers = Values::Integer((1..=4).map(Some).collect());
    let columns = [Column::new("x", lists), Column::new("y", numbers)];
    world.put("nested/1.parquet", row_groups(&columns, Codec::Zstd, 3).unwrap()).await;
    assert!(
        world.refused(&world.copy("t", "nested/", "")).await.contains("incompatible Parquet schema for column 'a'")
    );
    world.done(&world.copy("t", "nested/", "SERIALIZETOJSON")).await;
    let rows = world.rows("SELECT a, JSON_SERIALIZE(a), JSON_TYPEOF(a) FROM t ORDER BY b").await;
    let expected =
        [["[1,2]", "[1,2]", "array"], ["NULL", "NULL", "NULL"], ["[]", "[]", "array"], ["[3]", "[3]", "array"]];
    assert_eq!(rows, expected);
    // Text is a string in SUPER, until it is parsed.
    world.done("CREATE TABLE u (a SUPER)").await;
    world.put("text/1.parquet", parquet(&[Column::new("a", text(&["{\"k\": [1, 2]}"]))], Codec::Zstd).unwrap()).await;
    world.done(&world.copy("u", "text/", "SERIALIZETOJSON")).await;
    assert_eq!(world.value("SELECT JSON_TYPEOF(a) FROM u").await, "string");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_into_one_table_wait_for_each_other() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    world
        .put("one/1.parquet", parquet(&[Column::new("a", Values::Integer(vec![Some(1)]))], Codec::Zstd).unwrap())
        .await;
    let copy = world.copy("t", "one/", "");
    let fault = lakehand_redshift_standin::Fault::SlowCommit { millis: 60_000 };
    world.standin.faults().add(lakehand_redshift_standin::Rule::new(fault).matching("COPY t").times(1));
    let first = world.submit(Transaction, &[&copy]).await;
    world.writing(1).await;
    let second = world.submit(Transaction, &[&copy]).await;
    world.waiting(1).await;
    world.client.cancel_statement().id(&first).send().await.unwrap();
    assert_eq!(world.ended(&second).await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    world.end().await;
}
