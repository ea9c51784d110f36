//! What an error of the SDK means to a port.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lakehand_domain::fault::{Cause, Effect, chain};

/// What kind of failure a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No permission, no or bad credentials, no key to decrypt with. An operator has to act.
    Denied,
    /// What was named is not there: table, queue, bucket, object, statement.
    NotFound,
    /// A condition of the call did not hold; perhaps because an attempt before it, whose answer was lost, made it so.
    Condition,
    /// Too many calls; later ones may be taken.
    Throttled,
    /// The service does not take such a request, whenever it comes.
    Invalid,
    /// It could not be reached, did not answer in time, or failed.
    Unavailable,
}

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// Whether it may have happened.
    pub effect: Effect,
    /// The service's own word for it, where it gave one.
    pub code: Option<String>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What was said.
    pub cause: Cause,
}

/// The service's words, without the SDK's wrapping.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Said {
    text: String,
    #[source]
    source: Option<Cause>,
}

impl Failure {
    /// Whether the service said exactly this.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// Codes by which services say that they want less; the SDK knows them too, and has waited before.
const THROTTLED: [&str; 15] = [
    "ActiveSessionsExceededException",
    "ActiveStatementsExceededException",
    "ActiveWaitingRequestsExceededException",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "SlowDown",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "OverLimit",
];

/// Codes of status 400 by which services say that a request did not reach them whole or in time, which no rewording cures.
const BROKEN: [&str; 5] =
    ["BadDigest", "IncompleteBody", "RequestTimeout", "RequestTimeoutException", "XAmzContentSHA256Mismatch"];

/// Codes by which services say that somebody has to act.
const DENIED: [&str; 14] = [
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// Parts of codes by which services say that there is nothing of this name.
const NAMELESS: [&str; 4] = ["NotFound", "NonExistent", "DoesNotExist", "NoSuch"];

/// Says what a failed call means.
pub fn classify<E>(error: SdkError<E, HttpResponse>) -> Failure
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().map(str::to_owned);
    if let SdkError::DispatchFailure(_) = &error
        && let Some(credentials) = credentials_error(&error)
    {
        return without_credentials(credentials);
    }
    let (kind, effect) = match &error {
        // Nothing was sent: there was nothing to sign with, or the request could not be built.
        SdkError::ConstructionFailure(_) => (Kind::Denied, Effect::NotApplied),
        SdkError::DispatchFailure(failure) if failure.is_user() => (Kind::Denied, Effect::NotApplied),
        SdkError::ServiceError(_) => of_answer(code.as_deref(), status.unwrap_or_default()),
        _ => (Kind::Unavailable, Effect::Unknown),
    };
    let text = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format!("{error}"),
    };
    let source = if code.is_some() { None } else { error.into_source().ok() };
    Failure { kind, effect, code, status, cause: Box::new(Said { text, source }) }
}

/// The failure to get credentials that a failure comes from, if it does.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// There was nothing to sign with, so that nothing was sent. Only a provider that did not answer in time may do so later.
fn without_credentials(error: &CredentialsError) -> Failure {
    let kind = match error {
        CredentialsError::ProviderTimedOut(_) => Kind::Unavailable,
        _ => Kind::Denied,
    };
    let what = match error {
        CredentialsError::CredentialsNotLoaded(_) => "there are no credentials for AWS".to_owned(),
        // What a provider says may have several lines.
        other => {
            let said = chain(other);
            format!("no credentials for AWS ({})", said.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    };
    let text = format!(
        "{what}: give the process a role (of its task, instance or web identity), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID \
         with AWS_SECRET_ACCESS_KEY"
    );
    let cause = Box::new(Said { text, source: None });
    Failure { kind, effect: Effect::NotApplied, code: None, status: None, cause }
}

/// A refusal is sure not to have happened. A throttled or failed attempt, or one whose condition does not hold, may follow
/// one whose answer was lost.
fn of_answer(code: Option<&str>, status: u16) -> (Kind, Effect) {
    // Of the older protocol of SQS some codes still have their first name.
    let code = code.unwrap_or_default();
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    if THROTTLED.contains(&code) || status == 429 {
        return (Kind::Throttled, Effect::Unknown);
    }
    if code.starts_with("KMS.Throttling") || code == "KmsThrottled" {
        return (Kind::Throttled, Effect::Unknown);
    }
    // The key is disabled, gone, of the wrong kind, or not for us.
    let key = code.starts_with("KMS.") || code.starts_with("Kms");
    if key || DENIED.contains(&code) || status == 401 || status == 403 {
        return (Kind::Denied, Effect::NotApplied);
    }
    if BROKEN.contains(&code) || status == 408 {
        return (Kind::Unavailable, Effect::Unknown);
    }
    match status {
        404 => (Kind::NotFound, Effect::NotApplied),
        409 | 412 => (Kind::Condition, Effect::Unknown),
        400..=499 if NAMELESS.iter().any(|part| code.contains(part)) => (Kind::NotFound, Effect::NotApplied),
        400..=499 if code.contains("ConditionalCheckFailed") || code == "PreconditionFailed" => {
            (Kind::Condition, Effect::Unknown)
        }
        400..=499 | 501 => (Kind::Invalid, Effect::NotApplied),
        _ => (Kind::Unavailable, Effect::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    /// An error of an operation that says nothing.
    #[derive(Debug, thiserror::Error)]
    #[error("silent")]
    struct Silent(ErrorMetadata);

    impl ProvideErrorMetadata for Silent {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[test]
    fn a_call_without_credentials_was_not_sent_and_says_what_to_do() {
        let fail = |source: Box<dyn Error + Send + Sync>| {
            classify(SdkError::<Silent, HttpResponse>::dispatch_failure(ConnectorError::other(source, None)))
        };
        let nowhere = CredentialsError::not_loaded("no credentials found in chain.\n  Environment: not set");
        let failure = fail(Box::new(Said { text: "sign".to_owned(), source: Some(Box::new(nowhere)) }));
        assert_eq!((failure.kind, failure.effect), (Kind::Denied, Effect::NotApplied));
        let said = chain(failure.cause.as_ref());
        assert!(said.starts_with("there are no credentials for AWS: ") && said.contains("AWS_PROFILE"), "{said}");
        let failure = fail(Box::new(CredentialsError::provider_error("role r\nis not ours to assume")));
        assert_eq!((failure.kind, failure.effect), (Kind::Denied, Effect::NotApplied));
        let said = chain(failure.cause.as_ref());
        assert!(said.contains("role r is not ours to assume"), "{said}");
        let late = fail(Box::new(CredentialsError::provider_timed_out(std::time::Duration::from_secs(5))));
        assert_eq!((late.kind, late.effect), (Kind::Unavailable, Effect::NotApplied));
        // Any other failure to send may have been one to hear the answer.
        let cut = fail(Box::new(std::io::Error::other("reset")));
        assert_eq!((cut.kind, cut.effect), (Kind::Unavailable, Effect::Unknown));
    }

    #[test]
    fn only_a_refusal_is_sure_not_to_have_happened() {
        for (code, status, kind, effect) in [
            ("AccessDenied", 403, Kind::Denied, Effect::NotApplied),
            ("UnrecognizedClientException", 400, Kind::Denied, Effect::NotApplied),
            ("ThrottlingException", 400, Kind::Throttled, Effect::Unknown),
            ("SlowDown", 503, Kind::Throttled, Effect::Unknown),
            ("ActiveStatementsExceededException", 400, Kind::Throttled, Effect::Unknown),
            ("ConditionalCheckFailedException", 400, Kind::Condition, Effect::Unknown),
            ("PreconditionFailed", 412, Kind::Condition, Effect::Unknown),
            ("ResourceNotFoundException", 400, Kind::NotFound, Effect::NotApplied),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Kind::NotFound, Effect::NotApplied),
            ("AWS.SimpleQueueService.RequestThrottled", 400, Kind::Throttled, Effect::Unknown),
            ("QueueDoesNotExist", 400, Kind::NotFound, Effect::NotApplied),
            ("KmsDisabled", 400, Kind::Denied, Effect::NotApplied),
            ("KmsThrottled", 400, Kind::Throttled, Effect::Unknown),
            ("NotImplemented", 501, Kind::Invalid, Effect::NotApplied),
            ("NoSuchKey", 404, Kind::NotFound, Effect::NotApplied),
            ("ValidationException", 400, Kind::Invalid, Effect::NotApplied),
            ("InternalServerError", 500, Kind::Unavailable, Effect::Unknown),
            ("", 503, Kind::Unavailable, Effect::Unknown),
            ("RequestTimeout", 400, Kind::Unavailable, Effect::Unknown),
            ("BadDigest", 400, Kind::Unavailable, Effect::Unknown),
            // S3 may say so after it has answered 200.
            ("InternalError", 200, Kind::Unavailable, Effect::Unknown),
        ] {
            assert_eq!(of_answer(Some(code), status), (kind, effect), "{code} {status}");
        }
    }
}
