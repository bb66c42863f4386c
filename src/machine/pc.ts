/**
 * The PC: the only place where devices meet. Built leaf first, wired by constructor, attached last; read the
 * constructor from top to bottom with `pc-map.ts` beside it.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { InternalError, UserError } from '../base/errors.ts';
import type { TimeCorrection } from '../base/guest-time.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import { type Device, resetDevices } from '../bus/device.ts';
import { PciBus } from '../bus/pci/pci-bus.ts';
import { PortBus } from '../bus/port-bus.ts';
import { CoprocessorError } from '../devices/coprocessor-error.ts';
import { bochsConsole, DebugExit, PostCode, seabiosConsole } from '../devices/debug-ports.ts';
import { DmaPair } from '../devices/dma-pair.ts';
import { Fdc82077 } from '../devices/floppy/fdc82077.ts';
import type { FloppyDrives } from '../devices/floppy/floppy-drive.ts';
import { I8042 } from '../devices/i8042.ts';
import type { AtapiCdrom } from '../devices/ide/atapi-cdrom.ts';
import { ConfigMechanism } from '../devices/pci/config-mechanism.ts';
import { I440fx } from '../devices/pci/i440fx.ts';
import { Piix3 } from '../devices/pci/piix3.ts';
import { Piix3Ide } from '../devices/pci/piix3-ide.ts';
import { Piix4Power } from '../devices/pci/piix4-power.ts';
import { PicPair } from '../devices/pic8259.ts';
import { Pit8254 } from '../devices/pit8254.ts';
import { Port61 } from '../devices/port61.ts';
import { Port92 } from '../devices/port92.ts';
import { Ps2Keyboard } from '../devices/ps2-keyboard.ts';
import { Rtc146818 } from '../devices/rtc146818.ts';
import { Uart16550 } from '../devices/uart16550.ts';
import { VgaText } from '../devices/vga-text.ts';
import { VirtioBalloon, type VirtioBalloonWiring } from '../devices/virtio/virtio-balloon.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import type { Breakpoints } from '../engine/breakpoints.ts';
import { type SharedCode as Code, createSharedCode as createCode } from '../engine/code-space.ts';
import type { EngineName } from '../engine/engine-name.ts';
import { Processor, type RunResult } from '../engine/processor.ts';
import type { Bios } from '../firmware/bios.ts';
import { ColdPages } from '../memory/cold-pages.ts';
import { GuestMemory, type MemoryPage } from '../memory/guest-memory.ts';
import type { SwapSpace } from '../memory/page-source.ts';
import { type FirmwareChips, leaveAsFirmware } from './after-firmware.ts';
import { installBios } from './bios.ts';
import type { BiosBoot, BootImage, EntryState, RomBoot } from './boot.ts';
import { enterBootImage } from './entry.ts';
import { guestDma } from './guest-dma.ts';
import { createIdeDrives, type IdeMedia } from './ide-drives.ts';
import { ImageLoader } from './image-loader.ts';
import { ImageStore } from './image-store.ts';
import type { Machine, MachineExit, RunLimits } from './machine.ts';
import {
  assignDevices,
  checkConfiguration,
  MACHINE_STATE_VERSION,
  type MachineConfiguration,
  type MachineState,
  type SavedDevice,
  saveDevices,
  upgradeDevices,
} from './machine-state.ts';
import { checkDeviceState, machineState } from './machine-state-schema.ts';
import type { Registers } from './machine-view.ts';
import { OrLine } from './or-line.ts';
import { OutputChannel } from './output-channel.ts';
import { ISA_DRQ, ISA_IRQ, MEMORY, PCI, PIN_A, PORTS, pirqOf, SHADOW_SEGMENTS, SYSTEM_CONTROL_IRQ } from './pc-map.ts';
import { checkAddress, checkLength, probeBytes, probeLinear } from './probe-memory.ts';
import { readRegisters } from './read-registers.ts';
import { installRom } from './rom-firmware.ts';
import { SharedPool } from './shared-pool.ts';
import { hashState } from './state-hash.ts';

export type { EngineName } from '../engine/engine-name.ts';

/** What machines can share: decoder, compiled code, and the images they boot. */
export interface SharedCode extends Code {
  readonly images?: ImageStore;
}

export const createSharedCode = (options?: Parameters<typeof createCode>[0]): SharedCode => ({
  ...createCode(options),
  images: new ImageStore(),
});

export interface PcOptions extends IdeMedia {
  /** Shown in messages. */
  readonly name: string;
  /** RAM in bytes, a multiple of 1 MiB. */
  readonly memoryBytes: number;
  /** Name of a CPU model. */
  readonly cpu: string;
  readonly engine: EngineName;
  /** What it starts from, again after every reset. */
  readonly boot: BootImage | BiosBoot | RomBoot;
  /** What the real-time clock shows at power-on, in ms since 1970 (UTC). */
  readonly powerOnTime: number;
  /** Guest time that an instruction takes, in ns, until it is corrected. Default: the processor's. */
  readonly instructionTime?: number | undefined;
  /** What it shares with other machines; default: all is its own. */
  readonly code?: SharedCode | undefined;
  /** Drives A and B, empty or with a disk in them. Default: none. */
  readonly floppies?: FloppyDrives | undefined;
  /** Nothing is loaded before a reset: `restore` follows. Default: false. */
  readonly unbooted?: boolean | undefined;
  /** A memory balloon, in a PCI slot. Default: none. */
  readonly balloon?: Pick<VirtioBalloonWiring, 'deflateOnOutOfMemory' | 'onHint'> | undefined;
  /**
   * A machine made of the same parts, between runs: this one begins as its equal, in the same pool, and shares its memory
   * as long as neither writes. Media are its own: the same must be in them.
   */
  readonly cloneOf?: Pc | undefined;
  /** Where its memory is to be, together with that of others. Default: a pool of its own. */
  readonly pool?: SharedPool | undefined;
}

/** What a machine was. Give `memory` back, by `dispose`, before the machine. */
export interface Checkpoint {
  readonly of: Pc;
  readonly state: MachineState;
  readonly memory: GuestMemory;
}

/** Why a run is cut short from inside. */
type Request =
  | { reason: 'reset' }
  | { reason: 'power-off' }
  | { reason: 'output' }
  | { reason: 'memory' }
  | { reason: 'debug-exit'; status: number };

/** Which of two that come in one run is heard: what is told anew when it is met again gives way. */
const RANK = { output: 0, memory: 1, 'debug-exit': 2, 'power-off': 2, reset: 2 } as const;

/** Who may drive an interrupt line: a device on the ISA bus, PCI devices, power management. */
const IRQ_SOURCE = { ISA: 0, PCI: 1, POWER: 2 } as const;

export class Pc implements Machine {
  readonly name: string;
  readonly clock = new VirtualClock();
  readonly memory: GuestMemory;
  readonly processor: Processor;
  readonly keyboard: Ps2Keyboard;
  readonly vga: VgaText;
  /** The CD-ROM drive, if there is one: discs are put in and taken out there. */
  readonly cdrom: AtapiCdrom | undefined;
  /** Undefined in a machine that is booted without. */
  readonly bios: Bios | undefined;
  /** PCI bus 0. */
  readonly pci: PciBus;
  /** Disks can be inserted and ejected between runs. */
  readonly floppy: Fdc82077;
  /** Undefined in a machine without. */
  readonly balloon: VirtioBalloon | undefined;
  readonly serial: OutputChannel;
  readonly debugConsole: OutputChannel;
  readonly #cold: ColdPages;
  readonly #image: ImageLoader | undefined;
  /** Undefined once it is disposed. */
  #shared: SharedPool | undefined;
  readonly #entry: EntryState | undefined;
  readonly #devices: readonly Device[];
  /** Wires that have several sources. */
  readonly #lines: readonly OrLine[];
  #boot: PcOptions['boot'];
  /** What it is made of, but for drives. */
  readonly #parts: Pick<PcOptions, 'memoryBytes' | 'cpu' | 'engine' | 'powerOnTime' | 'code' | 'balloon'>;
  readonly #ideMedia: () => Pick<MachineConfiguration, 'disks' | 'cdrom'>;
  readonly #pic: PicPair;
  readonly #uart: Uart16550;
  readonly #power: Piix4Power;
  readonly #firmwareChips: FirmwareChips;
  #request: Request | undefined;
  onTimeCorrection: ((correction: TimeCorrection) => void) | undefined;

  /**
   * Powered on, booted, ready to run. In a pool that others are in, one that cannot be made leaves nothing.
   * @throws UserError for an unknown CPU model, a memory size that cannot be, or a disk that no drive takes; PoolFullError;
   *   RangeError when the process has no more room
   */
  static create(options: PcOptions): Pc {
    const made: { dispose(): void }[] = [];
    try {
      return new Pc(options, made);
    } catch (error) {
      for (const part of made.reverse()) part.dispose();
      throw error;
    }
  }

  /** As `create`, for a pool of its own. What has something of the pool is added to `made`. */
  constructor(options: PcOptions, made: { dispose(): void }[] = []) {
    const { clock } = this;
    this.name = options.name;
    const { boot, memoryBytes, cpu, engine, powerOnTime, balloon: balloonOptions } = options;
    this.#parts = { memoryBytes, cpu, engine, powerOnTime, code: options.code, balloon: balloonOptions };
    this.#entry = 'entry' in boot ? boot.entry : undefined;

    const original = options.cloneOf;
    const shared = original?.sharedPool ?? options.pool ?? new SharedPool(options.code);
    const { pool, code } = shared;
    const ports = new PortBus();
    this.memory = new GuestMemory(pool, { size: memoryBytes });
    made.push(this.memory);
    this.#image = 'pieces' in boot ? new ImageLoader(this.memory, boot, options.code?.images) : undefined;
    this.processor = new Processor({
      name: options.name,
      code,
      memory: this.memory,
      ports,
      clock,
      model: cpu,
      engine,
      instructionTime: options.instructionTime,
      interrupts: { acknowledge: () => this.#pic.acknowledge() },
      x87Error: (level) => coprocessorError.setFerr(level),
    });
    made.push(this.processor);
    this.#cold = new ColdPages(this.memory, this.processor.mmu);

    const pic = new PicPair({ intr: this.processor.intr });
    const irqs = Array.from({ length: 16 }, (_, irq) => new OrLine(pic.line(irq), 3));
    const isaIrq = (irq: number) => irqs[irq].input(IRQ_SOURCE.ISA);
    const pit = new Pit8254({ clock, out0: isaIrq(ISA_IRQ.PIT) });
    const startTime = powerOnTime / 1000;
    const rtc = new Rtc146818({ clock, irq: isaIrq(ISA_IRQ.RTC), startTime });
    const backend = { transmit: (byte: number) => this.serial.put(byte) };
    const uart = new Uart16550({ name: 'com1', clock, irq: isaIrq(ISA_IRQ.COM1), backend });
    const a20 = new OrLine(this.processor.a20, 2);
    const reset = () => this.#ask({ reason: 'reset' });
    const keyboard = new Ps2Keyboard();
    const i8042 = new I8042({
      clock,
      keyboard,
      keyboardIrq: isaIrq(ISA_IRQ.KEYBOARD),
      auxIrq: isaIrq(ISA_IRQ.MOUSE),
      a20: a20.input(1),
      reset,
    });
    const vga = new VgaText({ clock });
    const port61 = new Port61({ clock, timer: pit });
    const port92 = new Port92({ a20: a20.input(0), init: reset });
    const coprocessorError = new CoprocessorError({ irq: isaIrq(ISA_IRQ.COPROCESSOR) });
    const memory = guestDma(this.memory);
    const dma = new DmaPair({ memory });
    const floppy = new Fdc82077({
      clock,
      irq: isaIrq(ISA_IRQ.FLOPPY),
      dma: dma.channel(ISA_DRQ.FLOPPY),
      drives: options.floppies ?? [],
      onHostError: options.onHostError,
    });
    const postCode = new PostCode();
    const debugExit = new DebugExit({ exit: (status) => this.#ask({ reason: 'debug-exit', status }) });
    const writeDebug = (byte: number) => this.debugConsole.put(byte);
    const pci = new PciBus({ ports, memory: this.memory });
    this.pci = pci;
    const hostBridge = new I440fx({
      routeSegment: (segment, route) => this.memory.routeRam(...SHADOW_SEGMENTS[segment], route),
      routeSmram: (route) => this.memory.routeRam(...MEMORY.VGA_WINDOW, route),
    });
    const isaBridge = new Piix3({ irq: (irq) => irqs[irq].input(IRQ_SOURCE.PCI), reset });
    const drives = createIdeDrives(clock, options);
    this.cdrom = drives.cdrom;
    const ide = new Piix3Ide({
      memory,
      channels: [
        {
          drives: drives.cables[0],
          command: PORTS.IDE_PRIMARY,
          control: PORTS.IDE_PRIMARY_CONTROL,
          irq: isaIrq(ISA_IRQ.IDE_PRIMARY),
        },
        {
          drives: drives.cables[1],
          command: PORTS.IDE_SECONDARY,
          control: PORTS.IDE_SECONDARY_CONTROL,
          irq: isaIrq(ISA_IRQ.IDE_SECONDARY),
        },
      ],
    });
    const power = new Piix4Power({
      clock,
      sci: irqs[SYSTEM_CONTROL_IRQ].input(IRQ_SOURCE.POWER),
      powerOff: () => this.#ask({ reason: 'power-off' }),
    });
    this.balloon = balloonOptions && new VirtioBalloon({ memory: this.memory, ...balloonOptions });
    const pin = isaBridge.pirq(pirqOf(PCI.BALLOON.device, PIN_A));
    const balloon = this.balloon && new VirtioPci({ clock, memory, device: this.balloon, pin });
    const configMechanism = new ConfigMechanism({ bus: pci, behind: isaBridge.resetControl });

    ports.attach(PORTS.DMA1, dma.lower);
    ports.attach(PORTS.PIC1, pic.primary);
    ports.attach(PORTS.PIC2, pic.secondary);
    ports.attach(PORTS.ELCR, pic.elcr);
    ports.attach(PORTS.PIT, pit);
    ports.attach(PORTS.PS2_DATA, i8042);
    ports.attach(PORTS.SYSTEM_CONTROL_B, port61);
    ports.attach(PORTS.PS2_STATUS, i8042, PORTS.PS2_STATUS[0] - PORTS.PS2_DATA[0]);
    ports.attach(PORTS.CMOS, rtc);
    ports.attach(PORTS.POST, postCode);
    ports.attach(PORTS.DMA_PAGES, dma.pages, PORTS.DMA_PAGES[0] - PORTS.POST[0]);
    ports.attach(PORTS.DMA2, dma.upperPorts);
    ports.attach(PORTS.SYSTEM_CONTROL_A, port92);
    ports.attach(PORTS.DEBUG_CONSOLE, bochsConsole(writeDebug));
    ports.attach(PORTS.COPROCESSOR_ERROR, coprocessorError);
    ports.attach(PORTS.DEBUG_EXIT, debugExit);
    ports.attach(PORTS.VGA, vga);
    ports.attach(PORTS.FLOPPY, floppy);
    ports.attach(PORTS.FLOPPY_DIR, floppy, PORTS.FLOPPY_DIR[0] - PORTS.FLOPPY[0]);
    ports.attach(PORTS.COM1, uart);
    ports.attach(PORTS.BIOS_DEBUG, seabiosConsole(writeDebug));
    ports.attach(PORTS.PCI_CONFIG, configMechanism);
    ports.attach(PORTS.SMI_COMMAND, power.smiCommand);
    ports.attach(PORTS.GENERAL_PURPOSE_EVENTS, power.generalPurposeEvents);
    pci.attach(PCI.HOST_BRIDGE, hostBridge);
    pci.attach(PCI.ISA_BRIDGE, isaBridge);
    pci.attach(PCI.IDE, ide);
    pci.attach(PCI.POWER_MANAGEMENT, power);
    if (balloon) pci.attach(PCI.BALLOON, balloon);
    // In text mode the adapter answers in the last quarter of its window.
    this.memory.addMmio(...MEMORY.VGA_TEXT, vga);

    this.memory.onBeyondLimit = () => this.#ask({ reason: 'memory' });
    const full = () => this.#ask({ reason: 'output' });
    this.serial = new OutputChannel({
      full,
      input: { receive: (bytes) => uart.receive(bytes), pending: () => uart.pendingInput },
    });
    this.debugConsole = new OutputChannel({ full });
    this.#lines = [...irqs, a20];
    this.#boot = 'pieces' in boot && this.#image ? { ...boot, pieces: this.#image.pieces } : boot;
    this.#ideMedia = () => ({
      disks: (options.disks ?? []).map(({ size }) => size),
      cdrom: drives.cdrom ? { medium: drives.cdrom.discSize ?? null } : null,
    });
    this.#pic = pic;
    this.#uart = uart;
    this.#power = power;
    this.#firmwareChips = { port92, rtc, pci, dma, floppy, slots: balloon && ports };
    this.keyboard = keyboard;
    this.vga = vga;
    this.floppy = floppy;
    const { onHostError } = options;
    this.bios =
      'bios' in boot
        ? installBios({ processor: this.processor, ports, ide: drives.forBios, onHostError, ...boot.bios })
        : undefined;
    this.#devices = [
      ...[pic.primary, pic.secondary, pit, rtc, uart, i8042, keyboard, vga],
      ...[port61, port92, coprocessorError, postCode, dma.lower, dma.upper, dma.pages, floppy],
      ...[configMechanism, hostBridge, isaBridge, power, ide],
      ...[...ide.parts, ...drives.cables.flat().filter((drive) => drive !== undefined)],
      ...(balloon ? [balloon, ...balloon.parts] : []),
      ...(this.bios ? [this.bios] : []),
      ...('rom' in boot ? [installRom(boot.rom, { clock, ports, memory: this.memory, rtc, drives, floppy })] : []),
    ];
    if (original) this.#become(original);
    else if (!options.unbooted) this.#bootUp();
    // Last: one that could not be made holds nothing.
    this.#shared = shared.join(this.memory);
  }

  /** What it starts from, as it was created. The bytes are its own. */
  get boot(): PcOptions['boot'] {
    return this.#boot;
  }

  get instructions(): number {
    return this.processor.retired;
  }

  get time(): number {
    return this.clock.now;
  }

  get nextAlarm(): number {
    return this.clock.nextAlarm;
  }

  get timeSlope(): number {
    return this.processor.timeSlope;
  }

  get breakpoints(): Breakpoints {
    return this.processor.breakpoints;
  }

  get halted(): boolean {
    return this.processor.halted;
  }

  get slowness(): string | undefined {
    const { refusal } = this.processor.engine;
    return refusal === undefined ? undefined : `${this.name}: hot code is not translated any longer (${refusal})`;
  }

  /** The guest takes interrupts for what COM1 receives: somebody listens. */
  get serialListening(): boolean {
    return (this.#uart.state.ier & 1) !== 0;
  }

  run({ instructions, ...limits }: RunLimits): MachineExit {
    const before = this.instructions;
    let exit: MachineExit;
    try {
      exit = this.#exit(this.processor.run(instructions, limits), this.instructions - before);
    } catch (cause) {
      // The engine catches its own bugs; this one is a device's, or the machine's.
      const error = new InternalError(`${this.name}: ${(cause as Error).message}`, { cause });
      exit = { reason: 'error', error, executed: this.instructions - before };
    }
    this.serial.flush();
    this.debugConsole.flush();
    return exit;
  }

  correctTime(correction: Omit<TimeCorrection, 'instructions'>): void {
    this.processor.correctTime(correction);
    this.onTimeCorrection?.({ ...correction, instructions: this.instructions });
  }

  reset(): void {
    this.#request = undefined;
    resetDevices(this.#devices);
    this.processor.reset();
    this.#bootUp();
  }

  /** Between runs: everything but memory, as plain data that nobody else holds. What is in memory: `memory.contents`. */
  save(): MachineState {
    const { configuration } = this;
    const devices = saveDevices(this.#devices);
    return { version: MACHINE_STATE_VERSION, configuration, processor: this.processor.save(), devices };
  }

  /**
   * Becomes the machine that was saved, whatever engine ran it: it goes on exactly as that would have. `pages`: its memory,
   * as `GuestMemory.contents` gave it; undefined: the caller has put it there already. Not within a run. The boot image,
   * which a reset loads, stays that of this machine.
   * @throws UserError, and nothing has changed, for a state of another version or of a machine made of other parts
   */
  restore(state: MachineState, pages?: Iterable<MemoryPage>): void {
    this.#takeOver(state, this.#checkedDevices(state), pages);
  }

  /** @throws InternalError once disposed */
  get sharedPool(): SharedPool {
    if (this.#shared === undefined) throw new InternalError(`${this.name} is disposed`);
    return this.#shared;
  }

  /**
   * Between runs: its equal, in the same pool. They share memory as long as neither writes.
   * @throws UserError if it has drives; PoolFullError; RangeError when the process has no more room
   */
  clone(name: string): Pc {
    return Pc.create({ ...this.#parts, name, boot: this.#boot, cloneOf: this });
  }

  /**
   * Between runs: remembers what it is, to come back to by `revert`, as often as you like. Memory is shared with the
   * checkpoint until it is written.
   * @throws PoolFullError
   */
  checkpoint(): Checkpoint {
    const memory = new GuestMemory(this.processor.pool, { size: this.memory.size });
    memory.copyRam(this.memory);
    this.processor.mmu.flush('all');
    return { of: this, state: this.save(), memory };
  }

  /**
   * Between runs: is again what it was at a checkpoint of its own. Costs what has been written since.
   * @throws UserError, and nothing has changed, if other media are in its drives than then
   */
  revert({ of, state, memory }: Checkpoint): void {
    if (of !== this) throw new InternalError(`${this.name}: the checkpoint is of ${of.name}`);
    // Before anything is changed: a disc may have been exchanged since.
    const devices = this.#checkedDevices(state);
    this.memory.revertRam(memory);
    this.#takeOver(state, devices, undefined);
  }

  #become(original: Pc): void {
    const state = original.save();
    const devices = this.#checkedDevices(state);
    this.memory.copyRam(original.memory);
    // It holds translations through which it would write what both have.
    original.processor.mmu.flush('all');
    this.#takeOver(state, devices, undefined);
  }

  /**
   * As `restore`, of what may be anything: it comes from a file. Only in a machine that has not run, in whose memory is
   * what belongs there.
   * @throws UserError also for what is no such state; another error for one that chips cannot work with, and then the
   *   machine is good for nothing but to be disposed
   */
  restoreForeign(state: unknown): void {
    const checked = machineState(state, 'machine');
    const devices = this.#checkedDevices(checked);
    const states = new Map(devices.map((saved) => [saved.name, saved.state]));
    for (const device of this.#devices) if (states.has(device.name)) checkDeviceState(device, states.get(device.name));
    this.#takeOver(checked, devices, undefined);
  }

  /** @throws UserError as `restore` does */
  #checkedDevices(state: MachineState): readonly SavedDevice[] {
    const { version } = state;
    if (!(version >= 1 && version <= MACHINE_STATE_VERSION))
      throw new UserError(`the snapshot has version ${version}: this program knows version ${MACHINE_STATE_VERSION}`);
    checkConfiguration(state.configuration, this.configuration);
    this.processor.checkState(state.processor);
    return upgradeDevices(state, this.#devices);
  }

  #takeOver(
    { processor }: MachineState,
    devices: readonly SavedDevice[],
    pages: Iterable<MemoryPage> | undefined,
  ): void {
    if (pages) this.memory.replaceContents(pages);
    this.#request = undefined;
    this.processor.restore(processor);
    assignDevices(devices, this.#devices);
    OrLine.hold(this.#lines, () => {
      for (const device of this.#devices) device.resume();
    });
  }

  get configuration(): MachineConfiguration {
    return {
      memoryBytes: this.memory.size,
      cpu: this.processor.model.name,
      boot: 'bios' in this.#boot ? 'bios' : 'rom' in this.#boot ? 'rom' : 'image',
      romPages: this.memory.romPages,
      balloon: this.#parts.balloon ? { deflateOnOutOfMemory: this.#parts.balloon.deflateOnOutOfMemory ?? true } : null,
      floppies: this.floppy.drives.map(({ type, medium }) => ({ type, medium: medium?.size ?? null })),
      ...this.#ideMedia(),
    };
  }

  pressPowerButton(): void {
    this.#power.pressPowerButton();
  }

  stateHash(): string {
    return hashState([this.processor.stateHash(), ...this.surroundings()]);
  }

  /** What the guest could see besides processor and memory, as plain data by name: time, and each chip's state. */
  surroundings(): (readonly [name: string, state: unknown])[] {
    const { timeSlope, timeFraction } = this.processor;
    const time = { now: this.time, fraction: timeFraction, slope: timeSlope };
    return [['time', time], ...this.#devices.map(({ name, state }) => [name, state] as const)];
  }

  get memorySize(): number {
    return this.memory.size;
  }

  get memoryLimit(): number {
    return this.memory.frameLimit * PAGE_SIZE;
  }

  set memoryLimit(bytes: number) {
    this.memory.frameLimit = Math.floor(bytes / PAGE_SIZE);
  }

  get memoryInUse(): number {
    return this.memory.framesInUse * PAGE_SIZE;
  }

  get memoryPool(): SharedPool {
    return this.sharedPool;
  }

  get memoryShared(): number {
    return this.memory.framesShared * PAGE_SIZE;
  }

  get memorySwapped(): number {
    return this.memory.pagesElsewhere.swap * PAGE_SIZE;
  }

  get swaps(): { readonly in: number; readonly out: number } {
    return { ...this.memory.swaps };
  }

  swapOut(bytes: number, swap: SwapSpace): number {
    return this.#cold.evict(Math.ceil(bytes / PAGE_SIZE), swap) * PAGE_SIZE;
  }

  registers(): Registers {
    return readRegisters(this.processor);
  }

  translate(linear: number): number | undefined {
    return probeLinear(this.processor, checkAddress('translate: address', linear));
  }

  peek(linear: number, length: number): Uint8Array {
    return probeBytes(this.processor, checkAddress('peek: address', linear), checkLength('peek: length', length));
  }

  peekPhysical(address: number, length: number): Uint8Array {
    checkAddress('peekPhysical: address', address);
    return this.memory.copyOut(address, checkLength('peekPhysical: length', length));
  }

  screen(): string[] {
    return this.vga.text();
  }

  dispose(): void {
    if (this.#shared === undefined) return;
    this.processor.dispose();
    this.memory.dispose();
    this.#image?.dispose();
    if ('pieces' in this.#boot) this.#boot = { ...this.#boot, pieces: [] };
    this.#shared.leave(this.memory);
    this.#shared = undefined;
  }

  #bootUp(): void {
    // The BIOS starts where the processor does.
    if (this.#image === undefined || this.#entry === undefined) return;
    leaveAsFirmware(this.#firmwareChips, this.memory.size);
    this.#image.load();
    enterBootImage(this.processor, this.#entry);
  }

  /** From within a run: it ends before the next block. */
  #ask(request: Request): void {
    // A reset is not undone by output in the same moment.
    if (this.#request === undefined || RANK[request.reason] > RANK[this.#request.reason]) this.#request = request;
    this.processor.stop();
  }

  #exit({ reason, error, hit }: RunResult, executed: number): MachineExit {
    const request = this.#request;
    this.#request = undefined;
    if (reason === 'error') return { reason, error: error!, executed };
    if (reason === 'shutdown') return { reason: 'triple-fault', cause: this.processor.shutdownCause, executed };
    if (request !== undefined) return { ...request, executed };
    if (reason === 'breakpoint') return { reason, hit: hit!, executed };
    if (reason === 'waiting') return { reason, answer: this.clock.waitsFor!, executed };
    if (reason !== 'halted') return { reason, executed };
    return { reason: this.processor.interruptsEnabled ? 'idle' : 'halted', executed };
  }
}
