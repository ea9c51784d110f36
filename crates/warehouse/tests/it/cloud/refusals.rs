//! A file that the warehouse refuses is told by its name, and nothing of it stays.

use std::sync::Arc;

use lakehand_domain::fault::{Effect, Fault as _, chain};
use lakehand_domain::id::Nonce;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_domain::shape::Contest;
use lakehand_domain::value::ColumnValues;
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site};

use super::world::{World, tested};

fn load(object: u32) -> SampleLoad {
    let row = SampleRow { key: i64::from(object), version: None, passes: true };
    SampleLoad { object, version: 1_000, generation: 1, rows: vec![row] }
}

async fn site(world: &World) -> Site {
    let contest = Contest::Upsert { key: vec!["listing_id".to_owned()], version: None };
    let warehouse = world.warehouse("refusals").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "refusals", &contest).await;
    site.put_in_force().await;
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_file_among_many_is_named() {
    let world = World::new().await;
    let site = site(&world).await;
    let mut manifests: Vec<_> = (1..=20).map(|object| site.manifest(&load(object))).collect();
    // Eleven letters of two bytes each, and the column takes twenty bytes.
    let bad = site.bent_manifest(&load(7), |batch| {
        batch.columns[2] = ColumnValues::Text(vec![Some("ä".repeat(11)); batch.rows]);
    });
    manifests[6] = Arc::clone(&bad);
    let error = site.tested.warehouse.stage(&site.shape, &Nonce::new("bad"), &manifests).await.unwrap_err();
    let WarehouseError::Data { message } = &error else { panic!("{error:?}") };
    let part = bad.tables[0].parts[0].uri.as_str();
    assert!(message.contains(part) && message.contains("note"), "it names file and column: {message}");
    assert!(message.contains("15001") || message.contains("1204"), "it has the warehouse's own words: {message}");
    assert_eq!(error.effect(), Effect::NotApplied);
    assert!(site.tested.warehouse.stagings(&site.shape.family).await.unwrap().is_empty());
    // Without it the others are taken.
    manifests.remove(6);
    site.tested.warehouse.stage(&site.shape, &Nonce::new("good"), &manifests).await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_gone_or_changed_goes_back_to_transform() {
    let world = World::new().await;
    let site = site(&world).await;
    let manifests: Vec<_> = (1..=3).map(|object| site.manifest(&load(object))).collect();
    let part = &manifests[1].tables[0].parts[0];
    let stage =
        async |name: &str| site.tested.warehouse.stage(&site.shape, &Nonce::new(name), &manifests).await.unwrap_err();
    world.parts.order(&part.uri, Some(bytes::Bytes::from_static(b"PAR1 and then nothing")));
    let error = stage("changed").await;
    let WarehouseError::Part(PartError::Mismatch { uri, message }) = &error else { panic!("{error:?}") };
    assert_eq!((uri, message.contains("21 bytes")), (&part.uri, true), "{message}");
    world.parts.order(&part.uri, None);
    let error = stage("gone").await;
    let WarehouseError::Part(PartError::Gone { uri }) = &error else { panic!("{error:?}") };
    assert_eq!(uri, &part.uri);
    // As long as it should be, and no Parquet: that is the file's fault, as far as anybody can tell.
    let size = usize::try_from(part.bytes).unwrap();
    world.parts.order(&part.uri, Some(bytes::Bytes::from(vec![b'x'; size])));
    let error = stage("broken").await;
    let WarehouseError::Data { message } = &error else { panic!("{error:?}") };
    assert!(message.contains(part.uri.as_str()), "{message}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_for_no_fault_of_its_files_blames_none() {
    let world = World::new().await;
    let site = site(&world).await;
    let manifest = [site.manifest(&load(1))];
    world.standin.faults().set(vec![Rule::new(Fault::FailBeforeCommit).matching("lakehand/stage/").times(1)]);
    let error = site.tested.warehouse.stage(&site.shape, &Nonce::new("lost"), &manifest).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Unavailable { effect: Effect::Unknown, .. }), "{}", chain(&error));
    world.standin.faults().set(vec![Rule::new(Fault::AbortBeforeCommit).matching("lakehand/stage/").times(1)]);
    let error = site.tested.warehouse.stage(&site.shape, &Nonce::new("stopped"), &manifest).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Unavailable { effect: Effect::Unknown, .. }), "{}", chain(&error));
    world.standin.faults().clear();
    site.tested.warehouse.stage(&site.shape, &Nonce::new("fine"), &manifest).await.unwrap();
    for bad in ["", "A", "a-b", &"n".repeat(60)] {
        let error = site.tested.warehouse.stage(&site.shape, &Nonce::new(bad), &manifest).await.unwrap_err();
        assert!(matches!(error, WarehouseError::Denied { .. }), "{bad}: {error:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_copied_twice() {
    let world = World::new().await;
    let site = site(&world).await;
    let manifest = site.manifest(&load(1));
    // A load that is named twice is one load.
    let twice = [Arc::clone(&manifest), Arc::clone(&manifest)];
    site.tested.warehouse.stage(&site.shape, &Nonce::new("load"), &twice).await.unwrap();
    // A part that two loads name would be loaded twice: COPY does as its list says.
    let mut other = site.manifest(&load(2));
    Arc::make_mut(&mut other).tables[0].parts.clone_from(&manifest.tables[0].parts);
    let error = site.tested.warehouse.stage(&site.shape, &Nonce::new("part"), &[manifest, other]).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Part(PartError::Mismatch { .. })), "{error:?}");
    assert_eq!(site.tested.warehouse.stagings(&site.shape.family).await.unwrap(), vec![Nonce::new("load")]);
    world.end().await;
}
