//! SQL of definitions: expressions that are a function of nothing but the row, and those parts of checks that are.
//!
//! What is allowed is listed; everything else is refused, so that nothing new in the engine is let in unseen.

mod functions;

use std::fmt;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Value};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::Token;

use self::functions::{AGGREGATES, NOT_OF_THE_ROW, ROW_FUNCTIONS, WINDOWS};
use super::table::{Kind, TableOutline};
use crate::definition::read::At;
use crate::nearest::nearest;
use crate::problem::Report;
use crate::query::Function as Aggregate;

/// Checks SQL over the columns of one table that are not expressions themselves, and gives it back.
pub(super) fn check(
    sql: &At<String>,
    path: &str,
    tables: &[TableOutline<'_>],
    table: usize,
    report: &mut Report<'_>,
) -> Option<String> {
    let expression = match parse(&sql.value) {
        Ok(expression) => expression,
        Err(message) => {
            report.add(sql.at, path, message);
            return None;
        }
    };
    let names = OwnColumns { tables, table };
    let mut walk = Walk::new(&names);
    walk.expression(&expression);
    let fine = walk.found.is_empty();
    note(walk.found, sql.at, path, report);
    fine.then(|| sql.value.trim().to_owned())
}

/// Notes what a walk found.
pub(super) fn note(found: Vec<Objection>, at: usize, path: &str, report: &mut Report<'_>) {
    for Objection { message, hint } in found {
        match hint {
            Some(hint) => report.advise(at, path, message, hint),
            None => report.add(at, path, message),
        }
    }
}

/// A parser with the dialect and options of polars, which parses the same text again.
pub(super) fn parser(sql: &str) -> Result<Parser<'_>, ParserError> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    Parser::new(&GenericDialect).with_options(options).try_with_sql(sql)
}

/// What a parser says, as the end of a sentence.
pub(super) fn words(error: &ParserError) -> String {
    let error = error.to_string();
    let error = error.trim_start_matches("sql parser error: ");
    let mut letters = error.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn parse(sql: &str) -> Result<Expr, String> {
    if sql.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let wrong = |error: ParserError| format!("is not a SQL expression: {}", words(&error));
    let mut parser = parser(sql).map_err(wrong)?;
    let expression = parser.parse_expr().map_err(wrong)?;
    match parser.peek_token().token {
        Token::EOF => Ok(expression),
        token => Err(format!("must be one expression, and goes on with {:?}", token.to_string())),
    }
}

/// What is not allowed, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objection {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Objection {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn advise(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Where in an expression a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its value counts.
    Value,
    /// Only whether it has one counts: `… IS NULL`.
    Presence,
    /// Its values are counted: `COUNT(…)`.
    Counted,
    /// Its values are aggregated.
    Aggregated,
}

/// The names an expression may use, and what it sees.
pub(super) trait Names: fmt::Debug {
    /// Looks a column up; `parts` are its names as written, more than one where it is qualified.
    fn column(&self, parts: &[Ident], place: Place) -> Result<(), Objection>;

    /// What is said of what sees too much: `an expression sees one row alone`.
    fn sight(&self) -> &'static str;

    /// Whether aggregates may stand here, and where they belong if not.
    fn aggregates(&self) -> Result<(), Option<&'static str>>;
}

/// The columns of one table that are no expressions themselves.
#[derive(Debug)]
struct OwnColumns<'w> {
    tables: &'w [TableOutline<'w>],
    table: usize,
}

impl Names for OwnColumns<'_> {
    fn column(&self, parts: &[Ident], _place: Place) -> Result<(), Objection> {
        let own = &self.tables[self.table];
        let [name] = parts else {
            let name = parts.last().map_or("", |part| part.value.as_str());
            let written = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            return Err(Objection::advise(
                format!("{written} is not a column of this table"),
                format!("write {name}, if you mean the column"),
            ));
        };
        let name = name.value.as_str();
        match own.column(name) {
            Some(column) if column.kind == Kind::Expression => Err(Objection::advise(
                format!("column {name:?} is an expression itself"),
                "write out what it stands for",
            )),
            Some(_) => Ok(()),
            // Functions without parentheses read like columns.
            None if is_not_of_the_row(name) => Err(not_of_the_row(name)),
            None => {
                let usable = own.columns.iter().filter(|column| column.kind != Kind::Expression);
                let elsewhere = self.tables.iter().find(|table| table.column(name).is_some());
                let hint = match (nearest(name, usable.map(|column| column.name)), elsewhere) {
                    (Some(meant), _) => Some(format!("did you mean {meant}?")),
                    (None, Some(table)) => {
                        Some(format!("table {:?} has one; an expression sees its own table alone", table.name))
                    }
                    (None, None) => None,
                };
                Err(Objection { message: format!("there is no column {name:?} in this table"), hint })
            }
        }
    }

    fn sight(&self) -> &'static str {
        "an expression sees one row alone"
    }

    fn aggregates(&self) -> Result<(), Option<&'static str>> {
        Err(None)
    }
}

/// Whether a name is a function of time, chance or who asks.
pub(super) fn is_not_of_the_row(name: &str) -> bool {
    NOT_OF_THE_ROW.contains(&name.to_lowercase().as_str())
}

/// The objection to such a function.
pub(super) fn not_of_the_row(name: &str) -> Objection {
    Objection::new(format!("{name} is not allowed: the same object must always give the same rows"))
}

/// Walks an expression and notes what is not allowed.
pub(super) struct Walk<'w> {
    names: &'w dyn Names,
    place: Place,
    pub(super) found: Vec<Objection>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(names: &'w dyn Names) -> Self {
        Self { names, place: Place::Value, found: Vec::new() }
    }

    fn refuse(&mut self, objection: Objection) {
        if !self.found.iter().any(|said| said.message == objection.message) {
            self.found.push(objection);
        }
    }

    fn say(&mut self, message: String) {
        self.refuse(Objection::new(message));
    }

    fn all<'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn within(&mut self, place: Place, expression: &Expr) {
        let before = std::mem::replace(&mut self.place, place);
        self.expression(expression);
        self.place = before;
    }

    fn column(&mut self, parts: &[Ident]) {
        if let Err(objection) = self.names.column(parts, self.place) {
            self.refuse(objection);
        }
    }

    pub(super) fn expression(&mut self, expression: &Expr) {
        // What is done with a column before it is counted or looked for is done with its value.
        let is_column = matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        match self.place {
            Place::Presence if !is_column => return self.within(Place::Value, expression),
            Place::Counted if !is_column => return self.within(Place::Aggregated, expression),
            _ => {}
        }
        match expression {
            Expr::Identifier(name) => self.column(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(_) | Expr::Interval(_) => {}
            Expr::IsNull(inner) | Expr::IsNotNull(inner) if self.place == Place::Value => {
                self.within(Place::Presence, inner);
            }
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. } => self.expression(inner),
            Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::BinaryOp { left, right, .. }
            | Expr::Like { expr: left, pattern: right, .. }
            | Expr::ILike { expr: left, pattern: right, .. }
            | Expr::RLike { expr: left, pattern: right, .. }
            | Expr::Position { expr: left, r#in: right } => self.all([&**left, &**right]),
            Expr::Between { expr, low, high, .. } => self.all([&**expr, &**low, &**high]),
            Expr::InList { expr, list, .. } => {
                self.expression(expr);
                self.all(list);
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.expression(expr);
                self.all([substring_from, substring_for].into_iter().flatten().map(AsRef::as_ref));
            }
            Expr::Trim { expr, trim_what, trim_characters, .. } => {
                self.expression(expr);
                self.all(trim_what.iter().map(AsRef::as_ref));
                self.all(trim_characters.iter().flatten());
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.all(operand.iter().map(AsRef::as_ref));
                self.all(conditions.iter().flat_map(|when| [&when.condition, &when.result]));
                self.all(else_result.iter().map(AsRef::as_ref));
            }
            Expr::Function(function) => self.function(function),
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                let sight = self.names.sight();
                self.say(format!("subqueries are not allowed: {sight}"));
            }
            other => {
                let sight = self.names.sight();
                self.say(format!("{other} is not allowed: {sight}"));
            }
        }
    }

    /// A number with a point is read as a double, and taken for the decimal of its shortest digits.
    fn literal(&mut self, value: &Value) {
        let Value::Number(text, _) = value else { return };
        let Some((whole, fraction)) = text.split_once('.') else { return };
        let written = format!("{}.{}", whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let read = text.parse::<f64>().map(|value| value.to_string()).unwrap_or_default();
        let (whole, fraction) = read.split_once('.').unwrap_or((&read, ""));
        if !text.contains(['e', 'E']) && format!("{}.{fraction}", whole.trim_start_matches('0')) != written {
            let digits = text.trim_start_matches(['0', '.']).bytes().filter(u8::is_ascii_digit).count();
            self.refuse(Objection::advise(
                format!("{text} has {digits} digits, more than are kept of a number with a point"),
                format!("write CAST('{text}' AS DECIMAL(38,{}))", fraction_of(text)),
            ));
        }
    }

    fn function(&mut self, function: &Function) {
        let name = name_of(function);
        let sight = self.names.sight();
        let reads = ["read_", "scan_", "glob", "pg_read"].iter().any(|start| name.starts_with(start));
        let mut inner = self.place;
        if is_not_of_the_row(&name) {
            self.refuse(not_of_the_row(&name));
        } else if function.over.is_some() || WINDOWS.contains(&name.as_str()) {
            self.say(format!("{name} is a window function: {sight}"));
        } else if AGGREGATES.contains(&name.as_str()) {
            match (self.names.aggregates(), Aggregate::named(&name), self.place) {
                (Err(None), _, _) => self.say(format!("{name} is an aggregate: {sight}")),
                (Err(Some(belongs)), _, _) => {
                    self.refuse(Objection::advise(format!("{name} is an aggregate"), belongs));
                }
                (Ok(()), _, Place::Counted | Place::Aggregated) => {
                    self.say(format!("{name} stands within another aggregate"));
                }
                (Ok(()), None, _) => {
                    let known = Aggregate::names().join(", ");
                    self.say(format!("{name} is not an aggregate that is known here: {known} are"));
                    inner = Place::Aggregated;
                }
                (Ok(()), Some(Aggregate::Count), _) => inner = Place::Counted,
                (Ok(()), Some(_), _) => inner = Place::Aggregated,
            }
        } else if reads {
            self.say(format!("{name} is not allowed: it reads what is not the object's"));
        } else if !ROW_FUNCTIONS.contains(&name.as_str()) {
            let hint = nearest(&name, ROW_FUNCTIONS.iter().copied()).map(|meant| format!("did you mean {meant}?"));
            self.refuse(Objection { message: format!("{name} is not a function that is known here"), hint });
        }
        if function.filter.is_some() || function.null_treatment.is_some() || !function.within_group.is_empty() {
            self.say(format!("{name} has a clause that is not allowed here"));
        }
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => self.say(format!("subqueries are not allowed: {sight}")),
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    self.say(format!("{name} has a clause that is not allowed here"));
                }
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => self.within(inner, argument),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if inner == Place::Counted => {}
                        // An aggregate that may not stand here has been refused already.
                        _ if AGGREGATES.contains(&name.as_str()) && inner == self.place => {}
                        other => self.say(format!("{other} is not an argument that {name} takes here")),
                    }
                }
                if inner != self.place && list.args.len() != 1 {
                    self.say(format!("{name} takes one argument, and is given {}", list.args.len()));
                }
            }
        }
    }
}

/// How many digits a number has behind its point.
fn fraction_of(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// The name of a function, in small letters.
pub(super) fn name_of(function: &Function) -> String {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => name.value.to_lowercase(),
        _ => function.name.to_string().to_lowercase(),
    }
}
