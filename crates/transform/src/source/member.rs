//! One stream of decompressed bytes: the object itself, or one file of an archive.

use std::io::Read;
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use lakehand_dataset::transformer::{Content, TransformError};

use super::gzip::GzipMembers;
use super::pinned::{Pinned, classify};
use super::zip::ZipMember;

/// The decompressed bytes of one member.
pub(crate) enum MemberBytes {
    /// As they are.
    Plain(Pinned),
    /// From gzip.
    Gzip(GzipMembers),
    /// From zstd; skippable frames are skipped.
    Zstd(Box<zstd::stream::read::Decoder<'static, Pinned>>),
    /// From an archive.
    Zip(ZipBytes),
}

impl MemberBytes {
    /// From zstd frames.
    pub(crate) fn zstd(pinned: Pinned) -> Result<Self, TransformError> {
        let decoder = zstd::stream::read::Decoder::with_buffer(pinned).map_err(|source| TransformError::Engine {
            what: "the zstd decoder could not be made".to_owned(),
            source: source.into(),
        })?;
        Ok(Self::Zstd(Box::new(decoder)))
    }

    /// Reads decompressed bytes; 0 at the end, and only once sizes and checksums are found right. `into` must not be
    /// empty.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, TransformError> {
        match self {
            Self::Plain(pinned) => pinned.read(into).map_err(|error| classify(error, ToString::to_string)),
            Self::Gzip(members) => members.read(into),
            Self::Zip(bytes) => bytes.read(into),
            Self::Zstd(decoder) => decoder.read(into).map_err(|error| {
                let (offset, end) = (decoder.get_ref().offset(), decoder.get_ref().end());
                classify(error, |error| {
                    if error.kind() == std::io::ErrorKind::UnexpectedEof {
                        format!("is a zstd stream cut off at byte {end}; deliver the file again")
                    } else {
                        format!("is corrupt zstd near byte {offset} of {end}: {error}; deliver the file again")
                    }
                })
            }),
        }
    }
}

/// One file of a zip archive, verified against the directory.
pub(crate) struct ZipBytes {
    name: Arc<str>,
    packed: Packed,
    produced: u64,
    size: u64,
    crc: u32,
    hasher: crc32fast::Hasher,
}

enum Packed {
    Stored(Pinned),
    Deflated(DeflateDecoder<Pinned>),
}

impl ZipBytes {
    /// The bytes of this member.
    pub(crate) fn new(content: Content, member: &ZipMember) -> Self {
        let pinned = Pinned::new(content, member.data.start, member.data.end);
        Self {
            name: Arc::clone(&member.name),
            packed: if member.deflated {
                Packed::Deflated(DeflateDecoder::new(pinned))
            } else {
                Packed::Stored(pinned)
            },
            produced: 0,
            size: member.size,
            crc: member.crc,
            hasher: crc32fast::Hasher::new(),
        }
    }

    fn damaged(&self, what: &str) -> TransformError {
        TransformError::Unreadable {
            message: format!("is a damaged zip: member {:?} {what}; deliver the file again", self.name),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, TransformError> {
        let read = match &mut self.packed {
            Packed::Stored(pinned) => pinned.read(into),
            Packed::Deflated(decoder) => decoder.read(into),
        };
        let read = read.map_err(|error| {
            classify(error, |error| match self.damaged(&format!("does not inflate: {error}")) {
                TransformError::Unreadable { message } => message,
                other => other.to_string(),
            })
        })?;
        self.hasher.update(&into[..read]);
        self.produced += read as u64;
        if self.produced > self.size {
            return Err(self.damaged(&format!("is larger than the {} bytes the directory says", self.size)));
        }
        if read == 0 {
            self.check_end()?;
        }
        Ok(read)
    }

    /// Whether what came out is what the directory promised.
    fn check_end(&self) -> Result<(), TransformError> {
        if self.produced != self.size {
            let what = format!("ends after {} of {} bytes", self.produced, self.size);
            return Err(self.damaged(&what));
        }
        let crc = self.hasher.clone().finalize();
        if crc != self.crc {
            return Err(self.damaged(&format!("has CRC {crc:08x} and should have {:08x}", self.crc)));
        }
        if let Packed::Deflated(decoder) = &self.packed
            && decoder.get_ref().offset() != decoder.get_ref().end()
        {
            return Err(self.damaged("has bytes after its compressed end"));
        }
        Ok(())
    }
}
