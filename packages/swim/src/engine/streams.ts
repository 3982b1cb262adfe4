/**
 * TCP: push/pull exchanges and pings, in both directions. Each stream carries one question and one answer, within a time and a
 * size; what arrives is decoded here and handed to the core as an input.
 */
import {
  type Address,
  type Clock,
  type ClusterError,
  type Duplex,
  type DuplexPort,
  type TimerHandle,
} from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimEffect, SwimInput } from '../core/effects.ts';
import { noBytes, type PeerRecord, type Ping, type PushPull, type RejectReason } from '../core/messages.ts';
import { seedFailureCode } from '../errors.ts';
import type { SwimDelegate } from '../ports.ts';
import type { Gate } from './gate.ts';
import {
  dialable,
  encodePushPull,
  encodeStreamError,
  encodeStreamMessage,
  sealStream,
  StreamDecoder,
  type StreamMessage,
  type StreamOptions,
} from '../wire.ts';

export interface StreamsOptions {
  readonly config: SwimConfig;
  readonly wire: StreamOptions;
  readonly clock: Clock;
  readonly port: DuplexPort;
  readonly delegate: SwimDelegate | undefined;
  readonly gate: Gate;
  /** Told the size of each half that is sent. */
  readonly onHalf: (bytes: number) => void;
  readonly dispatch: (input: SwimInput) => void;
}

/** A stream under way, ours or a peer's. */
interface Conversation {
  readonly timer: TimerHandle;
  /** Null while it is being dialled. */
  stream: Duplex | null;
  settled: boolean;
}

type Effect<T extends SwimEffect['type']> = Extract<SwimEffect, { type: T }>;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #inbound = new Map<number, Conversation>();
  readonly #outbound = new Map<number, Conversation>();
  #inboundBytes = 0;
  #nextStream = 1;
  /** Of what has no number of the core's: pings and what is told. */
  #nextOwn = -1;
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get inbound(): number {
    return this.#inbound.size;
  }

  /** A peer has connected. */
  accept(stream: Duplex): void {
    const { config, wire, clock, dispatch, gate } = this.#options;
    const from = stream.remote;
    const ignore = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    const isAllowed = gate.allows(from);
    if (this.#closed || !isAllowed || this.#inbound.size >= config.inboundStreamsMax) {
      stream.handlers = ignore;
      stream.destroy();
      dispatch({ type: 'STREAM_REJECTED', from, reason: isAllowed ? 'streams' : 'network' });
      return;
    }
    const id = this.#nextStream++;
    const decoder = new StreamDecoder(wire);
    let kept = 0;
    const release = (): void => {
      this.#inboundBytes -= kept;
      kept = 0;
    };
    const reject = (reason: RejectReason): void => {
      conversation.settled = true;
      release();
      dispatch({ type: 'STREAM_REJECTED', from, reason });
    };
    const expire = (): void => {
      if (!conversation.settled) reject('timeout');
      stream.destroy();
    };
    const timer = clock.setTimer(config.streamTimeoutMs, expire);
    const conversation: Conversation = { timer, stream, settled: false };
    this.#inbound.set(id, conversation);
    stream.handlers = {
      onData: (bytes) => {
        if (conversation.settled) return;
        kept += bytes.length;
        this.#inboundBytes += bytes.length;
        if (this.#inboundBytes > config.inboundBytesMax) {
          reject('too_large');
          stream.destroy();
          return;
        }
        const message = decoder.push(bytes);
        if (message === undefined) return;
        if (message.kind === 'rejected') {
          reject(message.content);
          this.#refuse(stream, message.content);
        } else {
          release();
          this.#asked(id, conversation, message, from, reject);
        }
      },
      onEnd: () => {
        if (!conversation.settled && !decoder.isEmpty) reject('truncated');
        if (!conversation.settled || decoder.isEmpty) stream.destroy();
      },
      onClose: () => {
        timer.cancel();
        release();
        this.#inbound.delete(id);
      },
    };
  }

  startExchange({ exchange, to, join, members }: Effect<'startExchange'>): void {
    this.#ask(exchange, to, this.#half(join, members), {
      fail: (code, reason) => this.#options.dispatch({ type: 'EXCHANGE_FAILED', exchange, code, reason }),
      answer: (message) => {
        if (message.kind !== 'pushPull') return false;
        const content = this.#admitted(message.content, to);
        if (content !== null) this.#options.dispatch({ type: 'EXCHANGE_ANSWERED', exchange, content });
        else {
          const reason = 'the application vetoed what it knows';
          this.#options.dispatch({ type: 'EXCHANGE_FAILED', exchange, code: seedFailureCode.vetoed, reason });
        }
        return true;
      },
    });
  }

  answerExchange({ stream, join, members }: Effect<'answerExchange'>): void {
    this.#reply(stream, this.#half(join, members));
  }

  cancelExchange(exchange: number): void {
    const conversation = this.#outbound.get(exchange);
    if (conversation !== undefined) this.#drop(exchange, conversation);
  }

  ping(to: Address, ping: Ping): void {
    // Pings have no number of the core's: nobody cancels them, and silence is the answer.
    this.#ask(this.#nextOwn--, to, encodeStreamMessage(ping), {
      fail: () => undefined,
      answer: (message) => {
        if (message.kind !== 'ack' || message.content.seqNo !== ping.seqNo) return false;
        this.#options.dispatch({ type: 'STREAM_PING_ANSWERED', seqNo: ping.seqNo });
        return true;
      },
    });
  }

  /** A message that has no answer; whether it arrives is not known. */
  tell(to: Address, body: Uint8Array): void {
    this.#ask(this.#nextOwn--, to, body, { fail: () => undefined, answer: () => true });
  }

  answerPing(stream: number, seqNo: number): void {
    this.#reply(stream, encodeStreamMessage({ type: 'ack', seqNo, payload: noBytes }));
  }

  refuse(stream: number, reason: RejectReason): void {
    const conversation = this.#inbound.get(stream);
    if (conversation?.stream) this.#refuse(conversation.stream, reason);
  }

  /** Ends everything at once. */
  close(): void {
    this.#closed = true;
    for (const { timer, stream } of [...this.#inbound.values(), ...this.#outbound.values()]) {
      timer.cancel();
      stream?.destroy();
    }
    this.#inbound.clear();
    this.#outbound.clear();
  }

  #half(join: boolean, members: readonly PeerRecord[]): Uint8Array {
    const userState = this.#options.delegate?.localState?.(join) ?? noBytes;
    const half = encodePushPull({ join, members, userState });
    this.#options.onHalf(half.length);
    return half;
  }

  #asked(
    id: number,
    conversation: Conversation,
    message: Exclude<StreamMessage, { kind: 'rejected' }>,
    from: Address,
    reject: (reason: RejectReason) => void,
  ): void {
    const { dispatch } = this.#options;
    conversation.settled = true;
    switch (message.kind) {
      case 'pushPull': {
        const content = this.#admitted(message.content, from);
        if (content !== null) return dispatch({ type: 'EXCHANGE_ASKED', stream: id, from, content });
        reject('vetoed');
        return this.refuse(id, 'vetoed');
      }
      case 'ping':
        return dispatch({ type: 'STREAM_PING', stream: id, ping: message.content });
      case 'user':
        dispatch({
          type: 'PACKET',
          from,
          messages: [{ type: 'user', payload: message.content }],
          rejected: [],
        });
        return conversation.stream?.end();
      case 'ack':
      case 'error':
        reject('type');
        return conversation.stream?.destroy();
    }
  }

  /** What of a push/pull the core may hear; null: nothing. */
  #admitted(content: PushPull, from: Address): PushPull | null {
    const { dispatch, gate } = this.#options;
    const { passed, rejected } = gate.exchange(content, from);
    for (const reason of rejected) dispatch({ type: 'STREAM_REJECTED', from, reason });
    return passed;
  }

  #reply(id: number, body: Uint8Array): void {
    const stream = this.#inbound.get(id)?.stream;
    stream?.write(sealStream(body, this.#options.wire));
    stream?.end();
  }

  /** Says why, so that a peer with the wrong key learns more than that we hung up. */
  #refuse(stream: Duplex, reason: RejectReason): void {
    stream.write(
      sealStream(encodeStreamError(refusalTexts[reason] ?? `refused: ${reason}`), this.#options.wire),
    );
    stream.end();
  }

  #ask(
    id: number,
    to: Address,
    body: Uint8Array,
    result: { fail(code: string, reason: string): void; answer(message: StreamMessage): boolean },
  ): void {
    const { config, wire, clock, port } = this.#options;
    if (this.#outbound.size >= config.outboundStreamsMax) {
      result.fail(seedFailureCode.busy, `${config.outboundStreamsMax} exchanges are under way already`);
      return;
    }
    const decoder = new StreamDecoder(wire);
    const fail = (code: string, reason: string): void => {
      if (conversation.settled) return;
      this.#drop(id, conversation);
      result.fail(code, reason);
    };
    const expire = (): void => fail(seedFailureCode.timeout, `no answer within ${config.streamTimeoutMs} ms`);
    const conversation: Conversation = {
      timer: clock.setTimer(config.streamTimeoutMs, expire),
      stream: null,
      settled: false,
    };
    this.#outbound.set(id, conversation);
    const hungUp = (): void =>
      fail(
        seedFailureCode.closed,
        'it hung up without an answer, as one with another gossip key or label does',
      );
    const handlers = {
      onData: (bytes: Uint8Array): void => {
        const message = decoder.push(bytes);
        if (message === undefined || conversation.settled) return;
        const failure = failureOf(message);
        if (failure !== null) return fail(failure.code, failure.reason);
        this.#drop(id, conversation);
        if (!result.answer(message))
          result.fail(seedFailureCode.unreadable, 'its answer is not to our question');
      },
      onEnd: hungUp,
      onClose: (error: ClusterError | null): void =>
        error === null ? hungUp() : fail(error.code, error.message),
    };
    port.dial(dialable(to), handlers, config.streamTimeoutMs, (outcome) => {
      if (!outcome.ok) return fail(outcome.error.code, outcome.error.message);
      if (conversation.settled) return outcome.value.destroy();
      conversation.stream = outcome.value;
      outcome.value.write(sealStream(body, wire));
    });
  }

  #drop(id: number, conversation: Conversation): void {
    conversation.settled = true;
    conversation.timer.cancel();
    this.#outbound.delete(id);
    conversation.stream?.destroy();
  }
}

const refusalTexts: Partial<Record<RejectReason, string>> = {
  key: 'cannot decrypt: no installed key opens it',
  plaintext: 'not encrypted, and encryption is configured',
  encrypted: 'encrypted, and encryption is not configured',
  unreachable:
    'your address does not answer over UDP: check the firewall, and the address that you advertise',
  vetoed: 'vetoed by the application',
};

const mismatches: Partial<Record<RejectReason, SeedProblem>> = {
  key: { code: seedFailureCode.keyMismatch, reason: 'none of our gossip keys opens its answer' },
  plaintext: { code: seedFailureCode.keyMismatch, reason: 'it does not encrypt, and we do' },
  encrypted: { code: seedFailureCode.keyMismatch, reason: 'it encrypts, and we have no gossip key' },
  label: { code: seedFailureCode.labelMismatch, reason: 'its pool has another label' },
};

interface SeedProblem {
  readonly code: string;
  readonly reason: string;
}

/** Why a peer's answer is no answer; null when it is one. */
function failureOf(message: StreamMessage): SeedProblem | null {
  if (message.kind === 'error') {
    // Also in the words of memberlist, whose error is all a peer without our key may get to see.
    const isKey = /crypt|installed key/i.test(message.content);
    const said = message.content.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
    return {
      code: isKey ? seedFailureCode.keyMismatch : seedFailureCode.refused,
      reason: `it says "${said}"`,
    };
  }
  if (message.kind !== 'rejected') return null;
  const reason = `its answer cannot be read (${message.content})`;
  return mismatches[message.content] ?? { code: seedFailureCode.unreadable, reason };
}
