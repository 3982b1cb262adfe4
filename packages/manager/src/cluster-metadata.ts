/** What nodes say of themselves beyond their tags: a key-value map of each, spread by gossip to all. */
import type { MetadataComponent } from './components.ts';

export class ClusterMetadata {
  readonly #self: string;
  readonly #component: () => MetadataComponent;

  /** @param component throws while there is none. */
  constructor(self: string, component: () => MetadataComponent) {
    this.#self = self;
    this.#component = component;
  }

  /**
   * Writes a key of this node's map; every node comes to hold it. A restarted node begins with an empty one.
   * @throws ClusterError `SWIM_METADATA_TOO_LARGE` with nothing changed, `MANAGER_NOT_RUNNING`
   */
  set(key: string, value: string): void {
    this.#component().set(key, value);
  }

  /** @returns whether the key was there. @throws ClusterError `MANAGER_NOT_RUNNING` */
  delete(key: string): boolean {
    return this.#component().delete(key);
  }

  /** What a node (default: this one) has under a key, as far as it is known here. @throws ClusterError `MANAGER_NOT_RUNNING` */
  get(key: string, nodeId: string = this.#self): string | undefined {
    return this.#component().get(key, nodeId);
  }

  /** The map of a node (default: this one). Carried by gossip, as `NodeInfo.metadata`. @throws ClusterError `MANAGER_NOT_RUNNING` */
  entries(nodeId: string = this.#self): ReadonlyMap<string, string> {
    return this.#component().entries(nodeId);
  }
}
