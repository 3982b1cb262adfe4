/** The picture in the terminal: redrawn in place on a terminal, plain lines elsewhere. */
import pc from 'picocolors';
import type { ClusterState, FeedLine } from './cluster-state.ts';

export interface View {
  /** Says what happens now. */
  act(text: string): void;
  feed(line: FeedLine): void;
  draw(state: ClusterState): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

const stateColour: Readonly<Record<string, (text: string) => string>> = {
  Alive: pc.green,
  Suspect: pc.yellow,
  Dead: pc.red,
  Left: pc.dim,
};

const feedKept = 12;

/** @param write where to: standard output, or standard error when standard output is for the JSON. */
export function createView(stream: NodeJS.WriteStream): View {
  return stream.isTTY ? new LiveView(stream) : new PlainView(stream);
}

const clock = (beganMs: number, atMs: number): string =>
  `${((atMs - beganMs) / 1000).toFixed(1).padStart(6)} s`;

class PlainView implements View {
  readonly #stream: NodeJS.WriteStream;
  readonly #beganMs = performance.timeOrigin + performance.now();
  #drawnMs = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  act(text: string): void {
    this.#line(performance.timeOrigin + performance.now(), text);
  }

  feed({ atMs, node, text }: FeedLine): void {
    this.#line(atMs, `  [${node}] ${text}`);
  }

  draw(state: ClusterState): void {
    const nowMs = performance.timeOrigin + performance.now();
    if (nowMs - this.#drawnMs < 2000) return;
    this.#drawnMs = nowMs;
    const nodes = state.nodeIds.map((id) => {
      const status = state.status.get(id);
      return status
        ? `${id} ${status.role} t${status.term} c${status.commitIndex} ${state.perSecond(id)}/s`
        : `${id} down`;
    });
    this.#line(
      nowMs,
      `  ${nodes.join(' | ')} | ${state.writes.length} writes acknowledged, ${state.failed} failed`,
    );
  }

  close(): void {}

  #line(atMs: number, text: string): void {
    this.#stream.write(`${clock(this.#beganMs, atMs)}  ${text}\n`);
  }
}

class LiveView implements View {
  readonly #stream: NodeJS.WriteStream;
  readonly #beganMs = performance.timeOrigin + performance.now();
  readonly #recent: FeedLine[] = [];
  #act = '';
  #closed = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.write('\x1b[?1049h\x1b[?25l'); // alternate screen, cursor hidden
  }

  act(text: string): void {
    this.#act = text;
  }

  feed(line: FeedLine): void {
    this.#recent.push(line);
    if (this.#recent.length > feedKept) this.#recent.shift();
  }

  draw(state: ClusterState): void {
    if (this.#closed) return;
    const lines = [
      `${pc.bold('@cluster')}  ${this.#act}`,
      '',
      ...table(state),
      '',
      `  ${pc.bold(String(state.writes.length))} writes acknowledged   ${pc.bold(String(state.reads))} reads   ${
        state.failed === 0 ? '0 failed' : pc.red(`${state.failed} failed`)
      }`,
      '',
      pc.dim('  events'),
      ...this.#recent.map(
        (line) => `  ${pc.dim(clock(this.#beganMs, line.atMs))}  ${pc.cyan(line.node)}  ${line.text}`,
      ),
    ];
    const width = this.#stream.columns;
    this.#stream.write(`\x1b[H${lines.map((line) => `${fit(line, width)}\x1b[K`).join('\n')}\x1b[J`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.write('\x1b[?25h\x1b[?1049l');
  }
}

function table(state: ClusterState): string[] {
  const header = ['node', 'role', 'term', 'commit', 'applied', 'queries/s', ...state.nodeIds];
  const rows = state.nodeIds.map((id) => {
    const status = state.status.get(id);
    if (status === undefined)
      return [pc.red(id), pc.red('down'), '', '', '', '', ...state.nodeIds.map(() => '')];
    return [
      status.role === 'leader' ? pc.bold(pc.green(id)) : id,
      status.role === 'leader' ? pc.bold(pc.green('leader')) : status.role,
      String(status.term),
      String(status.commitIndex),
      String(status.appliedIndex),
      String(state.perSecond(id)),
      ...state.nodeIds.map((other) => {
        const seen = status.members[other] ?? '–';
        return (stateColour[seen] ?? pc.dim)(seen);
      }),
    ];
  });
  const all = [header.map((cell) => pc.dim(cell)), ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => visible(row[column] ?? '').length)));
  return all.map((row) => `  ${row.map((cell, column) => pad(cell, widths[column] ?? 0)).join('  ')}`);
}

// oxlint-disable-next-line no-control-regex -- the colours to leave out of the width are control sequences
const visible = (text: string): string => text.replaceAll(/\x1b\[[0-9;]*m/g, '');
const pad = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - visible(text).length));

/** Cuts a line that would wrap, leaving colour sequences whole. */
function fit(line: string, width: number): string {
  if (visible(line).length <= width) return line;
  return `${visible(line).slice(0, Math.max(0, width - 1))}…`;
}
