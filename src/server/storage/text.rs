//! The texts of the configuration that are SQL: a rule, which is one expression, and the query of a stream.
//!
//! A parser says what the text is; SQLite gets it as it was written, with parameters in the place of
//! `auth.…` and `params.…`, of the same length, so that whatever SQLite complains about has its place in the text.

mod fault;
mod known;

pub use fault::Fault;
pub use known::{Kind, Known};

use rusqlite::{Connection, config::DbConfig};
use sqlparser::{
    ast::{Expr, Function, Ident, Value as Literal, Visit, visit_expressions},
    dialect::SQLiteDialect,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};
use std::ops::ControlFlow;

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

/// What a query may ask besides.
const PARAM: &str = "write params.name";

/// A text as SQLite reads it.
pub struct Text {
    /// The text, with `?1`, `?2`, … in the place of what is asked.
    pub sql: String,
    /// What these parameters stand for.
    pub known: Vec<Known>,
}

/// A query, with its words.
pub struct Query {
    /// As SQLite reads it.
    pub filled: Text,
    /// Its words, without spaces and comments.
    pub words: Vec<Lexeme>,
    /// Where which parameter of SQLite stands.
    pub mentions: Vec<Mention>,
}

/// One word, at its bytes in the text.
#[derive(Clone, Debug)]
pub struct Lexeme {
    /// The word as the parser takes it.
    pub word: TokenWithSpan,
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

/// The place of something that is asked.
#[derive(Clone, Debug)]
pub struct Mention {
    /// The first byte.
    pub start: usize,
    /// What is asked.
    pub known: Known,
}

impl Text {
    /// Reads the text of a rule.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let tokens = tokens(text)?;
        check(text, &parse(text, &tokens, Parser::parse_expr, "the expression is over, and more follows")?)?;
        let words = words(text, &tokens);
        fill_in(text, &words, false).map(|(filled, _)| filled)
    }
}

impl Query {
    /// Reads the text of a query. What it selects from where is not looked at here.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let tokens = tokens(text)?;
        check(text, &parse(text, &tokens, Parser::parse_query, "the query is over, and more follows")?)?;
        let words = words(text, &tokens);
        let (filled, mentions) = fill_in(text, &words, true)?;
        Ok(Self { filled, words, mentions })
    }
}

/// The expression that these words of a text are.
pub fn expression(text: &str, words: &[Lexeme]) -> Result<Expr, Fault> {
    let tokens: Vec<TokenWithSpan> = words.iter().map(|lexeme| lexeme.word.clone()).collect();
    parse(text, &tokens, Parser::parse_expr, "this is not an expression of its own. Set parentheses")
}

/// Has SQLite read a statement in which the text stands behind `head` bytes, and says what it complains about.
pub fn examine(conn: &Connection, text: &str, sql: &str, head: usize) -> Result<(), Fault> {
    match prepare(conn, sql) {
        Ok(()) => Ok(()),
        Err(rusqlite::Error::SqlInputError { msg, offset, .. }) => {
            Err(Fault::at_byte(text, usize::try_from(offset).unwrap_or_default().saturating_sub(head), msg))
        }
        Err(error) => Err(Fault::at_byte(text, 0, error.to_string())),
    }
}

/// A name in double quotes that is no column must not pass for a text.
fn prepare(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    let lax = conn.db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    let prepared = conn.prepare(sql).map(drop);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, lax)?;
    prepared
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    let mut tokenizer = Tokenizer::new(&SQLiteDialect {}, text);
    tokenizer.tokenize_with_location().map_err(|error| Fault::at_location(text, error.location, error.message))
}

fn words(text: &str, tokens: &[TokenWithSpan]) -> Vec<Lexeme> {
    let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    words.map(|word| Lexeme { start: byte(text, word.span.start), end: byte(text, word.span.end), word: word.clone() }).collect()
}

/// The one thing that the tokens must be.
fn parse<T>(text: &str, tokens: &[TokenWithSpan], read: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>, more: &str) -> Result<T, Fault> {
    let mut parser = Parser::new(&SQLiteDialect {}).with_tokens_with_locations(tokens.to_vec());
    let parsed = read(&mut parser).map_err(|error| {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        };
        // The parser names the place at the end of its message only.
        let place = tokens.iter().map(|token| token.span.start).find(|start| message.ends_with(&start.to_string()));
        let place = place.unwrap_or(Location::empty());
        Fault::at_location(text, place, message.strip_suffix(&place.to_string()).unwrap_or(&message))
    })?;
    match parser.peek_token() {
        TokenWithSpan { token: Token::EOF, .. } => Ok(parsed),
        rest => Err(Fault::at_location(text, rest.span.start, more)),
    }
}

/// Refuses what may be used nowhere.
fn check(text: &str, parsed: &impl Visit) -> Result<(), Fault> {
    let refuse = |location, problem: String| ControlFlow::Break(Fault::at_location(text, location, problem));
    let found = visit_expressions(parsed, |expression| match expression {
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

/// Puts parameters in the place of everything that begins with `auth.`, and in queries with `params.`
fn fill_in(text: &str, words: &[Lexeme], is_query: bool) -> Result<(Text, Vec<Mention>), Fault> {
    let mut filled = Text { sql: text.to_owned(), known: Vec::new() };
    let mut mentions = Vec::new();
    for (at, first) in words.iter().enumerate() {
        let next = words.get(at + 1).map(|next| &next.word.token);
        if next != Some(&Token::Period) {
            continue;
        }
        let rest: Vec<&Token> = words.iter().skip(at + 2).take(6).map(|word| &word.word.token).collect();
        let (asked, advice) = match &first.word.token {
            token if is_word(token, "auth") => (asked(&rest), ASK),
            token if is_query && is_word(token, "params") => (param(&rest), PARAM),
            _ => continue,
        };
        let Some((known, length)) = asked else { return Err(Fault::at_byte(text, first.start, advice)) };
        let number = filled.known.iter().position(|other| *other == known).unwrap_or(filled.known.len()) + 1;
        if number > filled.known.len() {
            filled.known.push(known.clone());
        }
        let end = words.get(at + 1 + length).map_or(text.len(), |last| last.end);
        filled.sql.replace_range(first.start..end, &format!("{:<1$}", format!("?{number}"), end - first.start));
        mentions.push(Mention { start: first.start, known });
    }
    Ok((filled, mentions))
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}

/// The name behind `params.`, and how many tokens that takes.
fn param(tokens: &[&Token]) -> Option<(Known, usize)> {
    match tokens {
        [_, Token::Period | Token::LParen, ..] => None,
        [Token::Word(name), ..] if name.quote_style.is_none() => Some((Known::Param(name.value.clone()), 1)),
        _ => None,
    }
}

/// What is asked for behind `auth.`, and how many tokens that takes.
fn asked(tokens: &[&Token]) -> Option<(Known, usize)> {
    match tokens {
        [user_id, Token::LParen, Token::RParen, ..] if is_word(user_id, "user_id") => Some((Known::UserId, 3)),
        [claim, Token::LParen, Token::SingleQuotedString(name), Token::RParen, ..] if is_word(claim, "claim") => {
            Some((Known::Claim { name: name.clone(), kind: Kind::Text }, 4))
        }
        [claim, Token::LParen, Token::SingleQuotedString(name), Token::Comma, Token::SingleQuotedString(kind), Token::RParen] if is_word(claim, "claim") => {
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
