//! What goes wrong, and how it is put right.

use super::client::Client;
use super::event::Event;
use super::link::BLOCKED;
use super::world::{Broken, World};
use seaworthy_engine::client::Input;
use seaworthy_fault::Point;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    CrashClient,
    CrashClientInCommit,
    RefuseClientCommit,
    CrashServer,
    CrashServerInCommit,
    RefuseServerCommit,
    StopServer,
    CutSocket,
    StallSocket,
    Partition,
    BlockSockets,
    Portal,
    Sleep,
    SignOut,
    CopyDatabase,
    BackUpServer,
    RestoreServer,
    CompactServer,
    DieAtPoint,
}

/// Every fault with its weight among those that a schedule knows.
pub const FAULTS: &[(Fault, u32)] = &[
    (Fault::CrashClient, 6),
    (Fault::CrashClientInCommit, 8),
    (Fault::RefuseClientCommit, 4),
    (Fault::CrashServer, 4),
    (Fault::CrashServerInCommit, 4),
    (Fault::RefuseServerCommit, 3),
    (Fault::StopServer, 2),
    (Fault::CutSocket, 6),
    (Fault::StallSocket, 4),
    (Fault::Partition, 4),
    (Fault::BlockSockets, 4),
    (Fault::Portal, 2),
    (Fault::Sleep, 2),
    (Fault::SignOut, 1),
    (Fault::CopyDatabase, 3),
    (Fault::BackUpServer, 4),
    (Fault::RestoreServer, 4),
    (Fault::CompactServer, 6),
    (Fault::DieAtPoint, 10),
];

/// The most clients that copies may make of a schedule's.
const MOST_CLIENTS: usize = 6;
const WEEK_MS: u64 = 7 * 24 * 3_600_000;

impl World {
    pub fn fault(&mut self) -> Result<(), Broken> {
        if self.plan.faults.iter().sum::<u32>() == 0 {
            return Ok(());
        }
        let (fault, _) = FAULTS[self.random.weighted(&self.plan.faults)];
        let client = self.random.below(self.clients.len());
        self.note(|| format!("fault {fault:?} (client {client})"));
        let commits = self.random.range(0, 4) as i64;
        match fault {
            Fault::CrashClient => {
                if self.clients[client].process.is_some() {
                    self.crash(client);
                }
            }
            Fault::CrashClientInCommit => self.clients[client].device.gate.crash_after(commits),
            Fault::RefuseClientCommit => self.clients[client].device.gate.refuse_one(),
            Fault::CrashServer if self.server.is_up() => self.crash_server(),
            Fault::StopServer if self.server.is_up() => self.stop_server()?,
            Fault::CrashServer | Fault::StopServer => {}
            Fault::CrashServerInCommit => self.server.device.gate.crash_after(commits),
            Fault::RefuseServerCommit => self.server.device.gate.refuse_one(),
            Fault::CutSocket => self.cut_socket(client),
            Fault::StallSocket => self.stall_socket(client),
            Fault::Partition => self.spoil(client, |world| world.clients[client].link.partitioned = true),
            Fault::Portal => self.spoil(client, |world| world.clients[client].link.portal = true),
            Fault::BlockSockets => {
                let how = *self.random.pick(BLOCKED);
                self.spoil(client, |world| world.clients[client].link.sockets = how);
            }
            Fault::Sleep => self.sleep(client)?,
            Fault::SignOut => self.sign_out(client)?,
            Fault::CopyDatabase => self.copy_database(client)?,
            Fault::BackUpServer => self.back_up_server()?,
            Fault::RestoreServer => self.restore_server()?,
            Fault::CompactServer => self.compact_server()?,
            Fault::DieAtPoint => seaworthy_fault::arm(*self.random.pick(Point::ALL), self.random.range(0, 3)),
        }
        Ok(())
    }

    /// A link goes bad for a while; what was connected over it is cut or stalls.
    fn spoil(&mut self, client: usize, how: impl FnOnce(&mut Self)) {
        how(self);
        self.stall_socket(client);
        let mends_at = self.now + self.random.around(40_000);
        self.clients[client].link.mends_at = mends_at;
        self.queue.at(mends_at, Event::Mend { client });
    }

    pub fn mend(&mut self, client: usize) {
        let link = &mut self.clients[client].link;
        if link.mends_at <= self.now {
            link.mend();
        }
    }

    fn cut_socket(&mut self, client: usize) {
        let (now, life) = (self.now, self.clients[client].life);
        let Some(wire) = &self.clients[client].link.socket else { return };
        let (socket, peer) = (wire.socket, wire.peer);
        self.report.network_faults += 1;
        // What was on its way may still arrive, on either side.
        let (here, there) = (now + self.random.range(0, 100), now + self.random.range(0, 100));
        self.queue.at(here, Event::SocketClosed { client, life, socket });
        if let Some(peer) = peer {
            self.queue.at(there, Event::PeerClosed { peer });
        }
    }

    fn stall_socket(&mut self, client: usize) {
        if let Some(wire) = &mut self.clients[client].link.socket {
            wire.dead = true;
            self.report.network_faults += 1;
        }
    }

    /// The proxies that cut old connections do so.
    pub fn cut_old_sockets(&mut self) {
        for client in 0..self.clients.len() {
            let link = &self.clients[client].link;
            let old = |limit: u64| link.socket.as_ref().is_some_and(|wire| self.now - wire.opened_at >= limit);
            if link.cut_after_ms.is_some_and(old) {
                self.cut_socket(client);
            }
        }
    }

    /// A laptop is closed for a week: its clock goes on, nothing else does.
    fn sleep(&mut self, client: usize) -> Result<(), Broken> {
        self.stall_socket(client);
        self.clients[client].slept_ms += WEEK_MS;
        self.clients[client].wall_offset_ms += WEEK_MS as i64;
        self.give(client, Input::Tick)
    }

    fn sign_out(&mut self, client: usize) -> Result<(), Broken> {
        let (life, user) = (self.clients[client].life, self.clients[client].user);
        let later = self.now + self.random.around(20_000);
        let token = Some(format!("{user}:{}", later + self.plan.token_ms));
        self.queue.at(later, Event::Token { client, life, token });
        self.give(client, Input::Token(None))
    }

    /// A profile is copied to another machine, and both go on.
    fn copy_database(&mut self, client: usize) -> Result<(), Broken> {
        if self.clients.len() >= MOST_CLIENTS || self.clients[client].process.is_none() || self.clients[client].is_busy() {
            return Ok(());
        }
        self.close_socket(client);
        self.clients[client].process = None;
        let original = &self.clients[client];
        let device = original.device.copy(self.folder.path(), &format!("client-{}", self.clients.len())).map_err(|e| Broken(e.to_string()))?;
        let mut copy = Client::new(original.user, device, self.random.next());
        copy.slept_ms = original.slept_ms;
        (copy.known, copy.ends) = (original.known.clone(), original.ends.clone());
        copy.application.attempted = original.application.attempted.clone();
        self.clients.push(copy);
        self.report.copies += 1;
        let (here, there) = (self.now + self.random.around(2_000), self.now + self.random.around(2_000));
        self.queue.at(here, Event::Reopen { client });
        self.queue.at(there, Event::Reopen { client: self.clients.len() - 1 });
        self.queue.at(there + 1, Event::Act { client: self.clients.len() - 1 });
        Ok(())
    }

    /// Everything that was bad is good from now on, and nobody writes any more.
    pub fn heal(&mut self) -> Result<(), Broken> {
        self.healed = true;
        self.plan.heal();
        self.reached = seaworthy_fault::take_reached();
        seaworthy_fault::disarm();
        self.server.device.gate.mend();
        self.start_server()?;
        for client in 0..self.clients.len() {
            self.clients[client].device.gate.mend();
            self.clients[client].link.mend();
            self.clients[client].link.cut_after_ms = None;
            self.reopen(client)?;
            self.finish_writes(client)?;
            let token = format!("{}:{}", self.clients[client].user, self.now + self.plan.token_ms);
            self.give(client, Input::Token(Some(token)))?;
            self.give(client, Input::Online(true))?;
        }
        Ok(())
    }

    fn finish_writes(&mut self, client: usize) -> Result<(), Broken> {
        let life = self.clients[client].life;
        self.end_transaction(client, life, true)?;
        while !self.clients[client].application.unresolved.is_empty() {
            self.act(client)?;
        }
        Ok(())
    }
}
