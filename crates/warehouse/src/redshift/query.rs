//! Questions of people: one statement that reads, answered as text.
//!
//! Whether a statement only reads, the warehouse itself says: what can stand in the place of a table is a question, and
//! nothing else is. It is explained in that place first, in the same transaction, and then run as it is written, so that
//! its own order holds. What could break out of the brackets is refused here.

use lakehand_domain::port::warehouse::QueryAnswer;

use super::RedshiftWarehouse;
use super::client::Script;
use super::trouble::Trouble;

/// Runs the statement and gives at most `limit` rows.
pub(crate) async fn answer(warehouse: &RedshiftWarehouse, sql: &str, limit: usize) -> Result<QueryAnswer, Trouble> {
    let question = one_question(sql).map_err(|why| Trouble::Refused(format!("the question is refused: {why}")))?;
    let sqls = vec![format!("EXPLAIN SELECT * FROM (\n{question}\n) AS question"), question.to_owned()];
    let ended = warehouse.client.run(&Script::new("lakehand/query".to_owned(), sqls)).await?;
    let rows = warehouse.client.rows(&ended, 1, limit).await?;
    Ok(QueryAnswer { columns: rows.columns, rows: rows.rows })
}

/// The text without the semicolon at its end, where it is one statement whose brackets, quotes and comments close.
fn one_question(sql: &str) -> Result<&str, &'static str> {
    let sql = sql.trim();
    let sql = sql.strip_suffix(';').unwrap_or(sql).trim_end();
    if sql.is_empty() {
        return Err("nothing is asked");
    }
    let mut depth = 0_u32;
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => loop {
                match rest.next() {
                    // Two quotes begin the next piece, which is the same text.
                    Some(other) if other == c => break,
                    Some('\\') if c == '\'' && rest.peek() == Some(&'\'') => {
                        return Err(
                            "a backslash stands before a quote, which one warehouse reads so and another so: write \
                                    CHR(92) for the backslash",
                        );
                    }
                    Some(_) => {}
                    None => return Err("a quote is not closed"),
                }
            },
            '-' if rest.peek() == Some(&'-') => while rest.next().is_some_and(|c| c != '\n') {},
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                loop {
                    match (rest.next(), rest.peek()) {
                        (Some('*'), Some('/')) => break,
                        (Some('/'), Some('*')) => return Err("a comment stands in a comment"),
                        (None, _) => return Err("a comment is not closed"),
                        _ => {}
                    }
                }
                rest.next();
            }
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a bracket is closed that was not opened")?,
            ';' => return Err("it is more than one statement"),
            '$' => return Err("texts are written in single quotes, not between dollars"),
            _ => {}
        }
    }
    if depth == 0 { Ok(sql) } else { Err("a bracket is not closed") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_and_no_more() {
        for fine in [
            "SELECT 1",
            "  SELECT ';)', \"a)\" FROM t -- it's (\n WHERE a = '--' ; ",
            "WITH x AS (SELECT 1) SELECT * FROM x /* ; ) */",
            "SELECT 'it''s', 'c:\\dir'",
        ] {
            assert!(one_question(fine).is_ok(), "{fine}");
        }
        assert_eq!(one_question(" SELECT 1 ; "), Ok("SELECT 1"));
        for (bad, why) in [
            ("", "nothing"),
            (" ; ", "nothing"),
            ("SELECT 1; DELETE FROM t", "more than one"),
            ("SELECT 1) AS a; DELETE FROM t; SELECT * FROM (SELECT 1", "not opened"),
            ("SELECT (1", "not closed"),
            ("SELECT 'a", "not closed"),
            ("SELECT /* a", "not closed"),
            ("SELECT /* a /* b */ 1", "in a comment"),
            (r"SELECT '\') AS a --'", "backslash"),
            ("SELECT $$a$$", "dollars"),
        ] {
            let refused = one_question(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }
}
