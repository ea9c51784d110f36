//! How S3 is to be used.

use std::time::Duration;

/// S3 takes parts of at least this many bytes, but for the last of an upload ("Multipart upload limits").
pub(super) const LEAST_PART: u64 = 5 << 20;

/// … and of at most this many.
const MOST_PART: u64 = 5 << 30;

/// The largest object that one `CopyObject` copies ("Copying objects").
const MOST_COPIED_AT_ONCE: u64 = 5 << 30;

/// How buckets are reached, and how objects are written and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Options {
    /// A name that no other process has, nor this one after a restart: it tells this process's writes from others'.
    pub writer: String,
    /// The bucket stands in the path and not in the host's name. Emulators and other endpoints of one's own need it.
    pub path_style: bool,
    /// Reads and writes are paid by whoever makes them, as buckets of the kind ask for.
    pub requester_pays: bool,
    /// The account that every bucket must belong to; calls to another's are refused.
    pub bucket_owner: Option<String>,
    /// How what is written is encrypted.
    pub encryption: Encryption,
    /// The storage class of what is written, `STANDARD_IA` and its like; `None` is the bucket's own.
    pub storage_class: Option<String>,
    /// Bytes of a part of an upload, and of a piece of a body that is read: 5 MiB to 5 GiB. An upload has at most 10,000
    /// parts.
    pub part_bytes: u64,
    /// Pieces of one body that are read at once, or wait read for their turn.
    pub pieces_of_body: usize,
    /// Pieces read ahead at once, of all bodies. Each body always has one piece beside these.
    pub pieces_at_once: usize,
    /// Parts on their way at once, of all uploads.
    pub parts_at_once: usize,
    /// Bytes of uploads that may wait in memory, for their verdict or to become a part. Beyond it they are sent as soon
    /// as S3 takes them.
    pub held_bytes: u64,
    /// How long one attempt of a call that moves bytes, here or at the service, may take.
    pub transfer_timeout: Duration,
    /// A body that gives no byte for this long is taken for broken off.
    pub idle_timeout: Duration,
    /// Whether unfinished uploads below a prefix that is swept are this program's to give up: so in a lake, and not in a
    /// landing, where whoever delivers may be uploading for hours.
    pub sweep_uploads: bool,
    /// A larger object is copied in parts. Lower than S3's own 5 GiB only for tests.
    pub copy_at_once: u64,
}

/// How what is written is encrypted, beyond what the bucket does by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    Bucket,
    /// By keys of S3, AES-256.
    S3,
    /// By a key of KMS.
    Kms {
        /// The key's id or ARN; `None` is S3's own key of the account.
        key: Option<String>,
        /// Whether a key of the bucket saves calls to KMS; `None` is as the bucket says.
        bucket_key: Option<bool>,
    },
}

/// Options that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3OptionsError {
    /// S3 does not take such parts.
    #[error("parts of {0} bytes: S3 takes parts of 5 MiB to 5 GiB")]
    PartBytes(u64),
    /// Nothing could ever be moved.
    #[error("{0} is 0, so that nothing could ever be read or written; the least is 1")]
    Nothing(&'static str),
    /// Writes could not be told apart.
    #[error("the name of the writer is {0:?}: it goes into a header, and must be 1 to 200 letters, digits, - and _")]
    Writer(String),
}

impl S3Options {
    /// The usual, for a process of this name.
    pub fn new(writer: impl Into<String>) -> Self {
        Self {
            writer: writer.into(),
            path_style: false,
            requester_pays: false,
            bucket_owner: None,
            encryption: Encryption::Bucket,
            storage_class: None,
            part_bytes: 8 << 20,
            pieces_of_body: 4,
            pieces_at_once: 16,
            parts_at_once: 8,
            held_bytes: 64 << 20,
            transfer_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_secs(20),
            sweep_uploads: false,
            copy_at_once: MOST_COPIED_AT_ONCE,
        }
    }

    pub(super) fn check(&self) -> Result<(), S3OptionsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.writer.is_empty() || self.writer.len() > 200 || !self.writer.bytes().all(plain) {
            return Err(S3OptionsError::Writer(self.writer.clone()));
        }
        if !(LEAST_PART..=MOST_PART).contains(&self.part_bytes) {
            return Err(S3OptionsError::PartBytes(self.part_bytes));
        }
        let counts = [
            ("pieces_of_body", self.pieces_of_body),
            ("pieces_at_once", self.pieces_at_once),
            ("parts_at_once", self.parts_at_once),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(S3OptionsError::Nothing(name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_are_refused() {
        let usual = S3Options::new("worker-1");
        usual.check().unwrap();
        let refused = |change: fn(&mut S3Options)| {
            let mut options = usual.clone();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert!(refused(|options| options.part_bytes = (5 << 20) - 1).contains("5 MiB"));
        assert!(refused(|options| options.part_bytes = (5 << 30) + 1).contains("5 GiB"));
        assert!(refused(|options| options.parts_at_once = 0).contains("parts_at_once is 0"));
        assert!(refused(|options| options.pieces_of_body = 0).contains("pieces_of_body is 0"));
        assert!(refused(|options| options.writer.clear()).contains("writer"));
        assert!(refused(|options| options.writer = "a b".to_owned()).contains("a b"));
    }
}
