// Files that come in, played by a test. The one whose id is `damaged` cannot be put in place.

import type { EngineModule } from '../../js/worker/engine.js';

/** Files that tell `note` what is done with them. */
export function fakeImports(note: (what: string) => undefined, open: EngineModule['Database']['open']): EngineModule['Import'] {
  return {
    begin: async (_, id, anew) => {
      note(`import ${id}${anew ? '' : ' goes on'}`);
      return {
        write: (piece, at) => note(`piece ${at}+${piece.length}`),
        prepare: () => note('prepare'),
        open: async (options, emit) => {
          note('put in place');
          if (id === 'damaged') throw { code: 'StorageUnavailable', message: '' };
          return open(options, emit);
        },
        discard: async () => note('discard'),
        release: () => note('release'),
      };
    },
    tidy: async () => note('tidy'),
  };
}

/** None ever comes. */
export const noImports = fakeImports(
  () => undefined,
  () => Promise.reject(new Error('no import was expected')),
);
