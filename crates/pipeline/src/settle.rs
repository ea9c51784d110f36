//! **settle**: how each record ended, and with them the message: deleted, hidden until it can go on, or given back.
//! Failures of intake are logged here, once.

use std::time::Duration;

use lakehand_domain::entry::{Entry, EntryState, LoadSummary, SetAsideKind, SetAsideReason, StateName};
use lakehand_domain::fault::{Retry, chain};
use lakehand_domain::id::{DatasetId, EntryId, MessageId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::queue::{QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;

use crate::change::{Changed, change_read};
use crate::claim::Claimed;
use crate::error::{Blame, StageError};
use crate::event::{Received, Record};
use crate::intake::Intake;
use crate::observe::FileInWork;
use crate::write::{self, Written, past_claim};

mod tell;

use tell::tell;

/// The letter of an entry may take this long; then the ledger goes on owing it.
const LETTER: Duration = Duration::from_secs(10);

/// A message that waits is hidden for at least this long, so that clocks that differ a little cause no spinning.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// What became of one record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It asked for nothing.
    Ignored {
        /// What it is, as a word to count by.
        what: String,
    },
    /// Its Parquet is in the lake.
    Written {
        /// The dataset.
        dataset: DatasetId,
        /// The entry.
        entry: EntryId,
        /// What was written.
        summary: Box<LoadSummary>,
    },
    /// It cannot succeed; the ledger says why, and owes a dead letter, which is sent at once.
    SetAside {
        /// The dataset.
        dataset: DatasetId,
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: SetAsideReason,
        /// What was read of it, where it was read to its end.
        summary: Option<Box<LoadSummary>>,
    },
    /// It had been done before.
    Done {
        /// As what.
        state: StateName,
    },
    /// No entry answers for it: a dead letter does.
    Letter {
        /// The object, as far as the record names one.
        object: Option<ObjectUri>,
        /// Why.
        reason: SetAsideReason,
    },
    /// It waits: another worker has it, or something failed that may succeed later.
    Later {
        /// Until when.
        at: Timestamp,
        /// What failed, where something did.
        error: Option<String>,
    },
    /// The work was stopped on purpose; the entry is free.
    Released,
}

/// What became of one record, and whether its message is to come back all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub fate: Fate,
    /// When to look again because another version of the object is still in work elsewhere.
    pub again: Option<Timestamp>,
}

impl Ended {
    /// Nothing else is to be waited for.
    pub fn of(fate: Fate) -> Self {
        Self { fate, again: None }
    }
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// All its records are written, done, set aside or told of in dead letters: it is gone.
    Deleted,
    /// It is hidden until a record of it can go on.
    Waits {
        /// Until when.
        until: Timestamp,
    },
    /// It was given back at once.
    Released,
    /// The queue could not be told: it comes back when its visibility ends, and finds what was done.
    Untold,
}

/// A message at its end.
#[derive(Debug)]
pub struct Settled {
    /// Which.
    pub message: MessageId,
    /// How it ended.
    pub settlement: Settlement,
    /// What became of its records, in their order.
    pub records: Vec<Ended>,
}

/// The end of a record, logged, observed, and told of where it is set aside. A claim that failed left no entry behind that
/// would have to be given back.
pub(crate) async fn record(
    intake: &Intake<'_>,
    received: &Received,
    record: &Record,
    ended: Result<Ended, StageError>,
) -> Ended {
    let message = received.message();
    let object = match record {
        Record::Object(event) => Some(&event.uri),
        Record::Bad { .. } | Record::Ignored { .. } => None,
    };
    let ended = ended.unwrap_or_else(|error| {
        tell_outside(intake, &error);
        let delay = retry_delay(intake, &error, message.delivery_count.max(1), message.id.as_str());
        Ended::of(Fate::Later { at: intake.now().plus(delay), error: Some(said(&error)) })
    });
    log(object, &ended.fate);
    let route = object.and_then(|uri| intake.ports.catalog.route(uri));
    let dataset = route.as_ref().map(|route| &route.dataset.id);
    let file = object.map(|object| FileInWork { message: &message.id, object, dataset, bytes: None });
    intake.observer.record_ended(&message.id, file, &ended.fate);
    if let Fate::SetAside { entry, .. } = &ended.fate {
        tell::entry(intake, entry).await;
    }
    ended
}

/// The end of the work on a claimed entry. What did not come to its end is given back, or set aside after too many
/// failures of its own.
pub(crate) async fn entry(intake: &Intake<'_>, claimed: &Claimed, written: Result<Written, StageError>) -> Ended {
    let fate = match written {
        Ok(written) => fate_of(written.entry()),
        Err(error) => interrupted(intake, claimed, error).await,
    };
    Ended { fate, again: claimed.again() }
}

/// An entry whose attempts are used up before the work began.
pub(crate) async fn exhausted(intake: &Intake<'_>, claimed: &Claimed) -> Result<Ended, StageError> {
    let entry = claimed.entry();
    let last = entry.last_error.as_deref();
    let reason = if entry.attempts >= intake.settings.max_attempts {
        used_up(entry.attempts, last.unwrap_or("unknown"))
    } else {
        lost_too_often(entry, last)
    };
    let entry = write::set_aside(intake, claimed, reason, None).await?;
    Ok(Ended { fate: fate_of(&entry), again: claimed.again() })
}

fn used_up(attempts: u32, last: &str) -> SetAsideReason {
    let message = format!("the file failed {attempts} times in a way no file should; the last time: {last}");
    SetAsideReason { kind: SetAsideKind::AttemptsExhausted, message }
}

/// From outside, a file that kills its workers cannot be told from workers that are killed with it in hand.
fn lost_too_often(entry: &Entry, last: Option<&str>) -> SetAsideReason {
    let (lapses, uri) = (entry.lapses, &entry.object.uri);
    let last = last.map(|last| format!("; what was said of it last: {last}")).unwrap_or_default();
    let message = format!(
        "the worker was lost {lapses} times with this file in hand, and none of them said why: look for workers that ran out \
         of memory or crashed while they had it (their log names it), for workers that were killed or frozen, and for times \
         in which the ledger could not be reached; if it was not the file, or once there is room for it, run: lakehand \
         replay {uri}{last}"
    );
    SetAsideReason { kind: SetAsideKind::AttemptsExhausted, message }
}

/// Whoever looks on learns of failures that are no file's.
fn tell_outside(intake: &Intake<'_>, error: &StageError) {
    if error.blame == Blame::Infrastructure {
        intake.observer.outside_failed(&said(error));
    }
}

async fn interrupted(intake: &Intake<'_>, claimed: &Claimed, error: StageError) -> Fate {
    tell_outside(intake, &error);
    let now = intake.now();
    let entry = claimed.entry();
    let text = said(&error);
    let attempts = entry.attempts + 1;
    let (delay, counts) = match error.blame {
        Blame::Cancelled | Blame::ObjectChanged => (None, false),
        // Whoever has the lease answers for the entry; we only see later that it did.
        Blame::LeaseLost => {
            return Fate::Later { at: now.plus(intake.settings.lease), error: Some(text) };
        }
        Blame::File if attempts >= intake.settings.max_attempts => {
            return given_up(intake, claimed, used_up(attempts, &text)).await;
        }
        Blame::ObjectArchived => {
            let uri = &entry.object.uri;
            let message = format!("{}; restore it, then `lakehand replay {uri}`", error.source);
            let reason = SetAsideReason { kind: SetAsideKind::Archived, message };
            return given_up(intake, claimed, reason).await;
        }
        Blame::File => (Some(intake.settings.retry.delay(attempts, entry.id.as_str())), true),
        Blame::Infrastructure => {
            // How often it failed is not the entry's to remember: the claims before this one are about as many.
            let failures = u32::try_from(entry.token.0).unwrap_or(u32::MAX);
            (Some(retry_delay(intake, &error, failures, entry.id.as_str())), false)
        }
    };
    let retry_at = delay.map(|delay| now.plus(delay));
    let stopped = error.blame == Blame::Cancelled;
    let kept = (!stopped).then(|| text.clone());
    let given_back = change_read(intake.ports.ledger.as_ref(), entry, |entry| {
        entry.given_back(claimed.lease(), kept.clone(), counts, retry_at, now).map(Some)
    });
    let failure = match given_back.await {
        // The answer to our own change was lost, and found now.
        Ok(Changed::Refused(_, entry)) if past_claim(&entry, claimed) => return fate_of(&entry),
        Ok(Changed::Stored(_) | Changed::AlreadySo(_)) if stopped => return Fate::Released,
        Ok(_) => text,
        // The lease runs out by itself; until then nobody can go on.
        Err(failed) => format!("{text}; and the entry could not be given back: {}", chain(&failed)),
    };
    if stopped {
        return Fate::Released;
    }
    Fate::Later { at: retry_at.unwrap_or_else(|| now.plus(SHORTEST_WAIT)), error: Some(failure) }
}

/// Sets aside what failed. Where that fails too, whoever has the lease after us does it.
async fn given_up(intake: &Intake<'_>, claimed: &Claimed, reason: SetAsideReason) -> Fate {
    match write::set_aside(intake, claimed, reason, None).await {
        Ok(entry) => fate_of(&entry),
        Err(error) => Fate::Later { at: intake.now().plus(intake.settings.lease), error: Some(said(&error)) },
    }
}

fn fate_of(entry: &Entry) -> Fate {
    let (dataset, id) = (entry.dataset.clone(), entry.id.clone());
    match &entry.state {
        EntryState::SetAside { reason, summary, .. } => {
            Fate::SetAside { dataset, entry: id, reason: reason.clone(), summary: summary.clone().map(Box::new) }
        }
        _ => match entry.summary() {
            Some(summary) => Fate::Written { dataset, entry: id, summary: Box::new(summary.clone()) },
            None => Fate::Done { state: entry.state_name() },
        },
    }
}

fn retry_delay(intake: &Intake<'_>, error: &StageError, failures: u32, seed: &str) -> Duration {
    match error.retry {
        Retry::After(delay) => delay,
        Retry::Never | Retry::Backoff => intake.settings.retry.delay(failures, seed),
    }
}

/// Ends the message. It is deleted only when every record is settled; dead letters are sent before, so that nothing is
/// forgotten between the two.
pub(crate) async fn settle(intake: &Intake<'_>, received: Received, records: Vec<Ended>) -> Settled {
    intake.keep.let_go().await;
    let message = received.message();
    let settlement = match end(intake, &received, &records).await {
        Ok(settlement) => {
            intake.observer.queue_told(None);
            settlement
        }
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(error, "settle the message, which comes again");
            intake.observer.queue_told(Some(&error));
            Settlement::Untold
        }
    };
    intake.observer.message_settled(&message.id, &settlement);
    Settled { message: message.id.clone(), settlement, records }
}

/// Why a message could not be brought to its end. It comes again, and finds what was done.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error("the queue failed")]
    Queue(#[from] QueueError),
    #[error("the queue took the call, and says that it failed for this message")]
    Failed,
}

/// A receipt that is lost was redelivered: whoever has it now settles it, so that it changes nothing here.
fn taken(outcomes: &[ReceiptOutcome]) -> Result<(), EndError> {
    if outcomes.contains(&ReceiptOutcome::Failed) { Err(EndError::Failed) } else { Ok(()) }
}

async fn end(intake: &Intake<'_>, received: &Received, records: &[Ended]) -> Result<Settlement, EndError> {
    let queue = intake.ports.queue.as_ref();
    let message = received.message();
    let receipt = std::slice::from_ref(&message.receipt);
    if records.iter().any(|record| record.fate == Fate::Released) {
        taken(&queue.extend(receipt, Duration::ZERO).await?)?;
        return Ok(Settlement::Released);
    }
    let now = intake.now();
    let waits = records.iter().flat_map(|record| match record.fate {
        Fate::Later { at, .. } => [Some(at), record.again],
        _ => [None, record.again],
    });
    if let Some(until) = waits.flatten().min() {
        let longest = intake.settings.max_visibility.saturating_sub(now.since(message.received_at));
        let hidden = until.since(now).max(SHORTEST_WAIT).min(longest);
        taken(&queue.extend(receipt, hidden).await?)?;
        return Ok(Settlement::Waits { until: now.plus(hidden) });
    }
    tell(intake, received, records, now).await?;
    taken(&queue.delete(receipt).await?)?;
    Ok(Settlement::Deleted)
}

fn said(error: &StageError) -> String {
    chain(error)
}

fn log(object: Option<&ObjectUri>, fate: &Fate) {
    let object = object.map_or("", ObjectUri::as_str);
    match fate {
        Fate::Ignored { what } => tracing::debug!(what, "nothing asked for"),
        Fate::Written { dataset, entry, summary } => tracing::info!(
            dataset.id = %dataset, entry.id = %entry, object.uri = object,
            records = summary.records, rejects = summary.rejects.total(), parts = summary.parts, "written"
        ),
        Fate::SetAside { dataset, entry, reason, .. } => tracing::warn!(
            dataset.id = %dataset, entry.id = %entry, object.uri = object,
            kind = reason.kind.as_str(), "set aside: {}", reason.message
        ),
        Fate::Done { state } => {
            tracing::debug!(object.uri = object, state = state.as_str(), "done before");
        }
        Fate::Letter { reason, .. } => {
            tracing::warn!(object.uri = object, kind = reason.kind.as_str(), reason = reason.message, "dead-lettered");
        }
        Fate::Later { at, error: Some(error) } => {
            tracing::warn!(object.uri = object, retry.at = %at, error, "failed, to be retried");
        }
        Fate::Later { at, error: None } => {
            tracing::debug!(object.uri = object, retry.at = %at, "held elsewhere");
        }
        Fate::Released => tracing::info!(object.uri = object, "given back"),
    }
}
