//! **read**: the pinned bytes of a claimed object, where the transform can read them by position.

use std::fs::File;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use lakehand_dataset::transformer::Content;
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::{ObjectBody, StoreError};

use crate::claim::Claimed;
use crate::error::{Blame, Stage, StageError};
use crate::intake::Intake;

mod arrival;

pub(crate) use arrival::Arrival;

/// A claimed object and its bytes.
#[derive(Debug)]
pub struct Fetched<'a> {
    claimed: &'a Claimed,
    content: Content,
    arrival: Option<Arrival>,
}

impl<'a> Fetched<'a> {
    /// The object, its bytes, and what brings them where they are still to come.
    pub(crate) fn into_parts(self) -> (&'a Claimed, Content, Option<Arrival>) {
        (self.claimed, self.content, self.arrival)
    }
}

/// Opens the version that was claimed. A local file is used as it is; a stream that is small is read into memory, and any
/// other is read while it is transformed. No verdict is passed on more or fewer bytes than stat said.
pub async fn read<'a>(intake: &Intake<'_>, claimed: &'a Claimed) -> Result<Fetched<'a>, StageError> {
    claimed.enters(intake, Stage::Read);
    let object = claimed.object();
    let mut arrival = None;
    let content = match intake.ports.landing.open(object, None).await.map_err(of_store)? {
        ObjectBody::File { file, len } => of_file(object, file, len)?,
        ObjectBody::Stream(chunks) if object.size <= intake.settings.spool_memory => {
            Content::Bytes(collect(object, chunks).await?)
        }
        ObjectBody::Stream(chunks) => {
            let arriving = Arrival::new(object, chunks, intake.settings.spool.clone());
            arrival.insert(arriving).content()
        }
    };
    Ok(Fetched { claimed, content, arrival })
}

fn of_file(object: &ObjectStat, file: File, len: u64) -> Result<Content, StageError> {
    if len == object.size { Ok(Content::File { file: Arc::new(file), len }) } else { Err(differs(object, len)) }
}

async fn collect(
    object: &ObjectStat,
    mut chunks: BoxStream<'static, Result<Bytes, StoreError>>,
) -> Result<Bytes, StageError> {
    let mut held = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        held.extend_from_slice(&chunk.map_err(of_store)?);
        if held.len() as u64 > object.size {
            break;
        }
    }
    if held.len() as u64 == object.size { Ok(held.freeze()) } else { Err(differs(object, held.len() as u64)) }
}

fn differs(object: &ObjectStat, got: u64) -> StageError {
    let more = if got > object.size { " or more" } else { "" };
    let message = format!("{} has {got} bytes{more} where stat said {}", object.uri, object.size);
    StageError::new(Stage::Read, Blame::ObjectChanged, message)
}

fn of_store(error: StoreError) -> StageError {
    let blame = match error {
        StoreError::Changed { .. } | StoreError::NotFound { .. } => Some(Blame::ObjectChanged),
        StoreError::Archived { .. } => Some(Blame::ObjectArchived),
        _ => None,
    };
    let error = StageError::of(Stage::Read, error);
    match blame {
        Some(blame) => error.blamed_on(blame),
        None => error,
    }
}
