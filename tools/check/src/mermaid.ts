/**
 * A statechart as a Mermaid `stateDiagram-v2`, in UML's notation: `EVENT [guard] / actions` on the arrows; `entry /`,
 * `exit /` and what an event does without leaving the state in the state's box; descriptions as notes. Order is the
 * source's, so equal machines give equal bytes. Mermaid cannot draw an arrow from a composite state into itself: such
 * arrows start at a box named "any state".
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { actionNames, eventName, guardName } from './machine-names.ts';

// Mermaid breaks note lines at about this width itself: agree with it.
const noteColumns = 32;
const reserved = new Set(['as', 'class', 'default', 'direction', 'end', 'note', 'state', 'style']);

export function mermaidOf(machine: AnyStateMachine): string {
  const lines = ['---', `title: ${JSON.stringify(machine.id)}`, '---', 'stateDiagram-v2'];
  return `${[...lines, ...inside(machine.root, '  ')].join('\n')}\n`;
}

/** What stands between the braces of a composite state. */
function inside(node: AnyStateNode, indent: string): string[] {
  const states = Object.values<AnyStateNode>(node.states);
  const separator = node.type === 'parallel' ? [`${indent}--`] : [];
  const lines = node.type === 'parallel' ? [] : [initialArrow(node, indent)];
  for (const [index, state] of states.entries()) {
    if (index > 0) lines.push(...separator);
    lines.push(...box(state, indent));
  }
  for (const state of states) lines.push(...arrowsOut(state, indent));
  const any = anyState(node, indent);
  return any.length === 0 ? lines : [...lines, ...separator, ...any];
}

function box(node: AnyStateNode, indent: string): string[] {
  const title = `${indent}state ${JSON.stringify(node.key)} as ${idOf(node.path)}`;
  if (isComposite(node))
    return [
      `${title} {`,
      ...inside(node, `${indent}  `),
      `${indent}}`,
      ...note(node, entryAndExit(node), indent),
    ];
  const rows = [...entryAndExit(node), ...transitionsOf(node).filter(staysPut).map(describe)];
  return [title, ...rows.map((row) => `${indent}${idOf(node.path)}${label(row)}`), ...note(node, [], indent)];
}

function note(node: AnyStateNode, rows: readonly string[], indent: string): string[] {
  const text = [...wrap(node.description ?? ''), ...rows];
  if (text.length === 0) return [];
  const body = text.map((line) => `${indent}  ${line.replaceAll('%%', '%')}`);
  return [`${indent}note right of ${idOf(node.path)}`, ...body, `${indent}end note`];
}

function initialArrow(node: AnyStateNode, indent: string): string {
  const { target, actions } = node.initial;
  const [first] = (target ?? []) as readonly AnyStateNode[];
  const names = actionNames(actions);
  return `${indent}[*] --> ${idOf(first?.path ?? [])}${label(names.length > 0 ? `/ ${names.join(', ')}` : '')}`;
}

function arrowsOut(node: AnyStateNode, indent: string): string[] {
  const leaving = transitionsOf(node).filter(
    (transition) => !staysPut(transition) && !goesInside(transition),
  );
  const lines = leaving.flatMap((transition) => draw(idOf(node.path), transition, indent));
  return node.type === 'final' ? [...lines, `${indent}${idOf(node.path)} --> [*]`] : lines;
}

/** What a composite state does with an event whichever of its states is active. */
function anyState(node: AnyStateNode, indent: string): string[] {
  const own = transitionsOf(node).filter((transition) => staysPut(transition) || goesInside(transition));
  if (own.length === 0) return [];
  const id = idOf([...node.path, 'any state']);
  const rows = own.flatMap((transition) =>
    staysPut(transition) ? [`${indent}${id}${label(describe(transition))}`] : draw(id, transition, indent),
  );
  return [`${indent}state "any state" as ${id}`, ...rows];
}

const draw = (from: string, transition: AnyTransitionDefinition, indent: string): string[] =>
  (transition.target ?? []).map(
    (target) => `${indent}${from} --> ${idOf(target.path)}${label(describe(transition))}`,
  );

function describe(transition: AnyTransitionDefinition): string {
  const actions = actionNames(transition.actions);
  const words = [eventName(transition)];
  if (transition.guard !== undefined) words.push(`[${guardName(transition.guard)}]`);
  if (actions.length > 0) words.push('/', actions.join(', '));
  else if (staysPut(transition)) words.push('/ (ignored)');
  return words.join(' ').trim();
}

function entryAndExit(node: AnyStateNode): string[] {
  const entry = actionNames(node.entry);
  const exit = actionNames(node.exit);
  return [
    ...(entry.length > 0 ? [`entry / ${entry.join(', ')}`] : []),
    ...(exit.length > 0 ? [`exit / ${exit.join(', ')}`] : []),
  ];
}

const isComposite = ({ type }: AnyStateNode): boolean => type === 'compound' || type === 'parallel';

const staysPut = ({ target }: AnyTransitionDefinition): boolean => target === undefined;

const goesInside = ({ source, target = [] }: AnyTransitionDefinition): boolean =>
  isComposite(source) &&
  target.some((node) => node !== source && source.path.every((key, i) => node.path[i] === key));

const transitionsOf = (node: AnyStateNode): AnyTransitionDefinition[] => [
  ...[...node.transitions.values()].flat(),
  ...(node.always ?? []),
];

/** Ids hold letters, digits and underscores; the path keeps nested states apart. */
function idOf(path: readonly string[]): string {
  const id = path.map((key) => key.replaceAll(/\W/g, '_')).join('__');
  return reserved.has(id) ? `${id}_` : id;
}

const label = (text: string): string => (text === '' ? '' : ` : ${escape(text)}`);

/** Mermaid ends a label at a colon, a semicolon or a line end. */
const escape = (text: string): string =>
  text.replaceAll(/[:;#\n]/g, (found) => (found === '\n' ? ' ' : `#${found.charCodeAt(0)};`));

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((found) => found !== '')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > noteColumns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
