/** The bytes of an entry's body (all but index and term), the same on the wire and in the write-ahead log. */
import { ByteReader, type ByteWriter } from './bytes.ts';
import { readConfiguration } from './configuration-codec.ts';
import type { Draft, EntryKind, SessionKey } from './core/types.ts';

const kinds: readonly EntryKind[] = ['noop', 'command', 'openSession', 'barrier', 'configuration'];
const sessionFlag = 0x80;

export interface EntryBody {
  readonly kind: EntryKind;
  readonly session: SessionKey | null;
  readonly command: Uint8Array;
}

/** At least this many bytes: a count of entries that the rest of a message cannot hold is refused before anything is made. */
export const entryBodyBytesMin = 5;

export function writeEntryBody(writer: ByteWriter, { kind, session, command }: EntryBody): void {
  writer.u8(kinds.indexOf(kind) | (session === null ? 0 : sessionFlag));
  if (session !== null) {
    writer.u64(session.clientId);
    writer.u64(session.sequence);
  }
  writer.blob(command);
}

export function readEntryBody(reader: ByteReader): EntryBody {
  const code = reader.u8();
  const kind = kinds[code & ~sessionFlag];
  const hasSession = (code & sessionFlag) !== 0;
  // Only a command belongs to a session.
  if (kind === undefined || (hasSession && kind !== 'command')) reader.fail();
  const session = hasSession ? { clientId: reader.u64(), sequence: reader.u64() } : null;
  const command = reader.blob();
  if (kind === 'configuration' && !isConfiguration(command)) reader.fail();
  return { kind: kind ?? 'noop', session, command };
}

export function readDraft(reader: ByteReader): Draft {
  const { kind, session, command } = readEntryBody(reader);
  // The leader's own.
  const isNoDraft = kind === 'noop' || kind === 'configuration';
  if (isNoDraft) reader.fail();
  return { kind: isNoDraft ? 'barrier' : kind, session, command };
}

/** The core takes it at its word, so what is none never gets there. */
function isConfiguration(bytes: Uint8Array): boolean {
  const reader = new ByteReader(bytes);
  readConfiguration(reader);
  return !reader.failed && reader.remaining === 0;
}
