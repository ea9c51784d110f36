//! What lands: the bytes of every version of every file, and what must become of them.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::cloud::world::dice;

/// Only the newest version of a file stands.
pub(super) const ORDERS: &str = r#"
name = "orders"
[source]
objects = ["orders_*.jsonl*"]
format = "jsonl"
[quality]
max_rejects = "30%"
[tables.orders]
mode = "append"
[tables.orders.columns]
id = { type = "bigint", required = true }
amount = { type = "decimal(12,2)", min = 0 }
customer = { type = "varchar(40)", from = "customer.name" }
"#;

/// The same once it was changed.
pub(super) fn newer_orders() -> String {
    let column = "[tables.orders.columns]\nnote = { type = \"varchar(20)\", default = \"none\" }";
    ORDERS.replace("[tables.orders.columns]", column)
}

/// Every version of a file stands.
pub(super) const NOTES: &str = r#"
name = "notes"
[source]
objects = ["notes_*.csv.gz"]
format = "csv"
on_rewrite = "append"
[tables.notes]
mode = "append"
[tables.notes.columns]
id = { type = "bigint", required = true }
text = { type = "varchar(60)" }
"#;

/// Only the oldest version of a file stands.
pub(super) const FIRST: &str = r#"
name = "first"
[source]
objects = ["first_*.jsonl"]
format = "jsonl"
on_rewrite = "ignore"
[tables.first]
mode = "append"
[tables.first.columns]
id = { type = "bigint", required = true }
text = { type = "varchar(60)" }
"#;

/// One row a key, the newest version of it.
pub(super) const STOCK: &str = r#"
name = "stock"
[source]
objects = ["stock_*.jsonl"]
format = "jsonl"
[tables.stock]
mode = "upsert"
key = ["sku"]
version = "changed"
[tables.stock.columns]
sku = { type = "varchar(20)", required = true }
changed = { type = "bigint" }
pieces = { type = "integer" }
"#;

/// What must become of a version that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Loaded,
    Unreadable,
    TooManyRejects,
}

/// One version of one file.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// `None`: no dataset takes it.
    pub(super) dataset: Option<&'static str>,
    pub(super) fate: Fate,
    /// Accepted rows, each as its columns in text.
    pub(super) rows: Vec<Vec<String>>,
    /// Rejected records as they came.
    pub(super) rejects: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

const LINES: u64 = 8;

/// Keys of `stock` come again in other files.
const KEYS: u64 = 150;

/// The name of a file by its number.
pub(super) fn key(seed: &str, number: u64) -> String {
    match dice(&format!("{seed}/key"), number, 100) {
        0..45 => format!("orders_{number:06}.jsonl"),
        45..55 => format!("orders_{number:06}.jsonl.zst"),
        55..75 => format!("stock_{number:06}.jsonl"),
        75..87 => format!("notes_{number:06}.csv.gz"),
        87..97 => format!("first_{number:06}.jsonl"),
        _ => format!("stranger_{number:06}.txt"),
    }
}

/// What a file holds in its `revision`. No two revisions of any files have the same rows.
pub(super) fn content(seed: &str, number: u64, revision: u64) -> Content {
    let key = key(seed, number);
    let first = (number * 64 + revision) * LINES;
    let ids = first..first + LINES;
    let luck = dice(&format!("{seed}/luck"), number * 64 + revision, 100);
    match key.split('_').next().unwrap_or_default() {
        "orders" => orders(&key, ids, luck),
        "stock" => stock(seed, ids),
        "notes" => notes(ids, luck),
        "first" => {
            let rows: Vec<_> = ids.map(|id| vec![id.to_string(), format!("first {id}")]).collect();
            let lines = rows.iter().map(|row| format!("{{\"id\":{},\"text\":\"{}\"}}\n", row[0], row[1]));
            accepted("first", lines.collect::<String>().into_bytes(), rows)
        }
        _ => Content { dataset: None, ..accepted("", format!("nobody's {first}").into_bytes(), Vec::new()) },
    }
}

fn accepted(dataset: &'static str, bytes: Vec<u8>, rows: Vec<Vec<String>>) -> Content {
    Content { dataset: Some(dataset), fate: Fate::Loaded, rows, rejects: Vec::new(), bytes }
}

fn orders(key: &str, ids: std::ops::Range<u64>, luck: u64) -> Content {
    let (mut text, mut rows, mut rejects) = (String::new(), Vec::new(), Vec::new());
    let too_many = luck < 6;
    for id in ids {
        let dirty = if too_many { id % 2 == 0 } else { luck < 30 && id % LINES == 3 };
        let amount = if dirty { "-1.00".to_owned() } else { format!("{}.25", id % 1000) };
        let line = format!(r#"{{"id":{id},"amount":"{amount}","customer":{{"name":"Kö {id}"}}}}"#);
        _ = writeln!(text, "{line}");
        if dirty {
            rejects.push(line);
        } else {
            rows.push(vec![id.to_string(), amount, format!("Kö {id}")]);
        }
    }
    let mut bytes = text.into_bytes();
    let mut fate = if too_many { Fate::TooManyRejects } else { Fate::Loaded };
    if key.rsplit('.').next() == Some("zst") {
        bytes = zstd::encode_all(bytes.as_slice(), 3).expect("zstd");
        if luck.is_multiple_of(4) {
            bytes.truncate(bytes.len() / 2);
            fate = Fate::Unreadable;
            rejects.clear();
        }
    }
    if fate != Fate::Loaded {
        rows.clear();
    }
    Content { dataset: Some("orders"), fate, rows, rejects, bytes }
}

fn stock(seed: &str, ids: std::ops::Range<u64>) -> Content {
    let rows: Vec<_> = ids
        .map(|id| {
            // Versions are in no order of the files.
            let changed = dice(&format!("{seed}/changed"), id, 1 << 20) * 1_000_000_000 + id;
            vec![format!("s{}", dice(&format!("{seed}/sku"), id, KEYS)), changed.to_string(), (id % 1000).to_string()]
        })
        .collect();
    let lines =
        rows.iter().map(|row| format!("{{\"sku\":\"{}\",\"changed\":{},\"pieces\":{}}}\n", row[0], row[1], row[2]));
    accepted("stock", lines.collect::<String>().into_bytes(), rows)
}

fn notes(ids: std::ops::Range<u64>, luck: u64) -> Content {
    let rows: Vec<_> = ids.map(|id| vec![id.to_string(), format!("note, {id}")]).collect();
    let mut lines = "id,text\n".to_owned();
    for row in &rows {
        _ = writeln!(lines, "{},\"{}\"", row[0], row[1]);
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).expect("in memory");
    let mut bytes = encoder.finish().expect("in memory");
    if luck < 8 {
        bytes.truncate(bytes.len() - 9);
        return Content { fate: Fate::Unreadable, ..accepted("notes", bytes, Vec::new()) };
    }
    accepted("notes", bytes, rows)
}
