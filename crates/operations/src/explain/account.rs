//! The arithmetic: every record that was read is a row, or rejected, or accounted for by the table's own rule.

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::LoadSummary;
use lakehand_domain::shape::Contest;
use lakehand_domain::warehousing::TableStanding;
use serde::Serialize;

/// Where the records of one load went, for one table:
/// `records = visible + lost + filtered + waiting + rejected + other` once it is loaded, and
/// `records = rows + rejected + other` before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableAccount {
    /// The table.
    pub table: String,
    /// Records read.
    pub records: u64,
    /// Rows written, whatever their standing.
    pub rows: u64,
    /// Rejected records.
    pub rejected: u64,
    /// How the rows stand in the warehouse; `None` before they are loaded, or where the warehouse did not say.
    pub standing: Option<Standing>,
    /// Records that gave no row here because they have no key (above zero), or that gave more than one row because the
    /// table has one for each element of a list (below zero, where elements are more than records).
    pub other: i64,
    /// Whether rows are elements of a list: then records say nothing of how many there should be.
    pub exploded: bool,
    /// Whether nothing is missing and nothing is too much.
    pub adds_up: bool,
    /// What does not add up, what `other` is, or what rows wait for.
    pub note: Option<String>,
}

/// How the rows of a load stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Standing {
    /// Readers see them.
    pub visible: u64,
    /// A newer row of the same key, or a newer version of the object, stands in their place.
    pub lost: u64,
    /// They do not pass the table's `where`.
    pub filtered: u64,
    /// Their parents are not visible, or their run is not complete.
    pub waiting: u64,
}

impl Standing {
    fn total(self) -> u64 {
        self.visible + self.lost + self.filtered + self.waiting
    }
}

/// The account of one table. `dataset` is its definition, where it is known still; `standing` what the warehouse said of
/// the load, table by table.
pub(crate) fn account(
    name: &str,
    dataset: Option<&Dataset>,
    summary: &LoadSummary,
    standing: Option<&[TableStanding]>,
) -> TableAccount {
    let table = dataset.and_then(|dataset| dataset.table(name));
    let rows = summary.rows.get(name).copied().unwrap_or(0);
    let rejected = summary.rejects.total();
    let standing = standing.map(|all| {
        all.iter().find(|one| one.table == name).map_or(Standing::default(), |one| Standing {
            visible: one.visible,
            lost: one.lost,
            filtered: one.filtered,
            waiting: one.waiting,
        })
    });
    let counted = standing.map_or(rows, Standing::total);
    let other = signed(summary.records) - signed(rejected) - signed(counted);
    let (exploded, may_skip) =
        table.map_or((true, true), |table| (table.shape.exploded, table.skip_without_key && !table.shape.exploded));
    let mut note = None;
    let mut adds_up = true;
    if counted != rows {
        adds_up = false;
        note = Some(format!("the manifest has {rows} rows, the warehouse {counted}"));
    } else if exploded {
        note = (other != 0).then(|| match table {
            Some(_) => {
                format!(
                    "one row for each list element: {counted} rows of {} records",
                    summary.records.saturating_sub(rejected)
                )
            }
            None => "the dataset's definition is gone, so that its rule for rows is not known".to_owned(),
        });
    } else if may_skip && other > 0 {
        note = Some(format!("records without a key, which give no row here: {other}"));
    } else if other > 0 {
        adds_up = false;
        note = Some(format!("records missing: {other}"));
    } else if other < 0 {
        adds_up = false;
        note = Some(format!("rows too many: {}", -other));
    } else if standing.is_some_and(|standing| standing.waiting > 0) {
        note = dataset.and_then(|dataset| waits_for(dataset, name));
    }
    TableAccount {
        table: name.to_owned(),
        records: summary.records,
        rows,
        rejected,
        standing,
        other,
        exploded,
        adds_up,
        note,
    }
}

/// What rows of a table wait for: a record waits in all tables of its dataset for what it references in any.
fn waits_for(dataset: &Dataset, table: &str) -> Option<String> {
    let contest = &dataset.table(table)?.shape.contest;
    if matches!(contest, Contest::Replace { run: Some(_), .. }) {
        return Some("waiting for the other files of their run".to_owned());
    }
    let references = dataset.tables.iter().flat_map(|table| &table.shape.references);
    let named =
        references.map(|one| format!("{} to be visible in {}.{}.{}", one.column, one.dataset, one.table, one.to));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("waiting for {}", named.join(", or ")))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
