//! SQL of checks: one record at a time, by construction.

use std::fmt::Write;

use super::{changed, problems_of};

const ORDERS: &str = r#"name = "d"
[source]
objects = ["in/*.json"]
format = "jsonl"
[tables.orders]
mode = "append"
[tables.orders.columns]
id = { type = "bigint" }
total = { type = "decimal(10,2)" }
placed = { type = "timestamptz" }
[tables.lines]
mode = "append"
rows = "lines[]"
[tables.lines.columns]
price = { type = "decimal(10,2)" }
quantity = { type = "integer" }
id = { type = "bigint", from = "$.id" }
"#;

/// Problems of a check with this SQL, without the place, which is always the same.
fn problems(sql: &str) -> String {
    let text = format!("{ORDERS}[checks.total]\nsql = '''{sql}'''\n");
    let said = problems_of(&text);
    said.lines().map(|line| line.strip_prefix("19: checks.total.sql: ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_all(cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in cases {
        let found = problems(sql);
        if found != *expected {
            _ = writeln!(wrong, "---- {sql}\nexpected: {expected}\nfound:    {found}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn what_is_a_function_of_the_record_is_fine() {
    for sql in [
        "SELECT _record FROM orders WHERE total < 0",
        "select o._record from orders o where o.total is null and placed > TIMESTAMP '2020-01-01 00:00:00'",
        "SELECT _record FROM lines GROUP BY _record HAVING COUNT(*) > 100 OR MAX(quantity) > 9",
        "SELECT o._record FROM orders AS o JOIN lines l ON l._record = o._record GROUP BY o._record, o.total
         HAVING SUM(l.price * l.quantity) <> o.total",
        "SELECT l._record FROM orders o JOIN lines l ON o._record = l._record AND o.id = l.id GROUP BY l._record
         HAVING MIN(l.quantity) < 1",
        "SELECT orders._record FROM orders LEFT JOIN lines ON (lines._record = orders._record)
         WHERE lines._record IS NULL",
        "SELECT o._record FROM orders o LEFT JOIN lines l ON o._record = l._record GROUP BY o._record
         HAVING COUNT(l._record) = 0",
        "SELECT o._record FROM orders o
         JOIN (SELECT _record, SUM(price) AS price FROM lines WHERE quantity > 0 GROUP BY _record) AS l
         ON o._record = l._record WHERE o.total < l.price",
        "SELECT a._record FROM lines a JOIN lines b ON a._record = b._record WHERE a._element < b._element
         AND a.price = b.price",
    ] {
        assert_eq!(problems(sql), "", "{sql}");
    }
}

#[test]
fn what_looks_further_than_a_record_is_refused() {
    let one = "a check sees one record at a time";
    assert_all(&[
        (
            "SELECT _record FROM orders GROUP BY id HAVING COUNT(*) > 1",
            "groups of more than one record: a check sees one record at a time; GROUP BY _record too; for values that \
             must differ within a file say unique = true of the column",
        ),
        (
            "SELECT o._record FROM orders o JOIN lines l ON o.id = l.id",
            "l must be joined by _record: a check sees one record at a time; JOIN l ON l._record = o._record",
        ),
        (
            "SELECT o._record FROM orders o JOIN lines l USING (_record)",
            "l must be joined by _record: a check sees one record at a time; JOIN l ON l._record = o._record",
        ),
        (
            "SELECT o._record FROM orders o CROSS JOIN lines l",
            "CROSS JOIN lines l is not a join that a check takes: JOIN and LEFT JOIN are",
        ),
        (
            "SELECT o._record FROM orders o, lines l WHERE o._record = l._record",
            "must select from one table; JOIN further ones: JOIN b ON b._record = a._record",
        ),
        (
            "SELECT o._record FROM orders o LEFT JOIN lines l ON o._record = l._record GROUP BY l._record",
            "l._record is null where l has no row; use o._record",
        ),
        (
            "SELECT l._record FROM orders o LEFT JOIN lines l ON o._record = l._record",
            "l._record is null where l has no row; use o._record",
        ),
        (
            "SELECT _record FROM orders WHERE total > (SELECT AVG(total) FROM orders)",
            &format!("subqueries are not allowed: {one}"),
        ),
        (
            "SELECT _record FROM orders WHERE _record IN (SELECT _record FROM lines)",
            &format!("subqueries are not allowed: {one}"),
        ),
        (
            "SELECT _record FROM orders WHERE _record % 2 = 0",
            "_record has no value for a check: it only says what belongs together; join and group by it, count it, or \
             ask whether it IS NULL after a LEFT JOIN; _element is the place in a list",
        ),
        (
            "SELECT o._record FROM orders o JOIN (SELECT SUM(price) AS p FROM lines) l ON o._record = l._record",
            "sum is an aggregate; aggregates stand in HAVING, or in what a SELECT with GROUP BY _record gives\n\
             a query within must give _record: a check sees one record at a time; SELECT _record, … FROM … GROUP BY \
             _record",
        ),
        (
            "SELECT _record FROM orders WHERE ROW_NUMBER() OVER (ORDER BY id) > 1",
            &format!("row_number is a window function: {one}"),
        ),
        (
            "SELECT _record FROM orders WHERE placed > now()",
            "now is not allowed: the same object must always give the same rows",
        ),
        (
            "SELECT _record FROM orders WHERE placed > current_timestamp",
            "current_timestamp is not allowed: the same object must always give the same rows",
        ),
        (
            "SELECT _record FROM orders ORDER BY total LIMIT 1",
            "has a clause that a check does not take (WITH, ORDER BY, LIMIT): which records are found must not depend \
             on it",
        ),
        (
            "WITH x AS (SELECT 1) SELECT _record FROM orders",
            "has a clause that a check does not take (WITH, ORDER BY, LIMIT): which records are found must not depend \
             on it",
        ),
        (
            "SELECT _record FROM orders UNION SELECT _record FROM lines",
            "must be one SELECT; write a check for each, instead of UNION and the like",
        ),
        (
            "SELECT _record FROM orders QUALIFY RANK() OVER (ORDER BY id) = 1",
            "has a clause that a check does not take; SELECT, FROM, JOIN, WHERE, GROUP BY and HAVING are all it takes",
        ),
        (
            "SELECT _record FROM read_csv('/etc/passwd')",
            "read_csv('/etc/passwd') is not a table of the dataset, or a SELECT in its place",
        ),
    ]);
}

#[test]
fn what_is_misspelt_or_malformed_is_told() {
    assert_all(&[
        ("", "is empty; SELECT _record FROM a table WHERE what must not be"),
        ("DELETE FROM orders", "must be one SELECT; write a check for each, instead of UNION and the like"),
        (
            "SELECT _record FROM order_lines",
            "there is no table \"order_lines\" in this dataset; a check sees the tables of its own dataset alone",
        ),
        ("SELECT _record FROM order", "there is no table \"order\" in this dataset; did you mean orders?"),
        ("SELECT _record FROM orders WHERE totl < 0", "there is no column \"totl\" in this query; did you mean total?"),
        ("SELECT o._record FROM orders o WHERE orders.total < 0", "there is no table \"orders\" in this query"),
        (
            "SELECT _record FROM orders o JOIN lines l ON l._record = o._record",
            "\"_record\" may be a column of several tables; say whose, o._record",
        ),
        (
            "SELECT o._record FROM orders o JOIN lines l ON l._record = o._record WHERE id = 1",
            "\"id\" may be a column of several tables; say whose, o.id",
        ),
        (
            "SELECT * FROM orders",
            "* is not allowed; name the columns\nmust give _record and nothing else: the records that offend; SELECT _record FROM …",
        ),
        (
            "SELECT _record, total FROM orders",
            "must give _record and nothing else: the records that offend; SELECT _record FROM …",
        ),
        (
            "SELECT total FROM orders",
            "must give _record and nothing else: the records that offend; SELECT _record FROM …",
        ),
        (
            "SELECT _record FROM orders WHERE SUM(total) > 1",
            "sum is an aggregate; aggregates stand in HAVING, or in what a SELECT with GROUP BY _record gives",
        ),
        (
            "SELECT _record FROM orders HAVING SUM(total) > 1",
            "HAVING is of groups; GROUP BY _record, or use WHERE\nsum is an aggregate; aggregates stand in HAVING, or in what a SELECT with GROUP BY _record gives",
        ),
        (
            "SELECT _record FROM lines GROUP BY _record HAVING price > 1",
            "price may differ within a group; add it to GROUP BY, or say which: MAX(price)",
        ),
        (
            "SELECT _record FROM lines GROUP BY _record HAVING MEDIAN(price) > 1",
            "median is not an aggregate that is known here: count, sum, avg, min, max are",
        ),
        (
            "SELECT _record FROM lines GROUP BY _record HAVING SUM(MAX(price)) > 1",
            "max stands within another aggregate",
        ),
        (
            "SELECT _record FROM lines GROUP BY _record HAVING COUNT(DISTINCT price) > 1",
            "count has a clause that is not allowed here",
        ),
        ("SELECT _record FROM lines GROUP BY _record HAVING SUM(*) > 1", "* is not an argument that sum takes here"),
        (
            "SELECT _record FROM lines GROUP BY _record HAVING COUNT(CASE WHEN _record = 1 THEN 1 END) > 1",
            "_record has no value for a check: it only says what belongs together; join and group by it, count it, or ask whether it IS NULL after a LEFT JOIN; _element is the place in a list",
        ),
        ("SELECT _record FROM orders WHERE foo(total)", "foo is not a function that is known here"),
        (
            "SELECT o._record FROM orders o JOIN orders o ON o._record = o._record",
            "\"o\" is there twice; give one of them another name, o AS other",
        ),
        (
            "SELECT o._record FROM orders o JOIN lines l ON l._record = o._record AND l.price > 1",
            "l.price > 1 does not say that a column of l equals one of a table before it; put other conditions into WHERE",
        ),
        ("SELECT _record FROM orders; SELECT 1", "must be one SELECT, and goes on with \";\""),
    ]);
}

#[test]
fn the_section_is_checked_like_any_other() {
    let with = |checks: &str| changed("[tables.cores]", &format!("{checks}\n[tables.cores]"));
    assert_eq!(with("[checks.score]\nsql = \"SELECT _record FROM t WHERE twice <> score * 2\"\nmessage = \"odd\""), "");
    assert_eq!(
        with("[checks.score]\nmessage = \" \""),
        "19: checks.score.sql: is missing\n20: checks.score.message: is empty; say what is wrong with the record, or leave it out"
    );
    assert_eq!(
        with("[checks.Score]\nsql = \"SELECT _record FROM t\""),
        "19: checks.Score: \"Score\" is not a name for a check: use small letters, digits and _, a letter first; for \
         example score"
    );
    assert_eq!(with("[checks.a]\nsq = \"SELECT _record FROM t\""), "20: checks.a.sq: unknown key; did you mean sql?");
    let many: String = (0..51).fold(String::new(), |mut text, n| {
        _ = writeln!(text, "[checks.c{n}]\nsql = \"SELECT _record FROM t\"");
        text
    });
    assert!(with(&many).contains("there are 51 checks; at most 50 are allowed"));
}
