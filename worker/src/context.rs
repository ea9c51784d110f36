//! What every command starts from: the command line's global part, the settings, the definitions.

use std::path::{Path, PathBuf};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::layers::Sources;
use crate::settings::{Settings, environment};

/// What every command starts from.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
    current_folder: PathBuf,
    /// Where answers go.
    pub(crate) output: Output,
}

impl Context {
    /// Of a command line, in a folder.
    pub(crate) fn new(global: Global, current_folder: PathBuf) -> Self {
        let output = Output::new(global.output);
        Self { global, current_folder, output }
    }

    /// The folder we run in.
    pub(crate) fn current_folder(&self) -> &Path {
        &self.current_folder
    }

    /// The same, with another settings file and none of the flags that are about the first.
    pub(crate) fn with_settings_file(&self, file: PathBuf) -> Self {
        let global = Global { config: Some(file), set: Vec::new(), ..self.global.clone() };
        Self { global, current_folder: self.current_folder.clone(), output: self.output }
    }

    /// The settings, checked.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::load(&self.sources()).map_err(Failure::Settings)
    }

    /// A path as people see it from the folder we run in.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.current_folder).unwrap_or(path).display().to_string()
    }

    /// Where the settings come from.
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            file: self.global.config.clone(),
            current_folder: self.current_folder.clone(),
            environment: environment(),
            flags: self.global.set.clone(),
        }
    }
}
