//! What is kept of values that are not to be seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use lakehand_dataset::dataset::{Dataset, Mask};
use sha2::{Digest, Sha256};

/// What stands for a value of which nothing is kept.
pub(crate) const HIDDEN: &str = "***";

/// The keys of masks, by the names that definitions give them. Never printed.
#[derive(Clone, Default)]
pub struct MaskKeys {
    keys: BTreeMap<String, Arc<[u8]>>,
    made_up: bool,
}

impl fmt::Debug for MaskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskKeys").field("names", &self.keys.keys()).finish_non_exhaustive()
    }
}

impl MaskKeys {
    /// Keys made up from their names, for looking at what a file would become without the secrets: the masks are not
    /// those of any warehouse.
    pub fn made_up() -> Self {
        Self { keys: BTreeMap::new(), made_up: true }
    }

    /// With one more; the secret is taken as it is, byte for byte.
    #[must_use]
    pub fn with(mut self, name: &str, secret: &[u8]) -> Self {
        self.keys.insert(name.to_owned(), secret.into());
        self
    }

    fn find(&self, name: &str) -> Option<Arc<[u8]>> {
        let found = self.keys.get(name).cloned();
        found.or_else(|| self.made_up.then(|| format!("made up for {name}").into_bytes().into()))
    }

    /// The names of keys that a dataset needs and that are not there.
    pub(crate) fn missing(&self, dataset: &Dataset) -> Vec<String> {
        let columns = dataset.tables.iter().flat_map(|table| &table.columns);
        let mut missing: Vec<String> = columns
            .filter_map(|column| match &column.rules.mask {
                Some(Mask::Hmac { key }) if self.find(key).is_none() => Some(key.clone()),
                _ => None,
            })
            .collect();
        missing.dedup();
        missing
    }
}

/// One mask, ready to be put on.
pub(crate) enum Masker {
    Hmac { name: String, keyed: Box<Hmac<Sha256>> },
    Sha256,
    Redact,
    Drop,
    KeepDomain,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac { .. } => "Hmac",
            Self::Sha256 => "Sha256",
            Self::Redact => "Redact",
            Self::Drop => "Drop",
            Self::KeepDomain => "KeepDomain",
        })
    }
}

impl Masker {
    /// For a column; Err is what is missing.
    pub(crate) fn new(mask: &Mask, keys: &MaskKeys) -> Result<Self, String> {
        Ok(match mask {
            Mask::Hmac { key } => {
                let secret = keys.find(key).ok_or_else(|| format!("the settings have no mask key {key:?}"))?;
                let keyed = Hmac::new_from_slice(&secret).map_err(|error| error.to_string())?;
                Self::Hmac { name: key.clone(), keyed: Box::new(keyed) }
            }
            Mask::Sha256 => Self::Sha256,
            Mask::Redact => Self::Redact,
            Mask::Drop => Self::Drop,
            Mask::KeepDomain => Self::KeepDomain,
        })
    }

    /// Whether the length of a value as it came says nothing of the length of what is kept.
    pub(crate) fn is_of_fixed_length(mask: &Mask) -> bool {
        matches!(mask, Mask::Hmac { .. } | Mask::Sha256 | Mask::Redact)
    }

    /// Appends what is kept of a text; false where nothing is.
    pub(crate) fn put_on(&self, text: &str, into: &mut String) -> bool {
        match self {
            Self::Hmac { name, keyed } => {
                let mut keyed = keyed.as_ref().clone();
                keyed.update(text.as_bytes());
                into.push_str(name);
                into.push(':');
                digits(&keyed.finalize().into_bytes(), into);
            }
            Self::Sha256 => digits(&Sha256::digest(text.as_bytes()), into),
            Self::Redact => into.push_str(HIDDEN),
            Self::KeepDomain => {
                into.push_str(HIDDEN);
                into.extend(text.rfind('@').map(|at| &text[at..]));
            }
            Self::Drop => return false,
        }
        true
    }
}

fn digits(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            into.extend(char::from_digit(u32::from(half), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mask: &Mask, text: &str) -> Option<String> {
        let keys = MaskKeys::default().with("k1", b"Jefe").with("k2", b"other");
        let mut into = String::new();
        Masker::new(mask, &keys).unwrap().put_on(text, &mut into).then_some(into)
    }

    #[test]
    fn masks_are_what_they_say() {
        // RFC 4231, test case 2.
        let hmac = masked(&Mask::Hmac { key: "k1".into() }, "what do ya want for nothing?").unwrap();
        assert_eq!(hmac, "k1:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_ne!(masked(&Mask::Hmac { key: "k2".into() }, "a"), masked(&Mask::Hmac { key: "k1".into() }, "a"));
        let sha = masked(&Mask::Sha256, "abc").unwrap();
        assert_eq!(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(masked(&Mask::Redact, "abc").unwrap(), "***");
        assert_eq!(masked(&Mask::Drop, "abc"), None);
        for (text, kept) in [("a@b.de", "***@b.de"), ("\"a@x\"@b.de", "***@b.de"), ("none", "***"), ("", "***")] {
            assert_eq!(masked(&Mask::KeepDomain, text).unwrap(), kept);
        }
    }

    #[test]
    fn keys_are_named_and_not_shown() {
        let keys = MaskKeys::default().with("k1", b"secret");
        assert_eq!(format!("{keys:?}"), "MaskKeys { names: [\"k1\"], .. }");
        assert!(Masker::new(&Mask::Hmac { key: "k2".into() }, &keys).unwrap_err().contains("no mask key \"k2\""));
        assert!(Masker::new(&Mask::Hmac { key: "k2".into() }, &MaskKeys::made_up()).is_ok());
    }
}
