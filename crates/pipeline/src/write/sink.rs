//! From the blocking transform to the lake's uploads: parts on their way, invisible until they are completed.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lakehand_dataset::transformer::{PartSink, PartWriter};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{ObjectStore, StoreError, Upload};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::error::{Blame, Stage, StageError};

/// Where the parts of one load go. Clones are the same sink.
#[derive(Debug, Clone)]
pub struct LakeSink {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runtime: Handle,
    lake: Arc<dyn ObjectStore>,
    folder: ObjectUri,
    chunk: usize,
    stop: CancellationToken,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Parts with all their bytes, by name.
    finished: BTreeMap<String, Box<dyn Upload>>,
    /// Parts nobody wants any more.
    given_up: Vec<Box<dyn Upload>>,
    /// The lake's first failure, which the engine may have wrapped beyond recognition.
    fault: Option<StoreError>,
}

impl LakeSink {
    /// Parts go below `folder` in chunks of `chunk` bytes, until `stop` is cancelled.
    pub fn new(
        runtime: Handle,
        lake: Arc<dyn ObjectStore>,
        folder: ObjectUri,
        chunk: usize,
        stop: CancellationToken,
    ) -> Self {
        let inner = Inner { runtime, lake, folder, chunk: chunk.max(1), stop, held: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The lake's first failure, once.
    pub(crate) fn fault(&self) -> Option<StoreError> {
        self.inner.held().fault.take()
    }

    /// Makes these parts visible, `at_once` at a time.
    pub(crate) async fn complete(&self, names: &[&str], at_once: usize) -> Result<(), StageError> {
        let mut uploads = Vec::with_capacity(names.len());
        for &name in names {
            let Some(upload) = self.inner.held().finished.remove(name) else {
                let message = format!("the transform reported the part {name}, which it did not finish");
                return Err(StageError::new(Stage::Write, Blame::File, message));
            };
            uploads.push(upload);
        }
        let mut completing = FuturesUnordered::new();
        for upload in uploads {
            completing.push(upload.complete());
            if completing.len() >= at_once {
                completed(completing.next().await)?;
            }
        }
        while !completing.is_empty() {
            completed(completing.next().await)?;
        }
        Ok(())
    }

    /// Gives up all parts that were not completed. A failure leaves what is swept anyway.
    pub(crate) async fn abort(&self) {
        let uploads = {
            let mut held = self.inner.held();
            let finished = std::mem::take(&mut held.finished);
            finished.into_values().chain(held.given_up.drain(..)).collect::<Vec<_>>()
        };
        for upload in uploads {
            if let Err(error) = upload.abort().await {
                tracing::debug!(error = &error as &dyn std::error::Error, "give up a part");
            }
        }
    }
}

fn completed(answer: Option<Result<(), StoreError>>) -> Result<(), StageError> {
    answer.unwrap_or(Ok(())).map_err(|error| StageError::of(Stage::Write, error))
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the lake on the transform's own thread, as long as anybody waits for the transform.
    fn wait<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> io::Result<T> {
        let mut answer = std::pin::pin!(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                answer = work => Some(answer),
            }
        });
        // What is ready at once, as most writes to a buffer are, needs no runtime.
        let answer = match answer.as_mut().now_or_never() {
            Some(answer) => answer,
            None => self.runtime.block_on(answer),
        };
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                let told = io::Error::other(error.to_string());
                self.held().fault.get_or_insert(error);
                Err(told)
            }
            None => Err(io::Error::other("cancelled")),
        }
    }
}

impl PartSink for LakeSink {
    fn create(&self, name: &str) -> io::Result<Box<dyn PartWriter>> {
        let uri = self.inner.folder.join(name);
        let upload = self.inner.wait(self.inner.lake.begin_upload(&uri))?;
        // Grows as it fills: many partitions begin many parts that stay small.
        let buffer = BytesMut::new();
        Ok(Box::new(LakePart { sink: Arc::clone(&self.inner), name: name.to_owned(), upload: Some(upload), buffer }))
    }
}

struct LakePart {
    sink: Arc<Inner>,
    name: String,
    /// Taken when the part is finished; what is still here at the end is given up.
    upload: Option<Box<dyn Upload>>,
    buffer: BytesMut,
}

impl LakePart {
    fn send(&mut self) -> io::Result<()> {
        let bytes: Bytes = self.buffer.split().freeze();
        match &mut self.upload {
            Some(upload) if !bytes.is_empty() => self.sink.wait(upload.write(bytes)),
            _ => Ok(()),
        }
    }
}

impl Write for LakePart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.sink.chunk - self.buffer.len();
        let taken = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() >= self.sink.chunk {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartWriter for LakePart {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.send()?;
        if let Some(upload) = &mut self.upload {
            // A file of thousands of parts waits for its verdict with none of them open.
            self.sink.wait(upload.seal())?;
        }
        let Some(upload) = self.upload.take() else { return Ok(()) };
        let mut held = self.sink.held();
        if held.finished.contains_key(&self.name) {
            held.given_up.push(upload);
            return Err(io::Error::other(format!("the part {} was finished twice", self.name)));
        }
        held.finished.insert(self.name.clone(), upload);
        Ok(())
    }
}

impl Drop for LakePart {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.sink.held().given_up.push(upload);
        }
    }
}
