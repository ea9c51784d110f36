//! Entries as bytes: JSON, compressed against a sample of itself.
//!
//! DynamoDB charges for a write by the kilobyte that it begins. An entry is a kilobyte of JSON of which most says the
//! same in every entry; compressed, the item with all its keys stays within one unit, with room for long names.

use std::fmt;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use lakehand_domain::entry::Entry;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;

/// Sample entries. What was written against them is read against them for ever: another sample is another format.
pub(super) const SAMPLE: &[u8] = include_bytes!("document/sample_1.json");

/// The first byte of a document: how the others are to be read.
const FORMAT: u8 = 1;

const LEVEL: i32 = 3;

/// Far more than any entry has; what claims to be larger is no entry.
const MOST_BYTES: u64 = 4 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(SAMPLE, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(SAMPLE));

/// Writes and reads documents. Its two contexts are dear to make and are used again.
pub(super) struct Documents {
    compressor: Mutex<Compressor<'static>>,
    decompressor: Mutex<Decompressor<'static>>,
}

/// Why a document cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its format is {0}, and this version of lakehand reads format {FORMAT}")]
    Format(u8),
    #[error("it is empty")]
    Empty,
    #[error("its compressed form is broken: {0}")]
    Compression(#[from] io::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl Documents {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            compressor: Mutex::new(Compressor::with_prepared_dictionary(&ENCODER)?),
            decompressor: Mutex::new(Decompressor::with_prepared_dictionary(&DECODER)?),
        })
    }

    pub(super) fn write(&self, entry: &Entry) -> Result<Vec<u8>, DocumentError> {
        let text = serde_json::to_vec(entry)?;
        let packed = self.compressor.lock().unwrap_or_else(PoisonError::into_inner).compress(&text)?;
        let mut document = Vec::with_capacity(packed.len() + 1);
        document.push(FORMAT);
        document.extend_from_slice(&packed);
        Ok(document)
    }

    pub(super) fn read(&self, document: &[u8]) -> Result<Entry, DocumentError> {
        let (format, packed) = document.split_first().ok_or(DocumentError::Empty)?;
        if *format != FORMAT {
            return Err(DocumentError::Format(*format));
        }
        let bytes = get_frame_content_size(packed).ok().flatten().filter(|bytes| *bytes <= MOST_BYTES);
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| io::Error::other("it does not say how long an entry it holds"))?;
        let text = self.decompressor.lock().unwrap_or_else(PoisonError::into_inner).decompress(packed, bytes)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}
