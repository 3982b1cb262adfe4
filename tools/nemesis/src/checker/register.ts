/**
 * The sequential specification of one key: a register that can be read, written, deleted, appended to and compared with.
 *
 * Operations fall into two kinds that a search treats differently. An observer changes nothing and holds or does not in a given
 * state; an effect leads from state to state.
 */
import type { Operation, Value } from '../history/operation.ts';

/** Whether the operation says something about the state and does nothing to it. */
export const isObserver = ({ op, status }: Operation): boolean =>
  (op === 'get' && status === 'ok') || (op === 'cas' && status === 'fail');

/** Whether nothing can be learned from the operation: it had no effect, or its answer is unknown and it has none. */
export const isSilent = (operation: Operation): boolean =>
  !isObserver(operation) && (operation.op === 'get' || operation.status === 'fail');

export const holds = ({ op, value, expect }: Operation, state: Value): boolean =>
  op === 'get' ? state === value : state !== expect;

/** Whether the state before makes no difference to the state after. */
export const isBlind = ({ op }: Operation): boolean => op === 'put' || op === 'del';

/** The state after an effect; undefined where it cannot have happened. */
export function after({ op, value, expect }: Operation, state: Value): Value | undefined {
  switch (op) {
    case 'put':
      return value;
    case 'del':
      return null;
    case 'append':
      return (state ?? '') + (value ?? '');
    case 'cas':
      return state === expect ? value : undefined;
    case 'get':
      return state;
  }
}
