//! A client: a process with a replica, on a device, behind a link.

use super::device::Device;
use super::event::Event;
use super::link::Link;
use super::mortal::alive;
use super::random::Random;
use super::view::Pending;
use super::world::{Broken, World};
use super::{application::Application, schema};
use rusqlite::Connection;
use seaworthy_engine::Millis;
use seaworthy_engine::client::{Connection as State, Input, Status};
use seaworthy_protocol::{ReplicaId, TransactionId};
use seaworthy_store::{Action, Call, LOST_BY_RESTORE, Receipt, Replica, Stamp, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

pub struct Client {
    pub user: &'static str,
    pub device: Device,
    pub process: Option<Process>,
    /// Counts processes.
    pub life: u64,
    pub link: Link,
    /// How far sleep has carried its monotonic clock ahead of the others.
    pub slept_ms: u64,
    pub wall_offset_ms: i64,
    pub application: Application,
    /// Every transaction that was ever seen in the outbox.
    pub known: BTreeMap<TransactionId, Pending>,
    pub ends: BTreeMap<TransactionId, End>,
}

/// What became of an acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Pending,
    Confirmed,
    Rejected,
    /// Rejected, and the application has dealt with it.
    Settled,
    /// Rejected, and the process crashed while the application dealt with it.
    Unsure,
}

pub struct Process {
    pub replica: Replica,
    /// Sees what is committed.
    pub reader: Connection,
    /// Counts wishes for a tick: only the last one counts.
    wish: u64,
    pub status: Status,
    /// The version of the file that was last checked.
    pub checked: i64,
}

impl Client {
    pub fn new(user: &'static str, device: Device, seed: u64) -> Self {
        Self {
            user,
            device,
            process: None,
            life: 0,
            link: Link::default(),
            slept_ms: 0,
            wall_offset_ms: 0,
            application: Application::new(seed),
            known: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    pub fn clock(&self, now: u64) -> Millis {
        Millis(now + self.slept_ms)
    }

    pub fn is_busy(&self) -> bool {
        self.application.transaction.is_some()
    }
}

impl World {
    /// Starts the process of a client.
    pub fn reopen(&mut self, client: usize) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        if node.process.is_some() {
            return Ok(());
        }
        let opened = alive(|| open(&node.device, &mut self.random));
        self.report.deaths += u64::from(opened.is_none());
        let refused = node.device.gate.take_refused();
        match opened {
            Some(Ok(process)) => {
                node.life += 1;
                node.process = Some(process);
            }
            Some(Err(error)) if !refused => return Err(Broken(format!("client {client} cannot be opened: {error}"))),
            // A crash while it opened: the device is as it was.
            Some(Err(_)) | None => {
                node.device.gate.mend();
                self.queue.at(self.now + 500, Event::Reopen { client });
                return Ok(());
            }
        }
        self.check_client(client)?;
        self.give(client, Input::Online(true))
    }

    /// The process is gone, with all that it had in memory.
    pub fn crash(&mut self, client: usize) {
        let now = self.now;
        let node = &mut self.clients[client];
        node.process = None;
        node.device.gate.mend();
        node.application.forget_transaction();
        self.report.crashes += 1;
        self.close_socket(client);
        let wait = self.random.around(3_000);
        self.queue.at(now + wait, Event::Reopen { client });
    }

    /// Gives the replica an input and does what follows.
    pub fn give(&mut self, client: usize, input: Input) -> Result<(), Broken> {
        self.with_replica(client, |replica, now| replica.handle(now, input))
    }

    /// Has the process of a client do something. `None`: there is none, or it crashed in it.
    pub fn process<T>(&mut self, client: usize, act: impl FnOnce(&mut Process) -> T) -> Option<T> {
        let node = &mut self.clients[client];
        let process = node.process.as_mut()?;
        let done = alive(|| act(process));
        self.report.deaths += u64::from(done.is_none());
        if done.is_none() || node.device.gate.has_crashed() {
            self.note(|| format!("client {client} crashes in the middle of a step"));
            self.crash(client);
            return None;
        }
        done
    }

    /// Runs a step of the replica, unless its process crashed in it.
    pub fn with_replica(&mut self, client: usize, step: impl FnOnce(&mut Replica, Millis) -> Vec<Action>) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        let now = node.clock(self.now);
        let Some(actions) = self.process(client, |process| step(&mut process.replica, now)) else { return Ok(()) };
        for action in actions {
            self.execute(client, action)?;
        }
        self.check_client(client)
    }

    fn execute(&mut self, client: usize, action: Action) -> Result<(), Broken> {
        self.note(|| format!("client {client} -> {}", brief(&action)));
        let now = self.now;
        let node = &mut self.clients[client];
        let life = node.life;
        match action {
            Action::NeedToken { .. } => self.hand_out_token(client),
            Action::Connect => self.connect(client),
            Action::Disconnect => self.close_socket(client),
            Action::Send(frame) => {
                self.check_marked(client, &frame)?;
                self.send(client, &frame);
            }
            Action::Fetch { id, token, frame } => {
                self.check_marked(client, &frame)?;
                self.fetch(client, id, token, &frame);
            }
            Action::WakeAt(at) => {
                // Timers are late, and sometimes a little early.
                let late = if self.random.chance(0.1) { self.random.range(0, 200) } else { 1 };
                if let Some(process) = &mut node.process {
                    process.wish += 1;
                    let at = (at.0.saturating_sub(node.slept_ms) + late).saturating_sub(1).max(now);
                    self.queue.at(at, Event::ClientTick { client, life, wish: process.wish });
                }
            }
            Action::Status(status) => {
                if status.connection == State::NeedsAdopt {
                    let at = now + self.random.around(2_000);
                    self.queue.at(at, Event::Adopt { client, life });
                    self.report.unclaimed += 1;
                }
                if let Some(process) = &mut node.process {
                    process.status = status;
                }
            }
            Action::Synced => self.report.checkpoints += 1,
            Action::Rejected(writes) => self.report.lost += writes.iter().filter(|write| write.code == LOST_BY_RESTORE).count() as u64,
            Action::Confirmed(_) | Action::Streams => {}
            Action::Failed(error) => {
                self.report.storage_failures += 1;
                if !node.device.gate.take_refused() {
                    return Err(Broken(format!("client {client}: storage failed by itself: {error}")));
                }
            }
        }
        Ok(())
    }

    /// The tick of the last wish.
    pub fn client_tick(&mut self, client: usize, life: u64, wish: u64) -> Result<(), Broken> {
        let node = &self.clients[client];
        match &node.process {
            Some(process) if node.life == life && process.wish == wish => self.give(client, Input::Tick),
            _ => Ok(()),
        }
    }

    pub fn token_given(&mut self, client: usize, life: u64, token: Option<String>) -> Result<(), Broken> {
        if self.clients[client].life != life {
            return Ok(());
        }
        // A bad one that was on its way when all was put right.
        let good = || Some(format!("{}:{}", self.clients[client].user, self.now + self.plan.token_ms));
        let token = if self.healed { good() } else { token };
        self.give(client, Input::Token(token))
    }

    fn hand_out_token(&mut self, client: usize) {
        let (now, life, user) = (self.now, self.clients[client].life, self.clients[client].user);
        let delay = self.random.range(0, 200);
        let mut token = Some(format!("{user}:{}", now + delay + self.plan.token_ms));
        if self.random.chance(self.plan.bad_tokens) {
            match self.random.below(4) {
                0 => return,
                1 => token = Some(format!("{user}:0")),
                // A server that was restored may not know whose replica it is, and would give it to whoever comes first.
                2 if self.is_bound(client) && !self.history.restored => token = Some(format!("mallory:{}", u64::MAX)),
                _ => token = None,
            }
            // The user signs in a little later.
            let later = now + self.random.range(1_000, 20_000);
            let good = Some(format!("{user}:{}", later + self.plan.token_ms));
            self.queue.at(later, Event::Token { client, life, token: good });
        }
        self.queue.at(now + delay, Event::Token { client, life, token });
    }

    fn is_bound(&mut self, client: usize) -> bool {
        self.clients[client].process.as_mut().is_some_and(|process| process.replica.store().replica().user.is_some())
    }

    /// Runs a write of the application, and gives its receipt if it was committed. The outer `None`: what became
    /// of it is not known, the process crashed.
    pub fn write(&mut self, client: usize, request: &str, call: &Call) -> Result<Option<Option<Receipt>>, Broken> {
        let stamp = self.stamp(client);
        let written = self.process(client, |process| process.replica.store().write(request, stamp, call));
        written.map_or(Ok(None), |result| self.written(client, result.map(|written| written.receipt)).map(Some))
    }

    /// Takes in the answer to a write.
    pub fn written(&mut self, client: usize, result: Result<Receipt, StoreError>) -> Result<Option<Receipt>, Broken> {
        let node = &mut self.clients[client];
        let refused = node.device.gate.take_refused();
        match result {
            Ok(receipt) => {
                if let Some(id) = receipt.id {
                    self.report.writes += 1;
                    node.ends.entry(id).or_insert(End::Pending);
                }
                self.with_replica(client, |replica, now| replica.committed(now))?;
                Ok(Some(receipt))
            }
            Err(error) if error.code() == "ConstraintViolation" || refused => Ok(None),
            Err(error) => Err(Broken(format!("client {client}: a write failed: {error}"))),
        }
    }

    /// What a write brings from outside.
    pub fn stamp(&mut self, client: usize) -> Stamp {
        let now_ms = 1_700_000_000_000 + self.now as i64 + self.clients[client].wall_offset_ms;
        let id = TransactionId(self.random.bytes());
        self.clients[client].application.attempted.insert(id);
        Stamp { id, now_ms, policy: self.plan.policy(&mut self.random) }
    }

    /// Whether everything that this client wrote has come to its end, over a good connection.
    pub fn is_idle(&mut self, client: usize) -> bool {
        let node = &mut self.clients[client];
        let unresolved = !node.application.unresolved.is_empty() || node.is_busy();
        let Some(process) = &mut node.process else { return false };
        let pending = process.replica.store().replica();
        !unresolved
            && process.status.connection == State::Online
            && pending.first_undecided > pending.last_sequence
            && !pending.awaiting_checkpoint
            && pending.cursor.is_some()
    }
}

fn open(device: &Device, random: &mut Random) -> Result<Process, String> {
    let conn = device.open().map_err(|e| e.to_string())?;
    let store = Store::open(conn, &schema::client(), ReplicaId(random.bytes())).map_err(|e| e.to_string())?;
    let reader = device.reader().map_err(|e| e.to_string())?;
    let ids = random.fork();
    let replica = Replica::new(store, random.next(), ids);
    Ok(Process { replica, reader, wish: 0, status: Status::default(), checked: -1 })
}

fn brief(action: &Action) -> String {
    let text = format!("{action:?}");
    text.chars().take(300).collect()
}

/// Ids of a set, for messages.
pub fn ids(set: &BTreeSet<TransactionId>) -> String {
    set.iter().map(TransactionId::to_string).collect::<Vec<_>>().join(", ")
}
