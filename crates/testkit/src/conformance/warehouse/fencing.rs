//! Ensure, the fence, and who may act under it.

use futures::future::join_all;
use lakehand_domain::id::{FencingToken, LedgerId};
use lakehand_domain::port::warehouse::{CommitOutcome, MigrateOutcome, TakeOutcome};

use super::sample::{Site, Sites, ledger, load, upsert};

pub(super) async fn check(sites: &Sites) {
    ensure_is_harmless_to_repeat_and_race(sites).await;
    a_new_fence_is_empty_and_every_take_raises_it(sites).await;
    another_ledger_is_refused(sites).await;
    whoever_lost_the_fence_changes_nothing(sites).await;
    of_two_committers_one_waits_or_fails(sites).await;
    a_commit_nobody_waits_for_is_whole_or_not_at_all(sites).await;
}

async fn ensure_is_harmless_to_repeat_and_race(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&[load(1, 1, 1, &[(1, None)])]).await;
    let before = site.dump().await;
    let fence = site.take().await;
    for outcome in join_all((0..4).map(|_| site.warehouse().ensure(&site.shape.family))).await {
        outcome.unwrap();
    }
    let after = site.take().await;
    assert_eq!((after.token.0, after.batches), (fence.token.0 + 1, 1), "ensure must not begin a fence anew");
    assert_eq!(site.dump().await, before);
    site.warehouse().ping().await.unwrap();
}

async fn a_new_fence_is_empty_and_every_take_raises_it(sites: &Sites) {
    let site = sites.bare(&upsert()).await;
    let first = site.take().await;
    assert_eq!((first.batches, first.erasure_epoch), (0, 0));
    assert!(first.in_force.is_empty() && first.retired.is_empty());
    assert_eq!(first.family, site.shape.family);
    let second = site.take().await;
    assert!(second.token > first.token);
    assert_ne!(second.owner, first.owner);
    let tokens = join_all((0..6).map(|_| site.take())).await;
    let mut numbers: Vec<FencingToken> = tokens.iter().map(|fence| fence.token).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 6, "two takes must never have one token");
}

async fn another_ledger_is_refused(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let before = site.take().await;
    let outcome =
        site.warehouse().take_fence(&site.shape.family, &site.nonce(), &LedgerId::new("another")).await.unwrap();
    assert_eq!(outcome, TakeOutcome::OtherLedger { ledger: ledger() });
    // The fence is left as it is: who held it still does.
    let staged = site.stage(&[site.manifest(&load(1, 1, 1, &[(1, None)]))]).await.unwrap();
    assert_eq!(site.commit(&before, &staged).await, CommitOutcome::Committed { batches: 1 });
    assert_eq!(site.take().await.token.0, before.token.0 + 1);
}

async fn whoever_lost_the_fence_changes_nothing(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&[load(1, 1, 1, &[(1, Some(1))])]).await;
    let (rows, manifest) = (site.dump().await, site.manifest(&load(2, 1, 1, &[(1, Some(2))])));
    let staged = site.stage(&[manifest]).await.unwrap();
    let lost = site.take().await;
    let held = site.take().await;
    assert_eq!(site.commit(&lost, &staged).await, CommitOutcome::FenceLost);
    let next = site.redefined("second", |table| table.has_where = false);
    let outcome = next.warehouse().migrate(&lost, &next.shape).await.unwrap();
    assert_eq!(outcome, MigrateOutcome::FenceLost);
    // Neither the token alone nor the owner alone is the fence.
    let mut forged = held.clone();
    forged.owner = lost.owner.clone();
    assert_eq!(site.commit(&forged, &staged).await, CommitOutcome::FenceLost);
    let mut forged = held.clone();
    forged.token = lost.token;
    assert_eq!(site.commit(&forged, &staged).await, CommitOutcome::FenceLost);
    assert_eq!(site.dump().await, rows);
    let fence = site.take().await;
    assert_eq!((fence.batches, &fence.in_force), (1, &site.shape.definitions));
    assert_eq!(site.commit(&fence, &staged).await, CommitOutcome::Committed { batches: 2 });
}

async fn of_two_committers_one_waits_or_fails(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let one = load(1, 1, 1, &[(1, Some(1)), (2, None)]);
    // Both stage the same load and hold what they believe is the fence.
    let staged = join_all((0..2).map(|_| async { site.stage(&[site.manifest(&one)]).await.unwrap() })).await;
    let (first, second) = (site.take().await, site.take().await);
    let outcomes = tokio::join!(site.commit(&first, &staged[0]), site.commit(&second, &staged[1]));
    assert_eq!(outcomes, (CommitOutcome::FenceLost, CommitOutcome::Committed { batches: 1 }));
    // Two loops that take turns as they can: each load comes once.
    let work = |objects: std::ops::Range<u32>| {
        let site = &site;
        async move {
            for object in objects {
                let staged =
                    site.stage(&[site.manifest(&load(object, 1, 1, &[(i64::from(object), None)]))]).await.unwrap();
                loop {
                    let fence = site.take().await;
                    match site.commit(&fence, &staged).await {
                        CommitOutcome::Committed { .. } => break,
                        CommitOutcome::FenceLost => {}
                        refused @ CommitOutcome::Refused { .. } => panic!("{refused:?}"),
                    }
                }
            }
        }
    };
    tokio::join!(work(10..14), work(20..24));
    assert_eq!(site.take().await.batches, 9);
    assert_eq!(site.dump().await.len(), 2 + 8);
}

async fn a_commit_nobody_waits_for_is_whole_or_not_at_all(sites: &Sites) {
    for polls in 0..3 {
        let site = sites.site(&upsert()).await;
        let sample = load(1, 1, 1, &[(1, Some(1)), (2, None), (2, Some(1))]);
        let staged = site.stage(&[site.manifest(&sample)]).await.unwrap();
        let fence = site.take().await;
        {
            let mut commit = Box::pin(site.commit(&fence, &staged));
            for _ in 0..polls {
                drop(futures::poll!(&mut commit));
                tokio::task::yield_now().await;
            }
        }
        settle_unknown(&site, &sample).await;
    }
}

/// What follows an unknown outcome: take the fence, which waits for the transaction in doubt or defeats it, look, and
/// do what is missing.
async fn settle_unknown(site: &Site, sample: &super::SampleLoad) {
    let fence = site.take().await;
    let markers = site.warehouse().markers(&site.shape.family, &[site.entry(sample)]).await.unwrap();
    assert_eq!(fence.batches, markers.len() as u64);
    assert_eq!(site.dump().await.len(), markers.len() * sample.rows.len());
    site.deliver(std::slice::from_ref(sample)).await;
    let expected = super::expected_rows(site, &upsert(), std::slice::from_ref(sample));
    site.assert_is(&expected).await;
    assert_eq!(site.take().await.batches, 1);
}
