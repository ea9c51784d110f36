//! What became of each letter.

use lakehand_domain::entry::{SetAsideReason, StateName};
use lakehand_domain::id::{DatasetId, MessageId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;

use crate::replay::selection::LetterReason;
use crate::report::RunReport;

/// What a replay of dead letters came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReplayReport {
    /// The work it took.
    pub run: RunReport,
    /// Every letter that was selected; one that names several objects has several lines.
    pub lines: Vec<LetterLine>,
    /// How many letters were selected.
    pub letters: u64,
    /// Lines that are not listed, because there are too many.
    pub unlisted: u64,
    /// Letters that the selection does not name, which are where they were.
    pub others: u64,
    /// Letters that were sent since the pass began, by this run above all, which are where they were.
    pub newer: u64,
    /// About how many letters were hidden by somebody else, another replay perhaps, and were not looked at.
    pub hidden_elsewhere: u64,
    /// Why the pass ended before it had seen every letter; `None`: it has.
    pub cut_short: Option<String>,
    /// Letters that could not be shown again at once: they stay hidden until then.
    pub hidden_until: Option<Timestamp>,
}

impl ReplayReport {
    /// Whether every selected letter came to a good end.
    pub fn is_clean(&self) -> bool {
        self.run.unfinished.is_empty() && self.unlisted == 0 && self.lines.iter().all(|line| line.outcome.is_well())
    }
}

/// What became of one object of a letter, or of a letter that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterLine {
    /// The message that the letter is.
    pub message: MessageId,
    /// The object.
    pub object: Option<ObjectUri>,
    /// Its dataset, where one claims it.
    pub dataset: Option<DatasetId>,
    /// Why it was set aside.
    pub reason: LetterReason,
    /// The same in words.
    pub why: String,
    /// When it was set aside.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: LetterOutcome,
}

/// What became of a letter. Where nothing else is said it is gone from the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterOutcome {
    /// It was begun again, and its rows are in the warehouse.
    Loaded,
    /// It was begun again, its Parquet is in the lake, and it waits to be loaded.
    Written {
        /// What it waits for.
        why: String,
    },
    /// It was begun again and failed again; another letter tells of it.
    SetAsideAgain(SetAsideReason),
    /// Its entry has gone on since, so that nothing was to be done.
    GoneOn(StateName),
    /// It asks for nothing.
    Ignored {
        /// What it is.
        what: String,
    },
    /// Another worker has its entry. The letter stays until that has come to its end, however it does.
    InFlight,
    /// Something failed that may succeed later. The letter stays.
    Failed {
        /// What.
        error: String,
    },
    /// The run was stopped before it came to its end. The letter stays.
    GivenBack,
    /// A dry run: it would be processed.
    WouldReplay,
    /// A dry run: its entry has gone on since, and it would only be deleted.
    WouldGo(StateName),
    /// A dry run: another worker has its entry.
    WouldWait,
}

impl LetterOutcome {
    /// As a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Written { .. } => "written",
            Self::SetAsideAgain(_) => "set_aside_again",
            Self::GoneOn(_) => "gone_on",
            Self::Ignored { .. } => "ignored",
            Self::InFlight => "in_flight",
            Self::Failed { .. } => "failed",
            Self::GivenBack => "given_back",
            Self::WouldReplay => "would_replay",
            Self::WouldGo(_) => "would_go",
            Self::WouldWait => "would_wait",
        }
    }

    /// Whether nothing is left to be done or looked at.
    pub fn is_well(&self) -> bool {
        !matches!(
            self,
            Self::Written { .. } | Self::SetAsideAgain(_) | Self::InFlight | Self::Failed { .. } | Self::GivenBack
        )
    }
}
