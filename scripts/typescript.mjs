// Lets Node run TypeScript: `node --import ./scripts/typescript.mjs file.ts`. Types are stripped by esbuild, not checked.

import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
