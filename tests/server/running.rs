//! A server process with a folder of its own. It is killed and its folder removed when it goes out of scope.

use seaworthy_fault::Point;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

pub const SECRET: &str = "a secret of the tests, long enough for HS256";

/// How long a process may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary as cargo has it now.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "seaworthy-server", "--target-dir"]).arg(folder.parent().unwrap());
    // Build scripts of dependencies watch these: with ours they would run again, and everything above them be built anew.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        cargo.env_remove(name);
    }
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.current_dir(root()).status().unwrap().success(), "the server does not build");
    folder.join("seaworthy-server")
});

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub fn binary() -> Command {
    clean(&BINARY)
}

/// The same server with named points at which it dies.
pub fn dying_binary() -> Command {
    clean(Path::new(env!("CARGO_BIN_EXE_dying-server")))
}

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SEAWORTHY_")) {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command
}

/// A folder with a configuration.
pub struct Setup {
    pub folder: tempfile::TempDir,
    pub listen: String,
    pub dev: bool,
    /// More lines: sections.
    pub more: String,
    /// The value of `audience`, as TOML.
    pub audience: String,
    /// More lines: tables of `[auth]`.
    pub keys: String,
    pub migrations: PathBuf,
    /// The sections of the tables.
    pub tables: String,
    /// Another file than that of the tests.
    pub config: Option<PathBuf>,
    pub env: Vec<(&'static str, String)>,
    /// Where the process dies, and when it is there for the how manyth time.
    pub dies: Option<(Point, u64)>,
}

impl Setup {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            listen: "127.0.0.1:0".to_owned(),
            dev: false,
            more: String::new(),
            audience: "\"test\"".to_owned(),
            keys: String::new(),
            migrations: root().join("www/server/migrations"),
            tables: "[tables.lists]\nowner = \"owner_id\"\n[tables.todos]\nowner = \"owner_id\"\n".to_owned(),
            config: None,
            env: Vec::new(),
            dies: None,
        }
    }

    pub fn with(more: &str) -> Self {
        Self { more: more.to_owned(), ..Self::new() }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    pub fn toml(&self) -> String {
        format!(
            "listen = {:?}\ndatabase = \"test.db\"\nmigrations = {:?}\n{}\n\
             [auth]\nissuer = \"test\"\naudience = {}\nsecret = {SECRET:?}\n{}{}",
            self.listen, self.migrations, self.more, self.audience, self.keys, self.tables
        )
    }

    /// Writes the file of the tests.
    pub fn write(&self) -> PathBuf {
        let path = self.folder.path().join("seaworthy.toml");
        std::fs::write(&path, self.toml()).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = match self.dies {
            None => binary(),
            Some((point, nth)) => {
                let mut command = dying_binary();
                command.env(seaworthy_fault::VARIABLE, format!("{point:?}:{nth}"));
                command
            }
        };
        command.envs(self.env.iter().cloned());
        match &self.config {
            Some(path) => command.arg("--config").arg(path).args(["--listen", &self.listen]).arg("--database").arg(self.database()),
            None => command.arg("--config").arg(self.write()),
        };
        if self.dev {
            command.arg("--dev");
        }
        command
    }

    /// Every file of the folder with its bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        files
    }

    pub fn start(self) -> Running {
        Running::start(self)
    }
}

pub struct Running {
    pub setup: Setup,
    pub address: String,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    pub fn new() -> Self {
        Setup::new().start()
    }

    fn start(setup: Setup) -> Self {
        let mut child = setup.command().stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_LOG", "trace").spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(child.stderr.take().unwrap(), log.clone());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().split_once("http://") else {
            let status = child.wait();
            panic!("the server did not start ({status:?}):\n{}", log.lock().unwrap());
        };
        Self { setup, address: address.to_owned(), child, log }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged something: its output comes by a pipe, perhaps after its answer.
    #[track_caller]
    pub fn logs(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "it does not log {text:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// `kill -9`, and another start on the same folder.
    pub fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.restart()
    }

    /// Another start on the same folder, once it has died where it was told to.
    pub fn restart_after_death(mut self) -> Self {
        let status = self.wait();
        assert!(status.code().is_none(), "it ended with {status} and did not die:\n{}", self.log());
        self.setup.dies = None;
        self.restart()
    }

    /// Another start on the same folder, once it has ended.
    pub fn restart(mut self) -> Self {
        self.child.wait().unwrap();
        let setup = std::mem::replace(&mut self.setup, Setup::new());
        Self::start(setup)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(from: impl Read + Send + 'static, to: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = to.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
