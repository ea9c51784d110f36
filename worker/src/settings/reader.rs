//! Reads typed values out of the layers, and collects what is wrong with them and what is in effect.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use config::ValueKind;
use lakehand_daemon::PauseWindows;
use serde::Serialize;

use super::layers::{Given, Layers, Origin};
use super::location::{Location, Role, absolute, redacted};
use super::problem::SettingsProblem;
use super::secrets::MaskSecrets;
use super::unit::{duration_text, parse_duration, parse_size, size_text};

/// One setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Effective {
    /// Its key.
    pub(crate) key: String,
    /// Its value, without secrets.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Reads one key after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    layers: Layers,
    known: Vec<&'static str>,
    effective: Vec<Effective>,
    problems: Vec<SettingsProblem>,
}

impl Reader {
    /// A reader of these layers.
    pub(crate) fn new(layers: Layers) -> Self {
        Self { layers, known: Vec::new(), effective: Vec::new(), problems: Vec::new() }
    }

    /// Where a backend lies; `default` stands in where nothing is said, and without one a value is demanded.
    pub(crate) fn location(&mut self, key: &'static str, role: Role, default: Option<Location>) -> Option<Location> {
        let missing = default.is_none();
        let found = self.read(key, default, &Location::to_string, |given, base| {
            let text = text_of(given).ok_or_else(|| format!("it must be a URL; this build has {}", role.built()))?;
            Location::parse(role, &text, base)
        });
        if found.is_none() && missing && !self.layers.values.contains_key(key) {
            let example = key.split('.').next().unwrap_or("");
            let file =
                self.layers.file.as_deref().map_or("lakehand.toml".to_owned(), |file| file.display().to_string());
            self.problems.push(SettingsProblem::new(
                Origin::Default,
                key,
                format!(
                    "it must be named; this build has {}; write [{example}] url = \"./{example}\" into {file}, or set \
                     LAKEHAND__{}__URL",
                    role.built(),
                    example.to_uppercase()
                ),
            ));
        }
        found
    }

    /// A folder.
    pub(crate) fn folder(&mut self, key: &'static str, default: &Path) -> PathBuf {
        let folder = absolute(default, &self.layers.file_folder);
        let show = |path: &PathBuf| path.display().to_string();
        self.read(key, Some(folder.clone()), &show, |given, base| {
            let text = text_of(given).filter(|text| !text.is_empty()).ok_or("it must be the path of a folder")?;
            Ok(absolute(Path::new(&text), base))
        })
        .unwrap_or(folder)
    }

    /// The secrets of a folder, where one is given; it is shown by its path alone.
    pub(crate) fn secrets(&mut self, key: &'static str) -> MaskSecrets {
        let show = |(folder, _): &(PathBuf, MaskSecrets)| folder.display().to_string();
        let read = self.read(key, None, &show, |given, base| {
            let text = text_of(given).filter(|text| !text.is_empty()).ok_or("it must be the path of a folder")?;
            let folder = absolute(Path::new(&text), base);
            let secrets = MaskSecrets::read(&folder)?;
            Ok((folder, secrets))
        });
        read.map(|(_, secrets)| secrets).unwrap_or_default()
    }

    /// A whole number within a range.
    pub(crate) fn count<N>(&mut self, key: &'static str, range: RangeInclusive<N>, default: N) -> N
    where
        N: Copy + PartialOrd + ToString + FromStr + TryFrom<i64>,
    {
        let allowed = format!("a whole number from {} to {}", range.start().to_string(), range.end().to_string());
        self.read(key, Some(default), &N::to_string, |given, _| {
            let number = match &given.value.kind {
                ValueKind::I64(number) => N::try_from(*number).ok(),
                _ => text_of(given).and_then(|text| text.trim().parse().ok()),
            };
            number.filter(|number| range.contains(number)).ok_or_else(|| format!("it must be {allowed}"))
        })
        .unwrap_or(default)
    }

    /// A duration within a range.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let allowed =
            format!("from {} to {}, such as \"30s\"", duration_text(*range.start()), duration_text(*range.end()));
        self.read(key, Some(default), &|value| duration_text(*value), |given, _| {
            let duration = text_of(given).and_then(|text| parse_duration(&text));
            duration
                .filter(|duration| range.contains(duration))
                .ok_or_else(|| format!("it must be a duration {allowed}"))
        })
        .unwrap_or(default)
    }

    /// Cron patterns, as a list or as one text with semicolons between them.
    pub(crate) fn windows(&mut self, key: &'static str) -> PauseWindows {
        self.read(key, Some(PauseWindows::default()), &PauseWindows::to_string, |given, _| {
            let texts: Vec<String> = match &given.value.kind {
                ValueKind::Array(values) => values.iter().map(ToString::to_string).collect(),
                _ => vec![text_of(given).ok_or("it must be a list of cron patterns")?],
            };
            let patterns = texts.iter().flat_map(|text| text.split(';'));
            PauseWindows::parse(patterns).map_err(|error| error.to_string())
        })
        .unwrap_or_default()
    }

    /// A number of bytes within a range.
    pub(crate) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let allowed = format!("from {} to {}, such as \"512MB\"", size_text(*range.start()), size_text(*range.end()));
        self.read(key, Some(default), &|value| size_text(*value), |given, _| {
            let size = match &given.value.kind {
                ValueKind::I64(number) => u64::try_from(*number).ok(),
                _ => text_of(given).and_then(|text| parse_size(&text)),
            };
            size.filter(|size| range.contains(size)).ok_or_else(|| format!("it must be a size {allowed}"))
        })
        .unwrap_or(default)
    }

    /// A text, where one is given; `check` says what is wrong with it.
    pub(crate) fn text(&mut self, key: &'static str, check: impl FnOnce(&str) -> Result<(), String>) -> Option<String> {
        self.read(key, None, &String::clone, |given, _| {
            let text = text_of(given).filter(|text| !text.is_empty()).ok_or("it must be a text")?;
            check(&text).map(|()| text)
        })
    }

    /// Yes or no.
    pub(crate) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, Some(default), &bool::to_string, |given, _| match &given.value.kind {
            ValueKind::Boolean(value) => Ok(*value),
            _ => text_of(given)
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| "it must be true or false".to_owned()),
        })
        .unwrap_or(default)
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        default: &'static str,
    ) -> T {
        let listed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let word = |value: &T| words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| *word).to_owned();
        let usual = words.iter().find(|(word, _)| *word == default).unwrap_or(&words[0]).1;
        self.read(key, Some(usual), &word, |given, _| {
            let text = text_of(given).unwrap_or_default();
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            found.ok_or_else(|| format!("it must be one of {}", listed.join(", ")))
        })
        .unwrap_or(usual)
    }

    /// Where a backend lies that need not be named.
    pub(crate) fn optional_location(&mut self, key: &'static str, role: Role) -> Option<Location> {
        self.read(key, None, &Location::to_string, |given, base| {
            let text = text_of(given).ok_or_else(|| format!("it must be a URL; this build has {}", role.built()))?;
            Location::parse(role, &text, base)
        })
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        show: &dyn Fn(&T) -> String,
        parse: impl FnOnce(&Given, &Path) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(key);
        let (value, origin) = match self.layers.values.get(key) {
            Some(given) => {
                let base = match given.origin {
                    Origin::File { .. } | Origin::Default => &self.layers.file_folder,
                    Origin::Environment { .. } | Origin::Flag => &self.layers.current_folder,
                };
                match parse(given, base) {
                    Ok(value) => (value, given.origin.clone()),
                    Err(mut message) => {
                        let shown = redacted(&given.value.to_string());
                        // Refusals of URLs name the URL themselves.
                        if message.starts_with("it must be") {
                            message = format!("{shown:?} is refused: {message}");
                        }
                        self.problems.push(SettingsProblem::new(given.origin.clone(), key, message));
                        return None;
                    }
                }
            }
            None => (default?, Origin::Default),
        };
        self.effective.push(Effective { key: key.to_owned(), value: show(&value), origin });
        Some(value)
    }

    /// Notes a problem between settings.
    pub(crate) fn refuse(&mut self, key: &'static str, message: impl Into<String>) {
        let origin = self.layers.values.get(key).map_or(Origin::Default, |given| given.origin.clone());
        self.problems.push(SettingsProblem::new(origin, key, message));
    }

    /// Ends the reading: what was given and never asked for is a problem too.
    pub(crate) fn finish(mut self) -> Result<Vec<Effective>, Vec<SettingsProblem>> {
        for (key, given) in &self.layers.values {
            if !self.known.contains(&key.as_str()) {
                let message = unknown(key, &self.known);
                self.problems.push(SettingsProblem::new(given.origin.clone(), key, message));
            }
        }
        if self.problems.is_empty() {
            return Ok(self.effective);
        }
        // In the order of the file, what no file says last.
        self.problems.sort_by_key(|problem| match &problem.origin {
            Origin::File { line, .. } => (0, *line),
            Origin::Environment { .. } => (1, 0),
            Origin::Flag => (2, 0),
            Origin::Default => (3, 0),
        });
        Err(self.problems)
    }
}

/// The text of a value that is one; an environment variable always is.
fn text_of(given: &Given) -> Option<String> {
    match &given.value.kind {
        ValueKind::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// What to say of a key that is not known.
fn unknown(key: &str, known: &[&'static str]) -> String {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let keys_of = |section: &str| {
        let names = known.iter().filter_map(|known| known.split_once('.')).filter(|(known, _)| *known == section);
        names.map(|(_, name)| name).collect::<Vec<_>>()
    };
    let siblings = keys_of(section);
    if !siblings.is_empty() {
        return format!("there is no such setting; [{section}] has {}", siblings.join(", "));
    }
    let inner = keys_of(key);
    if !inner.is_empty() {
        return format!("this is a section; write [{key}] and below it {}", inner.join(", "));
    }
    let mut sections: Vec<&str> = Vec::new();
    for section in known.iter().filter_map(|known| known.split('.').next()) {
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    let named = if section.is_empty() { name } else { section };
    format!("there is no section [{named}]; there are {}", sections.join(", "))
}
