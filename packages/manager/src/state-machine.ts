/** The least a log can drive: remembers how far it is and answers every command with nothing. */
import type { StateMachine } from './ports.ts';

/** Volatile, so only for a log that is replayed from its beginning. */
export function volatileStateMachine(): StateMachine {
  return {
    restore: (done) => done({ ok: true, value: { appliedIndex: 0, sessions: [] } }),
    apply: ({ entries }, done) => done({ ok: true, value: entries.map(() => new Uint8Array(0)) }),
  };
}
