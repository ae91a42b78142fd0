//! Several users of one name on one device.

use rusqlite::Connection;
use seaworthy_engine::client::User;
use seaworthy_protocol::ReplicaId;
use seaworthy_store::{Schema, Store, Users};

fn user(subject: &str) -> User {
    User { issuer: "https://id.example".into(), subject: subject.into() }
}

#[test]
fn each_user_has_a_place_and_the_last_one_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Connection::open(dir.path().join("db")).unwrap();
    let conn = open();
    let users = Users::open(&conn).unwrap();
    assert_eq!(users.last().unwrap(), "");
    assert_eq!(users.place_of(&user("ann")).unwrap(), "", "the first one is anybody's");
    let mut first = Store::open(open(), &Schema::default(), ReplicaId([1; 16])).unwrap();
    first.bind_user(&user("ann")).unwrap();
    first.close().unwrap();

    let eve = users.place_of(&user("eve")).unwrap();
    assert_eq!(eve.len(), 32);
    assert_ne!(eve, users.place_of(&User { issuer: "other".into(), ..user("eve") }).unwrap());
    users.move_to(&eve, 3).unwrap();
    assert_eq!((users.last().unwrap(), users.pending_elsewhere().unwrap()), (eve.clone(), 3));
    drop(conn);

    let conn = open();
    let users = Users::open(&conn).unwrap();
    assert_eq!(users.last().unwrap(), eve);
    let ann = users.place_of(&user("ann")).unwrap();
    assert_eq!(ann, "");
    users.move_to(&ann, 1).unwrap();
    assert_eq!((users.last().unwrap(), users.pending_elsewhere().unwrap()), (String::new(), 1));
    users.move_to(&eve, 0).unwrap();
    assert_eq!(users.pending_elsewhere().unwrap(), 0);
}
