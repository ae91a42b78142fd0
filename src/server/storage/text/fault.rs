//! What is wrong with a text of the configuration, shown at its place.

use sqlparser::tokenizer::Location;
use std::fmt;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The line itself.
    pub excerpt: String,
    /// What is wrong.
    pub problem: String,
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, excerpt, problem } = self;
        // Tabs stay tabs, so that the mark stands below its place.
        let indent: String = excerpt.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
        write!(f, "line {line}, column {column}: {problem}\n    {excerpt}\n    {indent}^")
    }
}

impl Fault {
    /// At a byte of the text.
    pub fn at_byte(text: &str, byte: usize, problem: impl Into<String>) -> Self {
        let before: String = text.char_indices().take_while(|(at, _)| *at < byte).map(|(_, c)| c).collect();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self::at(text, before.matches('\n').count() + 1, column, problem)
    }

    /// At a place that the parser names.
    pub fn at_location(text: &str, location: Location, problem: impl Into<String>) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        match location.line {
            // The parser has no place for the end.
            0 => Self::at_byte(text, text.trim_end().len(), problem),
            line => Self::at(text, number(line), number(location.column.max(1)), problem),
        }
    }

    fn at(text: &str, line: usize, column: usize, problem: impl Into<String>) -> Self {
        Self { line, column, excerpt: text.lines().nth(line - 1).unwrap_or_default().to_owned(), problem: problem.into() }
    }
}
