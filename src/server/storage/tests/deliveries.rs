//! The log as webhooks read it, and the places that hold it.

use super::{Bench, Client};
use seaworthy_protocol::{Op, Position};
use std::collections::BTreeMap;

fn begin(server: &mut Bench, names: &[&str]) -> BTreeMap<String, u64> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let group = server.core.group().unwrap();
    let places = group.begin_deliveries(&names).unwrap();
    group.commit().unwrap();
    places.into_iter().map(|(name, place)| (name, place.0)).collect()
}

fn deliver(server: &mut Bench, name: &str, position: u64) {
    let group = server.core.group().unwrap();
    group.delivered(name, Position(position)).unwrap();
    group.commit().unwrap();
}

fn places(places: &[(&str, u64)]) -> BTreeMap<String, u64> {
    places.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect()
}

#[test]
fn a_new_webhook_begins_at_the_end_and_keeps_its_place_while_it_is_named() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, "INSERT INTO lists VALUES ('l1', 'Home', 'alice', NULL)");
    let head = server.core.head().unwrap().0;
    assert_eq!(begin(&mut server, &["search"]), places(&[("search", head)]));
    alice.sync(&mut server, "UPDATE lists SET name = 'House'");
    assert_eq!(begin(&mut server, &["mail", "search"]), places(&[("mail", head + 1), ("search", head)]));
    deliver(&mut server, "search", head + 1);
    assert_eq!(begin(&mut server, &["search"]), places(&[("search", head + 1)]));
    alice.sync(&mut server, "UPDATE lists SET name = 'Flat'");
    assert_eq!(begin(&mut server, &["mail"]), places(&[("mail", head + 2)]));
}

#[test]
fn the_slowest_webhook_holds_the_log() {
    let mut server = Bench::new();
    assert_eq!(server.core.log_needed_from().unwrap(), None);
    begin(&mut server, &["mail", "search"]);
    let head = server.core.head().unwrap();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, "INSERT INTO lists VALUES ('l1', 'Home', 'alice', NULL)");
    deliver(&mut server, "search", head.0 + 1);
    assert_eq!(server.core.log_needed_from().unwrap(), Some(head));
    deliver(&mut server, "mail", head.0 + 1);
    assert_eq!(server.core.log_needed_from().unwrap(), Some(Position(head.0 + 1)));
}

#[test]
fn the_log_says_who_changed_what_in_order_and_in_bounded_parts() {
    let mut server = Bench::new();
    let start = server.core.head().unwrap();
    let mut alice = Client::new("alice", 1);
    let writes: Vec<_> = (0..450).map(|n| alice.write(&format!("INSERT INTO lists VALUES ('l{n}', 'x', 'alice', NULL)"))).collect();
    alice.push(&mut server, &writes);
    let mut read = Vec::new();
    let mut place = start;
    loop {
        let part = server.core.log(place).unwrap();
        if part.entries.is_empty() {
            break;
        }
        assert!(part.entries.len() <= 200);
        place = part.end;
        read.extend(part.entries);
    }
    assert_eq!(place, server.core.head().unwrap());
    assert!(read.iter().map(|entry| entry.transaction).eq(writes.iter().map(|write| write.id)));
    assert_eq!((&read[0].user, read[0].replica), (&Some(alice.principal.user.clone()), alice.replica));
    assert_eq!(read[0].changes.tables[0].rows[0].op, Op::Insert);
}

#[test]
fn what_the_server_did_by_itself_is_passed_over() {
    let server = Bench::new();
    let part = server.core.log(Position(0)).unwrap();
    assert!(part.entries.is_empty());
    assert_eq!(part.end, server.core.head().unwrap());
}
