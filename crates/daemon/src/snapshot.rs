//! The state of the daemon as others see it: progress on a terminal, health over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::id::DatasetId;
use lakehand_domain::port::queue::QueueDepth;
use lakehand_domain::timestamp::Timestamp;

use crate::chores::Chores;
use crate::landing::SweepReport;
use crate::measures::Measures;
use crate::report::Tally;
use crate::sweeper::SweepHealth;

/// The state of the daemon at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// What the daemon is doing as a whole.
    pub phase: Phase,
    /// When it began.
    pub started: Timestamp,
    /// The files being worked on now, the oldest first.
    pub working: Vec<WorkingFile>,
    /// About how many messages there are, when last asked.
    pub queue: Option<QueueDepth>,
    /// Why the queue did not answer when it was last asked.
    pub queue_error: Option<String>,
    /// How that goes which is done again and again, whatever the files.
    pub chores: Chores,
    /// How the listing of the landing went last; `None`: this process has not listed.
    pub listing: Option<ListingHealth>,
    /// What sweeping has come to.
    pub sweeps: SweepHealth,
    /// Loading, by dataset.
    pub families: BTreeMap<DatasetId, FamilyHealth>,
    /// What has come of files since the daemon began.
    pub tally: Tally,
    /// How long it took, and how large it was.
    pub measures: Measures,
}

impl Snapshot {
    /// Whether the queue answers, files are taken in, their messages settled and kept, letters sent, the landing listed and
    /// what is lost or dead swept; and all families load, or would if there were something to load and nobody had paused
    /// them. That too little comes is no matter of health.
    pub fn is_healthy(&self) -> bool {
        self.queue_error.is_none()
            && self.chores.troubles().next().is_none()
            && self.listing.as_ref().is_none_or(|listing| listing.error.is_none())
            && self.families.values().all(|family| family.unhealthy_since.is_none())
    }
}

/// How the listing of the landing went last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingHealth {
    /// When.
    pub at: Timestamp,
    /// Why it did not come to its end, where it did not.
    pub error: Option<String>,
    /// What the last one found that did.
    pub report: SweepReport,
}

/// What the daemon is doing as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has not begun.
    #[default]
    Starting,
    /// It takes new work.
    Running,
    /// It takes nothing new and lets what is in work come to its end.
    Draining,
    /// The deadline of draining is over: what is unfinished is given back.
    GivingBack,
    /// It has ended.
    Stopped,
}

impl Phase {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::GivingBack => "giving back",
            Self::Stopped => "stopped",
        }
    }
}

/// One file being worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingFile {
    /// The object.
    pub object: String,
    /// Its dataset, once it is known.
    pub dataset: Option<DatasetId>,
    /// Bytes of the object, once they are known.
    pub bytes: Option<u64>,
    /// The stage it is in.
    pub stage: &'static str,
    /// When work on it began.
    pub since: Timestamp,
}

/// How loading of a dataset goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FamilyHealth {
    /// What its task is doing.
    pub state: FamilyState,
    /// What went wrong in the last pass; `None` after a pass that went well.
    pub last_error: Option<String>,
    /// Since when every pass has failed.
    pub unhealthy_since: Option<Timestamp>,
    /// How many passes have failed since one went well.
    pub failures: u32,
    /// Whether the last failure will come again until somebody acts.
    pub needs_operator: bool,
    /// Why nothing is loaded at all now, where somebody wants it so.
    pub paused: Option<String>,
    /// Since when the pass under way lasts.
    pub loading_since: Option<Timestamp>,
    /// Files that the last pass found written under another definition than ours, which waits to come into force, or was
    /// taken back before it did.
    pub foreign: u64,
    /// When the last entry was loaded by this process.
    pub last_loaded: Option<Timestamp>,
    /// Whether it is loaded as often as its definition expects, by whomever; `None`: it expects nothing, or nobody has
    /// looked yet.
    pub freshness: Option<Freshness>,
}

/// Whether a dataset is loaded as often as its definition expects. It says nothing of how well this worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The longest time that nothing of it may be loaded.
    pub expected: Duration,
    /// When something of it was last loaded; where nothing ever was, since when it is looked after.
    pub since: Timestamp,
    /// Whether something of it was ever loaded.
    pub is_loaded: bool,
    /// Whether that is longer ago than expected.
    pub is_stale: bool,
    /// Whether files of it wait to be loaded, so that it is loading that is late, and not what comes. Only asked where it
    /// is stale.
    pub waits: bool,
}

impl Freshness {
    /// As people read it.
    pub fn words(&self) -> String {
        let last = if self.is_loaded {
            format!("nothing was loaded since {}", self.since)
        } else {
            format!("nothing was ever loaded, and it is looked after since {}", self.since)
        };
        let waits = if self.waits { "; files wait to be loaded" } else { "; no file waits to be loaded" };
        let waits = if self.is_stale { waits } else { "" };
        format!("{last}, and the definition expects something every {:?}{waits}", self.expected)
    }
}

/// What the loading task of a dataset is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FamilyState {
    /// It has not had a pass yet.
    #[default]
    Starting,
    /// It has nothing to load.
    Idle,
    /// A pass is under way.
    Loading,
    /// Another replica loads this dataset.
    Elsewhere,
    /// A newer definition is in force than ours.
    StandingAside,
    /// The last pass failed; it waits before the next.
    Waiting,
    /// Somebody paused loading, or it is the time of a window in which nothing is loaded. Files go on being written.
    Paused,
    /// Its task has ended.
    Stopped,
}

impl FamilyState {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Elsewhere => "loaded elsewhere",
            Self::StandingAside => "standing aside",
            Self::Waiting => "waiting after a failure",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}
