import { strict as assert } from 'node:assert';
import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';
import { Arena } from '../src/core/arena.ts';
import { newOutgoing, type Outgoing } from '../src/core/outgoing.ts';
import { SendCredit } from '../src/core/credit.ts';
import { SendQueue } from '../src/core/send-queue.ts';
import { Unacked } from '../src/core/unacked.ts';
import { type Block, largeBytes, Stock } from '../src/wire/blocks.ts';
import { flagBits, frameTypes } from '../src/wire/frame.ts';

const outlet = { id: 1, leftBytes: 0 as number | null };

const arenas = () => {
  const blocks: number[] = [];
  const allocate = (bytes: number): Uint8Array => {
    blocks.push(bytes);
    return new Uint8Array(bytes);
  };
  const at = { ...outlet };
  const arena = new Arena(allocate, () => at);
  const lay = (length: number, priority = 2, fill = 1): Outgoing => {
    const item = newOutgoing(frameTypes.message, priority, 64, 0, null);
    arena.lay(item, new Uint8Array(length).fill(fill));
    return item;
  };
  /** As a stream takes it: its block is lent until so much has left. */
  const lend = (item: Outgoing, given: number): void => (item.block as Block).lend(at.id, given);
  return { arena, at, blocks, lay, lend };
};

const holds = ({ bytes, from, length }: Outgoing, fill: number): boolean =>
  bytes.subarray(from, from + length).every((byte) => byte === fill);

describe('the arena', () => {
  it('has room for a header before each payload, and the next one right behind', () => {
    const { lay } = arenas();
    const [a, b] = [lay(300), lay(200)];
    expect([a.from, b.from]).toEqual([16, 16 + 300 + 16]);
    expect(a.bytes === b.bytes).toBe(true);
  });

  it('starts small, and goes over to large blocks where much is written', () => {
    const { blocks, lay } = arenas();
    for (let i = 0; i < 60; i++) lay(300);
    expect(blocks).toEqual([16_384, largeBytes]);
    lay(65_000);
    expect(blocks).toHaveLength(2);
    // What would leave no room for another has a block of its own, and the one that is being filled goes on.
    const own = lay(1_000_000);
    expect(lay(10).bytes === own.bytes).toBe(false);
    expect(blocks.slice(2)).toEqual([1_048_576]);
  });

  it('gives each priority blocks of its own: what waits keeps nothing of what does not', () => {
    const { arena, blocks, lay } = arenas();
    const low = lay(10, 3);
    for (let i = 0; i < 100; i++) for (const item of [lay(60_000, 1), lay(60_000, 1)]) arena.release(item);
    expect(arena.heldBytes).toBe(26);
    expect(blocks.length).toBeLessThan(5);
    expect(holds(low, 1)).toBe(true);
  });

  it('writes to a block again once all in it is released and nothing of it is with the stream', () => {
    const { arena, at, lay, lend } = arenas();
    const items = [lay(130_000), lay(130_000)] as const;
    const { bytes } = items[0];
    lend(items[1], 260_032);
    const isReused = (): boolean => {
      const item = lay(130_000);
      const isSame = item.bytes === bytes;
      if (!isSame) lend(item, 0);
      return isSame;
    };
    expect(isReused()).toBe(false);
    at.leftBytes = 260_031;
    for (const item of items) arena.release(item);
    for (const leftBytes of [260_031, null]) {
      at.leftBytes = leftBytes;
      expect([isReused(), isReused()]).toEqual([false, false]);
    }
    at.leftBytes = 260_032;
    expect([isReused(), isReused()]).toContain(true);
  });

  it('never writes again to what a former stream has had: nobody knows what became of that', () => {
    const { arena, at, lay, lend } = arenas();
    const item = lay(260_000);
    const { bytes } = item;
    lend(item, 1);
    at.id = 2;
    // Sent again on another stream, and acknowledged there.
    lend(item, 1);
    arena.release(item);
    Object.assign(at, { leftBytes: 1_000_000 });
    for (let i = 0; i < 40; i++) {
      const next = lay(260_000);
      expect(next.bytes === bytes).toBe(false);
      arena.release(next);
    }
  });

  it('counts what stands beside a frame that waits, until that is over', () => {
    const { arena, lay } = arenas();
    const [a, b, c] = [lay(1000), lay(2000), lay(3000)];
    arena.release(a);
    arena.release(c);
    expect(arena.heldBytes).toBe(6048);
    arena.release(b);
    arena.release(b);
    expect(arena.heldBytes).toBe(0);
    // Begun again at its beginning.
    expect(lay(10).from).toBe(16);
  });

  it('keeps a bounded number of blocks, and none when it rests', () => {
    const { arena, blocks, lay } = arenas();
    const many = Array.from({ length: 60 }, () => lay(260_000));
    for (const item of many) arena.release(item);
    blocks.length = 0;
    const again = Array.from({ length: 60 }, () => lay(260_000));
    // 12 MiB of them were kept.
    expect(blocks).toHaveLength(60 - Math.floor((12 * 1024 * 1024) / largeBytes));
    for (const item of again) arena.release(item);
    arena.rest(true);
    blocks.length = 0;
    lay(260_000);
    expect(blocks).toHaveLength(1);
  });
});

describe('a stock of blocks', () => {
  it('lets go of what nobody has needed for a while, and keeps what is needed again and again', () => {
    let made = 0;
    const stock = new Stock((bytes) => {
      made++;
      return new Uint8Array(bytes);
    });
    const use = (count: number): void => {
      const taken = Array.from({ length: count }, () => stock.take(200_000, true, outlet));
      for (const block of taken) stock.give(block);
    };
    use(20);
    for (let look = 0; look < 5; look++) {
      stock.trim();
      use(5);
    }
    expect(made).toBe(20);
    use(20);
    expect(made).toBe(35);
  });

  it('gives none that is far larger than what is wanted', () => {
    const stock = new Stock((bytes) => new Uint8Array(bytes));
    const large = stock.take(1_000_000, true, outlet);
    stock.give(large);
    expect(stock.take(10, false, outlet) === large).toBe(false);
    expect(stock.take(600_000, true, outlet) === large).toBe(true);
  });
});

/** What is sent is laid, queued, cut, acknowledged, resent, taken back or abandoned, in any order. */
function livedThrough(
  seed: number,
  when: 'when it is over' | 'never' | 'when it leaves' = 'when it is over',
): { readonly wrong: number; readonly heldBytes: number } {
  const prng = Prng.fromSeed(seed);
  const at = { id: 1, leftBytes: Number.MAX_SAFE_INTEGER };
  const arena = new Arena(
    (bytes) => new Uint8Array(bytes),
    () => at,
  );
  const release = (item: Outgoing): void => {
    if (when !== 'never') arena.release(item);
  };
  const windows = { streamWindowBytes: 1 << 29, sessionWindowBytes: 1 << 29 };
  const queue = new SendQueue(new SendCredit(windows), release);
  queue.shrink = (bytes) => (prng.chance(0.5) ? bytes.slice(0, bytes.length / 2) : null);
  let unacked = new Unacked(1024, release);
  const fills = new Map<number, number>();
  const sent: { readonly sequence: number; readonly frame: Outgoing; readonly fill: number }[] = [];
  const laid: Outgoing[] = [];
  let wrong = 0;
  for (let step = 0; step < 1000; step++) {
    const dice = prng.float();
    if (dice < 0.4) {
      const flags = prng.below(4) + (prng.chance(0.1) ? flagBits.compressed : 0);
      const item = newOutgoing(frameTypes.message, flags, step, 0, null);
      const fill = 1 + prng.below(255);
      const length = 1 + prng.below(prng.chance(0.1) ? 300_000 : 2000);
      arena.lay(item, new Uint8Array(length).fill(fill));
      fills.set(step, fill);
      laid.push(item);
      queue.push(item);
    } else if (dice < 0.8 && !unacked.full) {
      const frame = queue.next();
      if (frame !== undefined) {
        const sequence = unacked.push(frame);
        // Of a chunk it is in the bytes alone.
        const fill = frame.bytes[frame.from] ?? 0;
        if (frame.type === frameTypes.message && fill !== fills.get(frame.typeId)) wrong++;
        sent.push({ sequence, frame, fill });
        if (when === 'when it leaves') arena.release(frame);
      }
    } else if (dice < 0.95 && sent.length > 0) {
      const count = 1 + prng.below(sent.length);
      unacked.acknowledge(sent[count - 1]?.sequence ?? 0);
      sent.splice(0, count);
    } else if (dice < 0.98) {
      const item = laid[prng.below(laid.length)];
      if (item !== undefined && item.attempts === 0) queue.cancel(item);
    } else if (dice < 0.99) {
      unacked.clear(() => undefined);
      sent.length = 0;
      queue.endSession();
      queue.restart(new SendCredit(windows));
      unacked = new Unacked(1024, release);
    }
    const seen = sent[prng.below(Math.max(1, sent.length))];
    if (seen !== undefined && !holds(seen.frame, seen.fill)) wrong++;
  }
  unacked.clear(() => undefined);
  queue.drain(() => undefined);
  return { wrong, heldBytes: arena.heldBytes };
}

describe('what is sent', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'stands where it was laid until it is over, and is held no longer (seed %i)',
    (seed) => {
      assert.deepEqual(livedThrough(seed), { wrong: 0, heldBytes: 0 });
    },
  );

  it('would be held for ever if it were not released', () => {
    expect(livedThrough(1, 'never').heldBytes).toBeGreaterThan(1_000_000);
  });

  it('would be written over if it were released when it leaves', () => {
    expect(livedThrough(1, 'when it leaves').wrong).toBeGreaterThan(0);
  });
});
