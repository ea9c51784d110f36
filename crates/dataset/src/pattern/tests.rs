use std::collections::HashSet;

use lakehand_domain::object::ObjectUri;
use proptest::prelude::*;

use super::*;

fn landing() -> ObjectUri {
    ObjectUri::parse("s3://landing/in").unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, &landing()).unwrap()
}

fn uri(text: &str) -> ObjectUri {
    ObjectUri::parse(text).unwrap()
}

#[test]
fn patterns_match_whole_uris_as_the_store_holds_them() {
    for (text, object, expected) in [
        ("*.zip", "s3://landing/in/a.zip", Some(vec![])),
        ("*.zip", "s3://landing/in/.zip", Some(vec![])),
        ("*.zip", "s3://landing/in/b/a.zip", None),
        ("*.zip", "s3://landing/in/a.zip.part", None),
        ("*.zip", "s3://landing/other/a.zip", None),
        ("*.zip", "s3://landing/in/a.ZIP", None),
        ("**.zip", "s3://landing/in/b/c/a.zip", Some(vec![])),
        ("**/*.zip", "s3://landing/in/a.zip", Some(vec![])),
        ("**/*.zip", "s3://landing/in/b/c/a.zip", Some(vec![])),
        ("a/**/b", "s3://landing/in/a/b", Some(vec![])),
        ("a/**/b", "s3://landing/in/axb", None),
        ("a/**", "s3://landing/in/a/b/c", Some(vec![])),
        ("a?c", "s3://landing/in/aéc", Some(vec![])),
        ("a?c", "s3://landing/in/a/c", None),
        ("a?c", "s3://landing/in/ac", None),
        ("a.c", "s3://landing/in/abc", None),
        ("a+b [1].json", "s3://landing/in/a+b [1].json", Some(vec![])),
        ("größe 日本*.csv", "s3://landing/in/größe 日本 2026.csv", Some(vec![])),
        ("a%20b", "s3://landing/in/a b", None),
        ("flats_{date}.zip", "s3://landing/in/flats_20190113.zip", Some(vec![("date", "20190113")])),
        ("flats_{date}.zip", "s3://landing/in/flats_.zip", None),
        ("{name}_{date}.csv", "s3://landing/in/a_b_2020.csv", Some(vec![("date", "2020"), ("name", "a_b")])),
        ("d={d}/h={h}/*", "s3://landing/in/d=ü +/h=00/x", Some(vec![("d", "ü +"), ("h", "00")])),
        ("s3://else/{k}", "s3://else/a\nb", Some(vec![("k", "a\nb")])),
        ("file:///data/in/*", "file:///data/in/x", Some(vec![])),
    ] {
        let found = pattern(text).captures_of(&uri(object));
        let expected: Option<BTreeMap<String, String>> =
            expected.map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        assert_eq!(found, expected, "{text} on {object}");
    }
}

#[test]
fn the_landing_is_taken_literally() {
    let landing = uri("file:///data/{x}*/in/");
    let pattern = Pattern::parse("*.csv", &landing).unwrap();
    assert!(pattern.captures_of(&uri("file:///data/{x}*/in/a.csv")).is_some());
    assert!(pattern.captures_of(&uri("file:///data/yz/in/a.csv")).is_none());
    assert_eq!(pattern.prefix().as_str(), "file:///data/{x}*/in/");
    assert_eq!(pattern.below_prefix(), "*.csv");
}

#[test]
fn prefixes_are_the_literal_folders() {
    for (text, prefix, below) in [
        ("a*.zip", "s3://landing/in/", "a*.zip"),
        ("raw/date={date}/x.json", "s3://landing/in/raw/", "date={date}/x.json"),
        ("raw/x.json", "s3://landing/in/raw/", "x.json"),
        ("**/x.json", "s3://landing/in/", "**/x.json"),
        ("s3://b/*", "s3://b/", "*"),
        ("file:///*", "file:///", "*"),
    ] {
        assert_eq!((pattern(text).prefix().as_str(), pattern(text).below_prefix().as_str()), (prefix, below), "{text}");
    }
}

#[test]
fn what_is_no_pattern_says_why() {
    for (text, why) in [
        ("", "it is empty"),
        ("/a", "it starts with a slash; write it relative to the landing, or with its scheme"),
        ("a/", "it ends with a slash and so names no object; for all objects below it, end it with **"),
        ("a{b", "a { is not closed"),
        ("a}b", "a } closes nothing"),
        ("{B}", "{B} is not a capture: a name is small letters, digits and _, and begins with a letter"),
        ("{}", "{} is not a capture: a name is small letters, digits and _, and begins with a letter"),
        ("{a}{b}", "{b} follows another wildcard directly, so that nothing says where it begins"),
        ("*{b}", "{b} follows another wildcard directly, so that nothing says where it begins"),
        ("{b}*", "a star follows {b} directly, so that nothing says where it ends"),
        ("{a}/{a}", "{a} stands in it twice"),
        ("***", "more than two stars stand together"),
        ("s3://b*/x", "its scheme and bucket must be written out, without wildcards"),
        ("*://b/x", "its scheme and bucket must be written out, without wildcards"),
        ("s3://bucket", "its scheme and bucket must be written out, without wildcards"),
        ("a\tb", "it holds a control character"),
    ] {
        let error = Pattern::parse(text, &landing()).unwrap_err();
        assert_eq!(error.why, why, "{text}");
    }
}

#[test]
fn what_is_below_a_prefix_is_matched() {
    let below = Pattern::below(&uri("s3://lake/out/")).unwrap();
    assert!(below.captures_of(&uri("s3://lake/out/a/b")).is_some());
    assert!(below.captures_of(&uri("s3://lake/outer")).is_none());
    assert_eq!(below.common_example(&pattern("s3://lake/*/x")).as_deref(), Some("s3://lake/out/x"));
}

#[test]
fn intersections_come_with_an_example() {
    for (one, other, example) in [
        ("*.zip", "a*", Some("s3://landing/in/a.zip")),
        ("*.zip", "*.json", None),
        ("a/*", "a/b/*", None),
        ("a/**", "a/b/*.x", Some("s3://landing/in/a/b/.x")),
        ("**/b", "b", Some("s3://landing/in/b")),
        ("{x}", "*", Some("s3://landing/in/x")),
        ("?", "??", None),
        ("s3://landing/in/é?", "*", Some("s3://landing/in/éx")),
        ("s3://landing/**", "s3://other/**", None),
    ] {
        assert_eq!(pattern(one).common_example(&pattern(other)).as_deref(), example, "{one} and {other}");
        assert_eq!(pattern(other).common_example(&pattern(one)).map(|text| text.len()), example.map(str::len));
    }
}

/// Every text of up to five characters out of three.
fn all_texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut longest = texts.clone();
    for _ in 0..5 {
        longest = longest.iter().flat_map(|text| ["a", "b", "/"].map(|c| format!("{text}{c}"))).collect();
        texts.extend(longest.iter().cloned());
    }
    texts
}

fn any_pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[ab]", "[ab]", Just("/".to_owned()), Just("*".to_owned()), Just("?".to_owned())];
    let more =
        prop_oneof![4 => piece, 1 => Just("**".to_owned()), 1 => Just("/**/".to_owned()), 1 => Just("{c}".to_owned())];
    prop::collection::vec(more, 1..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intersection_agrees_with_trying_every_text(one in any_pattern(), other in any_pattern()) {
        let base = uri("s3://b");
        let (Ok(one), Ok(other)) = (Pattern::parse(&one, &base), Pattern::parse(&other, &base)) else {
            return Ok(());
        };
        let matched = |pattern: &Pattern, text: &str| pattern.captures_of(&uri(&format!("s3://b/{text}"))).is_some();
        let both: HashSet<String> =
            all_texts().into_iter().filter(|text| matched(&one, text) && matched(&other, text)).collect();
        match one.common_example(&other) {
            Some(example) => {
                let text = example.strip_prefix("s3://b/").unwrap();
                prop_assert!(matched(&one, text) && matched(&other, text), "{} is not matched by both", example);
                let shortest = both.iter().map(String::len).min();
                prop_assert!(shortest.is_none_or(|shortest| shortest >= text.len()), "{} is not the shortest", example);
            }
            None => prop_assert!(both.is_empty(), "missed {:?}", both),
        }
    }
}
