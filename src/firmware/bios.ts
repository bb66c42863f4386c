/**
 * The BIOS: what happens at a call of one of its services. `roms/bios` brings the call here by a write to a port, with
 * the caller's registers on the caller's stack; a service reads and changes them, and says what the processor is to do
 * next. No service waits: one that cannot be finished at once is asked again later, so that guest time goes on and
 * interrupts are taken meanwhile, as with a BIOS whose code runs.
 *
 * Sources: IBM Personal System/2 and Personal Computer BIOS Interface Technical Reference; what came after it is named
 * where it is used.
 */
import { copyPlain } from '../base/copy-plain.ts';
import type { Alarm } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { powerOnState, type WaitingCall } from './bios-state.ts';
import type { Board } from './board.ts';
import { type CallFrame, readFrame } from './call-frame.ts';
import { diskServices } from './disk/disk-services.ts';
import { Transfers } from './disk/transfers.ts';
import { keyboardInterrupt } from './keyboard/keyboard-interrupt.ts';
import { keyboardServices } from './keyboard/keyboard-services.ts';
import { pciFunction } from './pci/pci-bios.ts';
import { isPoll, restBefore } from './poll-rest.ts';
import type { Call, Next, Services } from './service.ts';
import { bootServices } from './start/boot.ts';
import { powerOnServices } from './start/post.ts';
import { clockServices } from './system/clock.ts';
import { serialServices } from './system/serial.ts';
import { systemServices } from './system/system.ts';
import { videoServices } from './video/video.ts';

/** Offsets from the first port; see service.asm and protected.asm. A doubleword is written: SS:SP, or ESP. */
const PORT = { CALL: 0, GO_ON: 4, PROTECTED_PCI: 8 } as const;
const NEXT = { RETURN: 0, HALT: 0xff01 } as const;
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
  /** By the place of the call that sleeps. */
  readonly #alarms = new Map<number, Alarm>();

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
    if (size !== 4) return;
    if (offset === PORT.PROTECTED_PCI) return this.#servePci(value);
    if (offset !== PORT.CALL && offset !== PORT.GO_ON) return;
    const place = (value >>> 16) * 16 + (value & 0xffff);
    const frame = readFrame(this.#board.memory, place);
    const waiting = offset === PORT.GO_ON ? this.#waiting(place, frame.service) : undefined;
    const call: Call = { frame, place, memo: waiting?.memo };
    if (waiting === undefined) this.#transfers.forget(place);
    // A page fault of the caller's is as if nothing had been asked.
    const before = copyPlain(this.state);
    try {
      const next = this.#serve(call, { isNew: waiting === undefined });
      tell(frame, next);
      frame.store();
      this.#keep(call, next);
    } catch (error) {
      Object.assign(this.state, before);
      // What this call has begun would be kept for a frame that nobody comes back to.
      if (call.memo !== waiting?.memo) this.#transfers.forget(place);
      throw error;
    }
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
    this.#forgetAll();
  }

  resume(): void {
    this.#forgetAll();
    for (const call of this.state.calls) {
      this.#transfers.restart(call.place, call.memo);
      this.#setAlarm(call);
    }
  }

  #servePci(place: number): void {
    const frame = readFrame(this.#board.memory, place);
    pciFunction(this.#board, frame);
    frame.store();
  }

  /** A frame is the guest's: what it says that waits need not be what does. */
  #waiting(place: number, service: number): WaitingCall | undefined {
    return this.state.calls.find((call) => call.place === place && call.service === service);
  }

  #serve(call: Call, { isNew }: { isNew: boolean }): Next {
    const { clock } = this.#board;
    const { polls } = this.state;
    if (isNew) {
      const rest = restBefore(call.frame, polls, clock.now);
      if (rest !== undefined) {
        call.memo = { rests: true };
        return rest;
      }
    }
    if (call.memo?.rests) call.memo = undefined;
    const next = this.#services[call.frame.service]?.(call);
    if (isPoll(call.frame)) polls.answeredAt = clock.now;
    return next;
  }

  /** Keeps what a call that goes on will need. */
  #keep({ frame, place, memo }: Call, next: Next): void {
    const { calls } = this.state;
    this.#forget(place);
    const before = calls.findIndex((call) => call.place === place);
    if (before >= 0) calls.splice(before, 1);
    if (next === undefined) return this.#transfers.forget(place);
    const sleeps = typeof next === 'object' && 'sleepUntil' in next;
    const call: WaitingCall = { place, service: frame.service, memo, wakeAt: sleeps ? next.sleepUntil : null };
    calls.push(call);
    this.#setAlarm(call);
    if (calls.length <= MOST_CALLS) return;
    const oldest = calls.shift()!;
    this.#forget(oldest.place);
    this.#transfers.forget(oldest.place);
  }

  #setAlarm({ place, wakeAt }: WaitingCall): void {
    if (wakeAt === null) return;
    const { clock, wake } = this.#board;
    const alarm = clock.setAlarm(wakeAt, () => {
      this.#alarms.delete(place);
      wake();
    });
    this.#alarms.set(place, alarm);
  }

  #forget(place: number): void {
    this.#alarms.get(place)?.cancel();
    this.#alarms.delete(place);
  }

  #forgetAll(): void {
    for (const place of [...this.#alarms.keys()]) this.#forget(place);
    this.#transfers.forgetAll();
  }
}

function tell(frame: CallFrame, next: Next): void {
  if (next === undefined) frame.next = NEXT.RETURN;
  else if (next === 'halt' || 'sleepUntil' in next) frame.next = NEXT.HALT;
  else {
    frame.next = next.interrupt;
    frame.argument = next.ax;
  }
}
