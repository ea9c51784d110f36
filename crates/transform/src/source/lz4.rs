//! Frames of lz4, with the end of each accounted for.

use std::io::{self, BufRead, ErrorKind, Read};

use lakehand_dataset::transformer::TransformError;
use lz4_flex::frame::FrameDecoder;

use super::member::damaged;
use super::pinned::{Pinned, classify};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// All frames of an lz4 stream as one stream of bytes.
pub(crate) struct Lz4Frames {
    /// `None` after the end, and after an error.
    frame: Option<FrameDecoder<Followed>>,
}

impl Lz4Frames {
    /// Begins at the start of the range.
    pub(crate) fn new(pinned: Pinned) -> Self {
        Self { frame: Some(FrameDecoder::new(Followed::new(pinned))) }
    }

    /// Reads decompressed bytes; 0 at the end. `into` must not be empty.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, TransformError> {
        while let Some(frame) = &mut self.frame {
            match frame.read(into) {
                Ok(0) if frame.get_ref().stage == Stage::Ended => {
                    self.frame = next_frame(self.frame.take().map(FrameDecoder::into_inner))?;
                }
                // The decoder takes the end of the input for the end of a frame; and blocks may be empty.
                Ok(0) => {
                    let followed = frame.get_mut();
                    let at_end = followed.pinned.fill_buf().map(<[u8]>::is_empty);
                    if at_end.map_err(|error| classify(error, ToString::to_string))? {
                        let error = damaged(ErrorKind::UnexpectedEof.into(), "lz4", &followed.pinned);
                        self.frame = None;
                        return Err(error);
                    }
                }
                Ok(read) => return Ok(read),
                Err(error) => {
                    let error = damaged(error, "lz4", &frame.get_ref().pinned);
                    self.frame = None;
                    return Err(error);
                }
            }
        }
        Ok(0)
    }
}

/// What follows a finished frame: another one, perhaps behind frames to be skipped, or nothing.
fn next_frame(followed: Option<Followed>) -> Result<Option<FrameDecoder<Followed>>, TransformError> {
    let Some(Followed { mut pinned, .. }) = followed else { return Ok(None) };
    loop {
        let mut head = [0; 8];
        let offset = pinned.offset();
        let read = fill(&mut pinned, &mut head[..4]).map_err(|error| damaged(error, "lz4", &pinned))?;
        match (read, head[0]) {
            (0, _) => return Ok(None),
            (4, _) if head[..4] == MAGIC => {
                let mut followed = Followed::new(pinned);
                followed.given = 0;
                return Ok(Some(FrameDecoder::new(followed)));
            }
            (4, 0x50..=0x5f) if head[1..4] == [0x2a, 0x4d, 0x18] => {
                let mut length = [0; 4];
                pinned.read_exact(&mut length).map_err(|error| damaged(error, "lz4", &pinned))?;
                let length = u64::from(u32::from_le_bytes(length));
                let skipped = io::copy(&mut (&mut pinned).take(length), &mut io::sink());
                let skipped = skipped.map_err(|error| damaged(error, "lz4", &pinned))?;
                if skipped < length {
                    return Err(damaged(ErrorKind::UnexpectedEof.into(), "lz4", &pinned));
                }
            }
            _ => {
                return Err(TransformError::Unreadable {
                    message: format!(
                        "has bytes after the end of its lz4 frame, at byte {offset}, that are no other frame; the file \
                         is damaged or two files were joined"
                    ),
                });
            }
        }
    }
}

/// Reads until `into` is full or the input ends.
fn fill(pinned: &mut Pinned, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match pinned.read(&mut into[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

/// Where in a frame a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the byte of flags.
    Magic,
    Flags,
    /// The rest of the header.
    Header,
    /// The length of a block.
    Length,
    Block,
    /// The checksum of all content, behind the mark of the end.
    Checksum,
    Ended,
}

/// The input of one frame, which is followed to know whether the frame has ended.
struct Followed {
    pinned: Pinned,
    /// How much of the magic number is to be given before the input goes on behind it; 4 where none is.
    given: usize,
    stage: Stage,
    /// Bytes of the stage that are still to come.
    left: u64,
    flags: u8,
    length: u32,
}

impl Followed {
    fn new(pinned: Pinned) -> Self {
        Self { pinned, given: MAGIC.len(), stage: Stage::Magic, left: 4, flags: 0, length: 0 }
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            let taken = match self.stage {
                Stage::Flags => {
                    self.flags = first;
                    1
                }
                Stage::Length => {
                    self.length = self.length >> 8 | u32::from(first) << 24;
                    1
                }
                Stage::Ended => return,
                _ => usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len()),
            };
            bytes = &bytes[taken..];
            self.left -= taken as u64;
            while self.left == 0 && self.stage != Stage::Ended {
                (self.stage, self.left) = self.after();
            }
        }
    }

    /// The stage after this one, and its bytes.
    fn after(&self) -> (Stage, u64) {
        let flag = |bit: u8, bytes: u64| if self.flags & bit == 0 { 0 } else { bytes };
        match self.stage {
            Stage::Magic => (Stage::Flags, 1),
            Stage::Flags => (Stage::Header, 2 + flag(0x08, 8) + flag(0x01, 4)),
            Stage::Header | Stage::Block => (Stage::Length, 4),
            Stage::Length if self.length == 0 => (Stage::Checksum, flag(0x04, 4)),
            Stage::Length => (Stage::Block, u64::from(self.length & 0x7fff_ffff) + flag(0x10, 4)),
            Stage::Checksum | Stage::Ended => (Stage::Ended, 0),
        }
    }
}

impl Read for Followed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = if self.given < MAGIC.len() {
            let read = into.len().min(MAGIC.len() - self.given);
            into[..read].copy_from_slice(&MAGIC[self.given..self.given + read]);
            self.given += read;
            read
        } else {
            self.pinned.read(into)?
        };
        self.follow(&into[..read]);
        Ok(read)
    }
}
