//! An explanation, for people.

use std::fmt::Write as _;

use lakehand_operations::explain::{Explanation, GenerationAccount, StoreSays, TableAccount, Version};

use crate::output::{Grid, bytes, instant, number, plural};

/// The whole explanation as text.
pub(crate) fn render(explanation: &Explanation) -> String {
    let mut text = format!("{}\n\n", explanation.object);
    line(&mut text, "dataset", &routed(explanation));
    for (name, value) in &explanation.routing.captures {
        line(&mut text, "", &format!("{{{name}}} = {value}"));
    }
    for miss in &explanation.routing.near_misses {
        line(&mut text, "near", &format!("{} {:?}: {}", miss.dataset, miss.pattern, miss.why));
    }
    line(
        &mut text,
        "store",
        &match &explanation.store {
            StoreSays::Present { version, size, last_modified } => {
                format!("there: {}, written {}, version {version}", bytes(*size), instant(*last_modified))
            }
            StoreSays::Absent => "not there".to_owned(),
            StoreSays::Unknown { error } => format!("does not answer: {error}"),
        },
    );
    if explanation.versions.is_empty() {
        line(&mut text, "ledger", "never seen");
    }
    for version in &explanation.versions {
        text.push('\n');
        render_version(&mut text, version);
    }
    if !explanation.advice.is_empty() {
        text.push('\n');
        for advice in &explanation.advice {
            line(&mut text, "next", advice);
        }
    }
    text
}

fn routed(explanation: &Explanation) -> String {
    match &explanation.routing.dataset {
        Some(dataset) => dataset.to_string(),
        None => "none claims it".to_owned(),
    }
}

fn line(text: &mut String, label: &str, value: &str) {
    // A label as wide as its column still stands apart from its value.
    let _infallible = writeln!(text, "{label:<11} {value}");
}

fn render_version(text: &mut String, version: &Version) {
    let current = match version.is_current {
        Some(true) => " (the one that is there now)",
        Some(false) => " (not there any more)",
        None => "",
    };
    line(text, "version", &format!("{}{current}", version.object.version));
    line(
        text,
        "",
        &format!(
            "{}, written {}, first seen {}, dataset {}",
            bytes(version.object.size),
            instant(version.object.last_modified),
            instant(version.first_seen),
            version.dataset
        ),
    );
    for generation in &version.generations {
        render_generation(text, generation);
    }
    if version.live_load.is_none() {
        line(text, "live", "none: no rows of this version are in the warehouse");
    }
}

fn render_generation(text: &mut String, one: &GenerationAccount) {
    let live = if one.live { ", live" } else { "" };
    line(
        text,
        "generation",
        &format!("{}: {} since {}{live}, load {}", one.generation, one.state, instant(one.at), one.load),
    );
    if one.definition_in_use == Some(false) {
        line(text, "", "made by another definition than today's");
    }
    if let Some(worker) = &one.worker {
        let until = one.lease_expires_at.map(|at| format!(" until {}", instant(at))).unwrap_or_default();
        line(text, "worker", &format!("{worker}{until}"));
    }
    if let Some(at) = one.retry_at {
        line(text, "retry", &format!("after {}", instant(at)));
    }
    if one.attempts > 0 {
        line(text, "attempts", &format!("{} failed", one.attempts));
    }
    if let (Some(kind), Some(reason)) = (one.set_aside_kind, &one.set_aside_reason) {
        line(text, "set aside", &format!("{kind}: {reason}"));
    } else if let Some(error) = &one.last_error {
        line(text, "last error", error);
    }
    if let Some(summary) = &one.summary {
        line(
            text,
            "read",
            &format!("{}, {} rejected", plural(summary.records, "record"), number(summary.rejects.total())),
        );
        for (rule, count) in summary.rejects.iter() {
            line(text, "", &format!("{:>8}  {rule}", number(count)));
        }
        if let Some(manifest) = &summary.manifest {
            line(text, "parts", &format!("{} ({})", summary.parts, bytes(summary.bytes)));
            line(text, "manifest", manifest.as_str());
        }
        if let Some(quarantine) = &summary.quarantine {
            line(text, "quarantine", quarantine.as_str());
        }
    }
    if let Some(batch) = &one.batch {
        line(text, "batch", batch);
    }
    if let Some(error) = &one.warehouse_error {
        line(text, "warehouse", error);
    }
    if !one.tables.is_empty() {
        text.push('\n');
        text.push_str(&accounts(&one.tables));
        for table in &one.tables {
            render_account(text, table);
        }
    }
}

/// The table of where the records went.
fn accounts(tables: &[TableAccount]) -> String {
    let mut grid = Grid::new(&[
        "table",
        ">read",
        ">visible",
        ">deduplicated",
        ">filtered",
        ">waiting",
        ">rejected",
        ">other",
        "adds up",
    ]);
    for table in tables {
        let standing = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), number);
        grid.row(vec![
            table.table.clone(),
            number(table.records),
            standing(table.standing.map(|standing| standing.visible)),
            standing(table.standing.map(|standing| standing.lost)),
            standing(table.standing.map(|standing| standing.filtered)),
            standing(table.standing.map(|standing| standing.waiting)),
            number(table.rejected),
            table.other.to_string(),
            if table.adds_up { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    grid.text()
}

/// The same as an equation, so that nobody has to do the sum.
fn render_account(text: &mut String, table: &TableAccount) {
    let mut terms = match table.standing {
        Some(standing) => vec![
            format!("{} visible", number(standing.visible)),
            format!("{} deduplicated", number(standing.lost)),
            format!("{} filtered", number(standing.filtered)),
            format!("{} waiting", number(standing.waiting)),
        ],
        None => vec![format!("{} rows to be loaded", number(table.rows))],
    };
    terms.push(format!("{} rejected", number(table.rejected)));
    // Zero terms say nothing, but for the two that everybody looks for.
    terms.retain(|term| !term.starts_with("0 ") || term.ends_with("visible") || term.ends_with("rejected"));
    let other = match table.other {
        0 => String::new(),
        other if other > 0 => format!(" + {} without a row", number(other.unsigned_abs())),
        other => format!(" - {} rows more than records", number(other.unsigned_abs())),
    };
    let verdict = if table.adds_up { "adds up" } else { "DOES NOT ADD UP" };
    let note = table.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    if table.exploded {
        let elements = format!("{} from the lists of {}", plural(table.rows, "row"), plural(table.records, "record"));
        let rows: Vec<String> = terms.into_iter().filter(|term| !term.ends_with("rejected")).collect();
        let rejected = plural(table.rejected, "record");
        let sum = format!("{elements} = {}: {verdict}; {rejected} rejected with their lists", rows.join(" + "));
        line(text, &table.table, &sum);
        return;
    }
    let equation = format!("{} read = {}{other}: {verdict}{note}", plural(table.records, "record"), terms.join(" + "));
    line(text, &table.table, &equation);
}
