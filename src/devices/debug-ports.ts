/**
 * Ports that exist for whoever looks into the machine from outside: text consoles, exit, progress codes.
 * They have no datasheet; their behaviour is that of Bochs, SeaBIOS, QEMU and the POST cards.
 */
import type { Device } from '../bus/device.ts';
import type { PortDevice } from '../bus/port-bus.ts';

/** A port whose writes are text for the host. Reading gives `signature`, by which software finds the port. */
export class DebugConsole implements PortDevice, Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = {};
  readonly #signature: number;
  readonly #write: (byte: number) => void;

  constructor(options: { name: string; signature: number; write: (byte: number) => void }) {
    this.name = options.name;
    this.#signature = options.signature;
    this.#write = options.write;
  }

  readPort(): number {
    return this.#signature;
  }

  writePort(_offset: number, value: number): void {
    this.#write(value);
  }

  reset(): void {}
  resume(): void {}
}

/** Port E9h: the Bochs debug console reads as its own address. */
export const bochsConsole = (write: (byte: number) => void): DebugConsole =>
  new DebugConsole({ name: 'debug-e9', signature: 0xe9, write });

/** Port 402h: SeaBIOS writes its log here if the port reads as E9h. */
export const seabiosConsole = (write: (byte: number) => void): DebugConsole =>
  new DebugConsole({ name: 'debug-402', signature: 0xe9, write });

/** isa-debug-exit, port F4h, one, two or four bytes wide: a write ends the machine with status `value << 1 | 1`. */
export class DebugExit implements PortDevice, Device {
  readonly name = 'debug-exit';
  readonly stateVersion = 1;
  readonly state = {};
  readonly portWidths = [1, 2, 4] as const;
  readonly #exit: (status: number) => void;

  constructor(wiring: { exit: (status: number) => void }) {
    this.#exit = wiring.exit;
  }

  readPort(): number {
    return 0;
  }

  writePort(_offset: number, value: number): void {
    this.#exit(((value << 1) | 1) >>> 0);
  }

  reset(): void {}
  resume(): void {}
}

/** Port 80h: the progress code of a power-on self-test. The last value is kept for whoever wants to see it. */
export class PostCode implements PortDevice, Device {
  readonly name = 'post-code';
  readonly stateVersion = 1;
  readonly state = { code: 0 };

  readPort(): number {
    return this.state.code;
  }

  writePort(_offset: number, value: number): void {
    this.state.code = value;
  }

  reset(): void {
    this.state.code = 0;
  }

  resume(): void {}
}
