//! The arithmetic: every record that was read is a row, or rejected, or accounted for by the table's own rule.

use lakehand_dataset::dataset::Table;
use lakehand_domain::entry::LoadSummary;
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
    /// What does not add up, or what `other` is.
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
    /// Their parents are not visible yet.
    pub waiting: u64,
}

impl Standing {
    fn total(self) -> u64 {
        self.visible + self.lost + self.filtered + self.waiting
    }
}

/// The account of one table. `table` is its definition, where it is known still; `standing` what the warehouse said of
/// the load, table by table.
pub(crate) fn account(
    name: &str,
    table: Option<&Table>,
    summary: &LoadSummary,
    standing: Option<&[TableStanding]>,
) -> TableAccount {
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

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
