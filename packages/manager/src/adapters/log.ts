import type { Raft } from '@cluster/raft';
import type { LogChange, LogComponent } from '../components.ts';
import { pump } from './pump.ts';

export function logComponent(raft: Raft, onError: (error: unknown) => void): LogComponent {
  const listeners: ((change: LogChange) => void)[] = [];
  pump(
    raft.events(),
    (event) => {
      // Who the members are is read from the status.
      if (event.type === 'MembersChanged') return;
      for (const listener of listeners) listener(event);
    },
    onError,
  );
  return {
    propose: (command, options) => raft.propose(command, options),
    openSession: (options) => raft.openSession(options),
    sessionOwner: (clientId) => raft.sessionOwner(clientId),
    // Nothing is written for it: a read index rather than an entry in the log.
    barrier: (options) => raft.read(options),
    status: () => raft.status(),
    onEvent: (listener) => void listeners.push(listener),
    stop: () => raft.stop(),
  };
}
