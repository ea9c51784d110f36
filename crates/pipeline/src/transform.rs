//! **transform**: the bytes through the dataset, into parts that nobody can see, and a verdict.

use std::any::Any;
use std::sync::Arc;

use lakehand_dataset::transformer::{Content, TransformError, TransformInput, Transformed as Report};
use lakehand_domain::port::object_store::StoreError;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::claim::Claimed;
use crate::error::{Blame, Stage, StageError};
use crate::intake::Intake;
use crate::read::{Arrival, Fetched};
use crate::write::LakeSink;

/// A claimed object, what was made of it, and the parts, still invisible.
#[derive(Debug)]
pub struct Transformed<'a> {
    claimed: &'a Claimed,
    made: Made,
    sink: LakeSink,
}

/// What was made of a file.
#[derive(Debug)]
pub(crate) enum Made {
    /// It was read to its end.
    Report(Box<Report>),
    /// It cannot be read, and never will.
    Unreadable {
        /// What is wrong, where, and what to do.
        message: String,
    },
}

impl<'a> Transformed<'a> {
    pub(crate) fn into_parts(self) -> (&'a Claimed, Made, LakeSink) {
        (self.claimed, self.made, self.sink)
    }
}

/// Runs the transform where blocking is allowed. Whatever it says counts only if the object is still the version that
/// was read: a file that was being written looks like a truncated one.
pub async fn transform<'a>(intake: &Intake<'_>, fetched: Fetched<'a>) -> Result<Transformed<'a>, StageError> {
    let (claimed, content, arrival) = fetched.into_parts();
    let turn = intake.keep.turn().await;
    claimed.enters(intake, Stage::Transform);
    let stop = CancellationToken::new();
    // However this future ends, the blocking thread learns of it at its next chunk.
    let stopper = stop.clone().drop_guard();
    let sink = LakeSink::new(
        Handle::current(),
        Arc::clone(&intake.ports.lake),
        intake.ports.lake_root.dataset(&claimed.dataset().id),
        intake.settings.upload_chunk,
        stop.clone(),
    );
    let input = input(claimed, content);
    let transformer = Arc::clone(&intake.ports.transformer);
    let room = claimed.room();
    let into = sink.clone();
    // What is still to come is waited for.
    let is_instant = transformer.is_instant() && arrival.is_none();
    let span = Span::current();
    let run = move || {
        let _within = span.entered();
        // Room and turn are given back when the bytes are really let go, not when somebody stops waiting for them.
        let _lent = (room, turn);
        transformer.transform(&input, &into, &|| stop.is_cancelled())
    };
    let closer = arrival.as_ref().map(Arrival::closer);
    let running = async {
        let outcome = if is_instant { Ok(run()) } else { tokio::task::spawn_blocking(run).await };
        if let Some(close) = closer {
            close();
        }
        outcome
    };
    let arriving = async {
        match arrival {
            Some(arrival) => arrival.run().await,
            None => Ok(()),
        }
    };
    let (outcome, arrived) = tokio::join!(running, arriving);
    drop(stopper.disarm());
    let outcome = match outcome {
        Ok(Ok(report)) => Ok(Made::Report(Box::new(report))),
        Ok(Err(TransformError::Unreadable { message })) => Ok(Made::Unreadable { message }),
        Ok(Err(error)) => Err(blamed(&sink, error)),
        Err(joined) => Err(died(joined)),
    };
    // A store that fails, or has not the bytes it said, is not the file's fault, whatever the engine made of the rest.
    let outcome = arrived.and(outcome);
    let falls_on_file = outcome.as_ref().err().is_none_or(|error| error.blame == Blame::File);
    let checked = if falls_on_file { unchanged(intake, claimed).await.and(outcome) } else { outcome };
    match checked {
        Ok(made) => Ok(Transformed { claimed, made, sink }),
        Err(error) => {
            sink.abort().await;
            Err(error)
        }
    }
}

fn input(claimed: &Claimed, content: Content) -> TransformInput {
    TransformInput {
        dataset: Arc::clone(claimed.dataset()),
        captures: claimed.captures().clone(),
        load_id: claimed.entry().load_id.clone(),
        object: claimed.object().uri.clone(),
        order: claimed.object().order(),
        content,
    }
}

async fn unchanged(intake: &Intake<'_>, claimed: &Claimed) -> Result<(), StageError> {
    intake.ports.landing.unchanged(claimed.object()).await.map_err(|error| {
        let changed = matches!(error, StoreError::Changed { .. } | StoreError::NotFound { .. });
        let error = StageError::of(Stage::Transform, error);
        if changed { error.blamed_on(Blame::ObjectChanged) } else { error }
    })
}

/// A lake that fails is not the file's fault, whatever the engine makes of it.
fn blamed(sink: &LakeSink, error: TransformError) -> StageError {
    if let Some(fault) = sink.fault() {
        return StageError::of(Stage::Transform, fault);
    }
    let of_engine = matches!(error, TransformError::Engine { .. });
    let error = StageError::of(Stage::Transform, error);
    if of_engine { error.blamed_on(Blame::File) } else { error }
}

fn died(error: tokio::task::JoinError) -> StageError {
    match error.try_into_panic() {
        Ok(panic) => {
            let message = format!("the engine panicked: {}", panic_text(panic.as_ref()));
            StageError::new(Stage::Transform, Blame::File, message)
        }
        Err(_) => StageError::cancelled(Stage::Transform),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
