/** A platform with a wall clock that moves when asked: a slice takes no time, a yield 1 ms by default. */
import type { Platform } from '../../src/hypervisor/platform.ts';

export class FakePlatform implements Platform {
  time = 0;
  yields = 0;
  timers: { at: number; action: () => void }[] = [];
  /** Wall-clock ms that every look at the clock takes. */
  step = 0.5;
  /** Wall-clock ms that the world's turn takes. */
  turn = 1;

  now(): number {
    this.time += this.step;
    return this.time;
  }

  async yield(): Promise<void> {
    this.yields++;
    this.time += this.turn;
    await Promise.resolve();
  }

  delay(ms: number, action: () => void): () => void {
    const timer = { at: this.time + ms, action };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Moves the wall clock to the next timer and fires it. */
  fire(): void {
    const timer = this.timers.shift()!;
    this.time = Math.max(this.time, timer.at);
    timer.action();
  }
}
