//! Runs a session of the engine: does what it asks of tokens, storage and the clock, and gives it the answers.
//!
//! What it asks to be sent waits here until the transport takes it. The transport takes everything
//! before it reads on, so what waits is bounded by one answer.

use crate::{
    App,
    decision::{self, Deciders},
    gate::{self, Seat},
    storage::{Interest, Read, Waiter},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use seaworthy_engine::{
    Millis,
    session::{Input, Output, Session},
};
use seaworthy_protocol::{ClientFrame, Position, ServerFrame};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// A session that heard nothing reads again with a ping after so long, so that its cursor does not fall behind
/// what compaction leaves.
const READ_EVERY: Duration = Duration::from_secs(10 * 60);

/// What comes from within.
enum Inner {
    /// For the session as it is.
    Input(Input),
    /// What was read, and what to wait for from now on.
    Read(Input, Position, Interest),
}

/// A session with all that it needs around it.
pub struct Drive {
    app: Arc<App>,
    session: Session,
    started: Instant,
    wake_at: Option<Instant>,
    answers: FuturesUnordered<BoxFuture<'static, Inner>>,
    /// Wakes it when something that it serves was touched, and by nothing else.
    waiter: Waiter,
    read_at: Instant,
    stop: watch::Receiver<bool>,
    told_stop: bool,
    /// The user's, once it is known.
    seat: Option<Seat>,
    outgoing: VecDeque<ServerFrame>,
    closed: bool,
}

impl Drive {
    /// Starts the session that `open` makes for this moment.
    pub fn new(app: Arc<App>, open: impl FnOnce(Millis) -> Session) -> Self {
        let mut drive = Self {
            session: open(Millis(0)),
            started: Instant::now(),
            wake_at: None,
            answers: FuturesUnordered::new(),
            stop: app.stop.clone(),
            told_stop: false,
            seat: None,
            outgoing: VecDeque::new(),
            closed: false,
            waiter: app.storage.waiter(),
            read_at: Instant::now(),
            app,
        };
        drive.feed(Input::Head(drive.waiter.head()));
        drive
    }

    /// Gives the session an input and does what follows.
    pub fn feed(&mut self, input: Input) {
        let is_ping = matches!(input, Input::Frame(ClientFrame::Ping(_)));
        self.handle(input);
        if is_ping && self.read_at.elapsed() >= READ_EVERY {
            self.handle(Input::Head(self.waiter.head()));
        }
    }

    fn handle(&mut self, input: Input) {
        let input = self.seated(input);
        if let Err(error) = self.session.handle(self.now(), input) {
            tracing::error!(%error, "the session was driven wrongly; it is closed");
            self.closed = true;
        }
        while let Some(output) = self.session.poll_output() {
            self.execute(output);
        }
    }

    /// Waits for the next input that comes from within: an answer, the time, the log, the end. May be dropped at any moment.
    pub async fn next(&mut self) -> Input {
        let wake_at = self.wake_at;
        let tick = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let inner = tokio::select! {
            biased;
            Some(answer) = self.answers.next() => answer,
            Ok(_) = self.stop.wait_for(|stop| *stop), if !self.told_stop => {
                self.told_stop = true;
                Inner::Input(Input::Stop)
            }
            position = self.waiter.news() => Inner::Input(Input::Head(position)),
            () = tick => {
                self.wake_at = None;
                Inner::Input(Input::Tick)
            }
        };
        match inner {
            Inner::Input(input) => input,
            Inner::Read(input, position, interest) => self.read(input, position, interest),
        }
    }

    /// From here on the session is woken by what it reads. What was touched before that is read at once.
    fn read(&mut self, input: Input, position: Position, interest: Interest) -> Input {
        self.read_at = Instant::now();
        if let Some(head) = self.waiter.wait_for(interest).filter(|head| *head > position) {
            self.handle(Input::Head(head));
        }
        input
    }

    /// The next frame to send.
    pub fn outgoing(&mut self) -> Option<ServerFrame> {
        self.outgoing.pop_front()
    }

    /// Whether nothing comes any more.
    pub fn is_closed(&self) -> bool {
        self.closed && self.outgoing.is_empty()
    }

    /// Whether it ends because the server stops.
    pub fn is_stopping(&self) -> bool {
        self.told_stop
    }

    /// Gives a user a seat, or says that there is none.
    fn seated(&mut self, input: Input) -> Input {
        let Input::Authenticated(Ok(identity)) = &input else { return input };
        if self.seat.is_none() {
            self.seat = self.app.gate.sit(&identity.principal.user);
        }
        match self.seat {
            Some(_) => input,
            None => Input::Authenticated(Err(gate::too_many("Too many connections of this user."))),
        }
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn answer(&mut self, input: impl Future<Output = Input> + Send + 'static) {
        self.answers.push(input.map(Inner::Input).boxed());
    }

    fn execute(&mut self, output: Output) {
        let storage = self.app.storage.clone();
        match output {
            Output::Authenticate { token } => {
                let app = self.app.clone();
                self.answer(async move {
                    let verified = app.tokens.verify(&token).await;
                    if let Err(error) = &verified {
                        tracing::info!(reason = %error, "a token was refused");
                    }
                    Input::Authenticated(verified.map_err(|error| error.to_frame()))
                });
            }
            Output::Admit { replica, user } => self.answer(async move { Input::Admitted(answer(storage.admit(user, replica).await)) }),
            Output::Decide { principal, push } => {
                if let Err(wait) = self.app.gate.push(&principal.user) {
                    return self.answer(std::future::ready(Input::Decided(Err(gate::too_fast(wait)))));
                }
                let app = self.app.clone();
                self.answer(async move {
                    let mut deciders = Deciders { storage: &*app.storage, handlers: &app.handlers, stop: app.stop.clone() };
                    Input::Decided(answer(decision::decide(&mut deciders, principal, push).await))
                });
            }
            Output::Pull { principal, standing, doubtful, .. } => {
                let pull = async move {
                    match answer(storage.pull(principal, standing, doubtful).await) {
                        Ok(Read { pulled, interest }) => {
                            let position = pulled.checkpoint.cursor.position;
                            Inner::Read(Input::Pulled(Ok(pulled)), position, interest)
                        }
                        Err(error) => Inner::Input(Input::Pulled(Err(error))),
                    }
                };
                self.answers.push(pull.boxed());
            }
            Output::Send(frame) => self.outgoing.push_back(frame),
            Output::Close => self.closed = true,
            Output::WakeAt(at) => self.wake_at = Some(self.started + Duration::from_millis(at.0)),
        }
    }
}

fn answer<T>(result: Result<T, crate::storage::StorageError>) -> Result<T, seaworthy_protocol::ErrorFrame> {
    result.map_err(|error| {
        tracing::warn!(%error, "storage refused a request");
        error.to_frame()
    })
}
