/** The operations of one key as a sequence of calls and returns, with what is pending at each return. */
import type { Operation } from '../history/operation.ts';
import { isObserver, isSilent } from './register.ts';

export interface Act {
  readonly operation: Operation;
  readonly observer: boolean;
  /** Its answer never came: it may be left out. */
  readonly open: boolean;
  /** A bit of its own among those that are pending at the same time. */
  readonly bit: bigint;
}

export type TimelineEvent =
  | { readonly type: 'call'; readonly act: Act }
  | {
      readonly type: 'return';
      readonly act: Act;
      /** Called and not returned before this event, in order of call, the returning one included. */
      readonly effects: readonly Act[];
      readonly observers: readonly Act[];
    };

export function timeline(operations: readonly Operation[]): TimelineEvent[] {
  const moments: { readonly at: number; readonly returns: boolean; readonly operation: Operation }[] = [];
  for (const operation of operations) {
    if (isSilent(operation)) continue;
    moments.push({ at: operation.call, returns: false, operation });
    if (operation.status !== 'info' && operation.return !== null)
      moments.push({ at: operation.return, returns: true, operation });
  }
  // What happens at the same instant counts as overlapping: a clock's grain must not accuse anybody.
  moments.sort((a, b) => a.at - b.at || Number(a.returns) - Number(b.returns));

  const events: TimelineEvent[] = [];
  const pending = new Map<Operation, Act>();
  const freeBits: bigint[] = [];
  let bits = 0n;
  for (const { returns, operation } of moments) {
    if (!returns) {
      const open = operation.status === 'info';
      const bit = freeBits.pop() ?? 1n << bits++;
      const act: Act = { operation, observer: isObserver(operation), open, bit };
      pending.set(operation, act);
      events.push({ type: 'call', act });
      continue;
    }
    const act = pending.get(operation);
    if (act === undefined) continue;
    const all = [...pending.values()];
    events.push({
      type: 'return',
      act,
      effects: all.filter(({ observer }) => !observer),
      observers: all.filter(({ observer }) => observer),
    });
    pending.delete(operation);
    freeBits.push(act.bit);
  }
  return events;
}
