//! Where a database is kept, and whether one was there before.
//!
//! A marker in IndexedDB, beside one of the page's, tells in which tier a database is. Promises that a database
//! is looked for where it was made, even when the browser has learned something better since; and that one
//! which vanished is never taken for a new one.

use crate::failure::Failure;
use crate::idb::Idb;
use crate::opfs;
use crate::options::{Options, Tier};

/// Where a database is, and where its name was known to have one.
pub(crate) struct Choice {
    pub tier: Tier,
    pub known: Option<Tier>,
}

/// Finds the tier of a database: that which has it, else the first of the allowed ones that works here.
pub(crate) async fn choose(options: &Options) -> Result<Choice, Failure> {
    let known = match options.marked {
        None if options.storage != [Tier::Memory] => marker(&options.name).await,
        marked => marked,
    };
    if let Some(tier) = known.filter(|tier| options.storage.contains(tier)) {
        usable(tier)
            .await
            .map_err(|failure| Failure { message: format!("this database is in {}, and cannot be had: {}", tier.name(), failure.message), ..failure })?;
        return Ok(Choice { tier, known });
    }
    let mut refused = Failure::new("BadValue", "storage names no tier: use opfs, indexeddb or memory");
    for &tier in &options.storage {
        match usable(tier).await {
            Ok(()) => return Ok(Choice { tier, known }),
            Err(failure) => refused = failure,
        }
    }
    Err(refused)
}

async fn usable(tier: Tier) -> Result<(), Failure> {
    match tier {
        Tier::Opfs => opfs::usable().await,
        Tier::IndexedDb => Idb::open().await.map(drop),
        Tier::Memory => Ok(()),
    }
}

/// Where IndexedDB is blocked there is no marker either.
async fn marker(name: &str) -> Option<Tier> {
    Idb::open().await.ok()?.marker(name).await.ok()?
}

/// Remembers where a database is. The page does the same: one of the two may be blocked.
pub(crate) async fn mark(name: &str, tier: Tier) {
    if let Ok(idb) = Idb::open().await {
        let _ = idb.mark(name, tier).await;
    }
}

/// Deletes the database of a name that nobody has open, of all its users, in every tier. One that does not exist is fine.
pub(crate) async fn remove(name: &str) -> Result<(), Failure> {
    if let Ok(idb) = Idb::open().await {
        idb.remove(name).await.map_err(|error| Failure::storage("deleting the database", &error))?;
    }
    opfs::remove(name).await
}
