//! The one class that JavaScript sees. Every call is thin: decode, one call of the store, tell the driver.
//!
//! Calls and answers cross as one buffer each; everything else as plain objects. What is thrown is
//! `{ code, message, retryable, details }`.

use crate::clock::Clock;
use crate::driver::Driver;
use crate::event::{Emitter, Event, name, object};
use crate::export::Snapshot;
use crate::failure::{Failure, from_js, to_js};
use crate::files::Files;
use crate::options::Options;
use crate::panic;
use crate::place::{self, Opened};
use crate::tier;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use seaworthy_engine::client::Input;
use seaworthy_protocol::{Policy, TransactionId};
use seaworthy_store::{Call, Decision, Replica, Seat, Stamp, Store, StoreError, Write, Written};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

/// What whoever had it open before subscribed to is kept for so long, so that a reload fetches nothing anew: a day.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// An open database. The caller holds the Web Lock of its name.
#[wasm_bindgen]
pub struct Database {
    driver: Rc<Driver>,
    files: Cell<Option<Files>>,
    /// Whose of its name it is; empty for the first user's.
    place: String,
    snapshot: RefCell<Option<Snapshot>>,
    pending_elsewhere: u64,
}

#[wasm_bindgen]
impl Database {
    /// Opens or creates a database. `emit` gets the events; it may call the database at once.
    pub async fn open(options: JsValue, emit: Function) -> Result<Database, JsValue> {
        panic::install();
        let options = Options::from_js(&options)?;
        let clock = Clock::new()?;
        let opened = place::open(&options, &clock).await?;
        Ok(Self::start(opened, options, clock, emit).map_err(Failure::from)?)
    }

    /// Deletes a database that nobody has open, those of all its users.
    pub async fn remove(name: String) -> Result<(), JsValue> {
        Ok(tier::remove(&name).await?)
    }

    /// What an answer must wait for, before anybody hears it: that what was committed so far is stored. `undefined`: it is.
    /// When it rejects, nothing of that was stored; `unsaved` is emitted, and the database must be opened again.
    pub fn settle(&self) -> Option<Promise> {
        let pages = self.driver.unsettled()?;
        Some(future_to_promise(async move {
            pages.settle().await?;
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// Runs a call that changes nothing.
    pub fn read(&self, call: &[u8]) -> Result<Vec<u8>, JsValue> {
        let call = decode(call)?;
        Ok(self.driver.with_store(|store| store.read(&call))?)
    }

    /// Runs a call in one transaction. A repeated request gives its first answer. `policy` is what the write asks for
    /// where it meets another writer's change, if its tables ask for less.
    #[wasm_bindgen(unchecked_return_type = "{ receipt: unknown; buffer: Uint8Array; repeated: boolean }")]
    pub fn write(&self, request: &str, call: &[u8], policy: Option<String>) -> Result<JsValue, JsValue> {
        let call = decode(call)?;
        let stamp = self.stamp(policy.as_deref())?;
        let written = self.driver.with_store(|store| store.write(request, stamp, &call))?;
        if !written.repeated {
            self.driver.committed();
        }
        Ok(answer(&written))
    }

    /// Runs several writes, `{ request, call, policy }` each, as [`Self::write`] would one after another; they share one write
    /// to the file. The answers come in the same order: what `write` gives, or `{ error }`.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn write_group(&self, writes: Vec<JsValue>) -> Result<Vec<JsValue>, JsValue> {
        let asked: Vec<Result<Asked, Failure>> = writes.iter().map(|write| self.asked(write)).collect();
        let group: Vec<Write<'_>> = asked.iter().flatten().map(|(request, call, stamp)| Write { request, call, stamp: *stamp }).collect();
        let mut written = self.driver.with_store(|store| Ok(store.write_group(&group)))?.into_iter();
        self.driver.committed();
        let answers =
            asked.into_iter().map(|asked| match asked.and_then(|_| written.next().ok_or_else(Failure::closed)?.map_err(|error| self.driver.failure(error))) {
                Ok(written) => answer(&written),
                Err(failure) => object(&[("error", failure.to_js())]),
            });
        Ok(answers.collect())
    }

    /// Begins an interactive transaction. Until it ends, only `step`, `commit` and `rollback` may be called.
    pub fn begin(&self) -> Result<(), JsValue> {
        Ok(self.driver.with_store(Store::begin)?)
    }

    /// Runs a call inside the interactive transaction.
    pub fn step(&self, call: &[u8]) -> Result<Vec<u8>, JsValue> {
        let call = decode(call)?;
        Ok(self.driver.with_store(|store| store.step(&call))?)
    }

    /// Commits the interactive transaction.
    #[wasm_bindgen(unchecked_return_type = "unknown")]
    pub fn commit(&self, request: &str, policy: Option<String>) -> Result<JsValue, JsValue> {
        let stamp = self.stamp(policy.as_deref())?;
        let committed = self.driver.with_store(|store| store.commit(request, stamp));
        self.driver.resume();
        let receipt = committed?;
        self.driver.committed();
        Ok(to_js(&receipt))
    }

    /// Rolls the interactive transaction back. Without one it does nothing.
    pub fn rollback(&self) -> Result<(), JsValue> {
        let rolled_back = self.driver.with_store(Store::rollback);
        self.driver.resume();
        Ok(rolled_back?)
    }

    /// Forgets the answers of requests that the page has received.
    pub fn acknowledge(&self, requests: Vec<String>) -> Result<(), JsValue> {
        Ok(self.driver.with_store(|store| {
            store.acknowledge(&requests);
            Ok(())
        })?)
    }

    /// The pages for which answers are kept.
    pub fn answered_pages(&self) -> Result<Vec<String>, JsValue> {
        Ok(self.driver.with_store(|store| store.answered_pages())?.into_iter().collect())
    }

    /// Forgets the answers for pages that are gone.
    pub fn forget_pages(&self, pages: Vec<String>) -> Result<(), JsValue> {
        Ok(self.driver.with_store(|store| store.forget_pages(&pages))?)
    }

    /// Begins to watch a query, and gives its first result; later ones come as events.
    pub fn live_open(&self, id: u32, call: &[u8]) -> Result<Vec<u8>, JsValue> {
        let call = decode(call)?;
        Ok(self.driver.with_store(|store| store.live_open(id, &call))?)
    }

    /// Stops watching.
    pub fn live_close(&self, id: u32) -> Result<(), JsValue> {
        Ok(self.driver.with_store(|store| {
            store.live_close(id);
            Ok(())
        })?)
    }

    /// Answers `need-token`, or brings a new one. `null`: nobody is signed in.
    pub fn token(&self, token: Option<String>) {
        self.driver.input(Input::Token(token));
    }

    /// The page failed to get a token, and tries again by itself.
    pub fn no_token(&self) {
        self.driver.input(Input::NoToken);
    }

    /// What was written while nobody was signed in belongs to the user of the token.
    pub fn adopt(&self) {
        self.driver.input(Input::Adopt);
    }

    /// How many writes are pending in the databases of other users of this name.
    pub fn pending_elsewhere(&self) -> f64 {
        self.pending_elsewhere as f64
    }

    /// Whether a connection is wanted.
    pub fn online(&self, wanted: bool) {
        self.driver.input(Input::Online(wanted));
    }

    /// Writes that are not confirmed yet.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn pending(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver.with_store(|store| store.pending())?))
    }

    /// Writes that the server refused.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn rejected(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver.with_store(|store| store.rejected())?))
    }

    /// Makes a refused write again, as a new one. `edits` are cells that it is to have instead of its own. A repeated request
    /// gives its first answer.
    #[wasm_bindgen(unchecked_return_type = "unknown")]
    pub fn retry(&self, request: &str, id: &str, edits: &JsValue) -> Result<JsValue, JsValue> {
        let (id, edits, stamp) = (parse(id)?, decisions(edits)?, self.stamp(None)?);
        let receipt = self.driver.with_store(|store| store.retry(request, id, stamp, &edits))?;
        self.driver.committed();
        Ok(to_js(&receipt))
    }

    /// Refused writes that a resolver may decide.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn conflicts(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver.with_store(|store| store.conflicts())?))
    }

    /// Commits what a resolver decided over a refused write. A repeated request gives its first answer.
    #[wasm_bindgen(unchecked_return_type = "unknown")]
    pub fn resolve(&self, request: &str, id: &str, decided: &JsValue) -> Result<JsValue, JsValue> {
        let (id, decided, stamp) = (parse(id)?, decisions(decided)?, self.stamp(None)?);
        let receipt = self.driver.with_store(|store| store.resolve(request, id, stamp, &decided))?;
        self.driver.committed();
        Ok(to_js(&receipt))
    }

    /// Forgets a refused write.
    pub fn discard(&self, id: &str) -> Result<(), JsValue> {
        let id = parse(id)?;
        self.driver.with_store(|store| store.discard(id))?;
        self.driver.resume();
        Ok(())
    }

    /// What became of a write.
    #[wasm_bindgen(unchecked_return_type = "unknown")]
    pub fn fate(&self, id: &str) -> Result<JsValue, JsValue> {
        let id = parse(id)?;
        Ok(to_js(&self.driver.with_store(|store| store.fate(id))?))
    }

    /// Connection, queue and user.
    #[wasm_bindgen(unchecked_return_type = "unknown")]
    pub fn status(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver.status()?))
    }

    /// Begins an export: gives the size of the file that [`Self::export_read`] gives in pieces. It is as the database is now,
    /// whatever is written until the export ends.
    pub fn export_begin(&self) -> Result<f64, JsValue> {
        if self.snapshot.borrow().is_some() {
            return Err(Failure::new("NotAllowed", "another export is under way: wait until it ends").into());
        }
        let files = self.files.take();
        let file = files.as_ref().and_then(|files| files.handles().map(|[database, _]| database.clone()));
        self.files.set(files);
        let snapshot = match file {
            Some(handle) => {
                self.driver.with_store(Store::begin_snapshot)?;
                Snapshot::of_file(handle)?
            }
            None => Snapshot::Image(self.driver.with_store(Store::image)?),
        };
        let size = snapshot.size();
        self.snapshot.replace(Some(snapshot));
        Ok(size as f64)
    }

    /// At most `most` bytes of the exported file.
    pub fn export_read(&self, at: f64, most: u32) -> Result<Vec<u8>, JsValue> {
        let snapshot = self.snapshot.borrow();
        let snapshot = snapshot.as_ref().ok_or_else(|| Failure::new("NotAllowed", "no export is under way: begin one"))?;
        Ok(snapshot.read(at as u64, most as usize)?)
    }

    /// Ends the export. Without one it does nothing.
    pub fn export_end(&self) -> Result<(), JsValue> {
        if self.snapshot.take().is_some() {
            self.driver.with_store(|store| {
                store.end_snapshot();
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether the database is what the import with this id brought.
    pub fn was_imported(&self, id: &str) -> Result<bool, JsValue> {
        Ok(self.driver.with_store(|store| store.was_imported(id))?)
    }

    /// Closes the database: connections end, an open transaction is rolled back, the files are released. Settle it before.
    pub fn close(&self) -> Result<(), JsValue> {
        panic::report_to(None);
        self.snapshot.take();
        let closed = self.driver.stop()?.close().map_err(Failure::from);
        let released = self.files.take().map_or(Ok(()), Files::release);
        Ok(closed.and(released)?)
    }
}

/// A write as it was asked for: its request id, its statements, and what it brings from outside.
type Asked = (String, Call, Stamp);

impl Database {
    /// Joins an opened store with its engine and its connections.
    pub(crate) fn start(opened: Opened, options: Options, clock: Clock, emit: Function) -> Result<Self, StoreError> {
        let Opened { mut store, home, files, place, pending_elsewhere } = opened;
        store.abandon_subscriptions(clock.wall_ms() + KEPT_MS)?;
        let emitter = Emitter(emit);
        let replica = Replica::new(store, clock.seed(), clock.clone());
        let driver = Driver::new(replica, clock, emitter.clone(), options.sync.map(|sync| sync.url), home);
        panic::report_to(Some(Box::new(move |message| {
            let what = format!("Seaworthy failed and is started again; nothing that was committed is lost. Please report this: {message}");
            emitter.emit(Event::Error(Failure::new("WorkerFailed", what)));
        })));
        driver.expire_subscriptions();
        if options.online {
            driver.input(Input::Online(true));
        }
        Ok(Self { driver, files: Cell::new(files), place, snapshot: RefCell::default(), pending_elsewhere })
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// What stays when an imported file takes this database's place.
    pub(crate) fn seat(&self) -> Result<Seat, Failure> {
        self.driver.with_store(|store| store.seat())
    }

    fn asked(&self, write: &JsValue) -> Result<Asked, Failure> {
        let field = |field| Reflect::get(write, &name(field)).unwrap_or(JsValue::UNDEFINED);
        let request = field("request").as_string().unwrap_or_default();
        let call = Uint8Array::new(&field("call")).to_vec();
        Ok((request, decode(&call)?, self.stamp(field("policy").as_string().as_deref())?))
    }

    fn stamp(&self, policy: Option<&str>) -> Result<Stamp, Failure> {
        let unknown = |name: &str| Failure::new("BadValue", format!("{name:?} is no policy: use rebase, server, manual or fail"));
        let policy = policy.map_or(Ok(Policy::Rebase), |name| Policy::parse(name).ok_or_else(|| unknown(name)))?;
        Ok(Stamp { policy, ..self.driver.clock().stamp() })
    }
}

fn answer(written: &Written) -> JsValue {
    let buffer = Uint8Array::from(written.buffer.as_slice());
    object(&[("receipt", to_js(&written.receipt)), ("buffer", buffer.into()), ("repeated", written.repeated.into())])
}

fn decisions(given: &JsValue) -> Result<Vec<Decision>, Failure> {
    from_js(given).map_err(|error| Failure::new("BadValue", format!("the rows cannot be read: {error}")))
}

fn decode(call: &[u8]) -> Result<Call, Failure> {
    Ok(Call::decode(call)?)
}

fn parse(id: &str) -> Result<TransactionId, Failure> {
    TransactionId::parse(id).map_err(|_| Failure::new("UnknownWrite", format!("{id:?} is not the id of a write: use the id of a receipt")))
}
