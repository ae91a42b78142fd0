//! SQLite as everybody has it, for files that came out of a browser: answers queries, one value a line.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_default();
    match answer(&file, arguments) {
        Ok(lines) => {
            println!("{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing is written, so nothing beside the file is needed.
fn answer(file: &str, queries: impl Iterator<Item = String>) -> rusqlite::Result<Vec<String>> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let text = |value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(i) => i.to_string(),
        Value::Real(r) => r.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    queries.map(|sql| conn.query_row(&sql, [], |row| row.get(0)).map(text)).collect()
}
