//! Secrets of masks: a folder with a file for each, as orchestrators mount them. They are read once, at the start.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// A secret is no longer than this; a longer file is something else.
const LONGEST: u64 = 64 * 1024;

/// The secrets by their names. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct MaskSecrets(BTreeMap<String, Vec<u8>>);

impl MaskSecrets {
    /// Reads a folder: a file's name is the key's name, what it holds is the secret, a line end at its end left out. What
    /// begins with a dot is the mount's own.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let listing = |error| format!("the folder {} cannot be listed: {error}", folder.display());
        let mut secrets = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(listing)? {
            let path = entry.map_err(listing)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let reading = |error| format!("the key {} cannot be read: {error}", path.display());
            let length = fs::metadata(&path).map_err(reading)?.len();
            if length > LONGEST {
                return Err(format!("the key {} has {length} bytes; at most {LONGEST} make a key", path.display()));
            }
            let mut secret = fs::read(&path).map_err(reading)?;
            if secret.last() == Some(&b'\n') {
                secret.pop();
                if secret.last() == Some(&b'\r') {
                    secret.pop();
                }
            }
            if secret.is_empty() {
                return Err(format!("the key {} is empty", path.display()));
            }
            secrets.insert(name, secret);
        }
        Ok(Self(secrets))
    }

    /// Name and secret of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret.as_slice()))
    }
}

impl fmt::Debug for MaskSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
