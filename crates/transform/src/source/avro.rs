//! Avro object container files: blocks decompressed one after the other, their records written as JSON where records are
//! decoded.
//!
//! Written here rather than taken from a library: blocks are handed to workers whole, what they unfold to is counted while
//! it unfolds, and no value is made that is not written at once.

mod record;
mod schema;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::TransformError;

use self::record::Blocks;
use self::schema::Schema;
use super::budget::Budget;
use super::member::MemberBytes;
use super::schema::check;
use crate::piece::Chunk;

const MAGIC: &[u8] = b"Obj\x01";
/// A header larger than this is held for an attack.
const MAX_HEADER_BYTES: usize = 16 << 20;
/// The most records of a chunk, but for those of one block.
const MAX_RECORDS: u64 = 1 << 16;
/// How much is read at once.
const STEP: usize = 64 << 10;

/// The blocks of one file.
pub(crate) struct Container {
    bytes: Input,
    schema: Arc<Schema>,
    codec: Codec,
    sync: [u8; 16],
    max_block_bytes: u64,
    chunk_bytes: usize,
    /// Records of the blocks before.
    records: u64,
}

/// How the blocks of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
    Bzip2,
    Xz,
}

/// A block, decompressed.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u64,
    /// Where it starts in the file.
    pub(crate) at: u64,
    /// Records of the blocks before.
    pub(crate) before: u64,
}

impl Container {
    /// Reads the header, `first` being the bytes already read, and refuses what the definition cannot be filled from.
    pub(crate) fn open(
        bytes: MemberBytes,
        first: Vec<u8>,
        dataset: &Dataset,
        binary_is_text: bool,
        chunk_bytes: usize,
        budget: &mut Budget,
    ) -> Result<Self, TransformError> {
        let mut bytes = Input { bytes, buffer: first, at: 0, before: 0 };
        let mut magic = [0; 4];
        bytes.exact(&mut magic, budget)?;
        if magic != MAGIC {
            return unreadable("is no Avro file: it does not begin with Obj and 1".to_owned());
        }
        let metadata = bytes.metadata(budget)?;
        let mut sync = [0; 16];
        bytes.exact(&mut sync, budget)?;
        let Some(json) = metadata.get("avro.schema") else {
            return unreadable("is an Avro file without a schema".to_owned());
        };
        let schema = match Schema::parse(json, binary_is_text) {
            Ok(schema) => schema,
            Err(why) => return unreadable(format!("is an Avro file whose schema cannot be read: {why}")),
        };
        let codec = match metadata.get("avro.codec").map(Vec::as_slice) {
            None | Some(b"null") => Codec::Null,
            Some(b"deflate") => Codec::Deflate,
            Some(b"snappy") => Codec::Snappy,
            Some(b"zstandard") => Codec::Zstandard,
            Some(b"bzip2") => Codec::Bzip2,
            Some(b"xz") => Codec::Xz,
            Some(other) => {
                let name = String::from_utf8_lossy(other);
                return unreadable(format!(
                    "is an Avro file compressed by {name:?}; use null, deflate, snappy, zstandard, bzip2 or xz"
                ));
            }
        };
        check(dataset, &schema.shape())?;
        Ok(Self {
            bytes,
            schema: Arc::new(schema),
            codec,
            sync,
            max_block_bytes: dataset.source.max_block_bytes(),
            chunk_bytes,
            records: 0,
        })
    }

    /// The next chunk, its records still to be written; `None` after the last.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Result<Option<Chunk>, TransformError> {
        let mut blocks = Vec::new();
        let (mut bytes, mut records) = (0, 0);
        while bytes < self.chunk_bytes && records < MAX_RECORDS {
            let Some(block) = self.block(budget)? else { break };
            bytes += block.bytes.len();
            records += block.records;
            if block.records > 0 {
                blocks.push(block);
            }
        }
        if blocks.is_empty() {
            return Ok(None);
        }
        let blocks = Blocks { schema: Arc::clone(&self.schema), blocks };
        Ok(Some(Chunk { rows: Some(Box::new(blocks)), ..Chunk::of_lines(Vec::new()) }))
    }

    fn block(&mut self, budget: &mut Budget) -> Result<Option<Block>, TransformError> {
        if self.bytes.is_at_end(budget)? {
            return Ok(None);
        }
        let at = self.bytes.offset();
        let records = self.bytes.long(budget)?;
        let size = self.bytes.long(budget)?;
        let (Ok(records), Ok(size)) = (u64::try_from(records), u64::try_from(size)) else {
            return self.damaged(at, format_args!("has {records} records in {size} bytes"));
        };
        if size > self.max_block_bytes {
            return self.too_large(at, size);
        }
        let mut packed = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(STEP)];
        let mut read = 0;
        // A block that is not there is not made room for.
        while (read as u64) < size {
            let want = usize::try_from(size).unwrap_or(usize::MAX).min(read + STEP.max(read));
            packed.resize(want, 0);
            self.bytes.exact(&mut packed[read..], budget)?;
            read = want;
        }
        let mut sync = [0; 16];
        self.bytes.exact(&mut sync, budget)?;
        if sync != self.sync {
            return self.damaged(at, format_args!("is not followed by the mark of the file"));
        }
        let bytes = self.unpack(packed, at, budget)?;
        // A record may have no bytes at all, but not millions of them in one block.
        if records > (bytes.len() as u64).max(1 << 20) {
            return self.damaged(at, format_args!("cannot hold {records} records in {} bytes", bytes.len()));
        }
        let before = self.records;
        self.records += records;
        Ok(Some(Block { bytes, records, at, before }))
    }

    fn unpack(&self, packed: Vec<u8>, at: u64, budget: &mut Budget) -> Result<Vec<u8>, TransformError> {
        let mut reader: Box<dyn Read + '_> = match self.codec {
            Codec::Null => return Ok(packed),
            Codec::Deflate => Box::new(flate2::bufread::DeflateDecoder::new(packed.as_slice())),
            Codec::Snappy => return self.unpack_snappy(&packed, at, budget),
            Codec::Zstandard => match zstd::stream::read::Decoder::with_buffer(packed.as_slice()) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => return self.damaged(at, format_args!("does not unfold: {error}")),
            },
            Codec::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(packed.as_slice())),
            Codec::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed.as_slice(), false, 129 << 10)),
        };
        let mut bytes = Vec::new();
        let mut filled = 0;
        loop {
            bytes.resize(filled + STEP.max(filled), 0);
            match reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    budget.add(read)?;
                    if filled as u64 > self.max_block_bytes {
                        return self.too_large(at, filled as u64);
                    }
                }
                Err(error) => return self.damaged(at, format_args!("does not unfold: {error}")),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Behind the compressed bytes stands the checksum of what they unfold to.
    fn unpack_snappy(&self, packed: &[u8], at: u64, budget: &mut Budget) -> Result<Vec<u8>, TransformError> {
        let Some((packed, checksum)) = packed.split_last_chunk::<4>() else {
            return self.damaged(at, format_args!("has no checksum"));
        };
        let unfolded = snap::raw::decompress_len(packed).unwrap_or(0);
        if unfolded as u64 > self.max_block_bytes {
            return self.too_large(at, unfolded as u64);
        }
        budget.add(unfolded)?;
        let bytes = match snap::raw::Decoder::new().decompress_vec(packed) {
            Ok(bytes) => bytes,
            Err(error) => return self.damaged(at, format_args!("does not unfold: {error}")),
        };
        if crc32fast::hash(&bytes) != u32::from_be_bytes(*checksum) {
            return self.damaged(at, format_args!("has another checksum than its bytes"));
        }
        Ok(bytes)
    }

    fn damaged<T>(&self, at: u64, what: std::fmt::Arguments<'_>) -> Result<T, TransformError> {
        damaged(at, self.records, what)
    }

    fn too_large<T>(&self, at: u64, bytes: u64) -> Result<T, TransformError> {
        unreadable(format!(
            "has a block of {bytes} bytes or more at byte {at}, and {} are allowed; write smaller blocks, or raise \
             source.max_block_bytes: a block is held in memory whole",
            self.max_block_bytes
        ))
    }
}

/// What is wrong with a block.
fn damaged<T>(at: u64, before: u64, what: std::fmt::Arguments<'_>) -> Result<T, TransformError> {
    unreadable(format!(
        "is a damaged Avro file: the block at byte {at}, after {before} records, {what}; deliver the file again"
    ))
}

fn unreadable<T>(message: String) -> Result<T, TransformError> {
    Err(TransformError::Unreadable { message })
}

/// The bytes of the file.
struct Input {
    bytes: MemberBytes,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes of the file before the buffer.
    before: u64,
}

impl Input {
    fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    fn is_at_end(&mut self, budget: &mut Budget) -> Result<bool, TransformError> {
        if self.at < self.buffer.len() {
            return Ok(false);
        }
        self.before += self.buffer.len() as u64;
        self.at = 0;
        self.buffer.resize(STEP, 0);
        let read = self.bytes.read(&mut self.buffer)?;
        self.buffer.truncate(read);
        budget.add(read)?;
        Ok(read == 0)
    }

    fn exact(&mut self, into: &mut [u8], budget: &mut Budget) -> Result<(), TransformError> {
        let mut filled = 0;
        while filled < into.len() {
            if self.is_at_end(budget)? {
                let at = self.offset();
                return unreadable(format!("is an Avro file cut off at byte {at}; deliver the file again"));
            }
            let taken = (into.len() - filled).min(self.buffer.len() - self.at);
            into[filled..filled + taken].copy_from_slice(&self.buffer[self.at..self.at + taken]);
            filled += taken;
            self.at += taken;
        }
        Ok(())
    }

    fn long(&mut self, budget: &mut Budget) -> Result<i64, TransformError> {
        let mut bytes = [0; 10];
        for at in 0..bytes.len() {
            self.exact(&mut bytes[at..=at], budget)?;
            if bytes[at] < 0x80 {
                let mut rest = &bytes[..=at];
                return record::long(&mut rest).map_or_else(|| self.no_number(), Ok);
            }
        }
        self.no_number()
    }

    fn no_number<T>(&self) -> Result<T, TransformError> {
        unreadable(format!("is a damaged Avro file: there is no number at byte {}; deliver it again", self.offset()))
    }

    fn bytes(&mut self, left: &mut usize, budget: &mut Budget) -> Result<Vec<u8>, TransformError> {
        let length = self.long(budget)?;
        match usize::try_from(length) {
            Ok(length) if length <= *left => {
                *left -= length;
                let mut bytes = vec![0; length];
                self.exact(&mut bytes, budget)?;
                Ok(bytes)
            }
            _ => unreadable(format!(
                "is a damaged Avro file: its header has a value of {length} bytes; deliver the file again"
            )),
        }
    }

    /// The map of the header.
    fn metadata(&mut self, budget: &mut Budget) -> Result<BTreeMap<String, Vec<u8>>, TransformError> {
        let mut map = BTreeMap::new();
        let mut left = MAX_HEADER_BYTES;
        loop {
            let mut count = self.long(budget)?;
            if count == 0 {
                return Ok(map);
            }
            if count < 0 {
                // Its size in bytes follows, for those who skip it.
                self.long(budget)?;
                count = count.saturating_neg();
            }
            for _ in 0..count {
                let key = self.bytes(&mut left, budget)?;
                let value = self.bytes(&mut left, budget)?;
                left = left.saturating_sub(1);
                map.insert(String::from_utf8_lossy(&key).into_owned(), value);
            }
        }
    }
}
