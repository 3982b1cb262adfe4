/** Components made of a few lines, for tests of what stands on them. */
import { type Clock, ClusterError, type TimerHandle } from '@cluster/core';
import type {
  BalancerComponent,
  ByteHandler,
  Committed,
  LogChange,
  LogComponent,
  LogStatus,
  MemberChange,
  MemberView,
  MembershipChange,
  MembershipComponent,
  MetadataComponent,
  MetadataView,
  MessengerComponent,
  PathsComponent,
  PickRequest,
} from '../src/components.ts';
import type { Database, SessionMark, StateMachine } from '../src/ports.ts';
import type { SqlValue } from '../src/sql.ts';

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Time that stands still until told, and lets promises settle in between. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { readonly dueMs: number; readonly fire: () => void; cancelled: boolean }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const timer = { dueMs: this.#nowMs + delayMs, fire, cancelled: false };
    this.#timers.push(timer);
    return { cancel: () => void (timer.cancelled = true) };
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      this.#timers = this.#timers.filter(({ cancelled }) => !cancelled);
      const next = this.#timers.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.cancelled = true;
      next.fire();
    }
    this.#nowMs = untilMs;
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** The error a promise ends with; taken at once, so that a test may go on while it is under way. */
export const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => new Error(`resolved to ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );

export const failure = (
  code: string,
  retry: 'safe' | 'unsafe' | 'useless',
  fault: 'environment' | 'caller' | 'peer' = 'environment',
): ClusterError => new ClusterError({ code, fault, message: `${code} happened.`, advice: 'None.', retry });

type Plan = (
  command: Uint8Array,
  session: SessionMark | undefined,
  signal: AbortSignal | undefined,
) => Promise<Committed>;

/** A log whose proposals end as the plan says; each command is remembered as applied once per mark. */
export class FakeLog implements LogComponent {
  readonly proposed: { readonly text: string; readonly session: SessionMark | undefined }[] = [];
  readonly #listeners: ((change: LogChange) => void)[] = [];
  sessionsOpened = 0;
  barriers = 0;
  plan: Plan = async (command) => ({ index: 1, term: 1, result: command });
  state: LogStatus = {
    role: 'leader',
    term: 1,
    leaderId: 'n1',
    commitIndex: 1,
    appliedIndex: 1,
    lastIndex: 1,
    voters: ['n1', 'n2', 'n3'],
    learners: [],
    membersIndex: 0,
    standing: 'voter',
  };

  propose(
    command: Uint8Array,
    {
      session,
      signal,
    }: { readonly session?: SessionMark; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Committed> {
    this.proposed.push({ text: decode(command), session });
    return this.plan(command, session, signal);
  }

  readonly owners = new Map<number, string>();

  async openSession({ owner }: { readonly owner: string }): Promise<number> {
    const clientId = ++this.sessionsOpened * 100;
    this.owners.set(clientId, owner);
    return clientId;
  }

  sessionOwner(clientId: number): string | undefined {
    return this.owners.get(clientId);
  }

  barrierPlan: () => Promise<number> = async () => this.state.appliedIndex;

  /** What was asked of each. */
  readonly consistencies: (string | undefined)[] = [];

  barrier({ consistency }: { readonly consistency?: string } = {}): Promise<number> {
    this.consistencies.push(consistency);
    this.barriers++;
    return this.barrierPlan();
  }

  status(): LogStatus {
    return this.state;
  }

  onEvent(listener: (change: LogChange) => void): void {
    this.#listeners.push(listener);
  }

  changePlan: (changes: readonly MemberChange[]) => Promise<void> = async () => undefined;

  changeMembers(changes: readonly MemberChange[]): Promise<void> {
    return this.changePlan(changes);
  }

  tell(change: LogChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  fail(error: ClusterError): void {
    for (const listener of this.#listeners) listener({ type: 'Failed', error });
  }

  lead(leaderId: string | null): void {
    this.state = { ...this.state, leaderId, term: this.state.term + 1 };
    for (const listener of this.#listeners)
      listener({ type: 'LeaderChanged', leaderId, term: this.state.term });
  }

  stopped = false;
  async stop(): Promise<void> {
    this.stopped = true;
  }
}

/** A database of words: `read x` reads, anything else writes. */
export class FakeDatabase implements Database {
  readonly stateMachine: StateMachine = {
    restore: (done) => done({ ok: true, value: { appliedIndex: 0, sessions: [] } }),
    apply: (batch, done) => done({ ok: true, value: batch.entries.map(() => new Uint8Array(0)) }),
  };
  reads = 0;

  classify(sql: string): { readonly readOnly: boolean } {
    if (sql.startsWith('nonsense')) throw failure('SQL_NONSENSE', 'useless', 'caller');
    return { readOnly: sql.startsWith('read') };
  }

  async read(sql: string): Promise<{ readonly columns: string[]; readonly rows: SqlValue[][] }> {
    this.reads++;
    if (sql === 'read nothing') throw failure('SQL_NO_SUCH_TABLE', 'useless', 'caller');
    return { columns: ['value'], rows: [[sql]] };
  }

  encodeWrite(sql: string): Uint8Array {
    return encode(sql);
  }

  decodeResult(): {
    readonly columns: string[];
    readonly rows: [];
    readonly rowsAffected: 1;
    readonly lastInsertRowid: null;
  } {
    return { columns: [], rows: [], rowsAffected: 1, lastInsertRowid: null };
  }
}

/** Picks the first candidate that is not excluded, and remembers how routes ended. */
export class FakeBalancer implements BalancerComponent {
  nodes: string[];
  readonly outcomes: { readonly nodeId: string; readonly ok: boolean }[] = [];

  constructor(nodes: string[]) {
    this.nodes = nodes;
  }

  setEndpoints(endpoints: readonly { readonly nodeId: string }[]): void {
    this.nodes = endpoints.map(({ nodeId }) => nodeId);
  }

  setStrategy(): void {}

  pick({ candidates = this.nodes, exclude = [] }: PickRequest): ReturnType<BalancerComponent['pick']> {
    const nodeId = this.nodes.find((node) => candidates.includes(node) && !exclude.includes(node));
    if (nodeId === undefined) return null;
    let open = true;
    const done = (ok: boolean): void => {
      if (open) this.outcomes.push({ nodeId, ok });
      open = false;
    };
    return { nodeId, done: ({ ok }) => done(ok), [Symbol.dispose]: () => done(true) };
  }

  endpoints(): [] {
    return [];
  }
  stop(): void {}
  metrics(): Record<string, number> {
    return {};
  }
}

export class FakeMessenger implements MessengerComponent {
  readonly address = { host: '127.0.0.1', port: 2 };
  readonly handlers = new Map<number, ByteHandler>();
  readonly connected = new Set<string>();
  pingPlan: (to: string) => Promise<number> = async () => 1;
  requestPlan: (to: string, typeId: number, bytes: Uint8Array) => Promise<Uint8Array> = async () =>
    new Uint8Array(0);
  closed = false;

  handle(typeId: number, _roles: readonly string[], handler: ByteHandler): void {
    this.handlers.set(typeId, handler);
  }
  request(to: string, typeId: number, bytes: Uint8Array): Promise<Uint8Array> {
    return this.requestPlan(to, typeId, bytes);
  }
  async deliver(to: string, typeId: number, bytes: Uint8Array): Promise<void> {
    await this.requestPlan(to, typeId, bytes);
  }
  ping(to: string): Promise<number> {
    return this.pingPlan(to);
  }
  isConnected(peer: string): boolean {
    return this.connected.has(peer);
  }
  onPeer(): void {}
  async close(): Promise<void> {
    this.closed = true;
  }
  metrics(): Record<string, number> {
    return {};
  }
}

export const member = (id: string, more: Partial<MemberView> = {}): MemberView => ({
  id,
  address: { host: '127.0.0.1', port: 1 },
  state: 'Alive',
  incarnation: 1,
  tags: { ta: '127.0.0.1:2' },
  silentMs: 0,
  ...more,
});

class FakeMetadata implements MetadataComponent {
  readonly #entries = new Map<string, string>();
  #listener: (change: MetadataView) => void = () => undefined;

  set(key: string, value: string): void {
    this.#entries.set(key, value);
    this.#listener({ nodeId: 'n1', key, value });
  }
  delete(key: string): boolean {
    this.#listener({ nodeId: 'n1', key, value: null });
    return this.#entries.delete(key);
  }
  get(key: string, nodeId: string): string | undefined {
    return this.entries(nodeId).get(key);
  }
  entries(nodeId: string): ReadonlyMap<string, string> {
    return nodeId === 'n1' ? this.#entries : new Map();
  }
  onChange(listener: (change: MetadataView) => void): void {
    this.#listener = listener;
  }
}

export class FakeMembership implements MembershipComponent {
  readonly metadata = new FakeMetadata();
  readonly address = { host: '127.0.0.1', port: 1 };
  known: MemberView[] = [member('n1')];
  joinPlan: (seeds: readonly string[]) => Promise<number> = async () => 1;
  left = false;
  stopped = false;
  #listener: (change: MembershipChange) => void = () => undefined;

  self(): MemberView {
    return this.known[0] as MemberView;
  }
  members(): readonly MemberView[] {
    return this.known;
  }
  join(seeds: readonly string[]): Promise<number> {
    return this.joinPlan(seeds);
  }
  onEvent(listener: (change: MembershipChange) => void): void {
    this.#listener = listener;
  }
  tell(change: MembershipChange): void {
    this.#listener(change);
  }
  async leave(): Promise<void> {
    this.left = true;
  }
  async stop(): Promise<void> {
    this.stopped = true;
  }
  metrics(): Record<string, number> {
    return { ping_count: 0 };
  }
}

export class FakePaths implements PathsComponent {
  readonly watched = new Set<string>();
  watch(peer: string): void {
    this.watched.add(peer);
  }
  unwatch(peer: string): void {
    this.watched.delete(peer);
  }
  paths(): [] {
    return [];
  }
  stop(): void {}
  metrics(): Record<string, number> {
    return {};
  }
}
