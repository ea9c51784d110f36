//! References: which records of children wait is a function of the set of live loads of all datasets of the family.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use lakehand_domain::id::{DatasetId, Fingerprint};
use lakehand_domain::port::warehouse::{CommitOutcome, MigrateOutcome, MigrationPlan, PlannedStep};
use lakehand_domain::shape::{Contest, DefinitionInForce, OnRewrite, Reference, TableShape};

use super::sample::{Dump, Site, Sites, load, upsert};
use super::{SampleLoad, expected_rows};

/// `orders` says how many of 24 orders of loads are tried.
pub(super) async fn check(sites: &Sites, orders: usize) {
    every_order_ends_alike(sites, orders).await;
    definitions_tie_and_untie(sites).await;
    a_change_of_family_is_refused(sites).await;
}

fn append() -> Contest {
    Contest::Append { on_rewrite: OnRewrite::Replace }
}

impl Site {
    /// A child of this dataset, in the same family: a second table, of the same rows, references our key by its
    /// `last_modified`.
    fn child(&self, dataset: &str, contest: &Contest) -> Self {
        let (parent, dataset) = (self.definition().dataset.clone(), DatasetId::new(dataset));
        let mut shape = self.shape.clone();
        shape.definitions =
            vec![DefinitionInForce { dataset: dataset.clone(), fingerprint: Fingerprint::new("first") }];
        shape.tables.truncate(1);
        shape.tables[0].dataset = dataset;
        shape.tables[0].contest = contest.clone();
        shape.tables[0].references.clear();
        let reference = Reference {
            column: "last_modified".to_owned(),
            dataset: parent,
            table: "flats".to_owned(),
            to: "listing_id".to_owned(),
        };
        let contest = Contest::Append { on_rewrite: OnRewrite::Append };
        let second = TableShape { name: "notes".to_owned(), contest, ..shape.tables[0].clone() };
        shape.tables.push(TableShape { references: vec![reference], ..second });
        let nonces = AtomicU32::new(0);
        Self { tested: Arc::clone(&self.tested), shape, parts: Arc::clone(&self.parts), nonces }
    }
}

/// Parents, children and grandchildren: a family of three levels.
struct Levels {
    sites: Vec<Site>,
    contests: [Contest; 3],
}

impl Levels {
    async fn new(sites: &Sites) -> Self {
        let contests = [upsert(), append(), append()];
        let parent = sites.site(&contests[0]).await;
        let name = parent.definition().dataset.clone();
        let child = parent.child(&format!("{name}_c"), &contests[1]);
        child.put_in_force().await;
        let grandchild = child.child(&format!("{name}_g"), &contests[2]);
        grandchild.put_in_force().await;
        Self { sites: vec![parent, child, grandchild], contests }
    }

    /// Every row of each level, for loads each with its level.
    fn expected(&self, loads: &[(usize, SampleLoad)]) -> Vec<Dump> {
        let mut parents: Option<BTreeSet<Option<String>>> = None;
        let mut all = Vec::new();
        for (level, (site, contest)) in self.sites.iter().zip(&self.contests).enumerate() {
            let of_level = loads.iter().filter(|(of, _)| *of == level).map(|(_, load)| load.clone());
            let mut dump = expected_rows(site, contest, &of_level.collect::<Vec<_>>());
            for row in &mut dump {
                let is_met = row[4].is_none() || parents.as_ref().is_none_or(|there| there.contains(&row[4]));
                if row[6].as_deref() == Some("visible") && !is_met {
                    row[6] = Some("waiting".to_owned());
                }
            }
            let visible = dump.iter().filter(|row| row[6].as_deref() == Some("visible"));
            parents = Some(visible.map(|row| row[3].clone()).collect());
            all.push(dump);
        }
        all
    }

    async fn assert_are(&self, loads: &[(usize, SampleLoad)]) {
        for (site, expected) in self.sites.iter().zip(self.expected(loads)) {
            site.assert_is(&expected).await;
        }
    }
}

/// Parents that come, are overwritten, filtered, lose and go; children of them, of none, and of who never comes.
fn story() -> Vec<(usize, SampleLoad)> {
    let mut loads = vec![
        (0, load(1, 1_000, 1, &[(1, Some(1)), (2, Some(1)), (3, None)])),
        (0, load(2, 1_000, 1, &[(2, Some(2)), (4, None)])),
        (1, load(1, 1_000, 1, &[(11, Some(1)), (12, Some(2)), (13, None), (14, Some(9)), (15, Some(4))])),
        (1, load(1, 2_000, 1, &[(11, Some(2)), (12, Some(3)), (16, Some(4)), (16, None)])),
        (2, load(1, 1_000, 1, &[(21, Some(11)), (22, Some(12)), (23, Some(13)), (24, Some(16)), (25, None)])),
        (0, load(2, 1_000, 2, &[(4, None)])),
        (1, load(1, 2_000, 2, &[(11, Some(2)), (13, Some(4))])),
        (0, load(1, 2_000, 1, &[(1, Some(3)), (3, Some(1))])),
    ];
    // The newest row of parent 2 does not pass, and so is not there; a child that is filtered is no parent.
    loads[1].1.rows[0].passes = false;
    loads[3].1.rows[2].passes = false;
    loads
}

async fn every_order_ends_alike(sites: &Sites, orders: usize) {
    let loads = story();
    for number in 0..orders {
        let levels = Levels::new(sites).await;
        // Eight loads have too many orders for all of them: steps of a number that is prime to eight, forwards and back.
        let step = [1, 3, 5, 7][number % 4];
        let mut order: Vec<usize> = (0..loads.len()).map(|at| (at * step + number / 4) % loads.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        let mut done: Vec<(usize, SampleLoad)> = Vec::new();
        for at in order {
            let (level, next) = loads[at].clone();
            levels.sites[level].deliver(std::slice::from_ref(&next)).await;
            done.push((level, next));
            // At every step, and not at the end alone, it is what the loads say.
            if number < 4 {
                levels.assert_are(&done).await;
            }
        }
        levels.assert_are(&loads).await;
    }
}

/// A dataset that was loaded by itself has its markers in a family of its own, and does not become another's child.
async fn a_change_of_family_is_refused(sites: &Sites) {
    let (parent, alone) = (sites.site(&upsert()).await, sites.site(&append()).await);
    let loads = [load(1, 1_000, 1, &[(1, Some(1)), (2, None)])];
    alone.deliver(&loads).await;
    let mut tied = parent.child(alone.definition().dataset.as_str(), &append());
    tied.shape.definitions[0].fingerprint = Fingerprint::new("tied");
    let plan = parent.warehouse().plan(&tied.shape).await.unwrap();
    let MigrationPlan::Refused { message: planned } = plan else { panic!("{plan:?}") };
    let fence = parent.take().await;
    let outcome = parent.warehouse().migrate(&fence, &tied.shape).await.unwrap();
    let MigrateOutcome::Refused { message } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("flats") && message.contains("replay its files"), "{message}");
    assert_eq!(planned, message);
    assert_eq!(parent.take().await.in_force, parent.shape.definitions);
    alone.assert_is(&expected_rows(&alone, &append(), &loads)).await;
}

/// A reference that comes lets rows wait, and one that goes lets them be seen.
async fn definitions_tie_and_untie(sites: &Sites) {
    let levels = Levels::new(sites).await;
    let loads = story();
    for (level, load) in &loads {
        levels.sites[*level].deliver(std::slice::from_ref(load)).await;
    }
    let child = &levels.sites[1];
    let mut free = child.redefined("free", |_| {});
    for table in &mut free.shape.tables {
        table.references.clear();
    }
    let plan = free.warehouse().plan(&free.shape).await.unwrap();
    let MigrationPlan::Changes(changes) = plan else { panic!("{plan:?}") };
    let tables: Vec<&str> = changes.iter().map(|change| change.table.rsplit('.').next().unwrap_or_default()).collect();
    assert!(tables == ["notes"] && changes[0].step == PlannedStep::Recompute, "{changes:?}");
    free.put_in_force().await;
    let of_child: Vec<SampleLoad> =
        loads.iter().filter(|(level, _)| *level == 1).map(|(_, load)| load.clone()).collect();
    free.assert_is(&expected_rows(&free, &levels.contests[1], &of_child)).await;
    // In force again, under another fingerprint; the definitions of the others are as they were.
    let mut tied = child.redefined("tied", |_| {});
    tied.shape.tables.clone_from(&child.shape.tables);
    tied.put_in_force().await;
    levels.assert_are(&loads).await;
    let fence = child.take().await;
    let of_others = [&levels.sites[0], &levels.sites[2]].map(Site::definition);
    assert!(of_others.iter().all(|definition| fence.has_in_force(definition)), "{:?}", fence.in_force);
    assert!(fence.has_in_force(tied.definition()) && fence.has_retired(child.definition()));
    // A load that was staged before is committed by those whose definition was not touched.
    let parent = &levels.sites[0];
    let more = load(7, 9_000, 1, &[(9, None)]);
    let staged = parent.stage(&[Arc::clone(&parent.manifest(&more))]).await.unwrap();
    let fence = parent.take().await;
    let outcome = parent.commit(&fence, &staged).await;
    assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
    let all: Vec<(usize, SampleLoad)> = loads.into_iter().chain([(0, more)]).collect();
    levels.assert_are(&all).await;
}
