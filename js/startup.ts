import { WorkerFailed, type WorkerFailure } from './errors.js';

/** How long a worker may take until it says hello. */
export const HELLO_MS = 5000;

/**
 * Compiles the wasm module while the worker starts, and again for none of the page's further workers. Where that fails the
 * worker is told `null`: it loads the module by itself, and finds out what is wrong.
 */
const compiled = new Map<string, Promise<WebAssembly.Module | null>>();

function compile(url: string): Promise<WebAssembly.Module | null> {
  const known = compiled.get(url);
  if (known) return known;
  const compiling = WebAssembly.compileStreaming(fetch(url, { credentials: 'same-origin' })).catch(() => {
    compiled.delete(url);
    return null;
  });
  compiled.set(url, compiling);
  return compiling;
}

/** Starts the worker and gives it the wasm module. */
export function startWithModule(url: string, wasmUrl: string): Worker {
  const compiling = compile(wasmUrl);
  const worker = startWorker(url);
  void compiling.then((module) => worker.postMessage({ op: 'module', module }));
  return worker;
}

/** Starts the worker's script; one from another origin is wrapped in a module of this one, because browsers refuse it bare. */
function startWorker(url: string): Worker {
  const options: WorkerOptions = { type: 'module', name: 'seaworthy' };
  if (new URL(url, location.href).origin === location.origin) return new Worker(url, options);
  const wrapper = URL.createObjectURL(new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' }));
  try {
    const worker = new Worker(wrapper, options);
    worker.addEventListener('error', () => refused.add(url));
    return worker;
  } finally {
    // The fetch of the script has begun when the constructor returns.
    setTimeout(() => URL.revokeObjectURL(wrapper), HELLO_MS);
  }
}

/**
 * A port to the SharedWorker that brings the workers of tabs together. Where there is none, or its script is of another origin,
 * they find each other over BroadcastChannel.
 */
export function connectBroker(url: string): MessagePort | null {
  if (typeof SharedWorker === 'undefined' || new URL(url, location.href).origin !== location.origin) return null;
  try {
    const broker = new SharedWorker(url, { type: 'module', name: 'seaworthy' });
    broker.addEventListener('error', (event) => event.preventDefault());
    return broker.port;
  } catch {
    return null;
  }
}

let forbidden: string | null = null;
/** Workers of other origins that ended in an error: a violation inside of the wrapper is not reported to the page. */
const refused = new Set<string>();

/** Remembers whether the page's policy refuses a worker, since the worker's own error event is mute. */
export function watchPolicy(): void {
  document.addEventListener('securitypolicyviolation', notePolicy);
}

function notePolicy({ effectiveDirective }: SecurityPolicyViolationEvent): void {
  if (/^(worker|child|script|default)-src/.test(effectiveDirective)) forbidden = effectiveDirective;
}

/** Finds out why a worker did not start, by asking for its script. */
export async function diagnose(url: string): Promise<WorkerFailed> {
  if (forbidden) {
    return failed(
      'csp',
      `The page's Content-Security-Policy (${forbidden}) forbids the worker. Add worker-src 'self', or blob: and its origin for a worker from another one.`,
    );
  }
  const foreign = new URL(url, location.href).origin !== location.origin;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(HELLO_MS) });
  } catch (error) {
    if (foreign)
      return failed(
        'cross-origin',
        `The worker at ${url} cannot be read from this origin. Serve it with Access-Control-Allow-Origin, or from the page's own origin.`,
      );
    const reason = error instanceof Error ? error.message : String(error);
    return failed('not-found', `The worker could not be fetched from ${url} (${reason}). Check the network, or cache it with seaworthy/precache.`);
  }
  if (!response.ok) return failed('not-found', `The worker is not at ${url} (status ${response.status}). Copy worker.js there, or set workerUrl.`);
  const type = response.headers.get('content-type') ?? 'no type';
  if (!/javascript|ecmascript/.test(type)) {
    return failed(
      'wrong-type',
      `${url} answers with ${type}, not JavaScript. Often a server gives index.html for unknown paths: copy worker.js there, or set workerUrl.`,
    );
  }
  if (refused.has(url)) {
    return failed(
      'csp',
      `The worker at ${url} can be read, and the browser refuses to run it. Name blob: and ${new URL(url).origin} in worker-src of the page's Content-Security-Policy.`,
    );
  }
  return failed('timeout', `The worker at ${url} did not start within ${HELLO_MS / 1000} s. Its script may not be this package's worker.js.`);
}

function failed(cause: WorkerFailure, message: string): WorkerFailed {
  return new WorkerFailed(message, cause, { retryable: cause === 'not-found' || cause === 'timeout' });
}
