/**
 * The BIOS: what happens at a call of one of its services. `roms/bios` brings the call here by a write to a port, with
 * the caller's registers on the caller's stack; a service reads and changes them, and says what the processor is to do
 * next. No service waits: one that cannot be finished at once is asked again later, so that guest time goes on and
 * interrupts are taken meanwhile, as with a BIOS whose code runs.
 *
 * Sources: IBM Personal System/2 and Personal Computer BIOS Interface Technical Reference; what came after it is named
 * where it is used.
 */
import type { Device } from '../bus/device.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { powerOnState } from './bios-state.ts';
import type { Board } from './board.ts';
import { bootServices } from './boot.ts';
import { type CallFrame, readFrame } from './call-frame.ts';
import { clockServices } from './clock.ts';
import { diskServices } from './disk/disk-services.ts';
import { Transfers } from './disk/transfers.ts';
import { keyboardInterrupt } from './keyboard/keyboard-interrupt.ts';
import { keyboardServices } from './keyboard/keyboard-services.ts';
import { powerOnServices } from './post.ts';
import { serialServices } from './serial.ts';
import type { Call, Next, Services } from './service.ts';
import { systemServices } from './system.ts';
import { videoServices } from './video.ts';

/** Offsets from the first port; see service.asm. A doubleword is written: SS:SP. */
const PORT = { CALL: 0, GO_ON: 4 } as const;
const NEXT = { RETURN: 0, SPIN: 0xff01, HALT: 0xff02 } as const;
/** Calls that wait at the same time: interrupts within services. A guest that never comes back to them loses the oldest. */
const MOST_CALLS = 16;

export class Bios implements PortDevice, Device {
  readonly name = 'bios';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly portWidths = [4] as const;
  readonly #board: Board;
  readonly #services: Services;
  readonly #transfers: Transfers;

  constructor(board: Board) {
    this.#board = board;
    this.#transfers = new Transfers(board);
    const { state } = this;
    this.#services = {
      ...powerOnServices(board),
      ...videoServices(board),
      ...systemServices(board),
      ...clockServices(board),
      ...keyboardInterrupt(board),
      ...keyboardServices(board),
      ...serialServices(board),
      ...diskServices(board, state, this.#transfers),
      ...bootServices(board, state, this.#transfers),
    };
  }

  readPort(): number {
    return 0xffff_ffff;
  }

  writePort(offset: number, value: number, size: 1 | 2 | 4): void {
    if (size !== 4 || (offset !== PORT.CALL && offset !== PORT.GO_ON)) return;
    const place = (value >>> 16) * 16 + (value & 0xffff);
    const frame = readFrame(this.#board.memory, place);
    const waiting = this.state.calls.find((call) => call.place === place);
    const call: Call = { frame, place, memo: offset === PORT.GO_ON ? waiting?.memo : undefined };
    if (offset === PORT.CALL) this.#transfers.forget(place);
    const next = this.#services[frame.service]?.(call);
    tell(frame, next);
    frame.store();
    this.#keep(call, next);
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
    this.#transfers.forgetAll();
  }

  resume(): void {
    this.#transfers.forgetAll();
  }

  /** Keeps what a call that goes on will need. */
  #keep({ place, memo }: Call, next: Next): void {
    const { state } = this;
    state.calls = state.calls.filter((call) => call.place !== place);
    if (next === undefined) this.#transfers.forget(place);
    else state.calls.push({ place, memo });
    if (state.calls.length > MOST_CALLS) this.#transfers.forget(state.calls.shift()!.place);
  }
}

function tell(frame: CallFrame, next: Next): void {
  if (next === undefined) frame.next = NEXT.RETURN;
  else if (typeof next === 'string') frame.next = next === 'spin' ? NEXT.SPIN : NEXT.HALT;
  else {
    frame.next = next.interrupt;
    frame.argument = next.ax;
  }
}
