import type { EngineEvent } from '../messages.js';
import type { Client } from './client.js';

/** How long the page that is asked for a token may take until all are asked. */
const TOKEN_MS = 5000;

/** Asks one page for a token, one that can be seen, and all when it does not answer: it may be frozen. */
export class TokenDemand {
  #patience: ReturnType<typeof setTimeout> | undefined;

  /** Says whether there was a page to ask. */
  ask(clients: readonly Client[], event: EngineEvent & { readonly type: 'need-token' }, all: () => void): boolean {
    this.answered();
    const asked = clients.find(({ visible }) => visible) ?? clients[0];
    if (!asked) return false;
    asked.send(event);
    this.#patience = setTimeout(all, TOKEN_MS);
    return true;
  }

  answered(): void {
    clearTimeout(this.#patience);
  }
}
