//! What goes wrong in real files, put into good lines on purpose.

use crate::sample::random::Random;

/// Spoils a line of a flat. The result has no line end; it may be no JSON, or no UTF-8.
pub(crate) fn spoil(line: &str, random: &mut Random) -> Vec<u8> {
    let replaced = |key: &str, value: &str| with_value(line, key, value).into_bytes();
    match random.below(8) {
        0 => replaced("realEstate_baseRent", "\"auf Anfrage\""),
        1 => replaced("realEstate_baseRent", "912.3456"),
        2 => replaced("publishDate", "\"2019-02-30T10:00:00.000+01:00\""),
        3 => replaced("id", "null"),
        4 => replaced("realEstate_floor", "3.5"),
        5 => replaced("realEstate_lift", "\"vielleicht\""),
        6 => {
            // A line cut off in the middle, as when a writer dies.
            let mut end = line.len() * 2 / 3;
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            line.as_bytes()[..end].to_vec()
        }
        _ => {
            // Latin-1 in a file that is otherwise UTF-8.
            let mut bytes = with_value(line, "realEstate_title", "\"Stra?e\"").into_bytes();
            if let Some(at) = bytes.windows(6).position(|window| window == b"Stra?e") {
                bytes[at + 4] = 0xDF;
            }
            bytes
        }
    }
}

/// The line with another value for a key whose value is a text without quotes in it, or a number.
fn with_value(line: &str, key: &str, value: &str) -> String {
    let name = format!("\"{key}\": ");
    let Some(at) = line.find(&name) else { return line.to_owned() };
    let start = at + name.len();
    let rest = &line[start..];
    let end = match rest.strip_prefix('"') {
        Some(text) => text.find("\", ").map_or(rest.len(), |end| end + 2),
        None => rest.find([',', '}']).unwrap_or(rest.len()),
    };
    format!("{}{value}{}", &line[..start], &rest[end..])
}
