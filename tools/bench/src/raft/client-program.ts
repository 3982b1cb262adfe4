/** The loading process: clients that wait for one answer before they ask the next, and attempts after a leader's death. */
import { randomBytes } from 'node:crypto';
import { serveParent } from '../process/remote.ts';
import { ascending, quantile } from '../statistics.ts';
import { etcdStatus } from './etcd-status.ts';
import { openStore, type Store, type StoreOptions } from './stores.ts';

export interface RaftLoad {
  readonly store: string;
  readonly server: string;
  readonly kind: 'put' | 'read';
  readonly clients: number;
  readonly valueBytes: number;
  /** What is measured begins after so long, and after so many operations unless these take too long. */
  readonly warmMs: number;
  /** Default: 0. */
  readonly warmOperations?: number;
  readonly runMs: number;
  /** Default: 100. */
  readonly keysPerClient?: number;
}

export interface RaftLoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  /** Altogether, those of the warm-up included. */
  readonly operations: number;
}

export interface Attempts {
  readonly store: string;
  readonly servers: readonly string[];
  readonly everyMs: number;
  readonly giveUpMs: number;
}

const usualKeys = 100;
const warmMsMax = 6000;
const stores = new Map<string, Store>();
const store = (name: string): Store => stores.get(name) as Store;

function run({
  store: name,
  server,
  kind,
  clients,
  valueBytes,
  keysPerClient = usualKeys,
  warmMs,
  warmOperations = 0,
  runMs,
}: RaftLoad): Promise<RaftLoadResult> {
  const target = store(name);
  const value = randomBytes(valueBytes);
  const tookMs: number[] = [];
  let failed = 0;
  let operations = 0;
  const begunMs = performance.now();
  let startMs = warmOperations === 0 ? begunMs + warmMs : Infinity;
  const warmed = (nowMs: number): boolean =>
    nowMs >= begunMs + warmMs && (operations >= warmOperations || nowMs >= begunMs + warmMsMax);
  const loop = (client: number): Promise<void> =>
    new Promise((resolve) => {
      let turn = Math.floor(Math.random() * keysPerClient);
      const next = (): void => {
        const askedMs = performance.now();
        if (startMs === Infinity && warmed(askedMs)) startMs = askedMs;
        if (askedMs >= startMs + runMs) return resolve();
        const key = `c${client}:${turn++ % keysPerClient}`;
        const done = (ok: boolean): void => {
          const nowMs = performance.now();
          operations++;
          if (!ok) failed++;
          else if (nowMs >= startMs && nowMs < startMs + runMs) tookMs.push(nowMs - askedMs);
          next();
        };
        if (kind === 'put') target.put(server, key, value, done);
        else target.read(server, key, done);
      };
      next();
    });
  return Promise.all(Array.from({ length: clients }, (_, client) => loop(client))).then(() => {
    const sorted = ascending(tookMs);
    return {
      perSecond: (tookMs.length * 1000) / runMs,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      failed,
      operations,
    };
  });
}

/** When the first write was accepted, on the clock that all processes of a machine share. */
function firstAccepted({ store: name, servers, everyMs, giveUpMs }: Attempts): Promise<number> {
  const target = store(name);
  const value = randomBytes(256);
  return new Promise((resolve, reject) => {
    let attempts = 0;
    const attempt = (): void => {
      const server = servers[attempts++ % servers.length] ?? '';
      target.put(server, 'failover', value, (ok) => {
        if (!ok) return;
        clearInterval(timer);
        clearTimeout(limit);
        resolve(performance.timeOrigin + performance.now());
      });
    };
    const timer = setInterval(attempt, everyMs);
    const limit = setTimeout(() => {
      clearInterval(timer);
      reject(new Error(`no write was accepted within ${giveUpMs} ms`));
    }, giveUpMs);
    attempt();
  });
}

serveParent({
  open: async ({ name, ...options }: StoreOptions & { name: string }): Promise<void> => {
    stores.set(name, await openStore(options));
  },
  run,
  firstAccepted,
  etcdStatus,
});
