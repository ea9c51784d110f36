//! What a failed call to S3 means to the caller.

use lakehand_aws::{Failure, Kind};
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::StoreError;

/// What the service said, behind what is to be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{hint}")]
struct Hinted {
    hint: String,
    #[source]
    said: Cause,
}

/// The meaning of a failed call about this object.
pub(super) fn failed(operation: &'static str, uri: &ObjectUri, failure: Failure) -> StoreError {
    let Failure { kind, effect, code, status, cause } = failure;
    let uri = uri.clone();
    let code = code.as_deref().unwrap_or_default();
    let status = status.unwrap_or_default();
    match (status, code) {
        (_, "NoSuchBucket") => {
            let hint = format!("there is no bucket {:?}: make it, or correct what names it", uri.bucket());
            return denied(operation, uri, hint, cause);
        }
        // 405: the version that was asked for is a delete marker.
        (404, "" | "404" | "NotFound" | "NoSuchKey" | "NoSuchVersion") | (405, _) => {
            return StoreError::NotFound { uri };
        }
        // 416: the range that was asked for lies beyond what is there now.
        (412 | 416, _) => return StoreError::Changed { uri },
        // Glacier and Deep Archive, and the archive tiers of Intelligent-Tiering.
        (_, "InvalidObjectState" | "ObjectNotInActiveTierError") => {
            return StoreError::Archived { uri, class: None, source: cause };
        }
        (301 | 307, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            let hint = format!("bucket {:?} is in another region: set aws.region to it", uri.bucket());
            return denied(operation, uri, hint, cause);
        }
        (507, _) | (_, "QuotaExceeded" | "StorageFull" | "XMinioStorageFull") => {
            return StoreError::Full { operation, uri, source: cause };
        }
        _ => {}
    }
    match kind {
        // Of a single object that is denied, S3 says nothing else where it is missing and the caller may not list.
        Kind::Denied if status == 403 && matches!(operation, "stat" | "open" | "read" | "copy" | "delete" | "tag") => {
            let hint = "there is no permission, or the object does not exist and s3:ListBucket, without which S3 does \
                        not say so, is missing"
                .to_owned();
            denied(operation, uri, hint, cause)
        }
        Kind::Denied | Kind::Invalid | Kind::NotFound => StoreError::Denied { operation, uri, source: cause },
        Kind::Condition | Kind::Throttled | Kind::Unavailable => {
            StoreError::Unavailable { operation, uri, effect, source: cause }
        }
    }
}

/// The same, where the answer says in which class an archived object lies.
pub(super) fn of_class(error: StoreError, said: Option<String>) -> StoreError {
    match error {
        StoreError::Archived { uri, source, class } => StoreError::Archived { uri, source, class: said.or(class) },
        error => error,
    }
}

fn denied(operation: &'static str, uri: ObjectUri, hint: String, said: Cause) -> StoreError {
    StoreError::Denied { operation, uri, source: Box::new(Hinted { hint, said }) }
}

/// The service answered, and what it said cannot be.
pub(super) fn senseless(operation: &'static str, uri: &ObjectUri, what: impl Into<String>) -> StoreError {
    StoreError::Unavailable {
        operation,
        uri: uri.clone(),
        effect: Effect::NotApplied,
        source: Cause::from(what.into()),
    }
}

/// The same, of a call that cannot have made anything visible.
pub(super) fn unseen(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { operation, uri, source, .. } => {
            StoreError::Unavailable { operation, uri, effect: Effect::NotApplied, source }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lakehand_domain::fault::chain;

    fn meaning(operation: &'static str, kind: Kind, status: u16, code: &str) -> StoreError {
        let code = (!code.is_empty()).then(|| code.to_owned());
        let cause = Cause::from(format!("said {status}"));
        let failure = Failure { kind, effect: Effect::Unknown, code, status: Some(status), cause };
        failed(operation, &ObjectUri::parse("s3://bucket/key").unwrap(), failure)
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_refused() {
        for (status, code) in
            [(404, ""), (404, "NoSuchKey"), (404, "NoSuchVersion"), (404, "NotFound"), (405, "MethodNotAllowed")]
        {
            let error = meaning("stat", Kind::NotFound, status, code);
            assert!(matches!(error, StoreError::NotFound { .. }), "{code}: {error:?}");
        }
        for (kind, status, code, said) in [
            (Kind::NotFound, 404, "NoSuchBucket", "there is no bucket \"bucket\""),
            (Kind::NotFound, 400, "KMS.NotFoundException", "said 400"),
            (Kind::Denied, 403, "AccessDenied", "s3:ListBucket"),
            (Kind::Invalid, 301, "PermanentRedirect", "set aws.region"),
            (Kind::Invalid, 400, "AuthorizationHeaderMalformed", "set aws.region"),
            (Kind::Invalid, 400, "KeyTooLongError", "said 400"),
        ] {
            let error = meaning("stat", kind, status, code);
            assert!(matches!(error, StoreError::Denied { operation: "stat", .. }), "{code}: {error:?}");
            let told = chain(&error);
            assert!(told.contains(said) && told.contains(&format!("said {status}")), "{code}: {told}");
        }
        let put = chain(&meaning("put", Kind::Denied, 403, "AccessDenied"));
        assert!(!put.contains("ListBucket"), "{put}");
    }

    /// Of others in the same bucket this says nothing.
    #[test]
    fn what_is_archived_is_told_from_what_is_refused() {
        for (operation, code) in [("open", "InvalidObjectState"), ("copy", "ObjectNotInActiveTierError")] {
            let error = meaning(operation, Kind::Denied, 403, code);
            assert!(matches!(error, StoreError::Archived { class: None, .. }), "{error:?}");
            let told = chain(&of_class(error, Some("DEEP_ARCHIVE".to_owned())));
            assert!(told.starts_with("s3://bucket/key is archived (storage class DEEP_ARCHIVE)"), "{told}");
            assert!(told.ends_with("said 403"), "{told}");
        }
    }

    #[test]
    fn what_changed_what_is_full_and_what_fails_is_told() {
        for status in [412, 416] {
            let error = meaning("open", Kind::Condition, status, "PreconditionFailed");
            assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
        }
        let full = meaning("put", Kind::Unavailable, 507, "XMinioStorageFull");
        assert!(matches!(full, StoreError::Full { operation: "put", .. }), "{full:?}");
        for (kind, status, code) in [
            (Kind::Throttled, 503, "SlowDown"),
            (Kind::Condition, 409, "ConditionalRequestConflict"),
            (Kind::Unavailable, 500, "InternalError"),
            (Kind::Unavailable, 400, "RequestTimeout"),
        ] {
            let error = meaning("put", kind, status, code);
            assert!(matches!(error, StoreError::Unavailable { effect: Effect::Unknown, .. }), "{code}: {error:?}");
            assert!(matches!(unseen(error), StoreError::Unavailable { effect: Effect::NotApplied, .. }));
        }
    }
}
