//! What the applications do: write, change their minds, go offline, deal with rejections.

use super::client::End;
use super::event::Event;
use super::plan::Plan;
use super::random::Random;
use super::workload::transfer;
use super::world::{Broken, World};
use seaworthy_engine::client::Input;
use seaworthy_protocol::{Conflict, TransactionId};
use seaworthy_store::{Call, Decision, Fate, Over, Receipt, Stamp, Store, StoreError};
use std::collections::BTreeSet;

/// What an application remembers. It outlives the process, as a user does.
pub struct Application {
    random: Random,
    requests: u64,
    /// Requests whose outcome is not known, since the process crashed; they are sent again.
    pub unresolved: Vec<(String, Call)>,
    /// Requests that were answered, and with which transaction.
    answered: Vec<(String, Option<TransactionId>)>,
    /// The interactive transaction that is open: its request and what it did.
    pub transaction: Option<(String, Vec<String>)>,
    /// Ids that were given to writes, whatever became of them.
    pub attempted: BTreeSet<TransactionId>,
}

impl Application {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), requests: 0, unresolved: Vec::new(), answered: Vec::new(), transaction: None, attempted: BTreeSet::new() }
    }

    /// The process crashed: whether an open transaction was committed is not known.
    pub fn forget_transaction(&mut self) {
        self.transaction = None;
    }

    fn request(&mut self) -> String {
        self.requests += 1;
        format!("{:x} {}", self.random.next(), self.requests)
    }
}

impl World {
    /// One act of the application of a client.
    pub fn act(&mut self, client: usize) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        if node.process.is_none() || node.is_busy() {
            return Ok(());
        }
        if let Some((request, call)) = node.application.unresolved.first().cloned() {
            if self.write(client, &request, &call)?.is_some() {
                self.clients[client].application.unresolved.remove(0);
            }
            return Ok(());
        }
        match self.random.weighted(&[20, 3, 1, 1, 1, 1]) {
            0 => self.some_write(client),
            1 => self.deal_with_rejection(client),
            2 => self.toggle_online(client),
            3 => self.network_changed(client),
            4 => self.repeat(client),
            _ => self.acknowledge(client),
        }
    }

    fn some_write(&mut self, client: usize) -> Result<(), Broken> {
        let statements = self.statements(client)?;
        let request = self.clients[client].application.request();
        self.note(|| format!("client {client} writes {statements:?}"));
        if self.random.chance(self.plan.interactive) {
            return self.begin(client, request, statements);
        }
        let call = Call::batch(statements);
        match self.write(client, &request, &call)? {
            Some(Some(receipt)) => self.clients[client].application.answered.push((request, receipt.id)),
            Some(None) => {}
            None => self.clients[client].application.unresolved.push((request, call)),
        }
        Ok(())
    }

    fn statements(&mut self, client: usize) -> Result<Vec<String>, Broken> {
        let node = &self.clients[client];
        let (workload, Some(process)) = (self.plan.workload, &node.process) else { return Ok(Vec::new()) };
        if workload.is_mixed() {
            let count = 1 + self.random.weighted(&[5, 3, 1]);
            return Ok((0..count).map(|_| statement(&mut self.random, &self.plan, node.user)).collect());
        }
        let statement = workload.statement(&process.reader, &mut self.random).map_err(|error| Broken(error.to_string()))?;
        Ok(vec![statement])
    }

    fn begin(&mut self, client: usize, request: String, statements: Vec<String>) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        let Some(process) = &mut node.process else { return Ok(()) };
        let store = process.replica.store();
        store.begin().map_err(|error| Broken(format!("client {client}: BEGIN failed: {error}")))?;
        for statement in &statements {
            match store.step(&Call::batch([statement.as_str()])) {
                Err(error) if error.code() != "ConstraintViolation" => return Err(Broken(format!("client {client}: a step failed: {error}"))),
                _ => {}
            }
        }
        node.application.transaction = Some((request, statements));
        let (life, commit) = (node.life, self.random.chance(0.8));
        let wait = self.random.around(1_500);
        self.queue.at(self.now + wait, Event::EndTransaction { client, life, commit });
        Ok(())
    }

    pub fn end_transaction(&mut self, client: usize, life: u64, commit: bool) -> Result<(), Broken> {
        let stamp = self.stamp(client);
        let node = &mut self.clients[client];
        if node.process.is_none() || node.life != life {
            return Ok(());
        }
        let Some((request, statements)) = node.application.transaction.take() else { return Ok(()) };
        if commit {
            match self.process(client, |process| process.replica.store().commit(&request, stamp)) {
                Some(result) => self.written(client, result).map(drop)?,
                None => self.clients[client].application.unresolved.push((request, Call::batch(statements))),
            }
        } else if let Some(Err(error)) = self.process(client, |process| process.replica.store().rollback()) {
            return Err(Broken(format!("client {client}: ROLLBACK failed: {error}")));
        }
        self.with_replica(client, |replica, now| replica.resume(now))
    }

    /// Retries a rejected write, drops it, drops it and writes another, or decides a conflict.
    fn deal_with_rejection(&mut self, client: usize) -> Result<(), Broken> {
        let mixed = self.plan.workload.is_mixed();
        let choice = if mixed { self.random.weighted(&[3, 2, 2, 3]) } else { 2 };
        let rejected = self.rejected(client)?;
        let Some(first) = rejected.first().copied() else { return Ok(()) };
        match choice {
            0 => self.settle(client, &rejected, |store, stamp| store.retry(&format!("request {}", stamp.id), first, stamp, &[])),
            1 => self.discard(client, first),
            2 => {
                self.discard(client, first)?;
                self.some_write(client)
            }
            _ => self.resolve(client, &rejected),
        }
    }

    fn resolve(&mut self, client: usize, rejected: &[TransactionId]) -> Result<(), Broken> {
        let local = self.random.chance(0.5);
        let Some(found) = self.process(client, |process| process.replica.store().conflicts()) else { return Ok(()) };
        let Some(conflict) = found.map_err(|e| Broken(e.to_string()))?.into_iter().next() else { return Ok(()) };
        let decide = |row: &Conflict| Decision {
            table: row.table.clone(),
            key: row.key.clone(),
            over: Some(Over { remote: row.remote.clone() }),
            row: if local { row.local.clone() } else { row.remote.clone() },
        };
        let decisions: Vec<Decision> = conflict.rows.iter().map(decide).collect();
        self.settle(client, rejected, |store, stamp| store.resolve(&format!("request {}", stamp.id), conflict.id, stamp, &decisions))
    }

    /// Makes a new write of rejected ones. Those that are not kept any more afterwards have been dealt with.
    fn settle(&mut self, client: usize, rejected: &[TransactionId], make: impl FnOnce(&mut Store, Stamp) -> Result<Receipt, StoreError>) -> Result<(), Broken> {
        let stamp = self.stamp(client);
        let Some(result) = self.process(client, |process| make(process.replica.store(), stamp)) else {
            self.end_all(client, rejected, End::Unsure);
            return Ok(());
        };
        if matches!(&result, Err(error) if ["CannotRetry", "ConflictMoved"].contains(&error.code())) {
            return Ok(());
        }
        let kept = self.rejected(client)?;
        let gone: Vec<TransactionId> = rejected.iter().filter(|id| !kept.contains(id)).copied().collect();
        self.end_all(client, &gone, End::Settled);
        self.written(client, result).map(drop)
    }

    fn discard(&mut self, client: usize, id: TransactionId) -> Result<(), Broken> {
        match self.process(client, |process| process.replica.store().discard(id)) {
            Some(Ok(())) => self.end_all(client, &[id], End::Settled),
            Some(Err(_)) => drop(self.clients[client].device.gate.take_refused()),
            None => {}
        }
        Ok(())
    }

    fn end_all(&mut self, client: usize, ids: &[TransactionId], end: End) {
        self.clients[client].ends.extend(ids.iter().map(|id| (*id, end)));
    }

    fn rejected(&mut self, client: usize) -> Result<Vec<TransactionId>, Broken> {
        let found = self.process(client, |process| process.replica.store().rejected());
        let writes = found.unwrap_or_else(|| Ok(Vec::new())).map_err(|e| Broken(e.to_string()))?;
        Ok(writes.into_iter().map(|write| write.id).collect())
    }

    fn toggle_online(&mut self, client: usize) -> Result<(), Broken> {
        let offline = self.random.chance(0.6);
        self.give(client, Input::Online(!offline))
    }

    fn network_changed(&mut self, client: usize) -> Result<(), Broken> {
        self.give(client, Input::Online(true))
    }

    /// The page did not hear the answer to a request, and sends it again.
    fn repeat(&mut self, client: usize) -> Result<(), Broken> {
        let stamp = self.stamp(client);
        let node = &mut self.clients[client];
        let (Some((request, id)), Some(process)) = (node.application.answered.last(), &mut node.process) else { return Ok(()) };
        // A write that changed nothing at all leaves no answer behind.
        let (Some(id), call) = (id, Call::batch(["INSERT INTO lists VALUES ('again', 'again', 'again')"])) else { return Ok(()) };
        match process.replica.store().write(request, stamp, &call) {
            Ok(written) if written.repeated && written.receipt.id == Some(*id) => Ok(()),
            other => Err(Broken(format!("client {client}: the request of {id}, made again, gave {other:?}"))),
        }
    }

    fn acknowledge(&mut self, client: usize) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        let answered: Vec<String> = std::mem::take(&mut node.application.answered).into_iter().map(|(request, _)| request).collect();
        if let Some(process) = &mut node.process {
            process.replica.store().acknowledge(&answered);
        }
        Ok(())
    }

    /// What the store says became of a write.
    pub fn fate(&mut self, client: usize, id: TransactionId) -> Result<Option<Fate>, Broken> {
        let Some(process) = &mut self.clients[client].process else { return Ok(None) };
        process.replica.store().fate(id).map(Some).map_err(|error| Broken(error.to_string()))
    }
}

/// Some SQL that an application might run.
fn statement(random: &mut Random, plan: &Plan, user: &str) -> String {
    let (list, todo, other) = (random.below(plan.ids), random.below(plan.ids + 2), random.below(plan.ids + 2));
    let (note, seat) = (random.below(plan.ids), random.below(4));
    let word = if random.chance(0.04) { "refused" } else { *random.pick(&["milk", "rope", "sail", "tar"]) };
    let owner = if random.chance(0.03) { "mallory" } else { user };
    let slug = if random.chance(0.5) { "NULL".to_owned() } else { format!("'s{}'", random.below(3)) };
    let parent = if random.chance(0.3) { "NULL".to_owned() } else { format!("'l{list}'") };
    let price = *random.pick(&["1.0", "-0.0", "9007199254740993", "1e300", "0.1"]);
    match random.weighted(&[6, 3, 3, 2, 10, 4, 4, 6, 4, 3, 3, 3, 1, 2, 2, 3, 3, 2, 3, 1, 2, 1]) {
        0 => format!("INSERT INTO lists VALUES ('l{list}', '{word}', '{owner}')"),
        1 => format!("UPDATE lists SET name = '{word}' WHERE id = 'l{list}'"),
        2 => format!("DELETE FROM lists WHERE id = 'l{list}'"),
        3 => format!("INSERT OR REPLACE INTO lists VALUES ('l{list}', '{word}', '{owner}')"),
        4 => format!("INSERT INTO todos VALUES ('t{todo}', {parent}, '{word}', 0, {slug}, '{owner}')"),
        5 => format!("INSERT OR REPLACE INTO todos VALUES ('t{todo}', {parent}, '{word}', 0, {slug}, '{owner}')"),
        6 => format!("INSERT INTO todos VALUES ('t{todo}', NULL, '{word}', 1, NULL, '{user}') ON CONFLICT (id) DO UPDATE SET title = excluded.title"),
        7 => format!("UPDATE todos SET title = '{word}' WHERE id = 't{todo}'"),
        8 => format!("UPDATE todos SET slug = {slug} WHERE id = 't{todo}'"),
        9 => format!("UPDATE OR REPLACE todos SET slug = {slug} WHERE id = 't{todo}'"),
        10 => format!("UPDATE todos SET list = {parent}, done = done + 1 WHERE id = 't{todo}'"),
        11 => format!("DELETE FROM todos WHERE id = 't{todo}'"),
        12 => "DELETE FROM todos".to_owned(),
        13 => "UPDATE todos SET done = done + 1".to_owned(),
        14 => format!("UPDATE todos SET id = 't{other}' WHERE id = 't{todo}'"),
        15 => format!("INSERT INTO notes VALUES ('n{note}', 't{todo}', x'00ff{note:02x}', '{user}')"),
        16 => format!("INSERT OR REPLACE INTO seats VALUES ('a', {seat}, '{word}', {price})"),
        17 => format!("UPDATE seats SET who = '{user}' WHERE seat = {seat}"),
        18 => format!("DELETE FROM seats WHERE room = 'a' AND seat = {seat}"),
        19 => format!("UPDATE todos SET owner = '{owner}' WHERE id = 't{todo}'"),
        20 => transfer(random),
        _ => format!("INSERT OR IGNORE INTO drafts VALUES ('{todo}', '{word}')"),
    }
}
