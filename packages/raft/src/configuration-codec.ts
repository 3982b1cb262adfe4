/** A configuration as bytes, the same in log entries, snapshots and messages: five lists of names, then a flag. */
import type { ByteReader, ByteWriter } from './bytes.ts';
import type { Configuration } from './core/configuration.ts';

// Far above any sensible group; a longer list is a lie.
const membersMax = 1024;

export function writeConfiguration(writer: ByteWriter, configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext, staging, autoLeave } = configuration;
  for (const names of [voters, outgoing, learners, learnersNext, staging]) {
    writer.u16(names.length);
    for (const name of names) writer.name(name);
  }
  writer.u8(autoLeave ? 1 : 0);
}

/** A failed reader when it is none. */
export function readConfiguration(reader: ByteReader): Configuration {
  return {
    voters: readNames(reader),
    outgoing: readNames(reader),
    learners: readNames(reader),
    learnersNext: readNames(reader),
    staging: readNames(reader),
    autoLeave: reader.flag(),
  };
}

function readNames(reader: ByteReader): readonly string[] {
  const count = reader.u16();
  if (count > membersMax) reader.fail();
  const names: string[] = [];
  while (names.length < count && !reader.failed) names.push(reader.name());
  if (new Set(names).size !== names.length || names.includes('')) reader.fail();
  return names;
}
