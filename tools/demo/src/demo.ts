/** The `demo` command: a folder of its own, the story, the summary, and nothing left behind. */
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '@cluster/core';
import { Fleet } from './fleet.ts';
import { Story } from './story.ts';
import { renderSummary } from './summary.ts';
import { createView } from './view.ts';

export interface DemoOptions {
  /** Cluster nodes, 3–9. Default 5. */
  readonly nodes?: number;
  /** How long the load runs, at least 10. Default 20. */
  readonly seconds?: number;
  /** Leave the cluster running until Ctrl-C. */
  readonly keep?: boolean;
  /** One JSON object on standard output at the end; all else goes to standard error. */
  readonly json?: boolean;
}

const drawEveryMs = 250;
const memoryEveryMs = 500;
/** The conventional exit code of a program ended by Ctrl-C. */
const interrupted = 130;

/** @returns the exit code: 0 = safety and completion held, 1 = something did not, 130 = interrupted. */
export async function runDemo({
  nodes = 5,
  seconds = 20,
  keep = false,
  json = false,
}: DemoOptions): Promise<number> {
  const stream = json ? process.stderr : process.stdout;
  const folder = await mkdtemp(join(tmpdir(), 'cluster-demo-'));
  const fleet = new Fleet();
  const view = createView(stream);
  const abort = new AbortController();
  const cleanUp = (): void => {
    fleet.killAll();
    view.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  // A shell, npx and a loader may each pass Ctrl-C on: what comes after the first is the same wish.
  const interrupt = (): void => abort.abort(new Error('interrupted'));
  process.on('exit', cleanUp);
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);
  const story = new Story({ nodes, seconds, folder, fleet, view, signal: abort.signal });
  const timers = [
    setInterval(() => view.draw(story.state), drawEveryMs),
    setInterval(() => fleet.sampleMemory(), memoryEveryMs),
  ];
  try {
    await story.assemble();
    const summary = await story.play();
    if (!keep) for (const timer of timers) clearInterval(timer);
    view.close();
    stream.write(renderSummary(summary));
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    if (keep) await keepRunning(story, folder, stream, abort.signal);
    return summary.ok ? 0 : 1;
  } catch (error) {
    view.close();
    if (abort.signal.aborted) {
      stream.write('Interrupted; the processes and the folder are gone.\n');
      return interrupted;
    }
    process.stderr.write(`${describeError(error)}\n`);
    return 1;
  } finally {
    for (const timer of timers) clearInterval(timer);
    cleanUp();
  }
}

async function keepRunning(
  story: Story,
  folder: string,
  stream: NodeJS.WriteStream,
  signal: AbortSignal,
): Promise<void> {
  const file = join(folder, 'cluster.json');
  await writeFile(file, JSON.stringify(story.clientConfig), { mode: 0o600 });
  stream.write(
    `The cluster stays up. From another terminal, in this folder:\n\n` +
      `  npx --yes pnpm@12.21.0 sql --cluster ${file} "SELECT count(*) FROM ledger"\n\nCtrl-C ends it.\n`,
  );
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
