/** What a process of members of ours is asked. */
import type { MemberState } from '@cluster/swim';
import type { startSwim } from '@cluster/swim/node';

export interface MemberOrder {
  readonly config: Parameters<typeof startSwim>[0];
  readonly seeds: readonly string[];
}

export interface MemberView {
  readonly states: Readonly<Record<string, MemberState>>;
  readonly incarnation: number;
  readonly keys: readonly string[];
}

export interface QueryOrder {
  readonly name: string;
  readonly query: string;
  readonly payload: string;
  readonly timeoutMs: number;
}
