/** The `sql` command: one statement against a running cluster, printed as a table. */
import { readFile } from 'node:fs/promises';
import { ClusterError, describeError } from '@cluster/core';
import type { SqlValue } from '@cluster/manager';
import { ClusterClient } from '@cluster/manager/node';
import type { ClientConfig } from './protocol.ts';

export interface SqlOptions {
  /** The file that `demo --keep` names: addresses and a client certificate. */
  readonly cluster: string;
  readonly sql: string;
  /** Print `{columns, rows, rowsAffected}` instead of a table. */
  readonly json?: boolean;
}

/** @throws ClusterError with one clear line. */
export async function runSql({ cluster, sql, json = false }: SqlOptions): Promise<number> {
  const config = await readConfig(cluster);
  const client = await ClusterClient.connect({
    clusterName: config.clusterName,
    tls: config.tls,
    nodes: config.nodes,
  });
  try {
    const { columns, rows, rowsAffected } = await client.query(sql, { timeoutMs: 10_000 });
    if (json) process.stdout.write(`${JSON.stringify({ columns, rows, rowsAffected })}\n`);
    else if (columns.length === 0) process.stdout.write(`${rowsAffected} rows changed\n`);
    else process.stdout.write(renderTable(columns, rows));
    return 0;
  } finally {
    await client.close();
  }
}

async function readConfig(path: string): Promise<ClientConfig> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ClientConfig;
  } catch (error) {
    throw new ClusterError({
      code: 'SQL_CLUSTER_FILE_UNREADABLE',
      fault: 'caller',
      message: `The cluster file ${path} cannot be read: ${describeError(error)}.`,
      advice: 'Give the file that the demo printed; it exists while `demo --keep` is running.',
      cause: error,
    });
  }
}

function renderTable(columns: readonly string[], rows: readonly (readonly SqlValue[])[]): string {
  const cells = [columns, ...rows.map((row) => row.map(cell))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((value, i) => value.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return `${[line(columns), rule, ...cells.slice(1).map(line)].join('\n')}\n`;
}

function cell(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`;
  return String(value);
}
