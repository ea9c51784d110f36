//! Names of datasets, tables and columns made of the names that files and fields have.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};

/// The most bytes of a name.
const MOST_BYTES: usize = 60;

/// Names that datasets and columns may not have.
const RESERVED: &[&str] = &[
    "lakehand",
    "public",
    "information_schema",
    "main",
    "temp",
    "oid",
    "rowid",
    "ctid",
    "xmin",
    "xmax",
    "cmin",
    "cmax",
    "tableoid",
    "insertxid",
    "deletexid",
];

/// Small letters, digits and underscores, a letter first: `realEstate-baseRent` becomes `real_estate_base_rent`.
pub(crate) fn snake_case(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut last = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_ascii_alphanumeric() {
            let starts_word = character.is_ascii_uppercase()
                && (last.is_ascii_lowercase()
                    || last.is_ascii_digit()
                    || (last.is_ascii_uppercase() && characters.peek().is_some_and(char::is_ascii_lowercase)));
            if starts_word && !name.ends_with('_') && !name.is_empty() {
                name.push('_');
            }
            name.push(character.to_ascii_lowercase());
        } else if let Some(plain) = spelled(character) {
            name.push_str(plain);
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
        last = character;
    }
    let mut name = name.trim_matches('_').to_owned();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, "c_");
    }
    name.truncate(MOST_BYTES - 4);
    let name = name.trim_end_matches('_');
    if RESERVED.contains(&name) || name.starts_with("pg_") || name.starts_with("sqlite_") || name.ends_with("__rows") {
        return format!("x_{name}");
    }
    name.to_owned()
}

fn spelled(character: char) -> Option<&'static str> {
    Some(match character {
        'ä' | 'Ä' => "ae",
        'ö' | 'Ö' => "oe",
        'ü' | 'Ü' => "ue",
        'ß' => "ss",
        'é' | 'è' | 'ê' | 'É' => "e",
        'á' | 'à' | 'â' => "a",
        _ => return None,
    })
}

/// As the name itself, or with a number where it is taken.
pub(crate) fn distinct(name: String, taken: &mut HashSet<String>) -> String {
    if taken.insert(name.clone()) {
        return name;
    }
    let mut number = 2;
    loop {
        let numbered = format!("{name}_{number}");
        if taken.insert(numbered.clone()) {
            return numbered;
        }
        number += 1;
    }
}

/// The name of a dataset and the pattern of its objects, from the name of one: what changes from file to file, numbers
/// and dates, is left out of the one and becomes `*` in the other.
pub(crate) fn of_file(file_name: &str) -> (String, String) {
    let stem_end = file_name.find('.').filter(|at| *at > 0).unwrap_or(file_name.len());
    let (stem, extension) = file_name.split_at(stem_end);
    let mut pattern = String::new();
    let mut kept = String::new();
    for part in stem.split_inclusive(['_', '-', ' ', 'T']) {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let rest = part.bytes().filter(u8::is_ascii_alphabetic).count();
        if digits > 0 && rest <= 1 {
            if !pattern.ends_with('*') {
                pattern.push('*');
            }
            continue;
        }
        kept.push_str(part);
        // Characters that patterns give a meaning stand for any one.
        pattern
            .extend(part.chars().map(|c| if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') { '?' } else { c }));
    }
    if extension.bytes().any(|byte| matches!(byte, b'[' | b'{' | b'\\')) {
        pattern.push_str(".*");
    } else {
        pattern.push_str(extension);
    }
    let name = if kept.is_empty() { "dataset".to_owned() } else { snake_case(&kept) };
    (name, pattern)
}

/// Whether a name has a date: `2026-11-21`, `2026_11_21` or `20261121`.
pub(crate) fn has_date(file_name: &str) -> bool {
    let is_date = |text: &str| {
        ["%Y-%m-%d", "%Y_%m_%d", "%Y%m%d"].iter().any(|format| {
            let date = NaiveDate::parse_from_str(text, format);
            date.is_ok_and(|date| (1970..2100).contains(&date.year()))
        })
    };
    let mut starts = file_name.char_indices().filter(|(_, first)| first.is_ascii_digit()).map(|(at, _)| at);
    starts.any(|at| {
        let behind_digit = file_name[..at].ends_with(|last: char| last.is_ascii_digit());
        !behind_digit && [8, 10].iter().any(|length| file_name.get(at..at + length).is_some_and(is_date))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_and_begin_with_a_letter() {
        for (text, name) in [
            ("realEstate_baseRent", "real_estate_base_rent"),
            ("HTTPStatus", "http_status"),
            ("listing ID", "listing_id"),
            ("Straße", "strasse"),
            ("2nd", "c_2nd"),
            ("_load_id", "load_id"),
            ("日本", "c"),
            ("oid", "x_oid"),
            ("a--b", "a_b"),
        ] {
            assert_eq!(snake_case(text), name, "{text}");
        }
        let mut taken = HashSet::new();
        assert_eq!(distinct("a".into(), &mut taken), "a");
        assert_eq!(distinct("a".into(), &mut taken), "a_2");
        assert_eq!(distinct("a".into(), &mut taken), "a_3");
    }

    #[test]
    fn dates_in_names_are_found() {
        for name in ["rent_2022-01-25.csv", "a_20170714T142006.zip", "x/2026_11_21.jsonl"] {
            assert!(has_date(name), "{name}");
        }
        for name in ["a_12345678.csv", "a.csv", "v1.2.3", "ä_2022-13-25", "120170714.csv"] {
            assert!(!has_date(name), "{name}");
        }
    }

    #[test]
    fn what_changes_from_file_to_file_is_a_star() {
        for (file, name, pattern) in [
            ("rent_offers_2022-01-25.csv", "rent_offers", "rent_offers_*.csv"),
            (
                "immobilienscout24_berlin_20170714T142006.zip",
                "immobilienscout24_berlin",
                "immobilienscout24_berlin_*.zip",
            ),
            ("orders.jsonl.gz", "orders", "orders.jsonl.gz"),
            ("2026-11-21.json", "dataset", "*.json"),
            ("a[1]b.csv", "a_1_b", "a?1?b.csv"),
        ] {
            assert_eq!(of_file(file), (name.to_owned(), pattern.to_owned()), "{file}");
        }
    }
}
