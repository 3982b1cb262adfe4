/**
 * Who decides by what a replica's log holds, read from the entries and not asked of the replica: the latest configuration in it, committed
 * or not (thesis 4.1).
 */
import { decodeConfiguration } from '@cluster/raft';
import type { EntryView, VotersView } from './views.ts';

export interface LoggedConfiguration {
  readonly index: number;
  readonly term: number;
  readonly voters: VotersView;
}

export class LoggedVoters {
  #logged: LoggedConfiguration[];

  /** @param founders who decides in a log without a configuration. */
  constructor(founders: readonly string[]) {
    this.#logged = [{ index: 0, term: 0, voters: { voters: founders, outgoing: [] } }];
  }

  /** By which it decides. */
  get latest(): LoggedConfiguration {
    return this.#logged.at(-1) as LoggedConfiguration;
  }

  appended(index: number, entry: EntryView): void {
    const logged = configurationIn(index, entry);
    if (logged !== null) this.#logged.push(logged);
  }

  truncatedAfter(index: number): void {
    this.#logged = this.#logged.filter((logged) => logged.index <= index);
  }

  /** A snapshot has taken the place of the log; these are committed up to it. */
  replaced(committed: readonly LoggedConfiguration[]): void {
    this.#logged = [...this.#logged.slice(0, 1), ...committed];
  }
}

export function configurationIn(
  index: number,
  { term, kind, command }: EntryView,
): LoggedConfiguration | null {
  return kind === 'configuration' ? { index, term, voters: decodeConfiguration(command) } : null;
}
