//! How the rows of a table contend: the mode, and the keys that go with it.

use lakehand_domain::shape::{ColumnType, Contest, Run};

use super::source::CheckedSource;
use super::table::{Kind, TableOutline};
use crate::definition::read::At;
use crate::definition::{self, Mode, WithoutKey};
use crate::nearest::nearest;
use crate::pattern::Pattern;
use crate::problem::Report;

/// Whether a record whose key is all null gives no row, instead of being rejected.
pub(super) fn skips_without_key(table: &definition::Table) -> bool {
    table.rows_without_key.as_ref().is_some_and(|choice| choice.value == WithoutKey::Skip)
}

pub(super) fn check(
    table: &definition::Table,
    outline: &TableOutline<'_>,
    source: &CheckedSource,
    report: &mut Report<'_>,
) -> Option<Contest> {
    let check = ContestCheck { table, outline, source };
    let mode = table.mode.as_ref()?.value;
    let fine = check.check_keys_of(mode, report);
    match mode {
        Mode::Append => fine.then_some(Contest::Append { on_rewrite: source.on_rewrite }),
        Mode::Upsert => {
            let key = check.check_key(report);
            let version = match &table.version {
                Some(version) => check.check_version(version, report).map(Some),
                None => Some(None),
            };
            let contest = Contest::Upsert { key: key?, version: version? };
            fine.then_some(contest)
        }
        Mode::Replace => {
            let scope = check.check_scope(report);
            let run = check.check_run(report);
            let contest = Contest::Replace { scope: scope?, run: run.ok()? };
            fine.then_some(contest)
        }
    }
}

/// What decides the contest of one table.
struct ContestCheck<'c> {
    table: &'c definition::Table,
    outline: &'c TableOutline<'c>,
    source: &'c CheckedSource,
}

impl ContestCheck<'_> {
    fn path(&self, key: &str) -> String {
        format!("tables.{}.{key}", self.outline.name)
    }

    /// Notes keys that say something only in another mode, and says whether there were none.
    fn check_keys_of(&self, mode: Mode, report: &mut Report<'_>) -> bool {
        let table = self.table;
        let keys = [
            ("key", Mode::Upsert, table.key.as_ref().map(|key| key.at)),
            ("version", Mode::Upsert, table.version.as_ref().map(|version| version.at)),
            ("rows_without_key", Mode::Upsert, table.rows_without_key.as_ref().map(|choice| choice.at)),
            ("scope", Mode::Replace, table.scope.as_ref().map(|scope| scope.at)),
            ("run", Mode::Replace, table.run.as_ref().map(|run| run.at)),
            ("run_files", Mode::Replace, table.run_files.as_ref().map(|files| files.at)),
        ];
        let mut fine = true;
        for (key, of, at) in keys {
            let Some(at) = at.filter(|_| of != mode) else { continue };
            fine = false;
            let (of, mode) = (mode_text(of), mode_text(mode));
            let hint = format!("remove it, or set mode = \"{of}\"");
            report.advise(at, self.path(key), format!("is only for {of}, and mode is {mode}"), hint);
        }
        fine
    }

    fn check_key(&self, report: &mut Report<'_>) -> Option<Vec<String>> {
        let Some(key) = &self.table.key else {
            if !report.has_said(&self.path("key")) {
                let at = self.table.mode.as_ref().map_or(0, |mode| mode.at);
                report.advise(
                    at,
                    self.path("key"),
                    "is missing: upsert needs it",
                    "name the columns that make a row unique",
                );
            }
            return None;
        };
        if key.value.is_empty() {
            report.add(key.at, self.path("key"), "names no columns");
            return None;
        }
        let skip_without_key = skips_without_key(self.table);
        let mut columns: Vec<String> = Vec::with_capacity(key.value.len());
        let mut fine = true;
        for name in &key.value {
            let Some(column) = self.outline.column(&name.value) else {
                self.outline.no_column(name, self.path("key"), report);
                fine = false;
                continue;
            };
            let problem = if columns.contains(&name.value) {
                Some((format!("{:?} stands here twice", name.value), None))
            } else if matches!(column.column_type, Some(ColumnType::Json | ColumnType::Real | ColumnType::Double)) {
                let why = "whose values cannot be compared for being the same";
                Some((format!("{:?} is {}, {why}", name.value, column.type_text()), None))
            } else if skip_without_key && column.kind == Kind::Expression {
                let message =
                    format!("{:?} is an expression, which is not known yet when rows are skipped", name.value);
                Some((message, Some("use a field, a capture or a hash, or leave rows_without_key out")))
            } else if !skip_without_key && !self.is_required(&name.value, report) {
                let message = format!("key column {:?} must be required", name.value);
                Some((message, Some("add required = true to it, or set rows_without_key = \"skip\"")))
            } else {
                None
            };
            match problem {
                Some((message, Some(hint))) => report.advise(name.at, self.path("key"), message, hint),
                Some((message, None)) => report.add(name.at, self.path("key"), message),
                None => {
                    columns.push(name.value.clone());
                    continue;
                }
            }
            fine = false;
        }
        fine.then_some(columns)
    }

    /// Whether the column is required, or whether it says so cannot be known.
    fn is_required(&self, name: &str, report: &Report<'_>) -> bool {
        let mut columns = self.table.columns.iter().flat_map(|columns| &columns.value.read);
        let Some((_, column)) = columns.find(|(column, _)| column.value == name) else { return true };
        let required = column.value.required.as_ref().is_some_and(|required| required.value);
        required || report.has_said(&self.path(&format!("columns.{name}.required")))
    }

    fn check_version(&self, version: &At<String>, report: &mut Report<'_>) -> Option<String> {
        let Some(column) = self.outline.column(&version.value) else {
            self.outline.no_column(version, self.path("version"), report);
            return None;
        };
        if matches!(column.column_type, Some(ColumnType::Json | ColumnType::Boolean)) {
            let message = format!("{:?} is {}, which has no order", version.value, column.type_text());
            report.advise(version.at, self.path("version"), message, "use a number, text, date or time");
            return None;
        }
        Some(version.value.clone())
    }

    fn check_scope(&self, report: &mut Report<'_>) -> Option<Vec<String>> {
        let Some(scope) = &self.table.scope else {
            if !report.has_said(&self.path("scope")) {
                let at = self.table.mode.as_ref().map_or(0, |mode| mode.at);
                report.advise(
                    at,
                    self.path("scope"),
                    "is missing: replace needs it",
                    "name the captures that say which rows a file replaces, or write [] where each file replaces all",
                );
            }
            return None;
        };
        let mut captures: Vec<String> = Vec::with_capacity(scope.value.len());
        let mut fine = true;
        for capture in &scope.value {
            if captures.contains(&capture.value) {
                fine = false;
                report.add(capture.at, self.path("scope"), format!("{:?} stands here twice", capture.value));
            } else if self.is_captured(capture, "scope", report) {
                captures.push(capture.value.clone());
            } else {
                fine = false;
            }
        }
        fine.then_some(captures)
    }

    fn check_run(&self, report: &mut Report<'_>) -> Result<Option<Run>, Flawed> {
        let (run, files) = match (&self.table.run, &self.table.run_files) {
            (None, None) => return Ok(None),
            (Some(run), Some(files)) => (run, files),
            (Some(run), None) => {
                if !report.has_said(&self.path("run_files")) {
                    let message = "needs run_files: nothing else says when all files of a run are there";
                    let hint =
                        "name the capture that says how many they are, or leave run out: then each file is a run";
                    report.advise(run.at, self.path("run"), message, hint);
                }
                return Err(Flawed);
            }
            (None, Some(files)) => {
                if !report.has_said(&self.path("run")) {
                    let hint = "name the capture that names the run";
                    report.advise(files.at, self.path("run_files"), "needs run: it says whose files are counted", hint);
                }
                return Err(Flawed);
            }
        };
        let captured =
            [self.is_captured(run, "run", report), self.is_captured(files, "run_files", report)] == [true, true];
        if run.value == files.value {
            report.add(files.at, self.path("run_files"), "is the capture that names the run");
            return Err(Flawed);
        }
        let in_scope = self.table.scope.iter().flat_map(|scope| &scope.value);
        if let Some(in_scope) = in_scope.into_iter().find(|capture| capture.value == run.value) {
            let message = format!("{:?} names the run, so that each run would be a scope of its own", run.value);
            report.add(in_scope.at, self.path("scope"), message);
            return Err(Flawed);
        }
        let run = Run { capture: run.value.clone(), files: files.value.clone() };
        captured.then_some(Some(run)).ok_or(Flawed)
    }

    fn is_captured(&self, capture: &At<String>, key: &str, report: &mut Report<'_>) -> bool {
        is_captured(self.source, capture, self.path(key), report)
    }
}

/// Something is wrong, and was noted.
struct Flawed;

fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Append => "append",
        Mode::Upsert => "upsert",
        Mode::Replace => "replace",
    }
}

/// Whether every pattern captures this, noting the first that does not. Patterns that could not be read have had their
/// say already.
pub(super) fn is_captured(source: &CheckedSource, capture: &At<String>, path: String, report: &mut Report<'_>) -> bool {
    let patterns = source.patterns.iter().map(|pattern| &pattern.value);
    let lacking = patterns.clone().find(|pattern| !pattern.captures().contains(&capture.value));
    let Some(pattern) = lacking else { return source.all_patterns };
    let message = format!("{:?} does not capture {{{}}}", pattern.as_str(), capture.value);
    let known = patterns.flat_map(Pattern::captures).map(String::as_str);
    match nearest(&capture.value, known) {
        Some(meant) if meant != capture.value => {
            report.advise(capture.at, path, message, format!("did you mean {meant}?"));
        }
        _ => report.advise(capture.at, path, message, "every pattern of source.objects must"),
    }
    false
}
