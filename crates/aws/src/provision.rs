//! What making resources came to: one finding for each, told to whoever asked.
//!
//! Three rules for all of them: what is missing is made; what is there as planned is left alone; what is there otherwise
//! is told of and left alone too, since somebody may have meant it. So it may be done again at any time, by several at
//! once, and a run that dies in the middle is gone on with by the next.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lakehand_domain::fault::Cause;

use crate::failure::classify;

/// Whether to make anything, or only to say what would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Make what is missing.
    Make,
    /// Change nothing.
    DryRun,
}

impl Mode {
    /// How what is missing is found.
    pub fn missing(self) -> State {
        match self {
            Self::Make => State::Made,
            Self::DryRun => State::Missing,
        }
    }
}

/// One resource, or one property of one, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, as people name it: `table lakehand`, `queue arrivals: redrive policy`.
    pub resource: String,
    /// How it is.
    pub state: State,
}

impl Finding {
    /// A finding.
    pub fn new(resource: impl Into<String>, state: State) -> Self {
        Self { resource: resource.into(), state }
    }
}

/// How a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As planned.
    AsPlanned,
    /// It was missing, and was made.
    Made,
    /// It is missing, and would be made.
    Missing,
    /// It is there otherwise than planned, and was left so.
    Differs {
        /// What is there.
        is: String,
        /// What was planned.
        planned: String,
    },
    /// The service does not offer it; an emulator, as a rule.
    NotOffered,
}

impl State {
    /// As planned, or different.
    pub fn compare(is: impl fmt::Display, planned: impl fmt::Display) -> Self {
        let (is, planned) = (is.to_string(), planned.to_string());
        if is == planned { Self::AsPlanned } else { Self::Differs { is, planned } }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = &self.resource;
        match &self.state {
            State::AsPlanned => write!(f, "{resource}: as planned"),
            State::Made => write!(f, "{resource}: made"),
            State::Missing => write!(f, "{resource}: missing, would be made"),
            State::Differs { is, planned } => write!(f, "{resource}: is {is}, planned was {planned}; left as it is"),
            State::NotOffered => write!(f, "{resource}: the service does not offer it"),
        }
    }
}

/// Why a resource could not be looked at or made. What was made before it stays.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The plan makes no sense.
    #[error("{0}")]
    Plan(String),
    /// The service refused or failed.
    #[error("{doing} {resource}")]
    Failed {
        /// `look at`, `make`, …
        doing: &'static str,
        /// What.
        resource: String,
        /// What it said.
        #[source]
        source: Cause,
    },
}

impl ProvisionError {
    /// What a failed call is.
    pub fn of<E>(doing: &'static str, resource: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        Self::Failed { doing, resource: resource.to_owned(), source: classify(error).cause }
    }
}
