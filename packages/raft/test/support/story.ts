/**
 * Stories: text files that drive several cores and record what came of it. A line that begins with `> ` is a command, the indented
 * lines behind it are its record, and the rest is told by a person. Telling a story means writing it again, records included;
 * it holds when that changes nothing.
 */
import type { CoreConfig, MemberKind, Transition } from '../../src/index.ts';
import { Stage } from './stage.ts';

const kinds: Readonly<Record<string, MemberKind>> = {
  voter: 'voter',
  learner: 'learner',
  staged: 'staged',
  removed: 'removed',
};

function changesOf(text: string): Readonly<Record<string, MemberKind>> {
  const pairs = text.split(', ').map((part): [string, MemberKind] => {
    const [name = '', kind = ''] = part.split(' ');
    const becomes = kinds[kind];
    if (becomes === undefined) throw new Error(`nobody becomes "${kind}"`);
    return [name, becomes];
  });
  return Object.fromEntries(pairs);
}

const transitions: Readonly<Record<string, Transition>> = {
  '': 'auto',
  ' jointly': 'joint',
  ' by hand': 'explicit',
};

/** `somebody leads`, `a leads`, `a stands`, `a stops leading`. */
function claimOf(stage: Stage, text: string): () => boolean {
  if (text === 'somebody leads') return () => stage.leads();
  const [, name = '', claim = ''] = /^(\w) (leads|stands|stops leading)$/.exec(text) ?? [];
  if (claim === '') throw new Error(`no such claim: ${text}`);
  const { core } = stage.up(name).bench;
  if (claim === 'stops leading') return () => core.role !== 'leader';
  const role = claim === 'leads' ? 'leader' : 'candidate';
  return () => core.role === role;
}

type Command = readonly [form: RegExp, run: (stage: Stage, ...words: (string | undefined)[]) => void];

const commands: readonly Command[] = [
  [/^(\w) joins$/, (stage, name = '') => stage.join(name)],
  [/^pass (\d+) ms$/, (stage, ms) => void stage.pass(Number(ms))],
  [
    /^until (.+)$/,
    (stage, claim = '') => {
      if (!stage.pass(10_000, claimOf(stage, claim))) throw new Error('it does not come to that in 10 s');
    },
  ],
  [/^(\w) times out$/, (stage, name = '') => stage.timeOut(name)],
  [
    /^(\w) proposes (\S+)(?: as (\d+\.\d+))?$/,
    (stage, name = '', command = '', session) => stage.propose(name, command, session),
  ],
  [/^(\w) opens a session$/, (stage, name = '') => stage.openSession(name)],
  [/^(\w) reads$/, (stage, name = '') => stage.read(name)],
  [/^(\w) takes a snapshot$/, (stage, name = '') => stage.snapshot(name)],
  [/^(\w) hands over to (\w)$/, (stage, name = '', to = '') => stage.transfer(name, to)],
  [
    /^(\w) changes members( jointly| by hand|): (.+)$/,
    (stage, name = '', how = '', changes = '') =>
      stage.change(name, changesOf(changes), transitions[how] ?? 'auto'),
  ],
  [/^(\w) leaves the joint configuration$/, (stage, name = '') => stage.change(name, {}, 'leave')],
  [/^crash (\w)$/, (stage, name = '') => stage.crash(name)],
  [/^restart (\w)$/, (stage, name = '') => stage.restart(name)],
  [/^the disk of (\w) stalls$/, (stage, name = '') => stage.stallDisk(name)],
  [/^the disk of (\w) is done$/, (stage, name = '') => stage.freeDisk(name)],
  [/^the disk of (\w) fails$/, (stage, name = '') => stage.failDisk(name)],
  [
    /^cut ([\w ]+(?: \| [\w ]+)*)$/,
    (stage, sides = '') => stage.cut(sides.split(' | ').map((side) => side.split(' '))),
  ],
  [/^heal$/, (stage) => stage.heal()],
  [/^hold (\w) -> (\w)$/, (stage, from = '', to = '') => stage.hold(from, to)],
  [
    /^release( the first)? (\w) -> (\w)( twice)?$/,
    (stage, first, from = '', to = '', twice) =>
      stage.release(from, to, { isOnlyFirst: first !== undefined, times: twice === undefined ? 1 : 2 }),
  ],
  [/^show$/, (stage) => stage.show()],
];

/** `group a b c with preVote false, snapshotEntries 4, led by a`. */
function stageOf(line: string): Stage {
  const [, names = '', config, leader] =
    /^group ([\w ]+?)(?: with (.+?))?(?:, led by (\w))?$/.exec(line) ?? [];
  if (names === '') throw new Error('a story begins with a group');
  const keys = config?.split(', ').map((part) => part.split(' ')) ?? [];
  const values = keys.map(([key = '', value = '']) => [key, JSON.parse(value) as unknown]);
  const stage = new Stage(names.split(' '), Object.fromEntries(values) as Partial<CoreConfig>);
  if (leader !== undefined) stage.begin(leader);
  return stage;
}

function perform(stage: Stage, line: string): void {
  for (const [form, run] of commands) {
    const match = form.exec(line);
    if (match !== null) return run(stage, ...match.slice(1));
  }
  throw new Error('no such command');
}

/** @returns the story as it goes today: its prose and commands, with new records. */
export function tell(story: string): string {
  let stage: Stage | undefined;
  const lines = story.split('\n').filter((line) => !line.startsWith('  '));
  const told = lines.flatMap((line, i) => {
    if (!line.startsWith('> ')) return [line];
    try {
      const command = line.slice(2);
      if (stage === undefined) stage = stageOf(command);
      else perform(stage, command);
      return [line, ...stage.takeRecord()];
    } catch (cause) {
      throw new Error(`"${line}", command of line ${i + 1} without records: ${(cause as Error).message}`, {
        cause,
      });
    }
  });
  return told.join('\n');
}
