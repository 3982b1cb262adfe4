/**
 * Mutants of a statechart: every transition once deleted and once redirected. A machine that decides is one whose tests
 * notice each of them; a transition nobody would miss is decoration, or a missing test (mutation analysis, DeMillo 1978).
 *
 * Left alone are entries that say "ignored on purpose" (no target, no action) where no outer state would handle the event:
 * without them the machine does the same.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

export type TransitionKind = 'on' | 'after' | 'always' | 'onDone';

export interface Mutant {
  /** Unique, readable, stable while the machine's source is: `swim/probe#waiting.on.ACK.0#redirect:idle`. */
  readonly id: string;
  readonly package: string;
  readonly machine: string;
  /** Path of the state that owns the transition; empty for the root. */
  readonly state: readonly string[];
  readonly kind: TransitionKind;
  /** The event or the delay; empty for `always` and `onDone`. */
  readonly event: string;
  /** Which of the alternatives for the event. */
  readonly index: number;
  /** Id of the state node to go to instead; undefined deletes the transition. */
  readonly redirect: string | undefined;
}

interface Site {
  readonly node: AnyStateNode;
  readonly kind: TransitionKind;
  readonly event: string;
  readonly index: number;
  readonly transition: AnyTransitionDefinition;
}

export function mutantsOf(packageName: string, machine: AnyStateMachine): Mutant[] {
  return sites(machine.root).flatMap((site) => {
    const place = [...site.node.path, site.kind, site.event, site.index]
      .filter((part) => part !== '')
      .join('.');
    const make = (change: string, redirect: string | undefined): Mutant => ({
      id: `${packageName}/${machine.id}#${place}#${change}`,
      package: packageName,
      machine: machine.id,
      state: site.node.path,
      kind: site.kind,
      event: site.event,
      index: site.index,
      redirect,
    });
    const found = isVoid(site) ? [] : [make('delete', undefined)];
    const other = otherTarget(site);
    if (other !== undefined) found.push(make(`redirect:${other.path.join('.')}`, other.id));
    return found;
  });
}

function sites(node: AnyStateNode): Site[] {
  const found: Site[] = [];
  const add = (kind: TransitionKind, event: string, list: readonly AnyTransitionDefinition[] = []): void => {
    for (const [index, transition] of list.entries()) found.push({ node, kind, event, index, transition });
  };
  const { on = {}, after = {} } = node.config as { on?: object; after?: object };
  for (const event of Object.keys(on)) add('on', event, node.transitions.get(event));
  for (const delay of Object.keys(after))
    add('after', delay, node.transitions.get(`xstate.after.${delay}.${node.id}`));
  add('always', '', node.always);
  add('onDone', '', node.transitions.get(`xstate.done.state.${node.id}`));
  return [...found, ...Object.values<AnyStateNode>(node.states).flatMap(sites)];
}

function isVoid({ node, event, transition }: Site): boolean {
  if (transition.target !== undefined || transition.actions.length > 0) return false;
  for (let outer = node.parent; outer !== undefined; outer = outer.parent)
    if (outer.transitions.has(event) || outer.transitions.has('*')) return false;
  return !node.transitions.has('*') || event === '*';
}

/** A sibling of the target, the next in the source that is not where the transition starts, if there is such a one. */
function otherTarget({ node, transition }: Site): AnyStateNode | undefined {
  const target = transition.target?.[0];
  const parent = target?.parent;
  if (target === undefined || parent === undefined || parent.type === 'parallel') return undefined;
  const siblings = Object.values<AnyStateNode>(parent.states);
  const at = siblings.indexOf(target);
  const others = [...siblings.slice(at + 1), ...siblings.slice(0, at)].filter(
    ({ type }) => type !== 'history',
  );
  return others.find((state) => state !== node) ?? others[0];
}
