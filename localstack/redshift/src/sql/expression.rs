//! Queries and expressions: types of casts, functions and system tables of Redshift; what it lacks is refused.

use super::cursor::Cursor;
use super::refusal::Refusal;
use super::token::{Kind, Token};
use super::types;

/// Functions that the stand-in makes in its schema `redshift`.
const OURS: [&str; 14] = [
    "GETDATE",
    "JSON_PARSE",
    "JSON_SERIALIZE",
    "JSON_TYPEOF",
    "IS_VALID_JSON",
    "IS_VALID_JSON_ARRAY",
    "CAN_JSON_PARSE",
    "JSON_EXTRACT_PATH_TEXT",
    "LEN",
    "DATEADD",
    "DATEDIFF",
    "SHA2",
    "STRTOL",
    "CONVERT_TIMEZONE",
];

/// System tables and views that the stand-in makes in its schema `redshift`.
const SYSTEM: [&str; 6] =
    ["SYS_LOAD_HISTORY", "SYS_LOAD_ERROR_DETAIL", "STL_LOAD_ERRORS", "SVV_COLUMNS", "SVV_TABLES", "PG_TABLE_DEF"];

/// Functions of PostgreSQL that Redshift does not have, or has on its leader node only.
const LACKING: [&str; 37] = [
    "ARRAY_AGG",
    "ARRAY_APPEND",
    "ARRAY_LENGTH",
    "ARRAY_POSITION",
    "CLOCK_TIMESTAMP",
    "GEN_RANDOM_UUID",
    "GENERATE_SUBSCRIPTS",
    "JSON_AGG",
    "JSON_BUILD_OBJECT",
    "JSON_EACH",
    "JSON_OBJECT_AGG",
    "JSON_POPULATE_RECORD",
    "JSONB_AGG",
    "JSONB_ARRAY_ELEMENTS",
    "JSONB_BUILD_OBJECT",
    "JSONB_EACH",
    "JSONB_EXTRACT_PATH_TEXT",
    "JSONB_OBJECT_AGG",
    "JSONB_SET",
    "JSONB_TYPEOF",
    "LASTVAL",
    "MAKE_DATE",
    "MAKE_INTERVAL",
    "MAKE_TIMESTAMP",
    "NEXTVAL",
    "NUM_NONNULLS",
    "PG_ADVISORY_LOCK",
    "PG_ADVISORY_XACT_LOCK",
    "PG_SLEEP",
    "ROW_TO_JSON",
    "SETVAL",
    "STATEMENT_TIMESTAMP",
    "STRING_AGG",
    "TO_JSON",
    "TO_JSONB",
    "TO_REGCLASS",
    "UNNEST",
];

/// Operators that only PostgreSQL has.
const LACKING_OPERATORS: [&str; 9] = ["->>", "->", "#>>", "#>", "@>", "<@", "&&", "~*", "!~*"];

/// Translates what is no definition: queries, and the statements that hold them.
pub(crate) fn translate(tokens: &[Token]) -> Result<Vec<Token>, Refusal> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut cursor = Cursor::new(tokens);
    // What each open parenthesis belongs to: the word before it.
    let mut open: Vec<String> = Vec::new();
    let mut before: Option<&Token> = None;
    while let Some(token) = cursor.take() {
        let after_dot = before.is_some_and(|token| token.is_symbol("."));
        let next = cursor.peek();
        match token.kind {
            Kind::Symbol => {
                symbol(token, before, &mut open)?;
                out.push(token.clone());
                if token.is_symbol("::") {
                    out.push(types::token(&types::take(&mut cursor)?));
                }
            }
            Kind::Word if !after_dot => {
                refuse_clause(token, before, &cursor, &open)?;
                if token.text == "AS" && open.last().is_some_and(|word| matches!(word.as_str(), "CAST" | "TRY_CAST")) {
                    out.push(token.clone());
                    out.push(types::token(&types::take(&mut cursor)?));
                } else if next.is_some_and(|token| token.is_symbol("(")) {
                    function(token, &mut cursor, &mut open, &mut out)?;
                } else {
                    out.push(named(token, &mut cursor));
                }
            }
            Kind::Parameter => return Err(Refusal::near(&format!(":{}", token.text))),
            _ => out.push(token.clone()),
        }
        before = Some(token);
    }
    if open.is_empty() { Ok(out) } else { Err(Refusal::new("syntax error at end of input")) }
}

fn symbol(token: &Token, before: Option<&Token>, open: &mut Vec<String>) -> Result<(), Refusal> {
    match token.text.as_str() {
        "(" => open
            .push(before.filter(|token| token.kind == Kind::Word).map_or_else(String::new, |token| token.text.clone())),
        ")" => {
            open.pop().ok_or_else(|| Refusal::near(")"))?;
        }
        "[" => return Err(Refusal::stand_in("navigation into SUPER and arrays are not imitated")),
        operator if LACKING_OPERATORS.contains(&operator) => {
            return Err(Refusal::new(format!("operator does not exist: {operator}")));
        }
        _ => {}
    }
    Ok(())
}

/// A word before an opening parenthesis, which is taken too.
fn function<'a>(
    token: &'a Token,
    cursor: &mut Cursor<'a>,
    open: &mut Vec<String>,
    out: &mut Vec<Token>,
) -> Result<(), Refusal> {
    let name = token.text.as_str();
    if LACKING.contains(&name) {
        return Err(Refusal::new(format!("function {}() does not exist", name.to_ascii_lowercase())));
    }
    if name == "FILTER" {
        return Err(Refusal::lacks("FILTER of an aggregate"));
    }
    if matches!(name, "LISTAGG" | "DECODE" | "NVL2" | "APPROXIMATE" | "TRY_CAST" | "SET_CONFIG") {
        return Err(Refusal::stand_in(format!("{} is not imitated", name.to_ascii_lowercase())));
    }
    out.push(match name {
        "NVL" => Token::new(Kind::Word, "COALESCE"),
        _ if OURS.contains(&name) => Token::verbatim(format!("redshift.{}", name.to_ascii_lowercase())),
        _ => token.clone(),
    });
    out.extend(cursor.take().cloned());
    open.push(name.to_owned());
    // The part of a date is a bare word in Redshift.
    let part = matches!(name, "DATEADD" | "DATEDIFF" | "DATE_TRUNC" | "DATE_PART");
    if let Some(word) = cursor.peek().filter(|token| part && token.kind == Kind::Word) {
        out.push(Token::new(Kind::Text, word.text.to_ascii_lowercase()));
        cursor.take();
    }
    Ok(())
}

/// A word that is no function: a keyword, or a name.
fn named(token: &Token, cursor: &mut Cursor<'_>) -> Token {
    let name = token.text.as_str();
    if name == "SYSDATE" {
        return Token::verbatim("redshift.sysdate()");
    }
    if SYSTEM.contains(&name) {
        return Token::verbatim(format!("redshift.{}", name.to_ascii_lowercase()));
    }
    let schema = cursor.peek().is_some_and(|token| token.is_symbol("."));
    if name == "INFORMATION_SCHEMA" && schema && cursor.peek_second().is_some_and(|token| token.is_word("COLUMNS")) {
        cursor.take();
        cursor.take();
        return Token::verbatim("redshift.svv_columns");
    }
    token.clone()
}

/// Clauses that only PostgreSQL has.
fn refuse_clause(token: &Token, before: Option<&Token>, cursor: &Cursor<'_>, open: &[String]) -> Result<(), Refusal> {
    let next = |word: &str| cursor.peek().is_some_and(|token| token.is_word(word));
    let after = |word: &str| before.is_some_and(|token| token.is_word(word));
    let what = match token.text.as_str() {
        "QUALIFY" | "PIVOT" | "UNPIVOT" | "MINUS" if before.is_some_and(|token| !token.is_word("AS")) => {
            return Err(Refusal::stand_in(format!("{} is not imitated", token.text)));
        }
        "RETURNING" => "RETURNING",
        "LATERAL" => "LATERAL",
        "ON" if next("CONFLICT") => "ON CONFLICT",
        "ON" if after("DISTINCT") => "DISTINCT ON",
        "DISTINCT" if after("IS") || after("NOT") && next("FROM") => "IS DISTINCT FROM",
        "FOR" if next("UPDATE") || next("SHARE") => "SELECT FOR UPDATE/SHARE",
        "ALL" if after("EXCEPT") || after("INTERSECT") => "EXCEPT ALL or INTERSECT ALL",
        "ARRAY" if cursor.peek().is_some_and(|token| token.is_symbol("[")) => "an array type",
        "WINDOW" if cursor.peek_second().is_some_and(|token| token.is_word("AS")) => "the WINDOW clause",
        "VALUES" if open.last().is_some_and(|word| matches!(word.as_str(), "FROM" | "JOIN" | "AS")) => "VALUES in FROM",
        _ => return Ok(()),
    };
    Err(Refusal::lacks(what))
}
