/** Snapshots on their way to followers (thesis 5.1): one machine each, and where the follower's file ends. */
import { type InstanceCheckpoint, MachineInstance, type Sink, Stepper } from '@cluster/core';
import { sendingMachine } from './sending.machine.ts';
import type { Shared } from './state.ts';
import type { SnapshotAnswer } from './messages.ts';
import type { RaftEffect, RaftInput } from './inputs-and-effects.ts';
import type { SnapshotId } from './types.ts';

type Out = Sink<RaftEffect>;
type Machine = MachineInstance<typeof sendingMachine, RaftEffect>;
type Read = Extract<RaftInput, { type: 'SNAPSHOT_READ' }>;

interface Shipment {
  /** Null while there is none that joins the log. */
  id: SnapshotId | null;
  /** Up to here the follower has it. */
  offset: number;
  /** When the last piece was to be read. */
  readMs: number;
  /** Pieces sent since it last answered. */
  unanswered: number;
  /** Answers since the last piece that say that it has not come. */
  unmoved: number;
  readonly machine: Machine;
}

/** What the sender needs of the node's own snapshots. */
export interface Supply {
  /** One that joins the log and can be trusted. */
  readonly usable: SnapshotId | null;
  /** One is to be taken as soon as may be. */
  want(): void;
  distrust(id: SnapshotId): void;
  /** Some snapshot is not needed for sending any more. */
  released(out: Out): void;
}

export type SendingCheckpoint = readonly {
  readonly peer: string;
  readonly id: SnapshotId | null;
  readonly offset: number;
  readonly readMs: number;
  readonly unanswered: number;
  readonly unmoved: number;
  readonly machine: InstanceCheckpoint;
}[];

const stepper = new Stepper(sendingMachine);
const noBytes = new Uint8Array(0);
// So many pieces in a row without an answer: nobody is there, and nothing is kept for it.
const unansweredMax = 2;
// With every heartbeat the follower says where it is: so often in a row without the piece, and it was lost or is not written for long.
const unmovedMax = 3;
const noSnapshot: SnapshotId = { index: 0, term: 0, bytes: 0, crc: 0 };

export class Sending {
  readonly #shared: Shared;
  readonly #supply: () => Supply;
  readonly #shipments = new Map<string, Shipment>();

  constructor(shared: Shared, supply: () => Supply) {
    this.#shared = shared;
    this.#supply = supply;
  }

  /** The snapshots that are being sent. */
  get inUse(): readonly SnapshotId[] {
    return [...this.#shipments.values()].flatMap(({ id }) => id ?? []);
  }

  /** As far as somebody is there to get them: what follows these in the log will be needed. */
  get awaited(): readonly SnapshotId[] {
    return [...this.#shipments.values()].flatMap((shipment) =>
      isSilent(shipment) ? [] : (shipment.id ?? []),
    );
  }

  begin(peer: string, nowMs: number, out: Out): void {
    const { snapshotPieceBytes, snapshotBytesPerSecondMax, electionTimeoutMaxMs } = this.#shared.config;
    const machine = this.#machineOf(peer);
    this.#shipments.set(peer, { id: null, offset: 0, readMs: nowMs, unanswered: 0, unmoved: 0, machine });
    const paceMs = Math.ceil((snapshotPieceBytes * 1000) / snapshotBytesPerSecondMax);
    machine.start({ answerMs: electionTimeoutMaxMs, paceMs }, nowMs, out);
    this.supplied(nowMs, out);
  }

  end(peer: string, out: Out): void {
    const shipment = this.#shipments.get(peer);
    if (shipment === undefined) return;
    shipment.machine.stop(out);
    this.#shipments.delete(peer);
    this.#supply().released(out);
  }

  /** There may be a snapshot now for those that lack one. */
  supplied(nowMs: number, out: Out): void {
    const { usable } = this.#supply();
    if (usable === null) return;
    for (const shipment of this.#shipments.values()) {
      // Whoever does not answer gets the latest when it does.
      if (isSilent(shipment) && shipment.id !== usable)
        shipment.machine.send({ type: 'OUTGROWN' }, nowMs, out);
      if (!shipment.machine.in('lacking')) continue;
      shipment.id = usable;
      shipment.offset = 0;
      shipment.machine.send({ type: 'SNAPSHOT_THERE' }, nowMs, out);
    }
  }

  /** Asks how far the follower is, and tells it that this node leads. */
  heartbeat(peer: string, out: Out): void {
    const shipment = this.#shipments.get(peer);
    if (shipment === undefined) return;
    const { id, offset } = shipment;
    this.#send(peer, id ?? noSnapshot, id === null ? 0 : offset, noBytes, out);
  }

  /** For those that lack one still: none may have come of it the last time. */
  repeat(): void {
    if ([...this.#shipments.values()].some(({ machine }) => machine.in('lacking'))) this.#supply().want();
  }

  read({ to, id, offset, bytes }: Read, nowMs: number, out: Out): void {
    const shipment = this.#shipments.get(to);
    if (shipment === undefined || shipment.id?.index !== id.index || shipment.id.crc !== id.crc) return;
    if (bytes !== null) this.#send(to, id, offset, bytes, out);
    shipment.machine.send({ type: bytes === null ? 'UNREADABLE' : 'SENT' }, nowMs, out);
  }

  /** The follower holds the snapshot of that index, which does not join the log any more. */
  outgrown(peer: string, index: number, nowMs: number, out: Out): void {
    const shipment = this.#shipments.get(peer);
    if (shipment?.id?.index !== index) return;
    shipment.machine.send({ type: 'OUTGROWN' }, nowMs, out);
    this.supplied(nowMs, out);
  }

  answered(peer: string, { index, offset, status }: SnapshotAnswer, nowMs: number, out: Out): void {
    const shipment = this.#shipments.get(peer);
    if (shipment === undefined) return;
    shipment.unanswered = 0;
    if (shipment.id?.index !== index || status === 'busy') return;
    if (status === 'refused') return shipment.machine.send({ type: 'REFUSED' }, nowMs, out);
    const moved = offset !== shipment.offset;
    shipment.offset = Math.min(offset, shipment.id.bytes);
    if (shipment.offset === shipment.id.bytes) shipment.machine.send({ type: 'ALL_THERE' }, nowMs, out);
    else if (moved) shipment.machine.send({ type: 'MOVED', tookMs: nowMs - shipment.readMs }, nowMs, out);
    else if (++shipment.unmoved === unmovedMax) shipment.machine.send({ type: 'MISSED' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return [...this.#shipments.values()].some(({ machine }) => machine.fire(timer, nowMs, out));
  }

  #machineOf(peer: string): Machine {
    return new MachineInstance(`sending:${peer}`, stepper, (action, nowMs, out) =>
      this.#perform(peer, action.type, nowMs, out),
    );
  }

  #perform(peer: string, action: string, nowMs: number, out: Out): void {
    const shipment = this.#shipments.get(peer);
    if (shipment === undefined) return;
    const { id, offset } = shipment;
    switch (action) {
      case 'wantSnapshot':
        shipment.id = null;
        return this.#supply().want();
      case 'giveUpSnapshot':
        if (id !== null) this.#supply().distrust(id);
        return;
      case 'readPiece': {
        if (id === null) return;
        shipment.unanswered++;
        shipment.unmoved = 0;
        shipment.readMs = nowMs;
        const length = Math.min(this.#shared.config.snapshotPieceBytes, id.bytes - offset);
        return out.emit({ type: 'readSnapshot', to: peer, id, offset, length });
      }
      default:
        return;
    }
  }

  #send(peer: string, snapshot: SnapshotId, offset: number, bytes: Uint8Array, out: Out): void {
    const { term } = this.#shared;
    this.#shared.send(out, peer, { type: 'snapshotPiece', term, snapshot, offset, bytes });
  }

  checkpoint(): SendingCheckpoint {
    return [...this.#shipments].map(([peer, { machine, ...columns }]) => ({
      peer,
      ...columns,
      machine: machine.checkpoint(),
    }));
  }

  restore(from: SendingCheckpoint): void {
    this.#shipments.clear();
    for (const { peer, machine: saved, ...columns } of from) {
      const machine = this.#machineOf(peer);
      machine.restore(saved);
      this.#shipments.set(peer, { ...columns, machine });
    }
  }
}

const isSilent = ({ unanswered }: Shipment): boolean => unanswered > unansweredMax;
