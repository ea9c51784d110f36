//! A file that is written piece by piece and shown at the end.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{PutCondition, StoreError, Upload};

use super::publish::{self, Temporary};
use super::{Durability, blocking, classify};

/// Small writes are gathered to this many bytes, so that each does not cost a thread's turn.
const GATHERED: usize = 1 << 20;

/// A file on its way.
#[derive(Debug)]
pub(super) struct FileUpload {
    uri: ObjectUri,
    temporary: Temporary,
    /// `None` once it is sealed, or a write failed or was given up half-way: what is in the file is unknown then.
    file: Option<File>,
    sealed: bool,
    gathered: Vec<u8>,
}

impl FileUpload {
    pub(super) fn begin(uri: &ObjectUri, target: PathBuf, durability: Durability) -> Result<Self, StoreError> {
        let (temporary, file) = Temporary::create(target, durability)
            .map_err(|error| classify::writing("begin_upload", uri, Effect::NotApplied, error))?;
        Ok(Self { uri: uri.clone(), temporary, file: Some(file), sealed: false, gathered: Vec::new() })
    }

    fn broken(&self, operation: &'static str) -> StoreError {
        StoreError::Unavailable {
            operation,
            uri: self.uri.clone(),
            effect: Effect::NotApplied,
            source: Cause::from("an earlier write of this upload failed"),
        }
    }

    /// Writes what was gathered, puts all to disk and closes the file.
    async fn close(&mut self, operation: &'static str) -> Result<(), StoreError> {
        let mut file = self.file.take().ok_or_else(|| self.broken(operation))?;
        let gathered = std::mem::take(&mut self.gathered);
        let durability = self.temporary.durability();
        blocking(operation, &self.uri, move |uri| {
            file.write_all(&gathered).map_err(|error| classify::writing(operation, uri, Effect::NotApplied, error))?;
            publish::close(operation, uri, file, durability)
        })
        .await?;
        self.sealed = true;
        Ok(())
    }

    /// Writes what was gathered, and `bytes`. If this is dropped half-way, the upload is broken.
    async fn flush(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let mut file = self.file.take().ok_or_else(|| self.broken("write"))?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let (file, gathered) = blocking("write", &self.uri, move |uri| {
            file.write_all(&gathered)
                .and_then(|()| file.write_all(&bytes))
                .map_err(|error| classify::writing("write", uri, Effect::NotApplied, error))?;
            gathered.clear();
            Ok((file, gathered))
        })
        .await?;
        (self.file, self.gathered) = (Some(file), gathered);
        Ok(())
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.file.is_none() {
            return Err(self.broken("write"));
        }
        if self.gathered.len() + bytes.len() <= GATHERED {
            self.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush(bytes).await
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        self.close("seal").await
    }

    async fn complete(mut self: Box<Self>) -> Result<(), StoreError> {
        if !self.sealed {
            self.close("complete").await?;
        }
        let Self { uri, temporary, .. } = *self;
        blocking("complete", &uri, move |uri| temporary.publish("complete", uri, PutCondition::Always).map(drop)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        let Self { uri, temporary, .. } = *self;
        blocking("abort", &uri, move |_| {
            drop(temporary);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_said_and_the_upload_can_only_be_given_up() {
        let folder = tempfile::TempDir::new().unwrap();
        let target = folder.path().join("a");
        let uri = ObjectUri::parse(&format!("file://{}", target.display())).unwrap();
        let begin = || {
            let mut upload = FileUpload::begin(&uri, target.clone(), Durability::Full).unwrap();
            upload.file = Some(File::options().write(true).open("/dev/full").unwrap());
            Box::new(upload)
        };
        let mut upload = begin();
        let full = upload.write(Bytes::from(vec![0; GATHERED + 1])).await;
        assert!(matches!(full, Err(StoreError::Full { operation: "write", .. })), "{full:?}");
        let again = upload.write(Bytes::from_static(b"x")).await;
        assert!(matches!(again, Err(StoreError::Unavailable { effect: Effect::NotApplied, .. })), "{again:?}");
        let shown = upload.complete().await;
        assert!(matches!(shown, Err(StoreError::Unavailable { effect: Effect::NotApplied, .. })), "{shown:?}");

        let mut small = begin();
        small.write(Bytes::from_static(b"x")).await.unwrap();
        let full = small.complete().await;
        assert!(matches!(full, Err(StoreError::Full { operation: "complete", .. })), "{full:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is shown and nothing is left");
    }
}
