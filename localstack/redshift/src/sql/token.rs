//! Words, names, literals and symbols of a statement.

use std::fmt::Write as _;

use super::LONGEST_NAME;
use super::refusal::Refusal;

/// One token; what lies between tokens (spaces and comments) is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// A word in upper case, a name in lower case without its quotes, a string's value, a parameter's name, or the symbol.
    pub(crate) text: String,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// A quoted name.
    Name,
    /// A string literal.
    Text,
    /// A number, as written.
    Number,
    /// An operator or punctuation.
    Symbol,
    /// `:name` of the Data API.
    Parameter,
    /// SQL for PostgreSQL, which is passed on as it is.
    Verbatim,
}

impl Token {
    /// Of this kind.
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// SQL that is passed on.
    pub(crate) fn verbatim(text: impl Into<String>) -> Self {
        Self::new(Kind::Verbatim, text)
    }

    /// Whether it is this keyword.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// Whether it is this symbol.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name it is, as Redshift folds it.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Name => Some(self.text.clone()),
            _ => None,
        }
    }
}

/// Cuts a statement into tokens. Names are folded to lower case whether they are quoted or not, as Redshift does while
/// `enable_case_sensitive_identifier` is off. A backslash in a string literal escapes, as Redshift has no
/// `standard_conforming_strings`.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>, Refusal> {
    let mut rest = sql;
    let mut found: Vec<Token> = Vec::new();
    while let Some(first) = rest.chars().next() {
        let second = rest.chars().nth(1).unwrap_or_default();
        let (token, left) = match first {
            _ if first.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            '-' if second == '-' => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '/' if second == '*' => {
                rest = after_comment(rest)?;
                continue;
            }
            '\'' => text(&rest[1..])?,
            '"' => quoted(&rest[1..])?,
            '$' if second == '$' => {
                let end = rest[2..].find("$$").ok_or_else(|| Refusal::syntax("unterminated dollar-quoted string"))?;
                (Token::new(Kind::Text, &rest[2..2 + end]), &rest[4 + end..])
            }
            ':' if is_word_start(second) => {
                let end = word_end(&rest[1..]);
                (Token::new(Kind::Parameter, &rest[1..=end]), &rest[1 + end..])
            }
            '0'..='9' => number(rest),
            '.' if second.is_ascii_digit() => number(rest),
            _ if is_word_start(first) => {
                let end = word_end(rest);
                checked_name(&rest[..end])?;
                (Token::new(Kind::Word, rest[..end].to_ascii_uppercase()), &rest[end..])
            }
            _ => symbol(rest),
        };
        found.push(token);
        rest = left;
    }
    Ok(found)
}

fn is_word_start(first: char) -> bool {
    first.is_ascii_alphabetic() || first == '_' || first == '#' || !first.is_ascii()
}

fn word_end(text: &str) -> usize {
    text.find(|next: char| !(is_word_start(next) || next.is_ascii_digit() || next == '$')).unwrap_or(text.len())
}

/// Comments nest.
fn after_comment(text: &str) -> Result<&str, Refusal> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(&text[at..]);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(Refusal::syntax("unterminated /* comment"))
}

/// The value of a string literal whose opening quote is behind us.
fn text(body: &str) -> Result<(Token, &str), Refusal> {
    let mut value = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if body[at + 1..].starts_with('\'') => {
                letters.next();
                value.push('\'');
            }
            '\'' => return Ok((Token::new(Kind::Text, value), &body[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'b')) => value.push('\u{8}'),
                Some((_, 'f')) => value.push('\u{c}'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err(Refusal::syntax("unterminated quoted string"))
}

fn quoted(body: &str) -> Result<(Token, &str), Refusal> {
    let mut value = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if body[at + 1..].starts_with('"') => {
                letters.next();
                value.push('"');
            }
            '"' => {
                if value.is_empty() {
                    return Err(Refusal::syntax("zero-length delimited identifier at or near \"\"\"\""));
                }
                checked_name(&value)?;
                return Ok((Token::new(Kind::Name, value.to_ascii_lowercase()), &body[at + 1..]));
            }
            other => value.push(other),
        }
    }
    Err(Refusal::syntax("unterminated quoted identifier"))
}

fn checked_name(name: &str) -> Result<(), Refusal> {
    if name.len() > LONGEST_NAME {
        return Err(Refusal::stand_in(format!(
            "the name {name:?} has {} bytes; Redshift keeps 127, PostgreSQL behind the stand-in only {LONGEST_NAME}",
            name.len()
        )));
    }
    Ok(())
}

fn number(text: &str) -> (Token, &str) {
    let digits = |text: &str| text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    let mut end = digits(text);
    if text[end..].starts_with('.') {
        end += 1 + digits(&text[end + 1..]);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let power = digits(&text[end + 1 + sign..]);
        if power > 0 {
            end += 1 + sign + power;
        }
    }
    (Token::new(Kind::Number, &text[..end]), &text[end..])
}

const SYMBOLS: [&str; 22] = [
    "->>", "#>>", "!~*", "::", "||", "<>", "!=", "<=", ">=", ":=", "=>", "->", "#>", "@>", "<@", "!~", "~*", "<<",
    ">>", "&&", "@-", "|/",
];

fn symbol(text: &str) -> (Token, &str) {
    let known = SYMBOLS
        .iter()
        .find(|symbol| text.starts_with(**symbol))
        .map_or_else(|| text.chars().next().map_or(0, char::len_utf8), |symbol| symbol.len());
    (Token::new(Kind::Symbol, &text[..known]), &text[known..])
}

/// Splits tokens where a semicolon ends a statement. An empty piece is left out.
pub(crate) fn statements(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut pieces = vec![Vec::new()];
    for token in tokens {
        if token.is_symbol(";") {
            pieces.push(Vec::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(token);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The tokens as SQL for PostgreSQL.
pub(crate) fn render(tokens: &[Token]) -> String {
    let mut sql = String::new();
    let mut tight = true;
    for token in tokens {
        let symbol = token.kind == Kind::Symbol;
        let clings = symbol && matches!(token.text.as_str(), "." | "," | ")" | "::" | ";" | "]");
        if !tight && !clings {
            sql.push(' ');
        }
        match token.kind {
            Kind::Name => sql.push_str(&quote_name(&token.text)),
            Kind::Text => sql.push_str(&quote_text(&token.text)),
            // Nothing refers to a parameter by the time SQL is rendered; one that is left is an error of PostgreSQL's.
            Kind::Parameter => {
                let _infallible = write!(sql, ":{}", token.text);
            }
            Kind::Word => sql.push_str(&lower(&token.text)),
            _ => sql.push_str(&token.text),
        }
        tight = symbol && matches!(token.text.as_str(), "." | "(" | "::" | "[");
    }
    sql
}

/// Words go out in lower case, which names of result columns show.
fn lower(word: &str) -> String {
    word.to_ascii_lowercase()
}

/// A name in quotes.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal, whatever is in it.
pub(crate) fn quote_text(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests;
