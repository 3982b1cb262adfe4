import { Command } from 'commander';
import type { TraceStep } from '@cluster/core';
import type { Context, MakeCommand } from '../context.ts';
import type { TraceCursor } from '../step/trace-cursor.ts';
import { integer, usageError } from '../usage.ts';

interface Options {
  readonly at?: number;
  readonly from?: number;
  readonly to?: number;
  readonly node?: string;
  readonly core?: string;
  readonly machine?: string;
  readonly brief?: boolean;
  readonly json?: boolean;
}

const seq = integer(0, Number.MAX_SAFE_INTEGER);

export const stepCommand: MakeCommand = (context, done) =>
  new Command('step')
    .description('walk a trace forward and back: states, transitions, context, effects, timers')
    .argument('<trace>', 'a .cltrace file, e.g. one that `sim --trace DIR` has written')
    .option('--at <seq>', 'print the step of this number, or the next there is', seq)
    .option('--from <seq>', 'print the steps from this number on', seq)
    .option('--to <seq>', 'print the steps up to this number', seq)
    .option('--node <name>', 'only steps of this node')
    .option('--core <name>', 'only steps of this core, e.g. raft:0')
    .option(
      '--machine <id>',
      'only steps that touch this machine, by id (raft.role), instance, or id/instance',
    )
    .option('--brief', 'print one line per step')
    .option('--json', 'print one line of JSON: {header, steps}')
    .addHelpText(
      'after',
      '\nIn a terminal, without --at, --from, --to, --brief or --json, it is interactive; q quits.',
    )
    .action(async (file: string, options: Options) => {
      const { readTrace } = await import('../step/read-trace.ts');
      const cursor = readTrace(file);
      const { at, from, to, brief, json } = options;
      const isPrinting = [at, from, to, brief, json].some((option) => option !== undefined);
      if (context.terminal !== null && !isPrinting) await walk(cursor, options, context);
      else await print(cursor, options, context);
      done(0);
    });

async function walk(cursor: TraceCursor, options: Options, { terminal, colour }: Context): Promise<void> {
  if (terminal === null) return;
  const { makePalette } = await import('../palette.ts');
  const { StepperScreen } = await import('../step/stepper-screen.ts');
  const { runTerminal } = await import('../step/terminal.ts');
  const [index] = await select(cursor, options);
  const screen = new StepperScreen(cursor, makePalette(colour), {
    index: index ?? 0,
    filter: filterOf(options),
  });
  await runTerminal(screen, terminal.input, terminal.output);
}

async function print(cursor: TraceCursor, options: Options, { out, colour }: Context): Promise<void> {
  const { makePalette } = await import('../palette.ts');
  const { renderBrief, renderStep } = await import('../step/render.ts');
  const chosen = await select(cursor, options);
  if (options.json) {
    const { jsonOf } = await import('../step/json.ts');
    out(`${jsonOf(cursor, chosen)}\n`);
    return;
  }
  const palette = makePalette(colour);
  const isWhole = options.at === undefined && options.from === undefined && options.to === undefined;
  const isBrief = options.brief ?? isWhole;
  if (isWhole) out(`${about(cursor).join('\n')}\n\n`);
  for (const [i, index] of chosen.entries()) {
    if (!isBrief && i > 0) out('\n');
    const view = cursor.view(index);
    const lines = isBrief
      ? [renderBrief(view, palette)]
      : renderStep(view, `${index + 1} of ${cursor.length}`, palette);
    out(`${lines.join('\n')}\n`);
  }
}

const filterOf = ({ node, core, machine }: Options) => ({
  ...(node === undefined ? {} : { node }),
  ...(core === undefined ? {} : { core }),
  ...(machine === undefined ? {} : { machine }),
});

/** The steps that the options ask for; there is at least one. */
async function select(cursor: TraceCursor, options: Options): Promise<readonly number[]> {
  const { passes } = await import('../step/trace-cursor.ts');
  const { at, from = 0, to = Infinity } = options;
  const filter = filterOf(options);
  const isWanted = (step: TraceStep): boolean =>
    passes(filter, step) && (at === undefined ? step.seq >= from && step.seq <= to : step.seq >= at);
  const chosen: number[] = [];
  for (let i = cursor.next(-1, 1, isWanted); i !== -1; i = cursor.next(i, 1, isWanted)) {
    chosen.push(i);
    if (at !== undefined) break;
  }
  if (chosen.length > 0) return chosen;
  const [first, last] = [cursor.step(0), cursor.step(cursor.length - 1)];
  const extent = `The trace has seq ${first?.seq ?? 0} to ${last?.seq ?? 0} on the nodes ${cursor.nodes.filter((node) => node !== '').join(', ')}`;
  throw usageError(`No step of the trace is what the options ask for. ${extent}`, 'step');
}

/** What the trace is, before its steps. */
function about({ header, length, nodes }: TraceCursor): string[] {
  const { versions, seed, note } = header;
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${length} steps of ${nodes.filter((node) => node !== '').join(', ')}`,
    ...(note === undefined ? [] : [note]),
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(made.length === 0 ? [] : [`made by ${made.join(', ')}`]),
  ];
}
