//! What a seed stands for: the world, what happens in it, and what goes wrong.

use std::collections::BTreeMap;

use lakehand_testkit::memory::warehouse::Isolation;

use crate::random::Random;
use crate::wire::{Fate, Faults, Outage, Port};

/// One world and its story. Steps and faults may be taken away from it, to find what matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) isolation: Isolation,
    /// Whether the landing gives each write a version id.
    pub(crate) versioned: bool,
    /// Whether the landing is listed. Otherwise every object is announced.
    pub(crate) is_listed: bool,
    /// Whether a listing looks up only what is new since the last whole one.
    pub(crate) is_new: bool,
    /// How far the ledger's index may be behind.
    pub(crate) lag_ms: u64,
    /// Whether it leaves out what has moved on, instead of showing it as it was.
    pub(crate) omits: bool,
    pub(crate) max_files: usize,
    pub(crate) batch_entries: usize,
    /// Whether parts take longer than a lease to become visible, and nothing goes wrong: nobody may lose its lease.
    pub(crate) is_long: bool,
    /// Whether it goes on until the lake is swept.
    pub(crate) is_swept: bool,
    pub(crate) datasets: Vec<DatasetPlan>,
    /// What happens when, in milliseconds, in this order.
    pub(crate) steps: Vec<(u64, Step)>,
    pub(crate) faults: Faults,
    /// Services that are away for a while.
    pub(crate) outages: Vec<Outage>,
    /// The fates of calls by their number, instead of those that would be drawn.
    pub(crate) fates: Option<BTreeMap<u64, Fate>>,
    /// When faults end, in milliseconds.
    pub(crate) calm_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatasetPlan {
    pub(crate) after_load: &'static str,
    /// Whether a second table is made of its records.
    pub(crate) two_tables: bool,
    /// The dataset before it that it references: its `v` is a `k` there, or null.
    pub(crate) parent: Option<usize>,
    /// Its definitions, each replacing the one before.
    pub(crate) revisions: Vec<Revision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) mode: Mode,
    pub(crate) has_where: bool,
    /// How many columns more than the first definition had.
    pub(crate) extra: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Replace,
    Append,
    Ignore,
    UpsertByVersion,
    Upsert,
    /// Replaced by day, each file a run.
    Scope,
    /// Replaced by day, in runs of several files.
    Runs,
    /// Replaced whole.
    Whole,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) lines: Vec<Line>,
    /// It cannot be read as what it should be.
    pub(crate) is_unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Row {
        key: i64,
        version: Option<i64>,
        passes: bool,
    },
    /// It is rejected.
    Bad,
    /// It becomes a row that the warehouse refuses.
    Poison,
}

impl Body {
    pub(crate) fn text(&self) -> String {
        let line = |line: &Line| match line {
            Line::Row { key, version, passes } => {
                let version = version.map_or_else(String::new, |version| version.to_string());
                format!("{key},{version},{}\n", u8::from(*passes))
            }
            Line::Bad => "bad\n".to_owned(),
            Line::Poison => "poison\n".to_owned(),
        };
        let lines: Vec<String> = self.lines.iter().map(line).collect();
        format!("{}{}", if self.is_unreadable { "UNREADABLE\n" } else { "" }, lines.concat())
    }
}

/// How an object is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As S3 does.
    Notification,
    /// By a message of our own.
    Own,
    /// By a message of our own that names all objects of its dataset.
    Together,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A version of an object is written, and announced after each of these milliseconds.
    Land {
        dataset: usize,
        object: u64,
        body: Body,
        backdated_s: u64,
        announced_ms: Vec<u64>,
        style: Style,
    },
    Delete {
        dataset: usize,
        object: u64,
    },
    Announce {
        dataset: usize,
        object: u64,
        style: Style,
    },
    Replay {
        dataset: usize,
        object: u64,
    },
    /// All dead letters go back to the queue.
    ReplayLetters,
    /// A message that is no message.
    Junk,
    /// An object that no dataset claims.
    Stray,
    /// The next definition of a dataset, replica by replica.
    Deploy {
        dataset: usize,
    },
    Kill {
        replica: usize,
    },
    Stop {
        replica: usize,
    },
    /// It is stopped, and runs next until it finds nothing left to do.
    Drain {
        replica: usize,
    },
    /// Loading of a dataset, or of all, is paused for so long.
    Pause {
        dataset: Option<usize>,
        seconds: u64,
    },
    Resume {
        dataset: Option<usize>,
    },
    /// A message that was delivered is delivered once more.
    ShowAgain {
        which: usize,
    },
    KeepLedger,
    RestoreLedger,
    KeepWarehouse,
    RestoreWarehouse {
        /// While loaders run, which an operator is told not to do.
        is_live: bool,
    },
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        // What was thought of later is drawn apart, so that seeds stay the worlds that they were.
        let late = &mut Random::new(seed ^ 0x1A7E);
        let restores = random.below(6);
        let mut datasets: Vec<DatasetPlan> =
            (0..*random.pick(&[1, 1, 1, 2, 2, 3])).map(|_| draw_dataset(random, restores < 2)).collect();
        if restores < 2 {
            draw_after_load(seed, &mut datasets);
        }
        draw_replacing(seed, &mut datasets);
        draw_families(seed, &mut datasets);
        let objects = random.between(1, 5);
        let is_listed = restores == 0 || !random.once_in(3);
        let span = random.between(8_000, 60_000);
        let mut steps: Vec<(u64, Step)> = Vec::new();
        for _ in 0..random.between(3, 15) {
            let at = random.below(span);
            steps.push((at, draw_step(random, &datasets, objects, is_listed)));
        }
        for (dataset, plan) in datasets.iter().enumerate() {
            for _ in 1..plan.revisions.len() {
                steps.push((random.below(span), Step::Deploy { dataset }));
            }
        }
        let kept = random.below(span * 3 / 4);
        let restored = kept + random.between(1_000, span);
        if restores < 2 {
            let (keep, restore) = match restores {
                0 => (Step::KeepLedger, Step::RestoreLedger),
                _ => (Step::KeepWarehouse, Step::RestoreWarehouse { is_live: late.once_in(2) }),
            };
            steps.push((kept, keep));
            steps.push((restored, restore));
        }
        steps.sort_by_key(|(at, _)| *at);
        let last = steps.last().map_or(0, |(at, _)| *at);
        let mut faults = draw_faults(random);
        let goes_on = |step: &Step| {
            let lands = matches!(step, Step::Land { .. } | Step::Delete { .. } | Step::Announce { .. });
            lands || matches!(step, Step::Replay { .. } | Step::ReplayLetters | Step::Junk | Step::Stray)
        };
        let is_long = faults == Faults::default() && steps.iter().all(|(_, step)| goes_on(step));
        if !is_long && last > 0 {
            steps.extend(draw_late(late, datasets.len()).into_iter().map(|step| (late.below(last), step)));
            steps.sort_by_key(|(at, _)| *at);
        }
        // And what was thought of after that, too.
        let later = &mut Random::new(seed ^ 0x0A_7A6E);
        if faults != Faults::default() {
            faults.denied = *later.pick(&[0, 0, 120, 600]);
        }
        let outages = if is_long { Vec::new() } else { draw_outages(later, last) };
        let (is_new, omits) = (later.once_in(2), later.once_in(2));
        let outage_ends = outages.iter().map(|outage| outage.until_ms).max().unwrap_or(0);
        Self {
            is_long,
            seed,
            replicas: *random.pick(&[1, 1, 2, 2, 2, 3, 3, 4, 5]),
            isolation: *random.pick(&[
                Isolation::TableLocks,
                Isolation::RowLocks,
                Isolation::ReadCommitted,
                Isolation::OneWriter,
            ]),
            versioned: random.once_in(2),
            is_listed,
            is_new,
            omits,
            lag_ms: *random.pick(&[0, 300, 2_500]),
            max_files: *random.pick(&[1, 2, 4]),
            batch_entries: *random.pick(&[1, 2, 10]),
            is_swept: random.once_in(7),
            datasets,
            steps,
            faults,
            outages,
            fates: None,
            calm_ms: outage_ends.max(last) + random.between(2_000, 25_000),
        }
    }
}

fn draw_dataset(random: &mut Random, keeps: bool) -> DatasetPlan {
    let after_load = if keeps { "keep" } else { *random.pick(&["keep", "keep", "keep", "delete", "s3://archive/old"]) };
    let mut revisions = vec![draw_revision(random, 0)];
    while revisions.len() < 3 && random.once_in(3) {
        let before = revisions[revisions.len() - 1];
        let extra = before.extra + 1;
        let next = draw_revision(random, extra);
        revisions.push(if random.once_in(2) { next } else { Revision { extra, ..before } });
    }
    DatasetPlan { after_load, two_tables: random.once_in(3), parent: None, revisions }
}

/// Where something is restored, sources that are gone by then are worth the most.
fn draw_after_load(seed: u64, datasets: &mut [DatasetPlan]) {
    let random = &mut Random::new(seed ^ 0xA7C41);
    for dataset in datasets {
        if random.once_in(2) {
            dataset.after_load = if random.once_in(2) { "delete" } else { "s3://archive/old" };
        }
    }
}

/// Some datasets are replaced by scope, drawn by a chance of its own, so that all else is as it was without it. A
/// definition may follow another only where the markers of before say all that it must know.
fn draw_replacing(seed: u64, datasets: &mut [DatasetPlan]) {
    let random = &mut Random::new(seed ^ 0x5C09E);
    for dataset in datasets {
        if !random.once_in(3) {
            continue;
        }
        let mut modes = [Mode::Runs, Mode::Scope, Mode::Whole].as_slice();
        let kept = 1 + random.index(3);
        for revision in dataset.revisions.iter_mut().take(kept) {
            let at = random.index(modes.len());
            revision.mode = modes[at];
            modes = &modes[at..];
        }
    }
}

/// Ties datasets to those before them, by a chance of its own too. What waits for its run cannot wait for parents.
fn draw_families(seed: u64, datasets: &mut [DatasetPlan]) {
    let random = &mut Random::new(seed ^ 0xFA311);
    for (number, dataset) in datasets.iter_mut().enumerate().skip(1) {
        if random.once_in(4) {
            continue;
        }
        dataset.parent = Some(random.index(number));
        for revision in &mut dataset.revisions {
            if revision.mode == Mode::Runs {
                revision.mode = Mode::Scope;
            }
        }
    }
}

fn draw_revision(random: &mut Random, extra: u32) -> Revision {
    let modes = [Mode::Replace, Mode::Append, Mode::Ignore, Mode::UpsertByVersion, Mode::UpsertByVersion, Mode::Upsert];
    Revision { mode: *random.pick(&modes), has_where: random.once_in(2), extra }
}

fn draw_body(random: &mut Random) -> Body {
    let line = |random: &mut Random| {
        let version = (!random.once_in(5)).then(|| random.below(4).cast_signed());
        match random.below(9) {
            0 => Line::Bad,
            _ => Line::Row { key: random.below(5).cast_signed(), version, passes: !random.once_in(4) },
        }
    };
    let mut lines: Vec<Line> = (0..random.below(6)).map(|_| line(random)).collect();
    match random.below(14) {
        0 => return Body { lines, is_unreadable: true },
        1 => lines = vec![Line::Bad, Line::Bad, Line::Row { key: 1, version: None, passes: true }],
        2 => lines.push(Line::Poison),
        _ => {}
    }
    Body { lines, is_unreadable: false }
}

fn draw_step(random: &mut Random, datasets: &[DatasetPlan], objects: u64, is_listed: bool) -> Step {
    let dataset = random.index(datasets.len());
    let object = random.below(objects);
    let style = *random.pick(&[Style::Notification, Style::Own, Style::Together]);
    match random.below(24) {
        0 => Step::Delete { dataset, object },
        1 => Step::Announce { dataset, object, style },
        2 | 3 => Step::Replay { dataset, object },
        4 => Step::ReplayLetters,
        5 if random.once_in(2) => Step::Junk,
        5 => Step::Stray,
        6 => Step::Kill { replica: random.index(5) },
        7 => Step::Stop { replica: random.index(5) },
        8 | 9 => Step::ShowAgain { which: random.index(8) },
        _ => {
            let times = if is_listed { random.below(4) } else { random.between(1, 4) };
            let announced_ms = (0..times).map(|_| if random.once_in(2) { 0 } else { random.below(15_000) }).collect();
            let backdated_s = if random.once_in(4) { random.between(1, 90) } else { 0 };
            Step::Land { dataset, object, body: draw_body(random), backdated_s, announced_ms, style }
        }
    }
}

/// Pauses and drains.
fn draw_late(random: &mut Random, datasets: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let dataset = |random: &mut Random| (!random.once_in(2)).then(|| random.index(datasets));
    if random.once_in(3) {
        for _ in 0..random.between(1, 3) {
            steps.push(Step::Pause { dataset: dataset(random), seconds: random.between(1, 60) });
        }
        if random.once_in(2) {
            steps.push(Step::Resume { dataset: dataset(random) });
        }
    }
    if random.once_in(4) {
        for _ in 0..random.between(1, 3) {
            steps.push(Step::Drain { replica: random.index(5) });
        }
    }
    steps
}

/// Services that are away for up to some minutes, one after the other or at once.
fn draw_outages(random: &mut Random, last: u64) -> Vec<Outage> {
    if !random.once_in(5) {
        return Vec::new();
    }
    let ports = [Port::Queue, Port::Letters, Port::Ledger, Port::Landing, Port::Lake, Port::Warehouse];
    let outage = |random: &mut Random| {
        let from_ms = random.below(last + 1);
        let longest = *random.pick(&[30_000, 90_000, 240_000]);
        let until_ms = from_ms + random.between(5_000, longest);
        Outage { port: *random.pick(&ports), from_ms, until_ms, fate: *random.pick(&[Fate::FailsBefore, Fate::Denied]) }
    };
    (0..random.between(1, 4)).map(|_| outage(random)).collect()
}

fn draw_faults(random: &mut Random) -> Faults {
    let Some(base) = *random.pick(&[None, Some(400), Some(400), Some(120), Some(120), Some(40)]) else {
        return Faults::default();
    };
    // Each world has its own mixture, so that one kind of fault does not hide what another shows.
    let mut some = |times: u64| if random.once_in(4) { 0 } else { times };
    Faults {
        before: some(base),
        after: some(base),
        late: some(base * 2),
        slow: some(base * 2),
        die: some(base * 3),
        freeze: some(base * 3),
        slow_step: some(base / 2),
        abort: some(base * 2),
        denied: 0,
    }
}
