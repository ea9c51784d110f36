use std::io::Write;
use std::sync::Arc;

use lakehand_dataset::transformer::PartSink;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::write::LakeSink;
use lakehand_testkit::manual_clock::ManualClock;
use lakehand_testkit::memory::object_store::MemoryStore;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Deadlines;
use super::store::PatientStore;

/// The transform's threads are its own, and a deadline is a timer of the runtime: a part is begun, written and finished
/// from a thread that the runtime does not know.
#[tokio::test]
async fn a_part_is_written_to_a_store_with_deadlines_from_a_thread_of_the_transform() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let lake = PatientStore { inner: Arc::new(MemoryStore::new(clock, false)), deadlines: Deadlines::default() };
    let folder = ObjectUri::parse("s3://lake/people").expect("an address");
    let sink = LakeSink::new(Handle::current(), Arc::new(lake), folder, 4, CancellationToken::new());
    let writer = std::thread::spawn(move || {
        let mut part = sink.create("people/1.parquet")?;
        part.write_all(b"more than one chunk of four bytes")?;
        part.finish()
    });
    writer.join().expect("no panic").expect("a finished part");
}
