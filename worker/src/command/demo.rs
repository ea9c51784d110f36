//! `lakehand demo`: sample files land, the daemon takes them through, and the end says what a person wants to see.

mod site;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use lakehand_daemon::RunReport;
use lakehand_domain::fault::chain;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::warehouse::{QueryAnswer, QueryWarehouse};
use lakehand_operations::loads::{Loads, LoadsQuery, loads};

use self::site::DemoSite;
use crate::cli::DemoArgs;
use crate::command::run::{self, Drained};
use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure};
use crate::output::{Grid, bytes, number, plural};
use crate::settings::location::absolute;

/// Average rent of a square metre, quarter by quarter: what the people behind the first system of this kind wanted.
const QUESTION: &str = "\
SELECT a.quarter AS quarter, count(*) AS flats,
       printf('%.2f', avg(f.base_rent / f.living_space)) AS rent_per_sqm
FROM berlin_flats_flats f
JOIN berlin_flats_address a ON a.address_id = f.address_id
WHERE f.living_space > 0
GROUP BY a.quarter
ORDER BY avg(f.base_rent / f.living_space) DESC";

/// Runs the demo.
pub(crate) async fn run(context: &Context, args: DemoArgs) -> Result<Ending, Failure> {
    let folder = absolute(&args.folder, context.current_folder());
    let site = DemoSite::make(&folder, args.files, args.keep)?;
    let inner = context.with_settings_file(folder.join("lakehand.toml"));
    let landed = site.land()?;
    let out = context.output;
    let say = |text: String| if out.is_json() { Ok(()) } else { out.text(&text) };

    say(format!(
        "{} of rental flats ({}) land in {}.\nOne zip is torn; one message comes twice.",
        plural(u64::from(args.files), "hourly file"),
        bytes(landed),
        context.shown(&site.path("landing")),
    ))?;
    announce(&inner, &site.doubled_path()).await?;
    let first = match run::drain(&inner).await? {
        Drained::Report(report) => report,
        Drained::Stopped(ending) => return Ok(ending),
    };
    say(told("First run", &first))?;

    let rewritten = site.rewrite()?;
    say(format!("{} is written again, with other rents in it.", file_name(&rewritten)))?;
    let second = match run::drain(&inner).await? {
        Drained::Report(report) => report,
        Drained::Stopped(ending) => return Ok(ending),
    };
    say(told("Second run", &second))?;

    let settings = inner.settings()?;
    let ledger = compose::existing_ledger(&settings).await?.context("the demo has no ledger")?;
    let query = LoadsQuery { dataset: None, state: None, since: None, limit: usize::MAX };
    let all = loads(ledger.as_ref(), &query).await.map_err(|error| Failure::Outside(error.into()))?;
    let warehouse = compose::existing_query(&settings).await?.context("the demo has no warehouse")?;
    let answer = ask(warehouse.as_ref(), QUESTION).await?;
    if out.is_json() {
        out.json(&serde_json::json!({
            "totals": all.totals,
            "rent_per_sqm": answer.rows,
            "settings": folder.join("lakehand.toml"),
        }))?;
        return Ok(Ending::Well);
    }
    out.text(&summary(&all, &[&first, &second]))?;
    out.text(&format!("Average rent of a square metre, by quarter (SQL on the warehouse):\n{}\n", table(&answer)))?;
    out.text(&where_and_next(context, &site))?;
    Ok(Ending::Well)
}

/// Sends the message about a file twice, as queues do now and then.
async fn announce(inner: &Context, path: &Path) -> Result<(), Failure> {
    let settings = inner.settings()?;
    let queue = compose::queue(&settings).await?;
    let uri = ObjectUri::parse(&format!("file://{}", path.display())).context("name the file")?;
    let message = OwnMessage::new(vec![ObjectEvent { uri, cause: Cause::Arrived }]).body();
    for _ in 0..2 {
        queue.send(&message, Duration::ZERO).await.map_err(|error| Failure::Outside(error.into()))?;
    }
    Ok(())
}

async fn ask(warehouse: &dyn QueryWarehouse, sql: &str) -> anyhow::Result<QueryAnswer> {
    warehouse.query(sql, 100).await.map_err(|error| anyhow::anyhow!(chain(&error)))
}

fn told(name: &str, report: &RunReport) -> String {
    let tally = &report.tally;
    let seconds = report.ended.since(report.started).as_secs_f64();
    format!(
        "{name}: {} in, {} loaded, {} set aside, {} known before, in {seconds:.1} s.\n",
        plural(tally.messages, "message"),
        plural(tally.loaded, "file"),
        number(tally.set_aside_total()),
        number(tally.done_before),
    )
}

fn summary(all: &Loads, reports: &[&RunReport]) -> String {
    let mut files = Grid::new(&["files", ">count"]);
    for total in &all.totals {
        files.row(vec![total.state.to_string().replace('_', " "), number(total.entries)]);
    }
    let records: u64 = all.loads.iter().filter_map(|load| load.records).sum();
    let rejects: u64 = all.loads.iter().filter_map(|load| load.rejects).sum();
    let mut rows = Grid::new(&["rows loaded into", ">count"]);
    let mut by_table = std::collections::BTreeMap::<&str, u64>::new();
    for (table, count) in all.loads.iter().flat_map(|load| &load.rows) {
        *by_table.entry(table).or_default() += count;
    }
    for (table, count) in by_table {
        rows.row(vec![table.to_owned(), number(count)]);
    }
    let mut rules = Grid::new(&["rejected because of", ">records"]);
    let mut counts = lakehand_domain::reject::RejectCounts::default();
    for report in reports {
        counts.merge(&report.tally.rejects);
    }
    for (rule, count) in counts.iter() {
        rules.row(vec![rule.to_owned(), number(count)]);
    }
    format!(
        "{}\n{}\n{}\n{} read, {} rejected.\n\n",
        files.text(),
        rows.text(),
        rules.text(),
        plural(records, "record"),
        number(rejects),
    )
}

fn table(answer: &QueryAnswer) -> String {
    let columns: Vec<String> = answer
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| if at > 0 { format!(">{name}") } else { name.clone() })
        .collect();
    let mut grid = Grid::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &answer.rows {
        grid.row(row.iter().map(|cell| cell.clone().unwrap_or_default()).collect());
    }
    grid.text()
}

fn where_and_next(context: &Context, site: &DemoSite) -> String {
    let shown = |relative: &str| context.shown(&site.path(relative));
    // As it was called, so that the lines below can be copied.
    let lakehand = std::env::args().next().unwrap_or_else(|| "lakehand".to_owned());
    let lakehand = format!("{lakehand} --config {}", shown("lakehand.toml"));
    format!(
        "\
Where things lie
  lake        {}
  quarantine  {}
  ledger      {}
  warehouse   {}
  definition  {}

What to run next
  {lakehand} loads
  {lakehand} explain {}
  {lakehand} explain {}
  {lakehand} preview berlin_flats {}
  {lakehand} run
",
        shown("lake/berlin_flats"),
        shown("lake/berlin_flats/_quarantine"),
        shown("state/ledger.sqlite"),
        shown("state/warehouse.sqlite"),
        shown("datasets/berlin_flats.toml"),
        context.shown(&site.torn_path()),
        context.shown(&site.doubled_path()),
        context.shown(&site.doubled_path()),
    )
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
