//! Reading exactly one version of a file.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::StoreError;

use super::{blocking, classify, version};

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;

/// Opens the file if it is still the version of `pinned`; with its length.
pub(super) fn open(operation: &'static str, pinned: &ObjectStat, path: &Path) -> Result<(File, u64), StoreError> {
    // Looked at before it is opened, because opening a pipe would wait for its writer.
    version::stat(operation, &pinned.uri, path)?;
    let file = File::open(path).map_err(|error| classify::reading(operation, &pinned.uri, error))?;
    still(operation, pinned, &file)?;
    Ok((file, pinned.size))
}

/// Fails unless the open file is the version of `pinned`.
pub(super) fn still(operation: &'static str, pinned: &ObjectStat, file: &File) -> Result<(), StoreError> {
    let metadata = file.metadata().map_err(|error| classify::reading(operation, &pinned.uri, error))?;
    if version::of(&pinned.uri, &metadata).version == pinned.version {
        Ok(())
    } else {
        Err(StoreError::Changed { uri: pinned.uri.clone() })
    }
}

/// The bytes of a range, as far as the file has them. Each chunk is given out only if the file is the same version
/// after it was read.
pub(super) fn stream(
    file: File,
    pinned: ObjectStat,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let (file, pinned) = (Arc::new(file), Arc::new(pinned));
    let end = range.end.min(pinned.size);
    try_unfold(range.start, move |at| {
        let (file, pinned) = (Arc::clone(&file), Arc::clone(&pinned));
        async move {
            if at >= end {
                return Ok(None);
            }
            let uri = pinned.uri.clone();
            let chunk = blocking("read", &uri, move |_| chunk(&file, &pinned, at, end)).await?;
            let next = at + chunk.len() as u64;
            Ok(Some((chunk, next)))
        }
    })
    .boxed()
}

fn chunk(file: &File, pinned: &ObjectStat, at: u64, end: u64) -> Result<Bytes, StoreError> {
    let len = usize::try_from((end - at).min(CHUNK)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            // Shorter than its version says: it was cut while it was read.
            Ok(0) => return Err(StoreError::Changed { uri: pinned.uri.clone() }),
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(classify::reading("read", &pinned.uri, error)),
        }
    }
    still("read", pinned, file)?;
    Ok(Bytes::from(buffer))
}
