//! What an error of the operating system means to the caller.

use std::io::{Error, ErrorKind};

use lakehand_domain::fault::Effect;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::StoreError;

/// The meaning for a call that reads: what cannot be reached by its path is not there.
pub(super) fn reading(operation: &'static str, uri: &ObjectUri, error: Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            StoreError::NotFound { uri: uri.clone() }
        }
        _ => writing(operation, uri, Effect::NotApplied, error),
    }
}

/// The meaning for a call that writes; `effect` is what a failure means that is neither a refusal nor want of room.
pub(super) fn writing(operation: &'static str, uri: &ObjectUri, effect: Effect, error: Error) -> StoreError {
    let (uri, source) = (uri.clone(), Box::new(error));
    match source.kind() {
        _ if effect == Effect::Unknown => StoreError::Unavailable { operation, uri, effect, source },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { operation, uri, source },
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::InvalidFilename
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::DirectoryNotEmpty
        | ErrorKind::AlreadyExists
        | ErrorKind::FileTooLarge
        | ErrorKind::Unsupported => StoreError::Denied { operation, uri, source },
        _ => StoreError::Unavailable { operation, uri, effect, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_number_has_its_meaning() {
        let uri = ObjectUri::parse("file:///a").unwrap();
        let read = |number| reading("stat", &uri, Error::from_raw_os_error(number));
        let write = |number| writing("put", &uri, Effect::NotApplied, Error::from_raw_os_error(number));
        // ENOENT, ENOTDIR, ENAMETOOLONG.
        for number in [2, 20, 36] {
            assert!(matches!(read(number), StoreError::NotFound { .. }), "{number}");
        }
        // EPERM, EACCES, EROFS; for writers also EEXIST, ENOTDIR, EISDIR, EFBIG, ENAMETOOLONG.
        for number in [1, 13, 30] {
            assert!(matches!(read(number), StoreError::Denied { .. }), "{number}");
        }
        for number in [1, 13, 30, 17, 20, 21, 27, 36] {
            assert!(matches!(write(number), StoreError::Denied { .. }), "{number}");
        }
        // ENOSPC, EDQUOT.
        for number in [28, 122] {
            assert!(matches!(write(number), StoreError::Full { .. }), "{number}");
        }
        // EIO, ESTALE, EMFILE; for writers also ENOENT, when the folder went away under them.
        for number in [5, 116, 24, 2] {
            let error = write(number);
            assert!(matches!(error, StoreError::Unavailable { effect: Effect::NotApplied, .. }), "{number}: {error:?}");
        }
        let full_afterwards = writing("put", &uri, Effect::Unknown, Error::from_raw_os_error(28));
        assert!(matches!(full_afterwards, StoreError::Unavailable { effect: Effect::Unknown, .. }));
    }
}
