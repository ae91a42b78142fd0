import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');

/** Each name that a module exports from another, and that other module. */
function exportsOf(file: string): { name: string; from: string }[] {
  const statements = read(file).matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm);
  return [...statements].flatMap(([, names = '', from = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean)
      .map((name) => ({ name, from: from.replace(/\.js$/, '.ts') })),
  );
}

/** The documentation that stands right before a declaration. */
function documentation(source: string, name: string): string | undefined {
  const declaration = new RegExp(`^export (?:declare )?(?:const|function|async function|class|interface|type) ${name}\\b`, 'm');
  const at = source.search(declaration);
  return at < 0 ? undefined : /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(source.slice(0, at))?.[0];
}

test('every exported name has documentation with an example', () => {
  const names = exportsOf('./index.ts');
  assert.ok(names.length > 40);
  const bare = [...names, { name: 'precache', from: './precache.ts' }].filter(({ name, from }) => !documentation(read(from), name)?.includes('@example'));
  assert.deepEqual(
    bare.map(({ name }) => name),
    [],
  );
});
