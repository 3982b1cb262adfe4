import type { Disk } from '@cluster/core';
import { type NodePorts, World } from '@cluster/sim';

/** A machine in a simulated world of its own, whose time passes until it is switched off. */
export class SimulatedMachine {
  readonly #world = new World({ seed: 1 });
  #ports: NodePorts | null = null;
  #isOn = true;

  constructor() {
    this.#world.spawn('machine', (ports) => {
      this.#ports = ports;
      return {};
    });
    const pass = (): void => {
      if (!this.#isOn) return;
      this.#world.runFor(10);
      setImmediate(pass);
    };
    setImmediate(pass);
  }

  /** As the process that runs now sees it. */
  get disk(): Disk {
    if (this.#ports === null) throw new Error('it has not started');
    return this.#ports.disk;
  }

  /** Loses its power, with all that was not synced, and starts again. */
  losePower(): void {
    this.#world.crash('machine');
    this.#world.restart('machine');
  }

  switchOff(): void {
    this.#isOn = false;
  }
}
