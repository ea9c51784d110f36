//! SQL of definitions, `expr` and `where`: one expression of one row, and a function of nothing but the row.
//!
//! What is allowed is listed; everything else is refused, so that nothing new in the engine is let in unseen.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::Token;

use super::table::{Kind, TableOutline};
use crate::definition::read::At;
use crate::nearest::nearest;
use crate::problem::Report;

/// Functions whose value depends on nothing but their arguments in the same row.
const ROW_FUNCTIONS: &[&str] = &[
    "abs",
    "acos",
    "acosd",
    "asin",
    "asind",
    "atan",
    "atan2",
    "atan2d",
    "atand",
    "bit_and",
    "bit_count",
    "bit_length",
    "bit_not",
    "bit_or",
    "bit_xor",
    "cbrt",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosd",
    "cot",
    "cotd",
    "date",
    "date_part",
    "degrees",
    "div",
    "ends_with",
    "exp",
    "floor",
    "greatest",
    "if",
    "ifnull",
    "initcap",
    "least",
    "left",
    "length",
    "ln",
    "log",
    "log10",
    "log1p",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "mod",
    "normalize",
    "nullif",
    "octet_length",
    "pi",
    "pow",
    "power",
    "radians",
    "regexp_like",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sign",
    "sin",
    "sind",
    "split_part",
    "sqrt",
    "starts_with",
    "strftime",
    "strpos",
    "strptime",
    "substr",
    "tan",
    "tand",
    "trunc",
    "truncate",
    "upper",
];

const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "first",
    "group_concat",
    "last",
    "listagg",
    "max",
    "mean",
    "median",
    "min",
    "quantile_cont",
    "quantile_disc",
    "stddev",
    "stddev_samp",
    "stdev",
    "stdev_samp",
    "string_agg",
    "sum",
    "total",
    "var",
    "var_samp",
    "variance",
];

const WINDOWS: &[&str] =
    &["dense_rank", "first_value", "lag", "last_value", "lead", "ntile", "percent_rank", "rank", "row_number"];

const NOT_OF_THE_ROW: &[&str] = &[
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "gen_random_uuid",
    "getdate",
    "localtime",
    "localtimestamp",
    "newid",
    "now",
    "rand",
    "random",
    "session_user",
    "sysdate",
    "today",
    "user",
    "uuid",
    "uuid_generate_v4",
    "uuid_string",
];

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
    let mut walk = Walk { tables, table, found: Vec::new() };
    walk.expression(&expression);
    let fine = walk.found.is_empty();
    for (message, hint) in walk.found {
        match hint {
            Some(hint) => report.advise(sql.at, path, message, hint),
            None => report.add(sql.at, path, message),
        }
    }
    fine.then(|| sql.value.trim().to_owned())
}

fn parse(sql: &str) -> Result<Expr, String> {
    if sql.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    // The dialect and options are those of polars, which parses the same text again.
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let wrong = |error: String| {
        let error = error.trim_start_matches("sql parser error: ");
        format!("is not a SQL expression: {}{}", error[..1].to_ascii_lowercase(), &error[1..])
    };
    let parser = Parser::new(&GenericDialect).with_options(options);
    let mut parser = parser.try_with_sql(sql).map_err(|error| wrong(error.to_string()))?;
    let expression = parser.parse_expr().map_err(|error| wrong(error.to_string()))?;
    match parser.peek_token().token {
        Token::EOF => Ok(expression),
        token => Err(format!("must be one expression, and goes on with {:?}", token.to_string())),
    }
}

/// Walks an expression and notes what is not allowed.
struct Walk<'w> {
    tables: &'w [TableOutline<'w>],
    table: usize,
    found: Vec<(String, Option<String>)>,
}

impl Walk<'_> {
    fn refuse(&mut self, message: String, hint: Option<String>) {
        if !self.found.iter().any(|(said, _)| *said == message) {
            self.found.push((message, hint));
        }
    }

    fn all<'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Identifier(name) => self.column(name),
            Expr::CompoundIdentifier(parts) => {
                let name = parts.last().map_or("", |part| part.value.as_str());
                let hint = format!("write {name}, if you mean the column");
                self.refuse(format!("{expression} is not a column of this table"), Some(hint));
            }
            Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => {}
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
                self.refuse("subqueries are not allowed: an expression sees one row alone".to_owned(), None);
            }
            other => self.refuse(format!("{other} is not allowed in an expression of one row"), None),
        }
    }

    fn column(&mut self, name: &Ident) {
        let own = &self.tables[self.table];
        let name = name.value.as_str();
        match own.column(name) {
            Some(column) if column.kind == Kind::Expression => {
                let message = format!("column {name:?} is an expression itself");
                self.refuse(message, Some("write out what it stands for".to_owned()));
            }
            Some(_) => {}
            // Functions without parentheses read like columns.
            None if NOT_OF_THE_ROW.contains(&name.to_lowercase().as_str()) => self.not_of_the_row(name),
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
                self.refuse(format!("there is no column {name:?} in this table"), hint);
            }
        }
    }

    fn not_of_the_row(&mut self, name: &str) {
        let message = format!("{name} is not allowed: the same object must always give the same rows");
        self.refuse(message, None);
    }

    fn function(&mut self, function: &Function) {
        let name = match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => name.value.to_lowercase(),
            _ => function.name.to_string().to_lowercase(),
        };
        let reads = ["read_", "scan_", "glob", "pg_read"].iter().any(|start| name.starts_with(start));
        if NOT_OF_THE_ROW.contains(&name.as_str()) {
            self.not_of_the_row(&name);
        } else if AGGREGATES.contains(&name.as_str()) && function.over.is_none() {
            self.refuse(format!("{name} is an aggregate: an expression sees one row alone"), None);
        } else if function.over.is_some() || WINDOWS.contains(&name.as_str()) {
            self.refuse(format!("{name} is a window function: an expression sees one row alone"), None);
        } else if reads {
            self.refuse(format!("{name} is not allowed: an expression reads nothing but its row"), None);
        } else if !ROW_FUNCTIONS.contains(&name.as_str()) {
            let hint = nearest(&name, ROW_FUNCTIONS.iter().copied()).map(|meant| format!("did you mean {meant}?"));
            self.refuse(format!("{name} is not a function that is known here"), hint);
        }
        if function.filter.is_some() || function.null_treatment.is_some() || !function.within_group.is_empty() {
            self.refuse(format!("{name} has a clause that only aggregates have"), None);
        }
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => {
                self.refuse("subqueries are not allowed: an expression sees one row alone".to_owned(), None);
            }
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    self.refuse(format!("{name} has a clause that only aggregates have"), None);
                }
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => self.expression(argument),
                        // An aggregate has been refused already.
                        _ if AGGREGATES.contains(&name.as_str()) => {}
                        other => self.refuse(format!("{other} is not an argument that {name} takes here"), None),
                    }
                }
            }
        }
    }
}
