//! Which tables a statement reads, as far as its words tell.

use super::cursor::{Cursor, ObjectName};
use super::refusal::Refusal;
use super::token::{Kind, Token};

/// Functions in whose parentheses FROM is no clause.
const OWN_FROM: [&str; 5] = ["EXTRACT", "TRIM", "SUBSTRING", "OVERLAY", "POSITION"];
/// Words that end a list of tables.
const ENDS: [&str; 12] =
    ["WHERE", "GROUP", "ORDER", "HAVING", "SELECT", "UNION", "SET", "WHEN", "LIMIT", "EXCEPT", "INTERSECT", "ON"];
/// Functions that only the leader node has.
const LEADER_FUNCTIONS: [&str; 6] =
    ["NOW", "GENERATE_SERIES", "CURRENT_SCHEMA", "CURRENT_SCHEMAS", "PG_BACKEND_PID", "VERSION"];

/// Names that stand where a table can stand, without those that the statement makes itself. Some may be columns.
pub(crate) fn reads(tokens: &[Token]) -> Vec<ObjectName> {
    let own = made_by_with(tokens);
    let mut found: Vec<ObjectName> = Vec::new();
    let mut cursor = Cursor::new(tokens);
    // For each open parenthesis: whether FROM is a clause in it, and whether a comma goes on with a list of tables.
    let mut depths = vec![(true, false)];
    let mut before: Option<&Token> = None;
    while let Some(token) = cursor.take() {
        let Some(depth) = depths.last_mut() else { break };
        let mut table = false;
        match token.kind {
            Kind::Symbol if token.text == "(" => {
                let function = before.is_some_and(|before| OWN_FROM.iter().any(|name| before.is_word(name)));
                depths.push((!function, false));
            }
            Kind::Symbol if token.text == ")" => {
                depths.pop();
            }
            Kind::Symbol if token.text == "," => table = depth.1,
            Kind::Word if matches!(token.text.as_str(), "FROM" | "USING" | "JOIN") && depth.0 => {
                (depth.1, table) = (true, true);
            }
            Kind::Word if ENDS.contains(&token.text.as_str()) => depth.1 = false,
            _ => {}
        }
        if table {
            found.extend(cursor.clone().object_name().ok().filter(|name| !own.contains(&name.told())));
        }
        before = Some(token);
    }
    found.sort();
    found.dedup();
    found
}

/// Names that WITH gives.
fn made_by_with(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    if !tokens.iter().any(|token| token.is_word("WITH")) {
        return names;
    }
    for window in tokens.windows(3) {
        let [name, between, open] = window else { continue };
        if between.is_word("AS") && open.is_symbol("(") || between.is_symbol("(") {
            names.extend(name.name());
        }
    }
    names
}

/// Whether a table or view is the leader node's alone.
fn is_leaders(name: &ObjectName) -> bool {
    let schema = name.0.first().filter(|_| name.0.len() > 1).map(String::as_str);
    match schema {
        Some("pg_catalog" | "information_schema") => true,
        Some(_) => false,
        None => name.last().starts_with("pg_") || matches!(name.last(), "svv_columns" | "svv_tables"),
    }
}

/// What only the leader node has does not go together with tables, which are on the compute nodes.
pub(crate) fn check_leader(tokens: &[Token], reads: &[ObjectName], writes: bool) -> Result<(), Refusal> {
    let function = tokens.windows(2).any(|window| {
        let [name, open] = window else { return false };
        open.is_symbol("(") && LEADER_FUNCTIONS.iter().any(|function| name.is_word(function))
    });
    let leaders = reads.iter().any(is_leaders);
    let compute = reads.iter().any(|name| !is_leaders(name));
    if leaders && (compute || writes) || function && compute {
        return Err(Refusal::new(
            "Specified types or functions (one per INFO message) not supported on Redshift tables.",
        ));
    }
    Ok(())
}
