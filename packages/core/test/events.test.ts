import { describe, expect, it, vi } from 'vitest';
import { EventHub } from '@cluster/core';

const hub = (capacity?: number): EventHub<string> =>
  new EventHub({
    ...(capacity === undefined ? {} : { capacity }),
    onOverflow: (dropped) => `lost ${dropped}`,
  });

const all = async (events: AsyncIterable<string>): Promise<string[]> => {
  const seen: string[] = [];
  for await (const event of events) seen.push(event);
  return seen;
};

describe('the event hub', () => {
  it('gives every subscriber all events from its subscription on, in order', async () => {
    const events = hub();
    const first = events.subscribe();
    events.publish('a');
    const second = events.subscribe();
    events.publish('b');
    events.close();
    expect([await all(first), await all(second)]).toEqual([['a', 'b'], ['b']]);
  });

  it('drops the oldest for a slow reader and says how many in their place', async () => {
    const events = hub(2);
    const slow = events.subscribe();
    for (const event of ['a', 'b', 'c', 'd', 'e']) events.publish(event);
    events.close();
    expect(await all(slow)).toEqual(['lost 3', 'd', 'e']);
  });

  it('takes out what a later event makes pointless, and keeps all else in order', async () => {
    const events = new EventHub<string>({
      capacity: 3,
      onOverflow: (dropped) => `lost ${dropped}`,
      // 'a1' waits as 'a' and replaces it; 'A' replaces it too, and is never replaced.
      coalesce: (event) => {
        const name = (event[0] as string).toLowerCase();
        return event.startsWith(name) ? { replaces: name, as: name } : { replaces: name };
      },
    });
    const slow = events.subscribe();
    for (const event of ['a1', 'b1', 'a2', 'A', 'A', 'b2']) events.publish(event);
    for (let i = 0; i < 5000; i++) events.publish(`b${i}`);
    const prompt = events.subscribe();
    const reads = [prompt.next(), prompt.next()];
    for (const event of ['c1', 'c2']) events.publish(event);
    events.close();
    expect(await all(slow)).toEqual(['lost 1', 'A', 'b4999', 'c2']);
    expect(await Promise.all(reads)).toMatchObject([{ value: 'c1' }, { value: 'c2' }]);
  });

  it('serves several reads at a time, each with an event of its own', async () => {
    const events = hub();
    const reader = events.subscribe();
    const reads = [reader.next(), reader.next(), reader.next()];
    events.publish('a');
    events.publish('b');
    events.close();
    expect(await Promise.all(reads)).toEqual([
      { done: false, value: 'a' },
      { done: false, value: 'b' },
      { done: true, value: undefined },
    ]);
  });

  it('ends a waiting reader at once when its signal aborts, and forgets it', async () => {
    const events = hub();
    const stop = new AbortController();
    const reading = all(events.subscribe({ signal: stop.signal }));
    events.publish('a');
    await Promise.resolve();
    stop.abort();
    events.publish('too late');
    expect(await reading).toEqual(['a']);
    expect(await all(events.subscribe({ signal: stop.signal }))).toEqual([]);
  });

  it('drops what is queued when its signal aborts', async () => {
    const events = hub();
    const stop = new AbortController();
    const reader = events.subscribe({ signal: stop.signal });
    events.publish('a');
    stop.abort();
    expect(await all(reader)).toEqual([]);
  });

  it('leaves nothing on a long-lived signal when a reader leaves its loop', async () => {
    const events = hub();
    const { signal } = new AbortController();
    const listeners = new Set<unknown>();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners.add(args[1]), add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (
      listeners.delete(args[1]),
      remove(...args)
    );
    const reader = events.subscribe({ signal });
    expect(listeners.size).toBe(1);
    events.publish('a');
    for await (const event of reader) if (event === 'a') break;
    expect(listeners.size).toBe(0);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it('gives nothing to one who subscribes after the close', async () => {
    const events = hub();
    events.close();
    events.close();
    events.publish('a');
    expect(await all(events.subscribe())).toEqual([]);
  });
});

it('a closed hub leaves no listener on the signal of its readers', () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  const hub = new EventHub<string>({ onOverflow: String });
  hub.subscribe({ signal });
  hub.close();
  expect(added).toHaveBeenCalledTimes(1);
  expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
});
