/**
 * Scenes for one INT n, IRET, exception or external interrupt: tables, stacks and registers as a modern kernel has them, from which a random few things
 * may deviate. The same seed makes the same scenes, on whatever engine they are played.
 */
import { ACCESS } from '../../src/cpu/descriptor.ts';
import { FLAT_CODE, FLAT_DATA, FLAT_DPL3 } from '../../src/cpu/fast-system-call.ts';
import { EFLAGS, STATUS_MASK, writeEflags } from '../../src/cpu/flags.ts';
import { CR0 } from '../../src/cpu/register-bits.ts';
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  loadFlatSegment,
  loadNullSegment,
  refreshSegmentBounds,
  SS,
} from '../../src/cpu/segmentation.ts';
import { TR } from '../../src/cpu/state-layout.ts';
import type { Random } from '../../src/difftest/random.ts';
import type { EngineName } from '../../src/engine/engine-name.ts';
import { GPR } from '../../src/isa/semantics.ts';
import { type BareMachine, createBareMachine } from '../conformance/engines/bare-machine.ts';
import { descriptor } from './system-machine.ts';

const AT = {
  GDT: 0x1000,
  IDT: 0x2000,
  TSS: 0x3000,
  KERNEL_STACK: 0x9000,
  INNER_STACK: 0xb000,
  USER_STACK: 0xd000,
  HANDLER: 0xe000,
  USER: 0xf000,
  PROGRAM: 0x10000,
  PAGE_DIRECTORY: 0x80000,
  PAGE_TABLE: 0x81000,
} as const;
const SELECTOR = {
  CODE: 0x08,
  DATA: 0x10,
  USER_CODE: 0x1b,
  USER_DATA: 0x23,
  READ_ONLY: 0x2b,
  CODE16: 0x30,
  OTHER_DATA: 0x3b,
} as const;
const ENTRIES = 32;
/** MOV [F00h], ESP; PUSHFD; CLI; HLT: at level 3 the third faults. */
const AFTERWARDS = [0x89, 0x25, 0x00, 0x0f, 0, 0, 0x9c, 0xfa, 0xf4];
const PAGES = [AT.GDT, AT.IDT, AT.TSS, AT.KERNEL_STACK - 1, AT.INNER_STACK - 1, AT.USER_STACK - 1].map(
  (at) => at >>> 12,
);

/** What happens: the bytes that are executed, and the vector whose gate it takes, if it takes one. */
const ACTS = {
  /** INT 80h. */
  INT: { bytes: [0xcd, 0x80], vector: 0x80 },
  /** IRETD. */
  IRET: { bytes: [0xcf], vector: 0x80 },
  /** UD2. */
  'exception without error code': { bytes: [0x0f, 0x0b], vector: 6 },
  /** MOV FS, CX: with a selector beyond the limit of the GDT. */
  'exception with error code': { bytes: [0x8e, 0xe1], vector: 13 },
  /** NOP, before which it is taken. */
  'external interrupt': { bytes: [0x90], vector: 9 },
} as const;

export const KINDS = [
  'INT at level 3',
  'INT at level 0',
  'IRET to level 3',
  'IRET to level 0',
  'exception without error code at level 3',
  'exception without error code at level 0',
  'exception with error code at level 3',
  'exception with error code at level 0',
  'external interrupt at level 3',
  'external interrupt at level 0',
] as const;
export type SceneKind = (typeof KINDS)[number];
const actOf = (kind: SceneKind) => kind.replace(/ (at|to) level .$/, '') as keyof typeof ACTS;

/** All that may deviate, as plain numbers. */
export interface Scene {
  readonly kind: SceneKind;
  readonly paging: boolean;
  readonly descriptors: [number, number][];
  readonly gate: [number, number];
  readonly task: { base: number; limit: number; access: number; pointer: number; selector: number };
  /** EIP, CS, EFLAGS, ESP, SS, for IRET. */
  readonly frame: [number, number, number, number, number];
  /** Page table entries' flags by page. */
  readonly pages: Map<number, number>;
  /** Data segments: what the cache holds. */
  readonly data: Map<number, 'kernel' | 'user' | 'null' | 'small' | 'read-only'>;
  pointer: number;
  eflags: number;
  cpl: number;
  cr0: number;
  dr7: number;
  gdtrLimit: number;
  idtrLimit: number;
  nmiBlocked: number;
  interrupt: boolean;
  /** In the midst of a repeated string instruction. */
  suspended: boolean;
  codeAccess: number;
  /** Instructions to run. */
  budget: number;
}

export function usualScene(random: Random, kind: SceneKind): Scene {
  const fromUser = kind.endsWith('at level 3');
  const toUser = kind === 'IRET to level 3';
  const status = () => Number(random.bits(12)) & (STATUS_MASK | EFLAGS.DF);
  const flags = () => status() | (random.oneIn(2) ? EFLAGS.IF : 0) | (random.oneIn(4) ? EFLAGS.ID : 0) | 2;
  const resumed = random.oneIn(3) ? EFLAGS.RF : 0;
  const interrupt = actOf(kind) === 'external interrupt';
  const descriptors: [number, number][] = Array.from({ length: ENTRIES }, () => [0, 0]);
  const set = (selector: number, spec: Parameters<typeof descriptor>[0]) => {
    descriptors[selector >>> 3] = descriptor(spec);
  };
  set(SELECTOR.CODE, { access: 0x9b });
  set(SELECTOR.DATA, { access: 0x93 });
  set(SELECTOR.USER_CODE, { access: 0xfb });
  set(SELECTOR.USER_DATA, { access: 0xf3 });
  set(SELECTOR.READ_ONLY, { access: 0xf1 });
  set(SELECTOR.OTHER_DATA, { access: 0xf3 });
  set(SELECTOR.CODE16, { access: 0x9b, flags: 0 });
  const gateType = random.oneIn(2) ? 0xee00 : 0xef00;
  return {
    kind,
    paging: random.oneIn(2),
    descriptors,
    gate: [(SELECTOR.CODE << 16) | AT.HANDLER, gateType],
    task: { base: AT.TSS, limit: 0x67, access: 0x8b00, pointer: AT.INNER_STACK, selector: SELECTOR.DATA },
    frame: toUser
      ? [AT.USER, SELECTOR.USER_CODE, flags() | resumed, AT.USER_STACK, SELECTOR.USER_DATA]
      : [AT.HANDLER, SELECTOR.CODE, flags() | resumed, 0, 0],
    pages: new Map(),
    data: new Map([
      [DS, 'user'],
      [ES, 'user'],
      [FS, random.pick(['null', 'user'] as const)],
      [GS, random.pick(['null', 'user'] as const)],
    ]),
    pointer: fromUser ? AT.USER_STACK : AT.KERNEL_STACK - 0x40,
    eflags: flags() | (interrupt ? EFLAGS.IF : 0),
    cpl: fromUser ? 3 : 0,
    cr0: CR0.PE | CR0.ET | CR0.NE | (random.oneIn(2) ? CR0.WP : 0),
    dr7: 0x400,
    gdtrLimit: ENTRIES * 8 - 1,
    idtrLimit: 0x7ff,
    nmiBlocked: 0,
    interrupt,
    suspended: interrupt && random.oneIn(2),
    codeAccess: FLAT_CODE,
    budget: 1 + random.below(8),
  };
}

const flipBit = (words: number[], random: Random): void => {
  const index = random.below(words.length);
  words[index] = (words[index] ^ (1 << random.below(32))) >>> 0;
};
/** Across the end of the page that the stack usually has, or not quite. */
const nearPageEnd = (random: Random, pointer: number): number =>
  ((pointer + 0xfff) & -0x1000) + 4 * random.below(16) - 32 + (random.oneIn(4) ? 1 : 0);
const anySelector = (random: Random): number =>
  random.pick([
    ...Object.values(SELECTOR),
    0,
    3,
    7,
    SELECTOR.CODE | 4,
    SELECTOR.DATA | 4,
    SELECTOR.DATA | random.below(4),
    SELECTOR.USER_DATA & ~random.below(4),
    SELECTOR.CODE | 3,
    SELECTOR.USER_CODE & ~3,
    0xf8,
    0x100,
  ]);

/** Each changes one thing. */
const DEVIATIONS: readonly ((scene: Scene, random: Random) => void)[] = [
  ({ descriptors }, random) => flipBit(descriptors[1 + random.below(4)], random),
  ({ descriptors }, random) => {
    // The type, in the second doubleword.
    const entry = descriptors[1 + random.below(4)];
    entry[1] = (entry[1] ^ (1 << (8 + random.below(16)))) >>> 0;
  },
  // A null selector names nothing, whatever is there.
  ({ descriptors, frame, gate }, random) => {
    descriptors[0] = descriptors[1 + random.below(4)];
    gate[0] = gate[0] & 0xffff;
    frame[random.pick([1, 4])] &= 3;
  },
  ({ gate }, random) => flipBit(gate, random),
  ({ gate }, random) => {
    gate[1] = (gate[1] ^ (1 << (8 + random.below(8)))) >>> 0;
  },
  ({ gate }, random) => {
    gate[0] = ((anySelector(random) << 16) | (gate[0] & 0xffff)) >>> 0;
  },
  ({ task }, random) => {
    task.limit = random.below(16);
  },
  ({ task }, random) => {
    task.access ^= 1 << (8 + random.below(8));
  },
  ({ task }, random) => {
    task.selector = anySelector(random);
  },
  ({ task }, random) => {
    task.pointer = nearPageEnd(random, task.pointer);
  },
  ({ task }, random) => {
    task.pointer = random.below(64);
  },
  ({ task }, random) => {
    task.base = AT.TSS + 0x1000 - 16 + random.below(16);
  },
  ({ frame }, random) => flipBit(frame, random),
  ({ frame }, random) => {
    frame[2] = (frame[2] ^ (1 << random.below(22))) >>> 0;
  },
  ({ frame }, random) => {
    frame[random.pick([1, 4])] = anySelector(random);
  },
  ({ frame }, random) => {
    frame[random.pick([1, 4])] |= 0xabcd_0000;
  },
  ({ pages, paging }, random) => {
    if (paging) pages.set(random.pick(PAGES), random.pick([0, 3, 5]));
  },
  ({ data }, random) => {
    data.set(random.pick([DS, ES, FS, GS]), random.pick(['kernel', 'null', 'small', 'read-only'] as const));
  },
  (scene, random) => {
    scene.pointer = nearPageEnd(random, scene.pointer);
  },
  (scene, random) => {
    scene.eflags ^= random.pick([EFLAGS.TF, EFLAGS.NT, EFLAGS.AC, EFLAGS.IOPL, EFLAGS.IF, EFLAGS.DF]);
  },
  (scene, random) => {
    scene.cpl = random.below(4);
  },
  (scene) => {
    scene.cr0 |= CR0.AM;
    scene.eflags |= EFLAGS.AC;
    scene.frame[2] |= EFLAGS.AC;
  },
  (scene, random) => {
    scene.dr7 |= 1 << random.below(8);
  },
  (scene, random) => {
    scene.gdtrLimit = random.below(0x28);
  },
  (scene, random) => {
    scene.idtrLimit = ACTS[actOf(scene.kind)].vector * 8 + random.below(9);
  },
  (scene) => {
    scene.nmiBlocked = 1;
  },
  (scene) => {
    scene.interrupt = true;
  },
  (scene) => {
    scene.codeAccess &= ~ACCESS.BIG;
  },
];

export function deviate(scene: Scene, random: Random): void {
  random.pick(DEVIATIONS)(scene, random);
}

/** A machine that plays scenes, and counts what emitted code declines. */
export class SceneMachine {
  readonly #machine: BareMachine;
  #declined = 0;

  constructor(name: EngineName) {
    this.#machine = createBareMachine(name, { memory: 2 ** 20 });
    // Frames are given in the order of first use: what lies behind the end of a page is not what lies behind its frame,
    // but looks as if it might be.
    const selectors = Array.from({ length: 64 }, (_, at) => (at % 4 === 0 ? SELECTOR.OTHER_DATA : 0));
    for (let page = AT.PROGRAM >>> 12; page >= 0; page--) this.#machine.write(page << 12, selectors);
    const { processor } = this.#machine;
    processor.startProfile();
    const { engine } = processor;
    const enter = engine.enterPlainHandler?.bind(engine);
    if (!enter) return;
    engine.enterPlainHandler = (event) => {
      const entered = enter(event);
      if (!entered) this.#declined++;
      return entered;
    };
  }

  get processor(): BareMachine['processor'] {
    return this.#machine.processor;
  }

  /** Handlers that were entered or left without emitted code, so far. */
  get declined(): number {
    const { helpers = {} } = this.processor.profile?.engine ?? {};
    return this.#declined + (helpers.softwareInterrupt ?? 0) + (helpers.interruptReturn ?? 0);
  }

  /** As after a reset: nothing is in the TLB. */
  reset(): void {
    this.processor.reset();
  }

  dispose(): void {
    this.#machine.dispose();
  }

  /** Sets all up; what is in the TLB, and has not changed, stays. */
  enter(scene: Scene): void {
    const { processor } = this;
    const { state } = processor;
    this.#writeMemory(scene);
    for (let register = 0; register < 8; register++) state.setReg32(register, 0x1111_1111 * register);
    state.setReg32(GPR.rSP, scene.pointer);
    writeEflags(state, scene.eflags);
    state.gdtrBase = AT.GDT;
    state.gdtrLimit = scene.gdtrLimit;
    state.idtrBase = AT.IDT;
    state.idtrLimit = scene.idtrLimit;
    state.cr0 = (scene.cr0 | (scene.paging ? CR0.PG : 0)) >>> 0;
    state.cr2 = 0;
    state.cr3 = AT.PAGE_DIRECTORY;
    state.dr6 = 0xffff_0ff0;
    state.dr7 = scene.dr7;
    state.pendingDebug = 0;
    state.nmiBlocked = scene.nmiBlocked;
    state.halted = 0;
    state.suspended = scene.suspended ? 1 : 0;
    this.#loadSegments(scene);
    state.ip = AT.PROGRAM;
    processor.intr.set(scene.interrupt ? 1 : 0);
    processor.modeChanged();
  }

  #loadSegments(scene: Scene): void {
    const { state } = this.processor;
    const { cpl } = scene;
    const user = cpl === 3;
    state.cpl = cpl;
    const dpl = cpl << 13;
    loadFlatSegment(state.segments[CS], user ? SELECTOR.USER_CODE : SELECTOR.CODE, scene.codeAccess | dpl);
    loadFlatSegment(state.segments[SS], user ? SELECTOR.USER_DATA : SELECTOR.DATA, FLAT_DATA | dpl);
    for (const [segment, content] of scene.data) {
      const cache = state.segments[segment];
      if (content === 'null') loadNullSegment(cache, segment & 3);
      else if (content === 'kernel') loadFlatSegment(cache, SELECTOR.DATA, FLAT_DATA);
      else if (content === 'read-only')
        loadFlatSegment(cache, SELECTOR.READ_ONLY, (FLAT_DATA | FLAT_DPL3) & ~ACCESS.WRITABLE);
      else loadFlatSegment(cache, SELECTOR.USER_DATA, FLAT_DATA | FLAT_DPL3);
      if (content !== 'small') continue;
      cache.limit = 0x7fff_ffff;
      refreshSegmentBounds(cache);
    }
    const task = state.segments[TR];
    task.selector = 0x40;
    task.base = scene.task.base;
    task.limit = scene.task.limit;
    task.access = scene.task.access;
  }

  #writeMemory({ descriptors, gate, task, frame, pages, pointer, kind }: Scene): void {
    const machine = this.#machine;
    const words = (at: number, ...values: number[]) =>
      machine.write(at, new Uint8Array(Uint32Array.from(values, (value) => value >>> 0).buffer));
    for (const stack of [AT.KERNEL_STACK, AT.INNER_STACK, AT.USER_STACK])
      machine.write(stack - 0x1000, new Uint8Array(0x1000));
    words(0xf00, 0);
    words(AT.GDT, ...descriptors.flat());
    const exception: [number, number] = [(SELECTOR.CODE << 16) | AT.HANDLER, 0x8e00];
    words(AT.IDT, ...Array.from({ length: 32 }, () => exception).flat());
    const { bytes, vector } = ACTS[actOf(kind)];
    words(AT.IDT + 8 * vector, ...gate);
    words(task.base + 4, task.pointer, task.selector);
    if (actOf(kind) === 'IRET') words(pointer, ...frame);
    machine.write(AT.HANDLER, AFTERWARDS);
    machine.write(AT.USER, AFTERWARDS);
    machine.write(AT.PROGRAM, bytes);
    words(AT.PAGE_DIRECTORY, AT.PAGE_TABLE | 0x67);
    words(AT.PAGE_TABLE, ...Array.from({ length: 256 }, (_, page) => (page << 12) | 0x60 | (pages.get(page) ?? 7)));
  }
}
