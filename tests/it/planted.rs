//! Random tables with random dirt, through the real program into a warehouse: every clean row comes out bit for bit in the
//! table that people read, and every dirty one is a reject with its line and rule.

mod binary;

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::harness::Site;

/// Files of each format.
const FILES: u64 = 12;
/// Records of each file.
const RECORDS: u64 = 40;

const COLUMNS: &str = r#"
id = { type = "bigint", required = true }
n = { type = "integer" }
d = { type = "decimal(12,2)" }
big = { type = "decimal(38,9)" }
x = { type = "double" }
t = { type = "varchar(24)" }
day = { type = "date" }
at = { type = "timestamptz" }
ts = { type = "timestamp" }
b = { type = "boolean" }
j = { type = "json" }
"#;

/// The columns in their order, of which these are texts in JSON.
const NAMES: [&str; 11] = ["id", "n", "d", "big", "x", "t", "day", "at", "ts", "b", "j"];
const QUOTED: [&str; 4] = ["t", "day", "at", "ts"];

pub(crate) const FORMATS: [&str; 5] = ["jsonl", "json", "csv", "parquet", "avro"];

/// Whether it has types of its own, and no lines.
fn is_binary(format: &str) -> bool {
    matches!(format, "parquet" | "avro")
}

/// The definition of the files of a format.
pub(crate) fn definition(format: &str) -> String {
    format!(
        "name = \"planted_{format}\"\n[source]\nobjects = [\"planted_{format}_*\"]\nformat = \"{format}\"\n[quality]\n\
         max_rejects = \"100%\"\n[tables.rows]\nmode = \"append\"\n[tables.rows.columns]{COLUMNS}"
    )
}

/// Numbers that look random; the same for the same seed.
struct Dice {
    seed: String,
    thrown: u64,
}

impl Dice {
    fn bits(&mut self) -> u64 {
        self.thrown += 1;
        let hash = blake3::hash(format!("{}/{}", self.seed, self.thrown).as_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
    }

    fn below(&mut self, sides: u64) -> u64 {
        self.bits() % sides
    }

    /// One of the least, the greatest, or any between.
    fn between(&mut self, least: i128, most: i128) -> i128 {
        match self.below(8) {
            0 => least,
            1 => most,
            _ => {
                let wide = i128::from(self.bits()) << 63 | i128::from(self.bits() >> 1);
                // Half as wide, so that the width itself fits.
                let (least, most) = (least / 2, most / 2);
                least + wide.rem_euclid(most - least + 1)
            }
        }
    }
}

/// A record as it is meant: each value as text, in the notation that a warehouse is compared in; none is null.
type Record = [Option<String>; 11];

fn decimal(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

/// A day and time by its microseconds since 1970.
fn moment(micros: i64) -> String {
    lakehand_domain::timestamp::Timestamp::from_micros(micros).to_string().trim_end_matches('Z').to_owned()
}

fn record(id: u64, dice: &mut Dice) -> Record {
    const LETTERS: [&str; 14] = ["a", "Z", "ä", "€", "😀", " ", "\"", "\\", "'", ",", ";", "\n", "\t", "{"];
    // From the year 1 to 9999.
    const MOMENTS: (i128, i128) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
    let mut text = String::new();
    for _ in 0..dice.below(8) {
        text.push_str(LETTERS[usize::try_from(dice.below(14)).expect("small")]);
    }
    if text.len() > 24 {
        text.truncate(text.floor_char_boundary(24));
    }
    let micros = |dice: &mut Dice| i64::try_from(dice.between(MOMENTS.0, MOMENTS.1)).expect("64 bits");
    let most = 10_i128.pow(38) - 1;
    let x = loop {
        let x = f64::from_bits(dice.bits());
        // SQLite keeps no sign of zero, and what it compares is the same.
        if x.is_finite() && x != 0.0 {
            break x;
        }
    };
    let mut record = [
        Some(id.to_string()),
        Some(dice.between(i32::MIN.into(), i32::MAX.into()).to_string()),
        Some(decimal(dice.between(-999_999_999_999, 999_999_999_999), 2)),
        Some(decimal(dice.between(-most, most), 9)),
        Some(x.to_string()),
        Some(text),
        Some(moment(micros(dice))[..10].to_owned()),
        Some(format!("{}Z", moment(micros(dice)))),
        Some(moment(micros(dice))),
        Some((dice.below(2) == 0).to_string()),
        Some(format!("{{\"k\":[{},\"ü\"]}}", dice.below(1000))),
    ];
    for value in &mut record[1..] {
        if dice.below(6) == 0 {
            *value = None;
        }
    }
    record
}

/// Bends a record in one way that its format can have; the rule that it then breaks.
fn bend(record: &mut Record, format: &str, dice: &mut Dice) -> &'static str {
    // What has types of its own has no fraction among its whole numbers, and no syntax; and what makes them here takes no NUL.
    let way = if is_binary(format) { 1 + dice.below(6) } else { dice.below(9) };
    let (at, value, rule) = match way {
        0 => (1, "1.5", "type"),
        1 => (1, "2147483648", "range"),
        2 => (2, "1.005", "precision"),
        3 => (3, "0.0000000001", "precision"),
        4 => (5, "much longer than twenty-four bytes", "length"),
        5 => (6, "2026-02-29", "time"),
        6 => (7, "2026-11-21T08:00:00", "time"),
        7 => (5, "a\0b", "nul"),
        _ if format == "csv" => (10, "RAGGED", "ragged"),
        _ => (10, "TWICE", "duplicate_key"),
    };
    record[at] = Some(value.to_owned());
    rule
}

fn json(record: &Record) -> String {
    let mut text = String::from("{");
    for (name, value) in NAMES.iter().zip(record) {
        let value = match value {
            Some(value) if value == "TWICE" => "1,\"j\":2".to_owned(),
            Some(value) if QUOTED.contains(name) => Value::from(value.as_str()).to_string(),
            Some(value) => value.clone(),
            None => "null".to_owned(),
        };
        write!(text, "{}\"{name}\":{value}", if text.len() > 1 { "," } else { "" }).expect("a string takes all");
    }
    text + "}"
}

fn csv(record: &Record) -> String {
    let fields = record.iter().map(|value| match value {
        Some(value) if value == "RAGGED" => "1,more".to_owned(),
        Some(value) => format!("\"{}\"", value.replace('"', "\"\"")),
        None => String::new(),
    });
    fields.collect::<Vec<_>>().join(",")
}

/// The files of a format: what they are called and hold, the clean records, and the file, line and rule of the others.
pub(crate) struct Planted {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) clean: Vec<Record>,
    pub(crate) dirty: Vec<(String, u64, String)>,
}

pub(crate) fn planted(format: &str, seed: &str) -> Planted {
    let mut planted = Planted { files: Vec::new(), clean: Vec::new(), dirty: Vec::new() };
    let mut typed: Vec<Vec<Record>> = Vec::new();
    for file in 0..FILES {
        let mut dice = Dice { seed: format!("{seed}/{format}/{file}"), thrown: 0 };
        let name = format!("planted_{format}_{file:02}");
        let mut text = match format {
            "csv" => NAMES.join(",") + "\n",
            "json" => "[\n".to_owned(),
            _ => String::new(),
        };
        let mut records = Vec::new();
        for at in 0..RECORDS {
            let mut record = record(file * RECORDS + at, &mut dice);
            let mut line = text.matches('\n').count() as u64 + 1;
            if is_binary(format) {
                // There a text that holds JSON is a text.
                record[10] = None;
                line = at + 1;
            }
            if dice.below(4) == 0 {
                let rule = bend(&mut record, format, &mut dice);
                planted.dirty.push((name.clone(), line, rule.to_owned()));
            } else {
                planted.clean.push(record.clone());
            }
            match format {
                "csv" => writeln!(text, "{}", csv(&record)),
                "json" => writeln!(text, "{}{}", json(&record), if at + 1 < RECORDS { "," } else { "\n]" }),
                _ => writeln!(text, "{}", json(&record)),
            }
            .expect("a string takes all");
            records.push(record);
        }
        typed.push(records);
        let bytes = match file % 3 {
            0 => text.into_bytes(),
            1 => zstd::encode_all(text.as_bytes(), 1).expect("zstd"),
            _ => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text.as_bytes()).expect("gzip");
                encoder.finish().expect("gzip")
            }
        };
        planted.files.push((name, bytes));
    }
    let binary = match format {
        "parquet" => binary::parquet(&typed),
        "avro" => typed.iter().map(|records| binary::avro(records)).collect(),
        _ => Vec::new(),
    };
    for ((_, bytes), binary) in planted.files.iter_mut().zip(binary) {
        *bytes = binary;
    }
    planted.dirty.sort();
    planted
}

/// What `lakehand rejects` lists of a dataset, as it was planted.
pub(crate) fn rejected(listed: &Value, format: &str) -> Vec<(String, u64, String)> {
    assert_eq!(listed["more"], false, "all are listed");
    let start = format!("planted_{format}_");
    let rejects = listed["rejects"].as_array().expect("rejects").iter();
    let mut found: Vec<_> = rejects
        .filter_map(|reject| {
            let object = reject["object"].as_str().expect("an object");
            let name = object.rsplit('/').next().expect("a name").to_owned();
            let rule = reject["rule"].as_str().expect("a rule").to_owned();
            name.starts_with(&start).then(|| (name, reject["line"].as_u64().expect("a line"), rule))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn what_was_planted_stands_in_the_embedded_warehouse() {
    let definitions = FORMATS.map(definition);
    let site = Site::new(&definitions.each_ref().map(String::as_str));
    let all = FORMATS.map(|format| planted(format, "embedded"));
    for (name, bytes) in all.iter().flat_map(|planted| &planted.files) {
        site.land(name, bytes);
    }
    assert_eq!(site.drain(), 0);
    let listed = site.json(&["rejects", "--list", "--limit", "100000"]);
    for (format, planted) in FORMATS.iter().zip(&all) {
        assert!(planted.dirty.len() > 50 && planted.clean.len() > 200);
        assert_eq!(rejected(&listed, format), planted.dirty, "{format}");
        let sql = format!("SELECT {} FROM planted_{format}_rows ORDER BY id", NAMES.join(", "));
        let rows = site.query(&sql);
        assert_eq!(rows.len(), planted.clean.len(), "{format}");
        for (row, record) in rows.iter().zip(&planted.clean) {
            assert_eq!(row.as_slice(), embedded(record), "{format}");
        }
    }
}

/// A record as the harness reads it from SQLite: short decimals are doubles there, and the double is the nearest.
fn embedded(record: &Record) -> [String; 11] {
    let mut cells = record.clone().map(|value| value.unwrap_or_else(|| "null".to_owned()));
    if let Some(d) = &record[2] {
        cells[2] = d.parse::<f64>().expect("a number").to_string();
    }
    if let Some(b) = &record[9] {
        cells[9] = u8::from(b == "true").to_string();
    }
    cells
}
