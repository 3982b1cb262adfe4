import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  committedIndex,
  jointCommittedIndex,
  jointVoteResult,
  majorityOf,
  voteResult,
} from '../src/index.ts';
import { vectorFolder } from './support/vectors.ts';

describe('a majority', () => {
  it('is more than half', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(majorityOf)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });

  it('has acknowledged what its slowest member has', () => {
    const acknowledged = new Map([
      ['a', 9],
      ['b', 5],
      ['c', 7],
      ['d', 1],
      ['e', 6],
    ]);
    const at = (voter: string): number => acknowledged.get(voter) ?? 0;
    expect(committedIndex(['a'], at)).toBe(9);
    expect(committedIndex(['a', 'b'], at)).toBe(5);
    expect(committedIndex(['a', 'b', 'c'], at)).toBe(7);
    expect(committedIndex(['a', 'b', 'c', 'd'], at)).toBe(5);
    expect(committedIndex(['a', 'b', 'c', 'd', 'e'], at)).toBe(6);
    expect(committedIndex(['a', 'x', 'y'], at)).toBe(0);
    expect(committedIndex([], at)).toBe(Infinity);
  });
});

describe('a joint majority', () => {
  const joint = { incoming: ['a', 'b', 'c'], outgoing: ['c', 'd', 'e'] };

  it('4.3: has acknowledged what the slower of both majorities has', () => {
    const acknowledged = { a: 9, b: 8, c: 7, d: 3, e: 5 } as Readonly<Record<string, number>>;
    const at = (voter: string): number => acknowledged[voter] ?? 0;
    expect(jointCommittedIndex(joint, at)).toBe(5);
    expect(jointCommittedIndex({ incoming: joint.outgoing, outgoing: joint.incoming }, at)).toBe(5);
    expect(jointCommittedIndex({ incoming: joint.incoming, outgoing: [] }, at)).toBe(8);
  });

  it('4.3: grants a vote when both do, and refuses it when one does', () => {
    const result = (granted: string, refused: string): string =>
      jointVoteResult(joint, (voter) =>
        granted.includes(voter) ? true : refused.includes(voter) ? false : undefined,
      );
    expect(result('abc', '')).toBe('pending');
    expect(result('abcd', '')).toBe('won');
    expect(result('ac', 'de')).toBe('lost');
    expect(result('de', 'ab')).toBe('lost');
    expect(result('cde', '')).toBe('pending');
    expect(result('', '')).toBe('pending');
  });
});

interface Case {
  readonly command: string;
  readonly voters: readonly string[];
  /** Null for a plain majority. */
  readonly joint: readonly string[] | null;
  readonly values: readonly string[];
  readonly expected: string;
}

/** `command args` / `----` / expected lines, up to a blank line. */
function cases(text: string): Case[] {
  const list = (line: string, key: string): string[] =>
    new RegExp(`${key}=\\(([^)]*)\\)`)
      .exec(line)?.[1]
      ?.split(/[\s,]+/)
      .filter(Boolean) ?? [];
  const found: Case[] = [];
  const lines = text.split('\n');
  for (const [at, line] of lines.entries()) {
    if (!/^(committed|vote)\b/.test(line) || lines[at + 1] !== '----') continue;
    const rest = lines.slice(at + 2);
    const expected = rest.slice(0, rest.indexOf('')).at(-1) ?? '';
    found.push({
      command: line.split(' ')[0] ?? '',
      voters: list(line, 'cfg'),
      // `zero` stands for nobody.
      joint: line.includes('cfgj=') ? list(line, 'cfgj') : null,
      values: list(line, line.startsWith('vote') ? 'votes' : 'idx'),
      expected,
    });
  }
  return found;
}

/** The vectors name values in the order of the voters, by id; a voter listed twice has one. */
function byVoter(
  voters: readonly string[],
  values: readonly string[],
): { ids: string[]; of: Map<string, string> } {
  const ids = [...new Set(voters)];
  return { ids, of: new Map(ids.map((id, i) => [id, values[i] ?? '_'])) };
}

const folder = vectorFolder('quorum');

describe.skipIf(folder === null)('the majority vectors of etcd-io/raft', () => {
  const read = (name: string): Case[] => cases(readFileSync(`${folder}${name}`, 'utf8'));

  it('are there, each of them', () => {
    const files = ['majority_commit.txt', 'majority_vote.txt', 'joint_commit.txt'];
    expect(files.map((name) => read(name).length)).toEqual([16, 22, 50]);
  });

  it('agree on what is committed', () => {
    for (const { voters, values, expected } of read('majority_commit.txt')) {
      const { ids, of } = byVoter(voters, values);
      const index = committedIndex(ids, (id) => Number(of.get(id) === '_' ? 0 : of.get(id)));
      const wanted = expected.includes('∞') ? Infinity : Number(expected);
      expect([voters, values, index]).toEqual([voters, values, wanted]);
    }
  });

  it('agree on who has won', () => {
    const verdicts = { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' } as const;
    for (const { voters, values, expected } of read('majority_vote.txt')) {
      const { ids, of } = byVoter(voters, values);
      const result = voteResult(ids, (id) => ({ y: true, n: false })[of.get(id) ?? '']);
      expect([voters, values, verdicts[result]]).toEqual([voters, values, expected]);
    }
  });

  it('agree on what is committed by two majorities', () => {
    for (const { voters, joint: outgoing, values, expected } of read('joint_commit.txt')) {
      expect(outgoing).not.toBeNull();
      const { ids, of } = byVoter([...voters, ...(outgoing ?? [])], values);
      const at = (id: string): number => Number(of.get(id) === '_' ? 0 : of.get(id));
      const parts = { incoming: [...new Set(voters)], outgoing: [...new Set(outgoing)] };
      const wanted = expected.includes('∞') ? Infinity : Number(expected);
      expect([ids, values, jointCommittedIndex(parts, at)]).toEqual([ids, values, wanted]);
    }
  });
});
