/** What a connection hears, as events of its machine: judged first, and the reason of an end noted beside it. */
import type { Sink } from '@cluster/core';
import { judgeIdentity, outOfPlace } from './admission.ts';
import type { Connection } from './entities.ts';
import type { Hello, LocalParty } from './handshake.ts';
import { peerOf } from './identity.ts';
import type { TransportEffect, TransportInput } from './protocol.ts';
import { peerLeft, type Refusal } from './refusal.ts';

export type ConnectionInput = Exclude<
  TransportInput,
  { type: 'NEEDED' | 'ACCEPTED' | 'AGED' | 'STREAM' | 'SHUTDOWN' }
>;

export function hear(
  connection: Connection,
  input: ConnectionInput,
  local: Pick<LocalParty, 'clusterName'>,
  judge: (hello: Hello) => Refusal | null,
  nowMs: number,
  out: Sink<TransportEffect>,
): void {
  const { machine } = connection;
  const blame = (refusal: Refusal | null): void => {
    if (refusal !== null) connection.refusal ??= refusal;
  };
  switch (input.type) {
    case 'DIALLED': {
      connection.identity = input.identity;
      const refusal =
        input.refusal ?? judgeIdentity(input.identity, local, connection.peer && peerOf(connection.peer));
      blame(refusal);
      machine.send({ type: 'STREAM_OPENED', refusal }, nowMs, out);
      return;
    }
    case 'DIAL_FAILED':
      blame(input.refusal);
      machine.send({ type: 'STREAM_FAILED' }, nowMs, out);
      return;
    case 'HELLO':
    case 'HELLO_ACK': {
      // Said after the verdict: of no interest any more.
      if (machine.in('closed') || machine.in('refusing')) return;
      if (!machine.in(input.type === 'HELLO' ? 'awaitingHello' : 'greeting')) {
        blame(outOfPlace(input.type));
        machine.send({ type: 'BROKEN' }, nowMs, out);
        return;
      }
      const refusal = judge(input.hello);
      blame(refusal);
      if (refusal === null) connection.hello = input.hello;
      machine.send({ type: input.type, refusal }, nowMs, out);
      return;
    }
    case 'CLOSED':
      connection.redial = input.redial;
      blame(machine.in('draining') ? peerLeft : input.refusal);
      machine.send({ type: 'CLOSED' }, nowMs, out);
      return;
    case 'REFUSED':
    case 'BROKEN':
      blame(input.refusal);
      machine.send({ type: input.type }, nowMs, out);
      return;
    case 'QUIET':
    case 'STALLED':
    case 'UNUSED':
    case 'EXHAUSTED':
    case 'HEARD':
    case 'GOAWAY':
    case 'DRAINED':
      machine.send({ type: input.type }, nowMs, out);
  }
}
