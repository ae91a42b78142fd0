// Where the browsers of the tests are. None is ever downloaded: they are the distribution's packages, or named by a variable.

import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';

const NAMES = {
  chromium: { variable: 'CHROMIUM', programs: ['chromium', 'chromium-browser', 'google-chrome'] },
  chromedriver: { variable: 'CHROMEDRIVER', programs: ['chromedriver'] },
  firefox: { variable: 'FIREFOX', programs: ['firefox-esr', 'firefox'] },
  webkitdriver: { variable: 'WEBKIT_DRIVER', programs: ['WebKitWebDriver'] },
  minibrowser: { variable: 'MINIBROWSER', programs: ['MiniBrowser'] },
  xvfb: { variable: 'XVFB', programs: ['Xvfb'] },
};

const LIBRARIES = ['/usr/lib', '/usr/lib64'];

/** Arguments that make Chromium quiet, and able to run as root in a container. */
export const chromiumArgs = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * The path of a program of the table above, or undefined.
 * @param {keyof typeof NAMES} name
 */
export function find(name) {
  const { variable, programs } = NAMES[name];
  if (process.env[variable]) return process.env[variable];
  const folders = [...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean), ...webkitFolders()];
  return programs.flatMap((program) => folders.map((folder) => path.join(folder, program))).find(isProgram);
}

/** The path of a browser that must be there. */
export function need(name) {
  const found = find(name);
  if (found) return found;
  const { variable, programs } = NAMES[name];
  throw new Error(`${programs[0]} is missing: run \`npm run setup\`, or set ${variable} to its path`);
}

/** WebKitGTK has its own browser beside its libraries, the newest first. */
function webkitFolders() {
  const folders = [];
  for (const folder of ['/usr/libexec', ...LIBRARIES.flatMap((library) => [library, ...subfolders(library)])]) {
    folders.push(...subfolders(folder).filter((name) => /\/webkit2?gtk-\d/.test(name)));
  }
  return folders.sort().reverse();
}

function subfolders(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => path.join(folder, name));
  } catch {
    return [];
  }
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
