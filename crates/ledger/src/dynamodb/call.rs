//! What a failed call to DynamoDB is to the port.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lakehand_aws::{Kind, classify};
use lakehand_domain::fault::Cause;
use lakehand_domain::port::ledger::LedgerError;

/// The table is not there; the words of the service do not name it.
#[derive(Debug, thiserror::Error)]
#[error("the table {table} is not there; `lakehand provision` makes it")]
struct NoTable {
    table: String,
    #[source]
    source: Cause,
}

/// What a failed call is to the caller of the ledger. The SDK has repeated by itself what may be repeated.
pub(super) fn failed<E>(operation: &'static str, table: &str, error: SdkError<E, HttpResponse>) -> LedgerError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let failure = classify(error);
    match failure.kind {
        Kind::NotFound => LedgerError::Denied {
            operation,
            source: Box::new(NoTable { table: table.to_owned(), source: failure.cause }),
        },
        Kind::Denied | Kind::Invalid => LedgerError::Denied { operation, source: failure.cause },
        Kind::Condition | Kind::Throttled | Kind::Unavailable => {
            LedgerError::Unavailable { operation, effect: failure.effect, source: failure.cause }
        }
    }
}

/// Whether a conditional write was done, where one that was refused is no failure.
pub(super) fn done<T, E>(
    operation: &'static str,
    table: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<bool, LedgerError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(failed(operation, table, error)),
    }
}

/// What is stored and cannot be read.
pub(super) fn unintelligible(operation: &'static str, message: impl Into<String>) -> LedgerError {
    LedgerError::Unintelligible { operation, message: message.into() }
}
