//! One comparison of a condition: does it ask about the row, about who asks, or does it join the two?
//!
//! Only two things may join them, since only these name the rows by a value: `column = auth…` and
//! `column IN (SELECT …)`. Whatever else does is refused with the reason and what to write instead.

use super::{
    condition::{closing, deeper, keyword},
    schema::{Class, Column, Table},
};
use crate::storage::text::{self, Fault, Known, Lexeme, Mention, Query};
use sqlparser::{
    ast::{BinaryOperator, Expr, Ident, visit_expressions},
    keywords::Keyword,
    tokenizer::Token,
};
use std::ops::ControlFlow;

/// What a comparison is about.
pub enum Atom<'q> {
    /// The row alone.
    Row,
    /// Who asks alone.
    Request,
    /// `column = auth…`
    Equal { column: String, class: Class, known: Known },
    /// `column IN (auth…, 'a', …)`: each item is asked, or is a text of SQL.
    OneOf { column: String, class: Class, items: Vec<Item> },
    /// `column IN (SELECT …)`
    Within { column: String, class: Class, query: &'q [Lexeme], negated: bool },
    /// `auth… IN (SELECT …)`
    Among { known: Known, query: &'q [Lexeme], negated: bool },
}

/// An item of a list.
pub enum Item {
    /// Something that is asked.
    Asked(Known),
    /// A condition on the row.
    Row(String),
}

/// Where the comparison stands.
#[derive(Clone, Copy)]
pub struct Scope<'q> {
    /// The text as it was written.
    pub text: &'q str,
    /// What was read of it.
    pub query: &'q Query,
    /// The table whose rows are compared.
    pub table: &'q Table,
    /// What the query calls it.
    pub alias: &'q str,
    /// Whether it is a query inside of another.
    pub is_lookup: bool,
}

const SHAPES: &str = "Only column = auth…, column = params.name and column IN (SELECT …) may join a row with who asks";

impl<'q> Scope<'q> {
    /// Says what the words are about, and puts the columns that they name into `used`.
    pub fn classify(&self, words: &'q [Lexeme], used: &mut Vec<String>) -> Result<Atom<'q>, Fault> {
        if let Some(at) = words.iter().position(|word| matches!(keyword(word), Some(Keyword::SELECT | Keyword::VALUES | Keyword::WITH))) {
            return self.subquery(words, at, used);
        }
        let expression = text::expression(self.text, words)?;
        let columns = self.columns(&expression)?;
        used.extend(columns.iter().cloned());
        match (self.mentions(words).next(), columns.is_empty()) {
            (None, _) => Ok(Atom::Row),
            (Some(_), false) => self.joined(words, &expression),
            (Some(_), true) => match self.mentions(words).find(|mention| matches!(mention.known, Known::Param(_))) {
                None => Ok(Atom::Request),
                Some(param) => self.refuse(param.start, "a parameter may be compared with a column only: column = params.name, or params.name IN (SELECT …)"),
            },
        }
    }

    /// SQL of the words.
    pub fn sql(&self, words: &[Lexeme]) -> &'q str {
        let range = words.first().map_or(0, |first| first.start)..words.last().map_or(0, |last| last.end);
        self.query.filled.sql.get(range).unwrap_or_default()
    }

    /// Refuses at the beginning of some words.
    pub fn refuse_at<T>(&self, words: &[Lexeme], problem: impl Into<String>) -> Result<T, Fault> {
        self.refuse(words.first().map_or(self.text.trim_end().len(), |first| first.start), problem)
    }

    fn refuse<T>(&self, byte: usize, problem: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::at_byte(self.text, byte, problem))
    }

    fn mentions<'w>(&self, words: &'w [Lexeme]) -> impl Iterator<Item = &'q Mention> + use<'q, 'w> {
        let range = words.first().map_or(0, |first| first.start)..words.last().map_or(0, |last| last.end);
        self.query.mentions.iter().filter(move |mention| range.contains(&mention.start))
    }

    /// What the words ask.
    pub fn known(&self, words: &[Lexeme]) -> Vec<Known> {
        self.mentions(words).map(|mention| mention.known.clone()).collect()
    }

    /// A column of the table.
    pub fn column(&self, name: &Ident) -> Result<&'q Column, Fault> {
        let Table { name: table, .. } = self.table;
        self.table.column(&name.value).ok_or_else(|| Fault::at_location(self.text, name.span.start, format!("no such column in {table}: {}", name.value)))
    }

    /// The columns that an expression names.
    fn columns(&self, expression: &Expr) -> Result<Vec<String>, Fault> {
        let mut columns = Vec::new();
        let fault = visit_expressions(expression, |part| match self.named(part) {
            None => ControlFlow::Continue(()),
            Some(Ok(column)) => {
                columns.push(column.name.clone());
                ControlFlow::Continue(())
            }
            Some(Err(fault)) => ControlFlow::Break(fault),
        });
        fault.break_value().map_or(Ok(columns), Err)
    }

    /// The column that an expression is, if it is one.
    fn named(&self, expression: &Expr) -> Option<Result<&'q Column, Fault>> {
        match expression {
            Expr::Identifier(name) => Some(self.column(name)),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [params, ..] if params.quote_style.is_none() && params.value.eq_ignore_ascii_case("params") => None,
                [table, name] if table.value.eq_ignore_ascii_case(self.alias) => Some(self.column(name)),
                [first, ..] => {
                    let problem = format!("only {} can be named here: every query looks at one table, and at nothing of the query around it", self.alias);
                    Some(Err(Fault::at_location(self.text, first.span.start, problem)))
                }
                [] => None,
            },
            _ => None,
        }
    }

    /// A column that stands alone and may name a bucket.
    fn parameter(&self, expression: &Expr, words: &[Lexeme]) -> Option<Result<(String, Class), Fault>> {
        let column = match self.named(bare(expression))? {
            Ok(column) => column,
            Err(fault) => return Some(Err(fault)),
        };
        if self.is_lookup && column.is_generated {
            let problem = format!("{} is a generated column: a change in it is not recorded. Compare an ordinary column", column.name);
            return Some(self.refuse_at(words, problem));
        }
        Some(match column.class {
            Some(class) => Ok((column.name.clone(), class)),
            None => self.refuse_at(words, format!("{} has a collation of the application. Declare it BINARY, NOCASE or RTRIM", column.name)),
        })
    }

    /// What is asked, if the words are nothing else.
    fn asked(&self, words: &[Lexeme], expression: &Expr) -> Option<Known> {
        let is_asked = match bare(expression) {
            Expr::Function(function) => function.name.0.len() == 2,
            Expr::CompoundIdentifier(names) => names.first().is_some_and(|first| first.quote_style.is_none() && first.value.eq_ignore_ascii_case("params")),
            _ => false,
        };
        self.mentions(words).next().filter(|_| is_asked).map(|mention| mention.known.clone())
    }

    /// A comparison of the row with who asks.
    fn joined(&self, words: &'q [Lexeme], expression: &Expr) -> Result<Atom<'q>, Fault> {
        match expression {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                for (column, asked) in [(left, right), (right, left)] {
                    if let (Some(column), Some(known)) = (self.parameter(column, words), self.asked(words, asked)) {
                        return column.map(|(column, class)| Atom::Equal { column, class, known });
                    }
                }
                self.refuse_at(
                    words,
                    format!(
                        "a column and what it equals must stand alone on their sides. Where a value is computed, add a generated column that holds it. {SHAPES}"
                    ),
                )
            }
            Expr::InList { expr, negated: false, .. } => match self.parameter(expr, words) {
                Some(column) => column.and_then(|(column, class)| self.list(words, column, class)),
                None => self.refuse_at(words, format!("before IN a column must stand alone. {SHAPES}")),
            },
            Expr::BinaryOp { op: BinaryOperator::NotEq, .. } | Expr::InList { .. } | Expr::IsDistinctFrom(..) => self.refuse_at(words, NOT),
            Expr::BinaryOp { op: BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq, .. } | Expr::Between { .. } => {
                self.refuse_at(words, format!("a range that depends on who asks has no end of buckets. {SHAPES}"))
            }
            Expr::Like { .. } => self.refuse_at(words, format!("a pattern that depends on who asks has no end of buckets. {SHAPES}")),
            _ => self.refuse_at(words, format!("this cannot be kept up to date row by row. {SHAPES}. Set parentheses around the parts of a condition")),
        }
    }

    fn list(&self, words: &'q [Lexeme], column: String, class: Class) -> Result<Atom<'q>, Fault> {
        let at = position(words, Keyword::IN).unwrap_or(words.len());
        let inner = words.get(at + 2..words.len() - 1).unwrap_or_default();
        let mut items = Vec::new();
        for item in items_of(inner) {
            let expression = text::expression(self.text, item)?;
            items.push(match (self.asked(item, &expression), self.mentions(item).next()) {
                (Some(known), _) => Item::Asked(known),
                (None, None) => Item::Row(format!("{} IN ({})", self.sql(&words[..at]), self.sql(item))),
                (None, Some(_)) => return self.refuse_at(item, format!("auth… and params.name must stand alone in a list. {SHAPES}")),
            });
        }
        Ok(Atom::OneOf { column, class, items })
    }

    /// Something with a subquery, which begins at the word `select`.
    fn subquery(&self, words: &'q [Lexeme], select: usize, used: &mut Vec<String>) -> Result<Atom<'q>, Fault> {
        let shape = "a subquery may only stand in column IN (SELECT column FROM table WHERE …) or auth.user_id() IN (SELECT …)";
        let Some(at) = position(words, Keyword::IN).filter(|at| at + 2 == select && closing(&words[at + 1..]) == Some(words.len() - at - 2)) else {
            return self.refuse_at(words, shape);
        };
        let (left, negated) = match &words[..at] {
            [left @ .., not] if keyword(not) == Some(Keyword::NOT) => (left, true),
            left => (left, false),
        };
        let query = &words[select..words.len() - 1];
        let expression = text::expression(self.text, left)?;
        used.extend(self.columns(&expression)?);
        match (self.parameter(&expression, left), self.asked(left, &expression)) {
            (Some(column), _) => column.map(|(column, class)| Atom::Within { column, class, query, negated }),
            (_, Some(known)) => Ok(Atom::Among { known, query, negated }),
            _ => self.refuse_at(left, format!("before IN (SELECT …) a column, auth… or params.name must stand alone. {SHAPES}")),
        }
    }
}

/// Why the contrary of a join is refused.
pub const NOT: &str = "which rows are not somebody's cannot be named by a value. Say what the column must equal, or compare it with constants";

fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// Where a keyword stands outside of all parentheses.
fn position(words: &[Lexeme], sought: Keyword) -> Option<usize> {
    let mut depth = 0;
    words.iter().position(|word| {
        depth = deeper(depth, word);
        depth == 0 && keyword(word) == Some(sought)
    })
}

/// The parts between commas.
fn items_of(words: &[Lexeme]) -> Vec<&[Lexeme]> {
    let mut depth = 0;
    let is_comma = |word: &Lexeme| {
        depth = deeper(depth, word);
        depth == 0 && word.word.token == Token::Comma
    };
    words.split(is_comma).collect()
}
