//! Fingerprints: of a transaction's content, by which a retry is told from a copied database, and of
//! its rows' keys, by which a row that is named twice is found.
//!
//! It promises the same answer for the same change, however it was encoded: columns count by name
//! and rows as a set, because JSON keeps the order of neither. It is not cryptographic, and is never
//! used where somebody gains from a collision.

use crate::{Changes, Op, RowChange, TableChanges, changeset};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const OLD: u8 = 0;
const NEW: u8 = 1;

pub(crate) fn of_changes(changes: &Changes) -> [u8; 16] {
    let mut rows: Vec<u128> = Vec::with_capacity(changes.row_count());
    let mut scratch = Vec::new();
    for table in &changes.tables {
        let by_name = by_name(table);
        for row in &table.rows {
            scratch.clear();
            put_row(&mut scratch, table, &by_name, row);
            rows.push(xxh3_128(&scratch));
        }
    }
    rows.sort_unstable();
    let mut whole = Xxh3::new();
    rows.iter().for_each(|row| whole.update(&row.to_be_bytes()));
    whole.digest128().to_be_bytes()
}

/// Whether two rows have the same table and key. A collision would refuse a transaction that is good, at odds of
/// one to 2^88 for a million rows.
pub(crate) fn names_a_row_twice(changes: &Changes) -> bool {
    let mut keys: Vec<u128> = Vec::with_capacity(changes.row_count());
    let mut scratch = Vec::new();
    for table in &changes.tables {
        let key: Vec<usize> = by_name(table).into_iter().filter(|column| table.is_key(*column)).collect();
        for row in &table.rows {
            let image = if row.op == Op::Insert { &row.new } else { &row.old };
            scratch.clear();
            put_text(&mut scratch, &table.name);
            key.iter().for_each(|column| changeset::put_value(&mut scratch, image[*column].as_ref()));
            keys.push(xxh3_128(&scratch));
        }
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

fn by_name(table: &TableChanges) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..table.columns.len()).collect();
    columns.sort_unstable_by_key(|column| &table.columns[*column]);
    columns
}

/// Every part is preceded by its length or has a fixed one, so that no two rows write the same bytes.
fn put_row(out: &mut Vec<u8>, table: &TableChanges, by_name: &[usize], row: &RowChange) {
    put_text(out, &table.name);
    out.push(match row.op {
        Op::Insert => changeset::INSERT,
        Op::Update => changeset::UPDATE,
        Op::Delete => changeset::DELETE,
    });
    out.push(row.indirect.into());
    for column in by_name {
        for (side, image) in [(OLD, &row.old), (NEW, &row.new)] {
            if let Some(Some(value)) = image.get(*column) {
                out.push(side);
                out.push(table.is_key(*column).into());
                put_text(out, &table.columns[*column]);
                changeset::put_value(out, Some(value));
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    changeset::put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
