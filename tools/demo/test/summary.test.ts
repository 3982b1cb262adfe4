import { expect, it } from 'vitest';
import { judge, type Observed, renderSummary } from '../src/summary.ts';

const held: Observed = {
  nodes: 5,
  firstSuspicionMs: 1200,
  allAgreeMs: 90_000,
  firstWriteMs: 60_000,
  rejoinMs: null,
  writesAcknowledged: 10,
  acknowledgedWritesLost: 0,
  queriesServed: 20,
  queriesFailed: 0,
  peakMemoryMb: 5000,
  failures: [],
  lastError: null,
};

it('no time and no memory figure makes the demo fail', () => {
  expect(judge(held)).toMatchObject({ ok: true, failures: [] });
  expect(renderSummary(judge(held))).toContain('Everything held');
});

it.each([
  ['a lost write', { acknowledgedWritesLost: 1 }, '1 acknowledged writes are missing'],
  ['a failed query', { queriesFailed: 2, lastError: 'X_Y: no.' }, 'X_Y: no.'],
  ['a wait in vain', { failures: ['n3 did not come back'] }, 'n3 did not come back'],
  ['no write at all', { writesAcknowledged: 0 }, 'no write was acknowledged'],
])('%s makes it fail and is named', (_, observed: Partial<Observed>, words) => {
  const summary = judge({ ...held, ...observed });
  expect(summary.ok).toBe(false);
  expect(renderSummary(summary)).toContain(words);
});
