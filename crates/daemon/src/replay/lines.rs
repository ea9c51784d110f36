//! The letters that a replay took, and what has become of each so far.

use std::collections::BTreeMap;

use lakehand_domain::id::{DatasetId, EntryId, MessageId, ReceiptHandle};
use lakehand_domain::object::ObjectUri;
use lakehand_pipeline::observe::FileInWork;
use lakehand_pipeline::settle::{Fate, Settlement};

use crate::replay::report::{LetterLine, LetterOutcome};
use crate::replay::selection::Letter;

/// At most so many lines are listed.
const MOST_LINES: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Lines {
    taken: BTreeMap<MessageId, Taken>,
    /// In the order in which they were taken.
    order: Vec<MessageId>,
    listed: usize,
    unlisted: u64,
}

#[derive(Debug)]
struct Taken {
    letter: Letter,
    receipt: ReceiptHandle,
    status: Status,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    InWork,
    Waits,
    Settled,
}

#[derive(Debug)]
struct Line {
    object: Option<ObjectUri>,
    dataset: Option<DatasetId>,
    so_far: SoFar,
}

/// What has become of a line so far; what comes later in this list is not replaced by what comes before.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SoFar {
    /// Nothing yet.
    Open,
    /// The letter stays, as it is now.
    Stays(LetterOutcome),
    /// Nothing was to be done.
    Nothing(LetterOutcome),
    /// It was begun again and is in the lake.
    Begun { entry: EntryId, why: String },
    /// It was begun again and has come to its end.
    Over(LetterOutcome),
}

impl SoFar {
    fn of(fate: &Fate) -> Self {
        match fate {
            Fate::Ignored { what } => Self::Nothing(LetterOutcome::Ignored { what: what.clone() }),
            Fate::Written { entry, .. } => Self::Begun { entry: entry.clone(), why: "the run ended before".to_owned() },
            Fate::SetAside { reason, .. } | Fate::Letter { reason, .. } => {
                Self::Over(LetterOutcome::SetAsideAgain(reason.clone()))
            }
            Fate::Done { state } => Self::Nothing(LetterOutcome::GoneOn(*state)),
            Fate::Later { error: None, .. } => Self::Stays(LetterOutcome::InFlight),
            Fate::Later { error: Some(error), .. } => Self::Stays(LetterOutcome::Failed { error: error.clone() }),
            Fate::Released => Self::Stays(LetterOutcome::GivenBack),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Stays(_) => 1,
            Self::Nothing(_) => 2,
            Self::Begun { .. } => 3,
            Self::Over(_) => 4,
        }
    }

    fn outcome(self) -> LetterOutcome {
        match self {
            Self::Open => LetterOutcome::GivenBack,
            Self::Begun { why, .. } => LetterOutcome::Written { why },
            Self::Stays(outcome) | Self::Nothing(outcome) | Self::Over(outcome) => outcome,
        }
    }
}

impl Lines {
    /// How many letters were taken.
    pub(super) fn letters(&self) -> u64 {
        self.taken.len() as u64
    }

    /// Whether this letter was taken before; if so it is in work again, under the receipt of this delivery.
    pub(super) fn again(&mut self, message: &MessageId, receipt: &ReceiptHandle) -> bool {
        let Some(taken) = self.taken.get_mut(message) else { return false };
        taken.receipt = receipt.clone();
        taken.status = Status::InWork;
        true
    }

    pub(super) fn take(&mut self, letter: Letter, receipt: ReceiptHandle) {
        let objects = letter.objects.iter().map(|(object, dataset)| (Some(object.clone()), dataset.clone()));
        let mut lines: Vec<Line> =
            objects.map(|(object, dataset)| Line { object, dataset, so_far: SoFar::Open }).collect();
        lines.dedup_by(|a, b| a.object == b.object);
        if lines.is_empty() {
            lines.push(Line { object: None, dataset: None, so_far: SoFar::Open });
        }
        let room = MOST_LINES.saturating_sub(self.listed);
        self.unlisted += lines.len().saturating_sub(room) as u64;
        lines.truncate(room);
        self.listed += lines.len();
        let message = letter.message.clone();
        self.order.push(message.clone());
        self.taken.insert(message, Taken { letter, receipt, status: Status::InWork, lines });
    }

    /// What became of a record of a letter.
    pub(super) fn ended(&mut self, message: &MessageId, file: Option<&FileInWork<'_>>, fate: &Fate) {
        let Some(taken) = self.taken.get_mut(message) else { return };
        let (object, dataset) = (file.map(|file| file.object), file.and_then(|file| file.dataset));
        let so_far = SoFar::of(fate);
        if let Some(line) = taken.lines.iter_mut().find(|line| line.object.as_ref() == object) {
            line.dataset = dataset.cloned().or(line.dataset.take());
            // A letter that comes again after its work was done finds it done.
            if so_far.rank() > line.so_far.rank() || so_far.rank() < 2 && line.so_far.rank() < 2 {
                line.so_far = so_far;
            }
        } else if self.listed < MOST_LINES {
            self.listed += 1;
            taken.lines.push(Line { object: object.cloned(), dataset: dataset.cloned(), so_far });
        }
    }

    /// How a letter ended.
    pub(super) fn settled(&mut self, message: &MessageId, settlement: &Settlement) {
        if let Some(taken) = self.taken.get_mut(message) {
            let deleted = *settlement == Settlement::Deleted;
            taken.status = if deleted { Status::Settled } else { Status::Waits };
        }
    }

    /// Whether every letter that was taken is gone from the queue.
    pub(super) fn is_settled(&self) -> bool {
        self.taken.values().all(|taken| taken.status == Status::Settled)
    }

    /// Whether a letter that was taken is to come again.
    pub(super) fn is_waiting(&self) -> bool {
        self.taken.values().any(|taken| taken.status == Status::Waits)
    }

    /// The receipts of letters that are not gone from the queue.
    pub(super) fn unsettled(&self) -> Vec<ReceiptHandle> {
        let unsettled = self.taken.values().filter(|taken| taken.status != Status::Settled);
        unsettled.map(|taken| taken.receipt.clone()).collect()
    }

    /// The entries that were begun again and are not loaded as far as we know.
    pub(super) fn begun(&self) -> Vec<EntryId> {
        let lines = self.taken.values().flat_map(|taken| &taken.lines);
        let begun = lines.filter_map(|line| match &line.so_far {
            SoFar::Begun { entry, .. } => Some(entry.clone()),
            _ => None,
        });
        begun.collect()
    }

    /// An entry that was begun again waits for this.
    pub(super) fn waits(&mut self, entry: &EntryId, why: &str) {
        self.each(entry, |so_far| *so_far = SoFar::Begun { entry: entry.clone(), why: why.to_owned() });
    }

    /// An entry that was begun again has come to this.
    pub(super) fn over(&mut self, entry: &EntryId, outcome: &LetterOutcome) {
        self.each(entry, |so_far| *so_far = SoFar::Over(outcome.clone()));
    }

    fn each(&mut self, entry: &EntryId, change: impl Fn(&mut SoFar)) {
        for line in self.taken.values_mut().flat_map(|taken| &mut taken.lines) {
            if matches!(&line.so_far, SoFar::Begun { entry: begun, .. } if begun == entry) {
                change(&mut line.so_far);
            }
        }
    }

    /// The letters that were taken, to be said of each what it is about and what would become of it.
    pub(super) fn taken(&self) -> Vec<Letter> {
        self.order.iter().filter_map(|message| Some(self.taken.get(message)?.letter.clone())).collect()
    }

    /// What would become of a letter.
    pub(super) fn would(&mut self, message: &MessageId, outcome: &LetterOutcome) {
        for line in self.taken.get_mut(message).into_iter().flat_map(|taken| &mut taken.lines) {
            line.so_far = SoFar::Over(outcome.clone());
        }
    }

    /// All lines in the order in which letters were taken, and how many more there would be.
    pub(super) fn finish(&mut self) -> (Vec<LetterLine>, u64) {
        let mut taken = std::mem::take(&mut self.taken);
        let letters = self.order.iter().filter_map(|message| taken.remove(message));
        let lines = letters.flat_map(|Taken { letter, lines, .. }| {
            lines.into_iter().map(move |line| LetterLine {
                message: letter.message.clone(),
                object: line.object,
                dataset: line.dataset,
                reason: letter.reason,
                why: letter.why.clone(),
                at: letter.at,
                outcome: line.so_far.outcome(),
            })
        });
        (lines.collect(), self.unlisted)
    }
}
