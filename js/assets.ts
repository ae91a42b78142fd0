/** The worker's script, beside this module. Written so that bundlers copy the file and put in its final URL. */
export function workerAsset(): string {
  return new URL('./worker.js', import.meta.url).href;
}

/** The wasm module, beside this module. */
export function wasmAsset(): string {
  return new URL('./seaworthy.wasm', import.meta.url).href;
}
