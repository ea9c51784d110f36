//! Reads a range of the pinned bytes of an object, by position.

use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;

use lakehand_dataset::transformer::{Content, TransformError};

/// How much of a file is read at once where a decompressor asks for little.
const BUFFER_BYTES: usize = 256 << 10;

/// A range of an object's bytes as a buffered reader that knows where it is.
pub(crate) struct Pinned {
    content: Content,
    /// Where the buffer ends, in the object.
    position: u64,
    /// Where the range ends.
    end: u64,
    /// Bytes read from a file and not yet consumed: `buffer[at..filled]`. Unused for bytes in memory.
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
}

/// Marks errors that come from the pinned bytes themselves, and not from what decodes them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct PinnedReadError(#[source] io::Error);

/// Turns an error seen through a decompressor into what it means: the pinned bytes could not be read (worth a retry),
/// or, by `unreadable`, they are not what they should be.
pub(crate) fn classify(error: io::Error, unreadable: impl FnOnce(&io::Error) -> String) -> TransformError {
    let pinned: Option<&PinnedReadError> = error.get_ref().and_then(|inner| inner.downcast_ref());
    if pinned.is_some() {
        TransformError::Io { what: "the pinned bytes of the object could not be read".to_owned(), source: error }
    } else {
        TransformError::Unreadable { message: unreadable(&error) }
    }
}

impl Pinned {
    /// The range from `start` up to `end`, which must lie within the content.
    pub(crate) fn new(content: Content, start: u64, end: u64) -> Self {
        debug_assert!(start <= end && end <= content.len());
        Self { content, position: start, end, buffer: Vec::new(), at: 0, filled: 0 }
    }

    /// The whole content.
    pub(crate) fn whole(content: Content) -> Self {
        let end = content.len();
        Self::new(content, 0, end)
    }

    /// Where the next byte to be consumed lies in the object.
    pub(crate) fn offset(&self) -> u64 {
        self.position - (self.filled - self.at) as u64
    }

    /// Where the range ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// What is left of the range behind the buffer.
    fn left(&self) -> usize {
        usize::try_from(self.end - self.position).unwrap_or(usize::MAX)
    }
}

/// Reads at a position, at least a byte unless `into` is empty; a file that is shorter than it was is an error.
pub(crate) fn read_at(content: &Content, position: u64, into: &mut [u8]) -> io::Result<usize> {
    match content {
        Content::File { file, .. } => loop {
            match file.read_at(into, position) {
                Ok(0) if !into.is_empty() => {
                    let short = io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("the file ends at byte {position}, earlier than when it was pinned"),
                    );
                    return Err(io::Error::other(PinnedReadError(short)));
                }
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::other(PinnedReadError(error))),
            }
        },
        Content::Bytes(bytes) => {
            let from = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
            let read = into.len().min(bytes.len() - from);
            into[..read].copy_from_slice(&bytes[from..from + read]);
            Ok(read)
        }
        Content::Arriving(arriving) => {
            arriving.read_at(position, into).map_err(|error| io::Error::other(PinnedReadError(error)))
        }
    }
}

/// Fills `into` from this position; the range must lie within the content.
pub(crate) fn read_exact_at(content: &Content, position: u64, into: &mut [u8]) -> Result<(), TransformError> {
    let mut done = 0;
    while done < into.len() {
        let read = read_at(content, position + done as u64, &mut into[done..])
            .map_err(|error| classify(error, ToString::to_string))?;
        if read == 0 {
            return Err(TransformError::Unreadable { message: format!("ends too early, at byte {}", content.len()) });
        }
        done += read;
    }
    Ok(())
}

impl Read for Pinned {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Large reads of whole ranges go straight where they are wanted.
        if self.at == self.filled && into.len() >= BUFFER_BYTES {
            let want = into.len().min(self.left());
            let read = read_at(&self.content, self.position, &mut into[..want])?;
            self.position += read as u64;
            return Ok(read);
        }
        let available = self.fill_buf()?;
        let read = available.len().min(into.len());
        into[..read].copy_from_slice(&available[..read]);
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Pinned {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.filled {
            let want = BUFFER_BYTES.min(self.left());
            if self.buffer.len() < want {
                self.buffer.resize(want, 0);
            }
            self.at = 0;
            self.filled = 0;
            self.filled = read_at(&self.content, self.position, &mut self.buffer[..want])?;
            self.position += self.filled as u64;
        }
        Ok(&self.buffer[self.at..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.filled);
    }
}
