//! What the program does besides serving.

use super::Secret;
use clap::{ArgGroup, Args, Subcommand};
use seaworthy_protocol::Value;
use std::convert::Infallible;

/// What to do instead of serving. Neither changes anything.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Checks the configuration against the database, and says what is there. Changes nothing.
    Check {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says which buckets a user gets, with how many rows. Changes nothing.
    Explain(ExplainFlags),
}

/// Who asks for what.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("user").required(true).args(["token", "claims"])))]
pub struct ExplainFlags {
    /// A token of the user. It is checked as the server would.
    #[arg(long, value_name = "TOKEN", value_parser = secret)]
    pub token: Option<Secret>,
    /// In place of a token what it would say, such as {"sub": "alice", "role": "admin"}.
    #[arg(long, value_name = "JSON")]
    pub claims: Option<String>,
    /// One stream, as if the user subscribed to it. Without it: all that come without being asked for.
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
    /// A parameter of the stream, as often as needed: list_id=7, or list_id:=7 where the value is JSON.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param, requires = "stream")]
    pub params: Vec<(String, Value)>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret(text.to_owned()))
}

fn param(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it like list_id=7")?;
    match name.strip_suffix(':') {
        None => Ok((name.to_owned(), Value::Text(value.to_owned()))),
        Some(name) => {
            let value = serde_json::from_str(value).map_err(|error| format!("{error}. Write a text, a number or null as JSON, or {{\"blob\": \"base64\"}}"))?;
            Ok((name.to_owned(), value))
        }
    }
}
