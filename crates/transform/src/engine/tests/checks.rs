//! Checks: what must hold between the rows of one record.

use std::fmt::Write as _;

use lakehand_dataset::check::check_definition;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;

use super::*;

const TABLES: &str = r#"
name = "sales"
[source]
objects = ["*.jsonl"]
format = "jsonl"
[quality]
max_rejects = "100%"

[tables.transactions]
mode = "upsert"
key = ["id"]
where = "total > 0"
[tables.transactions.columns]
id = { type = "bigint", required = true }
total = { type = "decimal(10,2)" }
twice = { type = "decimal(11,2)", expr = "total * 2", max = 100000 }
weight = { type = "double" }
big = { type = "decimal(38,0)" }

[tables.purchases]
mode = "append"
rows = "products[]"
[tables.purchases.columns]
sku = { type = "integer", required = true }
quantity = { type = "integer" }
price = { type = "decimal(10,2)" }

[tables.payments]
mode = "append"
rows = "payments[]"
[tables.payments.columns]
paid = { type = "decimal(10,2)", from = "paid" }
"#;

const TOTAL: &str = "SELECT t._record FROM transactions t JOIN purchases p ON t._record = p._record \
                     GROUP BY t._record, t.total HAVING SUM(p.price * p.quantity) <> t.total";

fn dataset_with(checks: &[(&str, &str)]) -> Dataset {
    let mut text = TABLES.to_owned();
    for (name, sql) in checks {
        write!(text, "[checks.{name}]\nsql = '''{sql}'''\n").unwrap();
    }
    let file = DefinitionFile { path: "sales.toml".to_owned(), text };
    let landing = ObjectUri::parse("file:///landing").unwrap();
    check_definition(&file, &landing, &TransformIdentity("t".to_owned())).unwrap()
}

fn transformed(dataset: Dataset, lines: &str, threads: usize) -> (Transformed, Vec<Reject>, Memory) {
    let sink = Memory::default();
    let input = TransformInput { content: Content::Bytes(Bytes::from(lines.to_owned())), ..input(dataset) };
    let engine = Engine::with_threads(NonZeroUsize::new(threads).unwrap());
    let transformed = engine.transform(&input, &sink, &|| false).unwrap();
    let rejects = sink.quarantine(&transformed);
    (transformed, rejects, sink)
}

fn rejected(check: &str, lines: &str) -> Vec<u64> {
    let (_, rejects, _) = transformed(dataset_with(&[("rule", check)]), lines, 1);
    assert!(rejects.iter().all(|reject| reject.rule == Rule::Check), "{rejects:?}");
    rejects.iter().map(|reject| reject.record).collect()
}

const SOME: &str = r#"{"id":1,"total":35.00,"products":[{"sku":1,"quantity":2,"price":10},{"sku":2,"quantity":3,"price":5}]}
{"id":2,"total":34.99,"products":[{"sku":1,"quantity":2,"price":10},{"sku":2,"quantity":3,"price":5}]}

{"id":3,"total":0.3,"weight":1.5,"products":[{"sku":1,"quantity":1,"price":0.1},{"sku":1,"quantity":1,"price":0.2}]}
{"id":4,"total":7,"products":[]}
{"id":5,"total":1,"products":[{"sku":9,"quantity":null,"price":1}],"payments":[{"paid":1}]}
"#;

#[test]
fn a_record_that_offends_is_rejected_whole_with_its_line_and_text() {
    let mut dataset = dataset_with(&[("total_cost", TOTAL), ("some", "SELECT _record FROM transactions WHERE id < 3")]);
    dataset.checks[0].message = Some("the total is not the sum of the purchases".to_owned());
    let (transformed, rejects, sink) = transformed(dataset, SOME, 1);
    let told: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.column.as_deref().unwrap())).collect();
    assert_eq!(told, [(1, "checks.some"), (2, "checks.total_cost")], "the first check that finds a record names it");
    assert_eq!(rejects[1].message, "the total is not the sum of the purchases");
    assert_eq!(rejects[0].message, "the check some finds the record");
    assert_eq!(rejects[1].raw, SOME.lines().nth(1).unwrap());
    assert_eq!((rejects[1].record, rejects[1].rule, rejects[1].raw_cut), (2, Rule::Check, false));
    let kinds: Vec<_> = transformed.rejects.iter().collect();
    assert_eq!(kinds, [("check checks.some", 1), ("check checks.total_cost", 1)]);
    // No row of it is left in any table.
    assert_eq!((transformed.records, transformed.tables[0].rows, transformed.tables[1].rows), (5, 3, 3));
    for table in &transformed.tables[..2] {
        let rows = sink.rows(&table.parts[0], &table.columns);
        let at = table.columns.iter().position(|column| column.name == "_record").unwrap();
        assert!(integers(&rows[at]).iter().all(|record| record.unwrap() > 2));
    }
}

#[test]
fn sql_means_what_it_says() {
    for (sql, expected) in [
        (TOTAL, vec![2]),
        // Of no values there is no sum, and what is unknown does not offend.
        ("SELECT _record FROM purchases GROUP BY _record HAVING SUM(quantity) <> 99", vec![1, 2, 4]),
        ("SELECT _record FROM purchases GROUP BY _record HAVING SUM(quantity) IS NULL", vec![6]),
        ("SELECT _record FROM purchases GROUP BY _record HAVING AVG(price) = 7.5", vec![1, 2]),
        ("SELECT _record FROM purchases GROUP BY _record HAVING COUNT(quantity) < COUNT(*)", vec![6]),
        ("SELECT _record FROM purchases GROUP BY _record HAVING MAX(sku) = MIN(sku) AND COUNT(1) > 1", vec![4]),
        ("SELECT _record FROM purchases GROUP BY _record, sku HAVING COUNT(*) > 1", vec![4]),
        (
            "SELECT t._record FROM transactions t LEFT JOIN purchases p ON p._record = t._record WHERE p._record IS NULL",
            vec![5],
        ),
        (
            "SELECT t._record FROM transactions t LEFT JOIN purchases p ON p._record = t._record GROUP BY t._record
             HAVING COUNT(p._record) = 1",
            vec![6],
        ),
        (
            "SELECT a._record FROM purchases a JOIN purchases b ON a._record = b._record AND a.sku = b.sku
             WHERE a._element < b._element",
            vec![4],
        ),
        (
            "SELECT t._record FROM transactions t
             JOIN (SELECT _record, SUM(price) AS price, COUNT(*) AS n FROM purchases WHERE sku > 1 GROUP BY _record) p
             ON p._record = t._record WHERE p.price < t.total AND p.n = 1",
            vec![1, 2],
        ),
        ("SELECT _record FROM transactions WHERE twice > 70 OR weight = 1.5", vec![4]),
        ("SELECT _record FROM payments WHERE paid IN (1, 2)", vec![6]),
        ("SELECT _record FROM transactions WHERE total < 0", vec![]),
    ] {
        assert_eq!(rejected(sql, SOME), expected, "{sql}");
    }
}

#[test]
fn sums_are_exact_or_the_record_is_rejected() {
    let line = |bigs: &[&str]| {
        let list: Vec<String> = bigs.iter().map(|big| format!("{{\"sku\":{big},\"quantity\":{big}}}")).collect();
        format!("{{\"id\":1,\"total\":1,\"products\":[{}]}}\n", list.join(","))
    };
    // Integers whose sum is beyond 32 bits, and the sum of whose products is at the edge of 64.
    let two = line(&["2147483647", "2147483647"]);
    assert_eq!(rejected("SELECT _record FROM purchases GROUP BY _record HAVING SUM(sku) = 4294967294", &two), [1],);
    assert_eq!(
        rejected(
            "SELECT _record FROM purchases GROUP BY _record HAVING SUM(sku * quantity) = 9223372028264841218",
            &two
        ),
        [1],
    );
    let huge = "{\"id\":1,\"big\":99999999999999999999999999999999999999}\n{\"id\":2,\"big\":1}\n";
    let check = "SELECT _record FROM transactions GROUP BY _record HAVING SUM(big) < 0";
    let (_, rejects, _) = transformed(dataset_with(&[("rule", check)]), huge, 1);
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].message.contains("more than 37 digits"), "{}", rejects[0].message);
}

#[test]
fn a_check_that_cannot_be_made_of_a_record_rejects_it_alone() {
    let check = "SELECT _record FROM transactions WHERE CAST(total * 100 AS SMALLINT) = 1";
    let line = |id: u32| format!("{{\"id\":{id},\"total\":{}}}\n", if id == 77 { 9999 } else { 3 });
    let lines = (0..200).map(line).collect::<Vec<_>>().concat();
    let (transformed, rejects, _) = transformed(dataset_with(&[("rule", check)]), &lines, 1);
    assert_eq!((rejects.len(), rejects[0].line, transformed.tables[0].rows), (1, 78, 199));
    assert!(rejects[0].message.starts_with("the check cannot be made of this record: "), "{}", rejects[0].message);
}

#[test]
fn lists_that_multiply_beyond_memory_reject_their_record_alone() {
    let list = |of: &str, count: usize| vec![of; count].join(",");
    let wide = format!(
        "{{\"id\":2,\"total\":1,\"products\":[{}],\"payments\":[{}]}}\n",
        list("{\"sku\":1}", 3_000),
        list("{\"paid\":1}", 3_000)
    );
    let lines = format!("{{\"id\":1,\"total\":1,\"products\":[{{\"sku\":1}}],\"payments\":[{{\"paid\":1}}]}}\n{wide}");
    let check = "SELECT p._record FROM purchases p JOIN payments q ON p._record = q._record WHERE q.paid < 0";
    let (transformed, rejects, _) = transformed(dataset_with(&[("rule", check)]), &lines, 1);
    assert_eq!((rejects.len(), rejects[0].line, transformed.tables[0].rows), (1, 2, 1));
    assert!(rejects[0].message.contains("more than 1048576 rows"), "{}", rejects[0].message);
}

#[test]
fn what_is_found_depends_neither_on_threads_nor_on_what_else_is_in_the_file() {
    let mut lines = String::new();
    for id in 0..40_000_u32 {
        let off = u32::from(id % 1000 == 7);
        let (pad, price) = ("x".repeat(150), id % 1000);
        writeln!(lines, "{{\"id\":{id},\"total\":{}.5{off},\"pad\":\"{pad}\",\"products\":[{{\"sku\":1,\"quantity\":2,\"price\":{price}}},{{\"sku\":2,\"quantity\":1,\"price\":0.5}}]}}", 2 * price).unwrap();
    }
    let expected: Vec<u64> = (0..40).map(|thousand| thousand * 1000 + 8).collect();
    let mut parts = Vec::new();
    for threads in [1, 2, 4] {
        let (transformed, rejects, sink) = transformed(dataset_with(&[("rule", TOTAL)]), &lines, threads);
        assert!(rejects.iter().map(|reject| reject.record).eq(expected.iter().copied()), "{} rejects", rejects.len());
        assert_eq!(transformed.tables[0].rows, 39_960);
        parts.push(sink.parts.lock().unwrap().clone());
    }
    assert!(parts[0] == parts[1] && parts[1] == parts[2]);
}

#[test]
fn what_the_engine_cannot_resolve_is_told_at_the_check() {
    for (sql, words) in [
        ("SELECT _record FROM transactions GROUP BY _record HAVING SUM(weight) > 1", "CAST it to a decimal"),
        ("SELECT _record FROM transactions WHERE total", "not a boolean"),
        ("SELECT _record FROM purchases GROUP BY _record HAVING SUM(sku)", "not a boolean"),
        ("SELECT _record FROM purchases GROUP BY _record HAVING SUM(1) > 3", "uses no column"),
    ] {
        let problems = Engine::new().check(&dataset_with(&[("rule", sql)]));
        assert_eq!(problems.len(), 1, "{sql}: {problems:?}");
        assert_eq!(problems[0].0, "checks.rule.sql");
        assert!(problems[0].1.contains(words), "{sql}: {}", problems[0].1);
    }
    assert!(Engine::new().check(&dataset_with(&[("rule", TOTAL)])).is_empty());
}

/// A document that is rejected after it was decoded is quarantined as it stood in the file.
#[test]
fn a_document_of_several_lines_is_kept_as_it_came() {
    let mut dataset = dataset_with(&[("some", "SELECT _record FROM transactions WHERE id = 2")]);
    dataset.source.format = Format::Json(lakehand_dataset::dataset::JsonFormat::default());
    let bad = "{\n  \"id\": 2,\n\n  \"total\": 1\n}";
    let (_, rejects, _) = transformed(dataset, &format!("[{{\n\"id\": 1\n}},\n{bad}]"), 1);
    assert_eq!((rejects.len(), rejects[0].raw.as_str(), rejects[0].line), (1, bad, 4));
}
