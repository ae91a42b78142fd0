//! The configuration, from its sources to its values. What a whole process makes of it is tested from outside.

use super::{Config, ConfigError, Flags, LogFormat};
use crate::storage::{EachWrite, StreamConfig, WriteConfig};
use clap::Parser;
use seaworthy_protocol::Policy;
use std::path::Path;

const SECRET: &str = "secret = \"0123456789abcdef0123456789abcdef\"";

fn load(toml: &str, more: &[&str]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seaworthy.toml");
    std::fs::write(&path, toml).unwrap();
    let flags = ["seaworthy-server", "--config", path.to_str().unwrap()].into_iter().chain(more.iter().copied());
    let mut config = Config::load(&Flags::parse_from(flags))?;
    config.database = config.database.strip_prefix(folder.path()).map(Path::to_owned).unwrap_or(config.database);
    Ok(config)
}

#[test]
fn what_is_left_out_has_a_safe_default() {
    let config = load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true"), &[]).unwrap();
    assert!(config.listen.ip().is_loopback());
    assert_eq!(config.database, Path::new("data/seaworthy.db"));
    assert_eq!((config.dev, config.log, config.www), (false, LogFormat::Text, None));
    assert!(config.allowed_origins.is_empty());
    assert_eq!((config.auth.issuer.as_str(), config.auth.audience.0.join(",")), ("seaworthy", "seaworthy".to_owned()));
}

#[test]
fn paths_of_the_file_are_relative_to_it_and_those_of_flags_are_not() {
    let toml = format!("database = \"x/y.db\"\n[auth]\n{SECRET}\n[tables.t]\nopen = true");
    assert_eq!(load(&toml, &[]).unwrap().database, Path::new("x/y.db"));
    assert_eq!(load(&toml, &["--database", "z.db"]).unwrap().database, Path::new("z.db"));
}

#[test]
fn a_table_may_have_a_policy_and_rebases_without_one() {
    let with = |line: &str| load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true\n{line}"), &[]);
    assert_eq!(with("").unwrap().tables["t"].conflict, Policy::Rebase);
    for (name, policy) in [("rebase", Policy::Rebase), ("server", Policy::Server), ("fail", Policy::Fail), ("manual", Policy::Manual)] {
        assert_eq!(with(&format!("conflict = {name:?}")).unwrap().tables["t"].conflict, policy);
    }
    assert!(matches!(with("conflict = \"mine\""), Err(ConfigError::Source { .. })));
}

#[test]
fn no_secret_is_printed() {
    let config = load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true"), &[]).unwrap();
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn a_server_without_a_secret_or_without_tables_is_refused() {
    assert!(matches!(load("[tables.t]\nopen = true", &[]), Err(ConfigError::NoSecret)));
    assert!(load("[tables.t]\nopen = true", &["--dev"]).unwrap().dev);
    assert!(matches!(load("[auth]\nsecret = \"short\"\n[tables.t]\nopen = true", &["--dev"]), Err(ConfigError::ShortSecret { .. })));
    assert!(matches!(load(&format!("[auth]\n{SECRET}"), &[]), Err(ConfigError::NoTables)));
}

#[test]
fn only_origins_are_taken_for_origins() {
    let with = |origin: &str| load(&format!("allowed_origins = [{origin:?}]\n[auth]\n{SECRET}\n[tables.t]\nopen = true"), &[]);
    for origin in ["*", "https://a.example", "http://localhost:3000"] {
        assert!(with(origin).is_ok(), "{origin}");
    }
    for origin in ["a.example", "https://", "https://a.example/", "ftp://a.example"] {
        assert!(matches!(with(origin), Err(ConfigError::Origin { .. })), "{origin}");
    }
}

#[test]
fn a_table_may_have_one_rule_or_one_for_each_kind_of_change() {
    let with = |line: &str| load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true\n{line}"), &[]).map(|mut config| config.tables.remove("t").unwrap().write);
    assert_eq!(with("").unwrap(), None);
    assert_eq!(with("write = \"true\"").unwrap(), Some(WriteConfig::All("true".to_owned())));
    let insert = EachWrite { insert: Some("true".to_owned()), ..EachWrite::default() };
    assert_eq!(with("write = { insert = \"true\" }").unwrap(), Some(WriteConfig::Each(insert)));
    assert!(matches!(with("write = [\"true\"]"), Err(ConfigError::Source { .. })));
    assert!(matches!(with("write = { select = \"true\" }"), Err(ConfigError::Source { .. })));
}

#[test]
fn a_stream_has_a_query_and_defaults() {
    let with = |lines: &str| {
        load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true\n[streams.s]\n{lines}"), &[]).map(|mut config| config.streams.remove("s").unwrap())
    };
    let query = "SELECT * FROM t".to_owned();
    assert_eq!(with("query = \"SELECT * FROM t\"").unwrap(), StreamConfig { query: query.clone(), auto: false, public: false, priority: 1 });
    let all = with("query = \"SELECT * FROM t\"\nauto = true\npublic = true\npriority = 0").unwrap();
    assert_eq!(all, StreamConfig { query, auto: true, public: true, priority: 0 });
    for (lines, place, words) in [
        ("auto = true", "streams.s", "query"),
        ("query = \"\"\nautomatic = true", "streams.s", "\"automatic\""),
        ("query = \"\"\npriority = \"first\"", "streams.s.priority", "wrong type"),
        ("query = [\"a\"]", "streams.s.query", "wrong type"),
    ] {
        let message = with(lines).unwrap_err().to_string();
        assert!(message.contains(place) && message.contains(words) && message.contains("seaworthy.toml"), "{message}");
    }
}

/// A configuration with one table that has a handler, with these lines in the handler's section and behind it.
fn with_handler(lines: &str) -> Result<Config, ConfigError> {
    load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true\nhandler = \"shop\"\n[handlers.shop]\n{lines}"), &[])
}

const URL: &str = "url = \"https://backend.example/decide\"";
const WEBHOOK_SECRET: &str = "secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"";

#[test]
fn a_handler_has_an_address_and_a_secret_which_is_not_printed() {
    let config = with_handler(&format!("{URL}\n{WEBHOOK_SECRET}")).unwrap();
    let endpoint = config.handlers["shop"].endpoint("shop").unwrap();
    assert_eq!((endpoint.url.as_str(), endpoint.timeout.as_millis()), ("https://backend.example/decide", 5000));
    assert_eq!(endpoint.key.0, (0..32).collect::<Vec<u8>>());
    let printed = format!("{config:?} {:?}", endpoint.key);
    assert!(!printed.contains("AAECAw") && !printed.contains("backend.example"));
    let plain = with_handler(&format!("{URL}\nsecret = \"a secret of 24 bytes, now\"")).unwrap();
    assert_eq!(plain.handlers["shop"].endpoint("shop").unwrap().key.0, b"a secret of 24 bytes, now");
}

#[test]
fn a_handler_that_cannot_be_asked_is_refused() {
    assert!(matches!(with_handler(URL), Err(ConfigError::EndpointSecret { .. })));
    assert!(matches!(with_handler(&format!("{URL}\n{WEBHOOK_SECRET}\nsecret_file = \"x\"")), Err(ConfigError::EndpointSecret { .. })));
    assert!(matches!(with_handler(&format!("{URL}\nsecret_file = \"x\"")), Err(ConfigError::EndpointFile { .. })));
    for secret in ["short", "whsec_AAECAw==", "whsec_no base64 at all, but long enough"] {
        assert!(matches!(with_handler(&format!("{URL}\nsecret = {secret:?}")), Err(ConfigError::EndpointKey { .. })), "{secret}");
    }
    for url in ["backend.example", "ftp://backend.example", "https://user:password@backend.example", "file:///etc/passwd"] {
        assert!(matches!(with_handler(&format!("url = {url:?}\n{WEBHOOK_SECRET}")), Err(ConfigError::EndpointUrl { .. })), "{url}");
    }
    for bound in ["attempts = 0", "attempts = 11", "timeout_ms = 1", "timeout_ms = 60000"] {
        assert!(matches!(with_handler(&format!("{URL}\n{WEBHOOK_SECRET}\n{bound}")), Err(ConfigError::EndpointBound { .. })), "{bound}");
    }
}

#[test]
fn tables_handlers_and_webhooks_name_what_there_is() {
    let none = load(&format!("[auth]\n{SECRET}\n[tables.t]\nopen = true\nhandler = \"shop\""), &[]);
    assert!(matches!(none, Err(ConfigError::NoHandler { .. })));
    let idle = with_handler(&format!("{URL}\n{WEBHOOK_SECRET}\n[handlers.idle]\n{URL}\n{WEBHOOK_SECRET}"));
    assert!(matches!(idle, Err(ConfigError::IdleHandler { handler }) if handler == "idle"));
    let webhook = |tables: &str| with_handler(&format!("{URL}\n{WEBHOOK_SECRET}\n[webhooks.w]\n{URL}\n{WEBHOOK_SECRET}\ntables = {tables}"));
    assert!(webhook("[\"t\"]").is_ok());
    assert!(matches!(webhook("[\"u\"]"), Err(ConfigError::WebhookTable { .. })));
}
