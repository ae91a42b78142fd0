// A host whose engine writes down what it is asked.

import type { EngineEvent, OpenRequest, Request, RequestBody, UnsavedEvent, WorkerMessage } from '../../js/messages.js';
import type { Client } from '../../js/worker/client.js';
import type { Engine, EngineModule, EngineOptions } from '../../js/worker/engine.js';
import { Host } from '../../js/worker/host.js';
import type { HostListener } from '../../js/worker/host-listener.js';
import { fakeImports } from './fake-imports.js';
import { STATUS } from './fake-worker.js';

export const CALL = new Uint8Array([1]);
export const RECEIPT = { id: 'tx', sequence: 1, changes: 1 };
export const SCHEMA = { version: 1, tables: [], sql: [] };
export const OPTIONS = {
  name: 'test',
  storage: ['memory'],
  marked: null,
  online: true,
  schema: SCHEMA,
  sync: null,
  transactionIdleMs: 2000,
  transactionTotalMs: 10_000,
} as unknown as OpenRequest;

/** A host whose engine writes down what it is asked, and pages of it. */
export async function setUp(change: Partial<Engine> = {}, options = OPTIONS, held = false) {
  const log: string[] = [];
  const note = (what: string) => {
    log.push(what);
    return undefined;
  };
  const noted = <T>(what: string, answer: T): T => {
    log.push(what);
    return answer;
  };
  const engine: Engine = {
    read: () => noted('read', new Uint8Array([1])),
    write: (request) => noted(`write ${request}`, { receipt: RECEIPT, buffer: new Uint8Array([2]), repeated: request === 'kept' }),
    write_group: (writes) =>
      noted(
        `write ${writes.map(({ request }) => request)}`,
        writes.map(({ request }) =>
          request === 'bad' ? { error: { code: 'BadSql', message: '' } } : { receipt: RECEIPT, buffer: new Uint8Array([2]), repeated: false },
        ),
      ),
    begin: () => note('begin'),
    step: () => noted('step', new Uint8Array([3])),
    commit: (request) => noted(`commit ${request}`, RECEIPT),
    rollback: () => note('rollback'),
    acknowledge: (requests) => (requests.length > 0 ? note(`acknowledge ${requests}`) : undefined),
    answered_pages: () => ['x', 'y'],
    forget_pages: (pages) => note(`forget ${pages}`),
    live_open: (id) => noted(`live ${id}`, new Uint8Array([4])),
    live_close: (id) => note(`unlive ${id}`),
    subscribe: (stream) => note(`subscribe ${stream}`),
    unsubscribe: (stream, _, keepMs) => note(`unsubscribe ${stream} ${keepMs}`),
    streams: () => [],
    token: () => note('token'),
    no_token: () => note('no token'),
    adopt: () => note('adopt'),
    pending_elsewhere: () => 0,
    online: (wanted) => note(`online ${wanted}`),
    pending: () => [],
    rejected: () => [],
    retry: () => RECEIPT,
    conflicts: () => [],
    resolve: () => RECEIPT,
    discard: () => note('discard'),
    fate: () => ({ state: 'pending' }),
    status: () => ({ ...STATUS, storage: options.storage[0] as 'opfs' }),
    settle: () => undefined,
    export_begin: () => noted('export', 5),
    export_read: (at) => noted(`export ${at}`, new Uint8Array([at])),
    export_end: () => note('export end'),
    was_imported: () => false,
    close: () => note('close'),
    ...change,
  };
  const opened: EngineOptions[] = [];
  let emit: (event: EngineEvent | UnsavedEvent) => void = () => {};
  const open = async (given: EngineOptions, listener: typeof emit): Promise<Engine> => {
    opened.push(given);
    emit = listener;
    return engine;
  };
  const module: EngineModule = { Database: { open, remove: async (name) => void note(`remove ${name}`) }, Import: fakeImports(note, open) };
  const listener: HostListener = {
    crashed: (_, client, request) => void log.push(`crashed ${client?.id} ${request}`),
    deleted: async (client, answer) => {
      log.push(`deleted by ${client.id}`);
      answer();
    },
    yielded: () => log.push('yielded'),
    remembers: async () => true,
  };
  const later: (() => void)[] = [];
  const host = await Host.open(module, options, true, listener, (run) => (held ? later.push(run) : run()));
  let id = 0;
  const page = (name: string, own = options, visible = true) => {
    const posted: WorkerMessage[] = [];
    const client: Client = { id: name, visible, send: (message) => posted.push(message) };
    const ask = (body: RequestBody): number => {
      host.receive(client, { ...body, id: ++id } as Request);
      return id;
    };
    const answerTo = (wanted: number) => posted.find((message) => 'id' in message && message.id === wanted);
    const first = ask({ op: 'open', options: own });
    return { client, ask, answerTo, posted, first };
  };
  const own = page('own');
  return { host, page, log, opened, later, emit: (event: EngineEvent | UnsavedEvent) => emit(event), ...own };
}

export const ANN = { issuer: 'i', subject: 'ann' };
export const EVE = { issuer: 'i', subject: 'eve' };
export const ON_DISK = { ...OPTIONS, storage: ['opfs'] } as OpenRequest;

export const failed = (message: WorkerMessage | undefined) => (message?.type === 'failed' ? message.error.code : message?.type);
