/**
 * Vetro, the library: PCs in software, several in one process.
 *
 * ```ts
 * const host = await Host.create();
 * const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: 'console=ttyS0' }, memory: 512 });
 * guest.serial.on('data', (bytes) => process.stdout.write(bytes));
 * const exit = await guest.run(); // { reason: 'halted' } once it powers off
 * host.dispose();
 * ```
 *
 * No terminal, no files, no global state; nothing happens by itself.
 */
import { createPlatform } from './host/platform.ts';
import { type HostOptions, Host as Hypervisor } from './hypervisor/host.ts';

export { InternalError, UserError } from './base/errors.ts';
export type { GuestBoot, GuestOptions, PcGuest as Guest } from './hypervisor/create-guest.ts';
export type { ClockMode, GuestEvents, GuestExit, GuestState, GuestStream } from './hypervisor/guest.ts';
export type { HostOptions } from './hypervisor/host.ts';
export type { Platform } from './hypervisor/platform.ts';

/** Runs guests. Several hosts in one process know nothing of each other. */
export class Host extends Hypervisor {
  /** A host on the platform at hand (Node or browser), unless another is given. */
  static async create(options: Partial<HostOptions> = {}): Promise<Host> {
    return new Host({ platform: createPlatform(), ...options });
  }
}
