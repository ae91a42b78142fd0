//! What stops the server from starting, and what it says then.

use crate::running::{Running, SECRET, Setup, binary};
use std::{net::TcpListener, process::Command};

/// Runs a command that must fail, and gives what it says.
pub fn failure(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it started");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
pub fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

/// Starts with a configuration in which `from` stands as `to`.
fn broken(from: &str, to: &str) -> String {
    let setup = Setup::new();
    setup.command();
    let path = setup.folder.path().join("seaworthy.toml");
    let text = setup.toml();
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    failure(binary().arg("--config").arg(path))
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut setup = Setup::new();
    setup.listen.clone_from(&address);
    says(&failure(&mut setup.command()), &[&address, "in use", "--listen"]);
    assert!(!setup.database().exists(), "the database was touched");
}

#[test]
fn a_database_in_use_by_another_server_is_named() {
    let running = Running::new();
    let mut other = Setup::new();
    other.more = format!("# {}", running.address);
    let mut command = other.command();
    command.arg("--database").arg(running.setup.database());
    says(&failure(&mut command), &["in use by another seaworthy-server", "test.db"]);
}

#[test]
fn a_broken_file_is_named_with_the_spot() {
    let owner = "owner = \"owner_id\"";
    says(&broken("[auth]", "[auth"), &["seaworthy.toml", "line 5"]);
    says(&broken("issuer = \"test\"", "isuer = \"test\""), &["seaworthy.toml", "auth", "isuer", "issuer"]);
    says(&broken("issuer = \"test\"", "issuer = 7"), &["auth.issuer", "wrong type"]);
    says(&broken("listen = \"127.0.0.1:0\"", "listen = \"localhost\""), &["listen", "localhost", "127.0.0.1:8787"]);
    says(&broken("listen =", "port = 1\nlisten ="), &["seaworthy.toml", "port", "listen"]);
    says(&broken(owner, "ownr = \"owner_id\""), &["tables.lists", "ownr"]);
    says(&broken(owner, "open = \"yes\""), &["tables.lists.open", "a boolean"]);
    says(&broken(owner, ""), &["[tables.lists]", "no stream reads it"]);
    says(&broken(owner, "owner = \"user\""), &["[tables.lists]", "no column user"]);
    says(&broken("[tables.lists]", "[tables.list]"), &["[tables.list]", "no table of this name"]);
    says(&broken("[auth]", "[limits]\nmax_frame_bytes = 99999999\n[auth]"), &["limits.max_frame_bytes", "between"]);
    says(&broken("listen =", "allowed_origins = [\"example.com\"]\nlisten ="), &["allowed_origins", "example.com"]);
    says(&broken("listen =", "www = \"nowhere\"\nlisten ="), &["www", "nowhere"]);
    says(&broken("www/server/migrations", "www/nowhere"), &["migrations", "www/nowhere"]);
}

#[test]
fn a_secret_is_required_and_never_shown() {
    let line = format!("secret = {SECRET:?}");
    says(&broken(&line, ""), &["auth.secret", "SEAWORTHY_AUTH__SECRET", "--dev"]);
    let short = broken(&line, "secret = \"hunter2\"");
    says(&short, &["auth.secret", "32 bytes"]);
    assert!(!short.contains("hunter2"));
    let typed = broken(&line, "secret = 4711471147114711");
    says(&typed, &["auth.secret"]);
    assert!(!typed.contains("4711471147114711"));
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_what_to_do() {
    let keys = |lines: &str| broken("[tables.lists]", &format!("{lines}\n[tables.lists]"));
    let private = include_str!("keys/rsa-other.pem");
    let shown = keys(&format!("[[auth.keys]]\nkey = '''{private}'''"));
    says(&shown, &["auth.keys", "entry 0", "private key", "-pubout"]);
    assert!(!shown.contains(private.lines().nth(1).unwrap()));
    says(&keys("[[auth.keys]]\nkid = \"a\""), &["auth.keys", "`key`", "`file`"]);
    says(&keys("[[auth.keys]]\nkey = \"nonsense\""), &["auth.keys", "BEGIN PUBLIC KEY"]);
    says(&keys("[[auth.keys]]\nfile = \"nowhere.pem\""), &["auth.keys", "nowhere.pem"]);
    says(&keys("[[auth.keys]]\nkey = '{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}'"), &["too short", "32 bytes"]);
    says(&keys("[[auth.keys]]\nkey = '{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"c2hvcnQ\"}'"), &["auth.keys", "broken"]);
    says(&keys("[auth.jwks]\nurl = \"id.example.com\""), &["auth.jwks.url", "https://"]);
    says(&keys("[auth.jwks]\nmax_age_ms = 1"), &["auth.jwks", "`url`", "`file`"]);
    says(&keys("[auth.jwks]\nfile = \"nowhere.json\""), &["auth.jwks", "nowhere.json"]);
    says(&keys("[auth.jwks]\nfile = \"a\"\ntimeout_ms = 1"), &["auth.jwks.timeout_ms", "between"]);
    says(&broken("audience = \"test\"", "audience = []"), &["auth.audience", "empty"]);
    says(&broken("audience = \"test\"", "audience = 7"), &["auth.audience", "a list of texts"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    says(&failure(binary().args(["--config", "/nonexistent/seaworthy.toml"])), &["/nonexistent/seaworthy.toml", "--config"]);
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let setup = Setup::new();
    std::fs::write(setup.database(), "this is not a database at all, but a text".repeat(100)).unwrap();
    says(&failure(&mut setup.command()), &["cannot be opened", "not a database"]);
}
