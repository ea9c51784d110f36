//! `lakehand run --replay-dead-letters`: what was set aside is begun again, letter by letter.

use std::collections::BTreeMap;

use lakehand_daemon::{Daemon, LetterLine, LetterOutcome, LetterReason, LetterSelection, ReplayReport};
use lakehand_domain::id::DatasetId;
use lakehand_domain::timestamp::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::LetterArgs;
use crate::command::loads::instant_of;
use crate::command::run::{report, show, tell_start};
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::output::{Grid, Page, cut, instant, number, plural};
use crate::progress::Progress;
use crate::signal::Signals;

/// Replays the letters that are selected, or says which are.
pub(super) async fn replay(context: &Context, args: &LetterArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let selection = selection(args, compose::clock().now()).map_err(Failure::Asked)?;
    if let Some(dataset) = selection.dataset.as_ref().filter(|dataset| catalog.get(dataset).is_none()) {
        let known: Vec<&str> = catalog.iter().map(|dataset| dataset.id.as_str()).collect();
        return Err(Failure::Asked(format!("--dataset {dataset}: there is none; there are: {}", known.join(", "))));
    }
    let signals = Signals::listen()?;
    let ports = compose::ports(&settings, catalog).await?;
    if !args.dry_run {
        let datasets: Vec<String> = ports.catalog.iter().map(|dataset| dataset.id.to_string()).collect();
        tell_start(context, &settings, &datasets, ports.identity.worker().as_str())?;
    }
    let clock = std::sync::Arc::clone(&ports.clock);
    let daemon = Daemon::new(ports, settings.daemon.clone(), None);
    let shutdown = CancellationToken::new();
    let progress = Progress::spinner(true);
    let showing = show(daemon.snapshot(), &progress, clock.as_ref());
    let replaying = Box::pin(async {
        if args.dry_run {
            return Ok(daemon.look_at_letters(selection, shutdown.clone()).await);
        }
        daemon.replay_letters(selection, shutdown.clone()).await
    });
    let report = tokio::select! {
        report = replaying => report,
        ending = signals.drain(shutdown.clone(), settings.daemon.drain_deadline) => {
            progress.end();
            return Ok(ending);
        }
        never = showing => match never {},
    };
    progress.end();
    let report = report.map_err(|error| Failure::Outside(error.into()))?;
    if context.output.is_json() {
        for line in &report.lines {
            context.output.json_line(&Line::of(line))?;
        }
        context.output.json_line(&Told::of(&report, args.dry_run))?;
    } else {
        context.output.text(&render(&report, args.dry_run))?;
    }
    let failed = report.lines.iter().any(|line| matches!(line.outcome, LetterOutcome::Failed { .. }));
    Ok(match (report.is_clean(), args.dry_run && failed) {
        (true, _) => Ending::Well,
        (false, true) => Ending::OutsideFailed,
        (false, false) => Ending::FilesFailed,
    })
}

fn selection(args: &LetterArgs, now: Timestamp) -> Result<LetterSelection, String> {
    let at = |flag: &str, text: &Option<String>| text.as_deref().map(|text| instant_of(flag, text, now)).transpose();
    let (since, until) = (at("--since", &args.since)?, at("--until", &args.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(format!("--since {since} is not before --until {until}"));
    }
    let reason = args.reason.as_deref().map(reason).transpose()?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    Ok(LetterSelection { dataset: args.dataset.clone().map(DatasetId::new), since, until, reason, limit })
}

fn reason(text: &str) -> Result<LetterReason, String> {
    let wanted = text.replace('-', "_");
    LetterReason::all().find(|reason| reason.as_str() == wanted).ok_or_else(|| {
        let known: Vec<&str> = LetterReason::all().map(LetterReason::as_str).collect();
        format!("--reason {text:?} is none; there are: {}", known.join(", "))
    })
}

/// One line of a letter. Its keys are stable.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    message: &'a str,
    object: Option<&'a str>,
    dataset: Option<&'a str>,
    reason: &'static str,
    why: &'a str,
    set_aside_at: String,
    outcome: &'static str,
    outcome_says: Option<String>,
}

impl<'a> Line<'a> {
    fn of(line: &'a LetterLine) -> Self {
        Self {
            event: "letter",
            message: line.message.as_str(),
            object: line.object.as_ref().map(lakehand_domain::object::ObjectUri::as_str),
            dataset: line.dataset.as_ref().map(DatasetId::as_str),
            reason: line.reason.as_str(),
            why: &line.why,
            set_aside_at: line.at.to_string(),
            outcome: line.outcome.as_str(),
            outcome_says: says(&line.outcome),
        }
    }
}

/// The last line of `run --replay-dead-letters --output json`. Its keys are stable.
#[derive(Debug, Serialize)]
struct Told {
    dry_run: bool,
    letters: u64,
    outcomes: BTreeMap<&'static str, u64>,
    unlisted: u64,
    not_selected: u64,
    newer: u64,
    hidden_elsewhere: u64,
    cut_short: Option<String>,
    hidden_until: Option<String>,
    ok: bool,
    run: report::Told,
}

impl Told {
    fn of(report: &ReplayReport, dry_run: bool) -> Self {
        Self {
            dry_run,
            letters: report.letters,
            outcomes: outcomes(report),
            unlisted: report.unlisted,
            not_selected: report.others,
            newer: report.newer,
            hidden_elsewhere: report.hidden_elsewhere,
            cut_short: report.cut_short.clone(),
            hidden_until: report.hidden_until.map(|until| until.to_string()),
            ok: report.is_clean(),
            run: report::Told::of(&report.run),
        }
    }
}

fn outcomes(report: &ReplayReport) -> BTreeMap<&'static str, u64> {
    let mut outcomes = BTreeMap::new();
    for line in &report.lines {
        *outcomes.entry(line.outcome.as_str()).or_default() += 1;
    }
    outcomes
}

/// What is to be said of an outcome beside its word.
fn says(outcome: &LetterOutcome) -> Option<String> {
    match outcome {
        LetterOutcome::Written { why } => Some(why.clone()),
        LetterOutcome::SetAsideAgain(reason) => Some(format!("{}: {}", reason.kind, reason.message)),
        LetterOutcome::GoneOn(state) | LetterOutcome::WouldGo(state) => Some(format!("it is {state} already")),
        LetterOutcome::Ignored { what } => Some(what.clone()),
        LetterOutcome::InFlight | LetterOutcome::WouldWait => {
            Some("another worker has it; the letter stays".to_owned())
        }
        LetterOutcome::Failed { error } => Some(format!("{error}; the letter stays")),
        LetterOutcome::GivenBack => Some("the run ended before; the letter stays".to_owned()),
        LetterOutcome::Loaded | LetterOutcome::WouldReplay => None,
    }
}

fn render(report: &ReplayReport, dry_run: bool) -> String {
    let mut page = Page::default();
    if !report.lines.is_empty() {
        let mut grid = Grid::new(&["set aside", "dataset", "reason", "becomes", "object"]);
        for line in &report.lines {
            grid.row(vec![
                instant(line.at),
                line.dataset.as_ref().map(ToString::to_string).unwrap_or_default(),
                line.reason.to_string(),
                line.outcome.as_str().replace('_', " "),
                line.object.as_ref().map_or_else(|| format!("message {}", line.message), ToString::to_string),
            ]);
        }
        page.table(&grid);
        for line in &report.lines {
            if let Some(says) = says(&line.outcome) {
                let name = line.object.as_ref().map_or(line.message.as_str(), |object| object.file_name());
                page.line(format!("{name}: {}", cut(&says, 300)));
            }
        }
        page.gap();
    }
    let outcomes: Vec<String> = outcomes(report)
        .into_iter()
        .map(|(name, count)| format!("{} {}", number(count), name.replace('_', " ")))
        .collect();
    let outcomes = if outcomes.is_empty() { String::new() } else { format!(": {}", outcomes.join(", ")) };
    page.line(format!("{}{outcomes}", plural(report.letters, "letter")));
    for (count, what) in [
        (report.unlisted, "more lines are not listed: lakehand loads tells of them"),
        (report.others, "not selected, left where they were"),
        (report.newer, "newer than this run, left where they are"),
        (
            report.hidden_elsewhere,
            "or about as many hidden by somebody else, another replay perhaps, and not looked at",
        ),
    ] {
        if count > 0 {
            page.line(format!("{} {what}", number(count)));
        }
    }
    if let Some(why) = &report.cut_short {
        page.line(format!("not every letter was looked at: {why}"));
    }
    if let Some(until) = report.hidden_until {
        page.line(format!("some letters stay hidden until {}: the queue did not answer", instant(until)));
    }
    if dry_run {
        page.line("nothing was changed");
    } else {
        page.gap();
        page.line(report::render(&report.run));
    }
    page.into_text()
}
