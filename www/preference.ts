// Small choices that belong to this browser and not to the synchronised data. Storage may be blocked: then they last as long as the page.

const PREFIX = 'seaworthy-demo.';
const fallback = new Map<string, string>();

export function preference(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function setPreference(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    if (value === null) fallback.delete(name);
    else fallback.set(name, value);
  }
}
