//! Moving all dead letters back, by the service's own message move tasks.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry;
use lakehand_aws::{Failure, Kind, classify};
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::port::redrive::{
    RedriveAll, RedriveCancel, RedriveError, RedriveMove, RedriveStart, RedriveState,
};
use lakehand_domain::timestamp::Timestamp;

use super::failure::failed;

/// The service moves no more a second (StartMessageMoveTask).
const MOST_PER_SECOND: u32 = 500;

/// The service remembers so many moves of a queue (ListMessageMoveTasks).
const MOST_TASKS: i32 = 10;

const START: &str = "start the move";
const LIST: &str = "look at the move";
const CANCEL: &str = "stop the move";

/// The way back from a dead-letter queue to a queue of messages. The destination is always named: of letters that lakehand
/// sent itself the service knows no source.
#[derive(Debug)]
pub struct SqsRedrive {
    pub(super) client: Client,
    /// The dead-letter queue.
    pub(super) from: String,
    /// The queue of messages.
    pub(super) to: String,
}

impl SqsRedrive {
    async fn list(&self) -> Result<Option<ListMessageMoveTasksResultEntry>, RedriveError> {
        let request = self.client.list_message_move_tasks().source_arn(&self.from).max_results(MOST_TASKS);
        let answer = request.send().await.map_err(|error| refused(LIST, classify(error)))?;
        Ok(answer.results.unwrap_or_default().into_iter().max_by_key(|task| task.started_timestamp))
    }

    /// The move that is under way, asked for after a refusal: what the service says then is not promised to be in the same
    /// words for ever.
    async fn under_way(&self, failure: &Failure) -> Option<RedriveMove> {
        if !matches!(failure.kind, Kind::Invalid | Kind::NotFound | Kind::Condition) {
            return None;
        }
        self.newest().await.ok().flatten().filter(|newest| newest.state.is_active())
    }
}

#[async_trait]
impl RedriveAll for SqsRedrive {
    async fn start(&self, max_per_second: Option<u32>) -> Result<RedriveStart, RedriveError> {
        let rate = max_per_second.map(|rate| i32::try_from(rate.clamp(1, MOST_PER_SECOND)).unwrap_or(i32::MAX));
        let request = self.client.start_message_move_task().source_arn(&self.from).destination_arn(&self.to);
        match request.set_max_number_of_messages_per_second(rate).send().await.map_err(classify) {
            Ok(_) => Ok(RedriveStart::Started),
            Err(failure) => match self.under_way(&failure).await {
                Some(newest) => Ok(RedriveStart::AlreadyRunning(newest)),
                None => Err(refused(START, failure)),
            },
        }
    }

    async fn newest(&self) -> Result<Option<RedriveMove>, RedriveError> {
        Ok(self.list().await?.map(|task| redrive_move(&task)))
    }

    async fn cancel(&self) -> Result<RedriveCancel, RedriveError> {
        // Only a move that runs has a handle.
        let Some(handle) = self.list().await?.and_then(|task| task.task_handle) else {
            return Ok(RedriveCancel::NoneRunning);
        };
        match self.client.cancel_message_move_task().task_handle(handle).send().await.map_err(classify) {
            Ok(answer) => Ok(RedriveCancel::Cancelled { moved: count(answer.approximate_number_of_messages_moved) }),
            Err(failure) => match self.list().await {
                // It ended in between, or by an attempt before this one.
                Ok(task) if task.as_ref().and_then(|task| task.task_handle()).is_none() => {
                    Ok(RedriveCancel::NoneRunning)
                }
                _ => Err(refused(CANCEL, failure)),
            },
        }
    }
}

fn redrive_move(task: &ListMessageMoveTasksResultEntry) -> RedriveMove {
    let state = match task.status.as_deref() {
        Some("COMPLETED") => RedriveState::Completed,
        Some("CANCELLING") => RedriveState::Cancelling,
        Some("CANCELLED") => RedriveState::Cancelled,
        Some("FAILED") => RedriveState::Failed,
        // `RUNNING`, and before it has begun, words that are not documented.
        _ => RedriveState::Running,
    };
    RedriveMove {
        state,
        moved: count(task.approximate_number_of_messages_moved),
        to_move: task.approximate_number_of_messages_to_move.map(count),
        max_per_second: task.max_number_of_messages_per_second.and_then(|rate| u32::try_from(rate).ok()),
        started_at: Timestamp::from_micros(task.started_timestamp.saturating_mul(1000)),
        failure: task.failure_reason.clone(),
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn refused(operation: &'static str, failure: Failure) -> RedriveError {
    let code = failure.code.as_deref().unwrap_or_default();
    if ["NotImplemented", "InvalidAction", "UnknownOperation", "UnknownOperationException"].contains(&code) {
        return RedriveError::Unsupported { operation, source: failure.cause };
    }
    if failure.kind == Kind::Invalid && failure.cause.to_string().to_lowercase().contains("dead letter queue") {
        return RedriveError::NoDeadLetterQueue { operation, source: failure.cause };
    }
    let error: QueueError = failed(operation, failure);
    error.into()
}
