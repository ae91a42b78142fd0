/**
 * The files that the package fetches at run time, for a service worker that makes the application open offline.
 * @module
 */

import { wasmAsset, workerAsset } from './assets.js';

/**
 * The URLs of the worker and of the wasm module. Your own bundle holds the rest of the package.
 * @example
 * import { precache } from 'seaworthy/precache';
 * addEventListener('install', (event) => event.waitUntil(caches.open('v1').then((cache) => cache.addAll(precache))));
 * addEventListener('fetch', (event) => event.respondWith(caches.match(event.request, { ignoreVary: true }).then((kept) => kept ?? fetch(event.request))));
 */
export const precache: readonly string[] = [workerAsset(), wasmAsset()];
