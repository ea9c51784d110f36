//! How a command ends, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use lakehand_dataset::problem::Problem;

use crate::settings::problem::SettingsProblem;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is well.
    Well,
    /// Some files failed, or what was asked for is not known.
    FilesFailed,
    /// Settings or definitions are wrong; it has been said.
    Wrong,
    /// Something outside failed; it has been said.
    OutsideFailed,
}

/// Why a command did not run to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Settings are wrong.
    Settings(Vec<SettingsProblem>),
    /// Definitions are wrong.
    Definitions(Vec<Problem>),
    /// What was asked for is not there.
    Asked(String),
    /// Something outside failed.
    Outside(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Outside(error)
    }
}

impl Ending {
    /// The exit code.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Well => 0,
            Self::FilesFailed => 1,
            Self::Wrong => 64,
            Self::OutsideFailed => 70,
        })
    }
}

impl Failure {
    /// Says on standard error what went wrong, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Settings(problems) => {
                complain(problems.iter().map(ToString::to_string), problems.len(), "the settings");
                Ending::Wrong.code()
            }
            Self::Definitions(problems) => {
                complain(problems.iter().map(ToString::to_string), problems.len(), "the dataset definitions");
                Ending::Wrong.code()
            }
            Self::Asked(message) => {
                say(&format!("lakehand: {message}"));
                ExitCode::from(2)
            }
            Self::Outside(error) => {
                // Who reads our output may have read enough of it, as `head` does.
                let pipe = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
                if pipe {
                    return Ending::Well.code();
                }
                say(&format!("lakehand: {error:#}"));
                Ending::OutsideFailed.code()
            }
        }
    }
}

fn complain(problems: impl Iterator<Item = String>, count: usize, of: &str) {
    let noun = if count == 1 { "problem" } else { "problems" };
    say(&format!("lakehand: {count} {noun} in {of}"));
    for problem in problems {
        say(&problem);
    }
}

/// A line on standard error.
#[expect(clippy::print_stderr, reason = "what a command has to say besides its answer")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
