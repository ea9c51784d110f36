//! Which statement it is.

use super::cursor::{Cursor, ObjectName, commas};
use super::expression;
use super::plan::{Definition, DropViews, Plan, View};
use super::reads::{check_leader, reads};
use super::refusal::Refusal;
use super::table;
use super::token::{Token, quote_name, render};
use crate::copy::command;

/// Settings that PostgreSQL has too.
const SETTINGS: [&str; 4] = ["SEARCH_PATH", "STATEMENT_TIMEOUT", "TIMEZONE", "TIME"];
/// Settings of Redshift that change nothing here.
const IDLE_SETTINGS: [&str; 7] = [
    "QUERY_GROUP",
    "WLM_QUERY_SLOT_COUNT",
    "ENABLE_RESULT_CACHE_FOR_SESSION",
    "ANALYZE_THRESHOLD_PERCENT",
    "EXTRA_FLOAT_DIGITS",
    "MV_ENABLE_AQMV_FOR_SESSION",
    "DESCRIBE_FIELD_NAME_IN_UPPERCASE",
];

/// Says what to do for a statement.
pub(crate) fn plan(tokens: &[Token]) -> Result<Plan, Refusal> {
    let mut cursor = Cursor::new(tokens);
    let first = cursor.peek().ok_or_else(|| Refusal::new("syntax error at end of input"))?;
    match first.text.as_str() {
        "SELECT" | "EXPLAIN" | "SHOW" | "(" => query(tokens),
        "WITH" => with(tokens),
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => write(&mut cursor, tokens),
        "COPY" => {
            cursor.take();
            Ok(Plan::Copy(Box::new(command::parse(&mut cursor)?)))
        }
        "CREATE" => create(&mut cursor, tokens),
        "ALTER" => alter(&mut cursor, tokens),
        "DROP" => drop(&mut cursor, tokens),
        "LOCK" => lock(&mut cursor),
        "TRUNCATE" => {
            cursor.take();
            cursor.word("TABLE");
            let table = cursor.object_name()?;
            cursor.end()?;
            Ok(Plan::Truncate(table))
        }
        "VACUUM" => Ok(Plan::Vacuum),
        "ANALYZE" => analyze(&mut cursor),
        "COMMENT" => Ok(definition(tokens)),
        // Whatever isolation it names: Redshift has one for the whole database.
        "BEGIN" | "START" => Ok(Plan::Begin),
        "COMMIT" | "END" => Ok(Plan::Commit),
        "ROLLBACK" | "ABORT" => Ok(Plan::Rollback),
        "SET" | "RESET" => set(&mut cursor, tokens),
        "UNLOAD" | "CALL" | "GRANT" | "REVOKE" | "PREPARE" | "EXECUTE" | "DEALLOCATE" | "DECLARE" | "FETCH"
        | "CLOSE" | "CANCEL" | "REFRESH" | "USE" => {
            Err(Refusal::stand_in(format!("{} is not imitated", first.text.to_ascii_lowercase())))
        }
        _ => Err(cursor.unexpected()),
    }
}

fn query(tokens: &[Token]) -> Result<Plan, Refusal> {
    if tokens.iter().any(|token| token.is_word("INTO")) {
        return Err(Refusal::stand_in("SELECT INTO is not imitated: use CREATE TABLE AS"));
    }
    let reads = reads(tokens);
    check_leader(tokens, &reads, false)?;
    Ok(Plan::Query { sql: render(&expression::translate(tokens)?), reads })
}

/// A WITH before anything but a SELECT. Redshift takes it before UPDATE and DELETE since lately; older clusters do not.
fn with(tokens: &[Token]) -> Result<Plan, Refusal> {
    let mut depth = 0_i32;
    for token in tokens {
        depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
        if ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|verb| token.is_word(verb)) {
            return Err(Refusal::near(&token.text.to_ascii_lowercase()));
        }
        if depth == 0 && token.is_word("SELECT") {
            break;
        }
    }
    query(tokens)
}

fn write(cursor: &mut Cursor<'_>, tokens: &[Token]) -> Result<Plan, Refusal> {
    let table = match cursor.take().map(|token| token.text.as_str()) {
        Some("INSERT") => {
            cursor.expect_word("INTO")?;
            cursor.object_name()?
        }
        Some("UPDATE") => {
            if cursor.peek().is_some_and(|token| token.is_word("ONLY")) {
                return Err(cursor.unexpected());
            }
            cursor.object_name()?
        }
        Some("DELETE") => {
            let from = cursor.word("FROM");
            let table = cursor.object_name()?;
            let next = cursor.peek();
            if next.is_some_and(|token| !token.is_word("WHERE") && !token.is_word("USING")) {
                // Redshift gives the table of a DELETE no other name.
                return Err(cursor.unexpected());
            }
            if !from {
                let mut tokens = tokens.to_vec();
                tokens.insert(1, Token::verbatim("FROM"));
                return write_to(table, &tokens);
            }
            table
        }
        _ => merge(cursor)?,
    };
    write_to(table, tokens)
}

fn write_to(table: ObjectName, tokens: &[Token]) -> Result<Plan, Refusal> {
    let reads = reads(tokens);
    check_leader(tokens, &reads, true)?;
    Ok(Plan::Write { table, sql: render(&expression::translate(tokens)?), reads })
}

/// MERGE: the source is a table; both branches are there. Returns the target.
fn merge(cursor: &mut Cursor<'_>) -> Result<ObjectName, Refusal> {
    cursor.expect_word("INTO")?;
    let target = cursor.object_name()?;
    if cursor.word("AS") || cursor.peek().is_some_and(|token| !token.is_word("USING")) {
        cursor.name()?;
    }
    cursor.expect_word("USING")?;
    if cursor.peek().is_some_and(|token| token.is_symbol("(")) {
        return Err(Refusal::new("MERGE source must be a table; a subquery or view is not supported"));
    }
    let source = cursor.object_name()?;
    if source == target {
        return Err(Refusal::new("MERGE source and target must be different tables"));
    }
    let rest = cursor.rest();
    let has = |words: &[&str]| {
        rest.windows(words.len()).any(|window| window.iter().zip(words).all(|(token, word)| token.is_word(word)))
    };
    if has(&["REMOVE", "DUPLICATES"]) {
        return Err(Refusal::stand_in("MERGE … REMOVE DUPLICATES is not imitated"));
    }
    if has(&["DO", "NOTHING"]) || has(&["MATCHED", "AND"]) {
        return Err(Refusal::near("and"));
    }
    if !has(&["WHEN", "MATCHED"]) || !has(&["WHEN", "NOT", "MATCHED"]) {
        return Err(Refusal::new("MERGE needs both WHEN MATCHED and WHEN NOT MATCHED"));
    }
    Ok(target)
}

fn create(cursor: &mut Cursor<'_>, tokens: &[Token]) -> Result<Plan, Refusal> {
    cursor.take();
    let replace = cursor.words(&["OR", "REPLACE"]);
    let temporary = {
        cursor.word("LOCAL");
        cursor.word("TEMPORARY") || cursor.word("TEMP")
    };
    if cursor.word("TABLE") {
        return if replace { Err(Refusal::near("table")) } else { table::create(cursor, temporary) };
    }
    if !temporary && cursor.word("VIEW") {
        return view(cursor, replace);
    }
    if !replace && !temporary && cursor.word("SCHEMA") {
        return Ok(definition(tokens));
    }
    if cursor.word("DATABASE") {
        return Ok(Plan::Outside { name: "CREATE DATABASE" });
    }
    if cursor.word("UNIQUE") || cursor.peek().is_some_and(|token| token.is_word("INDEX")) {
        return Err(Refusal::new("SQL command \"CREATE INDEX\" not supported on Redshift tables."));
    }
    let what = cursor.peek().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    if ["materialized", "external", "procedure", "function", "user", "group", "role", "model", "library", "datashare"]
        .contains(&what.as_str())
    {
        return Err(Refusal::stand_in(format!("create {what} is not imitated")));
    }
    Err(cursor.unexpected())
}

fn view(cursor: &mut Cursor<'_>, replace: bool) -> Result<Plan, Refusal> {
    let name = cursor.object_name()?;
    let mut columns = String::new();
    if cursor.peek().is_some_and(|token| token.is_symbol("(")) {
        let names = cursor.names()?;
        columns = format!(" ({})", names.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", "));
    }
    cursor.expect_word("AS")?;
    let mut query = cursor.rest();
    let late = ["WITH", "NO", "SCHEMA", "BINDING"];
    let ends = query.len() >= late.len()
        && query[query.len() - late.len()..].iter().zip(late).all(|(token, word)| token.is_word(word));
    if ends {
        query = &query[..query.len() - late.len()];
    }
    check_leader(query, &reads(query), false)?;
    let query = render(&expression::translate(query)?);
    Ok(Plan::CreateView(View { name, replace, late: ends, columns, query }))
}

fn alter(cursor: &mut Cursor<'_>, tokens: &[Token]) -> Result<Plan, Refusal> {
    cursor.take();
    if cursor.word("TABLE") {
        return table::alter(cursor);
    }
    if cursor.word("SCHEMA") || cursor.word("VIEW") {
        return Ok(definition(tokens));
    }
    if cursor.word("DATABASE") {
        return Ok(Plan::Outside { name: "ALTER DATABASE" });
    }
    Err(Refusal::stand_in("this ALTER is not imitated"))
}

fn drop(cursor: &mut Cursor<'_>, tokens: &[Token]) -> Result<Plan, Refusal> {
    cursor.take();
    if cursor.word("DATABASE") {
        return Ok(Plan::Outside { name: "DROP DATABASE" });
    }
    if cursor.word("TABLE") {
        let locks_may_miss = cursor.words(&["IF", "EXISTS"]);
        let mut locks = vec![cursor.object_name()?];
        while cursor.symbol(",") {
            locks.push(cursor.object_name()?);
        }
        return Ok(Plan::Define(Definition {
            locks,
            locks_may_miss,
            sql: vec![render(tokens)],
            ..Definition::default()
        }));
    }
    if cursor.word("VIEW") {
        let if_exists = cursor.words(&["IF", "EXISTS"]);
        let mut names = vec![cursor.object_name()?];
        while cursor.symbol(",") {
            names.push(cursor.object_name()?);
        }
        let cascade = cursor.word("CASCADE");
        cursor.word("RESTRICT");
        cursor.end()?;
        return Ok(Plan::DropViews(DropViews { names, if_exists, cascade }));
    }
    if cursor.word("SCHEMA") {
        return Ok(definition(tokens));
    }
    Err(Refusal::stand_in("this DROP is not imitated"))
}

/// LOCK has one mode, which keeps everybody out.
fn lock(cursor: &mut Cursor<'_>) -> Result<Plan, Refusal> {
    cursor.take();
    cursor.word("TABLE");
    let mut tables = Vec::new();
    for piece in commas(cursor.rest()) {
        let mut piece = Cursor::new(piece);
        tables.push(piece.object_name()?);
        piece.end()?;
    }
    Ok(Plan::Lock(tables))
}

fn analyze(cursor: &mut Cursor<'_>) -> Result<Plan, Refusal> {
    cursor.take();
    if cursor.word("COMPRESSION") {
        return Err(Refusal::stand_in("analyze compression is not imitated"));
    }
    cursor.word("VERBOSE");
    let sql = match cursor.peek() {
        None => "ANALYZE".to_owned(),
        Some(_) => format!("ANALYZE {}", cursor.object_name()?.quoted()),
    };
    Ok(Plan::Define(Definition { sql: vec![sql], ..Definition::default() }))
}

fn set(cursor: &mut Cursor<'_>, tokens: &[Token]) -> Result<Plan, Refusal> {
    cursor.take();
    cursor.word("SESSION");
    let name = cursor.peek().map(|token| token.text.clone()).unwrap_or_default();
    if SETTINGS.contains(&name.as_str()) {
        return Ok(Plan::Set { sql: Some(render(tokens)) });
    }
    if IDLE_SETTINGS.contains(&name.as_str()) {
        return Ok(Plan::Set { sql: None });
    }
    Err(Refusal::stand_in(format!("the setting {} is not imitated", name.to_ascii_lowercase())))
}

fn definition(tokens: &[Token]) -> Plan {
    Plan::Define(Definition { sql: vec![render(tokens)], ..Definition::default() })
}
