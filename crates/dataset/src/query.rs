//! SQL of a check, resolved: what is joined, kept, grouped and given, record by record.
//!
//! A check sees one record at a time, with its rows in all tables. That is so by construction and not by promise: tables
//! are joined by `_record` and by nothing less, and groups are of one record, so that what is found of a record is a
//! function of that record alone, wherever a file is cut and however many records are looked at together.

/// The column that says which record a row is of.
pub const RECORD: &str = "_record";
/// The column that says which element of its list a row is.
pub const ELEMENT: &str = "_element";

/// A `SELECT`. Columns of its relations are called `relation.column` in its expressions, and its aggregates `#0`, `#1`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is selected from.
    pub from: Relation,
    /// What is joined to it, in this order.
    pub joins: Vec<Join>,
    /// Which rows are kept.
    pub filter: Option<String>,
    /// How rows are grouped; `None`: they are not.
    pub groups: Option<Groups>,
    /// What is given beside `_record`: name and expression.
    pub outputs: Vec<(String, String)>,
}

/// A table, or a query in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// What its columns are called by.
    pub name: String,
    /// Its rows.
    pub rows: Rows,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// A table of the dataset.
    Table {
        /// Its index.
        table: usize,
        /// Those of its columns that are used.
        columns: Vec<usize>,
        /// Whether `_element` is used.
        element: bool,
    },
    /// Another query.
    Query(Box<Query>),
}

/// One more relation, joined by `_record`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// What is joined.
    pub relation: Relation,
    /// The relation before it whose `_record` its own equals.
    pub to: String,
    /// Further columns that must be equal, of what was there before and of what is joined.
    pub on: Vec<(String, String)>,
    /// Whether rows without a match stay.
    pub left: bool,
}

/// Groups of rows of one record each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// What the groups are of beside `_record`.
    pub keys: Vec<String>,
    /// What is made of each group.
    pub aggregates: Vec<Aggregate>,
    /// Which groups are kept.
    pub having: Option<String>,
}

/// What is made of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// How.
    pub function: Function,
    /// Of what; `None`: of the rows themselves.
    pub argument: Option<String>,
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// How many values; of rows themselves, how many rows.
    Count,
    /// Their sum, which is exact, and null where there is none.
    Sum,
    /// Their sum by their number.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Function {
    const ALL: [(&'static str, Self); 5] =
        [("count", Self::Count), ("sum", Self::Sum), ("avg", Self::Avg), ("min", Self::Min), ("max", Self::Max)];

    /// By its name in small letters.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// The name in small letters.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    /// All names.
    pub fn names() -> [&'static str; 5] {
        Self::ALL.map(|(name, _)| name)
    }
}

impl Query {
    /// The whole `_record`: of the first relation, which every row has.
    pub fn record(&self) -> String {
        format!("{}.{RECORD}", self.from.name)
    }

    /// The tables it looks at, in the order in which it names them; some may be named again.
    pub fn tables(&self) -> Vec<usize> {
        let mut tables = Vec::new();
        for relation in std::iter::once(&self.from).chain(self.joins.iter().map(|join| &join.relation)) {
            match &relation.rows {
                Rows::Table { table, .. } => tables.push(*table),
                Rows::Query(query) => tables.extend(query.tables()),
            }
        }
        tables
    }
}
