import type { Counter, Gauge, Histogram, Metrics } from '@cluster/core';
import { reasonLabel } from './errors.ts';

const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
const silent: Metrics = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };

/** The transport's numbers. Series are looked up once, so that counting costs an addition. */
export class TransportMetrics {
  readonly messagesSent: Counter;
  readonly messagesReceived: Counter;
  readonly bytesSent: Counter;
  readonly bytesReceived: Counter;
  readonly connectionsOpen: Gauge;
  readonly reconnects: Counter;
  readonly resends: Counter;
  readonly duplicatesDropped: Counter;
  readonly messagesDropped: Counter;
  readonly handlerErrors: Counter;
  readonly requestDuration: Histogram;
  readonly queueDepth: Gauge;
  readonly streamsOpen: Gauge;
  readonly windowStalls: Counter;
  readonly messagesExpanded: Counter;
  readonly bulkLines: Counter;
  readonly #messagesCompressed: Counter;
  readonly #compressionSaved: Counter;
  readonly #compressionUseless: Counter;
  readonly inFlightStalls: Counter;
  readonly #metrics: Metrics;
  readonly #labelled = new Map<string, Counter>();

  constructor(metrics: Metrics = silent) {
    this.#metrics = metrics;
    this.messagesSent = metrics.counter('messages_sent', {
      help: 'Messages, requests and answers given to a connection.',
    });
    this.messagesReceived = metrics.counter('messages_received', {
      help: 'Messages, requests and answers delivered.',
    });
    this.bytesSent = metrics.counter('bytes_sent', {
      help: 'Bytes written to connections, headers included.',
    });
    this.bytesReceived = metrics.counter('bytes_received', { help: 'Bytes read from connections.' });
    this.connectionsOpen = metrics.gauge('connections_open', { help: 'Connections that carry a session.' });
    this.reconnects = metrics.counter('reconnects', { help: 'Sessions resumed on a new connection.' });
    this.resends = metrics.counter('resends', { help: 'Messages sent again after a reconnect.' });
    this.duplicatesDropped = metrics.counter('duplicates_dropped', { help: 'Messages that arrived again.' });
    this.messagesDropped = metrics.counter('messages_dropped', { help: 'One-way messages given up.' });
    this.handlerErrors = metrics.counter('handler_errors', { help: 'Handlers that failed.' });
    this.requestDuration = metrics.histogram('request_duration_ms', { help: 'From the call to its answer.' });
    this.streamsOpen = metrics.gauge('streams_open', { help: 'Streams that are not over, all peers.' });
    this.windowStalls = metrics.counter('stream_window_stalls', {
      help: 'Times a stream had to wait until its reader had read.',
    });
    this.#messagesCompressed = metrics.counter('messages_compressed', {
      help: 'Messages and answers that left compressed.',
    });
    this.#compressionSaved = metrics.counter('compression_saved_bytes', {
      help: 'Bytes that compression has kept from the wire.',
    });
    this.#compressionUseless = metrics.counter('compression_useless', {
      help: 'Messages and answers that would not have shrunk by an eighth, and went as they are.',
    });
    this.messagesExpanded = metrics.counter('messages_expanded', {
      help: 'Compressed messages and answers that came in.',
    });
    this.inFlightStalls = metrics.counter('in_flight_stalls', {
      help: 'Times messages had to wait until their peer had acknowledged others.',
    });
    this.bulkLines = metrics.counter('bulk_lines_opened', {
      help: 'Times that Normal and Low were given a connection of their own to a peer.',
    });
    this.queueDepth = metrics.gauge('queue_depth', { help: 'Messages waiting to be written, all peers.' });
  }

  /** @param after null: it was not worth it. */
  compressed(before: number, after: number | null): void {
    if (after === null) this.#compressionUseless.add();
    else {
      this.#messagesCompressed.add();
      this.#compressionSaved.add(before - after);
    }
  }

  streamRefused(code: string): void {
    this.#count('streams_refused', 'Streams of peers that were not taken.', reasonLabel(code));
  }

  postRefused(code: string): void {
    this.#count(
      'posts_refused',
      'One-way messages that arrived, and that the peer did not handle.',
      reasonLabel(code),
    );
  }

  connectionRejected(reason: string): void {
    this.#count('connections_rejected', 'Connections refused or failed before they were admitted.', reason);
  }

  dialFailed(reason: string): void {
    this.#count('dials_failed', 'Dials that led to no connection.', reason);
  }

  frameRejected(reason: string): void {
    this.#count('frames_rejected', 'Frames that could not be taken.', reason);
  }

  #count(name: string, help: string, reason: string): void {
    const key = `${name} ${reason}`;
    let counter = this.#labelled.get(key);
    if (counter === undefined) {
      counter = this.#metrics.counter(name, { help, labels: { reason } });
      this.#labelled.set(key, counter);
    }
    counter.add();
  }
}
