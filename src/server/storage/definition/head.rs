//! What stands before the condition of a query: `SELECT * FROM table [AS alias] WHERE`, and nothing else.
//!
//! Everything that a stream cannot have is refused here, with the reason.

use super::{condition::deeper, condition::keyword};
use crate::storage::text::{Fault, Lexeme};
use sqlparser::{keywords::Keyword, tokenizer::Token};

/// A query without its condition.
#[derive(Debug)]
pub struct Head<'q> {
    /// What is selected.
    pub selected: &'q [Lexeme],
    /// The table as it is written.
    pub table: &'q Lexeme,
    /// What the query calls the table.
    pub alias: String,
    /// The condition; none for all rows.
    pub condition: &'q [Lexeme],
}

const SHAPE: &str = "write SELECT * FROM table WHERE condition";
const ONE_TABLE: &str = "a stream reads one table. Instead of a join write column IN (SELECT column FROM other WHERE …)";

impl<'q> Head<'q> {
    /// Reads the words of one query of the text.
    pub fn read(text: &str, words: &'q [Lexeme]) -> Result<Self, Fault> {
        let refuse = |lexeme: Option<&Lexeme>, problem: &str| Err(Fault::at_byte(text, lexeme.map_or(text.trim_end().len(), |lexeme| lexeme.start), problem));
        let [select, rest @ ..] = words else { return refuse(None, SHAPE) };
        match (keyword(select), rest.first().and_then(keyword)) {
            (Some(Keyword::SELECT), Some(Keyword::DISTINCT | Keyword::ALL)) => {
                return refuse(rest.first(), "rows are distinct by their key. Leave this word out");
            }
            (Some(Keyword::SELECT), _) => {}
            (Some(Keyword::WITH), _) => {
                return refuse(Some(select), "WITH cannot be kept up to date row by row. Write column IN (SELECT column FROM table WHERE …)");
            }
            _ => return refuse(Some(select), SHAPE),
        }
        let Some(from) = outside(rest, &[Keyword::FROM]) else { return refuse(rest.first(), SHAPE) };
        let (selected, rest) = (&rest[..from], &rest[from + 1..]);
        let [table, rest @ ..] = rest else { return refuse(None, SHAPE) };
        let Token::Word(name) = &table.word.token else { return refuse(Some(table), "name a table here. A subquery stands in column IN (SELECT …)") };
        let is = |rest: &[Lexeme], token| rest.first().is_some_and(|next| next.word.token == token);
        if is(rest, Token::Period) {
            return refuse(Some(table), "write the name of the table alone, without that of a database");
        }
        if is(rest, Token::LParen) {
            return refuse(Some(table), "a function is no table, and nobody tells when its rows change");
        }
        let (alias, rest) = match rest {
            [r#as, alias, rest @ ..] if keyword(r#as) == Some(Keyword::AS) => (alias, rest),
            [alias, rest @ ..] if is_alias(alias) => (alias, rest),
            rest => (table, rest),
        };
        let condition = match rest {
            [] => rest,
            [r#where, condition @ ..] if keyword(r#where) == Some(Keyword::WHERE) => condition,
            [other, ..] => return refuse(Some(other), clause(other)),
        };
        if let Some(at) = outside(condition, CLAUSES) {
            return refuse(condition.get(at), clause(&condition[at]));
        }
        let alias = match &alias.word.token {
            Token::Word(alias) => alias.value.clone(),
            _ => name.value.clone(),
        };
        if ["auth", "params"].iter().any(|taken| alias.eq_ignore_ascii_case(taken)) {
            return refuse(Some(table), "auth and params stand for what is asked. Call the table something else: FROM table AS other");
        }
        Ok(Self { selected, table, alias, condition })
    }

    /// What is selected, without the name of the table before it.
    pub fn unqualified(&self) -> &'q [Lexeme] {
        match self.selected {
            [qualifier, dot, rest @ ..] if dot.word.token == Token::Period && self.is_alias(qualifier) => rest,
            selected => selected,
        }
    }

    fn is_alias(&self, lexeme: &Lexeme) -> bool {
        matches!(&lexeme.word.token, Token::Word(word) if word.value.eq_ignore_ascii_case(&self.alias))
    }
}

fn is_alias(lexeme: &Lexeme) -> bool {
    let quoted = matches!(&lexeme.word.token, Token::Word(word) if word.quote_style.is_some());
    quoted || keyword(lexeme) == Some(Keyword::NoKeyword)
}

/// What may follow a condition.
const CLAUSES: &[Keyword] = &[
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::FOR,
    Keyword::UNION,
    Keyword::INTERSECT,
    Keyword::EXCEPT,
];

/// Why a clause is refused.
fn clause(lexeme: &Lexeme) -> &'static str {
    match keyword(lexeme) {
        Some(Keyword::GROUP | Keyword::HAVING | Keyword::WINDOW) => {
            "a group cannot be kept up to date row by row. Replicate the rows, and group them where they are shown"
        }
        Some(Keyword::ORDER) => "rows replicate without an order. Leave it out, and order them where they are shown",
        Some(Keyword::LIMIT | Keyword::OFFSET | Keyword::FETCH) => {
            "what a limit leaves depends on all other rows. Leave it out, or say by a condition which rows are wanted"
        }
        Some(Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT) => "a stream is one SELECT. Write OR, or a second stream",
        Some(Keyword::FOR) => SHAPE,
        _ => ONE_TABLE,
    }
}

/// Where the first of these keywords stands outside of all parentheses.
fn outside(words: &[Lexeme], keywords: &[Keyword]) -> Option<usize> {
    let mut depth = 0;
    words.iter().position(|lexeme| {
        depth = deeper(depth, lexeme);
        depth == 0 && keyword(lexeme).is_some_and(|keyword| keywords.contains(&keyword))
    })
}
