//! Pieces of SQL text: the only place where a name or a value becomes part of a statement.
//!
//! Statements have no parameters: a batch of the Data API shares them among all its statements and wants each to be
//! used, and takes `:name` for one only where there are any. What is written here means the same to Redshift and to
//! PostgreSQL.

/// A name as SQL takes it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names, quoted, each behind `prefix` (an alias with its point, or nothing), with commas between.
pub(crate) fn quoted_list<T: AsRef<str>>(prefix: &str, names: &[T]) -> String {
    names.iter().map(|name| format!("{prefix}{}", quote(name.as_ref()))).collect::<Vec<_>>().join(", ")
}

/// A text as SQL takes it. Whether a backslash in a literal stands for itself is a setting in PostgreSQL, and Redshift
/// takes it for an escape: it is never written as such.
pub(crate) fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if !escaped.contains('\\') {
        return format!("'{escaped}'");
    }
    format!("('{}')", escaped.replace('\\', "' || CHR(92) || '"))
}

/// Texts as SQL takes them, with commas between.
pub(crate) fn literal_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// Whole numbers of SQL are signed.
pub(crate) fn number(value: u64) -> String {
    i64::try_from(value).unwrap_or(i64::MAX).to_string()
}

/// A statement that fails unless `amiss`, a count, is zero. Nothing here has branches, and the text that is no number
/// comes from the data: so no planner can meet it where nothing is amiss. Its second character alone makes it none; a
/// blank, a digit, a point or an underscore would not.
pub(crate) fn guard(amiss: &str) -> String {
    format!(
        "SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) AS \"guard\" \
         FROM (SELECT {amiss} AS amiss) AS guard"
    )
}

/// Splits rows of `VALUES`, in their order, so that none of the statements that begin with `head` is longer than
/// `bytes`. A row that is longer by itself stands alone.
pub(crate) fn inserts(head: &str, rows: &[String], bytes: usize) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for row in rows {
        match statements.last_mut() {
            Some(statement) if statement.len() + row.len() + 2 <= bytes => {
                statement.push_str(", ");
                statement.push_str(row);
            }
            _ => statements.push(format!("{head} VALUES {row}")),
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_literal() {
        assert_eq!(literal("s3://b/it's"), "'s3://b/it''s'");
        assert_eq!(literal(r"a\'b"), r"('a' || CHR(92) || '''b')");
        assert_eq!(literal(r"\"), r"('' || CHR(92) || '')");
        assert_eq!(literal(":name \"é\"\n--"), "':name \"é\"\n--'");
        assert_eq!(literal_list(["a", "'"]), "'a', ''''");
        assert_eq!(quoted_list("r.", &["a\"b", "c"]), "r.\"a\"\"b\", r.\"c\"");
    }

    #[test]
    fn inserts_are_as_long_as_may_be_and_lose_no_row() {
        let rows: Vec<String> = (0..10).map(|row| format!("({row})")).collect();
        let statements = inserts("INSERT INTO t", &rows, 30);
        assert!(
            statements.iter().all(|statement| statement.len() <= 30 && statement.starts_with("INSERT INTO t VALUES ("))
        );
        assert_eq!(statements.len(), 5);
        let all: Vec<String> = statements.iter().map(|text| text.replace("INSERT INTO t VALUES ", "")).collect();
        assert_eq!(all.join(", "), rows.join(", "));
        assert_eq!(inserts("INSERT INTO t", &["(123456789)".to_owned()], 5).len(), 1);
        assert!(inserts("INSERT INTO t", &[], 5).is_empty());
    }
}
