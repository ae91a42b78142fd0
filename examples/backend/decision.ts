// What the shop says about a write: pure, so that it may be asked twice about the same one.

/** A value as JSON carries it. Blobs, integers beyond 2^53 and reals without a fraction are objects. */
export type Value = null | number | string | { blob: string } | { integer: string } | { real: string };
export type Row = Record<string, Value>;

/** What the server asks. */
export interface ProposedWrite {
  transaction: string;
  replica: string;
  user: { issuer: string; subject: string };
  claims: Record<string, unknown>;
  changes: { table: string; op: 'insert' | 'update' | 'delete'; indirect: boolean; key: Row; old: Row; new: Row; current: Row | null }[];
}

/** What the backend answers. */
export type Decision =
  | { decision: 'accept' }
  | { decision: 'reject'; code?: string; message: string }
  | { decision: 'rewrite'; rows: { table: string; key: Row; new: Row }[] };

const PRICES: ReadonlyMap<string, number> = new Map([
  ['tea', 450],
  ['coffee', 690],
]);
const MAX_QUANTITY = 10;

/** Takes orders of what there is, tidies them up, and says what they cost. */
export function decide(write: ProposedWrite): Decision {
  const rows: { table: string; key: Row; new: Row }[] = [];
  for (const { table, op, key, new: wanted, current } of write.changes) {
    if (table !== 'orders') continue;
    if (op === 'delete') return { decision: 'reject', code: 'no_cancelling', message: 'An order cannot be deleted. Write to us.' };
    // An update names the columns that it changes; the others stay as the server has them.
    const order = { ...current, ...wanted };
    const item = String(order.item).trim().toLowerCase();
    const price = PRICES.get(item);
    if (price === undefined) return { decision: 'reject', code: 'unknown_item', message: `We do not sell ${item}.` };
    const quantity = Number(order.quantity);
    if (!(quantity >= 1 && quantity <= MAX_QUANTITY)) return { decision: 'reject', message: `Order between 1 and ${MAX_QUANTITY}.` };
    rows.push({ table, key, new: { item, price_cents: price * quantity } });
  }
  return rows.length > 0 ? { decision: 'rewrite', rows } : { decision: 'accept' };
}
