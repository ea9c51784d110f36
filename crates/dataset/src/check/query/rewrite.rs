//! Expressions of a query in the names that the engine uses: `relation.column`, and `#0` for the first aggregate.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, visit_expressions_mut};

use super::parts;
use super::relation::Relations;
use crate::check::expression::name_of;
use crate::query::{Aggregate, ELEMENT, Function, Query, Rows};

/// The expressions of one query.
#[derive(Debug)]
pub(super) struct Rewriting<'q> {
    relations: &'q Relations<'q>,
    aggregates: Vec<Aggregate>,
    used: Vec<String>,
}

impl<'q> Rewriting<'q> {
    pub(super) fn new(relations: &'q Relations<'q>) -> Self {
        Self { relations, aggregates: Vec::new(), used: Vec::new() }
    }

    /// An expression that was found to be fine.
    pub(super) fn text(&mut self, expression: &Expr) -> String {
        let mut expression = expression.clone();
        // Inner ones come first, so that an aggregate's argument is rewritten before it is taken out.
        let _never_breaks: ControlFlow<()> = visit_expressions_mut(&mut expression, |expression| {
            let name = match &*expression {
                Expr::Function(function) => match Function::named(&name_of(function)) {
                    Some(kind) => self.aggregate(kind, &function.args),
                    None => return ControlFlow::Continue(()),
                },
                other => match parts(other).and_then(|parts| self.relations.find(parts).ok()) {
                    Some(name) => {
                        self.used.push(name.clone());
                        name
                    }
                    None => return ControlFlow::Continue(()),
                },
            };
            *expression = Expr::Identifier(Ident::with_quote('"', name));
            ControlFlow::Continue(())
        });
        expression.to_string()
    }

    fn aggregate(&mut self, function: Function, arguments: &FunctionArguments) -> String {
        let argument = match arguments {
            FunctionArguments::List(list) => match list.args.first() {
                Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) => Some(argument.to_string()),
                _ => None,
            },
            _ => None,
        };
        let aggregate = Aggregate { function, argument };
        let at = self.aggregates.iter().position(|known| *known == aggregate).unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        });
        format!("#{at}")
    }

    /// The aggregates taken out so far.
    pub(super) fn aggregates(&mut self) -> Vec<Aggregate> {
        std::mem::take(&mut self.aggregates)
    }

    /// Notes in the query's tables which of their columns are used.
    pub(super) fn mark_used(&self, query: &mut Query) {
        let keys = query.groups.iter().flat_map(|groups| &groups.keys);
        let on = query.joins.iter().flat_map(|join| join.on.iter().flat_map(|(before, own)| [before, own]));
        let used: Vec<String> = self.used.iter().chain(keys).chain(on).cloned().collect();
        let joined = query.joins.iter_mut().map(|join| &mut join.relation);
        for relation in std::iter::once(&mut query.from).chain(joined) {
            let Rows::Table { table, columns, element } = &mut relation.rows else { continue };
            let outline = self.relations.outline(*table);
            for name in used.iter().filter_map(|used| used.strip_prefix(&relation.name)?.strip_prefix('.')) {
                if name == ELEMENT {
                    *element = true;
                } else if let Some(at) = outline.columns.iter().position(|column| column.name == name)
                    && !columns.contains(&at)
                {
                    columns.push(at);
                }
            }
            columns.sort_unstable();
        }
    }
}
