/**
 * Messages as bytes: msgpack with fixed shared structures, so that a message costs neither its field names nor a map.
 *
 * What msgpackr would do on its own and a peer must not be able to make it do: build extension types (its decoder makes
 * regular expressions, errors and dates of them), and define new structures in the stream (a table that grows with the peer's
 * wishes). So the bytes are scanned first, and only plain values and the known structures reach the decoder; then the schema of
 * the kind says whether it is a message.
 */
import { scanMsgpack } from '@cluster/core';
import { Packr } from 'msgpackr';
import type { z } from 'zod';
import { managerError } from './errors.ts';
import {
  type ClusterMessage,
  type ClusterMessageInput,
  failureSchema,
  loadSchema,
  type MessageKind,
  type MessageOf,
  messageSchemas,
  sessionSchema,
} from './messages.ts';

/** Increased with every change of meaning; changes of shape show in the hash by themselves. */
const codecVersion = 1;

const nested = { session: sessionSchema, load: loadSchema, failure: failureSchema } as const;
const isNested = (field: string): field is keyof typeof nested => field in nested;
const fieldsOf = (schema: z.ZodObject): string[] => Object.keys(schema.shape);

/** The fixed list: the kinds, then what they contain. The position is the number on the wire. */
const structureNames = [...Object.keys(messageSchemas), ...Object.keys(nested)];
const structureFields: readonly (readonly string[])[] = [
  ...Object.values(messageSchemas).map(fieldsOf),
  ...Object.values(nested).map(fieldsOf),
];
const fieldsByName = new Map(structureNames.map((name, i) => [name, structureFields[i] ?? []]));
const fieldCounts = structureFields.map((fields) => fields.length);

/** Differs when two nodes would not understand one another; compared in the transport's handshake. */
export const messageCodecHash = fnv64(JSON.stringify({ codecVersion, structureNames, structureFields }));

export interface MessageCodecOptions {
  /** Bytes of a message at most, encoded. Default 16 MiB. */
  readonly bytesMax?: number;
}

export class MessageCodec {
  readonly #bytesMax: number;
  // Objects of this encoding that are one of the structures; all others become maps.
  readonly #records = new Set<unknown>();
  readonly #packr: Packr;

  constructor(options: MessageCodecOptions = {}) {
    this.#bytesMax = options.bytesMax ?? 16 * 1024 * 1024;
    this.#packr = new Packr({
      structures: structureFields.map((fields) => [...fields]),
      maxSharedStructures: structureFields.length,
      useRecords: ((value: unknown) => this.#records.has(value)) as never,
      variableMapSize: true,
      mapsAsObjects: true,
      copyBuffers: true,
    });
  }

  /** @throws ClusterError `MANAGER_MESSAGE_INVALID` when the message does not fit its schema or the bound. */
  encode(message: ClusterMessageInput): Uint8Array {
    const checked = messageSchemas[message.kind]?.safeParse(message);
    if (!checked?.success) {
      throw managerError('MANAGER_MESSAGE_INVALID', `This is no ${message.kind}: ${why(checked?.error)}.`);
    }
    return this.encodeChecked(checked.data);
  }

  /** For what the manager has built itself, after the schema. */
  encodeChecked(message: ClusterMessage): Uint8Array {
    try {
      const bytes = this.#packr.pack(this.#toRecord(message, message.kind));
      if (bytes.length > this.#bytesMax) {
        throw managerError(
          'MANAGER_MESSAGE_INVALID',
          `The message takes ${bytes.length} bytes; ${this.#bytesMax} are allowed.`,
        );
      }
      // A view into the packer's shared block: a copy pins nothing and is nobody's Buffer.
      return new Uint8Array(bytes);
    } finally {
      this.#records.clear();
    }
  }

  /** @throws ClusterError `MANAGER_MESSAGE_REFUSED` for anything but a well-formed message of that kind. */
  decode<K extends MessageKind>(kind: K, bytes: Uint8Array): MessageOf<K> {
    if (bytes.length > this.#bytesMax)
      throw refused(kind, `${bytes.length} bytes are more than ${this.#bytesMax}`);
    const problem = scanMsgpack(bytes, fieldCounts);
    if (problem !== null) throw refused(kind, problem);
    let value: unknown;
    try {
      // A plain view: of a Buffer the decoder would make Buffers.
      value = this.#packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (error) {
      throw refused(kind, error instanceof Error ? error.message : 'unreadable');
    }
    const checked = messageSchemas[kind].safeParse(value);
    if (!checked.success) throw refused(kind, why(checked.error));
    return checked.data as MessageOf<K>;
  }

  #toRecord(value: object, name: string): object {
    const record: Record<string, unknown> = {};
    for (const field of fieldsByName.get(name) ?? []) {
      const inner = (value as Record<string, unknown>)[field];
      record[field] =
        isNested(field) && typeof inner === 'object' && inner !== null
          ? this.#toRecord(inner, field)
          : (inner ?? null);
    }
    this.#records.add(record);
    return record;
  }
}

const refused = (kind: string, problem: string): ReturnType<typeof managerError> =>
  managerError('MANAGER_MESSAGE_REFUSED', `Bytes sent as ${kind} were refused: ${problem}.`);

function why(error: z.ZodError | undefined): string {
  const issue = error?.issues[0];
  return issue === undefined ? 'unknown kind' : `${issue.path.join('.')}: ${issue.message}`;
}

/** FNV-1a over UTF-16 units, 64 bits: tells versions apart, protects nothing. */
function fnv64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
