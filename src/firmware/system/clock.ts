/**
 * Time: the tick (INT 08h), the clock chip's interrupt (INT 70h) and INT 1Ah. IBM PS/2 and PC BIOS Interface Technical
 * Reference, "Interrupt 08h", "Interrupt 70h", "Interrupt 1Ah".
 *
 * Not modelled: the "update in progress" that AH=02h and 04h would wait for: the chip shows no half-updated time.
 */
import { BDA, BiosData } from '../bios-data.ts';
import { type Board, readCmos, writeCmos } from '../board.ts';
import { type CallFrame, fail, succeed } from '../call-frame.ts';
import { pciFunction } from '../pci/pci-bios.ts';
import { type Call, type Next, SERVICE, type Services } from '../service.ts';
import { endInterrupt, unmask } from './interrupt-controller.ts';

const TICKS_PER_DAY = 0x18_00b0;
const TIMER_LINE = 0;
export const CLOCK_LINE = 8;
const USER_TICK = 0x1c;
const ALARM = 0x4a;
const PCI = 0xb1;

const RTC = {
  SECONDS: 0,
  SECONDS_ALARM: 1,
  MINUTES: 2,
  MINUTES_ALARM: 3,
  HOURS: 4,
  HOURS_ALARM: 5,
  DAY: 7,
  MONTH: 8,
  YEAR: 9,
  B: 0x0b,
  C: 0x0c,
  CENTURY: 0x32,
} as const;
const B = { SET: 0x80, PIE: 0x40, AIE: 0x20, DSE: 0x01 } as const;
const C = { PF: 0x40, AF: 0x20 } as const;
/** Of the clock's periodic interrupt, in µs, for what counts in it. */
const PERIOD = 976;
/** BDA: who waits (INT 15h, AH=83h), how long, and whether. */
const WAIT = { OFFSET: 0x98, SEGMENT: 0x9a, COUNT: 0x9c } as const;

export function clockServices(board: Board): Services {
  const bda = new BiosData(board.memory);
  const { ports } = board;

  /** INT 08h. The user's interrupt comes before the controller hears of the end, as on every PC. */
  const tick = (call: Call): Next => {
    if (call.memo === undefined) {
      const ticks = bda.doubleword(BDA.TICKS) + 1;
      bda.setDoubleword(BDA.TICKS, ticks >= TICKS_PER_DAY ? 0 : ticks);
      if (ticks >= TICKS_PER_DAY) bda.setByte(BDA.MIDNIGHT, 1);
      call.memo = {};
      return { interrupt: USER_TICK, ax: 0 };
    }
    endInterrupt(ports, TIMER_LINE);
    return undefined;
  };

  const clockInterrupt = (call: Call): Next => {
    if (call.memo === undefined) {
      const flags = readCmos(board, RTC.C);
      if (flags & C.PF) countDown();
      call.memo = {};
      if (flags & C.AF && readCmos(board, RTC.B) & B.AIE) return { interrupt: ALARM, ax: 0 };
    }
    endInterrupt(ports, CLOCK_LINE);
    return undefined;
  };

  /** For who waits by INT 15h, AH=83h: bit 7 of his byte is set when his time has come. */
  function countDown(): void {
    if ((bda.byte(BDA.WAIT_FLAG) & 1) === 0) return;
    const left = bda.doubleword(WAIT.COUNT);
    if (left > PERIOD) return bda.setDoubleword(WAIT.COUNT, left - PERIOD);
    bda.setDoubleword(WAIT.COUNT, 0);
    const address = bda.word(WAIT.SEGMENT) * 16 + bda.word(WAIT.OFFSET);
    board.memory.write(address, board.memory.read(address, 1) | 0x80, 1);
    bda.setByte(BDA.WAIT_FLAG, 0);
    setPeriodicInterrupt(board, false);
  }

  const services = new Map<number, (frame: CallFrame) => void>([
    [
      0x00,
      (frame) => {
        const ticks = bda.doubleword(BDA.TICKS);
        frame.cx = ticks >>> 16;
        frame.dx = ticks & 0xffff;
        frame.al = bda.byte(BDA.MIDNIGHT);
        bda.setByte(BDA.MIDNIGHT, 0);
        succeed(frame, 0);
      },
    ],
    [
      0x01,
      (frame) => {
        bda.setDoubleword(BDA.TICKS, frame.cx * 0x1_0000 + frame.dx);
        bda.setByte(BDA.MIDNIGHT, 0);
        succeed(frame, 0);
      },
    ],
    [
      0x02,
      (frame) => {
        frame.ch = readCmos(board, RTC.HOURS);
        frame.cl = readCmos(board, RTC.MINUTES);
        frame.dh = readCmos(board, RTC.SECONDS);
        frame.dl = readCmos(board, RTC.B) & B.DSE;
        succeed(frame, 0);
      },
    ],
    [
      0x03,
      (frame) => {
        const before = readCmos(board, RTC.B) & ~(B.SET | B.DSE);
        writeCmos(board, RTC.B, before | B.SET);
        writeCmos(board, RTC.HOURS, frame.ch);
        writeCmos(board, RTC.MINUTES, frame.cl);
        writeCmos(board, RTC.SECONDS, frame.dh);
        writeCmos(board, RTC.B, before | (frame.dl & B.DSE));
        succeed(frame, 0);
      },
    ],
    [
      0x04,
      (frame) => {
        frame.ch = readCmos(board, RTC.CENTURY);
        frame.cl = readCmos(board, RTC.YEAR);
        frame.dh = readCmos(board, RTC.MONTH);
        frame.dl = readCmos(board, RTC.DAY);
        succeed(frame, 0);
      },
    ],
    [
      0x05,
      (frame) => {
        const before = readCmos(board, RTC.B) & ~B.SET;
        writeCmos(board, RTC.B, before | B.SET);
        writeCmos(board, RTC.CENTURY, frame.ch);
        writeCmos(board, RTC.YEAR, frame.cl);
        writeCmos(board, RTC.MONTH, frame.dh);
        writeCmos(board, RTC.DAY, frame.dl);
        writeCmos(board, RTC.B, before);
        succeed(frame, 0);
      },
    ],
    [
      0x06,
      (frame) => {
        const before = readCmos(board, RTC.B);
        if (before & B.AIE) return fail(frame, 0);
        writeCmos(board, RTC.HOURS_ALARM, frame.ch);
        writeCmos(board, RTC.MINUTES_ALARM, frame.cl);
        writeCmos(board, RTC.SECONDS_ALARM, frame.dh);
        unmask(ports, CLOCK_LINE);
        writeCmos(board, RTC.B, before | B.AIE);
        succeed(frame, 0);
      },
    ],
    [
      0x07,
      (frame) => {
        writeCmos(board, RTC.B, readCmos(board, RTC.B) & ~B.AIE);
        succeed(frame, 0);
      },
    ],
    [PCI, (frame) => pciFunction(board, frame)],
  ]);

  return {
    [SERVICE.TIMER_INTERRUPT]: tick,
    [SERVICE.CLOCK_INTERRUPT]: clockInterrupt,
    [SERVICE.CLOCK]: ({ frame }) => {
      const service = services.get(frame.ah);
      if (service === undefined) fail(frame);
      else service(frame);
      return undefined;
    },
  };
}

/** The clock's interrupt 1024 times a second: somebody waits. */
export function setPeriodicInterrupt(board: Board, on: boolean): void {
  const before = readCmos(board, RTC.B);
  if (on) unmask(board.ports, CLOCK_LINE);
  writeCmos(board, RTC.B, on ? before | B.PIE : before & ~B.PIE);
}

/** INT 15h, AH=83h: bit 7 of the byte at ES:BX is to be set after a time in µs. @returns whether nobody else waits */
export function startEventWait(board: Board, to: { segment: number; offset: number }, microseconds: number): boolean {
  const bda = new BiosData(board.memory);
  if (bda.byte(BDA.WAIT_FLAG) & 1) return false;
  bda.setWord(WAIT.OFFSET, to.offset);
  bda.setWord(WAIT.SEGMENT, to.segment);
  bda.setDoubleword(WAIT.COUNT, microseconds);
  bda.setByte(BDA.WAIT_FLAG, 1);
  setPeriodicInterrupt(board, true);
  return true;
}

export function cancelEventWait(board: Board): void {
  new BiosData(board.memory).setByte(BDA.WAIT_FLAG, 0);
  setPeriodicInterrupt(board, false);
}
