/** A step as lines of text. Colours are the caller's: plain functions where there is no terminal. */
import type { MachineStep } from '@cluster/core';
import { formatNumber, formatRest, formatValue } from './format-value.ts';
import type { MachineView, StepReference, StepView } from './trace-cursor.ts';

export interface Palette {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

const listed = 8;
const detailMax = 60;

/** `node/core`; only the core for one that belongs to no node, such as a simulated world. */
const placeOf = ({ node, core }: { readonly node: string; readonly core: string }): string =>
  node === '' ? core : `${node}/${core}`;

/** @param position e.g. `12 of 345`. */
export function renderStep(view: StepView, position: string, palette: Palette): string[] {
  const { bold, dim, cyan } = palette;
  const label = (text: string): string => dim(text.padEnd(9));
  const { input, cause, consequences } = view;
  return [
    `${bold(`step ${position}`)}  seq ${bold(String(view.seq))}  t ${formatNumber(view.t)} ms  ${cyan(placeOf(view))}`,
    `${label('input')}${bold(input.type)} ${formatRest(input, 'type')}`.trimEnd(),
    `${label('cause')}${cause === null ? dim('none: it came from outside') : reference(cause, view.t)}`,
    ...references(label('leads to'), consequences, view.t),
    ...view.machines.flatMap((machine) => ['', ...renderMachine(machine, palette)]),
    '',
    bold('effects') + (view.effects.length === 0 ? dim('  none') : ''),
    ...view.effects.map((effect) => `  ${effect.type} ${formatRest(effect, 'type')}`.trimEnd()),
    '',
    bold(`timers of ${placeOf(view)}`) + (view.timers.length === 0 ? dim('  none') : ''),
    ...table(
      view.timers.map(({ timer, dueMs, inMs }) => [
        timer,
        `in ${formatNumber(inMs)} ms`,
        dim(`at ${formatNumber(dueMs)}`),
      ]),
    ),
    '',
    bold(`machines of ${view.node === '' ? view.core : view.node}`) +
      (view.states.length === 0 ? dim('  none seen yet') : ''),
    ...table(view.states.map((state) => stateRow(state, palette))),
  ];
}

/** One line: number, time, where, input, what changed. */
export function renderBrief(view: StepView, { dim, cyan }: Palette): string {
  const changes = view.machines.map(
    (one) => `${nameOf(one)} ${one.from === one.to ? one.to : `${one.from || '·'} → ${one.to || '·'}`}`,
  );
  const detail = formatRest(view.input, 'type');
  const rest =
    detail === '' ? '' : ` ${detail.length > detailMax ? `${detail.slice(0, detailMax)}…` : detail}`;
  const effects = view.effects.length === 0 ? '' : dim(`  ${view.effects.map(({ type }) => type).join(' ')}`);
  const where = cyan(placeOf(view));
  return `${String(view.seq).padStart(6)}  ${formatNumber(view.t).padStart(10)}  ${where}  ${view.input.type}${dim(rest)}${changes.length === 0 ? '' : `  ${changes.join(', ')}`}${effects}`;
}

function renderMachine(step: MachineStep, { bold, dim, green, yellow }: Palette): string[] {
  const label = (text: string): string => dim(`  ${text.padEnd(9)}`);
  const path =
    step.from === step.to
      ? dim(`stays ${step.to}`)
      : `${step.from || dim('(begins)')} → ${green(step.to || '(gone)')}`;
  const event = step.event as { type?: unknown };
  const eventType = typeof event?.type === 'string' ? event.type : formatValue(event);
  const context = Object.entries(step.context).map(([key, value]) => `${key} = ${formatValue(value)}`);
  const taken =
    step.taken.length === 0 && step.from !== '' && step.to !== ''
      ? [dim('none: the event is ignored here')]
      : step.taken;
  return [
    `${bold(nameOf(step))}  ${path}`,
    `${label('event')}${eventType} ${typeof event?.type === 'string' ? formatRest(event, 'type') : ''}`.trimEnd(),
    ...taken.map((transition, i) => `${label(i === 0 ? 'taken' : '')}${transition}`),
    ...context.map((change, i) => `${label(i === 0 ? 'context' : '')}${yellow(change)}`),
    ...step.actions.map((action, i) => `${label(i === 0 ? 'actions' : '')}${formatAction(action)}`),
  ];
}

function formatAction(action: unknown): string {
  const { kind, type, params, id, delayMs } = action as Readonly<Record<string, unknown>>;
  if (kind === 'setTimer') return `setTimer ${formatValue(id)} in ${formatValue(delayMs)} ms`;
  if (kind === 'cancelTimer') return `cancelTimer ${formatValue(id)}`;
  return `${formatValue(type)} ${params === undefined ? '' : formatValue(params)}`.trimEnd();
}

const nameOf = ({ machine, instance }: { readonly machine: string; readonly instance: string }): string =>
  machine === instance ? machine : `${machine} ${instance}`;

function reference(step: StepReference, fromMs: number): string {
  const { seq, input } = step;
  const apart = step.t - fromMs;
  return `seq ${seq}  ${placeOf(step)}  ${input}  (${apart > 0 ? '+' : ''}${formatNumber(apart)} ms)`;
}

function references(label: string, all: readonly StepReference[], fromMs: number): string[] {
  const lines = all
    .slice(0, listed)
    .map((one, i) => `${i === 0 ? label : ' '.repeat(9)}${reference(one, fromMs)}`);
  return all.length > listed ? [...lines, `${' '.repeat(9)}… ${all.length - listed} more`] : lines;
}

function stateRow(
  { core, machine, instance, state, changed }: MachineView,
  { green, dim }: Palette,
): string[] {
  return [
    core,
    nameOf({ machine, instance }),
    changed ? green(state) : state,
    changed ? dim('in this step') : '',
  ];
}

// oxlint-disable-next-line no-control-regex -- the colours of picocolors
const colours = /\u001b\[\d+m/g;

/** Columns as wide as their widest cell, indented. */
function table(rows: readonly (readonly string[])[]): string[] {
  const width = (cell = ''): number => cell.replace(colours, '').length;
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => width(row[i]))));
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - width(cell))).join('  ')}`.trimEnd(),
  );
}
