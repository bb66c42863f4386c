/** Breakpoints of a machine in another thread: checked and numbered here, and set there in the same order. */
import { type Breakpoint, type BreakpointHit, type BreakpointRequest, BreakpointSet } from '../../machine/machine.ts';
import type { MachineInput } from './messages.ts';

export class RemoteBreakpoints extends BreakpointSet {
  readonly #put: (input: MachineInput) => void;

  constructor(put: (input: MachineInput) => void) {
    super(() => {});
    this.#put = put;
  }

  override add(request: BreakpointRequest): Breakpoint {
    const added = super.add(request);
    const { address, kind, length } = added;
    this.#put({ kind: 'add-breakpoint', request: { address, kind, length } });
    return added;
  }

  override remove(breakpoint: Breakpoint): boolean {
    if (!super.remove(breakpoint)) return false;
    this.#put({ kind: 'remove-breakpoint', id: breakpoint.id });
    return true;
  }

  override clear(): void {
    super.clear();
    this.#put({ kind: 'clear-breakpoints' });
  }

  /** A hit there, with the breakpoint that the owner knows, unless that was taken away meanwhile. */
  own(hit: BreakpointHit): BreakpointHit {
    const { id, address, kind, length } = hit.breakpoint;
    const known = this.list.find(
      (one) => one.id === id && one.address === address && one.kind === kind && one.length === length,
    );
    return known === undefined ? hit : { ...hit, breakpoint: known };
  }
}
