//! Order never matters: the end is a function of the set of live loads.

use lakehand_domain::shape::{Contest, OnRewrite};

use super::sample::{Sites, load, upsert};
use super::scope::replace;
use super::{SampleLoad, expected_rows};

/// `orders` says how many of the 24 orders of each set of loads are tried.
pub(super) async fn check(sites: &Sites, orders: usize) {
    let contests = [
        upsert(),
        Contest::Upsert { key: vec!["listing_id".to_owned()], version: None },
        Contest::Append { on_rewrite: OnRewrite::Replace },
        Contest::Append { on_rewrite: OnRewrite::Ignore },
        Contest::Append { on_rewrite: OnRewrite::Append },
    ];
    for (offset, contest) in contests.iter().enumerate() {
        for loads in [rivals(), rewrites()] {
            every_order_ends_alike(sites, contest, &loads, (offset, 24 / orders)).await;
        }
    }
    let replaced = [
        (replace(&["day"], false), [scopes(), rivals()]),
        (replace(&[], false), [scopes(), rewrites()]),
        (replace(&["day"], true), [runs(), unfinished()]),
        (replace(&[], true), [runs(), unfinished()]),
    ];
    for (offset, (contest, all)) in replaced.iter().enumerate() {
        for loads in all {
            every_order_ends_alike(sites, contest, loads, (offset, 24 / orders)).await;
        }
    }
}

/// A file that empties its day, one of another day, and a replay of what was emptied.
fn scopes() -> Vec<SampleLoad> {
    vec![
        load(1, 1_000, 1, &[(1, Some(1)), (1, Some(1)), (2, None)]),
        load(2, 2_000, 1, &[]),
        load(101, 1_000, 1, &[(1, Some(1)), (3, None)]),
        load(1, 1_000, 2, &[(4, None)]),
    ]
}

/// A run of two files, one of which is rewritten, and a run of one in between.
fn runs() -> Vec<SampleLoad> {
    let mut loads = vec![
        load(11, 1_000, 1, &[(1, Some(1))]),
        load(12, 1_001, 1, &[(1, Some(2)), (2, None)]),
        load(1, 2_000, 1, &[(3, None)]),
        load(12, 3_000, 1, &[(4, None), (5, None)]),
    ];
    loads[3].rows[0].passes = false;
    loads
}

/// Newer runs that never are whole: one lacks a file, one says that it has more than it first said.
fn unfinished() -> Vec<SampleLoad> {
    vec![
        load(1, 1_000, 1, &[(1, Some(1)), (2, None)]),
        load(11, 2_000, 1, &[(1, Some(2))]),
        load(21, 2_000, 1, &[(1, Some(3))]),
        load(29, 3_000, 1, &[]),
    ]
}

/// Ties in every rank, null versions, a filtered winner, a replay that raises a generation.
fn rivals() -> Vec<SampleLoad> {
    let mut loads = vec![
        load(1, 1_000, 1, &[(1, Some(5)), (2, None), (3, Some(1)), (3, Some(1)), (4, Some(-1))]),
        load(2, 1_000, 1, &[(1, Some(5)), (2, None), (3, None), (4, None)]),
        load(3, 2_000, 1, &[(1, Some(4)), (2, None), (5, Some(10)), (5, Some(9))]),
        load(2, 1_000, 2, &[(1, Some(7)), (3, Some(1)), (4, Some(-2))]),
    ];
    loads[2].rows[2].passes = false;
    loads[3].rows[0].passes = false;
    loads
}

/// Versions of one object, two of one instant, the newest without rows, and a replay of an older one.
fn rewrites() -> Vec<SampleLoad> {
    vec![
        load(1, 1_000, 1, &[(1, Some(1)), (2, Some(1))]),
        load(1, 1_001, 1, &[(1, Some(2)), (3, None)]),
        load(1, 2_000, 1, &[]),
        load(1, 1_000, 2, &[(2, Some(1)), (4, None)]),
    ]
}

async fn every_order_ends_alike(
    sites: &Sites,
    contest: &Contest,
    loads: &[SampleLoad],
    (offset, step): (usize, usize),
) {
    let mut orders = vec![Vec::new()];
    for _ in loads {
        let longer = |order: &Vec<usize>| {
            (0..loads.len()).filter(|at| !order.contains(at)).map(|at| [order.as_slice(), &[at]].concat()).collect()
        };
        orders = orders.iter().flat_map(|order| -> Vec<Vec<usize>> { longer(order) }).collect();
    }
    assert_eq!(orders.len(), 24);
    for (number, order) in orders.iter().enumerate().skip(offset % step).step_by(step) {
        let site = sites.site(contest).await;
        let expected = expected_rows(&site, contest, loads);
        let ordered: Vec<SampleLoad> = order.iter().map(|at| loads[*at].clone()).collect();
        // Batches of one, of two, and all at once, by turns.
        for batch in ordered.chunks([1, 2, 4][number % 3]) {
            site.deliver(batch).await;
        }
        // And everything once more: a redelivery does nothing.
        site.deliver(&ordered).await;
        site.assert_is(&expected).await;
    }
}
