import { describe, expect, it } from 'vitest';
import { STATE } from '../../../../src/cpu/state-layout.ts';
import { TLB } from '../../../../src/cpu/tlb-layout.ts';
import { pushHostAddress, pushProbe } from '../../../../src/engine/lowering/tlb-probe.ts';
import { CodeWriter, I32, I64 } from '../../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../../src/wasm/module-builder.ts';

const TABLE = 0x1_0000;
const HOST = 0x5000;

/** (state, linear) → host address, or −1 for a miss; the table's entries as given, all others invalid. */
function createProbe(options: { wide: boolean; bytes: number; answer: 'hits' | 'misses' }) {
  const { wide, bytes } = options;
  const code = new CodeWriter(2);
  const probe = { table: 'tlbRead', bytes, wide, state: 0, linear: 1, entry: code.newLocal(I32) } as const;
  pushProbe(code, probe, options.answer);
  if (options.answer === 'misses') code.op('i32.eqz');
  code.if(I32);
  pushHostAddress(code, probe);
  code.else();
  code.i32(-1);
  code.end();
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: 65536 });
  const index = module.declare({ parameters: [I32, wide ? I64 : I32], results: [I32] }, 'probe');
  module.define(index, code);
  module.export('probe', index);
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const view = new DataView(memory.buffer);
  view.setUint32(STATE.fields.tlbRead, TABLE, true);
  const size = 1 << TLB.entryShift(wide);
  const put = (slot: number, tag: bigint, addend: number) => {
    const at = TABLE + slot * size;
    if (wide) view.setBigUint64(at + TLB.TAG, BigInt.asUintN(64, tag), true);
    else view.setUint32(at + TLB.TAG, Number(tag), true);
    view.setUint32(at + TLB.addend(wide), addend >>> 0, true);
  };
  for (let slot = 0; slot < TLB.ENTRIES; slot++) put(slot, BigInt(TLB.INVALID), 0);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host: { memory } });
  const run = exports.probe as (state: number, linear: number | bigint) => number;
  return {
    map: (linear: bigint) => {
      const page = BigInt.asIntN(64, linear) & -4096n;
      put(Number((linear >> 12n) & BigInt(TLB.ENTRIES - 1)), page, HOST - Number(BigInt.asUintN(32, page)));
    },
    run: (linear: bigint) => run(0, wide ? BigInt.asIntN(64, linear) : Number(BigInt.asIntN(32, linear))),
  };
}

describe.each(['hits', 'misses'] as const)('a TLB probe that tells whether it %s', (answer) => {
  describe.each([
    { wide: false, pages: [0n, 0x7fff_f000n, 0xffff_f000n, 0x1234_5000n] },
    { wide: true, pages: [0n, 0x7fff_ffff_f000n, 0xffff_8000_0000_0000n, 0xffff_ffff_ffff_f000n, 0x1_2345_6000n] },
  ])('wide: $wide', ({ wide, pages }) => {
    it.each([1, 2, 4, 8])('finds %s bytes in a mapped page, up to its last byte', (bytes) => {
      const { map, run } = createProbe({ wide, bytes, answer });
      for (const page of pages) {
        map(page);
        expect(run(page)).toBe(HOST);
        expect(run(page + 4096n - BigInt(bytes))).toBe(HOST + 4096 - bytes);
        if (bytes > 1) expect(run(page + 4097n - BigInt(bytes))).toBe(-1);
      }
    });

    it('does not find another page of the same slot, nor one that is not mapped', () => {
      const { map, run } = createProbe({ wide, bytes: 4, answer });
      map(0x40_0000n);
      expect(run(0x40_0ffcn)).toBe(HOST + 0xffc);
      expect(run(0x40_0000n + 4096n * BigInt(TLB.ENTRIES))).toBe(-1);
      expect(run(0x40_1000n)).toBe(-1);
      if (wide) expect(run(0x1_0040_0000n)).toBe(-1);
    });
  });
});
