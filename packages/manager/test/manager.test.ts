import { describeConfig, MetricsRegistry, silentLogger } from '@cluster/core';
import { afterEach, describe, expect, it } from 'vitest';
import { type ManagerConfigInput, managerConfigSchema, parseManagerConfig } from '../src/config.ts';
import type { Components } from '../src/components.ts';
import { type NodeInfo, notAvailable, type UnavailableMethod } from '../src/index.ts';
import { ClusterNetworkManager } from '../src/manager.ts';
import {
  encode,
  failure,
  FakeBalancer,
  FakeDatabase,
  FakeLog,
  FakeMembership,
  FakeMessenger,
  FakePaths,
  ManualClock,
  member,
  settle,
  rejection,
} from './fakes.ts';

function setUp(
  config: ManagerConfigInput = {},
  openError?: Error,
  opening: Promise<void> = Promise.resolve(),
) {
  const clock = new ManualClock();
  const [membership, messenger, log, paths] = [
    new FakeMembership(),
    new FakeMessenger(),
    new FakeLog(),
    new FakePaths(),
  ];
  const balancer = new FakeBalancer([]);
  const components: Components = { membership, messenger, log, quorum: null, paths, balancer };
  const manager = new ClusterNetworkManager({
    nodeId: 'n1',
    config: parseManagerConfig({ voters: ['n1', 'n2', 'n3'], ...config }),
    database: new FakeDatabase(),
    clock,
    wallClock: { nowMs: () => 1_000_000 },
    logger: silentLogger,
    metrics: new MetricsRegistry(),
    tracer: undefined,
    recorder: null,
    versions: {},
    utilization: () => 0,
    open: () => (openError === undefined ? opening.then(() => components) : Promise.reject(openError)),
    writeFile: () => Promise.resolve(),
  });
  return { manager, clock, membership, messenger, log, paths, balancer };
}

const started = async (config?: ManagerConfigInput) => {
  const parts = setUp(config);
  await parts.manager.start();
  return parts;
};

describe('a read on this replica', () => {
  it('asks the log for what was wanted of it: a majority, a lease, or nothing', async () => {
    const { manager, log } = await started();
    await manager.read('read a');
    await manager.read('read a', { consistency: 'lease' });
    await manager.read('read a', { consistency: 'stale' }).catch(() => undefined);
    // What keeps the replica fresh asks as well, and wants nothing in particular.
    const asked = log.consistencies.filter((consistency) => consistency !== undefined);
    expect(asked).toEqual(['linearizable', 'lease']);
    await manager.stop();
  });
});

describe('metadata', () => {
  it('is written here, read by node, and told among the events; it needs a running manager', async () => {
    const { manager } = setUp();
    expect(() => manager.metadata.set('a', '1')).toThrow(
      expect.objectContaining({ code: 'MANAGER_NOT_RUNNING' }),
    );
    await manager.start();
    const events = manager.subscribeToEvents();
    manager.metadata.set('a', '1');
    expect(manager.metadata.get('a')).toBe('1');
    expect(manager.metadata.get('a', 'n2')).toBe(undefined);
    expect([...manager.metadata.entries()]).toEqual([['a', '1']]);
    expect(manager.metadata.delete('a')).toBe(true);
    expect(manager.metadata.delete('a')).toBe(false);
    const changed = { type: 'MetadataChanged', nodeId: 'n1', key: 'a', at: 1_000_000 };
    expect((await events.next()).value).toEqual({ ...changed, value: '1' });
    expect((await events.next()).value).toEqual({ ...changed, value: null });
    await manager.stop();
  });
});

describe('the life of a manager', () => {
  it('refuses calls before it runs and after it has gone, each with its code', async () => {
    const { manager, clock, membership, messenger } = setUp();
    expect(() => manager.getClusterMembers()).toThrow(
      expect.objectContaining({ code: 'MANAGER_NOT_RUNNING' }),
    );
    await expect(manager.query('read a')).rejects.toMatchObject({ code: 'MANAGER_NOT_RUNNING' });
    await expect(manager.joinCluster(['127.0.0.1:1'])).rejects.toMatchObject({ code: 'MANAGER_NOT_RUNNING' });
    await manager.start();
    await expect(manager.start()).rejects.toMatchObject({ code: 'MANAGER_ALREADY_STARTED' });
    expect(manager.getAliveMembers().map(({ id }) => id)).toEqual(['n1']);
    await manager.leave();
    expect(membership.left).toBe(true);
    await expect(manager.propose(encode('x'))).rejects.toMatchObject({ code: 'MANAGER_LEFT' });
    await manager.stop();
    await manager.stop();
    expect([membership.stopped, messenger.closed, manager.state]).toEqual([true, true, 'stopped']);
    await expect(manager.start()).rejects.toMatchObject({ code: 'MANAGER_STOPPED' });
    await clock.advance(1);
  });

  it('fails to start with the error of what could not be opened', async () => {
    const { manager } = setUp({}, failure('TRANSPORT_ADDRESS_IN_USE', 'useless'));
    await expect(manager.start()).rejects.toMatchObject({ code: 'TRANSPORT_ADDRESS_IN_USE' });
    expect(manager.state).toBe('failed');
    await expect(manager.query('read a')).rejects.toMatchObject({
      code: 'MANAGER_FAILED',
      message: expect.stringContaining('TRANSPORT_ADDRESS_IN_USE'),
    });
    await manager.stop();
    expect(manager.state).toBe('stopped');
  });

  it('that is stopped while it opens closes what was opened even so', async () => {
    let opened = (): void => undefined;
    const opening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const { manager, membership, messenger, log } = setUp({}, undefined, opening);
    const start = rejection(manager.start());
    const stop = manager.stop();
    await settle();
    opened();
    await stop;
    expect(await start).toMatchObject({ code: 'MANAGER_STOPPED' });
    expect([membership.stopped, messenger.closed, log.stopped, manager.state]).toEqual([
      true,
      true,
      true,
      'stopped',
    ]);
  });

  it('leaves and stops by itself at the end of a scope', async () => {
    const { manager, membership } = setUp();
    {
      await using scoped = manager;
      await scoped.start();
    }
    expect([membership.left, membership.stopped]).toEqual([true, true]);
  });
});

describe('joining', () => {
  it('asks again while no seed answers, then makes sure that a member accepts us', async () => {
    const { manager, membership, messenger, clock } = await started();
    let rounds = 0;
    membership.joinPlan = async () => {
      if (++rounds < 3) throw failure('SWIM_JOIN_FAILED', 'safe');
      membership.known = [member('n1'), member('n2')];
      return 1;
    };
    const pinged: string[] = [];
    messenger.pingPlan = async (to) => pinged.push(to);
    const joined = manager.joinCluster(['127.0.0.1:1']);
    await clock.advance(0);
    expect(manager.getClusterMembers()[0]?.state).toBe('Joining');
    await expect(manager.joinCluster(['127.0.0.1:1'])).rejects.toMatchObject({
      code: 'MANAGER_JOIN_IN_PROGRESS',
    });
    await clock.advance(1000);
    expect(await joined).toBe(1);
    expect([rounds, pinged, manager.state]).toEqual([3, ['n2'], 'running.member']);
  });

  it('may go on for more seeds at once, each with an answer of its own', async () => {
    const { manager, membership } = await started();
    await manager.joinCluster(['127.0.0.1:1']);
    membership.joinPlan = async ([seed]) => {
      if (seed === '127.0.0.1:2') throw failure('SWIM_KEY_REFUSED', 'useless');
      return 3;
    };
    const bad = rejection(manager.joinCluster(['127.0.0.1:2']));
    const good = manager.joinCluster(['127.0.0.1:3']);
    expect(await bad).toMatchObject({ code: 'SWIM_KEY_REFUSED' });
    expect(await good).toBe(3);
  });

  it('ends at once with what no retry will mend, and says why otherwise', async () => {
    const { manager, membership, clock } = await started();
    membership.joinPlan = () => Promise.reject(failure('SWIM_KEY_REFUSED', 'useless'));
    await expect(manager.joinCluster(['127.0.0.1:1'])).rejects.toMatchObject({ code: 'SWIM_KEY_REFUSED' });
    membership.joinPlan = () => Promise.reject(failure('SWIM_JOIN_FAILED', 'safe'));
    const end = rejection(manager.joinCluster(['127.0.0.1:1']));
    await clock.advance(20_000);
    expect(await end).toMatchObject({
      code: 'MANAGER_JOIN_FAILED',
      message: expect.stringContaining('SWIM_JOIN_FAILED'),
    });
    expect(manager.state).toBe('running.alone');
  });

  it('fails when every member refuses our certificate', async () => {
    const { manager, membership, messenger } = await started();
    membership.known = [member('n1'), member('n2'), member('n3')];
    messenger.pingPlan = () => Promise.reject(failure('TRANSPORT_CERTIFICATE_UNTRUSTED', 'safe', 'peer'));
    await expect(manager.joinCluster(['127.0.0.1:1'])).rejects.toMatchObject({
      code: 'TRANSPORT_CERTIFICATE_UNTRUSTED',
    });
  });

  it('gives up a log of its own that holds nothing, and refuses when it holds something', async () => {
    const { manager, log } = await started({ voters: undefined });
    expect(manager.leadership.isLeader).toBe(true);
    await manager.joinCluster(['127.0.0.1:1']);
    expect(manager.leadership.status().role).toBe('none');
    await expect(manager.propose(encode('x'))).rejects.toMatchObject({ code: 'MANAGER_NOT_VOTER' });
    await expect(manager.query('write a')).rejects.toMatchObject({ code: 'MANAGER_VOTERS_REQUIRED' });
    expect(log.proposed).toHaveLength(0);

    const reader = await started({ voters: undefined });
    await reader.manager.query('read a');
    await expect(reader.manager.joinCluster(['127.0.0.1:1'])).resolves.toBe(1);

    const other = await started({ voters: undefined });
    await other.manager.propose(encode('x'));
    await expect(other.manager.joinCluster(['127.0.0.1:1'])).rejects.toMatchObject({
      code: 'MANAGER_VOTERS_REQUIRED',
    });
  });
});

describe('members and events', () => {
  it('routes to members that are alive and connected, and watches the paths to them', async () => {
    const { manager, membership, messenger, balancer, paths } = await started();
    membership.known = [member('n1'), member('n2'), member('n3'), member('n4', { state: 'Dead' })];
    messenger.connected.add('n2').add('n4');
    membership.tell({ type: 'Joined', member: member('n2') });
    expect(balancer.nodes).toEqual(['n1', 'n2']);
    expect([...paths.watched]).toEqual(['n2', 'n3']);
    membership.known = [member('n1'), member('n2', { state: 'Dead' })];
    membership.tell({ type: 'Dead', member: member('n2', { state: 'Dead' }) });
    expect(balancer.nodes).toEqual(['n1']);
    expect([...paths.watched]).toEqual([]);
    expect(manager.state).toBe('running.member');
  });

  it('tells everything in one stream, in order', async () => {
    const { manager, membership, log } = await started();
    const events = manager.subscribeToEvents();
    membership.tell({ type: 'Joined', member: member('n2') });
    log.lead('n2');
    membership.tell({ type: 'Suspect', member: member('n2', { state: 'Suspect' }) });
    await manager.stop();
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const event of events)
        seen.push(event.type === 'LifecycleChanged' ? event.state : event.type);
    };
    void read();
    await settle();
    expect(seen).toEqual(['running.member', 'Joined', 'LeaderChanged', 'Suspect', 'stopping', 'stopped']);
  });

  it('shows a node as its tags say, and does not let gossip name an absurd weight', async () => {
    const { manager, membership } = await started();
    const tags = { ta: '10.0.0.2:9', dc: 'west', rack: 'r1', cap: '1e308', team: 'blue' };
    membership.known = [member('n1'), member('n2', { tags, silentMs: 500 })];
    expect(manager.getClusterMembers()[1]).toEqual({
      id: 'n2',
      addr: '127.0.0.1:1',
      transportAddr: '10.0.0.2:9',
      state: 'Alive',
      incarnation: 1,
      metadata: { team: 'blue' },
      lastSeen: 999_500,
      datacenter: 'west',
      rack: 'r1',
      capacity: 1,
    } satisfies NodeInfo);
  });
});

describe('a node whose log has failed', () => {
  it('says so, serves no old data, and is a gateway to the other voters', async () => {
    const { manager, membership, messenger, log, balancer } = await started();
    const events = manager.subscribeToEvents();
    log.fail(failure('RAFT_STORAGE_FAILED', 'unsafe'));
    expect((await events.next()).value).toMatchObject({ type: 'LogFailed' });
    await expect(manager.propose(encode('x'))).rejects.toMatchObject({ code: 'MANAGER_NOT_VOTER' });
    await expect(manager.query('read a')).rejects.toMatchObject({ code: 'MANAGER_NO_ENDPOINT' });
    membership.known = [member('n1'), member('n2')];
    messenger.connected.add('n2');
    membership.tell({ type: 'Joined', member: member('n2') });
    expect(balancer.nodes).toEqual(['n1', 'n2']);
    using route = await manager.routeQuery('read a');
    expect(route.nodeId).toBe('n2');
    await manager.stop();
    expect(log.stopped).toBe(true);
  });
});

describe('leadership', () => {
  it('waits for a leader, and not longer than told', async () => {
    const { manager, log } = await started();
    log.lead(null);
    const waiting = manager.leadership.waitForLeader();
    await settle();
    log.lead('n2');
    expect(await waiting).toBe('n2');
    log.lead(null);
    await expect(manager.leadership.waitForLeader({ timeoutMs: 5 })).rejects.toMatchObject({
      code: 'MANAGER_NO_LEADER',
    });
    const abort = new AbortController();
    const aborted = rejection(manager.leadership.waitForLeader({ signal: abort.signal }));
    abort.abort();
    expect(await aborted).toMatchObject({
      code: 'MANAGER_ABORTED',
    });
  });
});

describe('routes', () => {
  it('lead reads to a replica and writes to the leader', async () => {
    const { manager, membership, messenger, log } = await started();
    membership.known = [member('n1'), member('n2'), member('n3')];
    messenger.connected.add('n2').add('n3');
    membership.tell({ type: 'Joined', member: member('n2') });
    log.lead('n3');
    using read = await manager.routeQuery('read a');
    using write = await manager.routeQuery('write a');
    using told = await manager.routeQuery('write a', { readOnly: true });
    expect([read.nodeId, write.nodeId, told.nodeId]).toEqual(['n1', 'n3', 'n1']);
    expect(manager.getAllMetrics().loadBalancer).toMatchObject({ queries_routed: 3 });
  });
});

describe('health and metrics', () => {
  it('say whether the node can do what it is there for', async () => {
    const { manager, membership, messenger, log } = await started();
    membership.known = [member('n1'), member('n2'), member('n3')];
    messenger.connected.add('n2');
    expect(await manager.healthCheck()).toMatchObject({ status: 'healthy', nodeId: 'n1' });
    membership.known = [member('n1'), member('n2'), member('n3', { state: 'Suspect' })];
    expect(await manager.healthCheck()).toMatchObject({ status: 'degraded' });
    messenger.connected.clear();
    log.lead(null);
    expect(await manager.healthCheck()).toMatchObject({ status: 'unhealthy' });
    expect((await setUp().manager.healthCheck()).status).toBe('unhealthy');
  });

  it('count what happened, by the documented names', async () => {
    const { manager, log } = await started();
    await manager.query('write a');
    log.lead('n2');
    const metrics = manager.getAllMetrics();
    expect(Object.keys(metrics)).toEqual(['topology', 'communication', 'loadBalancer', 'failover', 'health']);
    expect(metrics.loadBalancer).toMatchObject({
      writes_proposed: 1,
      queries_failed: 0,
      average_latency_ms: 0,
    });
    expect(metrics.failover).toMatchObject({ failover_events: 1, term: 2, is_leader: 1 });
    expect(manager.prometheus()).toContain('cluster_failover_events_total 1');
  });
});

describe('what is not available', () => {
  const calls: Record<UnavailableMethod, (manager: ClusterNetworkManager) => Promise<unknown>> = {
    'propose({group})': (manager) => manager.propose(encode('x'), { group: 1 }),
    'routeQuery({sessionId})': (manager) => manager.routeQuery('read a', { sessionId: 's' }),
    'sessions.list': (manager) => manager.sessions.list(),
    'sessions.get': (manager) => manager.sessions.get('s'),
    'sessions.migrate': (manager) => manager.sessions.migrate('s', 'n2'),
    'transactions.begin': (manager) => manager.transactions.begin(),
    'transactions.run': (manager) => manager.transactions.run(async () => 1),
    'transactions.inDoubt': (manager) => manager.transactions.inDoubt(),
    rollingRestart: (manager) => manager.rollingRestart({ restart: async () => undefined }),
  };

  it.each(Object.keys(notAvailable) as UnavailableMethod[])('rejects %s, naming it', async (method) => {
    const { manager } = await started();
    await expect(calls[method](manager)).rejects.toMatchObject({
      code: 'NOT_AVAILABLE',
      message: expect.stringContaining(method),
    });
  });
});

describe('the configuration', () => {
  const codeOf = (input: ManagerConfigInput): string => {
    try {
      parseManagerConfig(input);
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  it('names every key that is wrong', () => {
    expect(codeOf({ nodeId: 'a/b', capacity: 0 })).toMatch(/nodeId: .*capacity: /);
    expect(codeOf({ bind: '0.0.0.0:7000' })).toMatch(/advertise: required/);
    expect(codeOf({ bind: 'nonsense' })).toMatch(/bind/);
    expect(codeOf({ bnid: '127.0.0.1:1' } as never)).toMatch(/bnid/);
    expect(codeOf({ metadata: { ta: 'x' } })).toMatch(/taken/);
    expect(codeOf({ voters: ['a', 'a'] })).toMatch(/once/);
    expect(codeOf({ quorum: {} })).toMatch(/quorum: requires voters/);
    expect(codeOf({ quorum: {}, voters: [] })).toBe('accepted');
  });
  it('is described key by key', () => {
    const rows = describeConfig(managerConfigSchema);
    expect(rows.find(({ key }) => key === 'joinTimeoutMs')).toMatchObject({ default: 10_000, unit: 'ms' });
    expect(rows.filter(({ description }) => description === '').map(({ key }) => key)).toEqual([]);
  });

  it('takes addresses as text or in two parts', () => {
    expect(parseManagerConfig({ bind: '[::1]:7000' }).bind).toEqual({ host: '::1', port: 7000 });
    expect(parseManagerConfig({ bind: { host: '127.0.0.1', port: 1 } }).bind).toEqual({
      host: '127.0.0.1',
      port: 1,
    });
  });
});

afterEach(() => settle());
