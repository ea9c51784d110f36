//! The planted records in formats with types of their own: Avro written here, and Parquet by the program itself, from JSON
//! lines under a definition whose columns are wider than those of the planted one.

use super::{NAMES, Record, json};
use crate::harness::Site;

/// What holds every planted value, the bent ones too.
const WIDE: &str = r#"
name = "wide"
[source]
objects = ["wide_{file}"]
format = "jsonl"
[tables.rows]
mode = "append"
partition_by = ["file"]
[tables.rows.columns]
file = { type = "varchar(9)", capture = "file" }
id = { type = "bigint" }
n = { type = "bigint" }
d = { type = "decimal(20,3)" }
big = { type = "varchar(64)" }
x = { type = "double" }
t = { type = "varchar(200)" }
day = { type = "varchar(40)" }
at = { type = "varchar(40)" }
ts = { type = "timestamp" }
b = { type = "boolean" }
j = { type = "json" }
"#;

/// A Parquet file of each of these.
pub(super) fn parquet(files: &[Vec<Record>]) -> Vec<Vec<u8>> {
    let site = Site::new(&[WIDE]);
    for (number, records) in files.iter().enumerate() {
        site.land(&format!("wide_{number}"), records.iter().map(|record| json(record) + "\n").collect::<String>());
    }
    assert_eq!(site.drain(), 0, "nothing is too wide");
    let lake = site.lake();
    let part = |number: usize| {
        let folder = format!("p_file={number}/");
        let mut parts = lake.keys().filter(|path| path.contains(&folder));
        let (part, None) = (parts.next().expect("a part"), parts.next()) else { panic!("{folder} has two parts") };
        std::fs::read(site.path("lake").join(part)).expect("a part")
    };
    (0..files.len()).map(part).collect()
}

fn zigzag(value: i64, into: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    while rest >= 0x80 {
        into.push(rest.to_le_bytes()[0] & 0x7f | 0x80);
        rest >>= 7;
    }
    into.push(rest.to_le_bytes()[0]);
}

fn sized(bytes: &[u8], into: &mut Vec<u8>) {
    zigzag(i64::try_from(bytes.len()).expect("a small file"), into);
    into.extend_from_slice(bytes);
}

/// Every value may be null.
fn kind(name: &str) -> &'static str {
    match name {
        "id" | "n" => "long",
        "x" => "double",
        "b" => "boolean",
        _ => "string",
    }
}

/// An Avro file of blocks of seven records.
pub(super) fn avro(records: &[Record]) -> Vec<u8> {
    let field = |name: &&str| format!("{{\"name\":\"{name}\",\"type\":[\"null\",\"{}\"]}}", kind(name));
    let fields = NAMES.iter().map(field).collect::<Vec<_>>().join(",");
    let schema = format!("{{\"type\":\"record\",\"name\":\"Planted\",\"fields\":[{fields}]}}");
    let mut file = b"Obj\x01".to_vec();
    zigzag(1, &mut file);
    sized(b"avro.schema", &mut file);
    sized(schema.as_bytes(), &mut file);
    zigzag(0, &mut file);
    let sync = [7; 16];
    file.extend(sync);
    for block in records.chunks(7) {
        let mut bytes = Vec::new();
        for (name, value) in block.iter().flat_map(|record| NAMES.iter().zip(record)) {
            zigzag(i64::from(value.is_some()), &mut bytes);
            let Some(value) = value else { continue };
            match kind(name) {
                "long" => zigzag(value.parse().expect("a whole number"), &mut bytes),
                "double" => bytes.extend(value.parse::<f64>().expect("a number").to_le_bytes()),
                "boolean" => bytes.push(u8::from(value == "true")),
                _ => sized(value.as_bytes(), &mut bytes),
            }
        }
        zigzag(i64::try_from(block.len()).expect("seven"), &mut file);
        sized(&bytes, &mut file);
        file.extend(sync);
    }
    file
}
