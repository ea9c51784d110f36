//! The port's suite, in real time.

use std::sync::Arc;

use lakehand_testkit::conformance::queue::{QueueUnderTest, Time, queue_suite};
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::emulator;

use super::Emulator;

async fn conforms(name: &str) {
    let emulator = Emulator::at(&emulator(name)).await;
    queue_suite(|| async {
        let (work, dead) = emulator.make_pair(3).await;
        QueueUnderTest {
            first: Arc::new(emulator.open(&work).await),
            second: Arc::new(emulator.open(&work).await),
            dead_letters: Some((3, Arc::new(emulator.open(&dead).await))),
            time: Time::Real(Arc::new(RealClock)),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_roto() {
    conforms("ROTO").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ministack() {
    conforms("MINISTACK").await;
}
