//! Who may come in: so many connections from one address and of one user, and so many pushes of a user.
//!
//! What is counted is given back when a [`Seat`] goes out of scope. Nothing is kept about whoever is
//! gone, but for how fast a user pushed, and that only until it would be forgiven anyway.

use crate::{
    config::Limits,
    pace::{Debt, Pace},
};
use axum::http::HeaderMap;
use seaworthy_engine::client::User;
use seaworthy_protocol::{ErrorCode, ErrorFrame};
use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// A user may push this many times as much as in one second after a pause.
const PUSH_BURST_SECONDS: u64 = 10;
/// When to ask again for a seat, in milliseconds. Those who hold one rarely leave.
const SEAT_RETRY_MS: u64 = 10_000;
/// Below this many users nobody looks for those that may be forgotten.
const FORGET_ABOVE: usize = 1024;
/// One network behind an IPv6 address: a customer has at least all of these.
const IPV6_NETWORK: u128 = !0 << 64;
/// What a reverse proxy says about who asks. The last entry is its own.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who is on the other end of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub IpAddr);

/// See the module.
pub struct Gate {
    addresses: Seats<IpAddr>,
    users: Seats<User>,
    proxies: HashSet<IpAddr>,
    pace: Pace,
    pushes: Mutex<Pushes>,
}

#[derive(Default)]
struct Pushes {
    debts: HashMap<User, Debt>,
    forget_at: usize,
}

impl Gate {
    /// An empty house with these bounds.
    pub fn new(limits: &Limits) -> Self {
        Self {
            addresses: Seats::new(limits.max_connections_per_address),
            users: Seats::new(limits.max_connections_per_user),
            proxies: limits.proxies.iter().map(IpAddr::to_canonical).collect(),
            pace: Pace::new(limits.max_pushes_per_second, limits.max_pushes_per_second * PUSH_BURST_SECONDS),
            pushes: Mutex::default(),
        }
    }

    /// A seat for a socket that was opened, or none if its address has too many. Behind a proxy nothing is known yet.
    pub fn open(&self, caller: Caller) -> Option<Seat> {
        if self.is_proxy(caller.0) { Some(Seat::free()) } else { self.addresses.take(network(caller.0)) }
    }

    /// A seat for what came through a proxy, at the address that the proxy names. Whoever came straight has one already.
    pub fn ask(&self, caller: Option<Caller>, headers: &HeaderMap) -> Option<Seat> {
        let forwarded = caller.filter(|caller| self.is_proxy(caller.0)).and_then(|_| forwarded(headers));
        forwarded.map_or_else(|| Some(Seat::free()), |address| self.addresses.take(network(address)))
    }

    /// A seat for a user whose token is good.
    pub fn sit(&self, user: &User) -> Option<Seat> {
        self.users.take(user.clone())
    }

    /// Whether the user may push now, or else how long to wait.
    pub fn push(&self, user: &User) -> Result<(), Duration> {
        let now = Instant::now();
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        if pushes.debts.len() > pushes.forget_at.max(FORGET_ABOVE) {
            pushes.debts.retain(|_, debt| *debt > now);
            pushes.forget_at = pushes.debts.len() * 2;
        }
        self.pace.take(pushes.debts.entry(user.clone()).or_insert(now), now)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.contains(&address.to_canonical())
    }
}

/// What is said where all seats are taken.
pub fn too_many(message: &str) -> ErrorFrame {
    let message = format!("{message} Try again later.");
    ErrorFrame { retry_after_ms: Some(SEAT_RETRY_MS), ..ErrorFrame::new(ErrorCode::RateLimited, message) }
}

/// What is said to a user that pushes too fast.
pub fn too_fast(wait: Duration) -> ErrorFrame {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    ErrorFrame { retry_after_ms: Some(wait_ms), ..ErrorFrame::new(ErrorCode::RateLimited, "Too many pushes of this user. Put more transactions into each.") }
}

/// The address that the nearest proxy saw.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim();
    last.parse().ok()
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
        address => address,
    }
}

/// So many seats for each key.
struct Seats<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    most: usize,
}

/// Held by whoever is counted.
#[derive(Default)]
#[must_use = "the seat is given back at once"]
pub struct Seat {
    _taken: Option<Box<dyn Send + Sync>>,
}

struct Taken<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl Seat {
    /// Counts for nobody.
    pub fn free() -> Self {
        Self::default()
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Seats<K> {
    fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    fn take(&self, key: K) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat { _taken: Some(Box::new(Taken { taken: self.taken.clone(), key })) })
    }
}

impl<K: Hash + Eq> Drop for Taken<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No one panics while holding it; a count is right all the same.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(&Limits { max_connections_per_address: 2, max_connections_per_user: 1, max_pushes_per_second: 1, ..Limits::default() })
    }

    fn caller(address: &str) -> Caller {
        Caller(address.parse().unwrap())
    }

    fn through(addresses: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(FORWARDED_FOR), axum::http::HeaderValue::from_static(addresses))])
    }

    #[test]
    fn an_address_has_so_many_seats_and_they_are_given_back() {
        let gate = gate();
        let first = gate.open(caller("192.0.2.1"));
        let second = gate.open(caller("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some() && gate.open(caller("192.0.2.1")).is_none());
        assert!(gate.open(caller("192.0.2.2")).is_some());
        drop(first);
        assert!(gate.open(caller("192.0.2.1")).is_some());
        drop(second);
        assert!(lock(&gate.addresses.taken).is_empty());
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let gate = gate();
        let _seats = [gate.open(caller("2001:db8::1")), gate.open(caller("2001:db8::2"))];
        assert!(gate.open(caller("2001:db8::3")).is_none());
        assert!(gate.open(caller("2001:db8:0:1::3")).is_some());
    }

    #[test]
    fn behind_a_proxy_its_last_word_counts_and_nobody_elses_does() {
        let gate = gate();
        let proxy = Some(caller("127.0.0.1"));
        let seats: Vec<_> = (0..10).map(|_| gate.open(caller("127.0.0.1"))).collect();
        assert!(seats.iter().all(Option::is_some));
        let _seats = [gate.ask(proxy, &through("8.8.8.8, 192.0.2.1")), gate.ask(proxy, &through("9.9.9.9,192.0.2.1"))];
        assert!(gate.ask(proxy, &through("7.7.7.7, 192.0.2.1")).is_none());
        assert!(gate.ask(Some(caller("192.0.2.9")), &through("192.0.2.1")).is_some());
        assert!(gate.ask(None, &through("192.0.2.1")).is_some());
    }

    #[test]
    fn a_user_is_slowed_down_alone() {
        let gate = gate();
        let user = |subject: &str| User { issuer: "i".to_owned(), subject: subject.to_owned() };
        let pushed = (0..100).filter(|_| gate.push(&user("a")).is_ok()).count();
        assert!((10..=11).contains(&pushed), "{pushed}");
        assert!(gate.push(&user("b")).is_ok());
        let seat = gate.sit(&user("a"));
        assert!(seat.is_some() && gate.sit(&user("a")).is_none() && gate.sit(&user("b")).is_some());
    }
}
