//! How Redshift lays a table out.

use lakehand_domain::shape::{ColumnType, Distribution, TableLayout};

use super::table::TableOutline;
use crate::definition::read::At;
use crate::definition::{self, DistStyle, JsonAs};
use crate::problem::Report;

/// Checks the layout of a table; `path` is where it stands.
pub(super) fn check(
    given: &definition::Redshift,
    table: &TableOutline<'_>,
    path: &str,
    report: &mut Report<'_>,
) -> Option<TableLayout> {
    let parsed_json = given.json.as_ref().is_some_and(|json| json.value == JsonAs::Super);
    let check = LayoutCheck { table, path, parsed_json };
    let distribution = check.distribution(given, report);
    let sort_key = check.sort_key(given, report);
    Some(TableLayout { distribution: distribution?, sort_key: sort_key?, parsed_json })
}

struct LayoutCheck<'c> {
    table: &'c TableOutline<'c>,
    path: &'c str,
    parsed_json: bool,
}

impl LayoutCheck<'_> {
    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn distribution(&self, given: &definition::Redshift, report: &mut Report<'_>) -> Option<Distribution> {
        let style = given.dist_style.as_ref();
        match (style.map(|style| style.value), &given.dist_key) {
            (None | Some(DistStyle::Key), Some(key)) => {
                self.column(key, "dist_key", report).then(|| Distribution::Key(key.value.clone()))
            }
            (Some(DistStyle::Key), None) => {
                let at = style.map_or(0, |style| style.at);
                report.advise(at, self.path("dist_style"), "is key, and no key is named", "name a column in dist_key");
                None
            }
            (Some(_), Some(key)) => {
                let hint = "remove it, or set dist_style = \"key\"";
                report.advise(key.at, self.path("dist_key"), "is only for dist_style key", hint);
                None
            }
            (Some(DistStyle::Even), None) => Some(Distribution::Even),
            (Some(DistStyle::All), None) => Some(Distribution::All),
            (None | Some(DistStyle::Auto), None) => Some(Distribution::Auto),
        }
    }

    fn sort_key(&self, given: &definition::Redshift, report: &mut Report<'_>) -> Option<Vec<String>> {
        let mut columns: Vec<String> = Vec::new();
        let mut fine = true;
        for name in given.sort_key.iter().flat_map(|key| &key.value) {
            if columns.contains(&name.value) {
                report.add(name.at, self.path("sort_key"), format!("{:?} stands here twice", name.value));
                fine = false;
            } else if self.column(name, "sort_key", report) {
                columns.push(name.value.clone());
            } else {
                fine = false;
            }
        }
        fine.then_some(columns)
    }

    /// Whether rows can be placed by this column. Where its type could not be read, that has been noted.
    fn column(&self, name: &At<String>, key: &str, report: &mut Report<'_>) -> bool {
        match self.table.column(&name.value).map(|column| column.column_type) {
            None => self.table.no_column(name, self.path(key), report),
            Some(Some(ColumnType::Json)) if self.parsed_json => {
                let message = format!("{:?} is json kept as super, by which rows cannot be placed", name.value);
                report.add(name.at, self.path(key), message);
            }
            Some(_) => return true,
        }
        false
    }
}
