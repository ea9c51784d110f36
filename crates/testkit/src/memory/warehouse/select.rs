//! The little SQL that people's questions in tests need: `SELECT columns FROM table [ORDER BY columns]`.

use lakehand_domain::port::warehouse::QueryAnswer;
use lakehand_domain::shape::lineage;

use super::state::{Cell, Family, Kept, Standing, State, Table, rows_name, view_name};

/// What is asked for of each row.
enum Item {
    Column(String),
    Text(String),
}

pub(super) fn select(state: &State, sql: &str, limit: usize) -> Result<QueryAnswer, String> {
    let sql = sql.trim().trim_end_matches(';');
    let rest = sql.strip_prefix("SELECT ").ok_or("only SELECT is answered")?;
    let (items, rest) = rest.split_once(" FROM ").ok_or("there is no FROM")?;
    let (from, order) = rest.split_once(" ORDER BY ").unwrap_or((rest, ""));
    let (family, table, is_view) = find(state, from.trim()).ok_or_else(|| format!("there is no table {from}"))?;
    let known = columns(table, is_view);
    let items: Vec<Item> = match items.trim() {
        "*" => known.iter().cloned().map(Item::Column).collect(),
        items => items.split(',').map(|item| read(item.trim(), &known)).collect::<Result<_, _>>()?,
    };
    let order: Vec<String> = match order.trim() {
        "" => Vec::new(),
        "1" => items.iter().take(1).map(name).collect(),
        order => order.split(',').map(|column| column.trim().to_owned()).collect(),
    };
    let name_of_table = view_name(&table.shape);
    let seen = |kept: &&Kept| kept.table == name_of_table && (!is_view || kept.standing == Standing::Visible);
    let mut rows: Vec<&Kept> = family.rows().filter(seen).collect();
    rows.sort_by_cached_key(|kept| -> Vec<Option<Cell>> {
        order.iter().map(|column| kept.row.value(column).cloned()).collect()
    });
    let value = |kept: &Kept, item: &Item| match item {
        Item::Text(text) => Some(text.clone()),
        Item::Column(column) if column == lineage::STANDING => Some(kept.standing.as_str().to_owned()),
        Item::Column(column) => kept.text(column),
    };
    let rows = rows.into_iter().take(limit).map(|kept| items.iter().map(|item| value(kept, item)).collect()).collect();
    Ok(QueryAnswer { columns: items.iter().map(name).collect(), rows })
}

fn find<'a>(state: &'a State, name: &str) -> Option<(&'a Family, &'a Table, bool)> {
    state.all().find_map(|family| {
        let table = family
            .tables
            .values()
            .find(|table| [view_name(&table.shape), rows_name(&table.shape)].contains(&name.to_owned()))?;
        Some((family, table, view_name(&table.shape) == name))
    })
}

fn columns(table: &Table, is_view: bool) -> Vec<String> {
    let declared = if is_view { &table.shape.columns } else { &table.columns };
    let mut columns: Vec<String> = declared.iter().map(|column| column.name.clone()).collect();
    columns.extend(table.shape.lineage().into_iter().map(|column| column.name));
    if !is_view {
        columns.push(lineage::STANDING.to_owned());
    }
    columns
}

fn read(item: &str, known: &[String]) -> Result<Item, String> {
    if let Some(text) = item.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Ok(Item::Text(text.to_owned()));
    }
    if known.iter().any(|column| column == item) {
        return Ok(Item::Column(item.to_owned()));
    }
    Err(format!("there is no column {item}"))
}

fn name(item: &Item) -> String {
    match item {
        Item::Column(name) | Item::Text(name) => name.clone(),
    }
}
