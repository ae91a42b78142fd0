import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AdoptRequired,
  AuthRequired,
  BadSql,
  BadValue,
  Closed,
  ConfirmTimeout,
  ConstraintViolation,
  errorFromWire,
  InsecureContext,
  IntegerOutOfRange,
  LeaderLost,
  NotAllowed,
  PendingWrites,
  QuotaExceeded,
  SchemaMismatch,
  SeaworthyError,
  ServerSide,
  StorageUnavailable,
  TransactionTimeout,
  UserChanged,
  WorkerFailed,
  WriteRejected,
} from './errors.js';

const CLASSES = {
  ConstraintViolation,
  ConfirmTimeout,
  QuotaExceeded,
  StorageUnavailable,
  InsecureContext,
  LeaderLost,
  TransactionTimeout,
  SchemaMismatch,
  AuthRequired,
  UserChanged,
  AdoptRequired,
  PendingWrites,
  ServerSide,
  Closed,
  IntegerOutOfRange,
  BadValue,
  BadSql,
  NotAllowed,
};

for (const [code, type] of Object.entries(CLASSES)) {
  test(`the code ${code} becomes an error of its class`, () => {
    const error = errorFromWire({ code, message: 'do this', retryable: true, details: { column: 'a' } });
    assert.ok(error instanceof type && error instanceof SeaworthyError && error instanceof Error);
    assert.deepEqual([error.code, error.name, error.message, error.retryable, error.details], [code, code, 'do this', true, { column: 'a' }]);
  });
}

test('a failed worker keeps its cause, a refused write its reason', () => {
  const failed = errorFromWire({ code: 'WorkerFailed', message: 'm', details: { cause: 'csp' } });
  assert.ok(failed instanceof WorkerFailed && failed.cause === 'csp');
  const odd = errorFromWire({ code: 'WorkerFailed', message: 'm', details: { cause: 'else' } });
  assert.ok(odd instanceof WorkerFailed && odd.cause === 'crashed');
  const rejected = errorFromWire({ code: 'WriteRejected', message: 'm', details: { reason: 'forbidden' } });
  assert.ok(rejected instanceof WriteRejected && rejected.reason === 'forbidden');
});

test('a code that this release does not know keeps its name', () => {
  const error = errorFromWire({ code: 'constructor', message: 'm', details: null });
  assert.deepEqual([error.constructor, error.code, error.retryable, error.details], [SeaworthyError, 'constructor', false, {}]);
});
