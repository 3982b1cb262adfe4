/**
 * The routes handed out and not yet reported, oldest first. All live equally long, so insertion order is expiry order and one
 * timer serves them all.
 */
import type { Endpoint } from './endpoint.ts';

export interface OpenRoute {
  readonly endpoint: Endpoint;
  readonly openedAtMs: number;
}

export class OpenRoutes {
  readonly #routes = new Map<number, OpenRoute>();
  #lastId = 0;

  get size(): number {
    return this.#routes.size;
  }

  open(endpoint: Endpoint, nowMs: number): number {
    const id = ++this.#lastId;
    this.#routes.set(id, { endpoint, openedAtMs: nowMs });
    endpoint.inFlight++;
    return id;
  }

  /** Takes the route out; undefined when it was closed before. */
  close(id: number): OpenRoute | undefined {
    const route = this.#routes.get(id);
    if (route === undefined) return undefined;
    this.#routes.delete(id);
    route.endpoint.inFlight--;
    return route;
  }

  oldest(): { readonly id: number; readonly openedAtMs: number } | undefined {
    for (const [id, { openedAtMs }] of this.#routes) return { id, openedAtMs };
    return undefined;
  }

  /** Forgets the routes to an endpoint that is gone: their outcomes say nothing about one that comes back by its name. */
  forget(endpoint: Endpoint): void {
    for (const [id, route] of this.#routes) if (route.endpoint === endpoint) this.#routes.delete(id);
  }

  checkpoint(): OpenRoutesCheckpoint {
    const routes = [...this.#routes].map(
      ([id, { endpoint, openedAtMs }]) => [id, endpoint.nodeId, openedAtMs] as const,
    );
    return { lastId: this.#lastId, routes };
  }

  restore({ lastId, routes }: OpenRoutesCheckpoint, endpointOf: (nodeId: string) => Endpoint): void {
    this.#lastId = lastId;
    this.#routes.clear();
    for (const [id, nodeId, openedAtMs] of routes)
      this.#routes.set(id, { endpoint: endpointOf(nodeId), openedAtMs });
  }
}

export interface OpenRoutesCheckpoint {
  readonly lastId: number;
  readonly routes: readonly (readonly [id: number, nodeId: string, openedAtMs: number])[];
}
