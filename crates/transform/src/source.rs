//! From the pinned bytes of an object to chunks of whole lines, decompressed and within bounds.
//!
//! What an object is, its first bytes say. One worker at a time reads, decompresses and cuts the next chunk, under a
//! lock, while the others decode theirs; so chunks are numbered in the order of the object, and where they are cut
//! depends on the decompressed bytes alone.

mod avro;
mod budget;
mod cut;
mod gzip;
pub(crate) mod header;
mod json;
mod kind;
mod lines;
mod lz4;
mod member;
mod parquet;
mod pinned;
pub(crate) mod quotes;
mod schema;
mod spool;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod written;
mod zip;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lakehand_dataset::dataset::{Dataset, Format, Source};
use lakehand_dataset::transformer::{Content, TransformError};

use self::avro::Container;
use self::budget::Budget;
use self::json::Documents;
pub(crate) use self::kind::Kind;
use self::kind::MAGIC_BYTES;
use self::lines::Lines;
use self::member::{MemberBytes, ZipBytes};
use self::parquet::RowGroups;
use self::pinned::{Pinned, read_exact_at};
use self::spool::spool;
use self::text::Text;
pub(crate) use self::text::unmarked;
use self::zip::ZipMember;
use crate::piece::Chunk;

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
        Kind::Zip => waiting.extend(zip::members(content)?.into_iter().map(Waiting::Zip)),
        _ => waiting.push_back(Waiting::Whole(kind)),
    }
    let plain = kind != Kind::Zip && !kind.is_compressed();
    // Formats with types of their own compress their blocks themselves.
    let unfolds = !plain || matches!(kind, Kind::Parquet | Kind::Avro);
    let budget = Budget::new(&dataset.source, content.len(), unfolds);
    if plain {
        budget.judge(content.len())?;
    }
    let reader = Reader {
        content: content.clone(),
        waiting,
        dataset: dataset.clone(),
        chunk_bytes,
        max_line: max_line(&dataset.source),
        budget,
        current: None,
        chunks: 0,
        failed: false,
    };
    Ok(ChunkSource { reader: Mutex::new(reader) })
}

/// What the first file within an object is, by its first bytes, and these bytes.
pub(crate) fn look(content: &Content) -> Result<(Kind, Vec<u8>), TransformError> {
    let mut first = vec![0; usize::try_from(content.len()).unwrap_or(usize::MAX).min(MAGIC_BYTES)];
    read_exact_at(content, 0, &mut first)?;
    let mut bytes = match Kind::of(&first) {
        Kind::Zip => match zip::members(content)?.front() {
            Some(member) => MemberBytes::Zip(ZipBytes::new(content.clone(), member)?),
            None => return Ok((Kind::Zip, first)),
        },
        kind if kind.is_compressed() => MemberBytes::of(kind, Pinned::whole(content.clone()))?,
        kind => return Ok((kind, first)),
    };
    let first = first_bytes(&mut bytes)?;
    Ok((Kind::of(&first), first))
}

/// The longest record; ranges within a chunk are 32 bits wide.
fn max_line(source: &Source) -> usize {
    usize::try_from(source.max_line_bytes).unwrap_or(usize::MAX).clamp(1, (u32::MAX / 4) as usize)
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
    records: Records,
    begun: bool,
}

/// The records of a member, in chunks.
enum Records {
    Lines(Box<Lines>),
    Json(Box<Documents>),
    Parquet(Box<RowGroups>),
    Avro(Box<Container>),
}

struct Reader {
    content: Content,
    waiting: VecDeque<Waiting>,
    dataset: Dataset,
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
                    // Lists of JSON, Parquet and Avro may hold nothing and be whole.
                    let text = matches!(self.dataset.source.format, Format::Jsonl | Format::Csv(_));
                    if self.chunks == 0 && (text || self.budget.is_empty()) {
                        return unreadable("is empty once decompressed, 0 bytes; deliver the file again".to_owned());
                    }
                    return Ok(None);
                };
                self.current = Some(self.begin(waiting)?);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let chunk = match &mut current.records {
                Records::Lines(lines) => lines.next(reuse, &mut self.budget),
                Records::Json(documents) => documents.next(reuse, &mut self.budget),
                Records::Parquet(groups) => groups.next(&mut self.budget),
                Records::Avro(container) => container.next(&mut self.budget),
            };
            let Some(mut chunk) = in_member(chunk, current.name.as_deref())? else {
                self.current = None;
                reuse = Vec::new();
                continue;
            };
            chunk.number = self.chunks;
            chunk.member.clone_from(&current.name);
            chunk.begins_member = !current.begun;
            current.begun = true;
            self.chunks += 1;
            return Ok(Some(chunk));
        }
    }

    /// Opens a member and looks at its first bytes.
    fn begin(&mut self, waiting: Waiting) -> Result<Current, TransformError> {
        let (name, mut bytes, wrapped) = match waiting {
            Waiting::Zip(member) => {
                let bytes = MemberBytes::Zip(ZipBytes::new(self.content.clone(), &member)?);
                (Some(member.name), bytes, true)
            }
            Waiting::Whole(kind) => {
                (None, MemberBytes::of(kind, Pinned::whole(self.content.clone()))?, kind.is_compressed())
            }
        };
        let first = in_member(first_bytes(&mut bytes), name.as_deref())?;
        self.budget.add(first.len())?;
        let records = in_member(self.records(bytes, first, wrapped), name.as_deref())?;
        Ok(Current { name, records, begun: false })
    }

    /// The records of a member that begins with these bytes.
    fn records(&mut self, bytes: MemberBytes, first: Vec<u8>, wrapped: bool) -> Result<Records, TransformError> {
        let format = &self.dataset.source.format;
        let found = Kind::of(&first);
        let meant = match format {
            Format::Parquet(_) => Kind::Parquet,
            Format::Avro(_) => Kind::Avro,
            Format::Jsonl | Format::Json(_) | Format::Csv(_) => Kind::Plain,
        };
        if wrapped && (found.is_compressed() || found == Kind::Zip) {
            return unreadable(format!(
                "holds a {} file inside; lakehand unwraps one layer: deliver the records in one",
                found.name()
            ));
        }
        if found != meant {
            let (format, name) = (format.name(), found.name());
            return unreadable(match found {
                Kind::Foreign(_) => format!("is a {name} file, which lakehand does not read; deliver {format}"),
                Kind::Parquet | Kind::Avro => {
                    let meant = name.to_lowercase();
                    format!(
                        "is a {name} file, and source.format is {format}; set source.format = {meant:?}, or deliver \
                         {format}"
                    )
                }
                _ => format!("is no {} file, as source.format says, by its first bytes", meant.name()),
            });
        }
        Ok(match format {
            Format::Parquet(parquet) => {
                let content = match bytes {
                    MemberBytes::Plain(_) => self.content.clone(),
                    wrapped => spool(wrapped, first, &mut self.budget)?,
                };
                let groups = RowGroups::open(content, &self.dataset, parquet.binary_is_text, self.chunk_bytes)?;
                Records::Parquet(Box::new(groups))
            }
            Format::Avro(avro) => {
                let (text, chunk) = (avro.binary_is_text, self.chunk_bytes);
                let container = Container::open(bytes, first, &self.dataset, text, chunk, &mut self.budget)?;
                Records::Avro(Box::new(container))
            }
            Format::Json(json) => {
                let text = Text::open(bytes, first, format, self.dataset.source.charset, &mut self.budget)?;
                Records::Json(Box::new(Documents::new(text, &json.list, self.chunk_bytes, self.max_line)))
            }
            Format::Jsonl | Format::Csv(_) => {
                let text = Text::open(bytes, first, format, self.dataset.source.charset, &mut self.budget)?;
                Records::Lines(Box::new(Lines::new(text, format, self.chunk_bytes, self.max_line)))
            }
        })
    }
}

fn first_bytes(bytes: &mut MemberBytes) -> Result<Vec<u8>, TransformError> {
    let mut first = vec![0; MAGIC_BYTES];
    let mut filled = 0;
    while filled < first.len() {
        match bytes.read(&mut first[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    first.truncate(filled);
    Ok(first)
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
