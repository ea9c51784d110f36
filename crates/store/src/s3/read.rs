//! Reading exactly one version of an object, in pieces that are asked for ahead and given out in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{IntelligentTieringAccessTier, StorageClass};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use lakehand_aws::classify;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::{ObjectBody, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::classify::{failed, of_class, senseless};
use super::stat::{bare, quoted};
use super::{Shared, address};

/// So often a piece whose body breaks off is gone on with.
const BREAKS: u32 = 5;

/// Opens the version of `stat`: the first call is answered before this returns.
pub(super) async fn open(
    shared: &Arc<Shared>,
    stat: &ObjectStat,
    range: Option<Range<u64>>,
) -> Result<ObjectBody, StoreError> {
    let pinned = Arc::new(Pinned { shared: Arc::clone(shared), stat: stat.clone() });
    let wanted = range.map_or(0..stat.size, |range| range.start..range.end.min(stat.size));
    if wanted.is_empty() {
        // There is no such range; the whole is asked for, and its bytes are left.
        pinned.get(&(0..stat.size), true).await?;
        return Ok(ObjectBody::Stream(stream::empty().boxed()));
    }
    let piece = shared.options.part_bytes;
    let first = wanted.start..wanted.end.min(wanted.start.saturating_add(piece));
    let whole = first == (0..stat.size);
    let answer = pinned.get(&first, whole).await?;
    let mut pieces = Pieces {
        pinned,
        at: first.start,
        next: first.end,
        end: wanted.end,
        tasks: JoinSet::new(),
        done: BTreeMap::new(),
    };
    pieces.ask(first, Some(answer), None);
    pieces.ask_ahead();
    let chunks = stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.next().await? {
            Ok(bytes) => Some((Ok(bytes), Some(pieces))),
            // A body that failed is over.
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(ObjectBody::Stream(chunks.boxed()))
}

/// A piece that was read, by where it begins, and its permit while it waits for its turn.
type Piece = (u64, Result<Bytes, StoreError>, Option<OwnedSemaphorePermit>);

/// The pieces of one body. Dropped, those under way are given up.
#[derive(Debug)]
struct Pieces {
    pinned: Arc<Pinned>,
    /// Where the piece begins that is given out next.
    at: u64,
    /// Where the piece begins that is asked for next.
    next: u64,
    end: u64,
    tasks: JoinSet<Piece>,
    done: BTreeMap<u64, (Bytes, Option<OwnedSemaphorePermit>)>,
}

impl Pieces {
    fn ask(&mut self, range: Range<u64>, first: Option<Answer>, permit: Option<OwnedSemaphorePermit>) {
        let pinned = Arc::clone(&self.pinned);
        self.tasks.spawn(async move { (range.start, pinned.piece(range, first).await, permit) });
    }

    /// Asks for as many pieces as may be read at once. The one that is waited for needs no permit, so that no body waits
    /// for another's reader.
    fn ask_ahead(&mut self) {
        let shared = Arc::clone(&self.pinned.shared);
        while self.next < self.end && self.tasks.len() + self.done.len() < shared.options.pieces_of_body {
            let permit = if self.tasks.is_empty() && self.done.is_empty() {
                None
            } else {
                match Arc::clone(&shared.reads).try_acquire_owned() {
                    Ok(permit) => Some(permit),
                    Err(_) => return,
                }
            };
            let range = self.next..self.end.min(self.next.saturating_add(shared.options.part_bytes));
            self.next = range.end;
            self.ask(range, None, permit);
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if let Some((bytes, permit)) = self.done.remove(&self.at) {
                drop(permit);
                self.at += bytes.len() as u64;
                self.ask_ahead();
                return Some(Ok(bytes));
            }
            if self.at >= self.end {
                return None;
            }
            self.ask_ahead();
            match self.tasks.join_next().await? {
                Ok((at, Ok(bytes), permit)) => {
                    self.done.insert(at, (bytes, permit));
                }
                Ok((_, Err(error), _)) => return Some(Err(error)),
                Err(panic) => {
                    let uri = self.pinned.stat.uri.clone();
                    let (effect, source) = (Effect::NotApplied, Box::new(panic));
                    return Some(Err(StoreError::Unavailable { operation: "read", uri, effect, source }));
                }
            }
        }
    }
}

/// Exactly one version, as every call names it.
#[derive(Debug)]
struct Pinned {
    shared: Arc<Shared>,
    stat: ObjectStat,
}

impl Pinned {
    /// Asks for a range, or for the whole without naming a range, which lets the SDK check it against the checksum that
    /// S3 has kept. The answer has all of this range, of exactly this version, or is an error.
    async fn get(&self, range: &Range<u64>, whole: bool) -> Result<Answer, StoreError> {
        let (shared, stat) = (&self.shared, &self.stat);
        let (bucket, key) = address::object(&stat.uri)?;
        let mut call = shared.client.get_object().bucket(bucket).key(key);
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        call = match (&stat.version_id, &stat.etag) {
            (Some(version), _) => call.version_id(version),
            (None, Some(etag)) => call.if_match(quoted(etag)),
            (None, None) => {
                return Err(senseless("open", &stat.uri, "its stat has neither version id nor eTag to pin a read by"));
            }
        };
        if !whole {
            call = call.range(format!("bytes={}-{}", range.start, range.end - 1));
        }
        let answer = call.send().await.map_err(|error| {
            let class = class_of(&error);
            of_class(failed("open", &stat.uri, classify(error)), class)
        })?;
        let skip = self.check(range, &answer)?;
        Ok(Answer { body: answer.body, skip })
    }

    /// How many bytes come before the range. An endpoint may ignore a condition or a range, and may answer by 200 where
    /// 206 is meant; what it says of its bytes decides.
    fn check(&self, range: &Range<u64>, answer: &GetObjectOutput) -> Result<u64, StoreError> {
        let stat = &self.stat;
        let differs = |ours: Option<&str>, theirs: Option<&str>| matches!((ours, theirs), (Some(a), Some(b)) if a != b);
        if differs(stat.version_id.as_deref(), answer.version_id.as_deref())
            || differs(stat.etag.as_deref(), answer.e_tag.as_deref().map(bare))
        {
            return Err(StoreError::Changed { uri: stat.uri.clone() });
        }
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let (said, total) = match (answer.content_range.as_deref(), length) {
            (Some(text), _) => content_range(text)
                .ok_or_else(|| senseless("open", &stat.uri, format!("it has the Content-Range {text:?}")))?,
            (None, Some(length)) => (0..length, length),
            (None, None) => return Err(senseless("open", &stat.uri, "the answer does not say how long it is")),
        };
        if total != stat.size {
            return Err(StoreError::Changed { uri: stat.uri.clone() });
        }
        let covers = said.start <= range.start && range.end <= said.end;
        let length = length.unwrap_or(said.end.saturating_sub(said.start));
        if !covers || length != said.end - said.start {
            let message = format!("{length} bytes came as {said:?} of {total} where {range:?} were asked for");
            return Err(senseless("open", &stat.uri, message));
        }
        Ok(range.start - said.start)
    }

    /// All bytes of a range. Where a body breaks off, or gives nothing for too long, the rest is asked for again.
    async fn piece(&self, range: Range<u64>, mut first: Option<Answer>) -> Result<Bytes, StoreError> {
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut buffer = BytesMut::with_capacity(len);
        let mut breaks = 0;
        loop {
            let at = range.start + buffer.len() as u64;
            let answer = match first.take() {
                Some(answer) => answer,
                None => self.get(&(at..range.end), false).await?,
            };
            let broken = match self.fill(answer, &mut buffer, len).await {
                Ok(()) if buffer.len() == len => return Ok(buffer.freeze()),
                Ok(()) => Cause::from("it ended early"),
                Err(cause) => cause,
            };
            if buffer.len() == len {
                // All came, and the checksum is another: nothing of it is to be trusted.
                buffer.clear();
            }
            breaks += 1;
            let uri = &self.stat.uri;
            if breaks > BREAKS {
                let (uri, effect) = (uri.clone(), Effect::NotApplied);
                return Err(StoreError::Unavailable { operation: "read", uri, effect, source: broken });
            }
            tracing::debug!(object.uri = %uri, at = range.start + buffer.len() as u64, error = broken, "a body broke off");
        }
    }

    async fn fill(&self, answer: Answer, buffer: &mut BytesMut, len: usize) -> Result<(), Cause> {
        let Answer { mut body, mut skip } = answer;
        let idle = self.shared.options.idle_timeout;
        loop {
            let Ok(next) = timeout(idle, body.next()).await else {
                return Err(format!("no byte came for {} s", idle.as_secs_f32()).into());
            };
            let Some(bytes) = next else { return Ok(()) };
            let mut bytes = bytes?;
            let before = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            bytes.advance(before);
            skip -= before as u64;
            // Of an endpoint that ignores ranges, what comes behind the range is left. Of any other the body is read to
            // its end, where it is checked.
            let room = len - buffer.len();
            if bytes.len() > room {
                buffer.extend_from_slice(&bytes[..room]);
                return Ok(());
            }
            buffer.extend_from_slice(&bytes);
        }
    }
}

/// A body that has the bytes asked for behind some others.
#[derive(Debug)]
struct Answer {
    body: ByteStream,
    skip: u64,
}

/// In which class an archived object lies.
fn class_of(error: &SdkError<GetObjectError, HttpResponse>) -> Option<String> {
    match error.as_service_error()? {
        GetObjectError::InvalidObjectState(state) => {
            let tier = state.access_tier().map(IntelligentTieringAccessTier::as_str);
            state.storage_class().map(StorageClass::as_str).or(tier).map(str::to_owned)
        }
        _ => None,
    }
}

/// Reads `bytes 5-14/100`: the range, and of how many.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 5-14/100"), Some((5..15, 100)));
        assert_eq!(content_range("bytes 0-0/1"), Some((0..1, 1)));
        for wrong in ["", "5-14/100", "bytes 5-14", "bytes */100", "bytes 5-x/100", "bytes 5-14/*"] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
