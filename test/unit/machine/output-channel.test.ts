import { describe, expect, it } from 'vitest';
import { OUTPUT_LIMIT, OutputChannel } from '../../../src/machine/output-channel.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const SETUP = `
  mov dx, 0x3fb
  mov al, 3
  out dx, al`;
/** Guests that do nothing but send. */
const FLOODS = {
  'COM1 by REP OUTSB': `${SETUP}\nmov dx, 0x3f8\nagain: mov cx, 0xffff\nrep outsb\njmp again`,
  'COM1, byte by byte': `${SETUP}\nmov dx, 0x3f8\nagain: out dx, al\ninc al\njmp again`,
  'port E9h in a long block': `again:\n${'out 0xe9, al\ninc al\n'.repeat(500)}jmp again`,
  'port 402h': 'mov dx, 0x402\nagain: out dx, al\nloop again\njmp again',
};

function createPc(source: string, engine: (typeof ENGINES)[number]) {
  const pc = testPc({ engine, memoryBytes: 2 ** 20, boot: realModeBoot(source) });
  const pieces: Uint8Array[] = [];
  for (const channel of [pc.serial, pc.debugConsole]) channel.onOutput = (piece) => pieces.push(piece);
  return { pc, pieces };
}
const total = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, { length }) => sum + length, 0);

describe('a guest that floods', () => {
  it.each(Object.entries(FLOODS))('%s: a run ends soon after 64 KiB', (_, source) => {
    const { pc, pieces } = createPc(source, 'interpreter');
    for (let run = 1; run <= 2; run++) {
      expect(pc.run({ instructions: 1_000_000 }).reason).toBe('output');
      expect(pieces).toHaveLength(run);
      expect(pieces.at(-1)!.length).toBeGreaterThanOrEqual(OUTPUT_LIMIT);
      expect(pieces.at(-1)!.length).toBeLessThan(OUTPUT_LIMIT + 1024);
    }
  });

  /** What a guest and its reader have at an instruction count, run in slices of a length. */
  const at = (stop: number, slice: number, source: string, engine: (typeof ENGINES)[number]) => {
    const { pc, pieces } = createPc(source, engine);
    let cuts = 0;
    while (pc.instructions < stop) {
      const { reason } = pc.run({ instructions: Math.min(slice, stop - pc.instructions) });
      if (reason === 'output') cuts++;
    }
    return { cuts, seen: [pc.stateHash(), total(pieces), Buffer.concat(pieces).toString('latin1')] };
  };

  it.each(Object.entries(FLOODS))('%s: the guest cannot see where its runs were cut', (_, source) => {
    const whole = at(200_000, 200_000, source, 'interpreter');
    const sliced = at(200_000, 9_999, source, 'interpreter');
    expect([whole.cuts > 0, sliced.cuts]).toEqual([true, 0]);
    expect(sliced.seen).toEqual(whole.seen);
  });

  it('COM1 by REP OUTSB: the same on the reference, which takes its time', () => {
    const source = FLOODS['COM1 by REP OUTSB'];
    const stop = OUTPUT_LIMIT + 100;
    const cut = at(stop, stop, source, 'reference');
    expect(cut.cuts).toBe(1);
    expect(at(stop, 9_999, source, 'interpreter').seen).toEqual(cut.seen);
  });

  it('a reset or an exit in the same block is not lost', () => {
    const fill = `mov dx, 0xe9\nmov cx, ${OUTPUT_LIMIT - 1}\nrep outsb\nout 0xe9, al\n`;
    const reset = createPc(`${fill}mov al, 0xfe\nout 0x64, al\nhlt`, 'interpreter').pc;
    const reasons = [reset.run({ instructions: 1e6 }).reason, reset.run({ instructions: 1e6 }).reason];
    expect(reasons.filter((reason) => reason !== 'output')[0]).toBe('reset');
    const exit = createPc(`${fill}out 0xf4, al\nhlt`, 'interpreter').pc;
    const exits = [exit.run({ instructions: 1e6 }).reason, exit.run({ instructions: 1e6 }).reason];
    expect(exits.filter((reason) => reason !== 'output')[0]).toBe('debug-exit');
  });
});

describe('an output channel', () => {
  it('asks to be flushed from the limit on, and starts anew after that', () => {
    let asked = 0;
    const channel = new OutputChannel({ full: () => asked++ });
    const flushed: number[] = [];
    channel.onOutput = ({ length }) => flushed.push(length);
    for (let count = 0; count < OUTPUT_LIMIT - 1; count++) channel.put(1);
    expect(asked).toBe(0);
    channel.put(2);
    channel.put(3);
    expect(asked).toBe(2);
    channel.flush();
    channel.put(4);
    channel.flush();
    expect([asked, flushed]).toEqual([2, [OUTPUT_LIMIT + 1, 1]]);
  });
});
