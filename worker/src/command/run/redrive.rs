//! `lakehand run --redrive-all`: the queue's service moves all dead letters back by itself.

use std::time::Duration;

use anyhow::Context as _;
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::{Fault, chain};
use lakehand_domain::port::redrive::{RedriveAll, RedriveError, RedriveMove, RedriveStart, RedriveState};
use serde_json::json;

use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure, say};
use crate::output::number;

/// How often the service is asked how far it is.
const ASK: Duration = Duration::from_secs(2);

/// A service that does not say how far it is so often in a row is not waited for.
const FAILURES: u32 = 30;

/// Starts the move and waits for its end. It goes on without us.
pub(super) async fn redrive_all(context: &Context) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let Some(redrive) = compose::redrive_all(&settings).await? else {
        return Err(Failure::Asked(format!(
            "{}: this queue moves nothing by itself; run --replay-dead-letters replays letter by letter",
            settings.queue
        )));
    };
    let ended = move_all(redrive.as_ref(), compose::clock().as_ref()).await?;
    if context.output.is_json() {
        context.output.json_line(&json!({
            "event": "redriven", "state": ended.state.as_str(), "moved": ended.moved, "to_move": ended.to_move,
            "failure": ended.failure,
        }))?;
    } else {
        let of = ended.to_move.map(|all| format!(" of {}", number(all))).unwrap_or_default();
        context.output.text(&format!(
            "{}: {}{of} dead letters moved back",
            ended.state.as_str(),
            number(ended.moved)
        ))?;
    }
    match ended {
        RedriveMove { state: RedriveState::Completed, .. } => Ok(Ending::Well),
        RedriveMove { failure: Some(failure), .. } => {
            say(&format!("lakehand: the service gave the move up: {failure}"));
            Ok(Ending::OutsideFailed)
        }
        RedriveMove { .. } => Ok(Ending::OutsideFailed),
    }
}

async fn move_all(redrive: &dyn RedriveAll, clock: &dyn Clock) -> anyhow::Result<RedriveMove> {
    match redrive.start(None).await.context("start the move")? {
        RedriveStart::Started => say("lakehand: the service moves the dead letters; it goes on if this is stopped"),
        RedriveStart::AlreadyRunning(_) => say("lakehand: the service moves the dead letters already"),
    }
    let mut failures = 0;
    loop {
        clock.sleep(ASK).await;
        match redrive.newest().await {
            Ok(Some(newest)) if !newest.state.is_active() => return Ok(newest),
            Ok(_) => failures = 0,
            Err(error) => {
                failures += 1;
                if failures >= FAILURES || is_final(&error) {
                    return Err(anyhow::Error::new(error).context("ask how far the move is"));
                }
                say(&format!("lakehand: the service does not say how far it is: {}", chain(&error)));
            }
        }
    }
}

fn is_final(error: &RedriveError) -> bool {
    error.retry() == lakehand_domain::fault::Retry::Never
}

#[cfg(test)]
mod tests;
