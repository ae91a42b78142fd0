// Somebody who writes to the server by hand, in JSON over HTTP, and needs no browser for it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

export class Colleague {
  private readonly replica = randomBytes(16).toString('hex');
  private sequence = 0;

  constructor(
    private readonly server: string,
    private readonly user: string,
  ) {}

  /** Makes a list. It is on the server's disk when this resolves. */
  async addList(name: string): Promise<void> {
    const sequence = ++this.sequence;
    const row = { name, owner_id: this.user, position: 0, created_at: 0 };
    const changes = [{ table: 'lists', op: 'insert', key: { id: name }, new: row }];
    const push = { replica: this.replica, transactions: [{ id: randomBytes(16).toString('hex'), sequence, changes }] };
    const [answer] = await this.post<[{ results?: { results: [{ outcome: object }] } }]>('/sync/v1/push', { push }, await this.token());
    const outcome = answer.results?.results[0].outcome ?? answer;
    assert.ok('applied' in outcome, `the server refused ${name}: ${JSON.stringify(outcome)}`);
  }

  private async token(): Promise<string> {
    return (await this.post<{ token: string }>('/dev/token', { user: this.user })).token;
  }

  private async post<Answer>(path: string, body: object, token?: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const response = await fetch(`${this.server}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Answer;
  }
}
