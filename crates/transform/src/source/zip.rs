//! The directory of a zip archive, which alone says what the archive holds.

use std::collections::VecDeque;
use std::sync::Arc;

use lakehand_dataset::transformer::{Content, TransformError};

use super::pinned::read_exact_at;

/// The end record without its comment.
const END_BYTES: usize = 22;
/// The longest comment an end record can have.
const COMMENT_BYTES: usize = 0xffff;
const LOCATOR_BYTES: usize = 20;
const END64_BYTES: usize = 56;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// A directory larger than this is held for an attack: it would be a million files.
const MAX_DIRECTORY_BYTES: u64 = 64 << 20;

/// One file in an archive, as the directory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZipMember {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Where its compressed bytes start in the object, and where they end.
    pub(crate) data: std::ops::Range<u64>,
    /// How they are compressed.
    pub(crate) method: Method,
    /// CRC-32 of the decompressed bytes.
    pub(crate) crc: u32,
    /// How many decompressed bytes.
    pub(crate) size: u64,
}

/// How a member is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Not at all.
    Stored,
    /// By deflate, as nearly all are.
    Deflate,
    /// By bzip2.
    Bzip2,
    /// By zstd.
    Zstd,
    /// By xz.
    Xz,
}

impl Method {
    /// By its number in PKWARE's APPNOTE, section 4.4.5; the name of one that is not read.
    fn of(number: u16) -> Result<Self, String> {
        Err(match number {
            0 => return Ok(Self::Stored),
            8 => return Ok(Self::Deflate),
            12 => return Ok(Self::Bzip2),
            // 20 is what zstd had before.
            20 | 93 => return Ok(Self::Zstd),
            95 => return Ok(Self::Xz),
            1 => "shrink".to_owned(),
            2..=5 => "reduce".to_owned(),
            6 => "implode".to_owned(),
            9 => "deflate64".to_owned(),
            14 => "LZMA".to_owned(),
            98 => "PPMd".to_owned(),
            99 => "encryption by AES".to_owned(),
            other => format!("zip method {other}"),
        })
    }
}

fn unreadable<T>(message: String) -> Result<T, TransformError> {
    Err(TransformError::Unreadable { message })
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

/// Reads the directory: the members that are files with content of the producer, in the order of the directory.
/// Directories are left out, and so is what Finder and Explorer keep beside files: resource forks under `__MACOSX/`,
/// `.DS_Store`, `Thumbs.db`, `desktop.ini`.
pub(crate) fn members(content: &Content) -> Result<VecDeque<ZipMember>, TransformError> {
    let end = EndRecord::find(content)?;
    let mut directory = vec![0; usize::try_from(end.size).unwrap_or(usize::MAX)];
    read_exact_at(content, end.offset, &mut directory)?;

    let mut members = VecDeque::new();
    let mut at = 0;
    for number in 1..=end.entries {
        let (entry, next) = Entry::read(&directory, at, number)?;
        at = next;
        let file = entry.name.rsplit('/').next().unwrap_or_default();
        let skipped = entry.name.ends_with('/')
            || entry.name.starts_with("__MACOSX/")
            || matches!(file, ".DS_Store" | "Thumbs.db" | "desktop.ini");
        if !skipped {
            members.push_back(entry.member(content, end.offset)?);
        }
    }
    if at != directory.len() {
        return unreadable(format!(
            "is a damaged zip: its directory holds more than the {} entries it announces; deliver the file again",
            end.entries
        ));
    }
    if members.is_empty() {
        return unreadable("is a zip archive without any file in it".to_owned());
    }
    Ok(members)
}

/// Where the directory lies.
struct EndRecord {
    entries: u64,
    offset: u64,
    size: u64,
}

impl EndRecord {
    fn find(content: &Content) -> Result<Self, TransformError> {
        let len = content.len();
        let tail_start = len.saturating_sub((END_BYTES + COMMENT_BYTES) as u64);
        let mut tail = vec![0; usize::try_from(len - tail_start).unwrap_or(0)];
        read_exact_at(content, tail_start, &mut tail)?;
        let found = memchr::memmem::rfind_iter(&tail, b"PK\x05\x06").find(|&at| {
            // What follows the comment may be padding of zeros, and nothing else.
            let after = at + END_BYTES + usize::from(le16(&tail, at + 20));
            tail.get(after..).is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
        });
        let Some(at) = found else {
            return unreadable(format!(
                "is a zip archive cut off at byte {len}: the record that ends an archive is not in its last {} bytes; \
                 deliver the file again",
                tail.len()
            ));
        };
        let record_at = tail_start + at as u64;
        let mut disks = (u32::from(le16(&tail, at + 4)), u32::from(le16(&tail, at + 6)));
        let mut end = Self {
            entries: u64::from(le16(&tail, at + 10)),
            size: u64::from(le32(&tail, at + 12)),
            offset: u64::from(le32(&tail, at + 16)),
        };
        let mut directory_limit = record_at;
        if let Some((record64_at, record64)) = end64(content, record_at)? {
            disks = (le32(&record64, 16), le32(&record64, 20));
            end = Self { entries: le64(&record64, 32), size: le64(&record64, 40), offset: le64(&record64, 48) };
            directory_limit = record64_at;
        }
        if disks != (0, 0) {
            return unreadable(
                "is one piece of a zip archive split into several; deliver one whole archive".to_owned(),
            );
        }
        let fits = end.offset.checked_add(end.size).is_some_and(|directory_end| directory_end <= directory_limit);
        if !fits || end.entries > end.size / ENTRY_BYTES as u64 {
            return unreadable(format!(
                "is a damaged zip: its directory of {} entries should lie at byte {} with {} bytes, which is not \
                 possible in {len} bytes; deliver the file again",
                end.entries, end.offset, end.size
            ));
        }
        if end.size > MAX_DIRECTORY_BYTES {
            return unreadable(format!(
                "is a zip archive whose directory has {} bytes, more than {MAX_DIRECTORY_BYTES}; use fewer, larger \
                 files",
                end.size
            ));
        }
        Ok(end)
    }
}

/// The record of archives beyond 4 GiB or 65,535 entries, where there is one before the end record.
fn end64(content: &Content, record_at: u64) -> Result<Option<(u64, Vec<u8>)>, TransformError> {
    let Some(locator_at) = record_at.checked_sub(LOCATOR_BYTES as u64) else { return Ok(None) };
    let mut locator = [0; LOCATOR_BYTES];
    read_exact_at(content, locator_at, &mut locator)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    let at = le64(&locator, 8);
    let mut record = vec![0; END64_BYTES];
    if at.checked_add(END64_BYTES as u64).is_some_and(|end| end <= locator_at) {
        read_exact_at(content, at, &mut record)?;
    }
    if !record.starts_with(b"PK\x06\x06") {
        return unreadable(format!(
            "is a damaged zip: its 64-bit end record should be at byte {at} and is not; deliver the file again"
        ));
    }
    Ok(Some((at, record)))
}

/// One entry of the directory.
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    local_at: u64,
}

impl Entry {
    fn read(directory: &[u8], at: usize, number: u64) -> Result<(Self, usize), TransformError> {
        let damaged = || TransformError::Unreadable {
            message: format!(
                "is a damaged zip: entry {number} of its directory is not an entry; deliver the file again"
            ),
        };
        let fixed = directory.get(at..at + ENTRY_BYTES).ok_or_else(damaged)?;
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(damaged());
        }
        let name_at = at + ENTRY_BYTES;
        let extra_at = name_at + usize::from(le16(fixed, 28));
        let comment_at = extra_at + usize::from(le16(fixed, 30));
        let next = comment_at + usize::from(le16(fixed, 32));
        let name = directory.get(name_at..extra_at).ok_or_else(damaged)?;
        let extra = directory.get(extra_at..comment_at).ok_or_else(damaged)?;
        if next > directory.len() {
            return Err(damaged());
        }
        let mut entry = Self {
            name: String::from_utf8_lossy(name).into_owned(),
            flags: le16(fixed, 8),
            method: le16(fixed, 10),
            crc: le32(fixed, 16),
            packed: u64::from(le32(fixed, 20)),
            size: u64::from(le32(fixed, 24)),
            local_at: u64::from(le32(fixed, 42)),
        };
        entry.widen(extra);
        Ok((entry, next))
    }

    /// Takes 64-bit numbers from the extra field where the 32-bit ones say that they are there.
    fn widen(&mut self, mut extra: &[u8]) {
        while extra.len() >= 4 {
            let (id, len) = (le16(extra, 0), usize::from(le16(extra, 2)));
            let Some(field) = extra.get(4..4 + len) else { return };
            if id == 1 {
                let mut at = 0;
                for number in [&mut self.size, &mut self.packed, &mut self.local_at] {
                    if *number == 0xffff_ffff && field.len() >= at + 8 {
                        *number = le64(field, at);
                        at += 8;
                    }
                }
                return;
            }
            extra = &extra[4 + len..];
        }
    }

    /// Where its bytes lie, by its local header.
    fn member(self, content: &Content, directory_at: u64) -> Result<ZipMember, TransformError> {
        let name = &self.name;
        if self.flags & 0x2041 != 0 {
            return unreadable(format!("holds the encrypted member {name:?}; deliver the archive without a password"));
        }
        let method = match Method::of(self.method) {
            Ok(method) => method,
            Err(other) => {
                return unreadable(format!(
                    "holds the member {name:?} compressed by {other}; deflate, bzip2, zstd and xz are read, and members \
                     that are stored"
                ));
            }
        };
        let damaged =
            |what: &str| unreadable(format!("is a damaged zip: member {name:?} {what}; deliver the file again"));
        let header_end = self.local_at.checked_add(LOCAL_BYTES as u64).filter(|&end| end <= directory_at);
        let Some(header_end) = header_end else { return damaged("should start after the archive's end") };
        let mut local = [0; LOCAL_BYTES];
        read_exact_at(content, self.local_at, &mut local)?;
        if !local.starts_with(b"PK\x03\x04") {
            return damaged(&format!("has no header at byte {}", self.local_at));
        }
        let start = header_end + u64::from(le16(&local, 26)) + u64::from(le16(&local, 28));
        match start.checked_add(self.packed).filter(|&end| end <= directory_at) {
            Some(end) if method != Method::Stored || self.packed == self.size => {
                Ok(ZipMember { name: Arc::from(self.name), data: start..end, method, crc: self.crc, size: self.size })
            }
            Some(_) => damaged("is stored and has two sizes"),
            None => damaged("should end after the archive's end"),
        }
    }
}
