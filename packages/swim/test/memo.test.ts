import { describe, expect, test } from 'vitest';
import { noBytes } from '../src/core/messages.ts';
import { Memo } from '../src/wire/memo.ts';

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

describe('a memo', () => {
  test('reads the same bytes once, and hands out the same value', () => {
    const memo = new Memo<{ text: string }>(16);
    let reads = 0;
    const read = (bytes: Uint8Array): { text: string } => ({ text: text(bytes) + String(++reads) });
    const first = memo.of(Uint8Array.of(65, 66), read);
    expect(memo.of(Uint8Array.of(65, 66), read)).toBe(first);
    expect(memo.of(Uint8Array.of(65, 67), read).text).toBe('AC2');
  });

  test('never takes one for another, however few its slots', () => {
    const memo = new Memo<string>(2);
    for (let round = 0; round < 3; round++)
      for (let a = 0; a < 256; a += 5)
        expect(memo.of(Uint8Array.of(a, a ^ round), text)).toBe(text(Uint8Array.of(a, a ^ round)));
  });

  test('has two places for each hash: the latest two that meet there', () => {
    const memo = new Memo<string>(2);
    const [a, b, c] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)] as const;
    for (const bytes of [a, b]) memo.of(bytes, () => 'first');
    expect([memo.of(a, () => 'again'), memo.of(b, () => 'again')]).toEqual(['first', 'first']);
    memo.of(c, () => 'first');
    expect([memo.of(b, () => 'again'), memo.of(a, () => 'again')]).toEqual(['first', 'again']);
  });

  test('reads a part, and hands a copy of it to the reader, to be kept', () => {
    const memo = new Memo<Uint8Array>(16);
    const bytes = Uint8Array.of(9, 1, 2, 9);
    const kept = memo.of(bytes, (part) => part, 1, 3);
    bytes.fill(0);
    expect([...kept]).toEqual([1, 2]);
    expect(memo.of(Uint8Array.of(1, 2), () => noBytes)).toBe(kept);
  });

  test('keeps its own copy of the key, and nothing when reading fails or the key is long', () => {
    const memo = new Memo<string>(16);
    const bytes = Uint8Array.of(70);
    memo.of(bytes, text);
    bytes[0] = 71;
    expect(memo.of(Uint8Array.of(70), () => 'read again')).toBe('F');
    const fails = (): string => {
      throw new Error('unreadable');
    };
    expect(() => memo.of(Uint8Array.of(1, 2), fails)).toThrow('unreadable');
    expect(memo.of(Uint8Array.of(1, 2), () => 'readable now')).toBe('readable now');
    const long = new Uint8Array(1000);
    memo.of(long, () => 'first');
    expect(memo.of(long, () => 'second')).toBe('second');
  });
});
