//! What a run came to, for people and machines.

use std::collections::BTreeMap;

use lakehand_daemon::RunReport;
use serde::Serialize;

use crate::output::{Grid, Page, number, plural, took};

/// The last line of `run --output json`. Its keys are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    event: &'static str,
    clean: bool,
    started: String,
    ended: String,
    duration_ms: u128,
    messages: u64,
    files: BTreeMap<String, u64>,
    set_aside: BTreeMap<&'static str, u64>,
    ignored: BTreeMap<String, u64>,
    records: u64,
    accepted: u64,
    rejected: u64,
    rejected_by: BTreeMap<String, u64>,
    rows_loaded: BTreeMap<String, BTreeMap<String, u64>>,
    unfinished: Vec<UnfinishedTold>,
}

#[derive(Debug, Serialize)]
struct UnfinishedTold {
    dataset: Option<String>,
    count: u64,
    message: String,
}

impl Told {
    /// The report as it is told.
    pub(crate) fn of(report: &RunReport) -> Self {
        let tally = &report.tally;
        let rejected = tally.rejects.total();
        Self {
            event: "ended",
            clean: report.is_clean(),
            started: report.started.to_string(),
            ended: report.ended.to_string(),
            duration_ms: report.ended.since(report.started).as_millis(),
            messages: tally.messages,
            files: outcomes(report).into_iter().map(|(name, count)| (name.replace(' ', "_"), count)).collect(),
            set_aside: tally.set_aside.iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
            ignored: tally.ignored.clone(),
            records: tally.records,
            accepted: tally.records.saturating_sub(rejected),
            rejected,
            rejected_by: tally.rejects.iter().map(|(rule, count)| (rule.to_owned(), count)).collect(),
            rows_loaded: tally.rows.iter().map(|(dataset, rows)| (dataset.to_string(), rows.clone())).collect(),
            unfinished: report
                .unfinished
                .iter()
                .map(|one| UnfinishedTold {
                    dataset: one.dataset.as_ref().map(ToString::to_string),
                    count: one.count,
                    message: one.message.clone(),
                })
                .collect(),
        }
    }
}

fn outcomes(report: &RunReport) -> [(&'static str, u64); 6] {
    let tally = &report.tally;
    [
        ("written", tally.written),
        ("loaded", tally.loaded),
        ("set aside", tally.set_aside_total()),
        ("done before", tally.done_before),
        ("retried", tally.retried),
        ("sent back", tally.sent_back),
    ]
}

/// The report as text.
pub(crate) fn render(report: &RunReport) -> String {
    let tally = &report.tally;
    let mut page = Page::default();

    let mut files = Grid::new(&["files", ">count"]);
    for (name, count) in outcomes(report) {
        // What nobody needs to look at is said only where it happened.
        if count > 0 || matches!(name, "loaded" | "set aside") {
            files.row(vec![name.to_owned(), number(count)]);
        }
        if name == "set aside" {
            for (kind, count) in &tally.set_aside {
                files.row(vec![format!("  {kind}"), number(*count)]);
            }
        }
    }
    page.table(&files);

    let mut ignored = Grid::new(&["asked for nothing", ">count"]);
    for (what, count) in &tally.ignored {
        ignored.row(vec![what.clone(), number(*count)]);
    }
    if !ignored.is_empty() {
        page.gap();
        page.table(&ignored);
    }

    let rejected = tally.rejects.total();
    let mut records = Grid::new(&["records", ">count"]);
    records.row(vec!["read".to_owned(), number(tally.records)]);
    records.row(vec!["accepted".to_owned(), number(tally.records.saturating_sub(rejected))]);
    records.row(vec!["rejected".to_owned(), number(rejected)]);
    for (rule, count) in tally.rejects.iter() {
        records.row(vec![format!("  {rule}"), number(count)]);
    }
    page.gap();
    page.table(&records);

    let mut rows = Grid::new(&["table", ">rows loaded"]);
    for (dataset, tables) in &tally.rows {
        for (table, count) in tables {
            rows.row(vec![format!("{dataset}.{table}"), number(*count)]);
        }
    }
    if !rows.is_empty() {
        page.gap();
        page.table(&rows);
    }

    if !report.unfinished.is_empty() {
        page.gap();
        page.line("unfinished");
        for one in &report.unfinished {
            let dataset = one.dataset.as_ref().map(|dataset| format!("{dataset}: ")).unwrap_or_default();
            let count = if one.count > 0 { format!("{}: ", number(one.count)) } else { String::new() };
            page.line(format!("  {dataset}{count}{}", one.message));
        }
    }
    page.gap();
    let took = took(report.ended.since(report.started));
    page.line(format!("{} in {took}", plural(tally.messages, "message")));
    if tally.set_aside_total() > 0 {
        page.line("why files were set aside: lakehand loads --state set_aside, lakehand explain FILE");
    }
    page.into_text()
}
