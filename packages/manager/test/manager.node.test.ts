// Real sockets and certificates, on loopback, several nodes in this process.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTrace, formatAddress, silentLogger } from '@cluster/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../src/index.ts';
import {
  type CertificateAndKey,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from '../src/node/authority.ts';
import { ClusterClient, ClusterNetworkManager, type CreateOptions } from '../src/node.ts';
import { KvDatabase } from './kv-database.ts';

const clusterName = 'test';
const gossipKeys = [Buffer.alloc(32, 7).toString('base64')];
const open: { stop(): Promise<void> }[] = [];
let authority: CertificateAndKey;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manager-node-'));
  process.env['XDG_CACHE_HOME'] = folder;
  authority = await createAuthority();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.stop()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Node {
  readonly id: string;
  readonly manager: ClusterNetworkManager;
  readonly database: KvDatabase;
  readonly events: ClusterEvent[];
}

async function makeNode(id: string, options: CreateOptions = {}): Promise<Node> {
  const database = new KvDatabase();
  const tls = await issueNodeCertificate(authority, { clusterName, nodeId: id });
  const manager = await ClusterNetworkManager.create({
    nodeId: id,
    clusterName,
    tls,
    gossipKeys,
    database,
    logger: silentLogger,
    swim: { probePeriodMs: 200, pingTimeoutMs: 100, suspectTimeoutMs: 1000, gossipPeriodMs: 50 },
    messaging: { drainTimeoutMs: 100 },
    // How quick a path is hangs on what else the machine does, and is the business of other tests.
    health: { degradedLatencyMs: 10_000 },
    ...options,
  });
  open.push(manager);
  const events: ClusterEvent[] = [];
  void (async () => {
    for await (const event of manager.subscribeToEvents()) events.push(event);
  })();
  return { id, manager, database, events };
}

async function makeCluster(ids: readonly string[]): Promise<Node[]> {
  const nodes = await Promise.all(ids.map((id) => makeNode(id, { voters: ids })));
  await Promise.all(nodes.map(({ manager }) => manager.start()));
  const [first, ...others] = nodes as [Node, ...Node[]];
  const seed = formatAddress(first.manager.gossipAddress);
  await Promise.all(others.map(({ manager }) => manager.joinCluster([seed])));
  await Promise.all(nodes.map(({ manager }) => manager.leadership.waitForLeader({ timeoutMs: 10_000 })));
  return nodes;
}

async function eventually(claim: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 10_000;
  while (!claim()) {
    if (performance.now() > until) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

const leaderOf = (nodes: readonly Node[]): Node => {
  const leader = nodes.find(({ manager }) => manager.leadership.isLeader);
  if (leader === undefined) throw new Error('no leader');
  return leader;
};

describe('three nodes on loopback', () => {
  it('find each other, elect a leader, replicate writes and route reads', async () => {
    const nodes = await makeCluster(['n1', 'n2', 'n3']);
    await eventually(
      () => nodes.every(({ manager }) => manager.getAliveMembers().length === 3),
      'all see three',
    );
    const [a, b, c] = nodes as [Node, Node, Node];
    const [one, two] = await Promise.all([a.manager.query('SET x 1'), b.manager.query('ADD y 2')]);
    expect(one).toMatchObject({ rows: [[1]], rowsAffected: 1 });
    expect(two.rows).toEqual([[2]]);
    for (const { manager } of nodes) {
      expect((await manager.query('GET x', { consistency: 'linearizable' })).rows).toEqual([[1]]);
      expect((await manager.query('GET y', { minIndex: two.index ?? 0 })).rows).toEqual([[2]]);
      expect((await manager.read('GET x')).rows).toEqual([[1]]);
    }
    await eventually(() => c.database.values.get('y') === 2, 'the third has it too');
    // Reads spread: after enough of them every node has served some.
    await eventually(
      () => nodes.every(({ manager }) => manager.getAllMetrics().loadBalancer['endpoints'] === 3),
      'all are endpoints',
    );
    // In turn, so that where a query goes does not hang on how quick each node happens to be on a busy machine.
    a.manager.setRoutingStrategy('round-robin');
    const served = (): number[] =>
      nodes.map(({ manager }) => manager.getAllMetrics().loadBalancer['queries_served'] ?? 0);
    const before = served();
    for (let i = 0; i < 30; i++) await a.manager.query('COUNT');
    expect(served().map((n, i) => n > (before[i] ?? 0))).toEqual([true, true, true]);
    await expect(a.manager.query('NONSENSE')).rejects.toMatchObject({ code: 'KV_SYNTAX' });
    expect((await a.manager.healthCheck()).status).toBe('healthy');
    expect(a.manager.getAllMetrics()).toMatchObject({
      topology: { members_alive: 3 },
      communication: { peers_connected: 2 },
      failover: { commit_index: expect.any(Number) },
    });
    expect(a.manager.prometheus()).toMatch(/cluster_messages_sent_total\{part="transport"\} [1-9]/);
    const types = a.events.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['LifecycleChanged', 'Joined', 'PeerUp', 'LeaderChanged']));
  });

  it('become five by addNode and four by removeNode of the leader, and lose nothing that was acknowledged meanwhile', async () => {
    const nodes = await makeCluster(['n1', 'n2', 'n3']);
    const seed = formatAddress((nodes[0] as Node).manager.gossipAddress);
    const leader = leaderOf(nodes);
    const [writer, other] = nodes.filter((node) => node !== leader) as [Node, Node];
    const acknowledged: string[] = [];
    const enough = new AbortController();
    const writing = (async () => {
      for (let i = 0; !enough.signal.aborted; i++) {
        await writer.manager.query(`SET k${i} ${i}`);
        acknowledged.push(`k${i}`);
      }
    })();

    for (const id of ['n4', 'n5']) {
      const node = await makeNode(id, { voters: [] });
      nodes.push(node);
      await node.manager.start();
      await node.manager.joinCluster([seed]);
      expect(node.manager.leadership.status().role).toBe('none');
      await eventually(() => writer.manager.getAliveMembers().some((one) => one.id === id), `${id} is alive`);
      // At one that does not lead: it passes it on.
      await other.manager.addNode({ id });
    }
    const five = ['n1', 'n2', 'n3', 'n4', 'n5'];
    expect(other.manager.leadership.status().voters).toEqual(five);
    await eventually(
      () => nodes.every(({ manager }) => manager.leadership.status().voters.length === 5),
      'all know five',
    );

    await other.manager.removeNode(leader.id);
    const rest = nodes.filter((node) => node !== leader);
    await eventually(() => rest.some(({ manager }) => manager.leadership.isLeader), 'another leads');
    await eventually(() => leader.manager.leadership.status().role === 'none', 'who was removed knows it');
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 20, 'writes go on');
    enough.abort();
    await writing;

    const last = nodes.at(-1) as Node;
    await last.manager.read('COUNT');
    expect(acknowledged.filter((key) => !last.database.values.has(key))).toEqual([]);
    // Who was removed is a gateway: it serves nothing of its own, and what it is asked goes to the others.
    const applied = leader.database.values.size;
    const result = await leader.manager.query('SET after 1');
    expect(result.nodeId).not.toBe(leader.id);
    expect((await leader.manager.query('GET after', { minIndex: result.index ?? 0 })).nodeId).not.toBe(
      leader.id,
    );
    expect(leader.database.values.size).toBe(applied);
    await expect(leader.manager.read('GET after')).rejects.toMatchObject({ code: 'MANAGER_NOT_VOTER' });
    await expect(leader.manager.addNode({ id: leader.id })).rejects.toMatchObject({
      code: 'MANAGER_NOT_VOTER',
    });
    expect(other.events).toContainEqual(expect.objectContaining({ type: 'RosterChanged', voters: five }));
    // And it may come back.
    await other.manager.addNode({ id: leader.id });
    await eventually(() => leader.database.values.has('after'), 'it has caught up');
    expect(leader.manager.leadership.status().voters).toEqual(five);
  }, 30_000);

  it('read each other’s metadata', async () => {
    const [a, b] = (await makeCluster(['n1', 'n2', 'n3'])) as [Node, Node, Node];
    a.manager.metadata.set('schema', '7');
    await eventually(() => b.manager.metadata.get('schema', 'n1') === '7', 'one is read at another');
    expect([...b.manager.metadata.entries('n2')]).toEqual([]);
    await eventually(
      () => b.events.some((event) => event.type === 'MetadataChanged' && event.value === '7'),
      'it is told among the events',
    );
  });

  it('complete a message when its handler has completed, and tell what it threw', async () => {
    const [a, b, c] = (await makeCluster(['n1', 'n2', 'n3'])) as [Node, Node, Node];
    const seen: string[] = [];
    b.manager.onMessage('Custom', async ({ topic, body }, from) => {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      seen.push(`${topic} ${body.length} ${from}`);
      if (topic === 'bad') throw new Error('no');
      return { kind: 'Custom', topic: 'answer', body };
    });
    const answer = await a.manager.sendMessage('n2', {
      kind: 'Custom',
      topic: 'good',
      body: Uint8Array.of(1, 2),
    });
    expect(seen).toEqual(['good 2 n1']);
    expect(answer).toEqual({ kind: 'Custom', topic: 'answer', body: Uint8Array.of(1, 2) });
    await expect(a.manager.sendMessage('n2', { kind: 'Custom', topic: 'bad' })).rejects.toMatchObject({
      code: 'TRANSPORT_REMOTE_ERROR',
    });
    await a.manager.sendMessage('n2', { kind: 'Custom', topic: 'late' }, { ack: 'received' });
    expect(seen).not.toContain('late 0 n1');
    const { delivered, failed } = await a.manager.broadcastMessage({ kind: 'Custom', topic: 'all' });
    expect([delivered, failed.map(({ nodeId }) => nodeId)]).toEqual([['n2'], ['n3']]);
    expect(failed[0]?.error.message).toContain('MANAGER_NO_HANDLER');
    c.manager.onMessage('HeartBeat', () => undefined);
    await a.manager.sendMessage('n3', { kind: 'HeartBeat', nodeId: 'n1', term: 1, commitIndex: 1 });
  });

  it('apply each write once while the leader stops, and lose none that was acknowledged', async () => {
    const nodes = await makeCluster(['n1', 'n2', 'n3']);
    const leader = leaderOf(nodes);
    const others = nodes.filter((node) => node !== leader) as [Node, Node];
    const tls = await issueClientCertificate(authority, { clusterName, clientId: 'app' });
    const client = await ClusterClient.connect({
      clusterName,
      tls,
      nodes: nodes.map(({ id, manager }) => ({ nodeId: id, address: manager.transportAddress })),
    });
    try {
      let acknowledged = 0;
      const load = { running: true };
      const write = async (ask: (sql: string) => Promise<unknown>): Promise<void> => {
        while (load.running) {
          await ask('ADD counter 1');
          acknowledged++;
        }
      };
      const writers = [
        write((sql) => client.query(sql)),
        write((sql) => client.query(sql)),
        ...others.map(({ manager }) => write((sql) => manager.query(sql))),
      ];
      await eventually(() => acknowledged > 50, 'writes before');
      // No leave: it goes as a killed process would, only with its sockets closed.
      await leader.manager.stop();
      const before = acknowledged;
      await eventually(() => acknowledged > before + 50, 'writes after');
      load.running = false;
      await Promise.all(writers);
      const [{ manager, events }] = others;
      const { rows } = await manager.query('GET counter', { consistency: 'linearizable' });
      expect(rows).toEqual([[acknowledged]]);
      const read = await client.query('GET counter', { consistency: 'linearizable' });
      expect(read.rows).toEqual([[acknowledged]]);
      await eventually(
        () => events.some((event) => event.type === 'Dead' && event.node.id === leader.id),
        'it is seen dead',
      );
      expect(
        events.some(
          (event) =>
            event.type === 'LeaderChanged' && event.leaderId !== leader.id && event.leaderId !== null,
        ),
      ).toBe(true);
    } finally {
      await client.close();
    }
  });
});

describe('a node that leaves', () => {
  it('is seen as left, and takes no calls any more', async () => {
    const [a, b] = (await makeCluster(['n1', 'n2'])) as [Node, Node];
    await b.manager.leave();
    await eventually(() => a.events.some((event) => event.type === 'Left' && event.node.id === 'n2'), 'left');
    await expect(b.manager.query('GET x')).rejects.toMatchObject({ code: 'MANAGER_LEFT' });
    await b.manager.stop();
    expect(a.manager.getAliveMembers().map(({ id }) => id)).toEqual(['n1']);
  });
});

describe('a node that does not vote', () => {
  it('is a gateway to those that do', async () => {
    const [voter] = (await makeCluster(['n1'])) as [Node];
    const gateway = await makeNode('g1', { voters: ['n1'] });
    await gateway.manager.start();
    await gateway.manager.joinCluster([formatAddress(voter.manager.gossipAddress)]);
    expect((await gateway.manager.query('ADD x 5')).rows).toEqual([[5]]);
    expect((await gateway.manager.query('GET x')).nodeId).toBe('n1');
    expect(await gateway.manager.openSession()).toBeGreaterThan(0);
    await expect(gateway.manager.propose(Uint8Array.of(1))).rejects.toMatchObject({
      code: 'MANAGER_NOT_VOTER',
    });
  });
});

describe('a session', () => {
  it('serves the certificate that opened it and no other, at a voter and through a gateway', async () => {
    const sessionOpens = { perSecond: 0.01, burst: 3 };
    const voter = await makeNode('n1', { voters: ['n1'], sessionOpens });
    await voter.manager.start();
    const gateway = await makeNode('g1', { voters: ['n1'] });
    await gateway.manager.start();
    await gateway.manager.joinCluster([formatAddress(voter.manager.gossipAddress)]);
    const connect = async (clientId: string, { id, manager }: Node): Promise<ClusterClient> =>
      ClusterClient.connect({
        clusterName,
        tls: await issueClientCertificate(authority, { clusterName, clientId }),
        nodes: [{ nodeId: id, address: manager.transportAddress }],
      });
    const mine = await connect('mine', voter);
    const mineToo = await connect('mine', gateway);
    const others = [await connect('other', voter), await connect('other', gateway)];
    try {
      for (const opener of [mine, mineToo]) {
        const clientId = await opener.openSession();
        const write = (client: ClusterClient, sequence: number): Promise<unknown> =>
          client.query('ADD x 1', { session: { clientId, sequence } });
        for (const other of others)
          await expect(write(other, 1)).rejects.toMatchObject({ code: 'MANAGER_SESSION_FORBIDDEN' });
        await write(mine, 1);
        await write(mineToo, 2);
        await write(mineToo, 1);
      }
      expect(voter.database.values.get('x')).toBe(4);
      for (const local of [voter, gateway]) {
        const clientId = await mine.openSession();
        await expect(
          local.manager.query('ADD x 1', { session: { clientId, sequence: 1 } }),
        ).rejects.toMatchObject({ code: 'MANAGER_SESSION_FORBIDDEN' });
      }
      await expect(mine.openSession()).rejects.toMatchObject({ code: 'MANAGER_RATE_LIMITED' });
      expect(voter.manager.getAllMetrics().communication['session_opens_refused']).toBe(1);
      expect(await others[0]?.openSession()).toBeGreaterThan(0);
    } finally {
      await Promise.all([mine, mineToo, ...others].map((client) => client.close()));
    }
  });
});

describe('a node that starts', () => {
  it('gives no stale read until it knows how far the others are', async () => {
    const voters = ['n1', 'n2'];
    const a = await makeNode('n1', { voters });
    await a.manager.start();
    await expect(a.manager.read('GET x', { consistency: 'stale' })).rejects.toMatchObject({
      code: 'MANAGER_REPLICA_BEHIND',
    });
    const soon = a.manager.query('GET x');
    const b = await makeNode('n2', { voters });
    await b.manager.start();
    await b.manager.joinCluster([formatAddress(a.manager.gossipAddress)]);
    expect((await soon).rows).toEqual([[null]]);
  });
});

describe('create() without arguments', () => {
  it('gives nodes that can join each other', async () => {
    const [a, b] = await Promise.all([
      ClusterNetworkManager.create({ logger: silentLogger }),
      ClusterNetworkManager.create({ logger: silentLogger }),
    ]);
    open.push(a, b);
    await Promise.all([a.start(), b.start()]);
    expect(await a.leadership.waitForLeader({ timeoutMs: 5000 })).toBe(a.nodeId);
    expect(await b.joinCluster([formatAddress(a.gossipAddress)])).toBe(1);
    await eventually(
      () => a.getAliveMembers().length === 2 && b.getAliveMembers().length === 2,
      'both see two',
    );
    await b.sendMessage(a.nodeId, { kind: 'HeartBeat', nodeId: b.nodeId, term: 0, commitIndex: 0 }).then(
      () => expect.unreachable(),
      (error: unknown) => expect(error).toMatchObject({ remoteCode: 'MANAGER_NO_HANDLER' }),
    );
    expect((await a.propose(Uint8Array.of(1))).index).toBeGreaterThan(0);
    const { header, records } = decodeTrace(await a.dumpTrace());
    expect(header.note).toContain(a.nodeId);
    expect(records.some((record) => record.kind === 'step' && record.core === 'manager')).toBe(true);
  });

  it('wants certificates for what others can reach', async () => {
    await expect(
      ClusterNetworkManager.create({ bind: '0.0.0.0:0', advertise: '10.0.0.1:7000' }),
    ).rejects.toMatchObject({
      code: 'MANAGER_TLS_REQUIRED',
    });
  });
});

describe('one clear error for each mistake', () => {
  const start = async (options: CreateOptions): Promise<void> => {
    const { manager } = await makeNode('n9', options);
    await manager.start();
  };

  it('a port in use, on either side', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as { port: number };
    try {
      const bind = { host: '127.0.0.1', port };
      await expect(start({ bind })).rejects.toMatchObject({ code: 'SWIM_PORT_IN_USE' });
      await expect(start({ transport: { bind } })).rejects.toMatchObject({ code: 'TRANSPORT_PORT_IN_USE' });
    } finally {
      server.close();
    }
  });

  it('a certificate that is missing, expired, of another node, of another cluster', async () => {
    const issue = (more: object): ReturnType<typeof issueNodeCertificate> =>
      issueNodeCertificate(authority, { clusterName, nodeId: 'n9', ...more });
    const good = await issue({});
    await expect(start({ tls: { ...good, cert: join(folder, 'none.pem') } })).rejects.toMatchObject({
      code: 'MANAGER_CERTIFICATE_UNREADABLE',
    });
    const old = { notBefore: new Date(Date.now() - 2000), notAfter: new Date(Date.now() - 1000) };
    await expect(start({ tls: await issue(old) })).rejects.toMatchObject({
      code: 'TRANSPORT_CERTIFICATE_EXPIRED',
    });
    await expect(start({ tls: await issue({ nodeId: 'n8' }) })).rejects.toMatchObject({
      code: 'TRANSPORT_IDENTITY_MISMATCH',
    });
    await expect(start({ tls: await issue({ clusterName: 'other' }) })).rejects.toMatchObject({
      code: 'TRANSPORT_CLUSTER_MISMATCH',
    });
  });

  it('a data folder that cannot be used, a damaged option, a key that is none', async () => {
    await expect(start({ dataDir: '/dev/null/x' })).rejects.toMatchObject({
      code: 'MANAGER_DATA_UNREADABLE',
    });
    await expect(start({ raft: { heartbeatMs: 0 }, voters: ['n9'] })).rejects.toMatchObject({
      code: 'RAFT_CONFIG_INVALID',
    });
    await expect(start({ gossipKeys: ['AAAA'] })).rejects.toMatchObject({ code: 'SWIM_KEY_INVALID' });
  });

  it('a data folder that another node has, until that one has stopped', async () => {
    const dataDir = join(folder, 'shared');
    const first = await makeNode('n8', { dataDir, voters: ['n8'] });
    await first.manager.start();
    await expect(start({ dataDir, voters: ['n9'] })).rejects.toMatchObject({
      code: 'MANAGER_DATA_LOCKED',
      message: expect.stringContaining(`node n8, process ${process.pid}`),
    });
    await first.manager.stop();
    const second = await makeNode('n8', { dataDir, voters: ['n8'] });
    await second.manager.start();
  });

  it('a foreign authority, another cluster, a wrong gossip key: told by joinCluster', async () => {
    const [host] = (await makeCluster(['n1'])) as [Node];
    const seed = formatAddress(host.manager.gossipAddress);
    const joined = async (options: CreateOptions): Promise<void> => {
      const { manager } = await makeNode('n2', { joinTimeoutMs: 1000, voters: ['n1', 'n2'], ...options });
      await manager.start();
      await manager.joinCluster([seed]);
    };
    const foreign = await issueNodeCertificate(await createAuthority(), { clusterName, nodeId: 'n2' });
    await expect(joined({ tls: foreign })).rejects.toMatchObject({ code: 'TRANSPORT_CERTIFICATE_UNTRUSTED' });
    const elsewhere = await issueNodeCertificate(authority, { clusterName: 'other', nodeId: 'n3' });
    await expect(joined({ nodeId: 'n3', clusterName: 'other', tls: elsewhere })).rejects.toMatchObject({
      code: 'SWIM_LABEL_MISMATCH',
    });
    await expect(joined({ gossipKeys: [Buffer.alloc(32, 8).toString('base64')] })).rejects.toMatchObject({
      code: 'SWIM_KEY_MISMATCH',
    });
    const tls = await issueClientCertificate(await createAuthority(), { clusterName, clientId: 'app' });
    await expect(
      ClusterClient.connect({
        clusterName,
        tls,
        nodes: [{ nodeId: 'n1', address: host.manager.transportAddress }],
      }),
    ).rejects.toMatchObject({ code: 'TRANSPORT_CERTIFICATE_UNTRUSTED' });
  });
});

describe('a durable node', () => {
  it('has its log after a restart', async () => {
    const dataDir = join(folder, 'durable');
    const tls = await issueNodeCertificate(authority, { clusterName, nodeId: 'n1' });
    const first = await makeNode('n1', { dataDir, voters: ['n1'], tls });
    await first.manager.start();
    for (let i = 1; i <= 5; i++) await first.manager.query('ADD x 1');
    await first.manager.stop();
    const second = await makeNode('n1', { dataDir, voters: ['n1'], tls });
    await second.manager.start();
    expect((await second.manager.query('GET x', { consistency: 'linearizable' })).rows).toEqual([[5]]);
    expect(second.database.applied).toHaveLength(5);
  });
});
