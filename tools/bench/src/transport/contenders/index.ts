import type { Contender } from '../contender.ts';

/** Each is loaded by the processes that run it, and by no other. */
export const contenders: Readonly<Record<string, () => Promise<Contender>>> = {
  ours: async () => (await import('./ours.ts')).ours,
  tls: async () => (await import('./raw.ts')).rawTls,
  'tls-lent': async () => (await import('./raw.ts')).rawTlsLent,
  net: async () => (await import('./raw.ts')).rawNet,
  http2: async () => (await import('./http2.ts')).http2,
  'grpc-js': async () => (await import('./grpc.ts')).grpc,
  yamux: async () => (await import('./yamux.ts')).yamux,
  'nats.js': async () => (await import('./nats.ts')).nats,
};

export function contender(name: string): Promise<Contender> {
  const load = contenders[name];
  if (load === undefined) throw new Error(`there is no contender ${name}`);
  return load();
}
