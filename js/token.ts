import { AuthRequired, type SeaworthyError } from './errors.js';
import type { UserMessage } from './messages.js';

/**
 * Gives a token, or `null` when nobody is signed in. `renew`: the last one is no longer good.
 * @example
 * const token: TokenCallback = async ({ renew }) => (await session(renew))?.token ?? null;
 */
export type TokenCallback = (options: { readonly renew: boolean }) => Promise<string | null> | string | null;

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;

/** Who is told what the application answers. */
export interface TokenListener {
  give(token: string | null): void;
  /** It failed, and will be asked again. */
  miss(): void;
  report(error: SeaworthyError): void;
}

/**
 * Asks the application for a token when the engine needs one. A callback that fails, because the network is away, is asked
 * again with longer and longer pauses; only the first failure of a series is reported.
 */
export class TokenSource {
  readonly #callback: TokenCallback;
  readonly #listener: TokenListener;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(callback: TokenCallback, listener: TokenListener) {
    this.#callback = callback;
    this.#listener = listener;
  }

  /** Gets a token and hands it on. A former demand is forgotten. */
  async demand(renew: boolean, failures = 0): Promise<void> {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    try {
      const token = await this.#callback({ renew });
      if (turn === this.#turn) this.#listener.give(token);
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.#listener.miss();
      if (failures === 0) this.#listener.report(new AuthRequired('The token callback of sync failed; it is called again.', { cause }));
      this.#timer = setTimeout(() => void this.demand(renew, failures + 1), Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS));
    }
  }

  /** A token for who is signed in, at once. Former demands are forgotten. */
  async current(renew: boolean): Promise<string> {
    this.stop();
    const token = await this.#callback({ renew });
    if (token === null) throw new AuthRequired('Nobody is signed in: the token callback of sync gave null. Sign in, then call this again.');
    return token;
  }

  /** Asks no more. */
  stop(): void {
    this.#turn++;
    clearTimeout(this.#timer);
  }
}

/** The user that a token names. Only the server checks a token; here it says whose database is meant. */
export function userOf(token: string): UserMessage {
  try {
    const bytes = Uint8Array.from(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
    const { iss, sub } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly iss?: unknown; readonly sub?: unknown };
    if (typeof iss === 'string' && typeof sub === 'string') return { issuer: iss, subject: sub };
  } catch {
    // Said below.
  }
  throw new AuthRequired('The token names no user. Give a JWT with the claims iss and sub.');
}
