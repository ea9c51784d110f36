//! `lakehand loads`: what became of files.

use std::collections::BTreeMap;

use lakehand_domain::entry::StateName;
use lakehand_domain::id::DatasetId;
use lakehand_domain::timestamp::Timestamp;
use lakehand_operations::loads::{Load, Loads, LoadsQuery, loads};

use crate::cli::{LoadsArgs, State};
use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure, say};
use crate::output::{Grid, Page, cut, instant, maybe_number, number, plural};
use crate::settings::unit::parse_duration;

/// Lists what became of files.
pub(crate) async fn run(context: &Context, args: LoadsArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let clock = compose::clock();
    let since = args
        .since
        .as_deref()
        .map(|text| instant_of("--since", text, clock.now()))
        .transpose()
        .map_err(Failure::Asked)?;
    let query = LoadsQuery {
        dataset: args.dataset.map(DatasetId::new),
        state: args.state.map(state_name),
        since,
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let answer = if let Some(ledger) = compose::existing_ledger(&settings).await? {
        loads(ledger.as_ref(), &query).await.map_err(|error| Failure::Outside(error.into()))?
    } else {
        say(&format!("lakehand: there is no ledger at {} yet: nothing was processed", settings.ledger));
        Loads::default()
    };
    if context.output.is_json() {
        context.output.json(&answer)?;
    } else {
        context.output.text(&render(&answer))?;
    }
    Ok(Ending::Well)
}

fn state_name(state: State) -> StateName {
    match state {
        State::Claimed => StateName::Claimed,
        State::Written => StateName::Written,
        State::Loaded => StateName::Loaded,
        State::SetAside => StateName::SetAside,
    }
}

/// An instant, or how long ago it was.
pub(crate) fn instant_of(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(ago) = parse_duration(text) {
        return Ok(now.minus(ago));
    }
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
        format!("{flag} {text:?} is neither a duration such as 24h nor an instant such as 2026-11-21T08:00:00Z")
    })
}

fn render(answer: &Loads) -> String {
    let mut page = Page::default();
    if !answer.loads.is_empty() {
        let mut grid = Grid::new(&["when", "dataset", "state", ">gen", ">records", ">rejects", ">rows", "object"]);
        for load in &answer.loads {
            grid.row(vec![
                instant(load.updated),
                load.dataset.to_string(),
                load.state.to_string(),
                load.generation.to_string(),
                maybe_number(load.records),
                maybe_number(load.rejects),
                rows(load),
                load.object.to_string(),
            ]);
        }
        page.table(&grid);
        for load in &answer.loads {
            if let Some(reason) = &load.reason {
                let kind = load.reason_kind.unwrap_or("last error");
                page.line(format!("{}: {kind}: {}", load.object.file_name(), cut(reason, 300)));
            }
        }
    }
    if answer.more {
        page.line(format!("the newest {} are shown; --limit shows more", number(answer.loads.len() as u64)));
    }
    let mut totals: BTreeMap<&DatasetId, Vec<String>> = BTreeMap::new();
    for total in &answer.totals {
        totals.entry(&total.dataset).or_default().push(format!("{} {}", number(total.entries), total.state));
    }
    if totals.is_empty() {
        page.line("no files");
    }
    for (dataset, states) in totals {
        let all: u64 = answer.totals.iter().filter(|one| one.dataset == *dataset).map(|one| one.entries).sum();
        page.line(format!("{dataset}: {}: {}", plural(all, "file"), states.join(", ")));
    }
    page.into_text()
}

/// All rows of all tables; the ones of a file set aside were not kept.
fn rows(load: &Load) -> String {
    let kept = load.records.is_some() && load.state != StateName::SetAside;
    if kept { number(load.rows.values().sum()) } else { String::new() }
}
