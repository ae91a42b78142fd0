// Who is signed in on this device, and the tokens of a development server.

import { AuthRequired } from 'seaworthy';
import { preference, setPreference } from './preference.js';

export const DEFAULT_USER = 'demo';

/** The name becomes part of the database's name, so it is kept to what every file system takes. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,39}$/.test(name);
}

/** The user of this device; `null` after signing out. Who comes for the first time is the default user. */
export function rememberedUser(): string | null {
  const name = preference('user');
  if (name === null) return DEFAULT_USER;
  return isUserName(name) ? name : null;
}

export function rememberUser(user: string | null): void {
  setPreference('user', user ?? '');
}

/** Asks the development server for a token. */
export async function fetchToken(user: string): Promise<string> {
  const response = await fetch('/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
    cache: 'no-store',
  });
  if (response.status === 404) throw new AuthRequired('This server hands out no sign-ins. Start it with --dev.');
  if (!response.ok) throw new Error(`The server did not answer the sign-in (status ${response.status}).`);
  const { token } = (await response.json()) as { token: string };
  return token;
}
