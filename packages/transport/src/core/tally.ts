/** What has gone over a connection, or to and from a peer: added up once a write and once a read, not for each message. */
export interface Counts {
  /** Messages, requests, answers and parts of them; acknowledgements and pings are none. */
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** When the last of them left and came, by the transport's clock; null: never. */
  readonly lastSentMs: number | null;
  readonly lastReceivedMs: number | null;
}

export class Tally implements Counts {
  framesSent = 0;
  framesReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  lastSentMs: number | null = null;
  lastReceivedMs: number | null = null;

  sent(frames: number, bytes: number, nowMs: number): void {
    this.bytesSent += bytes;
    if (frames === 0) return;
    this.framesSent += frames;
    this.lastSentMs = nowMs;
  }

  received(frames: number, bytes: number, nowMs: number): void {
    this.bytesReceived += bytes;
    if (frames === 0) return;
    this.framesReceived += frames;
    this.lastReceivedMs = nowMs;
  }

  /** As they are now. */
  counts(): Counts {
    const { framesSent, framesReceived, bytesSent, bytesReceived, lastSentMs, lastReceivedMs } = this;
    return { framesSent, framesReceived, bytesSent, bytesReceived, lastSentMs, lastReceivedMs };
  }
}
