//! Every problem with its exact line, key path, words and hint.

mod checks;
mod columns;
mod csv;
mod file;
mod privacy;
mod sql;
mod tables;

use std::fmt::Write as _;

use super::*;

/// A definition without problems, line by line; the number in front of a line is the one problems name.
const GOOD: &str = r#"name = "d"
[source]
objects = ["in/*_{day}.json"]
format = "jsonl"
[tables.t]
mode = "upsert"
key = ["id"]
[tables.t.columns]
id = { type = "bigint", required = true }
name = { type = "varchar(20)" }
at = { type = "timestamptz" }
born = { type = "date" }
price = { type = "decimal(8,2)" }
score = { type = "double" }
ok = { type = "boolean" }
more = { type = "json" }
link = { type = "bigint", hash_of = ["name", "born"] }
twice = { type = "double", expr = "score * 2" }
[tables.cores]
mode = "append"
rows = "cores[]"
columns.serial = { type = "varchar(20)" }
"#;

/// Problems as people read them, without the name of the file.
fn problems_of(text: &str) -> String {
    let file = DefinitionFile { path: "d.toml".to_owned(), text: text.to_owned() };
    let landing = ObjectUri::parse("s3://landing").unwrap();
    let mut said = String::new();
    for problem in check_definition(&file, &landing, &TransformIdentity("t".to_owned())).err().unwrap_or_default() {
        let line = problem.to_string();
        writeln!(said, "{}", line.strip_prefix("d.toml:").unwrap_or(&line)).unwrap();
    }
    said.trim_end().to_owned()
}

/// The problems of the good definition after one change to it.
#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the definition");
    problems_of(&GOOD.replacen(from, to, 1))
}

/// Asserts what each change of the good definition leads to; an empty text means no problem.
#[track_caller]
fn assert_changes(changes: &[(&str, &str, &str)]) {
    let mut wrong = String::new();
    for (from, to, expected) in changes {
        let found = changed(from, to);
        if found != *expected {
            writeln!(wrong, "---- {to}\nexpected: {expected}\nfound:    {found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_good_definition_is_good() {
    assert_eq!(problems_of(GOOD), "");
}
