/**
 * INT 11h, 12h and 15h: what there is, memory, waiting. IBM PS/2 and PC BIOS Interface Technical Reference; ACPI 1.0
 * (E820); A20 (AH=24h) as PS/2 systems have it.
 *
 * Not modelled: APM (AH=53h: there is none, ACPI is), a pointing device (AH=C2h), the switch to protected mode (AH=89h),
 * joysticks.
 */
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import { type CallFrame, fail, succeed } from '../call-frame.ts';
import { realAddress } from '../memory-access.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { ROM_LABELS } from '../rom-image.ts';
import { type Call, type Next, SERVICE, type Services, sleep } from '../service.ts';
import { cancelEventWait, startEventWait } from './clock.ts';
import { extendedKib, memoryInTwoParts, memoryRanges } from './memory-map.ts';

const NOT_SUPPORTED = 0x86;
const SYSTEM_CONTROL_A = 0x92;
const A20 = 0x02;
/** The keyboard controller's output port, of which bit 1 is the gate. */
const KEYBOARD = { DATA: 0x60, COMMAND: 0x64, WRITE_OUTPUT_PORT: 0xd1, OPEN: 0xdf, CLOSED: 0xdd } as const;
/** "SMAP". */
const MAP_SIGNATURE = 0x534d_4150;
const RANGE_SIZE = 20;
const NS_PER_MICROSECOND = 1000;
/** AH=87h: descriptors of source and target in the table, and words of one call. */
const MOVE = { SOURCE: 0x10, TARGET: 0x18, MOST_WORDS: 0x8000 } as const;

export function systemServices(board: Board): Services {
  const bda = new BiosData(board.memory);
  return {
    [SERVICE.EQUIPMENT]: ({ frame }) => {
      frame.ax = bda.word(BDA.EQUIPMENT);
      return undefined;
    },
    [SERVICE.MEMORY_SIZE]: ({ frame }) => {
      frame.ax = bda.word(BDA.MEMORY_KIB);
      return undefined;
    },
    [SERVICE.SYSTEM]: (call) => systemFunction(board, call),
  };
}

function systemFunction(board: Board, call: Call): Next {
  const { frame } = call;
  const { ramBytes } = board;
  switch (frame.ah) {
    case 0x24:
      return switchA20(board, frame);
    case 0x4f: // a key: nobody has taken it
      return fail(frame) as undefined;
    case 0x80: // devices are opened and closed, programs end; somebody waits, or need not any more
    case 0x81:
    case 0x82:
    case 0x85:
    case 0x90:
    case 0x91:
      return succeed(frame, 0) as undefined;
    case 0x83:
      return waitForEvent(board, frame);
    case 0x86:
      return wait(board, call);
    case 0x87:
      return moveBlock(board, frame);
    case 0x88:
      frame.ax = extendedKib(ramBytes);
      return succeed(frame) as undefined;
    case 0xc0:
      frame.es = ROM_SEGMENT;
      frame.bx = ROM_LABELS.configuration;
      return succeed(frame, 0) as undefined;
    case 0xc1:
      frame.es = new BiosData(board.memory).word(BDA.EBDA_SEGMENT);
      return succeed(frame) as undefined;
    case 0xe8:
      return memory(board, frame);
    default:
      return fail(frame, NOT_SUPPORTED) as undefined;
  }
}

function switchA20({ ports }: Board, frame: CallFrame): undefined {
  const control = ports.read(SYSTEM_CONTROL_A, 1) & ~1; // bit 0 would reset
  // Either of the two would keep the gate open.
  const setA20 = (on: boolean) => {
    ports.write(SYSTEM_CONTROL_A, on ? control | A20 : control & ~A20, 1);
    ports.write(KEYBOARD.COMMAND, KEYBOARD.WRITE_OUTPUT_PORT, 1);
    ports.write(KEYBOARD.DATA, on ? KEYBOARD.OPEN : KEYBOARD.CLOSED, 1);
  };
  switch (frame.al) {
    case 0x00:
      setA20(false);
      return succeed(frame, 0) as undefined;
    case 0x01:
      setA20(true);
      return succeed(frame, 0) as undefined;
    case 0x02:
      frame.al = control & A20 ? 1 : 0;
      return succeed(frame, 0) as undefined;
    case 0x03:
      frame.bx = 3; // by the keyboard controller and by port 92h
      return succeed(frame, 0) as undefined;
    default:
      return fail(frame, NOT_SUPPORTED) as undefined;
  }
}

/** AH=83h: AL 0 begins, 1 cancels. */
function waitForEvent(board: Board, frame: CallFrame): undefined {
  if (frame.al === 1) {
    cancelEventWait(board);
    return succeed(frame, 0) as undefined;
  }
  const microseconds = frame.cx * 0x1_0000 + frame.dx;
  const free = frame.al === 0 && startEventWait(board, { segment: frame.es, offset: frame.bx }, microseconds);
  return (free ? succeed(frame, 0) : fail(frame, 0)) as undefined;
}

/** AH=86h: CX:DX µs. */
function wait({ clock }: Board, call: Call): Next {
  const { frame } = call;
  call.memo ??= { due: clock.now + (frame.cx * 0x1_0000 + frame.dx) * NS_PER_MICROSECOND };
  if (clock.now < (call.memo.due as number)) return sleep(call.memo);
  return succeed(frame, 0) as undefined;
}

/** AH=87h: CX words from and to anywhere in memory. */
function moveBlock({ memory: callers, physical }: Board, frame: CallFrame): undefined {
  if (frame.cx > MOVE.MOST_WORDS) return fail(frame, 2) as undefined;
  const table = realAddress(frame.es, frame.si);
  const baseOf = (descriptor: number) =>
    (callers.read(table + descriptor + 2, 4) & 0xff_ffff) + callers.read(table + descriptor + 7, 1) * 2 ** 24;
  physical.copyIn(baseOf(MOVE.TARGET), physical.copyOut(baseOf(MOVE.SOURCE), 2 * frame.cx));
  frame.zero = true;
  return succeed(frame, 0) as undefined;
}

function memory(board: Board, frame: CallFrame): undefined {
  const { kib, blocks } = memoryInTwoParts(board.ramBytes);
  switch (frame.al) {
    case 0x01:
      [frame.ax, frame.cx, frame.bx, frame.dx] = [kib, kib, blocks, blocks];
      return succeed(frame) as undefined;
    case 0x81:
      [frame.eax, frame.ecx, frame.ebx, frame.edx] = [kib, kib, blocks, blocks];
      return succeed(frame) as undefined;
    case 0x20:
      return queryMap(board, frame);
    default:
      return fail(frame, NOT_SUPPORTED) as undefined;
  }
}

/** AX=E820h: EBX is the number of the range, and of the next one, 0 after the last. */
function queryMap({ memory: callers, ramBytes }: Board, frame: CallFrame): undefined {
  const ranges = memoryRanges(ramBytes);
  const range = ranges[frame.ebx];
  if (frame.edx !== MAP_SIGNATURE || frame.ecx < RANGE_SIZE || range === undefined)
    return fail(frame, NOT_SUPPORTED) as undefined;
  const entry = new DataView(new ArrayBuffer(RANGE_SIZE));
  entry.setBigUint64(0, BigInt(range.first), true);
  entry.setBigUint64(8, BigInt(range.length), true);
  entry.setUint32(16, range.type, true);
  callers.copyIn(realAddress(frame.es, frame.di), new Uint8Array(entry.buffer));
  frame.eax = MAP_SIGNATURE;
  frame.ecx = RANGE_SIZE;
  frame.ebx = (frame.ebx + 1) % ranges.length;
  return succeed(frame) as undefined;
}
