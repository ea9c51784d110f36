//! The crash sweep: a fixed story, in which a process dies before and after each single call, one run a point.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lakehand_testkit::memory::warehouse::Isolation;

use crate::plan::{Body, DatasetPlan, Line, Mode, Plan, Revision, Step, Style};
use crate::wire::{Fate, Faults};
use crate::world::{Watch, run};

/// A process dies at the call.
pub(crate) const DEATHS: &[Fate] = &[Fate::DiesBefore, Fate::DiesAfter];
/// All that may happen to one call.
pub(crate) const ALL: &[Fate] = &[
    Fate::DiesBefore,
    Fate::DiesAfter,
    Fate::FailsBefore,
    Fate::Denied,
    Fate::FailsUnknown,
    Fate::FailsAfter,
    Fate::Late,
    Fate::Slow,
    Fate::FreezesBefore,
    Fate::FreezesAfter,
];

/// Two replicas; files that load, are rewritten, are set aside; a replay; letters that come back; a new definition.
fn story() -> Plan {
    let row = |key, version| Line::Row { key, version: Some(version), passes: key != 3 };
    let good = |rows: &[(i64, i64)]| Body {
        lines: rows.iter().map(|(key, version)| row(*key, *version)).collect(),
        is_unreadable: false,
    };
    let land = |dataset, object, body, announced_ms: &[u64]| Step::Land {
        dataset,
        object,
        body,
        backdated_s: 0,
        announced_ms: announced_ms.to_vec(),
        style: Style::Notification,
    };
    let unreadable = Body { lines: Vec::new(), is_unreadable: true };
    let rejected = Body { lines: vec![Line::Bad, row(1, 1), row(2, 1)], is_unreadable: false };
    let poison = Body { lines: vec![row(4, 4), Line::Poison], is_unreadable: false };
    let upsert = Revision { mode: Mode::UpsertByVersion, has_where: true, extra: 0 };
    let append = Revision { mode: Mode::Replace, has_where: false, extra: 0 };
    let dataset = |revisions: &[Revision], two_tables, after_load| DatasetPlan {
        after_load,
        two_tables,
        parent: None,
        revisions: revisions.to_vec(),
    };
    Plan {
        seed: 1,
        replicas: 2,
        isolation: Isolation::TableLocks,
        versioned: true,
        is_listed: false,
        is_new: false,
        omits: false,
        lag_ms: 300,
        max_files: 2,
        batch_entries: 2,
        is_long: false,
        is_swept: false,
        datasets: vec![
            dataset(&[upsert, Revision { extra: 1, ..upsert }], true, "s3://archive/old"),
            DatasetPlan { parent: Some(0), ..dataset(&[append], true, "keep") },
            dataset(&[Revision { mode: Mode::Runs, ..append }], false, "keep"),
        ],
        steps: vec![
            (1_000, land(0, 0, good(&[(1, 1), (2, 2), (3, 3)]), &[0, 700])),
            (1_200, land(1, 0, rejected, &[0])),
            (2_000, land(0, 1, good(&[(1, 2), (2, 1)]), &[0])),
            (2_500, land(1, 1, unreadable, &[0, 0])),
            (3_000, land(1, 2, poison, &[0])),
            (3_200, land(2, 0, good(&[(1, 1)]), &[0])),
            (3_300, land(2, 4, good(&[(2, 1)]), &[0])),
            (9_000, land(2, 2, good(&[(3, 1)]), &[0])),
            (12_000, Step::Deploy { dataset: 0 }),
            (14_000, land(0, 2, good(&[(5, 1)]), &[0])),
            (16_000, Step::ReplayLetters),
            (18_000, Step::Replay { dataset: 1, object: 0 }),
            (30_000, land(1, 0, good(&[(7, 1), (8, 1)]), &[0])),
        ],
        faults: Faults::default(),
        outages: Vec::new(),
        fates: None,
        calm_ms: 31_000,
    }
}

/// Runs the sweep, by all processors. Gives how many points there were, and what failed.
pub(crate) fn sweep(fates: &[Fate]) -> (usize, Vec<String>) {
    let plan = story();
    let calm = run(&plan, Watch { is_named: true, ..Watch::default() });
    if let Some(failure) = calm.failure {
        return (0, vec![format!("the calm run fails: {failure}")]);
    }
    let calls = (1_u64..).zip(&calm.names);
    let points: Vec<(u64, &str, Fate)> =
        calls.flat_map(|(number, name)| fates.iter().map(move |fate| (number, *name, *fate))).collect();
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    parallel(|| {
        while let Some((number, name, fate)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ending = run(&plan, Watch { forced: Some((*number, *fate)), ..Watch::default() });
            let told = match ending.failure {
                Some(failure) => failure,
                None if ending.visible != calm.visible => {
                    format!("it ends with {:?} instead of {:?}", ending.visible, calm.visible)
                }
                None => continue,
            };
            let failure = format!("call {number}, {name}, {fate:?}: {told}");
            failures.lock().expect("no panic under the lock").push(failure);
        }
    });
    let mut failures = failures.into_inner().expect("no panic under the lock");
    failures.sort();
    (points.len(), failures)
}

/// Lets every processor do some of the work.
pub(crate) fn parallel(work: impl Fn() + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}
