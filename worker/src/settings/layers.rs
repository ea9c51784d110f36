//! The layers of settings: file, environment, flags; each later one over the ones before.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, ConfigBuilder, Environment, File, FileFormat, Value, ValueKind, builder::DefaultState};
use serde::Serialize;

use super::problem::SettingsProblem;
use crate::key_lines::key_lines;

/// Where settings come from, before they are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The settings file that was asked for.
    pub(crate) file: Option<PathBuf>,
    /// The folder we run in.
    pub(crate) current_folder: PathBuf,
    /// The environment; only what begins with `LAKEHAND__` is looked at.
    pub(crate) environment: Vec<(String, String)>,
    /// `key=value` of `--set`.
    pub(crate) flags: Vec<String>,
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "from")]
pub(crate) enum Origin {
    /// The settings file.
    File {
        /// Its path.
        path: String,
        /// The line, from 1, where it is known.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// `--set`.
    Flag,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment { variable } => f.write_str(variable),
            Self::Flag => f.write_str("--set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value as it was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The value.
    pub(crate) value: Value,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// All values that were given, by dotted key.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// The settings file, where there is one; absolute.
    pub(crate) file: Option<PathBuf>,
    /// The folder that relative paths of the file begin at.
    pub(crate) file_folder: PathBuf,
    /// The folder that relative paths of environment and flags begin at.
    pub(crate) current_folder: PathBuf,
    /// The values.
    pub(crate) values: BTreeMap<String, Given>,
}

const PREFIX: &str = "LAKEHAND__";

/// The settings file that is read when none is asked for.
pub(crate) const FILE_NAME: &str = "lakehand.toml";

impl Layers {
    /// Reads all layers. What cannot be read at all is a problem of the layer as a whole.
    pub(crate) fn collect(sources: &Sources) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let mut builder = Config::builder();
        let current_folder = sources.current_folder.clone();
        let (file, text) = match settings_file(sources) {
            Ok(Some((path, text))) => (Some(path), text),
            Ok(None) => (None, String::new()),
            Err(problem) => {
                problems.push(problem);
                (None, String::new())
            }
        };
        let path = file.as_deref().map(|path| shown(path, &current_folder)).unwrap_or_default();
        let lines = match key_lines(&text) {
            Ok(lines) => lines,
            Err((line, message)) => {
                problems.push(SettingsProblem::new(Origin::File { path, line }, "", message));
                return Err(problems);
            }
        };
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        let variables: HashMap<String, String> =
            sources.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).cloned().collect();
        builder = builder.add_source(
            Environment::with_prefix("LAKEHAND").prefix_separator("__").separator("__").source(Some(variables)),
        );
        let mut flags = Vec::new();
        for flag in &sources.flags {
            match set_flag(builder.clone(), flag) {
                Ok((next, key)) => {
                    builder = next;
                    flags.push(key);
                }
                Err(message) => problems.push(SettingsProblem::new(Origin::Flag, "", message)),
            }
        }
        let tree = match builder.build().map(|config| config.cache.kind) {
            Ok(ValueKind::Table(tree)) => tree,
            Ok(_) => config::Map::new(),
            Err(error) => {
                problems.push(SettingsProblem::new(Origin::Default, "", error.to_string()));
                config::Map::new()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut leaves = Vec::new();
        flatten("", tree, &mut leaves);
        let origin_of = |key: &str, value: &Value| {
            if flags.iter().any(|flag| flag == key) {
                Origin::Flag
            } else if value.origin() == Some("the environment") {
                Origin::Environment { variable: format!("{PREFIX}{}", key.to_uppercase().replace('.', "__")) }
            } else {
                Origin::File { path: path.clone(), line: lines.get(key).copied().unwrap_or(1) }
            }
        };
        let values = leaves.into_iter().map(|(key, value)| {
            let origin = origin_of(&key, &value);
            (key, Given { value, origin })
        });
        let values = values.collect();
        let file_folder = file.as_deref().and_then(Path::parent).map_or_else(|| current_folder.clone(), Path::to_owned);
        Ok(Self { file, file_folder, current_folder, values })
    }
}

/// A path as people see it from the folder we run in.
fn shown(path: &Path, current_folder: &Path) -> String {
    path.strip_prefix(current_folder).unwrap_or(path).display().to_string()
}

fn set_flag(builder: ConfigBuilder<DefaultState>, flag: &str) -> Result<(ConfigBuilder<DefaultState>, String), String> {
    let (key, value) =
        flag.split_once('=').ok_or_else(|| format!("{flag:?} is not KEY=VALUE, such as intake.concurrency=4"))?;
    let key = key.trim().to_owned();
    let builder = builder.set_override(&key, value).map_err(|error| format!("{flag:?}: {error}"))?;
    Ok((builder, key))
}

/// The settings file and its text: the one asked for, or the one of the current folder where there is one.
fn settings_file(sources: &Sources) -> Result<Option<(PathBuf, String)>, SettingsProblem> {
    let wanted = sources.file.as_ref().map(|path| sources.current_folder.join(path));
    let path = wanted.clone().unwrap_or_else(|| sources.current_folder.join(FILE_NAME));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && wanted.is_none() => Ok(None),
        Err(error) => {
            let origin = Origin::File { path: shown(&path, &sources.current_folder), line: 1 };
            Err(SettingsProblem::new(origin, "", format!("the settings file cannot be read: {error}")))
        }
    }
}

fn flatten(prefix: &str, table: config::Map<String, Value>, leaves: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) => flatten(&key, inner, leaves),
            _ => leaves.push((key, value)),
        }
    }
}
