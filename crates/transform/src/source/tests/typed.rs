//! Parquet and Avro, written by other code than ours (`files/make.py`).

use std::path::Path;

use bytes::Bytes;
use lakehand_dataset::dataset::{BinaryFormat, Dataset, Format, Table, UnknownFields};
use lakehand_dataset::transformer::Content;
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, ParquetCompression, ParquetWriter, Series};

use super::archive::{ZipFile, bzip2, gzip, zip};
use crate::decode::tests::fixture::{column, decode, decode_in, jsonl, one, table, unreadable};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/tests/files").join(name)).unwrap()
}

fn of(format: Format, columns: &[&str]) -> Dataset {
    let mut dataset = jsonl(one(columns));
    dataset.source.format = format;
    dataset
}

fn parquet(columns: &[&str]) -> Dataset {
    of(Format::Parquet(BinaryFormat::default()), columns)
}

fn avro(columns: &[&str]) -> Dataset {
    of(Format::Avro(BinaryFormat::default()), columns)
}

/// The records of a file as lines of JSON.
fn lines(mut dataset: Dataset, bytes: Vec<u8>) -> Vec<String> {
    dataset.quality.unknown_fields = UnknownFields::Reject;
    let source = crate::source::open(&Content::Bytes(Bytes::from(bytes)), &dataset).unwrap();
    let mut lines = Vec::new();
    while let Some(mut chunk) = source.next(Vec::new()).unwrap() {
        chunk.render(1 << 20).unwrap();
        assert!(chunk.faults.is_empty(), "{:?}", chunk.faults);
        lines.extend(String::from_utf8(chunk.bytes).unwrap().lines().map(str::to_owned));
    }
    lines
}

/// What no column declares is read where it is rescued, and there a null is nothing.
#[test]
fn what_no_column_declares_is_rescued() {
    for (name, format, nested, below) in [
        ("types_none.parquet", Format::Parquet(BinaryFormat::default()), "y varchar(9) rec.y", "rec"),
        ("types_null.avro", Format::Avro(BinaryFormat::default()), "y integer next.i", "next"),
    ] {
        let rescued = |columns: &[&str]| {
            let mut dataset = of(format.clone(), columns);
            dataset.quality.unknown_fields = UnknownFields::Rescue;
            dataset.tables = dataset.tables.into_iter().map(Table::with_rescued).collect();
            decode(&dataset, file(name))
        };
        let decoded = rescued(&["b boolean", nested]);
        assert_eq!(decoded.rules(), [""; 0]);
        let rows = decoded.rows();
        let kept: serde_json::Value = serde_json::from_str(rows[0].splitn(3, '|').nth(2).unwrap()).unwrap();
        // All that is unknown of the nested record is null in Avro's.
        assert_eq!(kept[below], if below == "rec" { serde_json::json!({"x": 1}) } else { serde_json::Value::Null });
        assert_eq!(kept["list"], serde_json::json!([1, null, 3]));
        assert!(kept.get("b").is_none() && kept["s"] == "größer \"x\"\n", "{kept}");
        assert_eq!(rows[1], "NULL|NULL|NULL", "{name}");
    }
}

#[test]
fn parquet_records_are_what_was_written() {
    let expected = [
        r#"{"b":true,"i8":-128,"u16":0,"i32":-2147483648,"i64":-9223372036854775808,"u64":0,"f16":1.5,"f32":0.10000000149011612,"f64":0.1,"dec":-1.05,"big":0.0000000001,"s":"größer \"x\"\n","dict":"a","bin":"00ff","fix":"0102","d":"2026-11-21","ms":"2026-11-21T08:30:00.123","us":"2026-11-21T08:30:00.123456Z","ns":"1970-01-01T00:00:00.000000001","t":"08:30:00.000005","list":[1,null,3],"rec":{"x":1,"y":"a"},"recs":[{"x":1},{"x":2}],"map":{"k":1,"l":null}}"#,
        r#"{"b":null,"i8":null,"u16":null,"i32":null,"i64":null,"u64":null,"f16":null,"f32":null,"f64":null,"dec":null,"big":null,"s":null,"dict":null,"bin":null,"fix":null,"d":null,"ms":null,"us":null,"ns":null,"t":null,"list":null,"rec":null,"recs":null,"map":null}"#,
        r#"{"b":false,"i8":127,"u16":65535,"i32":2147483647,"i64":9223372036854775807,"u64":18446744073709551615,"f16":"-Infinity","f32":"NaN","f64":"Infinity","dec":99999999.99,"big":-12345678901234567890.5000000000,"s":"","dict":"a","bin":"74657874","fix":"feff","d":"0001-01-01","ms":"1969-12-31T00:00:00","us":"1969-12-31T00:00:00Z","ns":"1970-01-01T00:00:00.000001000","t":"00:00:00","list":[],"rec":{"x":null,"y":null},"recs":[null],"map":{}}"#,
    ];
    for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"] {
        let bytes = file(&format!("types_{codec}.parquet"));
        assert_eq!(lines(parquet(&["b boolean"]), bytes.clone()), expected, "{codec}");
        if codec == "none" {
            for wrapped in [gzip(&bytes), bzip2(&bytes), zip(&[ZipFile::new("a.parquet", &bytes)])] {
                assert_eq!(lines(parquet(&["b boolean"]), wrapped), expected);
            }
        }
    }
    let int96 = lines(parquet(&["us timestamp"]), file("int96.parquet"));
    assert_eq!(int96, ["{\"us\":\"2026-11-21T08:30:00.123456\"}", "{\"us\":null}", "{\"us\":\"1969-12-31T00:00:00\"}"]);
    assert!(lines(parquet(&["b boolean"]), file("empty.parquet")).is_empty());
}

/// Times of 96 bits have nanoseconds, and every day there is.
#[test]
fn times_of_96_bits_are_whole_or_rejected() {
    const FIRST: (i64, u32) = (30_600_123_456_000, 2_461_366);
    let mut bytes = file("int96.parquet");
    let place = |bytes: &[u8]| {
        let nanos = FIRST.0.to_le_bytes();
        bytes.windows(8).position(|window| window == nanos).expect("the first value stands in the file as it is")
    };
    let at = place(&bytes);
    assert_eq!(bytes[at + 8..at + 12], FIRST.1.to_le_bytes(), "2026-11-21");
    let mut put = |nanos: i64, day: u32| {
        bytes[at..at + 8].copy_from_slice(&nanos.to_le_bytes());
        bytes[at + 8..at + 12].copy_from_slice(&day.to_le_bytes());
        bytes.clone()
    };
    for (nanos, day, text) in [
        (FIRST.0 + 789, FIRST.1, "2026-11-21T08:30:00.123456789"),
        (0, FIRST.1, "2026-11-21T00:00:00"),
        // Beyond what 64 bits of nanoseconds hold, on both sides.
        (1_000, 5_373_484, "9999-12-31T00:00:00.000001"),
        (86_399_999_999_000, 1_721_426, "0001-01-01T23:59:59.999999"),
        // Nanoseconds beyond their day, as some writers have them.
        (86_400_000_001_000, FIRST.1, "2026-11-22T00:00:00.000001"),
        (-1_000, FIRST.1, "2026-11-20T23:59:59.999999"),
    ] {
        let read = lines(parquet(&["us timestamp"]), put(nanos, day));
        assert_eq!(read[0], format!("{{\"us\":\"{text}\"}}"));
    }
    let decoded = decode_in(&parquet(&["us timestamp"]), &put(FIRST.0 + 1, FIRST.1), 1 << 20).unwrap();
    assert_eq!(decoded.rules(), ["1 time t.us"], "finer than a microsecond");
    assert_eq!(decoded.records, 3);
    let decoded = decode_in(&parquet(&["us timestamp"]), &put(FIRST.0, FIRST.1), 1 << 20).unwrap();
    assert!(decoded.rejects.is_empty());
}

/// A dictionary is counted by what it unfolds to, whatever the footer claims.
#[test]
fn a_dictionary_that_unfolds_beyond_the_limit_is_refused() {
    let text = "x".repeat(2_000_000);
    let column = Series::new("t".into(), vec![text.as_str(); 50]).into_column();
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(50, vec![column]).unwrap();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None)).finish(&mut frame).unwrap();
    let mut dataset = parquet(&["t varchar(65535)"]);
    dataset.source.max_expansion = 1 << 40;
    dataset.source.max_block_bytes = Some(1_000_000);
    let message = unreadable(decode_in(&dataset, &bytes, 1 << 20));
    assert!(message.contains("has pages of 2000"), "{message}");
    // The same file with a footer that claims next to nothing.
    let metadata = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(&bytes)).unwrap();
    let claimed = metadata.row_groups[0].parquet_columns()[0].uncompressed_size();
    assert!(claimed > 2_000_000);
    let varint = |mut value: u64, length: usize| -> Vec<u8> {
        (0..length)
            .map(|at| {
                let byte = u8::try_from(value & 0x7f).unwrap();
                value >>= 7;
                if at + 1 < length { byte | 0x80 } else { byte }
            })
            .collect()
    };
    let real = varint(u64::try_from(claimed).unwrap() * 2, 4);
    let lie = varint(2, 4);
    let mut lied = 0;
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == real[..] {
            bytes[at..at + 4].copy_from_slice(&lie);
            lied += 1;
        }
    }
    assert!(lied > 0);
    let message = unreadable(decode_in(&dataset, &bytes, 1 << 20));
    assert!(message.contains("has pages of 2000") && message.contains("source.max_block_bytes"), "{message}");
    dataset.source.max_block_bytes = Some(10_000_000);
    let decoded = decode_in(&dataset, &bytes, 1 << 20).unwrap();
    assert_eq!(decoded.records, 50, "within the limit it is read");
}

fn written(columns: Vec<Series>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let rows = columns[0].len();
    let mut frame = DataFrame::new(rows, columns.into_iter().map(IntoColumn::into_column).collect()).unwrap();
    let writer = ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None));
    writer.with_data_page_size(Some(1000)).with_row_group_size(Some(usize::MAX)).finish(&mut frame).unwrap();
    bytes
}

/// A text that stands once in a dictionary is counted as often as the rows have it.
#[test]
fn what_a_dictionary_stands_for_is_counted() {
    let text = "x".repeat(1_000);
    let bytes = written(vec![Series::new("t".into(), vec![text.as_str(); 20_000])]);
    let mut dataset = parquet(&["t varchar(65535)"]);
    assert!(bytes.len() < 50_000, "{}", bytes.len());
    dataset.source.max_expansion = 100;
    let message = unreadable(decode_in(&dataset, &bytes, 1 << 20));
    assert!(message.contains("limit source.max_expansion"), "{message}");
    dataset.source.max_expansion = 100_000;
    assert_eq!(decode_in(&dataset, &bytes, 1 << 20).unwrap().records, 20_000);
}

/// Row groups are decoded slice by slice, of which only flat columns know; wherever they are cut, rows are the same.
#[test]
fn slices_of_a_row_group_are_its_rows() {
    let rows = 5_000_i64;
    let ids: Vec<Option<i64>> = (0..rows).map(|row| (row % 7 != 0).then_some(row)).collect();
    let texts: Vec<String> = (0..rows).map(|row| format!("text {}", row * 7919 % 1000)).collect();
    let flags: Vec<bool> = (0..rows).map(|row| row % 3 == 0).collect();
    let lists: Vec<Series> =
        (0..rows).map(|row| Series::new("".into(), vec![row; usize::try_from(row % 4).unwrap()])).collect();
    let bytes = written(vec![
        Series::new("id".into(), ids),
        Series::new("t".into(), texts),
        Series::new("f".into(), flags),
        Series::new("l".into(), lists),
    ]);
    let dataset = parquet(&["id bigint", "t varchar(99)", "f boolean", "l json"]);
    let whole = decode_in(&dataset, &bytes, 4 << 20).unwrap();
    assert_eq!((whole.records, whole.rules().len()), (5_000, 0));
    assert_eq!(whole.rows()[8], "8|text 352|false|[]");
    assert_eq!(whole.rows()[7], "NULL|text 433|false|[7,7,7]");
    for chunk in [1, 500, 20_000] {
        assert!(decode_in(&dataset, &bytes, chunk).unwrap() == whole, "chunks of {chunk} bytes");
    }
    // What is decoded whole is held whole, and only that is limited.
    let mut limited = dataset.clone();
    limited.source.max_block_bytes = Some(60_000);
    assert!(unreadable(decode_in(&limited, &bytes, 500)).contains("raise source.max_block_bytes"));
    let mut flat = parquet(&["id bigint", "t varchar(99)", "f boolean"]);
    flat.source.max_block_bytes = Some(60_000);
    assert_eq!(decode_in(&flat, &bytes, 500).unwrap().records, 5_000);
}

#[test]
fn avro_records_are_what_was_written() {
    let nothing = r#"{"b":null,"i":null,"l":null,"f":null,"x":null,"s":null,"bin":null,"dec":null,"fixed":null,"u":null,"e":null,"d":null,"ms":null,"us":null,"local":null,"t":null,"list":null,"map":null,"next":null,"either":null}"#;
    let next = nothing.replace("\"i\":null", "\"i\":7");
    let first = format!(
        r#"{{"b":true,"i":-2147483648,"l":9223372036854775807,"f":0.5,"x":0.1,"s":"größer \"x\"\n","bin":"00ff","dec":-1.05,"fixed":12345.6789,"u":"11111111-2222-3333-4444-555555555555","e":"GREEN","d":"2026-11-21","ms":"2026-11-21T08:30:00.123Z","us":"2026-11-21T08:30:00.123456Z","local":"2026-11-21T08:30:00.123456","t":"08:30:00.000005","list":[1,null,3],"map":{{"k":1,"l":2}},"next":{next},"either":"text"}}"#
    );
    let last = nothing
        .replace("\"x\":null", "\"x\":\"NaN\"")
        .replace("\"either\":null", "\"either\":5")
        .replace("\"list\":null", "\"list\":[]")
        .replace("\"map\":null", "\"map\":{}");
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"] {
        let bytes = file(&format!("types_{codec}.avro"));
        assert_eq!(lines(avro(&["b boolean"]), bytes), [first.as_str(), nothing, &last], "{codec}");
    }
    assert!(lines(avro(&["b boolean"]), file("empty.avro")).is_empty());
    assert_eq!(lines(avro(&["b boolean"]), gzip(&file("types_null.avro"))).len(), 3);
}

/// What does not fit its column is a reject with the number of its record and the record as JSON.
#[test]
fn values_are_taken_exactly_or_not_at_all() {
    let bytes = file("types_snappy.parquet");
    for (columns, rules) in [
        (&["i64 bigint", "u64 decimal(20,0)", "f64 varchar(9)"][..], &[][..]),
        (&["i64 integer"], &["1 range t.i64", "3 range t.i64"]),
        (&["u64 bigint"], &["3 range t.u64"]),
        (&["f64 double"], &["3 type t.f64"]),
        (&["f32 real"], &["3 type t.f32"]),
        (&["f64 decimal(3,1)"], &["3 type t.f64"]),
        (&["f16 bigint"], &["1 type t.f16", "3 type t.f16"]),
        (&["dec decimal(10,1)"], &["1 precision t.dec", "3 precision t.dec"]),
        (&["dec decimal(9,2)"], &["3 precision t.dec"]),
        (&["big decimal(38,10)"], &[]),
        (&["big decimal(38,9)"], &["1 precision t.big"]),
        (&["s varchar(3)"], &["1 length t.s"]),
        (&["ns timestamp"], &["1 time t.ns"]),
        (&["us timestamptz", "ms timestamp", "d date"], &[]),
        (&["rec json", "list json", "x bigint rec.x", "map json"], &[]),
    ] {
        for chunk_bytes in [1, 1 << 20] {
            let decoded = decode_in(&parquet(columns), &bytes, chunk_bytes).unwrap();
            assert_eq!(decoded.rules(), rules, "{columns:?}");
            assert_eq!((decoded.records, decoded.lines), (3, 3));
        }
    }
    let decoded = decode(&parquet(&["i64 integer"]), &bytes);
    assert_eq!(decoded.rejects[1].raw, "{\"i64\":9223372036854775807}");
    assert_eq!(decoded.rejects[1].value.as_deref(), Some("9223372036854775807"));
    assert_eq!(decoded.rejects[1].record, 3);

    let mut nested = parquet(&["i64 bigint"]);
    nested.tables.push(table("l", Some("recs"), vec![column("x bigint"), column("id bigint $.i64")]));
    nested.tables.push(table("v", Some("list"), vec![column("v bigint @")]));
    let decoded = decode(&nested, &bytes);
    assert_eq!(decoded.tables[1].len(), 3);
    assert_eq!(decoded.tables[1][1].2, ["2", "-9223372036854775808"]);
    assert_eq!(decoded.tables[2].iter().map(|row| row.2[0].as_str()).collect::<Vec<_>>(), ["1", "NULL", "3"]);

    let bytes = file("types_snappy.avro");
    for (columns, rules) in [
        (&["l bigint", "i integer", "x varchar(9)", "e varchar(5)", "u varchar(36)"][..], &[][..]),
        (&["l integer"], &["1 range t.l"]),
        (&["x double"], &["3 type t.x"]),
        (&["e varchar(4)"], &["1 length t.e"]),
        (&["either bigint"], &["1 type t.either"]),
        (&["fixed decimal(18,3)"], &["1 precision t.fixed"]),
        (&["deep integer next.i", "absent varchar(9) next.no"], &[]),
    ] {
        let decoded = decode(&avro(columns), &bytes);
        assert_eq!(decoded.rules(), rules, "{columns:?}");
    }
    let mut text = of(Format::Avro(BinaryFormat { binary_is_text: true }), &["bin varchar(9)"]);
    let decoded = decode(&text, &bytes);
    assert_eq!(decoded.rules(), ["1 utf8 bin"]);
    assert!(decoded.rejects[0].raw.contains("\"bin\":null"), "{}", decoded.rejects[0].raw);
    text.source.max_line_bytes = 400;
    assert_eq!(decode(&text, &bytes).rules()[0], "1 line_too_long -");
}

/// A column that no value of the file could fill is the file's verdict.
#[test]
fn schemas_are_judged_before_records() {
    let (pq, av) = (file("types_none.parquet"), file("types_null.avro"));
    for (columns, expected) in [
        (&["b bigint"][..], "holds booleans in its field b, of which none is a bigint"),
        (&["d timestamp"], "holds dates in its field d, of which none is a timestamp"),
        (
            &["us timestamp"],
            "holds times in UTC in its field us, of which none is a timestamp; declare the column as timestamptz",
        ),
        (&["t date"], "holds times of day in its field t"),
        (
            &["list varchar(9)"],
            "holds lists in its field list, of which none is a varchar(9); declare the column as json",
        ),
    ] {
        for (dataset, bytes) in [(parquet(columns), &pq), (avro(columns), &av)] {
            let message = unreadable(decode_in(&dataset, bytes, 1000));
            assert!(message.contains(expected) && message.contains("(column t."), "{columns:?}: {message}");
        }
    }
    let message = unreadable(decode_in(&parquet(&["ms timestamptz"]), &pq, 1000));
    assert!(message.contains("times without a zone in its field ms"), "{message}");
    let zoned = column("ms timestamptz").with(|rules| rules.zone = Some("Europe/Berlin".into()));
    let mut dataset = parquet(&[]);
    dataset.tables = vec![table("t", None, vec![zoned])];
    assert!(decode(&dataset, &pq).rejects.is_empty());
    // Rules for texts may make anything of anything.
    let mapped = column("b integer").with(|rules| {
        rules.map = Some([("true".to_owned(), "1".to_owned()), ("false".to_owned(), "0".to_owned())].into());
    });
    dataset.tables = vec![table("t", None, vec![mapped])];
    assert_eq!(decode(&dataset, &pq).rows(), ["1", "NULL", "0"]);
    dataset.tables = vec![table("t", None, vec![column("gone bigint").required(), column("b boolean")])];
    let message = unreadable(decode_in(&dataset, &pq, 1000));
    assert!(message.contains("has no field gone, and the column made of it is required"), "{message}");
    // A field that is not there is null, as everywhere.
    assert_eq!(decode(&parquet(&["gone bigint", "b boolean"]), &pq).rows()[0], "NULL|true");
    // A file that has none of the fields is another's.
    for (dataset, bytes) in
        [(parquet(&["gone bigint", "lost date away.y"]), &pq), (avro(&["gone bigint", "lost date away.y"]), &av)]
    {
        let message = unreadable(decode_in(&dataset, bytes, 1000));
        assert!(
            message
                .starts_with("has none of the fields that columns are made of: \"gone\", \"away.y\"; it has \"b\", "),
            "{message}"
        );
    }
    let mut listed = parquet(&[]);
    listed.tables = vec![table("l", Some("recs"), vec![column("gone bigint"), column("x bigint")])];
    assert_eq!(decode(&listed, &pq).tables[0].len(), 3);
}

/// One text that is no text rejects its record, not its file.
#[test]
fn texts_that_are_not_utf8_reject_their_record() {
    // The texts of the file are replaced by others of their length, a statistic of the footer with them.
    let broken = |name: &str, text: &[u8]| {
        let mut bytes = file(name);
        let mut bad = text.to_vec();
        bad[0] = 0xff;
        let mut found = 0;
        for at in 0..bytes.len() - text.len() {
            if bytes[at..].starts_with(text) {
                bytes[at..at + text.len()].copy_from_slice(&bad);
                found += 1;
            }
        }
        assert!(found > 0, "{name} has the text as it is");
        bytes
    };
    let greeting = "größer \"x\"\n".as_bytes();
    let decoded = decode(&parquet(&["s varchar(99)", "i64 bigint"]), broken("types_none.parquet", greeting));
    assert_eq!(decoded.rules(), ["1 utf8 s"]);
    assert_eq!(decoded.rows(), ["NULL|NULL", "|9223372036854775807"]);
    assert!(
        decoded.rejects[0]
            .message
            .starts_with("the text is not valid UTF-8, at its byte 1; in hexadecimal digits it is ff")
    );
    let decoded = decode(&avro(&["s varchar(99)", "i integer"]), broken("types_null.avro", greeting));
    assert_eq!(decoded.rules(), ["1 utf8 s"]);

    // Keys of maps, and texts in records and lists.
    let column = |name: &str, values: &[&str]| Series::new(name.into(), values).into_column();
    let fields = [column("key", &["first", "other", "third"]), column("more", &["a", "deeper", "c"])];
    let nested = polars::prelude::StructChunked::from_columns("rec".into(), 3, &fields).unwrap().into_column();
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(3, vec![nested]).unwrap();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Uncompressed).finish(&mut frame).unwrap();
    while let Some(at) = bytes.windows(6).position(|window| window == b"deeper") {
        bytes[at + 2] = 0xc3;
    }
    let decoded = decode(&parquet(&["k varchar(9) rec.key", "m varchar(9) rec.more"]), &bytes);
    assert_eq!(
        (decoded.rules(), decoded.rows()),
        (vec!["2 utf8 rec".to_owned()], vec!["first|a".into(), "third|c".into()])
    );
    let key = [4, b'k', 2];
    let mut bytes = file("types_null.avro");
    let at = bytes.windows(3).position(|window| window == [2, b'k', 2]).unwrap();
    assert_ne!(key[0], bytes[at]);
    bytes[at + 1] = 0xff;
    assert_eq!(decode(&avro(&["i integer", "map json"]), &bytes).rules(), ["1 utf8 map"]);
}

/// A decimal is whole where nothing stands behind its point, as a double is.
#[test]
fn whole_decimals_are_whole_numbers() {
    let column = Series::new("d".into(), vec!["12.000", "-0.000", "12.001"]);
    let decimal = column.cast(&polars::prelude::DataType::Decimal(38, 3)).unwrap().into_column();
    let doubles = Series::new("f".into(), vec![12.0, -0.0, 12.001]).into_column();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut DataFrame::new(3, vec![decimal, doubles]).unwrap()).unwrap();
    let decoded = decode(&parquet(&["d bigint", "t varchar(9) d"]), &bytes);
    assert_eq!(
        (decoded.rules(), decoded.rows()),
        (vec!["3 type t.d".to_owned()], vec!["12|12.000".into(), "0|0.000".into()])
    );
    assert_eq!(decode(&parquet(&["f bigint"]), &bytes).rules(), ["3 type t.f"]);
}

/// Damage anywhere is a reason, or rejects, and never a panic or fewer records.
#[test]
fn damage_is_named() {
    let (pq, av) = (file("types_snappy.parquet"), file("types_deflate.avro"));
    let dataset = parquet(&["i64 bigint", "s varchar(99)", "list json"]);
    for (bytes, expected) in [
        (pq[..pq.len() - 1].to_vec(), "is a Parquet file cut off at byte"),
        (pq[..6].to_vec(), "is a Parquet file cut off at byte 6"),
        ([&pq[..pq.len() - 8], &[0xff, 0xff, 0xff, 0x7f], b"PAR1"].concat(), "its footer cannot have 2147483647 bytes"),
        (gzip(&pq[..pq.len() / 2]), "is a Parquet file cut off at byte"),
        (b"{\"id\":1}\n".to_vec(), "is no Parquet file, as source.format says"),
        (av.clone(), "is a Avro file, and source.format is parquet; set source.format = \"avro\""),
    ] {
        let message = unreadable(decode_in(&dataset, &bytes, 1000));
        assert!(message.contains(expected), "{message} does not say {expected}");
    }
    for at in (0..pq.len()).step_by(7) {
        let mut flipped = pq.clone();
        flipped[at] ^= 0x55;
        if let Ok(decoded) = decode_in(&dataset, &flipped, 1000) {
            assert_eq!(decoded.records, 3, "flip at {at}");
        }
    }
    let dataset = avro(&["i integer", "s varchar(99)", "list json"]);
    for at in 0..av.len() {
        // A file may end behind any of its blocks, and does not say how many it has.
        if let Ok(decoded) = decode_in(&dataset, &av[..at], 1000) {
            assert!(decoded.records < 3 && decoded.rejects.is_empty(), "cut at {at}");
        }
        let mut flipped = av.clone();
        flipped[at] ^= 0x55;
        let _any = decode_in(&dataset, &flipped, 1000);
    }
    let message = unreadable(decode_in(&dataset, &av[..av.len() - 1], 1000));
    assert!(message.contains("is an Avro file cut off at byte"), "{message}");
}

/// Blocks are held in memory whole, so that there is a limit; and bombs are stopped.
#[test]
fn blocks_have_a_limit() {
    for (mut dataset, bytes) in
        [(parquet(&["s varchar(99)"]), file("types_none.parquet")), (avro(&["s varchar(99)"]), file("types_null.avro"))]
    {
        dataset.source.max_block_bytes = Some(20);
        let message = unreadable(decode_in(&dataset, &bytes, 1000));
        assert!(message.contains("source.max_block_bytes"), "{message}");
    }
    let mut dataset = avro(&["s varchar(99)"]);
    dataset.source.max_expanded_bytes = 1000;
    let message = unreadable(decode_in(&dataset, &file("types_deflate.avro"), 1000));
    assert!(message.contains("source.max_expanded_bytes"), "{message}");
}
