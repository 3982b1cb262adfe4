/**
 * Objects as bytes: msgpack with fixed shared structures, so that an object costs neither its field names nor a map, and decodes two to
 * three times as fast.
 *
 * The structures follow from the schemas, and their hash goes into the handshake (`codecHashes`): two builds that would
 * misunderstand each other do not connect. What msgpackr would do on its own and a peer must not be able to make it do is build
 * extension types (its decoder makes regular expressions, errors and dates of them) and define new structures in the stream (a table
 * that grows with the peer's wishes): bytes are scanned first, and only plain values and known structures reach the decoder.
 *
 * What comes out is checked field by field by functions made from the schema (see `check.ts`), which fits the budget of the hot
 * path; where objects come over a boundary of trust, `parse` asks the schema itself.
 */
import { ClusterError, describeError, scanMsgpack } from '@cluster/core';
import { Packr, RESET_BUFFER_MODE } from 'msgpackr';
import type * as z from 'zod';
import { type Check, compileCheck, unfit } from './check.ts';
import { type Shape, shapeOf, Shapes } from './shapes.ts';
import { signatureOf } from './signature.ts';

export interface ObjectCodecOptions<S extends Schemas> {
  /** Its name in `codecHashes`. */
  readonly name: string;
  /** Increased when fields keep their names and kinds and change their meaning, or their bounds; other changes show in the hash by themselves. */
  readonly version: number;
  /** The kinds of objects, each a `z.strictObject`. */
  readonly kinds: S;
  /** Bytes of one object at most, encoded. Default 16 MiB. */
  readonly bytesMax?: number;
  /** Byte fields of a decoded object are copies. Default false: views into what was decoded, as the transport lends it. */
  readonly copyBytes?: boolean;
}

type Schemas = Readonly<Record<string, z.ZodObject>>;
type Kind<S extends Schemas> = keyof S & string;

interface Known {
  readonly schema: z.ZodObject;
  readonly shape: Shape;
  readonly check: Check;
}

export class ObjectCodec<S extends Schemas> {
  /** For the configuration: `codecHashes: { ...codec.hash }`. Of names, order and kinds of all fields, not of the bounds of their values. */
  readonly hash: Readonly<Record<string, string>>;
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #kinds: ReadonlyMap<string, Known>;
  readonly #fieldCounts: readonly number[];
  readonly #packr: Packr;

  /** @throws ClusterError `TRANSPORT_CODEC_SCHEMA` for schemas that a codec cannot keep its word for. */
  constructor({
    name,
    version,
    kinds,
    bytesMax = 16 * 1024 * 1024,
    copyBytes = false,
  }: ObjectCodecOptions<S>) {
    const shapes = new Shapes();
    const known = Object.entries(kinds).map(([kind, schema]): [string, Known] => {
      const at = `${name}.${kind}`;
      return [kind, { schema, shape: shapeOf(schema, at, shapes), check: compileCheck(schema, at) }];
    });
    const structures = shapes.structures();
    // One byte on the wire each.
    if (structures.length > 64) throw unfit(name, `it has ${structures.length} structures; 64 have numbers`);
    this.#kinds = new Map(known);
    this.#name = name;
    this.#bytesMax = bytesMax;
    this.#fieldCounts = structures.map(({ length }) => length);
    const signatures = Object.entries(kinds).map(([kind, schema]) => [kind, signatureOf(schema)]);
    this.hash = { [name]: fnv64(JSON.stringify({ version, signatures, structures })) };
    this.#packr = new Packr({
      structures: structures.map((fields) => [...fields]),
      maxSharedStructures: structures.length,
      variableMapSize: true,
      mapsAsObjects: true,
      copyBuffers: copyBytes,
    });
  }

  /** @throws ClusterError `TRANSPORT_CODEC_INVALID`: it is none of that kind, or too large. */
  encode<K extends Kind<S>>(kind: K, value: z.output<S[K]>): Uint8Array {
    const bytes = this.#pack(kind, value, 0);
    // A part of the packer's block that it does not use again; it lives as long as the last object in it.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * The same, in memory that is written again when the next object is encoded, by this codec or another: for what copies it at once, as
   * `post`, `send` and `request` of the transport do, and its handlers' answers. It leaves no garbage, which is most of what
   * large messages cost their sender.
   */
  lend<K extends Kind<S>>(kind: K, value: z.output<S[K]>): Uint8Array {
    return this.#pack(kind, value, RESET_BUFFER_MODE);
  }

  /** The check of the hot path. @throws ClusterError `TRANSPORT_CODEC_REFUSED` for anything but a well-formed object of that kind. */
  decode<K extends Kind<S>>(kind: K, bytes: Uint8Array): z.output<S[K]> {
    const { check, shape, schema } = this.#of(kind);
    const value = shape.fromRecord(this.#unpack(kind, bytes));
    if (!check(value)) throw refused(kind, why(schema, value));
    return value as z.output<S[K]>;
  }

  /** The schema itself, at a boundary of trust. @throws as `decode`. */
  parse<K extends Kind<S>>(kind: K, bytes: Uint8Array): z.output<S[K]> {
    const { shape, schema } = this.#of(kind);
    const checked = schema.safeParse(shape.fromRecord(this.#unpack(kind, bytes)));
    if (!checked.success) throw refused(kind, firstIssue(checked.error));
    return checked.data as z.output<S[K]>;
  }

  #pack(kind: Kind<S>, value: unknown, mode: number): Uint8Array {
    const { check, shape, schema } = this.#of(kind);
    if (!check(value)) throw invalid(kind, why(schema, value));
    const bytes = this.#packr.pack(shape.toRecord(value), mode);
    if (bytes.length <= this.#bytesMax) return bytes;
    throw invalid(kind, `it takes ${bytes.length} bytes, and ${this.#bytesMax} are allowed`);
  }

  #unpack(kind: string, bytes: Uint8Array): unknown {
    if (bytes.length > this.#bytesMax)
      throw refused(kind, `${bytes.length} bytes are more than ${this.#bytesMax}`);
    const problem = scanMsgpack(bytes, this.#fieldCounts);
    if (problem !== null) throw refused(kind, problem);
    try {
      // A plain view: of a Buffer the decoder would make Buffers.
      return this.#packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (error) {
      throw refused(kind, describeError(error));
    }
  }

  #of(kind: string): Known {
    const known = this.#kinds.get(kind);
    if (known === undefined) throw invalid(kind, `the codec ${this.#name} has no such kind`);
    return known;
  }
}

function why(schema: z.ZodObject, value: unknown): string {
  const { error } = schema.safeParse(value);
  return error === undefined ? 'it does not fit its schema' : firstIssue(error);
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? 'it does not fit its schema' : `${issue.path.join('.')}: ${issue.message}`;
}

const invalid = (kind: string, problem: string): ClusterError =>
  new ClusterError({
    code: 'TRANSPORT_CODEC_INVALID',
    fault: 'caller',
    message: `This is no ${kind}: ${problem}.`,
    advice: 'Give an object that fits the schema of its kind.',
    retry: 'useless',
  });

const refused = (kind: string, problem: string): ClusterError =>
  new ClusterError({
    code: 'TRANSPORT_CODEC_REFUSED',
    fault: 'peer',
    message: `Bytes sent as ${kind} were refused: ${problem}.`,
    advice: 'Run releases of the software that fit together, and look at who sent it.',
    retry: 'useless',
  });

/** FNV-1a over UTF-16 units, 64 bits: tells versions apart, protects nothing. */
function fnv64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++)
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}
