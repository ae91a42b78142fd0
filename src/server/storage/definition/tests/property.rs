//! A stream is what SQLite says of its query: rows of opened buckets, buckets of rows, and what a change touches.
