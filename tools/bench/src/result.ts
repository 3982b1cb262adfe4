/** What a benchmark says: the same shape for all, for people as a table, for machines as one line of JSON. */
export interface BenchRow {
  readonly case: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly ours: number;
  /** What the bare means would give: the least work that does the job. Null where nothing bare could be measured. */
  readonly limit: number | null;
  readonly peers: Readonly<Record<string, number>>;
  /** How much of the limit ours reaches; 1 = at the limit, whichever direction is better. */
  readonly ratioToLimit: number | null;
  /** Quartiles of the ratio, where ours and the limit were measured in pairs. */
  readonly ratioInterval?: readonly [number, number];
  /** Interquartile range of the rounds of ours, as a share of its median. */
  readonly spread: number;
}

/** Something that has to be so, whatever the machine's speed: completion and safety, never a time. */
export interface Expectation {
  readonly what: string;
  readonly held: boolean;
}

export interface BenchResult {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rows: readonly BenchRow[];
  /** What a reader has to know besides, e.g. which peers are not installed here. */
  readonly notes?: readonly string[];
  /** What the run was expected to show; one that did not hold fails the command. */
  readonly expectations?: readonly Expectation[];
}

export const ratioToLimit = (ours: number, limit: number, higherIsBetter: boolean): number =>
  higherIsBetter ? ours / limit : limit / ours;

/** A table with one line per case. Peers that a case lacks are left empty. */
export function renderBench({ name, config, rows, notes = [], expectations = [] }: BenchResult): string {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const head = ['case', 'unit', 'ours', '±', 'limit', 'of limit', ...peers];
  const lines = rows.map((row) => [
    row.case,
    `${row.unit}, ${row.higherIsBetter ? 'more' : 'less'} is better`,
    figure(row.ours),
    `${Math.round(row.spread * 50)}%`,
    row.limit === null ? '-' : figure(row.limit),
    ratio(row),
    ...peers.map((peer) => {
      const value = row.peers[peer];
      if (value === undefined) return '';
      const times = row.higherIsBetter ? row.ours / value : value / row.ours;
      return Number.isFinite(times) ? `${figure(value)} (ours ${times.toFixed(1)}x)` : figure(value);
    }),
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((cells) => (cells[i] ?? '').length)));
  const text = [head, widths.map((width) => '-'.repeat(width)), ...lines].map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [
    `bench ${name}`,
    `configuration: ${JSON.stringify(config)}`,
    '',
    ...text,
    '',
    ...notes.map((note) => `${note}\n`),
    ...expectations.map(({ what, held }) => `${held ? 'held' : 'DID NOT HOLD'}: ${what}`),
    '',
  ].join('\n');
}

function ratio({ ratioToLimit: share, ratioInterval: interval }: BenchRow): string {
  if (share === null) return '-';
  if (interval === undefined) return share.toFixed(2);
  return `${share.toFixed(2)} (${interval[0].toFixed(2)}-${interval[1].toFixed(2)})`;
}

/** Three significant digits. */
const figure = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
