//! SQL of expressions and conditions.

use super::assert_changes;

#[test]
fn an_expression_is_a_function_of_its_row() {
    assert_changes(&[
        ("score * 2", "CASE WHEN ok THEN score ELSE ROUND(score, 1) END", ""),
        ("score * 2", "COALESCE(score, 0) + LENGTH(name)", ""),
        ("score * 2", "score / NULLIF(CAST(price AS DOUBLE), 0)", ""),
        ("score * 2", "name LIKE 'a%' AND born BETWEEN DATE '2020-01-01' AND born", ""),
        ("score * 2", "EXTRACT(year FROM at) + price", ""),
        ("score * 2", "TRIM(name) IN ('a', 'b') OR ok IS NOT TRUE", ""),
        ("score * 2", "link % 2", ""),
        ("score * 2", "", "18: tables.t.columns.twice.expr: is empty"),
        (
            "score * 2",
            "score +",
            "18: tables.t.columns.twice.expr: is not a SQL expression: expected: an expression, found: EOF",
        ),
        (
            "score * 2",
            "score score",
            r#"18: tables.t.columns.twice.expr: must be one expression, and goes on with "score""#,
        ),
        (
            "score * 2",
            "score AS x",
            r#"18: tables.t.columns.twice.expr: must be one expression, and goes on with "AS""#,
        ),
        (
            "score * 2",
            "score; DROP TABLE t",
            r#"18: tables.t.columns.twice.expr: must be one expression, and goes on with ";""#,
        ),
        ("score * 2", "SELECT 1", r#"18: tables.t.columns.twice.expr: must be one expression, and goes on with "1""#),
        (
            "score * 2",
            "*",
            "18: tables.t.columns.twice.expr: is not a SQL expression: expected: an expression, found: * at Line: 1, Column: 1",
        ),
        (
            "score * 2",
            "scor * 2",
            r#"18: tables.t.columns.twice.expr: there is no column "scor" in this table; did you mean score?"#,
        ),
        (
            "score * 2",
            "t.score",
            "18: tables.t.columns.twice.expr: t.score is not a column of this table; write score, if you mean the column",
        ),
        (
            "score * 2",
            "Score",
            r#"18: tables.t.columns.twice.expr: there is no column "Score" in this table; did you mean score?"#,
        ),
        (
            "score * 2",
            "serial",
            r#"18: tables.t.columns.twice.expr: there is no column "serial" in this table; table "cores" has one; an expression sees its own table alone"#,
        ),
        (
            "score * 2",
            "twice + 1",
            r#"18: tables.t.columns.twice.expr: column "twice" is an expression itself; write out what it stands for"#,
        ),
        ("score * 2", "nothing", r#"18: tables.t.columns.twice.expr: there is no column "nothing" in this table"#),
        (
            "score * 2",
            "(SELECT 1)",
            "18: tables.t.columns.twice.expr: subqueries are not allowed: an expression sees one row alone",
        ),
        (
            "score * 2",
            "EXISTS (SELECT 1)",
            "18: tables.t.columns.twice.expr: subqueries are not allowed: an expression sees one row alone",
        ),
        (
            "score * 2",
            "score IN (SELECT 1)",
            "18: tables.t.columns.twice.expr: subqueries are not allowed: an expression sees one row alone",
        ),
        (
            "score * 2",
            "SUM(score)",
            "18: tables.t.columns.twice.expr: sum is an aggregate: an expression sees one row alone",
        ),
        (
            "score * 2",
            "COUNT(*)",
            "18: tables.t.columns.twice.expr: count is an aggregate: an expression sees one row alone",
        ),
        (
            "score * 2",
            "COUNT(DISTINCT name)",
            "18: tables.t.columns.twice.expr: count is an aggregate: an expression sees one row alone\n18: tables.t.columns.twice.expr: count has a clause that is not allowed here",
        ),
        (
            "score * 2",
            "SUM(score) OVER (PARTITION BY name)",
            "18: tables.t.columns.twice.expr: sum is a window function: an expression sees one row alone",
        ),
        (
            "score * 2",
            "ROW_NUMBER() OVER (ORDER BY id)",
            "18: tables.t.columns.twice.expr: row_number is a window function: an expression sees one row alone",
        ),
        (
            "score * 2",
            "LAG(score)",
            "18: tables.t.columns.twice.expr: lag is a window function: an expression sees one row alone",
        ),
        (
            "score * 2",
            "NOW()",
            "18: tables.t.columns.twice.expr: now is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "CURRENT_DATE",
            "18: tables.t.columns.twice.expr: current_date is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "current_timestamp",
            "18: tables.t.columns.twice.expr: current_timestamp is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "RANDOM()",
            "18: tables.t.columns.twice.expr: random is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "score + random()",
            "18: tables.t.columns.twice.expr: random is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "gen_random_uuid()",
            "18: tables.t.columns.twice.expr: gen_random_uuid is not allowed: the same object must always give the same rows",
        ),
        (
            "score * 2",
            "read_csv('x')",
            "18: tables.t.columns.twice.expr: read_csv is not allowed: it reads what is not the object's",
        ),
        (
            "score * 2",
            "pg_read_file('x')",
            "18: tables.t.columns.twice.expr: pg_read_file is not allowed: it reads what is not the object's",
        ),
        (
            "score * 2",
            "rond(score)",
            "18: tables.t.columns.twice.expr: rond is not a function that is known here; did you mean round?",
        ),
        ("score * 2", "my.fn(score)", "18: tables.t.columns.twice.expr: my.fn is not a function that is known here"),
        (
            "score * 2",
            "UPPER(name => 'a')",
            "18: tables.t.columns.twice.expr: name => 'a' is not an argument that upper takes here",
        ),
        (
            "score * 2",
            "[1, 2]",
            "18: tables.t.columns.twice.expr: [1, 2] is not allowed: an expression sees one row alone",
        ),
        (
            "score * 2",
            "now() + now()",
            "18: tables.t.columns.twice.expr: now is not allowed: the same object must always give the same rows",
        ),
    ]);
}

#[test]
fn a_condition_is_checked_alike() {
    assert_changes(&[
        (r#"key = ["id"]"#, "key = [\"id\"]\nwhere = \"ok AND price > 0\"", ""),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nwhere = \"twice > 0 AND nosuch\"",
            "8: tables.t.where: column \"twice\" is an expression itself; write out what it stands for\n8: tables.t.where: there is no column \"nosuch\" in this table",
        ),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nwhere = [\"ok\"]",
            "8: tables.t.where: must be a text in quotes, and is a list",
        ),
    ]);
}
