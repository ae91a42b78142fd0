// Generated from the Rust crate in src/protocol. Do not edit.
// To write it again: BLESS=1 cargo test -p seaworthy-protocol --lib

/** The protocol version that these types belong to. */
export const PROTOCOL_VERSION = 1;

/** What a client sends. Encoded as a map with one entry, whose key names the frame. */
export type ClientFrame = { "hello": Hello } | { "push": Push } | { "pull": Pull } | { "subscribe": Subscribe } | { "token": TokenRenewal } | { "ping": Ping };

/** What the server sends. Encoded as a map with one entry, whose key names the frame. */
export type ServerFrame = { "welcome": Welcome } | { "results": Results } | { "rows": Rows } | { "checkpoint": Checkpoint } | { "error": ErrorFrame } | { "pong": Pong };

/** Opens a WebSocket: who is there, and what it has. */
export type Hello = {
  /** The protocol version that the client speaks. */
  protocol: number,
  /** The bearer token (JWT). */
  token: string,
  /** The client database. */
  replica: ReplicaId,
  /** Where it stands; absent before the first checkpoint. */
  cursor: Cursor | null,
  /** The application's schema version. */
  schema_version: number,
  /** Confirmed transactions of which the server is to say whether it knows them. */
  doubtful?: Array<TransactionId>,
  /** What it subscribes to, besides the automatic streams. */
  subscriptions?: Array<Subscription>,
  /** The buckets that it holds at `cursor`. */
  buckets?: Array<BucketId>,
};

/** Answers `hello`, and stands first in the answer to a `pull`. */
export type Welcome = {
  /** The protocol version that the server will speak. */
  protocol: number,
  /** The server's history. */
  epoch: Epoch,
  /** The user that the token names: issuer and subject. */
  issuer: string,
  /** See `issuer`. */
  subject: string,
  /** The last sequence of this replica that the server has decided; 0 if none. */
  last_sequence: Sequence,
  /** No copy that the server may be restored from lies below: what was confirmed up to here will not be forgotten. */
  durable_through: Position,
  /** How long the token still holds, in milliseconds. */
  token_expires_in_ms: number,
};

/** A fresh token, before the old one ends. */
export type TokenRenewal = {
  /** The bearer token (JWT). It MUST name the same user. */
  token: string,
};

/** Asks for a `pong`. */
export type Ping = Record<symbol, never>;

/** Answers `ping`. */
export type Pong = Record<symbol, never>;

/** Local transactions, oldest first. */
export type Push = {
  /** The client database. On a WebSocket it MUST be the one of `hello`. */
  replica: ReplicaId,
  /** At most `limits::MAX_PUSH_TRANSACTIONS`, consecutive sequences. */
  transactions: Array<Transaction>,
};

/** One committed local write. */
export type Transaction = {
  /** Its identity for ever. */
  id: TransactionId,
  /** Its number in the replica. */
  sequence: Sequence,
  /** The checkpoint that it was made on. */
  base: Cursor | null,
  /** The schema version that it was made under. */
  schema_version: number,
  /** Pending transactions that it builds on. If one of them is rejected, so is this. */
  after?: Array<Sequence>,
  /** A policy that it asks for where the tables' own are laxer. It never makes one laxer. */
  policy?: Policy,
  /** What it changed, as captured at COMMIT. */
  changes: Changes,
};

/** The changed rows of one transaction. */
export type Changes = Array<ChangedRow>;

/** One row in JSON. `old` of an update may be left out: the write is then blind for those columns. */
export type ChangedRow = {
  /** The table. */
  table: string,
  /** What happened. */
  op: Op,
  /** Whether a trigger or a foreign-key action did it. */
  indirect?: boolean,
  /** The primary key, by column. */
  key: { [key in string]: Value },
  /** Former values, without the key. */
  old?: { [key in string]: Value },
  /** New values, without the key. */
  new?: { [key in string]: Value },
};

/** What happened to a row. */
export type Op = "insert" | "update" | "delete";

/** One result per pushed transaction, in order; fewer when a `retry_later` ends the batch. */
export type Results = {
  /** In the order of the push. */
  results: Array<TransactionResult>,
};

/** What became of one transaction. */
export type TransactionResult = {
  /** Its number in the replica. */
  sequence: Sequence,
  /** What became of it. */
  outcome: Outcome,
};

/** The ends that a pushed transaction can have. */
export type Outcome = { "applied": {
    /** Its place in the log. */
    position: Position,
} } | { "merged": {
    /** Its place in the log. */
    position: Position,
    /** Rows whose change had no effect because they were gone. */
    dropped: Array<RowKey>,
    /** Rows that a write handler changed on their way in. */
    rewritten?: Array<RewrittenRow>,
} } | { "rejected": {
    /** The decision stands at every checkpoint at or behind this position. */
    position: Position,
    /** A `RejectCode`, or one that this build does not know. */
    code: string,
    /** For people: what to do. */
    message: string,
    /** The rows in question, for `discarded` and `conflict`. */
    data?: RejectData,
} } | { "retry_later": {
    /** When to try again, in milliseconds. */
    retry_after_ms: number,
    /** For people. */
    message: string,
} } | { "gap": {
    /** The sequence that the server expects. */
    expected: Sequence,
} } | "identity_reused";

/** A row named by its table and key. */
export type RowKey = {
  /** The table. */
  table: string,
  /** The primary key, in column order. */
  key: Array<Value>,
};

/** A row that a write handler changed on its way in. */
export type RewrittenRow = {
  /** The table. */
  table: string,
  /** The primary key, in column order. */
  key: Array<Value>,
  /** The cells that it set, as they stand in the row; none where the writer may not read it. */
  new: { [key in string]: Value },
};

/** Stable reasons of a rejection. */
export type RejectCode = "forbidden" | "constraint" | "foreign_key" | "row_deleted" | "key_exists" | "depends_on" | "schema" | "bad_value" | "discarded" | "conflict" | "refused";

/** Why a transaction was rejected as `discarded` or `conflict`. */
export type RejectData = {
  /** The strictest policy among the conflicting rows, which decided. */
  policy: Policy,
  /** The conflicting rows. */
  conflicts: Array<Conflict>,
  /** How many more there were. */
  left_out: number,
};

/** A row over which a transaction was rejected. Its images leave the key out. */
export type Conflict = {
  /** The table. */
  table: string,
  /** How they met. */
  kind: ConflictKind,
  /** The primary key, by column. */
  key: { [key in string]: Value },
  /** The cells that the writer changed or deleted, as it saw them; none for an insert. */
  base: { [key in string]: Value } | null,
  /** The same cells as the writer wanted them; none for a delete. */
  local: { [key in string]: Value } | null,
  /** The whole row as the server has it; none if there is no such row for this writer. */
  remote: { [key in string]: Value } | null,
};

/** How a change met what the server has. */
export type ConflictKind = "data" | "not_found" | "exists";

/** What becomes of a transaction that meets another writer's change. Later ones are stricter. */
export type Policy = "rebase" | "server" | "manual" | "fail";

/** Over fetch only: asks for the next checkpoint. */
export type Pull = {
  /** The protocol version that the client speaks. */
  protocol: number,
  /** The client database. */
  replica: ReplicaId,
  /** Where it stands; absent before the first checkpoint. */
  cursor: Cursor | null,
  /** How long the server may wait for news, in milliseconds. */
  wait_ms: number,
  /** The application's schema version. */
  schema_version: number,
  /** Confirmed transactions of which the server is to say whether it knows them. */
  doubtful?: Array<TransactionId>,
  /** What it subscribes to, besides the automatic streams. */
  subscriptions?: Array<Subscription>,
  /** The buckets that it holds at `cursor`. */
  buckets?: Array<BucketId>,
};

/** Rows of one bucket, part of the checkpoint that follows. */
export type Rows = {
  /** The bucket that holds them. */
  bucket: BucketId,
  /** The table. */
  table: string,
  /** The columns of `rows`, in order. */
  columns: Array<string>,
  /** The columns of the primary key, in the order of `gone`. */
  key: Array<string>,
  /** Rows as they are now, whole. */
  rows: Array<Array<Value>>,
  /** Keys of rows that the bucket holds no more. The replica lets go of a row when none of its buckets holds it. */
  gone: Array<Array<Value>>,
};

/** Closes the `rows` before it: the replica is consistent here. */
export type Checkpoint = {
  /** Where the replica stands once it has applied it. */
  cursor: Cursor,
  /** The cursor was not known. The buckets that joined are everything: what they do not hold must go. */
  reset: boolean,
  /** The first checkpoint after a question (`doubtful`): those of the named transactions that are in the log up to here. */
  known?: Array<TransactionId>,
  /** What the replica is to hold from here on, where that has changed: a bucket that none of them names is left. */
  streams?: Array<StreamState>,
  /** The buckets that joined or changed. */
  buckets?: Array<BucketUpdate>,
  /** More buckets are to join before the first download is whole: nothing leaves the queue yet. */
  partial?: boolean,
};

/** Names a bucket. Only the server reads it. */
export type BucketId = string;

/** A bucket as a checkpoint leaves it. */
export type BucketUpdate = {
  /** The bucket. */
  bucket: BucketId,
  /** Whether the `rows` before it are all of it: the replica did not hold it, or is to hold it anew. */
  joined: boolean,
  /** How many rows it holds. */
  rows: number,
  /** See `Checksum`(crate::Checksum). */
  checksum: number,
};

/** A stream with its parameters, as a client asks for it. */
export type Subscription = {
  /** The name of the stream. */
  stream: string,
  /** The parameters that it takes, by name. */
  params?: { [key in string]: Value },
};

/** On an open WebSocket: what the replica subscribes to from now on, in place of all before. */
export type Subscribe = {
  /** All of it. Automatic streams need not be named. */
  subscriptions: Array<Subscription>,
};

/** What the server makes of a subscription, or of an automatic stream. */
export type StreamState = {
  /** The name of the stream. */
  stream: string,
  /** The parameters as they were asked for. */
  params?: { [key in string]: Value },
  /** Whether it is there without being asked for. */
  auto: boolean,
  /** The buckets that hold its rows, for this user and now. */
  buckets: Array<BucketId>,
  /** Why it cannot be had as it was asked for. */
  error?: StreamError,
};

/** Why a subscription gets nothing. */
export type StreamError = {
  /** Stable: `StreamErrorCode`, or one that is newer. */
  code: string,
  /** For people: what to do. */
  message: string,
};

/** The codes of `StreamError`. */
export type StreamErrorCode = "unknown_stream" | "bad_params" | "too_many_buckets";

/** What went wrong. On a WebSocket the server closes after it. */
export type ErrorFrame = {
  /** An `ErrorCode`, or one that this build does not know. */
  code: string,
  /** For people: what to do. */
  message: string,
  /** When to try again, in milliseconds; absent when trying again is no use. */
  retry_after_ms?: number,
};

/** Stable codes of an `ErrorFrame`. */
export type ErrorCode = "unauthorized" | "wrong_user" | "upgrade_required" | "bad_frame" | "too_large" | "rate_limited" | "unavailable";

/** A position together with the incarnation of the server that announced it. */
export type Cursor = {
  /** Everything at or below this position has been seen. */
  position: Position,
  /** The run of the server that announced it. */
  incarnation: Incarnation,
};

/** A place in the server's total order of accepted transactions. 0 is before the first. */
export type Position = number;

/** The number of a transaction within its replica. The first is 1. */
export type Sequence = number;

/** The identity of one client database: a UUIDv7, bound by the server to one user. */
export type ReplicaId = string;

/** The identity of one transaction for ever: 128 random bits. */
export type TransactionId = string;

/** Names one history of the server. A server that was created anew has another epoch. */
export type Epoch = string;

/** One run of the server. A cursor whose incarnation the server does not know belongs to another history. */
export type Incarnation = string;

/** One of SQLite's values. A blob is base64; integers beyond 2^53 and reals that JSON would print like integers are tagged decimals. */
export type Value = null | number | string | { blob: string } | { integer: string } | { real: string };
