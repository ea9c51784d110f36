use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream;
use lakehand_domain::object::{ObjectUri, ObjectVersion};
use lakehand_domain::timestamp::Timestamp;
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::*;

const MIB: usize = 1 << 20;

fn object(size: usize) -> ObjectStat {
    ObjectStat {
        uri: ObjectUri::parse("s3://bucket/key").unwrap(),
        version: ObjectVersion::of(None, Some("e"), size as u64, Timestamp::default()),
        version_id: None,
        etag: Some("e".to_owned()),
        size: size as u64,
        last_modified: Timestamp::default(),
    }
}

/// Bytes that tell where they are.
fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| u8::try_from(at * 131 % 251).unwrap()).collect::<Vec<u8>>().into()
}

/// The object in chunks, and how many of them were asked for.
fn chunks(bytes: &Bytes, size: usize) -> (BoxStream<'static, Result<Bytes, StoreError>>, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let pieces: Vec<Bytes> =
        (0..bytes.len()).step_by(size).map(|at| bytes.slice(at..bytes.len().min(at + size))).collect();
    let pieces = stream::iter(pieces).map(move |piece| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(piece)
    });
    (pieces.boxed(), given)
}

struct Test {
    folder: TempDir,
    arrival: Arrival,
    passage: Arc<Passage>,
}

impl Test {
    fn new(size: usize, chunks: BoxStream<'static, Result<Bytes, StoreError>>) -> Self {
        let folder = TempDir::new().unwrap();
        let arrival = Arrival::new(&object(size), chunks, folder.path().to_owned());
        let passage = Arc::clone(&arrival.passage);
        Self { folder, arrival, passage }
    }

    /// Reads where blocking is allowed, and says at the end that nobody reads any more.
    fn read<T: Send + 'static>(&self, work: impl FnOnce(&Passage) -> T + Send + 'static) -> JoinHandle<T> {
        let (passage, closer) = (Arc::clone(&self.passage), self.arrival.closer());
        spawn_blocking(move || {
            let done = work(&passage);
            closer();
            done
        })
    }
}

/// Reads a range in steps of this many bytes at most.
fn range(passage: &Passage, from: usize, to: usize, step: usize) -> io::Result<Vec<u8>> {
    let mut read = vec![0; to - from];
    let mut at = 0;
    while at < read.len() {
        let end = read.len().min(at + step);
        match passage.read_at((from + at) as u64, &mut read[at..end])? {
            0 => break,
            more => at += more,
        }
    }
    read.truncate(at);
    Ok(read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_from_the_start_passes_through_and_is_kept_nowhere() {
    let all = bytes(30 * MIB + 7);
    for (chunk, step) in [(MIB, 256 << 10), (8 * MIB, 100_000), (999_983, 3 * MIB), (20 * MIB, MIB)] {
        let (stream, _) = chunks(&all, chunk);
        let test = Test::new(all.len(), stream);
        let size = all.len();
        let reading = test.read(move |passage| {
            // What it is, its first bytes say; and then it is read from the start.
            assert_eq!(range(passage, 0, 16, 16).unwrap().len(), 16);
            let read = range(passage, 0, size, step).unwrap();
            assert_eq!(passage.read_at(size as u64, &mut [0]).unwrap(), 0, "the end");
            assert!(passage.state().kept.is_none() && passage.state().begins > 0);
            // The first bytes may be looked at again, and others not.
            assert_eq!(range(passage, 0, 16, 16).unwrap(), read[..16]);
            assert!(passage.read_at(4 << 20, &mut [0]).unwrap_err().to_string().contains("let go of"));
            read
        });
        test.arrival.run().await.unwrap();
        assert!(reading.await.unwrap() == all, "in chunks of {chunk}, read by {step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_comes_than_is_read() {
    let all = bytes(64 * MIB);
    let (stream, given) = chunks(&all, 4 * MIB);
    let test = Test::new(all.len(), stream);
    let passage = Arc::clone(&test.passage);
    let mut running = Box::pin(test.arrival.run());
    assert!(timeout(Duration::from_millis(200), running.as_mut()).await.is_err());
    assert_eq!(given.load(Ordering::Relaxed), 3, "a window full");
    let reading = Arc::clone(&passage);
    let read = spawn_blocking(move || range(&reading, 0, 9 * MIB, MIB).unwrap()).await.unwrap();
    assert!(read == all[..9 * MIB]);
    assert!(timeout(Duration::from_millis(200), running.as_mut()).await.is_err());
    assert_eq!(given.load(Ordering::Relaxed), 5, "the place of what was read past is filled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_from_the_end_is_kept_in_a_file_without_a_name() {
    let all = bytes(30 * MIB);
    for before in [0, 16, 200_000] {
        let (stream, _) = chunks(&all, MIB);
        let test = Test::new(all.len(), stream);
        let size = all.len();
        let reading = test.read(move |passage| {
            let first = range(passage, 0, before, 16).unwrap();
            let end = range(passage, size - 100, size, 100).unwrap();
            (first, end, range(passage, 0, size, MIB).unwrap(), range(passage, 5, 9, 4).unwrap())
        });
        test.arrival.run().await.unwrap();
        let (first, end, whole, again) = reading.await.unwrap();
        assert!(first == all[..before] && end == all[size - 100..] && whole == all && again == all[5..9]);
        assert_eq!(std::fs::read_dir(test.folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_come_whole_is_read_anywhere() {
    let all = bytes(5 * MIB);
    let (stream, _) = chunks(&all, MIB);
    let test = Test::new(all.len(), stream);
    let passage = Arc::clone(&test.passage);
    test.arrival.run().await.unwrap();
    let read = spawn_blocking(move || {
        let end = range(&passage, 5 * MIB - 9, 5 * MIB, 9).unwrap();
        (end, range(&passage, 0, 5 * MIB, 70_000).unwrap(), range(&passage, 3, 7, 4).unwrap())
    });
    let (end, whole, again) = read.await.unwrap();
    assert!(end == all[5 * MIB - 9..] && whole == all && again == all[3..7]);
    assert_eq!(std::fs::read_dir(test.folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_or_fewer_bytes_than_stat_said_are_an_object_that_changed() {
    let all = bytes(3 * MIB);
    for (size, jump) in [(3 * MIB - 1, false), (3 * MIB + 1, false), (3 * MIB - 1, true), (3 * MIB + 1, true)] {
        let (stream, _) = chunks(&all, MIB);
        let test = Test::new(size, stream);
        let reading = test.read(move |passage| {
            if jump {
                range(passage, size - 1, size, 1)?;
            }
            range(passage, 0, size, 50_000)
        });
        let error = test.arrival.run().await.unwrap_err();
        assert_eq!(error.blame, Blame::ObjectChanged);
        let told = error.source.to_string();
        assert!(told.contains(&format!("stat said {size}")), "{told}");
        let read = reading.await.unwrap();
        assert!(read.is_err() || size < 3 * MIB, "what does not come cannot be read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_fails_the_reader_who_waits() {
    let changed = || StoreError::Changed { uri: ObjectUri::parse("s3://bucket/key").unwrap() };
    for jump in [false, true] {
        let stream = stream::iter([Ok(bytes(MIB)), Err(changed())]).boxed();
        let test = Test::new(2 * MIB, stream);
        let reading = test.read(move |passage| range(passage, if jump { MIB + 5 } else { 0 }, 2 * MIB, MIB));
        let error = test.arrival.run().await.unwrap_err();
        assert_eq!((error.stage, error.blame), (Stage::Read, Blame::ObjectChanged));
        assert!(reading.await.unwrap().unwrap_err().to_string().contains("does not come"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_let_go_when_the_work_is_given_up() {
    let test = Test::new(MIB, stream::pending().boxed());
    let reading = test.read(|passage| range(passage, 0, MIB, MIB));
    let mut running = Box::pin(test.arrival.run());
    assert!(timeout(Duration::from_millis(100), running.as_mut()).await.is_err());
    drop(running);
    let read = timeout(Duration::from_secs(20), reading).await.expect("nobody waits for ever");
    assert!(read.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_has_read_enough_stops_the_rest() {
    let all = bytes(64 * MIB);
    let (stream, given) = chunks(&all, MIB);
    let test = Test::new(all.len(), stream.chain(stream::pending()).boxed());
    let reading = test.read(|passage| range(passage, 0, 5, 5).unwrap());
    timeout(Duration::from_secs(20), test.arrival.run()).await.expect("it stops").unwrap();
    assert!(reading.await.unwrap() == all[..5]);
    assert!(given.load(Ordering::Relaxed) < 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_folder_that_is_missing_is_named() {
    let (stream, _) = chunks(&bytes(20 * MIB), MIB);
    let mut test = Test::new(20 * MIB, stream);
    test.arrival.spool = test.folder.path().join("nowhere");
    let reading = test.read(|passage| range(passage, 20 * MIB - 1, 20 * MIB, 1));
    let error = test.arrival.run().await.unwrap_err();
    assert_eq!(error.blame, Blame::Infrastructure);
    let told = error.source.to_string();
    assert!(told.contains("nowhere") && told.contains("max_bytes"), "{told}");
    assert!(reading.await.unwrap().is_err());
}
