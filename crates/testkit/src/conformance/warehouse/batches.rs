//! Staging and committing one batch: guard, rows, markers.

use std::sync::Arc;

use lakehand_domain::fault::{Effect, Fault};
use lakehand_domain::id::{FamilyId, Generation, LoadId, Nonce};
use lakehand_domain::manifest::{Manifest, Part};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::{CommitOutcome, WarehouseError};
use lakehand_domain::shape::{Contest, OnRewrite};
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::{StagedLoad, TableStanding};

use super::sample::{Site, Sites, column, load, upsert};
use super::scope::replace;

pub(super) async fn check(sites: &Sites) {
    a_commit_writes_rows_markers_and_standing(sites).await;
    a_batch_committed_twice_is_there_once(sites).await;
    stagings_are_named_and_dropped(sites).await;
    only_listed_loads_of_all_stagings_are_added(sites).await;
    an_older_or_equal_generation_is_refused(sites).await;
    a_newer_generation_replaces_rows_or_leaves_none(sites).await;
    staged_rows_are_counted(sites).await;
    parts_are_what_their_manifests_say(sites).await;
    refused_rows_are_told_and_leave_nothing(sites).await;
    definition_and_epoch_are_guarded(sites).await;
    a_load_that_says_no_scope_is_refused(sites).await;
    a_part_without_rows_is_staged(sites).await;
    loads_of_older_definitions_are_taken_as_they_were_written(sites).await;
    many_markers_are_found(sites).await;
}

fn refused(outcome: &CommitOutcome) -> &str {
    match outcome {
        CommitOutcome::Refused { message } => message,
        other => panic!("{other:?}"),
    }
}

/// The commit is refused, and nothing is otherwise than before.
async fn assert_refused(site: &Site, loads: &[StagedLoad]) {
    let (fence, before) = (site.take().await, site.dump().await);
    let outcome = site.commit(&fence, loads).await;
    assert!(!refused(&outcome).is_empty());
    assert_eq!(site.dump().await, before);
    assert_eq!(site.take().await.batches, fence.batches);
}

async fn a_commit_writes_rows_markers_and_standing(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let mut sample = load(1, 1, 1, &[(1, Some(1)), (1, Some(2)), (2, None), (3, None)]);
    sample.rows[2].passes = false;
    let manifest = site.manifest(&sample);
    let staged = site.stage(&[Arc::clone(&manifest)]).await.unwrap();
    assert_eq!(site.dump().await.len(), 0, "what is staged is not seen");
    let fence = site.take().await;
    let request = site.request(&fence, &staged);
    let outcome = site.warehouse().commit(&site.shape, &request).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 1 });
    site.assert_is(&super::expected_rows(&site, &upsert(), &[sample])).await;
    let markers = site.warehouse().markers(&site.shape.family, std::slice::from_ref(&manifest.entry)).await.unwrap();
    let [marker] = markers.as_slice() else { panic!("{markers:?}") };
    assert_eq!((&marker.entry, &marker.dataset), (&manifest.entry, &manifest.dataset));
    assert_eq!((&marker.object, &marker.order), (&manifest.object.uri, &manifest.order));
    assert_eq!((marker.generation, &marker.load_id), (manifest.generation, &manifest.load_id));
    assert_eq!((&marker.fingerprint, marker.rejects), (&manifest.fingerprint, manifest.rejects.total()));
    assert_eq!((&marker.batch, marker.at), (&request.batch, request.now));
    assert_eq!(marker.rows.iter().collect::<Vec<_>>(), vec![(&"flats".to_owned(), &4)]);
    let standing = site.warehouse().standing(&site.shape, &manifest.load_id).await.unwrap();
    let expected = TableStanding { table: "flats".to_owned(), visible: 2, lost: 1, filtered: 1, waiting: 0 };
    assert_eq!(standing, vec![expected]);
    let unknown = site.warehouse().standing(&site.shape, &LoadId::new("none")).await.unwrap();
    assert!(unknown.is_empty());
    assert_eq!(site.take().await.batches, 1);
}

async fn a_batch_committed_twice_is_there_once(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let sample = load(1, 1, 1, &[(1, None), (2, None)]);
    let staged = site.stage(&[site.manifest(&sample)]).await.unwrap();
    let fence = site.take().await;
    let request = site.request(&fence, &staged);
    let first = site.warehouse().commit(&site.shape, &request).await.unwrap();
    assert_eq!(first, CommitOutcome::Committed { batches: 1 });
    // The answer was lost, and the caller repeats what it should not.
    refused(&site.warehouse().commit(&site.shape, &request).await.unwrap());
    assert_refused(&site, &staged).await;
    // The caller looks, as it should.
    site.deliver(std::slice::from_ref(&sample)).await;
    site.assert_is(&super::expected_rows(&site, &upsert(), &[sample])).await;
    assert_eq!(site.take().await.batches, 1);
}

async fn stagings_are_named_and_dropped(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let other = sites.site(&upsert()).await;
    let manifest = site.manifest(&load(1, 1, 1, &[(1, None)]));
    let (name, second) = (Nonce::new("a_b"), Nonce::new("a"));
    let warehouse = site.warehouse();
    warehouse.stage(&site.shape, &name, &[Arc::clone(&manifest)]).await.unwrap();
    warehouse.stage(&site.shape, &second, &[Arc::clone(&manifest)]).await.unwrap();
    assert_eq!(warehouse.stagings(&site.shape.family).await.unwrap(), vec![second.clone(), name.clone()]);
    assert!(warehouse.stagings(&other.shape.family).await.unwrap().is_empty());
    // No second copy goes under a name that is there.
    assert!(warehouse.stage(&site.shape, &second, &[Arc::clone(&manifest)]).await.is_err());
    for _ in 0..2 {
        warehouse.drop_staging(&name).await.unwrap();
    }
    assert_eq!(warehouse.stagings(&site.shape.family).await.unwrap(), vec![second.clone()]);
    assert_refused(&site, &[StagedLoad { manifest: Arc::clone(&manifest), staging: name, as_written: false }]).await;
    let fence = site.take().await;
    let staged = [StagedLoad { manifest, staging: second.clone(), as_written: false }];
    assert_eq!(site.commit(&fence, &staged).await, CommitOutcome::Committed { batches: 1 });
    warehouse.drop_staging(&second).await.unwrap();
    assert!(warehouse.stagings(&site.shape.family).await.unwrap().is_empty());
}

async fn only_listed_loads_of_all_stagings_are_added(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let samples: Vec<_> = (1..=4).map(|object| load(object, 1, 1, &[(i64::from(object), None), (9, None)])).collect();
    let manifests: Vec<_> = samples.iter().map(|sample| site.manifest(sample)).collect();
    let mut staged = site.stage(&manifests[..3]).await.unwrap();
    staged.extend(site.stage(&manifests[3..]).await.unwrap());
    let left_out = staged.remove(1);
    let fence = site.take().await;
    assert_eq!(site.commit(&fence, &staged).await, CommitOutcome::Committed { batches: 1 });
    let listed: Vec<_> = [0, 2, 3].map(|at: usize| samples[at].clone()).into();
    site.assert_is(&super::expected_rows(&site, &upsert(), &listed)).await;
    let fence = site.take().await;
    assert_eq!(site.commit(&fence, &[left_out]).await, CommitOutcome::Committed { batches: 2 });
    site.assert_is(&super::expected_rows(&site, &upsert(), &samples)).await;
}

async fn an_older_or_equal_generation_is_refused(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&[load(1, 1, 2, &[(1, None)])]).await;
    for generation in [1, 2] {
        let staged = site.stage(&[site.manifest(&load(1, 1, generation, &[(1, None), (2, None)]))]).await.unwrap();
        assert_refused(&site, &staged).await;
    }
    // One stale load keeps the whole batch out, and one entry has one load in it.
    let fresh = site.manifest(&load(2, 1, 1, &[(5, None)]));
    let stale = site.manifest(&load(1, 1, 1, &[(1, None)]));
    assert_refused(&site, &site.stage(&[Arc::clone(&fresh), stale]).await.unwrap()).await;
    let again = site.manifest(&load(2, 1, 2, &[(5, None)]));
    assert_refused(&site, &site.stage(&[fresh, again]).await.unwrap()).await;
}

async fn a_newer_generation_replaces_rows_or_leaves_none(sites: &Sites) {
    let contests = [upsert(), Contest::Append { on_rewrite: OnRewrite::Append }];
    for contest in contests {
        let site = sites.site(&contest).await;
        let mut loads = vec![load(1, 1, 1, &[(1, Some(9)), (2, None)]), load(2, 1, 1, &[(1, Some(5)), (3, None)])];
        site.deliver(&loads).await;
        // The winner of key 1 goes, and the one that lost takes its place.
        loads.push(load(1, 1, 2, &[(2, None)]));
        site.deliver(&loads[2..]).await;
        site.assert_is(&super::expected_rows(&site, &contest, &loads)).await;
        loads.push(load(1, 1, 3, &[]));
        site.deliver(&loads[3..]).await;
        site.assert_is(&super::expected_rows(&site, &contest, &loads)).await;
        let marker = site.warehouse().markers(&site.shape.family, &[site.entry(&loads[3])]).await.unwrap().remove(0);
        assert_eq!((marker.generation, marker.rows.values().sum::<u64>()), (Generation(3), 0));
    }
}

async fn staged_rows_are_counted(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let staged = site.stage(&[site.manifest(&load(1, 1, 1, &[(1, None), (2, None)]))]).await.unwrap();
    for rows in [1, 3] {
        let mut other = staged[0].clone();
        Arc::make_mut(&mut other.manifest).tables[0].rows = rows;
        assert_refused(&site, &[other]).await;
    }
    let elsewhere = site.stage(&[site.manifest(&load(2, 1, 1, &[(1, None)]))]).await.unwrap();
    let wrong = StagedLoad {
        manifest: Arc::clone(&staged[0].manifest),
        staging: elsewhere[0].staging.clone(),
        as_written: false,
    };
    assert_refused(&site, &[wrong]).await;
}

async fn parts_are_what_their_manifests_say(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let sample = load(1, 1, 1, &[(1, None), (2, None)]);
    let change = |change: fn(&mut Manifest)| {
        let mut manifest = site.manifest(&sample);
        change(Arc::make_mut(&mut manifest));
        manifest
    };
    let bent = [
        change(|manifest| manifest.tables[0].parts[0].rows += 1),
        change(|manifest| manifest.tables[0].rows += 1),
        change(|manifest| manifest.load_id = LoadId::new("another")),
        change(|manifest| manifest.object.uri = ObjectUri::parse("s3://landing/another").unwrap()),
        change(|manifest| {
            manifest.tables[0].columns.pop();
        }),
    ];
    for manifest in bent {
        let error = site.stage(&[manifest]).await.unwrap_err();
        assert!(matches!(error, WarehouseError::Part(PartError::Mismatch { .. })), "{error:?}");
    }
    let manifest = site.manifest(&sample);
    site.parts.lose(&manifest.tables[0].parts[1].uri);
    let error = site.stage(&[manifest]).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Part(PartError::Gone { .. })), "{error:?}");
    assert!(site.warehouse().stagings(&site.shape.family).await.unwrap().is_empty(), "what failed leaves no tables");
}

async fn refused_rows_are_told_and_leave_nothing(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let bend: [fn(&mut RowBatch); 2] = [
        |batch| batch.columns[2] = ColumnValues::Text(vec![Some("ä".repeat(11)); batch.rows]),
        |batch| batch.columns[0] = ColumnValues::Integer(vec![None; batch.rows]),
    ];
    for bend in bend {
        let good = site.manifest(&load(1, 1, 1, &[(1, None)]));
        let bad = site.bent_manifest(&load(2, 1, 1, &[(1, None)]), bend);
        let error = site.stage(&[good, bad]).await.unwrap_err();
        assert!(matches!(error, WarehouseError::Data { .. }), "{error:?}");
        assert_eq!(error.effect(), Effect::NotApplied);
        assert!(site.warehouse().stagings(&site.shape.family).await.unwrap().is_empty());
    }
}

async fn a_load_that_says_no_scope_is_refused(sites: &Sites) {
    let site = sites.site(&replace(&["day"], true)).await;
    let staged = site.stage(&[site.manifest(&load(1, 1, 1, &[(1, None)]))]).await.unwrap();
    for name in ["day", "run", "#files"] {
        let mut silent = staged[0].clone();
        Arc::make_mut(&mut silent.manifest).scopes.remove(name);
        assert_refused(&site, &[silent]).await;
    }
    let fence = site.take().await;
    assert_eq!(site.commit(&fence, &staged).await, CommitOutcome::Committed { batches: 1 });
    let entry = staged[0].manifest.entry.clone();
    let marker = site.warehouse().markers(&site.shape.family, &[entry]).await.unwrap().remove(0);
    assert_eq!(marker.scopes, staged[0].manifest.scopes);
}

async fn definition_and_epoch_are_guarded(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let sample = load(1, 1, 1, &[(1, None)]);
    let staged = site.stage(&[site.manifest(&sample)]).await.unwrap();
    let mut later = staged[0].clone();
    Arc::make_mut(&mut later.manifest).erasure_epoch = 1;
    assert_refused(&site, &[later]).await;
    // A definition that never was in force, and one that is not any more.
    let next = site.redefined("second", |_| {});
    let of_next = next.stage(&[next.manifest(&sample)]).await.unwrap();
    assert_refused(&next, &of_next).await;
    next.put_in_force().await;
    let fence = next.take().await;
    assert_eq!(fence.in_force, next.shape.definitions);
    assert_eq!(fence.retired, site.shape.definitions);
    assert!(fence.has_retired(site.definition()) && fence.has_in_force(next.definition()));
    assert_refused(&site, &staged).await;
    // The request and its manifests are of one definition.
    assert_refused(&next, &staged).await;
    assert_eq!(next.commit(&next.take().await, &of_next).await, CommitOutcome::Committed { batches: 1 });
    // What is put in force again is not retired any more.
    site.put_in_force().await;
    let fence = site.take().await;
    assert_eq!((&fence.in_force, &fence.retired), (&site.shape.definitions, &next.shape.definitions));
}

/// Whoever holds the definition in force may load what was made under one that is not, and says that it does.
async fn loads_of_older_definitions_are_taken_as_they_were_written(sites: &Sites) {
    let site = sites.bare(&upsert()).await;
    let old = site.redefined("old", |table| {
        table.columns.push(column("small", "integer", false));
        table.columns.push(column("rent", "decimal(5,2)", false));
        table.columns.push(column("gone", "integer", false));
        table.has_where = false;
    });
    old.put_in_force().await;
    let next = site.redefined("next", |table| {
        table.columns.push(column("new", "varchar(9)", false));
        table.columns.push(column("small", "bigint", false));
        table.columns.push(column("rent", "decimal(38,2)", true));
    });
    next.put_in_force().await;
    let (first, second) = (load(1, 1, 1, &[(1, None), (2, None)]), load(2, 1, 1, &[(2, Some(1)), (3, None)]));
    let written = old.manifest(&first);
    let shape = next.shape.as_written(&written).unwrap();
    let staging = next.nonce();
    next.warehouse().stage(&shape, &staging, std::slice::from_ref(&written)).await.unwrap();
    let as_written = StagedLoad { manifest: written, staging, as_written: true };
    let ours = next.stage(&[next.manifest(&second)]).await.unwrap().remove(0);
    assert_refused(&next, &[StagedLoad { as_written: false, ..as_written.clone() }]).await;
    assert_refused(&next, &[StagedLoad { as_written: true, ..ours.clone() }]).await;
    assert_refused(&old, std::slice::from_ref(&as_written)).await;

    let fence = next.take().await;
    let outcome = next.commit(&fence, &[as_written.clone(), ours]).await;
    assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
    let rows = (site.tested.rows)(site.table());
    let mut found = next.answer(&format!("SELECT listing_id, small, rent, new, _standing FROM {rows}")).await;
    found.sort();
    let line = |values: [&str; 5]| values.map(|value| (!value.is_empty()).then(|| value.to_owned())).to_vec();
    let expected = [
        line(["1", "7", "7.00", "", "visible"]),
        line(["2", "7", "7.00", "", "lost"]),
        line(["2", "7", "7.00", "new", "visible"]),
        line(["3", "7", "7.00", "new", "visible"]),
    ];
    assert_eq!(found, expected);
    let entries = [old.entry(&first), next.entry(&second)];
    let mut markers = next.warehouse().markers(&next.shape.family, &entries).await.unwrap();
    markers.sort_by_key(|marker| marker.fingerprint.clone());
    let fingerprints: Vec<&str> = markers.iter().map(|marker| marker.fingerprint.as_str()).collect();
    assert_eq!(fingerprints, ["next", "old"], "each under the definition that it was made under");
    assert_refused(&next, &[as_written]).await;
}

/// A part without rows is read as any other, and adds none.
async fn a_part_without_rows_is_staged(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let mut manifest = site.manifest(&load(1, 1, 1, &[]));
    let described = &mut Arc::make_mut(&mut manifest).tables[0];
    let uri = site.parts.root().join(&format!("{}/_empty/flats.parquet", site.definition().dataset));
    let (bytes, checksum) = site.parts.keep(&uri, &described.columns, Vec::new());
    described.parts = vec![Part { uri: uri.clone(), rows: 0, bytes, checksum, partition: Vec::new() }];
    site.stage(&[manifest]).await.unwrap();
}

async fn many_markers_are_found(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let loads: Vec<_> = (0..300).map(|object| load(object, 1, 1, &[])).collect();
    site.deliver(&loads).await;
    let mut entries: Vec<_> = loads.iter().map(|load| site.entry(load)).collect();
    entries.extend((300..2_500).map(|object| site.entry(&load(object, 1, 1, &[]))));
    let mut found: Vec<_> =
        site.warehouse().markers(&site.shape.family, &entries).await.unwrap().into_iter().map(|m| m.entry).collect();
    found.sort();
    entries.truncate(300);
    entries.sort();
    assert_eq!(found, entries);
    assert!(site.warehouse().markers(&site.shape.family, &[]).await.unwrap().is_empty());
    let unknown = site.warehouse().markers(&FamilyId::new("nobody"), &entries).await;
    assert!(unknown.is_err(), "a family that was never ensured is no empty one");
}
