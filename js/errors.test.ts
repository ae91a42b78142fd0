import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as errors from './errors.js';

const CODES = [
  'ConstraintViolation',
  'ConfirmTimeout',
  'QuotaExceeded',
  'StorageUnavailable',
  'InsecureContext',
  'LeaderLost',
  'TransactionTimeout',
  'SchemaMismatch',
  'AuthRequired',
  'UserChanged',
  'ServerSide',
  'Closed',
  'IntegerOutOfRange',
  'BadValue',
  'BadSql',
  'NotAllowed',
] as const;

for (const code of CODES) {
  test(`the code ${code} becomes an error of its class`, () => {
    const error = errors.errorFromWire({ code, message: 'do this', retryable: true, details: { column: 'a' } });
    assert.ok(error instanceof errors[code] && error instanceof errors.SeaworthyError && error instanceof Error);
    assert.deepEqual([error.code, error.name, error.message, error.retryable, error.details], [code, code, 'do this', true, { column: 'a' }]);
  });
}

test('a failed worker keeps its cause, a refused write its reason', () => {
  const failed = errors.errorFromWire({ code: 'WorkerFailed', message: 'm', details: { cause: 'csp' } });
  assert.ok(failed instanceof errors.WorkerFailed && failed.cause === 'csp');
  const odd = errors.errorFromWire({ code: 'WorkerFailed', message: 'm', details: { cause: 'else' } });
  assert.ok(odd instanceof errors.WorkerFailed && odd.cause === 'crashed');
  const rejected = errors.errorFromWire({ code: 'WriteRejected', message: 'm', details: { reason: 'forbidden' } });
  assert.ok(rejected instanceof errors.WriteRejected && rejected.reason === 'forbidden');
});

test('a code that this release does not know keeps its name', () => {
  const error = errors.errorFromWire({ code: 'constructor', message: 'm', details: null });
  assert.deepEqual([error.constructor, error.code, error.retryable, error.details], [errors.SeaworthyError, 'constructor', false, {}]);
});
