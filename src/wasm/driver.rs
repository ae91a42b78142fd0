//! Runs a replica in the worker: executes its actions with real sockets, fetches and timers, and
//! turns what they bring into inputs.
//!
//! Promises that actions are executed in the order in which the replica gave them, also when a
//! listener calls back into the database; that nobody, neither page nor server, is told of a commit
//! that is not stored; and that no borrow of the replica is held across an await or while a listener
//! runs.

use crate::clock::Clock;
use crate::event::{Emitter, Event, Status, UserName};
use crate::failure::Failure;
use crate::fetch;
use crate::options::Tier;
use crate::page_store::{PageStore, too_large};
use crate::place::Home;
use crate::socket::{self, Socket};
use futures_util::future::{AbortHandle, Abortable};
use gloo_timers::callback::Timeout;
use seaworthy_engine::Millis;
use seaworthy_engine::client::{Input, Status as EngineStatus};
use seaworthy_protocol::ClientFrame;
use seaworthy_store::{Action, Replica, Store, StoreError};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen_futures::spawn_local;

/// Longest time that a timer is set for: browsers count in 31 bits.
const MAX_TIMER_MS: u64 = 24 * 60 * 60 * 1000;

/// How late the status may say how many writes wait. Nobody sees it change more often, and each time costs as much as a write.
const COUNTED_MS: u32 = 16;

/// How often it is seen which subscriptions are kept no longer.
const EXPIRY_INTERVAL_MS: u32 = 60_000;

/// One open database with its connections.
pub(crate) struct Driver {
    this: Weak<Driver>,
    clock: Clock,
    emitter: Emitter,
    /// The base of the endpoints; `None`: never synchronises.
    url: Option<String>,
    home: Home,
    replica: RefCell<Option<Replica>>,
    queue: RefCell<VecDeque<Action>>,
    draining: Cell<bool>,
    /// Commits are on their way to the store, or have failed to get there.
    settling: Cell<bool>,
    links: RefCell<Links>,
    status: RefCell<Shown>,
}

/// What is under way. Dropping an entry ends it.
#[derive(Default)]
struct Links {
    socket: Option<Socket>,
    /// Distinguishes the events of this socket from those of a former one.
    generation: u32,
    push: Option<Fetching>,
    pull: Option<Fetching>,
    wake: Option<Timeout>,
    refresh: Option<Timeout>,
    expiry: Option<Timeout>,
    /// Tells the status.
    tell: Option<Timeout>,
}

struct Fetching(AbortHandle);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Default)]
struct Shown {
    engine: EngineStatus,
    emitted: Option<Status>,
}

impl Driver {
    pub(crate) fn new(replica: Replica, clock: Clock, emitter: Emitter, url: Option<String>, home: Home) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: this.clone(),
            clock,
            emitter,
            url,
            home,
            replica: RefCell::new(Some(replica)),
            queue: RefCell::default(),
            draining: Cell::new(false),
            settling: Cell::new(false),
            links: RefCell::default(),
            status: RefCell::default(),
        })
    }

    /// Uses the store. Nothing that is called inside may call back into JavaScript.
    pub(crate) fn with_store<T>(&self, use_store: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Result<T, Failure> {
        let mut replica = self.replica.try_borrow_mut().map_err(|_| busy())?;
        let replica = replica.as_mut().ok_or_else(Failure::closed)?;
        use_store(replica.store()).map_err(|error| self.failure(error))
    }

    /// After a commit: the engine pushes it, and watchers see it.
    pub(crate) fn committed(&self) {
        self.step(|replica, now| replica.committed(now));
        self.refresh_live_soon();
        self.tell_within(COUNTED_MS);
    }

    /// After an interactive transaction: what came meanwhile takes effect.
    pub(crate) fn resume(&self) {
        self.step(Replica::resume);
        self.refresh_soon();
    }

    /// Ends the subscriptions that are kept no longer, now and every minute.
    pub(crate) fn expire_subscriptions(&self) {
        let now_ms = self.clock.wall_ms();
        let expired = self.with_store(|store| Ok(!store.in_transaction() && store.expire_subscriptions(now_ms)?));
        if expired.is_ok_and(|expired| expired) {
            self.subscribed();
        }
        let this = self.this.clone();
        self.links.borrow_mut().expiry = Some(Timeout::new(EXPIRY_INTERVAL_MS, move || {
            if let Some(driver) = this.upgrade() {
                driver.expire_subscriptions();
            }
        }));
    }

    /// What is subscribed to may have changed.
    pub(crate) fn subscribed(&self) {
        self.step(Replica::subscribed);
    }

    /// Gives an input to the engine.
    pub(crate) fn input(&self, input: Input) {
        self.step(|replica, now| replica.handle(now, input));
    }

    /// The status as it is now.
    pub(crate) fn status(&self) -> Result<Status, Failure> {
        let (counts, user, synced) = self.with_store(|store| Ok((store.counts()?, store.replica().user, store.last_synced_at_ms())))?;
        let user = user.map(|user| UserName { issuer: user.issuer, subject: user.subject });
        let shown = self.status.borrow();
        Ok(Status::new(&shown.engine, &counts, user, synced, &self.home))
    }

    /// Ends everything under way and gives the store back.
    pub(crate) fn stop(&self) -> Result<Store, Failure> {
        let replica = self.replica.try_borrow_mut().map_err(|_| busy())?.take().ok_or_else(Failure::closed)?;
        self.queue.borrow_mut().clear();
        drop(self.links.take());
        Ok(replica.into_store())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store to which commits are on their way.
    pub(crate) fn unsettled(&self) -> Option<Rc<PageStore>> {
        self.home.pages.clone().filter(|pages| !pages.is_settled())
    }

    /// Whether everything that was committed is stored. If not it is seen to, and what is queued goes on afterwards.
    fn is_settled(&self) -> bool {
        let Some(pages) = self.unsettled() else { return true };
        if !self.settling.replace(true) {
            let this = self.this.clone();
            spawn_local(async move {
                let settled = pages.settle().await;
                let Some(driver) = this.upgrade() else { return };
                match settled {
                    Ok(()) => {
                        driver.settling.set(false);
                        driver.drain();
                        driver.refresh_soon();
                    }
                    Err(failure) if driver.replica.borrow().is_some() => driver.emitter.emit(Event::Unsaved(failure)),
                    // Whoever closed it has heard of it.
                    Err(_) => {}
                }
            });
        }
        false
    }

    /// The failure that a call ends with.
    pub(crate) fn failure(&self, error: StoreError) -> Failure {
        let failure = Failure::from(error);
        if failure.code == "QuotaExceeded" && self.home.tier == Tier::IndexedDb { too_large() } else { failure }
    }

    fn step(&self, step: impl FnOnce(&mut Replica, Millis) -> Vec<Action>) {
        let actions = match self.replica.try_borrow_mut() {
            Ok(mut replica) => replica.as_mut().map(|replica| step(replica, self.clock.now())).unwrap_or_default(),
            Err(_) => return self.emitter.emit(Event::Error(busy())),
        };
        self.queue.borrow_mut().extend(actions);
        self.drain();
    }

    /// Executes what is queued. A call from inside an action only queues: the loop that runs already goes on.
    fn drain(&self) {
        if self.draining.replace(true) {
            return;
        }
        while self.is_settled() {
            let next = self.queue.borrow_mut().pop_front();
            let Some(action) = next else { break };
            self.execute(action);
        }
        self.draining.set(false);
    }

    fn execute(&self, action: Action) {
        match action {
            Action::NeedToken { renew } => self.emitter.emit(Event::NeedToken { renew }),
            Action::Connect => self.connect(),
            Action::Disconnect => self.disconnect(),
            Action::Send(frame) => {
                if let Some(socket) = &self.links.borrow().socket {
                    socket.send(&frame);
                }
            }
            Action::Fetch { id, token, frame } => self.fetch(id, token, frame),
            Action::WakeAt(at) => self.wake_at(at),
            Action::Status(status) => {
                self.status.borrow_mut().engine = status;
                self.refresh_soon();
            }
            Action::Confirmed(ids) => self.emitter.emit(Event::Confirmed(ids)),
            Action::Rejected(writes) => self.emitter.emit(Event::Rejected(writes)),
            Action::Synced => self.refresh_soon(),
            Action::Streams => self.emitter.emit(self.with_store(|store| store.streams()).map_or_else(Event::Error, Event::Streams)),
            Action::Failed(error) => self.emitter.emit(Event::Error(self.failure(error))),
        }
    }

    fn connect(&self) {
        let Some(url) = &self.url else { return };
        let mut links = self.links.borrow_mut();
        links.generation = links.generation.wrapping_add(1);
        let generation = links.generation;
        let this = self.this.clone();
        links.socket = Some(Socket::open(format!("{}/live", websocket_url(url)), move |event| {
            let Some(driver) = this.upgrade() else { return };
            if driver.links.borrow().generation != generation {
                return;
            }
            driver.input(match event {
                socket::Event::Open => Input::Connected,
                socket::Event::Frame(frame) => Input::Frame(frame),
                socket::Event::Malformed => Input::Malformed,
                socket::Event::Closed => Input::Closed,
            });
        }));
    }

    fn disconnect(&self) {
        let mut links = self.links.borrow_mut();
        links.generation = links.generation.wrapping_add(1);
        links.socket = None;
        links.push = None;
        links.pull = None;
    }

    fn fetch(&self, id: u32, token: String, frame: ClientFrame) {
        let Some(url) = &self.url else { return };
        let is_push = matches!(frame, ClientFrame::Push(_));
        let endpoint = format!("{url}/{}", if is_push { "push" } else { "pull" });
        let (handle, registration) = AbortHandle::new_pair();
        let this = self.this.clone();
        spawn_local(async move {
            // Aborted: the engine has asked for another one, or no longer wants any.
            let Ok(result) = Abortable::new(fetch::post(endpoint, token, frame), registration).await else { return };
            if let Some(driver) = this.upgrade() {
                driver.input(Input::Fetched { id, result });
            }
        });
        let mut links = self.links.borrow_mut();
        let slot = if is_push { &mut links.push } else { &mut links.pull };
        *slot = Some(Fetching(handle));
    }

    fn wake_at(&self, at: Millis) {
        let delay_ms = at.since(self.clock.now()).min(MAX_TIMER_MS) as u32;
        let wake = self.later(delay_ms, |driver| driver.input(Input::Tick));
        self.links.borrow_mut().wake = Some(wake);
    }

    /// Live queries and the status follow after the current burst of calls, once for all of them.
    fn refresh_soon(&self) {
        self.refresh_live_soon();
        self.links.borrow_mut().tell = None;
        self.tell_within(0);
    }

    fn refresh_live_soon(&self) {
        let mut links = self.links.borrow_mut();
        // While a call uses the store its end refreshes.
        let is_watched = self.with_store(|store| Ok(store.is_watched())).unwrap_or(false);
        if is_watched && links.refresh.is_none() {
            links.refresh = Some(self.later(0, |driver| {
                driver.links.borrow_mut().refresh = None;
                driver.refresh_live();
            }));
        }
    }

    fn tell_within(&self, ms: u32) {
        let mut links = self.links.borrow_mut();
        if links.tell.is_none() {
            links.tell = Some(self.later(ms, |driver| {
                driver.links.borrow_mut().tell = None;
                driver.tell();
            }));
        }
    }

    fn later(&self, ms: u32, run: impl FnOnce(&Self) + 'static) -> Timeout {
        let this = self.this.clone();
        Timeout::new(ms, move || {
            if let Some(driver) = this.upgrade() {
                run(&driver);
            }
        })
    }

    fn refresh_live(&self) {
        // When it is, this comes again.
        if !self.is_settled() {
            return;
        }
        // An interactive transaction hides its rows; its end refreshes again. So does nothing after the close.
        let Ok(refreshed) = self.with_store(|store| Ok((!store.in_transaction()).then(|| store.live_refresh()))) else { return };
        for (id, result) in refreshed.unwrap_or_default() {
            self.emitter.emit(Event::Live { id, result: result.map_err(Failure::from) });
        }
    }

    fn tell(&self) {
        if !self.is_settled() || self.with_store(|store| Ok(store.in_transaction())).unwrap_or(true) {
            return;
        }
        match self.status() {
            Ok(status) if self.status.borrow().emitted.as_ref() == Some(&status) => {}
            Ok(status) => {
                self.status.borrow_mut().emitted = Some(status.clone());
                self.emitter.emit(Event::Status(status));
            }
            Err(failure) if failure.code == "Closed" => {}
            Err(failure) => self.emitter.emit(Event::Error(failure)),
        }
    }
}

fn busy() -> Failure {
    Failure::new("Internal", "the database was called from inside one of its own calls")
}

/// `http:` becomes `ws:`, `https:` becomes `wss:`.
fn websocket_url(url: &str) -> String {
    url.strip_prefix("http").map_or_else(|| url.to_owned(), |rest| format!("ws{rest}"))
}
