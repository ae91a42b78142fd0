// The page of the package's tests: the built package, and a schema that the demo's server knows, beside a local table with every type.

import * as seaworthy from 'seaworthy';

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
  readonly storage?: 'opfs' | 'memory';
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

/** The worker's script, with a wasm instance that traps in every read that has `marker` in it. */
function trappingWorker(marker: string): string {
  const module = (source: string): string => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const patch = module(`
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
  return module(`import ${JSON.stringify(patch)}; import ${JSON.stringify(new URL('/worker.js', location.href).href)};`);
}

/** What a browser did not write of a database's file, as the worker of `watchingWorker` saw it. */
const refused: { readonly file: string; readonly bytes: number }[] = [];

/** The worker's script, which tells every write to a file that was not made whole. */
function watchingWorker(): string {
  const module = (source: string): string => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const patch = module(`
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
  new BroadcastChannel('refused').onmessage = ({ data }) => refused.push(data);
  return module(`import ${JSON.stringify(patch)}; import ${JSON.stringify(new URL('/worker.js', location.href).href)};`);
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
  trappingWorker,
  refused,
  watchingWorker,
  hideAndShow,
  pause: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)),
};

declare global {
  var sdk: typeof api;
  var db: ReturnType<typeof openDatabase>;
}

globalThis.sdk = api;
