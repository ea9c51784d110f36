//! `lakehand rejects`: which records were rejected, by which rule, where, and what they held.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use lakehand_domain::id::DatasetId;
use lakehand_operations::rejects::{RejectGroup, RejectedRecord, groups, records};
use lakehand_operations::select::Selection;
use serde_json::json;

use crate::cli::RejectsArgs;
use crate::command::explain::object_of;
use crate::command::loads::instant_of;
use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure, say};
use crate::output::{Grid, Page, cut, number, plural};

/// Shows, lists or exports rejects.
pub(crate) async fn run(context: &Context, args: RejectsArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let now = compose::clock().now();
    let object = args.object.as_deref().map(|text| object_of(context, &settings, text)).transpose()?;
    let selection = Selection {
        dataset: args.dataset.clone().map(DatasetId::new),
        object,
        since: args
            .since
            .as_deref()
            .map(|text| instant_of("--since", text, now))
            .transpose()
            .map_err(Failure::Asked)?,
        ..Selection::default()
    };
    let Some(ledger) = compose::existing_ledger(&settings).await? else {
        say(&format!("lakehand: there is no ledger at {} yet: nothing was processed", settings.ledger));
        return Ok(Ending::Well);
    };
    if !args.list && args.export.is_none() && args.rule.is_none() && args.column.is_none() {
        let found = groups(ledger.as_ref(), &selection).await.context("count rejects")?;
        if context.output.is_json() {
            context.output.json(&found)?;
        } else {
            context.output.text(&render_groups(&found))?;
        }
        return Ok(Ending::Well);
    }
    let lake = compose::lake(&settings).await?;
    let mut wanted = Wanted::new(&args)?;
    records(ledger.as_ref(), lake.as_ref(), &selection, |record| wanted.take(record))
        .await
        .context("read quarantine")?;
    wanted.finish(context)
}

/// The records that are asked for, and where they go.
struct Wanted {
    rule: Option<String>,
    column: Option<String>,
    limit: usize,
    export: Option<(String, BufWriter<File>)>,
    failed: Option<std::io::Error>,
    found: Vec<RejectedRecord>,
    count: usize,
    more: bool,
}

impl Wanted {
    fn new(args: &RejectsArgs) -> anyhow::Result<Self> {
        let export = match &args.export {
            Some(path) => Some((path.display().to_string(), create(path)?)),
            None => None,
        };
        let limit = if export.is_some() { usize::MAX } else { usize::try_from(args.limit).unwrap_or(usize::MAX) };
        let (rule, column) = (args.rule.clone(), args.column.clone());
        Ok(Self { rule, column, limit, export, failed: None, found: Vec::new(), count: 0, more: false })
    }

    fn take(&mut self, record: RejectedRecord) -> bool {
        let reject = &record.reject;
        let is_of = |wanted: &str| {
            let column = reject.column.as_deref().unwrap_or_default();
            column == wanted || column.rsplit('.').next() == Some(wanted)
        };
        if self.rule.as_deref().is_some_and(|rule| rule != reject.rule.name())
            || self.column.as_deref().is_some_and(|column| !is_of(column))
        {
            return true;
        }
        if self.count >= self.limit {
            self.more = true;
            return false;
        }
        self.count += 1;
        let Some((_, file)) = &mut self.export else {
            self.found.push(record);
            return true;
        };
        let line = serde_json::to_vec(&record).map_err(std::io::Error::other);
        let written = line.and_then(|line| file.write_all(&line)).and_then(|()| file.write_all(b"\n"));
        if let Err(error) = written {
            self.failed = Some(error);
            return false;
        }
        true
    }

    fn finish(self, context: &Context) -> Result<Ending, Failure> {
        if let Some((path, mut file)) = self.export {
            let ended = self.failed.map_or_else(|| file.flush(), Err);
            ended.with_context(|| format!("write {path}"))?;
            let count = plural(self.count as u64, "rejected record");
            if context.output.is_json() {
                context.output.json(&json!({ "exported": self.count, "file": path }))?;
            } else {
                context.output.text(&format!("{count} in {path}, a JSON document a line"))?;
            }
            return Ok(Ending::Well);
        }
        if context.output.is_json() {
            context.output.json(&json!({ "rejects": self.found, "more": self.more }))?;
        } else {
            context.output.text(&render_records(&self.found, self.more))?;
        }
        Ok(Ending::Well)
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| format!("write {}", path.display()))?))
}

fn render_groups(groups: &[RejectGroup]) -> String {
    let mut page = Page::default();
    if groups.is_empty() {
        page.line("no rejected records");
        return page.into_text();
    }
    let mut grid = Grid::new(&["dataset", "rejected because of", ">records", ">files", "one of them"]);
    for group in groups {
        grid.row(vec![
            group.dataset.to_string(),
            group.rule.clone(),
            number(group.records),
            number(group.files),
            group.example.to_string(),
        ]);
    }
    page.table(&grid);
    page.line("lakehand rejects --list shows the records; --rule, --column, --dataset and a file narrow it");
    page.into_text()
}

fn render_records(found: &[RejectedRecord], more: bool) -> String {
    let mut page = Page::default();
    if found.is_empty() {
        page.line("no rejected records");
    }
    let mut object = None;
    for RejectedRecord { object: of, reject, .. } in found {
        if object != Some(of) {
            page.gap();
            page.line(of.to_string());
            object = Some(of);
        }
        let member = reject.member.as_ref().map(|member| format!("{member}:")).unwrap_or_default();
        let column = reject.column.as_ref().map(|column| format!(" {column}")).unwrap_or_default();
        page.line(format!("  {member}{} {}{column}: {}", reject.line, reject.rule.name(), reject.message));
        page.line(format!("    {}", cut(&reject.raw, 300)));
    }
    if more {
        page.gap();
        page.line("there are more; --limit shows more, --export writes all into a file");
    }
    page.into_text()
}
