/** The service: promises, signals, iteration. */
import { describe, expect, it } from 'vitest';
import { MemoryLogStorage, Raft, type RaftConfigInput, type RaftEvent } from '../src/index.ts';
import { ManualClock } from './support/clock.ts';
import { Ledger, text, words } from './support/ledger.ts';
import { TestNetwork } from './support/network.ts';

async function startAlone(
  config: Partial<RaftConfigInput> = {},
): Promise<{ raft: Raft; clock: ManualClock; ledger: Ledger; closed: () => number }> {
  const clock = new ManualClock();
  const ledger = new Ledger();
  let closes = 0;
  const ports = {
    clock,
    channel: new TestNetwork(clock).channel('a'),
    storage: new MemoryLogStorage(),
    stateMachine: ledger,
    seed: 1,
  };
  const raft = await Raft.start({ nodeId: 'a', voters: ['a'], ...config }, ports, async () => void closes++);
  return { raft, clock, ledger, closed: () => closes };
}

describe('the service', () => {
  it('resolves with the place and result of a command, a session’s id and a barrier’s index', async () => {
    const { raft, clock } = await startAlone();
    clock.advance(600);
    const { index, term, result } = await raft.propose(text('x'));
    expect([index, term, words(result)]).toEqual([2, 1, '1']);
    const clientId = await raft.openSession();
    expect(clientId).toBe(3);
    const first = await raft.propose(text('y'), { session: { clientId, sequence: 1 } });
    const again = await raft.propose(text('y'), { session: { clientId, sequence: 1 } });
    expect([words(first.result), words(again.result)]).toEqual(['2', '2']);
    expect(await raft.barrier()).toBe(6);
    expect(raft.status()).toMatchObject({ role: 'leader', appliedIndex: 6 });
  });

  it('resolves a read with an index that is applied here, and writes nothing for it', async () => {
    const { raft, clock } = await startAlone();
    clock.advance(600);
    await raft.propose(text('x'));
    expect(await Promise.all([raft.read(), raft.read()])).toEqual([2, 2]);
    expect(raft.status()).toMatchObject({ lastIndex: 2, appliedIndex: 2 });
  });

  it('rejects a read that finds no leader, is aborted, is one too many or comes too late', async () => {
    const { raft, clock } = await startAlone({ voters: ['a', 'b'], pendingProposalsMax: 2 });
    const codeOf = (read: Promise<number>): Promise<unknown> =>
      read.then(
        () => 'read',
        ({ code, retry }: { code: string; retry: string }) => `${code} ${retry}`,
      );
    const abort = new AbortController();
    const late = codeOf(raft.read({ timeoutMs: 100 }));
    const aborted = codeOf(raft.read({ signal: abort.signal }));
    expect(await codeOf(raft.read())).toBe('RAFT_BUSY safe');
    abort.abort();
    expect(await aborted).toBe('RAFT_ABORTED safe');
    clock.advance(200);
    expect(await late).toBe('RAFT_TIMEOUT safe');
    const cut = codeOf(raft.read());
    await raft.stop();
    expect(await cut).toBe('RAFT_STOPPED safe');
    expect(await codeOf(raft.read())).toBe('RAFT_STOPPED safe');
  });

  it('says why a lead is not handed over', async () => {
    const { raft, clock } = await startAlone();
    const codeOf = (transfer: Promise<void>): Promise<unknown> =>
      transfer.then(
        () => 'done',
        ({ code }: { code: string }) => code,
      );
    expect(await codeOf(raft.transferLeadership('a'))).toBe('RAFT_NOT_LEADER');
    clock.advance(600);
    expect(await codeOf(raft.transferLeadership('a'))).toBe('done');
    expect(await codeOf(raft.transferLeadership('b'))).toBe('RAFT_TRANSFER_TARGET_UNKNOWN');
    await raft.stop();
    expect(await codeOf(raft.transferLeadership('a'))).toBe('RAFT_STOPPED');
  });

  it('rejects with what went wrong', async () => {
    const { raft } = await startAlone({ commandBytesMax: 1024 });
    await expect(raft.propose(new Uint8Array(2000))).rejects.toMatchObject({
      code: 'RAFT_COMMAND_TOO_LARGE',
      fault: 'caller',
    });
    await expect(Raft.start({ nodeId: 'a', voters: ['b'] }, {} as never)).rejects.toMatchObject({
      code: 'RAFT_CONFIG_INVALID',
    });
  });

  it('gives up when its signal aborts, also one that already has', async () => {
    const { raft } = await startAlone();
    const controller = new AbortController();
    const waiting = raft.propose(text('x'), { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'RAFT_ABORTED', retry: 'safe' });
    await expect(raft.barrier({ signal: controller.signal })).rejects.toMatchObject({ code: 'RAFT_ABORTED' });
    await expect(raft.openSession({ signal: controller.signal })).rejects.toMatchObject({
      code: 'RAFT_ABORTED',
    });
  });

  it('gives up after its timeout', async () => {
    const { raft, clock } = await startAlone({ voters: ['a', 'b'] });
    const calls = [
      raft.propose(text('x'), { timeoutMs: 100 }),
      raft.barrier({ timeoutMs: 100 }),
      raft.openSession({ timeoutMs: 100 }),
    ];
    clock.advance(200);
    for (const call of calls)
      await expect(call).rejects.toMatchObject({ code: 'RAFT_NO_LEADER', retry: 'safe' });
  });

  it('tells events to every reader, and ends them when it stops', async () => {
    const { raft, clock, closed } = await startAlone();
    const seen: RaftEvent[] = [];
    const reading = (async () => {
      for await (const event of raft.events()) seen.push(event);
    })();
    clock.advance(600);
    await raft.stop();
    await raft.stop();
    await reading;
    expect(seen.map(({ type }) => type)).toEqual(['RoleChanged', 'RoleChanged', 'LeaderChanged']);
    expect(closed()).toBe(2);
    await expect(raft.propose(text('x'))).rejects.toMatchObject({ code: 'RAFT_STOPPED' });
  });

  it('ends what is under way when it is disposed of', async () => {
    const { raft } = await startAlone();
    const waiting = raft.propose(text('x'));
    await raft[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ code: 'RAFT_STOPPED' });
  });
});
