//! **read**: the pinned bytes of a claimed object, where the transform can read them by position.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use lakehand_dataset::transformer::Content;
use lakehand_domain::port::object_store::{ObjectBody, StoreError};

use crate::claim::Claimed;
use crate::error::{Blame, Stage, StageError};
use crate::intake::Intake;

/// The spool file is written in pieces of at least this many bytes.
const SPOOL_PIECE: usize = 1 << 20;

/// A claimed object and its bytes.
#[derive(Debug)]
pub struct Fetched<'a> {
    claimed: &'a Claimed,
    content: Content,
}

impl<'a> Fetched<'a> {
    pub(crate) fn into_parts(self) -> (&'a Claimed, Content) {
        (self.claimed, self.content)
    }
}

/// Opens the version that was claimed. A local file is used as it is; a stream is kept in memory or in a spool file
/// that has no name. More or fewer bytes than stat said are never passed on.
pub async fn read<'a>(intake: &Intake<'_>, claimed: &'a Claimed) -> Result<Fetched<'a>, StageError> {
    claimed.enters(intake, Stage::Read);
    let object = claimed.object();
    let content = match intake.ports.landing.open(object, None).await.map_err(of_store)? {
        ObjectBody::File { file, len } => Content::File { file: Arc::new(file), len },
        ObjectBody::Stream(chunks) => spool(intake, object.size, chunks).await?,
    };
    let got = content.len();
    if got != object.size {
        let message = format!("{} has {got} bytes where stat said {}", object.uri, object.size);
        return Err(StageError::new(Stage::Read, Blame::ObjectChanged, message));
    }
    Ok(Fetched { claimed, content })
}

async fn spool(
    intake: &Intake<'_>,
    size: u64,
    mut chunks: BoxStream<'static, Result<Bytes, StoreError>>,
) -> Result<Content, StageError> {
    let in_memory = size <= intake.settings.spool_memory;
    let mut file = None;
    let mut spooled = 0_u64;
    let mut held = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(of_store)?;
        held.extend_from_slice(&chunk);
        if spooled + held.len() as u64 > size {
            let message = format!("the store sent more than the {size} bytes that stat said");
            return Err(StageError::new(Stage::Read, Blame::ObjectChanged, message));
        }
        if !in_memory && held.len() >= SPOOL_PIECE {
            spooled += held.len() as u64;
            file = Some(append(intake, file, held.split().freeze()).await?);
        }
    }
    if in_memory {
        return Ok(Content::Bytes(held.freeze()));
    }
    spooled += held.len() as u64;
    let file = append(intake, file, held.freeze()).await?;
    Ok(Content::File { file: Arc::new(file), len: spooled })
}

async fn append(intake: &Intake<'_>, file: Option<File>, bytes: Bytes) -> Result<File, StageError> {
    let folder = intake.settings.spool.clone();
    let write = move || {
        // Without a name it is gone with its last handle, however the process ends.
        let mut file = file.map_or_else(|| tempfile::tempfile_in(&folder), Ok)?;
        file.write_all(&bytes)?;
        Ok::<_, std::io::Error>(file)
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(std::io::Error::other).flatten().map_err(|error| {
        let spool = intake.settings.spool.display();
        let message = format!("spool a file in {spool}: {error}; it needs room for the objects in work, `max_bytes`");
        StageError::new(Stage::Read, Blame::Infrastructure, message)
    })
}

fn of_store(error: StoreError) -> StageError {
    let changed = matches!(error, StoreError::Changed { .. } | StoreError::NotFound { .. });
    let error = StageError::of(Stage::Read, error);
    if changed { error.blamed_on(Blame::ObjectChanged) } else { error }
}
