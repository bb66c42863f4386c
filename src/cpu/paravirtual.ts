/** What a hypervisor offers its guest beyond a processor's own: leaves of CPUID and model-specific registers (`bus` is not below `cpu`). */

/** Leaves from here on, up to 400000FFh, are the hypervisor's. */
export const PARAVIRTUAL_LEAVES = { FIRST: 0x4000_0000, LAST: 0x4000_00ff } as const;

export interface ParavirtualRegister {
  readonly name: string;
  read(): bigint;
  /** Gives the reason why the value is refused, if it is. */
  write(value: bigint): string | undefined;
}

export interface ParavirtualInterface {
  /** As CPUID answers. */
  cpuid(leaf: number): readonly [eax: number, ebx: number, ecx: number, edx: number];
  /** Undefined: it has no such register. */
  register(address: number): ParavirtualRegister | undefined;
  /** The guest has written its time-stamp counter. */
  timeStampMoved(): void;
}
