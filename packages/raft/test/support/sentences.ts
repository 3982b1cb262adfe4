/** What nodes say and do, in the words of the stories: `3@2` is the entry at index 3 that a leader of term 2 made. */
import { ByteReader } from '../../src/bytes.ts';
import { readConfiguration } from '../../src/configuration-codec.ts';
import type { Configuration, Entry, EntryKind, RaftEffect, RaftMessage } from '../../src/index.ts';
import type { Verdict } from '../../src/core/types.ts';

type Answer = Extract<RaftEffect, { type: 'respond' }>['answer'];

interface Written {
  readonly kind: EntryKind;
  readonly command: Uint8Array;
}

const list = (names: readonly string[]): string => names.join(' ') || 'nobody';

/** `a b c, learning: d`; a joint one names both halves. */
export function membersInWords(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext, staging, autoLeave } = configuration;
  const learning = learners.map((name) => (staging.includes(name) ? `${name} (to be a voter)` : name));
  return [
    outgoing.length === 0 ? list(voters) : `both of ${list(outgoing)} and of ${list(voters)}`,
    ...(learning.length === 0 ? [] : [`learning: ${list(learning)}`]),
    ...(learnersNext.length === 0 ? [] : [`learning afterwards: ${list(learnersNext)}`]),
    ...(outgoing.length === 0 || autoLeave ? [] : ['until told otherwise']),
  ].join(', ');
}

export function draftInWords({ kind, command }: Written): string {
  switch (kind) {
    case 'command':
      return new TextDecoder().decode(command);
    case 'noop':
      return 'empty';
    case 'openSession':
      return 'session';
    case 'barrier':
      return 'barrier';
    case 'configuration':
      return `[members ${membersInWords(readConfiguration(new ByteReader(command)))}]`;
  }
}

export const place = (index: number, term: number): string => (index === 0 ? 'nothing' : `${index}@${term}`);

export const entryInWords = (entry: Entry): string =>
  `${place(entry.index, entry.term)} ${draftInWords(entry)}`;

const verdictInWords = (verdict: Verdict): string =>
  verdict.status === 'applied' ? `applied at ${place(verdict.index, verdict.term)}` : verdict.status;

/** What the caller of a proposal or a read is told. */
export function answerInWords(answer: Answer): string {
  if (answer.status === 'applied')
    return `applied at ${place(answer.index, answer.term)}${answer.result.length === 0 ? '' : `, result ${answer.result.join(' ')}`}`;
  return `${answer.status}, ${answer.submitted ? 'and it may be in the log' : 'and no leader ever had it'}`;
}

/** Heartbeats and their answers: of interest only when they differ from those before. */
export const isRoutine = ({ message }: { readonly message: RaftMessage }): boolean =>
  message.type === 'appendAccepted' || (message.type === 'append' && message.entries.length === 0);

export function messageInWords(message: RaftMessage): string {
  const { term } = message;
  switch (message.type) {
    case 'voteRequest': {
      const why = message.invited === true ? ' The leader wants it.' : '';
      const log = `My log ends with ${place(message.lastIndex, message.lastTerm)}.`;
      return `${message.pre ? 'Would you vote' : 'Vote'} for me in term ${term}?${why} ${log}`;
    }
    case 'voteResponse':
      if (!message.granted) return `No${message.pre ? ', I would not' : ''}. I am in term ${term}.`;
      return message.pre ? `I would, in term ${term}.` : `You have my vote in term ${term}.`;
    case 'append': {
      const what = message.entries.map(entryInWords).join(', ') || 'nothing new';
      const after = place(message.prevIndex, message.prevTerm);
      return `I lead term ${term}. After ${after}: ${what}. Committed: ${message.commit}.`;
    }
    case 'appendAccepted':
      return `Term ${term}: I have your log up to ${message.match}.`;
    case 'appendRejected': {
      const hint = place(message.hintIndex, message.hintTerm);
      return `Term ${term}: not after ${message.rejected}. We may agree up to ${hint}.`;
    }
    case 'commit':
      return `I lead term ${term}. Committed: ${message.commit}.`;
    case 'propose':
      return `Leader of term ${term}, please put ${message.drafts.map(draftInWords).join(', ')}.`;
    case 'proposed':
      return `What you gave me: ${verdictInWords(message.verdict)}.`;
    case 'confirm':
      return `Is term ${term}, which I lead, the latest you know?`;
    case 'confirmed':
      return `The latest I know is term ${term}.`;
    case 'readRequest':
      return `Leader of term ${term}, how far must a read see?`;
    case 'readAnswer':
      return `A read must see all up to ${message.index}.`;
    case 'timeoutNow':
      return `I lead term ${term}. Stand at once.`;
    case 'snapshotPiece': {
      const { snapshot, offset, bytes } = message;
      const which = `my snapshot of all up to ${place(snapshot.index, snapshot.term)}`;
      if (bytes.length === 0) return `I lead term ${term}. How much do you have of ${which}?`;
      return `I lead term ${term}. Of ${which}: bytes ${offset} to ${offset + bytes.length} of ${snapshot.bytes}.`;
    }
    case 'snapshotAnswer':
      if (message.status === 'more') return `Term ${term}: go on from byte ${message.offset}.`;
      if (message.status === 'done') return `Term ${term}: I have all up to ${message.index}.`;
      return `Term ${term}: ${message.status}.`;
    case 'leftOut':
      return `The members agreed on up to ${place(message.index, message.indexTerm)} leave you out.`;
  }
}
