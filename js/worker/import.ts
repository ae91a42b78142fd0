import type { RequestOf } from '../messages.js';
import type { Engine, EngineModule, EngineOptions, IncomingFile } from './engine.js';
import { Failure } from './failure.js';

/** What brings a file. */
export type FileRequest = RequestOf<'import-write'> | RequestOf<'import-end'> | RequestOf<'import-drop'>;

/** A page that was under way with an import when its worker died goes on long before. */
const TIDY_AFTER_MS = 10_000;

/** The one import that is under way: a file that comes in beside the database. */
export class Import {
  #id: string | null = null;
  #file: Promise<IncomingFile> | null = null;
  #tidy: ReturnType<typeof setTimeout> | undefined;

  /** Takes a piece. The first one begins the import, in place of any other; a later one may come to another worker than it. */
  async take(module: EngineModule, options: EngineOptions, request: Exclude<FileRequest, { op: 'import-end' }>): Promise<null> {
    if (request.op === 'import-drop') return this.drop(request.import);
    const file = await this.#get(module, options, request.import, request.at === 0);
    file.write(request.bytes, request.at);
    return null;
  }

  /** Checks the file and makes it ready to take the database's place; `open` of the answer puts it there once the engine is closed. */
  async ready(module: EngineModule, options: EngineOptions, engine: Engine, id: string): Promise<IncomingFile> {
    const file = await this.#get(module, options, id, false);
    file.prepare(engine, options);
    this.#forget();
    return file;
  }

  /** Gives an import up, if it is the one that is under way. */
  async drop(id: string | null = this.#id): Promise<null> {
    clearTimeout(this.#tidy);
    if (this.#id !== id) return null;
    const file = await this.#file?.catch(() => null);
    this.#forget();
    await file?.discard();
    return null;
  }

  /** Lets go of the file, so that another worker can go on with it. */
  release(): void {
    clearTimeout(this.#tidy);
    void this.#file?.then((file) => file.release()).catch(() => {});
    this.#forget();
  }

  /** Deletes, some time later, what an import has left whose page went away. */
  tidyLater(module: EngineModule, name: string): void {
    this.#tidy = setTimeout(() => {
      if (!this.#id) module.Import.tidy(name).catch(() => {});
    }, TIDY_AFTER_MS);
  }

  async #get(module: EngineModule, options: EngineOptions, id: string, anew: boolean): Promise<IncomingFile> {
    if (this.#id === id && this.#file) return this.#file;
    if (!anew && this.#id) throw new Failure('LeaderLost', 'Another import took the place of this one. Start it again.', {}, true);
    await this.drop();
    this.#id = id;
    this.#file = module.Import.begin(options, id, anew);
    this.#file.catch(() => this.#forget());
    return this.#file;
  }

  #forget(): void {
    this.#id = null;
    this.#file = null;
  }
}
