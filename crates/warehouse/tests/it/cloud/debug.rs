#![allow(warnings)]
use super::world::{World, tested};
use lakehand_domain::id::*;
use lakehand_domain::port::warehouse::*;
use lakehand_domain::shape::Contest;
use lakehand_domain::warehousing::*;
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug() {
    let world = World::new().await;
    let warehouse = world.warehouse("suite").await;
    let contest = Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) };
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "debug", &contest).await;
    site.put_in_force().await;
    let t = std::time::Instant::now();
    for _ in 0..20 {
        warehouse.ping().await.unwrap();
    }
    println!("ping {:?}", t.elapsed() / 20);
    let t = std::time::Instant::now();
    for _ in 0..10 {
        site.take().await;
    }
    println!("take {:?}", t.elapsed() / 10);
    let t = std::time::Instant::now();
    for _ in 0..10 {
        warehouse.markers(&site.shape.family, &[EntryId::new("x")]).await.unwrap();
    }
    println!("markers {:?}", t.elapsed() / 10);
    for k in 0..5 {
        let load = SampleLoad {
            object: 100 + k,
            version: 1,
            generation: 1,
            rows: vec![SampleRow { key: 1, version: None, passes: true }],
        };
        let t = std::time::Instant::now();
        let m = site.manifest(&load);
        println!("manifest {:?}", t.elapsed());
        let t = std::time::Instant::now();
        let st = warehouse.stage(&site.shape, &Nonce::new(format!("t{k}")), &[m.clone()]).await.unwrap();
        println!("stage {:?}", t.elapsed());
        let fence = site.take().await;
        let t = std::time::Instant::now();
        let req = CommitRequest {
            fence: fence.clone(),
            batch: format!("b{k}_{}", fence.token.0),
            definition: site.shape.definitions[0].clone(),
            loads: vec![StagedLoad { manifest: m.clone(), staging: st.name.clone() }],
            now: Default::default(),
        };
        let out = warehouse.commit(&site.shape, &req).await.unwrap();
        println!("commit {:?} {out:?}", t.elapsed());
        let t = std::time::Instant::now();
        warehouse.drop_staging(&st.name).await.unwrap();
        println!("drop {:?}", t.elapsed());
    }
    for k in 0..3 {
        let t = std::time::Instant::now();
        let site =
            Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), &format!("debug{k}"), &contest).await;
        println!("ensure {:?}", t.elapsed());
        let t = std::time::Instant::now();
        site.put_in_force().await;
        println!("force {:?}", t.elapsed());
    }
    let work = |from: u32| {
        let site = &site;
        let warehouse = &warehouse;
        async move {
            for object in from..from + 4 {
                let load = SampleLoad {
                    object,
                    version: 1,
                    generation: 1,
                    rows: vec![SampleRow { key: i64::from(object), version: None, passes: true }],
                };
                let m = site.manifest(&load);
                let n = Nonce::new(format!("x{object}"));
                let st = warehouse.stage(&site.shape, &n, &[m.clone()]).await.unwrap();
                loop {
                    let fence = site.take().await;
                    let req = CommitRequest {
                        fence: fence.clone(),
                        batch: format!("b{object}_{}", fence.token.0),
                        definition: site.shape.definitions[0].clone(),
                        loads: vec![StagedLoad { manifest: m.clone(), staging: st.name.clone() }],
                        now: Default::default(),
                    };
                    let out = warehouse.commit(&site.shape, &req).await.unwrap();
                    println!("{object} token {} batches {} -> {out:?}", fence.token.0, fence.batches);
                    if matches!(out, CommitOutcome::Committed { .. }) {
                        break;
                    }
                }
            }
        }
    };
    tokio::join!(work(10), work(20));
    println!("{:?}", site.take().await);
    println!("{}", site.dump().await.len());
    world.end().await;
}
