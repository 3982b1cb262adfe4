/** The client's side of the network: asks one node, and says what can be known of a question that got no answer. */
import { type Address, ClusterError, describeError } from '@cluster/core';
import type { Transport } from '@cluster/transport';
import { type Answer, decode, encode, type Request, requestType } from '../kv/commands.ts';

export type Reply =
  | { readonly type: 'answered'; readonly result: Extract<Answer, { ok: true }>['result'] }
  /** It had no effect and will have none; within a session: repeating it is safe. */
  | { readonly type: 'refused'; readonly code: string; readonly sent: boolean }
  | { readonly type: 'unknown'; readonly code: string };

const attemptMs = 2000;

export class Gateway {
  readonly #transport: Transport;
  readonly #addresses: Map<string, Address>;

  /** @param addresses what the transport's directory looks into. */
  constructor(transport: Transport, addresses: Map<string, Address>) {
    this.#transport = transport;
    this.#addresses = addresses;
  }

  setAddresses(addresses: Readonly<Record<string, Address>>): void {
    for (const [nodeId, address] of Object.entries(addresses)) this.#addresses.set(nodeId, address);
  }

  async ask(nodeId: string, request: Request): Promise<Reply> {
    let answer: Answer;
    try {
      const options = { timeoutMs: attemptMs };
      answer = decode<Answer>(await this.#transport.request(nodeId, requestType, encode(request), options));
    } catch (error) {
      if (!ClusterError.is(error)) throw error;
      // What a transport calls safe was never sent.
      return error.retry === 'safe'
        ? { type: 'refused', code: error.code, sent: false }
        : { type: 'unknown', code: describeError(error) };
    }
    if (answer.ok) return { type: 'answered', result: answer.result };
    return answer.retry === 'unsafe'
      ? { type: 'unknown', code: answer.code }
      : { type: 'refused', code: answer.code, sent: true };
  }
}
