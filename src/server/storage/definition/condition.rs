//! The boolean skeleton of a condition: AND, OR, NOT and parentheses, down to what stands between them.
//!
//! It is read from the words and not from a parsed tree, so that every part keeps its text: SQLite gets that,
//! and reads it by its own precedences. AND, OR and NOT bind weakest in every dialect.

use crate::storage::text::Lexeme;
use sqlparser::{keywords::Keyword, tokenizer::Token};

/// A condition over some words of the text.
#[derive(Debug)]
pub enum Tree<'q> {
    /// All of them.
    All(Vec<Tree<'q>>),
    /// One of them.
    Any(Vec<Tree<'q>>),
    /// The contrary.
    Not(Box<Tree<'q>>),
    /// What has no further parts.
    Atom(&'q [Lexeme]),
}

impl<'q> Tree<'q> {
    /// Reads words that a parser has accepted.
    pub fn read(words: &'q [Lexeme]) -> Self {
        let parts = split(words, Keyword::OR);
        if parts.len() > 1 {
            return Self::Any(parts.into_iter().map(Self::all).collect());
        }
        Self::all(words)
    }

    /// The words that it begins with.
    pub fn words(&self) -> &'q [Lexeme] {
        match self {
            Self::All(trees) | Self::Any(trees) => trees.first().map_or(&[], Self::words),
            Self::Not(tree) => tree.words(),
            Self::Atom(words) => words,
        }
    }

    fn all(words: &'q [Lexeme]) -> Self {
        let parts = split(words, Keyword::AND);
        if parts.len() > 1 {
            return Self::All(parts.into_iter().map(Self::one).collect());
        }
        Self::one(words)
    }

    fn one(words: &'q [Lexeme]) -> Self {
        match words {
            [not, rest @ ..] if keyword(not) == Some(Keyword::NOT) => Self::Not(Box::new(Self::one(rest))),
            [open, inner @ .., _] if open.word.token == Token::LParen && closing(words) == Some(words.len() - 1) && is_condition(inner) => Self::read(inner),
            _ => Self::Atom(words),
        }
    }
}

/// The keyword that a word is.
pub fn keyword(lexeme: &Lexeme) -> Option<Keyword> {
    match &lexeme.word.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// Where the parenthesis that the words begin with is closed.
pub fn closing(words: &[Lexeme]) -> Option<usize> {
    let mut depth = 0_usize;
    words.iter().position(|lexeme| {
        depth = deeper(depth, lexeme);
        depth == 0
    })
}

/// How many parentheses and CASEs are open behind a word.
pub fn deeper(depth: usize, lexeme: &Lexeme) -> usize {
    match (&lexeme.word.token, keyword(lexeme)) {
        (Token::LParen, _) | (_, Some(Keyword::CASE)) => depth + 1,
        (Token::RParen, _) | (_, Some(Keyword::END)) => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Whether what stands in parentheses is a condition, and no subquery or row of values.
fn is_condition(inner: &[Lexeme]) -> bool {
    let mut depth = 0;
    let has_comma = inner.iter().any(|lexeme| {
        depth = deeper(depth, lexeme);
        depth == 0 && lexeme.word.token == Token::Comma
    });
    let begins = inner.first().and_then(keyword);
    !has_comma && !matches!(begins, Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES))
}

/// The parts between a keyword outside of all parentheses. The AND of a BETWEEN is none.
fn split(words: &[Lexeme], at: Keyword) -> Vec<&[Lexeme]> {
    let (mut depth, mut betweens, mut start) = (0, 0_usize, 0);
    let mut parts = Vec::new();
    for (nth, lexeme) in words.iter().enumerate() {
        depth = deeper(depth, lexeme);
        let Some(keyword) = keyword(lexeme).filter(|_| depth == 0) else { continue };
        match keyword {
            Keyword::BETWEEN => betweens += 1,
            Keyword::AND if betweens > 0 => betweens -= 1,
            keyword if keyword == at => {
                parts.push(&words[start..nth]);
                start = nth + 1;
            }
            _ => {}
        }
    }
    parts.push(&words[start..]);
    parts
}
