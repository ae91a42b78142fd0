//! What a statement may do and touches: found by SQLite's authorizer while it is prepared.
//!
//! The same pass that refuses what user SQL must not do (transactions, internal tables, dropping a
//! synced table) collects the tables that a statement reads and writes, triggers, foreign-key actions
//! and views included. The pre-update hook could tell the same per row, but not for reads.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The prefix of the store's own tables.
pub(crate) const INTERNAL: &str = "seaworthy_";

/// The savepoint of a write that shares a transaction.
pub(crate) const GROUP: &str = "seaworthy";

/// The tables that a statement touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub reads: BTreeSet<String>,
    pub writes: BTreeSet<String>,
    /// The statement changes the schema.
    pub schema: bool,
    /// The statement takes back what others did: ROLLBACK TO.
    pub takes_back: bool,
}

/// What the authorizer sees, shared with the connection that calls it.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// User SQL is being prepared, and is held to the rules.
    guarded: bool,
    synced: BTreeSet<String>,
    access: Access,
    /// Which trigger wrote to which tables.
    by_trigger: BTreeMap<String, BTreeSet<String>>,
    refusal: Option<String>,
}

/// What one preparation recorded.
pub(crate) struct Recording {
    pub access: Access,
    pub by_trigger: BTreeMap<String, BTreeSet<String>>,
    /// Why it was refused, in words.
    pub refusal: Option<String>,
}

impl Recorder {
    /// Installs the authorizer.
    pub fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let recorder = Self::default();
        let shared = recorder.clone();
        conn.authorizer(Some(move |context: AuthContext<'_>| shared.state().authorize(context)))?;
        Ok(recorder)
    }

    pub fn set_synced(&self, tables: BTreeSet<String>) {
        self.state().synced = tables;
    }

    /// Runs `prepare` as user SQL (`guarded`) or as the store's own, and gives what it touches.
    pub fn record<T>(&self, guarded: bool, prepare: impl FnOnce() -> rusqlite::Result<T>) -> (rusqlite::Result<T>, Recording) {
        {
            let mut state = self.state();
            let synced = std::mem::take(&mut state.synced);
            *state = State { guarded, synced, ..State::default() };
        }
        let result = prepare();
        let mut state = self.state();
        state.guarded = false;
        let recording =
            Recording { access: std::mem::take(&mut state.access), by_trigger: std::mem::take(&mut state.by_trigger), refusal: state.refusal.take() };
        (result, recording)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn authorize(&mut self, context: AuthContext<'_>) -> Authorization {
        let trigger = context.accessor;
        match context.action {
            AuthAction::Read { table_name, .. } => {
                self.access.reads.insert(table_name.to_owned());
            }
            AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } | AuthAction::Delete { table_name } => {
                if self.guarded && trigger.is_none() && table_name.starts_with(INTERNAL) {
                    return self.refuse(format!("{table_name} belongs to Seaworthy and cannot be written"));
                }
                self.access.writes.insert(table_name.to_owned());
                if let Some(trigger) = trigger {
                    self.by_trigger.entry(trigger.to_owned()).or_default().insert(table_name.to_owned());
                }
            }
            action if self.guarded => return self.authorize_guarded(action),
            _ => {}
        }
        Authorization::Allow
    }

    fn authorize_guarded(&mut self, action: AuthAction<'_>) -> Authorization {
        match action {
            AuthAction::Transaction { .. } => self.refuse("BEGIN, COMMIT and ROLLBACK are not for SQL here: use db.transaction or db.batch".to_owned()),
            AuthAction::Savepoint { savepoint_name, .. } if savepoint_name.eq_ignore_ascii_case(GROUP) => {
                self.refuse(format!("the name {GROUP} is taken: choose another one for the savepoint"))
            }
            AuthAction::Savepoint { operation: TransactionOperation::Rollback, .. } => {
                self.access.takes_back = true;
                Authorization::Allow
            }
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => self.refuse("ATTACH and DETACH are not supported".to_owned()),
            AuthAction::Pragma { pragma_name, pragma_value } => {
                let is_read = pragma_value.is_none() && !pragma_name.eq_ignore_ascii_case("wal_checkpoint");
                if is_read || HARMLESS_PRAGMAS.contains(&pragma_name.to_ascii_lowercase().as_str()) {
                    return Authorization::Allow;
                }
                self.refuse(format!("PRAGMA {pragma_name} cannot be set here: Seaworthy keeps it"))
            }
            AuthAction::DropTable { table_name } | AuthAction::AlterTable { table_name, .. } if self.is_kept(table_name) => {
                self.refuse(format!("{table_name} is synchronised: change it in the schema, not by SQL"))
            }
            AuthAction::CreateTable { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::DropTable { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropTrigger { .. }
            | AuthAction::DropView { .. }
            | AuthAction::DropVtable { .. }
            | AuthAction::AlterTable { .. } => {
                self.access.schema = true;
                Authorization::Allow
            }
            _ => Authorization::Allow,
        }
    }

    fn is_kept(&self, table: &str) -> bool {
        table.starts_with(INTERNAL) || self.synced.contains(table)
    }

    fn refuse(&mut self, why: String) -> Authorization {
        self.refusal = Some(why);
        Authorization::Deny
    }
}

/// Pragmas that take an argument and change nothing that the store depends on.
const HARMLESS_PRAGMAS: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "recursive_triggers",
    "optimize",
];
