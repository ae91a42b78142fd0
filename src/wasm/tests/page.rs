//! The page's side of the boundary: packs calls, unpacks answers of one row, and listens.

use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, Reflect, Uint8Array};
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub const SCHEMA: &str = r#"{ "version": 1, "tables": [
    { "name": "todos", "primary_key": ["id"], "columns": [ { "name": "id", "type": "TEXT" }, { "name": "title", "type": "TEXT", "unique": true } ] },
    { "name": "things", "primary_key": ["id"], "columns": [ { "name": "id", "type": "TEXT" }, { "name": "v", "type": "BLOB", "nullable": true } ] },
    { "name": "numbers", "primary_key": ["id"], "columns": [ { "name": "id", "type": "TEXT" }, { "name": "n", "type": "INTEGER" } ] } ] }"#;

/// An open database with everything that it said.
pub struct Page {
    pub database: Database,
    pub events: Array,
    _listener: Closure<dyn FnMut(JsValue)>,
}

impl Page {
    /// Opens a database that never synchronises, in one tier.
    pub async fn open(name: &str, storage: &str) -> Self {
        Self::open_in(name, &[storage]).await
    }

    /// Opens it in the first tier that works, unless it is in another one.
    pub async fn open_in(name: &str, storage: &[&str]) -> Self {
        let storage = format!("{storage:?}");
        Self::open_with(&format!(r#"{{ "name": "{name}", "storage": {storage}, "schema": {SCHEMA}, "sync": null, "online": false }}"#)).await.unwrap()
    }

    /// Opens a database in files, whose commits are as durable as is said.
    pub async fn open_durable(name: &str, durability: &str) -> Self {
        let options =
            format!(r#"{{ "name": "{name}", "storage": ["opfs"], "durability": "{durability}", "schema": {SCHEMA}, "sync": null, "online": false }}"#);
        Self::open_with(&options).await.unwrap()
    }

    /// Opens a database that synchronises with an URL.
    pub async fn open_online(name: &str, url: &str) -> Self {
        let options = format!(r#"{{ "name": "{name}", "storage": ["memory"], "schema": {SCHEMA}, "sync": {{ "url": "{url}" }}, "online": true }}"#);
        Self::open_with(&options).await.unwrap()
    }

    /// Opens with options as JSON.
    pub async fn open_with(options: &str) -> Result<Self, JsValue> {
        let events = Array::new();
        let sink = events.clone();
        let listener = Closure::new(move |event: JsValue| {
            sink.push(&event);
        });
        let emit: Function = listener.as_ref().unchecked_ref::<Function>().clone();
        let database = Database::open(JSON::parse(options).unwrap(), emit).await?;
        Ok(Self { database, events, _listener: listener })
    }

    /// Opens the database of a user.
    pub async fn open_as(name: &str, storage: &str, subject: &str) -> Self {
        let user = format!(r#"{{ "issuer": "test", "subject": "{subject}" }}"#);
        Self::open_with(&format!(r#"{{ "name": "{name}", "storage": ["{storage}"], "schema": {SCHEMA}, "sync": null, "user": {user} }}"#)).await.unwrap()
    }

    /// Waits until what was written is stored.
    pub async fn settle(&self) -> Result<(), JsValue> {
        match self.database.settle() {
            Some(promise) => JsFuture::from(promise).await.map(drop),
            None => Ok(()),
        }
    }

    /// Writes, and gives the receipt.
    pub fn write(&self, request: &str, sql: &str, values: &[Value]) -> Result<JsValue, JsValue> {
        self.database.write(request, &call(sql, values), None).map(|written| field(&written, "receipt"))
    }

    /// The first row of a query.
    pub fn row(&self, sql: &str, values: &[Value]) -> Vec<Value> {
        first_row(&self.database.read(&call(sql, values)).unwrap())
    }

    /// The only value of the only row.
    pub fn value(&self, sql: &str) -> Value {
        self.row(sql, &[]).remove(0)
    }

    /// Waits until an event fits.
    pub async fn event(&self, fits: impl Fn(&JsValue) -> bool) -> JsValue {
        for _ in 0..1000 {
            if let Some(event) = self.events.iter().find(|event| fits(event)) {
                return event;
            }
            TimeoutFuture::new(10).await;
        }
        panic!("no such event among {:?}", self.events);
    }
}

/// A property of a plain object; `undefined` of anything else.
pub fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A property that is a text.
pub fn text(object: &JsValue, name: &str) -> String {
    field(object, name).as_string().unwrap_or_default()
}

/// Packs a call of one statement.
pub fn call(sql: &str, values: &[Value]) -> Vec<u8> {
    let mut bytes = vec![1];
    for number in [1, sql.len() as u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(sql.as_bytes());
    for number in [1, values.len() as u32] {
        bytes.extend(number.to_le_bytes());
    }
    for value in values {
        match value {
            Value::Null => bytes.push(0),
            Value::Integer(i) => bytes.extend([&[1][..], &i.to_le_bytes()].concat()),
            Value::Real(r) => bytes.extend([&[2][..], &r.to_le_bytes()].concat()),
            Value::Text(t) => bytes.extend([&[3][..], &(t.len() as u32).to_le_bytes(), t.as_bytes()].concat()),
            Value::Blob(b) => bytes.extend([&[4][..], &(b.len() as u32).to_le_bytes(), b].concat()),
        }
    }
    bytes
}

/// Unpacks the first row of the only statement of an answer.
pub fn first_row(answer: &[u8]) -> Vec<Value> {
    let mut reader = Reader { bytes: answer, at: 0 };
    assert_eq!((reader.u32(), reader.u32()), (1, 1), "version 1, one statement");
    let _changes = reader.u32();
    assert_eq!(reader.u32(), 1, "the statement gives rows");
    let (columns, rows) = (reader.u32(), reader.u32() as usize);
    for _ in 0..columns * 3 {
        let length = reader.u32() as usize;
        reader.take(length);
    }
    reader.pad();
    (0..columns).map(|_| reader.column(rows)).collect()
}

/// The bytes of an event's buffer.
pub fn buffer(event: &JsValue) -> Vec<u8> {
    field(event, "buffer").unchecked_into::<Uint8Array>().to_vec()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn eight(&mut self) -> [u8; 8] {
        self.take(8).try_into().unwrap()
    }

    fn pad(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// The first row of a column; the reader stands behind the column afterwards.
    fn column(&mut self, rows: usize) -> Value {
        let (kind, has_nulls) = (self.take(1)[0], self.take(1)[0] == 1);
        self.pad();
        let is_null = has_nulls && self.take(rows)[0] == 0;
        self.pad();
        let value = match kind {
            0 => Value::Null,
            1 => Value::Integer(f64::from_le_bytes(self.eight()) as i64),
            2 => Value::Real(f64::from_le_bytes(self.eight())),
            6 => Value::Integer(i64::from_le_bytes(self.eight())),
            3 => Value::Text(String::from_utf8(self.packed(rows)).unwrap()),
            4 => Value::Blob(self.packed(rows)),
            other => panic!("column kind {other}"),
        };
        if matches!(kind, 1 | 2 | 6) {
            self.take(8 * (rows - 1));
        }
        if is_null { Value::Null } else { value }
    }

    /// The bytes of a column of one row.
    fn packed(&mut self, rows: usize) -> Vec<u8> {
        assert_eq!(rows, 1, "this reader knows one row of texts or blobs");
        let length = self.u32() as usize;
        self.u32();
        self.u32();
        self.pad();
        let bytes = self.take(length).to_vec();
        self.pad();
        bytes
    }
}
