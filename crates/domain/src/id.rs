//! Newtypes for every identifier, and how the derived ones are made.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::{ObjectUri, ObjectVersion};
use crate::timestamp::Timestamp;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text as this identifier. Nothing is checked: who makes one from outside input checks it first.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The name of a dataset: `[a-z][a-z0-9_]*`, at most 60 bytes.
    DatasetId
}
text_id! {
    /// The name of a family: a dataset with all that references tie to it. A dataset alone is a family of its own name.
    FamilyId
}
text_id! {
    /// The hash of a checked definition and of everything else that decides the bytes made from an object.
    Fingerprint
}
text_id! {
    /// Names one (dataset, object URI, object version): 32 hexadecimal digits.
    EntryId
}
text_id! {
    /// Names one application of an entry's rows to lake and warehouse: 32 hexadecimal digits.
    LoadId
}
text_id! {
    /// One worker process; unique over restarts.
    WorkerId
}
text_id! {
    /// Names a ledger, so that a warehouse can refuse another one.
    LedgerId
}
text_id! {
    /// The queue's own name of a message; the same over redeliveries.
    MessageId
}
text_id! {
    /// The token of one delivery, needed to delete or extend; changes with each delivery.
    ReceiptHandle
}
text_id! {
    /// A value nobody else has: names an attempt, an owner of a fence, a staging table.
    Nonce
}

/// What a nonce that says when it was made begins with.
const DATED: &str = "at";
/// The digits of its second: enough for some thousand years.
const SECOND_DIGITS: usize = 9;
/// Its other digits.
const OTHER_DIGITS: usize = 16;

impl Nonce {
    /// A nonce that says when it was made, to the second: whoever finds what it names left over knows its age. `digits` are
    /// hexadecimal and nobody else's, and their first 16 are taken.
    pub fn dated(at: Timestamp, digits: &str) -> Self {
        let second = u64::try_from(at.micros()).unwrap_or(0) / 1_000_000;
        let digits = digits.get(..OTHER_DIGITS).unwrap_or(digits);
        Self::new(format!("{DATED}{second:0SECOND_DIGITS$x}{digits}"))
    }

    /// When it was made, where it says so.
    pub fn made_at(&self) -> Option<Timestamp> {
        let digits = self.as_str().strip_prefix(DATED)?;
        if digits.len() != SECOND_DIGITS + OTHER_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let second = i64::from_str_radix(digits.get(..SECOND_DIGITS)?, 16).ok()?;
        Some(Timestamp::from_micros(second.checked_mul(1_000_000)?))
    }
}

/// Increases with every claim; a write with an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

/// How many times an entry was begun anew; starts at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl EntryId {
    /// The entry of one version of one object in one dataset.
    pub fn of(dataset: &DatasetId, object: &ObjectUri, version: &ObjectVersion) -> Self {
        Self(digest(&[b"entry", dataset.as_str().as_bytes(), object.as_str().as_bytes(), version.as_str().as_bytes()]))
    }
}

impl LoadId {
    /// The load of one generation of an entry under one fingerprint.
    pub fn of(entry: &EntryId, generation: Generation, fingerprint: &Fingerprint) -> Self {
        Self(digest(&[
            b"load",
            entry.as_str().as_bytes(),
            &generation.0.to_be_bytes(),
            fingerprint.as_str().as_bytes(),
        ]))
    }
}

/// 128 bits of BLAKE3 over length-prefixed parts, as hexadecimal digits, so that no two lists of parts collide by
/// where one part ends.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_nonce_says_when_it_was_made() {
        let at = Timestamp::from_micros(1_764_142_484_250_000);
        let nonce = Nonce::dated(at, &digest(&[b"digits"]));
        assert_eq!(nonce.as_str().len(), DATED.len() + SECOND_DIGITS + OTHER_DIGITS);
        assert!(nonce.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{nonce}");
        assert_eq!(nonce.made_at(), Some(Timestamp::from_micros(1_764_142_484_000_000)));
        for other in ["", "at", "staging", "at12", &digest(&[b"digits"])[..16], &format!("at{}", "é".repeat(13))] {
            assert_eq!(Nonce::new(other).made_at(), None, "{other}");
        }
    }
}
