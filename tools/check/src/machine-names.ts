import type { AnyTransitionDefinition } from 'xstate';

interface Named {
  readonly type?: string;
  readonly guards?: readonly unknown[];
}

// What xstate itself adds for `after`: the diagram shows the delay instead.
const timers = new Set(['xstate.raise', 'xstate.cancel']);

/** The names of actions, in their order; an action without a name shows as `(anonymous)`. */
export function actionNames(actions: readonly unknown[]): string[] {
  return actions
    .map(nameOf)
    .filter((name) => !timers.has(name))
    .map((name) => name.replace(/^xstate\./, ''));
}

function nameOf(item: unknown): string {
  if (typeof item === 'string') return item;
  const { type } = item as Named;
  return type ?? '(anonymous)';
}

/** A guard as it reads: `a`, `!a`, `a && b`, `a || b`. */
export function guardName(guard: unknown): string {
  const guards = (guard as Named).guards;
  if (typeof guard !== 'function' || guards === undefined) return nameOf(guard);
  const names = guards.map((inner) => {
    const name = guardName(inner);
    return name.includes(' ') ? `(${name})` : name;
  });
  if (guard.name === 'not') return `!${names.join('')}`;
  return names.join(guard.name === 'and' ? ' && ' : ' || ');
}

/** The event of a transition as a reader says it: `ACK`, `after probeTimeout`, `done`; empty for `always`. */
export function eventName(transition: AnyTransitionDefinition): string {
  const { eventType } = transition;
  if (eventType.startsWith('xstate.done.state.')) return 'done';
  if (eventType === '*') return 'any other event';
  if (!eventType.startsWith('xstate.after.')) return eventType;
  const delay = String((transition as { readonly delay?: string | number }).delay);
  return /^\d+$/.test(delay) ? `after ${delay} ms` : `after ${delay}`;
}
