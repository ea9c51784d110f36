//! CREATE TABLE and ALTER TABLE.

use super::cursor::{Cursor, ObjectName, commas};
use super::expression;
use super::plan::{Definition, Plan};
use super::reads::{check_leader, reads};
use super::refusal::Refusal;
use super::token::{Token, quote_name, quote_text, render};
use super::types::{self, TypeKind};

/// Encodings whose columns cannot be altered (`ALTER TABLE`, "ALTER COLUMN column_name TYPE").
const FIXED_ENCODINGS: [&str; 4] = ["BYTEDICT", "RUNLENGTH", "TEXT255", "TEXT32K"];

/// A column as it goes to PostgreSQL.
struct Column {
    name: String,
    sql: String,
    is_super: bool,
    /// Why its type cannot be altered later.
    fixed: Option<String>,
    key: bool,
}

/// Translates a CREATE TABLE whose first words have been taken.
pub(crate) fn create(cursor: &mut Cursor<'_>, temporary: bool) -> Result<Plan, Refusal> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name()?;
    let head = format!(
        "CREATE {}TABLE {}{}",
        if temporary { "TEMPORARY " } else { "" },
        if if_not_exists { "IF NOT EXISTS " } else { "" },
        name.quoted()
    );
    let mut items: Option<&[Token]> = None;
    if cursor.peek().is_some_and(|token| token.is_symbol("(")) {
        items = Some(cursor.parenthesized()?);
    }
    let attributes = attributes(cursor)?;
    if cursor.word("AS") {
        if if_not_exists {
            return Err(Refusal::near("as"));
        }
        check_leader(cursor.rest(), &reads(cursor.rest()), true)?;
        let query = render(&expression::translate(cursor.rest())?);
        let columns = match items {
            None => String::new(),
            Some(items) => {
                let names: Result<Vec<_>, _> = commas(items)
                    .into_iter()
                    .map(|item| Cursor::new(item).name().map(|name| quote_name(&name)))
                    .collect();
                format!(" ({})", names?.join(", "))
            }
        };
        let sql = vec![format!("{head}{columns} AS {query}")];
        return Ok(Plan::Define(Definition {
            sql,
            measures: Some(name),
            temporary,
            counts: true,
            ..Definition::default()
        }));
    }
    cursor.end()?;
    let items = items.ok_or_else(|| cursor.unexpected())?;
    let (mut columns, mut others) = (Vec::new(), Vec::new());
    for item in commas(items) {
        let mut item = Cursor::new(item);
        if item.word("LIKE") {
            others.push(like(&mut item)?);
        } else if let Some(keys) = constraint(&mut item)? {
            for column in columns.iter_mut().filter(|column: &&mut Column| keys.contains(&column.name)) {
                column.key = true;
            }
            check_columns(&columns, &keys)?;
        } else {
            columns.push(column(&mut item, &name, Place::Create)?);
        }
    }
    if others.is_empty() {
        check_columns(&columns, &attributes)?;
    }
    if let Some(column) = columns.iter().find(|column| column.is_super && attributes.contains(&column.name)) {
        return Err(Refusal::new(format!("SUPER column \"{}\" cannot be a sort key or distribution key", column.name)));
    }
    let mut sql =
        vec![format!("{head} ({})", columns.iter().map(Column::whole).chain(others).collect::<Vec<_>>().join(", "))];
    sql.extend(columns.iter().filter_map(|column| column.remember(&name)));
    Ok(Plan::Define(Definition { sql, measures: Some(name), temporary, ..Definition::default() }))
}

impl Column {
    fn whole(&self) -> String {
        let not_null = if self.key && !self.sql.ends_with("NOT NULL") { " NOT NULL" } else { "" };
        format!("{} {}{not_null}", quote_name(&self.name), self.sql)
    }

    /// Remembers what cannot be altered, in the transaction that makes it.
    fn remember(&self, table: &ObjectName) -> Option<String> {
        let why = self.fixed.clone().or_else(|| self.key.then(|| "a key".to_owned()))?;
        Some(format!(
            "INSERT INTO redshift.fixed_column SELECT attrelid, attnum, {} FROM pg_attribute WHERE attrelid = {}::regclass AND attname = {} \
             AND NOT EXISTS (SELECT 1 FROM redshift.fixed_column WHERE relation = attrelid AND attribute = attnum)",
            quote_text(&why),
            quote_text(&table.quoted()),
            quote_text(&self.name)
        ))
    }
}

fn check_columns(columns: &[Column], named: &[String]) -> Result<(), Refusal> {
    match named.iter().find(|name| !columns.iter().any(|column| column.name == **name)) {
        Some(name) => Err(Refusal::new(format!("column \"{name}\" named in key does not exist"))),
        None => Ok(()),
    }
}

/// Distribution, sorting and the like, which PostgreSQL has nothing for. Returns the columns they name.
fn attributes(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Refusal> {
    let mut named = Vec::new();
    loop {
        if cursor.word("DISTSTYLE") {
            let style = cursor.name()?;
            if !["auto", "even", "all", "key"].contains(&style.as_str()) {
                return Err(Refusal::near(&style));
            }
        } else if cursor.word("DISTKEY") {
            let key = cursor.names()?;
            if key.len() != 1 {
                return Err(Refusal::new("only one column can be a distribution key"));
            }
            named.extend(key);
        } else if cursor.words(&["SORTKEY", "AUTO"]) || cursor.words(&["ENCODE", "AUTO"]) {
        } else if cursor.words(&["COMPOUND", "SORTKEY"])
            || cursor.words(&["INTERLEAVED", "SORTKEY"])
            || cursor.word("SORTKEY")
        {
            named.extend(cursor.names()?);
        } else if cursor.word("BACKUP") {
            if !cursor.word("YES") && !cursor.word("NO") {
                return Err(cursor.unexpected());
            }
        } else {
            return Ok(named);
        }
    }
}

/// LIKE of another table.
fn like(item: &mut Cursor<'_>) -> Result<String, Refusal> {
    let parent = item.object_name()?;
    let defaults = item.words(&["INCLUDING", "DEFAULTS"]);
    if !defaults {
        item.words(&["EXCLUDING", "DEFAULTS"]);
    }
    item.end()?;
    Ok(format!("LIKE {}{}", parent.quoted(), if defaults { " INCLUDING DEFAULTS" } else { "" }))
}

/// A constraint of the table, which is accepted and not enforced. Returns the columns of a primary key.
fn constraint(item: &mut Cursor<'_>) -> Result<Option<Vec<String>>, Refusal> {
    if item.word("CONSTRAINT") {
        item.name()?;
    }
    let keys = if item.words(&["PRIMARY", "KEY"]) {
        item.names()?
    } else if item.peek().is_some_and(|token| token.is_word("UNIQUE")) {
        item.take();
        item.names()?;
        Vec::new()
    } else if item.words(&["FOREIGN", "KEY"]) {
        item.names()?;
        references(item)?;
        Vec::new()
    } else if item.peek().is_some_and(|token| token.is_word("CHECK")) {
        return Err(Refusal::lacks("CHECK"));
    } else {
        return Ok(None);
    };
    item.end()?;
    Ok(Some(keys))
}

fn references(item: &mut Cursor<'_>) -> Result<(), Refusal> {
    item.expect_word("REFERENCES")?;
    item.object_name()?;
    if item.peek().is_some_and(|token| token.is_symbol("(")) {
        item.names()?;
    }
    Ok(())
}

/// Where a column is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Create,
    Add,
}

fn column(item: &mut Cursor<'_>, table: &ObjectName, place: Place) -> Result<Column, Refusal> {
    let name = item.name()?;
    let shown = item.peek().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    let found = types::take(item).map_err(|refusal| {
        if refusal.message.contains("does not exist") {
            Refusal::new(format!("Column \"{}.{name}\" has unsupported type \"{shown}\".", table.last()))
        } else {
            refusal
        }
    })?;
    let mut column = Column { name, sql: found.sql, is_super: found.kind == TypeKind::Super, fixed: None, key: false };
    let (mut not_null, mut default) = (false, None);
    while item.peek().is_some() {
        if item.words(&["NOT", "NULL"]) {
            not_null = true;
        } else if item.word("NULL") || item.word("DISTKEY") || item.word("SORTKEY") {
        } else if item.word("ENCODE") {
            let encoding = item.name()?.to_ascii_uppercase();
            if FIXED_ENCODINGS.contains(&encoding.as_str()) {
                column.fixed = Some(encoding);
            }
        } else if item.word("COLLATE") {
            item.name()?;
        } else if item.word("DEFAULT") {
            default = Some(render(&expression::translate(&default_of(item))?));
        } else if place == Place::Create && item.words(&["GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"]) {
            column.sql.push_str(&identity(item, "BY DEFAULT")?);
        } else if place == Place::Create && item.word("IDENTITY") {
            column.sql.push_str(&identity(item, "ALWAYS")?);
        } else if place == Place::Create && item.words(&["PRIMARY", "KEY"]) {
            column.key = true;
        } else if place == Place::Create && item.word("UNIQUE") {
            column.fixed = Some("a unique column".to_owned());
        } else if item.peek().is_some_and(|token| token.is_word("REFERENCES")) {
            references(item)?;
        } else if item.peek().is_some_and(|token| token.is_word("GENERATED")) {
            return Err(Refusal::lacks("a generated column"));
        } else if item.peek().is_some_and(|token| token.is_word("CHECK")) {
            return Err(Refusal::lacks("CHECK"));
        } else {
            return Err(item.unexpected());
        }
    }
    if place == Place::Add && not_null && default.as_ref().is_none_or(|default| default == "null") {
        return Err(Refusal::new("ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"));
    }
    if let Some(default) = default {
        column.sql = format!("{} DEFAULT {default}", column.sql);
    }
    if not_null {
        column.sql.push_str(" NOT NULL");
    }
    Ok(column)
}

/// The expression behind DEFAULT: up to the next attribute of the column.
fn default_of(item: &mut Cursor<'_>) -> Vec<Token> {
    const ENDS: [&str; 9] =
        ["NOT", "ENCODE", "DISTKEY", "SORTKEY", "COLLATE", "PRIMARY", "UNIQUE", "REFERENCES", "IDENTITY"];
    let mut taken: Vec<Token> = Vec::new();
    let mut depth = 0_i32;
    while let Some(token) = item.peek() {
        let ends =
            depth == 0 && (ENDS.iter().any(|word| token.is_word(word)) || token.is_word("NULL") && !taken.is_empty());
        if ends {
            break;
        }
        depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
        taken.extend(item.take().cloned());
    }
    taken
}

fn identity(item: &mut Cursor<'_>, kind: &str) -> Result<String, Refusal> {
    item.expect_symbol("(")?;
    let seed = item.number()?;
    item.expect_symbol(",")?;
    let step = item.number()?;
    item.expect_symbol(")")?;
    Ok(format!(" GENERATED {kind} AS IDENTITY (START WITH {seed} INCREMENT BY {step} MINVALUE {})", seed.min(1)))
}

/// Translates an ALTER TABLE whose first words have been taken.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Plan, Refusal> {
    let name = cursor.object_name()?;
    if commas(cursor.rest()).len() > 1 {
        return Err(Refusal::near(","));
    }
    let head = format!("ALTER TABLE {}", name.quoted());
    let define = |sql: Vec<String>| {
        Plan::Define(Definition {
            locks: vec![name.clone()],
            sql,
            measures: Some(name.clone()),
            ..Definition::default()
        })
    };
    if cursor.word("ADD") {
        if constraint(&mut cursor.clone())?.is_some() {
            return Ok(define(Vec::new()));
        }
        cursor.word("COLUMN");
        let column = column(cursor, &name, Place::Add)?;
        let mut sql = vec![format!("{head} ADD COLUMN {}", column.whole())];
        sql.extend(column.remember(&name));
        return Ok(define(sql));
    }
    if cursor.words(&["DROP", "CONSTRAINT"]) {
        return Ok(define(Vec::new()));
    }
    if cursor.word("DROP") {
        cursor.word("COLUMN");
        let column = cursor.name()?;
        let cascade = cursor.word("CASCADE");
        cursor.word("RESTRICT");
        cursor.end()?;
        let cascade = if cascade { " CASCADE" } else { "" };
        return Ok(define(vec![format!("{head} DROP COLUMN {}{cascade}", quote_name(&column))]));
    }
    if cursor.words(&["RENAME", "TO"]) {
        let to = cursor.name()?;
        cursor.end()?;
        let sql = vec![format!("{head} RENAME TO {}", quote_name(&to))];
        return Ok(Plan::Define(Definition { locks: vec![name.clone()], sql, ..Definition::default() }));
    }
    if cursor.words(&["RENAME", "COLUMN"]) {
        let from = cursor.name()?;
        cursor.expect_word("TO")?;
        let to = cursor.name()?;
        cursor.end()?;
        return Ok(define(vec![format!("{head} RENAME COLUMN {} TO {}", quote_name(&from), quote_name(&to))]));
    }
    if cursor.words(&["OWNER", "TO"]) {
        return Ok(define(Vec::new()));
    }
    cursor.expect_word("ALTER")?;
    alter_attribute(cursor, &name, define)
}

/// What comes behind ALTER TABLE … ALTER.
fn alter_attribute(
    cursor: &mut Cursor<'_>,
    name: &ObjectName,
    define: impl Fn(Vec<String>) -> Plan,
) -> Result<Plan, Refusal> {
    if !attributes(&mut cursor.clone())?.is_empty() || cursor.word("DISTSTYLE") || cursor.words(&["ENCODE", "AUTO"]) {
        return Ok(define(Vec::new()));
    }
    cursor.expect_word("COLUMN")?;
    let column = cursor.name()?;
    if cursor.word("ENCODE") {
        return Ok(define(Vec::new()));
    }
    cursor.expect_word("TYPE")?;
    let found = types::take(cursor)?;
    cursor.end()?;
    match found.kind {
        TypeKind::Varchar(bytes) => Ok(Plan::Widen { table: name.clone(), column, bytes }),
        _ => Err(Refusal::new("ALTER COLUMN TYPE is only supported for VARCHAR columns")),
    }
}
