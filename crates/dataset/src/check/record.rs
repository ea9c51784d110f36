//! The checks: what must hold between the rows that are made of one record.

use super::table::TableOutline;
use super::{name, query};
use crate::dataset::RecordCheck;
use crate::definition;
use crate::definition::read::{At, Entries};
use crate::problem::Report;

/// Each is one more pass over all rows.
const MOST_CHECKS: usize = 50;

/// Those that have no problems.
pub(super) fn check_all(
    given: &At<Entries<definition::Check>>,
    tables: &[TableOutline<'_>],
    report: &mut Report<'_>,
) -> Vec<RecordCheck> {
    let entries = &given.value.read;
    if entries.len() > MOST_CHECKS {
        let told = format!("there are {} checks; at most {MOST_CHECKS} are allowed", entries.len());
        report.add(given.at, "checks", told);
    }
    let checked = entries.iter().map(|(name, check)| {
        let named = name::check_check(name, report);
        let check = &check.value;
        if let Some(message) = check.message.as_ref().filter(|message| message.value.trim().is_empty()) {
            let path = format!("checks.{}.message", name.value);
            report.advise(message.at, path, "is empty", "say what is wrong with the record, or leave it out");
        }
        let sql = check.sql.as_ref()?;
        let query = query::check(sql, &format!("checks.{}.sql", name.value), tables, report)?;
        named.then(|| RecordCheck {
            name: name.value.clone(),
            sql: sql.value.trim().to_owned(),
            message: check.message.as_ref().map(|message| message.value.trim().to_owned()),
            query,
        })
    });
    checked.collect::<Vec<_>>().into_iter().flatten().collect()
}
