//! The port's own suite.

use std::sync::{Arc, Mutex};

use lakehand_domain::object::ObjectUri;
use lakehand_testkit::conformance::object_store::{Service, StoreUnderTest, object_store_suite};
use lakehand_testkit::services;

use super::bed::{Bed, Versions};

/// roto cannot read back an object whose key has a backslash, and ignores `If-Match` of a deletion: where it keeps no
/// versions, the race between look and deletion is not asked of it.
async fn conforms(emulator: &str, versions: Versions) {
    let keeps_versions = versions == Versions::Kept;
    let service = match emulator {
        "ROTO" => Service { keeps_versions, pins_reads: true, deletes_on_condition: keeps_versions, loses: &['\\'] },
        _ => Service { keeps_versions, pins_reads: true, deletes_on_condition: true, loses: &[] },
    };
    let bed = Bed::new(emulator, versions).await;
    let made = Mutex::new(0);
    object_store_suite(|| async {
        let number = {
            let mut made = made.lock().unwrap();
            *made += 1;
            *made
        };
        StoreUnderTest {
            first: Arc::new(bed.store().await),
            second: Arc::new(bed.store().await),
            prefix: bed.uri(&format!("a prefix/{number}-{}", services::suffix())),
            foreign: ObjectUri::parse("file:///folder/key").unwrap(),
            service,
        }
    })
    .await;
    assert_eq!(bed.unfinished().await, 0, "no upload of the suite is large enough to be begun at the service");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roto_keeping_versions() {
    conforms("ROTO", Versions::Kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roto_without_versions() {
    conforms("ROTO", Versions::Lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeping_versions() {
    conforms("MINISTACK", Versions::Kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_without_versions() {
    conforms("MINISTACK", Versions::Lost).await;
}
