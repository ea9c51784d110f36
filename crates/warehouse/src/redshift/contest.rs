//! The standing of rows: which are visible, decided by SQL from the set of live loads alone, never from their order.

use lakehand_domain::id::DatasetId;
use lakehand_domain::shape::{ColumnType, Contest, OnRewrite, Run, TableShape};

use super::physical::{comparable, comparable_text};
use super::sql::{literal, quote};
use crate::scope::{self, Said, WINS};

/// Whose standing is decided anew.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// All rows of the table: the contest itself changed.
    All,
    /// The rows of the keys, or of the scopes, in this table; see [`touched_columns`] and [`touched_parts`].
    Keys {
        /// As statements name it.
        touched: &'a str,
    },
    /// The rows of the objects in this list of loads, in its column `object`.
    Objects {
        /// As statements name it.
        list: &'a str,
    },
}

/// The standing of a row before anything is known of its rivals.
pub(crate) fn unrivalled(table: &TableShape, prefix: &str) -> String {
    if table.has_where {
        format!("CASE WHEN {prefix}\"_passes\" = FALSE THEN 'filtered' ELSE 'visible' END")
    } else {
        "'visible'".to_owned()
    }
}

/// The columns of a table of touched keys: what stands for the values of the key, with their names there. `value` gives a
/// column of the key as an expression.
pub(crate) fn touched_columns(table: &TableShape, key: &[String], value: impl Fn(&str) -> String) -> String {
    let column = |(at, name): (usize, &String)| {
        format!("{} AS \"key_{at}\"", comparable(&value(name), column_type(table, name)))
    };
    key.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
}

/// The columns of a table of touched scopes: the parts of the scope by what a marker says, in the column `scopes` of `alias`.
pub(crate) fn touched_parts(parts: &[String], alias: &str) -> String {
    let column = |(at, part): (usize, &String)| format!("{} AS \"key_{at}\"", comparable_text(&said(alias, part)));
    parts.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
}

/// What a marker says by this name; null where it does not. Some versions of Redshift give an empty text for that, which
/// no capture is.
fn said(alias: &str, name: &str) -> String {
    format!("NULLIF(JSON_EXTRACT_PATH_TEXT({alias}.\"scopes\", {}), '')", literal(name))
}

fn column_type(table: &TableShape, name: &str) -> ColumnType {
    table.columns.iter().find(|column| column.name == name).map_or(ColumnType::Bigint, |column| column.column_type)
}

/// The statement that decides standing anew within the scope, in `rows`; `None` where nothing can have changed. The
/// markers of all live loads are written already.
pub(crate) fn recompute(rows: &str, markers: &str, table: &TableShape, scope: Scope<'_>) -> Option<String> {
    match &table.contest {
        Contest::Upsert { key, version } => Some(recompute_keys(rows, table, key, version.as_deref(), scope)),
        Contest::Append { on_rewrite: OnRewrite::Append } => {
            // A row that has no rivals has its standing since it was added.
            let unrivalled = unrivalled(table, "");
            let all = matches!(scope, Scope::All);
            all.then(|| format!("UPDATE {rows} SET \"_standing\" = {unrivalled} WHERE \"_standing\" <> {unrivalled}"))
        }
        Contest::Append { on_rewrite } => Some(recompute_objects(rows, markers, table, *on_rewrite, scope)),
        Contest::Replace { scope: parts, run } => {
            Some(recompute_scopes(rows, markers, table, parts, run.as_ref(), scope))
        }
    }
}

/// A row is known by its load, its record and its element; decided are those whose standing differs.
fn recompute_keys(rows: &str, table: &TableShape, key: &[String], version: Option<&str>, scope: Scope<'_>) -> String {
    let compared = |name: &str| comparable(&format!("r.{}", quote(name)), column_type(table, name));
    let mut order = Vec::new();
    if let Some(version) = version {
        order.push(format!("{} DESC NULLS LAST", compared(version)));
    }
    for text in ["_order", "_object"] {
        order.push(format!("{} DESC", comparable_text(&format!("r.{}", quote(text)))));
    }
    order.push("r.\"_record\" DESC".to_owned());
    order.push("r.\"_element\" DESC NULLS LAST".to_owned());
    let partition: Vec<String> = key.iter().map(|name| compared(name)).collect();
    let from = match scope {
        Scope::Keys { touched } => {
            let on: Vec<String> =
                partition.iter().enumerate().map(|(at, value)| format!("{value} = t.\"key_{at}\"")).collect();
            format!("{rows} AS r JOIN {touched} AS t ON {}", on.join(" AND "))
        }
        Scope::All | Scope::Objects { .. } => format!("{rows} AS r"),
    };
    format!(
        "UPDATE {rows} SET \"_standing\" = decided.\"standing\" FROM (\
         SELECT ranked.\"of_load\", ranked.\"of_record\", ranked.\"of_element\", ranked.\"standing\" FROM (\
         SELECT r.\"_load_id\" AS \"of_load\", r.\"_record\" AS \"of_record\", COALESCE(r.\"_element\", 0) AS \
         \"of_element\", r.\"_standing\" AS \"was\", CASE WHEN ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) > 1 \
         THEN 'lost' ELSE {} END AS \"standing\" FROM {from}) AS ranked \
         WHERE ranked.\"was\" <> ranked.\"standing\") AS decided \
         WHERE \"_load_id\" = decided.\"of_load\" AND \"_record\" = decided.\"of_record\" \
         AND COALESCE(\"_element\", 0) = decided.\"of_element\"",
        partition.join(", "),
        order.join(", "),
        unrivalled(table, "r."),
    )
}

/// The rows of one version of each object stand: of the newest live load, or of the oldest. The markers say which are
/// live, for a version without rows takes part as well.
fn recompute_objects(rows: &str, markers: &str, table: &TableShape, on_rewrite: OnRewrite, scope: Scope<'_>) -> String {
    let direction = if on_rewrite == OnRewrite::Ignore { "ASC" } else { "DESC" };
    let of_scope = match scope {
        Scope::Objects { list } => format!(" AND {}", object_in("m", list)),
        Scope::All | Scope::Keys { .. } => String::new(),
    };
    let standing = format!("CASE WHEN live.\"place\" = 1 THEN {} ELSE 'lost' END", unrivalled(table, ""));
    format!(
        "UPDATE {rows} SET \"_standing\" = {standing} FROM (\
         SELECT m.\"load_id\" AS \"of_load\", ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {} {direction}, m.\"entry\") \
         AS \"place\" FROM {markers} AS m WHERE m.\"dataset\" = {}{of_scope}) AS live \
         WHERE \"_load_id\" = live.\"of_load\" AND \"_standing\" <> {standing}",
        comparable_text("m.\"object\""),
        comparable_text("m.\"version_order\""),
        literal(table.dataset.as_str()),
    )
}

/// The rows of one run of each scope stand. The markers say which loads are live, for one without rows speaks as well.
fn recompute_scopes(
    rows: &str,
    markers: &str,
    table: &TableShape,
    parts: &[String],
    run: Option<&Run>,
    scope: Scope<'_>,
) -> String {
    let object = comparable_text("m.\"object\"");
    let said_by = Said {
        scope: parts.iter().map(|part| comparable_text(&said("m", part))).collect(),
        run: run.map_or_else(|| object.clone(), |run| comparable_text(&said("m", &run.capture))),
        files: run.map_or_else(|| "1".to_owned(), |run| format!("CAST({} AS BIGINT)", said("m", &run.files_said()))),
        object,
        order: comparable_text("m.\"version_order\""),
        load: "m.\"load_id\"".to_owned(),
        entry: "m.\"entry\"".to_owned(),
    };
    let of = match scope {
        Scope::Keys { touched } => {
            let on = said_by.scope.iter().enumerate().map(|(at, part)| format!("{part} = t.\"key_{at}\""));
            format!("{markers} AS m JOIN {touched} AS t ON {}", on.collect::<Vec<_>>().join(" AND "))
        }
        Scope::All | Scope::Objects { .. } => format!("{markers} AS m"),
    };
    let of = format!("{of} WHERE m.\"dataset\" = {}", literal(table.dataset.as_str()));
    let standing =
        format!("CASE live.\"verdict\" WHEN '{WINS}' THEN {} ELSE live.\"verdict\" END", unrivalled(table, ""));
    format!(
        "UPDATE {rows} SET \"_standing\" = {standing} FROM ({}) AS live \
         WHERE \"_load_id\" = live.\"of_load\" AND \"_standing\" <> {standing}",
        scope::verdicts(&said_by, &of)
    )
}

/// The select that counts the rows of loads that have not said all that the contest must know; `None` where it must know
/// nothing.
pub(crate) fn count_unsaid(rows: &str, markers: &str, table: &TableShape) -> Option<String> {
    let names = table.contest.must_be_said();
    let lacking: Vec<String> = names.iter().map(|name| format!("{} IS NULL", said("m", name))).collect();
    (!lacking.is_empty()).then(|| {
        format!(
            "SELECT COUNT(*) FROM {rows} AS r JOIN {markers} AS m ON m.\"load_id\" = r.\"_load_id\" WHERE {}",
            lacking.join(" OR ")
        )
    })
}

/// The count of markers of other entries that have an object of the list, and so contend with what is loaded.
pub(crate) fn count_rivals(markers: &str, list: &str, dataset: &DatasetId) -> String {
    format!(
        "SELECT COUNT(*) FROM {markers} AS m WHERE m.\"dataset\" = {} AND {} AND m.\"entry\" NOT IN (SELECT \"entry\" \
         FROM {list})",
        literal(dataset.as_str()),
        object_in("m", list),
    )
}

fn object_in(alias: &str, list: &str) -> String {
    format!(
        "{} IN (SELECT {} FROM {list})",
        comparable_text(&format!("{alias}.\"object\"")),
        comparable_text("\"object\"")
    )
}
