//! Scopes and runs, as the names of sample objects say them.

use std::collections::BTreeMap;

use lakehand_domain::shape::{Contest, Run};

/// What the name of an object says of scope and run: `dayrn`, of which all but the last digit name the run. The first
/// run of a day has one file, others two, and who ends in a nine says that there are three.
pub(super) fn said(object: u32) -> BTreeMap<String, String> {
    let (day, run) = (object / 100, object / 10);
    let files = match (object / 10 % 10, object % 10) {
        (0, _) => 1,
        (_, 9) => 3,
        _ => 2,
    };
    let said = [("day", day.to_string()), ("run", run.to_string()), ("#files", files.to_string())];
    said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Replaced by scope, of which these captures are the parts; by runs of several files or by single ones.
pub(super) fn replace(scope: &[&str], has_runs: bool) -> Contest {
    let run = Run { capture: "run".to_owned(), files: "files".to_owned() };
    Contest::Replace { scope: scope.iter().map(|part| (*part).to_owned()).collect(), run: has_runs.then_some(run) }
}
