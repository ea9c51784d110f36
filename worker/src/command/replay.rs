//! `lakehand replay`: files are processed again, after a fix or under a new definition.

use std::time::Duration;

use anyhow::Context as _;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use serde_json::json;

use crate::cli::ReplayArgs;
use crate::command::explain::object_of;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::output::plural;

/// Asks for each file again, through the queue, as any other arrival. What is loaded stays visible until the new
/// generation has passed its verdict and takes its place.
pub(crate) async fn run(context: &Context, args: ReplayArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let landing = compose::landing(&settings).await;
    let mut objects = Vec::with_capacity(args.objects.len());
    for text in &args.objects {
        let uri = object_of(context, &settings, text)?;
        if catalog.route(&uri).is_none() {
            return Err(Failure::Asked(format!("no dataset claims {uri}; lakehand explain says which come near")));
        }
        landing.stat(&uri).await.with_context(|| format!("look at {uri}"))?;
        objects.push(ObjectEvent { uri, cause: Cause::Replay });
    }
    let queue = compose::queue(&settings).await?;
    for some in objects.chunks(8) {
        queue.send(&OwnMessage::new(some.to_vec()).body(), Duration::ZERO).await.context("send the message")?;
    }
    let count = objects.len() as u64;
    if context.output.is_json() {
        context.output.json(&json!({ "asked_for": count }))?;
    } else {
        context.output.text(&format!("{} asked for again: lakehand run takes it from here", plural(count, "file")))?;
    }
    Ok(Ending::Well)
}
