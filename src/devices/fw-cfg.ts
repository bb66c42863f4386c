/**
 * Firmware configuration: what the machine tells its firmware, as numbered items of bytes, some of which have file names.
 * QEMU's device, docs/specs/fw_cfg.rst ("QEMU Firmware Configuration (fw_cfg) Device"): selector, data port, DMA interface.
 *
 * DMA takes place between instructions, up to 64 KiB at a time, so that no length keeps anybody waiting; the guest sees the
 * end of it in the control word, as the specification has it.
 *
 * Not modelled: items that can be written (all are read-only), as is QEMU's data port since version 2.4; a DMA request
 * made while another is under way, which is lost (QEMU's are over at once).
 */
import type { Alarm, VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { DmaMemory } from '../bus/dma-memory.ts';
import type { PortDevice } from '../bus/port-bus.ts';

/** Offsets from the first port. */
const PORT = { SELECTOR: 0, DATA: 1, DMA_HIGH: 4, DMA_LOW: 8 } as const;

/** Numbers of items that have no file name. */
export const FW_CFG_ITEM = {
  SIGNATURE: 0x00,
  ID: 0x01,
  NO_GRAPHIC: 0x04,
  PROCESSORS: 0x05,
  BOOT_MENU: 0x0e,
  MAXIMUM_PROCESSORS: 0x0f,
  DIRECTORY: 0x19,
  FIRST_FILE: 0x20,
} as const;
const FEATURES = { TRADITIONAL: 0x1, DMA: 0x2 } as const;
/** Of a selector: the item is to be written. */
const SELECT_WRITE = 0x4000;

const NAME_LENGTH = 56;
const DIRECTORY_ENTRY = 8 + NAME_LENGTH;

/** FWCfgDmaAccess: control, length and address, big-endian. */
const ACCESS = { CONTROL: 0, LENGTH: 4, ADDRESS: 8, SIZE: 16 } as const;
const CONTROL = { ERROR: 0x01, READ: 0x02, SKIP: 0x04, SELECT: 0x08, WRITE: 0x10 } as const;
/** What the DMA registers read as. */
const DMA_SIGNATURE = 'QEMU CFG';

/** Guest times in ns: until a request is looked at, and for each piece of it. */
const TIME = { REQUEST: 500, PIECE: 16_000 } as const;
const PIECE = 64 * 1024;

export interface FwCfgFile {
  /** At most 55 characters of ASCII. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FwCfgOptions {
  readonly clock: VirtualClock;
  readonly memory: DmaMemory;
  /** Items by number, besides signature, features and directory. */
  readonly items?: ReadonlyMap<number, Uint8Array>;
  readonly files?: readonly FwCfgFile[];
}

/** A DMA request that has been looked at. Addresses and lengths in bytes. */
interface Transfer {
  /** Of the request itself, where its control word is. */
  readonly request: number;
  /** Where the next byte goes. */
  readonly address: number;
  readonly left: number;
}

const powerOnState = () => ({
  selector: FW_CFG_ITEM.SIGNATURE as number,
  /** Bytes of the item that have been read. */
  offset: 0,
  /** The halves of the DMA address register. */
  addressHigh: 0,
  addressLow: 0,
  /** Guest time (ns) at which DMA begins or goes on. */
  due: undefined as number | undefined,
  /** Undefined: there is none, or it has not been looked at. */
  transfer: undefined as Transfer | undefined,
});

export class FwCfg implements PortDevice, Device {
  readonly name = 'fw-cfg';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly portWidths = [1, 2, 4] as const;
  readonly #clock: VirtualClock;
  readonly #memory: DmaMemory;
  readonly #items: ReadonlyMap<number, Uint8Array>;
  #alarm: Alarm | undefined;

  /** @throws RangeError for a file name that is too long or no ASCII */
  constructor({ clock, memory, items = new Map(), files = [] }: FwCfgOptions) {
    this.#clock = clock;
    this.#memory = memory;
    const { SIGNATURE, ID, DIRECTORY, FIRST_FILE } = FW_CFG_ITEM;
    this.#items = new Map([
      [SIGNATURE, ascii('QEMU')],
      [ID, littleEndian(FEATURES.TRADITIONAL | FEATURES.DMA)],
      ...items,
      [DIRECTORY, directory(files)],
      ...files.map(({ bytes }, index) => [FIRST_FILE + index, bytes] as const),
    ]);
  }

  readPort(offset: number, size: 1 | 2 | 4): number {
    if (offset >= PORT.DMA_HIGH) {
      let value = 0;
      for (let index = size - 1; index >= 0; index--)
        value = value * 256 + DMA_SIGNATURE.charCodeAt(offset - PORT.DMA_HIGH + index);
      return value;
    }
    return size === 1 && offset <= PORT.DATA ? this.#take(1)[0] : 0;
  }

  /** The selector is written as a word, the DMA registers as doublewords; nothing else can be. */
  writePort(offset: number, value: number, size: 1 | 2 | 4): void {
    const { state } = this;
    if (offset === PORT.SELECTOR && size === 2) this.#select(value);
    if (size !== 4) return;
    if (offset === PORT.DMA_HIGH) state.addressHigh = swap(value);
    if (offset === PORT.DMA_LOW) {
      state.addressLow = swap(value);
      if (state.due !== undefined) return;
      state.due = this.#clock.now + TIME.REQUEST;
      this.#follow();
    }
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
  }

  resume(): void {
    this.#follow();
  }

  #select(selector: number): void {
    this.state.selector = selector & ~SELECT_WRITE;
    this.state.offset = 0;
  }

  /** The next bytes of the item selected; zeros behind its end, and of an item that does not exist. */
  #take(count: number): Uint8Array {
    const { state } = this;
    const bytes = new Uint8Array(count);
    const item = this.#items.get(state.selector);
    if (item !== undefined) bytes.set(item.subarray(state.offset, state.offset + count));
    this.#skip(count);
    return bytes;
  }

  #skip(count: number): void {
    const { state } = this;
    state.offset = Math.min(state.offset + count, this.#items.get(state.selector)?.length ?? 0);
  }

  #follow(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
    const { due } = this.state;
    if (due === undefined) return;
    this.#alarm = this.#clock.setAlarm(due, () => {
      this.#alarm = undefined;
      this.state.due = undefined;
      if (this.state.transfer === undefined) this.#begin();
      else this.#move(this.state.transfer);
      this.#follow();
    });
  }

  #begin(): void {
    const { state } = this;
    const request = state.addressHigh * 2 ** 32 + state.addressLow;
    state.addressHigh = 0;
    state.addressLow = 0;
    if (!this.#memory.answers(request, ACCESS.SIZE)) return;
    const access = viewOf(this.#memory.read(request, ACCESS.SIZE));
    const control = access.getUint32(ACCESS.CONTROL);
    const length = access.getUint32(ACCESS.LENGTH);
    if (control & CONTROL.SELECT) this.#select(control >>> 16);
    const read = (control & CONTROL.READ) !== 0;
    if (!read && control & CONTROL.WRITE) return this.#end(request, CONTROL.ERROR);
    if (!read && control & CONTROL.SKIP) this.#skip(length);
    if (!read) return this.#end(request, 0);
    const address = access.getUint32(ACCESS.ADDRESS) * 2 ** 32 + access.getUint32(ACCESS.ADDRESS + 4);
    this.#move({ request, address, left: length });
  }

  #move(transfer: Transfer): void {
    const { state } = this;
    const count = Math.min(transfer.left, PIECE);
    state.transfer = undefined;
    if (count > 0) {
      if (!this.#memory.answers(transfer.address, count)) return this.#end(transfer.request, CONTROL.ERROR);
      this.#memory.write(transfer.address, this.#take(count));
    }
    const left = transfer.left - count;
    if (left === 0) return this.#end(transfer.request, 0);
    state.transfer = { ...transfer, address: transfer.address + count, left };
    state.due = this.#clock.now + TIME.PIECE;
  }

  #end(request: number, control: number): void {
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, control);
    if (this.#memory.answers(request, bytes.length)) this.#memory.write(request + ACCESS.CONTROL, bytes);
  }
}

/** The file directory: a count, then size, number and name of each; big-endian. */
function directory(files: readonly FwCfgFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * DIRECTORY_ENTRY);
  const view = viewOf(bytes);
  view.setUint32(0, files.length);
  for (const [index, file] of files.entries()) {
    const at = 4 + index * DIRECTORY_ENTRY;
    if (file.name.length >= NAME_LENGTH || /[^!-~]/.test(file.name))
      throw new RangeError(`fw_cfg: ${JSON.stringify(file.name)} cannot be the name of a file`);
    view.setUint32(at, file.bytes.length);
    view.setUint16(at + 4, FW_CFG_ITEM.FIRST_FILE + index);
    bytes.set(ascii(file.name), at + 8);
  }
  return bytes;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

function littleEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A doubleword with its bytes in the opposite order. */
const swap = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
