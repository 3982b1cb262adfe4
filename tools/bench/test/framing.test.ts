import { describe, expect, it } from 'vitest';
import { type ByteStream, frameReader, FrameWriter } from '../src/transport/contenders/framing.ts';
import { decode, encode, kinds } from '../src/transport/message.ts';

/** What a writer made of frames, as one run of bytes. */
async function written(frames: readonly Uint8Array[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const stream: ByteStream = {
    write: (bytes, done) => {
      chunks.push(bytes);
      done();
    },
    together: (writes) => writes(),
    onData: () => undefined,
    close: () => undefined,
  };
  const writer = new FrameWriter(stream);
  for (const frame of frames) writer.push(frame);
  await writer.ready();
  writer.flush();
  return Buffer.concat(chunks);
}

describe('the frames of the limit', () => {
  const sizes = [0, 1, 3, 255, 16_380, 16_381, 65_531, 65_532, 65_536, 200_000, 5];
  const frames = sizes.map((size, i) => Buffer.alloc(size, i + 1));

  it.each([1, 3, 7, 1000, 16_384, 1_000_000])(
    'come out as they went in, read %i bytes at a time',
    async (step) => {
      const bytes = await written(frames);
      const read: Buffer[] = [];
      const push = frameReader((frame) => read.push(Buffer.from(frame)));
      for (let at = 0; at < bytes.length; at += step) push(bytes.subarray(at, at + step));
      expect(read.map((frame) => frame.length)).toEqual(sizes);
      expect(read.every((frame, i) => frame.equals(frames[i] as Buffer))).toBe(true);
    },
  );

  it('are not taken while too much of them waits for the stream', () => {
    const writer = new FrameWriter({
      write: () => undefined,
      together: (writes) => writes(),
      onData: () => undefined,
      close: () => undefined,
    });
    let taken = 0;
    while (!writer.full && taken < 10_000) {
      writer.push(new Uint8Array(1000));
      taken++;
    }
    expect(taken).toBeGreaterThan(500);
    expect(taken).toBeLessThan(600);
  });
});

describe('the codec of the benchmark', () => {
  it('gives back what it was given', () => {
    const message = { t: kinds.post, id: 7, k: 'orders:1', p: Uint8Array.of(1, 2, 3) };
    const { t, id, k, p } = decode(encode(message));
    expect([t, id, k, [...p]]).toEqual([1, 7, 'orders:1', [1, 2, 3]]);
  });

  it('refuses what is not one of its messages', () => {
    const wrong = { t: 'post', id: 1, k: '', p: new Uint8Array(0) };
    expect(() => encode(wrong as never)).toThrow('This is no Message: t');
    expect(() => decode(Uint8Array.of(0xc1))).toThrow();
  });
});
