// A backend that decides about writes and hears of those that were accepted. `npm run example:backend` runs it.
// The environment may say PORT and WEBHOOK_SECRET. Only Node itself is needed.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decide, type ProposedWrite, type Row } from './decision.ts';
import { isSigned } from './signature.ts';

/** What the server tells after a commit. */
interface Committed {
  events: {
    position: number;
    transaction: string;
    user: { issuer: string; subject: string } | null;
    changes: { table: string; op: string; key: Row; old?: Row; new?: Row }[];
  }[];
}

const port = Number(process.env.PORT ?? 8789);
// That of seaworthy.toml beside this file.
const secret = process.env.WEBHOOK_SECRET ?? 'whsec_c2Vhd29ydGh5LWV4YW1wbGUtYmFja2VuZC1zZWNyZXQ=';

/** Transactions that were told before: each comes at least once. A real backend keeps this with what it does about them. */
const told = new Set<string>();

function hear({ events }: Committed): void {
  for (const { position, transaction, user, changes } of events) {
    if (told.has(transaction)) continue;
    told.add(transaction);
    for (const change of changes) console.log(`committed ${position} ${user?.subject} ${change.op} ${JSON.stringify({ ...change.key, ...change.new })}`);
  }
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function answer(request: IncomingMessage): Promise<{ status: number; json: unknown }> {
  const bytes = await body(request);
  if (!isSigned(request.headers, bytes, secret)) return { status: 401, json: { error: 'not signed with our secret' } };
  const message: unknown = JSON.parse(bytes.toString());
  switch (request.url) {
    case '/decide': {
      const write = message as ProposedWrite;
      const decision = decide(write);
      console.log(`${decision.decision} ${write.transaction} of ${write.user.subject}`);
      return { status: 200, json: decision };
    }
    case '/events':
      hear(message as Committed);
      return { status: 200, json: {} };
    default:
      return { status: 404, json: { error: 'POST /decide or /events' } };
  }
}

const server = createServer((request, response) => {
  answer(request)
    .catch((error) => ({ status: 500, json: { error: String(error) } }))
    .then(({ status, json }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json)));
});

server.listen(port, '127.0.0.1', () => console.log(`the backend listens on http://127.0.0.1:${(server.address() as AddressInfo).port}`));
