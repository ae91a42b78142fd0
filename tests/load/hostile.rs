//! Clients that mean no good, all from one address and of one user, and what the server did about them.

use crate::{
    link::{Link, LinkError, connect, hello},
    replica::note,
    server::Server,
};
use futures_util::SinkExt;
use seaworthy_protocol::{
    ClientFrame, Format, Ping, Push, ReplicaId, Sequence, ServerFrame, Subscribe, Subscription, Transaction, TransactionId, Value, encode_client, limits,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

const USER: &str = "mallory";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const SOCKETS: usize = 1300;
const LARGE_ROW_BYTES: usize = 8 * 1024 * 1024;
const LARGE_FRAME_BYTES: usize = 15 * 1024 * 1024;
const RECEIVE_BUFFER_BYTES: u32 = 8 * 1024;
const OF_EACH: u8 = 3;
const DRIPPING: usize = 20;
/// Between two bytes of those who send slowly.
const DRIP: Duration = Duration::from_millis(250);

/// What they did, and what was done to them.
#[derive(Debug, Default)]
pub struct Counts {
    pub pings: AtomicU64,
    pub floods_ended: AtomicU64,
    pub large_frames: AtomicU64,
    pub large_frames_refused: AtomicU64,
    pub sockets_opened: AtomicU64,
    pub sockets_closed: AtomicU64,
    pub drips: AtomicU64,
    pub drips_ended: AtomicU64,
    pub never_reading: AtomicU64,
    pub never_reading_cut: AtomicU64,
    pub subscriptions: AtomicU64,
    pub subscriptions_refused: AtomicU64,
}

impl Counts {
    /// Names and numbers, for the report.
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        [
            ("pings as fast as they go", &self.pings),
            ("connections that pushed without waiting, ended", &self.floods_ended),
            ("frames of 15 MB", &self.large_frames),
            ("of them refused", &self.large_frames_refused),
            ("sockets that say nothing", &self.sockets_opened),
            ("of them closed", &self.sockets_closed),
            ("requests of a few bytes a second", &self.drips),
            ("of them ended", &self.drips_ended),
            ("clients that never read", &self.never_reading),
            ("of them cut off", &self.never_reading_cut),
            ("subscriptions, a thousand at once", &self.subscriptions),
            ("connections with one more, ended", &self.subscriptions_refused),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
        .to_vec()
    }
}

struct Hostile {
    server: SocketAddr,
    token: String,
    counts: Arc<Counts>,
}

/// They are at it for as long as this is held.
pub struct Siege {
    pub counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

/// Begins, once what they need is there: a row that is too large to send to somebody who does not read.
pub async fn begin(server: &Server) -> Siege {
    let counts = Arc::<Counts>::default();
    let hostile = Arc::new(Hostile { server: server.address, token: server.token(USER), counts: counts.clone() });
    hostile.write_large_row().await.expect("the row is not taken");
    let mut tasks = JoinSet::new();
    for nth in 0..OF_EACH {
        let (pinging, pushing, sending, deaf) = (hostile.clone(), hostile.clone(), hostile.clone(), hostile.clone());
        tasks.spawn(async move {
            loop {
                // However it ends, it is tried again.
                let _ = pinging.flood_with_pings(nth).await;
                sleep(Duration::from_millis(20)).await;
            }
        });
        tasks.spawn(async move {
            loop {
                let _ = pushing.flood_with_pushes(nth).await;
                pushing.counts.floods_ended.fetch_add(1, Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
        });
        tasks.spawn(async move {
            loop {
                let _ = sending.send_large_frames(nth).await;
                sleep(Duration::from_millis(100)).await;
            }
        });
        tasks.spawn(async move { while deaf.never_read(nth).await.is_ok() {} });
        let wanting = hostile.clone();
        tasks.spawn(async move {
            loop {
                let _ = wanting.subscribe_to_all(nth).await;
                sleep(Duration::from_millis(100)).await;
            }
        });
    }
    for nth in 0..DRIPPING {
        let dripping = hostile.clone();
        tasks.spawn(async move {
            loop {
                let _ = dripping.drip(nth % 2 == 0).await;
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    for _ in 0..SOCKETS {
        let silent = hostile.clone();
        tasks.spawn(async move {
            let _ = silent.say_nothing().await;
        });
    }
    Siege { counts, _tasks: tasks }
}

impl Hostile {
    fn replica(kind: u8, nth: u8) -> ReplicaId {
        ReplicaId([0x66, kind, nth, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    }

    async fn join(&self, replica: ReplicaId) -> Result<Link, LinkError> {
        let mut link = Link::open(self.server, ADDRESS).await?;
        link.send(&hello(self.token.clone(), replica, None, Vec::new())).await?;
        while !matches!(link.next().await?, ServerFrame::Welcome(_)) {}
        Ok(link)
    }

    fn push(replica: ReplicaId, sequence: u64, row: i64, body: &str) -> ClientFrame {
        let mut id = replica.0;
        id[8..].copy_from_slice(&sequence.to_be_bytes());
        let sequence = Sequence(sequence);
        let changes = note(-row, USER, body);
        let transaction = Transaction { id: TransactionId(id), sequence, base: None, schema_version: 1, after: vec![], policy: None, changes };
        ClientFrame::Push(Push { replica, transactions: vec![transaction] })
    }

    async fn write_large_row(&self) -> Result<(), LinkError> {
        let replica = Self::replica(0, 0);
        let mut link = self.join(replica).await?;
        link.send(&Self::push(replica, 1, 1, &"x".repeat(LARGE_ROW_BYTES))).await?;
        while !matches!(link.next().await?, ServerFrame::Results(_)) {}
        Ok(())
    }

    async fn flood_with_pings(&self, nth: u8) -> Result<(), LinkError> {
        let mut link = self.join(Self::replica(1, nth)).await?;
        let ping = encode_client(&ClientFrame::Ping(Ping {}), Format::MessagePack);
        loop {
            for _ in 0..64 {
                link.stream.feed(Message::Binary(ping.clone().into())).await?;
                self.counts.pings.fetch_add(1, Relaxed);
            }
            // The answers are read, so that it is the sending that is too much.
            while let Ok(frame) = timeout(Duration::from_millis(1), link.next()).await {
                frame?;
            }
            link.stream.flush().await?;
        }
    }

    async fn flood_with_pushes(&self, nth: u8) -> Result<(), LinkError> {
        let replica = Self::replica(2, nth);
        let mut link = self.join(replica).await?;
        for sequence in 1..1000 {
            // They have no right order, which costs the server as much.
            link.stream.feed(Message::Binary(encode_client(&Self::push(replica, sequence + 7, 2, "x"), Format::MessagePack).into())).await?;
        }
        link.stream.flush().await?;
        loop {
            link.next().await?;
        }
    }

    /// As many streams as a replica may have, again and again, and then one more.
    async fn subscribe_to_all(&self, nth: u8) -> Result<(), LinkError> {
        let subscription = |number: usize| {
            let params = [("number".to_owned(), Value::Integer(number as i64))].into();
            Subscription { stream: "numbered".to_owned(), params }
        };
        let mut link = self.join(Self::replica(5, nth)).await?;
        for round in 0..2 {
            let subscriptions = (0..limits::MAX_SUBSCRIPTIONS).map(|number| subscription(round * limits::MAX_SUBSCRIPTIONS + number)).collect();
            link.send(&ClientFrame::Subscribe(Subscribe { subscriptions })).await?;
            self.counts.subscriptions.fetch_add(limits::MAX_SUBSCRIPTIONS as u64, Relaxed);
            while !matches!(link.next().await?, ServerFrame::Checkpoint(_)) {}
        }
        let subscriptions = (0..=limits::MAX_SUBSCRIPTIONS).map(subscription).collect();
        link.send(&ClientFrame::Subscribe(Subscribe { subscriptions })).await?;
        while link.next().await.is_ok() {}
        self.counts.subscriptions_refused.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn send_large_frames(&self, nth: u8) -> Result<(), LinkError> {
        let mut link = self.join(Self::replica(3, nth)).await?;
        // An array of nothing but small integers: as many values as a frame can hold.
        let frame = vec![1; LARGE_FRAME_BYTES];
        self.counts.large_frames.fetch_add(1, Relaxed);
        let sent = link.stream.send(Message::Binary(frame.into())).await;
        loop {
            match (&sent, link.next().await) {
                (Ok(()), Ok(_)) => {}
                _ => {
                    self.counts.large_frames_refused.fetch_add(1, Relaxed);
                    return Ok(());
                }
            }
        }
    }

    async fn never_read(&self, nth: u8) -> Result<(), LinkError> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((ADDRESS, 0).into())?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let mut link = Link::over(socket.connect(self.server).await?, self.server).await?;
        link.send(&hello(self.token.clone(), Self::replica(4, nth), None, Vec::new())).await?;
        self.counts.never_reading.fetch_add(1, Relaxed);
        // Longer than the server's patience. What is read then breaks off before the row is whole.
        sleep(Duration::from_secs(2)).await;
        while let Ok(frame) = link.next().await {
            if matches!(frame, ServerFrame::Checkpoint(_)) {
                return Ok(());
            }
        }
        self.counts.never_reading_cut.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The head of a request, or its body, byte for byte.
    async fn drip(&self, head: bool) -> std::io::Result<()> {
        let mut stream = connect(self.server, ADDRESS).await?;
        self.counts.drips.fetch_add(1, Relaxed);
        if !head {
            let begin = format!(
                "POST /sync/v1/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n",
                self.token
            );
            stream.write_all(begin.as_bytes()).await?;
        }
        let bytes = b"POST /sync/v1/push HTTP/1.1\r\n".iter().cycle();
        for byte in bytes {
            let ended = stream.write_all(&[*byte]).await.is_err() || is_closed(&mut stream, DRIP).await;
            if ended {
                self.counts.drips_ended.fetch_add(1, Relaxed);
                return Ok(());
            }
        }
        Ok(())
    }

    async fn say_nothing(&self) -> std::io::Result<()> {
        let mut stream = connect(self.server, ADDRESS).await?;
        self.counts.sockets_opened.fetch_add(1, Relaxed);
        while !is_closed(&mut stream, Duration::from_secs(60)).await {}
        self.counts.sockets_closed.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Whether the server ended it meanwhile.
async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut buffer = [0; 1024];
    matches!(timeout(within, stream.read(&mut buffer)).await, Ok(Ok(0) | Err(_)))
}
