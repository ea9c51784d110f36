//! The text of one member as UTF-8 with line feeds, however it was encoded and whatever ended its lines.

mod returns;
mod transcode;

use lakehand_dataset::dataset::{Charset, Format};
use lakehand_dataset::transformer::TransformError;

use self::returns::Returns;
use self::transcode::Transcoder;
use super::budget::Budget;
use super::member::MemberBytes;

/// How much of a text is looked at to find out what ends its lines.
const LOOKED_AT: usize = 64 << 10;
/// How much is read at once to be transcoded.
const STEP: usize = 64 << 10;
/// The byte order mark of UTF-8, which says nothing and is removed.
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The text of one member.
pub(crate) struct Text {
    bytes: MemberBytes,
    /// Read before the rest to look at it; the next bytes to come.
    first: Pending,
    transcoder: Option<Transcoder>,
    /// Transcoded, and not yet given.
    transcoded: Pending,
    /// Looked at to find out what ends lines, and not yet given.
    looked_at: Pending,
    returns: Option<Returns>,
    /// With line feeds, and not yet given.
    lined: Pending,
    raw: Vec<u8>,
    charset: &'static str,
}

/// Bytes waiting to be given.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    at: usize,
}

impl Pending {
    fn give(&mut self, into: &mut [u8]) -> usize {
        let given = into.len().min(self.bytes.len() - self.at);
        into[..given].copy_from_slice(&self.bytes[self.at..self.at + given]);
        self.at += given;
        given
    }

    /// Empty, and ready to be filled again.
    fn emptied(&mut self) -> &mut Vec<u8> {
        self.at = 0;
        self.bytes.clear();
        &mut self.bytes
    }
}

impl Text {
    /// Looks at the first bytes of a member, `first` being those already read, and finds out how it is written.
    pub(crate) fn open(
        bytes: MemberBytes,
        mut first: Vec<u8>,
        format: &Format,
        declared: Option<Charset>,
        budget: &mut Budget,
    ) -> Result<Self, TransformError> {
        if first.starts_with(&[0xff, 0xfe, 0, 0]) || first.starts_with(&[0, 0, 0xfe, 0xff]) {
            return unreadable("is UTF-32 text, as its byte order mark says; deliver the file as UTF-8");
        }
        let marked = match first.as_slice() {
            [0xff, 0xfe, ..] => Some((Some(Charset::Utf16Le), 2)),
            [0xfe, 0xff, ..] => Some((Some(Charset::Utf16Be), 2)),
            text if text.starts_with(&UTF8_MARK) => Some((None, UTF8_MARK.len())),
            _ => None,
        };
        let charset = match marked {
            Some((charset, mark)) => {
                first.drain(..mark);
                charset
            }
            None => declared,
        };
        if let (None, None, Some(meant)) = (marked, charset, unmarked(&first)) {
            let meant = meant.name().to_lowercase();
            let message = format!("looks like UTF-16 text without a byte order mark; set source.encoding = {meant:?}");
            return Err(TransformError::Unreadable { message });
        }
        if charset.is_none_or(|charset| !matches!(charset, Charset::Utf16Le | Charset::Utf16Be)) {
            judge_first(&first, format)?;
        }
        let mut text = Self {
            bytes,
            first: Pending { bytes: first, at: 0 },
            transcoder: charset.map(Transcoder::new),
            transcoded: Pending::default(),
            looked_at: Pending::default(),
            returns: None,
            lined: Pending::default(),
            raw: Vec::new(),
            charset: charset.map_or("UTF-8", Charset::name),
        };
        text.look(format, budget)?;
        Ok(text)
    }

    /// How the text was encoded.
    pub(crate) fn charset(&self) -> &'static str {
        self.charset
    }

    /// Whether its lines end with carriage returns alone.
    pub(crate) fn has_bare_returns(&self) -> bool {
        self.returns.is_some()
    }

    /// Reads text; 0 at the end. `into` must not be empty.
    pub(crate) fn read(&mut self, into: &mut [u8], budget: &mut Budget) -> Result<usize, TransformError> {
        if self.returns.is_none() {
            return match self.looked_at.give(into) {
                0 => self.decoded(into, budget),
                given => Ok(given),
            };
        }
        loop {
            let given = self.lined.give(into);
            if given > 0 {
                return Ok(given);
            }
            let mut step = std::mem::take(&mut self.raw);
            step.resize(STEP, 0);
            let read = match self.looked_at.give(&mut step) {
                0 => self.decoded(&mut step, budget),
                given => Ok(given),
            };
            let Some(returns) = &mut self.returns else { return Ok(0) };
            let ended = returns.push(&step[..read?], self.lined.emptied());
            self.raw = step;
            if ended && self.lined.bytes.is_empty() {
                return Ok(0);
            }
        }
    }

    /// Text as it came, in UTF-8.
    fn decoded(&mut self, into: &mut [u8], budget: &mut Budget) -> Result<usize, TransformError> {
        if self.transcoder.is_none() {
            return self.undecoded(into, budget);
        }
        loop {
            let given = self.transcoded.give(into);
            if given > 0 {
                return Ok(given);
            }
            let mut step = vec![0; STEP];
            let read = self.undecoded(&mut step, budget)?;
            let Some(transcoder) = &mut self.transcoder else { return Ok(0) };
            transcoder.push(&step[..read], self.transcoded.emptied());
            if read == 0 && self.transcoded.bytes.is_empty() {
                return Ok(0);
            }
        }
    }

    fn undecoded(&mut self, into: &mut [u8], budget: &mut Budget) -> Result<usize, TransformError> {
        let given = self.first.give(into);
        if given > 0 {
            return Ok(given);
        }
        let read = self.bytes.read(into)?;
        budget.add(read)?;
        Ok(read)
    }

    /// Looks for the first line end outside quotes, to know whether it is a line feed or a carriage return alone.
    fn look(&mut self, format: &Format, budget: &mut Budget) -> Result<(), TransformError> {
        let mut seen = Vec::new();
        let mut returned = false;
        let mut step = 4096;
        let csv = if let Format::Csv(csv) = format { Some(csv) } else { None };
        let mut returns = Returns::new(csv);
        while seen.len() < LOOKED_AT {
            let from = seen.len();
            seen.resize(from + step, 0);
            let read = self.decoded(&mut seen[from..], budget)?;
            seen.truncate(from + read);
            let mut ends = seen[from..].iter().filter(|byte| !returns.is_value(**byte));
            if ends.any(|byte| {
                returned |= *byte == b'\r';
                *byte == b'\n'
            }) {
                returned = false;
                break;
            }
            if read == 0 {
                break;
            }
            step = LOOKED_AT;
        }
        // Between the documents of JSON either is white space.
        if returned && !matches!(format, Format::Json(_)) {
            self.returns = Some(Returns::new(csv));
        }
        self.looked_at = Pending { bytes: seen, at: 0 };
        Ok(())
    }
}

/// Refuses what begins as no text does: with control characters that are none of the format's own.
fn judge_first(first: &[u8], format: &Format) -> Result<(), TransformError> {
    let own = |byte: u8| match format {
        Format::Csv(csv) => csv.delimiter == byte || [csv.quote, csv.escape, csv.comment].contains(&Some(byte)),
        _ => false,
    };
    let is_control = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)) && !own(byte);
    let binary = first.iter().take(2).any(|byte| is_control(*byte)) || first.iter().any(|byte| *byte == 0 && !own(0));
    if !binary {
        return Ok(());
    }
    let shown = first.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    Err(TransformError::Unreadable {
        message: format!(
            "is no {} by its first bytes, {shown}, which no text begins with, and no compression that lakehand unwraps \
             either (zip, gzip, zstd, bzip2, xz, lz4 frames, framed snappy); deliver text, plain or in one of these",
            format.name()
        ),
    })
}

/// The encoding that text without a byte order mark seems to have, where every other byte is zero.
pub(crate) fn unmarked(first: &[u8]) -> Option<Charset> {
    let [a, b, c, d, ..] = first else { return None };
    match (*a == 0, *b == 0, *c == 0, *d == 0) {
        (false, true, false, true) => Some(Charset::Utf16Le),
        (true, false, true, false) => Some(Charset::Utf16Be),
        _ => None,
    }
}

fn unreadable<T>(message: &str) -> Result<T, TransformError> {
    Err(TransformError::Unreadable { message: message.to_owned() })
}
