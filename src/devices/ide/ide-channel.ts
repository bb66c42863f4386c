/**
 * An IDE channel: a cable with up to two drives, which share ports and an interrupt. ATA/ATAPI-6 (T13/1410D), clauses 7
 * and 9.16 ("Single device configurations").
 *
 * A drive that is alone as device 0 answers for an absent device 1: its registers are seen, but the status reads 00h. Where
 * no drive answers, everything reads 0: the host pulls DD7 down, so that no BSY is seen; what the other lines do is not
 * defined.
 *
 * Not modelled: data on DD15–8 at the other registers, and 8-bit transfers of data: a byte read takes one byte.
 */
import type { Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import type { PortDevice } from '../../bus/port-bus.ts';
import type { DmaHost, IdeDrive } from './ide-drive.ts';
import { COMMAND, CONTROL, DEVICE, REGISTER } from './registers.ts';

export interface IdeChannelOptions {
  readonly name: string;
  /** Device 0 and device 1. */
  readonly drives: readonly [IdeDrive | undefined, IdeDrive | undefined];
  readonly intrq: IrqLine;
  readonly dma?: DmaHost | undefined;
}

export class IdeChannel implements Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = {
    /** What was last written to the device control register. */
    control: 0,
    selected: 0 as 0 | 1,
  };
  /** Eight ports: the data register, 16 or 32 bits wide, and seven of a byte. */
  readonly commandBlock: PortDevice;
  /** One port: device control; read: alternate status. */
  readonly controlBlock: PortDevice;
  readonly #drives: IdeChannelOptions['drives'];
  readonly #intrq: IrqLine;

  constructor({ name, drives, intrq, dma }: IdeChannelOptions) {
    this.name = name;
    this.#drives = drives;
    this.#intrq = intrq;
    for (const drive of drives) drive?.connect({ dma, interruptChanged: () => this.#follow() });
    this.commandBlock = {
      name,
      portWidths: [1, 2, 4],
      readPort: (offset, size) => this.#readCommandBlock(offset, size),
      writePort: (offset, value, size) => this.#writeCommandBlock(offset, value, size),
    };
    this.controlBlock = {
      name: `${name}-control`,
      readPort: () => this.#status,
      writePort: (_, value) => this.#writeControl(value),
    };
  }

  /** The bus master may be able to move data now. */
  moveByDma(): void {
    this.#drive?.moveByDma();
  }

  reset(): void {
    this.state.control = 0;
    this.state.selected = 0;
  }

  resume(): void {
    this.#follow();
  }

  get #drive(): IdeDrive | undefined {
    return this.#drives[this.state.selected];
  }

  get #status(): number {
    return this.#drive?.state.status ?? 0;
  }

  #readCommandBlock(offset: number, size: 1 | 2 | 4): number {
    if (offset === REGISTER.DATA) return this.#drive?.readData(size) ?? 0;
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = ((value << 8) | this.#readRegister(offset + index)) >>> 0;
    return value;
  }

  #readRegister(offset: number): number {
    if (offset === REGISTER.COMMAND) {
      const status = this.#status;
      this.#drive?.acknowledge();
      return status;
    }
    const answering = this.#drive ?? (this.state.selected === 1 ? this.#drives[0] : undefined);
    return answering?.readRegister(offset, { previous: (this.state.control & CONTROL.HOB) !== 0 }) ?? 0;
  }

  #writeCommandBlock(offset: number, value: number, size: 1 | 2 | 4): void {
    if (offset === REGISTER.DATA) return this.#drive?.writeData(value, size);
    for (let index = 0; index < size; index++) this.#writeRegister(offset + index, (value >>> (8 * index)) & 0xff);
  }

  #writeRegister(offset: number, value: number): void {
    const { state } = this;
    state.control &= ~CONTROL.HOB;
    if (offset === REGISTER.COMMAND) return this.#writeCommand(value);
    if (this.#drive?.engaged) return;
    for (const drive of this.#drives) drive?.writeRegister(offset, value);
    if (offset !== REGISTER.DEVICE) return;
    state.selected = value & DEVICE.DEV ? 1 : 0;
    this.#follow();
  }

  #writeCommand(command: number): void {
    if (command !== COMMAND.EXECUTE_DEVICE_DIAGNOSTIC) return this.#drive?.writeCommand(command);
    if (this.#drive?.engaged) return;
    this.state.selected = 0;
    for (const [index, drive] of this.#drives.entries()) drive?.diagnose({ announces: index === 0 });
  }

  #writeControl(value: number): void {
    const { state } = this;
    const changed = value ^ state.control;
    state.control = value;
    if (changed & CONTROL.SRST) {
      state.selected = 0;
      for (const drive of this.#drives) drive?.softReset({ asserted: (value & CONTROL.SRST) !== 0 });
    }
    this.#follow();
  }

  /** A drive drives the line only while it is selected and nIEN is clear. */
  #follow(): void {
    const enabled = (this.state.control & CONTROL.NIEN) === 0;
    this.#intrq.set(enabled && this.#drive?.state.interrupt ? 1 : 0);
  }
}
