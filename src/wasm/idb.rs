//! What Seaworthy keeps in IndexedDB: pages of databases where there is nothing better, and which databases
//! there are.
//!
//! One IndexedDB database for the origin. Promises that what a call stores is stored whole, or not at all.

use crate::clock::scope;
use crate::failure::Failure;
use crate::options::{Durability, Tier};
use crate::vfs::Changes;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode};

const DATABASE: &str = "seaworthy";
const VERSION: u32 = 1;
/// Blocks of files, by `[name, place, number]`.
const PAGES: &str = "pages";
/// The tiers of the databases that exist, by name.
const MARKERS: &str = "markers";

/// An open connection to it. Dropping it closes it.
pub(crate) struct Idb(IdbDatabase);

impl Idb {
    pub(crate) async fn open() -> Result<Self, Failure> {
        let scope = scope()?;
        if !scope.is_secure_context() {
            return Err(Failure::insecure());
        }
        let failed = |error: JsValue| Failure::storage("opening IndexedDB", &error);
        let factory = scope.indexed_db().map_err(failed)?.ok_or_else(|| Failure::new("StorageUnavailable", "this browser has no IndexedDB"))?;
        let request = factory.open_with_u32(DATABASE, VERSION).map_err(failed)?;
        let upgraded = request.clone();
        // A failure aborts the upgrade, and the opening with it.
        let upgrade = Closure::once(move || make_stores(&upgraded));
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        let opened = outcome(&request).await;
        drop(upgrade);
        opened.map(|database| Self(database.unchecked_into())).map_err(failed)
    }

    /// The blocks of a file, in their order.
    pub(crate) async fn load(&self, name: &str, place: &str) -> Result<Vec<Vec<u8>>, JsValue> {
        let store = self.begin(PAGES, IdbTransactionMode::Readonly, Durability::Relaxed)?.object_store(PAGES)?;
        let range: JsValue = range(&[name.into(), place.into()])?.into();
        let (keys, blocks) = (store.get_all_keys_with_key(&range)?, store.get_all_with_key(&range)?);
        let (keys, blocks) = futures_util::future::try_join(outcome(&keys), outcome(&blocks)).await?;
        let (keys, blocks): (Array, Array) = (keys.unchecked_into(), blocks.unchecked_into());
        let last = keys.iter().last().and_then(|key| key.unchecked_into::<Array>().get(2).as_f64());
        if last.is_some_and(|last| last + 1.0 != f64::from(blocks.length())) {
            return Err(js_sys::Error::new("pages of the database are missing in IndexedDB").into());
        }
        Ok(blocks.iter().map(|block| block.unchecked_into::<Uint8Array>().to_vec()).collect())
    }

    /// Stores what changed in a file, in one transaction.
    pub(crate) async fn save(&self, name: &str, place: &str, changes: Changes, durability: Durability) -> Result<(), JsValue> {
        let transaction = self.begin(PAGES, IdbTransactionMode::Readwrite, durability)?;
        let store = transaction.object_store(PAGES)?;
        let key = |index: usize| Array::of3(&name.into(), &place.into(), &JsValue::from_f64(index as f64));
        for (index, block) in &changes.blocks {
            store.put_with_key(&Uint8Array::from(&block[..]), &key(*index))?;
        }
        let beyond = IdbKeyRange::bound(&key(changes.count), &Array::of3(&name.into(), &place.into(), &Array::new()))?;
        store.delete(&beyond)?;
        completed(&transaction).await
    }

    /// Where a database of this name is, or was when it was last opened.
    pub(crate) async fn marker(&self, name: &str) -> Result<Option<Tier>, JsValue> {
        let store = self.begin(MARKERS, IdbTransactionMode::Readonly, Durability::Relaxed)?.object_store(MARKERS)?;
        Ok(outcome(&store.get(&name.into())?).await?.as_string().and_then(|tier| Tier::parse(&tier)))
    }

    pub(crate) async fn mark(&self, name: &str, tier: Tier) -> Result<(), JsValue> {
        let transaction = self.begin(MARKERS, IdbTransactionMode::Readwrite, Durability::Relaxed)?;
        transaction.object_store(MARKERS)?.put_with_key(&tier.name().into(), &name.into())?;
        completed(&transaction).await
    }

    /// Forgets everything of a name.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), JsValue> {
        let both = Array::of2(&PAGES.into(), &MARKERS.into());
        let transaction = self.0.transaction_with_str_sequence_and_mode(&both, IdbTransactionMode::Readwrite)?;
        transaction.object_store(MARKERS)?.delete(&name.into())?;
        transaction.object_store(PAGES)?.delete(&range(&[name.into()])?.into())?;
        completed(&transaction).await
    }

    fn begin(&self, store: &str, mode: IdbTransactionMode, durability: Durability) -> Result<IdbTransaction, JsValue> {
        let options = Object::new();
        let hint = if durability == Durability::Strict { "strict" } else { "relaxed" };
        Reflect::set(&options, &"durability".into(), &hint.into())?;
        // web-sys has no options here yet.
        let begin: Function = Reflect::get(&self.0, &"transaction".into())?.dyn_into()?;
        Ok(begin.call3(&self.0, &store.into(), &mode.into(), &options)?.unchecked_into())
    }
}

impl Drop for Idb {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn make_stores(request: &IdbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    for store in [PAGES, MARKERS] {
        let _: IdbObjectStore = database.create_object_store(store)?;
    }
    Ok(())
}

/// Every key that begins with these parts: an array is greater than any text or number.
fn range(parts: &[JsValue]) -> Result<IdbKeyRange, JsValue> {
    let (lower, upper): (Array, Array) = (parts.iter().collect(), parts.iter().collect());
    upper.push(&Array::new());
    IdbKeyRange::bound(&lower, &upper)
}

/// What a request is answered with. It listens from the call on.
fn outcome(request: &IdbRequest) -> impl Future<Output = Result<JsValue, JsValue>> + use<> {
    let request = request.clone();
    let answered = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    async move {
        match JsFuture::from(answered).await {
            Ok(_) => request.result(),
            Err(event) => Err(request.error().ok().flatten().map_or(event, JsValue::from)),
        }
    }
}

/// Waits until everything of a transaction is stored.
async fn completed(transaction: &IdbTransaction) -> Result<(), JsValue> {
    let ended = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    });
    match JsFuture::from(ended).await {
        Ok(_) => Ok(()),
        Err(event) => Err(transaction.error().map_or(event, JsValue::from)),
    }
}
