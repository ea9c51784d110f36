//! A place in the tokens of a statement.

use super::refusal::Refusal;
use super::token::{Kind, Token, quote_name};

/// A table's or view's name, schema first where it is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName(pub(crate) Vec<String>);

impl ObjectName {
    /// For PostgreSQL.
    pub(crate) fn quoted(&self) -> String {
        self.0.iter().map(|part| quote_name(part)).collect::<Vec<_>>().join(".")
    }

    /// The last part.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// As people write it.
    pub(crate) fn told(&self) -> String {
        self.0.join(".")
    }
}

/// Reads tokens one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first token.
    pub(crate) fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, at: 0 }
    }

    /// The next token, which is not taken.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    /// The token after the next.
    pub(crate) fn peek_second(&self) -> Option<&'a Token> {
        self.tokens.get(self.at + 1)
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += usize::from(token.is_some());
        token
    }

    /// What has not been taken.
    pub(crate) fn rest(&self) -> &'a [Token] {
        &self.tokens[self.at..]
    }

    /// Takes these words if they come next, all or none.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let come = words
            .iter()
            .enumerate()
            .all(|(offset, word)| self.tokens.get(self.at + offset).is_some_and(|token| token.is_word(word)));
        if come {
            self.at += words.len();
        }
        come
    }

    /// Takes this word if it comes next.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Takes this symbol if it comes next.
    pub(crate) fn symbol(&mut self, symbol: &str) -> bool {
        let comes = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(comes);
        comes
    }

    /// Takes this word, or refuses.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), Refusal> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes this symbol, or refuses.
    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<(), Refusal> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a name.
    pub(crate) fn name(&mut self) -> Result<String, Refusal> {
        let name = self.peek().and_then(Token::name).ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(name)
    }

    /// Takes a name with its schema and database.
    pub(crate) fn object_name(&mut self) -> Result<ObjectName, Refusal> {
        let mut parts = vec![self.name()?];
        while self.symbol(".") {
            parts.push(self.name()?);
        }
        match parts.len() {
            // The database, which can only be the one we are in.
            3 => Ok(ObjectName(parts.split_off(1))),
            1 | 2 => Ok(ObjectName(parts)),
            _ => Err(Refusal::new(format!("improper qualified name (too many dotted names): {}", parts.join(".")))),
        }
    }

    /// Takes a string literal.
    pub(crate) fn text(&mut self) -> Result<String, Refusal> {
        match self.peek() {
            Some(token) if token.kind == Kind::Text => {
                self.at += 1;
                Ok(token.text.clone())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self) -> Result<i64, Refusal> {
        let negative = self.symbol("-");
        let number = self.peek().filter(|token| token.kind == Kind::Number).and_then(|token| token.text.parse().ok());
        let number: i64 = number.ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(if negative { -number } else { number })
    }

    /// Takes what is between the next parenthesis and its partner.
    pub(crate) fn parenthesized(&mut self) -> Result<&'a [Token], Refusal> {
        self.expect_symbol("(")?;
        let start = self.at;
        let mut depth = 1_usize;
        while let Some(token) = self.take() {
            if token.is_symbol("(") {
                depth += 1;
            } else if token.is_symbol(")") {
                depth -= 1;
                if depth == 0 {
                    return Ok(&self.tokens[start..self.at - 1]);
                }
            }
        }
        Err(self.unexpected())
    }

    /// Takes a list of names in parentheses.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, Refusal> {
        let inside = self.parenthesized()?;
        let mut names = Vec::new();
        for piece in commas(inside) {
            let mut cursor = Cursor::new(piece);
            names.push(cursor.name()?);
            cursor.end()?;
        }
        Ok(names)
    }

    /// Nothing may come any more.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What is said to the next token.
    pub(crate) fn unexpected(&self) -> Refusal {
        self.peek().map_or_else(|| Refusal::new("syntax error at end of input"), |token| Refusal::near(&told(token)))
    }
}

/// A token as an error shows it.
fn told(token: &Token) -> String {
    match token.kind {
        Kind::Word => token.text.to_ascii_lowercase(),
        Kind::Text => format!("'{}'", token.text),
        _ => token.text.clone(),
    }
}

/// The pieces between commas that are in no parenthesis.
pub(crate) fn commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, token) in tokens.iter().enumerate() {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= 1;
        } else if depth == 0 && token.is_symbol(",") {
            pieces.push(&tokens[start..at]);
            start = at + 1;
        }
    }
    pieces.push(&tokens[start..]);
    pieces
}
