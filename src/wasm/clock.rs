//! Time and randomness: the inputs that the crates below must not fetch themselves.

use crate::failure::Failure;
use seaworthy_engine::Millis;
use seaworthy_protocol::{Policy, ReplicaId, TransactionId};
use seaworthy_store::{Environment, Stamp};
use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

/// The scope of the worker, without which there is neither storage nor time.
pub(crate) fn scope() -> Result<DedicatedWorkerGlobalScope, Failure> {
    js_sys::global().dyn_into().map_err(|_| Failure::new("WorkerFailed", "Seaworthy's wasm runs in a dedicated worker: load it through seaworthy/worker"))
}

/// A source of moments and of bits, bound to the worker.
#[derive(Clone)]
pub(crate) struct Clock {
    performance: web_sys::Performance,
    crypto: web_sys::Crypto,
}

impl Clock {
    pub(crate) fn new() -> Result<Self, Failure> {
        let scope = scope()?;
        let performance = scope.performance().ok_or_else(|| Failure::new("WorkerFailed", "this worker has no performance.now()"))?;
        let crypto = scope.crypto().map_err(|_| Failure::new("WorkerFailed", "this worker has no crypto.getRandomValues()"))?;
        Ok(Self { performance, crypto })
    }

    /// A moment that never goes back, whatever somebody does to the wall clock.
    pub(crate) fn now(&self) -> Millis {
        Millis(self.performance.now() as u64)
    }

    /// The wall clock, in milliseconds of the Unix epoch.
    pub(crate) fn wall_ms(&self) -> i64 {
        js_sys::Date::now() as i64
    }

    /// A fresh identity for a transaction that commits now.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { id: TransactionId(self.random()), now_ms: self.wall_ms(), policy: Policy::Rebase }
    }

    /// A fresh replica id: a UUIDv7, so that ids sort by age.
    pub(crate) fn replica_id(&self) -> ReplicaId {
        let mut bytes: [u8; 16] = self.random();
        bytes[..6].copy_from_slice(&self.wall_ms().to_be_bytes()[2..]);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        ReplicaId(bytes)
    }

    /// A seed for the engine's jitter.
    pub(crate) fn seed(&self) -> u64 {
        u64::from_le_bytes(self.random())
    }

    #[expect(clippy::expect_used, reason = "getRandomValues refuses only more than 65,536 bytes at once")]
    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.crypto.get_random_values_with_u8_array(&mut bytes).expect("a few random bytes");
        bytes
    }
}

impl Environment for Clock {
    fn replica_id(&mut self) -> ReplicaId {
        Clock::replica_id(self)
    }

    fn wall_ms(&self) -> i64 {
        Clock::wall_ms(self)
    }
}
