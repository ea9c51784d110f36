//! SQL of a check: one `SELECT` over the dataset's own tables, resolved into what can be done record by record.

mod relation;
mod rewrite;

use sqlparser::ast::{Expr, GroupByExpr, Ident, Select, SelectItem, SetExpr};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Token;

use self::relation::Relations;
use self::rewrite::Rewriting;
use super::expression::{Names, Objection, Place, Walk, note, parser, words};
use super::table::TableOutline;
use crate::definition::read::At;
use crate::problem::Report;
use crate::query::{Groups, Query, RECORD};

/// Aggregates are refused elsewhere.
const BELONGS: &str = "aggregates stand in HAVING, or in what a SELECT with GROUP BY _record gives";
const ONE_RECORD: &str = "a check sees one record at a time";

/// Checks the SQL of a check, and gives back what it does.
pub(super) fn check(
    sql: &At<String>,
    path: &str,
    tables: &[TableOutline<'_>],
    report: &mut Report<'_>,
) -> Option<Query> {
    let mut found = Vec::new();
    let query = parse(&sql.value).and_then(|query| resolve_query(&query, tables, true, &mut found));
    match query {
        Ok(Resolved { query, .. }) if found.is_empty() => return Some(query),
        Ok(_) => {}
        Err(objection) => found.push(objection),
    }
    note(found, sql.at, path, report);
    None
}

fn parse(sql: &str) -> Result<sqlparser::ast::Query, Objection> {
    if sql.trim().is_empty() {
        return Err(Objection::advise("is empty", "SELECT _record FROM a table WHERE what must not be"));
    }
    let wrong = |error: ParserError| Objection::new(format!("is not SQL: {}", words(&error)));
    let mut parser = parser(sql).map_err(wrong)?;
    let query = parser.parse_query().map_err(wrong)?;
    match parser.peek_token().token {
        Token::EOF => Ok(*query),
        token => Err(Objection::new(format!("must be one SELECT, and goes on with {:?}", token.to_string()))),
    }
}

/// A query, and what it gives beside `_record`.
struct Resolved {
    query: Query,
    columns: Vec<String>,
}

/// What is wrong within expressions is noted in `found`; what leaves nothing to go on with is the error.
fn resolve_query(
    query: &sqlparser::ast::Query,
    tables: &[TableOutline<'_>],
    outermost: bool,
    found: &mut Vec<Objection>,
) -> Result<Resolved, Objection> {
    let SetExpr::Select(select) = &*query.body else {
        return Err(Objection::advise("must be one SELECT", "write a check for each, instead of UNION and the like"));
    };
    if query.to_string() != query.body.to_string() {
        return Err(Objection::new(
            "has a clause that a check does not take (WITH, ORDER BY, LIMIT): which records are found must not depend on \
             it",
        ));
    }
    refuse_other_clauses(select)?;
    let [from] = select.from.as_slice() else {
        return Err(Objection::advise(
            "must select from one table",
            format!("JOIN further ones: JOIN b ON b.{RECORD} = a.{RECORD}"),
        ));
    };
    let (relations, mut query) = relation::resolve(from, tables, found)?;
    let (keys, is_grouped) = group_keys(select, &relations, found);
    let names = QueryNames { relations: &relations, keys: is_grouped.then_some(keys.as_slice()), aggregates: false };
    let mut rewriting = Rewriting::new(&relations);
    if let Some(filter) = &select.selection {
        // Rows are kept before they are grouped.
        let of_rows = QueryNames { keys: None, ..names };
        query.filter = examine(filter, &of_rows, &mut rewriting, found);
    }
    let of_groups = QueryNames { aggregates: is_grouped, ..names };
    let having = select.having.as_ref().and_then(|having| {
        if !is_grouped {
            found.push(Objection::advise("HAVING is of groups", format!("GROUP BY {RECORD}, or use WHERE")));
        }
        examine(having, &of_groups, &mut rewriting, found)
    });
    let mut columns = Vec::new();
    let mut gives_record = false;
    for item in &select.projection {
        let (expression, alias) = match item {
            SelectItem::UnnamedExpr(expression) => (expression, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            other => {
                found.push(Objection::advise(format!("{other} is not allowed"), "name the columns"));
                continue;
            }
        };
        if let Some(parts) = parts(expression)
            && parts.last().is_some_and(|name| name.value == RECORD)
        {
            match relations.record(parts) {
                Ok(_) if alias.is_some_and(|alias| alias.value != RECORD) => {
                    found.push(Objection::new(format!("{RECORD} must keep its name")));
                }
                Ok(_) => {}
                Err(objection) => found.push(objection),
            }
            gives_record = true;
            continue;
        }
        if outermost {
            continue;
        }
        let Some(name) = alias.or_else(|| parts(expression).and_then(<[Ident]>::last)) else {
            found.push(Objection::advise(format!("{expression} has no name"), format!("write {expression} AS a name")));
            continue;
        };
        if columns.contains(&name.value) {
            found.push(Objection::new(format!("gives {:?} twice", name.value)));
        }
        if let Some(text) = examine(expression, &of_groups, &mut rewriting, found) {
            query.outputs.push((name.value.clone(), text));
        }
        columns.push(name.value.clone());
    }
    if outermost && (!gives_record || select.projection.len() != 1) {
        found.push(Objection::advise(
            format!("must give {RECORD} and nothing else: the records that offend"),
            format!("SELECT {RECORD} FROM …"),
        ));
    } else if !gives_record {
        found.push(Objection::advise(
            format!("a query within must give {RECORD}: {ONE_RECORD}"),
            format!("SELECT {RECORD}, … FROM … GROUP BY {RECORD}"),
        ));
    }
    if is_grouped {
        let aggregates = rewriting.aggregates();
        query.groups = Some(Groups { keys, aggregates, having });
    }
    rewriting.mark_used(&mut query);
    Ok(Resolved { query, columns })
}

/// A clause that is not spoken of here could make a check look further than one record.
fn refuse_other_clauses(select: &Select) -> Result<(), Objection> {
    let list = |items: Vec<String>| items.join(", ");
    let distinct = if select.distinct.is_some() { "DISTINCT " } else { "" };
    let items = list(select.projection.iter().map(ToString::to_string).collect());
    let from = list(select.from.iter().map(ToString::to_string).collect());
    let clause = |name: &str, text: Option<String>| text.map(|text| format!(" {name} {text}")).unwrap_or_default();
    let filter = clause("WHERE", select.selection.as_ref().map(ToString::to_string));
    let groups = match &select.group_by {
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            clause("GROUP BY", (!keys.is_empty()).then(|| list(keys)))
        }
        _ => String::new(),
    };
    let having = clause("HAVING", select.having.as_ref().map(ToString::to_string));
    if select.to_string() == format!("SELECT {distinct}{items} FROM {from}{filter}{groups}{having}") {
        return Ok(());
    }
    Err(Objection::new(
        "has a clause that a check does not take; SELECT, FROM, JOIN, WHERE, GROUP BY and HAVING are all it takes",
    ))
}

/// What rows are grouped by beside their record, and whether they are grouped.
fn group_keys(select: &Select, relations: &Relations<'_>, found: &mut Vec<Objection>) -> (Vec<String>, bool) {
    let GroupByExpr::Expressions(given, _) = &select.group_by else { return (Vec::new(), false) };
    if given.is_empty() {
        return (Vec::new(), false);
    }
    let (mut keys, mut by_record) = (Vec::new(), false);
    for expression in given {
        let Some(parts) = parts(expression) else {
            found.push(Objection::new(format!("GROUP BY takes columns, and {expression} is none")));
            continue;
        };
        if parts.last().is_some_and(|name| name.value == RECORD) {
            match relations.record(parts) {
                Ok(_) => {}
                Err(objection) => found.push(objection),
            }
            by_record = true;
        } else {
            match relations.find(parts) {
                Ok(name) => keys.push(name),
                Err(objection) => found.push(objection),
            }
        }
    }
    if !by_record {
        found.push(Objection::advise(
            format!("groups of more than one record: {ONE_RECORD}"),
            format!("GROUP BY {RECORD} too; for values that must differ within a file say unique = true of the column"),
        ));
    }
    (keys, true)
}

/// Walks an expression and writes it out with the names of the query.
fn examine(
    expression: &Expr,
    names: &QueryNames<'_>,
    rewriting: &mut Rewriting<'_>,
    found: &mut Vec<Objection>,
) -> Option<String> {
    let mut walk = Walk::new(names);
    walk.expression(expression);
    let fine = walk.found.is_empty();
    for objection in walk.found {
        if !found.contains(&objection) {
            found.push(objection);
        }
    }
    fine.then(|| rewriting.text(expression))
}

/// The names of a column as they are written, where an expression is one.
fn parts(expression: &Expr) -> Option<&[Ident]> {
    match expression {
        Expr::Identifier(name) => Some(std::slice::from_ref(name)),
        Expr::CompoundIdentifier(parts) => Some(parts),
        _ => None,
    }
}

/// What the expressions of a query may name.
#[derive(Debug, Clone, Copy)]
struct QueryNames<'q> {
    relations: &'q Relations<'q>,
    /// What rows are grouped by beside their record, where they are.
    keys: Option<&'q [String]>,
    aggregates: bool,
}

impl Names for QueryNames<'_> {
    fn column(&self, parts: &[Ident], place: Place) -> Result<(), Objection> {
        let found = self.relations.find(parts)?;
        if parts.last().is_some_and(|name| name.value == RECORD) {
            return match place {
                Place::Presence if self.keys.is_some() => Err(Objection::advise(
                    "whether a row is there is asked of rows, not of groups",
                    "ask in WHERE, or COUNT it",
                )),
                Place::Presence | Place::Counted => Ok(()),
                Place::Value | Place::Aggregated => Err(Objection::advise(
                    format!("{RECORD} has no value for a check: it only says what belongs together"),
                    format!("join and group by it, count it, or ask whether it IS NULL after a LEFT JOIN; {ELEMENTS}"),
                )),
            };
        }
        let of_group = !matches!(place, Place::Counted | Place::Aggregated);
        match self.keys {
            Some(keys) if of_group && !keys.contains(&found) => {
                let written = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                Err(Objection::advise(
                    format!("{written} may differ within a group"),
                    format!("add it to GROUP BY, or say which: MAX({written})"),
                ))
            }
            _ => Ok(()),
        }
    }

    fn sight(&self) -> &'static str {
        ONE_RECORD
    }

    fn aggregates(&self) -> Result<(), Option<&'static str>> {
        if self.aggregates { Ok(()) } else { Err(Some(BELONGS)) }
    }
}

const ELEMENTS: &str = "_element is the place in a list";
