//! The server's process, with a folder of its own, and what the system says of it.

use crate::options::Options;
use seaworthy_server::{
    Tokens,
    config::{Audience, AuthConfig, Secret},
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

const SECRET: &str = "a secret of the load test, long enough";
const NAME: &str = "load";
const TOKEN_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);
/// What `/proc` counts time in: USER_HZ, which is 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const MIGRATION: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL);\n\
                         CREATE INDEX notes_owner ON notes (owner);\n";

pub struct Server {
    pub address: SocketAddr,
    program: PathBuf,
    child: Child,
    tokens: Tokens,
    folder: tempfile::TempDir,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub memory_bytes: u64,
    pub cpu_seconds: f64,
}

impl Server {
    /// Starts it with bounds that the crowd fits in. Those against hostile clients are the defaults, but for patience.
    pub fn start(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join("migrations");
        std::fs::create_dir(&migrations).unwrap();
        std::fs::write(migrations.join("0001_notes.sql"), MIGRATION).unwrap();
        let config = folder.path().join("seaworthy.toml");
        std::fs::write(&config, toml(options)).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let program = program(options);
        let mut command = Command::new(&program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SEAWORTHY_")) {
            command.env_remove(name);
        }
        let mut child = command.arg("--config").arg(config).env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().split_once("http://") else {
            panic!("the server did not start: {}", std::fs::read_to_string(folder.path().join("log")).unwrap());
        };
        let auth = AuthConfig {
            issuer: NAME.to_owned(),
            audience: Audience(vec![NAME.to_owned()]),
            secret: Some(Secret(SECRET.to_owned())),
            keys: Vec::new(),
            jwks: None,
        };
        Self { address: address.parse().unwrap(), program, child, tokens: Tokens::new(&auth).unwrap(), folder }
    }

    pub fn token(&self, user: &str) -> String {
        self.tokens.issue(user, TOKEN_LIFETIME).unwrap()
    }

    pub fn usage(&self) -> Usage {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the server has ended");
        let status = read("status");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap();
        // Behind the name, which may hold spaces: the state, and the times as the 12th and 13th.
        let stat = read("stat");
        let times: Vec<f64> = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap()).collect();
        Usage { memory_bytes: kilobytes * 1024, cpu_seconds: times.iter().sum::<f64>() / TICKS_PER_SECOND }
    }

    /// The program.
    pub fn program(&self) -> String {
        self.program.display().to_string()
    }

    /// What it warned of.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(options: &Options) -> PathBuf {
    options.server.clone().unwrap_or_else(|| std::env::current_exe().unwrap().with_file_name("seaworthy-server"))
}

fn toml(options: &Options) -> String {
    let connections = options.replicas + 2000;
    let per_user = options.replicas_per_user().max(100) + 10;
    let pushes = if options.rate == 0 { 1_000_000 } else { options.rate.max(100) };
    let patience = if options.hostile { "send_timeout_ms = 1000\nrequest_timeout_ms = 1000\n" } else { "" };
    format!(
        "listen = \"127.0.0.1:0\"\ndatabase = \"load.db\"\nmigrations = \"migrations\"\n\
         [auth]\nissuer = {NAME:?}\naudience = {NAME:?}\nsecret = {SECRET:?}\n[tables.notes]\nowner = \"owner\"\nkeys = \"application\"\n\
         [streams.numbered]\nquery = \"SELECT * FROM notes WHERE id = params.number AND owner = auth.user_id()\"\n\
         [limits]\nproxies = []\nmax_connections = {connections}\nmax_connections_per_user = {per_user}\nmax_pushes_per_second = {pushes}\n{patience}"
    )
}
