/** What a service of the BIOS is: a function of the caller's registers, which may ask to be called again. */
import type { CallFrame } from './call-frame.ts';

/**
 * What the processor is to do before the service is called again, with interrupts as the BIOS lets them in: wait for an
 * interrupt, at most until a guest time (ns); or call one, with AX as given and carry set; it answers in `frame.argument`
 * (AX) and `frame.next` (FLAGS). Undefined: nothing, it returns to its caller.
 */
export type Next =
  | 'halt'
  | { readonly sleepUntil: number }
  | { readonly interrupt: number; readonly ax: number }
  | undefined;

/** In memos of calls that wait for a time: which. */
export const sleep = (memo: Memo | undefined): { readonly sleepUntil: number } => ({
  sleepUntil: (memo?.due ?? 0) as number,
});

/** What a service keeps from one time to the next, as plain data. */
export type Memo = Readonly<Record<string, number | string | boolean>>;

export interface Call {
  readonly frame: CallFrame;
  /** Undefined at first. */
  memo: Memo | undefined;
  /** Where the frame is: what tells one waiting call from another. */
  readonly place: number;
}

export type Service = (call: Call) => Next;

/** By interrupt number, and beyond FFh what has none. */
export type Services = Readonly<Record<number, Service>>;

/** Numbers of services: interrupts, and what the ROM starts after power-on. */
export const SERVICE = {
  PRINT_SCREEN: 0x05,
  TIMER_INTERRUPT: 0x08,
  KEYBOARD_INTERRUPT: 0x09,
  VIDEO: 0x10,
  EQUIPMENT: 0x11,
  MEMORY_SIZE: 0x12,
  DISK: 0x13,
  SERIAL: 0x14,
  SYSTEM: 0x15,
  KEYBOARD: 0x16,
  PRINTER: 0x17,
  NO_BOOT: 0x18,
  BOOT_STRAP: 0x19,
  CLOCK: 0x1a,
  CLOCK_INTERRUPT: 0x70,
  POWER_ON: 0x100,
} as const;
