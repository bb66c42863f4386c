import { expect, it } from 'vitest';
import type { Outcome, Vector } from '../../../src/difftest/vector.ts';
import { regressionFromJson, regressionToJson } from '../../../src/difftest/vector-json.ts';

it('a regression case survives JSON', () => {
  const state = {
    registers: [1n, 0xffff_ffff_ffff_ffffn],
    flags: 0x246,
    memory: Uint8Array.of(0, 255, 16),
    x87: { controlWord: 0x37f, statusWord: 0x3800, tags: 0xff, stack: [0x3fff_8000_0000_0000_0000n] },
  };
  const vector: Vector = { mode: 64, code: Uint8Array.of(0xd9, 0xe8), initial: state, window: 0x70_0000 };
  const outcome: Outcome = {
    ending: { kind: 'fault', vector: 14, errorCode: 6, ip: 0x60_0800n, address: 0x1000n },
    final: state,
  };
  const json = JSON.parse(JSON.stringify(regressionToJson('title', 'cpu', vector, outcome)));
  expect(regressionFromJson(json)).toEqual({ vector, outcome });
});
