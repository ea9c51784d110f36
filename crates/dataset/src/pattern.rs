//! Patterns of object URIs: which objects a dataset reads, and what their names say.
//!
//! | written | means |
//! |---|---|
//! | `*` | any number of characters within one folder, also none |
//! | `**` | any number of characters across folders; `**/` also none at all, so that `a/**/b` finds `a/b` |
//! | `?` | one character, not `/` |
//! | `{name}` | one or more characters, not `/`, kept as the capture `name`; an earlier one takes as much as it can |
//! | anything else | itself; keys are compared as the store holds them, never URL-encoded |
//!
//! A pattern without a scheme lies below the landing.
//!
//! ```
//! use lakehand_dataset::pattern::Pattern;
//! use lakehand_domain::object::ObjectUri;
//!
//! let landing = ObjectUri::parse("s3://landing/in").unwrap();
//! let pattern = Pattern::parse("date={date}/**/*.json.gz", &landing).unwrap();
//! let object = ObjectUri::parse("s3://landing/in/date=2020-01-01/hour=00/a b.json.gz").unwrap();
//! assert_eq!(pattern.captures_of(&object).unwrap()["date"], "2020-01-01");
//! assert_eq!(pattern.prefix().as_str(), "s3://landing/in/");
//! ```

mod intersect;

use std::collections::BTreeMap;

use lakehand_domain::object::ObjectUri;
use regex::Regex;

/// A pattern of object URIs, ready to match.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
    captures: Vec<String>,
    regex: Regex,
    prefix: ObjectUri,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a pattern of objects: {why}")]
pub struct PatternError {
    text: String,
    why: String,
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Literal(char),
    /// One character, not a slash.
    One,
    /// Any number of characters that are not slashes.
    Within,
    /// Any number of characters.
    Across,
    /// Nothing, or anything that ends with a slash.
    Folders,
    /// One or more characters that are not slashes.
    Capture(String),
}

/// Longer patterns are refused, so that matching and intersecting stay cheap.
const MAX_CHARACTERS: usize = 1024;

impl Pattern {
    /// Reads a pattern; one without a scheme lies below `landing`.
    pub fn parse(text: &str, landing: &ObjectUri) -> Result<Self, PatternError> {
        let refuse = |why: String| PatternError { text: text.to_owned(), why };
        let (root, rest) = if text.contains("://") {
            ("", text)
        } else if text.starts_with('/') {
            return Err(refuse(
                "it starts with a slash; write it relative to the landing, or with its scheme".to_owned(),
            ));
        } else {
            (landing.as_str().strip_suffix('/').unwrap_or(landing.as_str()), text)
        };
        if rest.is_empty() {
            return Err(refuse("it is empty".to_owned()));
        }
        if rest.ends_with('/') {
            return Err(refuse(
                "it ends with a slash and so names no object; for all objects below it, end it with **".to_owned(),
            ));
        }
        if rest.chars().count() > MAX_CHARACTERS {
            return Err(refuse(format!("it is longer than {MAX_CHARACTERS} characters")));
        }
        let mut tokens: Vec<Token> = root.chars().map(Token::Literal).collect();
        if !root.is_empty() {
            tokens.push(Token::Literal('/'));
        }
        tokenize(rest, &mut tokens).map_err(refuse)?;
        let prefix = literal_folder(&tokens).and_then(|prefix| ObjectUri::parse(&prefix).ok());
        let prefix =
            prefix.ok_or_else(|| refuse("its scheme and bucket must be written out, without wildcards".to_owned()))?;
        let captures = captures_of(&tokens).map_err(refuse)?;
        let regex = Regex::new(&regex_of(&tokens)).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { text: text.to_owned(), tokens, captures, regex, prefix })
    }

    /// All objects below a prefix.
    pub fn below(prefix: &ObjectUri) -> Result<Self, PatternError> {
        let text = format!("{}/**", prefix.as_str().strip_suffix('/').unwrap_or(prefix.as_str()));
        let tokens: Vec<Token> = text[..text.len() - 2].chars().map(Token::Literal).chain([Token::Across]).collect();
        let regex = Regex::new(&regex_of(&tokens))
            .map_err(|error| PatternError { text: text.clone(), why: error.to_string() })?;
        Ok(Self { text, tokens, captures: Vec::new(), regex, prefix: prefix.clone() })
    }

    /// As the definition writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its captures, in order.
    pub fn captures(&self) -> &[String] {
        &self.captures
    }

    /// The longest folder that all its objects lie below, ending with a slash: where to look for them.
    pub fn prefix(&self) -> &ObjectUri {
        &self.prefix
    }

    /// The pattern without the folder of [`Pattern::prefix`]: what decides the captures, wherever the objects lie.
    pub(crate) fn below_prefix(&self) -> String {
        let start = self.prefix.as_str().chars().count().min(self.tokens.len());
        let mut text = String::new();
        for token in &self.tokens[start..] {
            match token {
                Token::Literal(c) => text.push(*c),
                Token::One => text.push('?'),
                Token::Within => text.push('*'),
                Token::Across => text.push_str("**"),
                Token::Folders => text.push_str("**/"),
                Token::Capture(name) => {
                    text.push('{');
                    text.push_str(name);
                    text.push('}');
                }
            }
        }
        text
    }

    /// The captures of an object's name, if the pattern matches it.
    pub fn captures_of(&self, object: &ObjectUri) -> Option<BTreeMap<String, String>> {
        let found = self.regex.captures(object.as_str())?;
        let values = self.captures.iter().enumerate();
        Some(values.filter_map(|(at, name)| Some((name.clone(), found.get(at + 1)?.as_str().to_owned()))).collect())
    }

    /// A shortest URI that both patterns match, if there is one.
    pub fn common_example(&self, other: &Self) -> Option<String> {
        intersect::common_example(&self.tokens, &other.tokens)
    }
}

fn tokenize(text: &str, tokens: &mut Vec<Token>) -> Result<(), String> {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '*' => {
                let stars = rest.bytes().take_while(|byte| *byte == b'*').count();
                taken = stars;
                let begins_folder = matches!(tokens.last(), Some(Token::Literal('/') | Token::Folders));
                if stars > 2 {
                    return Err("more than two stars stand together".to_owned());
                } else if stars == 2 && begins_folder && rest[2..].starts_with('/') {
                    taken += 1;
                    tokens.push(Token::Folders);
                } else {
                    tokens.push(if stars == 2 { Token::Across } else { Token::Within });
                }
            }
            '?' => tokens.push(Token::One),
            '{' => {
                let end = rest.find('}').ok_or("a { is not closed")?;
                let name = &rest[1..end];
                if !is_capture_name(name) {
                    return Err(format!(
                        "{{{name}}} is not a capture: a name is small letters, digits and _, and begins with a letter"
                    ));
                }
                if matches!(tokens.last(), Some(Token::Capture(_) | Token::Within | Token::Across)) {
                    return Err(format!(
                        "{{{name}}} follows another wildcard directly, so that nothing says where it begins"
                    ));
                }
                taken = end + 1;
                if rest[taken..].starts_with('*') {
                    return Err(format!("a star follows {{{name}}} directly, so that nothing says where it ends"));
                }
                tokens.push(Token::Capture(name.to_owned()));
            }
            '}' => return Err("a } closes nothing".to_owned()),
            c if c.is_control() => return Err("it holds a control character".to_owned()),
            c => tokens.push(Token::Literal(c)),
        }
        rest = &rest[taken..];
    }
    Ok(())
}

fn is_capture_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn captures_of(tokens: &[Token]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for token in tokens {
        if let Token::Capture(name) = token {
            if names.contains(name) {
                return Err(format!("{{{name}}} stands in it twice"));
            }
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The literal beginning of the pattern up to its last slash, which must hold at least scheme and bucket.
fn literal_folder(tokens: &[Token]) -> Option<String> {
    let literal: String = tokens
        .iter()
        .map_while(|token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        })
        .collect();
    let end = literal.rfind('/')?;
    let scheme_end = literal.find("://")?;
    (end >= scheme_end + 3).then(|| literal[..=end].to_owned())
}

fn regex_of(tokens: &[Token]) -> String {
    let mut regex = String::from(r"(?s)\A");
    for token in tokens {
        match token {
            Token::Literal(c) => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            Token::One => regex.push_str("[^/]"),
            Token::Within => regex.push_str("[^/]*"),
            Token::Across => regex.push_str(".*"),
            Token::Folders => regex.push_str("(?:.*/)?"),
            Token::Capture(_) => regex.push_str("([^/]+)"),
        }
    }
    regex.push_str(r"\z");
    regex
}

#[cfg(test)]
mod tests;
