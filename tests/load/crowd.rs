//! All replicas: connects them at once, lets them live, and looks at what they hold in the end.

use crate::{
    board::{Board, Moment, Spread},
    link::Link,
    options::Options,
    replica::{Phase, Replica, World, name},
    server::Server,
};
use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

/// As many come from each address of loopback, so that the bound per address holds.
const REPLICAS_PER_ADDRESS: usize = 500;
/// How long what was written may take until it is everywhere.
const SETTLE: Duration = Duration::from_secs(60);

pub struct Crowd {
    pub board: Arc<Board>,
    world: Arc<World>,
    phase: watch::Sender<Phase>,
    replicas: Vec<Replica>,
    living: JoinSet<Replica>,
    per_user: Vec<u64>,
}

/// How it went to connect all of them.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Connecting {
    pub connected: usize,
    pub seconds: f64,
    pub each: Spread,
    /// Times that a connection had to be tried again.
    pub retries: u64,
}

impl Crowd {
    pub fn new(options: &Options, server: &Server) -> Self {
        let users = options.users();
        let board = Arc::new(Board::new(users));
        let (phase, told) = watch::channel(Phase::Idle);
        let world = World { server: server.address, board: board.clone(), phase: told, interval: options.interval(), batch: options.batch };
        let tokens: Vec<String> = (0..users).map(|user| server.token(&name(user))).collect();
        let replicas: Vec<Replica> = (0..options.replicas)
            .map(|number| Replica::new(number, number % users, tokens[number % users].clone(), address(number), number < options.writers))
            .collect();
        let mut per_user = vec![0; users];
        replicas.iter().for_each(|replica| per_user[replica.user] += 1);
        Self { board, world: Arc::new(world), phase, replicas, living: JoinSet::new(), per_user }
    }

    /// Connects all at once. Those that are connected live until they are told to leave.
    pub async fn connect(&mut self) -> Connecting {
        self.phase.send_replace(Phase::Idle);
        let (started, retries) = (Instant::now(), self.board.retries());
        let mut connecting = JoinSet::new();
        for mut replica in self.replicas.drain(..) {
            let world = self.world.clone();
            connecting.spawn(async move {
                let connected = replica.connect(&world).await;
                (replica, connected)
            });
        }
        let mut took = Vec::new();
        while let Some(joined) = connecting.join_next().await {
            match joined.unwrap() {
                (replica, Ok((link, duration))) => {
                    took.push(duration);
                    self.live(replica, link);
                }
                (replica, Err(error)) => {
                    self.board.problem(format!("a replica could not connect: {error}"));
                    self.replicas.push(replica);
                }
            }
        }
        let (connected, seconds) = (took.len(), started.elapsed().as_secs_f64());
        Connecting { connected, seconds, each: Spread::of_durations(took), retries: self.board.retries() - retries }
    }

    fn live(&mut self, mut replica: Replica, mut link: Link) {
        let world = self.world.clone();
        self.living.spawn(async move {
            if let Err(error) = replica.live(&world, &mut link).await {
                world.board.problem(format!("a replica was lost: {error}"));
            }
            replica
        });
    }

    /// Lets the writers write for so long, and waits until it is everywhere.
    pub async fn write(&self, duration: Duration) {
        self.phase.send_replace(Phase::Write);
        sleep(duration).await;
        self.phase.send_replace(Phase::Idle);
        self.settle().await;
    }

    async fn settle(&self) {
        let deadline = Instant::now() + SETTLE;
        // What is under way when the writers are told to stop is still answered.
        sleep(Duration::from_millis(200)).await;
        while self.board.arrived() < self.expected() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn expected(&self) -> u64 {
        self.per_user.iter().enumerate().map(|(user, replicas)| self.board.count_acknowledged(user) as u64 * replicas).sum()
    }

    /// Ends every connection at once, without a goodbye.
    pub async fn leave(&mut self) {
        self.phase.send_replace(Phase::Leave);
        while let Some(replica) = self.living.join_next().await {
            self.replicas.push(replica.unwrap());
        }
    }

    /// How long it took from the acknowledgement of a write in the range to each replica of others.
    pub fn fan_out(&self, numbers: std::ops::Range<u64>) -> Spread {
        let written = (0..self.per_user.len()).flat_map(|user| self.board.acknowledged(user));
        let acknowledged: HashMap<u64, Moment> = written.filter(|write| numbers.contains(&write.number)).map(|write| (write.number, write.at)).collect();
        let arrivals = self.replicas.iter().flat_map(|replica| &replica.arrivals);
        Spread::of(arrivals.filter_map(|(number, at)| Some(at.saturating_sub(*acknowledged.get(number)?))).collect())
    }

    /// Whether each replica holds exactly the rows of its user; says what does not.
    pub fn check(&self) {
        let rows: Vec<HashSet<u64>> = (0..self.per_user.len()).map(|user| self.board.acknowledged(user).iter().map(|write| write.number).collect()).collect();
        for replica in &self.replicas {
            let (missing, extra) = (rows[replica.user].difference(&replica.held).count(), replica.held.difference(&rows[replica.user]).count());
            if missing + extra > 0 || !replica.is_settled() {
                self.board.problem(format!("a replica of {} lacks {missing} rows and has {extra} that it should not", replica.name));
            }
        }
    }
}

fn address(number: usize) -> Ipv4Addr {
    let nth = number / REPLICAS_PER_ADDRESS;
    Ipv4Addr::new(127, 0, 1 + (nth / 250) as u8, 1 + (nth % 250) as u8)
}
