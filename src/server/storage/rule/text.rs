//! The text of a rule: one expression, in which `auth.…` stands for what is known of the user.
//!
//! A parser says what the text is; SQLite gets it as it was written, with parameters in the place of
//! `auth.…`, of the same length, so that whatever SQLite complains about has its place in the text.

use seaworthy_engine::session::Principal;
use seaworthy_protocol::Value;
use sqlparser::{
    ast::{Expr, Function, Ident, Value as Literal, visit_expressions},
    dialect::SQLiteDialect,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};
use std::{fmt, ops::ControlFlow};

/// Functions whose answer depends on nothing but their arguments.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_object",
    "json_type",
    "json_valid",
    "length",
    "like",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "octet_length",
    "replace",
    "round",
    "rtrim",
    "sign",
    "substr",
    "substring",
    "sum",
    "total",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "upper",
];

/// What a rule may ask about the user, for messages.
const ASK: &str = "write auth.user_id(), auth.claim('name'), auth.claim('name', 'number') or auth.claim('name', 'boolean')";

/// A rule as SQLite reads it.
pub struct Text {
    /// The expression, with `?1`, `?2`, … in the place of `auth.…`.
    pub sql: String,
    /// What these parameters stand for.
    pub known: Vec<Known>,
}

/// Something that is known of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The subject of the token.
    UserId,
    /// A claim of the token, if it has this type.
    Claim { name: String, kind: Kind },
}

/// The type that a claim must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Boolean,
}

/// What is wrong with a rule, and where.
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

    fn at_location(text: &str, location: Location, problem: impl Into<String>) -> Self {
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

impl Text {
    /// Reads the text of a rule.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut tokenizer = Tokenizer::new(&SQLiteDialect {}, text);
        let tokens = tokenizer.tokenize_with_location().map_err(|error| Fault::at_location(text, error.location, error.message))?;
        check(text, &expression(text, &tokens)?)?;
        fill_in(text, &tokens)
    }
}

/// The one expression that the text must be.
fn expression(text: &str, tokens: &[TokenWithSpan]) -> Result<Expr, Fault> {
    let mut parser = Parser::new(&SQLiteDialect {}).with_tokens_with_locations(tokens.to_vec());
    let expression = parser.parse_expr().map_err(|error| {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
            ParserError::RecursionLimitExceeded => "the expression is nested too deeply".to_owned(),
        };
        // The parser names the place at the end of its message only.
        let place = tokens.iter().map(|token| token.span.start).find(|start| message.ends_with(&start.to_string()));
        let place = place.unwrap_or(Location::empty());
        Fault::at_location(text, place, message.strip_suffix(&place.to_string()).unwrap_or(&message))
    })?;
    match parser.peek_token() {
        TokenWithSpan { token: Token::EOF, .. } => Ok(expression),
        rest => Err(Fault::at_location(text, rest.span.start, "the expression is over, and more follows")),
    }
}

/// Refuses what a rule may not use.
fn check(text: &str, expression: &Expr) -> Result<(), Fault> {
    let refuse = |location, problem: String| ControlFlow::Break(Fault::at_location(text, location, problem));
    let found = visit_expressions(expression, |expression| match expression {
        Expr::Value(value) if matches!(value.value, Literal::Placeholder(_)) => refuse(value.span.start, format!("there are no parameters: {ASK}")),
        Expr::Function(Function { name, .. }) => {
            let names: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
            match names.as_slice() {
                [auth, _] if is_auth(auth) => ControlFlow::Continue(()),
                [function] if FUNCTIONS.contains(&function.value.to_ascii_lowercase().as_str()) => ControlFlow::Continue(()),
                [first, ..] => refuse(first.span.start, format!("{name} may not be used here. The functions are {}", FUNCTIONS.join(", "))),
                [] => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    found.break_value().map_or(Ok(()), Err)
}

fn is_auth(ident: &Ident) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("auth")
}

/// Puts parameters in the place of everything that begins with `auth.`
fn fill_in(text: &str, tokens: &[TokenWithSpan]) -> Result<Text, Fault> {
    let mut sql = text.to_owned();
    let mut known: Vec<Known> = Vec::new();
    let tokens: Vec<&TokenWithSpan> = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(|next| &next.token);
        let begins = matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("auth"));
        if !begins || next != Some(&Token::Period) {
            continue;
        }
        let Some((asked, length)) = asked(&tokens[at + 2..]) else { return Err(Fault::at_location(text, token.span.start, ASK)) };
        let number = known.iter().position(|other| *other == asked).unwrap_or(known.len()) + 1;
        if number > known.len() {
            known.push(asked);
        }
        let (start, end) = (byte(text, token.span.start), byte(text, tokens[at + 1 + length].span.end));
        sql.replace_range(start..end, &format!("{:<1$}", format!("?{number}"), end - start));
    }
    Ok(Text { sql, known })
}

/// What is asked for behind `auth.`, and how many tokens that takes.
fn asked(tokens: &[&TokenWithSpan]) -> Option<(Known, usize)> {
    let tokens: Vec<&Token> = tokens.iter().take(6).map(|token| &token.token).collect();
    let is = |token: &Token, name: &str| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name));
    match tokens.as_slice() {
        [user_id, Token::LParen, Token::RParen, ..] if is(user_id, "user_id") => Some((Known::UserId, 3)),
        [claim, Token::LParen, Token::SingleQuotedString(name), Token::RParen, ..] if is(claim, "claim") => {
            Some((Known::Claim { name: name.clone(), kind: Kind::Text }, 4))
        }
        [claim, Token::LParen, Token::SingleQuotedString(name), Token::Comma, Token::SingleQuotedString(kind), Token::RParen] if is(claim, "claim") => {
            let kind = match kind.as_str() {
                "text" => Kind::Text,
                "number" => Kind::Number,
                "boolean" => Kind::Boolean,
                _ => return None,
            };
            Some((Known::Claim { name: name.clone(), kind }, 6))
        }
        _ => None,
    }
}

/// The byte at a place. The parser counts characters.
fn byte(text: &str, place: Location) -> usize {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
    let line: usize = text.split_inclusive('\n').take(number(place.line)).map(str::len).sum();
    let rest = text.get(line..).unwrap_or_default();
    line + rest.char_indices().nth(number(place.column)).map_or(rest.len(), |(at, _)| at)
}

impl Known {
    /// Its value, if the token has it in the type that is asked for.
    pub fn value(&self, principal: &Principal) -> Option<Value> {
        let Self::Claim { name, kind } = self else { return Some(Value::Text(principal.user.subject.clone())) };
        match (kind, principal.claims.get(name)?) {
            (Kind::Text, serde_json::Value::String(text)) => Some(Value::Text(text.clone())),
            (Kind::Boolean, serde_json::Value::Bool(boolean)) => Some(Value::Integer(i64::from(*boolean))),
            // A whole number that SQLite cannot hold would become another one.
            (Kind::Number, serde_json::Value::Number(number)) => match number.as_i64() {
                Some(integer) => Some(Value::Integer(integer)),
                None => number.as_f64().filter(|_| number.is_f64()).map(Value::Real),
            },
            _ => None,
        }
    }
}
