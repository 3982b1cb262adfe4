import { World } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import { encodeConfiguration } from '@cluster/raft';
import { RaftChecker } from '../src/raft/checker.ts';
import { encodeCommand, encodeNumber } from '../src/raft/commands.ts';
import { DurabilityWitness } from '../src/raft/durability-witness.ts';
import { History } from '../src/raft/history.ts';
import type { DurableView, EntryView, ReplicaView, VotersView } from '../src/raft/views.ts';
import { brokenBy } from './broken-by.ts';

/** A replica that is whatever a test says. */
class Puppet implements ReplicaView {
  role = 'follower';
  term = 1;
  commitIndex = 0;
  configuration: VotersView = { voters: ['a', 'b', 'c'], outgoing: [] };
  configurationIndex = 0;
  readonly firstIndex = 1;
  log: EntryView[] = [];

  get lastIndex(): number {
    return this.log.length;
  }

  termAt(index: number): number | undefined {
    return index === 0 ? 0 : this.log[index - 1]?.term;
  }

  entryAt(index: number): EntryView | undefined {
    return this.log[index - 1];
  }
}

const entry = (term: number, operation = 1): EntryView => ({
  term,
  kind: 'command',
  command: encodeCommand(operation),
});

/** A disk with a log on it that is whatever a test says. */
class PuppetDisk implements DurableView {
  readonly coveredIndex = 0;
  version = 0;
  #terms: readonly number[];

  constructor(terms: readonly number[]) {
    this.#terms = terms;
  }

  get lastIndex(): number {
    return this.#terms.length;
  }

  termAt(index: number): number | undefined {
    return [0, ...this.#terms][index];
  }

  holds(terms: readonly number[]): void {
    this.#terms = terms;
    this.version++;
  }
}

function stage(durable: readonly number[] = [1, 1, 1, 2, 2], holders: readonly string[] = ['a', 'b', 'c']) {
  const world = new World({ seed: 1 });
  const names = ['a', 'b', 'c', 'd', 'e'];
  const disks = new Map(names.map((name) => [name, new PuppetDisk(holders.includes(name) ? durable : [])]));
  const checker = new RaftChecker(world, disks, ['a', 'b', 'c']);
  const [a, b, c] = [new Puppet(), new Puppet(), new Puppet()];
  checker.started('a', a);
  checker.started('b', b);
  checker.started('c', c);
  /** Has the checkers look; the invariant that they find broken, or null. */
  const look = (): string | null => brokenBy(world, () => undefined);
  return { world, checker, disks, a, b, c, look };
}

describe('the checker of Raft objects to', () => {
  test('two leaders in one term, and not to two in different terms', () => {
    const { a, b, c, look } = stage();
    a.role = 'leader';
    b.role = 'leader';
    b.term = 2;
    expect(look()).toBeNull();
    c.role = 'leader';
    c.term = 2;
    expect(look()).toBe('election safety');
  });

  test('two leaders in one term, one after the other', () => {
    const { a, b, look } = stage();
    a.role = 'leader';
    expect(look()).toBeNull();
    a.role = 'follower';
    expect(look()).toBeNull();
    b.role = 'leader';
    expect(look()).toBe('election safety');
  });

  test('a term that goes back', () => {
    const { a, look } = stage();
    a.term = 0;
    expect(look()).toBe('terms never decrease');
  });

  test('a leader that drops entries; a follower may', () => {
    const { a, b, look } = stage();
    a.role = 'leader';
    a.log = [entry(1), entry(1)];
    b.log = [entry(1), entry(1)];
    expect(look()).toBeNull();
    b.log = [entry(1)];
    expect(look()).toBeNull();
    a.log = [entry(1)];
    expect(look()).toBe('leader append-only');
  });

  test('one index and term with two contents', () => {
    const { a, b, look } = stage();
    a.log = [entry(1, 1)];
    b.log = [entry(1, 2)];
    expect(look()).toBe('log matching');
  });

  test('one index and term behind two histories', () => {
    const { a, b, look } = stage();
    a.log = [entry(1), entry(2)];
    b.log = [entry(2), entry(2)];
    expect(look()).toBe('log matching');
  });

  test('terms that shrink along a log', () => {
    const { a, look } = stage();
    a.log = [entry(2), entry(1)];
    expect(look()).toBe('terms grow along a log');
  });

  test('logs that agree later and differ before, when it compares them whole', () => {
    const { world, checker, a, b, look } = stage();
    a.log = [entry(1, 1), entry(1, 2)];
    b.log = [entry(1, 1), entry(1, 2)];
    expect(look()).toBeNull();
    // Changed behind the back of the increments.
    b.log = [entry(1, 9), entry(1, 2)];
    expect(brokenBy(world, () => checker.compareLogs())).toBe('log matching');
  });

  test('a leader without what was committed before its term', () => {
    const { a, b, look } = stage();
    a.role = 'leader';
    a.log = [entry(1)];
    a.commitIndex = 1;
    expect(look()).toBeNull();
    b.term = 2;
    b.role = 'leader';
    expect(look()).toBe('leader completeness');
  });

  test('a commit index that goes back', () => {
    const { a, look } = stage();
    a.log = [entry(1), entry(1)];
    a.commitIndex = 2;
    expect(look()).toBeNull();
    a.commitIndex = 1;
    expect(look()).toBe('the commit index never decreases');
  });

  test('committed entries that are dropped', () => {
    const { a, look } = stage();
    a.log = [entry(1), entry(1)];
    a.commitIndex = 2;
    expect(look()).toBeNull();
    a.log = [entry(1)];
    expect(look()).toBe('committed entries stay');
  });

  test('two replicas that commit different entries', () => {
    const { a, b, look } = stage([1]);
    a.log = [entry(1)];
    a.commitIndex = 1;
    expect(look()).toBeNull();
    b.log = [entry(2)];
    b.commitIndex = 1;
    expect(look()).toBe('state machine safety');
  });

  test('4.1: a configuration that is begun while the one before is not committed', () => {
    const { a, look } = stage();
    a.role = 'leader';
    a.log = [entry(1), entry(1)];
    a.configurationIndex = 1;
    a.configuration = { voters: ['a', 'b'], outgoing: [] };
    expect(look()).toBeNull();
    a.configurationIndex = 2;
    a.configuration = { voters: ['a'], outgoing: [] };
    expect(look()).toBe('configuration safety');
  });

  test.each([
    ['two voters at once', { voters: ['a'], outgoing: [] }],
    ['a joint configuration with others than those before', { voters: ['a'], outgoing: ['a', 'b'] }],
  ])('4.1: a leader that goes to %s', (_, configuration) => {
    const { a, look } = stage();
    a.role = 'leader';
    expect(look()).toBeNull();
    a.configurationIndex = 1;
    a.configuration = configuration;
    expect(look()).toBe('configuration safety');
  });

  test('4.1: and not to a step from what came in the place of another configuration, at the same index', () => {
    const { a, b, look } = stage([2, 2]);
    b.log = [entry(2), entry(2)];
    a.log = [entry(1)];
    a.configurationIndex = 1;
    a.configuration = { voters: ['a', 'b'], outgoing: [] };
    expect(look()).toBeNull();
    a.term = 2;
    a.log = [entry(2), entry(2)];
    a.configuration = { voters: ['a', 'b', 'c', 'd'], outgoing: [] };
    expect(look()).toBeNull();
    a.role = 'leader';
    a.commitIndex = 1;
    expect(look()).toBeNull();
    a.configurationIndex = 2;
    a.configuration = { voters: ['a', 'b', 'c', 'd', 'e'], outgoing: [] };
    expect(look()).toBeNull();
  });

  test('4.3: a commit by one majority of two, and not one by both', () => {
    const both = stage([1], ['a', 'b', 'd', 'e']);
    const one = stage([1], ['a', 'b', 'c']);
    for (const { a, b, look } of [both, one]) {
      b.log = [entry(1)];
      a.configuration = { voters: ['a', 'd', 'e'], outgoing: ['a', 'b', 'c'] };
      a.configurationIndex = 1;
      a.log = [entry(1)];
      expect(look()).toBeNull();
      a.commitIndex = 1;
    }
    expect(both.look()).toBeNull();
    expect(one.look()).toBe('committed is durable');
  });

  test('4.2.1: a commit that counts a learner', () => {
    const { a, look } = stage([1], ['a', 'd']);
    a.log = [entry(1)];
    a.commitIndex = 1;
    expect(look()).toBe('committed is durable');
  });

  test('4.1: a commit by the majorities before a configuration that is in the log, whatever the replica says of it', () => {
    const voters = { voters: ['a', 'd', 'e'], outgoing: ['a', 'b', 'c'] };
    const rest = { learners: [], learnersNext: [], staging: [], autoLeave: false };
    const command = encodeConfiguration({ ...voters, ...rest });
    for (const [holders, verdict] of [
      [['a', 'b', 'c'], 'committed is durable'],
      [['a', 'b', 'd'], null],
    ] as const) {
      const { a, b, look } = stage([1], holders);
      a.log = [{ term: 1, kind: 'configuration', command }];
      b.log = [...a.log];
      expect(look()).toBeNull();
      a.commitIndex = 1;
      expect(look()).toBe(verdict);
    }
  });

  test('3.6.2: a commit that leaves somebody without the entry who would still be elected', () => {
    const { a, b, c, look } = stage([1, 1], ['a', 'b']);
    a.log = [entry(1), entry(1)];
    b.log = [...a.log];
    c.log = [entry(1), entry(2)];
    expect(look()).toBeNull();
    a.commitIndex = 2;
    expect(look()).toBe('nobody can be elected without what is committed');
  });

  test('3.6.2: a leader that commits an entry of an earlier term by counting', () => {
    const { a, b, look } = stage([1], ['a', 'b']);
    Object.assign(a, { role: 'leader', term: 2, log: [entry(1)] });
    b.log = [entry(1)];
    expect(look()).toBeNull();
    a.commitIndex = 1;
    expect(look()).toBe('a leader commits with an entry of its own term');
  });

  test('3.6.1: and not to one that leaves behind only those whose logs are too old', () => {
    const { a, b, c, look } = stage([1, 1, 3], ['a', 'b']);
    a.log = [entry(1), entry(1), entry(3)];
    b.log = [...a.log];
    c.log = [entry(1), entry(2)];
    expect(look()).toBeNull();
    a.commitIndex = 2;
    expect(look()).toBeNull();
  });

  test('3.6: a commit of what a leader of a later term has not, which was elected before', () => {
    for (const [log, verdict] of [
      [[entry(1)], null],
      [[], 'leader completeness'],
    ] as const) {
      const { a, b, c, look } = stage([1], ['a', 'c']);
      Object.assign(b, { role: 'leader', term: 2, log: [...log] });
      a.log = [entry(1)];
      c.log = [entry(1)];
      expect(look()).toBeNull();
      a.commitIndex = 1;
      expect(look()).toBe(verdict);
    }
  });

  test('a committed entry that leaves the disk of somebody whom its majority needs', () => {
    const { disks, a, b, look } = stage([1], ['a', 'b', 'd']);
    a.log = [entry(1)];
    b.log = [entry(1)];
    a.commitIndex = 1;
    expect(look()).toBeNull();
    disks.get('d')?.holds([]);
    expect(look()).toBeNull();
    disks.get('b')?.holds([]);
    expect(look()).toBe('committed is durable');
  });

  test('4.1: a later configuration with a majority of which nobody has what is committed', () => {
    const rest = { learners: [], learnersNext: [], staging: [], autoLeave: false };
    for (const [voters, outgoing, verdict] of [
      [['a', 'b', 'c', 'd'], [], null],
      [['a', 'd', 'e'], ['a', 'b', 'c'], null],
      [['a', 'd', 'e'], [], 'quorum log'],
    ] as const) {
      const { a, b, look } = stage([1], ['a', 'b']);
      a.log = [entry(1)];
      b.log = [entry(1)];
      a.commitIndex = 1;
      expect(look()).toBeNull();
      const command = encodeConfiguration({ voters, outgoing, ...rest });
      b.log = [entry(1), { term: 1, kind: 'configuration', command }];
      expect(look()).toBe(verdict);
    }
  });

  test('a commit of what is on too few disks', () => {
    const { a, look } = stage([]);
    a.log = [entry(1)];
    a.commitIndex = 1;
    expect(look()).toBe('committed is durable');
  });
});

describe('the history objects to', () => {
  const scene = () => {
    const world = new World({ seed: 1 });
    return { world, history: new History(world) };
  };
  const [one, two] = [encodeCommand(1), encodeCommand(2)];

  test('different commands at one index', () => {
    const { world, history } = scene();
    history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(world, () => history.applied('b', 1, 1, two, encodeNumber(0)))).toBe(
      'state machine safety',
    );
  });

  test('different results at one index', () => {
    const { world, history } = scene();
    history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(world, () => history.applied('b', 1, 1, one, encodeNumber(1)))).toBe(
      'results are equal everywhere',
    );
  });

  test('an operation that is applied at two places', () => {
    const { world, history } = scene();
    history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(world, () => history.applied('a', 2, 1, one, encodeNumber(1)))).toBe('exactly once');
  });

  test('an acknowledgement of what nobody applied, and one with the result of another', () => {
    const { world, history } = scene();
    history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(world, () => history.told('client', 2, 2, encodeNumber(1)))).toBe(
      'what is acknowledged was applied',
    );
    const other = scene();
    other.history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(other.world, () => other.history.told('client', 1, 1, encodeNumber(7)))).toBe(
      'a client gets the result of its own operation',
    );
  });

  test('a barrier before what was acknowledged, and one that is not applied where it is passed', () => {
    const behind = scene();
    const pass = (index: number, appliedIndex: number) => () =>
      behind.history.passed('client', 3, { index, appliedIndex });
    expect(brokenBy(behind.world, pass(4, 4))).toBeNull();
    expect(brokenBy(behind.world, pass(3, 9))).toMatch(/^a barrier lies behind/);
    const unapplied = scene();
    expect(
      brokenBy(unapplied.world, () => unapplied.history.passed('client', 3, { index: 5, appliedIndex: 4 })),
    ).toMatch(/is applied where it is passed$/);
  });

  test('a read that misses what was acknowledged, what another read has seen, or what it was told of', () => {
    const { world, history } = scene();
    const read = (behind: number, index: number, appliedIndex: number) => () =>
      history.read('client', behind, { index, appliedIndex });
    expect(brokenBy(world, read(3, 3, 5))).toBeNull();
    expect(history.observedIndex).toBe(5);
    expect(brokenBy(world, read(history.observedIndex, 4, 4))).toMatch(/^a read never misses/);
    const unapplied = scene();
    expect(
      brokenBy(unapplied.world, () => unapplied.history.read('client', 1, { index: 3, appliedIndex: 2 })),
    ).toMatch(/^a read never misses/);
  });

  test('a replica that in the end lacks what was acknowledged, or has it twice', () => {
    const { world, history } = scene();
    history.applied('a', 1, 1, one, encodeNumber(0));
    history.told('client', 1, 1, encodeNumber(0));
    const holding = (...operations: number[]) => ({ operations, registers: new Map<number, number>() });
    expect(brokenBy(world, () => history.verify('a', holding(1)))).toBeNull();
    expect(brokenBy(world, () => history.verify('a', holding(2)))).toBe('no acknowledged write is lost');
    const other = scene();
    expect(brokenBy(other.world, () => other.history.verify('a', holding(1, 1)))).toBe('exactly once');
  });

  test('an operation that was refused as not done, and is applied before or after its client was told so', () => {
    const [after, before, other] = [scene(), scene(), scene()];
    after.history.refused('client', 1);
    expect(brokenBy(after.world, () => after.history.applied('a', 1, 1, one, encodeNumber(0)))).toBe(
      'what is refused as not done is never done',
    );
    before.history.applied('a', 1, 1, one, encodeNumber(0));
    expect(brokenBy(before.world, () => before.history.refused('client', 1))).toBe(
      'what is refused as not done is never done',
    );
    other.history.refused('client', 2);
    expect(brokenBy(other.world, () => other.history.applied('a', 1, 1, one, encodeNumber(0)))).toBeNull();
  });

  test('a snapshot with other operations than were applied, or other registers', () => {
    for (const [operations, registers, verdict] of [
      [[1], [[0, 1]], null],
      [[2], [[0, 1]], 'a snapshot holds what was applied up to its index'],
      [[1], [], 'a snapshot holds what was applied up to its index'],
      [[1], [[0, 2]], 'a snapshot holds what was applied up to its index'],
    ] as const) {
      const { world, history } = scene();
      history.applied('a', 1, 1, one, encodeNumber(0));
      const held = { operations, registers: new Map(registers) };
      expect(brokenBy(world, () => history.installed('b', 1, held))).toBe(verdict);
    }
  });
});

describe('the witness of durability', () => {
  /** A storage that takes everything and gives back what a test says. */
  const scene = () => {
    const world = new World({ seed: 1 });
    const witness = new DurabilityWitness(world, 'a');
    const waiting: (() => void)[] = [];
    let held = { hardState: { term: 0, vote: null as string | null }, entries: [] as number[] };
    const storage = witness.watch({
      recover: (_group, done) => {
        const entries = held.entries.map((term, at) => ({
          index: at + 1,
          term,
          kind: 'noop' as const,
          session: null,
          command: new Uint8Array(0),
        }));
        done({ ok: true, value: { hardState: held.hardState, base: { index: 0, term: 0 }, entries } });
      },
      write: (_group, _write, done) => void waiting.push(() => done({ ok: true, value: undefined })),
    });
    const write = (
      terms: readonly number[],
      from: number,
      vote: string | null,
      truncateAfter: number | null = null,
    ) =>
      storage.write(
        0,
        {
          hardState: vote === null ? null : { term: 1, vote },
          base: null,
          truncateAfter,
          entries: terms.map((term, at) => ({
            index: from + at,
            term,
            kind: 'noop',
            session: null,
            command: new Uint8Array(0),
          })),
        },
        () => undefined,
      );
    const complete = (): void => waiting.splice(0).forEach((done) => done());
    const comesBack = (vote: string | null, terms: number[]): string | null =>
      brokenBy(world, () => {
        held = { hardState: { term: vote === null ? 0 : 1, vote }, entries: terms };
        storage.recover(0, () => undefined);
      });
    return { write, complete, comesBack, witness };
  };

  test('accepts that what was not reported durable is lost or there', () => {
    for (const terms of [[], [1], [1, 1]]) {
      const { write, comesBack } = scene();
      write([1, 1], 1, null);
      expect(comesBack(null, terms)).toBeNull();
    }
  });

  test('objects to a durable entry that is lost, changed, or a vote that is forgotten', () => {
    for (const [vote, terms] of [
      ['b', [1]],
      ['b', [1, 2]],
      [null, [1, 1]],
    ] as const) {
      const { write, complete, comesBack } = scene();
      write([1, 1], 1, 'b');
      complete();
      expect(comesBack(vote, [...terms])).toBe('what is durable survives a restart');
    }
  });

  test('accepts a truncation under way, done or not, and objects to the loss of what lies before it', () => {
    for (const [terms, verdict] of [
      [[1, 1, 1], null],
      [[1], null],
      [[1, 2], null],
      [[], 'what is durable survives a restart'],
    ] as const) {
      const { write, complete, comesBack } = scene();
      write([1, 1, 1], 1, 'b');
      complete();
      write([2], 2, null, 1);
      expect(comesBack('b', [...terms])).toBe(verdict);
    }
  });

  test('takes what came back for durable from then on', () => {
    const { write, comesBack, witness } = scene();
    write([1, 1], 1, null);
    expect(comesBack(null, [1, 1])).toBeNull();
    expect(witness.termAt(2)).toBe(1);
    expect(comesBack(null, [1])).toBe('what is durable survives a restart');
  });
});
