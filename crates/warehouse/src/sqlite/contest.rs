//! The standing of rows: which are visible, decided by SQL from the set of live loads alone, never from their order.

use lakehand_domain::id::FamilyId;
use lakehand_domain::shape::{ColumnType, Contest, OnRewrite, Run, TableShape};
use rusqlite::{Connection, params};

use super::ddl::quoted_list;
use super::fence::unsigned;
use super::names::{self, quote};
use super::physical::greatest_first;
use super::trouble::Trouble;
use crate::scope::{self, Said, WINS};

/// Keys whose rows came or went, in the connection's own temporary space.
const TOUCHED: &str = "temp.lakehand_touched";
/// What the markers say, or said, of which scopes loads came or went.
const SAID: &str = "temp.lakehand_said";

/// Whose standing is decided anew.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// All rows of the table: the contest itself changed.
    All,
    /// The rows of the touched keys or scopes, or of these objects, a JSON list of URIs.
    Touched {
        /// The objects whose live loads changed.
        objects: &'a str,
    },
}

/// The standing of a row before anything is known of its rivals.
pub(crate) fn unrivalled(table: &TableShape, prefix: &str) -> String {
    if table.has_where {
        format!("CASE WHEN {prefix}\"_passes\" = 0 THEN 'filtered' ELSE 'visible' END")
    } else {
        "'visible'".to_owned()
    }
}

/// Forgets which keys were touched.
pub(crate) fn touch_none(transaction: &Connection, table: &TableShape) -> Result<(), Trouble> {
    if let Contest::Upsert { key, .. } = &table.contest {
        // Made from the table itself, the columns compare as the key's do.
        transaction.execute_batch(&format!(
            "DROP TABLE IF EXISTS {TOUCHED}; CREATE TEMP TABLE lakehand_touched AS SELECT {} FROM {} WHERE 0",
            quoted_list("", key),
            quote(&names::rows(table)),
        ))?;
    }
    Ok(())
}

/// Remembers the keys of the rows of these loads, a JSON list.
pub(crate) fn touch(transaction: &Connection, table: &TableShape, loads: &str) -> Result<(), Trouble> {
    if let Contest::Upsert { key, .. } = &table.contest {
        let (key, rows) = (quoted_list("", key), quote(&names::rows(table)));
        transaction.execute(
            &format!(
                "INSERT INTO {TOUCHED} SELECT {key} FROM {rows} \
                 WHERE \"_load_id\" IN (SELECT value FROM json_each(?1))"
            ),
            [loads],
        )?;
    }
    Ok(())
}

/// Forgets which scopes were touched, and remembers those of these live loads, a JSON list, which are to go.
pub(crate) fn touch_scopes(transaction: &Connection, family: &FamilyId, loads: &str) -> Result<(), Trouble> {
    transaction.execute_batch(&format!(
        "DROP TABLE IF EXISTS {SAID}; CREATE TEMP TABLE lakehand_said (scopes TEXT NOT NULL)"
    ))?;
    touch_more_scopes(transaction, family, loads)
}

/// Remembers the scopes of these live loads as well.
pub(crate) fn touch_more_scopes(transaction: &Connection, family: &FamilyId, loads: &str) -> Result<(), Trouble> {
    let sql = format!(
        "INSERT INTO {SAID} SELECT DISTINCT scopes FROM {} WHERE load_id IN (SELECT value FROM json_each(?1))",
        names::markers(family)
    );
    transaction.execute(&sql, [loads])?;
    Ok(())
}

/// Forgets what was touched.
pub(crate) fn forget(transaction: &Connection) -> Result<(), Trouble> {
    Ok(transaction.execute_batch(&format!("DROP TABLE IF EXISTS {TOUCHED}; DROP TABLE IF EXISTS {SAID}"))?)
}

/// Decides standing anew within the scope. Markers of all live loads are written already.
pub(crate) fn recompute(
    transaction: &Connection,
    family: &FamilyId,
    table: &TableShape,
    scope: Scope<'_>,
) -> Result<(), Trouble> {
    match &table.contest {
        Contest::Upsert { key, version } => recompute_keys(transaction, table, key, version.as_deref(), scope),
        Contest::Append { on_rewrite: OnRewrite::Append } => recompute_uncontested(transaction, table, scope),
        Contest::Append { on_rewrite } => recompute_objects(transaction, family, table, *on_rewrite, scope),
        Contest::Replace { scope: parts, run } => {
            recompute_scopes(transaction, family, table, parts, run.as_ref(), scope)
        }
    }
}

/// Gives every row the standing that `decided` (its columns: id, was, standing) says, where it differs.
fn stand(table: &TableShape, decided: &str) -> String {
    // In the order of the rows the file is walked once; without a limit SQLite would drop the order.
    format!(
        "UPDATE {} AS kept SET \"_standing\" = decided.standing \
         FROM (SELECT id, standing FROM ({decided}) WHERE was <> standing ORDER BY id LIMIT -1) AS decided \
         WHERE kept._rowid_ = decided.id",
        quote(&names::rows(table)),
    )
}

fn recompute_keys(
    transaction: &Connection,
    table: &TableShape,
    key: &[String],
    version: Option<&str>,
    scope: Scope<'_>,
) -> Result<(), Trouble> {
    let mut order = Vec::new();
    if let Some(version) = version {
        let column_type =
            table.columns.iter().find(|column| column.name == version).map_or(ColumnType::Bigint, |c| c.column_type);
        order.push(greatest_first(&format!("r.{}", quote(version)), column_type));
    }
    // SQLite puts nulls last where it orders downwards, and compares text by its bytes.
    order.extend(["_order", "_object", "_record", "_element"].map(|name| format!("r.{} DESC", quote(name))));
    let rows = quote(&names::rows(table));
    let from = match scope {
        Scope::All => format!("{rows} AS r"),
        // CROSS JOIN keeps SQLite from reading the whole table to look for the few keys.
        Scope::Touched { .. } => {
            let on: Vec<String> = key.iter().map(|name| format!("r.{0} = t.{0}", quote(name))).collect();
            format!(
                "(SELECT DISTINCT {} FROM {TOUCHED}) AS t CROSS JOIN {rows} AS r ON {}",
                quoted_list("", key),
                on.join(" AND ")
            )
        }
    };
    let decided = format!(
        "SELECT id, was, CASE WHEN place > 1 THEN 'lost' ELSE unrivalled END AS standing FROM (\
           SELECT r._rowid_ AS id, r.\"_standing\" AS was, {} AS unrivalled, \
           row_number() OVER (PARTITION BY {} ORDER BY {}) AS place FROM {from})",
        unrivalled(table, "r."),
        quoted_list("r.", key),
        order.join(", "),
    );
    transaction.execute(&stand(table, &decided), [])?;
    Ok(())
}

/// The rows of one version of each object stand: of the newest live load, or of the oldest. The markers say which are
/// live, for a version without rows takes part as well.
fn recompute_objects(
    transaction: &Connection,
    family: &FamilyId,
    table: &TableShape,
    on_rewrite: OnRewrite,
    scope: Scope<'_>,
) -> Result<(), Trouble> {
    let direction = if on_rewrite == OnRewrite::Ignore { "ASC" } else { "DESC" };
    let rows = quote(&names::rows(table));
    let (from, of_objects, objects) = match scope {
        Scope::All => (format!("{rows} AS r"), "", None),
        Scope::Touched { objects } => (
            format!("json_each(?2) AS t CROSS JOIN {rows} AS r ON r.\"_object\" = t.value"),
            "AND object IN (SELECT value FROM json_each(?2))",
            Some(objects),
        ),
    };
    let decided = format!(
        "WITH live AS (\
           SELECT load_id, row_number() OVER (PARTITION BY object ORDER BY version_order {direction}, entry) AS place \
           FROM {} WHERE dataset = ?1 {of_objects}) \
         SELECT r._rowid_ AS id, r.\"_standing\" AS was, \
           CASE WHEN r.\"_load_id\" IN (SELECT load_id FROM live WHERE place = 1) \
           THEN {} ELSE 'lost' END AS standing FROM {from}",
        names::markers(family),
        unrivalled(table, "r."),
    );
    let sql = stand(table, &decided);
    match objects {
        Some(objects) => transaction.execute(&sql, params![table.dataset.as_str(), objects])?,
        None => transaction.execute(&sql, params![table.dataset.as_str()])?,
    };
    Ok(())
}

/// The rows of one run of each scope stand. The markers say which loads are live, for one without rows speaks as well.
fn recompute_scopes(
    transaction: &Connection,
    family: &FamilyId,
    table: &TableShape,
    parts: &[String],
    run: Option<&Run>,
    scope: Scope<'_>,
) -> Result<(), Trouble> {
    let column = |name: &str| format!("m.{}", quote(name));
    let (object, order) = (column("object"), column("version_order"));
    let said = Said {
        scope: parts.iter().map(|part| said("m", part)).collect(),
        run: run.map_or_else(|| object.clone(), |run| said("m", &run.capture)),
        files: run.map_or_else(|| "1".to_owned(), |run| format!("CAST({} AS INTEGER)", said("m", &run.files_said()))),
        object,
        order,
        load: column("load_id"),
        entry: column("entry"),
    };
    let of_touched = if matches!(scope, Scope::Touched { .. }) && !parts.is_empty() {
        let touched: Vec<String> = parts.iter().map(|part| self::said("t", part)).collect();
        format!(" AND ({}) IN (SELECT {} FROM {SAID} AS t)", said.scope.join(", "), touched.join(", "))
    } else {
        String::new()
    };
    let markers = format!("{} AS m WHERE m.dataset = ?1{of_touched}", names::markers(family));
    let decided = format!(
        "SELECT r._rowid_ AS id, r.\"_standing\" AS was, CASE v.\"verdict\" WHEN '{WINS}' THEN {} ELSE v.\"verdict\" END \
         AS standing FROM ({}) AS v CROSS JOIN {} AS r ON r.\"_load_id\" = v.\"of_load\"",
        unrivalled(table, "r."),
        scope::verdicts(&said, &markers),
        quote(&names::rows(table)),
    );
    transaction.execute(&stand(table, &decided), params![table.dataset.as_str()])?;
    Ok(())
}

/// What a marker says by this name. A name is a capture's, with nothing in it that JSON or SQL take for theirs.
fn said(alias: &str, name: &str) -> String {
    format!("json_extract({alias}.scopes, '$.\"{name}\"')")
}

/// How many rows are of loads that have not said all that the contest must know.
pub(crate) fn count_unsaid(transaction: &Connection, family: &FamilyId, table: &TableShape) -> Result<u64, Trouble> {
    let names = table.contest.must_be_said();
    if names.is_empty() {
        return Ok(0);
    }
    let lacking: Vec<String> = names.iter().map(|name| format!("{} IS NULL", said("m", name))).collect();
    let sql = format!(
        "SELECT count(*) FROM {} AS r JOIN {} AS m ON m.load_id = r.\"_load_id\" WHERE {}",
        quote(&names::rows(table)),
        names::markers(family),
        lacking.join(" OR ")
    );
    unsigned(transaction.query_row(&sql, [], |row| row.get(0))?)
}

fn recompute_uncontested(transaction: &Connection, table: &TableShape, scope: Scope<'_>) -> Result<(), Trouble> {
    // A row that has no rivals has its standing since it was added.
    if matches!(scope, Scope::Touched { .. }) {
        return Ok(());
    }
    let decided = format!(
        "SELECT r._rowid_ AS id, r.\"_standing\" AS was, {} AS standing FROM {} AS r",
        unrivalled(table, "r."),
        quote(&names::rows(table))
    );
    transaction.execute(&stand(table, &decided), [])?;
    Ok(())
}
