/** Against real Serf agents (Debian's `serf`) on loopback: two of theirs and two of ours in a pool, plain and encrypted. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { formatAddress } from '@cluster/core';
import type { MembershipEvent, Swim } from '@cluster/swim';
import { startSwim } from '@cluster/swim/node';
import { afterAll, describe, expect, it } from 'vitest';

const hasSerf = spawnSync('serf', ['version']).status === 0;
const isCi = process.env['CI'] !== undefined && process.env['CI'] !== '';
if (!hasSerf && !isCi)
  console.warn('serf is not installed: its tests are skipped (apt-get install serf). In CI they would fail.');

const keyA = Buffer.alloc(32, 1).toString('base64');
const keyB = Buffer.alloc(32, 2).toString('base64');

interface Agent {
  readonly name: string;
  readonly address: string;
  readonly rpc: string;
  readonly process: ChildProcess;
  /** What it has written. */
  readonly log: string[];
}

const agents: Agent[] = [];
const ours: Swim[] = [];
const quit = async ({ process: child }: Agent): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
};
afterAll(async () => {
  await Promise.all([...agents.splice(0).map(quit), ...ours.splice(0).map((swim) => swim.stop())]);
});

const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const until = async (
  what: string,
  reached: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> => {
  const endMs = performance.now() + withinMs;
  while (!(await reached())) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/** Runs Serf's command line against an agent; gives what it printed, also where it failed. */
const serf = ({ rpc }: Agent, command: string, ...args: string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile('serf', [command, `-rpc-addr=${rpc}`, ...args], { timeout: 20_000 }, (_error, out, err) =>
      resolve(out + err),
    );
  });

async function startAgent(name: string, host: string, keys: readonly string[]): Promise<Agent> {
  const [port, rpcPort] = [await freePort(host), await freePort(host)];
  const [address, rpc] = [`${host}:${port}`, `${host}:${rpcPort}`];
  const encrypt = keys.map((key) => `-encrypt=${key}`);
  const args = [`-node=${name}`, `-bind=${address}`, `-rpc-addr=${rpc}`, '-profile=lan', ...encrypt];
  const child = spawn('serf', ['agent', '-log-level=debug', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => void log.push(piece.toString()));
  const agent = { name, address, rpc, process: child, log };
  agents.push(agent);
  await until(`${name} answers`, async () => (await serf(agent, 'members')).includes('alive'));
  return agent;
}

async function startOurs(name: string, host: string, keys: readonly string[]): Promise<Swim> {
  const swim = await startSwim({
    name,
    preset: 'lan',
    bind: { host, port: 0 },
    tags: { role: 'ours' },
    gossipKeys: [...keys],
    keyring: { acceptRemote: true },
  });
  ours.push(swim);
  return swim;
}

/** Status of a member as an agent has it. */
const statusAt = async (agent: Agent, name: string): Promise<string | undefined> => {
  const line = (await serf(agent, 'members')).split('\n').find((text) => text.startsWith(`${name} `));
  return line?.split(/\s+/)[2];
};
const stateAt = (swim: Swim, name: string): string | undefined =>
  swim.members().find((member) => member.name === name)?.state;

const readEvents = (swim: Swim): MembershipEvent[] => {
  const read: MembershipEvent[] = [];
  const events = swim.events();
  void (async () => {
    for await (const event of events) read.push(event);
  })();
  return read;
};

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** @param net the pools run beside each other, each in a part of loopback of its own. */
async function pool(net: number, keys: readonly string[]) {
  const [s1, s2] = await Promise.all([
    startAgent('s1', `127.0.${net}.1`, keys),
    startAgent('s2', `127.0.${net}.2`, keys),
  ]);
  const [o1, o2] = [
    await startOurs('o1', `127.0.${net}.3`, keys),
    await startOurs('o2', `127.0.${net}.4`, keys),
  ];
  expect(await o1.join([s1.address])).toBe(1);
  // The other way round as well: Serf joins through one of ours.
  expect(await serf(s2, 'join', formatAddress(o1.self.address))).toMatch(/Successfully joined/);
  expect(await o2.join([s2.address])).toBe(1);
  await until('all list four alive', async () => {
    const theirs = await Promise.all([s1, s2].map((agent) => serf(agent, 'members')));
    return (
      theirs.every((list) => list.match(/ alive /g)?.length === 4) &&
      [o1, o2].every((one) => one.alive().length === 4)
    );
  });
  return { s1, s2, o1, o2 };
}

describe.skipIf(!hasSerf && !isCi).concurrent('a pool with Serf', () => {
  it.each([
    ['plain', 21, []],
    ['encrypted', 22, [keyA]],
  ])(
    '%s: lists, tags, events, queries, leaves and failures, both ways',
    async (_name, net, keys) => {
      const { s1, s2, o1, o2 } = await pool(net, keys);
      expect(await serf(s1, 'members')).toMatch(/o1 .*role=ours/);
      const read = readEvents(o2);

      // Through a pool in which neither of ours has met the other but through theirs, which notice nothing.
      o1.metadata.set('short', 'v1');
      o1.metadata.set('long', 'x'.repeat(10_000));
      await until(
        'the metadata of ours has come',
        () => o2.metadata.get('long', 'o1')?.length === 10_000 && o2.metadata.getText('short', 'o1') === 'v1',
      );
      expect(o1.metadata.delete('short')).toBe(true);
      await until('it is gone', () => o2.metadata.get('short', 'o1') === undefined);
      for (const { log } of [s1, s2]) expect(log.join('')).not.toMatch(/\[(WARN|ERR)\]/);

      o1.sendEvent('deploy', 'v1');
      expect(await serf(s1, 'event', '-coalesce=false', 'restart', 'now')).toMatch(/dispatched/);
      await until('both events have come', () =>
        ['deploy v1', 'restart now'].every((wanted) =>
          read.some(
            (event) => event.type === 'UserEvent' && `${event.name} ${text(event.payload)}` === wanted,
          ),
        ),
      );

      o1.onQuery('load', ({ from, payload }) => `${from} asked ${text(payload)}`);
      const answered = await serf(s1, 'query', '-timeout=2s', '-tag', 'role=^ou', 'load', 'how');
      expect(answered).toMatch(/Ack from 'o1'/);
      expect(answered).toMatch(/Ack from 'o2'/);
      expect(answered).toMatch(/Response from 'o1': s1 asked how/);
      expect(answered).toMatch(/Total Acks: 2\nTotal Responses: 1/);
      const acks: string[] = [];
      for await (const { type, from } of o2.query('uptime', '', {
        acks: true,
        nodes: ['s1', 's2', 'o1'],
        timeoutMs: 1500,
      }))
        acks.push(`${type} ${from}`);
      expect(acks.sort()).toEqual(['ack o1', 'ack s1', 'ack s2']);
      expect(await serf(s1, 'reachability')).toMatch(/Successfully contacted all live nodes/);
      await until('Serf estimates the way to ours, and ours the way to Serf', async () => {
        const theirs = /Estimated s1 <-> o1 rtt: \d/.test(await serf(s1, 'rtt', 's1', 'o1'));
        return theirs && (o1.estimateRttMs('s1', 's2') ?? 0) > 0;
      });

      // Without a word: failed. One after the other, for two silent at once have nobody to confirm a suspicion early.
      await quit(s2);
      await until(
        'theirs has failed for both',
        async () => (await statusAt(s1, 's2')) === 'failed' && stateAt(o1, 's2') === 'Dead',
      );
      await o2.stop();
      await until(
        'ours has failed for both',
        async () => (await statusAt(s1, 'o2')) === 'failed' && stateAt(o1, 'o2') === 'Dead',
      );

      // An operator's word: what failed has left.
      await serf(s1, 'force-leave', 'o2');
      await until(
        'the operator is believed',
        async () => (await statusAt(s1, 'o2')) === 'left' && stateAt(o1, 'o2') === 'Left',
      );

      // In good order: left.
      const o3 = await startOurs('o3', `127.0.${net}.5`, keys);
      expect(await o3.join([s1.address])).toBe(1);
      await o1.leave();
      await until(
        'ours has left',
        async () => (await statusAt(s1, 'o1')) === 'left' && stateAt(o3, 'o1') === 'Left',
      );
      await serf(s1, 'leave');
      await until("Serf's has left", () => stateAt(o3, 's1') === 'Left');
    },
    60_000,
  );

  it('its key rotation reaches ours', async () => {
    const net = 23;
    const { s1, o1, o2 } = await pool(net, [keyA]);
    expect(await serf(s1, 'keys', `-install=${keyB}`)).toMatch(/Successfully installed/);
    expect(await serf(s1, 'keys', `-use=${keyB}`)).toMatch(/Successfully changed primary/);
    expect(await serf(s1, 'keys', `-remove=${keyA}`)).toMatch(/Successfully removed/);
    const list = await serf(s1, 'keys', '-list');
    expect(list.replaceAll(/\s+/g, ' ')).toContain(`${keyB} [4/4]`);
    expect(list).not.toContain(keyA);
    // What only the old key opens is no longer taken, and all still hear each other.
    const late = await startOurs('late', `127.0.${net}.6`, [keyB]);
    expect(await late.join([formatAddress(o1.self.address)])).toBe(1);
    await until(
      'all see the late one',
      async () => (await statusAt(s1, 'late')) === 'alive' && stateAt(o2, 'late') === 'Alive',
    );
    const old = await startOurs('old', `127.0.${net}.7`, [keyA]);
    await expect(old.join([formatAddress(o1.self.address)])).rejects.toMatchObject({
      code: 'SWIM_KEY_MISMATCH',
    });
  }, 60_000);
});
