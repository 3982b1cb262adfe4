/** What the loading process can put into and read from: ours, etcd, and the bare loop. All callbacks, for all are measured. */
import { Agent, request } from 'node:http';
import type { Address } from '@cluster/core';
import { startTransport } from '@cluster/transport/node';
import type { Place } from '../transport/contender.ts';
import { rawTls } from '../transport/contenders/raw.ts';
import { decode, encode, kinds } from '../transport/message.ts';
import { putCommand } from './key-value.ts';
import { requestTypes } from './request-types.ts';

export type Done = (ok: boolean) => void;

export interface Store {
  put(server: string, key: string, value: Uint8Array, done: Done): void;
  read(server: string, key: string, done: Done): void;
}

export interface StoreOptions {
  readonly kind: 'ours' | 'etcd' | 'bare';
  readonly place: Place;
  readonly servers: Readonly<Record<string, Address>>;
}

export function openStore(options: StoreOptions): Promise<Store> {
  const open = { ours: openOurs, etcd: openEtcd, bare: openBare }[options.kind];
  return open(options);
}

async function openOurs({ place, servers }: StoreOptions): Promise<Store> {
  const { nodeId, clusterName, tls } = place;
  const transport = await startTransport(
    { nodeId, clusterName, tls, bind: null },
    { directory: { lookup: (server) => servers[server] } },
  );
  const ask = (server: string, type: number, bytes: Uint8Array, done: Done): void =>
    void tell(done, transport.request(server, type, bytes));
  return {
    put: (server, key, value, done) => ask(server, requestTypes.put, putCommand(key, value), done),
    read: (server, key, done) => ask(server, requestTypes.read, Buffer.from(key, 'latin1'), done),
  };
}

async function tell(done: Done, answer: Promise<unknown>): Promise<void> {
  let ok = true;
  try {
    await answer;
  } catch {
    ok = false;
  }
  done(ok);
}

/** The JSON gateway of etcd's API, version 3; one connection for each client. */
async function openEtcd({ servers }: StoreOptions): Promise<Store> {
  const agent = new Agent({ keepAlive: true, noDelay: true });
  const base64 = (bytes: Uint8Array): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  const post = (server: string, path: string, body: string, done: Done): void => {
    const { host, port } = servers[server] as Address;
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request({ agent, host, port, path, method: 'POST', headers, timeout: 5000 }, (response) => {
      response.resume().once('end', () => done(response.statusCode === 200));
    });
    call.once('timeout', () => call.destroy()).once('error', () => done(false));
    call.end(body);
  };
  return {
    put: (server, key, value, done) =>
      post(server, '/v3/kv/put', `{"key":"${base64(Buffer.from(key))}","value":"${base64(value)}"}`, done),
    read: (server, key, done) => post(server, '/v3/kv/range', `{"key":"${base64(Buffer.from(key))}"}`, done),
  };
}

async function openBare({ place, servers }: StoreOptions): Promise<Store> {
  const waiting = new Map<number, Done>();
  const [address] = Object.values(servers) as [Address];
  const link = await rawTls.connect(place, address, (bytes) => {
    const { id } = decode(bytes);
    waiting.get(id)?.(true);
    waiting.delete(id);
  });
  let ids = 0;
  return {
    put: (_server, key, value, done) => {
      waiting.set(++ids, done);
      link.ask(encode({ t: kinds.request, id: ids, k: key, p: value }));
    },
    read: (_server, _key, done) => done(false),
  };
}
