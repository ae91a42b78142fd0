import type { Engine } from './engine.js';
import { Failure } from './failure.js';

/** What crosses at once. */
const PIECE_BYTES = 1 << 20;
/** A page that asks for nothing for so long has gone away. */
const IDLE_MS = 30_000;

/** The one export that is under way. The page asks for each piece, so that no more are made than it takes. */
export class Export {
  #id: string | null = null;
  #client = '';
  #idle: ReturnType<typeof setTimeout> | undefined;

  begin(engine: Engine, client: string, id: string): { readonly size: number } {
    if (this.#id === id) this.end(engine, id);
    const size = engine.export_begin();
    this.#id = id;
    this.#client = client;
    this.#touch(engine, id);
    return { size };
  }

  read(engine: Engine, id: string, at: number): Uint8Array {
    if (this.#id !== id) throw new Failure('LeaderLost', 'The export was interrupted. Start it again.', {}, true);
    this.#touch(engine, id);
    return engine.export_read(at, PIECE_BYTES);
  }

  end(engine: Engine, id: string): null {
    if (this.#id !== id) return null;
    this.forget();
    engine.export_end();
    return null;
  }

  /** A page is gone, or begins anew. */
  leave(engine: Engine, client: string): void {
    if (this.#id !== null && this.#client === client) this.end(engine, this.#id);
  }

  /** The engine is gone, and what it exported too. */
  forget(): void {
    clearTimeout(this.#idle);
    this.#id = null;
  }

  #touch(engine: Engine, id: string): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.end(engine, id), IDLE_MS);
  }
}
