//! Archives and streams, made for tests.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// One file of an archive.
pub(crate) struct ZipFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) deflated: bool,
    /// Whether sizes and checksum follow the data instead of standing in its header.
    pub(crate) descriptor: bool,
    /// Whether sizes and place stand in 64-bit fields.
    pub(crate) wide: bool,
    /// Overrides what the directory says.
    pub(crate) crc: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) flags: u16,
    pub(crate) method: Option<u16>,
    /// Compressed already, by that method.
    pub(crate) packed: Option<Vec<u8>>,
}

impl<'a> ZipFile<'a> {
    pub(crate) fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            bytes,
            deflated: true,
            descriptor: false,
            wide: false,
            crc: None,
            size: None,
            flags: 0,
            method: None,
            packed: None,
        }
    }
}

/// An archive of these files.
pub(crate) fn zip(files: &[ZipFile<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for file in files {
        let at = archive.len() as u64;
        let packed = match &file.packed {
            Some(packed) => packed.clone(),
            None if file.deflated => deflate(file.bytes),
            None => file.bytes.to_vec(),
        };
        let crc = file.crc.unwrap_or_else(|| crc32fast::hash(file.bytes));
        let size = file.size.unwrap_or(file.bytes.len() as u64);
        let method = file.method.unwrap_or(if file.deflated { 8 } else { 0 });
        let flags = file.flags | if file.descriptor { 8 } else { 0 };
        let narrow = |number: u64| if file.wide { u32::MAX } else { u32::try_from(number).unwrap() };

        archive.extend_from_slice(b"PK\x03\x04");
        for number in [20, flags, method, 0, 0x21] {
            archive.extend_from_slice(&number.to_le_bytes());
        }
        let known = if file.descriptor { (0, 0, 0) } else { (crc, narrow(packed.len() as u64), narrow(size)) };
        for number in [known.0, known.1, known.2] {
            archive.extend_from_slice(&number.to_le_bytes());
        }
        let name_len = u16::try_from(file.name.len()).unwrap();
        archive.extend_from_slice(&name_len.to_le_bytes());
        // An extra field of the local header alone, as Info-ZIP writes: lengths there differ from the directory's.
        archive.extend_from_slice(&9_u16.to_le_bytes());
        archive.extend_from_slice(file.name.as_bytes());
        archive.extend_from_slice(b"UT\x05\x00\x00abcd");
        archive.extend_from_slice(&packed);
        if file.descriptor {
            archive.extend_from_slice(b"PK\x07\x08");
            for number in [crc, narrow(packed.len() as u64), narrow(size)] {
                archive.extend_from_slice(&number.to_le_bytes());
            }
        }

        directory.extend_from_slice(b"PK\x01\x02");
        for number in [0x0314, 20, flags, method, 0, 0x21] {
            directory.extend_from_slice(&number.to_le_bytes());
        }
        for number in [crc, narrow(packed.len() as u64), narrow(size)] {
            directory.extend_from_slice(&number.to_le_bytes());
        }
        let extra_len: u16 = if file.wide { 28 } else { 0 };
        for number in [name_len, extra_len, 0, 0, 0] {
            directory.extend_from_slice(&number.to_le_bytes());
        }
        directory.extend_from_slice(&0_u32.to_le_bytes());
        directory.extend_from_slice(&narrow(at).to_le_bytes());
        directory.extend_from_slice(file.name.as_bytes());
        if file.wide {
            directory.extend_from_slice(&[1, 0, 24, 0]);
            for number in [size, packed.len() as u64, at] {
                directory.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
    let wide = files.iter().any(|file| file.wide);
    let (entries, at, len) = (files.len() as u64, archive.len() as u64, directory.len() as u64);
    archive.extend_from_slice(&directory);
    if wide {
        let record_at = archive.len() as u64;
        archive.extend_from_slice(b"PK\x06\x06");
        archive.extend_from_slice(&44_u64.to_le_bytes());
        archive.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [entries, entries, len, at] {
            archive.extend_from_slice(&number.to_le_bytes());
        }
        archive.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        archive.extend_from_slice(&record_at.to_le_bytes());
        archive.extend_from_slice(&1_u32.to_le_bytes());
    }
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let short = |number: u64| if wide { u16::MAX } else { u16::try_from(number).unwrap() };
    let long = |number: u64| if wide { u32::MAX } else { u32::try_from(number).unwrap() };
    archive.extend_from_slice(&short(entries).to_le_bytes());
    archive.extend_from_slice(&short(entries).to_le_bytes());
    archive.extend_from_slice(&long(len).to_le_bytes());
    archive.extend_from_slice(&long(at).to_le_bytes());
    archive.extend_from_slice(&7_u16.to_le_bytes());
    archive.extend_from_slice(b"comment");
    archive
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One zstd frame with a checksum.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One bzip2 stream.
pub(crate) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One xz stream.
pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One lz4 frame with checksums of blocks and of all content.
pub(crate) fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .block_checksums(true)
        .content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One framed snappy stream.
pub(crate) fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}
