//! From the pinned bytes of an object to chunks of whole lines, decompressed and within bounds.
//!
//! What an object is, its first bytes say. One worker at a time reads, decompresses and cuts the next chunk, under a
//! lock, while the others decode theirs; so chunks are numbered in the order of the object, and where they are cut
//! depends on the decompressed bytes alone.

mod budget;
mod cut;
mod gzip;
pub(crate) mod header;
mod kind;
mod member;
mod pinned;
mod quotes;
#[cfg(test)]
mod tests;
mod zip;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lakehand_dataset::dataset::{CsvFormat, Dataset, Format};
use lakehand_dataset::transformer::{Content, TransformError};

use self::budget::Budget;
use self::cut::Cutter;
use self::gzip::GzipMembers;
use self::kind::{Kind, MAGIC_BYTES, UTF8_MARK, foreign_text};
use self::member::{MemberBytes, ZipBytes};
use self::pinned::{Pinned, read_exact_at};
use self::quotes::Quotes;
use self::zip::ZipMember;
use crate::piece::{Chunk, Header};

/// How many decompressed bytes a chunk has, about. Part of what decides the bytes of parts: changing it changes the
/// transform's version.
pub(crate) const CHUNK_BYTES: usize = 4 << 20;

/// Where the chunks of one object come from; shared by all workers.
pub(crate) struct ChunkSource {
    reader: Mutex<Reader>,
}

impl fmt::Debug for ChunkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSource").finish_non_exhaustive()
    }
}

/// Recognises the content by its first bytes, whatever its name, and makes it ready to be read. An object without any
/// bytes is [`TransformError::Unreadable`]: nobody sends one on purpose.
pub(crate) fn open(content: &Content, dataset: &Dataset) -> Result<ChunkSource, TransformError> {
    open_with(content, dataset, CHUNK_BYTES)
}

/// As [`open`], with chunks of about so many bytes.
pub(crate) fn open_with(
    content: &Content,
    dataset: &Dataset,
    chunk_bytes: usize,
) -> Result<ChunkSource, TransformError> {
    if content.is_empty() {
        return unreadable("is empty, 0 bytes; deliver the file again, or stop delivering empty files".to_owned());
    }
    let mut first = vec![0; usize::try_from(content.len()).unwrap_or(usize::MAX).min(MAGIC_BYTES)];
    read_exact_at(content, 0, &mut first)?;
    let kind = Kind::of(&first);
    let mut waiting = VecDeque::new();
    match kind {
        Kind::Foreign(name) => {
            return unreadable(format!(
                "is a {name} file; lakehand reads lines that are plain, gzip, zstd or zip, as their first bytes say"
            ));
        }
        Kind::Zip => waiting.extend(zip::members(content)?.into_iter().map(Waiting::Zip)),
        Kind::Plain | Kind::Gzip | Kind::Zstd => waiting.push_back(Waiting::Whole(kind)),
    }
    let csv = match &dataset.source.format {
        Format::Csv(csv) => Some(csv.clone()),
        Format::Jsonl => None,
    };
    let given = csv.as_ref().and_then(|csv| csv.names.clone()).map(|names| Arc::new(Header { names }));
    let budget = Budget::new(&dataset.source, content.len(), kind != Kind::Plain);
    if kind == Kind::Plain {
        budget.judge(content.len())?;
    }
    let max_line = usize::try_from(dataset.source.max_line_bytes).unwrap_or(usize::MAX);
    // Ranges within a chunk are 32 bits wide.
    let max_line = max_line.clamp(1, (u32::MAX / 4) as usize);
    let reader = Reader {
        content: content.clone(),
        waiting,
        csv,
        given,
        chunk_bytes,
        max_line,
        budget,
        current: None,
        chunks: 0,
        failed: false,
    };
    Ok(ChunkSource { reader: Mutex::new(reader) })
}

fn unreadable<T>(message: String) -> Result<T, TransformError> {
    Err(TransformError::Unreadable { message })
}

impl ChunkSource {
    /// The next chunk, or `None` after the last. `reuse` is a buffer to read into. May be called from several threads;
    /// chunks are numbered in the order of the object. The first error is the reason; every call after it is
    /// [`TransformError::Cancelled`].
    pub(crate) fn next(&self, reuse: Vec<u8>) -> Result<Option<Chunk>, TransformError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.failed {
            return Err(TransformError::Cancelled);
        }
        // Set for the time of the call, so that a panic within leaves the source failed.
        reader.failed = true;
        let next = reader.next(reuse);
        reader.failed = next.is_err();
        next
    }
}

/// A member not begun yet.
enum Waiting {
    Whole(Kind),
    Zip(ZipMember),
}

/// The member being read.
struct Current {
    name: Option<Arc<str>>,
    bytes: MemberBytes,
    cutter: Cutter,
    header: Option<Arc<Header>>,
    begun: bool,
}

struct Reader {
    content: Content,
    waiting: VecDeque<Waiting>,
    csv: Option<CsvFormat>,
    given: Option<Arc<Header>>,
    chunk_bytes: usize,
    max_line: usize,
    budget: Budget,
    current: Option<Current>,
    chunks: u64,
    failed: bool,
}

impl Reader {
    fn next(&mut self, mut reuse: Vec<u8>) -> Result<Option<Chunk>, TransformError> {
        // A buffer that once held a very long line is not kept for ordinary chunks.
        if reuse.capacity() > self.chunk_bytes.saturating_mul(4) {
            reuse = Vec::new();
        }
        loop {
            if self.current.is_none() {
                let Some(waiting) = self.waiting.pop_front() else {
                    if self.chunks == 0 {
                        return unreadable("is empty once decompressed, 0 bytes; deliver the file again".to_owned());
                    }
                    return Ok(None);
                };
                self.current = Some(self.begin(waiting)?);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let (budget, bytes) = (&mut self.budget, &mut current.bytes);
            let cut = current.cutter.next(reuse, &mut |into| {
                let read = bytes.read(into)?;
                budget.add(read)?;
                Ok(read)
            });
            let Some(cut) = in_member(cut, current.name.as_deref())? else {
                self.current = None;
                reuse = Vec::new();
                continue;
            };
            let mut preamble = 0;
            if let Some(csv) = &self.csv
                && current.header.is_none()
            {
                if let Some(refused) = &cut.refused {
                    let message = format!("has a header line that cannot be read: {}", refused.message);
                    return in_member(unreadable(message), current.name.as_deref());
                }
                preamble = cut.bytes.len();
                let found = in_member(header::find(&cut.bytes, csv), current.name.as_deref())?;
                if let Some((header, end)) = found {
                    current.header = Some(Arc::new(header));
                    preamble = end;
                }
            }
            let chunk = Chunk {
                number: self.chunks,
                member: current.name.clone(),
                begins_member: !current.begun,
                bytes: cut.bytes,
                preamble,
                header: current.header.clone(),
                refused: cut.refused,
            };
            current.begun = true;
            self.chunks += 1;
            return Ok(Some(chunk));
        }
    }

    /// Opens a member and looks at its first bytes.
    fn begin(&mut self, waiting: Waiting) -> Result<Current, TransformError> {
        let (name, mut bytes, wrapped) = match waiting {
            Waiting::Zip(member) => {
                let bytes = MemberBytes::Zip(ZipBytes::new(self.content.clone(), &member));
                (Some(member.name), bytes, true)
            }
            Waiting::Whole(kind) => {
                let pinned = Pinned::whole(self.content.clone());
                let bytes = match kind {
                    Kind::Gzip => MemberBytes::Gzip(GzipMembers::new(pinned)),
                    Kind::Zstd => MemberBytes::zstd(pinned)?,
                    _ => MemberBytes::Plain(pinned),
                };
                (None, bytes, kind != Kind::Plain)
            }
        };
        let first = self.first_bytes(&mut bytes);
        let mut first = in_member(first, name.as_deref())?;
        if wrapped && Kind::of(&first) != Kind::Plain {
            let inner = Kind::of(&first).name();
            let message = format!("holds a {inner} file inside; lakehand unwraps one layer: deliver the lines in one");
            return in_member(unreadable(message), name.as_deref());
        }
        if let Some(encoding) = foreign_text(&first) {
            let message = format!("is {encoding} text, as its byte order mark says; deliver the file as UTF-8");
            return in_member(unreadable(message), name.as_deref());
        }
        if first.starts_with(&UTF8_MARK) {
            first.drain(..UTF8_MARK.len());
        }
        let quotes = self.csv.as_ref().and_then(|csv| Some(Quotes::new(csv.delimiter, csv.quote?)));
        let cutter = Cutter::new(self.chunk_bytes, self.max_line, quotes, first);
        Ok(Current { name, bytes, cutter, header: self.given.clone(), begun: false })
    }

    fn first_bytes(&mut self, bytes: &mut MemberBytes) -> Result<Vec<u8>, TransformError> {
        let mut first = vec![0; MAGIC_BYTES];
        let mut filled = 0;
        while filled < first.len() {
            match bytes.read(&mut first[filled..])? {
                0 => break,
                more => filled += more,
            }
        }
        self.budget.add(filled)?;
        first.truncate(filled);
        Ok(first)
    }
}

/// Says which member of an archive an error is about.
fn in_member<T>(result: Result<T, TransformError>, member: Option<&str>) -> Result<T, TransformError> {
    match (result, member) {
        (Err(TransformError::Unreadable { message }), Some(member)) if !message.contains(member) => {
            Err(TransformError::Unreadable { message: format!("its member {member:?} {message}") })
        }
        (result, _) => result,
    }
}
