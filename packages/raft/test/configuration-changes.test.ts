import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Configuration, membersOf, votersOnly } from '../src/core/configuration.ts';
import {
  type Changed,
  type ChangeProblem,
  enterJoint,
  leaveJoint,
  type MemberChange,
  simpleChange,
} from '../src/core/configuration-changes.ts';
import { vectorFolder } from './support/vectors.ts';

const after = (changed: Changed): Configuration => {
  if ('problem' in changed) throw new Error(changed.problem);
  return changed.configuration;
};

describe('a change of configuration', () => {
  it('4.1: alters one voter at a time, so that any two majorities overlap', () => {
    const three = votersOnly(['a', 'b', 'c']);
    expect(after(simpleChange(three, [{ nodeId: 'd', becomes: 'voter' }])).voters).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
    const two: MemberChange[] = [
      { nodeId: 'd', becomes: 'voter' },
      { nodeId: 'a', becomes: 'removed' },
    ];
    expect(simpleChange(three, two)).toEqual({ problem: 'needsJoint' });
    expect(after(enterJoint(three, two, true))).toMatchObject({
      voters: ['b', 'c', 'd'],
      outgoing: ['a', 'b', 'c'],
      autoLeave: true,
    });
  });

  it('never leaves a group without voters', () => {
    const removal: MemberChange[] = [{ nodeId: 'a', becomes: 'removed' }];
    expect(simpleChange(votersOnly(['a']), removal)).toEqual({ problem: 'noVoters' });
    expect(enterJoint(votersOnly(['a']), removal, false)).toEqual({ problem: 'noVoters' });
  });

  it('4.2.1: a staged learner counts nowhere, and is staged no longer once it is anything else', () => {
    const staged = after(simpleChange(votersOnly(['a']), [{ nodeId: 'b', becomes: 'staged' }]));
    expect(staged).toMatchObject({ voters: ['a'], learners: ['b'], staging: ['b'] });
    const changed = (becomes: MemberChange['becomes']): Configuration =>
      after(simpleChange(staged, [{ nodeId: 'b', becomes }]));
    expect(changed('voter')).toMatchObject({ voters: ['a', 'b'], learners: [], staging: [] });
    expect(changed('learner')).toMatchObject({ voters: ['a'], learners: ['b'], staging: [] });
    expect(changed('removed')).toEqual(votersOnly(['a']));
  });
});

// What the vectors say, in our words.
const problems: Readonly<Record<string, ChangeProblem>> = {
  'config is already joint': 'alreadyJoint',
  "can't apply simple config change in joint config": 'alreadyJoint',
  "can't leave a non-joint config": 'notJoint',
  "can't make a zero-voter config joint": 'noVoters',
};

const kinds = { v: 'voter', l: 'learner', r: 'removed' } as const;

/** `v1 l2 r3 u4`; an update changes nothing, and node 0 stands for nobody. */
const changesOf = (text: string): MemberChange[] =>
  text
    .split(/\s+/)
    .filter((token) => /^[vlr][1-9]/.test(token))
    .map((token) => ({ nodeId: token.slice(1), becomes: kinds[token[0] as keyof typeof kinds] }));

/** As the vectors write it. */
function written({ voters, outgoing, learners, learnersNext, autoLeave }: Configuration): string {
  const list = (name: string, ids: readonly string[]): string =>
    ids.length === 0 ? '' : ` ${name}=(${ids.join(' ')})`;
  const joint = outgoing.length === 0 ? '' : `&&(${outgoing.join(' ')})`;
  const rest = `${list('learners', learners)}${list('learners_next', learnersNext)}${autoLeave ? ' autoleave' : ''}`;
  return `voters=(${voters.join(' ')})${joint}${rest}`;
}

interface Vector {
  readonly command: string;
  readonly input: string;
  readonly expected: readonly string[];
}

function vectorsOf(text: string): Vector[] {
  const vectors: Vector[] = [];
  for (const block of text.replace(/^#.*\n/gm, '').split(/\n(?=simple|enter-joint|leave-joint)/)) {
    const [before = '', expected = ''] = block.split('\n----\n');
    const [command = '', ...input] = before.trim().split('\n');
    if (command !== '')
      vectors.push({ command, input: input.join(' '), expected: expected.trim().split('\n') });
  }
  return vectors;
}

/** And how many each holds. */
const vectorFiles = [
  ['joint_autoleave.txt', 4],
  ['joint_idempotency.txt', 3],
  ['joint_learners_next.txt', 3],
  ['joint_safety.txt', 15],
  ['simple_idempotency.txt', 11],
  ['simple_promote_demote.txt', 7],
  ['update.txt', 3],
  ['zero.txt', 1],
] as const;

const folder = vectorFolder('confchange');

describe.skipIf(folder === null)('the configuration vectors of etcd-io/raft', () => {
  it('are there, each of them', () => {
    expect(readdirSync(folder ?? '').sort()).toEqual(vectorFiles.map(([file]) => file));
  });

  it.each(vectorFiles)('%s, %i steps', (file, steps) => {
    let now: Configuration = votersOnly([]);
    // Where each member's log began to be fed: the step in which it came, the first counting as one.
    const begun = new Map<string, number>();
    const vectors = vectorsOf(readFileSync(`${folder}${file}`, 'utf8'));
    expect(vectors).toHaveLength(steps);
    for (const [step, { command, input, expected }] of vectors.entries()) {
      const changes = changesOf(input);
      const changed = command.startsWith('enter-joint')
        ? enterJoint(now, changes, command.includes('autoleave=true'))
        : command === 'leave-joint'
          ? leaveJoint(now)
          : simpleChange(now, changes);
      if (!('problem' in changed)) now = changed.configuration;
      const members = [...membersOf(now)].sort();
      for (const id of begun.keys()) if (!members.includes(id)) begun.delete(id);
      for (const id of members) if (!begun.has(id)) begun.set(id, Math.max(step, 1));
      const lines = members.map(
        (id) =>
          `${id}: StateProbe match=0 next=${begun.get(id)}${now.learners.includes(id) ? ' learner' : ''}`,
      );
      const said = 'problem' in changed ? [changed.problem] : [written(now), ...lines];
      expect([step, ...said]).toEqual([step, ...expected.map((line) => problems[line] ?? line)]);
    }
  });
});
