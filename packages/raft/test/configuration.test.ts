import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../src/bytes.ts';
import { readConfiguration, writeConfiguration } from '../src/configuration-codec.ts';
import { isJoint, jointVotersOf, membersOf, votersOnly } from '../src/core/configuration.ts';

const joint = {
  voters: ['a', 'b', 'd'],
  outgoing: ['a', 'b', 'c'],
  learners: ['e'],
  learnersNext: ['c'],
  staging: ['e'],
  autoLeave: true,
};

function bytesOf(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.take();
}

describe('a configuration', () => {
  it('names each of its members once, learners included', () => {
    expect(membersOf(joint)).toEqual(['a', 'b', 'd', 'c', 'e']);
    expect(membersOf(votersOnly(['a', 'b']))).toEqual(['a', 'b']);
  });

  it('is joint while there are outgoing voters', () => {
    expect(isJoint(joint)).toBe(true);
    expect(isJoint(votersOnly(['a']))).toBe(false);
    expect(jointVotersOf(joint)).toEqual({ incoming: joint.voters, outgoing: joint.outgoing });
  });

  it('comes back from its bytes', () => {
    const reader = new ByteReader(bytesOf((writer) => writeConfiguration(writer, joint)));
    expect(readConfiguration(reader)).toEqual(joint);
    expect([reader.failed, reader.remaining]).toEqual([false, 0]);
  });

  it.each([
    ['cut short', bytesOf((writer) => writeConfiguration(writer, joint)).subarray(0, -1)],
    ['with a name twice', bytesOf((writer) => writeConfiguration(writer, votersOnly(['a', 'a'])))],
    ['with an empty name', bytesOf((writer) => writeConfiguration(writer, votersOnly([''])))],
    ['with more names than a group can have', Uint8Array.of(0xff, 0xff)],
  ])('is refused when its bytes are %s', (_, bytes) => {
    const reader = new ByteReader(bytes);
    readConfiguration(reader);
    expect(reader.failed).toBe(true);
  });
});
