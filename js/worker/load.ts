import type { WorkerFailure } from '../errors.js';
import * as glue from '../wasm/seaworthy.js';
import type { EngineModule } from './engine.js';
import { Failure, messageOf } from './failure.js';

let give: (module: WebAssembly.Module | null) => void;
const given = new Promise<WebAssembly.Module | null>((resolve) => (give = resolve));

/** The page has compiled the module, or could not. */
export function giveModule(module: WebAssembly.Module | null): void {
  give(module);
}

/** Makes the wasm module that the page has compiled run, or loads the one at an URL. A failure names its cause and the fix. */
export async function loadEngine(url: string): Promise<EngineModule> {
  const compiled = await given;
  const source = compiled ?? (await fetchModule(url));
  try {
    await glue.default({ module_or_path: source });
  } catch (error) {
    throw compileFailure(url, error);
  }
  return glue as unknown as EngineModule;
}

async function fetchModule(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
  } catch (error) {
    throw failed('not-found', `The wasm module could not be fetched from ${url} (${messageOf(error)}). Check the network, or set wasmUrl.`);
  }
  if (!response.ok) {
    throw failed('not-found', `The wasm module is not at ${url} (status ${response.status}). Copy seaworthy.wasm beside the worker, or set wasmUrl.`);
  }
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('html')) throw failed('wrong-type', `${url} answers with HTML, not wasm. Copy seaworthy.wasm beside the worker, or set wasmUrl.`);
  return response;
}

function compileFailure(url: string, error: unknown): Failure {
  const message = messageOf(error);
  if (/unsafe-eval|content security policy|csp/i.test(message)) {
    return failed('csp', `The page's Content-Security-Policy forbids wasm. Add 'wasm-unsafe-eval' to script-src. (${message})`);
  }
  if (error instanceof WebAssembly.LinkError) {
    return failed('wrong-type', `worker.js and ${url} are of different releases: deploy both together, and let one cache name hold both. (${message})`);
  }
  return failed('wrong-type', `What ${url} answers cannot be compiled as wasm: ${message}`);
}

function failed(cause: WorkerFailure, message: string): Failure {
  return new Failure('WorkerFailed', message, { cause }, cause === 'not-found');
}
