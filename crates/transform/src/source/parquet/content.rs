//! The bytes of a file as the library reads its footer.

use std::io::{self, Read, Seek, SeekFrom};

use lakehand_dataset::transformer::Content;

use super::super::pinned::read_at;

/// The pinned bytes as the library reads them.
pub(super) struct ContentReader {
    content: Content,
    at: u64,
}

impl ContentReader {
    /// At their start.
    pub(super) fn new(content: Content) -> Self {
        Self { content, at: 0 }
    }
}

impl Read for ContentReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.content.len() {
            return Ok(0);
        }
        let left = usize::try_from(self.content.len() - self.at).unwrap_or(usize::MAX);
        let want = into.len().min(left);
        let read = read_at(&self.content, self.at, &mut into[..want])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
