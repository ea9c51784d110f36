//! One stream of decompressed bytes: the object itself, or one file of an archive.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::DeflateDecoder;
use lakehand_dataset::transformer::{Content, TransformError};

use lzma_rust2::XzReader;

use super::gzip::GzipMembers;
use super::kind::Kind;
use super::lz4::Lz4Frames;
use super::pinned::{Pinned, classify};
use super::zip::{Method, ZipMember};

/// The most memory a dictionary of xz may take; `xz -9` takes half of it.
const XZ_KIB: u32 = 129 << 10;

/// The decompressed bytes of one member.
pub(crate) enum MemberBytes {
    /// As they are.
    Plain(Pinned),
    /// From gzip.
    Gzip(GzipMembers),
    /// From zstd; skippable frames are skipped.
    Zstd(Box<zstd::stream::read::Decoder<'static, Pinned>>),
    /// From bzip2.
    Bzip2(Box<MultiBzDecoder<Pinned>>),
    /// From xz.
    Xz(Box<XzReader<Pinned>>),
    /// From lz4.
    Lz4(Box<Lz4Frames>),
    /// From snappy.
    Snappy(Box<snap::read::FrameDecoder<Pinned>>),
    /// From an archive.
    Zip(ZipBytes),
}

impl MemberBytes {
    /// The decompressed bytes of an object of this kind, which is no archive.
    pub(crate) fn of(kind: Kind, pinned: Pinned) -> Result<Self, TransformError> {
        Ok(match kind {
            Kind::Gzip => Self::Gzip(GzipMembers::new(pinned)),
            Kind::Zstd => Self::Zstd(zstd_decoder(pinned)?),
            Kind::Bzip2 => Self::Bzip2(Box::new(MultiBzDecoder::new(pinned))),
            Kind::Xz => Self::Xz(Box::new(XzReader::new_mem_limit(pinned, true, XZ_KIB))),
            Kind::Lz4 => Self::Lz4(Box::new(Lz4Frames::new(pinned))),
            Kind::Snappy => Self::Snappy(Box::new(snap::read::FrameDecoder::new(pinned))),
            Kind::Plain | Kind::Zip | Kind::Parquet | Kind::Avro | Kind::Foreign(_) => Self::Plain(pinned),
        })
    }

    /// Reads decompressed bytes; 0 at the end, and only once sizes and checksums are found right. `into` must not be
    /// empty.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, TransformError> {
        match self {
            Self::Plain(pinned) => pinned.read(into).map_err(|error| classify(error, ToString::to_string)),
            Self::Gzip(members) => members.read(into),
            Self::Zip(bytes) => bytes.read(into),
            Self::Lz4(frames) => frames.read(into),
            Self::Zstd(decoder) => decoder.read(into).map_err(|error| damaged(error, "zstd", decoder.get_ref())),
            Self::Bzip2(decoder) => decoder.read(into).map_err(|error| damaged(error, "bzip2", decoder.get_ref())),
            Self::Snappy(decoder) => decoder.read(into).map_err(|error| damaged(error, "snappy", decoder.get_ref())),
            Self::Xz(decoder) => decoder.read(into).map_err(|error| match error.kind() {
                ErrorKind::OutOfMemory => TransformError::Unreadable {
                    message: "is an xz stream that needs more than 128 MiB to be decompressed; compress it with a \
                              smaller dictionary, such as that of xz -9"
                        .to_owned(),
                },
                _ => damaged(error, "xz", decoder.inner()),
            }),
        }
    }
}

fn zstd_decoder(pinned: Pinned) -> Result<Box<zstd::stream::read::Decoder<'static, Pinned>>, TransformError> {
    let decoder = zstd::stream::read::Decoder::with_buffer(pinned);
    decoder.map(Box::new).map_err(|source| TransformError::Engine {
        what: "the zstd decoder could not be made".to_owned(),
        source: source.into(),
    })
}

/// What an error of a decompressor says of the object.
pub(crate) fn damaged(error: io::Error, format: &str, pinned: &Pinned) -> TransformError {
    let (offset, end) = (pinned.offset(), pinned.end());
    classify(error, |error| {
        if error.kind() == ErrorKind::UnexpectedEof {
            format!("is a {format} stream cut off at byte {end}; deliver the file again")
        } else {
            format!("is corrupt {format} near byte {offset} of {end}: {error}; deliver the file again")
        }
    })
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
    Bzip2(Box<MultiBzDecoder<Pinned>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Pinned>>),
    Xz(Box<XzReader<Pinned>>),
}

impl ZipBytes {
    /// The bytes of this member.
    pub(crate) fn new(content: Content, member: &ZipMember) -> Result<Self, TransformError> {
        let pinned = Pinned::new(content, member.data.start, member.data.end);
        Ok(Self {
            name: Arc::clone(&member.name),
            packed: match member.method {
                Method::Stored => Packed::Stored(pinned),
                Method::Deflate => Packed::Deflated(DeflateDecoder::new(pinned)),
                Method::Bzip2 => Packed::Bzip2(Box::new(MultiBzDecoder::new(pinned))),
                Method::Zstd => Packed::Zstd(zstd_decoder(pinned)?),
                Method::Xz => Packed::Xz(Box::new(XzReader::new_mem_limit(pinned, true, XZ_KIB))),
            },
            produced: 0,
            size: member.size,
            crc: member.crc,
            hasher: crc32fast::Hasher::new(),
        })
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
            Packed::Bzip2(decoder) => decoder.read(into),
            Packed::Zstd(decoder) => decoder.read(into),
            Packed::Xz(decoder) => decoder.read(into),
        };
        let read = read.map_err(|error| {
            classify(error, |error| match self.damaged(&format!("does not decompress: {error}")) {
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
