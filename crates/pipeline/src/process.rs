//! One message's intake end to end: the six calls in order, nothing else.

use lakehand_domain::message::Message;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::claim::Claim;
use crate::error::StageError;
use crate::event::{Received, Record};
use crate::intake::{Intake, IntakeSettings};
use crate::keep::Keep;
use crate::observe::Observer;
use crate::ports::Ports;
use crate::settle::{Ended, Settled};
use crate::{claim, event, read, settle, transform, write};

/// Takes one message to its end: every record of it is written, done, set aside, or waits for a later delivery. Never
/// fails: what went wrong is in the answer and in the log. Cancelling gives back what is unfinished.
pub async fn process(
    ports: &Ports,
    settings: &IntakeSettings,
    message: Message,
    keep: &dyn Keep,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Settled {
    let intake = Intake { ports, settings, keep, observer, cancel };
    // Also what libraries log meanwhile names the message. An error's span, so that no level leaves it out.
    let span = tracing::error_span!("message", message.id = %message.id);
    let work = async {
        let received = event::event(&intake, message);
        let mut ended = Vec::with_capacity(received.records().len());
        for record in received.records() {
            let end = take(&intake, &received, record).await;
            ended.push(settle::record(&intake, &received, record, end).await);
        }
        settle::settle(&intake, received, ended).await
    };
    work.instrument(span).await
}

async fn take(intake: &Intake<'_>, received: &Received, record: &Record) -> Result<Ended, StageError> {
    let claimed = match claim::claim(intake, received, record).await? {
        Claim::Work(claimed) => claimed,
        Claim::Over(ended) => return Ok(ended),
    };
    let path = async {
        let fetched = read::read(intake, &claimed).await?;
        let transformed = transform::transform(intake, fetched).await?;
        write::write(intake, transformed).await
    };
    let written = claimed.while_held(intake, path).await;
    Ok(settle::entry(intake, &claimed, written).await)
}

#[cfg(test)]
mod tests;
