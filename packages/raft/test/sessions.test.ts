/** Exactly once per client session and sequence (thesis 6.3), decided by the log alone. */
import { describe, expect, it } from 'vitest';
import type { SessionRecord } from '../src/index.ts';
import { Bench, type Past } from './support/bench.ts';

function leader(config: ConstructorParameters<typeof Bench>[0] = {}, past: Past = {}): Bench {
  const node = new Bench({ voters: ['a'], ...config }, past);
  node.becomeLeader();
  return node;
}

/** Opens a session; its id is the index. */
function open(node: Bench, owner = ''): number {
  const ref = node.propose('', { kind: 'openSession', command: new TextEncoder().encode(owner) });
  const [answer] = node.of('respond').filter((effect) => effect.ref === ref);
  if (answer?.answer.status !== 'applied') throw new Error('no session');
  return answer.answer.index;
}

const say = (node: Bench, clientId: number, sequence: number): string => {
  const ref = node.propose(`${clientId}/${sequence}`, { session: { clientId, sequence } });
  const answer = node.of('respond').find((effect) => effect.ref === ref)?.answer;
  return answer === undefined
    ? 'open'
    : answer.status === 'applied'
      ? String(answer.result[0])
      : answer.status;
};

const applied = (node: Bench): string[] =>
  node.applied.flatMap(({ entries }) =>
    entries.map(({ session }) => `${session?.clientId}/${session?.sequence}`),
  );

describe('a session', () => {
  it('has the index of its opening as its id, and the state machine is told', () => {
    const node = leader();
    const clientId = open(node);
    expect(clientId).toBe(2);
    expect(node.applied.at(-1)).toMatchObject({
      entries: [],
      sessions: [{ type: 'open', clientId: 2, index: 2 }],
    });
  });

  it('belongs to whom its opening names: here, over a checkpoint, over a restart, and until it is closed', () => {
    const node = leader({ sessionsMax: 2 });
    const [mine, nobodys] = [open(node, 'client/me'), open(node)];
    expect(node.applied[0]?.sessions).toEqual([
      { type: 'open', clientId: mine, index: mine, owner: 'client/me' },
    ]);
    const owners = (of: Bench): unknown => [mine, nobodys, 77].map((id) => of.core.sessionOwner(id));
    expect(owners(node)).toEqual(['client/me', '', undefined]);
    const copy = leader({ sessionsMax: 2 });
    copy.core.restore(node.core.checkpoint());
    expect(owners(copy)).toEqual(owners(node));
    const entries = Array.from({ length: node.core.lastIndex }, (_, i) =>
      node.core.log.entryAt(i + 1),
    ).filter((found) => found !== undefined);
    expect(owners(leader({ sessionsMax: 2 }, { entries }))).toEqual(owners(node));
    const kept = [
      { clientId: mine, lastIndex: mine, owner: 'client/me', results: [] },
      { clientId: nobodys, lastIndex: nobodys, results: [] },
    ];
    const again = leader({ sessionsMax: 2 }, { entries, appliedIndex: entries.length, sessions: kept });
    expect(owners(again)).toEqual(owners(node));
    open(node);
    expect(node.core.sessionOwner(mine)).toBeUndefined();
  });

  it('reads no more of an owner than it keeps, and any bytes alike everywhere', () => {
    const node = leader();
    const ref = node.propose('', { kind: 'openSession', command: new Uint8Array(10_000).fill(0xff) });
    const answer = node.of('respond').find((effect) => effect.ref === ref)?.answer;
    const id = answer?.status === 'applied' ? answer.index : 0;
    expect(node.core.sessionOwner(id)).toBe('\uFFFD'.repeat(256));
  });

  it('applies a sequence once, and answers it again with its first result', () => {
    const node = leader();
    const client = open(node);
    const result = say(node, client, 1);
    expect(say(node, client, 1)).toBe(result);
    expect(say(node, client, 2)).not.toBe(result);
    expect(say(node, client, 1)).toBe(result);
    expect(applied(node)).toEqual([`${client}/1`, `${client}/2`]);
  });

  it('applies sequences in whatever order they come', () => {
    const node = leader();
    const client = open(node);
    for (const sequence of [3, 1, 2, 3, 1]) say(node, client, sequence);
    expect(applied(node)).toEqual([`${client}/3`, `${client}/1`, `${client}/2`]);
  });

  it('applies a sequence once that is twice in one batch', () => {
    const node = leader();
    const client = open(node);
    node.applies = false;
    node.propose('hold');
    const refs = [1, 1, 2, 1].map((sequence) =>
      node.propose('x', { session: { clientId: client, sequence } }),
    );
    node.apply();
    expect(node.applied.at(-1)?.entries.map(({ session }) => session?.sequence)).toEqual([1, 2]);
    node.apply();
    const results = refs.map((ref) => node.of('respond').find((effect) => effect.ref === ref)?.answer);
    expect(results[1]).toMatchObject({
      status: 'applied',
      result: (results[0] as { result: Uint8Array }).result,
    });
    expect(results[3]).toMatchObject({
      status: 'applied',
      result: (results[0] as { result: Uint8Array }).result,
    });
    expect(results[2]).not.toMatchObject({ result: (results[0] as { result: Uint8Array }).result });
  });

  it('remembers its highest sequences, and refuses what lies behind them', () => {
    const node = leader({ sessionResultsMax: 4 });
    const client = open(node);
    for (const sequence of [1, 2, 3, 4, 5]) say(node, client, sequence);
    expect(say(node, client, 1)).toBe('sequenceTooOld');
    expect(say(node, client, 2)).not.toBe('sequenceTooOld');
    say(node, client, 100);
    expect(say(node, client, 96)).toBe('sequenceTooOld');
    expect(say(node, client, 97)).not.toBe('sequenceTooOld');
    expect(applied(node)).toHaveLength(7);
  });

  it('that is not open is refused, on every replica alike', () => {
    const node = leader();
    expect(say(node, 77, 1)).toBe('sessionExpired');
    expect(applied(node)).toEqual([]);
  });

  it('is closed when too many are open, the least recently used first', () => {
    const node = leader({ sessionsMax: 2 });
    const one = open(node);
    const two = open(node);
    say(node, one, 1);
    // A duplicate is no use: the state machine never hears of it.
    say(node, two, 1);
    say(node, one, 2);
    say(node, two, 1);
    const three = open(node);
    expect(node.applied.at(-1)?.sessions).toEqual([
      { type: 'open', clientId: three, index: three },
      { type: 'close', clientId: two, index: three },
    ]);
    expect(say(node, two, 1)).toBe('sessionExpired');
    expect(say(node, one, 1)).not.toBe('sessionExpired');
    expect(node.core.openSessions).toBe(2);
  });

  it('lives on in what the state machine kept', () => {
    const node = leader({ sessionResultsMax: 4, sessionsMax: 2 });
    const one = open(node);
    const two = open(node);
    for (const sequence of [1, 2, 3, 4, 5, 6]) say(node, one, sequence);
    const fifth = say(node, one, 5);
    const entries = Array.from({ length: node.core.lastIndex }, (_, i) =>
      node.core.log.entryAt(i + 1),
    ).filter((found) => found !== undefined);
    // It kept more than it must.
    const results = [1, 2, 3, 4, 5, 6].map((sequence) => ({
      sequence,
      result: new Uint8Array([sequence + 3]),
    }));
    const sessions: SessionRecord[] = [
      { clientId: one, lastIndex: 9, results },
      { clientId: two, lastIndex: 3, results: [] },
    ];
    const again = leader(
      { sessionResultsMax: 4, sessionsMax: 2 },
      { entries, appliedIndex: entries.length, sessions },
    );
    expect(say(again, one, 5)).toBe(fifth);
    expect(say(again, one, 2)).toBe('sequenceTooOld');
    expect(applied(again)).toEqual([]);
    open(again);
    expect(say(again, two, 1)).toBe('sessionExpired');
  });

  it('answers alike whether the batch was applied now or replayed after a restart', () => {
    const node = leader({ sessionResultsMax: 3, sessionsMax: 3 });
    const clients = [open(node), open(node), open(node), open(node)];
    for (let i = 0; i < 60; i++) say(node, clients[i % 4] as number, 1 + ((i * 7) % 11));
    const entries = Array.from({ length: node.core.lastIndex }, (_, i) =>
      node.core.log.entryAt(i + 1),
    ).filter((found) => found !== undefined);
    const again = leader({ sessionResultsMax: 3, sessionsMax: 3 }, { entries });
    expect(applied(again)).toEqual(applied(node));
  });
});
