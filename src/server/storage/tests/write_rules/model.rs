//! Transactions of any shape against a statement of the rules without a database.
//!
//! A todo is written by the members of its list, a member by the owner of the list, which never changes.

use super::{Client, MEMBER, OWNER, ROWS, SCHEMA, code, owned, ruled, with};
use proptest::prelude::*;
use seaworthy_protocol::{Changes, Op, RowChange, TableChanges, Value};
use std::collections::{BTreeMap, BTreeSet};

const USERS: [&str; 2] = ["alice", "bob"];
const LISTS: [&str; 2] = ["a", "b"];
const TODOS: [&str; 3] = ["in_a", "in_b", "new"];

#[derive(Clone, Debug)]
enum Write {
    Todo { op: Op, id: usize, list: usize, indirect: bool },
    Member { op: Op, list: usize, user: usize, indirect: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Todo → list.
    todos: BTreeMap<usize, usize>,
    /// List and user.
    members: BTreeSet<(usize, usize)>,
}

impl State {
    /// As [`ROWS`] has it.
    fn new() -> Self {
        Self { todos: [(0, 0), (1, 1)].into(), members: [(0, 0), (1, 1)].into() }
    }

    /// Whether the row of a change is there, and the user may write it as it stands.
    fn permits(&self, user: usize, write: &Write) -> Option<bool> {
        match write {
            Write::Todo { id, .. } => self.todos.get(id).map(|list| self.members.contains(&(*list, user))),
            Write::Member { list, user: member, .. } => self.members.contains(&(*list, *member)).then_some(*list == user),
        }
    }

    fn apply(&mut self, write: &Write) {
        match *write {
            Write::Todo { op: Op::Insert, id, list, .. } => drop(self.todos.insert(id, list)),
            Write::Todo { op: Op::Update, id, list, .. } => drop(self.todos.get_mut(&id).map(|held| *held = list)),
            Write::Todo { op: Op::Delete, id, .. } => drop(self.todos.remove(&id)),
            Write::Member { op: Op::Delete, list, user, .. } => drop(self.members.remove(&(list, user))),
            Write::Member { list, user, .. } => drop(self.members.insert((list, user))),
        }
    }

    /// Whether a change says no more than what is so.
    fn says(&self, write: &Write) -> bool {
        let mut after = self.clone();
        after.apply(write);
        after == *self && (write.op() == Op::Delete || self.permits(0, write).is_some())
    }

    /// What a transaction leaves, if the rules allow it.
    fn after(&self, user: usize, writes: &[Write]) -> Option<Self> {
        let denied_before = |write: &Write| self.permits(user, write) == Some(false);
        if writes.iter().any(|write| denied_before(write) && !write.is_indirect()) {
            return None;
        }
        let mut left_out: Vec<bool> = writes.iter().map(denied_before).collect();
        for _ in 0..2 {
            let mut after = self.clone();
            writes.iter().zip(&left_out).filter(|(_, left_out)| !**left_out).for_each(|(write, _)| after.apply(write));
            let denied: Vec<bool> = writes.iter().zip(&left_out).map(|(write, left_out)| !left_out && after.denies(self, user, write)).collect();
            if writes.iter().zip(&denied).any(|(write, denied)| *denied && !write.is_indirect()) {
                return None;
            }
            if !denied.contains(&true) {
                return writes.iter().zip(&left_out).all(|(write, left_out)| !left_out || after.says(write)).then_some(after);
            }
            left_out.iter_mut().zip(denied).for_each(|(left_out, denied)| *left_out |= denied);
        }
        None
    }

    /// Whether the rules deny what a change made of its row, or would have made: an update of none is none.
    fn denies(&self, before: &Self, user: usize, write: &Write) -> bool {
        let is_none = write.op() == Op::Update && before.permits(user, write).is_none();
        write.op() != Op::Delete && !is_none && self.permits(user, write) == Some(false)
    }
}

impl Write {
    fn op(&self) -> Op {
        match self {
            Self::Todo { op, .. } | Self::Member { op, .. } => *op,
        }
    }

    fn is_indirect(&self) -> bool {
        match self {
            Self::Todo { indirect, .. } | Self::Member { indirect, .. } => *indirect,
        }
    }

    fn row(&self) -> (bool, usize, usize) {
        match *self {
            Self::Todo { id, .. } => (true, id, 0),
            Self::Member { list, user, .. } => (false, list, user),
        }
    }

    fn change(&self) -> TableChanges {
        let (name, columns, key, values, op, indirect) = match *self {
            Self::Todo { op, id, list, indirect } => ("todos", ["id", "list_id"], vec![1, 0], [TODOS[id], LISTS[list]], op, indirect),
            Self::Member { op, list, user, indirect } => ("members", ["list_id", "user_id"], vec![1, 2], [LISTS[list], USERS[user]], op, indirect),
        };
        let image = |at: usize| Some(Value::from(values[at]));
        let is_key = |at: &usize| key[*at] > 0;
        let keys = || (0..2).map(|at| image(at).filter(|_| is_key(&at))).collect::<Vec<_>>();
        let (old, new) = match op {
            Op::Insert => (vec![], vec![image(0), image(1)]),
            Op::Update => (keys(), vec![None, image(1)]),
            Op::Delete => (keys(), vec![]),
        };
        let columns = columns.map(str::to_owned).to_vec();
        TableChanges { name: name.to_owned(), columns, key, rows: vec![RowChange { op, indirect, old, new }] }
    }
}

fn write() -> impl Strategy<Value = Write> {
    let op = prop_oneof![Just(Op::Insert), Just(Op::Update), Just(Op::Delete)];
    let todo = (op, 0..TODOS.len(), 0..LISTS.len(), any::<bool>()).prop_map(|(op, id, list, indirect)| Write::Todo { op, id, list, indirect });
    // A member is all key: there is nothing to update.
    let op = prop_oneof![Just(Op::Insert), Just(Op::Delete)];
    let member = (op, 0..LISTS.len(), 0..USERS.len(), any::<bool>()).prop_map(|(op, list, user, indirect)| Write::Member { op, list, user, indirect });
    prop_oneof![2 => todo, 1 => member]
}

fn transaction() -> impl Strategy<Value = (usize, Vec<Write>)> {
    let distinct = |writes: Vec<Write>| {
        let mut rows = BTreeSet::new();
        writes.into_iter().filter(|write| rows.insert(write.row())).collect::<Vec<_>>()
    };
    (0..USERS.len(), prop::collection::vec(write(), 1..5).prop_map(distinct))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_transaction_ends_as_the_rules_say(transactions in prop::collection::vec(transaction(), 1..12)) {
        let mut server = with(SCHEMA, [("lists", owned()), ("members", ruled(OWNER)), ("todos", ruled(MEMBER))]);
        let mut clients = [Client::with(SCHEMA, "alice", 1).given(ROWS), Client::with(SCHEMA, "bob", 2).given(ROWS)];
        let mut state = State::new();
        for (user, writes) in transactions {
            let changes = Changes { tables: writes.iter().map(Write::change).collect() };
            let transaction = clients[user].transaction(changes);
            let outcome = clients[user].push(&mut server, &[transaction]).remove(0);
            let after = state.after(user, &writes);
            prop_assert_eq!(code(&outcome) == "forbidden", after.is_none(), "{:?} {:?} {:?} {:?}", state, user, writes, outcome);
            // An update of a row that is gone may take the rest along.
            if let Some(after) = after.filter(|_| code(&outcome) != "row_deleted") {
                state = after;
            }
            let todos: Vec<String> = state.todos.iter().map(|(id, list)| format!("{}|{}", TODOS[*id], LISTS[*list])).collect();
            let members: Vec<String> = state.members.iter().map(|(list, user)| format!("{}|{}", LISTS[*list], USERS[*user])).collect();
            prop_assert_eq!(server.rows("SELECT id, list_id FROM todos ORDER BY id"), todos);
            prop_assert_eq!(server.rows("SELECT list_id, user_id FROM members ORDER BY list_id, user_id"), members);
        }
    }
}
