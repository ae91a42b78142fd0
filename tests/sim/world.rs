//! Everything together, and the loop that runs one event after the other.

use super::client::Client;
use super::device::Device;
use super::event::{Event, Queue};
use super::history::History;
use super::link::BLOCKED;
use super::plan::{Plan, USERS};
use super::random::Random;
use super::server::Server;
use super::workload::Workload;
use super::{Failure, Report};
use seaworthy_engine::client::Input;
use seaworthy_fault::Point;
use std::collections::BTreeMap;
use std::path::Path;

/// Faults and writes end, then this long may pass until all is quiet.
const PATIENCE_MS: u64 = 1_800_000;
/// No schedule is longer.
const MAX_STEPS: u64 = 400_000;
/// How often it is asked whether all is quiet.
const LOOK_EVERY_MS: u64 = 250;

/// Something that must hold does not.
#[derive(Debug)]
pub struct Broken(pub String);

pub struct World {
    pub seed: u64,
    trace: bool,
    pub now: u64,
    pub random: Random,
    pub plan: Plan,
    pub queue: Queue,
    pub server: Server,
    pub clients: Vec<Client>,
    pub history: History,
    pub report: Report,
    /// Counts WebSockets.
    pub sockets: u64,
    pub healed: bool,
    healed_at: u64,
    looked_at: u64,
    /// How often each named point was reached before all was put right.
    pub reached: BTreeMap<Point, u64>,
    /// Dropped last.
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new(seed: u64, workload: Workload, trace: bool) -> Self {
        let mut random = Random::new(seed ^ 0x5ea_0c3a9);
        let plan = Plan::new(workload, &mut random);
        let folder = folder();
        let server = Server::new(Device::new(folder.path(), "server"), &mut random);
        let clients = (0..plan.clients).map(|n| Client::new(USERS[n % plan.users], Device::new(folder.path(), &format!("client-{n}")), random.next()));
        Self {
            seed,
            trace,
            now: 0,
            clients: clients.collect(),
            random,
            plan,
            queue: Queue::default(),
            server,
            history: History::default(),
            report: Report::default(),
            sockets: 0,
            healed: false,
            healed_at: 0,
            looked_at: 0,
            reached: BTreeMap::new(),
            folder,
        }
    }

    pub fn run(&mut self) -> Result<Report, Failure> {
        self.note(|| format!("seed {}", self.seed));
        self.note(|| format!("{:?}", self.plan));
        let played = self.play();
        seaworthy_fault::disarm();
        match played {
            Ok(()) => {
                self.report.simulated_ms = self.now;
                Ok(self.report)
            }
            Err(Broken(message)) => Err(Failure { seed: self.seed, step: self.report.steps, at_ms: self.now, message }),
        }
    }

    fn play(&mut self) -> Result<(), Broken> {
        self.start()?;
        while let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.report.steps += 1;
            self.report.fingerprint = self.report.fingerprint.rotate_left(5) ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.random.clone().next();
            self.note(|| brief(&event));
            self.step(event)?;
            if self.healed && self.now >= self.looked_at + LOOK_EVERY_MS {
                self.looked_at = self.now;
                if self.has_converged()? {
                    return self.check_end();
                }
            }
            if self.healed && self.now > self.healed_at + PATIENCE_MS || self.report.steps > MAX_STEPS {
                let standing = self.standing();
                return Err(Broken(format!("it did not come to rest:\n{standing}")));
            }
        }
        Err(Broken("nothing happens any more".into()))
    }

    fn start(&mut self) -> Result<(), Broken> {
        self.queue.at(0, Event::StartServer);
        for client in 0..self.clients.len() {
            if self.random.chance(self.plan.wrong_clocks) {
                const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3_600_000;
                self.clients[client].wall_offset_ms = *self.random.pick(&[TEN_YEARS_MS, -TEN_YEARS_MS]);
            }
            if self.random.chance(self.plan.cut_by_proxy) {
                self.clients[client].link.cut_after_ms = Some(30_000);
            }
            if self.random.chance(self.plan.fetch_only) {
                let link = &mut self.clients[client].link;
                link.sockets_at_best = *self.random.pick(BLOCKED);
                link.mend();
            }
            let at = self.random.range(0, 2_000);
            self.queue.at(at, Event::Reopen { client });
            self.queue.at(at + 1, Event::Act { client });
        }
        self.queue.at(self.plan.fault_every_ms, Event::Fault);
        self.queue.at(self.plan.chaos_ms, Event::Heal);
        Ok(())
    }

    fn step(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Act { client } => {
                if !self.healed {
                    let wait = 1 + self.random.around(self.plan.act_every_ms);
                    self.queue.at(self.now + wait, Event::Act { client });
                    self.act(client)?;
                }
                Ok(())
            }
            Event::Fault => {
                if !self.healed {
                    let wait = 1 + self.random.around(self.plan.fault_every_ms);
                    self.queue.at(self.now + wait, Event::Fault);
                    self.cut_old_sockets();
                    self.fault()?;
                }
                Ok(())
            }
            Event::Heal => {
                (self.healed_at, self.looked_at) = (self.now, self.now);
                self.heal()
            }
            Event::ClientTick { client, life, wish } => self.client_tick(client, life, wish),
            Event::Token { client, life, token } => self.token_given(client, life, token),
            Event::Adopt { client, life } if self.clients[client].life == life => self.give(client, Input::Adopt),
            Event::Adopt { .. } => Ok(()),
            Event::SocketOpened { client, life, socket } => self.socket_opened(client, life, socket),
            Event::SocketFrame { client, life, socket, bytes } => self.socket_frame(client, life, socket, &bytes),
            Event::SocketClosed { client, life, socket } => self.socket_closed(client, life, socket),
            Event::Fetched { client, life, id, result } => self.fetched(client, life, id, result),
            Event::Reopen { client } => self.reopen(client),
            Event::EndTransaction { client, life, commit } => self.end_transaction(client, life, commit),
            Event::Mend { client } => {
                self.mend(client);
                Ok(())
            }
            Event::PeerFrame { peer, bytes } => self.peer_frame(peer, &bytes),
            Event::PeerClosed { peer } => {
                self.peer_closed(peer);
                Ok(())
            }
            Event::Request { client, life, id, token, bytes } => self.request(client, life, id, token, &bytes),
            Event::Work { run, peer, work } => self.work(run, peer, work),
            Event::Answer { run, peer, input } => self.answer(run, peer, input),
            Event::Head { run, peer } => self.head(run, peer),
            Event::PeerTick { run, peer, wish } => self.peer_tick(run, peer, wish),
            Event::StartServer => self.start_server(),
        }
    }

    pub fn latency(&mut self) -> u64 {
        let (low, high) = self.plan.latency_ms;
        self.random.range(low, high)
    }

    /// A line of the trace.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>8} {}", self.now, line());
        }
    }
}

fn brief(event: &Event) -> String {
    match event {
        Event::SocketFrame { client, bytes, .. } => format!("SocketFrame {{ client: {client}, {} bytes }}", bytes.len()),
        Event::PeerFrame { peer, bytes } => format!("PeerFrame {{ {peer:?}, {} bytes }}", bytes.len()),
        Event::Request { client, id, bytes, .. } => format!("Request {{ client: {client}, id: {id}, {} bytes }}", bytes.len()),
        other => format!("{other:?}").chars().take(300).collect(),
    }
}

/// In memory where the system has a file system for that: a simulation waits for no disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}
