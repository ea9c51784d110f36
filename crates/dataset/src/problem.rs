//! What is wrong with a definition, and where.

use std::fmt;

use serde::Serialize;

/// One definition file, read into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// How people find it: the path that problems name.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path of the definition file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1; where the problem sits at one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The key at fault, `tables.flats.columns.base_rent.type`; empty for the file as a whole.
    pub key_path: String,
    /// What is wrong, in words.
    pub message: String,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key_path.is_empty() {
            write!(f, "{}: ", self.key_path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What a check gives where it has noted a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted;

/// Collects the problems of one file and turns byte offsets into lines.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a DefinitionFile,
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a DefinitionFile) -> Self {
        let line_starts =
            std::iter::once(0).chain(file.text.match_indices('\n').map(|(at, _)| at + 1)).collect::<Vec<_>>();
        Self { file, line_starts, problems: Vec::new() }
    }

    /// Notes a problem at a byte offset.
    pub(crate) fn add(&mut self, at: usize, key_path: impl Into<String>, message: impl Into<String>) {
        self.note(at, key_path.into(), message.into(), None);
    }

    /// Notes a problem and what to do about it.
    pub(crate) fn advise(
        &mut self,
        at: usize,
        key_path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(at, key_path.into(), message.into(), Some(hint.into()));
    }

    fn note(&mut self, at: usize, key_path: String, message: String, hint: Option<String>) {
        let (line, column) = self.place(at);
        self.problems.push(Problem {
            file: self.file.path.clone(),
            line,
            column: Some(column),
            key_path,
            message,
            hint,
        });
    }

    /// The line and the character within it of a byte offset, both from 1.
    pub(crate) fn place(&self, at: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let before = self.file.text.get(self.line_starts[line - 1]..at).unwrap_or("");
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count() + 1))
    }

    /// Drops what was noted after the first `count` problems on lines on which one of those stands.
    pub(crate) fn keep_first_of_lines(&mut self, count: usize) {
        let later = self.problems.split_off(count.min(self.problems.len()));
        let lines: Vec<u32> = self.problems.iter().map(|problem| problem.line).collect();
        self.problems.extend(later.into_iter().filter(|problem| !lines.contains(&problem.line)));
    }

    /// Whether something was said of exactly this key already.
    pub(crate) fn has_said(&self, key_path: &str) -> bool {
        self.problems.iter().any(|problem| problem.key_path == key_path)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}
