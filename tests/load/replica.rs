//! A simulated replica: connects, holds what it is sent, and perhaps writes.

use crate::{
    board::{Acknowledged, Board, Moment},
    link::{Link, LinkError, hello},
};
use seaworthy_protocol::{
    BucketId, Changes, ClientFrame, Cursor, Op, Outcome, Ping, Push, ReplicaId, Results, RowChange, Rows, Sequence, ServerFrame, TableChanges, Transaction,
    TransactionId, Value,
};
use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// After how much silence a client says that it is there.
const PING: Duration = Duration::from_secs(20);
/// How long a replica tries to connect.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait where the server does not say.
const RETRY_MS: u64 = 250;
/// What a row carries besides its key.
const BODY: &str = "a note of about the length that notes have, which is not very long";

/// What the replicas are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Write,
    Leave,
}

/// What all replicas know.
pub struct World {
    pub server: SocketAddr,
    pub board: Arc<Board>,
    pub phase: watch::Receiver<Phase>,
    pub interval: Duration,
    pub batch: u64,
}

pub struct Replica {
    pub id: ReplicaId,
    pub user: usize,
    pub name: String,
    pub token: String,
    pub from: Ipv4Addr,
    pub writes: bool,
    pub held: HashSet<u64>,
    /// When which row came that another replica had written.
    pub arrivals: Vec<(u64, Moment)>,
    cursor: Option<Cursor>,
    buckets: Vec<BucketId>,
    sequence: u64,
    mine: HashSet<u64>,
    unfinished: Vec<Rows>,
    /// The push under way: when it was sent, and the numbers in it.
    pushed: Option<(Moment, Vec<u64>)>,
}

impl Replica {
    pub fn new(number: usize, user: usize, token: String, from: Ipv4Addr, writes: bool) -> Self {
        let mut id = [0x5e; 16];
        id[8..].copy_from_slice(&(number as u64).to_be_bytes());
        Self {
            id: ReplicaId(id),
            user,
            name: name(user),
            token,
            from,
            writes,
            held: HashSet::new(),
            arrivals: Vec::new(),
            cursor: None,
            buckets: Vec::new(),
            sequence: 0,
            mine: HashSet::new(),
            unfinished: Vec::new(),
            pushed: None,
        }
    }

    /// Connects, and reads up to the first checkpoint. Tries again as clients do; answers how long it took in all.
    pub async fn connect(&mut self, world: &World) -> Result<(Link, Duration), LinkError> {
        let started = Instant::now();
        loop {
            match self.try_connect(world).await {
                Ok(link) => return Ok((link, started.elapsed())),
                Err(error) if started.elapsed() > PATIENCE => return Err(error),
                Err(error) => {
                    world.board.retry();
                    let wait = if let LinkError::Refused { retry_after_ms, .. } = error { retry_after_ms } else { None };
                    // Spread by the replica's own number, so that they do not come back together.
                    let spread = u64::from(self.id.0[15]) * 4;
                    sleep(Duration::from_millis(wait.unwrap_or(RETRY_MS) + spread)).await;
                }
            }
        }
    }

    async fn try_connect(&mut self, world: &World) -> Result<Link, LinkError> {
        let mut link = Link::open(world.server, self.from).await?;
        self.unfinished.clear();
        link.send(&hello(self.token.clone(), self.id, self.cursor, self.buckets.clone())).await?;
        loop {
            let frame = link.next().await?;
            let done = matches!(frame, ServerFrame::Checkpoint(_));
            self.take(world, frame);
            if done {
                return Ok(link);
            }
        }
    }

    /// Lives until it is told to leave.
    pub async fn live(&mut self, world: &World, link: &mut Link) -> Result<(), LinkError> {
        let mut phase = world.phase.clone();
        let (mut heard, mut due) = (Instant::now(), None::<Instant>);
        loop {
            let now_phase = *phase.borrow_and_update();
            if now_phase == Phase::Leave {
                return Ok(());
            }
            due = due.filter(|_| now_phase == Phase::Write).or_else(|| (now_phase == Phase::Write).then(|| self.first_due(world.interval)));
            let may_write = self.writes && self.pushed.is_none() && due.is_some();
            tokio::select! {
                frame = link.next() => {
                    heard = Instant::now();
                    self.take(world, frame?);
                }
                _ = phase.changed() => {}
                () = sleep_until(due.unwrap_or(heard)), if may_write => {
                    due = due.map(|due| due + world.interval);
                    let push = self.push(world);
                    link.send(&push).await?;
                }
                () = sleep_until(heard + PING) => {
                    heard = Instant::now();
                    link.send(&ClientFrame::Ping(Ping {})).await?;
                }
            }
        }
    }

    /// The writers do not all begin at once.
    fn first_due(&self, interval: Duration) -> Instant {
        Instant::now() + interval.mul_f64(f64::from(self.id.0[15]) / 256.0)
    }

    fn push(&mut self, world: &World) -> ClientFrame {
        let numbers: Vec<u64> = (0..world.batch).map(|_| world.board.number()).collect();
        self.mine.extend(&numbers);
        let transactions = numbers.iter().map(|number| self.transaction(*number)).collect();
        self.pushed = Some((world.board.now(), numbers));
        ClientFrame::Push(Push { replica: self.id, transactions })
    }

    fn transaction(&mut self, number: u64) -> Transaction {
        self.sequence += 1;
        let mut id = self.id.0;
        id[..8].copy_from_slice(&number.to_be_bytes());
        let changes = note(number as i64, &self.name, BODY);
        Transaction { id: TransactionId(id), sequence: Sequence(self.sequence), base: None, schema_version: 1, after: vec![], policy: None, changes }
    }

    fn take(&mut self, world: &World, frame: ServerFrame) {
        match frame {
            ServerFrame::Rows(rows) => self.unfinished.push(rows),
            ServerFrame::Checkpoint(checkpoint) => {
                self.cursor = Some(checkpoint.cursor);
                if checkpoint.reset {
                    self.held.clear();
                    self.buckets.clear();
                }
                self.buckets.extend(checkpoint.buckets.into_iter().filter(|update| update.joined).map(|update| update.bucket));
                let now = world.board.now();
                for rows in std::mem::take(&mut self.unfinished) {
                    self.apply(world, now, &rows);
                }
            }
            ServerFrame::Results(results) => self.finish(world, &results),
            _ => {}
        }
    }

    fn apply(&mut self, world: &World, now: Moment, rows: &Rows) {
        for gone in &rows.gone {
            if let [Value::Integer(number)] = gone.as_slice() {
                self.held.remove(&(*number as u64));
            }
        }
        let Some(column) = rows.columns.iter().position(|column| column == "id") else { return };
        for row in &rows.rows {
            let Some(Value::Integer(number)) = row.get(column) else { continue };
            let number = *number as u64;
            if self.held.insert(number) {
                world.board.arrive();
                if !self.mine.contains(&number) {
                    self.arrivals.push((number, now));
                }
            }
        }
    }

    fn finish(&mut self, world: &World, results: &Results) {
        let Some((sent, numbers)) = self.pushed.take() else { return };
        let at = world.board.now();
        for (number, result) in numbers.iter().zip(&results.results) {
            match &result.outcome {
                Outcome::Applied { .. } => world.board.acknowledge(self.user, Acknowledged { number: *number, sent, at }),
                other => world.board.problem(format!("a write ended as {other:?}")),
            }
        }
        if results.results.len() != numbers.len() {
            world.board.problem(format!("{} results came for {} writes", results.results.len(), numbers.len()));
        }
    }

    pub fn is_settled(&self) -> bool {
        self.pushed.is_none()
    }
}

pub fn name(user: usize) -> String {
    format!("user {user}")
}

/// The insertion of a row.
pub fn note(id: i64, owner: &str, body: &str) -> Changes {
    let new = vec![Some(Value::Integer(id)), Some(owner.into()), Some(body.into())];
    let rows = vec![RowChange { op: Op::Insert, indirect: false, old: vec![], new }];
    let columns = ["id", "owner", "body"].map(str::to_owned).to_vec();
    Changes { tables: vec![TableChanges { name: "notes".to_owned(), columns, key: vec![1, 0, 0], rows }] }
}
