//! Which dataset claims an object, and how near the others come.

use lakehand_dataset::pattern::Pattern;
use lakehand_domain::id::DatasetId;
use lakehand_domain::object::ObjectUri;
use serde::Serialize;

/// How near a pattern comes to an object that it does not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The dataset.
    pub dataset: DatasetId,
    /// The pattern, as the definition writes it.
    pub pattern: String,
    /// What keeps it from matching, in words.
    pub why: String,
    /// How near: the greater, the nearer.
    #[serde(skip)]
    pub(crate) nearness: usize,
}

/// What keeps a pattern from matching an object, where it comes near at all.
pub(crate) fn near_miss(
    dataset: &DatasetId,
    pattern: &str,
    landing: &ObjectUri,
    object: &ObjectUri,
) -> Option<NearMiss> {
    let parsed = Pattern::parse(pattern, landing).ok()?;
    if parsed.captures_of(object).is_some() {
        return None;
    }
    let miss = |nearness: usize, why: String| {
        Some(NearMiss { dataset: dataset.clone(), pattern: pattern.to_owned(), why, nearness })
    };
    if matches_in_any_case(pattern, landing, object) {
        return miss(usize::MAX, "small and capital letters differ".to_owned());
    }
    if !object.as_str().starts_with(parsed.prefix().as_str()) {
        let last = pattern.rsplit('/').next().unwrap_or(pattern);
        let anywhere = ObjectUri::parse("x://y").ok()?;
        let named = Pattern::parse(last, &anywhere).ok()?;
        let here = anywhere.join(object.file_name());
        named.captures_of(&here)?;
        return miss(usize::MAX - 1, format!("the name fits, but its objects lie below {}", parsed.prefix()));
    }
    let fits = longest_fit(pattern, landing, object)?;
    let rest = &pattern[fits..];
    if fits == 0 {
        return None;
    }
    let why = if rest.is_empty() {
        format!("its beginning fits {pattern}, and then the name goes on")
    } else {
        format!("it fits as far as {}, and then {rest} does not", &pattern[..fits])
    };
    miss(fits, why)
}

fn matches_in_any_case(pattern: &str, landing: &ObjectUri, object: &ObjectUri) -> bool {
    let parse = |text: &str| ObjectUri::parse(&text.to_lowercase()).ok();
    let (Some(landing), Some(object)) = (parse(landing.as_str()), parse(object.as_str())) else {
        return false;
    };
    Pattern::parse(&pattern.to_lowercase(), &landing).is_ok_and(|pattern| pattern.captures_of(&object).is_some())
}

/// How many bytes of the pattern, from its beginning, match a beginning of the object's name.
fn longest_fit(pattern: &str, landing: &ObjectUri, object: &ObjectUri) -> Option<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(c) = pattern[at..].chars().next() {
        let taken = if c == '{' { pattern[at..].find('}')? + 1 } else { c.len_utf8() };
        at += taken;
        ends.push(at);
    }
    // A capture is one or more characters within a folder, which may be written without a name; then anything follows.
    let begins = |end: usize| {
        let mut text = String::new();
        let mut rest = &pattern[..end];
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            text.push_str("?*");
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        text.push_str(rest);
        let text = format!("{}**", text.trim_end_matches('*'));
        Pattern::parse(&text, landing).is_ok_and(|pattern| pattern.captures_of(object).is_some())
    };
    // What matches shorter and shorter beginnings only grows, so the longest is found by halving.
    let fitting = ends.partition_point(|end| begins(*end));
    Some(fitting.checked_sub(1).map_or(0, |last| ends[last]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(pattern: &str, object: &str) -> Option<String> {
        let landing = ObjectUri::parse("s3://landing/in").unwrap();
        let object = ObjectUri::parse(object).unwrap();
        near_miss(&DatasetId::new("d"), pattern, &landing, &object).map(|miss| miss.why)
    }

    #[test]
    fn near_misses_say_where_the_pattern_parts_from_the_name() {
        for (pattern, object, expected) in [
            ("flats_{day}.zip", "s3://landing/in/flats_1.zip", None),
            ("flats_{day}.zip", "s3://landing/in/Flats_1.ZIP", Some("small and capital letters differ")),
            (
                "flats_{day}.zip",
                "s3://landing/other/flats_1.zip",
                Some("the name fits, but its objects lie below s3://landing/in/"),
            ),
            (
                "flats_{day}.zip",
                "s3://landing/in/flats_1.zap",
                Some("it fits as far as flats_{day}.z, and then ip does not"),
            ),
            (
                "flats_{day}.zip",
                "s3://landing/in/flats_1.zip.part",
                Some("its beginning fits flats_{day}.zip, and then the name goes on"),
            ),
            ("flats_{day}.zip", "s3://landing/in/rents.csv", None),
            ("flats_{day}.zip", "s3://elsewhere/rents.csv", None),
            (
                "date={d}/*.json",
                "s3://landing/in/date=1/x/y.json",
                Some("it fits as far as date={d}/*, and then .json does not"),
            ),
        ] {
            assert_eq!(why(pattern, object).as_deref(), expected, "{pattern} {object}");
        }
    }
}
