//! Masked values are nowhere in the clear; unique values are judged over the whole file.

use std::fmt::Write as _;

use lakehand_dataset::check::check_definition;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;

use super::*;
use crate::mask::MaskKeys;

fn defined(text: &str) -> Arc<Dataset> {
    let landing = ObjectUri::parse("file:///landing").unwrap();
    let file = DefinitionFile { path: "d.toml".to_owned(), text: text.to_owned() };
    let checked = check_definition(&file, &landing, &TransformIdentity("t".to_owned()));
    Arc::new(checked.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

fn run(dataset: &Arc<Dataset>, content: impl Into<Bytes>, threads: usize) -> (Transformed, Memory) {
    let input = TransformInput {
        dataset: Arc::clone(dataset),
        content: Content::Bytes(content.into()),
        ..input(Dataset::clone(dataset))
    };
    let memory = Memory::default();
    let engine = Engine::with_threads(NonZeroUsize::new(threads).unwrap());
    let engine = engine.with_mask_keys(MaskKeys::default().with("k1", b"secret"));
    let done = engine.transform(&input, &memory, &|| false).unwrap();
    (done, memory)
}

fn texts(values: &ColumnValues) -> Vec<&str> {
    match values {
        ColumnValues::Text(values) => values.iter().map(|text| text.as_deref().unwrap_or("NULL")).collect(),
        other => panic!("{other:?}"),
    }
}

const PEOPLE: &str = r#"
name = "people"
[source]
objects = ["*"]
format = "FORMAT"
[privacy]
mask_key = "k1"
[quality]
max_rejects = "100%"
[tables.people]
mode = "append"
partition_by = ["domain"]
[tables.people.columns]
id = { type = "integer", required = true }
email = { type = "varchar(67)", matches = "@", mask = "hmac", subject = true, unique = true }
again = { type = "varchar(64)", from = "email", mask = "sha256" }
domain = { type = "varchar(40)", from = "email", mask = "keep_domain" }
name = { type = "varchar(3)", mask = "redact", min_length = 2 }
born = { type = "date", mask = "drop" }
loud = { type = "varchar(99)", expr = "UPPER(email)" }
email_id = { type = "varchar(32)", hash_of = ["email"] }
"#;

/// All that is written, as text: parts without their compression, and the quarantine.
fn everything(done: &Transformed, memory: &Memory) -> String {
    let mut all = String::new();
    for table in &done.tables {
        for part in &table.parts {
            all.push_str(&part.name);
            for values in memory.rows(part, &table.columns) {
                write!(all, "{values:?}").unwrap();
            }
        }
    }
    for reject in memory.quarantine(done) {
        all.push_str(&serde_json::to_string(&reject).unwrap());
    }
    all
}

#[test]
fn masked_values_are_written_nowhere() {
    let json = concat!(
        r#"{"id":1,"email":"anna@secret.example","name":"Anna","born":"1990-01-02"}"#,
        "\n",
        r#"{"id":2,"email":null,"name":null}"#,
        "\n",
        // The value itself, another value, the syntax, the encoding, a key twice, an expression: each is a reject.
        r#"{"id":3,"email":"anna-secret","name":"Anna","born":"1990-01-02"}"#,
        "\n",
        r#"{"id":"x","email":"anna@secret.example","name":"Ann\u0061","born":"1990-01-02"}"#,
        "\n",
        r#"{"id":5,"email":"anna@secret.example","name":"Anna" 1}"#,
        "\n",
        r#"{"id":6,"email":"anna@secret.example","email":"anna@secret.example"}"#,
        "\n",
        r#"{"id":7,"email":"anna@secret.example","name":"A"}"#,
        "\n",
        r#"{"id":8,"email":"bert@b.example","name":"Anna","born":"1990-02-30"}"#,
        "\n",
        r#"{"id":9,"email":"anna@secret.example","name":"Anna"}"#,
        "\n",
    );
    let csv = "id,email,name,born\n1,anna@secret.example,Anna,1990-01-02\n2,,,\n3,anna-secret,Anna,1990-01-02\n\
               x,\"anna@secret.example\",Anna,1990-01-02\n5,\"anna@secret.example\"x,Anna,\n6,anna@secret.example\n\
               7,anna@secret.example,A,\n8,bert@b.example,Anna,1990-02-30\n9,anna@secret.example,Anna,\n";
    let mut results = Vec::new();
    for (format, content) in [("jsonl", json.to_owned()), ("csv", csv.to_owned())] {
        let dataset = defined(&PEOPLE.replace("FORMAT", format));
        assert_eq!(dataset.tables[0].shape.subjects, ["email"]);
        let (done, memory) = run(&dataset, content, 1);
        let all = everything(&done, &memory);
        for secret in ["anna", "ANNA", "Anna", "Ann\\", "bert", "1990"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
        let rejects = memory.quarantine(&done);
        let rules: Vec<String> = rejects.iter().map(|reject| format!("{:?}", reject.rule)).collect();
        let fifth = if format == "csv" { "Ragged" } else { "DuplicateKey" };
        assert_eq!(rules, ["Matches", "Type", "Syntax", fifth, "Length", "Time", "Unique"]);
        assert_eq!(rejects[0].value.as_deref(), Some("***"));
        assert_eq!(rejects[1].value.as_deref(), Some(if format == "csv" { "x" } else { "\"x\"" }));
        let shown = if format == "csv" {
            "x,\"***\",***,***".to_owned()
        } else {
            r#"{"id":"x","email":"***","name":"***","born":"***"}"#.to_owned()
        };
        assert_eq!(rejects[1].raw, shown);
        assert!(rejects[2].raw.starts_with("withheld") && rejects[2].raw_cut && rejects[2].value.is_none());
        assert!(rejects[6].raw.starts_with("withheld"));

        let mut rows = Vec::new();
        for part in &done.tables[0].parts {
            rows.push(memory.rows(part, &done.tables[0].columns));
        }
        let row = rows.iter().find(|row| row[0] == ColumnValues::Integer(vec![Some(1)])).unwrap();
        let hmac = texts(&row[1])[0];
        assert!(hmac.starts_with("k1:") && hmac.len() == 67, "{hmac}");
        assert_eq!(texts(&row[3]), ["***@secret.example"]);
        assert_eq!(texts(&row[4]), ["***"]);
        assert_eq!(row[5], ColumnValues::Date(vec![None]));
        assert_eq!(texts(&row[6]), [hmac.to_uppercase()]);
        let null = rows.iter().find(|row| row[0] == ColumnValues::Integer(vec![Some(2)])).unwrap();
        assert_eq!((texts(&null[1]), texts(&null[4])), (vec!["NULL"], vec!["NULL"]));
        results.push((hmac.to_owned(), texts(&row[7])[0].to_owned()));
    }
    // The same value is the same mask, in whatever file it came.
    assert_eq!(results[0], results[1]);
}

#[test]
fn a_key_that_is_not_there_is_a_problem_of_the_settings() {
    let dataset = defined(&PEOPLE.replace("FORMAT", "jsonl"));
    let problems = Engine::new().check(&dataset);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].1.contains("the settings have no mask key \"k1\""), "{problems:?}");
    assert!(Engine::new().with_mask_keys(MaskKeys::made_up()).check(&dataset).is_empty());
    let failed = Engine::new().transform(&input(Dataset::clone(&dataset)), &Memory::default(), &|| false);
    assert!(matches!(failed, Err(TransformError::Engine { .. })), "{failed:?}");
    // Another key is another definition.
    let other = defined(&PEOPLE.replace("FORMAT", "jsonl").replace("mask_key = \"k1\"", "mask_key = \"k2\""));
    assert_ne!(dataset.fingerprint, other.fingerprint);
}

const UNIQUE: &str = r#"
name = "visits"
[source]
objects = ["*"]
format = "jsonl"
[quality]
max_rejects = 100000
min_records = 3
[tables.visits]
mode = "append"
[tables.visits.columns]
id = { type = "bigint", unique = true }
[tables.pages]
mode = "append"
rows = "pages[]"
[tables.pages.columns]
url = { type = "varchar(20)", from = "@", unique = true }
"#;

/// The first record of a value wins, whatever the chunks and threads; a rejected record leaves no value behind.
#[test]
fn unique_values_are_judged_in_the_order_of_the_file() {
    let dataset = defined(UNIQUE);
    let small = r#"
{"id":1,"pages":["a","b"]}
{"id":1,"pages":["c"]}
{"id":2,"pages":["d","d"]}
{"id":2,"pages":["c"]}
{"id":null,"pages":["e"]}
{"id":null}
{"id":3,"pages":["f","a"]}
"#;
    let (done, memory) = run(&dataset, small.trim_start().to_owned(), 1);
    let rejects = memory.quarantine(&done);
    let found: Vec<_> = rejects.iter().map(|r| (r.line, r.column.clone().unwrap(), r.value.clone().unwrap())).collect();
    let reject = |line, column: &str, value: &str| (line, column.to_owned(), value.to_owned());
    assert_eq!(
        found,
        [reject(2, "visits.id", "1"), reject(3, "pages.url", "d"), reject(7, "pages.url", "f")]
            .map(|(line, column, value)| (line, column, value))
    );
    assert!(rejects.iter().all(|reject| reject.rule == Rule::Unique && reject.raw.starts_with("{\"id\":")));
    assert_eq!((done.tables[0].rows, done.tables[1].rows), (4, 4));
    assert_eq!(done.verdict, Verdict::Accepted);

    let (done, _) = run(&dataset, "{\"id\":1}\n{\"id\":1}\n{\"id\":2}\n", 1);
    let Verdict::TooFewRecords { message } = done.verdict else { panic!("{:?}", done.verdict) };
    assert_eq!(message, "2 of 3 records are accepted, fewer than min_records = 3 asks for");

    let mut large = String::new();
    for n in 0..200_000 {
        writeln!(large, "{{\"id\":{},\"pad\":\"{}\"}}", n % 150_000, "x".repeat(60)).unwrap();
    }
    let (one, memory) = run(&dataset, large.clone(), 1);
    let (two, other) = run(&dataset, large, 3);
    assert_eq!((one.tables[0].rows, one.rejects.total()), (150_000, 50_000));
    assert_eq!(one, two);
    assert_eq!(memory.quarantine(&one), other.quarantine(&two));
    assert_eq!(memory.quarantine(&one)[0].line, 150_001);
}
