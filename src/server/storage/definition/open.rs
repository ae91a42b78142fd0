//! Which buckets a user may open, and what that answer depends on.
//!
//! Lookups are evaluated when somebody asks, from the inside out, bucket by bucket as streams are. A
//! parameter that is free (somebody might give it any value) is left out of the one comparison it is in.

use super::{
    Bucket, Definition, LookupKey, OpeningError,
    relation::{Lookup, Parameter, Request, Source, Variant},
    schema::{Affinity, Class, as_number},
};
use crate::storage::{
    binding::{Bound, value},
    rule::is_its_own,
    text::Known,
};
use rusqlite::{Connection, params_from_iter, types::ValueRef};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most buckets that one subscription opens.
pub const MAX_OPENED: usize = 10_000;

/// What a subscription opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// In their order, each once.
    pub buckets: Vec<Bucket>,
    /// While none of these is touched, the answer stays.
    pub depends: Vec<LookupKey>,
}

/// Why something is not opened.
enum Stop {
    /// A claim is missing, or a condition is not true.
    Closed,
    /// An expression failed on the values of a row.
    Broken,
    TooMany,
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        match is_its_own(&error) {
            true => {
                tracing::warn!(%error, "a stream's query failed on a row, and opens nothing");
                Self::Broken
            }
            false => Self::Failed(error),
        }
    }
}

/// Values, of which some are free.
type Values = Vec<Option<Value>>;

/// What a lookup gives.
#[derive(Clone, Default)]
struct Found {
    values: HashSet<Value>,
    has_null: bool,
}

/// One question about a definition.
struct Asking<'a> {
    definition: &'a Definition,
    conn: &'a Connection,
    principal: &'a Principal,
    params: &'a BTreeMap<String, Value>,
    most: usize,
    found: HashMap<usize, Found>,
    depends: BTreeSet<LookupKey>,
}

impl Definition {
    /// The buckets that a subscription opens for this user now, and what that answer depends on.
    pub fn open(&self, conn: &Connection, principal: &Principal, params: &BTreeMap<String, Value>) -> Result<Opened, OpeningError> {
        let stream = || self.name.clone();
        if let Some(param) = params.keys().find(|param| !self.params.contains(param)) {
            return Err(OpeningError::UnknownParam { stream: stream(), param: param.clone() });
        }
        if let Some(param) = self.params.iter().find(|param| !params.contains_key(*param)) {
            return Err(OpeningError::MissingParam { stream: stream(), param: param.clone() });
        }
        let mut asking = Asking::new(self, conn, principal, params, MAX_OPENED);
        let mut buckets = BTreeSet::new();
        for (at, variant) in self.relation.variants.iter().enumerate() {
            match asking.tuples(variant) {
                Ok(tuples) => buckets.extend(tuples.iter().map(|values| Bucket::new(self.number, at, &given(values)))),
                Err(Stop::Closed | Stop::Broken) => {}
                Err(Stop::TooMany) => return Err(OpeningError::TooManyBuckets { stream: stream(), most: MAX_OPENED }),
                Err(Stop::Failed(error)) => return Err(error.into()),
            }
        }
        match buckets.len() > MAX_OPENED {
            true => Err(OpeningError::TooManyBuckets { stream: stream(), most: MAX_OPENED }),
            false => Ok(Opened { buckets: buckets.into_iter().collect(), depends: asking.depends.into_iter().collect() }),
        }
    }

    /// Whether this user may open the bucket, with whatever parameters. One that is no bucket is nobody's.
    pub fn may_open(&self, conn: &Connection, principal: &Principal, bucket: &Bucket) -> rusqlite::Result<bool> {
        let Some((variant, values)) = self.values_of(conn, bucket)? else { return Ok(false) };
        let mut params = BTreeMap::new();
        for (parameter, value) in variant.parameters.iter().zip(&values) {
            for source in &parameter.sources {
                if let Source::Asked(Known::Param(name)) = source {
                    params.insert(name.clone(), value.clone());
                }
            }
        }
        let mut asking = Asking::new(self, conn, principal, &params, usize::MAX);
        match asking.permits(variant, &values) {
            Ok(()) => Ok(true),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Closed | Stop::Broken | Stop::TooMany) => Ok(false),
        }
    }

    /// What a bucket of this definition is made of, if it is one.
    pub(super) fn values_of(&self, conn: &Connection, bucket: &Bucket) -> rusqlite::Result<Option<(&Variant, Vec<Value>)>> {
        let Some((number, variant, values)) = bucket.parse() else { return Ok(None) };
        let Some(variant) = self.relation.variants.get(variant).filter(|variant| number == self.number && variant.parameters.len() == values.len()) else {
            return Ok(None);
        };
        for (parameter, value) in variant.parameters.iter().zip(&values) {
            if parameter.class.bring(conn, value)?.as_ref() != Some(value) {
                return Ok(None);
            }
        }
        Ok(Some((variant, values)))
    }
}

/// The values that are not free.
fn given(values: &[Option<Value>]) -> Vec<Value> {
    values.iter().flatten().cloned().collect()
}

impl<'a> Asking<'a> {
    fn new(definition: &'a Definition, conn: &'a Connection, principal: &'a Principal, params: &'a BTreeMap<String, Value>, most: usize) -> Self {
        Self { definition, conn, principal, params, most, found: HashMap::new(), depends: BTreeSet::new() }
    }

    /// The values of the parameters with which who asks may open the variant.
    fn tuples(&mut self, variant: &Variant) -> Result<Vec<Values>, Stop> {
        self.requests(variant)?;
        let mut tuples: Vec<Values> = vec![Vec::new()];
        for parameter in &variant.parameters {
            let choices = self.choices(parameter)?;
            if tuples.len().saturating_mul(choices.len()) > self.most {
                return Err(Stop::TooMany);
            }
            tuples = tuples.iter().flat_map(|tuple| choices.iter().map(|choice| [tuple.as_slice(), std::slice::from_ref(choice)].concat())).collect();
        }
        Ok(tuples)
    }

    /// The values that a parameter may have, all sources taken together.
    fn choices(&mut self, parameter: &Parameter) -> Result<Values, Stop> {
        let mut choices: Option<HashSet<Value>> = None;
        for source in &parameter.sources {
            let values = match source {
                Source::Asked(known) if self.is_free(known) => continue,
                Source::Asked(known) => self.asked(known, parameter.class)?.into_iter().collect(),
                Source::Lookup(lookup) => self.lookup(*lookup)?.values,
            };
            choices = Some(match choices {
                None => values,
                Some(choices) => choices.intersection(&values).cloned().collect(),
            });
        }
        Ok(choices.map_or_else(|| vec![None], |choices| choices.into_iter().map(Some).collect()))
    }

    /// Whether these values of the parameters are open to who asks.
    fn permits(&mut self, variant: &Variant, values: &[Value]) -> Result<(), Stop> {
        self.requests(variant)?;
        for (parameter, value) in variant.parameters.iter().zip(values) {
            let choices = self.choices(parameter)?;
            if !choices.iter().any(|choice| choice.as_ref().is_none_or(|choice| choice == value)) {
                return Err(Stop::Closed);
            }
        }
        Ok(())
    }

    fn requests(&mut self, variant: &Variant) -> Result<(), Stop> {
        let mut all = true;
        for request in &variant.requests {
            all &= match request {
                Request::Sql { sql, known } => self.is_true(sql, known)?,
                Request::Among { known, lookup, negated } => self.is_among(known, *lookup, *negated)?,
            };
            if !all {
                return Err(Stop::Closed);
            }
        }
        Ok(())
    }

    fn is_true(&self, sql: &str, known: &[Known]) -> Result<bool, Stop> {
        // The numbers of the parameters are those of the whole text.
        let mut statement = self.conn.prepare_cached(&format!("SELECT 1 WHERE ({sql}\n)"))?;
        for known in known {
            let value = self.value(known)?;
            let at = self.definition.asked.iter().position(|other| other == known).unwrap_or_default() + 1;
            statement.raw_bind_parameter(at, Bound(&value))?;
        }
        let is_true = statement.raw_query().next()?.is_some();
        Ok(is_true)
    }

    fn is_among(&mut self, known: &Known, lookup: usize, negated: bool) -> Result<bool, Stop> {
        if negated && !self.has_claims(lookup) {
            return Err(Stop::Closed);
        }
        let Lookup { class, .. } = self.definition.lookups[lookup];
        let Some(value) = self.asked(known, class)? else { return Err(Stop::Closed) };
        let found = self.lookup(lookup)?;
        Ok(if negated { !found.has_null && !found.values.contains(&value) } else { found.values.contains(&value) })
    }

    /// Whether the token has all that a lookup asks: what is left out of the contrary would open more.
    fn has_claims(&self, lookup: usize) -> bool {
        self.definition.lookups[lookup].relation.variants.iter().all(|variant| {
            let sources = variant.parameters.iter().flat_map(|parameter| &parameter.sources);
            let of_rows = sources.clone().all(|source| match source {
                Source::Asked(known) => self.value(known).is_ok(),
                Source::Lookup(lookup) => self.has_claims(*lookup),
            });
            of_rows
                && variant.requests.iter().all(|request| match request {
                    Request::Sql { known, .. } => known.iter().all(|known| self.value(known).is_ok()),
                    Request::Among { known, lookup, .. } => self.value(known).is_ok() && self.has_claims(*lookup),
                })
        })
    }

    fn is_free(&self, known: &Known) -> bool {
        matches!(known, Known::Param(name) if !self.params.contains_key(name))
    }

    fn value(&self, known: &Known) -> Result<Value, Stop> {
        match known {
            Known::Param(name) => self.params.get(name).cloned(),
            known => known.value(self.principal),
        }
        .ok_or(Stop::Closed)
    }

    fn asked(&self, known: &Known, class: Class) -> Result<Option<Value>, Stop> {
        Ok(class.bring(self.conn, &self.value(known)?)?)
    }

    /// What a lookup gives to who asks.
    fn lookup(&mut self, number: usize) -> Result<Found, Stop> {
        if let Some(found) = self.found.get(&number) {
            return Ok(found.clone());
        }
        let lookup = &self.definition.lookups[number];
        let mut found = Found::default();
        for (at, variant) in lookup.relation.variants.iter().enumerate() {
            let tuples = match self.tuples(variant) {
                Ok(tuples) => tuples,
                Err(Stop::Closed) => continue,
                Err(stop) => return Err(stop),
            };
            for tuple in tuples {
                self.depends.insert(LookupKey::new(self.definition.number, number, at, &given(&tuple)));
                self.collect(lookup, variant, &tuple, &mut found)?;
            }
        }
        self.found.insert(number, found.clone());
        Ok(found)
    }

    fn collect(&self, lookup: &Lookup, variant: &Variant, tuple: &[Option<Value>], found: &mut Found) -> Result<(), Stop> {
        let relation = &lookup.relation;
        let out = relation.column(&lookup.out);
        let out = if lookup.is_number { as_number(&out) } else { out };
        let condition = relation.condition(variant.columns().zip(tuple.iter().map(Option::is_none)), variant);
        let mut statement = self.conn.prepare_cached(&format!("SELECT {out} FROM {} WHERE {condition}", relation.from()))?;
        let mut rows = statement.query(params_from_iter(tuple.iter().flatten().map(Bound)))?;
        while let Some(row) = rows.next()? {
            let read = row.get_ref(0)?;
            // What is not UTF-8 equals nothing that is.
            if matches!(read, ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err()) {
                continue;
            }
            match lookup.outer.collation.fold(value(read)) {
                // A column of texts holds no number.
                Some(Value::Integer(_) | Value::Real(_)) if lookup.outer.affinity == Affinity::Text => {}
                Some(value) => drop(found.values.insert(value)),
                None => found.has_null = true,
            }
            if found.values.len() > self.most {
                return Err(Stop::TooMany);
            }
        }
        Ok(())
    }
}
