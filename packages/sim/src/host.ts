import { LocalTime } from './local-time.ts';
import { SocketBuffer } from './socket-buffer.ts';

/** The side of a host that no partition names. */
export const anySide = 0;

/** A machine of the world: it keeps its address and its disk while the processes on it come and go. */
export class Host {
  readonly name: string;
  /** Small and dense: links are keyed by a pair of ids. */
  readonly id: number;
  readonly address: string;
  /** Counts the processes that have run here; what belongs to an older one is dead. */
  incarnation = 0;
  up = false;
  paused = false;
  /** When the pause began that it is in, and how long those before it took. */
  pausedAtMs = 0;
  pausedMs = 0;
  /** For the moment it gets no processor: see `starvation.ts`. */
  stalled = false;
  /** What it sends and what comes for it waits; its timers run. */
  blocked = false;
  /** Datagrams that wait for the process, and those that wait to leave the host. */
  readonly received: SocketBuffer;
  readonly unsent: SocketBuffer;
  readonly time = new LocalTime();
  /** Mean time the process needs for one event; 0 = none. */
  slowMs = 0;
  /** When a slow process has worked off what it has. */
  readyAtMs = 0;
  /** The side of the partition it is on. */
  side = anySide;

  constructor(name: string, id: number, socketBufferBytes: number) {
    this.name = name;
    this.id = id;
    this.received = new SocketBuffer(socketBufferBytes);
    this.unsent = new SocketBuffer(socketBufferBytes);
    this.address = `10.0.${(id + 1) >> 8}.${(id + 1) & 255}`;
  }

  /** The process does nothing at all for now. */
  get isHeld(): boolean {
    return this.paused || this.stalled;
  }

  runs(incarnation: number): boolean {
    return this.up && this.incarnation === incarnation;
  }
}
