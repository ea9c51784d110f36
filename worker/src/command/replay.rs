//! `lakehand replay`: files are processed again, after a fix or under a new definition.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use lakehand_dataset::catalog::Catalog;
use lakehand_domain::entry::StateName;
use lakehand_domain::id::DatasetId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_operations::select::{Selected, Selection};
use serde_json::json;

use crate::cli::ReplayArgs;
use crate::command::explain::object_of;
use crate::command::loads::instant_of;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::output::plural;
use crate::settings::Settings;

/// Objects of one message are worked on one after the other.
const OBJECTS_A_MESSAGE: usize = 8;

/// Asks for each file again, through the queue, as any other arrival. What is loaded stays visible until the new
/// generation has passed its verdict and takes its place.
pub(crate) async fn run(context: &Context, args: ReplayArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let objects = if args.objects.is_empty() {
        selected(context, &settings, &catalog, &args).await?
    } else {
        named(context, &settings, &catalog, &args.objects).await?
    };
    let count = objects.len() as u64;
    if args.dry_run {
        if context.output.is_json() {
            context.output.json(&json!({ "would_ask_for": objects }))?;
        } else {
            let listed: Vec<&str> = objects.iter().map(ObjectUri::as_str).collect();
            context.output.text(&format!("{}\n{} would be asked for", listed.join("\n"), plural(count, "file")))?;
        }
        return Ok(Ending::Well);
    }
    let queue = compose::queue(&settings).await?;
    for some in objects.chunks(OBJECTS_A_MESSAGE) {
        let events = some.iter().map(|uri| ObjectEvent { uri: uri.clone(), cause: Cause::Replay }).collect();
        queue.send(&OwnMessage::new(events).body(), Duration::ZERO).await.context("send the message")?;
    }
    if context.output.is_json() {
        context.output.json(&json!({ "asked_for": count }))?;
    } else {
        context.output.text(&format!("{} asked for again: lakehand run takes it from here", plural(count, "file")))?;
    }
    Ok(Ending::Well)
}

async fn named(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    texts: &[String],
) -> Result<Vec<ObjectUri>, Failure> {
    let landing = compose::landing(settings).await?;
    let mut objects = Vec::with_capacity(texts.len());
    for text in texts {
        let uri = object_of(context, settings, text)?;
        if catalog.route(&uri).is_none() {
            return Err(Failure::Asked(format!("no dataset claims {uri}; lakehand explain says which come near")));
        }
        landing.stat(&uri).await.with_context(|| format!("look at {uri}"))?;
        objects.push(uri);
    }
    Ok(objects)
}

/// What the ledger has of it. An object is asked for once, whatever versions of it are meant: its newest is read.
async fn selected(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    args: &ReplayArgs,
) -> Result<Vec<ObjectUri>, Failure> {
    let now = compose::clock().now();
    let instant = |flag: &str, text: &Option<String>| {
        text.as_deref().map(|text| instant_of(flag, text, now)).transpose().map_err(Failure::Asked)
    };
    let (since, until) = (instant("--since", &args.since)?, instant("--until", &args.until)?);
    let wanted = args.dataset.clone().map(DatasetId::new);
    if let Some(wanted) = wanted.as_ref().filter(|wanted| catalog.get(wanted).is_none()) {
        return Err(Failure::Asked(format!("there is no dataset {wanted} in {}", context.shown(&settings.datasets))));
    }
    let Some(ledger) = compose::existing_ledger(settings).await? else { return Ok(Vec::new()) };
    let mut objects = BTreeSet::new();
    for dataset in catalog.iter().filter(|dataset| wanted.as_ref().is_none_or(|wanted| *wanted == dataset.id)) {
        let selection = Selection {
            dataset: Some(dataset.id.clone()),
            object: None,
            state: args.set_aside.then_some(StateName::SetAside),
            since,
            until,
            with_rejects: args.with_rejects,
            not_of: args.older_definition.then(|| dataset.fingerprint.clone()),
        };
        let mut selected = Selected::new(ledger.as_ref(), &selection);
        while let Some(entries) = selected.next().await.context("ask the ledger")? {
            objects.extend(entries.into_iter().map(|entry| entry.object.uri));
        }
    }
    Ok(objects.into_iter().collect())
}
