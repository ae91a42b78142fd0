// Keeps the demo's shell and the package's files, so that the page opens without a server.
// Synchronisation (/sync), sign-in (/dev) and everything else that is not listed never passes through a cache.

/// <reference lib="webworker" />

declare const VERSION: string;
declare const FILES: string[];
declare const self: ServiceWorkerGlobalScope;

const PREFIX = 'seaworthy-demo-';
const CACHE = PREFIX + VERSION;
const SHELL = './';
/** How long a navigation waits for a slow network before the kept shell is shown. */
const NAVIGATION_TIMEOUT_MS = 3000;
/** The release before this one stays: an open page of it may still have to start its worker again. */
const KEPT_RELEASES = 2;

const kept = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));

self.addEventListener('install', (event) => {
  event.waitUntil(precache());
});

self.addEventListener('activate', (event) => {
  event.waitUntil(takeOver());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  if (request.mode === 'navigate') {
    if (new URL(request.url).href.startsWith(self.registration.scope)) event.respondWith(navigate(request));
    return;
  }
  // Files of an earlier release are asked for by a page that has not been reloaded yet.
  if (kept.has(request.url) || isReleaseFile(request.url)) event.respondWith(fromCache(request));
});

async function precache(): Promise<void> {
  const cache = await caches.open(CACHE);
  // `reload` passes the HTTP cache by: a release must not be mixed with files of another one.
  await cache.addAll(FILES.map((file) => new Request(file, { cache: 'reload' })));
  await self.skipWaiting();
}

async function takeOver(): Promise<void> {
  const ours = (await caches.keys()).filter((key) => key.startsWith(PREFIX) && key !== CACHE);
  const outdated = ours.slice(0, Math.max(0, ours.length - (KEPT_RELEASES - 1)));
  await Promise.all(outdated.map((key) => caches.delete(key)));
  await self.clients.claim();
}

async function navigate(request: Request): Promise<Response> {
  const { origin, pathname } = new URL(request.url);
  const page = kept.has(origin + pathname) ? pathname : SHELL;
  const shell = async () => (await (await caches.open(CACHE)).match(page, { ignoreVary: true })) ?? Response.error();
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(NAVIGATION_TIMEOUT_MS) });
    // A proxy in front of a stopped server answers with 502 to 504.
    return response.status >= 500 ? shell() : response;
  } catch {
    return shell();
  }
}

async function fromCache(request: Request): Promise<Response> {
  // Servers say `Vary: Origin`, and a module script has an origin where the precached request had none: the file is the same.
  const options = { ignoreVary: true };
  const current = await caches.open(CACHE);
  return (await current.match(request, options)) ?? (await caches.match(request, options)) ?? fetch(request);
}

function isReleaseFile(url: string): boolean {
  return url.startsWith(self.registration.scope) && /^[0-9a-f]{12}\//.test(url.slice(self.registration.scope.length));
}
