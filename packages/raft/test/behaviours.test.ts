/** The behaviours that a Raft has to show, by section of the thesis, and the tests that show them here. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

// One line a behaviour, in the order of the thesis' checklist; one that has several parts has several tests.
const shownBy: readonly (readonly string[])[] = [
  ['3.3: any message with a higher term makes its receiver a follower at that term'],
  ['3.3: a request of an old term is refused with the current one'],
  ['3.3: a node starts as a follower with the term and vote it had'],
  ['3.4: one vote per term, first come'],
  ['3.4: a repeated request of the same candidate is granted again'],
  ['3.4: a candidate yields to the leader of its term'],
  ['3.4: two leaders of a term never occur, whatever order votes come in'],
  [
    '3.4: the election timeout is drawn anew each time, within its bounds',
    '3.4: a split vote is resolved by a later election',
  ],
  ['3.4: a single voter elects itself without a message'],
  ['3.4: votes that come after the election, or from an older one, do not count'],
  ['3.6.1: no vote for a log that is less up to date, by term first and then by index'],
  ['3.5: only appends to its log, and never rewrites it'],
  ['3.5: refuses entries whose predecessor it lacks, or has from another term, with a hint'],
  ['3.5: replaces a conflicting end and keeps what agrees', '3.5: an old, short append cuts nothing off'],
  ['3.5: duplicated and reordered appends leave one log'],
  ['3.5: its commit index is the lower of the leader’s and the last new entry'],
  ['3.5: finds where the logs agree a term at a time'],
  ['3.5: commits nothing at a follower beyond where their logs are known to agree'],
  ['3.6.2: never commits an entry of an older term by counting (figure 3.7)'],
  ['3.6.2, 6.4: commits a no-op of its term first, and with it what was left'],
  ['3.6.3: are never lost or reordered at apply, over changes of leader'],
  ['3.8: term and vote are in one write, and the vote is told only after it'],
  ['3.8: acknowledges entries only when they are on its disk, as far as they are'],
  [
    'is dropped wherever it was cut, and what comes after takes its place',
    'in the middle refuses to serve, and names the file and the offset, whatever bit it is',
  ],
  [
    'finds everything that was reported done, and nothing that never was, over 150 lives of crashes',
    'does not start on a log that is behind its state machine',
  ],
  ['3.9: a failed leader is replaced within a second and a half, under fifty seeds'],
  [
    '3.10: waits until the other has the whole log, and then tells it to stand',
    '3.10: stands at once, in the next term, without asking before',
  ],
  ['3.10: stops taking proposals, its own and those of others, and gives up after an election timeout'],
  [
    '3.10: refuses a target that is removed, demoted or a learner',
    '3.10: handles a target that is itself, is no voter, or comes second',
  ],
  ['4.1: takes effect on append at a follower, and reverts on truncation'],
  ['4.1: a second change is refused while one is uncommitted, and taken afterwards'],
  ['4.1: no change is begun before this leader has committed an entry of its term (erratum of 2015)'],
  ['4.2.1: catches up and is never counted in a quorum'],
  ['4.2.2: a removed leader manages, uncounted, until that is committed, then steps down'],
  ['4.2.3: a node that hears a leader ignores candidates, their terms too'],
  ['4.3: needs both majorities for commits', '4.3: needs both majorities for votes and for reads'],
  ['4.3: auto-leave survives a crash of the leader in the joint state'],
  [
    '4.3: a voter is demoted via learnersNext: it votes until the joint configuration is left',
    '4.3: is restored from a snapshot, and what the log says behind it counts from then on',
  ],
  ['5.1: carries the last index and term, the configuration and the client sessions'],
  [
    '5.1: 40, keeps what follows the snapshot in its log when that matches',
    '5.1: 40, ignores one that is older than what it has committed',
  ],
  [
    '5.1: 41, goes on from where it was when the leader comes back after a silence',
    '5.1: 41, gets all of it though pieces are lost, doubled and late',
    '5.1: 41, refuses a snapshot that was damaged on the way, and gets another',
  ],
  ['5.1: 42, gets a snapshot, and then entries again'],
  ['6.3: 43, applies a retried command once, over a snapshot and a change of leader'],
  [
    'that is not open is refused, on every replica alike',
    '6.3: 44, refuses an expired session, on a replica that knows of it from a snapshot only, too',
  ],
  ['6.4: waits for a quorum round after a commit of the current term'],
  ['6.4: is never served by a leader that was deposed'],
  [
    '6.4.1: 47, refuses its lease when the bound is uncertain: after a pause, a jump of the clock, or word of either',
  ],
  [
    '9.6: the term of an isolated node stays flat, and its return unseats nobody',
    '9.6: granting a pre-vote touches no timer, no term and no disk',
  ],
  [
    '6.2: a leader without a majority steps down, and the others go on',
    '9.6: nodes with and without pre-vote find a leader together',
    '9.6: a node without pre-vote comes back with a higher term, and unseats the leader once',
  ],
  [
    '10.2.1: counts its own entry only when it is on its disk',
    '10.2.1: does not count the disk’s word for an entry that was cut off, though it leads again',
    'is fed without waiting once it agrees',
    'gets no more messages at once than the window allows, and the rest in batches',
    '10.2: uncommitted entries are capped: beyond it a proposal is refused, and taken again later',
  ],
];

describe('the behaviours of the thesis', () => {
  const folder = import.meta.dirname;
  const sources = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts') && name !== 'behaviours.test.ts')
    .map((name) => readFileSync(`${folder}/${name}`, 'utf8'));

  it('are fifty, each part of each shown by a test of that name', () => {
    const names = shownBy.flat();
    const missing = names.filter((name) => !sources.some((source) => source.includes(`it('${name}'`)));
    expect(missing).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(shownBy.filter((parts) => parts.length > 0)).toHaveLength(50);
  });
});
