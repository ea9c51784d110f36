//! Files that are read from their end, when they come wrapped: unwrapped first, into memory or into a file without a name.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use lakehand_dataset::transformer::{Content, TransformError};

use super::budget::Budget;
use super::member::MemberBytes;

/// A file of up to so many bytes stays in memory.
const MEMORY_BYTES: usize = 16 << 20;
const STEP: usize = 256 << 10;

/// All bytes of a member, `first` being those already read.
pub(super) fn spool(mut bytes: MemberBytes, first: Vec<u8>, budget: &mut Budget) -> Result<Content, TransformError> {
    let failed = |source| TransformError::Io { what: "unwrap the object into a temporary file".to_owned(), source };
    let mut held = first;
    let mut file: Option<File> = None;
    let mut len = held.len() as u64;
    loop {
        let from = held.len();
        held.resize(from + STEP, 0);
        let read = bytes.read(&mut held[from..])?;
        held.truncate(from + read);
        budget.add(read)?;
        len += read as u64;
        if let Some(file) = &mut file {
            file.write_all(&held).map_err(failed)?;
            held.clear();
        } else if held.len() > MEMORY_BYTES {
            let mut spooled = tempfile::tempfile().map_err(failed)?;
            spooled.write_all(&held).map_err(failed)?;
            held.clear();
            file = Some(spooled);
        }
        if read == 0 {
            return Ok(match file {
                Some(file) => Content::File { file: Arc::new(file), len },
                None => Content::Bytes(Bytes::from(held)),
            });
        }
    }
}
