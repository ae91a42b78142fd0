//! From the text of a query to its normal form: OR of ANDs, with negations at the comparisons.
//!
//! What only asks about the row stays one condition however it is written. The rest is written out, within
//! limits that have names.

use super::{
    atom::{Atom, Item, NOT, Scope},
    condition::Tree,
    head::Head,
    relation::{Lookup, Parameter, Relation, Request, Source, Variant},
    schema::{Affinity, Class, Table},
};
use crate::storage::text::{Fault, Known, Lexeme, Query};
use rusqlite::Connection;
use sqlparser::{ast::Ident, tokenizer::Token};

/// Longest text of a query.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;
/// Most words AND and OR in a query.
pub const MAX_CONDITIONS: usize = 100;
/// Most alternatives of a query once its ORs are written out.
pub const MAX_VARIANTS: usize = 16;
/// Most columns whose values name a bucket.
pub const MAX_PARAMETERS: usize = 8;
/// Most queries inside of one.
pub const MAX_LOOKUPS: usize = 16;
/// How deep they may stand in each other.
pub const MAX_NESTING: usize = 4;

/// What is collected while a query is read.
pub struct Compiler<'q> {
    pub conn: &'q Connection,
    pub text: &'q str,
    pub query: &'q Query,
    pub lookups: Vec<Lookup>,
    nesting: usize,
}

/// Part of a condition.
enum Part {
    /// It asks about the row alone.
    Row(String),
    /// Alternatives, each of which is true if all in it are.
    Alternatives(Vec<Vec<Literal>>),
}

#[derive(Clone)]
enum Literal {
    Row(String),
    Parameter { column: String, class: Class, source: Source },
    Request(Request),
}

impl<'q> Compiler<'q> {
    /// For the query of a text.
    pub fn new(conn: &'q Connection, text: &'q str, query: &'q Query) -> Self {
        Self { conn, text, query, lookups: Vec::new(), nesting: 0 }
    }

    /// Looks up the table of a query.
    pub fn table(&self, head: &Head<'_>) -> Result<Table, Fault> {
        let fault = |problem: String| Fault::at_byte(self.text, head.table.start, problem);
        let Token::Word(name) = &head.table.word.token else { return Err(fault("name a table here".to_owned())) };
        let found = Table::find(self.conn, &name.value).map_err(|error| fault(error.to_string()))?;
        found
            .ok_or_else(|| fault(format!("no such table: {}. Create it in a migration, or correct the name; views and virtual tables will not do", name.value)))
    }

    /// Brings the condition of a query into its normal form.
    pub fn relation(&mut self, table: &Table, head: &Head<'_>, is_lookup: bool) -> Result<Relation, Fault> {
        let scope = Scope { text: self.text, query: self.query, table, alias: &head.alias, is_lookup };
        let mut used = Vec::new();
        let part = match head.condition {
            [] => Part::Alternatives(vec![Vec::new()]),
            condition => self.part(scope, &Tree::read(condition), false, &mut used)?,
        };
        let place = head.condition.first().map_or(0, |first| first.start);
        let variants = part.alternatives().into_iter().map(|literals| variant(self.text, place, literals)).collect::<Result<_, _>>()?;
        let is_generated = used.iter().any(|name| table.column(name).is_some_and(|column| column.is_generated));
        Ok(Relation { table: table.name.clone(), alias: head.alias.clone(), variants, used: (!is_generated).then_some(used) })
    }

    fn part(&mut self, scope: Scope<'_>, tree: &Tree<'_>, negated: bool, used: &mut Vec<String>) -> Result<Part, Fault> {
        let (trees, is_and) = match tree {
            Tree::Not(tree) => return self.part(scope, tree, !negated, used),
            Tree::Atom(words) => return self.atom(scope, words, negated, used),
            Tree::All(trees) => (trees, !negated),
            Tree::Any(trees) => (trees, negated),
        };
        let parts = trees.iter().map(|tree| self.part(scope, tree, negated, used)).collect::<Result<Vec<_>, _>>()?;
        if let Some(rows) = parts.iter().map(Part::row).collect::<Option<Vec<_>>>() {
            let rows: Vec<String> = rows.into_iter().map(|sql| format!("({sql}\n)")).collect();
            return Ok(Part::Row(rows.join(if is_and { " AND " } else { " OR " })));
        }
        let mut written = Vec::new();
        for part in parts {
            let part = part.alternatives();
            written = match (is_and, written.is_empty()) {
                (true, false) => written.iter().flat_map(|one: &Vec<Literal>| part.iter().map(move |other| [one.as_slice(), other].concat())).collect(),
                _ => [written, part].concat(),
            };
            if written.len() > MAX_VARIANTS {
                let place = tree.words().first().map_or(0, |first| first.start);
                let problem = format!("with its ORs written out the condition has more than {MAX_VARIANTS} alternatives. Make several streams of it");
                return Err(Fault::at_byte(self.text, place, problem));
            }
        }
        Ok(Part::Alternatives(written))
    }

    fn atom(&mut self, scope: Scope<'_>, words: &[Lexeme], negated: bool, used: &mut Vec<String>) -> Result<Part, Fault> {
        let sql = |negated: bool| if negated { format!("NOT ({}\n)", scope.sql(words)) } else { scope.sql(words).to_owned() };
        let parameter = |column: &String, class, source| Literal::Parameter { column: column.clone(), class, source };
        let one = |literal| Ok(Part::Alternatives(vec![vec![literal]]));
        match scope.classify(words, used)? {
            Atom::Row => Ok(Part::Row(sql(negated))),
            Atom::Request => one(Literal::Request(Request::Sql { sql: sql(negated), known: scope.known(words) })),
            Atom::Among { known, query, negated: not } => {
                let lookup = self.lookup(query, None)?;
                one(Literal::Request(Request::Among { known, lookup, negated: negated != not }))
            }
            Atom::Within { column, class, query, negated: not } if negated == not => {
                let lookup = self.lookup(query, Some(class))?;
                one(parameter(&column, class, Source::Lookup(lookup)))
            }
            Atom::Equal { column, class, known } if !negated => one(parameter(&column, class, Source::Asked(known))),
            Atom::OneOf { items, .. } if !negated && items.len() > MAX_VARIANTS => scope.refuse_at(
                words,
                format!("a list with auth… or params.name has at most {MAX_VARIANTS} items. Put constants into a list of their own, with OR"),
            ),
            Atom::OneOf { column, class, items } if !negated => {
                let literal = |item| match item {
                    Item::Asked(known) => vec![parameter(&column, class, Source::Asked(known))],
                    Item::Row(sql) => vec![Literal::Row(sql)],
                };
                Ok(Part::Alternatives(items.into_iter().map(literal).collect()))
            }
            _ => scope.refuse_at(words, NOT),
        }
    }

    /// Reads a query inside of another, whose values are compared with a column of this class. Answers its number.
    fn lookup(&mut self, words: &[Lexeme], outer: Option<Class>) -> Result<usize, Fault> {
        let refuse = |lexeme: Option<&Lexeme>, problem: String| Err(Fault::at_byte(self.text, lexeme.map_or(0, |lexeme| lexeme.start), problem));
        if self.nesting == MAX_NESTING {
            return refuse(words.first(), format!("more than {MAX_NESTING} queries stand in each other. Keep what they find in a table of its own"));
        }
        let head = Head::read(self.text, words)?;
        let table = self.table(&head)?;
        let lower = table.name.to_ascii_lowercase();
        if lower.starts_with("seaworthy_") || lower.starts_with("sqlite_") {
            return refuse(Some(head.table), "this table belongs to the server or to SQLite".to_owned());
        }
        if !table.is_recorded {
            let problem = format!(
                "changes in {} cannot be recorded, since it has no PRIMARY KEY, or one that may be NULL. Declare one with NOT NULL columns",
                table.name
            );
            return refuse(Some(head.table), problem);
        }
        let scope = Scope { text: self.text, query: self.query, table: &table, alias: &head.alias, is_lookup: true };
        let [Lexeme { word, .. }] = head.unqualified() else {
            return scope.refuse_at(head.selected, "a query in IN selects one column: SELECT column FROM table WHERE …");
        };
        let Token::Word(name) = &word.token else {
            return scope.refuse_at(head.selected, "a query in IN selects one column: SELECT column FROM table WHERE …");
        };
        let out = scope.column(&Ident::with_span(word.span, &name.value))?;
        let Some(class) = out.class else {
            return scope.refuse_at(head.selected, format!("{} has a collation of the application. Declare it BINARY, NOCASE or RTRIM", out.name));
        };
        let outer = outer.unwrap_or(class);
        let is_number = outer.affinity == Affinity::Numeric;
        if class.affinity == Affinity::Numeric && !is_number {
            return scope.refuse_at(head.selected, format!("{} holds numbers, and is compared with a column that holds none. Declare both alike", out.name));
        }
        self.nesting += 1;
        let mut relation = self.relation(&table, &head, true)?;
        self.nesting -= 1;
        match &mut relation.used {
            Some(used) if !out.is_generated => used.push(out.name.clone()),
            used => *used = None,
        }
        if self.lookups.len() == MAX_LOOKUPS {
            return scope.refuse_at(words, format!("more than {MAX_LOOKUPS} queries stand in this one. Make several streams of it"));
        }
        let is_number = is_number && class.affinity != Affinity::Numeric;
        self.lookups.push(Lookup { relation, out: out.name.clone(), class, is_number, outer });
        Ok(self.lookups.len() - 1)
    }
}

impl Part {
    fn row(&self) -> Option<&str> {
        match self {
            Self::Row(sql) => Some(sql),
            Self::Alternatives(_) => None,
        }
    }

    fn alternatives(self) -> Vec<Vec<Literal>> {
        match self {
            Self::Row(sql) => vec![vec![Literal::Row(sql)]],
            Self::Alternatives(alternatives) => alternatives,
        }
    }
}

/// Puts what must be true together by column.
fn variant(text: &str, place: usize, literals: Vec<Literal>) -> Result<Variant, Fault> {
    let mut variant = Variant::default();
    for literal in literals {
        match literal {
            Literal::Row(sql) => variant.rows.push(sql),
            Literal::Request(request) => variant.requests.push(request),
            Literal::Parameter { column, class, source } => match variant.parameters.iter_mut().find(|known| known.column == column) {
                Some(known) => known.sources.push(source),
                None => variant.parameters.push(Parameter { column, class, sources: vec![source] }),
            },
        }
    }
    if variant.parameters.len() > MAX_PARAMETERS {
        return Err(Fault::at_byte(text, place, format!("more than {MAX_PARAMETERS} columns are compared with who asks. Make several streams of it")));
    }
    Ok(variant)
}

/// Which parameters of a subscription are used, by everything that is asked.
pub fn params(known: &[Known]) -> Vec<String> {
    let name = |known: &Known| match known {
        Known::Param(name) => Some(name.clone()),
        _ => None,
    };
    known.iter().filter_map(name).collect()
}
