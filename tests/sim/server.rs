//! The server: its storage core on a device, and a session for every connection and request.

use super::device::Device;
use super::event::Event;
use super::mortal::alive;
use super::random::Random;
use super::schema;
use super::world::{Broken, World};
use seaworthy_engine::Millis;
use seaworthy_engine::client::{FetchError, User};
use seaworthy_engine::session::{Identity, Input, Output, Principal, Session, Standing};
use seaworthy_protocol::{
    Epoch, ErrorCode, ErrorFrame, Format, Incarnation, Position, Push, ReplicaId, Rows, ServerFrame, TransactionId, decode_client, encode_server,
    encode_server_frames,
};
use seaworthy_server::storage::{Fresh, Location, Served, SqliteCore, StreamConfigs};
use std::{collections::BTreeMap, sync::Arc};

/// A session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(pub u64);

/// What a session asks of storage.
#[derive(Debug)]
pub enum Work {
    Admit { replica: ReplicaId, user: User },
    Decide { principal: Principal, push: Push },
    Pull { principal: Principal, standing: Standing, doubtful: Vec<TransactionId> },
}

pub struct Server {
    pub device: Device,
    pub core: Option<SqliteCore>,
    /// Counts runs.
    pub run: u64,
    epoch: Epoch,
    /// The backup and where its log ends.
    backup: Option<(Device, Position)>,
    slots: BTreeMap<Peer, Slot>,
    peers: u64,
}

struct Slot {
    session: Session,
    client: usize,
    request: Option<Request>,
    /// Rows that were sent, and their checkpoint was not.
    arriving: Vec<Rows>,
    wish: u64,
}

/// A request over fetch and the answer so far.
struct Request {
    life: u64,
    id: u32,
    frames: Vec<ServerFrame>,
}

impl Server {
    pub fn new(device: Device, random: &mut Random) -> Self {
        Self { device, core: None, run: 0, epoch: Epoch(random.bytes()), backup: None, slots: BTreeMap::new(), peers: 0 }
    }

    pub fn is_up(&self) -> bool {
        self.core.is_some()
    }
}

impl World {
    pub fn start_server(&mut self) -> Result<(), Broken> {
        if self.server.is_up() {
            return Ok(());
        }
        let fresh = Fresh { epoch: self.server.epoch, incarnation: Incarnation(self.random.bytes()) };
        let location = Location::File(self.server.device.path.clone());
        let tables = schema::served(&self.plan.policies);
        let served = Served { tables: &tables, streams: &StreamConfigs::new() };
        let mut core = SqliteCore::open(&location, served, &schema::migrations(), fresh, self.now as i64)
            .map_err(|error| Broken(format!("the server cannot be opened: {error}")))?;
        let conn = core.connection_mut();
        let tuned = conn.pragma_update(None, "synchronous", "off").and_then(|()| self.server.device.gate.watch(conn));
        tuned.map_err(|error| Broken(error.to_string()))?;
        self.server.run += 1;
        self.history.begin_run(fresh.incarnation, core.connection()).map_err(Broken)?;
        self.server.core = Some(core);
        self.follow()
    }

    /// Has the server's storage do something. `None`: it is down, or crashed in it.
    fn storage<T>(&mut self, act: impl FnOnce(&mut SqliteCore) -> T) -> Option<T> {
        let core = self.server.core.as_mut()?;
        let done = alive(|| act(core));
        self.report.deaths += u64::from(done.is_none());
        if done.is_none() || self.server.device.gate.has_crashed() {
            self.note(|| "the server crashes in a commit".to_owned());
            self.crash_server();
            return None;
        }
        done
    }

    /// The process is gone; the operating system tells those who are connected, where it can.
    pub fn crash_server(&mut self) {
        self.server.core = None;
        self.server.device.gate.mend();
        self.report.crashes += 1;
        for (peer, slot) in std::mem::take(&mut self.server.slots) {
            self.hang_up(peer, slot);
        }
        let wait = self.random.around(6_000);
        self.queue.at(self.now + wait, Event::StartServer);
    }

    /// Sessions end in order, then the process.
    pub fn stop_server(&mut self) -> Result<(), Broken> {
        let peers: Vec<Peer> = self.server.slots.keys().copied().collect();
        for peer in peers {
            self.feed(peer, Input::Stop)?;
        }
        self.crash_server();
        Ok(())
    }

    pub fn back_up_server(&mut self) -> Result<(), Broken> {
        let Some(core) = &self.server.core else { return Ok(()) };
        let backup = Device::new(self.folder.path(), "backup");
        let _ = std::fs::remove_file(&backup.path);
        // The schedule may have it that this commit is refused.
        if core.connection().execute("VACUUM INTO ?1", [backup.path.to_string_lossy()]).is_ok() {
            self.server.backup = Some((backup, self.history.head()));
        }
        Ok(())
    }

    /// The disk was lost, and the backup takes its place.
    pub fn restore_server(&mut self) -> Result<(), Broken> {
        let Some((backup, position)) = self.server.backup.clone() else { return self.back_up_server() };
        if self.server.is_up() {
            self.crash_server();
        }
        self.server.device.replace_with(&backup).map_err(|error| Broken(error.to_string()))?;
        self.history.restore(position);
        self.report.restores += 1;
        Ok(())
    }

    /// The server forgets the older part of its history. What it serves and has decided stays.
    pub fn compact_server(&mut self) -> Result<(), Broken> {
        let through = Position(self.history.head().0.saturating_sub(self.random.range(0, 12)));
        match self.storage(|core| core.compact(through)) {
            Some(Ok(_)) => self.report.compactions += 1,
            Some(Err(_)) if self.server.device.gate.take_refused() => self.report.storage_failures += 1,
            Some(Err(error)) => return Err(Broken(format!("the log cannot be compacted: {error}"))),
            None => {}
        }
        self.follow()
    }

    fn hang_up(&mut self, peer: Peer, slot: Slot) {
        match slot.request {
            Some(request) => {
                let (client, life, id) = (slot.client, request.life, request.id);
                let at = self.now + self.latency();
                self.queue.at(at, Event::Fetched { client, life, id, result: Err(FetchError::Network) });
            }
            None => self.deliver(slot.client, peer, |life, socket| Event::SocketClosed { client: slot.client, life, socket }),
        }
    }

    /// A WebSocket reaches the server. `None`: there is nobody.
    pub fn accept(&mut self, client: usize, _life: u64, _socket: u64) -> Option<Peer> {
        self.server.core.as_ref()?;
        Some(self.open_slot(client, Session::new(Millis(self.now)), None))
    }

    fn open_slot(&mut self, client: usize, session: Session, request: Option<Request>) -> Peer {
        self.server.peers += 1;
        let peer = Peer(self.server.peers);
        self.server.slots.insert(peer, Slot { session, client, request, arriving: Vec::new(), wish: 0 });
        self.queue.at(self.now, Event::Head { run: self.server.run, peer });
        peer
    }

    pub fn request(&mut self, client: usize, life: u64, id: u32, token: String, bytes: &[u8]) -> Result<(), Broken> {
        if !self.server.is_up() {
            let at = self.now + self.latency();
            self.queue.at(at, Event::Fetched { client, life, id, result: Err(FetchError::Network) });
            return Ok(());
        }
        let request = Request { life, id, frames: Vec::new() };
        let peer = self.open_slot(client, Session::request(Millis(self.now), token), Some(request));
        self.peer_frame(peer, bytes)
    }

    pub fn peer_frame(&mut self, peer: Peer, bytes: &[u8]) -> Result<(), Broken> {
        match decode_client(bytes, Format::MessagePack) {
            Ok(frame) => self.feed(peer, Input::Frame(frame)),
            Err(error) => Err(Broken(format!("a frame of a client does not decode: {error}"))),
        }
    }

    pub fn peer_closed(&mut self, peer: Peer) {
        self.server.slots.remove(&peer);
    }

    pub fn peer_tick(&mut self, run: u64, peer: Peer, wish: u64) -> Result<(), Broken> {
        let wished = self.server.slots.get(&peer).is_some_and(|slot| slot.wish == wish);
        if run == self.server.run && wished { self.feed(peer, Input::Tick) } else { Ok(()) }
    }

    pub fn head(&mut self, run: u64, peer: Peer) -> Result<(), Broken> {
        if run == self.server.run { self.feed(peer, Input::Head(self.history.head())) } else { Ok(()) }
    }

    pub fn answer(&mut self, run: u64, peer: Peer, input: Input) -> Result<(), Broken> {
        if run == self.server.run { self.feed(peer, input) } else { Ok(()) }
    }

    fn feed(&mut self, peer: Peer, input: Input) -> Result<(), Broken> {
        let now = Millis(self.now);
        let Some(slot) = self.server.slots.get_mut(&peer) else { return Ok(()) };
        slot.session.handle(now, input).map_err(|error| Broken(format!("the session was driven wrongly: {error}")))?;
        let outputs: Vec<Output> = std::iter::from_fn(|| slot.session.poll_output()).collect();
        outputs.into_iter().try_for_each(|output| self.obey(peer, output))
    }

    fn obey(&mut self, peer: Peer, output: Output) -> Result<(), Broken> {
        self.note(|| format!("session {} -> {}", peer.0, format!("{output:?}").chars().take(300).collect::<String>()));
        let (now, run) = (self.now, self.server.run);
        let soon = now + self.random.range(0, 5);
        let work = |work| Event::Work { run, peer, work };
        match output {
            Output::Authenticate { token } => {
                let input = Input::Authenticated(verify(&token, now));
                self.queue.at(soon, Event::Answer { run, peer, input });
            }
            Output::Admit { replica, user } => self.queue.at(soon, work(Work::Admit { replica, user })),
            Output::Decide { principal, push } => self.queue.at(soon, work(Work::Decide { principal, push })),
            Output::Pull { principal, standing, doubtful, .. } => self.queue.at(soon, work(Work::Pull { principal, standing, doubtful })),
            Output::Send(frame) => self.send_to(peer, frame)?,
            Output::Close => self.close_slot(peer),
            Output::WakeAt(at) => {
                if let Some(slot) = self.server.slots.get_mut(&peer) {
                    slot.wish += 1;
                    let wish = slot.wish;
                    self.queue.at(at.0.max(now), Event::PeerTick { run, peer, wish });
                }
            }
        }
        Ok(())
    }

    fn send_to(&mut self, peer: Peer, frame: ServerFrame) -> Result<(), Broken> {
        let Some(slot) = self.server.slots.get_mut(&peer) else { return Ok(()) };
        let (user, mut arriving) = (self.clients[slot.client].user, std::mem::take(&mut slot.arriving));
        self.check_delivery(user, &frame, &mut arriving)?;
        let Some(slot) = self.server.slots.get_mut(&peer) else { return Ok(()) };
        slot.arriving = arriving;
        if let Some(request) = &mut slot.request {
            request.frames.push(frame);
            return Ok(());
        }
        let client = slot.client;
        let bytes = encode_server(&frame, Format::MessagePack);
        self.deliver(client, peer, |life, socket| Event::SocketFrame { client, life, socket, bytes });
        Ok(())
    }

    fn close_slot(&mut self, peer: Peer) {
        let Some(slot) = self.server.slots.remove(&peer) else { return };
        let Some(request) = slot.request else { return self.hang_up(peer, slot) };
        self.report.fetches += 1;
        let (client, life, id) = (slot.client, request.life, request.id);
        let mut bytes = encode_server_frames(&request.frames, Format::MessagePack);
        if self.clients[client].link.partitioned {
            return;
        }
        let mut at = self.now + self.latency();
        if self.random.chance(self.plan.loss) {
            match self.random.below(3) {
                // Cut short, late, or lost without a word.
                0 => bytes.truncate(bytes.len() / 2),
                1 => at += self.random.around(60_000),
                _ => return,
            }
        }
        if self.random.chance(self.plan.duplication) {
            let again = at + self.random.around(20_000);
            self.queue.at(again, Event::Fetched { client, life, id, result: Ok(bytes.clone()) });
        }
        self.queue.at(at, Event::Fetched { client, life, id, result: Ok(bytes) });
    }

    /// Storage works on what a session asked for.
    pub fn work(&mut self, run: u64, peer: Peer, work: Work) -> Result<(), Broken> {
        if run != self.server.run {
            return Ok(());
        }
        let now_ms = self.now as i64;
        let done = self.storage(|core| match &work {
            Work::Admit { replica, user } => Input::Admitted(core.admit(user, *replica, now_ms).map_err(|error| error.to_frame())),
            Work::Decide { principal, push } => Input::Decided(core.decide(principal, push, now_ms).map_err(|error| error.to_frame())),
            Work::Pull { principal, standing, doubtful } => {
                Input::Pulled(core.pull(principal, standing, doubtful).map(|read| read.pulled).map_err(|error| error.to_frame()))
            }
        });
        let Some(input) = done else { return Ok(()) };
        let failed = matches!(&input, Input::Admitted(Err(error)) | Input::Decided(Err(error)) | Input::Pulled(Err(error)) if error.code == "unavailable");
        if failed {
            self.report.storage_failures += 1;
            if !self.server.device.gate.take_refused() {
                return Err(Broken("the server's storage failed by itself".into()));
            }
        }
        if let (Work::Decide { push, .. }, Input::Decided(Ok(results))) = (&work, &input) {
            let before = self.history.head();
            self.follow()?;
            self.check_refusals(push, results)?;
            if self.history.head() > before {
                self.announce();
            }
        }
        let at = self.now + self.random.range(0, 10);
        self.queue.at(at, Event::Answer { run, peer, input });
        Ok(())
    }

    fn announce(&mut self) {
        let (now, run) = (self.now, self.server.run);
        for peer in self.server.slots.keys() {
            let at = now + self.random.range(0, 8);
            self.queue.at(at, Event::Head { run, peer: *peer });
        }
    }
}

/// A token is a user and the moment at which it ends.
fn verify(token: &str, now: u64) -> Result<Identity, ErrorFrame> {
    let good = token.split_once(':').and_then(|(user, end)| Some((user, end.parse::<u64>().ok()?.checked_sub(now)?)));
    match good {
        Some((subject, expires_in_ms)) if expires_in_ms > 0 => {
            let user = User { issuer: "simulation".into(), subject: subject.into() };
            Ok(Identity { principal: Principal { user, claims: Arc::default() }, expires_in_ms })
        }
        _ => Err(ErrorFrame::new(ErrorCode::Unauthorized, "the token has ended")),
    }
}
