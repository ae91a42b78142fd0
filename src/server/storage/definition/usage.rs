//! How often a parameter of a subscription may be used.
//!
//! Whether a user may open a bucket is asked without the parameters. So a bucket must tell them, or each must
//! be in one comparison alone, which then may be left out.

use super::{
    Definition,
    relation::{Request, Source, Variant},
    schema::Class,
};
use crate::storage::text::{Fault, Known, Query};

impl Definition {
    pub(super) fn check_usage(&self, text: &str, query: &Query) -> Result<(), Fault> {
        let refuse = |param: &String, problem: String| {
            let mention = query.mentions.iter().rev().find(|mention| mention.known == Known::Param(param.clone()));
            Err(Fault::at_byte(text, mention.map_or(0, |mention| mention.start), problem))
        };
        for (param, variant) in self.params.iter().flat_map(|param| self.relation.variants.iter().map(move |variant| (param, variant))) {
            let is_named = variant.parameters.iter().any(|parameter| parameter.sources.iter().any(|source| is_param(source, param)));
            let classes = self.classes(variant, param);
            if is_named && classes.windows(2).any(|pair| pair[0] != pair[1]) {
                return refuse(
                    param,
                    format!("params.{param} is compared with columns of different types or collations. Declare them alike, or take two parameters"),
                );
            }
            if !is_named && (self.uses(variant, param) > 1 || self.is_asked(variant, param)) {
                return refuse(
                    param,
                    format!(
                        "params.{param} may be used once, inside of IN (SELECT …), unless a column of {} must equal it too: add column = params.{param}",
                        self.table
                    ),
                );
            }
        }
        Ok(())
    }

    /// How the columns compare that a parameter is compared with.
    fn classes(&self, variant: &Variant, param: &str) -> Vec<Class> {
        let mut classes = Vec::new();
        for parameter in &variant.parameters {
            for source in &parameter.sources {
                match source {
                    Source::Asked(Known::Param(name)) if name == param => classes.push(parameter.class),
                    Source::Lookup(lookup) => classes.extend(self.classes_of_lookup(*lookup, param)),
                    Source::Asked(_) => {}
                }
            }
        }
        for request in &variant.requests {
            if let Request::Among { known, lookup, .. } = request {
                classes.extend((*known == Known::Param(param.to_owned())).then_some(self.lookups[*lookup].class));
                classes.extend(self.classes_of_lookup(*lookup, param));
            }
        }
        classes
    }

    fn classes_of_lookup(&self, lookup: usize, param: &str) -> Vec<Class> {
        self.lookups[lookup].relation.variants.iter().flat_map(|variant| self.classes(variant, param)).collect()
    }

    /// How often a variant uses a parameter; of the alternatives of a lookup only one counts at a time.
    fn uses(&self, variant: &Variant, param: &str) -> usize {
        let of_source = |source: &Source| match source {
            Source::Lookup(lookup) => self.uses_of_lookup(*lookup, param),
            source => usize::from(is_param(source, param)),
        };
        let of_request = |request: &Request| match request {
            Request::Among { known, lookup, .. } => usize::from(*known == Known::Param(param.to_owned())) + self.uses_of_lookup(*lookup, param),
            Request::Sql { .. } => 0,
        };
        let sources = variant.parameters.iter().flat_map(|parameter| &parameter.sources);
        sources.map(of_source).sum::<usize>() + variant.requests.iter().map(of_request).sum::<usize>()
    }

    fn uses_of_lookup(&self, lookup: usize, param: &str) -> usize {
        self.lookups[lookup].relation.variants.iter().map(|variant| self.uses(variant, param)).max().unwrap_or_default()
    }

    /// Whether a condition on who asks uses a parameter, here or inside.
    fn is_asked(&self, variant: &Variant, param: &str) -> bool {
        let of_lookup = |lookup: usize| self.lookups[lookup].relation.variants.iter().any(|variant| self.is_asked(variant, param));
        variant.requests.iter().any(|request| match request {
            Request::Among { known, lookup, .. } => *known == Known::Param(param.to_owned()) || self.uses_of_lookup(*lookup, param) > 0,
            Request::Sql { .. } => false,
        }) || variant.parameters.iter().flat_map(|parameter| &parameter.sources).any(|source| matches!(source, Source::Lookup(lookup) if of_lookup(*lookup)))
    }
}

fn is_param(source: &Source, param: &str) -> bool {
    matches!(source, Source::Asked(Known::Param(name)) if name == param)
}
