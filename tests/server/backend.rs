//! A backend that answers as a test says: well, badly, late or not at all.

use crate::running::Setup;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long something may take to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    raw: Vec<u8>,
}

impl Asked {
    /// Whether it was signed with [`SECRET`] as <https://www.standardwebhooks.com> says, a moment ago.
    pub fn is_signed(&self) -> bool {
        let (id, timestamp) = (&self.headers["webhook-id"], &self.headers["webhook-timestamp"]);
        let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&self.raw);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - timestamp.parse::<u64>().unwrap();
        self.headers["webhook-signature"] == signature && age < 60
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Json(Value),
    Text(u16, String),
    /// A redirect to this address.
    Elsewhere(String),
    /// Nothing, for longer than anybody waits.
    Hang,
}

type Answering = dyn Fn(&Asked) -> Reply + Send + Sync;

/// Listens on an address of its own.
pub struct Backend {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answering: Arc<Mutex<Arc<Answering>>>,
}

impl Backend {
    pub fn new(answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answering)
    }

    fn on(listener: TcpListener, answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let this = Self { address: listener.local_addr().unwrap().to_string(), asked: Arc::default(), answering: Arc::new(Mutex::new(Arc::new(answering))) };
        let (asked, answering) = (this.asked.clone(), this.answering.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (asked, answering) = (asked.clone(), answering.clone());
                thread::spawn(move || serve(stream, &asked, &answering));
            }
        });
        this
    }

    /// How it answers from now on.
    pub fn answer(&self, answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answering);
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until what was asked satisfies a condition.
    pub async fn until(&self, is_enough: impl Fn(&[Asked]) -> bool) -> Vec<Asked> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = self.asked();
            if is_enough(&asked) {
                return asked;
            }
            assert!(Instant::now() < deadline, "it does not come to that: {asked:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// An address that is held, and where nobody listens yet: whoever connects is refused.
pub struct Reserved {
    pub address: String,
    socket: tokio::net::TcpSocket,
}

impl Reserved {
    pub fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { address: socket.local_addr().unwrap().to_string(), socket }
    }

    /// From now on somebody is there.
    pub fn open(self, answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Backend {
        let listener = self.socket.listen(128).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        Backend::on(listener, answering)
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<Asked>>, answering: &Mutex<Arc<Answering>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let question = Asked { path, headers, body: serde_json::from_slice(&body).unwrap_or_default(), raw: body };
    asked.lock().unwrap().push(question.clone());
    let answering = answering.lock().unwrap().clone();
    let (status, more, text) = match answering(&question) {
        Reply::Json(json) => (200, String::new(), json.to_string()),
        Reply::Text(status, text) => (status, String::new(), text),
        Reply::Elsewhere(location) => (307, format!("location: {location}\r\n"), String::new()),
        Reply::Hang => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0]);
            return;
        }
    };
    let _ = write!(stream, "HTTP/1.1 {status} X\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
}

/// 32 bytes.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

impl Setup {
    /// A server that asks a backend about every write of lists, twice at most and not for long.
    pub fn asking(address: &str) -> Self {
        let mut setup = Self::with(&format!("[handlers.shop]\nurl = \"http://{address}/decide\"\nsecret = {SECRET:?}\ntimeout_ms = 400\nattempts = 2"));
        setup.tables = setup.tables.replacen("owner = \"owner_id\"", "owner = \"owner_id\"\nhandler = \"shop\"", 1);
        setup
    }

    /// A server that tells a backend about what was written in lists.
    pub fn telling(address: &str) -> Self {
        Self::with(&format!("[webhooks.search]\nurl = \"http://{address}/events\"\nsecret = {SECRET:?}\ntimeout_ms = 400\ntables = [\"lists\"]"))
    }
}
