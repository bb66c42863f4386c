import { expect, it } from 'vitest';
import { copyPlain } from '../../../src/base/copy-plain.ts';

it('is what structuredClone gives, of all that states hold', () => {
  const data = {
    values: [null, undefined, true, -0, 1.5, Number.NaN, 2n ** 70n, 'text', [[], {}]],
    arrays: {
      bytes: Uint8Array.of(1, 2),
      words: Uint16Array.of(3),
      doubles: Float64Array.of(4.5),
      wide: BigInt64Array.of(-5n),
    },
    map: new Map([[{ a: 1 }, new Set([1, [2]])]]),
  };
  expect(copyPlain(data)).toStrictEqual(structuredClone(data));
});

it('shares nothing with what it was made of', () => {
  const data = { bytes: Uint8Array.of(1), words: Uint32Array.of(1), list: [{ a: 1 }], map: new Map([['a', [1]]]) };
  const copy = copyPlain(data);
  data.bytes[0] = data.words[0] = 2;
  data.list[0].a = 2;
  data.map.get('a')![0] = 2;
  expect(copy).toStrictEqual({
    bytes: Uint8Array.of(1),
    words: Uint32Array.of(1),
    list: [{ a: 1 }],
    map: new Map([['a', [1]]]),
  });
});

it('makes bytes of a Buffer, with memory of their own', () => {
  const buffer = Buffer.from([1, 2, 3]);
  const copy = copyPlain(buffer);
  buffer[0] = 9;
  expect(copy).toStrictEqual(Uint8Array.of(1, 2, 3));
});
