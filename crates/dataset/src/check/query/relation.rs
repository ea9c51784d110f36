//! What a check selects from: tables and queries in their place, joined by `_record`.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join as SqlJoin, JoinConstraint, JoinOperator, ObjectNamePart, TableAlias,
    TableFactor, TableWithJoins,
};

use super::{Resolved, parts, resolve_query};
use crate::check::expression::{Objection, is_not_of_the_row, not_of_the_row};
use crate::check::table::TableOutline;
use crate::nearest::nearest;
use crate::query::{ELEMENT, Join, Query, RECORD, Relation, Rows};

/// The relations of a query so far.
#[derive(Debug)]
pub(super) struct Relations<'q> {
    outlines: &'q [TableOutline<'q>],
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: String,
    columns: Vec<String>,
    /// Whether every row has one, so that its `_record` is never null.
    whole: bool,
}

/// Resolves what a query selects from.
pub(super) fn resolve<'q>(
    from: &TableWithJoins,
    outlines: &'q [TableOutline<'q>],
    found: &mut Vec<Objection>,
) -> Result<(Relations<'q>, Query), Objection> {
    let mut relations = Relations { outlines, known: Vec::new() };
    let first = relations.add(&from.relation, found)?;
    let mut query = Query { from: first, joins: Vec::new(), filter: None, groups: None, outputs: Vec::new() };
    for join in &from.joins {
        let join = relations.join(join, found)?;
        query.joins.push(join);
    }
    Ok((relations, query))
}

impl<'q> Relations<'q> {
    /// A table of the dataset.
    pub(super) fn outline(&self, table: usize) -> &TableOutline<'q> {
        &self.outlines[table]
    }

    /// The column of these names, as expressions call it.
    pub(super) fn find(&self, parts: &[Ident]) -> Result<String, Objection> {
        let (relation, column) = match parts {
            [column] => (None, column.value.as_str()),
            [relation, column] => (Some(relation.value.as_str()), column.value.as_str()),
            _ => {
                let written = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                return Err(Objection::advise(format!("{written} is not a column"), "write table.column"));
            }
        };
        if let Some(name) = relation {
            let Some(known) = self.known.iter().find(|known| known.name == name) else {
                let names = self.known.iter().map(|known| known.name.as_str());
                let hint = nearest(name, names).map(|meant| format!("did you mean {meant}?"));
                return Err(Objection { message: format!("there is no table {name:?} in this query"), hint });
            };
            return known.column(column);
        }
        let having: Vec<&Known> = self.known.iter().filter(|known| known.has(column)).collect();
        match having.as_slice() {
            [] if is_not_of_the_row(column) => Err(not_of_the_row(column)),
            [] => {
                let all = self.known.iter().flat_map(|known| &known.columns).map(String::as_str);
                let hint = nearest(column, all).map(|meant| format!("did you mean {meant}?"));
                Err(Objection { message: format!("there is no column {column:?} in this query"), hint })
            }
            [known] => known.column(column),
            [one, ..] => Err(Objection::advise(
                format!("{column:?} may be a column of several tables"),
                format!("say whose, {}.{column}", one.name),
            )),
        }
    }

    /// Whose `_record` it is, and that every row has one.
    pub(super) fn record(&self, parts: &[Ident]) -> Result<String, Objection> {
        self.find(parts)?;
        let known = match parts {
            [relation, _] => self.known.iter().find(|known| known.name == relation.value),
            _ => self.known.first(),
        };
        match known {
            Some(known) if known.whole => Ok(known.name.clone()),
            _ => {
                let whole = self.known.iter().find(|known| known.whole).map_or("", |known| known.name.as_str());
                let name = known.map_or("", |known| known.name.as_str());
                Err(Objection::advise(
                    format!("{name}.{RECORD} is null where {name} has no row"),
                    format!("use {whole}.{RECORD}"),
                ))
            }
        }
    }

    fn add(&mut self, factor: &TableFactor, found: &mut Vec<Objection>) -> Result<Relation, Objection> {
        let odd = || Objection::new(format!("{factor} is not a table of the dataset, or a SELECT in its place"));
        let written = factor.to_string();
        let aliased = |text: String, alias: Option<&TableAlias>| match alias {
            Some(alias) => format!("{text} {alias}"),
            None => text,
        };
        let (name, columns, rows) = match factor {
            TableFactor::Table { name, alias, .. } if written == aliased(name.to_string(), alias.as_ref()) => {
                let [ObjectNamePart::Identifier(table)] = name.0.as_slice() else { return Err(odd()) };
                let table = table.value.as_str();
                let Some(index) = self.outlines.iter().position(|outline| outline.name == table) else {
                    let names = self.outlines.iter().map(|outline| outline.name);
                    let message = format!("there is no table {table:?} in this dataset");
                    let hint = match nearest(table, names) {
                        Some(meant) => format!("did you mean {meant}?"),
                        None => "a check sees the tables of its own dataset alone".to_owned(),
                    };
                    return Err(Objection::advise(message, hint));
                };
                let outline = &self.outlines[index];
                let mut columns: Vec<String> = outline.columns.iter().map(|column| column.name.to_owned()).collect();
                if outline.exploded {
                    columns.push(ELEMENT.to_owned());
                }
                let rows = Rows::Table { table: index, columns: Vec::new(), element: false };
                (alias_name(alias.as_ref())?.unwrap_or(table).to_owned(), columns, rows)
            }
            TableFactor::Derived { subquery, alias, .. }
                if written == aliased(format!("({subquery})"), alias.as_ref()) =>
            {
                let Some(name) = alias_name(alias.as_ref())? else {
                    return Err(Objection::advise("a query within has no name", "write (SELECT …) AS a name"));
                };
                let Resolved { query, columns } = resolve_query(subquery, self.outlines, false, found)?;
                (name.to_owned(), columns, Rows::Query(Box::new(query)))
            }
            _ => return Err(odd()),
        };
        if self.known.iter().any(|known| known.name == name) {
            return Err(Objection::advise(
                format!("{name:?} is there twice"),
                format!("give one of them another name, {name} AS other"),
            ));
        }
        self.known.push(Known { name: name.clone(), columns, whole: true });
        Ok(Relation { name, rows })
    }

    fn join(&mut self, join: &SqlJoin, found: &mut Vec<Objection>) -> Result<Join, Objection> {
        let (constraint, left) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, false),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, true),
            _ => {
                return Err(Objection::new(format!("{join} is not a join that a check takes: JOIN and LEFT JOIN are")));
            }
        };
        if join.global {
            return Err(Objection::new(format!("{join} is not a join that a check takes: JOIN and LEFT JOIN are")));
        }
        let relation = self.add(&join.relation, found)?;
        let name = relation.name.clone();
        let unbound = |first: &str| {
            Objection::advise(
                format!("{name} must be joined by {RECORD}: a check sees one record at a time"),
                format!("JOIN {name} ON {name}.{RECORD} = {first}.{RECORD}"),
            )
        };
        let first = self.known.first().map(|known| known.name.clone()).unwrap_or_default();
        let JoinConstraint::On(condition) = constraint else { return Err(unbound(&first)) };
        let (mut to, mut on) = (None, Vec::new());
        for condition in conjuncts(condition) {
            match self.equal(condition, &name)? {
                Equal::Record(relation) => to = to.or(Some(relation)),
                Equal::Columns(before, own) => on.push((before, own)),
            }
        }
        let Some(to) = to else { return Err(unbound(&first)) };
        if left && let Some(known) = self.known.last_mut() {
            known.whole = false;
        }
        Ok(Join { relation, to, on, left })
    }

    /// What one condition of a join says of the relation it joins.
    fn equal(&self, condition: &Expr, own: &str) -> Result<Equal, Objection> {
        let odd = || {
            Objection::advise(
                format!("{condition} does not say that a column of {own} equals one of a table before it"),
                "put other conditions into WHERE",
            )
        };
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return Err(odd()) };
        let (Some(left), Some(right)) = (parts(left), parts(right)) else { return Err(odd()) };
        let is_own = |name: &str| name.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'));
        let (left_name, right_name) = (self.find(left)?, self.find(right)?);
        let (before, own, before_parts) = match (is_own(&left_name), is_own(&right_name)) {
            (false, true) => (left_name, right_name, left),
            (true, false) => (right_name, left_name, right),
            _ => return Err(odd()),
        };
        let is_record = |name: &str| name.ends_with(&format!(".{RECORD}"));
        match (is_record(&before), is_record(&own)) {
            (true, true) => Ok(Equal::Record(self.record(before_parts)?)),
            (false, false) => Ok(Equal::Columns(before, own)),
            _ => Err(odd()),
        }
    }
}

/// What a condition of a join makes equal.
enum Equal {
    Record(String),
    Columns(String, String),
}

impl Known {
    fn has(&self, column: &str) -> bool {
        column == RECORD || self.columns.iter().any(|known| known == column)
    }

    fn column(&self, column: &str) -> Result<String, Objection> {
        if self.has(column) {
            return Ok(format!("{}.{column}", self.name));
        }
        let hint =
            nearest(column, self.columns.iter().map(String::as_str)).map(|meant| format!("did you mean {meant}?"));
        Err(Objection { message: format!("there is no column {column:?} in {}", self.name), hint })
    }
}

fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left).into_iter().chain(conjuncts(right)).collect()
        }
        Expr::Nested(inner) => conjuncts(inner),
        other => vec![other],
    }
}

fn alias_name(alias: Option<&TableAlias>) -> Result<Option<&str>, Objection> {
    let Some(alias) = alias else { return Ok(None) };
    let name = alias.name.value.as_str();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || !alias.columns.is_empty() || alias.at.is_some() {
        return Err(Objection::advise(format!("{alias} is not a name for a table"), "use letters, digits and _"));
    }
    Ok(Some(name))
}
