import type { Connection } from './connection.js';
import { BadValue, LeaderLost } from './errors.js';
import type { StatusMessage } from './messages.js';
import { uuid } from './uuid.js';

/**
 * How far an export or import is, in bytes.
 * @example
 * const show = ({ done, total }: FileProgress) => (bar.value = total === null ? 0 : done / total);
 */
export interface FileProgress {
  readonly done: number;
  /** `null` while a stream has not ended. */
  readonly total: number | null;
}

/**
 * How to export a database.
 * @example
 * const options: ExportOptions = { onProgress: ({ done, total }) => console.log(done, total), signal: AbortSignal.timeout(60_000) };
 */
export interface ExportOptions {
  /** Called after every piece. */
  readonly onProgress?: (progress: FileProgress) => void;
  /** Gives it up. */
  readonly signal?: AbortSignal;
}

/**
 * How to import a database.
 * @example
 * await db.import(file, { discardPending: confirm('Drop what was not sent?') });
 */
export interface ImportOptions extends ExportOptions {
  /** Drop writes that the server does not have. Without it nothing is done while there are any. */
  readonly discardPending?: boolean;
}

/**
 * What can be imported.
 * @example
 * const file: ImportSource = (await fetch('/dictionary.sqlite')).body!;
 */
export type ImportSource = Blob | ReadableStream<Uint8Array> | ArrayBuffer | Uint8Array;

type Port = Pick<Connection, 'call' | 'alone'>;

const TYPE = 'application/vnd.sqlite3';
/** What crosses to the worker at once. */
const PIECE_BYTES = 1 << 20;
/** The owner of the database may change during an export, which then starts anew. */
const ATTEMPTS = 5;

/** Reads the database as a plain SQLite file. Pieces become blobs at once, so that memory does not hold the whole. */
export async function exportFile(port: Port, options: ExportOptions): Promise<Blob> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await exportOnce(port, options);
    } catch (error) {
      if (!(error instanceof LeaderLost) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function exportOnce(port: Port, { signal, onProgress }: ExportOptions): Promise<Blob> {
  const id = uuid();
  try {
    const { size } = await port.call({ op: 'export', export: id }, signal);
    const pieces: Blob[] = [];
    for (let at = 0; at < size; ) {
      const bytes = await port.call({ op: 'export-read', export: id, at }, signal);
      pieces.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
      at += bytes.length;
      onProgress?.({ done: at, total: size });
    }
    return new Blob(pieces, { type: TYPE });
  } finally {
    port.call({ op: 'export-end', export: id }).catch(() => {});
  }
}

/** Hands a file over, piece by piece, and has it put in the place of the database. */
export async function importFile(port: Port, source: ImportSource, { signal, onProgress, discardPending }: ImportOptions): Promise<StatusMessage> {
  if (![Blob, ReadableStream, ArrayBuffer, Uint8Array].some((kind) => source instanceof kind)) {
    throw new BadValue('db.import takes a Blob or File, a ReadableStream of bytes, an ArrayBuffer or a Uint8Array.');
  }
  const id = uuid();
  const total = totalOf(source);
  try {
    let at = 0;
    for await (const bytes of piecesOf(source)) {
      await port.call({ op: 'import-write', import: id, at, bytes }, signal);
      at += bytes.length;
      onProgress?.({ done: at, total });
    }
    if (at === 0) await port.call({ op: 'import-write', import: id, at, bytes: new Uint8Array() }, signal);
    signal?.throwIfAborted();
    return await port.alone({ op: 'import-end', import: id, discardPending: discardPending ?? false });
  } catch (error) {
    port.call({ op: 'import-drop', import: id }).catch(() => {});
    throw error;
  }
}

function totalOf(source: ImportSource): number | null {
  if (source instanceof ReadableStream) return null;
  return source instanceof Blob ? source.size : source.byteLength;
}

/** A file in pieces of one size, except the last. */
async function* piecesOf(source: ImportSource): AsyncGenerator<Uint8Array> {
  if (source instanceof ReadableStream) return yield* piecesOfStream(source);
  const blob = source instanceof Blob ? source : new Blob([source as Uint8Array<ArrayBuffer>]);
  for (let at = 0; at < blob.size; at += PIECE_BYTES) yield new Uint8Array(await blob.slice(at, at + PIECE_BYTES).arrayBuffer());
}

async function* piecesOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      for (let rest = read.value; rest.length > 0; ) {
        const taken = rest.subarray(0, PIECE_BYTES - filled);
        piece.set(taken, filled);
        filled += taken.length;
        rest = rest.subarray(taken.length);
        if (filled < PIECE_BYTES) continue;
        yield piece;
        [piece, filled] = [new Uint8Array(PIECE_BYTES), 0];
      }
    }
    if (filled > 0) yield piece.subarray(0, filled);
  } finally {
    // Nobody reads the rest, if there is one.
    await reader.cancel().catch(() => {});
  }
}
