//! The long-running process: intake from the queue, loading into the warehouse, and all that keeps them going.
//!
//! [`Daemon::run`] starts one task for each job and waits for all of them: none is ever detached. Nothing here decides
//! what becomes of a file; that is the pipeline's.

pub mod in_flight;
pub mod intake;
pub mod keeper;
pub mod landing;
pub mod letters;
pub mod permits;

mod backlog;
mod board;
mod chores;
mod clock;
mod daemon;
mod deadline;
mod drain;
mod freshness;
mod loading;
mod measures;
mod replay;
mod report;
mod shutdown;
mod snapshot;
mod supervisor;
mod sweeper;

pub use chores::{Chore, Chores, Streak};
pub use clock::SystemClock;
pub use daemon::{Daemon, DaemonError, DaemonSettings, Mode};
pub use deadline::{Deadlines, patient_warehouse, with_deadlines};
pub use lakehand_pipeline::intake::IntakeSettings;
pub use lakehand_pipeline::loading::LoadingSettings;
pub use landing::{LandingSettings, Reach};
pub use loading::pause::{PauseWindowError, PauseWindows};
pub use measures::{Histogram, Measures};
pub use replay::{LetterLine, LetterOutcome, LetterReason, LetterSelection, ReplayReport};
pub use report::{RunReport, Tally, Unfinished};
pub use snapshot::{FamilyHealth, FamilyState, Freshness, ListingHealth, Phase, Snapshot, WorkingFile};
pub use sweeper::{SweepHealth, SweeperSettings};
