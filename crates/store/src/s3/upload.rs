//! An object that is written piece by piece and shown at the end.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{PutCondition, StoreError, Upload};
use tokio::task::{JoinError, JoinSet};

use super::held::Share;
use super::multipart::{Described, MOST_PARTS, Multipart};
use super::options::LEAST_PART;
use super::{Shared, address, put};

/// An object on its way. S3 hears of it when the first part is full, or at its end.
#[derive(Debug)]
pub(super) struct S3Upload {
    shared: Arc<Shared>,
    uri: ObjectUri,
    state: State,
    /// What `buffer`, or the small object that was sealed, takes.
    share: Share,
    buffer: BytesMut,
    parts: Option<Parts>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// All bytes are there: in the parts, or in these.
    Sealed(Option<Bytes>),
    /// A part failed, or was given up half-way.
    Broken,
}

/// The parts of an upload that S3 knows.
#[derive(Debug)]
struct Parts {
    upload: Multipart,
    sending: JoinSet<Result<CompletedPart, StoreError>>,
    sent: Vec<CompletedPart>,
    count: i32,
    bytes: u64,
}

impl S3Upload {
    pub(super) fn begin(shared: &Arc<Shared>, uri: &ObjectUri) -> Result<Self, StoreError> {
        address::object(uri)?;
        Ok(Self {
            shared: Arc::clone(shared),
            uri: uri.clone(),
            state: State::Open,
            share: Share::new(&shared.held),
            // Grows as it fills: many uploads begin and stay small.
            buffer: BytesMut::new(),
            parts: None,
        })
    }

    fn broken(&self, operation: &'static str) -> StoreError {
        StoreError::Unavailable {
            operation,
            uri: self.uri.clone(),
            effect: Effect::NotApplied,
            source: Cause::from("an earlier write of this upload failed"),
        }
    }

    /// At how many bytes the buffer becomes a part: sooner where all uploads together hold more than they may.
    fn full(&self) -> usize {
        let bytes = if self.shared.held.is_over() { LEAST_PART } else { self.shared.options.part_bytes };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Sends the buffer as a part, once there is a place for it. If this is dropped half-way, the buffer is still there.
    async fn send(&mut self, operation: &'static str) -> Result<(), StoreError> {
        let permit = Arc::clone(&self.shared.parts).acquire_owned().await;
        // The semaphore is never closed.
        let permit = permit.map_err(|_| self.broken(operation))?;
        if self.parts.is_none() {
            let upload = Multipart::create(&self.shared, operation, &self.uri, Described::default()).await?;
            let (sending, sent) = (JoinSet::new(), Vec::new());
            self.parts = Some(Parts { upload, sending, sent, count: 0, bytes: 0 });
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        if parts.count >= MOST_PARTS {
            let most = self.shared.options.part_bytes.saturating_mul(u64::try_from(MOST_PARTS).unwrap_or(u64::MAX));
            let source =
                format!("an object has at most {MOST_PARTS} parts: raise s3.part_size to write more than {most} bytes");
            return Err(StoreError::Denied { operation, uri: self.uri.clone(), source: source.into() });
        }
        parts.count += 1;
        let (number, bytes) = (parts.count, self.buffer.split().freeze());
        parts.bytes += bytes.len() as u64;
        self.share.set(0);
        let (shared, upload) = (Arc::clone(&self.shared), parts.upload.clone());
        parts.sending.spawn(async move {
            let sent = upload.send(&shared, operation, number, bytes).await;
            drop(permit);
            sent
        });
        while let Some(sent) = parts.sending.try_join_next() {
            parts.sent.push(joined(operation, &self.uri, sent)?);
        }
        Ok(())
    }

    /// Waits for all parts that are on their way.
    async fn settle(&mut self, operation: &'static str) -> Result<(), StoreError> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        while let Some(sent) = parts.sending.join_next().await {
            parts.sent.push(joined(operation, &self.uri, sent)?);
        }
        Ok(())
    }

    async fn add(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = self.full().saturating_sub(self.buffer.len());
            let taken = bytes.split_to(room.min(bytes.len()));
            self.buffer.extend_from_slice(&taken);
            self.share.set(self.buffer.len());
            if self.buffer.len() >= self.full() {
                self.send("write").await?;
            }
        }
        Ok(())
    }

    /// Sends the rest, where parts were sent before or nothing more may be held.
    async fn close(&mut self, operation: &'static str) -> Result<Option<Bytes>, StoreError> {
        if self.parts.is_none() && (self.buffer.is_empty() || !self.shared.held.is_over()) {
            // As many bytes as there are: a buffer that has grown holds up to twice as many.
            let small = Bytes::copy_from_slice(&self.buffer);
            self.buffer = BytesMut::new();
            return Ok(Some(small));
        }
        if !self.buffer.is_empty() {
            self.send(operation).await?;
        }
        self.settle(operation).await?;
        self.buffer = BytesMut::new();
        Ok(None)
    }
}

fn joined(
    operation: &'static str,
    uri: &ObjectUri,
    sent: Result<Result<CompletedPart, StoreError>, JoinError>,
) -> Result<CompletedPart, StoreError> {
    sent.unwrap_or_else(|panic| {
        let (uri, source) = (uri.clone(), Box::new(panic));
        Err(StoreError::Unavailable { operation, uri, effect: Effect::NotApplied, source })
    })
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.state != State::Open {
            return Err(self.broken("write"));
        }
        // Dropped half-way, what of the bytes was taken is unknown to the caller.
        self.state = State::Broken;
        self.add(bytes).await?;
        self.state = State::Open;
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        if self.state != State::Open {
            return Err(self.broken("seal"));
        }
        self.state = State::Broken;
        self.state = State::Sealed(self.close("seal").await?);
        Ok(())
    }

    async fn complete(mut self: Box<Self>) -> Result<(), StoreError> {
        let small = match std::mem::replace(&mut self.state, State::Broken) {
            State::Broken => return Err(self.broken("complete")),
            State::Sealed(small) => small,
            State::Open if self.parts.is_none() => Some(self.buffer.split().freeze()),
            State::Open => self.close("complete").await?,
        };
        if let Some(bytes) = small {
            return put::put(&self.shared, "complete", &self.uri, bytes, PutCondition::Always).await.map(drop);
        }
        match self.parts.take() {
            Some(parts) => parts.upload.complete(&self.shared, "complete", parts.sent, parts.bytes).await,
            None => Err(self.broken("complete")),
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StoreError> {
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        parts.sending.shutdown().await;
        parts.upload.abort(&self.shared, "abort").await
    }
}
