//! From other encodings to UTF-8. What means nothing in the encoding becomes a byte that means nothing in UTF-8, so that
//! it is found, and its record rejected, where all text is checked.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use lakehand_dataset::dataset::Charset;
use memchr::memchr3;

/// A byte that no UTF-8 has.
const MEANINGLESS: u8 = 0xff;

/// One text on its way to UTF-8.
pub(crate) enum Transcoder {
    /// ISO 8859-1, in which every byte means something.
    Latin1,
    /// What the library decodes. Windows-1252 as the web reads it gives meaning to five bytes that have none.
    Decoder { decoder: Box<Decoder>, windows: bool },
    /// Nothing more comes.
    Finished,
}

impl Transcoder {
    /// At the start of a text, its byte order mark removed.
    pub(crate) fn new(charset: Charset) -> Self {
        let encoding = match charset {
            Charset::Latin1 => return Self::Latin1,
            Charset::Utf16Le => UTF_16LE,
            Charset::Utf16Be => UTF_16BE,
            Charset::Windows1252 => WINDOWS_1252,
        };
        let decoder = Box::new(encoding.new_decoder_without_bom_handling());
        Self::Decoder { decoder, windows: charset == Charset::Windows1252 }
    }

    /// Appends these bytes as UTF-8. Without any they are the end.
    pub(crate) fn push(&mut self, bytes: &[u8], into: &mut Vec<u8>) {
        match self {
            Self::Finished => {}
            Self::Latin1 => {
                let start = into.len();
                into.resize(start + bytes.len() * 2, 0);
                let written = encoding_rs::mem::convert_latin1_to_utf8(bytes, &mut into[start..]);
                into.truncate(start + written);
            }
            Self::Decoder { decoder, windows: false } => decode(decoder, bytes, bytes.is_empty(), into),
            Self::Decoder { decoder, windows: true } => {
                let mut rest = bytes;
                while let Some(at) = undefined_at(rest) {
                    decode(decoder, &rest[..at], false, into);
                    into.push(MEANINGLESS);
                    rest = &rest[at + 1..];
                }
                decode(decoder, rest, bytes.is_empty(), into);
            }
        }
        if bytes.is_empty() {
            *self = Self::Finished;
        }
    }
}

/// The first of the bytes that Windows-1252 leaves undefined.
fn undefined_at(bytes: &[u8]) -> Option<usize> {
    let at = memchr3(0x81, 0x8d, 0x8f, bytes);
    let before = &bytes[..at.unwrap_or(bytes.len())];
    memchr::memchr2(0x90, 0x9d, before).or(at)
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, into: &mut Vec<u8>) {
    loop {
        let start = into.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len() * 3 + 8);
        into.resize(start + room.max(8), 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut into[start..], last);
        into.truncate(start + written);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => into.push(MEANINGLESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(charset: Charset, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut transcoder = Transcoder::new(charset);
        let mut text = Vec::new();
        bytes.chunks(step).for_each(|chunk| transcoder.push(chunk, &mut text));
        transcoder.push(b"", &mut text);
        text
    }

    /// However the bytes come, the same text comes out, and what means nothing is told apart.
    #[test]
    fn texts_become_utf8() {
        let text = "größer, 5 € – 😀\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for step in 1..8 {
            assert_eq!(all(Charset::Utf16Le, &little, step), text.as_bytes());
            assert_eq!(all(Charset::Utf16Be, &big, step), text.as_bytes());
            let lone = [b'a', 0, 0x3d, 0xd8, b'b', 0, 0x00, 0xdc, b'c', 0, b'd'];
            assert_eq!(all(Charset::Utf16Le, &lone, step), b"a\xffb\xffc\xff");
            assert_eq!(all(Charset::Latin1, b"gr\xf6\xdfer \x80\xa4", step), "größer \u{80}¤".as_bytes());
            assert_eq!(all(Charset::Windows1252, b"gr\xf6\xdfer \x80 \x96", step), "größer € –".as_bytes());
            assert_eq!(
                all(Charset::Windows1252, b"a\x81\x8d\x8f\x90\x9db\x9f", step),
                b"a\xff\xff\xff\xff\xffb\xc5\xb8"
            );
        }
    }
}
