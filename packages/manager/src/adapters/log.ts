import type { Raft, RaftEvent, RaftStatus } from '@cluster/raft';
import type { LogChange, LogComponent, LogStatus } from '../components.ts';
import { pump } from './pump.ts';

export function logComponent(raft: Raft, onError: (error: unknown) => void): LogComponent {
  const listeners: ((change: LogChange) => void)[] = [];
  pump(
    raft.events(),
    (event) => {
      const change = event.type === 'MembersChanged' ? membersChanged(event) : event;
      for (const listener of listeners) listener(change);
    },
    onError,
  );
  return {
    propose: (command, options) => raft.propose(command, options),
    openSession: (options) => raft.openSession(options),
    sessionOwner: (clientId) => raft.sessionOwner(clientId),
    // Nothing is written for it: a read index rather than an entry in the log.
    barrier: (options) => raft.read(options),
    status: () => statusOf(raft.status()),
    changeMembers: (changes, options) => raft.changeMembers(changes, options),
    onEvent: (listener) => void listeners.push(listener),
    stop: () => raft.stop(),
  };
}

const membersChanged = ({
  configuration: { voters, learners },
  index,
}: Extract<RaftEvent, { type: 'MembersChanged' }>): LogChange => ({
  type: 'MembersChanged',
  voters,
  learners,
  index,
});

function statusOf(status: RaftStatus): LogStatus {
  const { nodeId, leftOut, configuration } = status;
  const { voters, outgoing, learners } = configuration;
  const has = (names: readonly string[]): boolean => !leftOut && names.includes(nodeId);
  const standing = has([...voters, ...outgoing]) ? 'voter' : has(learners) ? 'learner' : 'none';
  return { ...status, learners, membersIndex: status.configurationIndex, standing };
}
