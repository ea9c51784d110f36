//! Gzip streams of one or more members, with the end of each accounted for.

use std::io::{BufRead, Read};

use flate2::bufread::GzDecoder;
use lakehand_dataset::transformer::TransformError;

use super::pinned::{Pinned, classify};

/// All members of a gzip stream as one stream of bytes.
pub(crate) struct GzipMembers {
    /// `None` after the end, and after an error.
    member: Option<GzDecoder<Pinned>>,
}

impl GzipMembers {
    /// Begins at the start of the range.
    pub(crate) fn new(pinned: Pinned) -> Self {
        Self { member: Some(GzDecoder::new(pinned)) }
    }

    /// Reads decompressed bytes; 0 at the end. `into` must not be empty.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, TransformError> {
        while let Some(member) = &mut self.member {
            match member.read(into) {
                Ok(0) => self.member = next_member(self.member.take().map(GzDecoder::into_inner))?,
                Ok(read) => return Ok(read),
                Err(error) => {
                    let (offset, end) = (member.get_ref().offset(), member.get_ref().end());
                    self.member = None;
                    return Err(classify(error, |error| {
                        if error.kind() == std::io::ErrorKind::UnexpectedEof {
                            format!("is a gzip stream cut off at byte {end}; deliver the file again")
                        } else {
                            format!("is corrupt gzip near byte {offset} of {end}: {error}; deliver the file again")
                        }
                    }));
                }
            }
        }
        Ok(0)
    }
}

/// What follows a finished member: another one, nothing, or padding of zeros such as tape and block stores leave.
fn next_member(pinned: Option<Pinned>) -> Result<Option<GzDecoder<Pinned>>, TransformError> {
    let Some(mut pinned) = pinned else { return Ok(None) };
    let mut padded = false;
    loop {
        let offset = pinned.offset();
        let next = pinned.fill_buf().map_err(|error| classify(error, ToString::to_string))?;
        if next.is_empty() {
            return Ok(None);
        }
        if next[0] == 0x1f && !padded {
            return Ok(Some(GzDecoder::new(pinned)));
        }
        if let Some(at) = next.iter().position(|&byte| byte != 0) {
            return Err(TransformError::Unreadable {
                message: format!(
                    "has bytes after the end of its gzip stream, at byte {}, that are neither another gzip member nor \
                     zeros; the file is damaged or two files were joined",
                    offset + at as u64
                ),
            });
        }
        padded = true;
        let zeros = next.len();
        pinned.consume(zeros);
    }
}
