// The page of the package's tests: the built package, and a schema that the demo's server knows, beside a local table with every type.

import * as seaworthy from 'seaworthy';
import { countOn, life } from './sdk-life.js';
import { held, writeWithoutEnd } from './sdk-writer.js';

const { blob, boolean, id, integer, json, real, schema, sql, table, text, timestamp } = seaworthy;

const app = schema({
  lists: table({ id: id(), name: text(), owner_id: text(), position: real().default(0), created_at: integer().default(0) }),
  todos: table(
    {
      id: id(),
      list_id: text().references('lists.id', { onDelete: 'cascade' }),
      title: text(),
      done: boolean().default(false),
      note: text().nullable(),
      position: real().default(0),
      owner_id: text(),
      created_at: timestamp().defaultNow(),
      updated_at: timestamp().defaultNow(),
    },
    { indexes: [['list_id', 'position']], onConflict: 'manual' },
  ),
  things: table(
    {
      id: id(),
      n: integer().nullable(),
      serial: integer({ mode: 'bigint' }).nullable(),
      ratio: real().nullable(),
      flag: boolean().nullable(),
      label: text().nullable(),
      bytes: blob().nullable(),
      at: timestamp().nullable(),
      tags: json<readonly string[]>().nullable(),
    },
    { localOnly: true },
  ),
});

interface Choice {
  readonly name?: string;
  readonly user?: string;
  readonly online?: boolean;
  readonly durability?: 'relaxed' | 'strict';
  readonly storage?: seaworthy.StorageTier | readonly seaworthy.StorageTier[];
  readonly workerUrl?: string;
  readonly wasmUrl?: string;
  readonly idleMs?: number;
}

/** Opens the test's database; with a user it synchronises. */
function openDatabase({ name = 'test', user, online = true, idleMs, ...rest }: Choice = {}) {
  const token = async (): Promise<string> => {
    const answer = await fetch('/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user }) });
    return ((await answer.json()) as { token: string }).token;
  };
  return seaworthy.open({
    name,
    schema: app,
    online,
    ...rest,
    ...(user === undefined ? {} : { sync: { url: '/sync/v1', token } }),
    ...(idleMs === undefined ? {} : { transaction: { idleMs } }),
  });
}

/** What a failed call looks like to a test. */
async function failure(work: () => unknown): Promise<{ code: string; name: string; message: string; cause: unknown; known: boolean } | null> {
  try {
    await work();
    return null;
  } catch (error) {
    const { name, message, cause } = error as Error;
    return { code: (error as seaworthy.SeaworthyError).code, name, message, cause: cause ?? null, known: error instanceof seaworthy.SeaworthyError };
  }
}

/** Every worker that the page started. Ending one behind the package's back is what a crash of it is. */
const workers: Worker[] = [];
globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    workers.push(this);
  }
};

/** The worker's script, behind one that changes something in its scope. */
function patchedWorker(patch: string): string {
  const module = (source: string): string => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  return module(`import ${JSON.stringify(module(patch))}; import ${JSON.stringify(new URL('/worker.js', location.href).href)};`);
}

/** The worker's script, with a wasm instance that traps in every read that has `marker` in it. */
function trappingWorker(marker: string): string {
  return patchedWorker(`
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (module, imports) => {
      const instance = await instantiate(module, imports);
      const { memory, database_read } = instance.exports;
      const read = (self, at, length) => {
        const call = new TextDecoder().decode(new Uint8Array(memory.buffer, at, length));
        if (call.includes(${JSON.stringify(marker)})) throw new WebAssembly.RuntimeError('unreachable');
        return database_read(self, at, length);
      };
      return { instance: { exports: { ...instance.exports, database_read: read } }, module };
    };`);
}

/** The worker's script, with a wall clock that is a day further ahead at every look. */
function hastyWorker(): string {
  return patchedWorker(`
    const { now } = Date;
    let days = 0;
    Date.now = () => now() + ++days * 86_400_000;`);
}

/** The worker's script, in which `fillDisk` decides whether IndexedDB has room. */
function crampedWorker(): string {
  return patchedWorker(`
    const { put } = IDBObjectStore.prototype;
    const disk = new BroadcastChannel('disk');
    let full = false;
    let refused = 0;
    disk.onmessage = ({ data }) => {
      full = data;
      disk.postMessage(refused);
    };
    // The worker that brings the workers of tabs together has the same script, and no database.
    if (!('DedicatedWorkerGlobalScope' in globalThis)) disk.close();
    IDBObjectStore.prototype.put = function (...given) {
      if (!full) return put.apply(this, given);
      refused++;
      throw new DOMException('no room', 'QuotaExceededError');
    };`);
}

/** Answers how often something found no room before. */
async function fillDisk(full: boolean): Promise<number> {
  const disk = new BroadcastChannel('disk');
  const answered = new Promise<number>((resolve) => {
    disk.onmessage = ({ data }) => resolve(data);
  });
  disk.postMessage(full);
  const refused = await answered;
  disk.close();
  return refused;
}

/** What a browser did not write of a database's file, as the worker of `watchingWorker` saw it. */
const refused: { readonly file: string; readonly bytes: number }[] = [];

/** The worker's script, which tells every write to a file that was not made whole. */
function watchingWorker(): string {
  new BroadcastChannel('refused').onmessage = ({ data }) => refused.push(data);
  return patchedWorker(`
    const told = new BroadcastChannel('refused');
    const { createSyncAccessHandle } = FileSystemFileHandle.prototype;
    FileSystemFileHandle.prototype.createSyncAccessHandle = async function (...given) {
      const handle = await createSyncAccessHandle.apply(this, given);
      const file = this.name;
      const { write } = handle;
      const tell = (bytes) => told.postMessage({ file, bytes });
      handle.write = (buffer, options) => {
        try {
          const written = write.call(handle, buffer, options);
          if (written !== buffer.byteLength) tell(buffer.byteLength);
          return written;
        } catch (error) {
          tell(buffer.byteLength);
          throw error;
        }
      };
      return handle;
    };`);
}

/** Leaves the page as the back-forward cache does, and comes back: the worker is killed and another one started. */
function hideAndShow(): void {
  dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
  dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
}

const api = {
  seaworthy,
  sql,
  app,
  openDatabase,
  failure,
  workers,
  patchedWorker,
  trappingWorker,
  hastyWorker,
  crampedWorker,
  fillDisk,
  refused,
  watchingWorker,
  hideAndShow,
  writeWithoutEnd,
  held,
  life,
  countOn,
  pause: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)),
};

declare global {
  var sdk: typeof api;
  var db: ReturnType<typeof openDatabase>;
}

globalThis.sdk = api;
